"""The forms that tuning data is published in: each is told by its fields, and read into samples of one shape.

A further form is one function and one line in `FORMS`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from lmworks.registry import Kinds, instance_of

Row = Mapping[str, Any]
Turns = list[dict[str, str]]

ROLES = {
    **{"system": "system", "user": "user", "human": "user", "prompter": "user"},
    **{"assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant"},
}
PROMPT = ("prompt", "question", "problem", "instruction", "query", "input", "source")
COMPLETION = ("completion", "response", "output", "target")
ANSWER = ("answer", "solution", "final_answer", "ground_truth")
TEXT = ("text", "sentence", "review", "content", "tweet")
LABEL = ("label", "category", "intent", "sentiment", "class")
ANSWERS = ("completions", "responses", "answers")
SCORES = ("scores", "ratings", "score", "rating", "overall_score")
RANKS = ("ranks", "ranking", "rank")
GOOD, BAD = (True, "true", "True", "good", 1), (False, "false", "False", "bad", 0)

LONGEST_ANSWER = 100
"""Characters of one line that can be compared as it stands; what is longer is a text, not an answer to be verified."""


class Fault(ValueError):
    """What is wrong with a record: a kind of fault, a colon, the field and what was found there."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A conversation (`prompt` and what is `chosen` to follow) or a judgement; see `data/tuning/preferences.py`."""

    prompt: Turns
    chosen: Turns | None = None
    rejected: Turns | None = None
    margin: float | None = None
    answer: str | None = None
    """What a verifier compares: a label, or the short answer at the end of a long one."""


Convert = Callable[[Row], Iterator[Sample]]


def conversation(turns: Turns, answer: str | None = None) -> Sample:
    """A sample of whole turns, of which the last is the answer. Raises Fault if they are no conversation."""
    check_turns(turns)
    return Sample(prompt=turns[:-1], chosen=turns[-1:], answer=answer)


def check_turns(turns: Sequence[Mapping[str, str]]) -> None:
    """Raise Fault unless user and assistant take turns, a system's turn at most before them, and nobody is silent."""
    begin = 1 if turns and turns[0]["role"] == "system" else 0
    for number, turn in enumerate(turns):
        wanted = "system" if number < begin else ("user", "assistant")[(number - begin) % 2]
        if turn["role"] != wanted:
            raise Fault(f"wrong role order: turn {number + 1} is the {turn['role']}'s, expected the {wanted}'s")
        if not turn["content"].strip():
            raise Fault(f"empty {turn['role']} turn: turn {number + 1} has no words")
    if not turns or turns[-1]["role"] != "assistant":
        raise Fault(f"wrong role order: ends without an assistant's turn, after {len(turns)} turns")


def _messages(row: Row) -> Iterator[Sample]:
    name = "messages" if "messages" in row else "conversations"
    yield conversation(_system(row) + _turns(row[name], name))


def _system(row: Row) -> Turns:
    return [{"role": "system", "content": _text(row["system"], "system")}] if row.get("system") else []


def _turns(value: Any, field: str) -> Turns:
    """Turns of `role` and `content`, or ShareGPT's `from` and `value`; the parts of a content are joined."""
    if not isinstance(value, list):
        raise Fault(f"not a list of turns: field {field!r} is {_short(value)}")
    turns = []
    for number, turn in enumerate(value):
        place = f"{field}[{number}]"
        if not isinstance(turn, Mapping):
            raise Fault(f"not a turn: {place} is {_short(turn)}")
        role, content = (turn.get(one, turn.get(other)) for one, other in (("role", "from"), ("content", "value")))
        if not isinstance(role, str) or role not in ROLES:
            raise Fault(f"unknown role: {place} has {_short(role)}, expected one of {', '.join(ROLES)}")
        if isinstance(content, list):
            parts = [part.get("text") or "" for part in content if isinstance(part, Mapping)]
            content = "".join(_text(part, f"{place}.content") for part in parts)
        turns.append({"role": ROLES[role], "content": _text(content or "", f"{place}.content")})
    return turns


def _alpaca(row: Row) -> Iterator[Sample]:
    """Instruction, input and output; of Self-Instruct, several inputs and outputs."""
    instruction = _text(row["instruction"], "instruction")
    for instance in row["instances"] if isinstance(row.get("instances"), list) else [row]:
        if not isinstance(instance, Mapping):
            raise Fault(f"not an instance: field 'instances' holds {_short(instance)}")
        given, output = (_text(instance.get(name) or "", name) for name in ("input", "output"))
        yield conversation(_ask(f"{instruction}\n\n{given}" if given.strip() else instruction) + _say(output))


