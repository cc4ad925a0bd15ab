"""Paired tests between all systems scored on one task, and their results in plain words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from itertools import combinations
from operator import itemgetter
from pathlib import Path
from statistics import stdev
from typing import Any, NamedTuple, get_args

from pydantic import Field

from lmworks.errors import LmworksError
from lmworks.evaluate.contamination import CLEAN_AT_LEAST, standing
from lmworks.evaluate.groups import by_groups, new_to_both
from lmworks.evaluate.items import TRUNCATED, Evaluation, Item, Metric, clusters_of
from lmworks.evaluate.relations import Relation, between
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.tasks.task import Task
from lmworks.evaluate.text_metrics import TEXT_METRICS
from lmworks.evaluate.text_metrics.metric import TextMetric
from lmworks.pipeline.conditions import UNKNOWN, Condition, differences
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.statistics import Comparison, share, student
from lmworks.recipe.schema import Reference, StepConfig

CUT_OFTEN = 0.2
"""Share of answers cut at the token limit from which a warning comes first: many scores are then of half answers."""


@cache
def metric_named(name: str) -> Metric | None:
    """Return the metric whose figures have this name, from lmworks or else from an installed package. None without one.

    Each figure that is compared belongs to a task or to a metric of written texts.
    """
    built_in = _metrics(TASKS.built_in.values(), TEXT_METRICS.built_in.values())
    added = _metrics((task for _, task in TASKS.loadable()), (metric for _, metric in TEXT_METRICS.loadable()))
    return next((metric for some in (built_in, added) for metric in some if metric.name == name), None)


def _metrics(tasks: Iterable[Task], written: Iterable[TextMetric]) -> Iterator[Metric]:
    for task in tasks:
        yield from task.metrics
    for metric in written:
        yield from metric.figures


class CompareConfig(StepConfig):
    """Which evaluations of one task are compared; made by the graph."""

    evaluations: list[Reference] = Field(min_length=1, description="Evaluations on the same questions or documents.")
    labels: list[str] = Field(min_length=1, description="Label of each evaluation, in the same order.")
    baselines: list[str] = Field(default=[], description="Labels of baselines. A baseline that wins is named first.")
    also: list[str] = Field(
        default=[], description="Names of further figures to compare. For most tasks the first figure is enough."
    )
    may_differ: list[Condition] = Field(default=[], description="Conditions whose effect is compared.")
    relations: list[Relation] = Field(default=[], description="Pairs of labels that get a further sentence.")
    left_out: list[str] = Field(default=[], description="Models of the recipe that are left out, each with its reason.")
    seeds: list[list[str]] = Field(default=[], description="Labels of trainings that differ only in their seed.")


class System(NamedTuple):
    """One evaluation under its label."""

    label: str
    is_baseline: bool
    figure: Figure
    items: list[Item]


class Tests(NamedTuple):
    """Results of the tests of one figure."""

    metric: Metric
    systems: list[System]
    tested: list[tuple[System, System, Comparison]]
    refused: list[str]
    partly: list[str]
    """Pairs that were not scored on the same items."""
    differing: list[str]
    """Further differences between two compared systems."""

    def pairs(self) -> list[dict[str, Any]]:
        """Return the tests as JSON."""
        return [{"a": a.label, "b": b.label, **asdict(outcome)} for a, b, outcome in self.tested]


@stage(version=14, measures="evaluations")
def compare(config: CompareConfig, evaluations: list[Evaluation], out: Path, context: Context) -> Result:
    """Test every pair except two baselines on the items that both share, and write `comparison.json`."""
    record, figures = concluded(config, evaluations)
    write_atomically(out / "comparison.json", canonical_json(record) + "\n")
    return Result(figures=figures)


def concluded(config: CompareConfig, evaluations: Sequence[Evaluation]) -> tuple[dict[str, Any], list[Figure]]:
    """Return the conclusions of tests on some evaluations for `comparison.json`, and the differences as figures.

    Pairs with a difference in conditions that could matter are refused. All these tests are exploratory, with plain 95
    % intervals. The question that a build answers is the primary one. Doubts about all scores come first.
    """
    found = [_test(config, evaluations, name) for name in (evaluations[0].figures()[0].name, *config.also)]
    metric, _, tested, refused, partly, _ = found[0]
    told = [each for relation in config.relations for each in _told(metric, relation, tested)]
    lost, others = ([line for is_loss, line in told if is_loss == wanted] for wanted in (True, False))
    wins = [_wins(metric, a, b) for a, b, outcome in tested if metric.counts_wins and not outcome.untested]
    known = list(_known(found[0]))
    verdicts = (
        _doubts(metric, evaluations)
        + list(_at_chance(found[0]))
        + list(_cut_off(config, evaluations))
        + lost
        + known
        + [line for each in found for line in _best(each)]
        + others
        + list(_over_seeds(config, found[0]))
    )
    verdicts += (
        [line for each in found for line in _sentences(each)]
        + list(_among_clean(found[0]))
        + partly
        + found[0].differing
        + refused
        + config.left_out
    )
    verdicts += [f"{each.name}: {each.value:.0%}{between(each.interval, '.0%')} of {each.n}" for each in wins]
    record: dict[str, Any] = {
        "metric": metric.name,
        "pairs": found[0].pairs(),
        "refused": refused,
        "verdicts": verdicts,
    }
    if lost:
        record["lost"] = lost
    if known:
        record["known"] = known
    if beside := _beside_baselines(found[0]):
        record["beside_baselines"] = beside
    if config.also:
        record["also"] = {each.metric.name: each.pairs() for each in found[1:]}
    figures = [_figure(each.metric, *test) for each in found for test in each.tested]
    return record, figures + wins


def _test(config: CompareConfig, evaluations: Sequence[Evaluation], name: str) -> Tests:
    """Test every pair of systems except two baselines, by the figure `name`."""
    metric = metric_named(name)
    if metric is None:
        raise LmworksError(f"no task declares a metric for the figure {name!r}: add it to the task's `metrics`")
    systems = [
        System(label, label in config.baselines, _named(evaluation, name), evaluation.items())
        for label, evaluation in zip(config.labels, evaluations, strict=True)
    ]
    tested: list[tuple[System, System, Comparison]] = []
    refused: list[str] = []
    partly: list[str] = []
    differing: list[str] = []
    for a, b in combinations(sorted(systems, key=lambda system: _rank(metric, system)), 2):
        if a.is_baseline and b.is_baseline:
            continue
        if because := unlike(a.figure, b.figure, config.may_differ):
            refused.append(f"{a.label} and {b.label} are not compared: {because}")
        elif a.items and b.items:
            one, other, told = _on_shared_items(metric, a, b)
            if not one.items:
                refused.append(f"{a.label} and {b.label} are not compared: they were scored on no item in common")
                continue
            if told:
                partly.append(f"{a.label} and {b.label} are compared on {len(one.items)} items: {told}")
            if apart := _said(a, b):
                differing.append(f"between {a.label} and {b.label} differs, too: {apart}")
            try:
                outcome = metric.compare(one.items, other.items)
            except LmworksError as error:
                refused.append(f"{a.label} and {b.label} are not compared: {error}")
                continue
            partly += _grouped(one, other)
            if (outcome.difference < 0) == metric.higher_is_better and outcome.difference:  # on these, b is ahead
                one, other = other, one
                outcome = metric.compare(one.items, other.items)
            tested.append((one, other, outcome))
    return Tests(metric, systems, tested, refused, partly, differing)


def _grouped(*pair: System) -> Iterator[str]:
    """Yield whose groups of items are used, if one of two systems has fewer groups than the other."""
    (fewer, first), (more, second) = sorted(
        ((len({item["cluster"] for item in each.items}), each.label) for each in pair), key=itemgetter(0)
    )
    if fewer < more:
        yield (
            f"{first} and {second} are compared in the {fewer} groups of items that {first} has: the {more} of "
            f"{second} lie within them"
        )


def _named(evaluation: Evaluation, name: str) -> Figure:
    """Return the figure of this name, or else the first figure. `unlike` then reports the other name."""
    return next((figure for figure in evaluation.figures() if figure.name == name), evaluation.figures()[0])


def _rank(metric: Metric, system: System) -> float:
    """Return a sort key that is lowest for the best system."""
    return -system.figure.value if metric.higher_is_better else system.figure.value


def unlike(a: Figure, b: Figure, may_differ: Collection[Condition] = ()) -> str:
    """Return why two figures cannot be compared, in words. Empty if they can."""
    if a.name != b.name or a.unit != b.unit:
        return f"one is {a.name}, the other {b.name}"
    if a.conditions is None or b.conditions is None:
        return UNKNOWN
    metric = metric_named(a.name)
    found = differences(a.conditions, b.conditions, per_token=bool(metric and metric.per_token), meant=may_differ)
    return "; ".join(str(each) for each in found if each.matters)


SAID: Mapping[Condition, str] = {
    "tokenizer": "the tokenizer",
    "template": "the chat template",
    "weight_bits": "",
    "before": "",
    "engine": "",
    "decoding": "",
    "device": "",
}
"""Words for a condition that differs within a compared pair. If they are empty, both values are shown."""


def _said(a: System, b: System) -> str:
    """Return the differences between two compared systems, except the models themselves. Empty for none."""
    if not a.figure.conditions or not b.figure.conditions:
        return ""
    found = differences(a.figure.conditions, b.figure.conditions, meant=get_args(Condition))
    return "; ".join(SAID[each.name] or str(each) for each in found if each.name in SAID and not each.matters)


def _on_shared_items(metric: Metric, a: System, b: System) -> tuple[System, System, str]:
    """Return both systems with only the items that both share, and a sentence about the other items."""
    pairs, changed = paired(a.items, b.items)
    only = len(a.items) - len(pairs) - changed, len(b.items) - len(pairs) - changed
    if not any(only) and not changed:
        return a._replace(items=[one for one, _ in pairs]), b._replace(items=[two for _, two in pairs]), ""
    told = f"{only[0]} more were scored of {a.label} alone, {only[1]} of {b.label} alone"
    if changed:
        told += f", and {changed} ask or want something else in each"

    def by_shared(system: System, chosen: list[Item]) -> System:
        if not chosen or len(chosen) == len(system.items):
            return system._replace(items=chosen)
        now = metric.estimate(chosen, [item["cluster"] for item in chosen])
        figure = replace(system.figure, value=now.value, interval=now.interval, doubt=now.doubt, n=len(chosen))
        return system._replace(items=chosen, figure=figure)

    return by_shared(a, [one for one, _ in pairs]), by_shared(b, [two for _, two in pairs]), told


def paired(ours: Sequence[Item], theirs: Sequence[Item]) -> tuple[list[tuple[Item, Item]], int]:
    """Return the items that two evaluations share, and how many with equal ids differ in question or answer.

    If two builds made their ids with different keys, items with the same question and answer are the same.
    """
    there = {item["id"]: item for item in theirs}
    if any(item["id"] in there for item in ours):
        pairs = [(item, there[item["id"]]) for item in ours if item["id"] in there]
        same = [(one, two) for one, two in pairs if one["digest"] == two["digest"]]
        return same, len(pairs) - len(same)
    asked: dict[str, list[Item]] = defaultdict(list)
    for item in reversed(theirs):
        asked[item["digest"]].append(item)
    return [(item, asked[item["digest"]].pop()) for item in ours if asked[item["digest"]]], 0


def answers_alike(metric: Metric, pairs: Sequence[tuple[Item, Item]]) -> bool:
    """Return whether two systems give each item the same answer and score."""
    return all((a.get("answer"), a[metric.value]) == (b.get("answer"), b[metric.value]) for a, b in pairs)


def _figure(metric: Metric, a: System, b: System, outcome: Comparison) -> Figure:
    method = f"no test of {outcome.clusters} clusters: {outcome.untested}"
    if outcome.p is not None:
        method = f"paired test of {outcome.clusters} clusters, two-sided p {outcome.p:.4f}; 95 % interval; " + (
            "the same on every item"
            if outcome.minimum_detectable is None
            else f"a true difference of {outcome.minimum_detectable:.4f} is found in 80 % of cases"
        )
    return Figure(
        name=f"{metric.name}: {a.label} - {b.label}",
        value=outcome.difference,
        n=outcome.n,
        method=method,
        unit=metric.unit,
        interval=outcome.interval,
        doubt=outcome.doubt,
    )


def _wins(metric: Metric, a: System, b: System) -> Figure:
    """Return how often a is above b. A tie counts half."""
    pairs = zip(metric.values(a.items), metric.values(b.items), strict=True)
    wins = [((first > second) - (first < second) + 1) / 2 for first, second in pairs]
    found = share(wins, clusters_of(a.items, b.items))
    return Figure(
        name=f"wins: {a.label} over {b.label}",
        value=found.value,
        n=len(wins),
        method=f"share of items with more {metric.label}, ties half; 95 % {found.method}",
        interval=found.interval,
        doubt=found.doubt,
        chance=0.5,
    )


def _doubts(metric: Metric, evaluations: Sequence[Evaluation]) -> list[str]:
    """Return doubts about all values, in words."""
    if metric.holds_if is None:
        return []
    held = [each for evaluation in evaluations for each in evaluation.figures() if each.name == metric.holds_if]
    if not held:
        return [f"in doubt, all of it: {metric.holds_if} was not measured; give the task `train`"]
    return [
        f"in doubt, all of it: {each.name} is {each.value:+.3f}{between(each.interval)}, n={each.n}, "
        f"not shown to be above zero{'; ' * bool(each.doubt)}{each.doubt}"
        for each in held
        if not each.interval or each.interval[0] <= 0 or each.doubt
    ]


def _cut_off(config: CompareConfig, evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Yield models of which many answers are cut at the token limit."""
    for label, evaluation in zip(config.labels, evaluations, strict=True):
        for cut in evaluation.figures():
            if cut.name == TRUNCATED.name and cut.value >= CUT_OFTEN and label not in config.baselines:
                yield (
                    f"cut off: {cut.value:.0%} of the {cut.n} answers of {label} end at the limit, "
                    "and are scored as they stand"
                )


