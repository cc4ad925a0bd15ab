"""Detectors of the user's own: a name, a pattern that takes linear time, words beside it, a check."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from pydantic import Field, field_validator

from lmworks.data.privacy.findings import (
    CONTEXT_AFTER,
    CONTEXT_BEFORE,
    KINDS,
    Finding,
    Function,
    Searched,
    Trigger,
    plain,
)
from lmworks.data.privacy.kinds.checksums import luhn
from lmworks.lazy import pa, pc
from lmworks.recipe.schema import StepConfig

START, END = "\ue000", "\ue001"
"""What RE2 writes around what it found; texts that hold them, which are for private use, are searched without them."""


LONGEST_CHECKED = 100
"""Characters of a value whose check digits are computed: no register has longer ones."""


def mod97(value: str) -> bool:
    """ISO 7064 MOD 97-10: letters count as 10 to 35, and the whole leaves 1."""
    if not (value.isascii() and value.isalnum() and len(value) <= LONGEST_CHECKED):
        return False
    return int("".join(str(int(character, 36)) for character in value)) % 97 == 1


def luhn_of_digits(value: str) -> bool:
    """Luhn's check over the digits alone."""
    digits = "".join(filter(str.isdigit, value))
    return len(digits) > 1 and luhn(digits)


CHECKS: Mapping[str, Callable[[str], bool]] = {"luhn": luhn_of_digits, "mod97": mod97}


class OwnDetector(StepConfig):
    """Something personal that only you know the form of, such as a customer number."""

    name: str = Field(
        pattern="^[a-z][a-z0-9_]{1,39}$",
        description="The kind's name, which `actions` takes: [CUSTOMER_NUMBER] stands in place of a `customer_number`.",
    )
    pattern: str = Field(
        min_length=1,
        description="What it looks like, in the syntax of RE2, which takes linear time: without lookarounds and "
        "backreferences.",
    )
    near: list[str] = Field(
        default=[],
        description="Words of which one must stand within 60 characters before or 25 after, in any case. None by "
        "default: the form alone says what it is.",
    )
    check: Literal["none", "luhn", "mod97"] = Field(
        default="none",
        description="A check of its letters and digits: `luhn` as of cards, `mod97` as of accounts (ISO 7064).",
    )

    @field_validator("name")
    @classmethod
    def _is_new(cls, name: str) -> str:
        if name in KINDS:
            raise ValueError(f"{name} is a kind of its own already; choose another name, such as own_{name}")
        return name

    @field_validator("pattern")
    @classmethod
    def _takes_linear_time(cls, pattern: str) -> str:
        try:
            empty = pc.match_substring_regex(pa.array(["", START]), pattern).to_pylist()
        except pa.ArrowInvalid as error:
            raise ValueError(
                f"`{pattern}` is no pattern of RE2 ({str(error).rpartition(': ')[2]}). Lookarounds and backreferences, "
                "which may take time without end, are not in it; write what stands beside the value as words in `near`"
            ) from error
        if empty[0]:
            raise ValueError(f"`{pattern}` matches nothing at all everywhere: make it ask for at least one character")
        return pattern

    def detector(self) -> Function:
        """What finds it."""
        trigger = Everywhere(probe=self.pattern)
        check = CHECKS.get(self.check, bool)
        return Function(self.name, trigger, functools.partial(_find, self.pattern, self.near, check, self.name))


class Everywhere(Trigger):
    """A trigger of RE2 alone: the detector looks at the whole text."""

    def probes(self) -> tuple[tuple[str, bool], ...]:
        return ((self.probe, False),)

    def windows(self, text: Searched) -> list[tuple[int, int]]:
        return [(0, len(text.text))] if text.text else []


def _find(pattern: str, near: list[str], check: Callable[[str], bool], kind: str, text: str) -> Iterator[Finding]:
    """What the pattern matches, from left to right, by RE2; each checked, and held to the words beside it."""
    text = text.replace(START, " ").replace(END, " ")
    marked = pc.replace_substring_regex(pa.array([text]), pattern, rf"{START}\0{END}")[0].as_py()
    place = 0
    for number, piece in enumerate(marked.split(START)):
        value, end, rest = piece.partition(END)
        if not number or not end:
            place += len(piece)
            continue
        start, stop = place, place + len(value)
        place = stop + len(rest)
        around = f"{text[max(0, start - CONTEXT_BEFORE) : start]} {text[stop : stop + CONTEXT_AFTER]}".casefold()
        if check(plain(value)) and (not near or any(word.casefold() in around for word in near)):
            yield Finding(kind, start, stop, value, check)
