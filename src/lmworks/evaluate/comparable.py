"""The metrics by the names of their figures: what two evaluations are compared in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from lmworks.evaluate.items import Metric
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.tasks.task import Task
from lmworks.evaluate.text_metrics import TEXT_METRICS
from lmworks.evaluate.text_metrics.metric import TextMetric


@cache
def metric_named(name: str) -> Metric | None:
    """The metric whose figures have this name: a built-in one, or else of an installed package; None if there is none.

    All that is compared is named by a task or by a metric of written texts.
    """
    built_in = _metrics(TASKS.built_in.values(), TEXT_METRICS.built_in.values())
    added = _metrics((task for _, task in TASKS.loadable()), (metric for _, metric in TEXT_METRICS.loadable()))
    return next((metric for some in (built_in, added) for metric in some if metric.name == name), None)


def _metrics(tasks: Iterable[Task], written: Iterable[TextMetric]) -> Iterator[Metric]:
    for task in tasks:
        yield from task.metrics
    for metric in written:
        yield from metric.figures
