"""Words that say what a column is for, and whether its name has them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

WORDS: Mapping[str, Sequence[str]] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
"""Words of columns' names by what they say of a column, the likeliest first."""
LANGUAGES: Mapping[str, Sequence[str]] = json.loads(
    Path(__file__).with_name("languages.json").read_text(encoding="utf-8")
)
"""Codes of languages, with what English and the language itself call each (Unicode CLDR)."""
SUBJECTS = WORDS["subjects"]
LABELS = WORDS["labels"]
QUESTIONS, ANSWERS = WORDS["asked"], WORDS["answered"]
ASKED, ANSWERED = [*QUESTIONS, *WORDS["read"]], [*ANSWERS, *WORDS["told"]]
SUMMARIES = WORDS["summaries"]
GROUPS = WORDS["groups"]
THINGS = frozenset(WORDS["things"])
ADDRESSES, TELEPHONES = frozenset(WORDS["addresses"]), frozenset(WORDS["telephones"])
PARTICLES = frozenset(WORDS["particles"])
"""Words of people's names in small letters."""
_PLAIN = str.maketrans({"ł": "l", "Ł": "L", "ı": "i", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "æ": "ae", "ß": "ss"})
"""Letters that are not composed of one and an accent, as headers without accents write them."""


def tokens(name: str) -> list[str]:
    """The words of a column's name, without accents, in lower case: `customerId` is customer, id; `Treść` is tresc."""
    import unicodedata

    plain = unicodedata.normalize("NFD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).translate(_PLAIN))
    letters = "".join(character for character in plain if not unicodedata.combining(character))
    return re.findall(r"[^\W\d_]+", letters.lower())


def rank(name: str, words: Sequence[str]) -> int | None:
    """How early a word of a name stands in a list; None if none does."""
    found = [words.index(token) for token in tokens(name) if token in words]
    return min(found, default=None)
