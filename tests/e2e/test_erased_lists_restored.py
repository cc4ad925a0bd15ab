"""Lists of what was erased, or a store, that come back from a backup made before an erasure."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from data.data_support import KEY
from e2e.erasing import build, said
from e2e.test_erasure_beside_a_build import Silent
from lmworks.cli.artifacts import export
from lmworks.cli.recipes import status
from lmworks.data.shards.records import Documents
from lmworks.errors import GateRefused, LmworksError
from lmworks.pipeline.store import Artifact, Store
from lmworks.release import serving
from lmworks.workspace import open_workspace, run

pytestmark = pytest.mark.slow

MAIL = "jane@example.org"
ROWS = [
    {"text": f"Write to {MAIL} about the ladder in the garden", "patient": ""},
    {"text": "A letter of somebody else on chairs and on tables", "patient": ""},
]
LISTS = ("erased-documents.txt", "erased-values.txt")


class Told(Silent):
    """A display that keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = list[str]()

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of which a backup was made before an erasure."""
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    build(project, ROWS)
    shutil.copytree(project, tmp_path / "backup")
    said(MAIL, apply=True)
    return project


def again(folder: Path, store: Path | None = None) -> list[str]:
    """Build, and what is said of it."""
    told = Told()
    run(open_workspace(folder / "recipe.yaml", store=store), told, workers=1)
    return told.lines


def texts(folder: Path) -> list[str]:
    """Of the last build's first step."""
    raw = Store(folder / ".lmworks").named("raw")
    return [each.text for each in Documents(raw.payload, "").iterate()]


def restore(folder: Path, *names: str) -> None:
    """As the backup has them: it has no lists."""
    for name in names:
        (folder / name).unlink()


@pytest.mark.parametrize("names", [LISTS, LISTS[:1], LISTS[1:]])
@pytest.mark.parametrize("is_built", [True, False])
def test_a_list_that_lost_entries_stops_builds_until_they_are_back(
    folder: Path, names: tuple[str, ...], is_built: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if is_built:
        again(folder)
    restore(folder, *names)
    with pytest.raises(GateRefused, match=r"lacks \d+ .*erased") as stopped:
        again(folder)
    message = str(stopped.value)
    assert all(name in message for name in names) and MAIL not in message
    status(as_json=True)
    assert message in capsys.readouterr().err
    for command in (line.strip() for line in message.splitlines() if line.startswith("  cat ")):
        subprocess.run(command, shell=True, check=True)
    again(folder)
    assert texts(folder) == [ROWS[1]["text"]]


def test_a_list_may_lose_entries_on_purpose(folder: Path) -> None:
    for name in LISTS:
        path = folder / name
        path.write_text("".join(f"# {line}\n" for line in path.read_text().splitlines()))
    again(folder)
    assert len(texts(folder)) == 2
    other = "somebody else"
    said(other, apply=True)
    again(folder)
    assert texts(folder) == [ROWS[0]["text"]], "what was taken back stays so after another erasure"


def test_the_lists_of_a_build_are_known_to_a_store_that_nothing_was_erased_from(folder: Path) -> None:
    elsewhere = folder.parent / "another-store"
    again(folder, elsewhere)
    assert not (elsewhere / "erased.txt").exists()
    restore(folder, *LISTS)
    with pytest.raises(GateRefused, match="lacks"):
        again(folder, elsewhere)


def test_a_project_with_another_key_is_told_what_was_erased(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore(folder, *LISTS)
    monkeypatch.setenv("LMWORKS_ID_KEY", "another key, of another project")
    (told,) = [line for line in again(folder) if "WARNING: 1 documents were erased" in line]
    assert "with another key of ids" in told


def test_a_store_restored_from_before_an_erasure_is_told_and_neither_served_nor_exported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(folder / ".lmworks")
    shutil.copytree(folder.parent / "backup" / ".lmworks", folder / ".lmworks")
    store = Store(folder / ".lmworks")
    served = store.named("private")
    monkeypatch.setattr(serving, "is_model", lambda artifact: True)
    with pytest.raises(GateRefused, match="erased"):
        serving.serve_artifacts(store, [served], port=0, as_json=False)
    for form in ("gguf", "onnx"):
        with pytest.raises(GateRefused, match="erased"):
            export(["private"], form)
    assert not [*folder.glob("private*")]
    lines = again(folder)
    (told,) = [line for line in lines if "erased-documents.txt names" in line]
    assert "2 outputs" in told and "lmworks erase" in told
    assert texts(folder) == [ROWS[1]["text"]]
    command = told.partition("`lmworks erase ")[2].partition("--apply")[0]
    ids = subprocess.run(f"echo {command}", shell=True, check=True, capture_output=True, text=True).stdout.split()
    said(*ids, apply=True)
    assert not served.folder.joinpath("manifest.json").exists()
    assert not any("erased-documents.txt names" in line for line in again(folder))


def test_what_is_served_may_have_nothing_to_do_with_what_was_erased(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(folder)
    monkeypatch.setattr(serving, "is_model", lambda artifact: True)

    def reached(artifact: Artifact) -> None:
        raise LmworksError("asked further")

    monkeypatch.setattr(Artifact, "require_sound", reached)
    with pytest.raises(LmworksError, match="asked further"):
        store = Store(folder / ".lmworks")
        serving.serve_artifacts(store, [store.named("private")], port=0, as_json=False)
