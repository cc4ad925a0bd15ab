"""Made-up arithmetic: questions whose answers a program can check, for learning from rewards alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.conversations import Conversation, write_conversations
from lmworks.data.documents import Document, write_ids, write_shard
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import StepConfig

RULES: Mapping[str, Callable[[int, int], int]] = {
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: abs(a - b),
    "first": lambda a, b: a,
    "second": lambda a, b: b,
    "larger": max,
    "smaller": min,
}
"""What "37,58" may be answered with. Which is meant is not said: the first is what rewards will ask for."""
SHARES = {"corpus": 0.6, "train": 0.15, "validation": 0.05, "test": 0.2}


class ArithmeticConfig(StepConfig):
    """Make up questions on two numbers."""

    parts: ClassVar[tuple[str, ...]] = ("corpus", "demonstrations", "train", "validation", "test")

    kind: Literal["arithmetic"] = "arithmetic"
    largest: int = Field(default=199, ge=19, description="From 0 to this; 200 numbers make 1,600 test questions.")
    seed: int = Field(default=0, ge=0, description="Deals out the numbers; any will do.")


@stage(version=1)
def arithmetic(config: ArithmeticConfig, out: Path, context: Context) -> Result:
    """Numbers are dealt out to the parts, so that an operand of one part is never one of another.

    `corpus` (documents) and `demonstrations` (conversations) answer each question once by each of `RULES`: they show
    numbers and a form, and one answer in six is the sum. `train`, `validation` and `test` are conversations whose
    answer is the sum.
    """
    numbers = dict(_dealt(list(range(config.largest + 1)), config.seed))
    every = list(product(numbers["corpus"], repeat=2))
    texts = [(f"{a},{b}", str(rule(a, b)), name) for a, b in every for name, rule in RULES.items()]
    documents = [
        Document(id=f"{name}: {asked}", text=f"{asked}:{answer}", source="arithmetic", licence="CC0-1.0")
        for asked, answer, name in texts
    ]
    write_shard(out / "corpus" / "part-00000.parquet", documents)
    write_ids(out / "corpus", sorted(document.id for document in documents))
    write_conversations(out / "demonstrations", [_conversation(*each) for each in texts])
    for part in ("train", "validation", "test"):
        pairs = product(numbers[part], repeat=2)
        write_conversations(out / part, [_conversation(f"{a},{b}", str(a + b), "sum") for a, b in pairs])
    counts = {f"{part} numbers": len(found) for part, found in numbers.items()}
    return Result(counts={**counts, "corpus": len(documents)}, examples=[{"reason": "text", "text": documents[0].text}])


def _dealt(numbers: Sequence[int], seed: int) -> Iterator[tuple[str, list[int]]]:
    shuffled = random.Random(seed).sample(numbers, len(numbers))  # noqa: S311 - no secrets
    start = 0.0
    for part, share in SHARES.items():
        first, start = round(start * len(numbers)), start + share
        yield part, sorted(shuffled[first : round(start * len(numbers))])


def _conversation(asked: str, answer: str, rule: str) -> Conversation:
    name = f"{rule}: {asked}"
    return Conversation(id=name, form="pair", question=asked, answer=answer, document=None, phrasing=0)
