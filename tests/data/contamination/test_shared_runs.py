"""What several items of a set share tells of none of them; what repeats costs no more time or memory than it says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from data_support import documents_of, texts

from data.contamination.sought import seek
from lmworks.data.contamination.decontaminate import DecontaminateConfig, decontaminate
from lmworks.data.contamination.join import Form, Index, Match, write_index
from lmworks.pipeline.stage import Result
from lmworks.pipeline.work.chunks import read_records
from support import make_context

SHARED = (
    "Read the passage below with care and answer the question that follows it in one short sentence of your own words."
)


def story(seed: object, length: int) -> str:
    return " ".join(f"word{number}" for number in random.Random(str(seed)).choices(range(2000), k=length))


def verdicts(items: list[str], text: str) -> list[str]:
    return seek(items, [text])


def clean(tmp_path: Path, items: list[str], learned: list[str], action: str = "drop") -> tuple[Result, list[str]]:
    config = DecontaminateConfig.model_validate({"from": "clean", "against": ["set"], "action": action})
    (tmp_path / "out").mkdir()
    documents, against = documents_of(tmp_path / "in", *learned), documents_of(tmp_path / "set", *items)
    result = decontaminate(config, documents, [against], out=tmp_path / "out", context=make_context(tmp_path))
    return result, texts(tmp_path / "out")


def under_one_instruction(own: int) -> list[str]:
    return [f"{SHARED}\n\n{story(number, own)}" for number in range(40)]


@pytest.mark.parametrize(("own", "verdict"), [(4, "shared"), (9, "not found"), (30, "not found")])
def test_an_instruction_that_items_share_accuses_none(own: int, verdict: str) -> None:
    """Nothing is known of an item with fewer words of its own than are sought."""
    alone = f"How exams are worded here: {SHARED} {story('other', 30)}"
    assert set(verdicts(under_one_instruction(own), alone)) == {verdict}
    assert set(verdicts(under_one_instruction(own), SHARED)) == {verdict}
    assert set(verdicts(under_one_instruction(own), story("other", 60))) == {verdict}


@pytest.mark.parametrize("own", [4, 9, 30])
def test_documents_with_a_shared_instruction_alone_stay(tmp_path: Path, own: int) -> None:
    innocent = [f"{SHARED}\n\n{story(('innocent', number), 30)}" for number in range(20)]
    guilty = [f"Notes of the day. {under_one_instruction(own)[number]} {story('end', 20)}" for number in (3, 7)]
    result, kept = clean(tmp_path, under_one_instruction(own), [*innocent, SHARED, *guilty])
    assert kept == sorted([*innocent, SHARED])
    assert result.counts["contaminated items"] == 2


def test_an_item_s_own_part_still_tells_of_it(tmp_path: Path) -> None:
    items = under_one_instruction(30)
    part = " ".join(items[3].split()[-13:])
    assert verdicts(items, f"{story('x', 30)} {part}")[3] == "verbatim"
    assert verdicts(items, f"{story('x', 30)} {items[5]} and more")[5] == "whole"
    changed = items[7].split()
    changed[-5] = "other"
    assert verdicts(items, " ".join(changed))[7] == "near"
    _, kept = clean(tmp_path, items, [f"{story('x', 30)} {part}", " ".join(changed), story("y", 30)])
    assert kept == [story("y", 30)]


ITEM = story("attacked", 36)


def quoted(words: int) -> list[str]:
    """A set in which two records quote the first words of an item."""
    others = [story(("others", number), 36) for number in range(6)]
    said = " ".join(ITEM.split()[:words])
    return [ITEM, *others, *(f"{story(('a', n), 20)} {said} {story(('b', n), 20)}" for n in range(2))]


def learned(words: int) -> str:
    """A text that holds the first words of the item."""
    return f"{story('before', 20)} {' '.join(ITEM.split()[:words])} {story('behind', 20)}"


@pytest.mark.parametrize(
    ("quotes", "holds", "verdict", "method"),
    [
        (0, 35, "near", "near-duplicate"),
        (0, 18, "verbatim", "13-gram"),
        (36, 36, "whole", "exact"),
        (36, 35, "near", "near-duplicate"),
        (36, 18, "shared", "shared"),
        (35, 35, "shared", "shared"),
        (30, 30, "shared", "shared"),
        (27, 36, "whole", "exact"),
        (36, 7, "shared", "shared"),
        (36, 0, "shared", "shared"),
        (18, 18, "not found", None),
    ],
)
def test_records_that_quote_an_item_do_not_make_it_clean(
    tmp_path: Path, quotes: int, holds: int, verdict: str, method: str | None
) -> None:
    """An item of which others quote all but a few words is found as a whole, or nothing is known of it."""
    assert verdicts(quoted(quotes), learned(holds))[0] == verdict
    result, kept = clean(tmp_path, quoted(quotes), [learned(holds), story("y", 30)])
    (found,) = (line for line in read_records(tmp_path / "out" / "items.jsonl") if line["record"] == f"{0:032x}")
    assert found["method"] == method
    assert (learned(holds) in kept) == (method in (None, "shared"))
    told = result.counts["not known, for other records share their words: items"]
    assert told == (method == "shared")
    assert result.counts["contaminated items"] == (method not in (None, "shared"))


def test_what_another_set_shares_tells_of_the_items_of_this_one(tmp_path: Path) -> None:
    items = [ITEM, *quoted(36)[1:], ITEM + " more"]
    names = [("ours", "1"), *(("theirs", str(number)) for number in range(9))]
    write_index(tmp_path, [Form(n, text, *name) for n, (text, name) in enumerate(zip(items, names, strict=True))])
    (found,) = Index(tmp_path).search(pa.array([learned(18)]))
    assert [match.method for match in found if match.item == 0] == ["13-gram"]


def test_an_item_that_stands_in_a_set_several_times_is_still_one(tmp_path: Path) -> None:
    item = story("item", 30)
    held = f"{story('x', 30)} {' '.join(item.split()[:15])}"
    assert verdicts([item] * 4, held) == ["verbatim"] * 4
    _, kept = clean(tmp_path, [item] * 4, [held, story("y", 30)])
    assert kept == [story("y", 30)]


def test_a_short_item_that_drops_many_documents_is_told_by_name(tmp_path: Path) -> None:
    learned = [f"{'Thank you for your message. ' if number % 10 else ''}{story(number, 40)}" for number in range(200)]
    items = ["thank you for your message", *(story(("item", number), 30) for number in range(30))]
    result, kept = clean(tmp_path, items, learned)
    told = f"documents with one item of 5 words (set, record {0:032x})"
    assert len(kept) == 20 and result.counts[told] == 180 and told in result.losses
    (tmp_path / "few").mkdir()
    few, _ = clean(
        tmp_path / "few", items, [*learned[:200:10], *(story(number, 40) for number in range(30)), learned[1]]
    )
    assert few.losses == {"dropped: exact of an evaluation item"}


def test_cutting_does_not_go_on_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []
    search = Index.search

    def counted(self: Index, texts: Any) -> Iterator[list[Match]]:
        searches.append(len(texts))
        return search(self, texts)

    monkeypatch.setattr(Index, "search", counted)
    first, second = "amber ferry gate holds nine old\n", "rusty copper kettles of tea today\n"
    learned = [first * 400 + second * 400, f"{story('x', 20)}\n{first}{second}{story('y', 20)}"]
    result, kept = clean(tmp_path, [first + second], learned, action="cut")
    assert kept == [f"{story('x', 20)}\n{story('y', 20)}"]
    assert result.counts["dropped: exact of an evaluation item"] == 1
    assert len(searches) < 12


def test_equal_runs_are_not_paired_without_bound(tmp_path: Path) -> None:
    item = "la " * 600
    write_index(tmp_path, [Form(0, f"so {item}", "a", "0"), Form(1, item, "a", "1")])
    (found,) = Index(tmp_path).search(pa.array([f"and so {'la ' * 600_000}"]))
    assert [(match.item, match.method) for match in found] == [(0, "exact"), (1, "exact")]
    assert verdicts([f"so {item}", item], f"and so {'la ' * 6000}") == ["whole", "whole"]
