"""Texts from a baseline: a copied sentence, the target of the most similar pair, or a translation word by word."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations, learned_from
from lmworks.data.tuning.facts import parse_facts, verbalise
from lmworks.errors import UsageError, told
from lmworks.model.baselines import one_sentence
from lmworks.model.baselines.baseline import BaselineConfig
from lmworks.model.baselines.nearest_facts import NearestFacts
from lmworks.model.baselines.nearest_pair import NearestPair
from lmworks.model.baselines.word_table import WordTable
from lmworks.model.config import Family
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.stage import Context, Result, stage

PAIRS = "pairs.json"
Write = Callable[[str], str]
Writer = Literal[
    "lead-sentence", "central-sentence", "learned-sentence", "nearest-pair", "word-table", "template", "nearest-facts"
]
WRITERS: Mapping[Writer, Callable[[Sequence[tuple[str, str]]], Write]] = {
    "lead-sentence": lambda pairs: one_sentence.lead,
    "central-sentence": lambda pairs: one_sentence.central,
    "learned-sentence": one_sentence.learned,
    "nearest-pair": lambda pairs: NearestPair(pairs).write,
    "word-table": lambda pairs: WordTable.fit(pairs).translate,
    "template": lambda pairs: lambda source: verbalise(parse_facts(source)),
    "nearest-facts": lambda pairs: NearestFacts(pairs).write,
}
"""Functions that learn from pairs of source and target, by the baseline's name in tasks."""
UNLEARNED = ("lead-sentence", "central-sentence", "template")


class WriterConfig(BaselineConfig):
    """Write texts with one of a task's baselines. Its folder holds the training pairs, if it learns from pairs."""

    engine: ClassVar[str] = "baseline"
    family: ClassVar[Family] = "encoder-decoder"
    objective: Literal["baseline"] = "baseline"
    baseline: Writer = Field(
        description="Baseline that writes. It has no default, because the best one depends on the task: a report "
        "compares them."
    )


@stage(version=1, name="baseline", trains_on="data")
def baseline(config: WriterConfig, data: Conversations, out: Path, context: Context) -> Result:
    """Store the pairs from which the baseline learns when it is opened. Raises UsageError if there are no pairs."""
    pairs = learned_from(data)
    if not pairs:
        raise UsageError(f"{data.path}: no pair to learn from; name a step of kind `pairs` in `data`")
    config.write(out, baseline=config.baseline)
    kept = [] if config.baseline in UNLEARNED else pairs
    (out / PAIRS).write_text(canonical_json(kept) + "\n", encoding="utf-8")
    return Result(counts={"pairs": len(pairs), "parameters": 0})


def load_writer(folder: Path) -> Write:
    """Return the function that writes. Raises LmworksError if files differ from the form that the stage writes."""
    with told(folder / PAIRS, "a list of pairs of source and target"):
        pairs = [(str(source), str(target)) for source, target in json.loads((folder / PAIRS).read_text("utf-8"))]
        return WRITERS[json.loads((folder / "config.json").read_text("utf-8"))["baseline"]](pairs)
