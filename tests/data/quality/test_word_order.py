"""Windows cover every word once; classes are those of the language; order is invariant where it should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.quality.clean_text import clean_text
from lmworks.data.quality.word_looks import LOOKS, look_of
from lmworks.data.quality.word_order import WINDOW, Classes, Orders, grids, windows


@given(st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_windows_cover_every_word_once_and_no_line_end(lines: list[int]) -> None:
    starts, sizes, line = windows(np.array(lines))
    covered = [place for start, size in zip(starts, sizes, strict=True) for place in range(start, start + size)]
    assert covered == list(range(sum(lines)))
    assert sizes.max() <= WINDOW
    assert np.bincount(line, sizes).tolist() == lines
    held = sum(places.size for _, places in grids(starts, sizes))
    assert held == sizes[sizes > 1].sum()


def test_classes_are_those_of_each_language() -> None:
    orders = clean_text().order
    words = ["the", "The", "THE", "running", "der", "xqzv"]
    looks = np.array(list(map(look_of, words)), np.int16)
    found = dict(zip(orders, Classes(list(orders.values())).of(words, looks).T.tolist(), strict=True))
    assert found[""] == looks.tolist()
    english, german = found["en"], found["de"]
    assert english[0] == LOOKS + 1 + list(orders["en"].functions).index("the")
    assert (english[1], english[2]) == (LOOKS, looks[2])
    assert english[3] == LOOKS + 1 + len(orders["en"].functions) + list(orders["en"].endings).index("ing")
    assert german[4] == LOOKS + 1 + list(orders["de"].functions).index("der")
    assert german[0] == looks[0]
    assert english[5] == german[5] == looks[5]


def test_the_order_of_windows_does_not_matter_and_that_of_their_words_does() -> None:
    orders = clean_text().order
    scorer, language = Orders(list(orders.values())), list(orders).index("en")

    def order_of(lines: list[str]) -> float:
        words = [word for line in lines for word in line.split()]
        looks = np.array(list(map(look_of, words)), np.int16)
        classes = Classes(list(orders.values())).of(words, looks)[:, language]
        of, sizes = np.zeros(len(lines), np.int64), np.array([len(line.split()) for line in lines])
        found = scorer.score(classes.astype(np.int64), looks.astype(np.int64), np.array([language]), (of, sizes))
        return float(found[0][0])

    lines = ["the owner is told twice by mail", "if the queue exists, the call fails", "and it can be of use to him"]
    assert order_of(lines) == pytest.approx(order_of(lines[::-1]), abs=1e-4)
    assert order_of(lines) > 2
    assert order_of([" ".join(line.split()[::-1]) for line in lines]) < 0.5
