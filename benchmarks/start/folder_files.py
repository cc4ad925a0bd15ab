"""What the makers of folders share: moments, notes, tables, workbooks and PDFs, with the same bytes in each run."""

from __future__ import annotations

import csv
import importlib.util
import json
import random
import re
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl

Maker = Callable[[Path, Path, random.Random], None]
"""Writes one folder: published data, the folder, and the source of its choices."""

DS_STORE = b"\x00\x00\x00\x01Bud1\x00\x00\x10\x00\x00\x00\x08\x00" + bytes(6_000)
THUMBS = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4_088)
START = datetime(2023, 1, 9, 8, 0)


def package(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {name} is needed: install the project with its extra [dev]")
    return Path(spec.submodule_search_locations[0])


def json_lines(path: Path) -> Iterator[Any]:
    """Yield the record of each line."""
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def note(folder: Path, name: str, text: str) -> None:
    """Write a short note for people."""
    (folder / name).write_text(textwrap.dedent(text).strip() + "\n", encoding="utf-8")


def day(rng: random.Random, days: int = 700) -> datetime:
    """Return a working moment after the start."""
    return START + timedelta(days=rng.randrange(days), minutes=rng.randrange(600))


def blank(rows: list[dict[str, Any]], column: str, count: int, rng: random.Random) -> None:
    """Empty a column in some rows."""
    for row in rng.sample(rows, count):
        row[column] = None


def table(
    path: Path,
    rows: list[dict[str, Any]],
    delimiter: str = ",",
    encoding: str = "utf-8",
    newline: str = "\r\n",
) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding=encoding) as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, lineterminator=newline)
        writer.writeheader()
        writer.writerows(rows)


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    """Write an Excel file whose bytes do not tell when."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    stream = BytesIO()
    book.save(stream)
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            held = old.read(name)
            if name == "docProps/core.xml":
                held = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2024-03-01T09:00:00Z", held)
            entry = zipfile.ZipInfo(name, (2024, 3, 1, 9, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, held)


def pdf(path: Path, head: str, title: str, paragraphs: list[str]) -> None:
    """Write text in a Western language as a plain PDF with a head and a page number on each page."""
    lines = [(16, title), (11, "")]
    for paragraph in paragraphs:
        lines += [(11, line) for line in textwrap.wrap(paragraph, 84)] + [(11, "")]
    pages = [lines[place : place + 40] for place in range(0, len(lines), 40)]

    def shown(size: int, x: int, y: int, text: str) -> bytes:
        """Return the commands that print a line."""
        held = re.sub(r"([\\()])", r"\\\1", text).encode("cp1252")
        return b"BT /F1 %d Tf %d %d Td (%s) Tj ET\n" % (size, x, y, held)

    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b""]
    kids = []
    for number, page in enumerate(pages, 1):
        content = shown(8, 72, 805, head)
        content += b"".join(shown(size, 72, 770 - 17 * row, text) for row, (size, text) in enumerate(page) if text)
        content += shown(8, 270, 40, f"Página {number} de {len(pages)}")
        kids.append(b"%d 0 R" % (len(objects) + 1))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (len(objects) + 2)
        )
        objects.append(b"<< /Length %d >>\nstream\n%sendstream" % (len(content), content))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    objects[2] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    held = b"%PDF-1.4\n"
    places = []
    for number, one in enumerate(objects, 1):
        places.append(len(held))
        held += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    start = len(held)
    held += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    held += b"".join(b"%010d 00000 n \n" % place for place in places)
    held += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    path.write_bytes(held)


def normal(text: str) -> str:
    """Return letters and digits alone, to see that two texts are one."""
    return "".join(filter(str.isalnum, text.lower()))
