"""Intervals and paired tests for scores whose items may come in clusters.

Items of one cluster (operations of one service) are drawn together, because they are alike: treating them as
independent makes intervals too narrow (Miller 2024, arXiv 2411.00640). A share of right answers has an exact interval
on its effective number of items, a difference of two such shares Tango's. Every other score is a function of sums over
items, and has Student's interval on its jackknife over clusters, with Hall's correction for skewness. A difference of
scores whose items come in clusters is the mean of the clusters' own differences, with Student's interval: each cluster
has equal weight, so that no large one decides alone. A test is the interval turned round: it rejects exactly where the
interval excludes zero. How often these intervals hold the truth is measured in `benchmarks/evaluate/coverage.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from lmworks.lazy import NDArray, np
from lmworks.pipeline.figure import Interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    Floats = NDArray[np.float64]
    Score = Callable[[Floats], Floats]
    """[…,K] sums of what was counted in items -> […] scores."""

LEVEL = 0.05
"""Error probability: 1 minus the confidence of intervals."""
LEAST_GROUPS = 6
"""Minimum number of groups for a comparison. With five, equal signs in all occur by chance in one of 16 cases."""
LEAST_P = 1e-6
"""Probability below which the approximations here are not exact to one digit."""
POWER = 0.8
FEW_CLUSTERS, FEW_OF_SHARES = 14.0, 5.0
"""Number of equal clusters below which an interval may be too narrow, because their spread is hardly known. The second
number is for shares, whose interval also depends on the number of items."""


@dataclass(frozen=True)
class Estimate:
    """A score with its interval."""

    value: float
    interval: Interval | None
    """Interval of the score. None for one cluster, or if no score varies and nothing can be shown."""
    method: str
    """Method by which the interval was computed."""
    doubt: str = ""
    """Reason why the interval may be too narrow."""


@dataclass(frozen=True)
class Comparison:
    """Difference of score a minus score b on the same items."""

    difference: float
    interval: Interval | None
    """Interval of the difference. None if there are too few clusters, or if nothing varies."""
    p: float | None
    """Two-sided p: the probability of a difference at least this large if the true difference were zero."""
    minimum_detectable: float | None
    """True difference that this test detects in 80 % of cases."""
    n: int
    clusters: int
    doubt: str = ""
    """Reason why the interval may be too narrow, and p too small."""

    @property
    def untested(self) -> str:
        """Reason why there is no p-value: no sign of a difference. Empty if there is a p-value."""
        if self.p is not None:
            return ""
        if self.clusters < 2 or self.clusters < min(self.n, LEAST_GROUPS):
            groups = f"{self.clusters} group{'s' * (self.clusters > 1)}"
            return f"its items come in {groups}, and a comparison needs {LEAST_GROUPS}"
        return "the scores are the same on every item"

    @property
    def is_shown(self) -> bool:
        """Whether a difference is shown: the interval excludes zero. False if the interval is in doubt."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1] and not self.doubt


def non_inferior(outcome: Comparison, margin: float, *, higher_is_better: bool = True) -> bool:
    """Whether score a is shown to be worse than b by less than the margin: the interval's worse end lies within it.

    Of a 95 % interval this is said of at most one in forty that are worse by the margin or more. Where the interval is
    in doubt, or there is none, nothing is shown.
    """
    if outcome.interval is None or outcome.doubt:
        return False
    low, high = outcome.interval
    return low > -margin if higher_is_better else high < margin


# -- shares -----------------------------------------------------------------------------------------------------------


def share(values: ArrayLike, clusters: Sequence[Hashable]) -> Estimate:
    """The mean of values from 0 to 1, of which most are 0 or 1, with `share_interval` on the effective number of items.

    The effective number is n over the design effect, less what few clusters cost (Korn and Graubard 1998).
    """
    sums = by_cluster(np.stack([np.asarray(values, float), np.ones(len(clusters))], axis=1), clusters)
    return _share(sums[:, 0], sums[:, 1])


