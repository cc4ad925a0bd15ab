"""Catalogues of translated messages (gettext, .po): a record a message, with the fields `source` and `target`.

https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from email import message_from_string
from typing import TYPE_CHECKING, Any

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Skipped, Span, whole_file

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

KEPT_AS = {"format": "jsonl"}
"""What is kept of a message that cannot be read."""
MOST_FORMS = 10
"""Of a plural: Arabic has six, and no language more (Unicode CLDR)."""


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """In the encoding that the catalogue states, else UTF-8. Of a plural the singular and its form for most numbers."""
    from babel.messages.pofile import PoFileError

    try:
        catalogue, language = _read(span.raw)
    except PoFileError as error:
        yield span.unreadable(piece.name, "", f"not a gettext catalogue: line {error.lineno + 1}")
        return
    except LookupError:
        yield span.unreadable(piece.name, "", "not a gettext catalogue: its charset is not known")
        return
    except UnicodeDecodeError:
        raise  # which whoever asked for the records tells
    except ValueError:
        yield span.unreadable(piece.name, "", "not a gettext catalogue: a value that is none")
        return
    number = 0
    for message in catalogue:
        if not message.id:
            continue  # the header
        sources, strings = _ends(message.id), _ends(message.string)
        for source, target in zip(sources, strings, strict=False):
            number += 1
            if message.fuzzy or not target:
                reason = "a fuzzy translation" if message.fuzzy else "a message without a translation"
                yield Skipped(piece.name, str(number), reason)
                continue
            comments = "\n".join([*message.auto_comments, *message.user_comments])
            said = {"source": source, "target": target, "language": language}
            said |= {"context": message.context or "", "comment": comments}
            raw = json.dumps(said, ensure_ascii=False).encode()
            yield row_record(said, piece, number, Span(0, raw, len(raw), KEPT_AS), reading)
    for _ in catalogue.obsolete:
        yield Skipped(piece.name, "", "an obsolete message")
    if not number and not catalogue.obsolete:
        yield span.unreadable(piece.name, "", "not a gettext catalogue: it has no message")


def _read(raw: bytes) -> tuple[Catalog, str]:
    """The messages and the language that the header states. Raises ValueError, LookupError or PoFileError.

    Of the header no more is read than the messages hang on, and no more plural forms are made than a language has.
    """
    from babel.messages.catalog import Catalog, Message
    from babel.messages.pofile import PoFileParser

    class Headed(Catalog):
        language = ""

        @property
        def num_plurals(self) -> int:
            return min(super().num_plurals, MOST_FORMS)

        def __setitem__(self, id: Any, message: Message) -> None:
            if id == "":
                stated = message_from_string(str(message.string))
                self.language = self.language or (stated["Language"] or "").replace("-", "_")
                kept = [f"{name}: {stated[name]}\n" for name in ("Content-Type", "Plural-Forms") if stated[name]]
                message.string = "".join(kept)
            super().__setitem__(id, message)

    catalogue = Headed()
    PoFileParser(catalogue, abort_invalid=True).parse(io.BytesIO(raw))
    return catalogue, catalogue.language


def _ends(said: str | Sequence[str] | None) -> Sequence[str]:
    """The one text of a message, or of a plural the first form and the last."""
    return [said or ""] if isinstance(said, str | None) else [said[0], said[-1]]


FORM = Form(
    parse,
    endings=(".po",),
    about="Messages of a gettext catalogue with their translations, as `source` and `target`; what is not translated, "
    "or only perhaps so (fuzzy), is counted.",
    needs=("babel",),
)
