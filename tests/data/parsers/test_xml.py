"""XML whose elements are records: each character of their text once, and what can be named by a path."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from data_support import quarantined, texts
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lmworks.data.base.structure import DEEPEST, take_apart, values_at
from lmworks.data.parsers.parser import Piece
from lmworks.data.parsers.publications import xml, xml_rows
from lmworks.data.parsers.publications.xml import read_elements
from lmworks.data.parsers.publications.xml_rows import row_of
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record, Unreadable
from quick import few

Ingest = Callable[..., Any]
FORUM = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE forum [<!ENTITY old "<thread id='9'><subject>no</subject></thread>">]>
<forum>
<thread id="1">Before all.<subject>Roof</subject><message author="ann"><title>Damage</title><body>Hello all
first line

    code stays indented
last</body></message>After all.</thread>
<thread id="2"><subject>Hail</subject><message author="bob" at="noon"><title>Seen</title>
<body>I write <![CDATA[<thread> in my code </thread>]]> then on</body></message><message author="cy">Yes.</message>
</thread>
<!-- <thread id="3"><subject>old</subject></thread> -->
<?php echo "<thread id='4'>"; ?>
<thread id="5"/>
</forum>
"""


def read(folder: Path, content: str | bytes, size: int = 10**9, **options: Any) -> list[Any]:
    (folder / "a.xml").write_bytes(content if isinstance(content, bytes) else content.encode())
    given = {"records": "thread", "format": "xml", "licence": "MIT", **options}
    source = Files(kind="files", path=".", folder=folder, **given)
    return [item for piece in source.pieces("a.xml", size) for item in source.read(piece)]


def good(found: list[Any]) -> list[str]:
    return [item.text for item in found if isinstance(item, Record)]


def test_text_of_elements_stays_as_it_is_written(tmp_path: Path) -> None:
    first, second = good(read(tmp_path, FORUM, text_field=["subject", "message"]))
    assert first == "Roof\n\nDamage\nHello all\nfirst line\n\n    code stays indented\nlast"
    assert second == "Hail\n\nSeen\nI write <thread> in my code </thread> then on\n\nYes."


def test_text_beside_elements_is_read_under_names_of_its_own(tmp_path: Path) -> None:
    found = read(tmp_path, FORUM, text_field="thread", keep=["#text"])
    assert good(found)[0].startswith("Before all.\nRoof\nDamage\nHello all\n")
    assert good(found)[0].endswith("last\nAfter all.")
    assert found[0].meta == {"#text": "Before all.\n\nAfter all."}


def test_the_example_of_the_documentation_is_so(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
    section = page.split("## XML of any kind")[1]
    example, options = (re.findall(rf"```{form}\n(.*?)```", section, re.DOTALL)[0] for form in ("xml", "json"))
    (record,) = read(tmp_path, example, **json.loads(options))
    assert record.text == "Hail broke two tiles:\n    one left\n    one right"
    moved = "Moved from the old forum."
    assert record.meta == {"id": "7", "subject": "Roof", "message.@author": "ann", "#text": moved}
    (record,) = read(tmp_path, example, text_field="thread")
    assert record.text == f"{moved}\nRoof\n  Damage\nHail broke two tiles:\n    one left\n    one right"
    (record,) = read(tmp_path, example, fields="all")
    (said,) = re.findall(r"`fields: all` keeps each text once, as (.*?)\.\n", section, re.DOTALL)
    assert [field.name for field in record.fields] == re.findall("`(.*?)`", said)


def test_text_beside_elements_that_nobody_names_is_counted(ingest_files: Ingest) -> None:
    def lost(**options: Any) -> int:
        result, _ = ingest_files({"a.xml": FORUM}, format="xml", records="thread", **options)
        return int(result.counts["skipped: text beside the elements of a record, which `#text` names"])

    assert lost(text_field="message") == 1
    assert [lost(text_field="thread"), lost(text_field="message", keep=["#text"]), lost(fields="all")] == [0, 0, 0]


def test_attributes_and_inner_elements_have_paths(tmp_path: Path) -> None:
    paths = ["message.@author", "message.title", "message.@at", "@id"]
    first, _, second, *_ = read(tmp_path, FORUM, text_field="message.body", keep=paths, key_field="id")
    assert first.text == "Hello all\nfirst line\n\n    code stays indented\nlast"
    assert first.meta == {"message.@author": "ann", "message.title": "Damage", "@id": "1"}
    assert second.meta == {"message.@author": "bob\n\ncy", "message.title": "Seen", "message.@at": "noon", "@id": "2"}
    assert (first.key, second.key) == ("1", "2")


def test_a_misspelt_path_is_told_with_those_there_are(tmp_path: Path) -> None:
    bad = read(tmp_path, FORUM, text_field="mesage.body")[0]
    assert isinstance(bad, Unreadable)
    assert "found 'id', '#text', 'subject', 'message', 'thread', 'message.@author', 'message.title'" in bad.reason


def test_all_fields_of_a_record_are_its_attributes_and_elements_by_name(tmp_path: Path) -> None:
    first, second, *_ = read(tmp_path, FORUM, fields="all")
    assert [field.name for field in first.fields] == [
        *("id", "#text", "subject", "message.@author", "message.title", "message.body")
    ]
    assert [field.name for field in second.fields][2:] == [
        *("message.0.@author", "message.0.@at", "message.0.title", "message.0.body"),
        *("message.1.@author", "message.1.#text"),
    ]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<m>\n <a>x</a>\n</m>", {"m": {"a": "x"}}),
        ("<m>so <b ref='1'>x</b></m>", {"m": {"#text": "so x", "b": {"@ref": "1"}}}),
        ("<m>so <b><i ref='1'>x</i></b></m>", {"m": {"#text": "so x", "b": {"i": {"@ref": "1"}}}}),
        ("<m at='1'/>", {"m": {"@at": "1"}}),
        ("<id>2</id><id>3</id>", {"id": ["1", "2", "3"]}),
        ("own<a>x</a>", {"#text": "own", "a": "x"}),
        ("<m xmlns='http://y' xmlnsid='7'/>", {"m": {"@xmlnsid": "7"}}),
    ],
)
def test_all_that_stands_in_a_record_has_a_name(inside: str, expected: dict[str, Any]) -> None:
    row = row_of(f"<r xmlns='http://x' xmlns:d='http://z' id='1'>{inside}</r>".encode())
    assert row.inside() == {"id": "1"} | expected


