"""What an erasure takes: the records of a store's sources that hold a value, are of a subject, or are copies of these.

Every shard that a first stage wrote is read once and decoded, and every record that could not be read with it; copies
are found in further passes over what is short, and near copies in a last one over the texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.data.duplicates.minhash import SHINGLE_WORDS, jaccard, shingles
from lmworks.data.erasure.readings import said_by
from lmworks.data.erasure.values import Erased, Line, lines_of, subject_line, text_line
from lmworks.data.identity import document_id
from lmworks.data.privacy.people import people_of
from lmworks.data.records import read_columns, read_shard
from lmworks.data.words import word_spans
from lmworks.errors import LmworksError
from lmworks.lazy import NDArray, np, pa
from lmworks.pipeline.store import Artifact, Store
from lmworks.pipeline.units import BESIDE, PAYLOAD, UNITS

NEAR = 0.8
"""Jaccard similarity of the shingles of near copies."""
NOT_SEARCHED = ("id", "text_digest", "source", "licence", "language", "created", "field_names")
"""Columns of a shard that hold no text of a record."""


class Row(NamedTuple):
    """A record of a source, as far as copies are found by it."""

    id: str
    text_digest: str
    """Empty for one that could not be read."""
    subject: str
    text: str


@dataclass
class Taken:
    """What an erasure takes, and what else it found."""

    values: Sequence[str]
    """What is erased."""
    records: dict[str, str] = field(default_factory=dict)
    """Id → why it is taken."""
    offered: dict[str, str] = field(default_factory=dict)
    """Id of a record that is taken only when confirmed → what it is like."""
    subjects: set[str] = field(default_factory=set)
    """Of records that hold a value: their other records are taken."""
    digests: set[str] = field(default_factory=set)
    """Of the texts that are long enough to be told from others."""
    folders: set[Path] = field(default_factory=set)
    """Of artifacts that hold a record, those too that could not be read."""
    held: set[int] = field(default_factory=set)
    """Which of the values were found, by their place."""
    damaged: list[Path] = field(default_factory=list)
    """Shards that could not be searched."""
    size: int = 0
    """Bytes of the files that were searched."""

    def lines(self, key: bytes) -> list[Line]:
        """What finds all of it again, digested with a key."""
        values = [line for value in self.values for line in lines_of(key, value)]
        subjects = [subject_line(key, subject) for subject in sorted(self.subjects)]
        return [*values, *subjects, *(text_line(key, digest) for digest in sorted(self.digests))]


class Sources:
    """The shards and quarantines of the first stages of a store, those too that an earlier erasure left."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._key, self.damaged = key, list[Path]()
        self.folders = [folder for folder in sorted((store.root / "artifacts").glob("*/*")) if _is_first(folder)]
        self.shards: dict[tuple[int, int], list[Path]] = {}
        """Files by their inode: builds after one another have most of them in common."""
        for folder in self.folders:
            for path in sorted((folder / PAYLOAD).rglob("part-*.parquet")):
                status = path.stat()
                self.shards.setdefault((status.st_dev, status.st_ino), []).append(path)
        self.size = sum(paths[0].stat().st_size for paths in self.shards.values())
        self._people = _people(store)

    def folders_of(self, path: Path) -> Iterator[Path]:
        """The artifacts that hold a shard."""
        of = next(paths for paths in self.shards.values() if path in paths)
        yield from (next(folder for folder in self.folders if each.is_relative_to(folder)) for each in of)

    def tables(self, names: Sequence[str] | None = None) -> Iterator[tuple[Path, Any]]:
        """Each shard with its columns, or some of them."""
        for paths in self.shards.values():
            try:
                yield paths[0], read_columns(paths[0], names)
            except LmworksError:
                self.damaged += [path for path in paths if path not in self.damaged]

    def rows(self, wanted: Callable[[Row], bool]) -> Iterator[tuple[Path, Row]]:
        """The records that are wanted, without their texts."""
        for path, table in self.tables(["id", "text_digest", "subject"]):
            subjects = self._subjects(path) if self._people else table.column("subject").to_pylist()
            columns = (table.column(name).to_pylist() for name in ("id", "text_digest"))
            for name, digest, subject in zip(*columns, subjects, strict=True):
                if wanted(row := Row(name, digest, subject or "", "")):
                    yield path, row

    def _subjects(self, path: Path) -> list[str | None]:
        """As `anonymise` tells them: the first person whom a record names, where it states none."""
        named = ((each, {name: each.value(name) for name in self._people}) for each in read_shard(path))
        return [each.subject or next(iter(people_of(facts, self._people)), None) for each, facts in named]

    def texts(self, ids: Collection[str]) -> Iterator[Row]:
        """Some records with their texts."""
        for _, table in self.tables(["id", "text_digest", "text"]):
            names = table.column("id").to_pylist()
            for place in (place for place, name in enumerate(names) if name in ids):
                digest, text = (table.column(name)[place].as_py() for name in ("text_digest", "text"))
                yield Row(names[place], digest, "", text)

    def quarantined(self) -> Iterator[tuple[Path, str, list[str]]]:
        """Each record that could not be read: its artifact, its id, and what its bytes may say."""
        for folder in self.folders:
            for bad in _quarantined(folder):
                place = bad["source"], bad["path"], str(bad["record"])
                yield folder, bad.get("id") or document_id(self._key, *place), said_by(bad)


