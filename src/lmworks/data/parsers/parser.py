"""Interface of parsers, which turn the bytes of one decompressed file into records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Literal, Protocol

from lmworks.data.base.encodings import looks_like
from lmworks.data.base.structure import Field
from lmworks.pipeline.guarded import note

RAW_BYTES_KEPT = 65_536
"""Bytes kept of an unreadable record. `start` and `size` state where the whole record is in the file."""


@dataclass(frozen=True)
class Piece:
    """A part of one source file that is read at once."""

    path: str
    """Path below the source's root, with forward slashes."""
    bytes: int
    start: int = 0
    stop: int | None = None
    """End in the parser's own units: bytes of the decompressed file, or row groups of Parquet. None: the file's end."""
    first_record: int = 0
    member: str = ""
    """Name inside a zip archive."""

    @property
    def name(self) -> str:
        """The path that records carry: a member of an archive is like a file in a folder."""
        return f"{self.path}/{self.member}" if self.member else self.path


@dataclass(frozen=True)
class Record:
    """One raw text as the source holds it."""

    path: str
    key: str
    """The source's own name of the record, or its number in the file, counted from 1."""
    text: str
    format: str
    """"html" or "text"."""
    licence: str | None
    meta: Mapping[str, Any] = field(default_factory=dict)
    created: str | None = None
    """When the text was written, as the source states it: ISO 8601, whole or in part."""
    span: Span | None = field(default=None, compare=False)
    """Bytes of the record, if its format has its own keys, which can occur twice."""
    fields: Sequence[Field] = ()
    """Fields of a row that was read with all its texts. `text` then joins them."""
    structure: str | None = None
    """Structure that holds these texts: see `data/base/structure.py`."""
    subject: str | None = None
    """Person that the text is about or from."""
    language: str | None = None
    """Code of the language, as the source states it."""
    empty: tuple[str, ...] = ()
    """Settings, such as `created_field` or `keep: price`, that name something the record does not have."""
    row: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """Fields that settings can name, or None if the format has no fields."""
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Numbers of changes made when the record was read, by reason."""


@dataclass(frozen=True)
class Unreadable:
    """A record or a whole file that cannot be read, with all that is needed to correct and replay it."""

    path: str
    key: str
    """Number of the record in the file, or "" for the whole file."""
    offset: int
    """Byte offset of the fault in the decompressed file, or of the record if the fault's place is not known."""
    reason: str
    """Reason. The words before the first colon name its count."""
    raw: bytes
    """Bytes of the record, at least the first `RAW_BYTES_KEPT`."""
    start: int = 0
    """Byte offset in the decompressed file where `raw` begins."""
    size: int | None = None
    """Bytes of the whole record when `raw` is only its beginning."""
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """Settings with which `raw` alone is read again: its `format`, if the file has another one, or `columns`,
    `delimiter` and `quotes` of the table with this row."""
    row: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """Fields of the record, if the fault is in one of them."""
    is_rest: bool = False
    """Whether it is the whole rest of its file, which can hold many records."""


@dataclass(frozen=True)
class Skipped:
    """A sound record that is not used, such as a picture in an archive of web pages."""

    path: str
    key: str
    reason: str


Found = Record | Unreadable | Skipped


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Settings of a recipe for reading files."""

    licence: str | None = None
    """Licence of every record that does not state its own."""
    licence_field: str | None = None
    text_fields: tuple[str, ...] = ("text",)
    fields: tuple[str, ...] | Literal["all"] | None = None
    """Fields of a row that are read as separate texts, or None if `text_fields` are joined into one text."""
    key_field: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    """Paths of a record's date (`created`), `subject`, `language` and `label`."""
    dates: Literal["day-first", "month-first"] | None = None
    """Order of day and month in dates, or None if only a day above 12 shows it."""
    label_case: Literal["keep", "lower"] = "keep"
    """Whether labels that differ only in case or spaces are one label."""
    keep: tuple[str, ...] = ()
    classes: Mapping[str, Any] = field(default_factory=dict)
    """Names of label classes, from files beside the data. See `classes.Classes`."""
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    quotes: bool | None = None
    """Whether quotes enclose fields of a table. None means that the first rows decide."""
    records: str | None = None
    sheets: tuple[str, ...] = ()
    """Sheets of a workbook to read. Empty means all visible ones."""
    encoding: str = "utf-8"
    """Encoding of the file before it was decoded, and of its parts that state no encoding."""
    html: Literal["keep", "main"] = "keep"
    limit: int = 2**26
    """Maximum bytes of a record that is read."""
    left_out: Mapping[int, str] = field(default_factory=dict)
    """Numbers of the records or pages that crashed the process which read them, with the reason."""


class Parse(Protocol):
    """Yield what a piece holds, in order. The stream is at the file's beginning and can seek forward."""

    def __call__(self, piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]: ...


class Cut(Protocol):
    """Cut a whole file into pieces of about `size` bytes, which together hold the records of the file."""

    def __call__(self, whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]: ...


