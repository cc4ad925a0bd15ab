"""Files as offices have them, written without the programs that make them: PDFs, scans, workbooks, letters, mail."""

from __future__ import annotations

import io
import random
import textwrap
import zipfile
from collections.abc import Iterable, Sequence
from email.message import EmailMessage
from html import escape
from pathlib import Path
from time import gmtime

from PIL import Image, ImageDraw

LINES_A_PAGE = 54


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> None:
    """Write a file, in folders that are made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))


def _pdf(objects: Sequence[bytes]) -> bytes:
    """A PDF 1.4 file of numbered objects, the first of which is its catalogue (ISO 32000-1, 7.5)."""
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    begin = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, begin))


def _stream(content: bytes, facts: bytes = b"") -> bytes:
    return b"<< /Length %d %s>>\nstream\n%s\nendstream" % (len(content), facts, content)


def text_pdf(paragraphs: Iterable[str]) -> bytes:
    """A PDF with a text layer, in lines of a typewriter's width, as many pages as it takes."""
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [*textwrap.wrap(paragraph, 88), ""]
    pages = [lines[at : at + LINES_A_PAGE] for at in range(0, len(lines), LINES_A_PAGE)] or [[]]
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, page in enumerate(pages):
        said = [line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in page]
        shown = " ".join(f"({line}) Tj T*" for line in said).encode("cp1252", "replace")
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * number),
            _stream(b"BT /F1 10 Tf 50 790 Td 13 TL " + shown + b" ET"),
        ]
    return _pdf(objects)


def scan(draw: random.Random, form: str, pages: int = 1) -> bytes:
    """A page of grey strokes, as a scanner makes one: a picture in which no text is."""
    images = []
    for _ in range(pages):
        image = Image.new("L", (420, 594), 247)
        pen = ImageDraw.Draw(image)
        for y in range(40, 560, 16):
            x = 40
            while x < draw.randint(250, 390):
                width = draw.randint(4, 28)
                pen.line(
                    (x, y + draw.randint(-2, 2), x + width, y + draw.randint(-2, 2)), fill=draw.randint(10, 90), width=2
                )
                x += width + 7
        images.append(image)
    out = io.BytesIO()
    of_pdf = {"save_all": True, "append_images": images[1:], "creationDate": gmtime(0), "modDate": gmtime(0)}
    images[0].save(out, form, **(of_pdf if form == "PDF" else {}))
    return out.getvalue()


def _zip(members: Iterable[tuple[str, str | bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, (2024, 3, 1, 9, 0, 0)), content)
    return out.getvalue()


archive = _zip


def workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """A spreadsheet (ECMA-376) of one sheet whose cells hold their texts."""
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in row) + "</row>"
        for row in rows
    )
    space = "http://schemas.openxmlformats.org"
    main = f'xmlns="{space}/spreadsheetml/2006/main"'
    office = f"{space}/officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return _zip(
        [
            (
                "[Content_Types].xml",
                f'<Types xmlns="{space}/package/2006/content-types"><Default Extension="rels" '
                'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
                f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
            ),
            (
                "_rels/.rels",
                f'<Relationships xmlns="{space}/package/2006/relationships"><Relationship Id="rId1" '
                f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            ),
            (
                "xl/workbook.xml",
                f'<workbook {main} xmlns:r="{office}"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets>'
                "</workbook>",
            ),
            (
                "xl/_rels/workbook.xml.rels",
                f'<Relationships xmlns="{space}/package/2006/relationships"><Relationship Id="rId1" '
                f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            ),
            ("xl/worksheets/sheet1.xml", f"<worksheet {main}><sheetData>{cells}</sheetData></worksheet>"),
        ]
    )


def letter(paragraphs: Iterable[str]) -> bytes:
    """A Word document."""
    from docx import Document

    document = Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def mail(sender: str, to: str, subject: str, day: str, text: str, attached: bytes = b"") -> bytes:
    """A message as a mail program saves it."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"], message["Date"] = sender, to, subject, day
    message.set_content(text)
    if attached:
        message.add_attachment(attached, maintype="image", subtype="jpeg", filename="photo.jpg")
        message.set_boundary("=====7f0c2d11==")
    return message.as_bytes()
