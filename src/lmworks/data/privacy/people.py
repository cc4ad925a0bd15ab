"""Persons whom a record names in a field. Their names are found in its texts without guessing who else is a person."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

from lmworks.data.base.text import fold, letters, places
from lmworks.data.personal.findings import Detector, Finding
from lmworks.data.shards.records import Document

LEAST_LOWER = 6
"""Minimum letters of a part of a name that counts alone in small letters."""
LEAST_INFLECTED = 4
"""Minimum letters of a part of a name that also counts with an ending."""
MOST_WORDS = 6
"""Maximum words of a name that is also searched with its last words first."""
MOST_BESIDE = 12
"""Maximum parts that are read as one name, because a field may hold a whole text."""
TITLES = frozenset("dr med dipl ing prof mr mrs ms miss sir madame herr frau bay hanım señor señora".split())  # noqa: SIM905
_BETWEEN, _BEHIND_SHORT = re.compile(r"[ \n_'’·-]|, ?"), re.compile(r"\.[ -]?")
"""Text between the parts of one name, and after an initial or a title, whose full stop does not end a sentence."""
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""Letters of Thai, Lao, Burmese, Khmer, Japanese, Chinese and Korean, in which names touch other words."""
_HAN_OR_HANGUL = re.compile("[\u3400-\u9fff\uac00-\ud7af]{3,4}")


def people_of(document: Document, fields: Sequence[str]) -> list[str]:
    """Return the names in some fields of a document, given name first. All texts of an object count as names."""
    return [name for path in fields for name in _names(document.value(path))]


def subject_of(document: Document, fields: Sequence[str]) -> str | None:
    """Return a document's subject, else the first name in these fields. Objects do not count: they have many names."""
    values = [value for path in fields for value in _items(document.value(path)) if not isinstance(value, Mapping)]
    return document.subject or next((name for value in values for name in _names(value)), None)


def whole_name(text: str) -> Finding:
    """Return a field with a name as one finding, because nothing of it may stay."""
    return Finding("person", 0, len(text), text, whole=given_name_first(text))


def is_named_by(name: str, fields: Sequence[str]) -> bool:
    """Return whether the place `name` of a document is in one of these fields, so that its whole text is a name."""
    return any(_place_of(path).match(f".{name}") for path in fields)


@functools.lru_cache(maxsize=1_000)
def _place_of(path: str) -> re.Pattern[str]:
    some = (r"(?:\.[^.]+)?" if part == "*" else rf"(?:\.[0-9]+)*\.{re.escape(part)}" for part in path.split("."))
    return re.compile(rf"\.{re.escape(path)}(?:\.|\Z)|{''.join(some)}(?:\.|\Z)")


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield given_name_first(value)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _names(each)


def given_name_first(name: str) -> str:
    """Return a name without comma and double spaces, given name first: "Doe, Jane" becomes "Jane Doe"."""
    family, _, given = name.partition(",")
    return " ".join(f"{given} {family}".split())


class Weight(IntEnum):
    """Weight of a part of a name that stands alone in a text."""

    BESIDE = 0
    """Weight of a title, a particle such as `von`, or an initial: it names nobody alone."""
    HALF = 1
    """Weight of one side of a hyphen, unless it is a common word."""
    PART = 2
    WHOLE = 3


@dataclass
class _Part:
    """A part of one or more names."""

    weight: Weight = Weight.BESIDE
    ranks: dict[str, int] = field(default_factory=dict)
    """Place of the part in each name."""


class _Place(NamedTuple):
    """Possible place of a part of a name in a text."""

    start: int
    end: int
    written: str
    token: str
    part: _Part
    is_alone: bool
    """Whether the part alone makes clear who is meant."""