def _over_seeds(config: CompareConfig, tests: Tests) -> Iterator[str]:
    """Yield the spread between trainings that differ in their seed, which intervals over items do not include."""
    values = {system.label: system.figure.value for system in tests.systems}
    for labels in config.seeds:
        if len(known := [values[label] for label in labels if label in values]) > 1:
            spread = stdev(known)
            # The difference of two more has the variance 2 σ², of which the spread of so few tells little.
            far = student(len(known) - 1) * math.sqrt(2) * spread
            yield (
                f"over {len(known)} seeds, {', '.join(labels)} have {min(known):.3f} to {max(known):.3f} "
                f"{tests.metric.label}, standard deviation {spread:.3f}: two single trainings that differ by less than "
                f"{far:.3f} may differ by their seeds alone, whatever tests over items say"
                f"{'; of two the spread is hardly known' * (len(known) == 2)}"
            )


def _at_chance(tests: Tests) -> Iterator[str]:
    """Yield models that are not shown to be better than blind guessing."""
    for label, is_baseline, figure, _ in tests.systems:
        if figure.chance is None or is_baseline or not figure.interval or figure.interval[0] > figure.chance:
            continue
        yield (
            f"not shown to be better than chance: {label} has {figure.value:.3f} {tests.metric.label}"
            f"{between(figure.interval, '.3f')}, n={figure.n}, and blind guessing {figure.chance:.3f}"
        )


