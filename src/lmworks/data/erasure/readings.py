"""What encoded text says: HTML, JSON's escapes, percent-encoding, and bytes that no parser could read."""

from __future__ import annotations

import base64
import html
import re
import unicodedata
import urllib.parse
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

MOST_UNPACKED = 2**24
"""Bytes of a compressed record that are looked at."""

_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,2000}>")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PERCENT = re.compile("%[0-9a-fA-F]{2}")
_OF_LETTER = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def readings(text: str) -> list[str]:
    """What a text says as it stands, decoded, and without HTML tags, where that differs; each in Unicode's form NFC.

    A text that is not well formed is decoded as far as it is.
    """
    if not any(map(text.__contains__, "&\\<%")):
        return [_composed(text)]
    decoded = _decoded(text)
    return [*dict.fromkeys(map(_composed, (text, decoded, _TAG.sub(" ", decoded))))]


def _composed(text: str) -> str:
    is_plain = text.isascii() or unicodedata.is_normalized("NFC", text)
    return text if is_plain else unicodedata.normalize("NFC", text)


def _decoded(text: str) -> str:
    """A text without HTML entities, JSON's escapes and percent-encoding."""
    if "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return urllib.parse.unquote(text) if _PERCENT.search(text) else text


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _OF_LETTER.get(found[2], found[2])


def texts_of(raw: bytes) -> list[str]:
    """What bytes may say: in UTF-8, else in Windows-1252 or UTF-16, and what is left of a gzip file."""
    found = [raw.decode(errors="replace")]
    if "\ufffd" in found[0]:
        found.append(raw.decode("cp1252", "replace"))
    if b"\0" in raw:
        found += [raw.decode("utf-16-le", "replace"), raw.decode("utf-16-be", "replace")]
    if raw.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):
            found += texts_of(zlib.decompressobj(wbits=31).decompress(raw, MOST_UNPACKED))
    return found


def said_by(quarantined: Mapping[str, Any]) -> list[str]:
    """What a record says that could not be read (see `ingest`): its bytes as text first, then its place and reason."""
    raw = base64.b64decode(quarantined.get("raw", ""))
    return [*texts_of(raw), *(str(quarantined[name]) for name in ("source", "path", "record", "reason"))]
