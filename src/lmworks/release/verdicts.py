"""What the comparisons say, and which answers were good or bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmworks.release.built import Built, read_json, read_lines


def verdicts(built: Built) -> list[str]:
    """The verdict lines of every comparison, those where a baseline wins first."""
    found = []
    for systems in built.evaluations().values():
        if "" in systems:
            found += read_json(systems[""].payload / "comparison.json").get("verdicts", [])
    return found


@dataclass(frozen=True)
class Samples:
    """Answers of one model to one task, with how good they were."""

    task: str
    model: str
    rows: list[tuple[str, Mapping[str, Any]]]


def samples_of(built: Built) -> list[Samples]:
    """Best, median and worst items of each task that keeps answers, for the last model measured on it."""
    found = []
    for task, systems in built.evaluations().items():
        models = [name for name in systems if name in built.models]
        if not models:
            continue
        items = read_lines(systems[models[-1]].payload / "items.jsonl")
        scored = sorted((item for item in items if "answer" in item), key=lambda item: -item["score"])
        if scored:
            found.append(Samples(task, models[-1], _chosen(scored)))
    return found


def _chosen(scored: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Two of the best, of the middle and of the worst; each item once."""
    middle, last = len(scored) // 2, len(scored) - 1
    places = {0: "best", 1: "best", middle: "median", middle + 1: "median", last - 1: "worst", last: "worst"}
    return [(places[place], scored[place]) for place in sorted(places) if 0 <= place <= last]