def people_detector(names: Iterable[str]) -> Detector:
    """Return a detector of whole names, in any case and order, and of their parts as people write them."""
    parts: dict[str, _Part] = {}
    for name in dict.fromkeys(names):
        said = given_name_first(letters(name))
        words = said.split()
        turned = [(" ".join(words[place:]), " ".join(words[:place])) for place in range(1, min(len(words), MOST_WORDS))]
        wholes = [said, *(f"{family},{space}{given}" for family, given in turned for space in (" ", ""))]
        for token, weight, rank in [*_parts_of(said), *((fold(whole), Weight.WHOLE, 0) for whole in wholes if said)]:
            part = parts.setdefault(token, _Part())
            part.weight = max(part.weight, weight)
            part.ranks.setdefault(name, rank)
    pattern = re.compile("|".join(map(re.escape, sorted(parts, key=len, reverse=True))))

    def find(text: str) -> Iterator[Finding]:
        folded = fold(text)
        if any(map(folded.__contains__, parts)):
            for run in _runs(_places(text, folded, pattern, parts), text):
                yield from _findings(run, text)

    return Detector("person", find)


def _parts_of(name: str) -> Iterator[tuple[str, Weight, int]]:
    """Yield the folded parts of a name, each with its weight and its place."""
    rank, has_capitals = 0, name != name.lower()
    for word in name.split():
        pieces = _tokens(word)
        for token in pieces:
            is_particle = has_capitals and word.islower()
            lone = len(pieces) == 1
            says_nothing = token in _titles() or is_particle or (len(token) == 1 and not lone)
            weight = Weight.BESIDE if says_nothing or len(token) == 1 else Weight.PART if lone else Weight.HALF
            yield token, weight, rank
            rank += 1
            if _HAN_OR_HANGUL.fullmatch(token) and len(name.split()) == 1:
                family = len(token) // 2 if len(token) == 4 else 1
                yield from ((some, Weight.PART, rank) for some in (token[:family], token[family:]) if len(some) > 1)


def _tokens(word: str) -> list[str]:
    """Return the runs of letters, digits and the marks that belong to letters, folded."""
    return "".join(each if _is_in_word(each) else " " for each in fold(word)).split()


def _is_in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _is_word(token: str) -> bool:
    return all(map(_is_in_word, token))


def _places(text: str, folded: str, pattern: re.Pattern[str], parts: Mapping[str, _Part]) -> Iterator[_Place]:
    """Yield the places where parts stand as words, with their endings."""
    at: Sequence[int] = range(len(text) + 1) if text.isascii() else places(text)
    for found in pattern.finditer(folded):
        start, end, token = *found.span(), found[0]
        part = parts[token]
        if not _needs_no_space(token):
            if start and _touches(folded[start - 1], token):
                continue
            while end < len(folded) and end < found.end() + 5 and _touches(folded[end], token):
                end += 1
        first, last = at[start], at[end - 1] + 1
        if end > found.end() and not _is_ending(text[first:last], token, folded[found.end() : end], part.weight):
            continue
        while last < len(text) and not fold(text[last]):
            last += 1
        written = text[first:last]
        is_alone = _is_alone(written, token, part.weight) or (written in part.ranks and _is_no_word(token))
        yield _Place(first, last, written, token, part, is_alone)


def _needs_no_space(token: str) -> bool:
    """Return whether a token's script puts no space between words, or attaches words to it, as Arabic does."""
    return bool(_UNSPACED.search(token)) or (len(token) >= LEAST_INFLECTED and token.upper() == token.lower())


def _touches(character: str, token: str) -> bool:
    """Return whether a part beside this character is only part of a word. Longer parts may touch digits."""
    return _is_in_word(character) and not (len(token) >= LEAST_INFLECTED and character.isdigit())


def _is_ending(word: str, token: str, rest: str, weight: Weight) -> bool:
    """Return whether the rest of a word after a part of a name is a case ending: "Jörgs", "Yıldırımoğluna"."""
    if len(token) < LEAST_INFLECTED or weight < Weight.PART or len(rest) > (2 if len(token) < LEAST_LOWER else 4):
        return False
    return rest.isalpha() and (word[-len(rest) :].islower() or word.isupper()) and fold(word) not in frequent_words()


