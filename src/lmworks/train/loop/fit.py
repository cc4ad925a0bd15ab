"""Verdict on a training from its records: one of six kinds, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Literal

from lmworks.pipeline.figure import Figure, wilson
from lmworks.pipeline.statistics import student
from lmworks.train.configs.train import LEAST_PARTS

Sums = Mapping[str, float]
"""Sums of `loss` and other metrics over some tokens, and their `weight`."""
Kind = Literal["diverged", "no better than the baseline", "other kind of text", "underfit", "overfit", "fine"]
Verdict = tuple[Kind | None, str]
"""Kind and words. The kind is None if a training cannot be judged, and the words say why."""
NO_VERDICT = "no verdict"
"""Name in place of a kind where a training cannot be judged."""
ADVICE: Mapping[Kind | None, str] = {
    "diverged": " Lower `learning_rate`, raise `warmup_steps`, or use float32.",
    "no better than the baseline": " Check targets and labels, the base model, and `learning_rate`.",
    "other kind of text": " Take both kinds of data from one source, or train on more text like the validation data.",
    "underfit": " Train for more steps, raise `learning_rate`, or use a larger model.",
    "overfit": " Add data, train for fewer steps (`patience`), or raise `weight_decay` or `dropout`.",
}
MORE_DATA = "so add validation data or raise `validation_rows`"
CHANGED, TINY, LARGE = 0.01, 0.001, 0.1
"""Shares of a loss: the least change that counts, the largest from rounding alone, and the least large change."""
HALF = 0.5
"""Least share of repeated texts at which a training counts as reading its texts more than once."""
TEACH = "groups that teach"
"""Name of the figure of a training that draws answers: share of groups whose answers had different rewards."""
WINDOW, FEW_STEPS, LEAST_VALIDATIONS = 10, 100, 4
"""Steps for a mean loss, steps below which an incomplete pass is only a trial, and least validations for a verdict."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """Record of a training. Validations measure the same parts of the data, in the same order each time."""

    losses: Sequence[float]
    """Training loss of each step."""
    validations: Sequence[Sequence[float]]
    """Mean loss of each part before the first step and at each validation, up to the weights that are kept."""
    validated: Sequence[int]
    """Steps before each validation."""
    trained: Sequence[Sums]
    """Sums over the rows of the last steps, with the final weights."""
    unseen: Sequence[Sums]
    """Sums of the validation data, with the final weights."""
    trivial: Sequence[Sums] = ()
    """Sums of the baseline on the validation data, if there is one."""
    trivial_words: str = "the baseline"
    passes: float = 0.0
    mean_over: str = "token"
    past_best: bool = False
    """Whether validations after the weights that are kept were no better."""
    leaked: float = 0.0
    """Share of validation texts that are among the training rows."""
    repeated: float = 0.0
    """Share of the most recently read texts whose content was read before in the first pass."""

    def fall(self, first: Sequence[float], last: Sequence[float], share: float = CHANGED) -> Difference:
        """Return how far a loss fell on validation data. It counts from `share` of the loss, or of at most 1 nat."""
        whole = means(self.trivial)["loss"] if self.trivial else fmean(self.validations[0])
        return paired(first, last, [max(1.0, part["weight"]) for part in self.unseen], share, min(1.0, abs(whole)))


@dataclass(frozen=True)
class Difference:
    """Difference between two losses, with half the width of its 95 % interval, and the least value that counts."""

    loss: float
    value: float
    error: float
    least: float = 0.0

    @property
    def counts(self) -> bool:
        """Return whether the loss is significantly higher, and by more than `least`."""
        return self.value > max(self.least, self.error)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.value - self.error:.3f}, {self.value + self.error:.3f}]"


def means(sums: Sequence[Sums]) -> dict[str, float]:
    """Return the mean of each metric over all parts."""
    weight = max(1.0, sum(part["weight"] for part in sums))
    return {name: sum(part[name] for part in sums) / weight for name in sums[0] if name != "weight"}


def each_mean(sums: Sequence[Sums]) -> list[float]:
    """Return the mean loss of each part."""
    return [part["loss"] / max(1.0, part["weight"]) for part in sums]


def paired(
    first: Sequence[float], last: Sequence[float], weights: Sequence[float], share: float = 0.0, floor: float = 0.0
) -> Difference:
    """Return the difference of two weighted means over the same parts, with the interval of Student's t."""
    count, error = len(weights), math.inf
    loss, other = fmean(first, weights), fmean(last, weights)
    if count >= LEAST_PARTS:
        off = sum((w * (a - b - loss + other)) ** 2 for a, b, w in zip(first, last, weights, strict=True))
        error = student(count - 1) * math.sqrt(count / (count - 1) * off) / sum(weights)
    return Difference(loss, loss - other, error, share * max(floor, abs(loss)))


