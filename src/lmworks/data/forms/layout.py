"""How a row of the table of forms is written: by which fields a layout is told, and what becomes of every field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from lmworks.data.forms.row import Fault, LeftOut, Read, Row, as_label, as_text, first, has, short
from lmworks.data.forms.sample import (
    Choice,
    Convert,
    Sample,
    SampleForm,
    conversation,
    verified,
)
from lmworks.data.forms.turns import (
    ask,
    framed,
    say,
)


def told(needs: str, row: Row) -> bool:
    """Whether a row has all of these fields; of two that a `/` parts one is enough."""
    return has(row, *(name.split("/") for name in needs.split()))


def flat(needs: str, prompt: str, answer: str, *, left: str = "", check: str = "") -> SampleForm:
    """A layout with one exchange a row. All are names of fields, with spaces between them.

    `needs` tells it; `prompt` are joined by empty lines, those that are there; `answer` is the first that is there;
    `system` and the like come before; `left` are left out. `check` says what a verifier compares: `solution`, what
    stands at its end, or `label`, all of it.
    """

    def convert(row: Read) -> Iterator[Sample]:
        row.leave(*left.split())
        parts = [as_text(row[name], name) for name in prompt.split() if name in row and row[name] not in (None, "")]
        if not parts:
            raise Fault(f"field missing: none of {prompt.replace(' ', ', ')} is there or has a value")
        name = first(row, answer.split())
        text = as_label(row[name], name) if check == "label" else as_text(row[name], name)
        compared = {"": None, "solution": verified(text), "label": text.strip()}[check]
        yield conversation(framed(row, ask("\n\n".join(parts)) + say(text)), compared)

    shown = f"{' + '.join(prompt.split())} → {answer.replace(' ', ' or ')}"
    return SampleForm(
        partial(told, needs), convert, about=f"{shown}{_left_words(left)}.", names=_names(needs, prompt, answer, left)
    )


def _names(*words: str) -> frozenset[str]:
    return frozenset(name for some in words for name in some.replace("/", " ").split())


def _left_words(left: str) -> str:
    return f"; left out: {', '.join(left.split())}" if left else ""


def layout(
    needs: str,
    convert: Convert,
    about: str,
    *,
    left: str = "",
    judges: bool = False,
    fits: Callable[[Row], bool] = lambda row: True,
) -> SampleForm:
    """A layout that has the fields `needs`, and that `fits`; what is `left` of it is left out."""

    def leaving(row: Read) -> Iterator[Sample | LeftOut]:
        row.leave(*left.split())
        yield from convert(row)

    told_all = f"{about}{_left_words(left)}."
    return SampleForm(lambda row: told(needs, row) and fits(row), leaving, judges, told_all, names=_names(needs, left))


def choosing(
    needs: str, read: Callable[[Read], Choice], about: str, *, fits: Callable[[Row], bool] = lambda row: True
) -> SampleForm:
    """A question with choices, which becomes one with lettered choices, whose letter is compared."""

    def convert(row: Read) -> Iterator[Sample]:
        found = checked(read(row))
        letters = [chr(ord("A") + place) for place in range(len(found.choices))]
        lines = [f"{letter}. {choice}" for letter, choice in zip(letters, found.choices, strict=True)]
        right = letters[found.gold]
        asked = f"{found.query}\n\n" + "\n".join(lines)
        yield conversation(ask(asked) + say(f"{right}. {found.choices[found.gold]}"), right)

    shown = f"{about}: the question with lettered choices → the right letter and choice."
    return SampleForm(
        lambda row: told(needs, row) and fits(row),
        convert,
        about=shown,
        choice=lambda row: checked(read(row)),
        names=_names(needs),
    )


def checked(found: Choice) -> Choice:
    """The question itself. Raises Fault if one of its choices is empty, or none of them is right."""
    if not all(choice.strip() for choice in found.choices) or len(found.choices) < 2:
        raise Fault(f"no choices: found {short(list(found.choices))}")
    if not 0 <= found.gold < len(found.choices):
        raise Fault(f"no right choice: {found.gold} of {len(found.choices)} choices, counted from 0")
    return found
