"""HTML to text."""

from __future__ import annotations

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.clean.html import html_to_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One.</p> <p>Two\n  words.</p>", "One.\n\nTwo words."),
        ("bare text", "bare text"),
        ("<h1>Head</h1>text", "Head\n\ntext"),
        ("<p>These:</p><ul><li>a</li><li><p>b</p></li></ul><p>End.</p>", "These:\n- a\n- b\n\nEnd."),
        ("<p>These.</p><ul><li>a</li></ul>", "These.\n\n- a"),
        ("<ul><li>a</li></ul><ul><li>b</li></ul>", "- a\n\n- b"),
        ("<ul><li>a<ul><li>b</li></ul>c</li></ul>", "- a\n  - b\n  c"),
        ("<ul><li><p>a</p><p>b</p></li></ul>", "- a\n  b"),
        ("<dl><dt>Name</dt><dd>A name.</dd><dt>Age</dt><dd></dd></dl>", "Name: A name.\nAge:"),
        ("<dl><dt>Name</dt><dd><p>A.</p><p>B.</p><ul><li>c</li></ul></dd></dl>", "Name: A.\n  B.\n  - c"),
        ("<dl><dt>Name</dt><dd><ul><li>c</li></ul></dd></dl>", "Name:\n  - c"),
        ("<table><tr><th>A</th><th>B</th></tr><tr><td><p>1</p></td><td></td></tr></table>", "A | B\n1 |"),
        (
            "<table><tr><td>a<table><tr><td>b</td></tr></table><ul><li>c</li></ul></td></tr></table><ul><li>d</li></ul>",
            "a b | c\n\n- d",
        ),
        ("<pre>a\n  b\n</pre>", "a\n  b"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<p>See <a href='x'> <code>Get</code> </a>.</p>", "See Get."),
        ("<p>(<code> x </code>), y</p>", "(x), y"),
        ("<p>Ruby <b> and </b> sapphire</p>", "Ruby and sapphire"),
        ("a &lt;b&gt; &amp;amp; c&nbsp;d &#233;", "a <b> &amp; c d é"),
        ("<style>p {}</style><script>x</script><!-- no --><p>yes</p>", "yes"),
        ("<html><head><title>t</title></head><body><p>b</p></body></html>", "b"),
        ("<p>un<b>closed", "unclosed"),
        ("a\x00b\x1bc", "abc"),
        ("", ""),
        ("<p> </p><ul><li></li></ul>", ""),
    ],
)
def test_structure_is_kept(markup: str, text: str) -> None:
    assert html_to_text(markup) == text


words = st.text(st.characters(categories=["L", "N"]), min_size=1)


@given(st.text())
def test_any_text_can_be_read(markup: str) -> None:
    assert "\x01" not in html_to_text(markup)


@given(st.lists(st.lists(words, min_size=1), min_size=1))
def test_escaped_paragraphs_come_back(paragraphs: list[list[str]]) -> None:
    markup = "".join(f"<p>{html.escape(' '.join(each))}</p>" for each in paragraphs)
    assert html_to_text(markup) == "\n\n".join(" ".join(each) for each in paragraphs)


trees = st.recursive(
    words.map(html.escape),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag}>{' '.join(parts)}</{tag}>",
        st.sampled_from(["p", "div", "ul", "li", "dl", "dt", "dd", "b", "code", "table", "tr", "td", "pre", "h2"]),
        st.lists(inner, max_size=4),
    ),
)


@given(trees)
def test_no_word_is_lost_or_moved_in_nested_markup(markup: str) -> None:
    from lxml import etree

    root = etree.fromstring(f"<html><body>{markup}</body></html>".encode(), etree.HTMLParser(encoding="utf-8"))
    expected = "".join("".join(root.itertext()).split())
    found = "".join(html_to_text(markup).split())
    for mark in "-|:":
        expected, found = expected.replace(mark, ""), found.replace(mark, "")
    assert found == expected


@pytest.mark.parametrize(
    "tag", ["<p{}>Hello.</p>", "<b title='<!--'>Hello.</b><p {}>", "<script{}>x</script><p>Hello.</p>"]
)
def test_attributes_without_end_take_linear_time(tag: str) -> None:
    crowded = tag.format("".join(f" a{number:x}=''" for number in range(200_000)))
    begin = time.process_time()
    assert html_to_text(crowded) == "Hello."
    assert time.process_time() - begin < 10, "a tree of them takes minutes"


def test_text_behind_the_end_of_a_page_is_kept() -> None:
    assert html_to_text("<html><body><p>One.</p></body></html><p>Two.</p>three") == "One.\n\nTwo.\n\nthree"


def test_menus_footers_and_buttons_are_no_text() -> None:
    page = (
        "<body><nav><ul><li>Home</li><li>Jobs</li></ul></nav><main><h1>Waste</h1><p>Collected on Monday."
        "<button>Yes</button></p><aside>Not on holidays.</aside></main><footer>Privacy</footer></body>"
    )
    assert html_to_text(page) == "Waste\n\nCollected on Monday.\n\nNot on holidays.", "an aside belongs to its text"
