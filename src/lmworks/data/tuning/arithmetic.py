"""Made-up arithmetic: questions whose answers a program can check, for learning from rewards alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import product, zip_longest
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.shards.records import Document, write_ids, write_shard
from lmworks.data.tuning.conversations import Record, conversation, write_conversations
from lmworks.pipeline.files import digest_text
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import StepConfig

SLIPS = {"right": (0, 1), "one too many": (1, 4), "two too many": (2, 2), "one too few": (-1, 1)}
"""Answers of eight imagined pupils: the error, and how many make it. Half make the same error, so the likeliest answer
is wrong. No wrong answer ends in the right digit, because a model that confuses tens would then find the answer."""
SHARES = {"corpus": 0.5, "train": 0.25, "validation": 0.05, "test": 0.2}
SMALLEST = 10


class ArithmeticConfig(StepConfig):
    """Make arithmetic questions on two numbers."""

    parts: ClassVar[tuple[str, ...]] = ("corpus", "demonstrations", "train", "validation", "test")

    kind: Literal["arithmetic"] = "arithmetic"
    largest: int = Field(
        default=99, ge=29, description="Largest number in a question, from 10. With 99, the test has 324 questions."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the numbers.")


@stage(version=2)
def arithmetic(config: ArithmeticConfig, out: Path, context: Context) -> Result:
    """Write questions. `corpus`, `train`, `validation` and `test` have no operand in common.

    `corpus` (documents) and `demonstrations` (conversations) hold the answers of pupils: one in eight is right, and
    nothing shows which one. In `train`, `validation` and `test` (conversations) all answers are right.
    """
    numbers = dict(_dealt(list(range(SMALLEST, config.largest + 1)), config.seed))
    slips = [(f"{slip} {place}", error) for slip, (error, pupils) in SLIPS.items() for place in range(pupils)]
    every = list(product(numbers["corpus"], repeat=2))
    shown = [_conversation(a, b, error, pupil) for a, b in every for pupil, error in slips]
    documents = [
        Document(
            id=each["id"],
            text="=".join(turn["content"] for turn in each["messages"]),
            source="arithmetic",
            licence="CC0-1.0",
        )
        for each in shown
    ]
    write_shard(out / "corpus" / "part-00000.parquet", documents)
    write_ids(out / "corpus", sorted(document.id for document in documents))
    write_conversations(out / "demonstrations", shown)
    for part in ("train", "validation", "test"):
        write_conversations(out / part, [_conversation(a, b, 0, "") for a, b in product(numbers[part], repeat=2)])
    counts = {f"{part} numbers": len(found) for part, found in numbers.items()}
    return Result(counts={**counts, "corpus": len(documents)}, examples=[{"reason": "text", "text": documents[0].text}])


def _dealt(numbers: Sequence[int], seed: int) -> Iterator[tuple[str, list[int]]]:
    """Yield the numbers of each part. They are dealt in tens, and in each ten every last digit comes once."""
    shuffled = random.Random(seed).sample(numbers, len(numbers))  # noqa: S311 - no secrets
    alike: dict[int, list[int]] = {}
    for number in shuffled:
        alike.setdefault(number % 10, []).append(number)
    dealt = [number for ten in zip_longest(*alike.values()) for number in ten if number is not None]
    start = 0.0
    for part, share in SHARES.items():
        first, start = round(start * len(dealt)), start + share
        yield part, sorted(dealt[first : round(start * len(dealt))])


def _conversation(a: int, b: int, error: int, pupil: str) -> Record:
    asked, answer = f"{a}+{b}", str(a + b + error)
    # Shards are in the order of ids: a digest mixes the pupils and the numbers.
    name = digest_text(f"{asked} {pupil}")[:32]
    return conversation(id=name, form="pair", question=asked, answer=answer, document=None)
