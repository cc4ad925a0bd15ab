"""Two systems compared on the items that neither learned from, each group of items with equal weight.

Few groups of unequal size say little about a sum over all items: one large group decides it. The mean of the groups'
own scores asks how a system does in a usual group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lmworks.evaluate.contamination import CLEAN_AT_LEAST, standing
from lmworks.evaluate.items import Item, Metric, clusters_of
from lmworks.pipeline.figure import Interval

Pair = tuple[Item, Item]
"""One item, scored of both systems."""


@dataclass(frozen=True)
class ByGroups:
    """A system and its opponent."""

    value: float
    """The mean of the groups' scores; over all items where these have no groups."""
    beside: float
    """The opponent's."""
    interval: Interval | None
    """95 % interval of the lead: above 0, the system is better. None where the groups are too few."""
    untested: str
    """Why nothing can be said; empty where it can."""
    groups: int
    ahead: int
    """Groups in which the system is better."""
    behind: int
    """Groups in which it is worse."""


def new_to_both(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs that neither system learned from; none where fewer than CLEAN_AT_LEAST of some are left."""
    left = [pair for pair in pairs if "known" not in map(standing, pair)]
    return left if len(left) == len(pairs) or len(left) >= CLEAN_AT_LEAST else []


def by_groups(metric: Metric, pairs: Sequence[Pair]) -> ByGroups:
    """Compare two systems. Raises LmworksError where they group items differently."""
    ours, theirs = zip(*pairs, strict=True)
    clusters, outcome = clusters_of(ours, theirs), metric.compare(ours, theirs)
    sides = [metric.of_groups(items, clusters) for items in (ours, theirs)]
    sign = 1 if metric.higher_is_better else -1
    has_groups = outcome.clusters < len(pairs)
    value, beside = (
        float(scores.mean()) if has_groups else metric.estimate(items, clusters).value
        for items, scores in zip((ours, theirs), sides, strict=True)
    )
    interval = outcome.interval and (min(ends := [sign * end for end in outcome.interval]), max(ends))
    leads = sign * (sides[0] - sides[1])
    ahead, behind = int((leads > 0).sum()), int((leads < 0).sum())
    untested = "" if interval else outcome.untested or "its items are too few"
    return ByGroups(value, beside, interval, untested, len(leads), ahead, behind)
