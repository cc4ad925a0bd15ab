"""Each form of file, on rows written by hand in the form that is published, and broken."""

from __future__ import annotations

import gzip
import io
import json
import re
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import pyarrow as pa
import pypdf
import pytest
from data_support import quarantined, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from lmworks.data.clean.normalise import NormaliseConfig, normalise_shard
from lmworks.data.parsers.publications import mediawiki, xml
from lmworks.data.parsers.tables import json_values
from lmworks.data.shards.records import Documents
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record, Skipped, Unreadable
from quick import few

Ingest = Callable[..., Any]


def read(folder: Path, files: dict[str, bytes], size: int = 10**9, **options: Any) -> list[Any]:
    """What files hold. However they are cut, it is the same."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    source = Files(kind="files", path=".", licence="MIT", folder=folder, **options)

    def found(size: int) -> list[Any]:
        return [item for path in source.paths() for piece in source.pieces(path, size) for item in source.read(piece)]

    whole = found(10**9)
    assert found(50) == whole
    return whole


def good(found: list[Any]) -> list[Record]:
    return [item for item in found if isinstance(item, Record)]


def reasons(found: list[Any]) -> list[str]:
    return [item.reason for item in found if isinstance(item, Unreadable | Skipped)]


WIKI = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo><sitename>Wikipedia</sitename></siteinfo>
  <page>
    <title>Anarchism</title>
    <ns>0</ns>
    <id>12</id>
    <revision>
      <id>9</id>
      <timestamp>2024-05-01T10:00:00Z</timestamp>
      <text bytes="9" xml:space="preserve">{{Short description|x}}
'''Anarchism''' is a [[political philosophy|philosophy]].&lt;ref&gt;A book.&lt;/ref&gt;
[[File:a.png|thumb|A picture]]
{| class="wikitable"
| a table
|}
[[Category:Politics]]</text>
    </revision>
  </page>
  <page><title>AN</title><ns>0</ns><id>13</id><redirect title="Anarchism" /></page>
  <page><title>Talk:x</title><ns>1</ns><id>14</id></page>
  <page><title>Broken <id>15</id></page>
  <page><title>Cut</title><ns>0</ns><id>16</id><revision><text>half
  <page><title>Last</title><ns>0</ns><id>17</id><revision><text>Fine.</text></revision></page>
</mediawiki>
"""


