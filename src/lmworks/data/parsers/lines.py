"""Lines of a file, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from lmworks.data.parsers.parser import RAW_BYTES_KEPT, Piece, Reading, Span

CHUNK = 2**20


def read_lines(piece: Piece, stream: IO[bytes], limit: int) -> Iterator[Span]:
    """The lines of a piece with their ends. Of a line longer than `limit` bytes only the beginning is held."""
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
