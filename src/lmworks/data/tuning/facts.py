"""Facts as a line of slots and values, and a plain text that states them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_BRACKETED = re.compile(r"\s*([^,;\[\]\n]+?)\s*\[([^\]]*)\]")
_NEXT_SLOT = re.compile(r"[,;\n]\s*(?=[^,;:=\n]+[:=])")
_SLOT_AND_VALUE = re.compile(r"([^:=]+?)\s*[:=]\s*(.*)", re.DOTALL)
_NEW_WORD = re.compile(r"[_\s]+|(?<=[a-z])(?=[A-Z])")
PREPOSITIONS = {"near", "in", "at", "by", "for", "from", "with", "on", "of", "within", "beside"}
_WORD = re.compile(r"[^\W_]+|[£$€¥%]")
YES, NO = {"yes", "true"}, {"no", "false"}


class Fact(NamedTuple):
    """One fact: a slot and its value."""

    slot: str
    value: str

    @property
    def is_yes_or_no(self) -> bool:
        """Whether the value is only a yes or a no."""
        return self.value.lower() in YES | NO

    @property
    def words(self) -> str:
        """The slot's name in words: "familyFriendly" is "family friendly"."""
        return " ".join(filter(None, _NEW_WORD.split(self.slot))).lower()


def parse_facts(text: str) -> list[Fact]:
    """Return facts from text such as "name[Blue Spice], area[riverside]" or "name: Blue Spice, area: riverside".

    In the second form a value ends where the next slot begins, so it can contain commas. Empty values are left out.
    """
    found = _BRACKETED.findall(text)
    if not found:
        parts = map(_SLOT_AND_VALUE.fullmatch, map(str.strip, _NEXT_SLOT.split(text)))
        found = [part.groups() for part in parts if part]
    return [Fact(slot.strip(), value.strip()) for slot, value in found if value.strip()]


def values_of(source: str) -> list[str]:
    """Return the values of a line of facts that can be looked for, as words."""
    return [words(fact.value) for fact in parse_facts(source) if not fact.is_yes_or_no and _WORD.search(fact.value)]


def words(text: str) -> str:
    """Return the words of a text in lower case, with a space between them."""
    return " ".join(_WORD.findall(text.casefold()))


def count(values: Sequence[str], others: Iterable[str], answer: str) -> dict[str, int]:
    """Return how many of `values` and of `others` an answer states. Both are in the form of `words`."""
    text = f" {words(answer)} "
    stated = [value for value in values if f" {value} " in text]
    for value in sorted(stated, key=len, reverse=True):
        text = text.replace(f" {value} ", " | ")
    wrong = 0
    for value in sorted(set(others) - set(values), key=lambda value: (-len(value), value)):
        if f" {value} " in text:
            text, wrong = text.replace(f" {value} ", " | "), wrong + 1
    return {"slots": len(values), "stated": len(stated), "wrong": wrong}


def verbalise(facts: list[Fact]) -> str:
    """Return a text with each fact in a sentence of fixed form. It is a baseline for other texts.

    The subject is the fact `name`, else the first fact. A slot that ends in type, kind or category is its kind.
    """
    if not facts:
        return ""
    subject = next((fact for fact in facts if fact.slot.lower() == "name"), facts[0])
    others = [fact for fact in facts if fact is not subject]
    kind = next((fact for fact in others if fact.words.split()[-1] in ("type", "kind", "category")), None)
    said = [_predicate(fact) for fact in others if fact is not kind]
    first = f"is {_article(kind.value)} {kind.value}" if kind else said.pop(0) if said else "is there"
    return " ".join([f"{subject.value} {first}.", *(f"It {each}." for each in said)])


def _predicate(fact: Fact) -> str:
    if fact.is_yes_or_no:
        return f"is {'' if fact.value.lower() in YES else 'not '}{fact.words}"
    if fact.words in PREPOSITIONS:
        return f"is {fact.words} {fact.value}"
    return f"has the {fact.words} {fact.value}"


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeiou" else "a"
