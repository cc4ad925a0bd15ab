"""Takes a key out of what a server says, which was sent the key and may repeat it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import NamedTuple

from lmworks.lazy import NDArray, np

SHORTEST = 8
"""Letters and digits; fewer are a word, such as `EMPTY`, that a good answer may hold. It is what a uint64 holds."""
INSTEAD = "‹key›"
ROUNDS = 3
"""Times that a text is unescaped: what was escaped more often is read by nothing that unescapes it once."""
_OTHERS = re.compile(r"[^A-Za-z0-9]+")
_ESCAPED = re.compile(
    r"(?i)(?:\\x|0x|%|=|&#x0*|\\u\{?0*)(?P<hex>[0-9a-f]{2})|&#0*(?P<decimal>[0-9]{2,3})|\\(?P<octal>[0-7]{3})"
)
"""A character as programs, addresses, pages and mails write it."""
_BASES = {"hex": 16, "decimal": 10, "octal": 8}
_NUMBERS = ("{:02x}", "u{:04x}", "{:d}", "{:03d}", "{:o}", "{:03o}", "{:08b}")


class _Reading(NamedTuple):
    text: str
    starts: NDArray[np.int64]
    """Where each of its characters begins in the text that was unescaped."""
    ends: NDArray[np.int64]


class _Runs:
    """Finds parts of some words of equal length, at least so long, by all their runs of eight letters."""

    def __init__(self, words: list[bytes], width: int) -> None:
        self._most = width - SHORTEST + 1
        known = np.unique(np.concatenate([_eights(np.frombuffer(each, np.uint8)) for each in words]))
        for factor in count(0x9E3779B97F4A7C15, 2):  # until each has a slot of its own
            self._factor = np.uint64(factor % 2**64)
            slots = self._slots(known)
            if len(np.unique(slots)) == len(known):
                break
        self._table = np.zeros(2**16, np.uint64)
        self._table[slots] = known

    def found(self, eights: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first and the last letters of parts."""
        is_known = np.concatenate(([False], self._table[self._slots(eights)] == eights, [False]))
        first, end = np.flatnonzero(is_known[1:] != is_known[:-1]).reshape(-1, 2).T
        is_long = end - first >= self._most
        return first[is_long], end[is_long] + SHORTEST - 2

    def _slots(self, eights: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return (eights * self._factor) >> np.uint64(48)


class Secret:
    """A key as it may be written: in either case, with anything between, backwards, escaped, as numbers, in base64.

    A search takes time that is linear in the text, whatever a server that knows the key puts there.
    """

    def __init__(self, key: str | None) -> None:
        raw = (key or "").encode()
        plain = _bare(key or "")
        self.is_sought = len(plain) >= SHORTEST
        escaped = "".join(chr(each) if chr(each).isalnum() else f"{each:02x}" for each in raw)  # sk%2D…
        forms = [plain, escaped, *(_in_base64(raw, before) for before in range(3))]
        forms += ["".join(map(form.format, raw)) for form in _NUMBERS]
        words: dict[int, list[bytes]] = {}
        for form in {_bare(form) for form in forms} if self.is_sought else ():
            words.setdefault(max(SHORTEST, len(form) // 2), []).extend((form.encode(), form[::-1].encode()))
        self._runs = [_Runs(each, width) for width, each in words.items()]

    def taken_out(self, text: str) -> str:
        """Return a text without the key, and without runs that are half of it or longer."""
        change = np.zeros(len(text) + 1, np.int64)
        for said, starts, ends in _readings(text) if self.is_sought else ():
            codes = np.frombuffer(said.encode("utf-32-le", "surrogatepass"), "<u4")
            places = np.flatnonzero(_is_bare()[np.minimum(codes, 128)])
            eights = _eights(_lower()[codes[places]])
            for first, last in (each.found(eights) for each in self._runs):
                np.add.at(change, starts[places[first]], 1)
                np.add.at(change, ends[places[last]], -1)
        is_key = np.cumsum(change) > 0
        edges = np.flatnonzero(np.diff(is_key, prepend=False)).tolist()
        bounds = [0, *edges, len(text)]
        return INSTEAD.join(text[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True))


def _readings(text: str) -> Iterator[_Reading]:
    """Yield a text as it is, and unescaped, once and again."""
    starts = np.arange(len(text))
    ends = starts + 1
    yield _Reading(text, starts, ends)
    for _ in range(ROUNDS):
        found = [each.span() for each in _ESCAPED.finditer(text)]
        if not found:
            return
        first, end = np.array(found).T
        change = np.zeros(len(text) + 1, np.int64)
        change[first + 1] += 1
        change[end] -= 1
        ends[first] = ends[end - 1]
        is_kept = np.cumsum(change)[:-1] == 0
        text = _ESCAPED.sub(lambda each: chr(int(each[each.lastgroup or ""], _BASES[each.lastgroup or ""])), text)
        starts, ends = starts[is_kept], ends[is_kept]
        yield _Reading(text, starts, ends)


@cache
def _is_bare() -> NDArray[np.bool_]:
    """Return, for ASCII characters and one entry for all others, whether they are letters or digits."""
    return np.array([chr(each).isalnum() for each in range(128)] + [False])


@cache
def _lower() -> NDArray[np.uint8]:
    return np.array([ord(chr(each).lower()) for each in range(128)], np.uint8)


def _eights(bare: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return every eight letters in a row as one number."""
    raw = np.ascontiguousarray(bare)
    return np.ndarray((max(0, len(raw) - SHORTEST + 1),), "<u8", raw.data, strides=(1,))


def _bare(text: str) -> str:
    return _OTHERS.sub("", text).lower()


def _in_base64(raw: bytes, before: int) -> str:
    """Return the constant part of the key in base64, if it begins after so many bytes, whatever they are."""
    said = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
    return said[(0, 2, 3)[before] : len(said) - bool((before + len(raw)) % 3)]
