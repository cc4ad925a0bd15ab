"""Mail messages (.eml): the subject and the text, a document a file. Attachments are counted and not read."""

from __future__ import annotations

import email
import html
import re
from collections.abc import Iterator
from contextlib import suppress
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime

from lmworks.data.parsers.encodings import encoding_name
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Skipped, Span, whole_file
from lmworks.data.parsers.whole import page_text

HEADER_BYTES = 2**13
"""Of a header that is read; the library takes quadratic time for some."""
MOST_PARTS, MOST_LEVELS = 2**16, 200
"""Of a message: each part takes memory, and each line is looked at for every level."""
_CONTENT_TYPE = re.compile(rb"^content-type:[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """One record. HTML is taken only if no part is plain text; other headers are kept where `keep` names them."""
    if fault := _too_much(span.raw):
        yield span.unreadable(piece.name, "", fault)
        return
    try:
        message = email.message_from_bytes(span.raw)
        parts, attachments = _parts(message)
        plain = [_text(part) for part in parts if part.get_content_type() == "text/plain"]
        pages = [] if any(map(str.strip, plain)) else [_text(part) for part in parts if _is_page(part)]
        subject = _header(message, "Subject")
    except UnicodeDecodeError:
        raise
    except Exception as error:  # LookupError, ValueError, RecursionError and more, of a broken message
        yield span.unreadable(piece.name, "", f"not a readable message: {type(error).__name__}")
        return
    meta = {name: _header(message, name) for name in reading.keep if name in message}
    for number in range(1, attachments + 1):
        yield Skipped(piece.name, f"attachment {number}", "an attachment of a message")
    if pages:
        title = f"<h1>{html.escape(subject)}</h1>\n" if subject else ""
        text, form = page_text(title + "\n".join(pages), reading)
    else:
        text, form = "\n\n".join(text for text in (subject, *plain) if text.strip()), "text"
    yield Record(piece.name, "", text, form, reading.licence, meta, _date(message))


def _too_much(raw: bytes) -> str:
    parts, levels = raw.count(b"\n--"), raw.lower().count(b"boundary=")
    if parts > MOST_PARTS or levels > MOST_LEVELS:
        return f"more parts than are read: {parts:,} in {levels:,} levels, and {MOST_PARTS:,} in {MOST_LEVELS} are"
    longest = max((len(header[0]) for header in _CONTENT_TYPE.finditer(raw)), default=0)
    return f"a header longer than is read: {longest:,} bytes" if longest > HEADER_BYTES else ""


def _parts(message: Message) -> tuple[list[Message], int]:
    """The parts that hold the message's own text, in order, and how many there are beside them."""
    texts, others, waiting = [], 0, [message]
    while waiting:
        part = waiting.pop()
        is_attached = part.get_content_disposition() == "attachment" or part.get_filename() is not None
        if part.is_multipart() and part.get_content_maintype() == "multipart" and not is_attached:
            waiting.extend(reversed(part.get_payload()))  # type: ignore[arg-type]
        elif is_attached or not (part.get_content_type() == "text/plain" or _is_page(part)):
            others += 1
        else:
            texts.append(part)
    return texts, others


def _is_page(part: Message) -> bool:
    return part.get_content_type() == "text/html"


def _text(part: Message) -> str:
    """A part's text in the encoding that it states, or UTF-8. Raises UnicodeDecodeError if it is in neither."""
    raw = part.get_payload(decode=True)
    raw = raw if isinstance(raw, bytes) else b""
    with suppress(ValueError):
        text = raw.decode(encoding_name(part.get_content_charset() or "utf-8"))
        text.encode()
        return text.replace("\r\n", "\n")
    return raw.decode().replace("\r\n", "\n")


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
