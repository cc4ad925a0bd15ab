from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.data.tuning.tell import TellConfig, tell
from lmworks.errors import LmworksError
from support import make_context


def make(folder: Path) -> Documents:
    rows = [{"part": "pump", "bar": "2.5"}, {"part": "", "bar": "3"}, {"part": "valve", "bar": "0", "note": "{part}"}]
    found = [Document.of_row(row, id=f"{n}", source="s", licence="MIT") for n, row in enumerate(rows)]
    write_shard(folder / "part-00000.parquet", found)
    write_ids(folder, [each.id for each in found])
    return Documents(folder, "d")


def test_a_row_is_told_in_the_words_of_the_template_and_one_that_lacks_a_field_is_counted(tmp_path: Path) -> None:
    config = TellConfig(documents="x", template="The {part} showed {bar} bar.")
    result = tell(config, make(tmp_path / "in"), tmp_path / "out", make_context(tmp_path))
    told = {each.id: each.text for each in Documents(tmp_path / "out", "").iterate()}
    assert told == {"0": "The pump showed 2.5 bar.", "2": "The valve showed 0 bar."}
    assert (result.counts["documents"], result.counts["lacks a field of the template"]) == (2, 1)


def test_a_template_that_no_row_fills_is_an_error(tmp_path: Path) -> None:
    config = TellConfig(documents="x", template="{parts}")
    with pytest.raises(LmworksError, match="no row has all the fields"):
        tell(config, make(tmp_path / "in"), tmp_path / "out", make_context(tmp_path))


def test_a_template_reaches_no_further_than_the_row(tmp_path: Path) -> None:
    config = TellConfig(documents="x", template="{part.__class__}")
    with pytest.raises(LmworksError, match="no row has all the fields"):
        tell(config, make(tmp_path / "in"), tmp_path / "out", make_context(tmp_path))