def _known(tests: Tests) -> Iterator[str]:
    """Yield systems with items that are in their training texts, and their scores on the other items."""
    for label, _, figure, items in tests.systems:
        if known := sum(standing(item) == "known" for item in items):
            clean = "" if figure.clean_value is None else f", {figure.clean_value:.3f} over the {figure.clean_n} clean"
            yield (
                f"known to {label}: {known} of {len(items)} items stand in the text that it learned from; "
                f"{figure.value:.3f} {tests.metric.label} over all{clean}"
            )


def _among_clean(tests: Tests) -> Iterator[str]:
    """Yield comparisons on the items clean for both, for pairs of which one system knows some items."""
    for a, b, _ in tests.tested:
        both = list(zip(a.items, b.items, strict=True))
        clean = [pair for pair in both if standing(pair[0]) == standing(pair[1]) == "clean"]
        if len(clean) < CLEAN_AT_LEAST or all("known" not in map(standing, pair) for pair in both):
            continue
        outcome = tests.metric.compare([first for first, _ in clean], [second for _, second in clean])
        yield (
            f"on the {len(clean)} items clean for both, {a.label} less {b.label}: {outcome.difference:+.3f} "
            f"{tests.metric.label}{between(outcome.interval)}"
        )


def _best(tests: Tests) -> list[str]:
    """Return a sentence if a baseline is best."""
    metric, systems, tested, *_ = tests
    best = min(systems, key=lambda system: _rank(metric, system))
    models = [system for system in systems if not system.is_baseline]
    if not best.is_baseline or not models:
        return []
    first = min(models, key=lambda system: _rank(metric, system))
    if math.isclose(best.figure.value, first.figure.value, rel_tol=1e-9, abs_tol=1e-12):
        return []
    doubtful = False
    for a, b, outcome in tested:
        if {a.label, b.label} == {best.label, first.label}:
            if a.label != best.label:  # on the items that both were scored on
                return []
            best, first, doubtful = a, b, not outcome.is_shown
    return [
        f"{best.label} {'is ahead, but within doubt' if doubtful else 'wins'}: {best.figure.value:.3f} "
        f"{metric.label}, the best model, {first.label}, has {first.figure.value:.3f}"
        + ("" if best.items else f" (no test: {best.figure.method})")
    ]


