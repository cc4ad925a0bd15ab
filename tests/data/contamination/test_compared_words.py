"""What is compared of a text: its words without markup, case and signs, each with its place in the text as it is."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.base.text import view
from lmworks.data.base.words import word_spans
from lmworks.data.contamination.join import Form, Index, spans, words_of, write_index


def hashes(*texts: str) -> list[list[int]]:
    return [some.tolist() for some in words_of(texts)]


def number_of_places(text: str) -> int:
    """Words of the view by which the place of a word in a text is found."""
    return len(word_spans(view(text, markup=True, folded=True).text.replace("_", " ")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("exam\u200bple word", "example word"),
        ("exam<b>ple</b> word", "example word"),
        ("exam<p>ple word", "exam ple word"),
        ("a List<Claim> b <Control-f>", "a list claim b control f"),
        ("a <claim>x</CLAIM> b", "a x b"),
        ('a <claim id="1"> b <br/> <x/>', "a b"),
        ("a &lt;Claim&gt; b &lt;b&gt;c", "a claim b c"),
        ("a&#95;b c_d", "a b c d"),
        ("caf&eacute; &amp; bar", "café bar"),
        ("cafe bar", "café bar"),
        ("<![CDATA[one two]]> <!-- no --> three", "one two three"),
    ],
)
def test_words_are_compared_without_markup(text: str, words: str) -> None:
    assert hashes(text) == hashes(words)
    assert len(hashes(text)[0]) == len(words.split()) == number_of_places(text)


def test_a_word_is_where_it_stands_in_the_text_with_its_markup(tmp_path: Path) -> None:
    text = "so a_b, x&amp;y caf&eacute;s exam<b>ple</b>"
    write_index(tmp_path, [Form(0, "b x y cafes example", "set", "0")])
    (match,) = next(Index(tmp_path).search(pa.array([text])))
    ((start, stop),) = spans(text, match)
    assert text[start:stop] == "b, x&amp;y caf&eacute;s exam<b>ple"


@given(st.lists(st.text(st.sampled_from("ab_ <>/&;#\u200bé世!-="), max_size=25), max_size=4))
def test_every_text_has_as_many_compared_words_as_places(texts: list[str]) -> None:
    assert [len(some) for some in hashes(*texts)] == list(map(number_of_places, texts))
