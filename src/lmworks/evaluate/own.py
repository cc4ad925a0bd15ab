"""Given answers of any system, scored and compared as a build scores and compares its models."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lmworks.errors import UsageError
from lmworks.evaluate.compare import CompareConfig, concluded, metric_named
from lmworks.evaluate.items import ACCURACY, Evaluation, Item, Scored
from lmworks.evaluate.questions import Question, answered
from lmworks.evaluate.tasks.labels import macro_f1
from lmworks.evaluate.text_metrics import TEXT_METRICS
from lmworks.evaluate.text_metrics.metric import Judge, Known, TextMetric, Written
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.figure import Figure

LABELS = "accuracy"
"""Name of the metric for answers that are labels. It also gives macro F1."""


@dataclass(frozen=True)
class Answered:
    """Answers of one system to every question, in order."""

    answers: Sequence[str]
    how: str = "answers that were given"
    """Origin of the answers in words, shown with each figure."""
    conditions: Conditions | None = None
    """Conditions under which a model answered."""


@dataclass(frozen=True)
class Evaluated:
    """Systems that answered the same questions."""

    figures: Mapping[str, Sequence[Figure]]
    """Figures by system, the main figure first. Each has n, its method and a 95 % interval."""
    items: Mapping[str, Sequence[Item]]
    """Items by system, one per question: `id`, `prompt`, `answer`, `reference`, `score`, and the metrics' counts."""
    verdicts: Sequence[str]
    """Results of the paired tests in words, with doubts about all of them first."""
    pairs: Sequence[Mapping[str, Any]]
    """Tests by the main figure: `a`, `b`, `difference`, `interval`, `p` and more."""

    def mistakes(self, system: str) -> list[Item]:
        """Return the items that a system answered wrongly."""
        return [item for item in self.items[system] if not item["score"]]


def questions_of(
    data: Iterable[tuple[str, str | Sequence[str]]], groups: Sequence[str] | None = None
) -> list[Question]:
    """Return texts with their right answers as questions of tasks. Without groups, equal texts form one group.

    Raises `UsageError` without a question or a right answer, or if there is not one group per question.
    """
    pairs = [(text, [wanted] if isinstance(wanted, str) else wanted) for text, wanted in data]
    if not pairs:
        raise UsageError("data: found no question; expected pairs of a text and its right answer")
    for number, (text, wanted) in enumerate(pairs):
        if not isinstance(wanted, Sequence) or not wanted or not all(isinstance(each, str) for each in (text, *wanted)):
            raise UsageError(
                f"data: pair {number} is {(text, wanted)!r:.100}; expected a text and at least one right answer"
            )
    if groups is not None and len(groups) != len(pairs):
        raise UsageError(f"groups: found {len(groups)} for {len(pairs)} questions; expected one per question")
    first = dict[str, int]()  # a text that is asked again is answered alike, and shows nothing more
    alike = [first.setdefault(text, number) for number, (text, _) in enumerate(pairs)] if groups is None else groups
    return [
        {
            "id": str(number),
            "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": wanted[0]}],
            "references": wanted,
            "cluster": str(alike[number]),
        }
        for number, (text, wanted) in enumerate(pairs)
    ]


def score(
    systems: Mapping[str, Answered],
    questions: Sequence[Question],
    metrics: Sequence[str],
    baselines: Collection[str] = (),
) -> Evaluated:
    """Return every system's figures, and paired tests of all of them on the questions.

    Raises `UsageError` for an unknown metric or baseline, and if a system has not one answer per question.
    """
    _require_names(systems, metrics, baselines)
    references = [each["references"] for each in questions]
    known = Known(asked=questions)
    judges = {name: TEXT_METRICS[name].judge(known) for name in metrics if name != LABELS}
    with TemporaryDirectory() as folder:
        found: dict[str, tuple[Scored, list[Figure]]] = {}
        evaluations = []
        for place, (system, said) in enumerate(systems.items()):
            if len(said.answers) != len(questions):
                raise UsageError(f"{system}: found {len(said.answers)} answers to {len(questions)} questions")
            items = []
            for question, wanted, answer in zip(questions, references, said.answers, strict=True):
                text = Written(question["messages"][0]["content"], wanted, answer)
                item = answered(question, answer, float(answer in wanted))
                for judge in judges.values():
                    item |= judge.fields(text)
                items.append(item)
            out = Path(folder) / str(place)
            out.mkdir()
            scored = Scored.written(items, out, None, said.conditions)
            made = [
                figure
                for name in metrics
                for figure in (
                    _of_labels(scored, said.how)
                    if name == LABELS
                    else _of_texts(scored, said.how, TEXT_METRICS[name], judges[name])
                )
            ]
            (out / "figures.json").write_text(json.dumps([each.as_json() for each in made]), encoding="utf-8")
            found[system] = scored, made
            evaluations.append(Evaluation(out, ""))
        names = [each.name for each in next(iter(found.values()))[1] if metric_named(each.name)]
        config = CompareConfig(
            evaluations=[f"system-{place}" for place in range(len(systems))],
            labels=list(systems),
            baselines=list(baselines),
            also=names[1:],
        )
        record, _ = concluded(config, evaluations)
    return Evaluated(
        {system: figures for system, (_, figures) in found.items()},
        {system: scored.items for system, (scored, _) in found.items()},
        record["verdicts"],
        record["pairs"],
    )


def _of_labels(scored: Scored, how: str) -> Iterator[Figure]:
    labels = {item["reference"] for item in scored.items}
    yield scored.figure(ACCURACY, how, chance=1 / len(labels))
    yield macro_f1(scored.items, how, **scored.evidence)


def _of_texts(scored: Scored, how: str, metric: TextMetric, judge: Judge) -> Iterator[Figure]:
    for figure, told in zip(metric.figures, judge.methods, strict=True):
        yield scored.figure(figure, f"{told}; {how}", judged=told)


def _require_names(systems: Mapping[str, Answered], metrics: Sequence[str], baselines: Collection[str]) -> None:
    if not systems:
        raise UsageError("systems: found none; expected models, functions or answers by name")
    if not metrics:
        raise UsageError(f"metrics: found none; expected some of {', '.join([LABELS, *TEXT_METRICS])}")
    for name in metrics:
        if name != LABELS:
            TEXT_METRICS.require(name)
    if unknown := sorted({*baselines} - {*systems}):
        raise UsageError(f"baselines: found {', '.join(unknown)}; expected some of {', '.join(systems)}")
