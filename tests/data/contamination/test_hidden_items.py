"""An item is found however its words are parted, wrapped or spread by markup, signs that nobody sees, or turns."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from data.contamination.sought import seek
from lmworks.data.base.text import view
from lmworks.data.base.words import word_spans
from lmworks.data.contamination.items import texts_in
from lmworks.data.contamination.join import Form, Index, words_of, write_index

ITEM = (
    "Which of the seven canal locks at Bruntwick was rebuilt after the flood of 1893, and who paid for the new oak "
    "gates there before the winter came"
)
Spelling = Callable[[list[str]], str]


def inside(sign: str) -> Spelling:
    """With something inside each word."""
    return lambda words: " ".join(f"{word[:2]}{sign}{word[2:]}" for word in words)


def groups(words: list[str], size: int = 4) -> list[str]:
    return [" ".join(words[at : at + size]) for at in range(0, len(words), size)]


WRITTEN: dict[str, Spelling] = {
    **{
        f"{sign} inside words": inside(sign)
        for sign in (
            *("&shy;", "&zwnj;", "&#173;", "&#0000000173;", "&#x000200b;", "&ZeroWidthSpace;", "<!--.-->", "<!---->"),
            *("<b title='a>b'></b>", f"<b a='{'x' * 6000}'></b>"),
            *(f"<i a={'x' * 900}></i>", f"<!-- {'x ' * 1500}-->", "&lt;!--.--&gt;", "\u3164", "\U0001d173"),
        )
    },
    "letters as numbers": lambda words: "".join(f"&#{ord(sign):010d};" for sign in " ".join(words)),
    "numbers without their sign": lambda words: " ".join(
        re.sub("[a-z]$", lambda last: f"&#{ord(last[0])}", word) for word in words
    ),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=[name[:40] for name in WRITTEN])
def test_an_item_is_found_however_it_is_parted(written: Spelling) -> None:
    text = f"Well then, some notes of that day. {written(ITEM.split())} Indeed, as was to be shown."
    assert seek([ITEM], [text]) == ["whole"]


def test_every_sign_that_nobody_sees_is_taken_out() -> None:
    """Default_Ignorable_Code_Point of Unicode 16, DerivedCoreProperties.txt."""
    ranges = """00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0
        FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"""
    bounds = [[int(bound, 16) for bound in each.split("-")] for each in ranges.split()]
    signs = [chr(code) for each in bounds for code in range(each[0], each[-1] + 1)]
    signs += [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf" and code < 0x600]
    (which,) = words_of(["which"])
    seen = [
        sign
        for sign, words in zip(signs, words_of([f"wh{sign}ich" for sign in signs]), strict=True)
        if words.tolist() != which.tolist()
    ]
    assert len(signs) > 4000 and not seen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"$\nu \theta \times \text{a}$", "nu theta times text a"),
        ("a <b and c> d", "a d"),
        ("it's <p title=it's>so</p> and 'so'", "it s so and so"),
        ("2 ** 3 and a `b` c", "2 3 and a b c"),
    ],
)
def test_what_only_looks_alike_stays(text: str, words: str) -> None:
    assert [some.tolist() for some in words_of([text])] == [some.tolist() for some in words_of([words])]


@pytest.mark.parametrize("unit", ['<a "="', "<a ='", "<!--", "&lt;a x ", "<a b=c ", "<a b=\"'", "[^", "1\n", "</a "])
def test_markup_without_an_end_takes_time_in_step_with_the_text(unit: str) -> None:
    text = unit * (120_000 // len(unit))
    assert len(word_spans(view(text, markup=True, folded=True).text)) == len(next(words_of([text])))


def test_an_item_spread_over_turns_of_a_record_is_found(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": each} for each in groups(ITEM.split(), 8)]
    path = tmp_path / "conversations.jsonl"
    path.write_text(json.dumps({"id": "a", "messages": turns}) + "\n")
    write_index(tmp_path, [Form(0, ITEM, "set", "0")])
    ((match,),) = [found for _, texts in texts_in(path) for found in Index(tmp_path).search(texts)]
    assert match.method == "exact"
