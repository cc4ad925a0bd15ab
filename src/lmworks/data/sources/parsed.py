"""Shared parts of all sources of files. Each file is unpacked and read in the form of its ending or of a setting."""

from __future__ import annotations

import fnmatch
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from lmworks.data.base.structure import value_at
from lmworks.data.base.text import one_form
from lmworks.data.parsers import ENDINGS, NUMBERED, PARSERS, form_of, hints
from lmworks.data.parsers.documents.whole import not_text
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, Piece, Reading, Record, Skipped, Unreadable
from lmworks.data.personal.hidden import hide_name
from lmworks.data.shards.records import Document
from lmworks.data.sources import unpack
from lmworks.data.sources.archives import (
    TAR,
    ZIP,
    Contents,
    Entry,
    contents_of,
    entries,
    is_archive,
    is_tar,
    open_member,
    walk_tar,
)
from lmworks.data.sources.recode import UTF_8, encoding_of, recoded
from lmworks.data.sources.settings import ReadSettings
from lmworks.data.sources.source import EXCLUDED
from lmworks.errors import LmworksError, UsageError, format_counts
from lmworks.pipeline.guarded import GivenUp, Place, note, read_guarded

PACKED_PIECE = 2**24
"""Minimum bytes of a piece. To find its start, all bytes before it are unpacked or decoded, so pieces are large."""
ABOUT = frozenset(("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"))
"""Names of files without records, which the library `datasets` writes about a data set."""


