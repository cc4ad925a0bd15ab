"""Conversations and judgements made from records, in one shape for all published forms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, NamedTuple

from lmworks.data.forms.row import Fault, LeftOut, Read, Row
from lmworks.data.forms.turns import Turns, check_turns, joined, say, trimmed

Mend = Literal["join", "trim"]
JOINED, TRIMMED = "turns joined to the one before", "turns trimmed"

LONGEST_ANSWER = 100
"""Maximum characters of a one-line answer that a verifier can compare. A longer text is not such an answer."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A conversation (`prompt`, and `chosen` as its answer) or a judgement. See `data/tuning/preferences.py`."""

    prompt: Turns
    chosen: Turns | None = None
    rejected: Turns | None = None
    margin: float | None = None
    answer: str | None = None
    """Answer for a verifier: a label, or the short answer at the end of a long one."""
    references: tuple[str, ...] = ()
    """Further correct answers."""
    is_judgement: bool = False


Convert = Callable[[Read], Iterator[Sample | LeftOut]]
"""Function that yields the samples of a row, and reasons for left-out ones."""


def conversation(turns: Turns, answer: str | None = None, references: Collection[str] = ()) -> Sample:
    """Return a sample from all turns of a conversation. The last turn is the answer."""
    return Sample(prompt=turns[:-1], chosen=turns[-1:], answer=answer, references=tuple(references))


def judged(prompt: Turns, chosen: Turns | None, rejected: Turns | None, margin: float | None = None) -> Sample:
    """Return a judgement. If only one answer is judged, the other is None.

    Raises Fault if the scores contradict the choice, and LeftOut for a tie.
    """
    if margin is not None and margin < 0:
        raise Fault(f"reversed scores: the chosen answer has {-margin:g} less than the rejected one")
    if margin == 0:
        raise LeftOut("a tie: both answers have the same score")
    return Sample(prompt=prompt, chosen=chosen, rejected=rejected, margin=margin, is_judgement=True)


def ranked(prompt: Turns, answers: Iterable[tuple[str, float]], *, scored: bool = False) -> Iterator[Sample]:
    """Yield a judgement for every two answers of different rank (Ouyang et al. 2022, section 3.5). Higher is better.

    If ranks are scores, their difference is the margin.
    """
    for (one, score), (other, against) in combinations(answers, 2):
        if score != against:
            better, worse = (one, other) if score > against else (other, one)
            yield judged(prompt, say(better), say(worse), abs(score - against) if scored else None)


def mended(sample: Sample, how: Collection[Mend], told: Counter[str]) -> Sample:
    """Return a sample with turns joined or trimmed, as `how` states. Add the numbers of such turns to `told`."""
    if sample.is_judgement:
        prompt = joined(sample.prompt) if "join" in how else sample.prompt
        told[JOINED] += len(sample.prompt) - len(prompt)
        return replace(sample, prompt=prompt)
    turns = [*sample.prompt, *(sample.chosen or [])]
    together = joined(turns) if "join" in how else turns
    kept = trimmed(together) if "trim" in how else together
    told[JOINED] += len(turns) - len(together)
    told[TRIMMED] += len(together) - len(kept)
    return replace(sample, prompt=kept[:-1], chosen=kept[-1:])


def check(sample: Sample) -> None:
    """Raise Fault unless each side is a sound conversation, and a judgement prefers one side."""
    for answer in (sample.chosen, sample.rejected):
        if answer is not None:
            check_turns([*sample.prompt, *answer])
    if not sample.is_judgement:
        return
    if sample.chosen == sample.rejected:
        raise Fault("chosen and rejected are the same: nothing is preferred")
    if not sample.prompt or sample.prompt[-1]["role"] != "user":
        raise Fault("wrong role order: the prompt does not end with the user's turn")


def verified(text: str) -> str | None:
    """Return the part of a solution to compare: after ####, as in GSM8K, in \boxed{}, as in MATH, or all of it."""
    _, mark, end = text.rpartition("####")
    if mark and (end := end.strip()) and "\n" not in end:
        return end
    found = re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", text)
    return found[-1] if found else short_answer(text)


def short_answer(text: str) -> str | None:
    """Return a text if it is short enough for a verifier to compare, else None."""
    return text.strip() if len(text) <= LONGEST_ANSWER and "\n" not in text.strip() else None


@dataclass(frozen=True)
class Choice:
    """A question with its choices."""

    query: str
    choices: Sequence[str]
    gold: int
    """Index of the right choice, from 0."""


class SampleForm(NamedTuple):
    """A layout in which tuning data are published."""

    fits: Callable[[Row], bool]
    """Function that returns whether a row has this layout, by its fields."""
    convert: Convert
    """Function from a row to samples. Raises Fault for an unusable row, LeftOut for a row that is rightly left out."""
    is_judgement: bool = False
    """Whether its samples judge answers as better or worse."""
    about: str = ""
    """Description of its fields for the reference."""
    choice: Callable[[Read], Choice] | None = None
    """Function that returns the choices of a question and the right one."""
    threads: Callable[[Iterator[tuple[str, Row]]], Iterator[tuple[str, Row]]] | None = None
    """Function that joins records that are parts of one thread, under the id of the first record."""
    names: frozenset[str] = frozenset()
    """Names of fields that identify the layout, and of fields that it reads or leaves out."""


class Made(NamedTuple):
    """Samples of one row, and facts about what was not used."""

    samples: list[Sample]
    unread: list[str]
    """Fields with texts that were not used."""
    mended: Counter[str]
    """Numbers of turns that were joined to others, and of turns that were trimmed."""
    left_out: list[LeftOut]
    """Reasons why parts of the row give no sample."""


def samples_of(form: SampleForm, row: Mapping[str, Any], how: Collection[Mend] = ()) -> Made:
    """Return the checked samples of a row. Raises Fault for an unusable row, and LeftOut if there is no sample."""
    read, told = row if isinstance(row, Read) else Read(row), Counter[str]()
    try:
        given = list(form.convert(read))
    except RecursionError:
        raise Fault("nested too deeply: more replies to replies than are read") from None
    made = [mended(sample, how, told) for sample in given if isinstance(sample, Sample)]
    for sample in made:
        check(sample)
    left_out = [reason for reason in given if isinstance(reason, LeftOut)]
    if not made:
        raise next(iter(left_out), LeftOut("nothing to learn: the record gives no sample"))
    return Made(made, list(read.unread()), +told, left_out)
