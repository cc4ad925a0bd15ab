"""Detectors of personal data, made from the rows of `kinds.yaml`. A new kind needs only a new row.

A row has a `pattern` of Python's `re`. Its group `value`, if it has one, is the finding. With `words`, one of them must
be near. With `behind`, the value must be right behind or before a word. `check` names a function of `checks.py` or a
module of `stdnum` that the value must pass. `find` names a function that does all this itself. Every pattern takes
linear time: its repetitions are bounded, or can be matched in one way only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import re2

from lmworks.data.personal.checks import check_named
from lmworks.data.personal.findings import TABLE, WORDS_AFTER, WORDS_BEFORE, Detector, Detectors, Finding, whole_words
from lmworks.data.personal.kinds.dates import DATE_PARTS
from lmworks.data.personal.kinds.emails import TRIGGER as HIDDEN
from lmworks.data.personal.kinds.emails import hidden_emails
from lmworks.data.personal.kinds.phones import TRIGGER as NUMBERS
from lmworks.data.personal.kinds.phones import phones
from lmworks.recipe.yaml import read_yaml

FUNCTIONS: Mapping[str, tuple[Callable[[str], Iterator[Finding]], str]] = {
    "phones": (phones, NUMBERS),
    "hidden_emails": (hidden_emails, HIDDEN),
}
"""Functions that a row can name as `find`, and their triggers."""
LATIN = "0-9A-Za-zÀ-ɏ"
"""Characters that must not touch a number. Chinese characters can, because Chinese puts no space before a number."""
BEFORE, AFTER = (
    rf"(?<![{LATIN}-])(?<![{LATIN}]_)(?<![{LATIN}]__)(?<![0-9][.,])",
    rf"(?![{LATIN}-]|_{{1,2}}[{LATIN}]|[.,][0-9])",
)
"""Patterns before and after a value: it is not inside a word, a name such as `row_12345678`, or another number."""
LONGEST = 60
"""Maximum characters of a value that is right behind or before a word."""
ANOTHER = re.compile(
    r"(?:[,;/]|,? (?:and|und|et|y|e|i|or|&))? (?:(?:the |my |der |die )?(?:new|old|other|neuer?|alter?)(?: one)?:? "
    r"|[A-ZÀ-Þ][^\W\d_]{1,15}:? )?"
)
"""Pattern of text between the values of a list, in which each value can have its owner's first name."""
ASIDE = re.compile(
    r"(?i)(?:um |at |à |alle |a las )?[0-9]{1,2}(?:[:.h][0-9]{2})? ?(?:uhr|[ap]\.?m\.?|h)\b(?: [0-9]{1,2}\b)?"
    r"|(?:um|at|à|alle) [0-9]{1,2}[:.h][0-9]{2}|[0-9][0-9.,]{0,6} ?(?:g|kg|lbs?|oz|cm)\b"
)
"""Pattern of the time and weight at a birth, which can be between a value and a word behind it."""


