"""Runs of words of what was erased: those that nothing kept has are sought."""

from __future__ import annotations

from lmworks.data.erasure.passages import WORDS, Passages

LETTER = "the ladder stands in the shed behind the garden of our house"
FORM = "we thank you for your order and send it within a week"


def passages(taken: dict[str, str], kept: list[str]) -> Passages:
    found = Passages()
    for name, text in taken.items():
        found.take(name, [text])
    found.keep(kept)
    return found


def test_what_only_the_erased_text_says_is_found_in_any_case_and_encoding() -> None:
    found = passages({"a": f"{LETTER}. {FORM}"}, [f"Dear all, {FORM}."])
    assert found.count_in([f"Log: {LETTER.upper()}!"]) == len(LETTER.split()) - WORDS + 1
    assert found.count_in([LETTER, LETTER, "and", LETTER]) == len(LETTER.split()) - WORDS + 1
    assert found.count_in([FORM, " ".join(LETTER.split()[: WORDS - 1]), "nothing"]) == 0
    encoded = passages({"a": LETTER.replace("e", "&#101;")}, [])
    assert encoded.count_in([LETTER]) > 0
    assert passages({"a": LETTER}, [LETTER.replace("e", "\\u0065")]).count_in([LETTER]) == 0


def test_what_is_kept_elsewhere_or_short_is_not_sought() -> None:
    found = passages({"a": LETTER, "form": FORM, "short": "Yes, please"}, [f"{FORM} or two", "yes please"])
    assert {name: bool(len(own)) for name, own in found.of.items()} == {"a": True, "form": False, "short": False}
    assert found and not passages({"form": FORM}, [FORM])
