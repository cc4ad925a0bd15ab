"""What a text says that another like it may not: numbers, dates, amounts, names, identifiers.

Contracts, invoices and certificates made from one template are alike in almost every phrase, and yet no copies. A text
counts as a copy of another only if that one holds every fact of it.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lmworks.data.quality.clean_text import clean_text

_EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum()) + "“”„‘’»«…–—•·€£：。，"
_SENTENCE_END = re.compile(r"[.!?]['\"”’)\]]*$")
_IDENTIFIER = re.compile(r"\d|[@_]|[^\W\d_A-Z][-=:\"',;|/]*[A-Z]|://")
_LABEL_END = (":", "：")
_LABEL_WORDS = _VALUE_WORDS = 4
"""Most words of a label and of its value on the rest of the line."""
_SHOUTING = 0.5
"""Least share of words in capitals of a text whose capitals say nothing."""


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
    begun: frozenset[str] = frozenset()
    """What is a fact unless the other text has the word in any case: beginnings of sentences, and short values."""
    words: str = ""
    """Every word once: a text that may hold those."""
    shouts: bool = False
    """Whether most words are in capitals."""

    def beside(self, codes: frozenset[str]) -> Facts:
        """These and the codes of the record."""
        return replace(self, told=self.told | codes, held=self.held | codes) if codes else self

    def holds(self, other: Facts) -> bool:
        """Whether all that the other text tells stands in this one."""
        return other.told <= self.held and (not other.begun or self.held.union(self.words.split()) >= other.begun)


def _values(tokens: Sequence[str]) -> int:
    """Where the value of a label begins in a line, or a word that stands alone; else its end."""
    told = [place for place, token in enumerate(tokens) if token.strip(_EDGES)]
    if len(told) == 1 and not tokens[told[0]].endswith(_LABEL_END):
        return told[0]
    label = next((place for place in told[:_LABEL_WORDS] if tokens[place].endswith(_LABEL_END)), len(tokens))
    return label + 1 if told and told[-1] - label <= _VALUE_WORDS else len(tokens)


def _read(text: str) -> Iterator[tuple[str, bool, bool]]:
    """Each token, whether a sentence begins with it, and whether it is of a value or alone on its line."""
    begins = True
    for line in text.split("\n"):
        tokens = line.split()
        value = _values(tokens) if len(tokens) <= _LABEL_WORDS + _VALUE_WORDS else len(tokens)
        begins = begins or not tokens
        for place, token in enumerate(tokens):
            yield token, begins, place >= value
            begins = not token[-1].isalnum() and _SENTENCE_END.search(token) is not None


def facts_of(text: str) -> Facts:
    """What a text tells, by its form alone: no list of names is asked."""
    told: set[str] = set()
    held: set[str] = set()
    begun: set[str] = set()
    names: set[str] = set()
    words: set[str] = set()
    loud = 0
    before = ""  # the name just before
    for raw, begins, is_value in _read(text):
        is_bare = raw.isalpha()
        word, name = raw if is_bare else raw.strip(_EDGES), ""
        small = word.lower().removesuffix("'s").removesuffix("’s")
        if small:
            words.add(small)
        if not (is_bare and word[1:].islower()) and _IDENTIFIER.search(word):
            told.add(word.lower())
        elif word[:1].isupper():
            name = small
            held.add(name)
            loud += word.isupper()
            if is_value or not begins:
                names.add(name)
            elif name in _function_words():
                name = ""
            else:
                begun.add(name)
            if before and len(name) > 1:
                names |= {before, name}
        elif is_value and small.isalpha():
            begun.add(small)
        before = name if is_bare or (raw[-1] not in ",:;" and not _SENTENCE_END.search(raw)) else ""
    shouts = loud > _SHOUTING * len(words)
    if shouts:
        begun |= words - _function_words()
    else:
        told |= names
    # Texts that are compared have most of their facts in common: one copy of each word is held.
    known = [frozenset(map(sys.intern, some)) for some in (told, held | told, begun)]
    return Facts(known[0], known[1], known[2], " ".join(words), shouts)


def choose(texts: Sequence[Facts], order: Iterable[int]) -> dict[int, int]:
    """Of like texts those that stay, and for each other one that holds all that it tells: {text: one that stays}.

    `order` breaks ties: of texts that tell as much the first stays. Texts that tell more are asked first, so that what
    is left of a text, or a blank form, goes for the whole one; those in capitals last.
    """
    ranked = sorted(order, key=lambda place: (texts[place].shouts, -len(texts[place].told)))
    frequency: dict[str, int] = {}
    for place in ranked:
        for fact in texts[place].told | texts[place].begun:
            frequency[fact] = frequency.get(fact, 0) + 1
    rarest = {
        place: min(facts, key=lambda fact: (frequency[fact], fact))
        for place in ranked
        if (facts := texts[place].told | texts[place].begun)
    }
    holders: dict[str, list[int]] = {}
    stay: list[int] = []
    found: dict[int, int] = {}
    for place in ranked:
        # Only a text that holds the rarest fact can hold all of them.
        asked = holders.get(rarest[place], []) if place in rarest else stay[:1]
        keeper = next((other for other in asked if texts[other].holds(texts[place])), None)
        found[place] = place if keeper is None else keeper
        if keeper is None:
            stay.append(place)
            for fact in texts[place].held.union(texts[place].words.split()) & frequency.keys():
                holders.setdefault(fact, []).append(place)
    # One that a later one holds goes, too, unless others went for it.
    needed = {keeper for place, keeper in found.items() if keeper != place}
    for place in stay:
        asked = holders[rarest[place]] if place in rarest and place not in needed else []
        held = (other for other in asked if other != place and found[other] == other)
        keeper = next((other for other in held if texts[other].holds(texts[place])), None)
        if keeper is not None:
            found[place] = keeper
            needed.add(keeper)
    return found
