"""What a look at a folder found: tables and texts, what their columns hold, and what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from lmworks.start.predicted import Fit

ColumnKind = Literal["empty", "number", "date", "id", "category", "name", "text", "nested"]
Shape = Literal["texts", "code", "labelled", "pairs", "conversations", "preferences", "spans", "events", "nothing"]
"""What the records of a table are good for."""

SHAPES: Mapping[Shape, str] = {
    "texts": "texts",
    "code": "source code",
    "labelled": "texts with labels",
    "pairs": "pairs of texts",
    "conversations": "conversations",
    "preferences": "answers that people compared",
    "spans": "texts with labelled spans",
    "events": "rows of numbers, times and categories",
    "nothing": "rows without texts",
}

BOTH: Mapping[str, str] = {
    "labelled": "text and label",
    "spans": "text and spans",
    "pairs": "both texts",
    "conversations": "turns",
    "preferences": "answers",
}
"""What records of a shape need to be learned from."""

LEAST_TO_FIND = 2_000
"""Bytes of texts in which it is worth while to seek: a page."""
MOST_DISTINCT = 5_000
"""Values of a column that are told apart; with more it holds no categories."""

PREDICTED = "*.predicted.*"
"""Files that `lmworks predict` writes beside those that it reads: they are no data, or a model learns from itself."""


@dataclass(frozen=True)
class Column:
    """What one column of a table holds, as far as its first rows say."""

    name: str
    kind: ColumnKind
    filled: int
    """Rows that say something."""
    distinct: int
    """Values, among those that were counted."""
    characters: float
    """Of a value, in the mean."""
    language: str | None = None
    """Of most of its texts, where there is enough to tell."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Of categories, names and whole numbers that come again, how many rows have each, the most frequent first."""
    names: float = 0.0
    """Share of the values that are written as people's names are."""
    is_contact: bool = False
    """Whether it holds addresses, of mail or of houses, or numbers of telephones."""


@dataclass
class Rows:
    """Rows that say something in just the same columns."""

    count: int = 0
    values: dict[str, set[int]] = field(default_factory=dict)
    """By column, the digests of its values, the first `MOST_DISTINCT`: what several tables have is counted once."""

    def add(self, values: Mapping[str, int]) -> None:
        """Note a row by the digests of its values."""
        self.count += 1
        for name, value in values.items():
            if len(known := self.values.setdefault(name, set())) < MOST_DISTINCT:
                known.add(value)

    def take(self, other: Rows) -> None:
        """Note the rows of another table with the same columns."""
        self.count += other.count
        for name, values in other.values.items():
            self.values[name] = self.values.get(name, set()) | values


