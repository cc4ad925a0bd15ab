"""Splitting by whole groups."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_support import documents_of, payload_bytes
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.data.sources.botocore import Botocore
from lmworks.data.splits.balance import GroupCounts, assign_balanced, total_variation
from lmworks.data.splits.groups import SplitConfig, assign
from lmworks.data.splits.split import split
from lmworks.errors import GateRefused, UsageError
from lmworks.graph import CLASSES
from lmworks.pipeline.stage import Result
from lmworks.recipe.file import load_recipe
from lmworks.recipe.schema import RecipeError
from support import MemoryJournal, make_context


def grouped(folder: Path, groups: int, each: int) -> Documents:
    for shard in range(each):
        made = [
            Document(id=f"{group}-{shard}", text="t", source="s", licence="MIT", meta={"place": f"g{group}"})
            for group in range(groups)
        ]
        folder.mkdir(exist_ok=True)
        write_shard(folder / f"part-{shard:05d}.parquet", made)
    return Documents(folder, "")


def test_groups_stay_whole_and_the_lowest_hashes_are_held_out(tmp_path: Path) -> None:
    documents = grouped(tmp_path / "in", groups=10, each=3)
    config = SplitConfig(documents="clean", by="place", test=2, validation=3)
    said: list[str] = []
    context = make_context(tmp_path)
    object.__setattr__(context, "log", said.append)
    result = split(config, documents, out=tmp_path / "out", context=context)
    order = sorted((f"g{n}" for n in range(10)), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    expected = {"test": order[:2], "validation": order[2:5], "train": order[5:]}
    for part, groups in expected.items():
        found = [document.meta["place"] for document in Documents(tmp_path / "out" / part, "").iterate()]
        assert sorted(found) == sorted(groups * 3)
        assert result.counts[f"{part} documents"] == len(found)
    listing = json.loads((tmp_path / "out" / "groups.json").read_text())
    assert listing == {"by": "place", "groups": 10, "test": sorted(order[:2]), "validation": sorted(order[2:5])}
    assert all(name in "".join(said) for name in order[:5])


@given(st.sets(st.text(min_size=1), min_size=5), st.integers(1, 2), st.integers(0, 2))
def test_a_group_more_moves_no_document_to_another_part_but_at_the_edge(
    names: set[str], test: int, validation: int
) -> None:
    config = SplitConfig(documents="clean", by="x", test=test, validation=validation)
    parts = assign(names, config)
    assert sorted(parts.values()) == ["test"] * test + ["validation"] * validation
    more = assign(names | {"one more group"}, config)
    assert sum(parts.get(name) != more.get(name) for name in names) <= 2


@given(st.integers(60, 300), st.sets(st.text(min_size=1), min_size=1), st.sampled_from([0.1, 0.2, 0.3]))
def test_no_group_moves_when_others_come_where_shares_are_held_out(old: int, new: set[str], share: float) -> None:
    config = SplitConfig(documents="clean", by="x", test=share, validation=share)
    names = {f"group {number}" for number in range(old)}
    parts, more = assign(names, config), assign(names | new, config)
    assert {name: part for name, part in more.items() if name in names} == parts
    assert {"test", "validation"} == set(parts.values()) and len(parts) < old


@given(st.integers(3, 40), st.floats(0.001, 0.4), st.floats(0.001, 0.4))
def test_of_few_groups_each_part_has_one_at_least_and_some_are_left(
    groups: int, test: float, validation: float
) -> None:
    told: list[str] = []
    config = SplitConfig(documents="clean", by="x", test=test, validation=validation)
    parts = assign({f"group {number}" for number in range(groups)}, config, told.append)
    assert {"test", "validation"} == set(parts.values()) and len(parts) < groups
    if told:
        held_out = [list(parts.values()).count(part) for part in ("test", "validation")]
        assert held_out == [max(1, int(share * groups)) for share in (test, validation)]


@pytest.mark.parametrize("test", [1, 40, 100])
def test_a_share_behind_a_number_is_as_large_as_any(test: int) -> None:
    names = {f"group {number}" for number in range(1000)}
    parts = list(assign(names, SplitConfig(documents="clean", by="x", test=test, validation=0.05)).values())
    assert parts.count("test") == test and 35 <= parts.count("validation") <= 65


def test_it_is_told_where_too_few_groups_fill_no_share(tmp_path: Path) -> None:
    said: list[str] = []
    context = make_context(tmp_path)
    object.__setattr__(context, "log", said.append)
    documents = grouped(tmp_path / "in", groups=6, each=1)
    split(SplitConfig(documents="clean", test=0.01, validation=0.01), documents, out=tmp_path / "out", context=context)
    assert "of 6 groups shares are counted exactly: groups can change their part when others come" in said


def test_shares_are_of_all_hashes_and_of_ids_by_default(tmp_path: Path) -> None:
    documents = grouped(tmp_path / "in", groups=200, each=1)
    config = SplitConfig(documents="clean", test=0.25, validation=0.125)
    split(config, documents, out=tmp_path / "out", context=make_context(tmp_path))
    first = {f"{number}-0": hashlib.sha256(f"{number}-0".encode()).hexdigest()[0] for number in range(200)}
    for part, digits in {"test": "0123", "validation": "45", "train": "6789abcdef"}.items():
        expected = sorted(name for name, digit in first.items() if digit in digits)
        assert (tmp_path / "out" / part / "ids.txt").read_text().split() == expected


def test_documents_without_the_field_are_trained_on_and_counted(tmp_path: Path) -> None:
    documents = grouped(tmp_path / "in", groups=4, each=1)
    write_shard(tmp_path / "in" / "part-00009.parquet", [Document(id="x", text="t", source="s", licence="MIT")])
    config = SplitConfig(documents="clean", by="place", test=1, validation=1)
    result = split(config, documents, out=tmp_path / "out", context=make_context(tmp_path))
    assert result.counts["no field 'place': trained on"] == 1
    assert "x" in [document.id for document in Documents(tmp_path / "out" / "train", "").iterate()]


def test_nothing_left_to_train_on_is_refused(tmp_path: Path) -> None:
    documents = grouped(tmp_path / "in", groups=4, each=1)
    config = SplitConfig(documents="clean", by="place", test=2, validation=2)
    with pytest.raises(UsageError, match="leave none of the 4 groups"):
        split(config, documents, out=tmp_path / "out", context=make_context(tmp_path))


def test_the_services_held_out_of_botocore_are_the_ones_committed() -> None:
    listing = json.loads(Path(__file__).with_name("held_out_services.json").read_text())
    source = Botocore(kind="botocore")
    assert listing["version"] == source.version
    services = {path.split("/")[0] for path in source.paths()}
    parts = assign(services, SplitConfig(documents="clean", by="folder", test=25, validation=25))
    for part in ("test", "validation"):
        assert listing[part] == sorted(name for name in parts if parts[name] == part)


SUBJECTS = {
    "sea": ["ship", "wave", "harbour", "sail", "anchor", "tide", "captain", "storm", "island", "rope"],
    "law": ["court", "judge", "appeal", "contract", "clause", "statute", "verdict", "witness", "lawyer", "oath"],
    "food": ["bread", "butter", "oven", "flour", "sugar", "yeast", "salt", "dough", "kitchen", "recipe"],
}


def varied(folder: Path, count: int = 600, each: int = 1) -> Documents:
    """Documents of three subjects, lengths, sources and languages, `each` a group."""
    draw = random.Random(0)
    made = []
    for number in range(count):
        subject = draw.choice(sorted(SUBJECTS))
        text = " ".join(draw.choices(SUBJECTS[subject], k=draw.choice((20, 60, 200))))
        more = {"source": draw.choice("abc"), "language": draw.choice(("en", "de")), "licence": "MIT"}
        meta = {"subject": subject, "place": f"g{number // each}"}
        made.append(Document(id=f"{number:032x}", text=text, created=f"20{number % 20 + 10}-03-01", meta=meta, **more))
    for shard in range(3):
        write_shard(folder / f"part-{shard:05d}.parquet", made[shard::3])
    return Documents(folder, "")


def run(tmp_path: Path, documents: Documents, **fields: Any) -> tuple[Result, Path]:
    config = SplitConfig.model_validate({"from": "clean", **fields})
    out = tmp_path / "out"
    return split(config, documents, out=out, context=make_context(tmp_path)), out


def members(out: Path, part: str) -> list[Document]:
    return list(Documents(out / part, "").iterate())


def test_balanced_parts_look_like_the_whole_and_groups_stay_whole(tmp_path: Path) -> None:
    documents = varied(tmp_path / "in", count=1200, each=2)
    result, out = run(tmp_path, documents, by="place", assign="balance", test=0.1, validation=0.1)
    groups = {part: {each.meta["place"] for each in members(out, part)} for part in ("train", "validation", "test")}
    assert not groups["test"] & groups["train"] | groups["test"] & groups["validation"]
    assert not groups["train"] & groups["validation"]
    test = members(out, "test")
    assert sum(len(members(out, part)) for part in groups) == 1200
    assert abs(len(test) - 120) <= 2
    table = json.loads((out / "balance.json").read_text())["test"]["features"]
    assert {"length", "language", "source"} == set(table)
    found = {name: (row["total_variation"], row["random"]) for name, row in table.items()}
    assert sum(mine for mine, _ in found.values()) <= sum(random for _, random in found.values()) / 5
    figures = {figure.name: figure for figure in result.figures}
    assert figures["test source total variation"].value == table["source"]["total_variation"]
    assert figures["test source total variation"].n == len(test)
    assert figures["test source total variation"].chance == table["source"]["random"]
    assert "train source total variation" not in figures
    assert "licence" not in table


def test_groups_too_large_for_a_part_are_refused(tmp_path: Path) -> None:
    documents = varied(tmp_path / "in", count=40, each=20)
    with pytest.raises(UsageError, match="no group is small enough for test"):
        run(tmp_path, documents, by="place", assign="balance")


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=12, max_size=40),
    st.integers(0, 3),
)
def test_every_group_has_one_part_and_fixed_groups_keep_theirs(groups: list[list[int]], pinned: int) -> None:
    owners = np.array([number for number, values in enumerate(groups) for _ in values])
    codes = np.array([value for values in groups for value in values])
    table = GroupCounts.of(owners, {"all": np.zeros_like(owners), "value": codes})
    fixed = dict.fromkeys(range(pinned), 1)
    parts = assign_balanced(table, [0.5, 0.3, 0.2], range(len(groups)), fixed)
    assert len(parts) == len(groups)
    assert set(parts.tolist()) <= {0, 1, 2}
    assert all(parts[group] == 1 for group in fixed)
    totals = table.totals(parts, 3)
    assert totals.sum(axis=0).tolist() == [len(codes), *np.bincount(codes, minlength=codes.max() + 1)]
    if not fixed:
        assert all(abs(totals[part, 0] - share * len(codes)) <= 5 for part, share in enumerate((0.5, 0.3, 0.2)))
    again = assign_balanced(table, [0.5, 0.3, 0.2], range(len(groups)), fixed)
    assert parts.tolist() == again.tolist()


def test_total_variation_is_half_the_sum_of_the_differences() -> None:
    owners = np.arange(4)
    table = GroupCounts.of(owners, {"value": np.array([0, 0, 1, 1])})
    assert total_variation(table, np.array([0, 0, 1, 1]), 2) == [{"value": 0.5}, {"value": 0.5}]
    assert total_variation(table, np.array([0, 1, 0, 1]), 2) == [{"value": 0.0}, {"value": 0.0}]


def pairs(folder: Path, count: int = 40) -> Documents:
    """Texts of 100 words, each with a copy that differs in one."""
    made = []
    for number in range(count):
        words = random.Random(number).choices([f"word{n}" for n in range(300)], k=100)
        made += [" ".join(words), " ".join([*words[:50], "other", *words[51:]])]
    return documents_of(folder, *made)


@pytest.mark.parametrize("assign_by", ["hash", "balance"])
def test_near_duplicates_stay_together(tmp_path: Path, assign_by: str) -> None:
    documents = pairs(tmp_path / "in")
    fields = {"assign": assign_by, "test": 0.2, "validation": 0.1}
    result, out = run(tmp_path, documents, near_duplicates={}, **fields)
    for part in ("train", "validation", "test"):
        ids = {int(each.id, 16) for each in members(out, part)}
        assert ids
        assert {number ^ 1 for number in ids} == ids
    (leakage,) = [figure for figure in result.figures if figure.name == "leakage"]
    assert (leakage.value, leakage.n) == (0.0, len(members(out, "test")) + len(members(out, "validation")))


@pytest.mark.parametrize("fields", [{"test": 0.2}, {"folds": 3}, {"assign": "balance"}])
def test_a_split_that_parts_near_duplicates_is_refused_with_the_pairs(tmp_path: Path, fields: Any) -> None:
    with pytest.raises(GateRefused, match=r"[0-9a-f]{32} and [0-9a-f]{32} \(0\.9\d\).*near_duplicates") as refusal:
        run(tmp_path, pairs(tmp_path / "in"), leak_test={"jaccard": 0.8}, **fields)
    assert refusal.value.exit_code == 3
    shown = refusal.value.args[0].split("): ")[1]
    first, second = (int(name, 16) for name in (shown[:32], shown[37:69]))
    assert first ^ 1 == second


def test_one_leak_is_found_in_a_large_cluster_that_hardly_touches(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(100)]

    def changed(*places: int) -> str:
        return " ".join("other" if number in places else word for number, word in enumerate(words))

    held_out, trained = sorted("ab", key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    texts = [changed(10 + number % 8 * 5, 60 + number // 8 * 2) for number in range(120)]
    near, last = changed(5), changed()  # Jaccard: 0.9 to each other, 0.81 and 0.73 to the rest
    made = [
        Document(id=f"{number:03d}", text=text, source="s", licence="MIT", meta={"place": place})
        for number, (text, place) in enumerate(
            [*((text, trained) for text in texts), (near, held_out), (last, trained)]
        )
    ]
    (tmp_path / "in").mkdir()
    write_shard(tmp_path / "in" / "part-00000.parquet", made)
    with pytest.raises(GateRefused, match="120 and 121"):
        run(tmp_path, Documents(tmp_path / "in", ""), by="place", test=1, validation=0, leak_test={"jaccard": 0.8})


def test_a_text_without_a_group_keeps_what_repeats_it_in_train(tmp_path: Path) -> None:
    documents = pairs(tmp_path / "in", 20)
    grouped = [
        Document(
            id=each.id, text=each.text, source="s", licence="MIT", meta={} if number % 2 else {"place": str(number)}
        )
        for number, each in enumerate(documents.iterate())
    ]
    write_shard(tmp_path / "in" / "part-00000.parquet", grouped[:-1])
    fields = {"by": "place", "near_duplicates": {}, "test": 0, "validation": 0}
    with pytest.raises(UsageError, match=r"leave none of the 1 groups .* use `avoid` of a"):
        run(tmp_path / "a", documents, **{**fields, "test": 1})
    _, out = run(tmp_path, documents, **fields)
    assert len(members(out, "train")) == 39


def test_the_latest_are_held_out_by_time(tmp_path: Path) -> None:
    documents = varied(tmp_path / "in", count=100)
    write_shard(tmp_path / "in" / "part-00009.parquet", [Document(id="x", text="t", source="s", licence="MIT")])
    _, out = run(tmp_path, documents, assign="time", test=0.05, validation=0.05)
    years = {part: [each.created or "" for each in members(out, part)] for part in ("train", "validation", "test")}
    assert set(years["test"]) == {"2029-03-01"}
    assert set(years["validation"]) == {"2028-03-01"}
    assert max(years["train"]) < "2028"
    assert "" in years["train"]


def test_by_time_without_dates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="created"):
        run(tmp_path, documents_of(tmp_path / "in", *"abcdef", created="long ago"), assign="time")


@pytest.mark.parametrize("assign_by", ["hash", "balance"])
def test_folds_hold_every_document_once(tmp_path: Path, assign_by: str) -> None:
    documents = varied(tmp_path / "in", count=101)
    result, out = run(tmp_path, documents, folds=4, assign=assign_by)
    ids = [each.id for fold in range(4) for each in members(out, f"fold-{fold}")]
    assert sorted(ids) == [each.id for each in sorted(documents.iterate(), key=lambda each: each.id)]
    assert all(abs(result.counts[f"fold-{fold} documents"] - 25) <= 1 for fold in range(4))
    assert not (out / "train").exists()


def test_a_recipe_refers_to_folds_by_name(tmp_path: Path) -> None:
    recipe = """name: folds
