"""Signs and letters of words are counted: many at once as each alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.quality.clean_text import clean_text, core_of
from lmworks.data.quality.word_looks import Looks, letter_classes

SIGNS = "abxÄßŁａ中ﬁªⅷABZİK019٣²½.,!?()[]'\"’-*@_/~|\u0301\u200d\ud800\0\U0001f3cc\U0001d400"
WORDS = st.text(st.sampled_from(SIGNS) | st.characters(), min_size=1, max_size=12)
SOME_WORDS = st.lists(WORDS, min_size=1, max_size=20)


@given(SOME_WORDS)
def test_signs_are_counted_of_each_word(words: list[str]) -> None:
    looks = Looks(words, clean_text().triples)

    def number(is_it: Callable[[str], bool]) -> list[int]:
        return [sum(map(is_it, word)) for word in words]

    assert looks.sizes.tolist() == list(map(len, words))
    assert looks.letters.tolist() == number(lambda sign: letter_classes(sign)[0] > 0)
    assert looks.code.tolist() == number(lambda sign: sign in '{}()[]=<>/_\\#$&@+%`"')
    assert looks.has_digit.tolist() == [each > 0 for each in number(lambda sign: sign in "0123456789")]
    assert looks.is_end.tolist() == [word[-1] in ".!?{}();" for word in words]
    assert all(core_of(word) == word.lower() or edge for word, edge in zip(words, looks.has_edge, strict=True))


def test_letters_are_counted_from_three_in_a_row_and_between_signs() -> None:
    triples = clean_text().triples
    words = ["queue", "Queue", "queue,", "b2", "a/b", "Don't", "x-y"]
    assert Looks(words, triples).letters.tolist() == [5, 5, 5, 1, 2, 4, 2]
    assert Looks(["qu1ck", "2nd", "e.g.", "a~b"], triples).is_mixed.tolist() == [True, False, True, True]
    alone, among = Looks(["strength"], triples), Looks(["xqzvk", "strength", "12"], triples)
    assert (alone.triples[0], alone.likely[0]) == (among.triples[1], among.likely[1])
    assert among.triples.tolist() == [5, 8, 0]
    np.testing.assert_array_equal(among.is_odd, [True, False, False])
    assert among.likely[0] / 5 < among.likely[1] / 8 < -1
