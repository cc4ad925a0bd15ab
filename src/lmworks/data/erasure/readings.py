"""What encoded text says: HTML, JSON's escapes, percent-encoding, base64, mail, and bytes that no parser could read."""

from __future__ import annotations

import base64
import html
import quopri
import re
import unicodedata
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

MOST_UNPACKED = 2**24
"""Bytes of a compressed record that are looked at."""
DEPTH = 3
"""Encodings inside of one another that are taken off."""

_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,2000}>")
_GLUED = re.compile(
    r"(?<=[\w.@+-])(?:</?(?:a|abbr|b|bdi|em|font|i|mark|small|span|strong|sub|sup|u|wbr|w:\w+)\b[^<>]{0,2000}>)+(?=[\w.@+-])"
)
"""Tags inside of a word: an address that Word cut where it was corrected, or of which a part is bold."""
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PERCENT = re.compile("%[0-9a-fA-F]{2}")
_OF_LETTER = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_QUOTED = re.compile(r"=(?:[0-9A-Fa-f]{2}|[ \t]*\r?\n)")
_ENCODED_WORD = re.compile(r"=\?[\w-]+\?[qQ]\?([^?\s]*)\?=")
_BASE64 = re.compile(
    r"(?<![0-9A-Za-z+/_-])(?![A-Z]?[a-z]++(?![0-9A-Za-z+/_-]))"
    r"(?:(?:[0-9A-Za-z+/_-]{60,}+(?:\r?\n|\\r\\n|\\n))++[0-9A-Za-z+/_-]*+|[0-9A-Za-z+/_-]{12,}+)"
)
"""In one run, or in lines as mail and certificates have it; the shortest holds nine bytes."""
_BREAKS = re.compile(r"\r?\n|\\r\\n|\\n")
_ZIP_ENTRY = re.compile(rb"PK\x03\x04.{22}(..)(..)", re.DOTALL)
"""The head of an entry, with the lengths of its name and of what is behind it (APPNOTE.TXT 4.3.7)."""
_NO_BASE64 = re.compile("[0-9a-f]+|[0-9-]+|[A-Z]?[a-z_-]+|[A-Z_]+")
"""Words, names, numbers and digests: nine bytes of text are so in base64 once in tens of thousands."""
_OF_URLS = str.maketrans("-_", "+/")


def readings(text: str, depth: int = DEPTH) -> list[str]:
    """What a text says as it stands, decoded, and with a space or nothing for HTML tags; each in Unicode's form NFC.

    A text that is not well formed is decoded as far as it is.
    """
    found = [text]
    if any(map(text.__contains__, "&\\<%=")):
        decoded = _decoded(text)
        mailed = _without_quotes(decoded)
        found += [decoded, mailed]
        for said in dict.fromkeys((decoded, mailed)) if "<" in decoded else ():
            found.append(_TAG.sub(" ", said))
            found += [_TAG.sub(" ", _GLUED.sub("", said))] if _GLUED.search(said) else []
    if depth:
        runs = (raw for each in dict.fromkeys(found[:2]) for raw in _in_base64(each))
        inner = (said for raw in dict.fromkeys(runs) for said in texts_of(raw))
        found += [reading for said in dict.fromkeys(inner) for reading in readings(said, depth - 1)]
    return [*dict.fromkeys(map(_composed, found))]


def _composed(text: str) -> str:
    is_plain = text.isascii() or unicodedata.is_normalized("NFC", text)
    return text if is_plain else unicodedata.normalize("NFC", text)


def _decoded(text: str) -> str:
    """A text without HTML entities, JSON's escapes and percent-encoding, also where one stands in another."""
    for _ in range(DEPTH):
        before = text
        if "&" in text:
            text = html.unescape(text)
        if "\\" in text:
            text = _ESCAPE.sub(_unescaped, text)
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = urllib.parse.unquote(text) if _PERCENT.search(text) else text
        if text == before:
            break
    return text


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _OF_LETTER.get(found[2], found[2])


def _without_quotes(text: str) -> str:
    """A text as mail means it: without quoted-printable (RFC 2045) and encoded words of headers (RFC 2047)."""
    if not _QUOTED.search(text):
        return text
    text = _ENCODED_WORD.sub(lambda word: word[1].replace("_", " "), text)
    raw = quopri.decodestring(text.encode("utf-8", "replace"))
    said = raw.decode(errors="replace")
    return raw.decode("cp1252", "replace") if said.count("\ufffd") > text.count("\ufffd") else said


def _in_base64(text: str) -> Iterator[bytes]:
    """What runs of base64 (RFC 4648) hold that may be text; a run that was cut at its front is read in each way."""
    for run in _BASE64.finditer(text):
        if _NO_BASE64.fullmatch(run[0]):
            continue
        letters = _BREAKS.sub("", run[0]).translate(_OF_URLS)
        for start in range(1 if run.start() else 4):
            some = letters[start : len(letters) - ((len(letters) - start) % 4 == 1)]
            raw = base64.b64decode(some + "=" * (-len(some) % 4))
            if _may_be_text(raw):
                yield raw


def _may_be_text(raw: bytes) -> bool:
    if raw.startswith((b"\x1f\x8b", b"PK\x03\x04")) or raw.count(b"\0") > len(raw) // 3:
        return True
    text = raw.decode(errors="replace")
    return text.count("\ufffd") <= 2 + len(text) // 8


def texts_of(raw: bytes, depth: int = DEPTH) -> list[str]:
    """What bytes may say: in UTF-8, else in Windows-1252 or UTF-16, and what is left of a gzip file or zip archive."""
    found = [raw.decode(errors="replace")]
    if "\ufffd" in found[0]:
        found.append(raw.decode("cp1252", "replace"))
    if b"\0" in raw:
        found += [raw.decode("utf-16-le", "replace"), raw.decode("utf-16-be", "replace")]
    if depth and raw.startswith(b"\x1f\x8b") and (unpacked := _unpacked(raw)):
        found += texts_of(unpacked, depth - 1)
    for unpacked in _zipped(raw) if depth else ():
        found += texts_of(unpacked, depth - 1)
    return found


def _zipped(raw: bytes) -> Iterator[bytes]:
    """What can be read of the compressed entries of a zip archive, such as a Word document, however it was cut."""
    room = MOST_UNPACKED
    for entry in _ZIP_ENTRY.finditer(raw) if b"PK\x03\x04" in raw else ():
        start = entry.end() + sum(int.from_bytes(length, "little") for length in entry.groups())
        with suppress(zlib.error):
            unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw[start:], max(1, room))
            room -= len(unpacked)
            yield unpacked
        if room <= 0:
            return


def _unpacked(raw: bytes) -> bytes:
    """What can be read of a gzip file of one or several members."""
    parts, room = [], MOST_UNPACKED
    with suppress(zlib.error):
        while raw and room > 0:
            member = zlib.decompressobj(wbits=31)
            parts.append(member.decompress(raw, room))
            room -= len(parts[-1])
            raw = member.unused_data
    return b"".join(parts)


def said_by(quarantined: Mapping[str, Any]) -> list[str]:
    """What a record says that could not be read (see `ingest`): its bytes as text, its place, and last the reason.

    Raises ValueError, KeyError if it was damaged in its turn.
    """
    raw = base64.b64decode(quarantined.get("raw", ""))
    return [*texts_of(raw), *(str(quarantined[name]) for name in ("source", "path", "record", "reason"))]
