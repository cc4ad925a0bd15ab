"""What a text says that another like it may not: numbers, dates, amounts, names, identifiers.

Contracts, invoices and certificates made from one template are alike in almost every phrase, and yet no copies. A text
counts as a copy of another only if that one holds every fact of it.
"""

from __future__ import annotations

import functools
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lmworks.data.duplicates.caseless import CASELESS, pieces_of
from lmworks.data.quality.clean_text import clean_text

_UNITS = "$€£¥₹₽₩₺%‰°′″"
_SIGNS = "-+<>≤≥≠≈±#"
_EDGES = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum()) + (
    "“”„‘’»«…–—•·：。，、；！？（）「」『』《》【】،؛؟۔।॥" + _UNITS + _SIGNS
)
_SENTENCE_END = re.compile(r"[.!?]['\"”’)\]]*$")
_NUMERALS = "²³¹¼-¾⁰-₟⅐-↋①-⓿❶-➓"
_IDENTIFIER = re.compile(r"\d|[@_]|[^\W\d_A-Z][-=:\"',;|/]*[A-Z]|://|(?P<compared>\w[<>]\w)")
_SYMBOL = re.compile(rf"[{_NUMERALS}☐-☒✓-✘\U0001f300-\U0001faff]|\b[α-ω]\b|\w[≤≥≠]\w")
_TAG = re.compile(r"</?\w+/?>")
_GRADE = re.compile(r"[^\w#+-]*([^\W\d_]{1,2}(?:[+#]{1,2}|-))\W*")
"""Blood groups, marks, languages and keys: A+, B-, C++, F#."""
_WAYS_OF_WRITING = (("–", "-"), ("−", "-"), ("‐", "-"), ("‑", "-"), ("’", "'"), ("\u00ad", ""), ("\u200b", ""))
_VALUE = re.compile(r"[^\W\d_]+(?:[-'/:=][^\W\d_]+)*")
_COMPARING = frozenset("<>≤≥≠")
_ALONE = _COMPARING.union("≈±", _UNITS)
_MARKS = "*_`~\"'"
_COLONS = (":", "：")
_PARTING = frozenset((":", "：", "=", "-", "→"))
_LABEL_ENDS = _PARTING.union(_MARKS)
_LABEL_WORDS = _VALUE_WORDS = 6
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
    is_caseless: bool = False
    """Whether some words are in scripts without capitals: of those every one is as what is begun."""

    def beside(self, codes: frozenset[str]) -> Facts:
        """These and the codes of the record."""
        return replace(self, told=self.told | codes, held=self.held | codes) if codes else self

    def holds(self, other: Facts) -> bool:
        """Whether all that the other text tells stands in this one."""
        if not other.told <= self.held:
            return False
        doubtful = other.doubtful()
        return not doubtful or self.held.union(self.words.split()) >= doubtful

    def doubtful(self) -> frozenset[str]:
        """What is begun, and what may be a name where none has a form; made when asked, since that is nearly all."""
        return self.begun.union(filter(CASELESS.search, self.words.split())) if self.is_caseless else self.begun


def _values(line: str, tokens: Sequence[str]) -> int:
    """Where the value of a label begins in a line, the cells of a table or a word that stands alone; else its end."""
    end = len(tokens)
    if "|" in line and (bars := tokens.count("|")):
        return tokens.index("|") + 1 if end <= _VALUE_WORDS * (bars + 1) else end
    if end > _LABEL_WORDS + _VALUE_WORDS:
        return end
    for place, token in enumerate(tokens[:-1]):
        if token[-1] in _LABEL_ENDS and (token in _PARTING or token.rstrip(_MARKS)[-1:] in _COLONS):
            told = [number for number, each in enumerate(tokens) if each.strip(_EDGES)]
            label = bisect_right(told, place)
            if told and (label or token not in _PARTING):
                return place + 1 if label <= _LABEL_WORDS and told[-1] - place <= _VALUE_WORDS else end
    alone = [place for place, token in enumerate(tokens[:4]) if token.strip(_EDGES)] if end <= 4 else ()
    return alone[0] if len(alone) == 1 and tokens[alone[0]].rstrip(_MARKS)[-1:] not in _COLONS else end


def _read(text: str) -> Iterator[tuple[str, int, bool, bool]]:
    """Each token, its place in its line, whether a sentence begins with it, and whether it is of a value or alone."""
    begins = True
    for line in text.split("\n"):
        if "\t" in line:
            line = line.strip().replace("\t", " | ")
        tokens = line.split()
        value = _values(line, tokens)
        begins = begins or not tokens
        for place, token in enumerate(tokens):
            yield token, place, begins, place >= value
            begins = not token[-1].isalnum() and _SENTENCE_END.search(token) is not None


