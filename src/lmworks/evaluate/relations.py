"""Relations between measured models, stated in plain words before the tests of all pairs."""

from __future__ import annotations

import math
from typing import Literal

from lmworks.evaluate.items import Metric
from lmworks.pipeline.figure import Interval
from lmworks.pipeline.statistics import Comparison, non_inferior
from lmworks.recipe.schema import StepConfig

LARGEST_LOSS = 0.02
"""Largest loss of a base's score that tuning may cause. A loss that may be larger is stated first."""
KEPT = 0.02
"""Share of the earlier figure. If the loss is significantly smaller, the sentence says `kept`."""


class Relation(StepConfig):
    """A model and the model that it is compared with; made by the graph."""

    kind: Literal["transfer", "tuning", "retention"]
    """Aim. `transfer`: to compare with the variant from scratch, for the worth of the base. `tuning`: to compare with
    the model that training began with. `retention`: the same, on a task that a base can do untuned."""
    model: str
    beside: str
    note: str = ""
    """Equal properties of the two."""

    def is_loss(self, outcome: Comparison) -> bool:
        """Return whether tuning may have cost more than `LARGEST_LOSS`. The sentence then comes first."""
        return self.kind == "retention" and not non_inferior(outcome, LARGEST_LOSS)

    def sentence(self, metric: Metric, figures: tuple[float, float], outcome: Comparison, evidence: str) -> str:
        """Return the relation in words. `figures` are of `beside` and of the model, `outcome` is the model's lead."""
        if self.kind == "retention":
            points = f"{100 * LARGEST_LOSS:.0f} points"
            verdict = (
                f"{self.model} may have lost more than {points} of what {self.beside} can"
                if self.is_loss(outcome)
                else f"{self.model} keeps what {self.beside} can, to within {points}"
            )
            told = f"{verdict}: {outcome.difference:+.3f} {metric.label}{between(outcome.interval)}, n={outcome.n}"
            return f"{told}; {outcome.doubt}" if outcome.doubt else told
        other = self.beside if self.kind == "transfer" else f"{self.beside}, from which it was trained,"
        if outcome.p is None:
            after = f"{self.model} has {figures[1]:.3f} {metric.label}"
            return f"not tested: {after}, {other} {figures[0]:.3f}; {evidence}"
        is_better = (outcome.difference > 0) == metric.higher_is_better
        sign = 1 if outcome.difference > 0 else -1
        low, high = outcome.interval or (-math.inf, math.inf)
        ends = (low, high) if sign > 0 else (-high, -low)
        is_shown = outcome.is_shown
        if self.kind == "transfer":
            verdict = f"{'no ' * (is_shown and not is_better)}transfer gain{' not known' * (not is_shown)}"
        elif is_shown and is_better:
            verdict = "learned"
        elif non_inferior(outcome, KEPT * abs(figures[0]), higher_is_better=metric.higher_is_better):
            verdict = "kept"
        else:
            verdict = "forgot" if is_shown else "not known whether it forgot"
        word = "better" if is_better else "worse"
        return (
            f"{verdict}: {self.model} is {word if is_shown else f'not shown to be {word}'} than {other} by "
            f"{abs(outcome.difference):.3f} {metric.label}{between(outcome.interval and ends)}, "
            f"{figures[0]:.3f} to {figures[1]:.3f}, {evidence}{'; ' * bool(self.note)}{self.note}"
        )


def between(interval: Interval | None, form: str = "+.3f") -> str:
    """Return an interval in words, to follow its value. Empty without an interval."""
    return f" [{interval[0]:{form}}, {interval[1]:{form}}]" if interval else ""
