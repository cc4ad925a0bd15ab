"""Rules by which published corpora were filtered, with the published limits. Each rule has a reason of its own.

Gopher: Rae et al. 2021 (arXiv 2112.11446), section A.1.1 and table A1. C4: Raffel et al. 2020 (JMLR 21, 140), section
2.2. FineWeb: Penedo et al. 2024 (arXiv 2406.17557), section 3.6. The rules were made for English web pages. Here they
also count words in scripts without spaces, by their letters, and the rules of C4 and FineWeb find the ends of sentences
in other scripts. Paragraphs are separated by empty lines, which are not counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import mul

from lmworks.data.base.words import count_words, judged_words, letters_a_word

JUDGED_CHARACTERS = 1_000_000
"""Number of first characters in which repetition is measured. Gopher drops longer texts, and memory is bounded."""

_STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
_UNSPACED_STOP_WORDS = (
    *("的", "是", "在", "和", "不", "了", "の", "は", "を", "に", "て", "が", "ที่", "และ", "ของ", "ใน", "เป็น", "ให้"),
    *("ທີ່", "ແລະ", "ຂອງ", "ໃນ", "និង", "ជា", "នៃ", "ដែល", "သည်", "ကို", "နှင့်", "မှာ"),
)
"""Words as common in Chinese, Japanese, Thai, Lao, Khmer and Burmese as Gopher's stop words are in English."""
_PARAGRAPHS = re.compile("\n{2,}")


def gopher_quality(text: str) -> str | None:
    """Apply section A.1.1: number and length of words, symbols, bullets, words with letters, stop words."""
    (words, times), lines = judged_words(text), _lines(text)
    size = count_words(text)
    with_letters = sum(word[0].isalpha() or any(map(str.isalpha, word)) for word in words)
    broken = {
        "fewer than 50 words": size < 50,
        "more than 100,000 words": size > 100_000,
        "mean length of words outside 3 to 10": times == 1 and not 3 * size <= sum(map(len, words)) <= 10 * size,
        "more than 0.1 hash signs a word": text.count("#") > 0.1 * size,
        "more than 0.1 ellipses a word": text.count("...") + text.count("…") > 0.1 * size,
        "more than 90 % of lines are bullets": _count(lines, ("•", "-", "*"), at_end=False) > 0.9 * len(lines),
        "more than 30 % of lines end in an ellipsis": _count(lines, ("...", "…")) > 0.3 * len(lines),
        "fewer than 80 % of words have a letter": with_letters < 0.8 * len(words),
        "fewer than 2 stop words": _stop_words(text, times) < 2,
    }
    return _first("gopher", broken)


def _stop_words(text: str, times: int) -> int:
    """Return the number of stop words of any language in a text. `times` is that of `judged_words`."""
    if times == 1:
        return len(_STOP_WORDS.intersection(text.lower().split()))
    return sum(word in text for word in _UNSPACED_STOP_WORDS)


def gopher_repetition(text: str) -> str | None:
    """Apply table A1: repeated lines and paragraphs, the most frequent phrase, all repeated phrases."""
    text = text[:JUDGED_CHARACTERS]
    for unit, parts in (("paragraphs", _PARAGRAPHS.split(text.strip())), ("lines", _lines(text))):
        number, characters = repeats(parts)
        if number > 0.30 * len(parts):
            return f"gopher: more than 30 % of {unit} are repeated"
        if characters > 0.20 * len(text):
            return f"gopher: more than 20 % of characters in repeated {unit}"
    words, times = judged_words(text)
    if size := _frequent_phrase(words, times, len(text)):
        return f"gopher: more than {24 - 2 * size if size > 2 else 20} % of characters in one {size}-gram"
    for size in range(5, 11):
        characters = repeated_characters(words, size * times)
        if characters > (20 - size) / 100 * len(text):
            return f"gopher: more than {20 - size} % of characters in repeated {size}-grams"
        if characters <= 0.10 * len(text):  # a longer phrase repeats no word that this one does not
            break
    return None


