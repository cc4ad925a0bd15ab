"""One view of a text: letters, markup, case and encodings, each with its place in the original."""

from __future__ import annotations

import base64
import gzip
import io
import quopri
import time
import zipfile
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.base.encoded import decodings, texts_of, unescaped
from lmworks.data.base.text import fold, letters, one_form, places, view, without_markup

NAME = "Íñigo Nowak"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("ex\u200bam\u00adple\x00", "example"),
        ("ﬁne ｗｉｄｅ 𝐉 ①²½", "fine wide J ①²½"),
        ("Roe™ №", "Roe™ №"),
        ("a\u00a0b\u2028c\td", "a b\nc\td"),
        ("e\u0301 A\u0308", "é Ä"),
        ("\u1112\u1161\u11ab", "한"),
        ("a\ufe70", "a\u064b"),
    ],
)
def test_letters_have_one_form(text: str, form: str) -> None:
    assert letters(text) == form == view(text).text


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("ÍÑIGO Łódź Straße ΣΊΣΥΦΟΣ", "inigo lodz strasse σισυφοσ"),
        ("İstanbul ISPARTA ılık", "istanbul isparta ilik"),
        ("Ørsted Đoković Æon", "orsted dokovic aeon"),
        ("e\u0301a", "ea"),
    ],
)
def test_a_folded_text_has_no_case_and_no_accents(text: str, form: str) -> None:
    assert fold(text) == form == view(text, folded=True).text
    assert fold(form) == form


def test_one_form_may_keep_accents() -> None:
    assert one_form("  GRÖSSE\u200b \n ﬁ 2² ") == "grösse fi 2²"
    assert one_form("Größe", accents=False) == "grosse"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("exam<b>ple</b> word", "example word"),
        ("exam<p>ple word", "exam ple word"),
        ("a List<Claim> b <Control-f>", "a List<Claim> b <Control-f>"),
        ("a <claim>x</CLAIM> b", "a  x  b"),
        ('a <claim id="1>2"> b <br/>', "a   b  "),
        ("caf&eacute; &amp;amp; &#x62;ar &copy", "café & bar &copy"),
        ("&lt;b&gt;c&lt;/b&gt;", "c"),
        ("<![CDATA[one]]> ex<!-- no > -->am", "one]]> exam".replace("]]>", "")),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
    ],
)
def test_markup_is_stripped(text: str, plain: str) -> None:
    assert without_markup(text) == plain == view(text, markup=True).text


def test_a_part_of_a_view_knows_its_place() -> None:
    text = "so x&amp;y caf&eacute;s exam<b>ple</b> İÍñigo ß ﬁ a\u0301b\u200bc<td>X</td>"
    seen = view(text, markup=True, folded=True)
    for part, original in {
        "x&y": "x&amp;y",
        "cafes": "caf&eacute;s",
        "example": "exam<b>ple",
        "iinigo": "İÍñigo",
        "ss": "ß",
        "fi": "ﬁ",
        "abc": "a\u0301b\u200bc",
    }.items():
        start = seen.text.index(part)
        assert text[slice(*seen.span(start, start + len(part)))] == original
    start, end = seen.span(3, 3)
    assert start == end


@given(st.text(st.sampled_from("ab <>/&;#\u200béßİﬁ\u0301世!-=eacut")), st.booleans(), st.booleans())
def test_every_character_of_a_view_is_in_the_original(text: str, markup: bool, folded: bool) -> None:
    seen, end = view(text, markup=markup, folded=folded), 0
    for place in range(len(seen.text)):
        start, stop = seen.span(place, place + 1)
        assert 0 <= start < stop <= len(text)
        assert stop >= end
        end = stop
    if not markup:
        assert seen.text == (fold(letters(text)) if folded else letters(text))


@given(st.text())
def test_folded_characters_have_places(text: str) -> None:
    found = places(text)
    assert len(found) == sum(len(fold(sign)) for sign in text) + 1
    assert found == sorted(found)


def encoded() -> dict[str, str]:
    """Return the name in the encodings that are decoded, each in a sentence."""
    raw, archive = NAME.encode(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", NAME * 9)
    return {
        "entity": "&Iacute;&#241;igo Nowak",
        "entity twice": "&amp;Iacute;&amp;#xf1;igo Nowak",
        "percent": quote(NAME),
        "percent twice": quote(quote(NAME)),
        "escape": r"\u00cd\u00f1igo Nowak",
        "escape with \\x": r"\xcd\xf1igo Nowak",
        "quoted-printable": quopri.encodestring(raw).decode(),
        "encoded word": f"=?utf-8?B?{base64.b64encode(raw).decode()}?=",
        "base64": f"see {base64.b64encode(raw).decode()} there",
        "base64 in lines": base64.encodebytes(b"x" * 52 + raw).decode(),
        "base64 of URLs": base64.urlsafe_b64encode(raw + "ÿ".encode() * 3).decode(),
        "base64 twice": base64.b64encode(base64.b64encode(raw)).decode(),
        "gzip": base64.b64encode(gzip.compress(raw)).decode(),
        "zip": base64.b64encode(archive.getvalue()).decode(),
        "UTF-16": base64.b64encode(NAME.encode("utf-16")).decode(),
        "Windows-1252": base64.b64encode(NAME.encode("cp1252")).decode(),
        "wrongly decoded": raw.decode("cp1252", "ignore") if b"\x8d" not in raw else raw.decode("latin-1"),
    }


@pytest.mark.parametrize("form", encoded())
def test_encodings_are_decoded(form: str) -> None:
    assert any(NAME in letters(text) for text in decodings(encoded()[form]))


def test_plain_text_is_decoded_to_itself_alone() -> None:
    assert [*decodings("A plain text, with an id 0123456789abcdef0123456789abcdef.")] == [
        "A plain text, with an id 0123456789abcdef0123456789abcdef."
    ]
    assert unescaped("100 % \\ & done") == "100 % \\ & done"


def test_a_cut_gzip_stream_is_read_as_far_as_it_goes() -> None:
    raw = gzip.compress((NAME + " lives here. ").encode() * 100, compresslevel=0)
    assert any(NAME in text for text in texts_of(raw[:-500]))


@pytest.mark.parametrize(
    "text",
    [
        "<a " * 60_000,
        "<!--" * 60_000,
        '<a b="' * 40_000,
        "&amp;" * 60_000,
        "a\u0301" * 2 + "\u0301\u0327" * 60_000,
        "=?utf-8?q?" * 30_000,
        "%25" * 60_000,
        "\\\\" * 60_000,
        base64.b64encode(gzip.compress(bytes(2**26))).decode(),
        base64.b64encode(gzip.compress(b"")[:10] * 20_000).decode(),
        base64.b64encode(b"PK\x03\x04" + bytes(26) * 9000).decode(),
        "Ã\x8d" * 60_000,
    ],
    ids=range(12),
)
def test_a_hostile_text_takes_no_more_time_than_its_length_allows(text: str) -> None:
    start = time.process_time()
    for form in decodings(text):
        view(form, markup=True, folded=True)
    assert time.process_time() - start < 10