def _beside_baselines(tests: Tests) -> dict[str, Any]:
    """Return the best model compared with the baselines. Empty without a model or without a baseline.

    A model that learned from nearly all items is the best only if there is no other.
    """
    ordered = sorted(tests.systems, key=lambda system: _rank(tests.metric, system))
    models, baselines = ([each for each in ordered if each.is_baseline == wanted] for wanted in (False, True))
    if not models or not baselines:
        return {}
    model = next((each for each in models if _on_others(tests.metric, each) is not None), models[0])
    return beside_baselines(tests.metric, model, baselines, tests.pairs())


def beside_baselines(
    metric: Metric, model: System, baselines: Sequence[System], pairs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a model, the best baseline, and whether the model is shown to be better than each baseline, by groups.

    A baseline without a test against the model in `pairs` cannot be compared with it.
    """
    tested = {label for pair in pairs for label in (pair["a"], pair["b"]) if model.label in (pair["a"], pair["b"])}
    best = min(baselines, key=lambda system: _rank(metric, system))
    return {
        "model": model.label,
        "value": model.figure.value,
        "baseline": best.label,
        "baseline_value": best.figure.value,
        "label": metric.label,
        "is_better": all(each.label in tested and _is_better(metric, model, each) for each in baselines),
    }


def _is_better(metric: Metric, model: System, baseline: System) -> bool:
    """Return whether a model is shown to be better than a baseline on items that neither learned from."""
    pairs = new_to_both(paired(model.items, baseline.items)[0])
    try:
        interval = by_groups(metric, pairs).interval if pairs else None
    except LmworksError:  # they group items differently, which the refused test of the pair says
        return False
    return interval is not None and interval[0] > 0


def _on_others(metric: Metric, system: System) -> float | None:
    """Return a system's score on items that it did not learn from, on clean ones if enough. None if too few."""
    if system.figure.clean_value is not None:
        return system.figure.clean_value
    others = [item for item in system.items if standing(item) != "known"]
    if len(others) == len(system.items):
        return system.figure.value
    if len(others) < CLEAN_AT_LEAST:
        return None
    return metric.estimate(others, [item["cluster"] for item in others]).value


def _sentences(tests: Tests) -> list[str]:
    """Return one line per pair. Pairs of models come first."""
    ordered = sorted(tests.tested, key=lambda test: test[0].is_baseline or test[1].is_baseline)
    return [_sentence(tests.metric, *test) for test in ordered]


def _told(
    metric: Metric, relation: Relation, tests: Iterable[tuple[System, System, Comparison]]
) -> Iterator[tuple[bool, str]]:
    """Yield the sentence of a relation, if its two systems were compared, and whether it comes first."""
    for a, b, outcome in tests:
        if {a.label, b.label} == {relation.model, relation.beside}:
            before, after = (b, a) if a.label == relation.model else (a, b)
            figures = before.figure.value, after.figure.value
            turned = metric.compare(after.items, before.items)
            yield relation.is_loss(turned), relation.sentence(metric, figures, turned, _evidence(outcome))


def _evidence(outcome: Comparison) -> str:
    """Return the basis of a difference, and why it shows nothing or may show too much."""
    if outcome.p is None:
        return f"n={outcome.n}: {outcome.untested}"
    groups = f"{outcome.clusters} groups of {outcome.n} items" if outcome.clusters < outcome.n else f"n={outcome.n}"
    return f"{groups}{'; ' * bool(outcome.doubt)}{outcome.doubt}"


def _sentence(metric: Metric, a: System, b: System, outcome: Comparison) -> str:
    difference = f"{outcome.difference:+.3f} {metric.label}{between(outcome.interval)}, {_evidence(outcome)}"
    if outcome.p is None:
        return f"{a.label} and {b.label} are not tested: {difference}"
    if outcome.is_shown:
        return f"{a.label} is ahead of {b.label}: {difference}"
    return f"{a.label} and {b.label} do not differ significantly: {difference}"