def test_mediawiki_gives_articles_without_markup(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.xml": WIKI.encode()}, format="mediawiki")
    first, last = good(found)
    assert first.text.startswith("Anarchism\n\n")
    assert "Anarchism is a philosophy." in first.text
    assert not any(word in first.text for word in ("book", "picture", "table", "Category", "description", "[["))
    assert (first.key, first.created, last.text) == ("12", "2024-05-01T10:00:00Z", "Last\n\nFine.")
    assert reasons(found)[:2] == ["a redirect", "not an article"]
    assert [reason.split(":")[0] for reason in reasons(found)[2:]] == ["not well-formed XML"] * 2
    bad = next(item for item in found if isinstance(item, Unreadable))
    assert WIKI.encode()[bad.start :].startswith(bad.raw) and b"<id>15" in bad.raw


POSTS = """\ufeff<?xml version="1.0" encoding="utf-8"?>
<posts>
  <row Id="4" PostTypeId="1" AcceptedAnswerId="7" CreationDate="2008-07-31T21:42:52.667" Score="800" \
Body="&lt;p&gt;Why 1 &amp;lt; 2?&lt;/p&gt;" Title="A &amp; B" Tags="&lt;c#&gt;" ContentLicense="CC BY-SA 4.0" />
  <row Id="7" PostTypeId="2" ParentId="4" Body="&lt;p&gt;So.&lt;/p&gt;" ContentLicense="CC BY 4.0" />
  <row Id="8" PostTypeId="5" Body="wiki" />
  <row Id="9" PostTypeId="1" Body="unclosed />
</posts>
"""


def test_stackexchange_posts_carry_their_own_licences(tmp_path: Path, ingest_files: Ingest) -> None:
    result, out = ingest_files(
        {"Posts.xml": POSTS, "Users.xml": "<row/>"},
        licence=None,
        format="stackexchange",
        include=["Posts.xml"],
    )
    assert texts(out) == ["<p>So.</p>"]
    assert result.counts["licence not allowed: CC-BY-SA-4.0"] == 1
    assert result.counts["skipped: neither a question nor an answer"] == 1
    assert result.counts["quarantined: not well-formed XML"] == 1
    found = good(read(tmp_path, {"Posts.xml": POSTS.encode()}, format="stackexchange", include=["Posts.xml"]))
    assert (found[0].key, found[0].licence, found[0].created) == ("4", "CC-BY-SA-4.0", "2008-07-31T21:42:52.667")
    assert found[0].text == "<h1>A &amp; B</h1>\n<p>Why 1 &lt; 2?</p>"
    assert found[1].meta == {"post_type": "2", "parent": "4"}


PUBMED = """<?xml version="1.0"?>
<!DOCTYPE PubmedArticleSet [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY x SYSTEM "file:///etc/hostname">]>
<PubmedArticleSet>
<PubmedArticle><MedlineCitation><PMID Version="1">11</PMID><DateRevised><Year>2020</Year></DateRevised>
<Article><Journal><JournalIssue><PubDate><Year>1999</Year></PubDate></JournalIssue><Title>J. Test.</Title></Journal>
<ArticleTitle>On <i>E. coli</i>.</ArticleTitle><Abstract><AbstractText Label="AIM">To know.</AbstractText>
<AbstractText Label="RESULT">H<sub>2</sub>O &lt; 3.</AbstractText></Abstract><Language>eng</Language></Article>
<MeshHeadingList><MeshHeading><DescriptorName UI="D1">Water</DescriptorName></MeshHeading></MeshHeadingList>
</MedlineCitation><PubmedData><ArticleIdList><ArticleId IdType="doi">10.1/x</ArticleId></ArticleIdList></PubmedData>
</PubmedArticle><PubmedArticle><MedlineCitation><PMID>12</PMID><Article><ArticleTitle>Bare.</ArticleTitle></Article>
</MedlineCitation></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>13</PMID><Article><ArticleTitle>Bomb</ArticleTitle>
<Abstract><AbstractText>&b;</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>14</PMID><Article><ArticleTitle>File</ArticleTitle>
<Abstract><AbstractText>&x;</AbstractText></Abstract></Article></MedlineCitation></PubmedArticle>
<DeleteCitation><PMID>1</PMID></DeleteCitation></PubmedArticleSet>
"""


def test_pubmed_gives_abstracts_and_never_expands_an_entity(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.xml": PUBMED.encode()}, format="pubmed")
    (record,) = good(found)
    assert record.text == "On E. coli.\n\nAIM: To know.\n\nRESULT: H2O < 3."
    assert (record.key, record.created) == ("11", "1999")
    assert (record.meta["journal"], record.meta["doi"], record.meta["mesh"]) == ("J. Test.", "10.1/x", ["Water"])
    assert reasons(found)[0] == "no abstract"
    assert [reason.split(":")[0] for reason in reasons(found)[1:]] == ["not well-formed XML"] * 2


def test_a_large_xml_file_and_an_endless_element_take_bounded_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.xml").open("w") as stream:
        stream.write("<mediawiki>" + WIKI.split("\n", 2)[2].replace("</mediawiki>", ""))
        endless = "<page><title>long</title><text>" + "x" * 30_000_000 + "</text></page>"
        stream.write(endless)
        stream.write("<page><title>After</title><revision><text>ok</text></revision></page>")
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path, format="mediawiki", record_bytes=2**20)
    tracemalloc.start()
    found = [item for piece in source.pieces("a.xml", 10**6) for item in source.read(piece)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert good(found)[-1].text == "After\n\nok"
    long = next(item for item in found if isinstance(item, Unreadable) and item.reason.startswith("longer"))
    assert long.size == len(endless)
    assert peak < 12 * 2**20


ARXIV = """<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>
<record><header><identifier>oai:arXiv.org:0704.0001</identifier></header><metadata>
<arXiv xmlns="http://arxiv.org/OAI/arXiv/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<id>0704.0001</id><created>2007-04-02</created><title>Two
  words</title><categories>hep-ph</categories><license>http://creativecommons.org/licenses/by-nc-sa/4.0/</license>
<abstract>  We show $x$. </abstract></arXiv></metadata></record>
<record><header status="deleted"><identifier>oai:arXiv.org:2</identifier></header></record>
<record><header/><metadata><arXiv xmlns="http://arxiv.org/OAI/arXiv/"><id>3</id><title>T</title>
<license>http://arxiv.org/licenses/nonexclusive-distrib/1.0/</license><abstract>A.</abstract></arXiv></metadata></record>
<record><header/><metadata/></record>
</ListRecords></OAI-PMH>"""


def test_arxiv_records_carry_their_own_licences(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.xml": ARXIV.encode()}, format="arxiv")
    first, second = good(found)
    assert (first.text, first.key, first.created) == ("Two words\n\nWe show $x$.", "0704.0001", "2007-04-02")
    assert (first.licence, second.licence) == ("CC-BY-NC-SA-4.0", "LicenseRef-arXiv-nonexclusive-distrib-1.0")
    assert reasons(found)[0] == "deleted"
    assert reasons(found)[1].startswith("not well-formed XML")


def test_tex_loses_its_commands_and_keeps_title_and_authors(tmp_path: Path) -> None:
    source = r"""\documentclass{article}\newcommand{\x}{preamble} % \title{Old}
\title[Short]{On \emph{Things} of $x$\thanks{A grant} and
  more} \author{A. One \and B. {Two}\thanks{Elsewhere}}\author{C. Three} \date{\today}
\begin{document}\maketitle
\section{Intro} We \emph{show} on \today{} that $a^2$ holds~\cite{x}. % a comment
\end{document} after"""
    (record,) = good(read(tmp_path, {"a.tex": source.encode()}))
    assert record.text.startswith("On Things of $x$ and more\n\nA. One, B. Two\n\nC. Three\n\n")
    assert "We show on  that $a^2$ holds" in record.text
    left_out = (
        "documentclass",
        "preamble",
        "comment",
        "after",
        "\\emph",
        "grant",
        "Elsewhere",
        "Old",
        "GIVEN",
        "Short",
    )
    assert not any(word in record.text for word in left_out)
    assert not re.search(r"\d{4}", record.text)


@pytest.mark.parametrize("body", [r"\maketitle Written on \today.", r"\title{T}\author{A}\date{\today}\maketitle x"])
def test_the_day_on_which_tex_is_read_is_no_part_of_it(tmp_path: Path, body: str) -> None:
    (record,) = good(read(tmp_path, {"a.tex": rf"\begin{{document}}{body}\end{{document}}".encode()}))
    assert not re.search(r"\d{4}|GIVEN", record.text)


@pytest.mark.parametrize("unit", few(["4111 born on }<", "[[''a]]", "<b>''</b>\n", "{{''}}", "l'''a''' < b "], 1))
def test_a_page_of_less_signs_and_apostrophes_is_read_in_linear_time(unit: str) -> None:
    """In quadratic time it would take minutes: 60 KB took 25 seconds."""
    assert len(mediawiki.plain_text(unit * (300_000 // len(unit)))) <= 300_000


def test_signs_of_style_go_and_signs_that_open_no_tag_stay() -> None:
    told = {
        "''a'' '''b''' '''''c''''' d''''e''''": "a b c d'e'",
        "x < y, 3<4 and <b>z</b>": "x < y, 3<4 and z",
        "<nowiki>''raw'' [[x]]</nowiki>": "''raw'' [[x]]",
        "[[a|b ''c'']] it's": "b c it's",
    }
    assert {markup: mediawiki.plain_text(markup) for markup in told} == told


def test_what_is_no_text_leaves_wiki_markup_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    def searched(*_: Any, **__: Any) -> None:
        raise AssertionError("looked through the whole page for one node")

    monkeypatch.setattr("mwparserfromhell.wikicode.Wikicode.remove", searched)
    link = "[[File:a.png|thumb|A [[b]] c<ref>x</ref>]]"
    unit = f"<!-- {{{{ -->one<ref>a [[b]]</ref> ''two{link}'' [[c|three<ref name=q/>]] <b>four</b>[[Category:d]]\n"
    assert mediawiki.plain_text(unit * 300).split() == ["one", "two", "three", "four"] * 300


def warc_record(kind: str, body: bytes, number: int, media: str = "text/html; charset=iso-8859-1") -> bytes:
    http = f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n".encode() if kind == "response" else b""
    header = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Target-URI: http://a.example/{number}"
        f"\r\nWARC-Date: 2024-01-0{number}T00:00:00Z\r\nContent-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(http + body)}\r\n\r\n"
    )
    return header.encode() + http + body + b"\r\n\r\n"


MAIN = "The main text of this page is long enough to be told from its menu. " * 8
MENU = "<nav><a href='/'>Home</a><a href='/x'>Buy</a></nav>"
PAGE = f"<html><body>{MENU}<article><p>{MAIN}caf\xe9</p></article></body></html>"
ARCHIVE = [
    warc_record("warcinfo", b"software: test", 1),
    warc_record("response", PAGE.encode("latin-1"), 2),
    warc_record("request", b"GET /", 3),
    warc_record("response", b"\x89PNG", 4, "image/png"),
    b"rubbish between records\r\nand more\r\n" * 2000,
    warc_record("conversion", b"Plain text of a WET file.", 5),
]


@pytest.mark.parametrize("pack", [False, True])
def test_warc_gives_pages_and_texts(tmp_path: Path, pack: bool) -> None:
    content = b"".join(gzip.compress(record) for record in ARCHIVE) if pack else b"".join(ARCHIVE)
    found = read(tmp_path, {f"a.warc{'.gz' if pack else ''}": content})
    page, text = good(found)
    assert (page.text, page.format, page.key) == (PAGE, "html", "<urn:uuid:2>")
    assert (page.meta["url"], page.created) == ("http://a.example/2", "2024-01-02T00:00:00Z")
    assert (text.text, text.format) == ("Plain text of a WET file.", "text")
    assert reasons(found) == [
        "a WARC record of type warcinfo",
        "a WARC record of type request",
        "not a page: image/png",
        "not a WARC record",
    ]


def test_a_cut_warc_keeps_its_sound_records(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.warc": b"".join([ARCHIVE[5], ARCHIVE[1][:-40]])})
    assert [record.text for record in good(found)] == ["Plain text of a WET file."]
    assert reasons(found) == ["the WARC record is not as long as it says"]


@pytest.mark.parametrize("wrong", [-30, 30])
def test_a_wrong_length_in_a_warc_is_noticed(tmp_path: Path, wrong: int) -> None:
    bad = warc_record("conversion", b"Plain text of a WET file. And then much more of it.", 6)
    right, stated = "Content-Length: 51", f"Content-Length: {51 + wrong}"
    assert right.encode() in bad
    found = read(tmp_path, {"a.warc": bad.replace(right.encode(), stated.encode()) + ARCHIVE[0] + ARCHIVE[5]})
    assert [record.text for record in good(found)] == ["Plain text of a WET file."]
    assert reasons(found)[0] == "the WARC record is not as long as it says"


def test_the_main_text_of_a_page_leaves_menus_out(tmp_path: Path) -> None:
    page = PAGE.replace("caf\xe9", "").encode()
    (record,) = good(read(tmp_path, {"a.html": page}, html="main"))
    assert "main text of this page" in record.text
    assert "Buy" not in record.text
    assert record.format == "text"


def test_a_page_of_a_warc_file_that_states_no_encoding_is_read_in_the_one_of_the_source(tmp_path: Path) -> None:
    bodies = (
        "<p>caf\xe9</p>".encode("cp1252"),
        '<meta charset="cp1251"><p>caf\xe9</p>'.encode("cp1252"),
        "<p>café</p>".encode(),
    )
    pages = [warc_record("response", body, number, "text/html") for number, body in enumerate(bodies, 1)]
    stated = warc_record("response", "<p>\u0439</p>".encode("cp1251"), 4, "text/html; charset=cp1251")
    found = read(tmp_path, {"a.warc": b"".join([*pages, stated])}, encoding="cp1252")
    assert [item.text[-10:].strip("<>p/") for item in good(found)] == ["café", "cafй", "café", "й"]
    assert len(good(read(tmp_path, {"a.warc": b"".join([*pages, stated])}))) == 3


def test_a_page_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    page = b'<html><head><meta charset="iso-8859-1"></head><body>caf\xe9</body></html>'
    (record,) = good(read(tmp_path, {"a.html": page}))
    assert "café" in record.text
    bad = page.replace(b"iso-8859-1", b"unicode_escape").replace(b"caf", b"\\ud800")
    assert [reason.split(":")[0] for reason in reasons(read(tmp_path, {"a.html": bad}))] == ["not UTF-8"]


def make_pdf(*pages: str) -> bytes:
    writer = pypdf.PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(200, 200)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode())
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        page[NameObject("/Contents")] = writer._add_object(stream)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def make_docx() -> bytes:
    document = docx.Document()
    document.add_heading("Title", 1)
    document.add_paragraph("First.")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "a", "b"
    document.add_paragraph("Last.")
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def test_pdf_and_docx_give_their_text(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.pdf": make_pdf("Page one", "Page two"), "b.docx": make_docx()})
    assert [record.text for record in good(found)] == ["Page one\n\nPage two", "Title\n\nFirst.\n\na | b\n\nLast."]
    assert found[0].meta == {"pages": 2}


def encrypted(pdf: bytes) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf))
    writer.encrypt("secret", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_one_broken_file_of_each_form_is_quarantined_and_stops_nothing(ingest_files: Ingest) -> None:
    pdf, word = make_pdf("text"), make_docx()
    broken = {
        "a.jsonl": b"{\n",
        "b.pdf": b"%PDF-1.7 rubbish",
        "c.pdf": pdf[: len(pdf) // 3],
        "d.docx": word[:-300],
        "e.docx": b"PK\x03\x04",
        "f.warc": b"WARC/1.0\r\nContent-Length: x\r\n\r\n",
        "g.arrow": b"ARROW1",
        "h.csv": b'text\n"never',
        "i.parquet": b"PAR1",
        "j.tex": b"caf\xe9",
        "k.html": b"caf\xe9",
        "l.pdf": encrypted(pdf),
        "n.pdf": b"",
    }
    _, out = ingest_files({**broken, "good.txt": "good"}, record_bytes=10**6)
    assert "good" in texts(out)
    assert {record["path"] for record in quarantined(out)} == set(broken)
    found = {record["path"]: record["reason"] for record in quarantined(out)}
    assert found["l.pdf"].startswith("encrypted PDF")
    for record in quarantined(out):
        assert record["reason"]
        assert record["raw"] or not record["raw_bytes"]


@pytest.mark.parametrize("form", ["mediawiki", "pubmed", "arxiv", "stackexchange"])
def test_broken_xml_is_quarantined(tmp_path: Path, form: str) -> None:
    tag = {"mediawiki": "page", "pubmed": "PubmedArticle", "arxiv": "record", "stackexchange": "row"}[form]
    found = read(tmp_path, {"a.xml": f"<all>\n<{tag} <<>\n</{tag}>\n</all>".encode()}, format=form)
    assert reasons(found) and reasons(found)[0].startswith("not well-formed XML")


def test_json_lists_and_records_inside_an_object(tmp_path: Path) -> None:
    alpaca = b'[{"instruction": "Add.", "input": "", "output": "3"}, 5, {"output": 7}]'
    fields = ["instruction", "input", "output"]
    found = read(tmp_path, {"a.json": alpaca}, format="json", text_field=fields)
    assert [record.text for record in good(found)] == ["Add.\n\n3"]
    assert reasons(found) == ["not a JSON object but a int", "field 'output' is of type int"]
    squad = b'{"data": [{"paragraphs": [{"context": "C.", "qas": [{"question": "Q1?"}, {"question": "Q2?"}]}]}]}'
    options = {"records": "data.*.paragraphs.*", "text_field": ["context", "qas.*.question"]}
    assert [r.text for r in good(read(tmp_path, {"a.json": squad}, format="json", **options))] == ["C.\n\nQ1?\n\nQ2?"]
    assert reasons(read(tmp_path, {"a.json": b"[{]"}, format="json"))[0].startswith("not JSON")


@pytest.mark.slow
def test_a_long_json_list_is_read_item_by_item(tmp_path: Path) -> None:
    items = [
        json.dumps({"text": f"{number} caf\xe9 " + "x" * 900}, ensure_ascii=False).encode() for number in range(20_000)
    ]
    items[3] = b'{"text": "caf\xe9"}'
    items[4] = b'{"text": "a\nb"}'
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf [" + b",\n ".join(items) + b"]\n")
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path, format="json")
    tracemalloc.start()
    counted = Counter(type(item) for piece in source.pieces("a.json", 10**6) for item in source.read(piece))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counted == {Record: 19_998, Unreadable: 2}
    assert peak < 12 * 2**20
    bad = next(item for item in source.read(source.pieces("a.json", 10**6)[0]) if isinstance(item, Unreadable))
    assert (bad.reason[:9], bad.key, bad.raw) == ("not UTF-8", "4", items[3])
    assert (tmp_path / "a.json").read_bytes()[bad.start :].startswith(items[3])


@pytest.mark.parametrize("rest", [b'{"text": "cut', b"", b",", b'{"text": [', b'{"other": [}, {"text": "lost"}]'])
def test_a_json_list_that_breaks_off_keeps_what_came_before(tmp_path: Path, rest: bytes) -> None:
    found = read(tmp_path, {"a.json": b'[{"text": "one"}, ' + rest}, format="json")
    assert [record.text for record in good(found)] == ["one"]
    assert found[-1].reason.startswith("not JSON")
    assert found[-1].raw == rest.lstrip(b",")
    assert found[-1].is_rest == bool(rest.lstrip(b","))


@pytest.mark.parametrize("size", [1, 20, 10**6])
@pytest.mark.parametrize("behind", [b'\n[{"text": "2"}]', b'\n{"text": "2"}\n', b"]", b"\0\0 x"])
def test_what_stands_behind_a_json_list_is_one_bad_record(tmp_path: Path, behind: bytes, size: int) -> None:
    (tmp_path / "a.json").write_bytes(b'[{"text": "1"}]' + behind)
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path, format="json")
    found = [item for piece in source.pieces("a.json", size) for item in source.read(piece)]
    assert [record.text for record in good(found)] == ["1"]
    assert [item.raw for item in found if isinstance(item, Unreadable)] == [behind.lstrip()]


@pytest.mark.parametrize("chunk", [7, 2**20])
@pytest.mark.parametrize("bad", [b'{"text": "a",}', b'{"text": "a"b"}', b"undefined", b'{"text": "a", "k": [1, 2}'])
def test_a_bad_item_of_a_json_list_costs_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes, chunk: int
) -> None:
    monkeypatch.setattr(json_values, "CHUNK", chunk)
    items = [b'{"text": "%d"}' % number for number in range(5)]
    items[2:2] = [bad]
    (tmp_path / "a.json").write_bytes(b"[" + b",".join(items) + b"]")
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path, format="json")
    whole, cut = ([i for piece in source.pieces("a.json", n) for i in source.read(piece)] for n in (10**9, 5))
    assert whole == cut
    assert [record.text for record in good(whole)] == ["0", "1"]
    assert whole[-1].is_rest and len(reasons(whole)) == 1


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=3),
            st.recursive(
                st.text() | st.integers() | st.floats(allow_nan=False),
                lambda inner: st.lists(inner, max_size=3),
                max_leaves=4,
            ),
            max_size=3,
        ),
        max_size=8,
    ),
    st.integers(1, 40),
    st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_json_list_is_read_like_json_lines(tmp_path: Path, rows: list[Any], size: int, ascii_only: bool) -> None:
    rows = [{**row, "text": str(number)} for number, row in enumerate(rows)]
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=ascii_only, indent=size % 3), encoding="utf-8")
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path, format="json")
    found = [item for piece in source.pieces("a.json", size) for item in source.read(piece)]
    assert [(record.text, record.key) for record in good(found)] == [(str(n), str(n + 1)) for n in range(len(rows))]
    assert len(found) == len(rows)


