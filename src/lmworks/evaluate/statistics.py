"""Intervals and paired tests for scores whose items may come in clusters.

Every score here is a ratio of sums, Σ value / Σ weight: a mean when the weights are 1, bits per byte when a value is a
document's bits and a weight its bytes. Items of one cluster (operations of one service) are drawn together, because
they are alike: treating them as independent makes intervals too narrow (Miller 2024, arXiv 2411.00640). Few clusters
say little of others like them, which every function here allows for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from lmworks.lazy import NDArray, np
from lmworks.pipeline.figure import Z95, Interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    Floats = NDArray[np.float64]

LEVEL = 0.05
"""A difference is said to be one where the p-value, adjusted for the number of pairs, is below this."""
RESAMPLES = 10_000
"""Puts the Monte Carlo error of an interval's end well below a tenth of its width; the least p-value is 1 in 10,001."""
Z80 = NormalDist().inv_cdf(0.8)
_DRAWS_AT_ONCE = 1 << 22
"""Bounds the memory of resampling to about 100 MB."""


@dataclass(frozen=True)
class Comparison:
    """How far score a lies above score b on the same items."""

    difference: float
    interval: Interval | None
    """None with one cluster, and where nothing varies and nothing is proved."""
    p: float | None
    """Two-sided: how often a difference this large would show if there were none."""
    minimum_detectable: float | None
    """The true difference that such a test finds at the 5 % level in 80 % of cases."""
    n: int
    clusters: int

    @property
    def untested(self) -> str:
        """Why there is no p-value: nothing speaks for a difference. Empty where there is one."""
        if self.p is not None:
            return ""
        return "all items are of one cluster" if self.clusters < 2 else "the scores are the same on every item"


def design_effect(outcomes: ArrayLike, clusters: Sequence[Hashable]) -> float:
    """How many times clustering enlarges the variance of a mean; at least 1, so that it never flatters.

    The clustered variance is the linearised one of a ratio of cluster sums to cluster sizes (Cochran 1977, chapter 6);
    it is enlarged for being estimated from few clusters (Korn and Graubard 1998). One cluster counts as one item.
    """
    sums, sizes = _totals(outcomes, None, clusters).T
    count, n = len(sums), sizes.sum()
    rate = sums.sum() / n
    if count < 2:
        return float(n)
    if rate in (0, 1):
        return 1.0
    clustered = count / (count - 1) * ((sums - rate * sizes) ** 2).sum() / n**2
    few = (student95(count - 1) / Z95) ** 2 if count < n else 1.0
    return max(1.0, float(clustered / (rate * (1 - rate) / n)) * few)


def bootstrap(
    values: ArrayLike, weights: ArrayLike | None = None, clusters: Sequence[Hashable] | None = None, *, seed: int = 0
) -> Interval | None:
    """95 % interval of Σ values / Σ weights, from 10,000 resamples of whole clusters; None with one cluster.

    Percentiles (Efron 1979), expanded for few clusters (Hesterberg 2015).
    """
    totals = _totals(values, weights, clusters)
    sums = _resampled(totals, seed)
    return _percentiles(sums[:, 0] / sums[:, 1], len(totals))


def compare_paired(
    a: ArrayLike,
    b: ArrayLike,
    weights: ArrayLike | None = None,
    clusters: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
) -> Comparison:
    """Paired bootstrap test of Σ a / Σ weights against Σ b / Σ weights; a[i] and b[i] score the same item.

    p is the share of resampled differences that lie at least as far from the observed one as that lies from zero, the
    observed sample counted among them (Davison and Hinkley 1997, section 4.4), expanded as intervals are. It is never
    below 2^(1 - clusters), the least that a test of signs could give: five services prove nothing at the 5 % level.
    A difference that is the same on every item has that p, and no power; its interval is a point, none where few prove
    nothing.
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    if first.shape != second.shape:
        raise ValueError(f"{first.size} and {second.size} scores: a paired test needs the same items on both sides")
    totals = _totals(first - second, weights, clusters)
    observed = float(totals[:, 0].sum() / totals[:, 1].sum())
    sums = _resampled(totals, seed)
    return _compared(observed, sums[:, 0] / sums[:, 1], first.size, len(totals))


def bootstrap_of_sums(
    counts: ArrayLike, score: Callable[[Floats], Floats], clusters: Sequence[Hashable], *, seed: int = 0
) -> Interval | None:
    """`bootstrap` of a score, such as BLEU, that is made of the sums of an item's counts: [items, K], […,K] -> […]."""
    totals = _by_cluster(np.asarray(counts, float), clusters)
    return _percentiles(score(_resampled(totals, seed)), len(totals))


