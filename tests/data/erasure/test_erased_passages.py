"""Runs of words of what was erased: those that nothing kept says are sought, and why none is, is told."""

from __future__ import annotations

from lmworks.data.erasure.passages import COMMON, GONE, TOO_SHORT, WORDS, Collector, Passages

LETTER = "the ladder stands in the shed behind the garden of our house"
FORM = "we thank you for your order and send it within a week"
NOTE = "please water the old pear tree"


def passages(taken: dict[str, str], kept: list[str]) -> Passages:
    collector = Collector()
    for name, text in taken.items():
        collector.take(name, text)
    collector.keep(kept)
    return collector.passages([*taken, "deleted before"])


def test_what_only_the_erased_text_says_is_found_in_any_case_and_encoding() -> None:
    found = passages({"a": f"{LETTER}. {FORM}", "short": NOTE}, [f"Dear all, {FORM}."])
    assert found.count_in([f"Log: {LETTER.upper()}!"]) == len(LETTER.split()) - WORDS + 1
    assert found.count_in([LETTER, LETTER, "and", LETTER]) == len(LETTER.split()) - WORDS + 1
    assert found.count_in([NOTE]) == 1
    assert found.count_in([FORM, " ".join(LETTER.split()[: WORDS - 1]), "nothing"]) == 0
    encoded = passages({"a": LETTER.replace("e", "&#101;")}, [])
    assert encoded.count_in([LETTER]) > 0
    assert passages({"a": LETTER}, [LETTER.replace("e", "\\u0065")]).count_in([LETTER]) == 0


def test_why_nothing_of_a_record_is_sought_is_told() -> None:
    found = passages({"a": LETTER, "form": FORM, "two words": "Yes, please"}, [f"{FORM} or two", "yes please"])
    assert found.sought == {"a"}
    assert found.not_sought == {"form": COMMON, "two words": TOO_SHORT, "deleted before": GONE}
    assert found and not passages({"form": FORM}, [FORM])