def _is_first(folder: Path) -> bool:
    artifact = Artifact(folder)
    if (folder / "manifest.json").exists() and artifact.is_readable:
        return not artifact.manifest.inputs
    return artifact.stage == "ingest"


def _people(store: Store) -> list[str]:
    """The fields that `anonymise` steps were told to hold persons."""
    configs = [each.manifest.config for each in store.all() if each.stage == "anonymise" and each.is_readable]
    return sorted({name for config in configs for name in config.get("people", ())})


def _quarantined(folder: Path) -> Iterator[dict[str, Any]]:
    path = folder / PAYLOAD / "quarantine.jsonl"
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    else:  # an erasure left units of work, whose records hold what they could not use
        for record in sorted((folder / BESIDE / UNITS).glob("*/[0-9]*.json")):
            yield from json.loads(record.read_text(encoding="utf-8"))["quarantined"]


def find_taken(
    store: Store, key: bytes, values: Sequence[str], ids: Mapping[str, str], indexed: Mapping[str, Collection[int]]
) -> Taken:
    """What is taken of a store for some values and ids, each with why; nothing of it is changed.

    `indexed` are ids of documents in which an index says that values stand, by their places. Taken are records that
    hold a value or whose subject it is; where all that hold one are of a single subject, its other records; and what
    has the very text of a record that is taken. Near copies, and records of several subjects, are offered.
    """
    by_line = {line: place for place, value in enumerate(values) for line in lines_of(key, value)}
    taken, sources = Taken(values), Sources(store, key)
    taken.size = sources.size
    taken.records |= ids
    search = _Search(sources, taken, Erased(key, by_line))
    for line, place in by_line.items():
        search.places.setdefault(line.digest, set()).add(place)
    for name, places in indexed.items():
        search.take(name, set(places), "it was found when the text was anonymised")
    search.hold()
    search.follow_subjects()
    search.follow_copies()
    _offer_near(sources, taken)
    taken.damaged = sources.damaged
    return taken


@dataclass
class _Search:
    """The passes by which records are taken, but for the last."""

    sources: Sources
    taken: Taken
    erased: Erased
    places: dict[str, set[int]] = field(default_factory=dict)
    """Digest → the places of the values that it stands for."""
    holders: dict[int, set[str]] = field(default_factory=dict)
    """Place of a value → ids of records that hold it."""

    def take(self, name: str, places: set[int], why: str = "") -> None:
        """Take a record that holds some of the values."""
        said = f"holds value {' and '.join(str(place + 1) for place in sorted(places))}"
        self.taken.records.setdefault(name, f"{said}; {why}" if why else said)
        self.taken.held |= places
        for place in places:
            self.holders.setdefault(place, set()).add(name)

    def _places_of(self, digests: Iterable[str]) -> set[int]:
        return set[int]().union(*(self.places[digest] for digest in digests))

    def hold(self) -> None:
        """Take the records that hold a value."""
        erased = self.erased
        for path, table in self.sources.tables() if erased else ():
            owners, texts = cells(table)
            found: dict[int, set[str]] = {}
            for owner, digests in zip(owners, erased.find(texts), strict=True):
                if digests:
                    found.setdefault(owner, set()).update(digests)
            for owner, digests in found.items():
                self.take(table.column("id")[owner].as_py(), self._places_of(digests))
            self._note(path, bool(found))
        for folder, name, said in self.sources.quarantined():
            if digests := set[str]().union(*erased.find(said)) if erased else set[str]():
                self.take(name, self._places_of(digests), "it could not be read")
            if name in self.taken.records:
                self.taken.folders.add(folder)

    def _note(self, path: Path, holds: bool) -> None:
        if holds:
            self.taken.folders.update(self.sources.folders_of(path))

    def follow_subjects(self) -> None:
        """Take the records of a subject that a value names, or that all are of that hold the value."""
        erased = self.erased
        subjects, named = dict[str, str](), set[int]()
        for path, row in self.sources.rows(lambda row: row.id in self.taken.records or row.subject != ""):
            if found := erased.of_subject(row.subject):
                named |= (places := self._places_of(found))
                self.taken.held |= places
                self.taken.records.setdefault(row.id, "its subject is erased")
            if row.id in self.taken.records:
                subjects[row.id] = row.subject
                self._note(path, True)
        single, several = set[str](), set[str]()
        for place in self.holders.keys() - named:
            own = {subjects.get(name, "") for name in self.holders[place]} - {""}
            (single if len(own) == 1 else several).update(own)
        self.taken.subjects |= single
        for path, row in self.sources.rows(lambda row: row.subject in single | several):
            if row.id not in self.taken.records and row.subject in single:
                self.taken.records[row.id] = "of the same subject"
                self._note(path, True)
            elif row.id not in self.taken.records:
                self.taken.offered[row.id] = "of the subject of one that is taken; others are of another subject"

    def follow_copies(self) -> None:
        """Take the exact copies of all that is taken, but of texts that are too short to be told from others."""
        rows = self.sources.texts(self.taken.records)
        long = {row.text_digest: row.id for row in rows if len(word_spans(row.text)) >= SHINGLE_WORDS}
        self.taken.digests |= long.keys()
        for path, row in self.sources.rows(lambda row: row.text_digest in long):
            if row.id not in self.taken.records:
                self.taken.records[row.id] = f"an exact copy of {long[row.text_digest]}"
                self.taken.offered.pop(row.id, None)
                self._note(path, True)


