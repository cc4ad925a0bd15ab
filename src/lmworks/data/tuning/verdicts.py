"""Verdicts of domain experts on single documents, used as a filter or as labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field

from lmworks.data.shards.records import Document, Documents, shard_ids, write_json_lines
from lmworks.data.shards.steps import Parts, Tally, counted, map_shards
from lmworks.data.tuning.agreement import agreement
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.files import canonical_json, digest_text, fingerprints
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import BesideRecipe, Reference


class VerdictsConfig(BesideRecipe):
    """Read experts' verdicts on a sample of documents."""

    makes: ClassVar[str] = "documents"
    kind: Literal["verdicts"] = "verdicts"
    documents: Reference = Field(alias="from", description="Documents, with or without verdicts.")
    verdicts: str = Field(description="File of verdicts (jsonl), or a folder of such files, relative to the recipe.")
    use: Literal["filter", "label"] = Field(
        default="filter",
        description="`filter` drops documents that most of their annotators rejected. `label` writes the most frequent "
        "label into `meta.label`, for a step that learns it. A tie neither drops nor labels a document.",
    )
    reject: list[str] = Field(
        default=["reject"], min_length=1, description="Labels that mean rejection. The annotation page offers `reject`."
    )
    fingerprints: list[str] = Field(default=[], description="sha256 of each file, set by `resolve`.")

    def resolve(self, folder: Path) -> Self:
        """Return this config with the digests of its files."""
        found = super().resolve(folder)
        if not (prints := fingerprints(found.files(), "verdicts", "verdicts")):
            raise UsageError(f"verdicts: {folder / self.verdicts} holds no .jsonl file; fix `verdicts`")
        return found.model_copy(update={"fingerprints": prints})

    def files(self) -> list[Path]:
        """Return the files, by name."""
        path = self.folder / self.verdicts
        return sorted(path.glob("*.jsonl")) if path.is_dir() else [path]


@stage(version=2, reads="documents")
def verdicts(config: VerdictsConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Drop documents that experts rejected, or label those they judged. Documents without a verdict stay as they are.

    An unusable line goes to `quarantine.jsonl` with its file, line number (`record`) and reason. It is not a verdict,
    names an unknown document, or is the second verdict of its annotator on a document. `disagreements.jsonl` lists the
    documents whose annotators gave several labels.
    """
    lines = [line for path in config.files() for line in _lines(path)]
    known = {line.id for line in lines}.intersection(shard_ids(documents.path))
    judged, unusable = _sort_out(lines, known)
    if not judged:
        raise LmworksError(
            f"verdicts: none of {len(lines)} lines judges one of these documents. The first: "
            + "; ".join(f"{bad['path']}:{bad['record']}: {bad['reason']}" for bad in unusable[:3])
        )
    tally = Tally()
    for bad in unusable:
        tally.lose(f"quarantined: {bad['reason'].split(':')[0]}", path=bad["path"], record=bad["record"])
    settings = digest_text(canonical_json(judged))
    tally.add(map_shards(documents, partial(_judge_shard, judged), config, out, context, settings=settings))
    split = {name: given for name, given in sorted(judged.items()) if len(set(given.values())) > 1}
    write_json_lines(out / "disagreements.jsonl", ({"id": name, "verdicts": given} for name, given in split.items()))
    write_json_lines(out / "quarantine.jsonl", unusable)
    tally.counts |= {"judged": len(judged), "judged differently": len(split)}
    figure = agreement(judged)
    return Result(figures=[figure] if figure else [], counts=tally.counts, losses=tally.losses, examples=tally.examples)


class Line(NamedTuple):
    """One line of a file of verdicts. `fault` is the reason why it is not a verdict."""

    file: str
    number: int
    offset: int
    id: str = ""
    label: str = ""
    annotator: str = ""
    fault: str = ""


def _lines(path: Path) -> Iterator[Line]:
    """Yield every line that is not empty."""
    offset = 0
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            place = Line(path.name, number, offset)
            offset += len(raw)
            if raw.strip():
                yield _read(place, raw)


def _read(place: Line, raw: bytes) -> Line:
    try:
        record = json.loads(raw)
        json.dumps(record, ensure_ascii=False).encode()  # half of a surrogate pair could not be written again
    except (ValueError, RecursionError) as error:
        return place._replace(fault=f"not JSON: {type(error).__name__}")
    values: dict[str, Any] = record if isinstance(record, dict) else {}
    for name in ("id", "label", "annotator"):
        if not (isinstance(values.get(name), str) and values[name].strip()):
            return place._replace(fault=f"no verdict: field {name!r} must be a text that is not empty")
    return place._replace(id=values["id"], label=values["label"].strip(), annotator=values["annotator"].strip())


def _sort_out(lines: Sequence[Line], known: set[str]) -> tuple[dict[str, dict[str, str]], list[dict[str, Any]]]:
    """Return the first verdicts (document → annotator → label), and the lines that cannot be used."""
    judged: dict[str, dict[str, str]] = {}
    first: dict[tuple[str, str], Line] = {}
    unusable: list[dict[str, Any]] = []
    for line in lines:
        fault = line.fault or ("" if line.id in known else "unknown id: none of these documents has it")
        if not fault and (before := first.setdefault((line.id, line.annotator), line)) is not line:
            fault = f"double verdict: its annotator judged {line.id} in {before.file}:{before.number}; that one counts"
        if fault:
            place = {"source": "verdicts", "path": line.file, "record": str(line.number), "offset": line.offset}
            unusable.append({**place, "reason": fault})
        else:
            judged.setdefault(line.id, {})[line.annotator] = line.label
    return judged, unusable


def _judge_shard(
    judged: Mapping[str, Mapping[str, str]], config: VerdictsConfig, documents: list[Document]
) -> tuple[Parts, Tally]:
    """Drop or label the documents of one shard."""
    tally, kept = Tally(), []
    for document in documents:
        labels = Counter(judged.get(document.id, {}).values())
        if config.use == "filter":
            rejecting = sum(labels[label] for label in config.reject)
            if 2 * rejecting > labels.total():
                said = f"{rejecting} of {labels.total()}"
                tally.lose("rejected", id=document.id, annotators=said, text=document.text[:200])
                continue
        elif label := _most(labels):
            tally.counts[f"labelled: {label}"] += 1
            document = replace(document, meta={**document.meta, "label": label})
        kept.append(document)
    return counted(kept, tally)


def _most(labels: Counter[str]) -> str | None:
    """Return the most frequent label, or None if there is no label, or a tie."""
    (first, count), (_, second) = [*labels.most_common(2), ("", 0), ("", 0)][:2]
    return first if count > second else None
