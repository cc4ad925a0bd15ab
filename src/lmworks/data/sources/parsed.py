"""What all sources of files share: each file is unpacked and read in the form that its ending or the user names."""

from __future__ import annotations

import fnmatch
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from lmworks.data.parsers import ENDINGS, NUMBERED, PARSERS, form_of, hints
from lmworks.data.parsers.documents.whole import not_text
from lmworks.data.parsers.encodings import encoding_name
from lmworks.data.parsers.facts import FACTS
from lmworks.data.parsers.fields import settings_of
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, Piece, Reading, Unreadable
from lmworks.data.records import OWN_FIELDS, Document
from lmworks.data.sources import unpack
from lmworks.data.sources.archives import TAR, ZIP, Entry, entries, is_archive, is_tar, open_member, walk_tar
from lmworks.data.sources.provenance import ProvenanceRecord, licence_of
from lmworks.data.sources.recode import UTF_8, encoding_of, recoded
from lmworks.data.sources.source import EXCLUDED, SourceConfig
from lmworks.errors import LmworksError, UsageError, format_counts
from lmworks.pipeline.guarded import GivenUp, Place, note, read_guarded
from lmworks.recipe.kinds import Named

PACKED_PIECE = 2**24
"""Bytes, at least, of a piece that is found by unpacking, or decoding, all that is before it: few and large ones."""
ABOUT = frozenset(("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"))
"""Files that `datasets` writes about a data set, which hold none of its records."""
ENTRIES_KEPT = 2**20
"""Of archives whose contents are known: those of compressed tar archives take a reading of all."""


def _without_password(address: str) -> str:
    if re.match(r"[^/]*://[^/]*:(?!\d+/)[^@]+@|.*[?&]password=", address, re.DOTALL):
        raise ValueError(
            "it holds a password, and a recipe is no place for one; leave it to the storage's own configuration, or "
            "put a database's address into an environment variable and write `$ITS_NAME`"
        )
    return address


Address = Annotated[str, AfterValidator(_without_password)]