def test_arrow_files_of_a_saved_data_set(tmp_path: Path) -> None:
    table = pa.table({"text": ["one", None, "three"], "n": [1, 2, 3]})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found = read(tmp_path, {"data-00000-of-00001.arrow": sink.getvalue()}, keep=["n"])
    assert [(record.key, record.text, record.meta) for record in good(found)] == [
        ("1", "one", {"n": 1}),
        ("3", "three", {"n": 3}),
    ]
    assert reasons(found) == ["field 'text' is missing"]
    assert json.loads(found[1].raw) == {"text": None, "n": 2}


def test_markup_of_archives_is_cleaned_by_the_next_step(ingest_files: Ingest) -> None:
    _, out = ingest_files({"a.warc": b"".join(ARCHIVE)})
    parts, _ = normalise_shard(NormaliseConfig(documents="raw"), list(Documents(out, "").iterate()))
    assert any("main text of this page" in document.text and "<p>" not in document.text for document in parts[""])


PIECES = ["<page>", "</page>", "</page >", "<pages>", "<page\na='1'>", "x", "\n", "<p", "age>", "é"]
PAGE_XML = "<page><title>T</title><ns>0</ns><id>1</id><revision><text>ok</text></revision></page>"


@given(st.lists(st.sampled_from([*PIECES, PAGE_XML]), max_size=25), st.integers(1, 30), st.integers(1, 200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_elements_are_the_same_however_a_file_is_read_and_cut(
    tmp_path: Path, parts: list[str], chunk: int, size: int
) -> None:
    content = "".join([PAGE_XML, *parts, PAGE_XML]).encode()
    (tmp_path / "a.xml").write_bytes(content)
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path, format="mediawiki")
    whole = list(source.read(source.pieces("a.xml", 10**9)[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml, "CHUNK", chunk)
        assert [item for piece in source.pieces("a.xml", size) for item in source.read(piece)] == whole
    assert len(good(whole)) == 2 + parts.count(PAGE_XML)
    for item in whole:
        if isinstance(item, Unreadable):
            assert content[item.start :].startswith(item.raw)


@given(
    st.lists(st.sampled_from([b"\r\n", b"x", b"WARC/1.0\r\n", b"WARC", b"\r\n\r\n", b"\n"]), max_size=8),
    st.integers(1, 300),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_rubbish_between_two_records_of_an_archive_changes_neither(
    tmp_path: Path, rubbish: list[bytes], size: int
) -> None:
    noise = b"".join(rubbish) + b"\r\n"
    (tmp_path / "a.warc").write_bytes(ARCHIVE[5] + noise + ARCHIVE[1])
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path)
    whole, cut = ([i for piece in source.pieces("a.warc", n) for i in source.read(piece)] for n in (10**9, size))
    assert whole == cut
    assert [record.key for record in good(whole)] == ["<urn:uuid:5>", "<urn:uuid:2>"]


@pytest.mark.parametrize("chunk", range(1, 12))
def test_a_json_list_is_the_same_in_any_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    rows = [{"text": "one", "a": [1, -2.5e3, None, True, {"b": "\u00e9"}]}, {"text": "two"}, 12, {"text": ""}]
    monkeypatch.setattr(json_values, "CHUNK", chunk)
    found = read(tmp_path, {"a.json": json.dumps(rows, ensure_ascii=False).encode()}, format="json", keep=["a"])
    assert [(record.text, record.meta.get("a")) for record in good(found)] == [
        ("one", rows[0]["a"]),
        ("two", None),
        ("", None),
    ]
    assert reasons(found) == ["not a JSON object but a int"]


def test_sentences_of_two_languages_are_joined_by_their_lines(tmp_path: Path) -> None:
    english = "\ufeffOne.\r\n\r\nThr\u2028ee.\n".encode() + b"caf\xe9\nFive."
    czech = "Jedna.\nDv\u011b.\nT\u0159i.\n\u010cty\u0159i.\nP\u011bt.\n".encode()
    found = read(tmp_path, {"a.en": english, "a.cs": czech}, format="lines")
    by_line = {
        name: {item.meta["line"]: item.text for item in found if isinstance(item, Record) and item.path == name}
        for name in ("a.en", "a.cs")
    }
    assert by_line["a.en"] == {1: "One.", 3: "Thr\u2028ee.", 5: "Five."}
    assert [by_line["a.cs"][line] for line in by_line["a.en"]] == ["Jedna.", "T\u0159i.", "P\u011bt."]
    assert [(item.key, item.reason[:9]) for item in found if isinstance(item, Unreadable)] == [("4", "not UTF-8")]


PAIRS = b"""<?xml version="1.0"?><corpus>
<pair id="1" value="TRUE"><t>A &amp;
 b</t><h>C</h><!-- not a field --><h>D</h></pair>
<pair id="2"><t>broken</t>
<pair id="3"><h>no t</h></pair>
<pair id="4" value="FALSE"><t>last</t></pair></corpus>"""


def test_elements_of_any_xml_are_rows(tmp_path: Path) -> None:
    files = {"a.xml": PAIRS}
    found = read(tmp_path, files, format="xml", records="pair", text_field=["t", "h"], key_field="id", keep=["value"])
    assert [(item.key, item.text, item.meta) for item in found if isinstance(item, Record)] == [
        ("1", "A &\n b\n\nC\n\nD", {"value": "TRUE"}),
        ("3", "no t", {}),
        ("4", "last", {"value": "FALSE"}),
    ]
    (bad,) = (item for item in found if isinstance(item, Unreadable))
    assert (bad.key, bad.reason.split(":")[0]) == ("2", "not well-formed XML")
    assert PAIRS[bad.start :].startswith(bad.raw) and bad.raw.startswith(b'<pair id="2">')
    (missing,) = (
        item
        for item in read(tmp_path, files, format="xml", records="pair", text_field="t")
        if isinstance(item, Unreadable) and item.key == "3"
    )
    assert (missing.reason, missing.raw[:13]) == ("field 't' is missing: found 'id', 'h', 'pair'", b'<pair id="3">')
    with pytest.raises(ValueError, match="format `xml` needs `records`"):
        read(tmp_path, files, format="xml")


def test_the_members_of_an_object_are_records_with_their_names(tmp_path: Path) -> None:
    content = b'{"q1": {"text": "one"}, "q2": {"text": "two"}, "version": 2}'
    found = read(tmp_path, {"a.json": content}, format="json", records="*", key_field="*")
    assert [(item.key, item.text) for item in found if isinstance(item, Record)] == [("q1", "one"), ("q2", "two")]
    assert [item.reason for item in found if isinstance(item, Unreadable)] == ["not a JSON object but a int"]


def test_columns_may_stand_between_other_signs(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.csv": b'text;n\n"a;b";1\nc,d;2\n'}, delimiter=";", keep=["n"])
    assert [(item.text, item.meta["n"]) for item in found] == [("a;b", "1"), ("c,d", "2")]
