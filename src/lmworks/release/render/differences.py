"""Two texts compared word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal

Piece = tuple[Literal["same", "out", "in"], str]
"""Words of both texts ("same"), of only the first ("out"), or of only the second ("in")."""

WORDS_COMPARED = 2_000
"""Most words compared of each text, from the first difference on: time grows with the square of their number."""
CHARACTERS_COMPARED = 1_000_000
"""Most characters compared of each text: the words of a text of 100 MB would not fit in memory."""
AROUND = 60
"""Characters shown on each side of a difference."""
SHOWN = 1_200
"""Most characters shown in all."""

_WORD = re.compile(r"\S+|\s+")


def differences(before: str, after: str) -> list[Piece]:
    """Return the pieces of both texts in order, equal pieces whole. Long texts are cut."""
    old, new = (_WORD.findall(text[:CHARACTERS_COMPARED]) for text in (before, after))
    start = _common(old, new)
    end = min(_common(old[::-1], new[::-1]), len(old) - start, len(new) - start)
    pieces: list[Piece] = [("same", "".join(old[:start]))]
    left, right = old[start : len(old) - end], new[start : len(new) - end]
    if max(len(left), len(right)) > WORDS_COMPARED:
        left, right, end = left[:WORDS_COMPARED], right[:WORDS_COMPARED], 0
    for kind, a, b, c, d in SequenceMatcher(None, left, right).get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(left[a:b])))
        else:
            pieces += [("out", "".join(left[a:b])), ("in", "".join(right[c:d]))]
    pieces.append(("same", "".join(old[len(old) - end :])))
    return [piece for piece in pieces if piece[1]]


def excerpt(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Yield the differences with some characters around them."""
    if len(pieces) == 1:
        (kind, text), *_ = pieces
        yield kind, text if len(text) <= SHOWN else text[:SHOWN] + "…"
        return
    room = SHOWN
    for place, (kind, text) in enumerate(pieces):
        if room <= 0:
            yield "same", "…"
            return
        head = text[:AROUND] if place else ""
        tail = text[-AROUND:] if place < len(pieces) - 1 else ""
        if kind == "same" and len(text) > len(head) + len(tail) + 1:
            text = f"{head}…{tail}"
        elif len(text) > room:
            text = text[:room] + "…"
        room -= len(text)
        yield kind, text


def show_spaces(text: str) -> str:
    """Return a text that is only white space as visible signs, and any other text unchanged."""
    return text if text.strip() else text.replace("\n", "↵").replace("\t", "→").replace(" ", "·")


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many words are equal at the beginning of both."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(old), len(new)))