def _flan(row: Row) -> Iterator[Sample]:
    yield conversation(_ask(_text(row["inputs"], "inputs")) + _say(_text(row["targets"], "targets")))


def _prompt_completion(row: Row) -> Iterator[Sample]:
    name = _first(row, COMPLETION)
    yield conversation(_prompt(row) + _turns_or_text(row[name], name))


def _question_answer(row: Row) -> Iterator[Sample]:
    """The verifier's answer stands after ####, as in GSM8K, in \\boxed{}, as in MATH, or is all there is."""
    name = _first(row, ANSWER)
    text = _text(row[name], name)
    found = re.findall(r"####\s*(.+?)\s*$", text) or re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", text)
    whole = text.strip() if len(text) <= LONGEST_ANSWER and "\n" not in text.strip() else None
    yield conversation(_prompt(row) + _say(text), found[-1] if found else whole)


def _labels(row: Row) -> Iterator[Sample]:
    text, label = (_first(row, names) for names in (TEXT, LABEL))
    answer = _text(row[label], label)
    yield conversation(_ask(_text(row[text], text)) + _say(answer), answer.strip())


def _pair(row: Row) -> Iterator[Sample]:
    """Two answers to a prompt that is stated, or with which both begin."""
    chosen, rejected = (_turns_or_text(row[name], name) for name in ("chosen", "rejected"))
    if any(name in row for name in PROMPT):
        prompt = _prompt(row)
        chosen, rejected = (
            turns[len(prompt) :] if turns[: len(prompt)] == prompt else turns for turns in (chosen, rejected)
        )
    else:
        same = next((n for n, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), len(chosen))
        while same and chosen[same - 1]["role"] != "user":
            same -= 1
        prompt, chosen, rejected = chosen[:same], chosen[same:], rejected[same:]
    margin = row.get("margin")
    scores = [row.get(f"score_{side}", row.get(f"{side}_score")) for side in ("chosen", "rejected")]
    if margin is None and None not in scores:
        margin = _number(scores[0], "score_chosen") - _number(scores[1], "score_rejected")
    yield _judged(prompt, chosen, rejected, None if margin is None else _number(margin, "margin"))


def _ranking(row: Row) -> Iterator[Sample]:
    """Every pair of answers of different rank (Ouyang et al. 2022, section 3.5); scores give margins."""
    prompt, (texts, scores, scored) = _prompt(row), _judged_answers(row)
    if len(texts) != len(scores) or len(texts) < 2:
        raise Fault(f"no ranking: {len(texts)} answers and {len(scores)} ranks or scores")
    for one, other in combinations(range(len(texts)), 2):
        if scores[one] != scores[other]:
            better, worse = (one, other) if scores[one] > scores[other] else (other, one)
            margin = scores[better] - scores[worse] if scored else None
            yield _judged(prompt, _say(texts[better]), _say(texts[worse]), margin)


def _judged_answers(row: Row) -> tuple[list[str], list[float], bool]:
    """Answers, with a score each that is higher for the better, and whether it was stated as a score."""
    name = _first(row, ANSWERS)
    items = row[name]
    if not isinstance(items, list):
        raise Fault(f"not a list of answers: field {name!r} is {_short(items)}")
    inside = bool(items) and all(isinstance(item, Mapping) for item in items)
    keys = (*COMPLETION, *TEXT)
    texts = [_text(item[_first(item, keys)] if inside else item, name) for item in items]
    where = items[0] if inside else row
    by = _first(where, (*SCORES, *RANKS))
    found = [item.get(by) for item in items] if inside else row[by]
    values = [_number(value, by) for value in (found if isinstance(found, list) else [found])]
    return texts, values if by in SCORES else [-value for value in values], by in SCORES


def _alone(row: Row) -> Iterator[Sample]:
    """One answer, judged good or bad (Ethayarajh et al. 2024, "KTO")."""
    name = _first(row, COMPLETION)
    answer, good = _turns_or_text(row[name], name), row["label"] in GOOD
    yield _judged(_prompt(row), answer if good else None, None if good else answer, None)


def _judged(prompt: Turns, chosen: Turns | None, rejected: Turns | None, margin: float | None) -> Sample:
    for answer in (chosen, rejected):
        if answer is not None:
            check_turns([*prompt, *answer])
    if chosen == rejected:
        raise Fault("chosen and rejected are the same: nothing is preferred")
    if not prompt or prompt[-1]["role"] != "user":
        raise Fault("wrong role order: the prompt does not end with the user's turn")
    return Sample(prompt=prompt, chosen=chosen, rejected=rejected, margin=margin)


