"""Do the 95 % intervals that a build prints cover the truth in 95 % of cases?

    python benchmarks/evaluate/coverage.py [--quick] [--jobs 2] [--only NAME] [--picture docs/pictures/coverage.svg]

136 cells: a metric, a number of items, a form of clusters, a truth. Each draws test sets from a population whose truth
is known (by formula, or by a draw of two million items), asks the functions that a build calls (`Metric.figure`,
`Metric.compare`, `macro_f1`, `calibrate`), and counts how often the interval holds the truth. 2,000 draws put the Monte
Carlo standard error of a coverage of 95 % at 0.5 points. A cell passes from 93 to 97 %; one of a method that is exact
or meant to be conservative from 93 %; and one whose figures say that they may be too narrow (`doubt`, in most draws).
Then whole builds: how often the primary question has an answer where nothing differs, and how often a model that lost
2, or 5, points is said to keep to within 2. One line of JSON comes out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from html import escape
from itertools import repeat
from math import erf
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from lmworks.evaluate.compare import CompareConfig, concluded
from lmworks.evaluate.items import ACCURACY, BITS_PER_BYTE, BLEU, ROUGE_L, SPAN_F1, Item, Metric
from lmworks.evaluate.primary import AskedConfig, answered
from lmworks.evaluate.relations import Relation
from lmworks.evaluate.tasks.judgements import calibrate
from lmworks.evaluate.tasks.labels import macro_f1
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.figure import Figure

Random = np.random.Generator
Sizes = np.ndarray[Any, np.dtype[np.int64]]
FEW, ENOUGH = 0.93, 0.97
TRUTH_ITEMS = 2_000_000


@dataclass(frozen=True)
class Cell:
    """One row of the grid."""

    name: str
    metric: str
    n: int
    clusters: str
    draw: Callable[[Random, Sizes], tuple[Any, ...]]
    """A test set of clusters of these sizes."""
    found: Callable[..., tuple[Any, str]]
    """Interval and doubt of a test set."""
    truth: Callable[[], float]
    sizes: Callable[[Random], Sizes]
    conservative: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a cell went."""

    name: str
    metric: str
    n: int
    clusters: str
    truth: float
    coverage: float
    below: float
    """Share of intervals that lie wholly below the truth."""
    width: float
    warned: float
    passes: bool


# -- sizes of clusters ------------------------------------------------------------------------------------------------


def single(n: int) -> Callable[[Random], Sizes]:
    return lambda random: np.ones(n, int)


def equal(clusters: int, size: int) -> Callable[[Random], Sizes]:
    return lambda random: np.full(clusters, size)


def skewed(clusters: int, size: int) -> Callable[[Random], Sizes]:
    """Long-tailed: the largest of 25 holds about a sixth of all items."""
    return lambda random: np.maximum(1, (random.lognormal(-0.5, 1, clusters) * size).astype(int))


def heads(sizes: Sizes) -> list[str]:
    return [f"c{number}" for number in np.repeat(np.arange(len(sizes)), sizes).tolist()]


def with_intracluster(random: Random, sizes: Sizes, correlation: float) -> np.ndarray:
    """Normal deviates, of which those of one cluster correlate so."""
    shared = np.repeat(random.normal(size=len(sizes)), sizes)
    return correlation**0.5 * shared + (1 - correlation) ** 0.5 * random.normal(size=sizes.sum())


def share_of(p: float) -> float:
    """The normal deviate below which so many lie."""
    return NormalDist().inv_cdf(p)


# -- populations ------------------------------------------------------------------------------------------------------


def scores(p: float, correlation: float = 0.25) -> Callable[[Random, Sizes], tuple[list[Item]]]:
    """Right or wrong, alike within a cluster."""

    def draw(random: Random, sizes: Sizes) -> tuple[list[Item]]:
        right = with_intracluster(random, sizes, correlation if (sizes > 1).any() else 0) < share_of(p)
        return ([{"cluster": c, "score": s} for c, s in zip(heads(sizes), right.astype(float).tolist(), strict=True)],)

    return draw


