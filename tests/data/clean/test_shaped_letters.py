"""Letters that fonts joined or shaped become plain ones; signs, fractions and what is written so stay."""

from __future__ import annotations

from lmworks.data.base.letters import as_letters


def test_letters_that_a_font_shaped_are_counted_and_signs_are_none() -> None:
    assert as_letters("eﬀets ﬁn") == ("effets fin", 2)
    assert as_letters("\ufdfa ½²") == ("\ufdfa ½²", 0)
    assert as_letters("a\ufe70") == ("a\u064b", 1)