@dataclass(frozen=True)
class Table:
    """Files of one form with the same columns."""

    form: str
    """What `format` of a source calls it."""
    files: Sequence[str]
    """Paths below the folder, of archives' members behind the archive's."""
    include: Sequence[str]
    """Patterns that match these files and no others."""
    records: int
    is_whole: bool
    """Whether all records were counted; else there are more than `records`."""
    bytes: int
    """Of the files."""
    text_bytes: int
    """Of what they say, without what packs or frames it; of many files of one text each as those that were opened."""
    columns: Sequence[Column]
    """None where each file is one text."""
    shape: Shape
    filled: Mapping[frozenset[str], Rows] = field(default_factory=dict, repr=False)
    """The rows that say something in just these columns."""
    languages: Mapping[str, float] = field(default_factory=dict)
    """Share of the texts that were looked at and are long enough to tell, by language."""
    personal: Mapping[str, int] = field(default_factory=dict)
    """Records that were looked at and hold personal data in a text or another column, by its kind."""
    looked_at: int = 0
    """Records that were searched for what `personal` says."""
    unopened: int = 0
    """Files that were counted and not opened, and are taken to be as the others."""
    states_format: bool = False
    """Whether no ending says the form, so that a source has to."""
    encoding: str = ""
    """Of the files, where it is not UTF-8: a guess."""
    decoded: Sequence[str] = ()
    """Words as they read in it."""
    json_records: str = ""
    """Where the records of a JSON file stand."""
    sheets: Sequence[str] = ()
    """Of workbooks with others, those with these columns."""
    parallel: Mapping[str, str] = field(default_factory=dict)
    """Of files that say the same line by line, the name of each, or a pattern with a star, by its column."""
    layout: str = ""
    """Name of the published layout that rows of conversations or judgements have."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Of conversations in no published layout, the fields by the names that they usually have."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Of their speakers, who is the user, the assistant, the system."""
    ignored: Sequence[str] = ()
    """Of conversations, fields with texts that most of them have and that nothing is learned from."""
    subjects: Sequence[str] = ()
    """Columns that say whom a record is about or from, and paths inside of them; into lists behind the others."""
    first: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """The first rows, or texts under the name ``, cut."""
    facts: Sequence[str] = ()
    """Columns whose values the texts state, as a text about a place states its name and its prices."""
    unsure: Sequence[str] = ()
    """Columns that may hold people's names, and as well those of something else."""
    dates: Sequence[str] = ()
    """Columns that hold dates."""
    labels: Sequence[str] = ()
    """Columns that may be what is asked for, the likeliest first."""
    fits: Mapping[str, Fit] = field(default_factory=dict)
    """How well the words of texts predict those columns."""
    texts: Sequence[str] = ()
    """Columns that hold texts, those that are asked before those that answer."""
    parts: Sequence[Table] = ()
    """Of what is read together, the tables that it is in, each by a source of its own."""
    remarks: Sequence[str] = ()
    """What is in the way of reading them as what they may be, and what mends it."""
    by_folder: Table | None = None
    """Of texts in folders, the same with the names of the folders as their labels."""
    is_by_folder: bool = False
    """Whether folders are its labels, rather than a column."""
    groups: Sequence[str] = ()
    """Columns whose values several records share, such as a document's or a thread's, the likeliest first."""

    @property
    def language(self) -> str | None:
        """Of most texts."""
        return max(self.languages, key=lambda name: self.languages[name], default=None)

    @property
    def encoding_in_words(self) -> str:
        """What the files seem to be written in, and by which words one sees whether that is so."""
        words = f": do these words read well: {', '.join(self.decoded)}?" if self.decoded else ""
        return f"not UTF-8, and {self.encoding} by a guess{words}"

    @property
    def is_sorted(self) -> bool:
        """Whether words tell in which folder a text is, so that the folders are its labels."""
        return self.by_folder is not None and self.by_folder.shape == "labelled"

    @property
    def subject(self) -> str | None:
        """The column or path that names one person of a record, by whom records are held out."""
        return next((name for name in self.subjects if "*" not in name), None)

    def having(self, *wanted: Sequence[str]) -> int:
        """Records that say something in a column of each of these, equal texts counted once up to `MOST_DISTINCT`.

        By their share where not all are noted.
        """
        texts = {name for names in wanted for name in names if name in self.texts or name not in self.labels}
        alike: dict[Set[str], list[Rows]] = {}
        for names, rows in self._filled(wanted):
            alike.setdefault(names & texts, []).append(rows)
        return self._of_all(sum(_different(names, rows) for names, rows in alike.items()))

    def _filled(self, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[Set[str], Rows]]:
        return (each for each in self.filled.items() if all(each[0] & {*names} for names in wanted))

    def _of_all(self, found: int) -> int:
        noted = sum(rows.count for rows in self.filled.values())
        return found * self.records // noted if noted else self.records

    @property
    def complete(self) -> int:
        """Records with all that is learned from in their shape, equal texts counted once."""
        return self.having(*self._learned) if self.shape in BOTH else self.records

    @property
    def _learned(self) -> Sequence[Sequence[str]]:
        if self.shape in ("conversations", "preferences"):
            return [[column.name for column in self.columns if column.kind in ("text", "nested")]]
        return (self.texts[:1], self.texts[-1:]) if self.shape == "pairs" else (self.labels[:1], self.texts)

    @property
    def remarks_on_gaps(self) -> Sequence[str]:
        """In how many records that is, where it is not in all, and how many of them are no copies."""
        if self.shape not in BOTH or self.complete == self.records:
            return []
        filled = self._of_all(sum(rows.count for _, rows in self._filled(self._learned)))
        told = [f"{BOTH[self.shape]} in {filled:,} of them"] if filled < self.records else []
        return [*told, f"{self.complete:,} without copies"] if self.complete < filled else told

    @property
    def labels_in_words(self) -> Sequence[str]:
        """The likeliest labels, with how well words predict each."""
        return [f"{name} ({self.fits[name]})" if name in self.fits else name for name in self.labels[:3]]

    def column(self, name: str) -> Column:
        return next(each for each in self.columns if each.name == name)