def paired_scores(p: float, better: float, shared: float, correlation: float = 0.25) -> Callable[..., Any]:
    """Two systems, of which the second answers as the first does on a part of the items, and else by itself."""

    def draw(random: Random, sizes: Sizes) -> tuple[list[Item], list[Item]]:
        rho = correlation if (sizes > 1).any() else 0
        one, own = with_intracluster(random, sizes, rho), with_intracluster(random, sizes, rho)
        other = np.sqrt(shared) * one + np.sqrt(1 - shared) * own
        right = one < share_of(p), other < share_of(better)
        return tuple(  # type: ignore[return-value]
            [{"cluster": c, "score": s} for c, s in zip(heads(sizes), each.astype(float).tolist(), strict=True)]
            for each in right
        )

    return draw


def spans(recall: float, precision: float, correlation: float = 0.0) -> Callable[..., Any]:
    """Texts of 0 to some spans, of which hard ones lose more."""

    def draw(random: Random, sizes: Sizes, own: Random | None = None) -> tuple[list[Item]]:
        own = own or random
        n = int(sizes.sum())
        wanted = random.poisson(3, n)
        hard = np.exp(0.5 * with_intracluster(random, sizes, correlation) - 0.125)
        right = own.binomial(wanted, np.clip(1 - (1 - recall) * hard, 0, 1))
        wrong = own.poisson(3 * recall * (1 - precision) / precision * hard)
        counts = np.stack([right, right + wrong, wanted], axis=1).tolist()
        return ([{"cluster": c, "spans": s} for c, s in zip(heads(sizes), counts, strict=True)],)

    return draw


def both(first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., Any]:
    """Two systems on the same texts, which are as hard for both; their mistakes are their own."""

    def draw(random: Random, sizes: Sizes) -> tuple[Any, Any]:
        seed = int(random.integers(2**62))
        (one,), (other,) = (
            each(np.random.default_rng(seed), sizes, own=np.random.default_rng((seed, number)))
            for number, each in enumerate((first, second), start=1)  # (seed, 0) is seed
        )
        return one, other

    return draw


def labelled(labels: int, accuracy: float, slope: float, correlation: float = 0.0) -> Callable[..., Any]:
    """Labels as rare as a power of their rank; what is wrong is taken for another, mostly a common one."""
    rate = np.arange(1.0, labels + 1) ** -slope
    rate /= rate.sum()
    right_rate = np.clip(accuracy + 0.25 * (rate / rate.max()) ** 0.5 - 0.12, 0.02, 0.98)

    def draw(random: Random, sizes: Sizes) -> tuple[list[Item]]:
        n = int(sizes.sum())
        asked = random.choice(labels, n, p=rate)
        right = with_intracluster(random, sizes, correlation) < np.array([share_of(p) for p in right_rate])[asked]
        said = np.where(right, asked, random.choice(labels, n, p=rate))
        return (
            [
                {"cluster": c, "reference": str(a), "answer": str(s)}
                for c, a, s in zip(heads(sizes), asked.tolist(), said.tolist(), strict=True)
            ],
        )

    return draw


def confused(rates: Sequence[float], taken: Sequence[Sequence[float]]) -> Callable[..., Any]:
    """Labels of these rates, of which each is taken for others so often; the model knows all of them."""
    names = {str(label): 1 / len(rates) for label in range(len(rates))}
    limits = np.cumsum(taken, axis=1)

    def draw(random: Random, sizes: Sizes) -> tuple[list[Item]]:
        n = int(sizes.sum())
        asked = random.choice(len(rates), n, p=rates)
        said = np.minimum((random.random((n, 1)) > limits[asked]).sum(axis=1), len(rates) - 1)
        return (
            [
                {"cluster": c, "reference": str(a), "answer": str(s), "probabilities": names}
                for c, a, s in zip(heads(sizes), asked.tolist(), said.tolist(), strict=True)
            ],
        )

    return draw


