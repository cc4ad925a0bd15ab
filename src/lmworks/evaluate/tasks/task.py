"""Interface of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lmworks.evaluate.items import Item, Metric, TaskConfig
from lmworks.evaluate.text_metrics import TEXT_METRICS
from lmworks.model.config import Family
from lmworks.pipeline.conditions import Condition
from lmworks.pipeline.stage import Stage
from lmworks.registry import derived_from


@dataclass(frozen=True)
class Task:
    """A config class, the stage that scores a model on it, and stages of the same config that score baselines.

    A model's stage has the inputs `model`, `data`, further ones that the config names, and `contamination`: the
    verdicts on the data's records by their ids, which items keep. A baseline's stage has no model, and `train` if it
    learns.
    """

    config: type[TaskConfig]
    stage: Stage
    baselines: Mapping[str, Stage] = field(default_factory=dict)
    """Stages of the baselines, by the labels that reports show."""
    metrics: Sequence[Metric] = ()
    """Metrics by which systems are compared, in addition to metrics that the config names."""
    further: Sequence[str] = ()
    """Names of further figures, which a gate may name."""
    of: Sequence[Family] = ("decoder",)
    """Families of the models that it evaluates. Other models are left out."""
    relative_to: str | None = None
    """Field that names the model to which figures of decoders are relative. For decoders that were not trained from
    this model, they mean nothing."""
    asks: Callable[[Any, Any], Sequence[Item]] | None = None
    """Function that returns a model's items without answers, if no stand-in is possible. Raises for unusable data."""
    may_differ: Sequence[Condition] = ()
    """Conditions that depend on the family of the model: encoder-decoders use beams, decoders do not."""
    is_kept: bool = False
    """Whether it measures what a base can do anyway, and what tuning for something else should not reduce."""


def figures_named(task: Task, config: TaskConfig) -> list[str]:
    """Return the names of a task's figures, except figures that follow from its data, such as `F1 of LABEL`."""
    written = [TEXT_METRICS[name].figures for name in getattr(config, "metrics", ())]
    return [*(metric.name for some in (task.metrics, *written) for metric in some), *task.further]


def task_of(name: str, found: Any) -> Task:
    """Return the result of an entry point, if it is a task of this name. Raises TypeError."""
    if not isinstance(found, Task):
        raise TypeError(f"expected a {Task.__module__}.{Task.__qualname__}, found {found!r}")
    derived_from(TaskConfig)(name, found.config)
    return found
