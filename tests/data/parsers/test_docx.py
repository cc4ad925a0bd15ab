"""Word documents: every word of the body once, in its order; what is left out is counted."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
from data_support import texts
from docx.oxml import parse_xml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record, Skipped, Unreadable
from quick import examples

Ingest = Callable[..., Any]
OFFICE = "http://schemas.openxmlformats.org"
SPACES = " ".join(
    f'xmlns:{name}="{address}"'
    for name, address in {
        "w": f"{OFFICE}/wordprocessingml/2006/main",
        "m": f"{OFFICE}/officeDocument/2006/math",
        "mc": f"{OFFICE}/markup-compatibility/2006",
        "a": f"{OFFICE}/drawingml/2006/main",
        "c": f"{OFFICE}/drawingml/2006/chart",
        "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
        "v": "urn:schemas-microsoft-com:vml",
    }.items()
)


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def paragraph(*parts: str) -> str:
    return f"<w:p>{''.join(parts)}</w:p>"


def table(*rows: list[str]) -> str:
    cells = ("".join(f"<w:tc>{cell}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def word(body: str, header: str = "", **parts: str) -> bytes:
    """A document with this body, and parts such as `footnotes` by their names."""
    document = docx.Document()
    last = document.element.body[-1]
    for element in parse_xml(f"<w:body {SPACES}>{body}</w:body>"):
        last.addprevious(element)
    if header:
        document.sections[0].header.paragraphs[0].text = document.sections[0].footer.paragraphs[0].text = header
    document.save(plain := io.BytesIO())
    packed = io.BytesIO()
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            content = old.read(name).decode("utf-8") if name.endswith((".xml", ".rels")) else old.read(name)
            for part in parts:
                if name == "[Content_Types].xml":
                    stated = f'<Override PartName="/word/{part}.xml" ContentType="{kind}.{part}+xml"/></Types>'
                    content = str(content).replace("</Types>", stated)
                if name == "word/_rels/document.xml.rels":
                    address = f"{OFFICE}/officeDocument/2006/relationships/{part}"
                    stated = f'<Relationship Id="r{part}" Type="{address}" Target="{part}.xml"/></Relationships>'
                    content = str(content).replace("</Relationships>", stated)
            new.writestr(name, content)
        for part, content in parts.items():
            new.writestr(f"word/{part}.xml", f"<w:{part} {SPACES}>{content}</w:{part}>")
    return packed.getvalue()


def read(folder: Path, content: bytes) -> tuple[str, list[str]]:
    """The text, and what was left out."""
    (folder / "a.docx").write_bytes(content)
    source = Files(kind="files", path=".", licence="MIT", folder=folder)
    found: list[Any] = [item for piece in source.pieces("a.docx", 10**9) for item in source.read(piece)]
    (record,) = (item for item in found if isinstance(item, Record))
    return record.text, sorted(item.reason for item in found if isinstance(item, Skipped | Unreadable))


BOX = paragraph(run("a box"))
BODY = "".join(
    (
        paragraph(run("kept "), f"<w:ins>{run('inserted ')}</w:ins>", run("last")),
        paragraph(run("so "), "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>", run("stays")),
        paragraph(f"<w:moveFrom>{run('moved')}</w:moveFrom>"),
        f"<w:sdt><w:sdtPr/><w:sdtContent>{paragraph(run('control'))}</w:sdtContent></w:sdt>",
        paragraph(f"<w:sdt><w:sdtContent>{run('in a line')}</w:sdtContent></w:sdt>"),
        paragraph(
            run("around"),
            "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wps:txbx><w:txbxContent>"
            f"{BOX}</w:txbxContent></wps:txbx></w:drawing></mc:Choice><mc:Fallback><w:pict><v:textbox>"
            f"<w:txbxContent>{BOX}</w:txbxContent></v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>",
            run(" it"),
        ),
        paragraph(f"<w:hyperlink>{run('link')}</w:hyperlink>", "<w:r><w:footnoteReference w:id='2'/></w:r>"),
        paragraph(f"<w:moveTo>{run('moved')}</w:moveTo>", "<w:r><w:endnoteReference w:id='2'/></w:r>"),
        paragraph("<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r>"),
        paragraph("<w:fldSimple w:instr='PAGE'>", run("7"), "</w:fldSimple><w:r><w:instrText>DATE</w:instrText></w:r>"),
        table(
            [paragraph(run("x")), paragraph(run("y")) + table([paragraph(run("inner"))])],
            [paragraph(run("z")), paragraph()],
        ),
        "<w:tbl><w:tr><w:trPr><w:del w:id='9'/></w:trPr><w:tc>" + paragraph(run("row gone")) + "</w:tc></w:tr></w:tbl>",
    )
)
NOTES = {
    "footnotes": f"<w:footnote w:id='2'>{paragraph(run('foot'))}</w:footnote>"
    f"<w:footnote w:id='3'>{paragraph(run('nobody refers to it'))}</w:footnote>"
    f"<w:footnote w:id='-1' w:type='separator'>{paragraph('<w:r><w:separator/></w:r>')}</w:footnote>",
    "endnotes": f"<w:endnote w:id='2'>{paragraph(run('end'))}{paragraph(run('more'))}</w:endnote>",
    "comments": f"<w:comment w:id='1' w:author='A'>{paragraph(run('remark'))}</w:comment>",
}


def test_all_text_of_a_word_document_is_read_in_its_order(tmp_path: Path) -> None:
    text, left_out = read(tmp_path, word(BODY, "page", **NOTES))
    assert [block.strip() for block in text.split("\n\n")] == [
        "kept inserted last",
        "so stays",
        "control",
        "in a line",
        "around it",
        "a box",
        "link",
        "moved",
        "a\tb\nc-d",
        "7",
        "x | y\ninner\nz |",
        "foot",
        "end",
        "more",
    ]
    assert left_out == [
        "a comment of a Word document",
        "a header or footer of a Word document",
        "a header or footer of a Word document",
        "a note without a reference of a Word document",
        "deleted text of a Word document",
        "deleted text of a Word document",
    ]


def test_a_build_counts_what_is_left_out_of_a_word_document(ingest_files: Ingest) -> None:
    result, out = ingest_files({"a.docx": word(BODY, "page", **NOTES)})
    assert "inserted" in texts(out)[0]
    assert result.counts["skipped: deleted text of a Word document"] == 2
    assert "skipped: a comment of a Word document" in result.losses


def test_formulas_are_read_on_one_line(tmp_path: Path) -> None:
    def math(name: str, *parts: str) -> str:
        return f"<m:{name}>{''.join(parts)}</m:{name}>"

    def said(text: str) -> str:
        return math("r", f"<m:t>{text}</m:t>")

    fraction = math("f", math("num", said("a+b")), math("den", said("2")))
    power = math("sSup", math("e", said("x")), math("sup", said("n")))
    brackets = math("d", "<m:dPr><m:begChr m:val='['/></m:dPr>", math("e", said("y")), math("e", said("z")))
    root = math("rad", math("deg"), math("e", said("q")))
    total = math("nary", "<m:naryPr><m:chr m:val='∑'/></m:naryPr>", math("sub", said("i=1")), math("e", said("i")))
    formula = math("oMath", fraction, power, brackets, root, total)
    cells = [math("e", said(each)) for each in "1234"]
    rows = math("m", math("mr", *cells[:2]), math("mr", *cells[2:]))
    sine = math("func", math("fName", said("sin")), math("e", said("t")))
    formula = formula.replace("</m:oMath>", f"{rows} {sine}</m:oMath>")
    body = paragraph(run("So "), formula, run(".")) + paragraph(math("oMathPara", math("oMath", said("E=m"))))
    assert read(tmp_path, word(body))[0] == "So (a+b)/2x^n(yz)√q∑_(i=1)i1234sint.\n\nE=m"


def test_a_placeholder_is_counted(tmp_path: Path) -> None:
    prompt = f"<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{run('Click here')}</w:sdtContent></w:sdt>"
    text, left_out = read(tmp_path, word(paragraph(run("on"), prompt)))
    assert (text, left_out) == ("on", ["a placeholder of a Word document"])


def test_words_in_every_element_that_only_stands_around_them_are_read(tmp_path: Path) -> None:
    around = ("bdo", "dir", "smartTag", "customXml", "hyperlink", "ins", "moveTo", "fldSimple")
    body = paragraph(*(f"<w:{name}>{run(name + ' ')}</w:{name}>" for name in around))
    ruby = f"<w:r><w:ruby><w:rt>{run('kan')}</w:rt><w:rubyBase>{run('ji')}</w:rubyBase></w:ruby></w:r>"
    body += paragraph(ruby, "<w:r><w:t>a<!-- no -->b</w:t><w:ptab/><w:t>c</w:t><w:cr/><w:t>d</w:t></w:r>")
    assert read(tmp_path, word(body))[0] == f"{' '.join(around)} \n\nkanjiab\tc\nd"


def test_of_alternatives_the_one_with_words_is_read(tmp_path: Path) -> None:
    box = f"<w:pict><v:textbox><w:txbxContent>{BOX}</w:txbxContent></v:textbox></w:pict>"
    choice = "<mc:Choice Requires='wps'><w:drawing><wps:txbx/></w:drawing></mc:Choice>"
    either = f"<w:r><mc:AlternateContent>{choice}<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r>"
    assert read(tmp_path, word(paragraph(run("beside"), either)))[0] == "beside\n\na box"


def test_what_says_nothing_is_not_counted(tmp_path: Path) -> None:
    deleted = "<w:del><w:r><w:delText> </w:delText></w:r></w:del>"
    comments = f"<w:comment w:id='1'>{paragraph()}</w:comment>"
    text, left_out = read(tmp_path, word(paragraph(run("on"), deleted), " ", comments=comments))
    assert (text, left_out) == ("on", [])


def test_damaged_notes_cost_themselves_alone(tmp_path: Path) -> None:
    text, left_out = read(tmp_path, word(BODY, footnotes="<w:p>"))
    assert text.startswith("kept inserted last")
    assert left_out[-1].startswith("not a readable part of a docx: footnotes")


def test_a_word_document_as_deep_as_its_library_reads_is_read_in_little_time(tmp_path: Path) -> None:
    tables = paragraph(run("deep"))
    for _ in range(80):
        tables = table([tables + paragraph()])
    assert read(tmp_path, word(tables))[0].strip() == "deep"
    controls = paragraph(run("deep"))
    for _ in range(120):
        controls = f"<w:sdt><w:sdtContent>{controls}</w:sdtContent></w:sdt>"
    assert read(tmp_path, word(controls))[0] == "deep"


def test_text_of_merged_cells_is_read_once(tmp_path: Path) -> None:
    document = docx.Document()
    grid = document.add_table(2, 2)
    grid.cell(0, 0).merge(grid.cell(0, 1)).text = "wide"
    grid.cell(1, 0).text, grid.cell(1, 1).text = "c", "d"
    document.save(packed := io.BytesIO())
    assert read(tmp_path, packed.getvalue())[0] == "wide\nc | d"


def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=3).map("".join)
    return st.one_of(
        several.map(lambda body: f"<w:sdt><w:sdtContent>{body}</w:sdtContent></w:sdt>"),
        several.map(lambda body: f"<w:ins>{body}</w:ins>"),
        several.map(lambda body: f"<w:customXml>{body}</w:customXml>"),
        several.map(lambda body: table([body + paragraph(), paragraph()])),
        several.map(
            lambda body: paragraph(
                run("§"), f"<w:r><w:pict><v:textbox><w:txbxContent>{body}</w:txbxContent></v:textbox></w:pict></w:r>"
            )
        ),
    )


@given(st.recursive(st.just(paragraph(run("§"))), wrapped, max_leaves=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(40), deadline=None)
def test_each_word_comes_once_however_it_is_wrapped(tmp_path: Path, body: str) -> None:
    numbers = itertools.count()
    numbered = re.sub("§", lambda _: f"w{next(numbers)}w", body)
    text, left_out = read(tmp_path, word(numbered))
    assert (re.findall(r"w\d+w", text), left_out) == (re.findall(r"w\d+w", numbered), [])
