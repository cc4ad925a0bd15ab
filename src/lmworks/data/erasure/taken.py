"""Records that an erasure takes: records of a store's sources that hold a value or have it as subject, and named ids.

The person can have written under another's name or repeated others' texts. So other records of a subject, copies and
near copies are only offered for review. Every shard of a first stage is read once and decoded, with all unreadable
records. Further passes find copies by digests, and a last pass over all texts finds near copies.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.data.base.words import word_spans
from lmworks.data.duplicates.minhash import SHINGLE_WORDS, jaccard, shingles
from lmworks.data.erased.searched import Searched
from lmworks.data.erased.values import Erased, Line, kept_line, lines_of, readings, scalars, text_line, without_folder
from lmworks.data.erasure.loose import Loose
from lmworks.data.erasure.passages import Passages
from lmworks.data.erasure.sources import Sources
from lmworks.errors import UsageError
from lmworks.lazy import NDArray, np, pa
from lmworks.pipeline.erasure import listed_ids
from lmworks.pipeline.store import Store
from lmworks.pipeline.units import Unit

NEAR = 0.8
"""Minimum Jaccard similarity of the shingles of near copies."""
KEPT_AT_ONCE = 10_000
"""Number of kept texts whose passages are removed together."""
BEFORE = "before"
"""Kind of reason for an id whose record is no longer in the store."""
BEGUN = "begun"
"""Kind of reason for a record that an interrupted erasure had begun to take, if there is no other reason."""
WORDS_OF = {
    "inside": "may hold value {}, inside of something longer, in another order or parted",
    "path": "is in a folder whose name holds value {}",
}
"""Reasons for offering records that may hold a value, by kind."""
MATCH, MATCHES = "match", "matches --match"
"""Kind and words of the reason for a record that matches a pattern."""
NOT_SEARCHED = ("id", "text_digest", "source")
"""Columns of a shard that are not searched, because they hold no text of a record."""


class Why(NamedTuple):
    """Reason for which a record is taken, or offered for review."""

    kind: str
    """For a taken record `value`, `match`, `subject`, `named`, `confirmed`, `begun` or `before`. For an offered record
    `inside`, `path`, `subject`, `copy` or `near`."""
    said: str


@dataclass
class Taken:
    """Records that an erasure takes, and its further findings."""

    values: Sequence[str]
    """Values to erase."""
    sought: Sequence[str] = ()
    """Values that a certificate searches for: all given values, even those that no record holds."""
    patterns: Sequence[str] = ()
    """Regular expressions of --match. Later builds do not search for them."""
    records: dict[str, Why] = field(default_factory=dict)
    """Reasons for taking records, by id."""
    offered: dict[str, Why] = field(default_factory=dict)
    """Reasons for offering records, which are taken only if confirmed, by id."""
    kept: dict[str, Why] = field(default_factory=dict)
    """Reasons for which records that are kept on purpose would have been taken or offered, by id."""
    of: int = 0
    """Number of records that were searched, including unreadable ones."""
    sources: dict[str, str] = field(default_factory=dict)
    """Sources of the taken and offered records, by id."""
    paths: dict[str, str] = field(default_factory=dict)
    """Files of the taken and offered records that could be read, by id."""
    texts: dict[str, Collection[str]] = field(default_factory=dict)
    """Digests of the texts of taken records, by id."""
    digests: set[str] = field(default_factory=set)
    """Digests of the taken texts that are long enough to be distinguished."""
    noted: set[str] = field(default_factory=set)
    """Part of `digests` that later builds search for: of records in which they would not find a value or subject, and
    of which no copy is kept."""
    folders: set[Path] = field(default_factory=set)
    """Folders of artifacts that hold a record, including those that could not be read."""
    written: set[Path] = field(default_factory=set)
    """Folders of artifacts with a value that is in no record, such as in texts by a model."""
    held: dict[int, int] = field(default_factory=dict)
    """Number of records that hold a value in any given spelling, or have it as subject, by the value's place."""
    missing: list[str] = field(default_factory=list)
    """Messages about values that no record holds."""
    damaged: dict[Path, str] = field(default_factory=dict)
    """Reasons for which shards and lists of unreadable records could not be searched, by file."""
    absent: dict[Path, str] = field(default_factory=dict)
    """Reasons for which outputs of builds cannot be searched now, by folder. All values are noted for them."""
    is_noted: bool = False
    """Whether an earlier erasure searched for everything given now, so that nothing must be noted again."""
    unseen: set[str] = field(default_factory=set)
    """Given ids that may belong to records in `absent`."""
    unread: set[str] = field(default_factory=set)
    """Ids of records in damaged shards. They are not erased, but everything made from them counts as affected."""
    passages: Passages = field(default_factory=Passages)
    size: int = 0
    """Number of bytes of the searched files."""
    units: list[Unit] = field(default_factory=list)
    """Units of work of first stages whose shards were searched as a whole."""

    def lines(self, key: bytes) -> list[Line]:
        """Return keyed digests with which later builds find all this again."""
        values = [line for value in self.values for line in lines_of(key, value)]
        kept = [kept_line(key, name, line) for name in sorted(self.kept) for line in values]
        return [*values, *(text_line(key, digest) for digest in sorted(self.noted)), *kept]

    def note_searched(self, root: Path, lines: Iterable[Line]) -> None:
        """Note in a store that its units were searched for these values, so that builds need not search again."""
        digests = [line.digest for line in lines if line.form.kind not in ("subject", "text", "kept")]
        searched = Searched(root)
        for unit in self.units:
            if unit.record_path.exists():  # it may have been deleted
                searched.note(unit, [*digests, *unit.record["facts"].get("searched", ())])
        searched.write()

    def contents(self, key: bytes) -> dict[str, list[str]]:
        """Return keyed digests of the erased texts by record id. Another text at the same place was not erased."""
        return {name: [text_line(key, digest).digest for digest in some] for name, some in self.texts.items()}

    def by_source(self, records: Mapping[str, Why]) -> list[dict[str, Any]]:
        """Return the number of taken or offered records by reason and source, without records erased before."""
        some = ((why.kind, self.sources.get(name, "")) for name, why in records.items() if why.kind != BEFORE)
        counts = Counter(some)
        return [{"reason": kind, "source": label, "records": counts[kind, label]} for kind, label in sorted(counts)]


