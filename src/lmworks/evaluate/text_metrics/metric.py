"""Interface of metrics of written texts: figures, and a judge that gives each text the fields that they sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lmworks.data.tuning.conversations import references_of, source_of
from lmworks.evaluate.items import Metric
from lmworks.evaluate.questions import Question
from lmworks.pipeline.stage import Handle

Fields = dict[str, Any]


class Written(NamedTuple):
    """A text that a model wrote."""

    source: str
    references: Sequence[str]
    """Texts each of which is right."""
    answer: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """Texts that a judge may read before the first judgement."""

    asked: Sequence[Question]
    train: Sequence[Question] = ()
    style: Handle | None = None
    """A classifier of texts."""
    style_label: str = ""


class Judge(NamedTuple):
    """A metric that has read the texts of `Known`."""

    fields: Callable[[Written], Fields]
    methods: Sequence[str]
    """How each figure is computed, in words."""


class TextMetric(NamedTuple):
    """Figures that are computed together."""

    figures: Sequence[Metric]
    judge: Callable[[Known], Judge]


def written_by_people(pairs: Sequence[Question]) -> list[Written]:
    """Return every reference as if it were an answer, to see how the metric scores people's texts."""
    return [Written(source_of(pair), references_of(pair), text) for pair in pairs for text in references_of(pair)]
