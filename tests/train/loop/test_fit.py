"""Runs that were made up, each with one fault or none, are told right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from lmworks.train.loop.fit import Course, Kind, Sums, judge

UNIGRAMS, PARTS = 6.2, 16
LABELS, MAJORITY = 2.3, 0.15
"""Loss and accuracy of always saying the commonest of twelve labels."""
COIN = 0.693


def parts(mean: float, data: int, model: int, count: int = PARTS) -> list[float]:
    """Losses of parts of data, which differ by what they hold, and a little by which model reads them."""
    drawn = [random.Random(f"{data} {part}").gauss(0, 0.05) for part in range(count)]
    return [
        mean * (1 + off) + random.Random(f"{data} {model} {part}").gauss(0, 0.003 * mean)
        for part, off in enumerate(drawn)
    ]


def sums(losses: Sequence[float], weight: float = 500.0, **metrics: float) -> list[Sums]:
    """As a run measures them."""
    more = {name: value * weight for name, value in metrics.items()}
    return [{"loss": loss * weight, "weight": weight, **more} for loss in losses]


def falling(first: float, last: float, steps: int, jitter: float = 0.1, seed: int = 0) -> list[float]:
    """Losses of single steps on the way from one to another, most of it early."""
    draw = random.Random(seed)
    return [last + (first - last) * 0.02 ** (step / steps) + draw.gauss(0, jitter) for step in range(steps)]


@dataclass
class MadeUp:
    """A run by what it came to: losses of steps, validation losses before the first step and at each validation."""

    losses: Sequence[float]
    validations: Sequence[float]
    trained: float
    passes: float = 1.0
    trivial: float | None = UNIGRAMS
    accuracy: tuple[float, float] | None = None
    """The model's, and the trivial baseline's."""
    weight: float = 500.0
    count: int = PARTS
    more: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    def course(self, seed: int) -> Course:
        known: dict[str, float] = {} if self.accuracy is None else {"accuracy": self.accuracy[0]}
        plain = {} if self.accuracy is None else {"accuracy": self.accuracy[1]}
        weight, seen = (
            self.weight,
            [parts(mean, seed, model, self.count) for model, mean in enumerate(self.validations)],
        )
        return Course(
            losses=self.losses,
            validations=seen,
            trained=sums(parts(self.trained, 1000 + seed, 0, self.count), weight, **known),
            unseen=sums(seen[-1], weight, **known, **self.metrics),
            trivial=[] if self.trivial is None else sums(parts(self.trivial, seed, 99, self.count), weight, **plain),
            passes=self.passes,
            **self.more,
        )


TEXTS = {"mean_over": "text"}
PAIRS = {"mean_over": "pair"}
RUNS: dict[str, tuple[Kind, MadeUp]] = {
    "muon at rate 2": ("diverged", MadeUp([8.3, *falling(45, 45, 200, 20)], [8.3, 60, 70, 77, 77], 45.0)),
    "a loss that fell and leapt": (
        "diverged",
        MadeUp([*falling(8.3, 4, 200), *falling(7, 7.2, 100)], [8.3, 4.6, 4.2, 7.1, 7.3], 7.2),
    ),
    "no number": (
        "diverged",
        MadeUp([*falling(8.3, 4, 200), *[float("nan")] * 20], [8.3, 4.4, float("nan")], float("nan")),
    ),
    "preferences at a rate of 1": (
        "diverged",
        MadeUp(falling(0.7, 9, 300, 0.5), [0.693, 4, 8, 9, 9], 9, 1, COIN, (0.5, 0.5), 4, more=PAIRS),
    ),
    "a rate of 1e-7 from scratch": (
        "learned nothing",
        MadeUp(falling(8.3, 8.29, 400, 0.02), [8.3, 8.3, 8.295, 8.29, 8.29], 8.29),
    ),
    "constant logits": ("learned nothing", MadeUp(falling(8.3, 8.3, 400, 0.0), [8.3] * 6, 8.3, 3)),
    "a tuned model at a rate of 1e-7": (
        "learned nothing",
        MadeUp(falling(1.9, 1.9, 400), [1.9, 1.901, 1.899, 1.899, 1.8985], 1.9, 2),
    ),
    "twenty steps": ("starved", MadeUp(falling(8.3, 7, 20), [8.3, 7.2], 7.2, 0.02)),
    "sixty steps that learned something": ("starved", MadeUp(falling(8.3, 5, 60), [8.3, 5.6, 5.2], 5.2, 0.1)),
    "validation rows that were trained on": (
        "leaking",
        MadeUp(falling(8.3, 1.2, 2000), [8.3, 3, 2, 1.5, 1.2, 1.2], 1.2, 20, more={"leaked": 0.75}),
    ),
    "twenty passes": ("overfitting", MadeUp(falling(8.3, 0.6, 2000), [8.3, 4, 3.4, 3.5, 3.9, 4.4], 0.6, 20)),
    "texts learned by heart": (
        "overfitting",
        MadeUp(falling(2.5, 0.02, 900), [2.5, 0.9, 0.8, 0.95, 1.1], 0.02, 9, LABELS, (0.8, MAJORITY), 40, more=TEXTS),
    ),
    "a gap of 1.65 nats": (
        "learned partly by heart",
        MadeUp(falling(8.3, 2.3, 900), [8.3, 4.6, 4.0, 3.96, 3.95, 3.95], 2.3, 12),
    ),
    "cut off while it fell": ("underfitting", MadeUp(falling(8.3, 4, 800), [8.3, 5.6, 5.1, 4.7, 4.3], 4.3, 0.6)),
    "a sorter at its majority": (
        "at chance",
        MadeUp(falling(2.5, 2.3, 900), [2.6, 2.31, 2.3, 2.3, 2.3], 2.3, 9, LABELS, (0.14, MAJORITY), 40, more=TEXTS),
    ),
    "preferences no better than a coin": (
        "at chance",
        MadeUp(
            falling(0.69, 0.66, 500, 0.02), [0.693, 0.692, 0.69, 0.69, 0.69], 0.66, 2, COIN, (0.52, 0.5), 16, more=PAIRS
        ),
    ),
    "every pair tied": (
        "tied",
        MadeUp(
            falling(COIN, COIN, 500, 0.0),
            [COIN] * 5,
            COIN,
            2,
            COIN,
            (0.0, 0.5),
            16,
            more=PAIRS,
            metrics={"margin": 0.0},
        ),
    ),
    "two parts of validation data": (
        "not known",
        MadeUp(falling(8.3, 3, 900), [8.3, 3.6, 3.3, 3.2, 3.25], 3.1, 3, count=2),
    ),
    "pretraining that settled": (
        "fine",
        MadeUp(falling(8.3, 3, 2000), [8.3, 3.5, 3.2, 3.15, 3.11, 3.1, 3.09, 3.09], 3.05, 0.9),
    ),
    "ended by patience": (
        "fine",
        MadeUp(falling(8.3, 2.9, 900), [8.3, 3.5, 3.2, 3.1], 3.05, 3, more={"patient": True, "took_best": True}),
    ),
    "preferences learned": (
        "fine",
        MadeUp(
            falling(0.69, 0.4, 500, 0.02),
            [0.693, 0.5, 0.45, 0.44, 0.44, 0.44],
            0.43,
            1,
            COIN,
            (0.8, 0.5),
            16,
            more=PAIRS,
        ),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_told_for_what_it_is(name: str) -> None:
    kind, run = RUNS[name]
    for seed in range(5):  # other data, other noise
        verdict = judge(run.course(seed))
        assert verdict.kind == kind, verdict.words
