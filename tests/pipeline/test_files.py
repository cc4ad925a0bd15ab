"""What is written stands there whole and on disk, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lmworks.data.shards.records import write_json_lines
from lmworks.pipeline.files import atomically, write_atomically
from lmworks.pipeline.store import Store
from support import make_manifest


def pieces() -> Iterator[bytes]:
    yield b"half of "
    raise OSError("no space left on device")


def write_pieces(path: Path) -> None:
    write_atomically(path, pieces())


def write_records(path: Path) -> None:
    write_json_lines(path, ({"number": 1 // number} for number in (1, 0)))


def write_folder(path: Path) -> None:
    with atomically(path) as unfinished:
        unfinished.mkdir()
        (unfinished / "weights").write_bytes(b"half of ")
        raise OSError("no space left on device")


@pytest.mark.parametrize("write", [write_pieces, write_records, write_folder])
def test_what_fails_in_the_midst_leaves_what_was_there_and_nothing_else(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "told").write_text("before")
    with pytest.raises((OSError, ZeroDivisionError)):
        write(tmp_path / "told")
    assert [path.name for path in tmp_path.iterdir()] == ["told"]
    assert (tmp_path / "told").read_text() == "before"


def test_what_is_written_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        synced.append((name, (tmp_path / "new" / "told").exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(tmp_path / "new" / "told", "in full: é")
    assert (tmp_path / "new" / "told").read_bytes() == "in full: é".encode()
    (first, was_named), (last, is_named) = synced
    assert first.startswith(".told.") and not was_named
    assert (last, is_named) == ("new", True)


def test_a_folder_takes_its_place_with_all_that_is_in_it(tmp_path: Path) -> None:
    with atomically(tmp_path / "model") as unfinished:
        (unfinished / "deep").mkdir(parents=True)
        (unfinished / "deep" / "weights").write_bytes(b"w")
        assert not (tmp_path / "model").exists()
    assert (tmp_path / "model" / "deep" / "weights").read_bytes() == b"w"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_artifact_whose_replacement_fails_is_no_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, manifest = Store(tmp_path / "store"), make_manifest(step="made", stage="stage", key="key")

    def made(text: str) -> Path:
        out = store.work("key") / "out"
        out.mkdir()
        (out / "text").write_text(text)
        return out

    assert (store.publish(made("first"), manifest).payload / "text").read_text() == "first"
    real = Path.replace

    def replace(self: Path, target: Any) -> Path:
        if Path(target).name == "payload":
            raise OSError("killed here")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="killed here"):
        store.publish(made("second"), manifest)
    assert store.find("stage", "key") is None, "its payload is gone: nobody may take it for finished"
    monkeypatch.undo()
    store.publish(store.work("key") / "out", manifest)
    found = store.find("stage", "key")
    assert found and (found.payload / "text").read_text() == "second"
    assert found.manifest == manifest
