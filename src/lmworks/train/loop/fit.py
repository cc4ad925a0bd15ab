"""Whether a model has learned too little or by heart: said in words, with the interval of the gap."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from lmworks.evaluate.statistics import student95
from lmworks.pipeline.figure import Figure

Sums = Mapping[str, float]
"""Sums of `loss` and other metrics over some tokens, and their `weight`."""

STILL_FALLING = 0.01
"""Share of the validation loss that more of the same would surely win."""
RISEN = 0.01
LEAST_VALIDATIONS = 4
"""Fewer have no last quarter."""


def means(sums: Sequence[Sums]) -> dict[str, float]:
    """Mean of each metric over all tokens."""
    weight = max(1.0, sum(each["weight"] for each in sums))
    return {name: sum(each[name] for each in sums) / weight for name in sums[0] if name != "weight"}


def judge_fit(
    trained: Sequence[Sums], unseen: Sequence[Sums], losses: Sequence[float], passes: float, mean_over: str = "token"
) -> tuple[Figure, str]:
    """The gap between text just trained on and text never seen, and what it and the way of the loss mean.

    `trained` and `unseen` are micro-batches, `losses` the validation losses in order, `passes` how often the training
    data was gone through. The interval is Welch's, over micro-batches.
    """
    groups = [[each["loss"] / max(1.0, each["weight"]) for each in some] for some in (trained, unseen)]
    gap = statistics.fmean(groups[1]) - statistics.fmean(groups[0])
    few = min(map(len, groups))
    interval = None
    if few > 1:
        error = math.sqrt(sum(statistics.variance(group) / len(group) for group in groups))
        interval = (gap - student95(few - 1) * error, gap + student95(few - 1) * error)
    figure = Figure(
        name="generalisation gap",
        value=gap,
        n=sum(map(len, groups)),
        interval=interval,
        unit=f"nats per {mean_over}",
        method="loss on the first validation rows less that on the rows last trained on, at the end, in micro-batches; "
        "Welch interval with the freedom of the smaller side",
    )
    return figure, _in_words(figure, losses, passes)


def _in_words(gap: Figure, losses: Sequence[float], passes: float) -> str:
    ends = "" if gap.interval is None else f" [{gap.interval[0]:.3f}, {gap.interval[1]:.3f}]"
    facts = f"gap {gap.value:.3f}{ends} {gap.unit} after {passes:.1f} passes over the data"
    risen = losses[-1] / min(losses) - 1
    earlier = losses[max(0, len(losses) * 3 // 4 - 1)]
    falling = 1 - losses[-1] / earlier
    if risen > RISEN:
        best = losses.index(min(losses)) + 1
        return (
            f"overfitting: the validation loss rose by {risen:.1%} since validation {best} of {len(losses)}; {facts}. "
            "Stop there (`patience`), add data, or raise `weight_decay` or `dropout`."
        )
    if gap.interval and gap.interval[0] > 0 and passes >= 2:
        return (
            f"learned partly by heart: {facts}; the validation loss has not risen. More data, fewer steps, "
            "`weight_decay` or `dropout` would help more than a larger model."
        )
    if falling > STILL_FALLING:
        return (
            f"underfitting: the validation loss still fell by {falling:.1%} in the last quarter; {facts}. More steps "
            "or a larger model would help."
        )
    if len(losses) < LEAST_VALIDATIONS:
        return (
            f"too few validations ({len(losses)}) to tell whether the loss still falls: {facts}. A smaller "
            f"`validation_steps` gives {LEAST_VALIDATIONS} or more."
        )
    if abs(1 - losses[-1] / losses[0]) < STILL_FALLING:
        return (
            f"the validation loss has not moved by {STILL_FALLING:.0%} since the first of {len(losses)} validations: "
            f"nothing was learned since, or nothing at all; {facts}. See `learning_rate`, and the model it began from."
        )
    return f"no sign of over- or underfitting: {facts}; the validation loss has settled."
