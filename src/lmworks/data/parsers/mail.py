"""Mail messages (.eml) and mailboxes (.mbox): subject and text of each. Attachments are counted and not read."""

from __future__ import annotations

import email
import html
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import IO

from lmworks.data.parsers.encodings import encoding_name
from lmworks.data.parsers.fields import settings_of, stated
from lmworks.data.parsers.parser import (
    RAW_BYTES_KEPT,
    Form,
    Found,
    Piece,
    Reading,
    Record,
    Skipped,
    Span,
    Unreadable,
    cut_between,
    whole_file,
)
from lmworks.data.parsers.whole import page_text

HEADER_BYTES = 2**13
"""Of a header that is read; the library takes quadratic time for some."""
OF_ADDRESSES = {"from", "to", "cc", "bcc", "sender", "reply-to", "return-path", "delivered-to", "x-original-to"}
"""Headers that say who (RFC 5322, 3.6.2 and 3.6.3), and two that servers add."""
MOST_PARTS, MOST_LEVELS = 2**16, 200
"""Of a message: each part takes memory, and each line is looked at for every level."""
ATTACHMENT = "an attachment of a message"
BEGIN_BYTES = 500
"""Bytes of a line that may begin a message of a mailbox; an address has at most 320."""
_BEGIN = re.compile(
    rb"From [^\r\n]*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:[A-Z][a-z]{2} {1,2}\d{1,2}|\d{1,2} [A-Z][a-z]{2} \d{4}) "
    rb"\d\d:\d\d[\w :+-]{0,25}\r?\n?"
)
"""The line before each message of a mailbox, with sender and time (RFC 4155)."""
_QUOTED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
"""Sign before a line of a text that would else begin a message."""
_BOUNDARY = re.compile(rb"boundary[\s*0-9]{0,100}=", re.IGNORECASE)
"""In each way that the library takes: `boundary = b`, and in pieces or with an encoding (RFC 2231)."""
_WITH_PARAMETERS = re.compile(
    rb"(?:^|\r)content-(?:type|disposition):[^\r\n]*(?:(?:\r\n?|\n)[ \t][^\r\n]*)*", re.IGNORECASE | re.MULTILINE
)
"""Headers whose parameters the library takes apart, in quadratic time; a line may end in any way that it takes."""


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """One record. Of alternatives plain text is taken before HTML. Headers are the fields that settings name."""
    if fault := _too_much(span.raw):
        yield span.unreadable(piece.name, "", fault)
        return
    try:
        message = email.message_from_bytes(span.raw)
        parts, attachments = _parts(message, reading.encoding)
        texts = [(_text(part, reading.encoding), _is_page(part)) for part in parts]
        subject = _header(message, "Subject")
    except UnicodeDecodeError:
        raise
    except Exception as error:  # LookupError, ValueError, RecursionError and more, of a broken message
        yield span.unreadable(piece.name, "", f"not a readable message: {type(error).__name__}")
        return
    row = Headers(message)
    said, addresses = stated(row, reading), _addresses(message, reading.facts.get("subject", ""))
    fault = said.fault
    if len(addresses) > 1:
        fault = f"field {reading.facts['subject']!r} holds more than one value, and `subject_field` takes one"
    if fault:
        yield replace(span.unreadable(piece.name, "", fault), row=row)
        return
    facts = {"created": _date(message), **said.facts, **({"subject": addresses[0]} if addresses else {})}
    text_settings = [name for name in settings_of(reading) if name.startswith(("text_field", "fields"))]  # never act
    for number, kind in enumerate(attachments, 1):
        yield Skipped(piece.name, f"attachment {number}", kind)
    if any(is_page for _, is_page in texts):
        title = f"<h1>{html.escape(subject)}</h1>\n" if subject else ""
        pages = [text if is_page else f"<pre>{html.escape(text)}</pre>\n" for text, is_page in texts if text.strip()]
        text, form = page_text(title + "\n".join(pages), reading)
    else:
        text, form = "\n\n".join(text for text in (subject, *(each for each, _ in texts)) if text.strip()), "text"
    empty = (*text_settings, *said.empty)
    yield Record(piece.name, said.key, text, form, said.licence, said.meta, span=span, row=row, empty=empty, **facts)


