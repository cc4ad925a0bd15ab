"""Files in which every line is a record, read in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Form, Found, OfSpan, Piece, Reading, Record, Span, span_form

CHUNK = 2**20
"""Number of bytes read at once."""


def read_lines(piece: Piece, stream: IO[bytes], limit: int) -> Iterator[Span]:
    """Yield the lines of a piece with their ends. Of a line longer than `limit` bytes only the beginning is held."""
    stream.seek(piece.start)
    offset = piece.start
    while piece.stop is None or offset < piece.stop:
        raw = stream.readline(limit + 1)
        size = len(raw)
        if not raw:
            return
        if size > limit:
            ended = raw.endswith(b"\n")
            raw = raw[:RAW_BYTES_KEPT]
            while not ended and (rest := stream.readline(CHUNK)):
                size += len(rest)
                ended = rest.endswith(b"\n")
        yield Span(offset, raw, size)
        offset += size


def cut_lines(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
    """Cut a file at the first line end past every `size` bytes."""
    start = first = 0
    while True:
        length = lines = 0
        chunk = b""
        while length < size and (chunk := stream.read(min(CHUNK, size - length))):
            length += len(chunk)
            lines += chunk.count(b"\n")
        while chunk and not chunk.endswith(b"\n"):
            chunk = stream.readline(CHUNK)
            length += len(chunk)
            lines += chunk.count(b"\n")
        if not length:
            return
        yield Piece(whole.path, length, start, start + length, first, whole.member)
        start, first = start + length, first + lines


def line_form(of_line: OfSpan, **facts: Any) -> Form:
    """Return the format of a file with one record per line."""

    def lines(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Span]:
        return read_lines(piece, stream, reading.limit)

    return span_form(lines, of_line, cut=cut_lines, **facts)


def _text(piece: Piece, number: int, line: Span, reading: Reading) -> Iterable[Found]:
    """Return the line as a text. Its number is kept as `line`, to match it with lines of other files."""
    try:
        text = line.raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError as error:
        return [line.not_text(piece.name, str(number), reading, at=error.start)]
    return [Record(piece.name, str(number), text, "text", reading.licence, {"line": number})] if text else []


FORM = line_form(_text, encoding="text", about="One text per line.")