use_case: test
data:
  raw: {kind: ingest, sources: [{kind: botocore}]}
  split: {kind: split, from: raw, folds: 3}
  clean: {kind: normalise, from: split.fold-NUMBER}
"""
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.replace("NUMBER", "2"))
    assert load_recipe(path, CLASSES).data["clean"].documents == "split.fold-2"  # type: ignore[attr-defined]
    path.write_text(recipe.replace("NUMBER", "3"))
    with pytest.raises(RecipeError, match=r"recipe.yaml:6: .*no part 'fold-3'"):
        load_recipe(path, CLASSES)


@pytest.mark.parametrize("fields", [{"folds": 1}, {"folds": 3, "test": 0.1}, {"folds": 3, "assign": "time"}])
def test_folds_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="folds"):
        SplitConfig.model_validate({"from": "clean", **fields})


def test_a_killed_balanced_split_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    documents = varied(tmp_path / "in", count=60)
    config = SplitConfig.model_validate({"from": "clean", "assign": "balance", "near_duplicates": {}})
    whole = MemoryJournal()
    split(config, documents, out=tmp_path / "whole", context=make_context(tmp_path / "a", whole))
    for kept in range(0, len(whole.lines) + 1, 4):
        place = tmp_path / f"killed-{kept}"
        journal = MemoryJournal()
        split(config, documents, out=place / "out", context=make_context(place, journal))
        del journal.lines[kept:]
        split(config, documents, out=place / "out", context=make_context(place, journal))
        assert payload_bytes(place / "out") == payload_bytes(tmp_path / "whole")


def test_documents_that_agree_in_several_fields_stay_together(tmp_path: Path) -> None:
    facts = [{"town": f"t{n % 7}", "food": f"f{n % 5}" if n % 3 else None} for n in range(300)]
    made = [Document(id=f"{n:03}", text="t", source="s", licence="MIT", meta=meta) for n, meta in enumerate(facts)]
    (tmp_path / "in").mkdir()
    write_shard(tmp_path / "in" / "part-00000.parquet", made)
    config = SplitConfig(documents="clean", by="town, food", test=0.3, validation=0.1)
    split(config, Documents(tmp_path / "in", ""), out=tmp_path / "out", context=make_context(tmp_path))
    parts = [
        {
            (document.meta["town"], document.meta["food"])
            for document in Documents(tmp_path / "out" / part, "").iterate()
        }
        for part in ("train", "validation", "test")
    ]
    assert (
        sum(map(len, parts)) == len({*parts[0], *parts[1], *parts[2]}) == len({(f["town"], f["food"]) for f in facts})
    )
    with pytest.raises(UsageError, match="no document has a field 'twon, street'"):
        config = SplitConfig(documents="clean", by="twon, street", test=1)
        split(config, Documents(tmp_path / "in", ""), out=tmp_path / "no", context=make_context(tmp_path))
