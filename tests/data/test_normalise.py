"""Normalising texts."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import ftfy
import pytest
from data_support import documents_of, texts
from hypothesis import example, given
from hypothesis import strategies as st

from lmworks.data.documents import Document, Documents
from lmworks.data.normalise import NormaliseConfig, normalise, normalise_shard, normalise_text, repair
from support import make_context


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("schÃ¶n", "schön"),
        ("It costs Â£5 â€” really", "It costs £5 — really"),
        ("e\u0301", "é"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("a\u00a0b\u2003c", "a b c"),
        ("\ufeffa\u200bb", "ab"),
        ("line  \n\n\n\n\nnext\t\n", "line\n\nnext"),
        ("    indented code\n", "    indented code"),
        ("a\x00b\x08c\x1b[31md", "abcd"),
        ("“typography” … is left", "“typography” … is left"),
        ("&amp; is left in text", "&amp; is left in text"),
        (" \n\t\n", ""),
    ],
)
def test_one_clean_form(raw: str, text: str) -> None:
    assert normalise_text(raw) == text


@given(st.text())
@example("\x85a\u2028b\x0c\x1c")
@example("Ã©\n\x0b\nascii")
def test_repair_is_what_ftfy_does_to_the_whole_text(text: str) -> None:
    config = ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False
    )
    assert repair(text) == ftfy.fix_text(text, config)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_clean_form_is_clean(text: str) -> None:
    clean = normalise_text(text)
    assert unicodedata.is_normalized("NFC", clean)
    assert normalise_text(clean) == clean
    assert not any(line != line.rstrip() for line in clean.split("\n"))


def test_html_is_read_as_html_only_where_it_is(tmp_path: Path) -> None:
    page = [
        Document(id="a", text="<p>page</p>", source="s", licence="MIT", meta={"format": "html", "path": "a.html"}),
        Document(id="b", text="<p>text</p>", source="s", licence="MIT", meta={"format": "text", "path": "b.txt"}),
    ]
    parts, _ = normalise_shard(NormaliseConfig(documents="raw"), page)
    assert [document.text for document in parts[""]] == ["page", "<p>text</p>"]
    assert parts[""][0].meta == {"path": "a.html"}
    parts, _ = normalise_shard(NormaliseConfig(documents="raw", html="keep"), page)
    assert parts[""][0].text == "<p>page</p>"


def test_empty_texts_are_dropped_counted_and_shown(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", "<p> </p>", "<p>kept</p>", meta={"format": "html", "path": "x.html"})
    result = normalise(NormaliseConfig(documents="raw"), raw, out=tmp_path / "out", context=make_context(tmp_path))
    assert texts(tmp_path / "out") == ["kept"]
    assert result.counts["empty"] == 1
    assert result.examples[0]["raw"] == "<p> </p>"
    assert [document.id for document in Documents(tmp_path / "out", "").iterate()] == [f"{1:032x}"]