def translations(quality: float, correlation: float = 0.0) -> Callable[..., Any]:
    """Counts of BLEU of sentences, whose quality varies."""

    def draw(random: Random, sizes: Sizes, own: Random | None = None) -> tuple[list[Item]]:
        own = own or random
        n = int(sizes.sum())
        wanted = 5 + random.poisson(random.gamma(3, 6, n))
        given = np.maximum(4, (wanted * np.exp(0.12 * own.normal(size=n)) * 0.97).astype(int))
        match = 1 / (1 + np.exp(-(share_of(quality) * 1.7 + 0.8 * with_intracluster(random, sizes, correlation))))
        totals = np.stack([np.maximum(given - order, 0) for order in range(4)], axis=1)
        right, rows = np.minimum(own.binomial(given, match), wanted), []
        for order in range(4):
            rows.append(right)
            right = own.binomial(np.minimum(right, totals[:, min(order + 1, 3)]), 0.55 + 0.4 * match)
        counts = np.concatenate([given[:, None], wanted[:, None], np.stack(rows, axis=1), totals], axis=1).tolist()
        return ([{"cluster": c, "bleu": s} for c, s in zip(heads(sizes), counts, strict=True)],)

    return draw


def documents(spread: float, better: float = 1.0, correlation: float = 0.3) -> Callable[..., Any]:
    """Documents of unequal sizes; long ones are predicted better, some hardly."""

    def draw(random: Random, sizes: Sizes, own: Random | None = None) -> tuple[list[Item]]:
        own = own or random
        n = int(sizes.sum())
        length = np.maximum(20, np.exp(7 + spread * random.normal(size=n)))
        rho = correlation if (sizes > 1).any() else 0
        hardness = np.exp(0.25 * with_intracluster(random, sizes, rho) + (0.3 * random.normal(size=n)) ** 2)
        bits = length * (1 + (length / 1100) ** -0.2) * hardness * better
        if better != 1:
            bits = bits * np.exp(0.05 * own.normal(size=n))
        return (
            [
                {"cluster": c, "bits": b, "bytes": s}
                for c, b, s in zip(heads(sizes), bits.tolist(), length.astype(int).tolist(), strict=True)
            ],
        )

    return draw


def noisy_documents(spread: float) -> Callable[..., Any]:
    """Documents of unequal sizes, whose bits per byte have nothing to do with their sizes."""

    def draw(random: Random, sizes: Sizes, own: Random | None = None) -> tuple[list[Item]]:
        n = int(sizes.sum())
        length = random.lognormal(6, spread, n)
        bits = length * (1.2 + 0.3 * (own or random).normal(size=n))
        return (
            [
                {"cluster": c, "bits": b, "bytes": s}
                for c, b, s in zip(heads(sizes), bits.tolist(), length.tolist(), strict=True)
            ],
        )

    return draw


def overlaps(middle: float) -> Callable[..., Any]:
    """Scores from 0 to 1 of which some are perfect."""

    def draw(random: Random, sizes: Sizes) -> tuple[list[Item]]:
        n = int(sizes.sum())
        value = np.where(random.random(n) < middle / 2, 1.0, random.beta(4 * middle, 4 * (1 - middle), n))
        return ([{"cluster": c, "rouge_l": s} for c, s in zip(heads(sizes), value.tolist(), strict=True)],)

    return draw


def judged(boast: float, correlation: float = 0.2) -> Callable[..., Any]:
    """Leads of a reward model that is as sure as it is right, or times `boast`."""

    def draw(random: Random, sizes: Sizes) -> tuple[list[Item]]:
        n = int(sizes.sum())
        lead = np.abs(random.normal(0, 1.5, n))
        rho = correlation if (sizes > 1).any() else 0
        uniform = 0.5 * (1 + np.vectorize(erf)(with_intracluster(random, sizes, rho) / 2**0.5))
        right = uniform < 1 / (1 + np.exp(-lead))
        return (
            [
                {"cluster": c, "lead": v if r else -v, "score": float(r)}
                for c, v, r in zip(heads(sizes), (lead * boast).tolist(), right.tolist(), strict=True)
            ],
        )

    return draw


# -- what a build says ------------------------------------------------------------------------------------------------


def said(figure: Any) -> tuple[Any, str]:
    return figure.interval, getattr(figure, "doubt", "")


def figure_of(metric: Metric) -> Callable[..., tuple[Any, str]]:
    return lambda items: said(metric.figure(items, "x"))


def difference_of(metric: Metric) -> Callable[..., tuple[Any, str]]:
    return lambda a, b: said(metric.compare(a, b))


def macro(items: list[Item]) -> tuple[Any, str]:
    return said(macro_f1(items, "x"))


