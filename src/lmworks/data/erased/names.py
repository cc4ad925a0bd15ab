"""Names in a text: their beginnings and ends."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

from lmworks.data.base.text import fold
from lmworks.data.base.words import HANGUL, word_spans
from lmworks.data.privacy.people import TITLES, frequent_words

MOST_WORDS = 5
"""Maximum words of a value that can be a name."""
WRAPPED = 40
"""Minimum characters of a line whose end can be inside a sentence. A shorter line counts as an item of a list."""
MOST_ENDING = 4
"""Maximum letters of an ending after the stem of a word."""
SHORTEST_FAMILY_NAME = 4
"""Minimum letters of a capitalised word that extends a name before it. `Tel` and `Fax` are shorter."""
_JOINED = re.compile(r"[*_~]*['’ʼ‘`´.·・‐‑-]?[*_~]*|(?:[^\S\t-\r]|[*_~])+|['’ʼ‘`´][^\S\t-\r]")
"""Pattern between the words of one name: spaces with Markdown's marks, or one mark without a space."""
_SHORTENED = re.compile(r"\.[*_~]*[^\S\t-\r]+")
"""Pattern after an initial or a title."""
_LINE_END = re.compile(r"[^\S\r\n]*\r?\n(?:[>|] ?)*[^\S\r\n]*")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])['’ʼ‘`´](?=[^\W\d_])")
_HYPHEN, _SPACE = re.compile("[-‐‑]"), re.compile(r"[^\S\r\n]")
_KOREAN = re.compile("(H{1,2}) (H{1,2})|(H)(H{2})|(H{2})(H{2})".replace("H", f"[{HANGUL}]"))
_TAIL = re.compile(
    rf"(?<=[{HANGUL}]{{2}})(?:선생님|사장님|고객님|교수님|환자분|님|씨|에게서|에게|에서|에|께서|께|한테|를|을|의|는|와|랑|까지|부터|으로|"
    rf"로|처럼|보다|이라고|라고|입니다|이에요|이다|이며|이고|(?<=[{HANGUL}]{{3}})(?:이|가|은|도|만|과|야)){{1,3}}(?![{HANGUL}])"
)
"""Pattern of titles and particles that Korean attaches to a name without a space."""


def spellings(name: str) -> list[str]:
    """Return a name with and without apostrophes, or a Korean name with and without its space."""
    parts = _KOREAN.fullmatch(name)
    if parts is None:
        return [*dict.fromkeys((name, _APOSTROPHE.sub("", name)))]
    family, given = filter(None, parts.groups())
    return [f"{family}{given}", f"{family} {given}"]


def without_particles(text: str) -> str:
    """Return a text without the titles and particles that Korean attaches to words."""
    return _TAIL.sub("", text)


@lru_cache(maxsize=1)  # a text has a name more than once
def _spans(text: str) -> list[tuple[int, int]]:
    return word_spans(text.replace("_", " "))


def is_one_name(text: str, first: int, size: int) -> bool:
    """Return whether some words are one whole name, not parts of two names or of a longer name.

    A longer name continues after a hyphen, or with another capitalised word that is not frequent.
    """
    spans = _spans(text)
    own = spans[first : first + size]
    if not all(_joins(text, *before, start) for before, (start, _) in pairwise(own)):
        return False
    (start, _), (_, end) = own[0], own[-1]
    before = spans[first - 1] if first else (0, 0)
    behind = spans[first + size] if first + size < len(spans) else (len(text), len(text))
    name, gap = text[start:end], text[end : behind[0]]
    is_spaced = re.search(r"\s", name) is not None  # "letter-Jane-Roe" names her, "Anna-Jane Roe" another
    for word, sign in ((text[slice(*before)] * is_spaced, text[before[1] : start]), (text[slice(*behind)], gap)):
        if word and _HYPHEN.fullmatch(sign) and (word[0].isupper() or (name.islower() and len(word) > MOST_ENDING)):
            return fold(word) in TITLES
    if "." in name and not is_spaced and re.match(r"[.-]\w", text[end : end + 2]):
        return False  # it is in a longer address
    is_plain = name.isupper() or name.islower() or text.startswith(":", behind[1])
    return is_plain or not (_SPACE.fullmatch(gap) and _is_family_name(text[slice(*behind)]))


def _joins(text: str, start: int, end: int, after: int) -> bool:
    between = text[end:after]
    if _JOINED.fullmatch(between):
        return True
    if _SHORTENED.fullmatch(between):
        return end - start == 1 or fold(text[start:end]) in TITLES
    line = max(text.rfind("\n", 0, end), text.rfind("\r", 0, end))
    return end - line > WRAPPED and _LINE_END.fullmatch(between) is not None


def _is_family_name(word: str) -> bool:
    is_capitalised = len(word) >= SHORTEST_FAMILY_NAME and word[0].isupper() and word[1:].islower()
    return is_capitalised and fold(word) not in TITLES and fold(word) not in frequent_words()
