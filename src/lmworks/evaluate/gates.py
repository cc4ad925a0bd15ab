"""Gates of a release: bounds on figures, and comparisons with another model.

A bound applies to the interval's worse end, so that luck passes no gate. A gate fails if its figure cannot be computed.
Items that a model learned from do not count, unless the gate chooses items by `contamination`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from lmworks.evaluate.compare import answers_alike, metric_named, paired, unlike
from lmworks.evaluate.contamination import CLEAN_AT_LEAST, standing
from lmworks.evaluate.items import Evaluation, Item
from lmworks.evaluate.relations import between
from lmworks.pipeline.conditions import Condition
from lmworks.pipeline.figure import Figure, Interval
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.statistics import LEAST_GROUPS, non_inferior
from lmworks.pipeline.work.chunks import write_records
from lmworks.recipe.schema import GateConfig, Reference, StepConfig

NODE = "gates/release"
"""The step of a build that tries its gates."""
FILE = "gates.jsonl"
NO_INTERVAL = "it has no interval: more independent items are needed"


class TriedGate(StepConfig):
    """A gate with what it looks at; made by the graph."""

    gate: GateConfig
    model: str = Field(description="Step that must pass the gate.")
    evaluation: int = Field(description="Number of the model's evaluation in the step.")
    beside: int | None = Field(None, description="Number of the evaluation of `not_worse_than`.")
    may_differ: list[Condition] = Field(default=[], description="Conditions in which the two may differ.")


class GatesConfig(StepConfig):
    """All gates of a recipe; made by the graph."""

    evaluations: list[Reference] = Field(description="Evaluations of the models, and of those they are compared with.")
    tried: list[TriedGate] = Field(description="Gates in the recipe's order.")


@dataclass(frozen=True)
class Outcome:
    """Whether a model passed a gate, and why."""

    model: str
    digest: str | None
    """Digest of the model's files."""
    passed: bool
    sentence: str


@stage(version=4, measures="evaluations")
def gates(config: GatesConfig, evaluations: list[Evaluation], out: Path, context: Context) -> Result:
    """Try every gate, and write what came of it; a model that fails one is not released."""
    found = [outcome_of(each, evaluations) for each in config.tried]
    out.mkdir(parents=True, exist_ok=True)
    write_records(out / FILE, [asdict(each) for each in found])
    for each in found:
        context.log(each.sentence)
    failed = sum(not each.passed for each in found)
    return Result(
        counts={"gates": len(found), "failed gates": failed},
        losses={"failed gates"} if failed else frozenset(),
        examples=[{"reason": "gate", "text": each.sentence} for each in found],
    )


