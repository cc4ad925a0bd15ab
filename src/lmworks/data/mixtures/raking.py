"""Weights that bring a set of documents to stated shares, and how far it is from them.

Raking, or iterative proportional fitting (Deming and Stephan 1940, Annals of Mathematical Statistics 11, 427-444):
weights are scaled to the target of each attribute in turn until all are met. Of all weights that meet the targets,
these are the nearest to equal ones in relative entropy.

Axes: C cells (documents alike in all attributes), A attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from lmworks.errors import LmworksError
from lmworks.lazy import NDArray, np

Floats: TypeAlias = "NDArray[np.float64]"
Codes: TypeAlias = "NDArray[np.int64]"

ROUNDS = 1000
CLOSE = 1e-6
"""Of a share: less than a document in a million."""
RESAMPLES = 2000


def rake(cells: Codes, counts: Codes, targets: Mapping[str, Floats]) -> Floats:
    """The weight of a document of each cell [C], 1 on average.

    `cells` are the values [C, A] of attributes in the order of `targets`, `counts` the documents [C]. Raises
    LmworksError if no weights meet all targets.
    """
    weights = np.ones(len(counts))
    gap: dict[str, float] = {}
    for _ in range(ROUNDS):
        for column, (name, target) in zip(cells.T, targets.items(), strict=True):
            shares = np.bincount(column, weights * counts, minlength=len(target)) / counts.sum()
            gap[name] = float(np.abs(shares - target).max())
            weights *= np.divide(target, shares, out=np.zeros(len(target)), where=shares > 0)[column]
        if max(gap.values()) < CLOSE:
            return weights
    # A value without a document leaves all others short in turn: then that attribute is to be named, not they.
    unmet = {
        name: float(target[np.bincount(column, counts, minlength=len(target)) == 0].sum())
        for column, (name, target) in zip(cells.T, targets.items(), strict=True)
    }
    far = unmet if max(unmet.values()) >= CLOSE else gap
    most = max(far.values())
    farthest = [repr(name) for name, away in far.items() if away > most - CLOSE]
    raise LmworksError(
        f"represent: no weights meet all targets; {' and '.join(farthest)} stay{'s' * (len(farthest) == 1)} {most:.1%} "
        "away from what is asked. A target names a "
        "value that no document has, or two targets contradict each other: lower or leave out one of them."
    )


def largest_sample(cells: Codes, counts: Codes, targets: Mapping[str, Floats], weights: Floats) -> Floats:
    """The share of the documents of each cell [C] that a sample takes, at most 1, from the weights of `rake`.

    Scaled until the largest is 1, these let a few documents of a rare combination decide how many of all others stay.
    So a cell that is taken whole stays so, and the others are raked around it, for as many documents as go.
    """
    columns = list(zip(cells.T, targets.values(), strict=True))
    start = weights * counts
    there = [np.bincount(column, counts, minlength=len(target)) for column, target in columns]

    def fit(total: float) -> Floats | None:
        kept = start * total / start.sum()
        for _ in range(ROUNDS):
            for column, target in columns:
                sums = np.bincount(column, kept, minlength=len(target))
                scale = np.divide(target * total, sums, out=np.zeros(len(target)), where=sums > 0)
                kept = np.minimum(kept * scale[column], counts)
            gaps = [np.bincount(column, kept, minlength=len(target)) - target * total for column, target in columns]
            if max(float(abs(gap).max()) for gap in gaps) < CLOSE * total:
                found: Floats = kept / counts
                return found
        return None

    high = min(float((have[t > 0] / t[t > 0]).min()) for have, (_, t) in zip(there, columns, strict=True))
    best: Floats = weights / weights.max()
    low = float(start.sum() / weights.max())
    if (all_that_go := fit(high)) is not None:
        return all_that_go
    while high - low > low / 1000:
        middle = (low + high) / 2
        if (found := fit(middle)) is None:
            high = middle
        else:
            best, low = found, middle
    return best


def copies(cells: Codes, weights: Floats, order: NDArray[np.uint64], seed: int) -> Codes:
    """How often to take each document [N], 0 included: within one of its weight, and within one in all in each cell.

    Systematic sampling (Madow 1949, Annals of Mathematical Statistics 20, 333-354): documents stand in a line, cell
    after cell and by `order` inside, each as long as its weight, behind a random gap below 1; each whole number takes
    the document that it falls in.
    """
    line = np.lexsort((order, cells))
    ends = np.cumsum(weights[cells[line]]) + np.random.default_rng(seed).random()
    taken = np.empty(len(cells), np.int64)
    taken[line] = np.diff(np.floor(ends + 1e-9), prepend=np.floor(ends[0] - weights[cells[line[0]]] + 1e-9))
    return taken


def effective_size(taken: Codes) -> float:
    """How many documents read once each would tell as much (Kish 1965): (Σ w)² / Σ w²."""
    return float(taken.sum()) ** 2 / float((taken.astype(float) ** 2).sum())


def total_variation(shares: Floats, target: Floats) -> float:
    """Half the sum of |share - target|: the share of documents that would have to be others."""
    return float(abs(shares - target).sum() / 2)


def variation_margin(shares: Floats, size: float, seed: int) -> float:
    """95 % quantile of the total variation of multinomial samples of `size` documents from these shares.

    By the triangle inequality no target is farther from the truth than from the shares by more, in 95 % of cases.
    """
    count = max(1, round(size))
    drawn = np.random.default_rng(seed).multinomial(count, shares / shares.sum(), RESAMPLES) / count
    return float(np.quantile(np.abs(drawn - shares).sum(axis=1) / 2, 0.95))
