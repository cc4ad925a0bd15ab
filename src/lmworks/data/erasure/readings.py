"""What encoded text says: HTML, JSON's escapes, percent-encoding, base64, mail, and bytes that no parser could read."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import quopri
import re
import unicodedata
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmworks.data.clean.letters import compatible
from lmworks.data.clean.normalise import is_plain, parted_marks, repair
from lmworks.data.parsers.encodings import looks_like
from lmworks.data.privacy.reading import read
from lmworks.data.text import fold
from lmworks.extras import absent

MOST_UNPACKED = 2**22
"""Bytes that are looked at of all that is encoded in a text or packed into it, beyond what its length allows."""
UNPACKED_PER_CHARACTER = 16
"""Bytes that are looked at for each character of a run of base64, or byte of a file: text is packed to a tenth."""
MOST_STREAMS = 4_096
"""Beginnings of what may be compressed that are tried, beyond one for each `LEAST_ENTRY` characters."""
LEAST_ENTRY = 32
"""Bytes of an entry of a zip archive."""
CHUNK = 2**12
"""Bytes that are unpacked at a time: so many are read of what turns out not to be compressed."""
DEPTH = 3
"""Encodings inside of one another that are taken off."""

_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,2000}>")
_BLOCK = re.compile(
    r"</?(?:p|div|li|t[dhr]|d[dt]|h[1-6]|[uod]l|table|caption|option|section|article)\b[^<>]{0,2000}>", re.IGNORECASE
)
"""Of a cell, an item, a paragraph: one person's name does not go on in the next."""
_GLUED = re.compile(
    r"(?<=[\w.@+-])(?:</?(?:a|abbr|b|bdi|em|font|i|mark|small|span|strong|sub|sup|u|wbr|w:\w+|[a-z]+-[\w-]+)\b[^<>]{0,2000}>"
    r"|<(\w+)\b[^<>]{0,200}></\1>|<!--(?s:.{0,2000}?)-->)+(?=[\w.@+-])"
)
"""Tags inside of a word: an address that Word cut where it was corrected, or of which a part is bold; what is empty."""
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_PERCENT = re.compile("%[0-9a-fA-F]{2}")
_OF_LETTER = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_QUOTED = re.compile(r"=(?:[0-9A-Fa-f]{2}|[ \t]*\r?\n)")
_ENCODED_WORD = re.compile(r"=\?([\w-]{1,40})(?:\*[\w-]{1,40})?\?([qQbB])\?([^?]{0,2000})\?=")
_ENCODED_WORDS = re.compile(rf"{_ENCODED_WORD.pattern}(?:\s{{0,80}}{_ENCODED_WORD.pattern})*")
_FOLD = re.compile(r"\r?\n[ \t]*")
_NO_CHARSET = ("idna", "punycode")
"""Encodings of Python that no mail has, and whose decoders take quadratic time."""
_OF_BASE64, _BREAK = "[0-9A-Za-z+/_-]", r"(?:\r?\n|\\r\\n|\\n)"
_BASE64 = re.compile(
    f"(?<!{_OF_BASE64})(?=[a-z]*+{_OF_BASE64}){_OF_BASE64}{{12,}}+"
    f"(?:(?<={_OF_BASE64}{{16}})(?:{_BREAK}{_OF_BASE64}{{16,}}+)*+(?:{_BREAK}{_OF_BASE64}++)?)?"
)
"""In one run, or in lines as mail and certificates have it; the shortest holds nine bytes."""
_BREAKS = re.compile(_BREAK)
_ZIP_ENTRY = re.compile(rb"PK\x03\x04.{22}(..)(..)", re.DOTALL)
"""The head of an entry, with the lengths of its name and of what is behind it (APPNOTE.TXT 4.3.7)."""
_NO_BASE64 = re.compile("[0-9a-f]+|[0-9-]+|[A-Z]?[a-z_-]+|[A-Z_]+")
"""Words, names, numbers and digests: nine bytes of text are so in base64 once in tens of thousands."""
_MAY_BE_REPAIRED = re.compile(
    "[\x1b\x80-\x9f]|[\u00c2-\u0171\u0393\u2000-\u2e7f\u00ac][^\x00-\x7f]|[\u00c2\u00c3] "
    "|[\u0400-\u04ff][\u0402\u0403\u0080-\u00bf\u2000-\u22ff\u0409-\u040f\u0452-\u045f]"
)
"""What is in every text that was decoded wrongly: letters of a table of 256 that stand for the bytes of another."""
_OF_ONE_CASE = re.compile("[İı]|i\u0307|[\u0386-\u0390\u03aa-\u03b0\u03ca-\u03ce\u1f00-\u1fff]")
_ASCII_ALONE = bytes(byte if byte in b"\t\n\r\x1b" or 32 <= byte < 127 else 32 for byte in range(256))
_ALIKE = "cp1252", "cp1250", "cp1254"
"""Encodings of Latin letters, of which one is often taken for another."""
_OF_NO_TEXT = re.compile("[\ufffd\ue000-\uf8ff]")
_CONTROLS = bytes({*range(32), 127} - {*b"\t\n\r\x1b"})
_OF_URLS = str.maketrans("-_", "+/")


