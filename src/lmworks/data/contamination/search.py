"""Search for test items in the texts that a model learned from, by content.

An item's question and expected answer are searched for separately. The surest verdict on each is kept: `whole`, `near`,
or `verbatim` (13 consecutive words, or a line of 8 to 12 words): see `data.contamination.join`. A text of fewer than 13
words is found only as a whole or by such a line. A text of fewer than 8 words is not searched for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field

from lmworks.data.base.pretrained import model_digest
from lmworks.data.base.words import letters_a_word
from lmworks.data.contamination.items import Item, files_of, forms_of, is_short_layout, items_of, texts_in
from lmworks.data.contamination.join import RUN_WORDS, Form, open_index, words_of, write_index
from lmworks.data.contamination.reworded import find_reworded
from lmworks.data.shards.records import write_json_lines
from lmworks.data.shards.steps import Parts, Tally, map_units
from lmworks.pipeline.files import canonical_json, digest_once, digest_text, write_atomically
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.pipeline.units import Origin, unit_facts
from lmworks.recipe.schema import BesideRecipe, Reference, RewordedConfig

Verdict = Literal["whole", "near", "verbatim", "shared", "not found", "too short"]
FOUND: tuple[Verdict, ...] = get_args(Verdict)[:3]
"""Verdicts on an item that was found, the surest first."""
_RANKS = {"exact": 0, "near-duplicate": 1, "13-gram": 2, "line": 2}
"""Place in `FOUND` of the verdict by each method."""
PARTS = ("question", "answer")


class SearchConfig(BesideRecipe):
    """Items, and the texts that are searched for them. The graph makes this config."""

    data: Reference = Field(description="Records that are evaluated.")
    texts: list[Reference] = Field(description="All texts that the models learned from.")
    unknown: list[str] = Field(default=[], description="Reasons why some training texts are unknown.")
    reworded: RewordedConfig | None = Field(default=None, description="Search for items in other words.")
    encoder_digest: str = Field(default="", description="Digest of the encoder's files, set by `resolve`.")

    def resolve(self, folder: Path) -> Self:
        """Return the config with the digest of the encoder, if one is named. Raises UsageError if it is missing."""
        config = super().resolve(folder)
        if self.reworded is None:
            return config
        digest = model_digest(folder / self.reworded.encoder, "evaluate.reworded.encoder")
        return config.model_copy(update={"encoder_digest": digest})


@stage(version=10, reads="texts", measures="data")
def contamination_search(
    config: SearchConfig, data: Handle, texts: list[Handle], out: Path, context: Context
) -> Result:
    """Write a line for each record to `verdicts.jsonl`, and what was searched to `searched.json`."""
    items = list(items_of(data))
    forms = _forms(items)
    thin = write_index(context.scratch / "index", forms)
    open_index.cache_clear()
    files = [file for text in texts for file in files_of(text)]
    settings = [digest_text(canonical_json(forms))]
    # An erasure names what it reached by Parquet shards: a file of lines is searched anew.
    origins = [Origin((digest_once(file),), settings) if file.suffix == ".parquet" else None for file in files]
    work = partial(_search_file, context.scratch / "index")
    tally = map_units(files, work, out, context, parts=(), threads=True, origins=origins)
    best: dict[int, tuple[int, str]] = {}
    for facts in unit_facts(context.beside):
        for number, rank, record in facts["found"]:
            best[number] = min(best.get(number, (rank, record)), (rank, record), key=lambda verdict: verdict[0])
    missing: dict[int, Verdict] = {form.item: "not found" for form in forms if not is_short_layout(form.text)}
    missing |= dict.fromkeys(thin, "shared")
    lines = [_line(item, place * len(PARTS), missing, best) for place, item in enumerate(items)]
    if config.reworded:
        questions = {
            item.id: item.question for item, line in zip(items, lines, strict=True) if line[PARTS[0]] not in FOUND
        }
        suspects = find_reworded(questions, files, config.folder, config.reworded, context.check_stop)
        for line in lines:
            if suspect := suspects.get(line["id"]):
                line["suspected"] = suspect._asdict()
    unknown = list(config.unknown)
    if not all(map(files_of, texts)):
        unknown.append("some training records are of a kind that this search cannot read")
    write_json_lines(out / "verdicts.jsonl", lines)
    write_atomically(out / "searched.json", canonical_json({"texts": tally.counts["texts"], "unknown": unknown}) + "\n")
    counts = Counter(f"{part}: {line[part]}" for line in lines for part in PARTS if line[part])
    counts.update("question: suspected in other words" for line in lines if "suspected" in line)
    return Result(counts={"items": len(items), "training texts": tally.counts["texts"], **dict(sorted(counts.items()))})


def _forms(items: Sequence[Item]) -> list[Form]:
    """Return the forms of the questions and answers of items that have enough words to be searched for."""
    texts = [text for item in items for text in item[1:]]
    long = [
        Form(number, text, "", items[number // len(PARTS)].id)
        for number, (text, words) in enumerate(zip(texts, words_of(texts), strict=True))
        if len(words) >= RUN_WORDS * letters_a_word(text)
    ]
    return forms_of(long, [True] * len(long))


def _line(
    item: Item, first: int, missing: Mapping[int, Verdict], best: Mapping[int, tuple[int, str]]
) -> dict[str, Any]:
    """Return the verdicts on an item whose question has the number `first`, and the records that hold it."""
    line: dict[str, Any] = {"id": item.id}
    for number, (part, text) in enumerate(zip(PARTS, item[1:], strict=True), first):
        line[part] = missing.get(number, "too short") if text or part == PARTS[0] else None
        if number in best:
            rank, record = best[number]
            line |= {part: FOUND[rank], f"{part} in": record}
    return line


def _search_file(index: Path, file: Path) -> tuple[Parts, Tally]:
    """Note the surest verdict on each text found in a file of records, with the first record that holds it."""
    tally, best = Tally(), dict[int, tuple[int, str]]()
    for records, texts in texts_in(file):
        tally.counts["texts"] += len(texts)
        for record, matches in zip(records, open_index(index).search(texts), strict=True):
            for match in matches:
                rank = _RANKS[match.method]
                if match.item not in best or rank < best[match.item][0]:
                    best[match.item] = rank, record
    tally.facts["found"] = [[number, *verdict] for number, verdict in sorted(best.items())]
    return {}, tally
