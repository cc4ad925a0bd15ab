"""Catalogues of translated messages (gettext, .po): one record per message, with the fields `source` and `target`.

https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence

from lmworks.data.parsers.fields import row_record
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Skipped, Span, whole_file
from lmworks.data.parsers.tables.columns import KEPT_AS


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """Yield a record for each message. A plural gives two: the singular, and the form for most numbers."""
    from babel.messages.pofile import PoFileError, read_po

    try:
        catalogue = read_po(io.BytesIO(span.raw), abort_invalid=True)
    except PoFileError as error:
        yield span.unreadable(piece.name, "", f"not a gettext catalogue: line {error.lineno + 1}")
        return
    except LookupError:
        yield span.unreadable(piece.name, "", "not a gettext catalogue: its charset is not known")
        return
    except UnicodeDecodeError:
        raise
    except ValueError:
        yield span.unreadable(piece.name, "", "not a gettext catalogue: a value of its header is not valid")
        return
    number, language = 0, catalogue.locale_identifier or ""
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
            row = {"source": source, "target": target, "language": language}
            row |= {"context": message.context or "", "comment": comments}
            raw = json.dumps(row, ensure_ascii=False).encode()
            yield row_record(row, piece, number, Span(0, raw, len(raw), KEPT_AS), reading)
    for _ in catalogue.obsolete:
        yield Skipped(piece.name, "", "an obsolete message")
    if not number and not catalogue.obsolete:
        yield span.unreadable(piece.name, "", "not a gettext catalogue: it has no message")


def _ends(texts: str | Sequence[str] | None) -> Sequence[str]:
    """Return the one text of a message, or the first form of a plural and the last."""
    return [texts or ""] if isinstance(texts, str | None) else [texts[0], texts[-1]]


FORM = Form(
    parse,
    endings=(".po",),
    about="Messages of a gettext catalogue with their translations, as `source` and `target`. Messages "
    "without a translation, or with an uncertain (fuzzy) one, are only counted.",
    needs=("babel",),
    guarded=True,
)