def parse_mailbox(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Yield what each message of a mailbox holds, as `parse` does of a file with one."""
    for number, span in enumerate(_messages(piece, stream, reading.limit), piece.first_record + 1):
        key = str(number)
        begin, _, raw = span.raw.partition(b"\n")
        if fault := span.too_long(piece.name, key, reading.limit):
            yield replace(fault, settings=_ALONE)
        elif not _BEGIN.fullmatch(begin):
            yield span.unreadable(piece.name, key, "not a mailbox: it does not begin with `From `, sender and time")
        else:
            for found in parse(piece, io.BytesIO(_QUOTED.sub(b"", raw)), reading):
                if isinstance(found, Skipped):
                    yield replace(found, key=f"{key}, {found.key}")
                elif isinstance(found, Unreadable):
                    start = span.offset + len(begin) + 1
                    yield replace(found, key=key, offset=start + found.offset, start=start, settings=_ALONE)
                else:
                    yield replace(found, key=found.key or key, span=replace(span, settings=_ALONE))


_ALONE = {"format": "eml"}
"""How one message of a mailbox is read again."""


def _messages(piece: Piece, stream: IO[bytes], limit: int) -> Iterator[Span]:
    """The messages of a mailbox with the line before each. Of one longer than `limit` only the beginning is held."""
    stream.seek(piece.start)
    held, start, size, is_empty, is_begun = list[bytes](), piece.start, 0, True, True
    while piece.stop is None or start + size < piece.stop:
        line = stream.readline(limit)
        is_begin = is_begun and is_empty and len(line) <= BEGIN_BYTES and _BEGIN.fullmatch(line)
        if size and (is_begin or not line):
            yield Span(start, b"".join(held), size)
            held, start, size = [], start + size, 0
        if not line:
            return
        if size <= limit:
            held.append(line)
        size += len(line)
        is_empty, is_begun = line in (b"\n", b"\r\n"), line.endswith(b"\n")
    if size:
        yield Span(start, b"".join(held), size)


def cut_mailbox(whole: Piece, stream: IO[bytes], size: int, reading: Reading) -> Iterator[Piece]:
    """Cut a mailbox between its messages."""
    return cut_between(whole, _messages(Piece(whole.path, 0), stream, RAW_BYTES_KEPT), size)


class Headers(Mapping[str, str]):
    """The headers of a message by their names, in any case: of one that is there twice, the first."""

    def __init__(self, message: Message) -> None:
        self.message = message

    def __getitem__(self, name: str) -> str:
        if name not in self.message:
            raise KeyError(name)
        return _header(self.message, name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self.message.keys()))

    def __len__(self) -> int:
        return len({*self.message.keys()})


def _addresses(message: Message, name: str) -> list[str]:
    """The addresses in a header that is made of them, without the names: each once."""
    if name.lower().removeprefix("resent-") not in OF_ADDRESSES:
        return []
    found = getaddresses([str(message.get(name, ""))[:HEADER_BYTES]])
    return [*dict.fromkeys(address for _, address in found if "@" in address)]


def _too_much(raw: bytes) -> str:
    parts, levels = raw.count(b"\n--"), len(_BOUNDARY.findall(raw))
    if parts > MOST_PARTS or levels > MOST_LEVELS:
        return f"more parts than are read: {parts:,} in {levels:,} levels, and {MOST_PARTS:,} in {MOST_LEVELS} are"
    longest = max((len(header[0]) for header in _WITH_PARAMETERS.finditer(raw)), default=0)
    return f"a header longer than is read: {longest:,} bytes" if longest > HEADER_BYTES else ""


def _parts(part: Message, encoding: str) -> tuple[list[Message], list[str]]:
    """The parts that hold the message's own text, in order, and what each is that stands beside them."""
    is_attached = part.get_content_disposition() == "attachment" or part.get_filename() is not None
    if part.is_multipart() and part.get_content_maintype() == "multipart" and not is_attached:
        inner = [_parts(each, encoding) for each in part.get_payload()]  # type: ignore[arg-type]
        texts = [found for found, _ in inner if found]
        if part.get_content_type() == "multipart/alternative" and texts:
            # The last is the richest (RFC 2046, 5.1.4); plain text needs no markup taken out of it.
            texts = [next((found for found in texts if _is_plain(found, encoding)), texts[-1])]
        return [each for found in texts for each in found], [each for _, others in inner for each in others]
    if is_attached or not (part.get_content_type() == "text/plain" or _is_page(part)):
        is_message = part.get_content_type() == "message/rfc822"
        return [], ["a message inside of a message: export it as EML of its own" if is_message else ATTACHMENT]
    return [part], []


def _is_plain(parts: list[Message], encoding: str) -> bool:
    return not any(map(_is_page, parts)) and any(_text(part, encoding).strip() for part in parts)


def _is_page(part: Message) -> bool:
    return part.get_content_type() == "text/html"


def _text(part: Message, encoding: str) -> str:
    """A part's text in the encoding that it states, UTF-8, or this one. Raises UnicodeDecodeError if it is in none."""
    raw = part.get_payload(decode=True)
    raw = raw if isinstance(raw, bytes) else b""
    for name in (part.get_content_charset() or "utf-8", "utf-8"):
        with suppress(ValueError):
            text = raw.decode(encoding_name(name))
            text.encode()
            return text.replace("\r\n", "\n")
    return raw.decode(encoding).replace("\r\n", "\n")


def _header(message: Message, name: str) -> str:
    """A header in plain characters, on one line; as it stands where its words are encoded wrongly."""
    value = str(message.get(name, ""))[:HEADER_BYTES]
    with suppress(LookupError, ValueError):  # email.errors are ValueErrors
        value = str(make_header(decode_header(value)))
    return " ".join(value.encode(errors="replace").decode().split())


def _date(message: Message) -> str | None:
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(str(message["Date"])[:100]).isoformat()
    return None


FORM = Form(parse, endings=(".eml",), about="A mail message: subject and text, without its attachments.")
MAILBOX = Form(
    parse_mailbox, cut_mailbox, endings=(".mbox",), about="A mailbox: subject and text of each message, as of `eml`."
)