def _share(sums: Floats, sizes: Floats) -> Estimate:
    count, n = len(sums), float(sizes.sum())
    value, method = float(sums.sum() / n), "mid-p interval"
    if count == n:
        return Estimate(value, share_interval(value * n, n), method)
    if count < 2:
        return Estimate(value, None, "no interval of one cluster")
    effective = _effective_clusters(sizes)
    shrunk = n / _design_effect(sums - value * sizes, value * (1 - value) * n, sizes)
    shrunk *= (normal(LEVEL) / student(effective - 1)) ** 2
    interval, doubt = share_interval(value * shrunk, shrunk), _doubt(effective, FEW_OF_SHARES)
    return Estimate(value, interval, f"{method} on the effective number", doubt)


def share_interval(successes: float, n: float) -> Interval:
    """Return the mid-p interval of a proportion (Lancaster 1961; Berry and Armitage 1995), of a fractional number too.

    It uses exact tails, in which the observed count has half weight. It never has zero width. It is right near 0 and 1,
    where Wilson's interval covers some rates in only nine of ten cases.
    """
    if not 0 <= successes <= n or n <= 0:
        raise ValueError(f"{successes} successes of {n}: expected 0 ≤ successes ≤ n and n > 0")

    def tail(rate: float) -> float:
        """Return the probability of more successes, plus half the probability of as many."""
        at_least = 1.0 if successes <= 0 else _beta(successes, n - successes + 1, rate)
        more = 0.0 if successes >= n else _beta(successes + 1, n - successes, rate)
        return (at_least + more) / 2

    low = 0.0 if successes <= 0 else _solved(tail, LEVEL / 2)
    high = 1.0 if successes >= n else _solved(tail, 1 - LEVEL / 2)
    return low, high