@pytest.mark.parametrize(
    ("inside", "path", "expected"),
    [
        ("<m>\n\n  <a>x</a>\n\n\n  <b>y</b></m>", "m", "x\ny"),
        ("<m>so<q>x</q>and<p>z</p>more</m>", "m", "soxandzmore"),
        ("said<p>x</p>more", "r", "said\nx\nmore"),
        ("<m>\n\n  one\n  two\n</m>", "m", "  one\n  two"),
        ("<m>  x </m>", "m", "x"),
        ("<id>2</id>", "id", "1\n\n2"),
        ("<r>in</r>out", "r", "in"),
        ("<a/><a>x</a><a/><a>y</a>", "a", "x\n\n\n\ny"),
        ("<a.b>x</a.b><a><b>y</b></a>", "a.b", "x"),
        ("<a><b>x</b></a><a><b>y</b></a>", "a.b", "x\n\ny"),
        ("<a x='1'/>", "a.@x", "1"),
    ],
)
def test_a_path_leads_to_the_text_of_all_elements_of_its_name(inside: str, path: str, expected: str) -> None:
    row = row_of(f"<r id='1'>{inside}</r>".encode())
    assert path in row and row[path] == expected


def test_so_many_paths_are_listed_and_all_can_be_asked_for() -> None:
    row = row_of(f"<r>own{''.join(f'<a{n}>x</a{n}>' for n in range(300))}</r>".encode())
    assert ([*row][:2], len(row), row["a299"]) == (["#text", "a0"], xml_rows.MOST_PATHS, "x")


def test_words_marked_in_a_line_stay_in_it(tmp_path: Path) -> None:
    content = "<a><p>H<sub>2</sub>O and <name ref='x'>Paul </name>says<b>so</b>.</p><p><b>C</b><i>O</i></p></a>"
    assert good(read(tmp_path, content, records="p", text_field="p")) == ["H2O and Paul\nsaysso.", "C\nO"]
    (row,) = read(tmp_path, content, records="a", text_field="p")
    assert row.text == "H2O and Paul saysso.\n\nC\nO"
    (row,) = read(tmp_path, content, records="a", fields="all")
    assert row.fields[0].text == "H2O and Paul saysso."
    assert [field.name for field in row.fields] == ["p.0.#text", "p.0.name.@ref", "p.1.b", "p.1.i"]


def test_prefixes_of_the_whole_file_are_parts_of_names(tmp_path: Path) -> None:
    content = '<feed xmlns:d="http://x"><thread xmlns="http://y"><d:title>One</d:title></thread></feed>'
    assert good(read(tmp_path, content, text_field="d:title")) == ["One"]


@pytest.mark.parametrize(
    "damage",
    [
        *("<thread><![CDATA[ never closed</thread>", "<thread><!-- never closed</thread>", "<thread><? never</thread>"),
        *("<!-- never closed", "<![CDATA[", "<thread><body>no end", "<thread <<></thread>", "<thread>&x;</thread>"),
    ],
)
@pytest.mark.parametrize("after", ["good", "<![CDATA[good]]>", "good<!-- a remark -->", "<?go?>good"])
def test_damage_costs_itself_alone(tmp_path: Path, damage: str, after: str) -> None:
    thread = f"<thread><body>{after}</body></thread>"
    found = good(read(tmp_path, f"<forum>{thread}{damage}\n{thread}{thread}</forum>", text_field="body"))
    assert found == ["good"] * 3