def fineweb(text: str) -> str | None:
    """Apply section 3.6: lines that do not end a sentence, repeated lines, short lines."""
    lines = _lines(text)
    ends = sum(map(_ends, lines))
    broken = {
        "at most 12 % of lines end a sentence": ends <= 0.12 * len(lines),
        "at least 10 % of characters in repeated lines": repeats(lines)[1] >= 0.1 * sum(map(len, lines)),
        "at least 67 % of lines below 30 characters": sum(map(_is_short, lines)) >= 0.67 * len(lines),
    }
    return _first("fineweb", broken)


def _ends(line: str, *others: str) -> bool:
    """Return whether a line ends as a sentence does."""
    return line.endswith((".", "!", "?", *others)) or (not line.isascii() and _OTHER_END.search(line) is not None)


def _is_short(line: str) -> bool:
    """Return whether a line is below 30 characters or, in a script without spaces, also below five words."""
    return len(line) < 30 and (letters_a_word(line) == 1 or count_words(line) < 5)


_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_POLICIES = re.compile("terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies")
_SENTENCE_END = re.compile(r"""[.!?]["'”’)\]]*(?=\s|$)|[。！？।॥؟۔።။។]["'”’)\]」』）]*|(?<=[\u0e00-\u0eff])(?=\s|$)""")
"""Thai and Lao mark no end of a sentence, but put a space there."""
_OTHER_END = re.compile(r"""(?:[。！？।॥؟۔።။។]["'”’)\]」』）]*|[\u0e00-\u0eff])\Z""")


def c4(text: str) -> str | None:
    """Apply section 2.2 without its word list and language test: find code, placeholder texts, and texts with fewer
    than 3 sentences in the lines that `running_text` leaves."""
    broken = {
        "lorem ipsum": "lorem ipsum" in text.lower(),
        "curly bracket": "{" in text,
        "fewer than 3 sentences": len(_SENTENCE_END.findall(running_text(text))) < 3,
    }
    return _first("c4", broken)


def running_text(text: str) -> str:
    """Return a text without the lines and citation marks that section 2.2 takes out."""
    kept = [line for line in _CITATION.sub("", text).split("\n") if not _is_cut(line.strip())]
    return _PARAGRAPHS.sub("\n\n", "\n".join(kept)).strip("\n")


def _is_cut(line: str) -> bool:
    lower = line.lower()
    # An ellipsis is no end: so the code that C4 was made with, of which the paper says nothing.
    is_sentence = _ends(line, '"', "”") and not line.endswith("...")
    return bool(line) and not (
        is_sentence and count_words(line) >= 5 and "javascript" not in lower and not _POLICIES.search(lower)
    )


def _first(name: str, broken: Mapping[str, bool]) -> str | None:
    return next((f"{name}: {rule}" for rule, is_broken in broken.items() if is_broken), None)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()] or [""]


def _count(lines: Sequence[str], marks: tuple[str, ...], at_end: bool = True) -> int:
    return sum(line.endswith(marks) if at_end else line.startswith(marks) for line in lines)


def repeats(parts: Sequence[str]) -> tuple[int, int]:
    """Return how many parts occurred before, and their characters."""
    unique = set(parts)
    return len(parts) - len(unique), sum(map(len, parts)) - sum(map(len, unique))


def _frequent_phrase(words: Sequence[str], times: int, characters: int) -> int | None:
    """Return the smallest size, of 2 to 4 words, at which one phrase fills more of the text than its limit."""
    counts, space = Counter(words), " " * (times == 1)
    highest = 2 * times * max(map(mul, counts.values(), map(len, counts)), default=0)
    highest += max(counts.values(), default=0)
    for size, most in ((2, 0.20), (3, 0.18), (4, 0.16)):
        if highest <= 0.068 * characters:  # two such and a space between them hold less than 16 %
            return None
        found = Counter(phrases(words, size * times))
        highest = max((often * len(space.join(each)) for each, often in found.items() if often > 1), default=0)
        if highest > most * characters:
            return size
    return None


def repeated_characters(words: Sequence[str], size: int) -> int:
    """Return the number of letters in phrases that occurred before. Each letter counts once."""
    seen: set[tuple[str, ...]] = set()
    characters = end = 0
    for start, phrase in enumerate(phrases(words, size)):
        if phrase in seen:
            characters += sum(map(len, words[max(start, end) : start + size]))
            end = start + size
        seen.add(phrase)
    return characters


def phrases(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(size)), strict=False)
