"""The rules that published corpora were filtered by, each a reason of its own, with the published limits.

Gopher: Rae et al. 2021 (arXiv 2112.11446), section A.1.1 and table A1. C4: Raffel et al. 2020 (JMLR 21, 140),
section 2.2. FineWeb: Penedo et al. 2024 (arXiv 2406.17557), section 3.6. They were made for English web pages.

A word is what stands between white space, a paragraph what stands between empty lines; lines that are empty do not
count. Shares of characters are shares of the whole text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import mul

JUDGED_CHARACTERS = 1_000_000
"""Repetition is judged by this beginning: Gopher lets no longer text pass, and memory is bounded."""

_STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
_PARAGRAPHS = re.compile("\n{2,}")


def gopher_quality(text: str) -> str | None:
    """Section A.1.1: too few or too many words, words of unlikely length, symbols, bullets, too little language."""
    words = text.split()
    if len(words) < 50:
        return "gopher: fewer than 50 words"
    if len(words) > 100_000:
        return "gopher: more than 100,000 words"
    if not 3 <= sum(map(len, words)) / len(words) <= 10:
        return "gopher: mean length of words outside 3 to 10"
    if text.count("#") > 0.1 * len(words):
        return "gopher: more than 0.1 hash signs a word"
    if text.count("...") + text.count("…") > 0.1 * len(words):
        return "gopher: more than 0.1 ellipses a word"
    lines = _lines(text)
    if sum(line.lstrip().startswith(("•", "-", "*")) for line in lines) > 0.9 * len(lines):
        return "gopher: more than 90 % of lines are bullets"
    if sum(line.rstrip().endswith(("...", "…")) for line in lines) > 0.3 * len(lines):
        return "gopher: more than 30 % of lines end in an ellipsis"
    if sum(word[0].isalpha() or any(map(str.isalpha, word)) for word in words) < 0.8 * len(words):
        return "gopher: fewer than 80 % of words have a letter"
    if len(_STOP_WORDS & set(text.lower().split())) < 2:
        return "gopher: fewer than 2 stop words"
    return None


def gopher_repetition(text: str) -> str | None:
    """Table A1: repeated lines and paragraphs, the most frequent phrase, all repeated phrases."""
    text = text[:JUDGED_CHARACTERS]
    for unit, parts in (("paragraphs", _PARAGRAPHS.split(text.strip())), ("lines", _lines(text))):
        number, characters = _repeats(parts)
        if number > 0.30 * len(parts):
            return f"gopher: more than 30 % of {unit} are repeated"
        if characters > 0.20 * len(text):
            return f"gopher: more than 20 % of characters in repeated {unit}"
    words = text.split()
    for size, most in _frequent_phrases(words, len(text)):
        return f"gopher: more than {most:.0%} of characters in one {size}-gram".replace("%", " %")
    for size in range(5, 11):
        share, most = _repeated_characters(words, size), 0.20 - size / 100
        if share > most * len(text):
            return f"gopher: more than {most:.0%} of characters in repeated {size}-grams".replace("%", " %")
        if share <= 0.10 * len(text):  # a longer phrase repeats no word that this one does not
            break
    return None


def fineweb(text: str) -> str | None:
    """Section 3.6: lines that end no sentence, repeated lines, short lines."""
    lines = _lines(text)
    if sum(line.endswith((".", "!", "?", "。", "！", "？", "।", "؟", "۔")) for line in lines) <= 0.12 * len(lines):
        return "fineweb: at most 12 % of lines end a sentence"
    if _repeats(lines)[1] >= 0.1 * sum(map(len, lines)):
        return "fineweb: at least 10 % of characters in repeated lines"
    if sum(len(line) < 30 for line in lines) >= 0.67 * len(lines):
        return "fineweb: at least 67 % of lines below 30 characters"
    return None


@dataclass(frozen=True)
class Cut:
    """A text without some of its lines, and each line or piece that went with its reason."""

    text: str
    pieces: Sequence[tuple[str, str]]


_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_POLICIES = re.compile("terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies")
_SENTENCE_END = re.compile(r"""[.!?]["'”’)\]]*(?=\s|$)""")


def c4(text: str) -> str | Cut | None:
    """Section 2.2 but for its word list and its language test: pages of code and placeholders go, and so do lines."""
    if "lorem ipsum" in text.lower():
        return "c4: lorem ipsum"
    if "{" in text:
        return "c4: curly bracket"
    kept: list[str] = []
    pieces: list[tuple[str, str]] = []
    for line in text.split("\n"):
        pieces += (("c4: citation mark cut", mark) for mark in _CITATION.findall(line))
        shorter = _CITATION.sub("", line)
        if reason := shorter.strip() and _bad_line(shorter.strip()):
            pieces.append((f"c4: line cut, {reason}", line))
        else:
            kept.append(shorter)
    rest = _PARAGRAPHS.sub("\n\n", "\n".join(kept)).strip("\n")
    if sum(1 for _ in _SENTENCE_END.finditer(rest)) < 3:
        return "c4: fewer than 3 sentences"
    return Cut(rest, pieces) if pieces else None


def _bad_line(line: str) -> str:
    # An ellipsis is no end: so the code that C4 was made with, which says more than the paper.
    if not line.endswith((".", "!", "?", '"', "”")) or line.endswith("..."):
        return "no end of a sentence"
    if len(line.split(maxsplit=5)) < 5:
        return "fewer than 5 words"
    lower = line.lower()
    if "javascript" in lower:
        return "javascript"
    return "terms of use, privacy or cookies" if _POLICIES.search(lower) else ""


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()] or [""]


def _repeats(parts: Sequence[str]) -> tuple[int, int]:
    """How many parts occurred before, and their characters."""
    if len(unique := set(parts)) == len(parts):
        return 0, 0
    return len(parts) - len(unique), sum(map(len, parts)) - sum(map(len, unique))


def _frequent_phrases(words: Sequence[str], characters: int) -> Iterator[tuple[int, float]]:
    """Sizes of 2 to 4 words of which one phrase holds more than its share of the text, with that share."""
    counts = Counter(words)
    highest = 2 * max(map(mul, counts.values(), map(len, counts)), default=0) + max(counts.values(), default=0)
    for size, most in ((2, 0.20), (3, 0.18), (4, 0.16)):
        if highest <= 0.068 * characters:  # two such and a space between them hold less than 16 %
            return
        grams = Counter(zip(*(words[start:] for start in range(size)), strict=False))
        highest = max((times * len(" ".join(gram)) for gram, times in grams.items() if times > 1), default=0)
        if highest > most * characters:
            yield size, most


def _repeated_characters(words: Sequence[str], size: int) -> int:
    """Letters in phrases that occurred before; each counts once."""
    phrases = list(zip(*(words[start:] for start in range(size)), strict=False))
    if len(set(phrases)) == len(phrases):
        return 0
    seen, characters, end = set(), 0, 0
    for start, phrase in enumerate(phrases):
        if phrase in seen:
            characters += sum(map(len, words[max(start, end) : start + size]))
            end = start + size
        else:
            seen.add(phrase)
    return characters