def outcomes_from(records: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Return the outcomes that `gates` wrote."""
    return [Outcome(**each) for each in records]


def outcome_of(tried: TriedGate, evaluations: Sequence[Evaluation]) -> Outcome:
    evaluation, gate = evaluations[tried.evaluation], tried.gate
    figures = evaluation.figures()
    figure = next((each for each in figures if each.name == (gate.metric or figures[0].name)), None)
    digest = figures[0].conditions.model if figures[0].conditions else None
    if figure is None:
        names = ", ".join(each.name for each in figures)
        passed, why = False, f"the task has no figure {gate.metric!r}; it has {names}"
    elif tried.beside is None:
        passed, why = _bound(gate, *_sliced(gate, figure, evaluation.items()))
    else:
        passed, why = _not_worse(tried, figure, evaluation, evaluations[tried.beside])
    return Outcome(
        tried.model, digest, passed, f"Gate {'passed' if passed else 'failed'} by {tried.model} ({gate.words}): {why}"
    )


def _sliced(gate: GateConfig, figure: Figure, items: Sequence[Item]) -> tuple[Figure | None, str, int]:
    """Return the figure of the items that count, what is to be said of them or why there is none, and their groups."""
    if not gate.where:
        return _unknown_to_it(figure, items)
    metric, some = metric_named(figure.name), [item for item in _where(gate, items) if _counts(gate, item)]
    if not some:
        return None, _no_item(gate, items), 0
    if metric is None:
        return None, f"{figure.name} is not made of items alone, and so not of some of them: leave `where` out", 0
    return metric.figure(some, figure.method), "", _groups(some)


def _unknown_to_it(figure: Figure, items: Sequence[Item]) -> tuple[Figure | None, str, int]:
    known = sum(standing(item) == "known" for item in items)
    if not known:
        return figure, "", _groups(items)
    told = f"{known} of {len(items)} items stand in the text that it learned from"
    if figure.clean_value is None:
        return None, f"{told}, and fewer than {CLEAN_AT_LEAST} others are clean", 0
    clean = replace(figure, value=figure.clean_value, interval=figure.clean_interval, n=figure.clean_n or 0)
    groups = _groups([item for item in items if standing(item) == "clean"])
    return clean, f" clean items ({told})", groups


def _groups(items: Sequence[Item]) -> int:
    return len({item["cluster"] for item in items})


def _doubted(interval: Interval | None, doubt: str, groups: int) -> tuple[bool, str]:
    """Return whether an interval decides nothing, and what is said of a doubt in it.

    From LEAST_GROUPS groups on a doubt is told, and fails no gate.
    """
    if interval is None:
        return True, f"; {doubt or NO_INTERVAL}"
    return bool(doubt) and groups < LEAST_GROUPS, f"; {doubt}" if doubt else ""


def _counts(gate: GateConfig, *items: Item) -> bool:
    """Return whether an item counts: nobody learned from it, or the gate chooses by that itself."""
    return "contamination" in gate.where or all(standing(item) != "known" for item in items)


def _where(gate: GateConfig, items: Sequence[Item]) -> list[Item]:
    return [item for item in items if all(str(item.get(name)) == value for name, value in gate.where.items())]


def _no_item(gate: GateConfig, items: Sequence[Item]) -> str:
    fields = ", ".join(sorted({name for item in items for name in item}))
    return f"no item is so; items have the fields {fields}"


def _bound(gate: GateConfig, figure: Figure | None, why: str, groups: int) -> tuple[bool, str]:
    if figure is None:
        return False, why
    metric = metric_named(figure.name)
    label = metric.label if metric else figure.name.replace("_", " ")
    told = f"{figure.value:.3f} {label}{between(figure.interval, '.3f')}, n={figure.n}{why}"
    is_undecided, doubt = _doubted(figure.interval, figure.doubt, groups)
    if is_undecided or figure.interval is None:
        return False, f"{told}{doubt}"
    low, high = figure.interval
    passed = (gate.at_least is None or low >= gate.at_least) and (gate.at_most is None or high <= gate.at_most)
    return passed, f"{told}, of which the {'lower' if gate.at_least is not None else 'upper'} end counts{doubt}"


def _not_worse(tried: TriedGate, figure: Figure, ours: Evaluation, theirs: Evaluation) -> tuple[bool, str]:
    """By the paired interval of the difference, whose worse end must lie within the margin."""
    gate = tried.gate
    other = next((each for each in theirs.figures() if each.name == figure.name), None)
    metric = metric_named(figure.name)
    if other is None or metric is None:
        return False, f"{figure.name} is not compared item by item"
    if because := unlike(figure, other, tried.may_differ):
        return False, f"the two are not compared: {because}"
    if figure.conditions and figure.conditions.model and figure.conditions == other.conditions:
        return gate.margin > 0, "the two are one model, asked alike"
    some = [pair for pair in paired(ours.items(), theirs.items())[0] if _where(gate, [pair[0]])]
    pairs = [pair for pair in some if _counts(gate, *pair)]
    if not pairs:
        return False, _no_item(gate, ours.items())
    is_baseline = not (other.conditions and other.conditions.model)
    if is_baseline and answers_alike(metric, pairs):
        return False, "the baseline answers every item as this model does: name another"
    outcome = metric.compare([one for one, _ in pairs], [two for _, two in pairs])
    told = f"{outcome.difference:+.3f} {metric.label}{between(outcome.interval)}, n={outcome.n}"
    if len(pairs) < len(some):
        told += f" ({len(some) - len(pairs)} of {len(some)} items are left out: one of the two learned from them)"
    is_undecided, doubt = _doubted(outcome.interval, outcome.doubt, outcome.clusters)
    if is_undecided:
        return False, f"{told}{doubt}"
    known = replace(outcome, doubt="")
    return non_inferior(known, gate.margin, higher_is_better=metric.higher_is_better), f"{told}{doubt}"


def refusal(found: Sequence[Outcome], names: Collection[str], digest: str) -> str:
    """Why a model, by whatever name a step has it, is not to be released; empty where it passed all its gates."""
    mine = [each for each in found if each.model in names or each.digest == digest]
    if any(each.digest != digest for each in mine):
        return f"{', '.join(names)}: its gates were tried on another model of that name: build again"
    return "\n".join(each.sentence for each in mine if not each.passed)
