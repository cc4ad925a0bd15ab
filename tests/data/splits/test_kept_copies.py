"""Near copies that stay for their facts stay on one side of a split, whatever becomes of their texts before it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of

from lmworks.data.duplicates.deduplicate import drop_duplicates
from lmworks.data.duplicates.passages import PassagesConfig, repeated_passages
from lmworks.data.shards.records import Document, Documents, read_shard, write_shard
from lmworks.data.splits.groups import SplitConfig
from lmworks.data.splits.split import split
from support import make_context

FAMILIES = 40


def family(number: int) -> list[str]:
    """Two texts of 120 words that differ in one amount."""
    words = random.Random(number).choices([f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400)], k=120)
    return [" ".join([*words[:110], amount, *words[110:]]) for amount in ("1,500", "2,700")]


def curated(folder: Path, documents: Documents) -> Documents:
    drop_duplicates(documents, [], 0.8, folder / "kept", make_context(folder), compare_digits=True)
    return Documents(folder / "kept", "")


def part_of(folder: Path, documents: Documents, **fields: Any) -> dict[int, str]:
    config = SplitConfig.model_validate({"from": "x", "test": 0.2, "validation": 0.2, **fields})
    split(config, documents, out=folder / "split", context=make_context(folder / "splitting"))
    found = {part: Documents(folder / "split" / part, "").iterate() for part in config.output_parts()}
    return {int(each.id, 16): part for part, some in found.items() for each in some}


@pytest.mark.parametrize(
    "fields",
    [{}, {"near_duplicates": {}}, {"assign": "balance", "leak_test": {}}, {"by": "place"}],
)
def test_copies_that_differ_in_facts_are_on_one_side_after_passages_were_cut(tmp_path: Path, fields: Any) -> None:
    given = documents_of(tmp_path / "in", *(text for number in range(FAMILIES) for text in family(number)))
    placed = [
        Document(id=each.id, text=each.text, source="s", licence="MIT", meta={"place": each.id})
        for each in given.iterate()
    ]
    write_shard(tmp_path / "in" / "part-00000.parquet", placed)
    kept = curated(tmp_path, given)
    assert kept.count() == 2 * FAMILIES
    config = PassagesConfig.model_validate({"from": "x", "words": 20})
    repeated_passages(config, kept, out=tmp_path / "cut", context=make_context(tmp_path / "cutting"))
    whole = {int(each.id, 16): len(each.text) for each in Documents(tmp_path / "cut", "").iterate()}
    parts = part_of(tmp_path, Documents(tmp_path / "cut", ""), **fields)
    assert set(parts.values()) == {"train", "validation", "test"}
    both = [number for number in whole if number ^ 1 in whole]
    assert both and all(parts[number] == parts[number ^ 1] for number in both)


def test_a_later_search_keeps_what_an_earlier_one_held_together(tmp_path: Path) -> None:
    kept = curated(tmp_path, documents_of(tmp_path / "in", *family(0), *family(1)))
    known = {each.id: each.cluster for each in kept.iterate()}
    assert len(set(known.values())) == 2 and None not in known.values()
    cut = [each.changed(lambda text: " ".join(text.split()[10:])) for each in kept.iterate()]
    short = [each if int(each.id, 16) % 2 else each.changed(lambda text: text[:40]) for each in cut]
    write_shard(tmp_path / "short" / "part-00000.parquet", short)
    again = curated(tmp_path / "again", Documents(tmp_path / "short", ""))
    assert {each.id: each.cluster for each in again.iterate()} == known


def test_only_what_is_kept_beside_a_copy_has_a_cluster(tmp_path: Path) -> None:
    one, other = family(0)
    alone, copy = family(1)[0], family(1)[0].replace(" ", "  ")
    kept = curated(tmp_path, documents_of(tmp_path / "in", one, other, alone, copy))
    found = {int(each.id, 16): each.cluster for each in kept.iterate()}
    assert found == {0: f"{0:032x}", 1: f"{0:032x}", 2: None}
    assert all(each.cluster is None for each in read_shard(tmp_path / "in" / "part-00000.parquet"))