def compare_shares(a: ArrayLike, b: ArrayLike) -> Comparison:
    """The difference of two shares on the same items: McNemar's test and Tango's (1998) interval, which is its inverse.

    Both are of the items that one has right and the other has not, and never of zero width, be all the others tied.
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    _require_same(first, second)
    difference, n = first - second, len(first)
    more, less = float(np.maximum(difference, 0).sum()), float(np.maximum(-difference, 0).sum())
    interval = tango(more, less, n, critical := normal(LEVEL))
    # As Bonett and Price (2012) smooth it, so that it is above zero where all are tied.
    error = ((more + less + 2) / (n + 2) - ((more - less) / (n + 2)) ** 2) / (n + 2)
    p = student_tail((more - less) / math.sqrt(more + less), math.inf) if more + less else None
    least = (critical + normal(2 * (1 - POWER))) * math.sqrt(max(error, 0))
    return _compared(float(difference.mean()), interval, p, least, n, n)


def tango(more: float, less: float, n: float, critical: float) -> Interval:
    """Return the score interval of a difference of paired shares (Tango 1998), of fractional numbers of items too."""

    def score(shift: float) -> float:
        """Return how many standard errors the difference lies above `shift`, if that were the truth."""
        b = (2 * n - more + less) * shift - more - less
        root = math.sqrt(max(b * b + 8 * n * less * shift * (1 - shift), 0.0))
        variance = n * ((root - b) / (2 * n) + shift * (1 - shift))
        gap = more - less - n * shift
        return gap / math.sqrt(variance) if variance > 1e-15 else math.copysign(math.inf, gap) if gap else 0.0

    middle = (more - less) / n
    low = -1.0 if middle <= -1 else _solved(lambda shift: -score(shift), -critical, -1.0, middle)
    high = 1.0 if middle >= 1 else _solved(lambda shift: -score(shift), critical, middle, 1.0)
    return low, high


# -- scores of sums ---------------------------------------------------------------------------------------------------


def of_sums(
    counts: ArrayLike,
    score: Score,
    clusters: Sequence[Hashable],
    *,
    most: float | None = None,
    trials: Score | None = None,
    weights: ArrayLike | None = None,
) -> Estimate:
    """A score that is made of the sums of an item's counts, such as BLEU or bits per byte: [items, K], […,K] -> […].

    `most` is that of perfect answers, the least being 0; `trials` tells of sums how many things a score that is a
    share of them counts. `weights` are what items weigh, if not equally.
    """
    totals = by_cluster(np.asarray(counts, float), clusters)
    whole, count, n = totals.sum(axis=0), len(totals), len(clusters)
    value = float(score(whole))
    if count < 2:
        return Estimate(value, None, "no interval of one cluster")
    sizes = _sizes(n, weights, clusters)
    effective = _effective_clusters(sizes)
    moved = _influence(totals, score, value)
    doubt = _doubt(effective, FEW_OF_SHARES if trials else FEW_CLUSTERS)
    if most is not None and trials is not None:
        number = trials(totals)
        all_trials, rate = float(number.sum()), value / most
        if not all_trials:
            return Estimate(value, (0.0, most), "all that it may be: nothing was counted", doubt)
        residuals = moved / most * all_trials / count
        shrunk = all_trials / _design_effect(residuals, rate * (1 - rate) * all_trials, number)
        shrunk *= (normal(LEVEL) / student(effective - 1)) ** 2
        low, high = share_interval(min(rate, 1.0) * shrunk, shrunk)
        return Estimate(value, (most * low, most * high), "mid-p interval on the effective number", doubt)
    far = moved if most is None else np.where(np.isclose(score(totals), most), 0.0, moved)
    error, skew = _spread(moved, far, most)
    if error == 0:
        return Estimate(value, None, "no interval: nothing varies", doubt)
    critical = student(_freedom(moved, effective))
    low, high = _halls_interval(value, error, skew, count, critical)
    if most is not None:
        low, high = max(low, 0.0), min(high, most)
    return Estimate(value, (low, high), "jackknife interval", doubt)


def macro_f1(
    asked: Sequence[Any], said: Sequence[Any], clusters: Sequence[Hashable], known: Iterable[Any] = ()
) -> tuple[Estimate, str]:
    """`mean_f1` over the labels that are asked for or said, as scikit-learn has it, and what it is of, in words.

    Others that are `known` could be asked for.
    """
    labels = {label: at for at, label in enumerate(sorted({*asked, *said}))}
    unseen = len({*known} - labels.keys())
    rows, of_asked, of_said = np.arange(len(asked)), [labels[each] for each in asked], [labels[each] for each in said]
    counts = np.zeros((len(asked), len(labels), 2))
    counts[rows, of_asked, 1] = counts[rows, of_said, 1] = 1
    counts[rows, of_asked, 0] = np.equal(of_asked, of_said)
    found = mean_f1(counts, clusters, unseen)
    of = f"{len(labels)} labels{f', {unseen} more neither asked for nor said' if unseen else ''}"
    return found, f"mean F1 of {of}; 95 % {found.method}, {len(set(clusters))} clusters"


def mean_f1(counts: ArrayLike, clusters: Sequence[Hashable], unseen: int = 0) -> Estimate:
    """The mean over labels of F1 = 2 right / (right + all) of counts [items, labels, (right, asked or said)].

    The jackknife sees no spread in a rare label that was always right, or always wrong. It tells only how labels vary
    together; how each varies alone is told by the interval of its share of right ones, and these are squared and added
    (Newcombe 1998; Zou and Donner 2008). The score lies off its truth, some labels missing, some only said: what the
    jackknife sees of that (Quenouille 1956) moves the interval and, as it sees too little, widens it by 1.5 times that.
    Of labels that are `unseen`, neither asked for nor said, F1 may be from 0 to 1.
    """
    table = np.asarray(counts, float)
    n, labels = table.shape[:2]
    totals = by_cluster(table.reshape(n, -1), clusters).reshape(-1, labels, 2)
    whole, count = totals.sum(axis=0), len(totals)

    def f1(sums: Floats) -> Floats:
        right, tried = sums[..., 0], sums[..., 1]
        return 2 * right / np.maximum(right + tried, 1)

    of_labels = f1(whole)
    value, known = float(of_labels.mean()), labels + unseen
    if count < 2:
        return Estimate(value, None, "no interval of one cluster")
    rest = whole - totals
    there, of_rest = rest[..., 1] > 0, f1(rest)
    moved = (count - 1) * (value - of_rest.sum(axis=1) / there.sum(axis=1))
    alone = (count - 1) * np.where(there, of_labels - of_rest, 0) / labels
    effective = _effective_clusters(_sizes(n, None, clusters))
    critical, seen = student(effective - 1), float(moved.mean())
    together = float((moved**2).sum()) / (count * (count - 1))
    shared = together - float((alone**2).sum()) / (count * (count - 1))
    ends = []
    for label, (right, tried) in enumerate(whole.tolist()):
        rate, number = right / tried, totals[:, label, 1]
        size = tried / _design_effect(totals[:, label, 0] - rate * number, rate * (1 - rate) * tried, number)
        size *= (normal(LEVEL) / critical) ** 2
        ends.append(share_interval(rate * size, size))
    shares = np.array(ends)
    far = ((2 * shares / (1 + shares) - of_labels[:, None]) ** 2).sum(axis=0) / labels**2
    half = np.sqrt(np.maximum(far + critical**2 * shared, critical**2 * together) + (1.5 * critical * seen) ** 2)
    low, high = max(0.0, value + seen - float(half[0])), min(1.0, value + seen + float(half[1]))
    interval = low * labels / known, (high * labels + unseen) / known
    return Estimate(value, interval, "interval of labels' shares and their jackknife", _doubt(effective, FEW_CLUSTERS))


def ratio(sums: Floats) -> Floats:
    """Return Σ value / Σ weight of sums [...,2]. The result is 0 if the weight is 0."""
    values, weights = sums[..., 0], sums[..., 1]
    return np.divide(values, weights, out=np.zeros_like(values), where=weights != 0)


def compare_groups(a: ArrayLike, b: ArrayLike, n: int, most: float | None = None) -> Comparison:
    """The mean difference of the scores that two systems have in each group of `n` items, with Student's interval.

    Where all differences are equal one 0 is added to the spread: they do not prove that the next is equal, too. `most`
    is the score of perfect answers, where the least is 0.
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    _require_same(first, second)
    difference = first - second
    value, count = float(difference.mean()), len(difference)
    if count < LEAST_GROUPS:
        return Comparison(value, None, None, None, n, count)
    spread = np.append(difference, 0.0) if np.ptp(difference) < 1e-12 else difference
    error = float(spread.std(ddof=1)) / math.sqrt(count)
    critical = student(count - 1)
    furthest = math.inf if most is None else most
    interval = max(value - critical * error, -furthest), min(value + critical * error, furthest)
    p = student_tail(value / error, count - 1) if error else None
    return _compared(value, interval, p, (critical + normal(2 * (1 - POWER))) * error or None, n, count)


