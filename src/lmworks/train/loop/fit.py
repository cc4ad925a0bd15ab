"""What a training came to, told from what it wrote down: diverged, starved, at chance, learned by heart, and so on.

Each claim is held against what the data alone give away (the trivial baseline), what the model could before its first
step, and the interval of a paired difference over enough parts of the validation data.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lmworks.pipeline.figure import Figure, Interval, wilson
from lmworks.pipeline.statistics import student
from lmworks.train.configs.train import LEAST_PARTS

Sums = Mapping[str, float]
"""Sums of `loss` and other metrics over some tokens, and their `weight`."""

Kind = Literal[
    "diverged",
    "leaking",
    "unlike",
    "tied",
    "learned nothing",
    "at chance",
    "starved",
    "overfitting",
    "learned partly by heart",
    "underfitting",
    "not known",
    "fine",
]

CHANGED = 0.01
"""Share of a loss below which a change is none."""
TINY = 0.001
"""Share of a loss below which none was learned: an interval over the same rows shows even what rounding does."""
FLOOR = 0.01
"""Nats below which a change is none, however large beside a loss near none: a probability that is 1 % higher or lower.
Where the trivial baseline loses less than a nat, as of labels that are nearly all alike, this share of it."""
LEAPT = 0.1
"""Share by which a training loss rises that has diverged; jitter of single steps is averaged over `WINDOW` of them."""
WINDOW = 10
WIDE = 0.1
"""Share of a loss from which a gap is by heart: one of rows that were just trained on is never quite none. And by which
a model is to beat the trivial baseline."""
FEW_STEPS = 100
"""Fewer, in less than a pass over the data, are an attempt."""
LEAST_VALIDATIONS = 4
"""Fewer have no last quarter."""
LEAKED = 0.1
"""Share of validation texts that stand in the training rows from which its loss says nothing of unseen ones."""
HIDDEN = 0.5
"""Share of tokens that are unknown words, from which a loss is mostly that of telling which words are unknown."""
REPEATED = 0.5
"""Share of the texts read last that were read before, within one pass, from which texts come again and again."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a run has written down. Validations are sums of the same parts of data, in the same order each time."""

    losses: Sequence[float]
    """Of each step."""
    validations: Sequence[Sequence[float]]
    """Mean loss of each part: before the first step, and at each validation after it."""
    validated: Sequence[int]
    """After how many steps."""
    trained: Sequence[Sums]
    """Of rows last trained on, with the weights that the run ends with."""
    unseen: Sequence[Sums]
    """Of the validation data, with the same weights."""
    trivial: Sequence[Sums] = ()
    """The same of the trivial baseline; none where nobody knows one."""
    trivial_words: str = "the trivial baseline"
    passes: float = 0.0
    mean_over: str = "token"
    patient: bool = False
    """Whether `patience` ended it."""
    took_best: bool = False
    """Whether it ends with the weights of the lowest validation loss."""
    past_best: bool = False
    """Whether validations after those weights were no better."""
    leaked: float = 0.0
    """Share of validation texts that stand in the training rows."""
    repeated: float = 0.0
    """Share of the texts read last in the first pass that were read before in it."""

    unknown: float = 0.0
    """Share of what is validated on that is the token of unknown words."""

    @property
    def reads_again(self) -> bool:
        """Whether texts were read more than once."""
        return self.passes > 1 or self.repeated >= REPEATED

    @property
    def floor(self) -> float:
        """A change of the loss below which there is none."""
        whole = means(self.trivial)["loss"] if self.trivial else statistics.fmean(self.validations[0])
        return FLOOR * min(1.0, abs(whole))


@dataclass(frozen=True)
class Verdict:
    """What a run came to, and the gap between text just trained on and text never seen."""

    kind: Kind
    words: str
    gap: Figure | None = None


def means(sums: Sequence[Sums]) -> dict[str, float]:
    """Mean of each metric over all tokens."""
    weight = max(1.0, sum(each["weight"] for each in sums))
    return {name: sum(each[name] for each in sums) / weight for name in sums[0] if name != "weight"}


def each_mean(sums: Sequence[Sums]) -> list[float]:
    """Mean loss of each part."""
    return [each["loss"] / max(1.0, each["weight"]) for each in sums]


