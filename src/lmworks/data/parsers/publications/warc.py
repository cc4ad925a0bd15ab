"""Archives of web pages (WARC, and Common Crawl's WET): one record per page."""

from __future__ import annotations

import io
import mimetypes
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

from lmworks.data.parsers.documents.whole import decode_page, page_text
from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Found, Piece, Reading, Record, Skipped, Span, span_form

_LENGTH = re.compile(rb"\r\nContent-Length:[ \t]*(\d+)", re.IGNORECASE)
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
_PAGES = ("text/html", "application/xhtml+xml")
_KINDS = ("warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion", "continuation")
"""Known types of records (WARC 1.1, 5.5). A record can state any other type."""
_STATUS = re.compile("[0-9]{3}")
HEADER_BYTES = 2**16
"""Maximum bytes of a record's header."""


def read_records(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Span]:
    """Yield the records of a piece by their stated lengths. Bytes between two records are a span of their own."""
    stream.seek(piece.start)
    offset, ahead = piece.start, b""
    while piece.stop is None or offset < piece.stop:
        line = ahead or stream.readline(HEADER_BYTES)
        ahead = b""
        if not line:
            return
        if not line.strip():
            offset += len(line)
            continue
        raw, size = bytearray(line), len(line)
        if line.startswith(b"WARC/"):
            ahead = _read_header(stream, raw)
            length = _LENGTH.search(raw)
            size = len(raw)
            if length:
                size += _read_body(stream, raw, int(length[1]), reading.limit)
                tail = stream.read(4)  # two empty lines, if the length is right
                if tail == b"WARC":
                    ahead = tail + stream.readline(HEADER_BYTES)
                else:
                    raw, size = raw + tail, size + len(tail)
        else:
            while (ahead := stream.readline(HEADER_BYTES)) and not ahead.startswith(b"WARC/"):
                size += len(ahead)
                raw += ahead[: max(0, RAW_BYTES_KEPT - len(raw))]
        yield Span(offset, bytes(raw), size)
        offset += size


def _read_header(stream: IO[bytes], raw: bytearray) -> bytes:
    """Read a record's header up to its empty line. Return the line of the next record if that comes first."""
    line = b"WARC/"
    while line.strip() and len(raw) < HEADER_BYTES:
        line = stream.readline(HEADER_BYTES)
        if line.startswith(b"WARC/"):
            return line
        raw += line
    return b""


def _read_body(stream: IO[bytes], raw: bytearray, length: int, limit: int) -> int:
    """Read a record's content after its header. If it is longer than the limit, only its beginning is held."""
    held = length if len(raw) + length <= limit else min(length, RAW_BYTES_KEPT)
    body = stream.read(held)
    raw += body
    size = len(body)
    while size < length and (chunk := stream.read(min(2**20, length - size))):
        size += len(chunk)
    return size


def _records(piece: Piece, number: int, span: Span, reading: Reading) -> Iterable[Found]:
    return [_record(span, piece.name, str(number), reading)]


def _record(span: Span, name: str, number: str, reading: Reading) -> Found:
    from warcio.archiveiterator import ArchiveIterator

    if not span.raw.startswith(b"WARC/"):
        return span.unreadable(name, number, "not a WARC record")
    try:
        record = next(iter(ArchiveIterator(io.BytesIO(span.raw))))
        length = int(record.rec_headers.get_header("Content-Length"))
        kind = record.rec_type
        media, charset = _media(record)
        status = record.http_headers.get_statuscode() if record.http_headers else None
        body = record.content_stream().read(reading.limit + 1) if kind in ("response", "conversion") else b""
    except MemoryError:
        raise
    except Exception as error:  # a damaged record raises StopIteration, ArchiveLoadFailed, zlib.error, TypeError
        return span.unreadable(name, number, f"not a WARC record: {error or type(error).__name__}")
    end = span.raw.find(b"\r\n\r\n") + 4 + length
    if end > len(span.raw) or span.raw[end:].strip():
        return span.unreadable(name, number, "the WARC record is not as long as it says")
    key = record.rec_headers.get_header("WARC-Record-ID") or number
    if kind not in ("response", "conversion"):
        return Skipped(name, key, f"a WARC record of type {kind if kind in _KINDS else 'unknown'}")
    if kind == "response" and status and not status.startswith("2"):
        return Skipped(name, key, f"a page with HTTP status {status if _STATUS.fullmatch(status) else 'unknown'}")
    if kind == "response" and media not in _PAGES:
        return Skipped(name, key, f"not a page: {media if mimetypes.guess_extension(media) else 'unknown'}")
    if len(body) > reading.limit:
        return span.unreadable(
            name, number, f"longer than record_bytes: when unpacked, record_bytes is {reading.limit}"
        )
    try:
        page = decode_page(body, charset, reading.encoding)
    except UnicodeDecodeError:
        return span.unreadable(name, number, "not UTF-8")
    text, form = page_text(page, reading) if kind == "response" else (page, "text")
    address = record.rec_headers.get_header("WARC-Target-URI") or ""
    date = record.rec_headers.get_header("WARC-Date")
    return Record(name, key, text, form, reading.licence, {"url": address}, date, span)


def _media(record: Any) -> tuple[str, str | None]:
    headers = record.http_headers
    stated = (headers.get_header("Content-Type") if headers else None) or ""
    charset = _CHARSET.search(stated)
    return stated.split(";")[0].strip().lower(), charset[1] if charset else None


FORM = span_form(
    read_records,
    _records,
    endings=(".warc", ".wet"),
    about="Web pages in the archive format of crawlers.",
    needs=("warcio",),
    guarded=True,
)