@pytest.mark.parametrize(
    "inside",
    [
        b"<![CDATA[<rec>",
        b"<![CDATA[x",
        b"<![CDATA[<rec></rec>",
        b"<rec><![CDATA[",
        b"<rec><![CDATA[</rec>",
        b"<!-- <? ",
        b"<? <!ENTITY <![CDATA[",
    ],
)
@pytest.mark.parametrize("end", few([b"", b"</rec><![CDATA[ ]]>", b"]]>"], 1))
def test_sections_in_sections_are_read_in_linear_time(inside: bytes, end: bytes) -> None:
    """In quadratic time it would take minutes."""
    raw = b"<r><rec><a>b</a>" + inside * (2_000_000 // len(inside)) + end + b"</rec><rec>last</rec></r>"
    last = None
    for last in read_elements("rec", Piece("x.xml", len(raw)), io.BytesIO(raw), 2**26):  # noqa: B007
        pass
    assert last is not None and last.raw == b"<rec>last</rec>"


def test_elements_in_each_other_without_end_are_kept_apart(tmp_path: Path) -> None:
    deep = "<a>" * 5_000 + "</a>" * 5_000
    found = read(tmp_path, f"<f><thread>{deep}</thread><thread><a>good</a></thread></f>", text_field="a")
    assert good(found) == ["good"]
    assert found[0].reason == "nested too deeply"
    most = "<a>" * (DEEPEST - 2) + "deep" + "</a>" * (DEEPEST - 2)
    for options in ({"text_field": "a"}, {"text_field": "thread"}, {"fields": "all"}):
        assert good(read(tmp_path, f"<f><thread>{most}</thread></f>", **options)) == ["deep"]


def test_a_comment_between_records_takes_no_memory_and_no_record(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(xml, "CHUNK", 7)
    content = f"<f><!-- {'<thread><a>no</a></thread>' * 20} --><thread><a>yes</a></thread></f>"
    assert good(read(tmp_path, content, text_field="a")) == ["yes"]


def test_an_erroneous_record_is_quarantined_by_a_build(ingest_files: Ingest) -> None:
    content = FORUM.replace("</title>", "", 1)
    _, out = ingest_files({"a.xml": content}, format="xml", records="thread", text_field="message")
    assert [record["reason"].split(":")[0] for record in quarantined(out)] == [
        "not well-formed XML",
        *["field 'message' is missing"],
    ]
    assert len(texts(out)) == 1


TAGS = st.sampled_from(["b", "p", "name", "x.y", "d:e"])
WORDS = st.lists(st.sampled_from(["§", " ", "\n", "  \n ", "§ §", "\t"]), max_size=3).map("".join)
ATTRIBUTES = st.dictionaries(st.sampled_from(["id", "at"]), st.just("§"), max_size=2)


def element(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(TAGS, ATTRIBUTES, st.lists(st.one_of(WORDS, inside), max_size=4))


def written(tree: Any, number: Any) -> str:
    if isinstance(tree, str):
        return re.sub("§", lambda _: f"w{next(number)}w", escape(tree))
    name, attributes, parts = tree
    stated = "".join(f" {key}={quoteattr(f'a{next(number)}a')}" for key in attributes)
    return f"<{name}{stated}>{''.join(written(part, number) for part in parts)}</{name}>"


@given(st.recursive(element(WORDS), element, max_leaves=15))
@settings(max_examples=150, deadline=None)
def test_each_word_of_any_tree_comes_out_once_and_in_order(tree: Any) -> None:
    raw = written(("record", *tree[1:]), iter(range(10**6)))
    row = row_of(raw.encode())
    words, attributes = re.findall(r"w\d+w", raw), re.findall(r"a\d+a", raw)
    assert re.findall(r"w\d+w", row["record"]) == words
    fields, _ = take_apart(row.inside())
    said = " ".join(field.text for field in fields)
    assert sorted(re.findall(r"w\d+w", said)) == sorted(words)
    assert sorted(re.findall(r"a\d+a", said)) == sorted(attributes)
    for path in row:
        assert [*values_at(row, path)], path


PARTS = [
    "<thread>",
    "</thread>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "x",
    "\n",
    "<b>",
    "</b>",
    "<thread a='1'/>",
]
THREAD = "<thread><a>ok</a></thread>"


@given(st.lists(st.sampled_from([*PARTS, THREAD]), max_size=25), st.integers(1, 30), st.integers(1, 200))
@example(parts=["<thread a='1'/>", "<![CDATA[", "<thread>", "<![CDATA["], chunk=1, size=1)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_records_are_the_same_however_a_file_with_sections_is_read_and_cut(
    tmp_path: Path, parts: list[str], chunk: int, size: int
) -> None:
    content = "".join([THREAD, *parts, "-->]]>?>", THREAD])
    whole = read(tmp_path, content, text_field="a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml, "CHUNK", chunk)
        assert read(tmp_path, content, size, text_field="a") == whole
    assert good(whole)[:1] == ["ok"] and good(whole)[-1:] == ["ok"]
