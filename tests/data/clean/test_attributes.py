"""Tags with attributes without end: what is parsed has few, in linear time, and says the same."""

from __future__ import annotations

from typing import Any

import pytest
import trafilatura
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from lmworks.data.base.attributes import MOST_ATTRIBUTES, with_few_attributes
from lmworks.data.clean.html import html_to_text
from lmworks.data.parsers.documents.whole import page_text
from lmworks.data.parsers.parser import Reading

MANY = 3 * MOST_ATTRIBUTES
PIECES = [
    "<p",
    "<b",
    " ",
    "a",
    "=",
    "'",
    '"',
    ">",
    "/",
    "</p>",
    "</b>",
    "<!--",
    "-->",
    "--!>",
    "<!-->",
    "-",
    "<script>",
    "</script>",
    "x y",
    "<div a=1 b='2>' c>",
    "<",
    "<!",
    "<?",
    "</",
    "<title>",
    "</title>",
    "<td ",
    "\n",
    "b=c",
    "<textarea",
    "</textarea ",
    "&amp;",
    "é\u2003",
    "<style a b>",
    "</style>",
    "<xmp>",
    "</xmp>",
    "<plaintext>",
    "<![CDATA[",
    "]]>",
    "<iframe>",
    "</iframe>",
    "<svg>",
]


def crowded(form: str, number: int = MANY) -> str:
    return "".join(form.format(number) for number in range(number))


def most_attributes(markup: str) -> int:
    root = etree.fromstring(markup.encode(), etree.HTMLParser(encoding="utf-8", huge_tree=True))
    return max(len(element.attrib) for element in root.iter("*"))


TAGS = {
    "names": f"<p{crowded(' a{:x}')}>Hello.</p>",
    "values without spaces": "<p " + crowded('a{:x}=""') + ">Hello.</p>",
    "ends of tags in values": "<p" + crowded(" a{:x}='>'") + ">Hello.</p>",
    "slashes": f"<p/{crowded('a{:x}/')}>Hello.</p>",
    "behind an ordinary tag": f"<b title='<!--'>Hello.</b><p {crowded('a{:x} ')}>",
    "behind a comment": f"<!-- <b a=' --><p{crowded(' a{:x}')}>Hello.</p>",
    "behind a script": f"<script>'<b a=\"'</script><p{crowded(' a{:x}')}>Hello.</p>",
    "of a script": f"<script{crowded(' a{:x}')}>'<b a=\"'</script><p{crowded(' a{:x}')}>Hello.</p>",
    "twice": f"<p{crowded(' a{:x}')}><p{crowded(' b{:x}')}>Hello.</p>",
}


@pytest.mark.parametrize("name", TAGS)
def test_no_element_that_is_parsed_has_attributes_without_end(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    parse = etree.fromstring

    def spied(markup: bytes, parser: Any) -> Any:
        seen.append(markup.decode())
        return parse(markup, parser)

    monkeypatch.setattr(etree, "fromstring", spied)
    assert html_to_text(TAGS[name]) == "Hello."
    monkeypatch.undo()
    assert most_attributes(TAGS[name]) >= MANY, "or the test shows nothing"
    assert most_attributes(seen[0]) == MOST_ATTRIBUTES


def test_main_text_is_sought_in_a_page_with_few_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(trafilatura, "extract", lambda page, **_: seen.append(page) or "said")
    assert page_text(TAGS["names"], Reading(html="main")) == ("said", "text")
    assert most_attributes(seen[0]) == MOST_ATTRIBUTES


def test_a_usual_page_and_text_that_looks_like_a_tag_stay_as_they_are() -> None:
    words = "word " * MANY
    pages = [
        f"<p class='a' id=b data-c>{words}</p>" * 3,
        f"<p>{'a' * MANY} < b, {words}</p>",
        f"<!-- <p {words} --><title><p {words}</title><p>a</p>",
        f"<script>if (a <b) {{{words}}}</script><p>{words}</p>",
        f"<p a{crowded(' b{:x}', MOST_ATTRIBUTES - 1)} / >{words}",
    ]
    for page in pages:
        assert with_few_attributes(page) == page


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
@example("<!---!></title><p/</textarea <!-->a<div a=1 b='2>' c>")
@example("<textarea/>a<b c>d")
@example("<?--<p a=1>c>")
@example("<!--a--!><p b>c<!--!> d --><p b>e")
def test_a_page_without_attributes_says_the_same(markup: str) -> None:
    assert html_to_text(with_few_attributes(markup, 0)) == html_to_text(markup)
