"""Normalising texts."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import ftfy
import pytest
from data_support import documents_of, texts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lmworks.data.base.letters import as_letters
from lmworks.data.clean.normalise import (
    NormaliseConfig,
    may_be_repaired,
    normalise,
    normalise_shard,
    normalise_text,
    repair,
)
from lmworks.data.shards.records import Document, Documents
from quick import examples
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
        ("Les eﬀets du ﬁchier oﬃciel ﬂou", "Les effets du fichier officiel flou"),
        ("ï¬\x81n", "fin"),
        ("اﻟﻌﻘﺪ اﻟﻀﻤﺎن ﻻ", "العقد الضمان لا"),
        ("ﻣﺤ\ufc60ﺪ", "محَّد"),
        ("שלוﬦ ﬓ", "שלום մն"),
        ("10 m², ½ l, Ⅳ, № 5, ﷺ, Ａ™ …", "10 m², ½ l, Ⅳ, № 5, ﷺ, Ａ™ …"),
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


PIECES = st.sampled_from(
    [
        *(
            "Ã©",
            "â€™",
            "é",
            "e\u0301",
            "“",
            "…",
            "Â£",
            "м",
            "Ð¼",
            "ﬁ",
            "Ａ",
            "ab",
            " ",
            "\t",
            "\n",
            "\r",
            "\r\n",
            "\x0c",
        ),
        *("\x85", "\u2028", "\u206a", "\ufeff", "\ufffa", "\x1b[31m", "\u00a0", "\u200b", "\u1680", "\ud800"),
    ]
)


@settings(max_examples=examples(300))
@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text()))
def test_what_is_skipped_would_have_changed_nothing(text: str) -> None:
    config = ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False
    )
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert repair(text) == "\n".join(ftfy.fix_text(line, config) for line in lines)
    repaired = unicodedata.normalize("NFC", as_letters(repair(text))[0])
    spaced = re.sub("[\u200b\u2060\ufeff]", "", re.sub("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]", " ", repaired))
    stripped = "\n".join(line.rstrip() for line in spaced.split("\n"))
    assert normalise_text(text) == re.sub("\n{3,}", "\n\n", stripped).strip("\n")


@pytest.mark.parametrize("line", ["plain text\tand tabs", "“quotes” — and é", "Привет, 世界"])
def test_lines_that_are_in_order_are_spared_the_repair(line: str) -> None:
    assert not may_be_repaired(line)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("\xa0\x83Ä")
def test_the_clean_form_is_clean(text: str) -> None:
    clean = normalise_text(text)
    assert unicodedata.is_normalized("NFC", clean)
    # ftfy guesses from what stands beside: once a space is plain, it may take " ƒÄ" for a mis-decoded "Ā".
    assert normalise_text(clean) == clean or ftfy.fix_text(clean) != clean
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


def test_letters_that_a_font_joined_are_counted(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", "eﬀets du ﬁchier", "plain text", "<p>oﬃciel</p>", meta={"format": "html"})
    result = normalise(NormaliseConfig(documents="raw"), raw, out=tmp_path / "out", context=make_context(tmp_path))
    assert {*texts(tmp_path / "out")} == {"effets du fichier", "plain text", "officiel"}
    assert result.counts["ligatures and presentation forms, now letters"] == 3


def test_empty_texts_are_dropped_counted_and_shown(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", "<p> </p>", "<p>kept</p>", meta={"format": "html", "path": "x.html"})
    result = normalise(NormaliseConfig(documents="raw"), raw, out=tmp_path / "out", context=make_context(tmp_path))
    assert texts(tmp_path / "out") == ["kept"]
    assert result.counts["empty"] == 1
    assert result.examples[0]["raw"] == "<p> </p>"
    assert [document.id for document in Documents(tmp_path / "out", "").iterate()] == [f"{1:032x}"]
