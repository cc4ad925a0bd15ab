"""Interface of parsers, which turn the bytes of one decompressed file into records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Literal, Protocol

from lmworks.data.base.encodings import looks_like
from lmworks.data.base.structure import Field
from lmworks.pipeline.guarded import note

RAW_BYTES_KEPT = 65_536
"""Bytes of an unreadable record that are carried along; the rest stays where `start` and `size` say."""


@dataclass(frozen=True)
class Piece:
    """A stretch of one source file that is read in one go."""

    path: str
    """Below the source's root, with forward slashes."""
    bytes: int
    start: int = 0
    stop: int | None = None
    """In the parser's own units: bytes of the decompressed file, row groups of a Parquet file; None is the end."""
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
    """Its bytes, where the form has keys of its own that may be there twice."""
    fields: Sequence[Field] = ()
    """Fields of a row that was read with all its texts. `text` then joins them."""
    structure: str | None = None
    """Structure that holds these texts: see `data/base/structure.py`."""
    subject: str | None = None
    """Whom it is about or from."""
    language: str | None = None
    """Its code, as the source states it."""
    empty: tuple[str, ...] = ()
    """Settings, such as `created_field` or `keep: price`, that name something the record does not have."""
    row: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The fields that settings may name; None of a form that has none."""
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Numbers of changes in reading it, by reason."""


@dataclass(frozen=True)
class Unreadable:
    """A record or a whole file that cannot be read, with all that is needed to correct and replay it."""

    path: str
    key: str
    """Number of the record in the file, or "" for the whole file."""
    offset: int
    """Byte offset in the decompressed file of what is wrong, or of the record if that is all that is known."""
    reason: str
    """Reason. The words before the first colon name its count."""
    raw: bytes
    """The record's bytes; the first `RAW_BYTES_KEPT` at least."""
    start: int = 0
    """Byte offset in the decompressed file where `raw` begins."""
    size: int | None = None
    """Bytes of the whole record when `raw` is only its beginning."""
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """How `raw` alone is read again: its `format`, where that is not the file's, or `columns`, `delimiter` and `quotes`
    of the table that it is a row of."""
    row: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The fields that it has, where what is wrong is in one of them."""
    is_rest: bool = False
    """Whether it is all that follows in its file, however many records that is."""


@dataclass(frozen=True)
class Skipped:
    """A record that is sound and is not wanted, such as a picture in an archive of web pages."""

    path: str
    key: str
    reason: str


Found = Record | Unreadable | Skipped


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the user asked for files to be read."""

    licence: str | None = None
    """For every record that states none of its own."""
    licence_field: str | None = None
    text_fields: tuple[str, ...] = ("text",)
    fields: tuple[str, ...] | Literal["all"] | None = None
    """Which fields a row is read with, each a text by itself; None for one text of `text_fields`."""
    key_field: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    """Where a record says its date (`created`), `subject`, `language` and `label`."""
    dates: Literal["day-first", "month-first"] | None = None
    """Which of two numbers of a date is the day; None where only a day above 12 says it."""
    label_case: Literal["keep", "lower"] = "keep"
    """Whether labels that differ only in case or spaces are one label."""
    keep: tuple[str, ...] = ()
    classes: Mapping[str, Any] = field(default_factory=dict)
    """Names of classes that stand beside the files; see `classes.Classes`."""
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    quotes: bool | None = None
    """Whether fields of a table may be in quotes. None means as the first rows show."""
    records: str | None = None
    sheets: tuple[str, ...] = ()
    """Sheets of a workbook to read. Empty means all visible ones."""
    encoding: str = "utf-8"
    """Encoding of the file before it was decoded, and of its parts that state none."""
    html: Literal["keep", "main"] = "keep"
    limit: int = 2**26
    """Bytes of the longest record that is read."""
    left_out: Mapping[int, str] = field(default_factory=dict)
    """Numbers of records, or pages, that ended the process that read them, with the reason."""


class Parse(Protocol):
    """Yield what a piece holds, in order. The stream is at the file's beginning and can seek forward."""

    def __call__(self, piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]: ...


class Cut(Protocol):
    """Cut a whole file into pieces of about `size` bytes that hold the same records, together, as the file."""

    def __call__(self, whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]: ...


@dataclass(frozen=True)
class Form:
    """One form of file."""

    parse: Parse
    cut: Cut | None = None
    """None for a form that is read whole."""
    seeks: bool = False
    """Whether parsing goes back and forth, so that what is compressed must be unpacked first."""
    states_licences: bool = False
    """Whether the form itself holds a licence a record."""
    endings: tuple[str, ...] = ()
    """Endings of files that have this form by default. Only built-in forms are looked at."""
    about: str = ""
    """Description of the form for the reference."""
    encoding: Literal["none", "text", "xml"] = "none"
    """Whether its bytes are text, which may be in another encoding than UTF-8, and which an XML declaration names."""
    needs: tuple[str, ...] = ()
    """Modules that reading it imports and a plain installation lacks."""
    guarded: bool = False
    """Whether files of a few bytes may take its libraries any memory and time, or end the process."""


@dataclass(frozen=True)
class Span:
    """The bytes of one record."""

    offset: int
    raw: bytes
    """Whole, or the beginning of what is longer than the limit."""
    size: int
    """Bytes of the whole record."""
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """See `Unreadable`."""

    @property
    def end(self) -> int:
        return self.offset + self.size

    def unreadable(self, name: str, key: str, reason: str, *, at: int = 0) -> Unreadable:
        """This record for the quarantine; `at` is where in it the fault lies."""
        return Unreadable(name, key, self.offset + at, reason, self.raw, self.offset, self.size, self.settings)

    def not_text(self, name: str, key: str, reading: Reading, *, at: int) -> Unreadable:
        """This record for the quarantine since it is not in its encoding, with what it looks like."""
        if reading.encoding not in ("utf-8", ""):
            return self.unreadable(name, key, f"not in {reading.encoding}", at=at)
        guess = looks_like(self.raw)
        said = f": it looks like {guess}; if it is, set `encoding: {guess}` of the source" if guess else ""
        return self.unreadable(name, key, f"not UTF-8{said}", at=at)

    def too_long(self, name: str, key: str, limit: int) -> Unreadable | None:
        """This record for the quarantine if it is longer than what is read."""
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

    A record that is longer than the limit, or that ended an earlier process, costs itself alone.
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
    """Cut a file where a record ends, once `size` bytes have gone by."""
    start = first = count = end = 0
    for span in spans:
        if end - start >= size:
            yield Piece(whole.path, end - start, start, end, first, whole.member)
            start, first = end, count
        count, end = count + 1, span.end
    if end > start:
        yield Piece(whole.path, end - start, start, None, first, whole.member)


MOST_NUL = 0.5
"""Largest share of NUL characters. Files lost on a disk are nearly all NUL."""


def drained(stream: IO[bytes]) -> int:
    """Return how many bytes are left, which are read in bounded memory."""
    size = 0
    while chunk := stream.read(2**20):
        size += len(chunk)
    return size


def whole_file(parse: Callable[[Piece, Span, Reading], Iterator[Found]]) -> Parse:
    """Parse a file that is read whole; what is longer than the limit, or is to be UTF-8 and is not, is kept apart."""

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