def _prompt(row: Row) -> Turns:
    name = _first(row, PROMPT)
    if isinstance(row[name], list):
        return _turns(row[name], name)
    return _system(row) + (_transcript(row[name]) or _ask(_text(row[name], name)))


def _turns_or_text(value: Any, name: str) -> Turns:
    """What follows a prompt: turns, a transcript with its prompt, or one answer."""
    if isinstance(value, list):
        return _turns(value, name)
    return _transcript(value) or _say(_text(value, name))


def _transcript(text: Any) -> Turns:
    """Turns of a text in the form of Anthropic's HH-RLHF; none if it has another."""
    if not isinstance(text, str) or not text.lstrip().startswith("Human:"):
        return []
    pieces = re.split(r"(?:^|\n\n)(Human|Assistant):", text.lstrip())[1:]
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[role], "content": words.strip()} for role, words in zip(pieces[::2], pieces[1::2], strict=True)
    ]


def _ask(text: str) -> Turns:
    return [{"role": "user", "content": text}]


def _say(text: str) -> Turns:
    return [{"role": "assistant", "content": text}]


def _text(value: Any, field: str) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise Fault(f"not a text: field {field!r} is {_short(value)}")


def _number(value: Any, field: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Fault(f"not a number: field {field!r} is {_short(value)}") from None
    if not math.isfinite(number):
        raise Fault(f"not a number: field {field!r} is {value}")
    return number


def _first(row: Row, names: Sequence[str]) -> str:
    """The first of several names that a row has a field of."""
    found = next((name for name in names if row.get(name) is not None), None)
    if found is None:
        raise Fault(f"field missing: none of {', '.join(names)} is there or has a value")
    return found


def _short(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.60}"


def _has(row: Row, *groups: Sequence[str]) -> bool:
    return all(any(name in row for name in names) for names in groups)


def _is_ranked(row: Row) -> bool:
    items = row[next(name for name in ANSWERS if name in row)]
    inside = items[0] if isinstance(items, list) and items and isinstance(items[0], Mapping) else {}
    return _has(row, (*SCORES, *RANKS)) or _has(inside, (*SCORES, *RANKS))


class SampleForm(NamedTuple):
    """A form that tuning data is published in."""

    fits: Callable[[Row], bool]
    """Whether a row has it, by its fields."""
    convert: Convert
    """What a row says. Raises Fault where it says nothing that can be used."""
    is_judgement: bool = False
    """Whether it tells better from worse."""
    about: str = ""
    """Its fields, for the reference."""


FORMS: Kinds[SampleForm] = Kinds(
    "forms",
    "form",
    {
        "pair": SampleForm(
            lambda row: _has(row, ["chosen"], ["rejected"]),
            _pair,
            True,
            "`chosen` and `rejected`, behind a prompt or with it.",
        ),
        "ranking": SampleForm(
            lambda row: _has(row, PROMPT, ANSWERS) and _is_ranked(row),
            _ranking,
            True,
            "A prompt, and several answers with scores or ranks.",
        ),
        "good-or-bad": SampleForm(
            lambda row: _has(row, PROMPT, COMPLETION, ["label"]) and row["label"] in (*GOOD, *BAD),
            _alone,
            True,
            "A prompt, an answer, and `label`: good or bad.",
        ),
        "messages": SampleForm(
            lambda row: _has(row, ["messages"]), _messages, about="`messages` of `role` and `content`."
        ),
        "sharegpt": SampleForm(
            lambda row: _has(row, ["conversations"]), _messages, about="`conversations` of `from` and `value`."
        ),
        "alpaca": SampleForm(
            lambda row: _has(row, ["instruction"], ["output", "instances"]),
            _alpaca,
            about="`instruction`, `input` and `output`.",
        ),
        "flan": SampleForm(lambda row: _has(row, ["inputs"], ["targets"]), _flan, about="`inputs` and `targets`."),
        "question-answer": SampleForm(
            lambda row: _has(row, PROMPT, ANSWER) and not _has(row, COMPLETION),
            _question_answer,
            about="A question and its answer, that a verifier can compare.",
        ),
        "prompt-completion": SampleForm(
            lambda row: _has(row, PROMPT, COMPLETION), _prompt_completion, about="A prompt and what follows."
        ),
        "labels": SampleForm(lambda row: _has(row, TEXT, LABEL), _labels, about="A text and its label."),
    },
    instance_of(SampleForm),
)
"""By the word that a step's `form` names."""


def form_of(row: Row) -> str | None:
    """The form of a record by its fields, the first built-in one that fits; None if it has none of them."""
    return next((name for name, form in FORMS.built_in.items() if form.fits(row)), None)