def calibration(items: list[Item]) -> tuple[Any, str]:
    return said(calibrate(items)[0])


def value_of(metric: Metric) -> Callable[[list[Item]], float]:
    return lambda items: metric.estimate(items, [item["cluster"] for item in items])[0]


# -- truths -----------------------------------------------------------------------------------------------------------


def large_draws(draw: Callable[..., Any]) -> Iterator[Any]:
    random = np.random.default_rng(12345)
    for _ in range(10):
        yield draw(random, np.ones(TRUTH_ITEMS // 10, int))


def drawn_truth(draw: Callable[..., Any], values: Callable[[list[Item]], float]) -> Callable[[], float]:
    """Of one system, or of the first less the second."""

    def truth() -> float:
        found = [[values(items) for items in systems] for systems in large_draws(draw)]
        return float(np.mean([each[0] - (each[1] if len(each) > 1 else 0) for each in found]))

    return truth


def sums_of(metric: Any) -> Callable[[list[Item]], float]:
    return lambda items: float(metric.of_sums(np.sum([item[metric.value] for item in items], axis=0, dtype=float)))


def true_ratio(items: list[Item]) -> float:
    return sum(item["bits"] for item in items) / sum(item["bytes"] for item in items)


def true_macro(draw: Callable[..., Any], labels: int) -> Callable[[], float]:
    """Of the confusions of all draws together."""

    def truth() -> float:
        confusion = np.zeros((labels, labels))
        for (items,) in large_draws(draw):
            pairs = np.array([(int(item["reference"]), int(item["answer"])) for item in items])
            np.add.at(confusion, (pairs[:, 0], pairs[:, 1]), 1)
        return float(np.mean(2 * np.diag(confusion) / (confusion.sum(0) + confusion.sum(1))))

    return truth


def true_calibration(draw: Callable[..., Any]) -> Callable[[], float]:
    """Root mean square distance of how sure a model is from how often it is right, over ten equal parts."""

    def truth() -> float:
        items = [item for (some,) in large_draws(draw) for item in some]
        lead, right = (np.array([item[name] for item in items]) for name in ("lead", "score"))
        sure = 1 / (1 + np.exp(-np.abs(lead)))
        order = np.array_split(np.argsort(sure), 10)
        return float(np.mean([(sure[each].mean() - right[each].mean()) ** 2 for each in order]) ** 0.5)

    return truth


# -- the grid ---------------------------------------------------------------------------------------------------------


def forms(size: int = 20) -> Iterator[tuple[str, int, Callable[[Random], Sizes]]]:
    for clusters in (10, 25, 100):
        for shape in (equal, skewed):
            yield f"{clusters} {shape.__name__}", clusters * size, shape(clusters, size)


def cells() -> Iterator[Cell]:
    """All 136."""

    def cell(
        metric: str, n: int, form: str, sizes: Any, draw: Any, found: Any, truth: Any, about: str, exact: bool = False
    ) -> Cell:
        name = f"{metric}, {about}, n {n}, {form}"
        return Cell(name, metric, n, form, draw, found, cache(truth), sizes, exact)

    for p in (0.5, 0.9, 0.02, 0.995):
        for n in (20, 100, 1000, 5000):
            found = figure_of(ACCURACY)
            yield cell("share", n, "none", single(n), scores(p), found, lambda p=p: p, f"{p:g}", True)
    for p in (0.5, 0.9, 0.02):
        for form, n, sizes in forms():
            yield cell("share", n, form, sizes, scores(p), figure_of(ACCURACY), lambda p=p: p, f"{p:g}", True)
    for p, better, shared in ((0.7, 0.7, 0.8), (0.9, 0.85, 0.5), (0.99, 0.98, 0.5), (0.6, 0.6, 0.999)):
        for n in (20, 100, 500, 5000):
            draw, found = paired_scores(p, better, shared), difference_of(ACCURACY)
            about = f"{p:g} and {better:g} alike to {shared:g}"
            yield cell("share, paired", n, "none", single(n), draw, found, lambda d=p - better: d, about, True)
    for p, better, shared in ((0.7, 0.65, 0.6), (0.97, 0.97, 0.5)):
        for form, n, sizes in forms():
            draw, found = paired_scores(p, better, shared), difference_of(ACCURACY)
            about = f"{p:g} and {better:g} alike to {shared:g}"
            yield cell("share, paired", n, form, sizes, draw, found, lambda d=p - better: d, about, True)
    for right in (0.6, 0.9, 0.99):
        draw = spans(right, right)
        truth = cache(drawn_truth(draw, sums_of(SPAN_F1)))
        for n in (20, 100, 500, 2000):
            yield cell("span F1", n, "none", single(n), draw, figure_of(SPAN_F1), truth, f"{right:g}", True)
    draw = spans(0.85, 0.85, 0.3)
    truth = cache(drawn_truth(draw, sums_of(SPAN_F1)))
    for clusters in (10, 25, 100):
        sizes = skewed(clusters, 20)
        yield cell("span F1", clusters * 20, f"{clusters} skewed", sizes, draw, figure_of(SPAN_F1), truth, "0.85", True)
    for one, other in ((0.9, 0.85), (0.99, 0.98)):
        draw = both(spans(one, one), spans(other, other))
        truth = cache(drawn_truth(draw, sums_of(SPAN_F1)))
        for n in (20, 100, 1000):
            about = f"{one:g} and {other:g}"
            yield cell("span F1, paired", n, "none", single(n), draw, difference_of(SPAN_F1), truth, about)
    for labels, accuracy, slope, sizes_ in (
        (4, 0.8, 0.5, (50, 200, 1000)),
        (20, 0.7, 1, (200, 1000)),
        (77, 0.7, 1, (500, 5000)),
    ):
        draw = labelled(labels, accuracy, slope)
        truth = cache(true_macro(draw, labels))
        for n in sizes_:
            yield cell("macro F1", n, "none", single(n), draw, macro, truth, f"{labels} labels", True)
    draw = labelled(6, 0.75, 0.5, 0.2)
    yield cell("macro F1", 500, "25 skewed", skewed(25, 20), draw, macro, true_macro(draw, 6), "6 labels", True)
    rare = [[1.0, 0, 0], [0, 1, 0], [0.5, 0, 0.5]]
    for n, rates, taken in (
        (200, (0.5, 0.49, 0.01), rare),
        (100, (0.49, 0.49, 0.02), rare),
        (100, (0.6, 0.35, 0.05), [[0.95, 0.05, 0], [0.05, 0.95, 0], [0.4, 0, 0.6]]),
        (100, (0.4, 0.3, 0.3), [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]),
    ):
        draw, about = confused(rates, taken), f"labels of {' '.join(f'{rate:.0%}' for rate in rates)}"
        yield cell("macro F1", n, "none", single(n), draw, macro, true_macro(draw, 3), about, True)
    draw = translations(0.55, 0.2)
    truth = cache(drawn_truth(draw, sums_of(BLEU)))
    for n in (20, 100, 500):
        yield cell("BLEU", n, "none", single(n), draw, figure_of(BLEU), truth, "sentences")
    yield cell("BLEU", 500, "25 skewed", skewed(25, 20), draw, figure_of(BLEU), truth, "sentences")
    draw = both(translations(0.55, 0.2), translations(0.52, 0.2))
    truth = cache(drawn_truth(draw, sums_of(BLEU)))
    for n in (20, 100, 500):
        yield cell("BLEU, paired", n, "none", single(n), draw, difference_of(BLEU), truth, "two systems")
    for spread in (0.7, 1.2):
        draw = documents(spread)
        truth = cache(drawn_truth(draw, true_ratio))
        for n in (20, 100, 1000):
            about = f"sizes spread {spread:g}"
            yield cell("bits per byte", n, "none", single(n), draw, figure_of(BITS_PER_BYTE), truth, about)
    draw = documents(0.7)
    truth = cache(drawn_truth(draw, true_ratio))
    for clusters in (10, 25, 100):
        sizes, found = skewed(clusters, 10), figure_of(BITS_PER_BYTE)
        yield cell("bits per byte", clusters * 10, f"{clusters} skewed", sizes, draw, found, truth, "sizes spread 0.7")
    draw = both(documents(0.7), documents(0.7, 0.97))
    truth = cache(drawn_truth(draw, true_ratio))
    for form, n, sizes in (
        ("none", 20, single(20)),
        ("none", 200, single(200)),
        ("10 equal", 100, equal(10, 10)),
        ("25 skewed", 250, skewed(25, 10)),
    ):
        yield cell("bits per byte, paired", n, form, sizes, draw, difference_of(BITS_PER_BYTE), truth, "3 % better")
    for spread in (1.0, 1.5):
        draw, about = noisy_documents(spread), f"noise, sizes spread {spread:g}"
        for n in (60, 100, 300):
            found = figure_of(BITS_PER_BYTE)
            yield cell("bits per byte", n, "none", single(n), draw, found, lambda: 1.2, about)
            equals, found = both(draw, draw), difference_of(BITS_PER_BYTE)
            yield cell("bits per byte, paired", n, "none", single(n), equals, found, lambda: 0.0, f"equal, {about}")
    for boast in (1.0, 2.0):
        draw = judged(boast)
        truth = cache(true_calibration(draw) if boast > 1 else lambda: 0.0)
        for n in (100, 400, 2000):
            yield cell("calibration error", n, "none", single(n), draw, calibration, truth, f"times {boast:g}", True)
        yield cell(
            "calibration error", 500, "25 equal", equal(25, 20), draw, calibration, truth, f"times {boast:g}", True
        )
    draw = overlaps(0.4)
    truth = drawn_truth(draw, lambda items: sum(item["rouge_l"] for item in items) / len(items))
    yield cell("ROUGE-L", 20, "none", single(20), draw, figure_of(ROUGE_L), truth, "some perfect")


def tried(number: int, draws: int, seed: int) -> Outcome:
    """One cell."""
    cell = list(cells())[number]
    random, truth = np.random.default_rng((seed, number)), cell.truth()
    covered = below = warned = 0
    widths = []
    for _ in range(draws):
        interval, doubt = cell.found(*cell.draw(random, cell.sizes(random)))
        warned += bool(doubt)
        if interval is None:  # nothing is said
            covered += 1
            continue
        low, high = interval
        covered += low - 1e-12 <= truth <= high + 1e-12
        below += high + 1e-12 < truth
        widths.append(high - low)
    coverage = covered / draws
    most = 1.0 if cell.conservative else ENOUGH
    passes = FEW <= round(coverage, 3) <= most or warned > draws / 2
    width = float(np.mean(widths)) if widths else float("nan")
    shape = cell.metric, cell.n, cell.clusters
    return Outcome(cell.name, *shape, truth, coverage, below / draws, width, warned / draws, passes)


# -- whole builds -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """An evaluation in memory."""

    made: Figure
    scored: list[Item]

    def figures(self) -> list[Figure]:
        """The headline."""
        return [self.made]

    def items(self) -> list[Item]:
        """All."""
        return self.scored


def evaluated(items: list[Item]) -> Scores:
    named = [{**item, "id": f"q{n}", "digest": f"d{n}"} for n, item in enumerate(items)]
    return Scores(ACCURACY.figure(named, "x", conditions=Conditions()), named)


def verdicts(config: CompareConfig, *systems: list[Item]) -> list[str]:
    """What the code of a build says of two systems."""
    record, _ = concluded(config, [evaluated(items) for items in systems])  # type: ignore[list-item] # as they are asked
    return list(record["verdicts"])


def config_of(*relations: Relation) -> CompareConfig:
    names = ["before", "after"]
    return CompareConfig(evaluations=names, labels=names, relations=list(relations))


def null_builds(form: str, builds: int, seed: int) -> tuple[str, float]:
    """How often the primary question is answered with yes or no where nothing differs."""
    sizes = {"200 items": single(200), "25 equal": equal(25, 20), "100 skewed": skewed(100, 5)}[form]
    random, draw, said = np.random.default_rng((seed, 11)), paired_scores(0.7, 0.7, 0.6), 0
    asked = AskedConfig(evaluations=["a", "b"], task="null", model="model", opponents=["other"])
    for _ in range(builds):
        sides = [evaluated(items) for items in draw(random, sizes(random))]
        said += answered(asked, sides).said != "open"  # type: ignore[arg-type] # as they are asked
    return f"null question, {form}", said / builds


def losses(n: int, loss: float, draws: int, seed: int) -> tuple[str, float]:
    """How often a model that lost so much is said to keep to within 2 points: of what it had right alone, the worst."""
    relation = Relation(kind="retention", model="after", beside="before")
    random, said = np.random.default_rng((seed, 12, n)), 0
    for _ in range(draws):
        before = random.random(n) < 0.9
        after = before & (random.random(n) >= loss / 0.9)
        sides = ([{"cluster": f"c{k}", "score": float(v)} for k, v in enumerate(each)] for each in (before, after))
        said += any(line.startswith("after keeps") for line in verdicts(config_of(relation), *sides))
    return f"lost {100 * loss:g} points, n {n}", said / draws


def builds(draws: int, seed: int, pool: ProcessPoolExecutor) -> dict[str, float]:
    """What whole builds say that is not so: each at most in 6, and 5, of 100."""
    waiting = [pool.submit(null_builds, form, draws, seed) for form in ("200 items", "25 equal", "100 skewed")]
    waiting += [
        pool.submit(losses, n, loss, 2 * draws, seed)
        for loss in (0.05, 0.02)
        for n in (20, 50, 100, 145, 190, 500, 2000)
    ]
    return dict(each.result() for each in waiting)


def picture(found: list[Outcome]) -> str:
    """The grid: a dot a cell, coverage along, hollow where figures warn, red where the cell fails."""
    row, left, right, width = 14, 430, 40, 960
    shortest = 0.85

    def along(coverage: float) -> float:
        return left + (max(coverage, shortest) - shortest) / (1 - shortest) * (width - left - right)

    height = row * len(found) + 60
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="10">'
        "<title>Coverage of 95 % intervals, cell by cell</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<rect x="{along(FEW):.1f}" y="30" width="{along(ENOUGH) - along(FEW):.1f}" height="{row * len(found)}" '
        'fill="#e3efe3"/>',
        '<text x="8" y="18" font-size="12">Share of 95 % intervals that hold the truth; shaded: 93 to 97 %; hollow: '
        "the figure says that it may be too narrow; red: fails</text>",
    ]
    for tick in (0.85, 0.9, 0.93, 0.95, 0.97, 1.0):
        lines.append(f'<text x="{along(tick):.1f}" y="{height - 12}" text-anchor="middle">{tick:.0%}</text>')
    for number, each in enumerate(found):
        y = 30 + row * (number + 0.5)
        colour = "#1f5f8b" if each.passes else "#c0392b"
        fill = "#fff" if each.warned > 0.5 else colour
        lines.append(f'<text x="{left - 12}" y="{y + 3:.1f}" text-anchor="end">{escape(each.name)}</text>')
        lines.append(f'<circle cx="{along(each.coverage):.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{colour}"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 draws a cell instead of 2,000")
    parser.add_argument("--draws", type=int)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="cells whose names hold this")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    started, draws = time.monotonic(), options.draws or (200 if options.quick else 2000)
    numbers = [number for number, cell in enumerate(cells()) if options.only in cell.name]
    found: list[Outcome] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(tried, numbers, repeat(draws), repeat(options.seed)):
            mark = "ok  " if outcome.passes else "FAIL"
            print(
                f"{mark} {outcome.coverage:.3f} (below {outcome.below:.3f}) width {outcome.width:.4f} "
                f"warned {outcome.warned:.2f} truth {outcome.truth:.4f}  {outcome.name}",
                file=sys.stderr,
                flush=True,
            )
            found.append(outcome)
        of_builds = {} if options.only else builds(draws, options.seed, pool)
    for name, share in of_builds.items():
        print(f"{share:.4f}  {name}", file=sys.stderr)
    holds = all(share <= (0.06 if "null" in name else 0.05) for name, share in of_builds.items())
    if options.picture:
        options.picture.write_text(picture(found), encoding="utf-8")
    print(
        json.dumps(
            {
                "builds": of_builds,
                "cells": len(found),
                "passed": sum(each.passes for each in found),
                "warned": sum(each.warned > 0.5 for each in found),
                "draws": draws,
                "seed": options.seed,
                "seconds": round(time.monotonic() - started),
                "grid": [asdict(each) for each in found],
            }
        )
    )
    return 0 if all(each.passes for each in found) and holds else 1


if __name__ == "__main__":
    sys.exit(main())