def compare_of_sums(
    a: ArrayLike, b: ArrayLike, score: Score, *, most: float | None = None, weights: ArrayLike | None = None
) -> Comparison:
    """Return the difference of two such scores on the same items, each of which is left out of both at once.

    p is never below 2^(1 - items), the least that a test of signs could give: five items prove nothing at 5 %.
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    _require_same(first, second)
    totals, width = np.concatenate((first, second), axis=1), first.shape[1]
    n = len(first)

    def difference(sums: Floats) -> Floats:
        return score(sums[..., :width]) - score(sums[..., width:])

    value = float(difference(totals.sum(axis=0)))
    if n < 2:
        return Comparison(value, None, None, None, n, n)
    moved = _influence(totals, difference, value)
    tied = np.isclose(totals[:, :width], totals[:, width:], rtol=1e-12, atol=1e-12).all(axis=1)
    error, skew = _spread(moved, np.where(tied, 0.0, moved), most)
    if tied.all() and error == 0:
        return Comparison(value, None, None, None, n, n)
    effective = _effective_clusters(np.ones(n) if weights is None else np.asarray(weights, float))
    critical = student(freedom := _freedom(moved, effective))
    p, interval = 0.0, (value, value)
    if error > 1e-12 * abs(value):
        interval = _halls_interval(value, error, skew, n, critical)
        p = student_tail(_halls_score(value / error, skew, n), freedom)
    least = (critical + normal(2 * (1 - POWER))) * error or None
    return _compared(value, interval, None if tied.all() else p, least, n, n, _doubt(effective, FEW_CLUSTERS))


def root_mean_square(residuals: Floats, bins: Sequence[NDArray[np.int64]], clusters: Sequence[Hashable]) -> Estimate:
    """√ Σ share · mean² of residuals over bins of items, less what chance adds to the squares (Bröcker 2012).

    The interval is the values whose sum of squares, of which mean and variance are known, does not lie too far off.
    """
    n = len(residuals)
    means, parts = np.array([residuals[each].mean() for each in bins]), np.array([len(each) / n for each in bins])
    chance = np.array([residuals[each].var(ddof=1) / len(each) if len(each) > 1 else 0.25 for each in bins])
    doubt = ""
    sums = by_cluster(np.stack([residuals, np.ones(n)], axis=1), clusters)
    if len(sums) < 2:
        return Estimate(math.sqrt(float(parts @ means**2)), None, "no interval of one cluster")
    if len(sums) < n:
        centred = residuals - np.repeat(means, [len(each) for each in bins])[np.argsort(np.concatenate(bins))]
        of_clusters = by_cluster(centred[:, None], clusters)[:, 0]
        chance = chance * _design_effect(of_clusters, float((centred**2).sum()), sums[:, 1])
        doubt = _doubt(_effective_clusters(sums[:, 1]), FEW_CLUSTERS)
    seen, added, z = float(parts @ means**2), float(parts @ chance), normal(LEVEL)
    still, moving = 2 * float(parts**2 @ chance**2), 4 * float(parts**2 @ (chance * means**2)) / (seen or 1)
    # (seen - added - x)² = z² (still + moving x): the squares' variance grows with what they are of.
    middle, root = (
        seen - added + z * z * moving / 2,
        z * math.sqrt(max(0.0, still + moving * (seen - added) + z * z * moving**2 / 4)),
    )
    low, high = (math.sqrt(max(0.0, each)) for each in (middle - root, middle + root))
    return Estimate(math.sqrt(max(0.0, seen - added)), (low, high), "score interval of the squares", doubt)


def _compared(
    value: float, interval: Interval, p: float | None, least: float | None, n: int, clusters: int, doubt: str = ""
) -> Comparison:
    by_signs = 0.5 ** (clusters - 1)
    return Comparison(
        difference=value,
        interval=interval if by_signs < LEVEL else None,
        p=None if p is None else max(p, by_signs, LEAST_P),
        minimum_detectable=least,
        n=n,
        clusters=clusters,
        doubt=doubt,
    )


def _influence(totals: Floats, score: Score, value: float) -> Floats:
    """Return each cluster's effect on a score times the number of clusters (Tukey's jackknife): their mean square over
    the number of clusters is the score's variance."""
    return (len(totals) - 1) * (value - score(totals.sum(axis=0) - totals))