@dataclass(frozen=True)
class Row:
    """One way in which a kind of personal data is found."""

    kind: str
    name: str
    pattern: str = ""
    is_number: bool = True
    """Whether the value must not touch letters and digits."""
    words: tuple[str, ...] = ()
    """Whole words in any case, in the syntax of RE2, also as parts of a name such as `phone_number`."""
    anywhere: str = ""
    """Pattern of RE2 that counts as a word even inside other words, such as letters of one language."""
    behind: int = 0
    """Maximum characters between a word and a value behind it. With 0, words can be anywhere near."""
    before: int = 0
    """Maximum characters between a value and a word behind it, if the word has no value behind it."""
    between: str = "(?s).*"
    """Pattern of the text that can be between a word and its value."""
    check: str = ""
    find: str = ""
    trigger: str = ""
    near_digits: bool = True
    whole: bool = False
    examples: tuple[str, ...] = ()
    """Sentences with the values in guillemets: tests of the row."""
    others: tuple[str, ...] = ()
    """Sentences in which nothing of this kind must be found: tests of the row."""

    def detector(self) -> Detector:
        """Return the detector of this row: its function, and the texts that are worth searching."""
        if self.find:
            find, trigger = FUNCTIONS[self.find]
            return Detector(self.kind, find, trigger, self.near_digits, self.whole)
        trigger = self.trigger or (self._said if self.words or self.anywhere else self.pattern)
        return Detector(self.kind, self._beside if self.behind else self._near, trigger, self.near_digits, self.whole)

    @cached_property
    def _said(self) -> str:
        return whole_words(self.words, self.anywhere)

    @cached_property
    def _word(self) -> Any:
        return re2.compile(self._said)

    @cached_property
    def _value(self) -> re.Pattern[str]:
        return re.compile(f"{BEFORE}(?:{self.pattern}){AFTER}" if self.is_number else self.pattern)

    @cached_property
    def _check(self) -> Callable[[str], bool]:
        return check_named(self.check) if self.check else bool

    def _finding(self, match: re.Match[str]) -> Finding | None:
        """Return the finding of a match, if its value passes the check."""
        group = "value" if "value" in self._value.groupindex else 0
        return Finding(self.kind, *match.span(group), match[group], self.accepts) if self._check(match[group]) else None

    def accepts(self, value: str) -> bool:
        """Return whether a made-up value passes the check in a form that the row finds."""
        return self._check(value) and (not self.is_number or self._value.fullmatch(value) is not None)

    def _near(self, text: str) -> Iterator[Finding]:
        """Find values that have a word near, or do not need a word."""
        place = 0
        while match := self._value.search(text, place):
            finding = self._finding(match)
            if finding and (not (self.words or self.anywhere) or self._is_near(text, finding)):
                yield finding
                place = max(finding.end, match.start() + 1)
            else:  # what fails the check must not hide a true value that begins inside it
                place = match.start() + 1

    def _is_near(self, text: str, finding: Finding) -> bool:
        before = text[max(0, finding.start - WORDS_BEFORE) : finding.start]
        return bool(self._word.search(before) or self._word.search(text[finding.end : finding.end + WORDS_AFTER]))

    def _beside(self, text: str) -> Iterator[Finding]:
        """Find the first value right behind each word, with more values of a list, else the last value before it."""
        place = 0
        while word := self._word.search(text, place):
            group = 1 if self.words and word.span(1)[0] >= 0 else 0
            start, place = word.span(group)
            place = max(place, word.start() + 1)
            if finding := self._behind(text, place):
                yield finding
                yield from self._others(text, finding.end)
            elif finding := self._ahead(text, start):
                yield finding

    def _behind(self, text: str, place: int) -> Finding | None:
        for match in self._value.finditer(text, place, min(len(text), place + self.behind + LONGEST)):
            finding = self._finding(match)
            if match.start() > place + self.behind or not re.fullmatch(self.between, text[place : match.start()]):
                return None
            if finding:
                return finding
        return None

    def _others(self, text: str, place: int) -> Iterator[Finding]:
        while (gap := ANOTHER.match(text, place)) and (match := self._value.match(text, gap.end())):
            if finding := self._finding(match):
                yield finding
            place = max(match.end(), place + 1)

    def _ahead(self, text: str, place: int) -> Finding | None:
        """Find the last value right before a word in the same sentence."""
        first = max(0, place - self.before - LONGEST)
        for match in reversed(list(self._value.finditer(text, first, place)) if self.before else []):
            gap = ASIDE.sub("", text[match.end() : place])
            if len(gap) > self.before or re.search(r"[0-9\n!?;]", gap):
                break
            if finding := self._finding(match):
                return finding
        return None


def rows() -> list[Row]:
    """Return the rows of the table, with their parts `<<name>>` replaced by patterns."""
    table = read_yaml(TABLE.read_text(encoding="utf-8"), TABLE.name).value
    parts: dict[str, str] = dict(DATE_PARTS)

    def filled(pattern: str | list[str]) -> str:
        whole = pattern if isinstance(pattern, str) else "|".join(pattern)
        return re.sub("<<([a-z_]+)>>", lambda part: f"(?:{parts[part[1]]})", whole)

    for name, pattern in table["parts"].items():
        parts[name] = filled(pattern)
    return [_row(row, filled) for row in table["rows"]]


def _row(fields: Mapping[str, Any], filled: Callable[[str | list[str]], str]) -> Row:
    lists = {name: tuple(value) for name, value in fields.items() if name in ("examples", "others")}
    patterns = {name: filled(fields.get(name, "")) for name in ("pattern", "trigger")}
    words = tuple(map(filled, fields.get("words", ())))
    return Row(**{**fields, **lists, **patterns, "words": words})


DETECTORS = Detectors(row.detector() for row in rows())
"""Detectors of the table, in its order."""
