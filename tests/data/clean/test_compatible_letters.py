"""Letters in other forms of the same become plain ones; signs, fractions and what is written so stay."""

from __future__ import annotations

import pytest

from lmworks.data.clean.letters import as_letters, compatible


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("ﬁne ｗｉｄｅ 𝐉", "fine wide J"),
        ("Griffon²", "Griffon 2 "),
        ("Roe™ ﬁ", "Roe™ fi"),
        ("½ ﬁ …", "½ fi …"),
        ("a\ufe70", "a\u064b"),
        ("plain ä", "plain ä"),
    ],
)
def test_compatible_letters_are_plain(text: str, plain: str) -> None:
    assert compatible(text) == plain


def test_letters_that_a_font_shaped_are_counted_and_signs_are_none() -> None:
    assert as_letters("eﬀets ﬁn") == ("effets fin", 2)
    assert as_letters("\ufdfa ½²") == ("\ufdfa ½²", 0)
