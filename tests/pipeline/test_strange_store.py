"""A store that a stranger filled: nothing outside of it is written, moved or deleted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lmworks.errors import LmworksError
from lmworks.pipeline.build import Build, Environment, Node
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.lineage import remove, unused
from lmworks.pipeline.manifest import InputRecord
from lmworks.pipeline.record import BuildRecord, KeyParts, StepRecord
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.store import Store
from lmworks.recipe.schema import StepConfig
from support import make_manifest


class NoteConfig(StepConfig):
    kind: str = "note"


@stage(version=1)
def note(config: NoteConfig, out: Path, context: Context) -> Result:
    if not context.journal.records():
        context.journal.append({"finished": "note.txt"})
        (out / "note.txt").write_text("a note")
    return Result()


class Silent:
    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...


def build(folder: Path) -> Build:
    state, node = Build(Store(folder), [Node("note", note, NoteConfig())]), Node("note", note, NoteConfig())
    state.run(node, PlainDisplay(Silent()), (1, 1), Environment(lambda: None, 1))  # type: ignore[arg-type]
    return state


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder outside of the store, with what must stay as it is."""
    folder = tmp_path / "mine"
    (folder / "app" / "payload").mkdir(parents=True)
    for name in ("manifest.json", "app/manifest.json", "app/payload/photo"):
        (folder / name).write_text("mine")
    return folder


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    build(tmp_path / "store")
    return tmp_path / "store"


def key_of(store: Path) -> str:
    (artifact,) = Store(store).all()
    return artifact.key


PLACES = ["lock", "reports", "studies", "work/KEY", "work/KEY/step", "work/KEY/lock", "work/KEY/progress.jsonl"]
PLACES += ["work/KEY/out", "work/KEY/scratch/deep/file", "artifacts/evil", "artifacts/note/evil", "artifacts", "builds"]
PLACES += ["artifacts/note/KEY/payload", "artifacts/note/KEY/manifest.json", "builds/last", "reports/page.html"]


@pytest.mark.parametrize("place", PLACES)
def test_a_link_out_of_the_store_is_refused_when_it_is_opened(store: Path, mine: Path, place: str) -> None:
    link, before = store / place.replace("KEY", key_of(store)), content(mine)
    if link.is_dir():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(mine if "." not in link.name else mine / "manifest.json")
    with pytest.raises(LmworksError) as told:
        for waste in unused(build(store).store):
            remove(waste)
    assert f"{link}: a link that leads out of the store" in str(told.value)
    assert content(mine) == before


def test_a_link_to_what_is_not_there_yet_is_refused(store: Path, tmp_path: Path) -> None:
    (store / "lock").unlink(missing_ok=True)
    (store / "lock").symlink_to(tmp_path / "made")
    with pytest.raises(LmworksError, match="a link that leads out of the store"), Store(store).in_use(print):
        pass
    assert not (tmp_path / "made").exists()


def test_a_store_may_be_a_link_and_hold_links_to_itself(store: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(store)
    (store / "work" / "latest").symlink_to("../artifacts")
    assert list(Store(tmp_path / "elsewhere").all())
    assert list(Store(store).all())


def unfinished(store: Path, **changed: Any) -> None:
    """Leave the work of a step as a crash between its end and its publication does."""
    (artifact,) = Store(store).all()
    work = store / "work" / artifact.key
    shutil.move(artifact.payload, work / "out")
    manifest = json.loads((artifact.folder / "manifest.json").read_text()) | changed
    (work / "result.json").write_text(json.dumps(manifest))
    shutil.rmtree(artifact.folder)


def test_what_a_crash_left_unpublished_is_published(store: Path) -> None:
    unfinished(store)
    assert content(build(store).artifacts["note"].payload)["note.txt"] == "a note"


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": "../../../mine", "key": "app"},
        {"stage": "..", "key": ".."},
        {"stage": "test_strange_store", "key": "0" * 32},
        {"files": {"../../../../../mine/app/payload/photo": {"sha256": "", "bytes": 4}}},
    ],
)
def test_a_result_that_tells_of_another_place_is_refused(store: Path, mine: Path, changed: dict[str, Any]) -> None:
    before = content(mine)
    unfinished(store, **changed)
    with pytest.raises(LmworksError, match=r"result\.json: .*[Dd]elete its folder and build again"):
        build(store)
    assert content(mine) == before


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../x", "/x", "x\0y"])
def test_names_that_are_read_are_names_of_one_folder(name: str) -> None:
    parts = KeyParts(stage="note", version=1, config={}, inputs={})
    with pytest.raises(ValidationError, match="name of one folder"):
        StepRecord(stage="note", key=name, parts=parts)
    with pytest.raises(ValidationError, match="name of one folder"):
        InputRecord(step="raw", stage=name, key="0" * 32, digest="")
    with pytest.raises(ValidationError, match="name of one folder"):
        make_manifest(step="raw", stage="note", key=name)


@pytest.mark.parametrize("name", ["..", "../x", "/x", "x/../../y"])
def test_names_of_steps_and_builds_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    step = StepRecord.of(KeyParts(stage="note", version=1, config={}, inputs={}))
    with pytest.raises(ValidationError, match="leads out"):
        BuildRecord(recipe="../r.yaml", steps={name: step})
    with pytest.raises(ValidationError, match="leads out"):
        InputRecord(step=name, stage="note", key="0" * 32, digest="")
    store = Store(tmp_path / "store")
    (store.root / "builds" / "last").write_text(name)
    with pytest.raises(LmworksError, match=r"last: .* names no build"):
        _ = store.builds.last