def find_taken(
    store: Store,
    key: bytes,
    values: Sequence[str],
    ids: Mapping[str, Why],
    noted: Erased,
    *,
    patterns: Sequence[str] = (),
    confirmed: Collection[str] = (),
    kept: Collection[str] = (),
    with_passages: bool = False,
) -> Taken:
    """Find the records of a store for some values and ids, each with a reason. The store does not change.

    Taken are records that hold a value or match a pattern, records whose subject is a value, and named ids. Loose
    matches, other records of their subjects, and exact or near copies are offered. Confirmed offers are taken. Records
    in `kept`, or `noted` as kept for all the values, are neither taken nor offered. Only a certificate needs
    passages.

    Raises UsageError for a confirmed or kept id that is neither offered nor taken.
    """
    lines = [lines_of(key, value) for value in values]
    by_line = [(line, place) for place, some in enumerate(lines) for line in some]
    taken, sources = Taken(values, values, patterns), Sources(store, key)
    taken.size = sources.size
    taken.records |= ids
    search = _Search(sources, taken, Erased(key, dict(by_line), patterns), Loose(values))
    for line, place in by_line:
        search.places.setdefault(line.digest, set()).add(place)
    search.places |= {name: set[int]() for name in search.erased.patterns}
    digests = {line.digest for line, _ in by_line}

    def leave() -> None:
        listed = taken.records.keys() | taken.offered.keys() if digests and not patterns else set[str]()
        before = {name for name in listed - {*ids, *confirmed} if not noted.but_kept(name, digests)}
        search.keep({*kept, *before})

    search.hold()
    leave()
    search.follow_subjects()
    leave()
    search.offer_copies()
    _offer_near(sources, taken)
    leave()
    while more := taken.offered.keys() & {*confirmed}:
        taken.records |= dict.fromkeys(sorted(more), Why("confirmed", "confirmed by --with"))
        for name in more:
            del taken.offered[name]
            for place in search.doubted.get(name, ()):
                search.holders.setdefault(place, set()).add(name)
        search.offer_copies()  # of these, too
        _offer_near(sources, taken)
        leave()
    if unlisted := [name for name in confirmed if name not in taken.records]:
        raise UsageError(
            f"--with {unlisted[0]}: no record of this id is listed as NOT TAKEN; nothing was erased. Give the command "
            "without it, and copy the id from that list"
        )
    if unlisted := [name for name in kept if name not in taken.kept]:
        raise UsageError(
            f"--keep {unlisted[0]}: no record of this id is listed; nothing was erased. Give the command without it, "
            "and copy the id from that list"
        )
    found = sources.places({*taken.records, *taken.offered})
    taken.sources = {name: place.source for name, place in found.items()}
    taken.paths = {name: place.path for name, place in found.items() if place.path}
    taken.texts |= {name: found[name].digests for name in taken.paths if name in taken.records} | search.texts
    taken.folders.update(*(place.folders for name, place in found.items() if name in taken.records))
    if with_passages:
        taken.passages = _passages(sources, taken)
    taken.units = [
        unit for unit in sources.units() if not any(path.is_relative_to(unit.folder) for path in sources.damaged)
    ]
    taken.damaged, taken.unread = sources.damaged, sources.unread() - taken.records.keys()
    for path in sources.damaged:
        taken.folders.update(each for each in sources.folders if path.is_relative_to(each))
    taken.held = {place: len(search.holders.get(place, ())) for place in range(len(values))}
    return taken


