from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.data.tuning.label import LabelConfig, label
from lmworks.errors import LmworksError
from support import make_context


def make(folder: Path) -> Documents:
    found = [
        Document(id=f"{n}", text="t", source="s", licence="MIT", meta={"folder": name})
        for n, name in enumerate(["s3", "ebs", "ec2", "other"])
    ]
    write_shard(folder / "part-00000.parquet", found)
    write_ids(folder, [each.id for each in found])
    return Documents(folder, "d")


def test_each_document_gets_the_label_of_its_value_and_others_are_dropped(tmp_path: Path) -> None:
    config = LabelConfig(documents="x", by="folder", labels={"storage": ["s3", "ebs"], "compute": ["ec2"]})
    result = label(config, make(tmp_path / "in"), tmp_path / "out", make_context(tmp_path))
    found = {each.meta["folder"]: each.meta["label"] for each in Documents(tmp_path / "out", "").iterate()}
    assert found == {"s3": "storage", "ebs": "storage", "ec2": "compute"}
    assert (result.counts["no label"], result.counts["label storage"], result.counts["documents"]) == (1, 2, 3)


def test_a_label_that_no_document_has_is_an_error(tmp_path: Path) -> None:
    config = LabelConfig(documents="x", by="folder", labels={"storage": ["s3"], "media": ["ivs"]})
    with pytest.raises(LmworksError, match="no document is media"):
        label(config, make(tmp_path / "in"), tmp_path / "out", make_context(tmp_path))


def test_a_value_with_two_labels_is_refused() -> None:
    with pytest.raises(ValidationError, match="s3: listed twice"):
        LabelConfig(documents="x", by="folder", labels={"storage": ["s3"], "media": ["s3"]})
