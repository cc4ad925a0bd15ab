"""Texts that are encoded inside a text: by percent-encoding, escapes, mail, base64, gzip and zip."""

from __future__ import annotations

import base64
import binascii
import html
import quopri
import re
import urllib.parse
import zlib
from collections.abc import Iterator

from lmworks.data.base.encodings import looks_like

MOST_UNPACKED = 2**22
"""Maximum bytes unpacked from one text, in addition to the bytes that its length allows."""
UNPACKED_PER_CHARACTER = 16
"""Maximum bytes unpacked per character or byte of a text. Compression shrinks text to about a tenth."""
DEPTH = 3
"""Maximum number of nested encodings that are decoded."""

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|([nrtbf/@\"'\\]))")
_PERCENT = re.compile("%[0-9a-fA-F]{2}")
_OF_LETTER = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_QUOTED = re.compile(r"=(?:[0-9A-Fa-f]{2}|[ \t]*\r?\n)")
_ENCODED_WORD = re.compile(r"=\?([\w-]{1,40})(?:\*[\w-]{1,40})?\?([qQbB])\?([^?]{0,2000})\?=")
_ENCODED_WORDS = re.compile(rf"{_ENCODED_WORD.pattern}(?:\s{{0,80}}{_ENCODED_WORD.pattern})*")
_BREAK = r"(?:\r?\n[ \t]{0,8}|\\r\\n|\\n)"
_BASE64 = re.compile(rf"(?<![0-9A-Za-z+/_-])[0-9A-Za-z+/_-]{{12,}}+(?:{_BREAK}[0-9A-Za-z+/_-]{{4,}}+)*+")
_NO_BASE64 = re.compile("[0-9a-f]+|[0-9-]+|[A-Z]?[a-z_-]+|[A-Z_]+")
"""Pattern of words, names, numbers and digests, which are not base64."""
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0192\u02c6\u02dc\u2013-\u2122]+|[\u00c2\u00c3] ")
"""Pattern of letters of Windows-1252 that may be bytes of UTF-8."""
_CONTROLS = bytes({*range(32), 127} - {*b"\t\n\r\x1b"})
_LEAST_GUESSED = 24
"""Minimum number of bytes whose encoding is guessed."""
_WINDOWS = ("cp1252", "cp1250", "cp1251")
_NO_TEXT = re.compile("[\ufffd\ue000-\uf8ff]")
_ZIP_ENTRY = re.compile(rb"PK\x03\x04.{22}(..)(..)", re.DOTALL)
"""Pattern of the head of a zip entry, with the lengths of its name and its extra field (APPNOTE.TXT 4.3.7)."""
_CHUNK = 2**12
"""Number of bytes read at a time. At most so many are read of a stream that is not compressed."""


def decodings(text: str, depth: int = DEPTH, room: list[int] | None = None) -> Iterator[str]:
    """Yield a text, and the texts that are encoded in it: see `unescaped`, `_mail` and `texts_of`.

    `room` is the number of bytes that may still be unpacked. It bounds the work for hostile texts.
    """
    room = [MOST_UNPACKED + UNPACKED_PER_CHARACTER * len(text)] if room is None else room
    forms = dict.fromkeys((text, unescaped(text)))
    for form in [*forms] if "=" in text else ():
        forms |= dict.fromkeys(_mail(form))
    forms |= dict.fromkeys(map(repaired, [*forms]))
    yield from forms
    found = (run for form in forms for run in _BASE64.finditer(form)) if depth else ()
    runs = dict.fromkeys(run[0][start:] for run in found for start in range(1 if run.start() else 4))  # it may be cut
    for raw in dict.fromkeys(raw for run in runs for raw in _from_base64(run, room)):
        for inner in texts_of(raw, room):
            yield from decodings(inner, depth - 1, room)


def unescaped(text: str) -> str:
    """Return a text without character references, backslash escapes and percent-encoding, also inside one another."""
    for _ in range(DEPTH):
        before = text
        text = html.unescape(text) if "&" in text else text
        if "\\" in text:
            text = _ESCAPE.sub(_of_escape, text)
            text = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = urllib.parse.unquote(text) if "%" in text and _PERCENT.search(text) else text
        if text == before:
            break
    return text


def _of_escape(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2] or escape[3] or "0", 16)
    return _OF_LETTER.get(escape[4], escape[4]) if escape[4] else chr(code) if code < 0x110000 else escape[0]


def repaired(text: str) -> str:
    """Return a text in which UTF-8 that was read as Windows-1252 is decoded correctly."""
    return text if text.isascii() else _MOJIBAKE.sub(_utf8, text)


def _utf8(run: re.Match[str]) -> str:
    """Return letters of Windows-1252 as the UTF-8 that they were, or as they are if they were not."""
    raw = b"".join(sign.encode("cp1252", "ignore") or sign.encode("latin-1", "ignore") for sign in run[0])
    try:
        return raw.replace(b"\xc3 ", b"\xc3\xa0").decode()
    except UnicodeDecodeError:
        return run[0]


def _mail(text: str) -> Iterator[str]:
    """Yield a text with mail's encodings decoded: encoded words of headers (RFC 2047), quoted-printable (RFC 2045)."""
    if "=?" in text:
        text = _ENCODED_WORDS.sub(_of_words, text)
        yield text
    if _QUOTED.search(text):
        yield _decoded(quopri.decodestring(text.encode("utf-8", "replace")))