@dataclass
class Room:
    """What may still be looked at of what is encoded or packed: so much takes no more time than its length allows."""

    bytes: int
    streams: int

    @classmethod
    def of(cls, length: int = 0) -> Room:
        return cls(MOST_UNPACKED, MOST_STREAMS).beside(length)

    def beside(self, length: int) -> Room:
        """With what so many characters have for themselves, whatever others take."""
        return Room(self.bytes + UNPACKED_PER_CHARACTER * length, self.streams + length // LEAST_ENTRY + 1)

    def less(self, other: Room) -> None:
        """Leave no more than another left."""
        self.bytes, self.streams = min(self.bytes, other.bytes), min(self.streams, other.streams)


def readings(text: str, depth: int = DEPTH, room: Room | None = None, shared: Room | None = None) -> list[str]:
    """What a text says as it stands, decoded, and with a space or nothing for HTML tags; each in all its `spellings`.

    A text that is not well formed is decoded as far as it is; what is packed into it, as far as there is room:
    what `shared` leaves, which texts that are searched together have in common, and what its own length allows.
    """
    found = [text]
    if any(map(text.__contains__, "&\\<%=")):
        decoded = _decoded(text)
        mailed = _as_mail(decoded)
        found += [decoded, *mailed]
        for said in dict.fromkeys((decoded, *mailed)) if "<" in decoded else ():
            found.append(_without_tags(said))
            found += [_without_tags(_GLUED.sub("", said))] if _GLUED.search(said) else []
    if depth:
        common, known = room or shared or Room.of(), set[bytes]()
        runs = (run for each in dict.fromkeys(found[:2]) for run in _BASE64.finditer(each))
        once = dict.fromkeys((run[0], not run.start()) for run in runs)  # names of a program come again and again
        for letters, is_cut in _letters(once):
            own = common.beside(len(letters)) if room is None else common
            for raw in _in_base64(letters, is_cut, own):
                if raw not in known:
                    known.add(raw)
                    inner = texts_of(raw, room=own)
                    found += [reading for said in dict.fromkeys(inner) for reading in readings(said, depth - 1, own)]
            common.less(own)
    return [*dict.fromkeys(form for each in dict.fromkeys(found) for form in spellings(each))]


def _without_tags(text: str) -> str:
    """A text with a space for each tag, and a mark between cells, items and paragraphs."""
    return _TAG.sub(" ", _BLOCK.sub(" | ", text))


def read_together(texts: Sequence[str]) -> list[tuple[int, str]]:
    """The readings of some texts, each with its text's place: they share the room for what is packed into them."""
    room = Room.of()
    return [(place, reading) for place, text in enumerate(texts) for reading in readings(text, shared=room)]


def spellings(text: str) -> list[str]:
    """A text as it stands, as it is seen, in plain letters, and with those that lose something in capitals, as far as
    they differ; each in Unicode's form NFC."""
    text = _composed(text)
    said = seen(text)
    plain = _composed(compatible(said))
    return [*dict.fromkeys((text, said, plain, in_one_case(plain)))]


def in_one_case(text: str) -> str:
    """A text with i for İ and ı, and Greek letters without accents, which capitals go without."""
    return text if text.isascii() else _OF_ONE_CASE.sub(lambda letter: fold(letter[0]), text)


def _composed(text: str) -> str:
    if text.isascii():
        return text
    text = parted_marks(text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def seen(text: str) -> str:
    """A text as cleaning repairs it and detectors read it; as it is if they would change line ends alone."""
    if is_plain(text.replace("\r", "")):
        return text
    is_binary = text.count("\0") > len(text) // 64
    said = text
    if _MAY_BE_REPAIRED.search(text) and not is_binary and not absent(["ftfy"]):
        said = "\n".join(repair(line) if _MAY_BE_REPAIRED.search(line) else line for line in text.split("\n"))
    said = read(said).text
    return text if said == text.replace("\r\n", "\n").replace("\r", "\n") else said


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
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _OF_LETTER.get(found[3], found[3])


def _as_mail(text: str) -> list[str]:
    """A text as mail means it: with the encoded words of headers (RFC 2047), then quoted-printable (RFC 2045)."""
    found = []
    if "=?" in text:
        text = _ENCODED_WORDS.sub(_of_words, text)
        found.append(text)
    if _QUOTED.search(text):
        raw = quopri.decodestring(text.encode("utf-8", "replace"))
        said = raw.decode(errors="replace")
        is_strange = said.count("\ufffd") > text.count("\ufffd")
        found.append(raw.decode("cp1252", "replace") if is_strange else said)
    return found


def _of_words(run: re.Match[str]) -> str:
    """What encoded words say that follow one another: a letter may be split over two (RFC 2047, 6.2)."""
    said: list[tuple[str, bytes]] = []
    for charset, form, letters in _ENCODED_WORD.findall(run[0]):
        letters = _FOLD.sub("", letters)
        if form in "qQ":
            raw = binascii.a2b_qp(letters.encode(), header=True)
        else:
            letters = "".join(re.findall("[0-9A-Za-z+/]", letters))
            letters = letters[: len(letters) - (len(letters) % 4 == 1)]
            raw = base64.b64decode(letters + "=" * (-len(letters) % 4))
        if said and said[-1][0] == charset.lower():
            raw = said.pop()[1] + raw
        said.append((charset.lower(), raw))
    return "".join(_in_charset(raw, charset) for charset, raw in said)


def _in_charset(raw: bytes, charset: str) -> str:
    """Bytes in an encoding that a header names, or in UTF-8 if there is none of that name."""
    try:
        return raw.decode("utf-8" if codecs.lookup(charset).name in _NO_CHARSET else charset, "replace")
    except (LookupError, ValueError):
        return raw.decode(errors="replace")


def _letters(runs: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """What may be base64 of each run, and whether it may be cut at its front; lines of one length are one run."""
    for run, is_cut in runs:
        if _NO_BASE64.fullmatch(run):
            continue
        lines = _BREAKS.split(run)
        are_one = len({*map(len, lines[:-1])}) <= 1 and len(lines[-1]) <= len(lines[0])
        for some in ["".join(lines)] if are_one else lines:
            if len(lines) == 1 or not _NO_BASE64.fullmatch(some):
                yield some.translate(_OF_URLS), is_cut


def _in_base64(letters: str, is_cut: bool, room: Room) -> Iterator[bytes]:
    """What a run of base64 (RFC 4648) holds that may be text; one that was cut at its front is read in each way."""
    for start in range(4 if is_cut else 1):
        some = letters[
            start : min(len(letters) - ((len(letters) - start) % 4 == 1), start + max(0, room.bytes) // 3 * 4)
        ]
        raw = base64.b64decode(some + "=" * (-len(some) % 4))
        room.bytes -= len(raw)
        if raw and _may_be_text(raw):
            yield raw


def _may_be_text(raw: bytes) -> bool:
    """Whether it is packed, in UTF-16, or holds hardly a sign that no text has."""
    if raw.startswith((b"\x1f\x8b", b"PK\x03\x04")) or raw.count(b"\0") > len(raw) // 3:
        return True
    if len(raw) - len(raw.translate(None, _CONTROLS)) > len(raw) // 32:
        return False
    few = raw.isascii() or raw.decode(errors="replace").count("\ufffd") <= 1 + len(raw) // 5
    return few or looks_like(raw) != ""


def texts_of(raw: bytes, depth: int = DEPTH, room: Room | None = None) -> list[str]:
    """What bytes may say: in UTF-8, else in Windows-1252, UTF-16 or what they look like, and what is left of a gzip
    file or zip archive."""
    room = room or Room.of(len(raw))
    found = [raw.decode(errors="replace")]
    strange = found[0].count("\ufffd")
    likely = looks_like(raw) if strange else ""
    if strange > len(found[0]) // 8 and not likely:  # packed, or a picture: text in no encoding beyond ASCII
        found = [raw.translate(_ASCII_ALONE).decode()]
    elif strange:
        found += [raw.decode(name, "replace") for name in dict.fromkeys((likely, *_ALIKE)) if name]
    if b"\0" in raw:
        found += [said for form in ("utf-16-le", "utf-16-be") if _is_text(said := raw.decode(form, "replace"))]
    if depth and raw.startswith(b"\x1f\x8b") and (unpacked := _unpacked(raw, room)):
        found += texts_of(unpacked, depth - 1, room)
    for unpacked in _zipped(raw, room) if depth else ():
        found += texts_of(unpacked, depth - 1, room)
    return found


def _is_text(text: str) -> bool:
    """Whether what was read in pairs of bytes is text: of other pairs one in eight is lone, or of private use."""
    return len(_OF_NO_TEXT.findall(text)) <= 1 + len(text) // 32


def _zipped(raw: bytes, room: Room) -> Iterator[bytes]:
    """What can be read of the compressed entries of a zip archive, such as a Word document, however it was cut."""
    for entry in _ZIP_ENTRY.finditer(raw) if b"PK\x03\x04" in raw else ():
        if room.bytes <= 0 or room.streams <= 0:
            return
        start = entry.end() + sum(int.from_bytes(length, "little") for length in entry.groups())
        unpacked, _ = _inflated(raw, start, -zlib.MAX_WBITS, room)
        if unpacked:
            yield unpacked


def _unpacked(raw: bytes, room: Room) -> bytes:
    """What can be read of a gzip file of one or several members."""
    parts, place = [], 0
    while place < len(raw) and room.bytes > 0 and room.streams > 0:
        part, place = _inflated(raw, place, 31, room)
        parts.append(part)
    return b"".join(parts)


def _inflated(raw: bytes, place: int, wbits: int, room: Room) -> tuple[bytes, int]:
    """What can be read of a compressed stream, and where it ends: where the bytes do if it is damaged."""
    room.streams -= 1
    view, stream, parts = memoryview(raw), zlib.decompressobj(wbits), []
    try:
        while not stream.eof and place < len(raw) and room.bytes > 0:
            chunk = view[place : place + CHUNK]
            most, room.bytes = room.bytes, room.bytes - len(chunk)
            parts.append(stream.decompress(chunk, most))
            left = len(stream.unconsumed_tail) + len(stream.unused_data)
            place += len(chunk) - left
            room.bytes += left - len(parts[-1])
    except zlib.error:
        place = len(raw)
    return b"".join(parts), place


def said_by(quarantined: Mapping[str, Any]) -> list[str]:
    """What a record says that could not be read (see `ingest`): its bytes as text, its place, and last the reason.

    Raises ValueError, KeyError if it was damaged in its turn.
    """
    raw = base64.b64decode(quarantined.get("raw", ""))
    columns = "\n".join(quarantined.get("settings", {}).get("columns", ()))
    return [*texts_of(raw), columns, *(str(quarantined[name]) for name in ("source", "path", "record", "reason"))]