def apart(first: Sequence[float], last: Sequence[float]) -> Difference:
    """Return the difference of two means over different parts. Welch's interval has the smaller side's freedom."""
    few, loss, error = min(len(first), len(last)), fmean(first), math.inf
    if few > 1:
        error = student(few - 1) * math.sqrt(variance(first) / len(first) + variance(last) / len(last))
    return Difference(loss, loss - fmean(last), error)


def judge(course: Course) -> Verdict:
    """Return the verdict on a record. The first kind that applies wins, because some faults hide others."""
    gap = apart(each_mean(course.unseen), each_mean(course.trained))
    before, loss = fmean(course.validations[0]), means(course.unseen)["loss"]
    facts = f" Validation loss {loss:.3f} nats per {course.mean_over}, {before:.3f} before the first step"
    if course.trivial:
        facts += f", {means(course.trivial)['loss']:.3f} by {course.trivial_words}"
    facts += f"; gap to training rows {gap} after {course.passes:.1f} passes over the data."
    return _in_words(*_conclusion(course, gap), facts)


def _conclusion(course: Course, gap: Difference) -> Verdict:
    first, last, trained = course.validations[0], course.validations[-1], means(course.trained)["loss"]
    again = course.passes > 1 or course.repeated >= HALF  # texts were read more than once
    now, is_of_tokens, after = fmean(course.losses[-WINDOW:]), course.mean_over == "token", len(course.validated) - 1
    if not math.isfinite(now + trained + gap.loss):
        return "diverged", "the loss is not a number"
    best = min(range(after + 1), key=lambda at: fmean(course.validations[at]))
    until = course.validated[best] or 1
    then = fmean(course.losses[max(0, until - WINDOW) : until])
    risen = course.fall(last, course.validations[best])
    rose = f"the validation loss rose by {risen} since its lowest"
    if risen.counts and min(now, trained) > (1 + LARGE) * then:
        return "diverged", f"{rose}, and the training loss from {then:.3f} to {now:.3f}"
    if course.leaked >= LARGE:
        return None, f"{course.leaked:.0%} of the validation texts are in the training rows, so split by document"
    if (parts := min(len(course.unseen), len(course.trained))) < LEAST_PARTS:
        return None, f"only {parts} of {LEAST_PARTS} needed parts of data, {MORE_DATA}"
    is_better, beside = _beside_baseline(course)
    learned = course.fall(first, last, CHANGED if is_of_tokens else TINY)
    falling = course.fall(course.validations[max(1, after * 3 // 4)], last)
    late = course.fall(course.validations[max(1, after // 2)], last, share=0.0)
    # A loss settles as the learning rate falls to 0. It says nothing while texts are unread and the gain goes on.
    is_early = course.passes < 1 and late.counts and late.value >= LARGE * learned.value
    settled = is_better and learned.counts and not falling.counts and not is_early
    if not settled and len(course.losses) < FEW_STEPS and course.passes < 1:
        return "underfit", f"still falling, or no gain shown, after only {len(course.losses)} steps"
    known = (1 - LARGE if is_of_tokens else HALF) * means(course.trivial)["loss"] if course.trivial else math.inf
    if not is_better and trained >= known:
        return beside
    began = min(course.losses[0], fmean(course.losses[:WINDOW]))
    if not (learned.counts or risen.counts) and trained >= (1 - LARGE) * began:
        return "no better than the baseline", f"lower than before the first step by {learned}"
    wide = max(LARGE * gap.loss, course.fall(last, last).least)
    if difference := _other_kind(course, gap, wide):
        return "other kind of text", difference
    if risen.counts:
        return "overfit" if again else "diverged", rose
    if again and gap.value - gap.error > wide:
        return "overfit", f"the loss of validation rows is {gap} above that of rows just trained on"
    if is_better and not learned.counts:
        return "no better than the baseline", f"lower than before the first step by {learned}"
    if falling.counts and not course.past_best:
        return "underfit", f"the validation loss still fell by {falling} in the last quarter"
    if is_early and not course.past_best:
        return "underfit", f"the second half of the steps gained {late}, a tenth or more of the whole gain"
    if beside[1]:
        return beside
    if after < LEAST_VALIDATIONS and not course.past_best:
        return None, f"only {after} of {LEAST_VALIDATIONS} needed validations, so lower `validation_steps`"
    return "fine", "no sign of over- or underfitting, and the validation loss has settled"


def _beside_baseline(course: Course) -> tuple[bool, Verdict]:
    """Return whether the model is better than the baseline, and a conclusion if it is not better by a tenth."""
    if not course.trivial:
        return True, (None, "")
    model, trivial = means(course.unseen), means(course.trivial)
    gained = course.fall(each_mean(course.trivial), each_mean(course.unseen))
    low, right, high = -math.inf, -math.inf, math.inf  # how many more texts or pairs the model gets right, as a share
    if course.mean_over != "token" and "accuracy" in model and "accuracy" in trivial:
        count, right = sum(part["weight"] for part in course.unseen), model["accuracy"] - trivial["accuracy"]
        low, high = (end - trivial["accuracy"] for end in wilson(min(model["accuracy"], 1.0) * count, count))
    is_better, large = gained.counts or low > 0, LARGE * gained.loss
    if is_better and (gained.value > large or low > LARGE):
        return True, (None, "")
    reason = f"{'hardly' if is_better else 'not'} better than {course.trivial_words}, by {gained}"
    is_open = gained.value + gained.error >= large and high >= LARGE
    if is_open or (right > LARGE and not is_better):
        return is_better, (None, f"{reason}, {MORE_DATA}")
    return is_better, ("underfit" if is_better else "no better than the baseline", reason)


def _other_kind(course: Course, gap: Difference, wide: float) -> str:
    """Return, in words, how validation data differ from newly read training text. Empty if they do not differ."""
    inside = [at for at, step in enumerate(course.validated) if WINDOW <= step <= len(course.losses) / course.passes]
    if course.repeated >= HALF or (course.passes > 1 and not inside):
        return ""
    if inside:
        step, parts = course.validated[inside[-1]], course.validations[inside[-1]]
        read, began = course.losses[step - WINDOW : step], min(course.losses[0], fmean(course.losses[:WINDOW]))
        rose = course.fall(parts, course.validations[0])
        if rose.counts and fmean(read) < (1 - LARGE) * began:
            return f"in {step} steps the training loss fell to {fmean(read):.3f}, and validation rose by {rose}"
    if course.passes > 1:
        whole, gap = gap.value, apart(parts, read)
        if gap.value < min(whole / 2, 2 * LARGE * gap.loss):  # most of the gap came with later passes
            return ""
    reason = f"validation data are {gap} nats harder (below zero: easier) than training text read for the first time"
    return reason if abs(gap.value) - gap.error > wide else ""


def judge_rewards(
    drawn: Sequence[Figure], before: Sequence[float], after: Sequence[float], weights: Sequence[float]
) -> Verdict:
    """Return the verdict on a training that draws answers, from negated rewards on parts of the validation prompts.

    `drawn` are figures of the drawn answers. Without validation prompts, the only verdict is that nothing was learned.
    """
    if idle := [figure.n for figure in drawn if figure.name == TEACH and not figure.value]:
        reason = f"all answers to a prompt had the same reward, in each of the {idle[0]} groups"
        return _in_words("no better than the baseline", reason, " Check answers, rewards and `group_size`, too.")
    if not before:
        return _in_words(None, "the model has no `validation` data")
    facts = "".join(f" {figure.name.capitalize()}: {figure.value:.2f}." for figure in drawn)
    fell = paired(before, after, weights)
    reason = f"greedy answers to validation prompts have reward {fell.value - fell.loss:.3f}, higher by {fell}"
    if abs(fell.value) <= fell.error and fell.error > LARGE:
        return _in_words(None, f"{reason}, {MORE_DATA}", facts)
    if fell.value < -fell.error:
        return _in_words("diverged", reason, facts)
    return _in_words("fine" if fell.counts else "no better than the baseline", reason, facts)


def _in_words(kind: Kind | None, reason: str, facts: str = "") -> Verdict:
    return kind, f"{kind or NO_VERDICT}: {reason}.{facts}{ADVICE.get(kind, '')}"
