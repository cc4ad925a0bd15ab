"""Many lists of words, sought in many texts in one pass: where each list may have a word, told by six characters.

Characters fall into 64 classes, three at a time into a number; a table says which lists have a word that begins so. The
few places that are left are held to the words themselves by whoever asks.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lmworks.lazy import NDArray, np

MOST_LISTS = 64
"""Each is one bit."""
_AT_ONCE = 1 << 18
"""Characters that are looked at together: what is computed of them stays in the processor's caches."""
_BITS = 6
_CLASSES = 1 << _BITS
_OWN = f"{string.ascii_lowercase}{string.digits} \"#&'()*+,-./:;<=>_|~"
_TOGETHER = 3
_ALL = 1 << 3 * _BITS
_BEYOND = 0xFFFF
"""Characters beyond the basic plane count as one: no word has them."""


def lowered(text: str) -> str:
    """The text in lower case, character by character: as long as the text."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := each.lower()) == 1 else each for each in text)


def _class_of(code: int) -> int:
    """Letters have a class each, in any case, and so have digits and signs of words; the rest share six."""
    character = lowered(chr(code))
    place = _OWN.find(character)
    return place if place >= 0 else len(_OWN) + ord(character) % (_CLASSES - len(_OWN))


@functools.cache
def _classes() -> NDArray[Any]:
    return np.array([_class_of(code) for code in range(_BEYOND + 1)], np.uint16)


@dataclass(frozen=True)
class Places:
    """Where one list may have words."""

    owners: NDArray[Any]
    """The text of each place, in order."""
    places: NDArray[Any]
    bounds: Sequence[int]
    """The places of text n are those from number `bounds[n]` to `bounds[n + 1]`."""

    def texts(self) -> list[int]:
        """The texts that may have a word."""
        numbers: list[int] = np.unique(self.owners).tolist()
        return numbers

    def inside(self, number: int) -> list[int]:
        """Where one text may have a word."""
        places: list[int] = self.places[self.bounds[number] : self.bounds[number + 1]].tolist()
        return places


class Words:
    """Lists of words of two or more characters, without line ends, in lower case."""

    def __init__(self, lists: Sequence[Sequence[str]]) -> None:
        if len(lists) > MOST_LISTS:
            raise ValueError(f"{len(lists)} lists of words; at most {MOST_LISTS} are sought at once")
        self._lists = len(lists)
        self._begins = np.zeros(_ALL, np.bool_)
        self._of_length = {length: np.zeros(_ALL, np.uint64) for length in range(2, 2 * _TOGETHER + 1)}
        for number, words in enumerate(lists):
            for word in words:
                some = word[: 2 * _TOGETHER]
                classes = [_class_of(min(ord(each), _BEYOND)) for each in some] + [0] * (2 * _TOGETHER - len(some))
                first, second = (
                    sum(each << (2 - place) * _BITS for place, each in enumerate(three))
                    for three in (classes[:3], classes[3:])
                )
                self._begins[first : first + (1 << max(0, 3 - len(some)) * _BITS)] = True
                place = _mixed(np.array([first], np.uint32), np.array([second], np.uint32), len(some))
                self._of_length[len(some)][place] |= np.uint64(1 << number)

    def places(self, texts: Sequence[str], stretches: Sequence[Sequence[tuple[int, int]]]) -> list[Places]:
        """For each list the places where a word of it may begin, in the stretches given of each text."""
        pieces = [(number, *each) for number, some in enumerate(stretches) for each in some]
        nowhere = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
        found = [nowhere, *(self._in_pieces(texts, some) for some in _parts(pieces))]
        owners, places, lists = map(np.concatenate, zip(*found, strict=True))
        numbers = np.arange(len(texts) + 1)
        chosen = (lists & np.uint64(1 << each) != 0 for each in range(self._lists))
        return [Places(owners[some], places[some], np.searchsorted(owners[some], numbers).tolist()) for some in chosen]

    def _in_pieces(self, texts: Sequence[str], pieces: Sequence[tuple[int, int, int]]) -> tuple[NDArray[Any], ...]:
        codes = _codes("\n".join([*(texts[number][left:right] for number, left, right in pieces), "\n" * 6]))
        classes = _classes()[codes]
        threes = (classes[:-2].astype(np.uint32) << 2 * _BITS) | (classes[1:-1] << _BITS) | classes[2:]
        places = np.flatnonzero(self._begins[threes[:-3]])
        first, second = threes[places], threes[places + 3]
        lists = np.zeros(len(places), np.uint64)
        for length, table in self._of_length.items():
            lists |= table[_mixed(first, second, length)]
        places, lists = places[lists != 0], lists[lists != 0]
        numbers, lefts, rights = np.array(pieces, np.int64).T
        starts = np.concatenate([[0], np.cumsum(rights - lefts + 1)])
        owners = np.minimum(np.searchsorted(starts, places, "right") - 1, len(pieces) - 1)
        return numbers[owners], places - starts[owners] + lefts[owners], lists


def _mixed(first: NDArray[Any], second: NDArray[Any], length: int) -> NDArray[Any]:
    """A number for the first so many of six characters; hardly any others have the same."""
    if length <= _TOGETHER:
        return first >> (_TOGETHER - length) * _BITS
    rest = (second >> (2 * _TOGETHER - length) * _BITS) * np.uint32(0x85EBCA77)
    return (first * np.uint32(0x9E3779B1) ^ rest) >> np.uint32(32 - 3 * _BITS)


@functools.lru_cache(maxsize=8)
def words_of_lists(lists: tuple[tuple[str, ...], ...]) -> Words:
    """What seeks these lists: to make it takes some milliseconds."""
    return Words(lists)


def _parts(pieces: Sequence[tuple[int, int, int]]) -> Iterator[Sequence[tuple[int, int, int]]]:
    """The pieces, so many at a time as are looked at together."""
    start = length = 0
    for end, (_, left, right) in enumerate(pieces, 1):
        length += right - left
        if length >= _AT_ONCE or end == len(pieces):
            yield pieces[start:end]
            start, length = end, 0


def _codes(text: str) -> NDArray[Any]:
    """The number of each character."""
    try:
        return np.frombuffer(text.encode("latin-1"), np.uint8)
    except UnicodeEncodeError:
        wide = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        return np.minimum(wide, _BEYOND).astype(np.uint16)
