"""Text files in other encodings, as streams of UTF-8. Parsers read only UTF-8, and offsets count its bytes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import IO

from lmworks.data.base.encodings import encoding_name, looks_like_utf16, marked
from lmworks.data.sources.unpack import forward

UTF_8 = "utf-8"
BAD_BYTE = "lmworks-bad-byte"
"""Name of the error handler that writes a byte which is never in UTF-8, so that its record is found to be bad."""
_HEAD_BYTES = 512
_DECLARED = re.compile(rb"\A\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")


def encoding_of(stream: IO[bytes], named: str | None, is_xml: bool) -> str:
    """Return the encoding by a file's byte order mark, else the user's, else by its XML declaration, else UTF-8.

    Return "" for what looks like UTF-16 and is not stated. Read as UTF-8, it would be letters with zeros between.
    """
    head: bytes = stream.peek(_HEAD_BYTES)[:_HEAD_BYTES] if hasattr(stream, "peek") else b""
    if found := marked(head):
        return found
    if named in ("utf-16", "utf-32"):  # which begin with a mark by their rules, and often do not
        return looks_like_utf16(head) if looks_like_utf16(head) and named == "utf-16" else f"{named}-le"
    if named:
        return named
    if looks_like_utf16(head):
        return ""
    declared = _DECLARED.match(head) if is_xml else None
    try:
        return encoding_name(declared[1].decode()) if declared else UTF_8
    except ValueError:
        return UTF_8


def recoded(stream: IO[bytes], encoding: str) -> IO[bytes]:
    """Return the bytes of a text as UTF-8. The stream can be read and sought forward in bounded memory."""
    return stream if encoding in (UTF_8, "") else forward(_recoded(stream, encoding))


def _recoded(stream: IO[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(BAD_BYTE)
    while chunk := stream.read(2**16):
        yield decoder.decode(chunk).encode(errors=BAD_BYTE)
    yield decoder.decode(b"", final=True).encode(errors=BAD_BYTE)


def _mark_bad(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    if isinstance(error, UnicodeEncodeError):
        return b"\xff" * (error.end - error.start), error.end
    raise error


codecs.register_error(BAD_BYTE, _mark_bad)
