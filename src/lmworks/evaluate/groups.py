"""Two systems compared by the scores of groups of items, each group with equal weight.

Few groups of unequal size say little about a sum over all items: one large group decides it. The mean of the groups'
own scores asks how a system does in a usual group. Student's t on the groups' differences holds from six groups on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from lmworks.evaluate.contamination import CLEAN_AT_LEAST, standing
from lmworks.evaluate.items import Item, Metric, clusters_of
from lmworks.pipeline.figure import Interval
from lmworks.pipeline.statistics import LEVEL, student

LEAST_GROUPS = 6
"""Groups that a comparison needs: with five, even the same sign in each happens by chance in one of 16 cases."""
Pair = tuple[Item, Item]
"""One item, scored of both systems."""


@dataclass(frozen=True)
class ByGroups:
    """A system and its opponent by the means of their groups' scores."""

    value: float
    beside: float
    """The opponent's value."""
    interval: Interval | None
    """95 % interval of the lead: above 0, the system is better. None for fewer than LEAST_GROUPS groups."""
    groups: int
    ahead: int
    """Groups in which the system is better."""


def new_to_both(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that neither system learned from; none where fewer than CLEAN_AT_LEAST of some are left."""
    left = [pair for pair in pairs if "known" not in map(standing, pair)]
    return left if len(left) == len(pairs) or len(left) >= CLEAN_AT_LEAST else []


def by_groups(metric: Metric, pairs: Sequence[Pair]) -> ByGroups:
    """Compare two systems by the scores of their groups. Raises LmworksError where they group items differently."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    for cluster, pair in zip(clusters_of(*zip(*pairs, strict=True)), pairs, strict=True):
        groups[cluster].append(pair)
    ours, theirs = ([_score(metric, [pair[side] for pair in group]) for group in groups.values()] for side in (0, 1))
    sign = 1 if metric.higher_is_better else -1
    leads = [sign * (one - other) for one, other in zip(ours, theirs, strict=True)]
    return ByGroups(fmean(ours), fmean(theirs), mean_interval(leads), len(leads), sum(lead > 0 for lead in leads))


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """Return Student's interval of a mean, or None of fewer than LEAST_GROUPS values.

    Of values that are all equal one 0 is added to the spread: equal values do not prove that the next is equal, too.
    """
    count = len(values)
    if count < LEAST_GROUPS:
        return None
    mean = fmean(values)
    spread = [*values, 0.0] if max(values) == min(values) else values
    centre = fmean(spread)
    variance = math.fsum((value - centre) ** 2 for value in spread) / (len(spread) - 1)
    half = student(count - 1, level) * math.sqrt(variance / count)
    return mean - half, mean + half


def _score(metric: Metric, items: Sequence[Item]) -> float:
    """Return the score of one group alone."""
    return metric.estimate(items, ["group"] * len(items)).value