def ratio(sums: Floats) -> Floats:
    """Σ value / Σ weight of sums [...,2]; 0 where a resample holds no weight."""
    values, weights = sums[..., 0], sums[..., 1]
    return np.divide(values, weights, out=np.zeros_like(values), where=weights != 0)


def compare_of_sums(
    a: ArrayLike, b: ArrayLike, score: Callable[[Floats], Floats], clusters: Sequence[Hashable], *, seed: int = 0
) -> Comparison:
    """`compare_paired` of such a score (Koehn 2004): both sides are scored on each resample of the same items."""
    first, second = np.asarray(a, float), np.asarray(b, float)
    if first.shape != second.shape:
        raise ValueError(f"counts {first.shape} and {second.shape}: a paired test needs the same items on both sides")
    totals, width = _by_cluster(np.concatenate((first, second), axis=1), clusters), first.shape[1]
    sums = np.concatenate((totals.sum(axis=0, keepdims=True), _resampled(totals, seed)))
    observed, *differences = score(sums[:, :width]) - score(sums[:, width:])
    return _compared(float(observed), np.array(differences), len(first), len(totals))


def _compared(observed: float, differences: Floats, n: int, clusters: int) -> Comparison:
    by_signs = 0.5 ** (clusters - 1)
    if clusters < 2 or np.allclose(differences, observed, rtol=1e-9, atol=1e-12):
        is_none = clusters < 2 or np.isclose(observed, 0, atol=1e-12)
        p = None if is_none else max(1 / (1 + RESAMPLES), by_signs)
        interval = None if p is None or p >= LEVEL else (observed, observed)
        return Comparison(observed, interval, p, None, n, clusters)
    expansion = _expansion(clusters)
    as_far = expansion * np.abs(differences - observed) >= abs(observed)
    return Comparison(
        difference=observed,
        interval=_percentiles(differences, clusters),
        p=max(float((1 + as_far.sum()) / (1 + RESAMPLES)), by_signs),
        minimum_detectable=float((Z95 + Z80) * expansion * differences.std(ddof=1)),
        n=n,
        clusters=clusters,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for how many were looked at (Holm 1979): holds without any assumption on their dependence."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = highest
    return adjusted


def student95(freedom: int) -> float:
    """The 97.5 % point of Student's t, by Fisher's expansion: within 1 % from 3 degrees of freedom on, low below."""
    z, f = Z95, freedom
    return (
        z
        + (z**3 + z) / (4 * f)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * f**3)
    )


def _totals(values: ArrayLike, weights: ArrayLike | None, clusters: Sequence[Hashable] | None) -> Floats:
    """Sums of values and of weights a cluster, in order of first appearance: [clusters, 2]."""
    value = np.asarray(values, float)
    weight = np.ones_like(value) if weights is None else np.asarray(weights, float)
    if value.ndim != 1 or not value.size or value.shape != weight.shape:
        raise ValueError(f"values {value.shape} and weights {weight.shape}: expected two equal lists, not empty")
    columns = np.stack([value, weight], axis=1)
    return columns if clusters is None else _by_cluster(columns, clusters)


def _by_cluster(columns: Floats, clusters: Sequence[Hashable]) -> Floats:
    """Sums a cluster, in order of first appearance: [items, K] -> [clusters, K]."""
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    return np.stack([np.bincount(index, column, len(numbers)) for column in columns.T], axis=1)


def _resampled(totals: Floats, seed: int) -> Floats:
    """Sums over clusters drawn with replacement: [clusters, K] -> [resamples, K]."""
    random, count = np.random.default_rng(seed), len(totals)
    rows = max(1, _DRAWS_AT_ONCE * 2 // totals.size)
    return np.concatenate(
        [
            totals[random.integers(count, size=(min(rows, RESAMPLES - start), count))].sum(axis=1)
            for start in range(0, RESAMPLES, rows)
        ]
    )


def _expansion(clusters: int) -> float:
    """How much too close resampled values lie: their variance is that of a sample, and where z serves, t is right."""
    return student95(clusters - 1) / Z95 * (clusters / (clusters - 1)) ** 0.5 if clusters > 1 else 1.0


def _percentiles(values: Floats, clusters: int) -> Interval | None:
    if clusters < 2:
        return None
    tail = 100 * NormalDist().cdf(-Z95 * _expansion(clusters))
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