def _spread(moved: Floats, far: Floats, most: float | None) -> tuple[float, float]:
    """Standard error and skewness by the jackknife.

    `far` are 0 for clusters that are perfect, or tied. Where most are, the others tell little of how far one more would
    move the score: two more are counted, as far as those are, or all the way (after Bonett and Price 2012).
    Of the skewness' square what chance adds is taken off: a few heavy clusters show one where there is none.
    """
    count, others = len(moved), np.count_nonzero(far)
    usual = float((far**2).sum() / others) if others else (most or 0.0) ** 2
    variance = float((moved**2).sum()) / (count * (count - 1)) + 2 * usual / (count + 2) ** 2 * (1 - others / count)
    error = math.sqrt(variance)
    scaled = (moved - moved.mean()) / (error * math.sqrt(count) or 1.0)
    third, chance = float((scaled**3).sum()), float((scaled**6).sum())
    return error, third / count * max(0.0, 1 - chance / third**2) if third else 0.0


def _freedom(moved: Floats, effective: float) -> float:
    """Return the degrees of freedom of a variance, from the clusters' effects on the score (Satterthwaite 1946)."""
    fourth = float((moved**4).sum())
    return max(2.0, min(effective, 3 * float((moved**2).sum()) ** 2 / fourth if fourth else effective) - 1)


def _halls_score(t: float, skew: float, n: int) -> float:
    """Return a studentised value, without its skewness (Hall 1992, "On the removal of skewness by transformation")."""
    a, w = skew / 3, t / math.sqrt(n)
    return math.sqrt(n) * (w + a * w**2 + a**2 * w**3 / 3 + skew / (6 * n))


def _halls_interval(value: float, error: float, skew: float, n: int, critical: float) -> Interval:
    """Where `_halls_score` is within ± critical."""

    def turned(x: float) -> float:
        a, shifted = skew / 3, x / math.sqrt(n) - skew / (6 * n)
        w = shifted if abs(a) < 1e-9 else (math.cbrt(1 + 3 * a * shifted) - 1) / a
        return w * math.sqrt(n)

    return value - error * turned(critical), value - error * turned(-critical)


# -- clusters ---------------------------------------------------------------------------------------------------------