class ParsedSource(SourceConfig):
    """Files that parsers read: how, in the user's words."""

    licence: str | None = Field(
        default=None, description="SPDX expression for all files. No default: nobody but the user can state it."
    )
    provenance: ProvenanceRecord | None = Field(
        default=None,
        description="A record of the Data Provenance Initiative to take the licence from; unset, `licence` holds.",
    )
    licence_field: str | None = Field(
        default=None,
        description="Field of a record with its own licence; unset, or where a record has none, `licence` holds.",
    )
    created_field: str | None = Field(
        default=None,
        description="Field of a record that says when it was written: ISO 8601, RFC 2822, seconds since 1970, or a "
        "date such as 31.12.2024 or 1 May 2024. A record whose date cannot be read, or in two ways "
        "(see `dates`), is quarantined.",
    )
    dates: Literal["day-first", "month-first"] | None = Field(
        default=None,
        description="How `created_field` writes dates such as 05/01/2024; unset, a day above 12 in any date of the "
        "source says it for all. Where none does, those that can be read in two ways are quarantined, and where dates "
        "say both, the step stops.",
    )
    subject_field: str | None = Field(
        default=None, description="Field of a record that says whom it is about or from, by which an erasure finds it."
    )
    language_field: str | None = Field(
        default=None, description="Field of a record with the code of its language, such as `en` or `pt-BR`."
    )
    label_field: str | None = Field(
        default=None, description="Field of a record with its label, which is kept as `label` for what learns labels."
    )
    text_field: str | list[str] = Field(
        default="text",
        description="Field of a record that holds the text; of several, the texts are joined by an empty line. "
        "`info.post` is a field inside a field, `messages.*.content` a field of every item of a list. The default is "
        "the name that most published sets use.",
    )
    fields: Literal["all"] | list[str] = Field(
        default=[],
        description="Fields of a record that are kept each by itself, whatever is in them: `all`, or their names. From "
        "such records `conversations` and `preferences` are made; what reads text reads what all of them say, what "
        "changes it changes each in its place. Empty, a record is the one text of `text_field`.",
    )
    key_field: str | None = Field(
        default=None,
        description="Field that names a record for good, so that its id stays when rows are added before it; unset, "
        "the record's number in the file.",
    )
    keep: list[str] = Field(
        default=[], description="Fields kept in `meta`; none by default, since what nobody asked for may be private."
    )
    format: Annotated[str, Named(PARSERS)] | None = Field(
        default=None,
        description="Form of every file; unset, each file's ending says it. XML needs it, and JSON where "
        "neither `fields` nor `records` says that its files are records.",
    )
    include: list[str] = Field(
        default=[], description="Patterns of paths that are read, such as `*/Posts.xml`; all when empty."
    )
    exclude: list[str] = Field(
        default=[],
        description="Patterns of paths that are not read though `include` names them, such as `old/*` or `*.bak`; none "
        "by default, since what is left out teaches nothing. They are counted as left out, and not as lost.",
    )
    columns: list[str] = Field(
        default=[], description="Names of the columns of csv and tsv files that have no header; empty, they have one."
    )
    header: Literal[True] | None = Field(
        default=None,
        description="Says that the first row of a csv or tsv file names its columns. Unset, it does; one that looks "
        "like data (numbers alone, an e-mail address, …) stops the step: its values would become names of fields.",
    )
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Between columns; unset, a comma in csv and a tab in tsv, unless the first rows are cut into equal "
        "numbers of fields by another of `,`, `;`, `|` and the tab. A build counts the files where that was so.",
    )
    quotes: bool | None = Field(
        default=None,
        description="Whether fields of a table may stand in quotes, those inside doubled. Unset, they may, but between "
        "tabs only where the first rows show it, which a build counts: such tables mostly have quotes of texts alone.",
    )
    encoding: Annotated[str, AfterValidator(encoding_name)] | None = Field(
        default=None,
        description="Of files that are text, such as `cp1252`; unset, UTF-8, or what an XML file declares. A byte "
        "order mark of UTF-8, UTF-16 or UTF-32 holds in any case. Of mail and pages of WARC files, what states none.",
    )
    records: str | None = Field(
        default=None,
        description="Where a JSON file's records stand, such as `data.*.paragraphs.*`; unset, the file is a list of "
        "records, or one record. Of an XML file, the name of the elements that are records.",
    )
    sheets: list[str] = Field(
        default=[],
        description="Names of the sheets of workbooks that are read; empty, all that are shown, which suits those with "
        "the same columns. Others are counted.",
    )
    html: Literal["keep", "main"] = Field(
        default="keep",
        description="`main` takes the main text of a web page and leaves menus and notices out. `keep` by default: "
        "pages of documentation lose tables and lists by it.",
    )
    records_of_provenance: dict[str, dict[str, Any]] = Field(default={}, description="Set by `located`.")
    class_names: dict[str, Any] = Field(
        default={}, description="Names of classes that stand beside the files. Set by `located`."
    )
    record_bytes: int = Field(
        default=2**26,
        ge=2**10,
        description="Longest record that is read; a longer one is quarantined. 64 MiB is six times the longest novel, "
        "and takes less than 1 GiB to parse.",
    )

    @field_validator("keep")
    @classmethod
    def _keep_is_free(cls, value: list[str]) -> list[str]:
        if taken := [name for name in value if name in OWN_FIELDS]:
            raise ValueError(f"{taken[0]!r} is a field that every document has of its own; rename yours to keep it")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.label_field not in (None, "label") and "label" in self.keep:
            raise ValueError(
                "`keep` and `label_field` name two fields that would both be kept as `label`; leave one out"
            )
        if self.fields and self.text_field != type(self).model_fields["text_field"].default:
            raise ValueError("`text_field` and `fields` are two ways to read a record: leave one out")
        if twice := [name for name, count in Counter(self.columns).items() if count > 1]:
            raise ValueError(f"`columns` names {twice[0]!r} twice, and one of the two would be lost")
        if self.format == "xml" and not self.records:
            raise ValueError("format `xml` needs `records`, the name of the elements that are records, such as `pair`")
        return self

    @model_validator(mode="before")
    @classmethod
    def _text_or_fields(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("text_field") in (".", ["."]):
            raise ValueError("`text_field: .` is now `fields: all`, which keeps each text of a record by itself")
        return given

    def located(self, folder: Path) -> Self:
        """Takes the licence and the facts of each file from its record of provenance, if it has one."""
        found = super().located(folder)
        if self.provenance is None:
            return found
        records = self.provenance.read(folder)
        licence = licence_of(records)
        if self.licence is not None and self.licence != licence:
            raise UsageError(
                f"Source {self.label}: its licence is stated as {self.licence}, and its record of provenance names "
                f"{licence or 'none'}. Find out which is right, and leave the other out."
            )
        return found.model_copy(update={"licence": licence, "records_of_provenance": records})

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        names = [unpack.plain_name(path) for path in ([] if self.format else self.local_paths(folder))]
        words = {self.format, *map(form_of, names)} - {None}
        yield from (module for word in words if word for module in PARSERS[word].needs)
        if self.html == "main" and words & {"html", "warc", "stackexchange"}:
            yield "trafilatura"
        if any(path.lower().endswith((".zst", ".tzst")) for path in self.local_paths(folder)):
            yield "zstandard"

    def local_paths(self, folder: Path) -> list[str]:
        """The files that are read, where they can be listed without another machine."""
        return []

    @property
    def source_licence(self) -> str | None:
        return self.licence

    @property
    def has_licence_by_record(self) -> bool:
        return self.licence_field is not None or (self.format is not None and PARSERS[self.format].states_licences)

    def reading(self) -> Reading:
        """The user's words for parsers."""
        return Reading(
            licence=self.source_licence,
            licence_field=self.licence_field,
            text_fields=(self.text_field,) if isinstance(self.text_field, str) else tuple(self.text_field),
            fields=self.fields if self.fields == "all" else tuple(self.fields) or None,
            key_field=self.key_field,
            facts={fact: path for fact in FACTS if (path := getattr(self, f"{fact}_field"))},
            keep=tuple(self.keep),
            classes=self.class_names,
            columns=tuple(self.columns),
            header=self.header,
            delimiter=self.delimiter,
            quotes=self.quotes,
            dates=self.dates,
            records=self.records,
            sheets=tuple(self.sheets),
            html=self.html,
            limit=self.record_bytes,
        )

    def named(self) -> Mapping[str, str]:
        return settings_of(self.reading())

    @abstractmethod
    def walk(self) -> list[str]:
        """Every file there is, sorted."""

    @abstractmethod
    def place(self) -> str:
        """Where the files are, for messages."""

    def paths(self) -> list[str]:
        """Every file that is wanted and whose form is known, archives included."""
        self._require_patterns()
        paths = [
            path for path in self.walk() if (not self._is_excluded(path) if is_archive(path) else self._reads(path))
        ]
        if not paths:
            endings = ", ".join([*ENDINGS, *unpack.PACKINGS, ZIP, TAR])
            found = Counter(why for _, why in self.left_out())
            others = format_counts(found) or "nothing else"
            raise LmworksError(
                f"Source {self.label}: {self.place()} holds no file that can be read ({endings}); found {others}. "
                f"{hints(found) or 'Name the form of other files in `format`.'}"
            )
        return paths

    def patterns(self) -> Sequence[str]:
        """Of `include`, those that a user stated, each of which is to match something."""
        return self.include

    def _require_patterns(self) -> None:
        """Raise UsageError for a pattern that no file, and nothing in an archive, matches."""
        names: list[str] = []
        for path in self.walk() if self.patterns() else ():
            names += [f"{path}/{each.name}" for each in self._entries_of(path)[0]] if is_archive(path) else [path]
        for pattern in self.patterns():
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                found = ", ".join(names[:8]) + ", …" * (len(names) > 8)
                raise UsageError(
                    f"Source {self.label}: `include` has {pattern!r}, which no file of {self.place()} matches; "
                    f"there are {found or 'none'}. Mend the pattern, or leave it out."
                )

    def left_out(self) -> Iterator[tuple[str, str]]:
        place = self.place()
        yield from ((f"{place}/{name}", why) for name, why in self._judged() if why)

    def places(self) -> Iterator[str]:
        place = self.place()
        yield from (f"{place}/{name}" for name, why in self._judged() if not why)

    def _judged(self) -> Iterator[tuple[str, str]]:
        """Every file, of an archive those that it holds, and why it is not read; "" if it is."""
        for path in self.walk():
            if not is_archive(path) or self._is_excluded(path):
                yield path, self._why_not(path)
                continue
            for entry in self._entries_of(path)[0]:
                name = f"{path}/{entry.name}"
                yield (f"{name}: {entry.fault}", entry.fault) if entry.fault else (name, self._why_not(name))

    def _why_not(self, name: str) -> str:
        if self._is_excluded(name):
            return EXCLUDED
        return "" if self._reads(name) else PurePosixPath(name).suffix.lower() or "no suffix"

    def _is_excluded(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.exclude)

    def _reads(self, name: str) -> bool:
        included = not self.include or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.include)
        return included and self._form(name) is not None and not self._is_excluded(name)

    def _entries_of(self, path: str) -> tuple[Sequence[Entry], bool, int]:
        """What an archive holds, as far as it can be read, whether that is all, and its bytes.

        The last archives are known.
        """
        try:
            place = (self.place(), path, self.state(path))
            if place not in _entries:
                with self.open(path) as stream:
                    _entries[place] = _listed(entries(path, stream, self.size(path)))
                while len(_entries) > 1 and sum(len(found) for found, _, _ in _entries.values()) > ENTRIES_KEPT:
                    _entries.pop(next(iter(_entries)))
            return _entries[place]
        except OSError:
            return [], False, 0

    def _wanted(self, path: str) -> list[Entry]:
        """The files of an archive that are read."""
        found, _, _ = self._entries_of(path)
        return [entry for entry in found if not entry.fault and self._reads(f"{path}/{entry.name}")]

    def _times(self, path: str, member: str) -> float | None:
        """How many times its size a packed file of an archive may have: all together as many bytes as the archive."""
        if not unpack.is_packed(member):
            return None
        _, _, total = self._entries_of(path)
        return unpack.most_unpacked(self.size(path)) / max(total, 1)

    def is_numbered(self, path: str) -> bool:
        return self.key_field is None and self._word(path) in NUMBERED

    def _word(self, name: str) -> str | None:
        path = PurePosixPath(unpack.plain_name(name))
        is_rows = (self.fields or self.records) and path.suffix.lower() == ".json" and path.name not in ABOUT
        return self.format or form_of(str(path)) or ("json" if is_rows else None)

    def _form(self, name: str) -> Form | None:
        word = self._word(name)
        return PARSERS[word] if word else None

    def pieces(self, path: str, size: int) -> Sequence[Piece]:
        """A member of an archive is cut like a file; what cannot be cut or opened stays whole."""
        total = self.size(path)
        if not is_archive(path):
            return self._cut(Piece(path, total), size)
        found, is_whole, _ = self._entries_of(path)
        if not found:
            return [Piece(path, total)]  # reading it fails, and is quarantined
        if is_tar(path):
            return list(self._pieces_of_tar(path, found, is_whole, max(size, PACKED_PIECE, total // 8)))
        wanted = (Piece(path, entry.size, member=entry.name) for entry in self._wanted(path))
        rest = [] if is_whole else [Piece(path, total, len(found))]  # reading it tells what is wrong
        return [piece for whole in wanted for piece in self._cut(whole, size)] + rest

    def _pieces_of_tar(self, path: str, found: Sequence[Entry], is_whole: bool, size: int) -> Iterator[Piece]:
        """Stretches of members by their numbers, and large members cut like files."""
        start = total = 0
        for number, entry in enumerate(found):
            form = None if entry.fault or not self._reads(name := f"{path}/{entry.name}") else self._form(name)
            if form is None:
                continue
            if is_large := form.cut is not None and entry.size > 2 * size:
                if total:
                    yield Piece(path, total, start, number)
                yield from self._cut(Piece(path, 0, member=entry.name), size)
            total += entry.size
            if is_large or total >= size:
                if not is_large:
                    yield Piece(path, total, start, number + 1)
                start, total = number + 1, 0
        if total or not is_whole:
            yield Piece(path, total, start)

    def _cut(self, whole: Piece, size: int) -> list[Piece]:
        form = self._form(whole.name)
        pieces: list[Piece] = []
        is_packed = unpack.is_packed(whole.path) or whole.member
        if form is None or form.cut is None or (whole.bytes <= size and not is_packed):
            return [whole]
        try:
            with ExitStack() as stack:
                _, stream, stored = next(self._streams(whole, stack))
                stream, reading = self._prepared(stream, stored, form, whole.path, stack)
                if not reading.encoding:
                    return [whole]
                if is_packed or reading.encoding != UTF_8:
                    size = max(size, PACKED_PIECE, self.size(whole.path) // 8)
                pieces.extend(form.cut(whole, stream, size, reading))
        except (OSError, *unpack.ERRORS):
            # The last piece goes on without an end: it is read up to the damage, and that is then quarantined.
            pieces[-1:] = [replace(piece, stop=None) for piece in pieces[-1:]]
        return pieces or [whole]

    def told(self, path: str) -> Counter[str]:
        """Of a file, or of each member of an archive."""
        names = [f"{path}/{entry.name}" for entry in self._wanted(path)] if is_archive(path) else [path]
        if not any((form := self._form(name)) and form.tell for name in names):
            return Counter()
        said: Counter[str] = Counter()
        with suppress(OSError, *unpack.ERRORS), ExitStack() as stack:  # reading it fails, and is quarantined
            for piece, stream, stored in self._streams(Piece(path, 0), stack):
                form = self._form(piece.name)
                if form and form.tell:
                    stream, reading = self._prepared(stream, stored, form, path, stack)
                    said[form.tell(stream, reading) if reading.encoding else ""] += 1
        return Counter({words: files for words, files in said.items() if words})

    def read(self, piece: Piece) -> Iterator[Found | Document]:
        """Yield what a piece holds. A file that is damaged is read as far as it goes, and the rest is quarantined.

        A process of its own reads forms whose files may take all memory, or end the process.
        """
        if not self._is_guarded(piece):
            yield from self._read(piece, {})
            return
        try:
            yield from read_guarded(partial(self._read, piece))
        except GivenUp as error:
            yield self._unread(piece, f"{error}")

    def _is_guarded(self, piece: Piece) -> bool:
        names = [piece.name]
        if is_archive(piece.path) and not piece.member:
            names = [
                f"{piece.path}/{entry.name}" for entry in self._entries_of(piece.path)[0][piece.start : piece.stop]
            ]
        return any((form := self._form(name)) and (form.guarded or self.html == "main") for name in names)

    def _read(self, piece: Piece, left_out: Mapping[Place, str]) -> Iterator[Found]:
        try:
            with ExitStack() as stack:
                for file, (inner, stream, stored) in enumerate(self._streams(piece, stack)):
                    note(0, file)
                    try:
                        if reason := left_out.get((file, 0)):
                            yield self._unread(inner, reason)
                        else:
                            records = {record: reason for (at, record), reason in left_out.items() if at == file}
                            yield from self._parse(inner, stream, stored, records)
                    except (OSError, *unpack.ERRORS) as error:
                        if inner is piece or not unpack.is_packed(inner.member) or getattr(error, "errno", None):
                            raise
                        yield self._damaged(inner, error)  # what lies behind it in the archive may be sound
        except (OSError, *unpack.ERRORS) as error:
            if getattr(error, "errno", None) is not None:
                raise
            yield self._damaged(piece, error)

    def _streams(self, piece: Piece, stack: ExitStack) -> Iterator[tuple[Piece, IO[bytes], IO[bytes]]]:
        """Each file of a piece that is read, its bytes, unpacked, and those that are stored."""
        path = piece.path
        stored = stack.enter_context(self.open(path))
        if not is_archive(path):
            yield piece, stack.enter_context(unpack.unpack(path, stored, self.size(path))), stored
        elif piece.member:
            times = self._times(path, piece.member)
            yield piece, stack.enter_context(open_member(path, stored, self.size(path), piece.member, times)), stored
        elif is_tar(path):
            number = -1
            for number, (entry, content) in enumerate(walk_tar(path, stored, self.size(path))):
                if piece.stop is not None and number >= piece.stop:
                    return
                if number >= piece.start and not entry.fault and self._reads(f"{path}/{entry.name}"):
                    yield (
                        Piece(path, entry.size, member=entry.name),
                        unpack.unpack(entry.name, content, entry.size, self._times(path, entry.name)),
                        stored,
                    )
            if number < 0:
                raise RuntimeError("an empty archive")
        elif not piece.start and (wanted := self._wanted(path)):
            for entry in wanted:
                times = self._times(path, entry.name)
                yield Piece(path, 0, member=entry.name), open_member(path, stored, 0, entry.name, times), stored
        else:
            for _ in entries(path, stored, self.size(path)):  # which says what is wrong
                pass
            raise RuntimeError("no archive, or an empty one")

    def _parse(
        self, piece: Piece, stream: IO[bytes], stored: IO[bytes], left_out: Mapping[int, str]
    ) -> Iterator[Found]:
        form = self._form(piece.name)
        if form is None:
            raise RuntimeError("no form is known for it")
        with ExitStack() as stack:
            stream, reading = self._prepared(stream, stored, form, piece.path, stack)
            reading = replace(reading, left_out=left_out) if left_out else reading
            yield from (form.parse if reading.encoding else not_text)(piece, stream, reading)

    def _damaged(self, piece: Piece, error: Exception) -> Unreadable:
        is_packed = unpack.is_packed(piece.path) or is_archive(piece.path)
        return self._unread(piece, f"cannot be {'unpacked' if is_packed else 'read'}: {error or type(error).__name__}")

    def _unread(self, piece: Piece, reason: str) -> Unreadable:
        """Return a file for the quarantine, with its beginning."""
        with self.open(piece.path) as stream:
            raw = stream.read(RAW_BYTES_KEPT)
        return Unreadable(piece.name, "", 0, reason, raw, 0, self.size(piece.path))

    def _prepared(
        self, stream: IO[bytes], stored: IO[bytes], form: Form, path: str, stack: ExitStack
    ) -> tuple[IO[bytes], Reading]:
        """A file's bytes as its form needs them, text as UTF-8, and how they are read: without encoding, not at all."""
        if form.seeks and stream is not stored:
            limit = max(self.record_bytes, unpack.MOST_TIMES * self.size(path))
            stream = stack.enter_context(unpack.on_disk(stream, limit))
        if form.encoding == "none":
            return stream, replace(self.reading(), encoding=self.encoding or UTF_8)
        encoding = encoding_of(stream, self.encoding, form.encoding == "xml")
        return stack.enter_context(recoded(stream, encoding)), replace(self.reading(), encoding=encoding)


_entries: dict[tuple[str, str, str], tuple[Sequence[Entry], bool, int]] = {}


def _listed(found: Iterator[Entry]) -> tuple[Sequence[Entry], bool, int]:
    listed, is_whole = list[Entry](), True
    try:
        listed.extend(found)
    except unpack.ERRORS:
        is_whole = False
    return listed, is_whole, sum(entry.size for entry in listed)