@dataclass(frozen=True)
class Form:
    """One file format."""

    parse: Parse
    cut: Cut | None = None
    """Function that cuts a file into pieces, or None for a format that is read whole."""
    seeks: bool = False
    """Whether parsing reads a file in any order, so that a compressed file must first be unpacked to disk."""
    states_licences: bool = False
    """Whether files of this format hold a licence per record."""
    endings: tuple[str, ...] = ()
    """Endings of files that have this format by default. Only built-in formats are chosen by ending."""
    about: str = ""
    """Description of the form for the reference."""
    encoding: Literal["none", "text", "xml"] = "none"
    """Whether its bytes are text in any encoding, and whether an XML declaration can name the encoding."""
    needs: tuple[str, ...] = ()
    """Modules that reading needs and that a plain installation lacks."""
    guarded: bool = False
    """Whether a small file can make its libraries use unlimited memory and time, or crash the process."""


@dataclass(frozen=True)
class Span:
    """The bytes of one record."""

    offset: int
    raw: bytes
    """All bytes of the record, or its beginning if it is longer than the limit."""
    size: int
    """Bytes of the whole record."""
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """See `Unreadable`."""

    @property
    def end(self) -> int:
        return self.offset + self.size

    def unreadable(self, name: str, key: str, reason: str, *, at: int = 0) -> Unreadable:
        """Return this record for the quarantine. `at` is the fault's offset in the record."""
        return Unreadable(name, key, self.offset + at, reason, self.raw, self.offset, self.size, self.settings)

    def not_text(self, name: str, key: str, reading: Reading, *, at: int) -> Unreadable:
        """Return this record for the quarantine because its encoding is wrong, with a guess of the right encoding."""
        if reading.encoding not in ("utf-8", ""):
            return self.unreadable(name, key, f"not in {reading.encoding}", at=at)
        guess = looks_like(self.raw)
        said = f": it looks like {guess}; if it is, set `encoding: {guess}` of the source" if guess else ""
        return self.unreadable(name, key, f"not UTF-8{said}", at=at)

    def too_long(self, name: str, key: str, limit: int) -> Unreadable | None:
        """Return this record for the quarantine if it is longer than the limit, else None."""
        if self.size == len(self.raw) or self.size <= limit:
            return None
        reason = f"longer than record_bytes: {self.size} bytes, record_bytes is {limit}"
        return self.unreadable(name, key, reason)


Spans = Callable[[Piece, IO[bytes], Reading], Iterator[Span]]
"""A function that yields the bytes of each record of a piece."""
OfSpan = Callable[[Piece, int, Span, Reading], Iterable[Found]]
"""A function that yields what one record holds, from its number in the file and its bytes."""


def span_form(spans: Spans, of_span: OfSpan, *, cut: Cut | None = None, **facts: Any) -> Form:
    """Return the form of a file whose records are found by their bytes, and then read one by one.

    A record that is longer than the limit, or that crashed an earlier process, does not affect other records.
    """

    def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
        for number, span in enumerate(spans(piece, stream, reading), piece.first_record + 1):
            note(number)
            if reason := reading.left_out.get(number):
                yield span.unreadable(piece.name, str(number), reason)
            elif fault := span.too_long(piece.name, str(number), reading.limit):
                yield fault
            else:
                yield from of_span(piece, number, span, reading)

    def cut_spans(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
        return cut_between(whole, spans(whole, stream, reading), size)

    return Form(parse, cut or cut_spans, **facts)


def cut_between(whole: Piece, spans: Iterable[Span], size: int) -> Iterator[Piece]:
    """Cut a file at the first end of a record after each `size` bytes."""
    start = first = count = end = 0
    for span in spans:
        if end - start >= size:
            yield Piece(whole.path, end - start, start, end, first, whole.member)
            start, first = end, count
        count, end = count + 1, span.end
    if end > start:
        yield Piece(whole.path, end - start, start, None, first, whole.member)


MOST_NUL = 0.5
"""Maximum share of NUL characters. Files damaged on a disk are nearly all NUL."""


def drained(stream: IO[bytes]) -> int:
    """Read the rest of a stream in bounded memory. Return its number of bytes."""
    size = 0
    while chunk := stream.read(2**20):
        size += len(chunk)
    return size


def whole_file(parse: Callable[[Piece, Span, Reading], Iterator[Found]]) -> Parse:
    """Return a parser of whole files. Files longer than the limit, or not in their encoding, are quarantined."""

    def read(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
        raw = stream.read(reading.limit + 1)
        size = len(raw)
        if size > reading.limit:
            raw = raw[:RAW_BYTES_KEPT]
            size += drained(stream)
        span = Span(0, raw, size)
        if too_long := span.too_long(piece.name, "", reading.limit):
            yield too_long
            return
        try:
            for found in parse(piece, span, reading):
                nothing = found.text.count("\0") if isinstance(found, Record) else 0
                if isinstance(found, Record) and nothing > MOST_NUL * len(found.text):
                    yield span.unreadable(piece.name, "", f"NUL bytes: {nothing:,} of {len(found.text):,} characters")
                else:
                    yield found
        except UnicodeDecodeError as error:
            yield span.not_text(piece.name, "", reading, at=error.start)

    return read