def _is_alone(written: str, token: str, weight: Weight) -> bool:
    if weight == Weight.WHOLE:
        return not _is_word(token) or not written.islower() or (len(token) >= LEAST_LOWER and _is_no_word(token))
    if weight == Weight.BESIDE:
        return False
    if len(token) == 2:
        return (written.istitle() and token not in _short_words()) or bool(_UNSPACED.fullmatch(token))
    if written.islower():
        return len(token) >= LEAST_LOWER and _is_no_word(token)
    return weight == Weight.PART or (len(token) >= LEAST_INFLECTED and _is_no_word(token))


def _is_no_word(token: str) -> bool:
    return len(token) > 2 and token not in frequent_words()


@functools.cache
def _titles() -> frozenset[str]:
    return frozenset(map(fold, TITLES))


@functools.cache
def frequent_words() -> frozenset[str]:
    """Return frequent words of some languages. A name can be such a word."""
    from lmworks.data.quality.clean_text import clean_text  # half a second of reading

    known = clean_text()
    functions = (word for words in known.functions.values() for word in words)
    return frozenset(map(fold, [*known.words, *functions]))


@functools.cache
def _short_words() -> frozenset[str]:
    from lmworks.data.quality.clean_text import clean_text

    known = clean_text()
    return frozenset(fold(word) for name in known.languages_of_words for word in known.functions[name])


def _runs(found: Iterable[_Place], text: str) -> Iterator[list[_Place]]:
    """Yield runs of different parts of one name that stand beside each other."""
    run: list[_Place] = []
    owners: set[str] = set()
    for place in found:
        common = owners & place.part.ranks.keys()
        is_new = (
            len(run) < MOST_BESIDE
            and _is_word(place.token)
            and all(_is_word(each.token) and place.token != each.token for each in run)
        )
        if not (common and is_new and _are_beside(run[-1], place, text)):
            if run:
                yield run
            run, common = [], set(place.part.ranks)
        run.append(place)
        owners = common
    if run:
        yield run


def _are_beside(before: _Place, place: _Place, text: str) -> bool:
    is_short = len(before.token) == 1 or before.token in _titles()
    behind = (_BETWEEN, _BEHIND_SHORT) if is_short else (_BETWEEN,)
    return any(pattern.fullmatch(text, before.end, place.start) for pattern in behind)


def _findings(run: list[_Place], text: str) -> Iterator[Finding]:
    """Yield the name in a run, as one finding per line."""
    owner = next(name for name in run[0].part.ranks if all(name in each.part.ranks for each in run))
    taken = _taken(run, [each.part.ranks[owner] for each in run], text)
    start: _Place | None = None
    for place, after, is_taken, goes_on in zip(run, [*run[1:], None], taken, [*taken[1:], False], strict=True):
        start = (start or place) if is_taken else None
        if start and not (after and goes_on and "\n" not in text[place.end : after.start]):
            yield Finding("person", start.start, place.end, text[start.start : place.end], whole=owner)
            start = None


def _taken(run: Sequence[_Place], ranks: Sequence[int], text: str) -> list[bool]:
    """Return which parts of a run belong to the name: parts that count alone, and others beside them."""
    has_comma = "," in text[run[0].start : run[-1].end]
    small = [each.written.islower() for each in run]
    alone = [each.is_alone for each in run]
    core = [each.part.weight > Weight.BESIDE for each in run]
    in_order = has_comma or not any(small) or all(before < after for before, after in pairwise(ranks))
    if not any(alone):
        return [True] * len(run) if sum(core) > 1 and in_order else [False] * len(run)
    all_small = all(small[place] for place, is_alone in enumerate(alone) if is_alone)

    def joins(place: int) -> bool:
        if core[place]:
            return not small[place] or all_small
        leads = place + 1 < len(run) and ranks[place] + 1 == ranks[place + 1]
        return leads or (place > 0 and ranks[place - 1] + 1 == ranks[place])

    return [alone[place] or joins(place) for place in range(len(run))]
