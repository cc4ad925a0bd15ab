"""Digits keep near-duplicates apart, dates, times and counters do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_support import documents_of, texts

from lmworks.data.duplicates.deduplicate import drop_duplicates
from lmworks.data.duplicates.digits import digits_of
from support import make_context

CONTRACT = (
    "This agreement is made on {date} between Adler Trading and Grau and Sons. The seller delivers the goods that are "
    "listed in the annex to the store of the buyer, and the buyer pays {price} within thirty days. If the "
    "payment is late, interest of four per cent a year is due from the first day on. Each party may end the "
    "agreement with three months' notice to the end of a quarter. Changes and additions must be made in "
    "writing, which holds for this clause as well. If a clause is void, the others stay in force, and the "
    "parties agree on one that comes as near as the law allows to what was meant. The law of the place where "
    "the seller has its seat applies, and the courts of that place decide on all disputes. Both parties keep "
    "what they learn of each other's business to themselves, for five years after the agreement ends."
)
DATE = "3 May 2024"


def contract(date: str = DATE, price: str = "1,000 euros") -> str:
    return CONTRACT.format(date=date, price=price)


def kept(tmp_path: Path, *some: str, compare: bool = True, avoid: list[str] | None = None) -> list[str]:
    train = documents_of(tmp_path / "in", *some)
    held_out = [documents_of(tmp_path / "held", *avoid)] if avoid else []
    context = make_context(tmp_path)
    tally = drop_duplicates(train, held_out, 0.8, tmp_path / "out", context, compare_digits=compare)
    assert tally.counts["documents"] == len(texts(tmp_path / "out"))
    assert tally.counts["kept: alike but for their digits"] == max(0, len(texts(tmp_path / "out")) - 1)
    return texts(tmp_path / "out")


def test_contracts_with_other_amounts_all_stay_and_are_counted(tmp_path: Path) -> None:
    some = [contract(price=f"{1_000 + 17 * number} euros") for number in range(60)]
    assert kept(tmp_path / "a", *some) == sorted(some)
    assert len(kept(tmp_path / "b", *some, compare=False)) == 1


CHANGES = [
    ("on 2024-05-03", "on 2025-11-30"),
    ("on 2024-05-03T10:15:00Z", "on 2024-05-04T23:59:01Z"),
    ("on 03.05.2024", "on 04.06.2025"),
    ("on 5/3/24", "on 12/31/25"),
    ("on May 3, 2024", "on December 24th, 2025"),
    ("on 3 May 2024", "on 14 March 2023"),
    ("am 3. März 2024", "am 12. Dezember 2025"),
    ("le 3 août 2024", "le 12 février 2025"),
    ("el 3 de mayo de 2024", "el 12 de enero de 2025"),
    ("2024年5月3日", "2025年12月24日"),
    ("at 10:15", "at 23:59:07"),
    ("at 9:15 am", "at 11:45 pm"),
    ("updated 3 hours ago", "updated 12 minutes ago"),
    ("after 1,032 views", "after 45,907 views"),
    ("Views: 1032", "Views: 1033"),
    ("visited 17 times", "visited 1,018 times"),
    ("Comments (3)", "Comments (17)"),
    ("© 2023", "© 2019-2024"),
    ("page 3 of 12", "page 4 of 13"),
]


@pytest.mark.parametrize(("one", "other"), CHANGES)
def test_copies_that_differ_in_a_date_a_time_or_a_counter_are_one(tmp_path: Path, one: str, other: str) -> None:
    some = [contract(one), contract(other)]
    assert kept(tmp_path, *some) == some[:1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("in 2 copies", "in 3 copies"),
        ("with marketing 12", "with marketing 13"),
        ("for version 2.0", "for version 2.1"),
        ("at 127.0.0.1", "at 127.0.0.2"),
        ("by rule 4/2", "by rule 4/3"),
        ("3 times a day", "4 times a day"),
        ("as DE-2004", "as DE-2005"),
    ],
)
def test_copies_that_differ_in_other_digits_stay(tmp_path: Path, one: str, other: str) -> None:
    some = [contract(one), contract(other)]
    assert kept(tmp_path, *some) == sorted(some)


def test_copies_of_other_words_or_another_order_are_one(tmp_path: Path) -> None:
    first, _, rest = contract().partition(". ")
    some = [contract(), f"{rest} {first}.", contract().replace("goods", "wares")]
    assert kept(tmp_path, *some) == some[:1]


def test_a_copy_of_a_held_out_text_goes_whatever_its_digits(tmp_path: Path) -> None:
    own = "A text of its own about the river and the mill that stands on its bank since the war."
    assert kept(tmp_path, contract(price="7 euros"), own, avoid=[contract(price="9 euros")]) == [own]


def test_digits_are_read_in_any_script_and_order() -> None:
    assert digits_of("１２ apples, 3.5 kg, 3 May 2024, 7 pears") == digits_of(
        "7 pears, 12 apples and 3.5 kg on 1.2.2021"
    )
