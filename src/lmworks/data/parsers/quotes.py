"""Whether a table cut by tabs has quotes around fields, as Excel and csv writers put them, or its texts' own alone."""

from __future__ import annotations

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Sequence

from lmworks.data.parsers.parser import Span

LEAST_FOR = 4
"""More than so many rows that only quotes explain stand against one that has quotes in other places."""
_QUOTED = rb'"(?:[^"]++|"")*+"'
_FIELD = rb'(?:%s|[^\t"\r\n]*+)' % _QUOTED
_ROW = re.compile(rb"%s(?:\t%s)*+(?:\r?\n|\Z)" % (_FIELD, _FIELD))
_ALL_QUOTED = re.compile(rb"%s(?:\t%s)++\r?\n?" % (_QUOTED, _QUOTED))
_OPEN = re.compile(rb'(?:%s\t)*+"(?:[^"]++|"")*+\Z' % _FIELD)


def has_quotes(first: Sequence[Span], width: int, *, is_all: bool) -> bool:
    """Whether the first lines of a table, or all, show it: by quotes doubled inside of quoted fields, by tabs or line
    ends that only quotes keep in one of `width` fields (0: as many as the first row has), by a header all in quotes.
    """
    text = b"".join(line.raw for line in first).removeprefix(BOM_UTF8)
    if b'"' not in text:
        return False
    found = against = at = 0
    if not width and (header := _ROW.match(text)):
        width, at = len(_fields(header[0])), header.end()
        found += bool(_ALL_QUOTED.fullmatch(header[0]))
    width = width or text.split(b"\n", 1)[0].count(b"\t") + 1
    while at < len(text):
        row = _ROW.match(text, at)
        if row is None and not is_all and _OPEN.match(text, at):
            break  # what was read may end inside of it
        says = _says(row[0], width) if row else -1
        found, against = found + (says > 0), against + (says < 0)
        at = row.end() if row and says >= 0 else (text.find(b"\n", at) + 1 or len(text))
    return found > LEAST_FOR * against


def _says(row: bytes, width: int) -> int:
    """1 for a row that only quotes explain, -1 for one that has another width by them, or needs none; 0 for another."""
    fields, lines = _fields(row), row.removesuffix(b"\n").split(b"\n")
    do_lines_fit = all(line.count(b"\t") + 1 == width for line in lines)
    if fields and (len(fields) != width or (do_lines_fit and len(lines) > 1)):
        return -1
    return int(bool(fields) and (not do_lines_fit or any('"' in field for field in fields)))


def _fields(row: bytes) -> list[str]:
    return next(csv.reader(io.StringIO(row.decode("latin-1"), newline=""), delimiter="\t", strict=True), [])