class ParsedSource(ReadSettings):
    """Files that parsers read."""

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
        """Return the files that are read, if they can be listed without another machine."""
        return []

    @property
    def source_licence(self) -> str | None:
        return self.licence

    @property
    def has_licence_by_record(self) -> bool:
        return self.licence_field is not None or (self.format is not None and PARSERS[self.format].states_licences)

    @abstractmethod
    def walk(self) -> list[str]:
        """Return every file there is, sorted."""

    @abstractmethod
    def place(self) -> str:
        """Return where the files are, for messages."""

    def paths(self) -> list[str]:
        """Return every file that the settings choose and whose format is known, archives included."""
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
        """Return the patterns of `include` that a user stated. Each must match something."""
        return self.include

    def _require_patterns(self) -> None:
        """Raise UsageError for a pattern that no file, and nothing in an archive, matches."""
        names: list[str] = []
        for path in self.walk() if self.patterns() else ():
            names += [f"{path}/{entry.name}" for entry in self._contents(path).entries] if is_archive(path) else [path]
        for pattern in self.patterns():
            if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
                found = ", ".join(names[:8]) + ", …" * (len(names) > 8)
                raise UsageError(
                    f"Source {self.label}: `include` has {pattern!r}, which no file of {self.place()} matches; "
                    f"there are {found or 'none'}. Fix the pattern, or leave it out."
                )

    def left_out(self) -> Iterator[tuple[str, str]]:
        place = self.place()
        yield from ((f"{place}/{name}", why) for name, why in self._judged() if why)

    def places(self) -> Iterator[str]:
        place = self.place()
        yield from (f"{place}/{name}" for name, why in self._judged() if not why)

    def _judged(self) -> Iterator[tuple[str, str]]:
        """Yield every file (for an archive, each file in it) and why it is not read, or "" if it is read."""
        for path in self.walk():
            if not is_archive(path) or self._is_excluded(path):
                yield path, self._why_not(path)
                continue
            for entry in self._contents(path).entries:
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

    def _contents(self, path: str) -> Contents:
        """Return the files of an archive, or no files if it cannot be opened."""
        try:
            return contents_of((self.place(), path, self.state(path)), path, partial(self.open, path))
        except OSError:
            return Contents()

    def _wanted(self, path: str) -> list[Entry]:
        """Return the files of an archive that are read."""
        found = self._contents(path).entries
        return [entry for entry in found if not entry.fault and self._reads(f"{path}/{entry.name}")]

    def is_numbered(self, path: str) -> bool:
        return self.key_field is None and self._word(path) in NUMBERED

    def _word(self, name: str) -> str | None:
        path = unpack.plain_name(name)
        if word := self.format or form_of(path):
            return word
        is_rows = (self.fields or self.records) and path.lower().endswith(".json")
        return "json" if is_rows and PurePosixPath(path).name not in ABOUT else None

    def _form(self, name: str) -> Form | None:
        word = self._word(name)
        return PARSERS[word] if word else None

    def pieces(self, path: str, size: int) -> Sequence[Piece]:
        """Cut a file, and a member of an archive like a file. Files that cannot be cut or opened stay whole."""
        total = self.size(path)
        if not is_archive(path):
            return self._cut(Piece(path, total), size)
        contents = self._contents(path)
        if not contents.entries:
            return [Piece(path, total)]  # reading it fails, and is quarantined
        if is_tar(path):
            return list(self._pieces_of_tar(path, contents, max(size, PACKED_PIECE, total // 8)))
        wanted = (Piece(path, entry.size, member=entry.name) for entry in self._wanted(path))
        damaged = [] if contents.is_whole else [Piece(path, total, len(contents.entries))]  # reading it says why
        return [piece for whole in wanted for piece in self._cut(whole, size)] + damaged

    def _pieces_of_tar(self, path: str, contents: Contents, size: int) -> Iterator[Piece]:
        """Yield ranges of member numbers, and the pieces of large members, which are cut like files."""
        start = total = 0
        for number, entry in enumerate(contents.entries):
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
        if total or not contents.is_whole:
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

    def read(self, piece: Piece) -> Iterator[Found | Document]:
        """Yield what a piece holds. A damaged file is read up to the damage, and the rest is quarantined.

        Formats whose files can exhaust memory or crash the process are read in a separate process.
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
            inside = self._contents(piece.path).entries[piece.start : piece.stop]
            names = [f"{piece.path}/{entry.name}" for entry in inside]
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
        """Yield each file of a piece that is read, with its unpacked bytes and its bytes as stored."""
        path = piece.path
        stored = stack.enter_context(self.open(path))
        if not is_archive(path):
            yield piece, stack.enter_context(unpack.unpack(path, stored)), stored
        elif piece.member:
            yield piece, stack.enter_context(open_member(path, stored, piece.member)), stored
        elif is_tar(path):
            number = -1
            for number, (entry, content) in enumerate(walk_tar(path, stored)):
                if piece.stop is not None and number >= piece.stop:
                    return
                if number >= piece.start and not entry.fault and self._reads(f"{path}/{entry.name}"):
                    yield Piece(path, entry.size, member=entry.name), unpack.unpack(entry.name, content), stored
            if number < 0:
                raise RuntimeError("an empty archive")
        else:
            members = list(entries(path, stored))[piece.start : piece.stop]
            if not members:
                raise RuntimeError("no archive, or an empty one")
            for entry in members:
                if not entry.fault and self._reads(f"{path}/{entry.name}"):
                    inner = Piece(path, entry.size, member=entry.name)
                    yield inner, stack.enter_context(open_member(path, stored, entry.name)), stored

    def _parse(
        self, piece: Piece, stream: IO[bytes], stored: IO[bytes], left_out: Mapping[int, str]
    ) -> Iterator[Found]:
        form = self._form(piece.name)
        if form is None:
            raise RuntimeError("no form is known for it")
        with ExitStack() as stack:
            stream, reading = self._prepared(stream, stored, form, piece.path, stack)
            reading = replace(reading, left_out=left_out) if left_out else reading
            found = (form.parse if reading.encoding else not_text)(piece, stream, reading)
            yield from map(self._as_asked, found) if self.label_from_folder or self.required else found

    def _as_asked(self, found: Found) -> Found:
        """Return a record with the name of its file's folder as its label, or the reason why it is left out."""
        if not isinstance(found, Record):
            return found
        for name in self.required:
            if value_at(found.row or {}, name) in (None, ""):
                return Skipped(found.path, found.key, f"without {hide_name(name)}")
        if not self.label_from_folder or not (folder := PurePosixPath(found.path).parent.name):
            return found
        label = one_form(folder) if self.label_case == "lower" else folder
        return replace(found, meta={**found.meta, "label": label})

    def _damaged(self, piece: Piece, error: Exception) -> Unreadable:
        is_packed = unpack.is_packed(piece.path) or is_archive(piece.path)
        return self._unread(piece, f"cannot be {'unpacked' if is_packed else 'read'}: {error or type(error).__name__}")

    def _unread(self, piece: Piece, reason: str) -> Unreadable:
        """Return an entry for the quarantine, with the beginning of the file."""
        with self.open(piece.path) as stream:
            raw = stream.read(RAW_BYTES_KEPT)
        return Unreadable(piece.name, "", 0, reason, raw, 0, self.size(piece.path))

    def _prepared(
        self, stream: IO[bytes], stored: IO[bytes], form: Form, path: str, stack: ExitStack
    ) -> tuple[IO[bytes], Reading]:
        """Return a file's bytes as its format needs them, and its settings. Without an encoding, it cannot be read."""
        if form.seeks and stream is not stored:
            limit = max(self.record_bytes, unpack.MOST_TIMES * self.size(path))
            stream = stack.enter_context(unpack.on_disk(stream, limit))
        if form.encoding == "none":
            return stream, self.reading(self.encoding or UTF_8)
        encoding = encoding_of(stream, self.encoding, form.encoding == "xml")
        return stack.enter_context(recoded(stream, encoding)), self.reading(encoding)
