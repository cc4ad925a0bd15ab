"""Detectors that the user defines by a name, a pattern that takes linear time, words near the value, and a check."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import re2
from pydantic import Field, field_validator

from lmworks.data.personal.checks import luhn, mod97
from lmworks.data.personal.findings import KINDS, WORDS_AFTER, WORDS_BEFORE, Detector, Finding, plain
from lmworks.recipe.schema import StepConfig

CHECKS: Mapping[str, Callable[[str], bool]] = {"luhn": luhn, "mod97": lambda value: mod97(plain(value))}


class OwnDetector(StepConfig):
    """Personal data whose form only you know, such as a customer number."""

    name: str = Field(
        pattern="^[a-z][a-z0-9_]{1,39}$",
        description="Name of the kind, for `actions`. A `customer_number` is replaced by [CUSTOMER_NUMBER].",
    )
    pattern: str = Field(
        min_length=1,
        description="Pattern in RE2's syntax, without lookarounds and backreferences. RE2 takes linear time.",
    )
    near: list[str] = Field(
        default=[],
        description="Words of which at least one must be within 60 characters before or 25 after the value, in "
        "capitals or not. By default the pattern alone decides.",
    )
    check: Literal["none", "luhn", "mod97"] = Field(
        default="none",
        description="Check of letters and digits: `luhn` as for cards, `mod97` as for accounts (ISO 7064).",
    )

    @field_validator("name")
    @classmethod
    def _is_new(cls, name: str) -> str:
        if name in KINDS:
            raise ValueError(f"{name} is already the name of a kind; choose another name, such as own_{name}")
        return name

    @field_validator("pattern")
    @classmethod
    def _takes_linear_time(cls, pattern: str) -> str:
        try:
            matches_nothing = _compiled(pattern).search("") is not None
        except re2.error as error:
            problem = error.args[0].decode() if isinstance(error.args[0], bytes) else error
            raise ValueError(
                f"`{pattern}` is not a pattern of RE2 ({problem}). RE2 has no lookarounds and backreferences, because "
                "they can take endless time; put words that are near the value into `near` instead"
            ) from error
        if matches_nothing:
            raise ValueError(f"`{pattern}` also matches an empty text; change it to need at least one character")
        return pattern

    def detector(self) -> Detector:
        """Return the detector that finds values of this kind."""
        return Detector(self.name, self._find, self.pattern, near_digits=False, whole=True)

    def _find(self, text: str) -> Iterator[Finding]:
        """Find what the pattern matches, from left to right, if it passes the check and a word is near."""
        check = CHECKS.get(self.check, bool)
        for match in _compiled(self.pattern).finditer(text):
            before = text[max(0, match.start() - WORDS_BEFORE) : match.start()]
            around = f"{before} {text[match.end() : match.end() + WORDS_AFTER]}".casefold()
            if check(match[0]) and (not self.near or any(word.casefold() in around for word in self.near)):
                yield Finding(self.name, match.start(), match.end(), match[0], check)


@functools.cache
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)