def _different(names: Set[str], rows: Sequence[Rows]) -> int:
    """How many rows differ in the texts of these columns; all of them, if these are none or more than are told."""
    every = sum(each.count for each in rows)
    values = [[each.values[name] for each in rows] for name in names]
    if not values or any(len(each) >= MOST_DISTINCT for told in values for each in told):
        return every
    return max(len(set[int]().union(*told)) for told in values)


@dataclass(frozen=True)
class Unread:
    """Files, or records of a file, that cannot be read."""

    what: str
    """The ending, or the path."""
    count: int
    why: str


@dataclass(frozen=True)
class Aside:
    """Files that are there to be kept, and are read unless a source excludes them."""

    patterns: Sequence[str]
    count: int
    why: str
    is_left_out: bool = False
    """Whether the recipe excludes them unasked, since nothing is lost by it."""


@dataclass(frozen=True)
class Seen:
    """All of it."""

    folder: str
    tables: Sequence[Table]
    unread: Sequence[Unread]
    licences: Mapping[str, str]
    """Files that state a licence → its SPDX id, "" where it is not one that is known by its words."""
    bytes: int
    """Of all files that are read."""
    aside: Sequence[Aside] = ()
    """What `exclude` may name."""
    left_out: Sequence[str] = ()
    """Patterns of files that were not looked at, and that the recipe excludes."""

    @property
    def personal(self) -> Mapping[str, int]:
        """Records with personal data in all tables, by kind."""
        found: dict[str, int] = {}
        for table in self.tables:
            for kind, count in table.personal.items():
                found[kind] = found.get(kind, 0) + count
        return found

    @property
    def holds_readings_alone(self) -> bool:
        """Whether there are rows of numbers and times, and less than a page of text beside them."""
        readings = [table for table in self.tables if table.shape in ("events", "nothing")]
        texts = sum(table.text_bytes for table in self.tables if table not in readings)
        return bool(readings) and texts < LEAST_TO_FIND

    @property
    def text_bytes(self) -> int:
        """Of what all files say."""
        return sum(table.text_bytes for table in self.tables)

    @property
    def tokens(self) -> float:
        """Of that, by four bytes each, as a plan counts them."""
        return self.text_bytes / 4

    @property
    def licence(self) -> str | None:
        """What is stated of all files, of each by its folder or the nearest above; None where it is not."""
        stated: dict[PurePosixPath, set[str]] = {}
        for path, licence in self.licences.items():
            stated.setdefault(PurePosixPath(path).parent, set()).add(licence)
        found = set[str]()
        for folder in {PurePosixPath(file).parent for table in self.tables for file in table.files}:
            found |= next((stated[place] for place in (folder, *folder.parents) if place in stated), {""})
        return (found.pop() or None) if len(found) == 1 else None

    @property
    def subjects(self) -> Sequence[str]:
        """Columns that name people, of any table but those of one row, such as the settings of a program."""
        tables = [table for table in self.tables if table.records > 1 or table.texts]
        return list(dict.fromkeys(name for table in tables for name in table.subjects))