def _written_one_way(text: str) -> tuple[bool, str, set[str]]:
    """Whether a text has a script without capitals; it with one sign for all dashes; pieces of what parts no words."""
    if text.isascii():
        return False, text, set()
    for one, other in _WAYS_OF_WRITING:
        text = text.replace(one, other)
    is_caseless = CASELESS.search(text) is not None
    return is_caseless, *(pieces_of(text) if is_caseless else (text, set()))


def _is_identifier(raw: str, word: str) -> bool:
    found = _IDENTIFIER.search(word)
    if found is None:
        return not word.isascii() and _SYMBOL.search(word) is not None
    return found.lastgroup is None or not _TAG.search(raw)


def _signed(raw: str, word: str) -> str:
    """A number with the signs before it, and behind it its units, wherever they stood; other words as they are."""
    if not (word[0].isnumeric() or word[-1].isnumeric()):
        return word.lower()
    before, _, after = raw.partition(word)
    front = "".join(sign for sign in before if sign in _SIGNS) if word[0].isnumeric() else ""
    units = "".join(sorted(sign for sign in before + after if sign in _UNITS))
    return f"{front}{word.lower()}{units}"


def facts_of(text: str) -> Facts:
    """What a text tells, by its form alone: no list of names is asked."""
    told: set[str] = set()
    held: set[str] = set()
    names: set[str] = set()
    loud = 0
    before = ""  # the name just before
    sign = number = ""  # what stands just before: a sign alone, a number
    begun: set[str] = set()
    is_caseless, text, words = _written_one_way(text)
    for raw, place, begins, is_value in _read(text):
        is_bare = raw.isalpha()
        word, name = raw if is_bare else raw.strip(_EDGES), ""
        small = word.lower().removesuffix("'s")
        if small:
            words.add(small)
        elif number and raw in _UNITS:
            told.add(number + raw)
        number = ""
        if not (word.isalpha() and word[1:].islower()) and _is_identifier(raw, word):
            number = word.lower() if not sign and len(raw) == len(word) else _signed(sign + raw, word)
            told.add(number)
        elif not is_bare and len(word) <= 2 and (grade := _GRADE.fullmatch(raw)):
            told.add(grade[1].lower())
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
        elif is_value:
            if _VALUE.fullmatch(small):
                begun.add(small)
        elif len(small) == 1 and small.isalpha() and small not in _function_words():
            begun.add(small)
        if sign and small and sign in _COMPARING:
            told.add(sign + small)
        sign = raw if not small and place and raw in _ALONE else ""
        before = name if is_bare or (raw[-1] not in ",:;" and not _SENTENCE_END.search(raw)) else ""
    shouts = loud > _SHOUTING * len(words)
    if shouts:
        begun |= words - _function_words()
    else:
        told |= names
    # Texts that are compared have most of their facts in common: one copy of each word is held.
    known = [frozenset(map(sys.intern, some)) for some in (told, held | told, begun)]
    return Facts(known[0], known[1], known[2], " ".join(words), shouts, is_caseless)


def choose(texts: Sequence[Facts], order: Iterable[int], ranks: Sequence[int] = ()) -> dict[int, int]:
    """Of like texts those that stay, and for each other one that holds all that it tells: {text: one that stays}.

    `order` breaks ties: of texts that tell as much the first stays. Texts that tell more are asked first, so that what
    is left of a text, or a blank form, goes for the whole one; those in capitals last. With `ranks` those of the least
    rank are asked before all others, and no text goes for one of a greater rank.
    """
    ranks = ranks or [0] * len(texts)
    ranked = sorted(order, key=lambda place: (ranks[place], texts[place].shouts, -len(texts[place].told)))
    frequency: dict[str, int] = {}
    for place in ranked:
        for fact in texts[place].told | texts[place].doubtful():
            frequency[fact] = frequency.get(fact, 0) + 1
    rarest = {
        place: min(facts, key=lambda fact: (frequency[fact], fact))
        for place in ranked
        if (facts := texts[place].told | texts[place].doubtful())
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
        held = (other for other in asked if other != place and found[other] == other and ranks[other] <= ranks[place])
        keeper = next((other for other in held if texts[other].holds(texts[place])), None)
        if keeper is not None:
            found[place] = keeper
            needed.add(keeper)
    return found