def judge(course: Course) -> Verdict:
    """The first of the faults, in the order in which one hides the others, that the run's figures show."""
    gap = _gap(course)
    kind, words = _told(course, gap)
    return Verdict(kind, words if kind == "fine" else f"{kind}: {words}", gap)


TEACH, GROWTH, VARIETY = "groups that teach", "growth of answers", "unlike answers left"
"""Figures of a run that draws answers."""
LONGER, ALIKE = 1.5, 0.5
"""From which growth on, and below which part of unlike answers, it is said beside a reward that rose."""


def judge_reward(
    before: Sequence[float],
    after: Sequence[float],
    weights: Sequence[float],
    steps: int,
    figures: Mapping[str, float],
) -> Verdict:
    """Of answers' rewards, with the sign turned, by parts of the validation prompts before and after a run.

    `figures` are those of the answers drawn, by name.
    """
    risen, taught = _paired(before, after, weights), figures.get(TEACH)
    groups = "" if taught is None else f"; {taught:.0%} of the groups taught something"
    facts = (
        f"{_number(-risen.first)} before the first step, {_number(-risen.last)} after {steps}, a difference of "
        f"{_number(risen.first - risen.last)}{_ends(risen.interval)} over {sum(weights):.0f} prompts{groups}"
    )
    if risen.interval is None:
        return Verdict("not known", f"not known: whether the reward rose: {facts}. {_few(len(weights))}")
    if risen.interval[0] > 0:
        return Verdict("fine", f"the reward of greedy answers rose: {facts}.{''.join(_signs(figures))}")
    if risen.interval[1] < 0:
        return Verdict("diverged", f"diverged: the reward of greedy answers fell: {facts}. Lower `learning_rate`.")
    if risen.interval[1] - risen.interval[0] > 2 * WIDE:
        return Verdict(
            "not known",
            f"not known: whether the reward rose: {facts}. So few prompts do not tell: add validation data, or raise "
            "`validation_rows`.",
        )
    return Verdict("learned nothing", f"learned nothing that shows: the reward of greedy answers is {facts}.")


def untaught(figures: Sequence[Figure]) -> Verdict | None:
    """Of a run that draws answers, if none was worth more than another to the same prompt."""
    for each in figures:
        if each.name == TEACH and not each.value:
            return Verdict(
                "learned nothing",
                f"learned nothing: none of the {each.n} groups of answers taught anything, since all answers to a "
                "prompt were worth the same. See what the model answers (`lmworks check`), the rewards, `group_size` "
                "and `answer_tokens`.",
            )
    return None


def _signs(figures: Mapping[str, float]) -> Iterator[str]:
    """Of a reward that rises because it is cheated."""
    if (grown := figures.get(GROWTH, 1.0)) >= LONGER:
        yield (
            f" Answers became {grown:.1f} times as long: read some, and let a `length` reward of weight 0 look on, if "
            "length was not wanted."
        )
    if (left := figures.get(VARIETY, 1.0)) <= ALIKE:
        yield (
            f" Unlike answers to a prompt fell to {left:.0%} of what they were: read some; where all say the same, "
            "nothing is left to learn."
        )


def _gap(course: Course) -> Figure:
    """Welch's interval over parts."""
    groups = [each_mean(some) for some in (course.trained, course.unseen)]
    gap = means(course.unseen)["loss"] - means(course.trained)["loss"]
    few = min(map(len, groups))
    interval = None
    if few > 1:
        error = math.sqrt(sum(statistics.variance(group) / len(group) for group in groups))
        interval = (gap - student(few - 1) * error, gap + student(few - 1) * error)
    return Figure(
        name="generalisation gap",
        value=gap,
        n=sum(map(len, groups)),
        interval=interval,
        unit=f"nats per {course.mean_over}",
        method="loss on validation rows less that on the rows last trained on, at the end, in parts of some "
        "rows; Welch interval with the freedom of the smaller side",
    )