def ids_among(store: Store, key: bytes, names: Collection[str]) -> set[str]:
    """Return the names that are ids of records in a store."""
    sources = Sources(store, key)
    return listed_ids(store, names) | sources.places(names).keys() | (sources.unread() & {*names})


def _passages(sources: Sources, taken: Taken) -> Passages:
    """Return the passages that are only in taken texts, not in kept texts. Paths of files are not texts."""
    passages, kept = Passages(), list[str]()
    for is_kept in (False, True):
        for name, texts in sources.texts_of_all():
            if name not in taken.records and is_kept:
                kept += texts
            elif name in taken.records and not is_kept:
                passages.take(name, texts)
            if len(kept) > KEPT_AT_ONCE:
                passages.keep(kept)
                kept.clear()
    passages.keep(kept)
    return passages


@dataclass
class _Search:
    """Passes that take and offer records, except the last, which finds near copies."""

    sources: Sources
    taken: Taken
    erased: Erased
    loose: Loose
    places: dict[str, set[int]] = field(default_factory=dict)
    """Places of the values that a digest stands for, by digest."""
    holders: dict[int, set[str]] = field(default_factory=dict)
    """Ids of the records that hold a value, by the value's place."""
    doubted: dict[str, set[int]] = field(default_factory=dict)
    """Places of the values that a record may hold, by its id."""
    texts: dict[str, Collection[str]] = field(default_factory=dict)
    """Digests of the texts that hold a value, by the id of their record."""
    found_again: set[str] = field(default_factory=set)
    """Ids of records in which a later build finds a value or the subject anyway."""

    def take(self, name: str, places: set[int], why: str = "") -> None:
        """Take a record that holds some of the values."""
        said = f"holds value {' and '.join(str(place + 1) for place in sorted(places))}" if places else MATCHES
        if name not in self.taken.records or self.taken.records[name].kind == BEGUN:
            self.taken.records[name] = Why("value" if places else MATCH, f"{said}; {why}" if why else said)
        for place in places:
            self.holders.setdefault(place, set()).add(name)

    def _places_of(self, digests: Iterable[str]) -> set[int]:
        return set[int]().union(*(self.places[digest] for digest in digests))

    def doubt(self, name: str, why: str, places: set[int]) -> None:
        """Offer a record that may hold some of the values."""
        said = WORDS_OF[why].format(" and ".join(str(place + 1) for place in sorted(places)))
        self.taken.offered.setdefault(name, Why(why, said))
        self.doubted.setdefault(name, set()).update(places)

    def hold(self) -> None:
        """Take the records that hold a value. Offer the records that may hold one, such as in a longer word."""
        for _, table in self.sources.tables() if self.erased else ():
            self.taken.of += len(table)
            owners, texts = cells(table)
            metas = table.column("meta").to_pylist()
            once = [*dict.fromkeys(texts)]
            of = dict(zip(once, self._look(once), strict=True))
            found: dict[int, list[tuple[set[str], set[int]]]] = {}
            for owner, text in zip(owners, texts, strict=True):
                if any(of[text]):
                    is_meta = text == metas[owner]
                    look = self._look([json.dumps(without_folder(json.loads(text)))])[0] if is_meta else of[text]
                    found.setdefault(owner, []).append(look)
            for owner, parts in self._parted(owners, texts, metas):
                found.setdefault(owner, []).append((set(), parts))
            for owner, some in found.items():
                name = table.column("id")[owner].as_py()
                if digests := set[str]().union(*(held for held, _ in some)):
                    if self._places_of(digests):
                        self.found_again.add(name)
                    self.texts[name] = {*self.texts.get(name, ()), table.column("text_digest")[owner].as_py()}
                    self.take(name, self._places_of(digests))
                elif doubted := set[int]().union(*(may_be for _, may_be in some)):
                    self.doubt(name, "inside", doubted)
                elif places := self._places_of(self.erased.find([metas[owner]])[0]):
                    self.doubt(name, "path", places)
        for _, name, _, said in self.sources.quarantined() if self.erased else ():
            self.taken.of += 1
            held, may_be = ({*chain.from_iterable(some)} for some in zip(*self._look(said), strict=True))
            if held:
                self.take(name, self._places_of(held), "it could not be read")
            elif may_be:
                self.doubt(name, "inside", may_be)

    def _parted(
        self, owners: Sequence[int], texts: Sequence[str], metas: Sequence[str]
    ) -> Iterator[tuple[int, set[int]]]:
        """Yield the rows of a table whose fields may hold parts of values, with the places of these values."""
        of = dict[int, list[str]]()
        for owner, text in zip(owners, texts, strict=True):
            of.setdefault(owner, []).extend(scalars(json.loads(text)) if text == metas[owner] else (text,))
        yield from ((owner, places) for owner, some in of.items() if (places := self.loose.in_fields(some)))

    def _look(self, texts: Sequence[str]) -> list[tuple[set[str], set[int]]]:
        """Return for each text the digests of values that it holds, and the places of values that it may hold."""
        held = self.erased.find(texts)
        loosely = ({place for form in readings(text) for place in self.loose.find(form)} for text in texts)
        return [(digests, may_be - self._places_of(digests)) for digests, may_be in zip(held, loosely, strict=True)]

    def keep(self, names: Collection[str]) -> None:
        """Neither take nor offer some records."""
        for listed in (self.taken.records, self.taken.offered):
            for name in listed.keys() & {*names}:
                self.taken.kept.setdefault(name, listed.pop(name))
                for holders in self.holders.values():
                    holders.discard(name)

    def follow_subjects(self) -> None:
        """Take the records of a subject that a value names. Offer a subject's other records if some hold a value."""
        held, holding = set[str]().union(*self.holders.values()), dict[str, set[str]]()
        for _, row in self.sources.rows(lambda row: row.subject != ""):
            if found := self.erased.of_subject(row.subject):
                for place in self._places_of(found):
                    self.holders.setdefault(place, set()).add(row.id)
                self.found_again.add(row.id)
                self.taken.records.setdefault(row.id, Why("subject", "its subject is erased"))
            if row.id in held:
                holding.setdefault(row.subject, set()).add(row.id)
        every = dict[str, set[str]]()
        for _, row in self.sources.rows(lambda row: row.subject in holding):
            every.setdefault(row.subject, set()).add(row.id)
        for subject, names in every.items():
            count = len(holding[subject])
            said = f"of the subject, {count:,} of whose {len(names):,} records hold a value ({count / len(names):.0%})"
            others = dict.fromkeys(names - self.taken.records.keys(), Why("subject", said))
            self.taken.offered = others | self.taken.offered
        for name in self.taken.records.keys() & self.taken.offered.keys():
            del self.taken.offered[name]

    def offer_copies(self) -> None:
        """Offer exact copies of all taken texts, except texts that are too short to be distinguished."""
        rows = [row for row in self.sources.texts(self.taken.records) if len(word_spans(row.text)) >= SHINGLE_WORDS]
        of = {row.text_digest: row.id for row in rows}
        self.taken.digests |= of.keys()
        self.taken.noted |= {row.text_digest for row in rows if row.id not in self.found_again}
        for _, row in self.sources.rows(lambda row: row.text_digest in of and row.id not in self.taken.records):
            said = f"an exact copy of {of[row.text_digest][:12]}, in source {row.source}"
            if row.id not in self.doubted:
                self.taken.offered[row.id] = Why("copy", said)
            self.taken.noted.discard(row.text_digest)


