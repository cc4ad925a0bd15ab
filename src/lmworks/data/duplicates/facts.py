"""What a text says that another like it may not: numbers, dates, amounts, names, identifiers.

Contracts, invoices and certificates made from one template are alike in almost every phrase, and yet no copies. A text
counts as a copy of another only if that one holds every fact of it.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lmworks.data.quality.clean_text import clean_text

_EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum()) + "“”„‘’»«…–—•·€£"
_SENTENCE_END = re.compile(r"[.!?:;]['\"”’)\]]*$")
_WORD = re.compile(r"\S+|\n\s*\n")
_IDENTIFIER = re.compile(r"\d|[@_]|[a-z][A-Z]|://")
_NAMES_ALONE = 0.25
"""Share of capitals within sentences above which one alone is no name: German writes every noun so."""
_LEAST_WORDS = 40
"""Of which that share says something."""


@functools.cache
def _function_words() -> frozenset[str]:
    """The most frequent words of many languages: "In Berlin" is one name, "Anna Grau" are two."""
    return frozenset(word for words in clean_text().functions.values() for word in words)


@dataclass(frozen=True)
class Facts:
    """The facts of a text, in small letters."""

    told: frozenset[str]
    """Numbers and identifiers, and words with a capital that no beginning of a sentence accounts for."""
    held: frozenset[str]
    """Those, and every other word with a capital: what is looked for in a text that may hold them."""

    def beside(self, codes: frozenset[str]) -> Facts:
        """These and the codes of the record."""
        return Facts(self.told | codes, self.held | codes) if codes else self


def facts_of(text: str) -> Facts:
    """What a text tells, by its form alone: no list of names is asked."""
    told: set[str] = set()
    held: set[str] = set()
    names: list[str] = []
    paired: set[str] = set()
    inside = 0
    begins, before = True, ""  # whether a sentence begins here; the name just before
    for found in _WORD.finditer(text):
        raw = found[0]
        if raw.isspace():
            begins, before = True, ""
            continue
        word, name = raw.strip(_EDGES), ""
        inside += not begins
        if word and _IDENTIFIER.search(word):
            told.add(word.lower())
        elif word[:1].isupper():
            name = word.lower().removesuffix("'s").removesuffix("’s")
            held.add(name)
            if not begins:
                names.append(name)
            elif name in _function_words():
                name = ""
            if before and len(name) > 1:
                paired |= {before, name}
        ends = _SENTENCE_END.search(raw) is not None
        begins, before = ends, "" if ends or raw[-1:] == "," else name
    told |= paired if len(names) > _NAMES_ALONE * max(inside, _LEAST_WORDS) else paired.union(names)
    # Texts that are compared have most of their facts in common: one copy of each word is held.
    return Facts(frozenset(map(sys.intern, told)), frozenset(map(sys.intern, held | told)))


def choose(texts: Sequence[Facts], order: Iterable[int]) -> dict[int, int]:
    """Of like texts those that stay, and for each other one that holds all that it tells: {text: one that stays}.

    `order` breaks ties: of texts that tell as much the first stays. Texts that tell more are asked first, so that what
    is left of a text, or a blank form, goes for the whole one.
    """
    ranked = sorted(order, key=lambda place: -len(texts[place].told))
    frequency: dict[str, int] = {}
    for place in ranked:
        for fact in texts[place].told:
            frequency[fact] = frequency.get(fact, 0) + 1
    rarest = {
        place: min(told, key=lambda fact: (frequency[fact], fact)) for place in ranked if (told := texts[place].told)
    }
    holders: dict[str, list[int]] = {}
    stay: list[int] = []
    found: dict[int, int] = {}
    for place in ranked:
        # Only a text that holds the rarest fact can hold all of them.
        asked = holders.get(rarest[place], []) if place in rarest else stay[:1]
        keeper = next((other for other in asked if texts[place].told <= texts[other].held), None)
        found[place] = place if keeper is None else keeper
        if keeper is None:
            stay.append(place)
            for fact in texts[place].held & frequency.keys():
                holders.setdefault(fact, []).append(place)
    # One that a later one holds goes, too, unless others went for it.
    needed = {keeper for place, keeper in found.items() if keeper != place}
    for place in stay:
        asked = holders[rarest[place]] if place in rarest and place not in needed else []
        held = (other for other in asked if other != place and found[other] == other)
        keeper = next((other for other in held if texts[place].told <= texts[other].held), None)
        if keeper is not None:
            found[place] = keeper
            needed.add(keeper)
    return found