def _design_effect(residuals: Floats, expected: float, sizes: Floats) -> float:
    """Return how many times clustering enlarges a variance; at least 1, so that it never flatters.

    The clustered variance is the linearised one of a ratio of cluster sums to cluster sizes (Cochran 1977, chapter 6).
    One event is added of which a whole cluster is: of few events nobody sees how alike those of a cluster are.
    """
    count = len(residuals)
    whole = float((sizes**2).sum() / sizes.sum())
    found = float((residuals**2).sum()) * count / (count - 1) + whole
    return max(1.0, found / (expected + 1))


def _effective_clusters(sizes: Floats) -> float:
    """Return the number of clusters of equal size with the same information (Kish 1965), at least 2."""
    return max(2.0, float(sizes.sum() ** 2 / (sizes**2).sum()))


def _doubt(effective: float, few: float) -> str:
    if effective >= few:
        return ""
    groups = f"groups that tell as much as {effective:.1f} of equal size would"
    return f"the interval may be too narrow: the items come in {groups}"


def _sizes(n: int, weights: ArrayLike | None, clusters: Sequence[Hashable]) -> Floats:
    """Return the weights of clusters."""
    items = np.ones(n) if weights is None else np.asarray(weights, float)
    return by_cluster(items[:, None], clusters)[:, 0]


def _require_same(first: Floats, second: Floats) -> None:
    if first.shape != second.shape:
        raise ValueError(f"scores of {first.shape} and {second.shape} items: a paired test needs the same items")


def by_cluster(columns: Floats, clusters: Sequence[Hashable]) -> Floats:
    """Return the sums of each cluster, in order of first appearance: [items, K] -> [clusters, K]."""
    if columns.ndim != 2 or not len(columns) or len(columns) != len(clusters):
        raise ValueError(f"values have the shape {columns.shape}, expected ({len(clusters)}, K) with one row per item")
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    return np.stack([np.bincount(index, column, len(numbers)) for column in columns.T], axis=1)


# -- before anything is measured --------------------------------------------------------------------------------------

UNLIKE = 0.2
"""Share of items that only one of two models answers right, assumed if nothing is known about the models yet."""


def detectable(sizes: Sequence[int], unlike: float = UNLIKE) -> float | None:
    """Return the true difference of two shares that a test of items in clusters finds in 4 of 5 cases (Connor 1987).

    Nobody knows yet how alike those of a cluster are: each is taken for one item. None if they find none at all, as two
    that answer so many unlike cannot differ in more.
    """
    n, freedom = float(len(sizes)), math.inf
    if max(sizes) > 1:
        n = _effective_clusters(np.asarray(sizes, float))
        freedom = n - 1
    found = (student(freedom) + normal(2 * (1 - POWER))) * math.sqrt(unlike / n)
    return found if found <= unlike else None


def items_needed(difference: float, unlike: float = UNLIKE) -> int:
    """Return how many items a test needs to detect a true difference of two shares in 4 of 5 cases."""
    return math.ceil(unlike * ((normal(LEVEL) + normal(2 * (1 - POWER))) / difference) ** 2)


# -- distributions ----------------------------------------------------------------------------------------------------


@lru_cache
def normal(level: float) -> float:
    """Return the value that a standard normal variable exceeds in absolute value with this probability."""
    return NormalDist().inv_cdf(1 - level / 2)


def student_tail(t: float, freedom: float) -> float:
    """Return the probability that Student's t is at least this far from 0, on either side."""
    if math.isinf(freedom):
        return math.erfc(abs(t) / math.sqrt(2))
    return _beta(freedom / 2, 0.5, freedom / (freedom + t * t)) if t else 1.0


@lru_cache(maxsize=4096)
def student(freedom: float, level: float = LEVEL) -> float:
    """Return the value that Student's t exceeds in absolute value with this probability."""
    if math.isinf(freedom):
        return normal(level)
    inside = _solved(lambda x: _beta(freedom / 2, 0.5, x), level)
    return math.sqrt(freedom * (1 - inside) / inside)


def _solved(rising: Callable[[float], float], wanted: float, low: float = 0.0, high: float = 1.0) -> float:
    """Return the point at which a rising function has a value, found by bisection."""
    for _ in range(52):
        middle = (low + high) / 2
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (DLMF 8.17.22, Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    tiny, c, d = 1e-300, 1.0, 1 / (1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, 100_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / (1 + step * d or tiny), 1 + step / c or tiny
            found *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return front * found / a
