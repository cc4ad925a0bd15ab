"""Builders of rows for the table of forms. A row states which fields identify a layout, and how each is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lmworks.data.forms.row import Fault, LeftOut, Read, Row, as_label, first, has, short
from lmworks.data.forms.sample import Choice, Convert, Sample, SampleForm, conversation, verified
from lmworks.data.forms.turns import ask, framed, say


def _is_exchange(value: Any) -> bool:
    return isinstance(value, Mapping) and {"input", "output"} <= value.keys()


KINDS: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "list": lambda value: isinstance(value, list),
    "texts": lambda value: isinstance(value, list) and value != [] and all(isinstance(each, str) for each in value),
    "exchanges": lambda value: isinstance(value, list) and any(map(_is_exchange, value[:1])),
}
"""Conditions on a field in addition to its presence."""


def told(needs: str) -> Callable[[Row], bool]:
    """Return a test whether a row has all these fields. `a/b` means one of both, and `a:list` that `a` holds a list."""
    parts = [name.partition(":") for name in needs.split()]
    groups, kinds = [name.split("/") for name, _, _ in parts], [(name, KINDS[kind]) for name, _, kind in parts if kind]
    return lambda row: has(row, *groups) and all(is_one(row[name]) for name, is_one in kinds)


def flat(needs: str, prompt: str, answer: str, *, left: str = "", check: str = "") -> SampleForm:
    """Return a layout with one exchange per row. All arguments but `check` are names of fields, separated by spaces.

    `needs` identifies the layout. The fields of `prompt` that are there are joined by empty lines, and the first of
    `answer` that is there is used. Fields such as `system` come before, and those of `left` are left out. `check`
    states what a verifier compares: `solution` for the end of the answer, `label` for all of it.
    """

    def convert(row: Read) -> Iterator[Sample]:
        row.leave(*left.split())
        if not (asked := row.joined(prompt.split())):
            raise Fault(f"field missing: none of {prompt.replace(' ', ', ')} has a value")
        name = first(row, answer.split())
        text = as_label(row[name], name) if check == "label" else row.text(name)
        compared = {"": None, "solution": verified(text), "label": text.strip()}[check]
        yield conversation(framed(row, ask(asked) + say(text)), compared)

    shown = f"{' + '.join(prompt.split())} → {answer.replace(' ', ' or ')}"
    return SampleForm(
        told(needs), convert, about=f"{shown}{_left_words(left)}.", names=_names(needs, prompt, answer, left)
    )


def _names(*words: str) -> frozenset[str]:
    return frozenset(re.findall(r"(?<!:)\b[^\s/:]+", " ".join(words)))


def _left_words(left: str) -> str:
    return f"; left out: {', '.join(left.split())}" if left else ""


def layout(needs: str, convert: Convert, about: str, *, left: str = "", judges: bool = False) -> SampleForm:
    """Return a layout that has the fields `needs`. The fields of `left` are left out."""

    def leaving(row: Read) -> Iterator[Sample | LeftOut]:
        row.leave(*left.split())
        yield from convert(row)

    return SampleForm(told(needs), leaving, judges, f"{about}{_left_words(left)}.", names=_names(needs, left))


def choosing(needs: str, read: Callable[[Read], Choice], about: str) -> SampleForm:
    """Return a layout of questions with choices. Each choice gets a letter, and the right letter is compared."""

    def convert(row: Read) -> Iterator[Sample]:
        found = checked(read(row))
        letters = [chr(ord("A") + place) for place in range(len(found.choices))]
        lines = [f"{letter}. {choice}" for letter, choice in zip(letters, found.choices, strict=True)]
        right = letters[found.gold]
        asked = f"{found.query}\n\n" + "\n".join(lines)
        yield conversation(ask(asked) + say(f"{right}. {found.choices[found.gold]}"), right)

    shown = f"{about}: the question with lettered choices → the right letter and choice."
    return SampleForm(told(needs), convert, about=shown, choice=lambda row: checked(read(row)), names=_names(needs))


def checked(found: Choice) -> Choice:
    """Return the question itself. Raises Fault if one of its choices is empty, or none of them is right."""
    if not all(choice.strip() for choice in found.choices) or len(found.choices) < 2:
        raise Fault(f"no choices: found {short(list(found.choices))}")
    if not 0 <= found.gold < len(found.choices):
        raise Fault(f"no right choice: {found.gold} of {len(found.choices)} choices, counted from 0")
    return found