def cells(table: Any) -> tuple[list[int], list[str]]:
    """Every text of a table of records, each with its row."""
    owners: list[int] = []
    texts: list[str] = []
    structure = table.column("structure").to_pylist() if "structure" in table.column_names else [None] * len(table)
    for name in table.column_names:
        if name in NOT_SEARCHED or not _is_text(table.schema.field(name).type):
            continue
        for row, value in enumerate(table.column(name).to_pylist()):
            if name == "text" and structure[row] is not None:
                continue  # it is put together of the fields
            some = [value] if isinstance(value, str) else value or ()
            owners += [row] * len(some)
            texts += [each or "" for each in some]
    return owners, texts


def _is_text(kind: Any) -> bool:
    inner = kind.value_type if pa.types.is_list(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _offer_near(sources: Sources, taken: Taken) -> None:
    """Offer what shares most of its words, five in a row, with a record that is taken."""
    known: dict[str, NDArray[np.uint32]] = {}
    for row in sources.texts(taken.records):
        if row.text_digest in taken.digests:
            known.setdefault(row.text_digest, _shingles([row.text])[0])
    if not known:
        return
    names = {row.text_digest: row.id for row in sources.texts(taken.records)}
    every = np.unique(np.concatenate([*known.values()]))

    def offer(name: str, found: NDArray[np.uint32]) -> None:
        if name in taken.records or np.isin(found, every, assume_unique=True).sum() < NEAR * len(found):
            return
        alike = {digest: jaccard(found, of) for digest, of in known.items() if _may_be_near(found, of)}
        if alike and (best := max(alike.values())) >= NEAR:
            nearest = next(names[digest] for digest, value in alike.items() if value == best)
            taken.offered[name] = f"{best:.2f} like {nearest}"

    for _, table in sources.tables(["id", "text"]):
        texts = table.column("text").to_pylist()
        for name, found in zip(table.column("id").to_pylist(), _shingles(texts, every), strict=True):
            if len(found):
                offer(name, found)
    for _, name, said in sources.quarantined():
        offer(name, _shingles([said[0]])[0])


def _may_be_near(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> bool:
    return NEAR * max(len(one), len(other)) <= min(len(one), len(other))


def _shingles(texts: Sequence[str], shared: NDArray[np.uint32] | None = None) -> list[NDArray[np.uint32]]:
    """The set of shingles of each text; empty for one that has none of `shared`."""
    hashes, counts = shingles(pa.array(texts, pa.string()))
    ends = np.cumsum(counts)
    has = np.ones(len(counts), bool)
    if shared is not None:
        places = np.flatnonzero(shared[np.minimum(np.searchsorted(shared, hashes), len(shared) - 1)] == hashes)
        has[:] = False
        has[np.searchsorted(ends, places, "right")] = True
    starts = ends - counts
    nothing = np.zeros(0, np.uint32)
    return [
        np.unique(hashes[start:end]) if some else nothing
        for start, end, some in zip(starts.tolist(), ends.tolist(), has.tolist(), strict=True)
    ]
