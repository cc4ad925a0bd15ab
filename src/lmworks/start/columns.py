"""What a column of a table holds, by its values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lmworks.data.base.text import one_form
from lmworks.data.parsers.facts import is_date
from lmworks.data.personal.hidden import hide
from lmworks.data.quality.language import languages_of
from lmworks.pipeline.files import digest_text
from lmworks.start.predicted import MOST_VALUES
from lmworks.start.seen import MOST_DISTINCT, Column, ColumnKind
from lmworks.start.words import ADDRESSES, PARTICLES, TELEPHONES, tokens

MOST_CATEGORIES = 300
LOOKED_AT = 20_000
"""Characters of a value that its words are counted in."""
MOST_NAMED, MOST_OF_A_NAME = 10, 60
"""Columns, or labels, that are told one by one, and characters of a label."""
FEWEST = 3
"""Texts of a label, below which one of train, validation and test is without it."""
MOST_GRADES = 12
"""Different whole numbers up to which a column is one of categories. One of more is if words predict it (`roles`)."""
LONGEST_KEPT = 200
"""Characters of a value, of longer ones the first, with a digest of the whole."""
TRIED = 500
"""Values that are looked at for dates and language."""
WORDS, CHARACTERS = 4, 30
"""In the mean of values, from where on they are texts."""
_IDENTIFIER = re.compile(
    r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?|[^\s@]+@[^\s@]+\.[^\s@]+|\+?[\d\s()/.-]{6,}"
)
"""An IBAN, in groups or not, an address of mail or a number of a telephone: of several words, and no text."""
_WORDS = re.compile(r"[^\d@_/\\:]*[^\W\d_][^\d@_/\\:]*")
"""Letters and no digits, and neither an address nor a path: what a person may look for, such as a term."""
MOST_OF_AN_ADDRESS = 90
"""Characters in the mean, from where on a column called `address` holds texts."""
MOST_WORDS = 5
"""Of a person's name: `María del Carmen García Fernández` has two more than most."""
SHARE_OF_NAMES = 0.9
"""Of a column's values, from where on it holds people's names by how they are written."""
_MAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_TELEPHONE = re.compile(r"\+[\d\s()/.-]{6,}")
_OF_HOUSE = re.compile(r"(?s).*(\d.*[^\W\d_]|[^\W\d_].*\d).*")
"""Letters and digits."""
_TOWN = r", (?:[A-Z]{1,2}-)?\d{2,5}[- ]?\d{0,3} [^\W\d_].*"
_STREET = re.compile(rf"(?:[^\d,]{{3,40}} \d+\S{{0,6}}|\d+\S{{0,3}},? [^\d,]{{3,40}}){_TOWN}")
"""Street and number, postcode and town, as most of Europe writes them."""
_NUMBER = re.compile(r"[-+]?[€$£]?\s?\d[\d.,' ]*(?:[eE][-+]?\d+)?\s?[%€$£]?")