def _of_words(run: re.Match[str]) -> str:
    """Return the text of consecutive encoded words, as a letter can be split over two words (RFC 2047, 6.2)."""
    parts: list[tuple[str, bytes]] = []
    for charset, form, encoded in _ENCODED_WORD.findall(run[0]):
        encoded = re.sub(r"\r?\n[ \t]*", "", encoded)
        raw = binascii.a2b_qp(encoded.encode(), header=True) if form in "qQ" else _bytes_of(encoded)
        if parts and parts[-1][0] == charset.lower():
            raw = parts.pop()[1] + raw
        parts.append((charset.lower(), raw))
    return "".join(_in_charset(raw, charset) for charset, raw in parts)


def _in_charset(raw: bytes, charset: str) -> str:
    """Return bytes decoded as a header states, or as UTF-8 if this encoding is unknown."""
    try:  # the decoders of two encodings, which no mail has, take quadratic time
        return _decoded(raw) if charset in ("idna", "punycode") else raw.decode(charset, "replace")
    except (LookupError, ValueError):
        return _decoded(raw)


def _decoded(raw: bytes) -> str:
    """Return bytes as UTF-8, or as Windows-1252 if they are not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _bytes_of(run: str) -> bytes:
    """Return the bytes of a run of base64, whichever alphabet it uses and however it was cut."""
    plain = re.sub("[^0-9A-Za-z+/]", "", run.replace("\\r", "").replace("\\n", "").translate({45: "+", 95: "/"}))
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    return base64.b64decode(plain + "=" * (-len(plain) % 4))


def _from_base64(run: str, room: list[int]) -> Iterator[bytes]:
    """Yield the bytes of a run of base64 (RFC 4648), of all its lines and of its first line, if they may be text."""
    for part in dict.fromkeys((run, re.split(_BREAK, run, maxsplit=1)[0])):
        if room[0] <= 0 or _NO_BASE64.fullmatch(part):
            return
        raw = _bytes_of(part)
        room[0] -= len(raw)
        is_packed = raw.startswith((b"\x1f\x8b", b"PK\x03\x04", b"x\x9c"))
        if is_packed or raw.count(0) > len(raw) // 3 or _may_be_text(raw):
            yield raw


def _may_be_text(raw: bytes) -> bool:
    """Return whether bytes have few control characters, and are UTF-8 or look like another encoding."""
    is_clean = len(raw) - len(raw.translate(None, _CONTROLS)) <= len(raw) // 32
    is_text = raw.isascii() or raw.decode(errors="replace").count("\ufffd") <= 1 + len(raw) // 5
    return is_clean and (is_text or (len(raw) >= _LEAST_GUESSED and looks_like(raw) != ""))


def texts_of(raw: bytes, room: list[int] | None = None, depth: int = DEPTH) -> Iterator[str]:
    """Yield the texts that bytes may hold: as UTF-8, in encodings that fit, and unpacked from gzip, zlib or zip."""
    room = [MOST_UNPACKED + UNPACKED_PER_CHARACTER * len(raw)] if room is None else room
    text = raw.decode(errors="replace")
    yield text
    if "\ufffd" in text:
        yield from (raw.decode(name, "replace") for name in dict.fromkeys((*_WINDOWS, looks_like(raw))) if name)
    if b"\0" in raw:
        pairs = (raw.decode(name, "replace") for name in ("utf-16-le", "utf-16-be"))
        yield from (pair for pair in pairs if len(_NO_TEXT.findall(pair)) <= 1 + len(pair) // 32)
    for inner in _unpacked(raw, room) if depth else ():
        yield from texts_of(inner, room, depth - 1)


def _unpacked(raw: bytes, room: list[int]) -> Iterator[bytes]:
    """Yield the readable bytes of a gzip or zlib stream, or of each entry of a zip archive, even if it was cut."""
    if raw.startswith((b"\x1f\x8b", b"x\x01", b"x\x9c", b"x\xda")):
        yield _inflated(raw, 0, zlib.MAX_WBITS | 32, room)
    for entry in _ZIP_ENTRY.finditer(raw) if b"PK\x03\x04" in raw else ():
        start = entry.end() + sum(int.from_bytes(length, "little") for length in entry.groups())
        yield _inflated(raw, start, -zlib.MAX_WBITS, room)


def _inflated(raw: bytes, start: int, wbits: int, room: list[int]) -> bytes:
    """Return the readable bytes of a compressed stream, and of the gzip streams that follow it."""
    parts: list[bytes] = []
    rest = memoryview(raw)[start:]
    while len(rest) and room[0] > 0:
        stream = zlib.decompressobj(wbits)
        try:
            while len(rest) and not stream.eof and room[0] > 0:
                chunk, rest = rest[:_CHUNK], rest[_CHUNK:]
                room[0] -= len(chunk)  # many damaged streams take time, too
                parts.append(stream.decompress(chunk, max(1, room[0])))
                room[0] -= len(parts[-1])
        except zlib.error:
            break
        rest = memoryview(stream.unused_data + bytes(rest)) if wbits > 0 and stream.eof else memoryview(b"")
    return b"".join(parts)