def _told(course: Course, gap: Figure) -> tuple[Kind, str]:
    found, passes = means(course.unseen), f"{course.passes:.1f} passes over the data"
    steps, unit, count = len(course.losses), f"nats per {course.mean_over}", len(course.unseen)
    facts = f"gap {_number(gap.value)}{_ends(gap.interval)} {gap.unit} after {passes}"
    trivial = means(course.trivial) if course.trivial else {}
    gained = _difference(course, each_mean(course.trivial), each_mean(course.unseen)) if trivial else None
    learned = _difference(course, course.validations[0], course.validations[-1])
    before = f"{_number(learned.first)} {unit} before the first step, {_number(learned.last)} after the last"

    few = steps < FEW_STEPS and course.passes < 1
    if leap := _leap(course):
        return "diverged", (
            f"{leap}; the validation loss is {before}. Lower `learning_rate`, raise `warmup_steps`, or take float32; "
            "more data or steps would not help."
        )
    if course.leaked >= LEAKED:
        return "leaking", (
            f"{course.leaked:.0%} of the validation texts stand in the rows that were trained on: neither the loss nor "
            f"the gap says anything about unseen text ({facts}). Split the data by document, and name the validation "
            "data in `avoid` of the step that makes the training data."
        )
    if "margin" in found and abs(found["margin"]) < 1e-6 and not found["accuracy"]:
        return "tied", (
            f"both answers of every pair have the same score, and ties count against: accuracy 0. {_nothing(course)}"
        )
    if gained and not _is_better(gained, found, trivial, course):
        beside = f"{_number(found['loss'])} {unit}, and {course.trivial_words} {_number(trivial['loss'])}"
        if "accuracy" in trivial and "accuracy" in found:
            beside += f"; accuracy {found['accuracy']:.3f}, and its {trivial['accuracy']:.3f}"
        if few:
            return "starved", (
                f"{steps} steps, {passes}: not shown to be better yet than {course.trivial_words} ({beside}). Of so "
                "few nothing else can be told: give it more."
            )
        if _is_by_heart(course):
            return _fit(course, gap, facts, gained)
        knows_rows = means(course.trained)["loss"] < (1 - WIDE) * trivial["loss"]
        if knows_rows and (told := _unlike(course, gap, facts)):
            return "unlike", told
        if not _is_surely_no_better(gained, found, trivial, course, knows_rows=knows_rows):
            return (
                "not known",
                f"whether it is better than {course.trivial_words}: {beside}. {_few(count)}"
                if gained.interval is None
                else f"whether it is better than {course.trivial_words}: {beside}; by {_number(gained.first)} less "
                f"{_number(gained.last)}{_ends(gained.interval)}. Add validation data, or raise `validation_rows`.",
            )
        kind: Kind = "learned nothing" if course.mean_over == "token" else "at chance"
        rows = f"; rows just trained on: {_number(means(course.trained)['loss'])}" if knows_rows else ""
        return kind, f"no better than {course.trivial_words}: {beside}{rows}, after {passes}. {_nothing(course)}"
    has_learned = learned.surely_above(CHANGED, anyhow=True) or (
        course.mean_over != "token" and learned.surely_above(0)
    )
    late = _difference(course, course.validations[(len(course.validations) - 1) * 3 // 4], course.validations[-1])
    if few and (not has_learned or late.surely_above(CHANGED, anyhow=True)):
        return (
            "starved",
            f"{steps} steps, {passes}; the validation loss is {before}. Of so few little can be told: more.",
        )
    if not has_learned and not _has_fallen_since(course):
        if _has_learned(course, means(course.trained)["loss"]):
            return _of_its_rows_alone(course, gap, facts, before)
        if learned.surely_above(TINY):
            return "underfitting", (
                f"hardly better than before the first step: {before}{_ends(learned.interval)}; {facts}. A higher "
                "`learning_rate`, or more steps."
            )
        return "learned nothing", f"the validation loss is {before}, after {steps} steps, {passes}. {_nothing(course)}"
    return _fit(course, gap, facts, gained)


def _fit(course: Course, gap: Figure, facts: str, gained: _Difference | None) -> tuple[Kind, str]:
    """Of a run that learned something: whether too little or by heart."""
    after = [sum(each) / len(each) for each in course.validations[1:]]
    best = min(range(len(after)), key=after.__getitem__)
    risen = _difference(course, course.validations[-1], course.validations[1 + best])
    unlike = _unlike(course, gap, facts)
    if risen.surely_above(CHANGED, course.floor) and not course.took_best:
        rose = (
            f"the validation loss rose {risen.share:.1%} ({_number(risen.first - risen.last)}{_ends(risen.interval)}) "
            f"since validation {best + 1} of {len(after)}"
        )
        if course.reads_again and not unlike:
            return "overfitting", (
                f"{rose}; {facts}. Stop there (`patience`), add data, or raise `weight_decay` or `dropout`."
            )
        if not unlike:
            return "diverged", (
                f"{rose}, and it read no text twice, so it did not learn by heart; {facts}. Lower `learning_rate`, "
                "or let it fall to the end (`schedule`)."
            )
    if unlike:
        return "unlike", unlike
    if _is_wide(course, gap.interval):
        return "learned partly by heart", (
            f"{facts}; the validation loss has not risen"
            + (" in the weights that were taken" if course.took_best else "")
            + ". More data, fewer steps, `weight_decay` or `dropout` would help more than a larger model."
        )
    earlier = course.validations[1:][max(0, len(after) * 3 // 4 - 1)]
    falling = _difference(course, earlier, course.validations[-1])
    if falling.surely_above(CHANGED, course.floor) and not (course.patient or course.past_best):
        return "underfitting", (
            f"the validation loss still fell by {1 - falling.last / falling.first:.1%} in the last quarter, "
            f"{_number(falling.first - falling.last)}{_ends(falling.interval)}; "
            f"{facts}. More steps would help, or a larger model."
        )
    if gained and gained.interval and gained.last > (1 - WIDE) * gained.first and not _is_right_oftener(course):
        beside = (
            f"{course.trivial_words}: {_number(gained.last)} beside {_number(gained.first)}, by "
            f"{_number(gained.first - gained.last)}{_ends(gained.interval)}"
        )
        if gained.interval[1] >= WIDE * gained.first:
            return "not known", (
                f"whether it is well better than {beside}; {facts}. Add validation data, or raise `validation_rows`."
            )
        if course.unknown > HIDDEN:
            return "learned nothing", (
                f"hardly better than {beside}; {course.unknown:.0%} of the tokens are words that the vocabulary does "
                "not have. Take a tokenizer of pieces of words (`bpe`), or a larger `vocab_size`; more steps would not "
                "help."
            )
        return "underfitting", f"hardly better than {beside}; {facts}. A higher `learning_rate`, or more steps."
    if len(course.unseen) < LEAST_PARTS or len(course.trained) < LEAST_PARTS:
        return (
            "not known",
            f"whether it learned too little or by heart: {facts}. {_few(min(len(course.unseen), len(course.trained)))}",
        )
    if len(after) < LEAST_VALIDATIONS and not (course.patient or course.past_best):
        return "not known", (
            f"whether the loss still falls: too few validations ({len(after)}); {facts}. A smaller `validation_steps` "
            f"gives {LEAST_VALIDATIONS} or more."
        )
    ended = "has settled"
    if course.past_best:
        ended = f"fell no more after validation {len(after)}, whose weights were taken"
    if course.patient:
        ended += "; `patience` ended it"
    return "fine", f"no sign of over- or underfitting: {facts}; the validation loss {ended}."


@dataclass(frozen=True)
class _Difference:
    """By how much a loss is lower than another over the same parts of data, paired."""

    first: float
    last: float
    interval: Interval | None

    @property
    def share(self) -> float:
        return (self.first - self.last) / max(abs(self.last), 1e-9)

    def surely_above(self, share: float, floor: float = 0.0, *, anyhow: bool = False) -> bool:
        """Whether it is more than a share of the loss, and than some nats, and its interval above none.

        Without one it is not sure; `anyhow` takes the value then.
        """
        large = self.first - self.last > max(share * abs(self.first), floor)
        return large and (self.interval[0] > 0 if self.interval else anyhow)


def _difference(course: Course, first: Sequence[float], last: Sequence[float]) -> _Difference:
    return _paired(first, last, [max(1.0, each["weight"]) for each in course.unseen])


def _paired(first: Sequence[float], last: Sequence[float], weights: Sequence[float]) -> _Difference:
    """Ratio estimate over parts by their weight, with the interval of Student's t."""
    total, count = sum(weights), len(weights)
    before, after = (sum(w * x for w, x in zip(weights, some, strict=True)) / total for some in (first, last))
    middle = before - after
    interval = None
    if count >= LEAST_PARTS:
        off = [w * (a - b - middle) for w, a, b in zip(weights, first, last, strict=True)]
        error = student(count - 1) * math.sqrt(count / (count - 1) * sum(each**2 for each in off)) / total
        interval = (middle - error, middle + error)
    return _Difference(before, after, interval)


def _leap(course: Course) -> str:
    """How a training loss ran away, in words; empty where it did not."""
    losses, last = course.losses, course.losses[-WINDOW:]
    now, ended = statistics.fmean(last), means(course.trained)["loss"]
    if not math.isfinite(now + ended + means(course.unseen)["loss"]):
        return "the loss is no longer a number"
    risen = _difference(course, course.validations[-1], min(course.validations, key=statistics.fmean))
    over = _difference(course, course.validations[-1], course.validations[0])
    began = max(over.last, losses[0])
    above = CHANGED if over.surely_above(CHANGED, course.floor) else LEAPT
    if now > (1 + CHANGED) * losses[0] and ended > (1 + above) * began:
        return (
            f"the loss on rows just trained on ended at {_number(ended)}, above the {_number(began)} of the beginning"
        )
    windows = [losses[end - WINDOW : end] for end in range(WINDOW, len(losses) + 1)]
    if not windows or risen.first - risen.last <= max(CHANGED * abs(risen.last), course.floor):
        return ""
    least = min(windows, key=statistics.fmean)
    low, error = statistics.fmean(least), statistics.stdev(last) / math.sqrt(len(last))
    if now - low > max(LEAPT * abs(low), 4 * error, course.floor) and ended > (1 + LEAPT / 2) * low:
        at = windows.index(least) + WINDOW
        return f"the training loss rose from {_number(low)} about step {at} to {_number(now)} at the end"
    return ""


def _has_fallen_since(course: Course) -> bool:
    """Whether some validation was better than the beginning: what was learned was lost again."""
    best = min(course.validations[1:], key=statistics.fmean)
    return _difference(course, course.validations[0], best).surely_above(CHANGED, anyhow=True)


def _is_by_heart(course: Course) -> bool:
    """Whether a run knows the rows it was trained on, and lost on others what it had: that is not to learn nothing.

    Labels and pairs are few enough to be known by heart where nothing can be learned; there it is to be half of all.
    """
    best = min(course.validations[1:], key=statistics.fmean)
    known = 1 - WIDE if course.mean_over == "token" else 0.5
    return (
        course.reads_again
        and not course.took_best
        and means(course.trained)["loss"] < known * means(course.trivial)["loss"]
        and _difference(course, course.validations[-1], best).surely_above(CHANGED)
    )


def _is_wide(course: Course, gap: Interval | None) -> bool:
    """Whether rows just trained on are surely read better than others, by more than they are in any run."""
    if not gap or min(len(course.trained), len(course.unseen)) < LEAST_PARTS:
        return False
    return gap[0] > max(WIDE * abs(means(course.unseen)["loss"]), course.floor)


def _unlike(course: Course, gap: Figure, facts: str) -> str:
    """How far validation data are from training data that were read for the first time, in words; empty if not far.

    Of a run of more than one pass that is measured by the losses of steps, at its last validation within the first.
    """
    if course.repeated >= REPEATED or not gap.interval or len(course.unseen) < LEAST_PARTS:
        return ""
    advice = "Take both from the same source, or validate on what the model is for and train on more of that."
    found, interval, when = gap.value, gap.interval, f"after {course.passes:.1f} passes"
    within = [k for k, step in enumerate(course.validated) if WINDOW <= step <= len(course.losses) / course.passes]
    if within:
        step, parts = course.validated[within[-1]], course.validations[within[-1]]
        read = course.losses[step - WINDOW : step]
        rose = _difference(course, parts, course.validations[0])
        if rose.surely_above(CHANGED, course.floor) and _has_learned(course, statistics.fmean(read)):
            return (
                f"on training text that was read for the first time the loss fell from {_number(course.losses[0])} to "
                f"{_number(statistics.fmean(read))} in {step} steps, and on validation data it rose from "
                f"{_number(rose.last)} to {_number(rose.first)}, so the two are of different kinds; {facts}. {advice}"
            )
    if course.passes > 1:
        if not within:
            return ""
        found = statistics.fmean(parts) - statistics.fmean(read)
        error = math.hypot(*(statistics.stdev(some) / math.sqrt(len(some)) for some in (parts, read)))
        error *= student(min(len(parts), len(read)) - 1)
        interval, when = (found - error, found + error), f"after {step} steps, in the first pass"
        if found < min(gap.value / 2, 2 * WIDE * statistics.fmean(parts)):  # most of it came with the later passes
            return ""
    turned = (-interval[1], -interval[0])
    if not (_is_wide(course, interval) or (course.passes <= 1 and _is_wide(course, turned))):
        return ""
    words = f"{'harder' if found > 0 else 'easier'} than training data by {_number(found)}{_ends(interval)} {gap.unit}"
    twice = "no text" if course.repeated < CHANGED else "few texts"
    return (
        f"validation data are {words} {when}, when {twice} had been read twice, so they, or much of the training data, "
        f"are of another kind{'' if course.passes <= 1 else f'; {facts}'}. {advice}"
    )


def _has_learned(course: Course, loss: float) -> bool:
    """Whether a loss on training rows is well below that of the first."""
    first = min(course.losses[0], statistics.fmean(course.losses[:WINDOW]))
    return loss < first - max(WIDE * abs(first), course.floor)


def _of_its_rows_alone(course: Course, gap: Figure, facts: str, before: str) -> tuple[Kind, str]:
    """Of a run that learned of its own rows what nothing shows on others."""
    first = (
        f"the loss on training rows fell to {_number(means(course.trained)['loss'])}, on validation rows it is {before}"
    )
    if told := _unlike(course, gap, facts):
        return "unlike", told
    if course.reads_again and _is_wide(course, gap.interval):
        return "overfitting", f"{first}; {facts}. Add data, take fewer steps, or raise `weight_decay` or `dropout`."
    return "not known", f"whether it learned more than its rows: {first}; {facts}. Add validation data."


def _is_better(gained: _Difference, found: Mapping[str, float], trivial: Mapping[str, float], course: Course) -> bool:
    """Whether a model knows more than the trivial baseline: by its loss, or, of texts and pairs, by what is right."""
    counted = course.mean_over != "token" and "accuracy" in trivial and "accuracy" in found
    if counted and _share(found["accuracy"], course)[0] > trivial["accuracy"]:
        return True
    return gained.surely_above(CHANGED) or (gained.interval is None and gained.surely_above(LEAPT, anyhow=True))


def _is_surely_no_better(
    gained: _Difference, found: Mapping[str, float], trivial: Mapping[str, float], course: Course, *, knows_rows: bool
) -> bool:
    """Whether the data are enough to say that a model is not better by a tenth; no data are needed of a dead one."""
    right, plain = found.get("accuracy", 0.0), trivial.get("accuracy", 1.0)
    if course.mean_over != "token" and right > plain + LEAPT:
        return False
    if gained.interval is None:
        return gained.last >= gained.first and not knows_rows
    counted = course.mean_over != "token" and "accuracy" in trivial and "accuracy" in found
    return gained.interval[1] < WIDE * gained.first or (counted and _share(right, course)[1] < plain + LEAPT)


def _is_right_oftener(course: Course) -> bool:
    """Whether so many more texts or pairs are told rightly than the trivial baseline does, surely by a tenth of all."""
    found, trivial = means(course.unseen), means(course.trivial)
    counted = course.mean_over != "token" and "accuracy" in trivial and "accuracy" in found
    return counted and _share(found["accuracy"], course)[0] > trivial["accuracy"] + LEAPT


def _share(accuracy: float, course: Course) -> Interval:
    count = sum(each["weight"] for each in course.unseen)
    return wilson(min(accuracy, 1.0) * count, count)


def _nothing(course: Course) -> str:
    """What to look at where nothing was learned."""
    return (
        "See `learning_rate` (ten times as much, and a tenth), `warmup_steps`, the targets and labels, and the model "
        "it began from."
        if len(course.losses) >= FEW_STEPS or course.passes >= 1
        else f"{len(course.losses)} steps are few: give more, and then see `learning_rate`."
    )


def _few(parts: int) -> str:
    return f"{parts} parts of data give no interval, {LEAST_PARTS} do: raise `validation_rows`, or add validation data."


def _number(value: float) -> str:
    return f"{value:.3f}"


def _ends(interval: Interval | None) -> str:
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
