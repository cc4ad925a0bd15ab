"""Splitting by whole groups."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.documents import Document, Documents, write_shard
from lmworks.data.sources.botocore import Botocore
from lmworks.data.split import SplitConfig, assign, split
from lmworks.errors import UsageError
from support import make_context


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


def test_shares_and_ids(tmp_path: Path) -> None:
    documents = grouped(tmp_path / "in", groups=20, each=1)
    config = SplitConfig(documents="clean", test=0.1, validation=0.01)
    result = split(config, documents, out=tmp_path / "out", context=make_context(tmp_path))
    assert [result.counts[f"{part} documents"] for part in ("test", "validation", "train")] == [2, 1, 17]


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
    listing = json.loads((resources.files("lmworks.data.sources") / "botocore.json").read_text())
    source = Botocore(kind="botocore")
    assert listing["version"] == source.version
    services = {path.split("/")[0] for path in source.paths()}
    parts = assign(services, SplitConfig(documents="clean", by="folder", test=25, validation=25))
    for part in ("test", "validation"):
        assert listing[part] == sorted(name for name in parts if parts[name] == part)
