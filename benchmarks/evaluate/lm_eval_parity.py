"""Ten likelihood tasks beside LM Evaluation Harness, item by item, on local files and one local model: one JSON line.

    python benchmarks/evaluate/lm_eval_parity.py MODEL DATA --peer PYTHON [--items 100] [--tasks arc-easy lambada]

MODEL is a folder that both sides read, DATA a folder of published sets (`choice_sets.py` says which files), PYTHON that
of an environment with `lm_eval[hf]`. lmworks runs its own stages with `boundary: lm-eval`, the harness a task of its
own on the same records; both say the log-likelihood of every choice. `largest` is the largest difference a token, in
nats, of `answers` texts, and `beyond` the number of those that differ by more than 1e-5. Of the `--exact` texts that
differ most, `from_exact` says how far each side is from float64 (`exact_llama.py`); `batch` is the largest difference
between lmworks reading texts one by one and many together. `elsewhere` are the items for which lmworks's own boundary
parts prompt and answer at another place than the harness', and `chosen_otherwise` those of them in which another choice
is then the likeliest.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import choice_sets
import torch
from exact_llama import ExactLlama

from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.engines import decoder
from lmworks.evaluate.choices import Boundary, parted
from lmworks.evaluate.tasks.choices import MultipleChoiceConfig, evaluate_multiple_choice
from lmworks.evaluate.tasks.last_word import LastWordConfig, evaluate_last_word
from lmworks.evaluate.tasks.perplexity import PerplexityConfig, evaluate_perplexity
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context
from lmworks.pipeline.work.chunks import read_records
from lmworks.pipeline.work.journal import FileJournal
from lmworks.tokens.tokenizer import Tokenizer, open_tokenizer


class Quiet:
    """No progress shown."""

    def start(self, total: float, unit: str) -> None: ...

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...


def records(folder: Path, rows: list[dict[str, Any]]) -> Documents:
    found = [Document.of_row(row, id=f"{place:05}", source="set", licence="MIT") for place, row in enumerate(rows)]
    write_shard(folder / "part-00000.parquet", found)
    write_ids(folder, [each.id for each in found])
    return Documents(folder, folder.name)


def texts(folder: Path, rows: list[dict[str, Any]]) -> Documents:
    found = [
        Document(id=f"{place:05}", text=row["text"], source="set", licence="MIT", meta={})
        for place, row in enumerate(rows)
    ]
    write_shard(folder / "part-00000.parquet", found)
    write_ids(folder, [each.id for each in found])
    return Documents(folder, folder.name)


BOUNDARIES: tuple[Boundary, ...] = ("whole", "lm-eval")


def scored(
    each: choice_sets.Set, rows: list[dict[str, Any]], model: ModelFolder, **config: Any
) -> list[dict[str, Any]]:
    """The items that a stage of lmworks writes."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out")
        out.mkdir()
        context = Context(
            Path(scratch), FileJournal(Path(scratch, "journal")), Quiet(), check_stop=lambda: None, log=lambda _: None
        )
        asked: dict[str, Any] = {"data": "set", "device": "cpu", **each.ours, **config}
        if each.kind == "perplexity":
            data = texts(Path(scratch, "data"), rows)
            evaluate_perplexity(PerplexityConfig(**asked), model, data, out=out, context=context)
        elif each.kind == "last-word":
            data = records(Path(scratch, "data"), rows)
            evaluate_last_word(LastWordConfig(**asked, limit=None), model, data, out=out, context=context)
        else:
            data, made = records(Path(scratch, "data"), rows), MultipleChoiceConfig(**asked, limit=None)
            evaluate_multiple_choice(made, model, data, None, out=out, context=context)
        return read_records(out / "items.jsonl")


def sums(item: dict[str, Any]) -> list[tuple[float, int]]:
    """Log-likelihood and tokens of each text of an item."""
    if "choices" not in item:
        return [(-item["bits"] * math.log(2), item["tokens"])]
    return [(each["log_likelihood"], each["tokens"]) for each in item["choices"]]


