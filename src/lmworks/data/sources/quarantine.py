"""Records that an earlier ingest could not read, read again after correction or under other settings."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from lmworks.data.base.encodings import looks_like_utf16
from lmworks.data.parsers import PARSERS
from lmworks.data.parsers.lines import cut_lines, read_lines
from lmworks.data.parsers.parser import Found, Piece, Span, Unreadable
from lmworks.data.shards.records import Document
from lmworks.data.sources.parsed import ParsedSource
from lmworks.data.sources.recode import BAD_BYTE
from lmworks.data.sources.source import FolderSource
from lmworks.errors import UsageError


class Quarantine(ParsedSource, FolderSource):
    """Records of a `quarantine.jsonl`, which `ingest` writes.

    To correct a record, copy the file and add to the record's line a field `mended` with the whole correct
        record. A line without that field is read from its `raw` bytes, which helps when only the settings were wrong.
        Give the settings of the source that the records come from (`text_field` or `fields`, `format`, `columns`).
    """

    refuses_unmet: ClassVar[bool] = False  # its records are few, and may all lack what most others have
    kind: Literal["quarantine"]
    path: str = Field(description="Path of the `quarantine.jsonl`, absolute or relative to the recipe.")
    name: str = Field(default="quarantine", description="Value of the documents' `source`.")

    @property
    def label(self) -> str:
        return self.name

    def root(self) -> Path:
        """Return the folder of the file `path`."""
        file = (self.folder / self.path).resolve()
        if not file.is_file():
            raise UsageError(f"Source {self.label}: there is no file {file}. Fix `path`.")
        return file.parent

    def paths(self) -> list[str]:
        return [(self.root() / Path(self.path).name).name]

    def place(self) -> str:
        return self.path

    def walk(self) -> list[str]:
        return self.paths()

    def pieces(self, path: str, size: int) -> Sequence[Piece]:
        whole = Piece(path, self.size(path))
        with self.open(path) as stream:
            return list(cut_lines(whole, stream, size, self.reading())) or [whole]

    def read(self, piece: Piece) -> Iterator[Found | Document]:
        with self.open(piece.path) as stream:
            for number, line in enumerate(read_lines(piece, stream, self.record_bytes), piece.first_record + 1):
                yield from self._again(piece, number, line)

    def _again(self, piece: Piece, number: int, line: Span) -> Iterator[Found]:
        try:
            entry: dict[str, Any] = json.loads(line.raw)
            name, key = f"{entry['source']}/{entry['path']}", str(entry["record"])
            kept = base64.b64decode(entry["raw"], validate=True)
            raw = entry["mended"].encode() if "mended" in entry else self._as_utf8(kept)
            span = Span(int(entry.get("start", 0)), raw, int(entry["raw_bytes"]))
            whole = "mended" in entry or len(kept) == span.size
            settings = dict(entry.get("settings", {}))
            word = settings.pop("format", None) or self._word(str(entry["path"]))
            reading = replace(self.reading(), **self._of_table(settings))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield line.unreadable(piece.path, str(number), f"not a quarantined record: {type(error).__name__} {error}")
            return
        if key and word in ("parquet", "arrow", "json"):
            word = "jsonl"  # what is kept of a row is its JSON
        fault = ""
        if not whole:
            fault = "only its beginning was kept: write the whole record in `mended`"
        elif word is None:
            fault = "its format is not known: set `format`"
        elif key and word in ("csv", "tsv") and not reading.columns:
            fault = "its columns are not known: name the columns of its table in `columns`"
        is_read = False
        for found in PARSERS[word].parse(Piece(name, len(raw)), io.BytesIO(raw), reading) if word and not fault else ():
            is_read = True
            yield found if found.key != "1" or not key else replace(found, key=key)
        if not is_read:
            fault = fault or "nothing to read: its bytes hold no record"
            yield Unreadable(name, key, span.offset, fault, kept, span.offset, span.size, entry.get("settings", {}))

    def _of_table(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the kept settings of a row's table that the recipe leaves open. Raises ValueError for unknown ones."""
        if unknown := settings.keys() - {"columns", "delimiter", "quotes"}:
            raise ValueError(f"settings has {', '.join(unknown)}")
        own = self.reading()
        return {
            name: tuple(value) if name == "columns" else value
            for name, value in settings.items()
            if getattr(own, name) in (None, ())
        }

    def _as_utf8(self, raw: bytes) -> bytes:
        """Return kept bytes in UTF-8. Bytes in another encoding, which the first source did not know, are decoded."""
        try:
            raw.decode()
            is_known = not looks_like_utf16(raw)
        except UnicodeDecodeError:
            is_known = False
        return raw if is_known or self.encoding is None else raw.decode(self.encoding, BAD_BYTE).encode(errors=BAD_BYTE)
