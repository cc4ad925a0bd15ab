"""An item is found however its words are parted, wrapped or spread by markup, signs that nobody sees, or turns."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from lmworks.data.contamination.plain import compared_in_turn, word_places
from lmworks.data.contamination.search import Sought
from lmworks.data.contamination.training import Texts, texts_in

KEYS = (0x0123456789ABCDEF, 0xFEDCBA9876543210)
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
            *("<?x y?>", "<b title='a>b'></b>", '<b title="a > <i> b">', f"<b a='{'x' * 6000}'></b>"),
            *(f"<i a={'x' * 900}></i>", f"<!-- {'x ' * 1500}-->", "&lt;!--.--&gt;", "\u3164", "\U0001d173"),
        )
    },
    "bold inside words": lambda words: " ".join(f"{word[:1]}**{word[1:]}" for word in words),
    "struck inside words": lambda words: " ".join(f"{word[:1]}~~{word[1:]}~~" for word in words),
    "lines inside words": lambda words: " ".join(f"{word[:1]}__{word[1:]}__" for word in words),
    "code inside words": lambda words: " ".join(f"`{word[:1]}`{word[1:]}" for word in words),
    "letters as numbers": lambda words: "".join(f"&#{ord(sign):010d};" for sign in " ".join(words)),
    "numbers without their sign": lambda words: " ".join(
        re.sub("[a-z]$", lambda last: f"&#{ord(last[0])}", word) for word in words
    ),
    "four words an attribute": lambda words: " ".join(f'<i title="{each}"></i>' for each in groups(words)),
    "four and six words": lambda words: " ".join(
        f"<b class='x' title='{each}'>" for at in range(0, 30, 10) for each in groups(words[at : at + 10], 6)
    ),
    "a word an attribute": lambda words: "<br>".join(f"<i alt={each}></i>" for each in words),
    "a word a comment": lambda words: " and ".join(f"<!--{each}-->" for each in words),
    "a mark of a quotation in an attribute": lambda words: f"<i title='{' &quot; '.join(groups(words, 8))}'>",
    "signs in an attribute": lambda words: f"<i title='{inside('&shy;')(words)}'>",
    "escaped attributes": lambda words: " ".join(f"&lt;i title=&quot;{each}&quot;&gt;" for each in groups(words)),
    "footnotes": lambda words: " ".join(f"{each}[{at}]" for at, each in enumerate(groups(words, 5))),
    "footnotes of Markdown": lambda words: "[^1] ".join(groups(words, 5)),
    "written line ends": lambda words: "\\n".join(words),
    "written tabs": lambda words: "\\t".join(words),
    "subtitles": lambda words: "\n\n".join(
        f"{at + 1}\n00:00:{at:02d},000 --> 00:00:{at + 4:02d},000\n{each}" for at, each in enumerate(groups(words))
    ),
    "subtitles of the web": lambda words: "\r\n\r\n".join(
        f"00:{at:02d}.000 --&gt; 00:{at + 4:02d}.000 align:start\r\n{each}" for at, each in enumerate(groups(words))
    ),
}


def seek(items: list[str], texts: list[str]) -> list[str]:
    sought = Sought(items, KEYS)
    sought.seek(Texts(list(map(str, range(len(texts)))), pa.array(texts, pa.string())))
    return [sought.verdict(number) for number in range(len(items))]


@pytest.mark.parametrize("written", WRITTEN.values(), ids=[name[:40] for name in WRITTEN])
def test_an_item_is_found_however_it_is_parted(written: Spelling) -> None:
    text = f"Well then, some notes of that day. {written(ITEM.split())} Indeed, as was to be shown."
    assert seek([ITEM], [text]) == ["whole"]
    assert len(word_places(text)) == len(next(compared_in_turn([text], behind=True)))


def test_every_sign_that_nobody_sees_is_taken_out() -> None:
    """Default_Ignorable_Code_Point of Unicode 16, DerivedCoreProperties.txt."""
    ranges = """00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0
        FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"""
    bounds = [[int(bound, 16) for bound in each.split("-")] for each in ranges.split()]
    signs = [chr(code) for each in bounds for code in range(each[0], each[-1] + 1)]
    signs += [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf" and code < 0x600]
    seen = [sign for sign in signs if word_places(f"wh{sign}ich") != [(0, 6)]]
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
    assert [some.tolist() for some in compared_in_turn([text])] == [some.tolist() for some in compared_in_turn([words])]


@pytest.mark.parametrize("unit", ['<a "="', "<a ='", "<!--", "&lt;a x ", "<a b=c ", "<a b=\"'", "[^", "1\n", "</a "])
def test_markup_without_an_end_takes_time_in_step_with_the_text(unit: str) -> None:
    text = unit * (120_000 // len(unit))
    assert len(word_places(text)) == len(next(compared_in_turn([text], behind=True)))


def test_an_item_spread_over_turns_of_a_record_is_found(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": each} for each in groups(ITEM.split(), 8)]
    path = tmp_path / "conversations.jsonl"
    path.write_text(json.dumps({"id": "a", "messages": turns}) + "\n")
    sought = Sought([ITEM], KEYS)
    for texts in texts_in(path):
        sought.seek(texts)
    assert sought.verdict(0) == "whole"