def furthest(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> float:
    """The largest difference a token."""
    return max(
        abs(a - b) / tokens
        for x, y in zip(one, other, strict=True)
        for (a, tokens), (b, _) in zip(sums(x), sums(y), strict=True)
    )


def _parts_otherwise(tokenizer: Tokenizer, each: choice_sets.Set, row: dict[str, Any]) -> bool:
    """Whether the two boundaries part a question and its answers at different places."""
    ((asked, texts),), delimiter = choice_sets.texts(each, [row])
    before = tokenizer.before()
    answers = [f"{delimiter}{text}" for text in texts]
    ours, theirs = (parted(tokenizer, before, asked, answers, boundary) for boundary in BOUNDARIES)
    return (ours.prompt, ours.continuations) != (theirs.prompt, theirs.continuations)


class Compared(NamedTuple):
    """A text that both sides scored."""

    item: int
    choice: int
    tokens: int
    ours: float
    theirs: float

    @property
    def apart(self) -> float:
        """A token."""
        return abs(self.ours - self.theirs) / self.tokens


def from_exact(
    exact: ExactLlama, tokenizer: Tokenizer, each: choice_sets.Set, rows: list[dict[str, Any]], some: list[Compared]
) -> dict[str, float]:
    """The furthest that either side is from float64, a token."""
    asked, delimiter = choice_sets.texts(each, rows)
    furthest = {"lmworks": 0.0, "lm_eval": 0.0}
    for one in some:
        prompt, texts = asked[one.item]
        parts = parted(tokenizer, tokenizer.before(), prompt, [f"{delimiter}{text}" for text in texts], "lm-eval")
        value = exact.log_likelihood(parts.prompt, parts.continuations[one.choice])
        for side, told in (("lmworks", one.ours), ("lm_eval", one.theirs)):
            furthest[side] = max(furthest[side], abs(told - value) / one.tokens)
    return furthest


def measured(name: str, options: argparse.Namespace, peer: choice_sets.Peer, exact: ExactLlama) -> dict[str, Any]:
    """What `main` says of one task."""
    each, model = choice_sets.SETS[name], ModelFolder(options.model, "model")
    rows = each.read(options.data)[: options.items]
    boundary: dict[str, Any] = {} if each.kind == "perplexity" else {"boundary": "lm-eval"}
    ours = scored(each, rows, model, **boundary)
    asked = {"max_length": choice_sets.CONTEXT - 1} if each.kind == "perplexity" else {}
    theirs = peer.ask(do="task", config=each.peer_config(), rows=rows, batch=options.batch, **asked)["scores"]
    compared = [
        Compared(number, choice, tokens, a, b)
        for number, (item, found) in enumerate(zip(ours, theirs, strict=True))
        for choice, ((a, tokens), b) in enumerate(zip(sums(item), found, strict=True))
    ]
    compared.sort(key=lambda text: -text.apart)
    as_used, decoder.BATCH_TOKENS = decoder.BATCH_TOKENS, 1
    some = slice(options.alone)
    alone = scored(each, rows[some], model, **boundary)
    decoder.BATCH_TOKENS = as_used
    known: dict[str, Any] = {
        "items": len(ours),
        "answers": len(compared),
        "largest": compared[0].apart,
        "beyond": sum(text.apart > 1e-5 for text in compared),
        "batch": furthest(alone, ours[some]),
    }
    if boundary:
        tokenizer = open_tokenizer(options.model)
        known["from_exact"] = from_exact(exact, tokenizer, each, rows, compared[: options.exact])
        apart = [place for place, row in enumerate(rows) if _parts_otherwise(tokenizer, each, row)]
        whole = scored(each, [rows[place] for place in apart], model) if apart else []
        known["elsewhere"] = apart
        known["spanned"] = sum(item["meets"] == "spanned" for item in whole)
        if each.kind == "multiple-choice":
            both = zip(apart, whole, strict=True)
            known["chosen_otherwise"] = [place for place, item in both if item["answer"] != ours[place]["answer"]]
    return known


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peer", type=Path, help="Python of an environment with lm_eval[hf]")
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--alone", type=int, default=16, help="items that are read one text at a time, too")
    parser.add_argument("--exact", type=int, default=8, help="texts that are computed in float64, too")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tasks", nargs="*", default=list(choice_sets.SETS))
    options = parser.parse_args()
    if not options.peer or not options.peer.is_file():
        print(f"skipped: no Python of LM Evaluation Harness at --peer {options.peer}")
        return
    torch.set_num_threads(options.threads)
    peer = choice_sets.Peer(options.peer, options.model, options.threads)
    found, exact = {}, ExactLlama(options.model)
    for name in options.tasks:
        found[name] = measured(name, options, peer, exact)
        print(json.dumps({name: found[name]}), file=sys.stderr, flush=True)
    peer.close()
    largest = max(each["largest"] for each in found.values())
    print(json.dumps({"lm_eval": peer.version, "largest": largest, "tasks": found}))


if __name__ == "__main__":
    main()
