"""What an earlier build made lies in the next under a second name of the same file."""

from __future__ import annotations

from pathlib import Path

from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.units import link


def test_a_file_is_replaced_under_one_of_its_names_and_stays_under_the_other(tmp_path: Path) -> None:
    write_atomically(tmp_path / "earlier" / "part", "old")
    link(tmp_path / "earlier" / "part", tmp_path / "later" / "part")
    assert (tmp_path / "earlier" / "part").samefile(tmp_path / "later" / "part")
    write_atomically(tmp_path / "later" / "part", "new")
    assert (tmp_path / "earlier" / "part").read_text() == "old"


def test_a_file_that_is_deleted_under_one_name_stays_under_the_other(tmp_path: Path) -> None:
    write_atomically(tmp_path / "earlier" / "part", "old")
    link(tmp_path / "earlier" / "part", tmp_path / "later" / "part")
    (tmp_path / "earlier" / "part").unlink()
    assert (tmp_path / "later" / "part").read_text() == "old"