@dataclass
class Values:
    """A column while its rows go by."""

    filled: int = 0
    characters: int = 0
    words: int = 0
    numbers: int = 0
    nested: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    first: list[Any] = field(default_factory=list)
    """Values, the first of them."""

    def add(self, value: Any) -> int | None:
        """Note one row's value; a digest of what it says, if it says something."""
        if value is None or (text := str(value).strip()) == "":
            return None
        self.filled += 1
        if isinstance(value, list | Mapping):
            self.nested += 1
        self.characters += len(text)
        self.words += len(text[:LOOKED_AT].split()) * max(1, len(text) // LOOKED_AT)
        self.numbers += isinstance(value, int | float) or _NUMBER.fullmatch(text[:40]) is not None
        kept = text if len(text) <= LONGEST_KEPT else text[:LONGEST_KEPT] + digest_text(text)
        if len(self.seen) < MOST_DISTINCT or kept in self.seen:
            self.seen[kept] += 1
        if len(self.first) < TRIED:
            self.first.append(text[:LOOKED_AT] if isinstance(value, str) else value)
        return hash(kept)

    def take(self, other: Values) -> None:
        """Note what another file has in a column of this name."""
        for name in ("filled", "characters", "words", "numbers", "nested"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        room = len(self.seen) < MOST_DISTINCT
        self.seen.update({value: count for value, count in other.seen.items() if room or value in self.seen})
        self.first += other.first[: max(0, TRIED - len(self.first))]


def column_of(name: str, values: Values, rows: int) -> Column:
    """A column of a table with so many rows."""
    is_contact = _are_contacts(name, values)
    kind = "id" if is_contact else _kind(values)
    texts = [value for value in values.first if isinstance(value, str)]
    language = languages_of("\n\n".join(texts[:40])).language if kind == "text" else None
    mean = values.characters / max(values.filled, 1)
    counts = dict(values.seen.most_common()) if kind in ("category", "name") or _are_repeated_integers(values) else {}
    names = share_of_names(values.seen)
    return Column(name, kind, values.filled, len(values.seen), mean, language, counts, names, is_contact)


def share_of_names(values: Collection[str]) -> float:
    """How many of some values are written as people's names are, in a script with case."""
    return sum(map(_is_written_as_name, values)) / max(len(values), 1)


def _is_written_as_name(value: str) -> bool:
    """Whether a value is two to four words that begin with a capital letter, particles aside: `Berg, J. van der`."""
    words = [word for word in value.replace(",", " ").split() if word.lower() not in PARTICLES]
    return len(value.split()) <= MOST_WORDS and 2 <= len(words) <= 4 and all(map(_is_part_of_name, words))


def _is_part_of_name(word: str) -> bool:
    """Whether a word may be of a name: `Anna-Maria`, `O'Brien`, `J.` or `KOWALSKI`, but no `USB`, `iPhone` or `C++`."""
    letters = re.sub(r"[-'’.]", "", word)
    is_short = len(letters) == 1 and word[-1] in letters + "."
    return letters.isalpha() and word[0].isupper() and (is_short or not letters.isupper() or len(letters) > 3)


def _are_contacts(name: str, values: Values) -> bool:
    """Whether a column holds addresses, of mail or of houses, or numbers of telephones: no label and no text."""
    texts = [str(value).strip()[:LONGEST_KEPT] for value in values.first]
    if not texts or values.characters / values.filled >= MOST_OF_AN_ADDRESS:
        return False

    def share(pattern: re.Pattern[str]) -> float:
        return sum(pattern.fullmatch(text) is not None for text in texts) / len(texts)

    says = {*tokens(name)}
    if says & ADDRESSES and share(_OF_HOUSE) > 0.5:
        return True
    numbers = _IDENTIFIER if says & TELEPHONES else _TELEPHONE
    return max(share(_MAIL), share(_STREET), share(numbers)) >= SHARE_OF_NAMES


def column_of_all(columns: Sequence[Column]) -> Column:
    """A column of several tables as one; what it is for the first says."""
    first, filled = columns[0], sum(column.filled for column in columns)
    counts = Counter[str]()
    for column in columns:
        counts.update(column.counts)
    return replace(
        first,
        filled=filled,
        distinct=len(counts) or first.distinct,
        characters=sum(column.characters * column.filled for column in columns) / max(filled, 1),
        counts=dict(counts.most_common()) if first.counts else {},
    )


def _kind(values: Values) -> ColumnKind:
    filled, distinct = values.filled, len(values.seen)
    if not filled:
        return "empty"
    if values.nested > filled / 2:
        return "nested"
    if sum(map(is_date, values.first)) >= 0.9 * len(values.first):  # 31.12.2024 looks like a number
        return "date"
    if values.numbers >= 0.98 * filled:
        return "category" if len(values.seen) <= MOST_GRADES and _are_repeated_integers(values) else "number"
    is_long = values.words / filled >= WORDS or (values.characters / filled >= CHARACTERS and values.words > filled)
    is_long &= share_of_names(values.seen) < SHARE_OF_NAMES
    repeats = filled >= 10 * distinct and distinct <= MOST_CATEGORIES
    if is_long and not (repeats and values.characters / filled < 80):
        identifiers = sum(_IDENTIFIER.fullmatch(str(value).strip()[:200]) is not None for value in values.first)
        return "id" if identifiers >= 0.9 * len(values.first) else "text"
    if distinct > 0.9 * filled and values.words < 1.5 * filled and filled > 2:
        return "name" if sum(map(bool, map(_WORDS.fullmatch, values.seen))) >= 0.9 * distinct else "id"
    if 2 <= distinct <= min(MOST_CATEGORIES, max(2, filled / 3)) or (distinct == 1 and filled > 1):
        return "category"
    return "name"


def _are_repeated_integers(values: Values) -> bool:
    """Whether values are small whole numbers, such as stars or codes of classes, that come again and again."""
    whole = all(re.fullmatch(r"-?\d{1,3}", each) for each in values.seen)
    return whole and 2 <= len(values.seen) <= MOST_VALUES and values.filled >= 5 * len(values.seen)


def counts_in_words(column: Column) -> str:
    """The labels of a column with how many rows have each, the most frequent first; without personal data."""
    return _named(column, list(column.counts))


def alike_labels(column: Column) -> Sequence[str]:
    """Return labels that differ only in case or spaces, in words, those of one form together."""
    forms: dict[str, list[str]] = {}
    for label in column.counts:
        forms.setdefault(one_form(label), []).append(label)
    return [" and ".join(_told(column, each) for each in some) for some in forms.values() if len(some) > 1]


def with_one_case(column: Column) -> Column:
    """Return a column of labels with one label for those that differ only in case or spaces."""
    counts = Counter[str]()
    for label, count in column.counts.items():
        counts[one_form(label)] += count
    return replace(column, counts=dict(counts.most_common()), distinct=len(counts))


def label_doubts(column: Column) -> Iterator[str]:
    """What of its labels a build learns or measures badly."""
    if rare := [label for label, count in column.counts.items() if count < FEWEST]:
        yield (
            f"labels of fewer than {FEWEST} texts cannot be in each of train, validation and test, and nobody learns "
            f"one that is not in train: {_named(column, rare)}: label more such texts, join labels, or leave these out"
        )


def _named(column: Column, labels: Sequence[str]) -> str:
    more = f" and {len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else ""
    return ", ".join(_told(column, label) for label in labels[:MOST_NAMED]) + more


def _told(column: Column, label: str) -> str:
    return f"{hide(label, column.name)[:MOST_OF_A_NAME]} ({column.counts[label]:,})"
