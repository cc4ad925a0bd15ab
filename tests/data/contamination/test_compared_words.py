"""What is compared of a text: its words without markup, case and signs, each with its place in the text as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.contamination.plain import compared_in_turn, plain, word_places


def hashes(*texts: str) -> list[list[int]]:
    return [some.tolist() for some in compared_in_turn(texts)]


def number_of_words(text: str) -> int:
    """Those that markup says, too."""
    return len(next(compared_in_turn([text], behind=True)))


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
        ("<![CDATA[one two]]> <!-- no --> three", "one two three"),
    ],
)
def test_words_are_compared_without_markup(text: str, words: str) -> None:
    assert hashes(text) == hashes(words) == hashes(plain(text))
    assert len(hashes(text)[0]) == len(words.split())
    assert len(word_places(text)) == number_of_words(text)


def test_a_word_is_where_it_stands_in_the_text_with_its_markup() -> None:
    text = "so a_b, x&amp;y caf&eacute;s exam<b>ple</b>"
    found = [text[start:stop] for start, stop in word_places(text)]
    assert found == ["so", "a", "b", "x", "y", "caf&eacute;s", "exam<b>ple"]


@given(st.lists(st.text(st.sampled_from("ab_ <>/&;#\u200bé世!-="), max_size=25), max_size=4))
def test_every_text_has_as_many_compared_words_as_places(texts: list[str]) -> None:
    assert list(map(number_of_words, texts)) == [len(word_places(text)) for text in texts]
