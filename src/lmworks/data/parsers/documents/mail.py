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

from lmworks.data.base.encodings import encoding_name
from lmworks.data.parsers.documents.whole import page_text
from lmworks.data.parsers.fields import settings_of, stated
from lmworks.data.parsers.parser import (
    Form,
    Found,
    Piece,
    Reading,
    Record,
    Skipped,
    Span,
    Unreadable,
    span_form,
    whole_file,
)

OF_ADDRESSES = {"from", "to", "cc", "bcc", "sender", "reply-to", "return-path", "delivered-to", "x-original-to"}
"""Headers with addresses (RFC 5322, 3.6.2 and 3.6.3), and two such headers that servers add."""
ATTACHMENT = "an attachment of a message"
BEGIN_BYTES = 500
"""Maximum bytes of a line that begins a message of a mailbox. An address has at most 320 bytes."""
_BEGIN = re.compile(
    rb"From [^\r\n]*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:[A-Z][a-z]{2} {1,2}\d{1,2}|\d{1,2} [A-Z][a-z]{2} \d{4}) "
    rb"\d\d:\d\d[\w :+-]{0,25}\r?\n?"
)
"""The line before each message of a mailbox, with sender and time (RFC 4155)."""
_QUOTED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
"""Sign before a line of a text that would otherwise begin a message."""


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield one record. Plain text is preferred to HTML. Settings can name headers as fields."""
    try:
        message = email.message_from_bytes(span.raw)
        parts, attachments = _parts(message, reading.encoding)
        texts = [(_text(part, reading.encoding), _is_page(part)) for part in parts]
        subject = _header(message, "Subject")
    except (MemoryError, UnicodeDecodeError):
        raise
    except Exception as error:  # LookupError, ValueError, RecursionError and more, of a broken message
        yield span.unreadable(piece.name, "", f"not a readable message: {type(error).__name__}")
        return
    row = {name: _header(message, name) for name in message}
    said, addresses = stated(Headers(row), reading), _addresses(message, reading.facts.get("subject", ""))
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
        text, form = "\n\n".join(text for text in (subject, *(text for text, _ in texts)) if text.strip()), "text"
    empty = (*text_settings, *said.empty)
    yield Record(piece.name, said.key, text, form, said.licence, said.meta, span=span, row=row, empty=empty, **facts)


def _message(piece: Piece, number: int, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield what one message of a mailbox holds, as `parse` does for a file with one message."""
    key = str(number)
    begin, _, raw = span.raw.partition(b"\n")
    if not _BEGIN.fullmatch(begin):
        yield span.unreadable(piece.name, key, "not a mailbox: it does not begin with `From `, sender and time")
        return
    for found in parse(piece, io.BytesIO(_QUOTED.sub(b"", raw)), reading):
        if isinstance(found, Skipped):
            yield replace(found, key=f"{key}, {found.key}")
        elif isinstance(found, Unreadable):
            start = span.offset + len(begin) + 1
            yield replace(found, key=key, offset=start + found.offset, start=start, settings=_ALONE)
        else:
            yield replace(found, key=found.key or key, span=span)


_ALONE = {"format": "eml"}
"""Settings with which one message of a mailbox is read again."""


def _messages(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Span]:
    """Yield the messages of a mailbox with the line before each. Only the beginning of a too long message is held."""
    stream.seek(piece.start)
    held, start, size, is_empty, is_begun = list[bytes](), piece.start, 0, True, True
    while piece.stop is None or start + size < piece.stop:
        line = stream.readline(reading.limit)
        is_begin = is_begun and is_empty and len(line) <= BEGIN_BYTES and _BEGIN.fullmatch(line)
        if size and (is_begin or not line):
            yield Span(start, b"".join(held), size, _ALONE)
            held, start, size = [], start + size, 0
        if not line:
            return
        if size <= reading.limit:
            held.append(line)
        size += len(line)
        is_empty, is_begun = line in (b"\n", b"\r\n"), line.endswith(b"\n")
    if size:
        yield Span(start, b"".join(held), size, _ALONE)


class Headers(dict[str, str]):
    """Headers of a message by their names, in upper or lower case."""

    def __init__(self, row: Mapping[str, str]) -> None:
        super().__init__((name.lower(), value) for name, value in reversed([*row.items()]))

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())


def _addresses(message: Message, name: str) -> list[str]:
    """Return the different addresses in a header that consists of addresses, without names."""
    if name.lower().removeprefix("resent-") not in OF_ADDRESSES:
        return []
    found = getaddresses([str(message.get(name, ""))])
    return [*dict.fromkeys(address for _, address in found if "@" in address)]


def _parts(part: Message, encoding: str) -> tuple[list[Message], list[str]]:
    """Return the parts that hold the message's own text, in order, and the kind of each other part."""
    is_attached = part.get_content_disposition() == "attachment" or part.get_filename() is not None
    if part.is_multipart() and part.get_content_maintype() == "multipart" and not is_attached:
        inner = [_parts(child, encoding) for child in part.get_payload()]  # type: ignore[arg-type]
        texts = [found for found, _ in inner if found]
        if part.get_content_type() == "multipart/alternative" and texts:
            # The last is the richest (RFC 2046, 5.1.4); plain text needs no markup taken out of it.
            texts = [next((found for found in texts if _is_plain(found, encoding)), texts[-1])]
        return [text for found in texts for text in found], [kind for _, others in inner for kind in others]
    if is_attached or not (part.get_content_type() == "text/plain" or _is_page(part)):
        is_message = part.get_content_type() == "message/rfc822"
        return [], ["a message inside of a message: export it as EML of its own" if is_message else ATTACHMENT]
    return [part], []


def _is_plain(parts: list[Message], encoding: str) -> bool:
    return not any(map(_is_page, parts)) and any(_text(part, encoding).strip() for part in parts)


def _is_page(part: Message) -> bool:
    return part.get_content_type() == "text/html"


def _text(part: Message, encoding: str) -> str:
    """Return a part's text in its stated encoding, else in UTF-8, else in `encoding`. Raises UnicodeDecodeError."""
    raw = part.get_payload(decode=True)
    raw = raw if isinstance(raw, bytes) else b""
    for name in (part.get_content_charset() or "utf-8", "utf-8"):
        with suppress(ValueError):
            text = raw.decode(encoding_name(name))
            text.encode()
            return text.replace("\r\n", "\n")
    return raw.decode(encoding).replace("\r\n", "\n")


def _header(message: Message, name: str) -> str:
    """Return a decoded header on one line. A wrongly encoded header is returned as it is written."""
    value = str(message.get(name, ""))
    with suppress(LookupError, ValueError):  # email.errors are ValueErrors
        value = str(make_header(decode_header(value)))
    return " ".join(value.encode(errors="replace").decode().split())


def _date(message: Message) -> str | None:
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(str(message["Date"])[:100]).isoformat()
    return None


FORM = Form(parse, endings=(".eml",), about="Subject and text of a mail message, without attachments.", guarded=True)
MAILBOX = span_form(
    _messages,
    _message,
    endings=(".mbox",),
    about="Subject and text of each message in a mailbox, as for `eml`.",
    guarded=True,
)