def cells(table: Any) -> tuple[list[int], list[str]]:
    """Return every text of a table of records, each with its row."""
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
    """Offer records that share most of their runs of five words with a taken record."""
    known: dict[str, NDArray[np.uint32]] = {}
    for row in sources.texts(taken.records):
        if row.text_digest in taken.digests:
            known.setdefault(row.text_digest, _shingles([row.text])[0])
    if not known:
        return
    names = {row.text_digest: row.id for row in sources.texts(taken.records)}
    every = np.unique(np.concatenate([*known.values()]))

    def offer(name: str, found: NDArray[np.uint32]) -> None:
        is_listed = name in taken.records or (name in taken.offered and taken.offered[name].kind != "subject")
        if is_listed or np.isin(found, every, assume_unique=True).sum() < NEAR * len(found):
            return
        alike = {digest: jaccard(found, of) for digest, of in known.items() if _may_be_near(found, of)}
        if alike and (best := max(alike.values())) >= NEAR:
            nearest = next(names[digest] for digest, value in alike.items() if value == best)
            taken.offered[name] = Why("near", f"{best:.2f} like {nearest[:12]}")

    for _, table in sources.tables(["id", "text"]):
        texts = table.column("text").to_pylist()
        for name, found in zip(table.column("id").to_pylist(), _shingles(texts, every), strict=True):
            if len(found):
                offer(name, found)
    for _, name, _, said in sources.quarantined():
        offer(name, _shingles([said[0]])[0])


def _may_be_near(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> bool:
    return NEAR * max(len(one), len(other)) <= min(len(one), len(other))


def _shingles(texts: Sequence[str], shared: NDArray[np.uint32] | None = None) -> list[NDArray[np.uint32]]:
    """Return the set of shingles of each text, or an empty set if it has none of `shared`."""
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
