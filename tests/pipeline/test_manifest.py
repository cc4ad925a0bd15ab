"""Manifests and roles: what stands on disk, what old stores lack, and what a stage must tell."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmworks.errors import LmworksError
from lmworks.pipeline.manifest import FORMAT, read_manifest, write_manifest
from lmworks.pipeline.stage import Context, Handle, Result, Role, stage
from lmworks.recipe.schema import StepConfig
from support import make_manifest

RECORD = {"step": "raw", "stage": "ingest", "key": "a", "digest": "b"}


@stage(version=1, reads="texts", judges="rules")
def toy(config: StepConfig, texts: Handle, rules: list[Handle], out: Path, context: Context) -> Result:
    return Result()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    inputs = {"texts": [{**RECORD, "part": "train", "role": "reads"}]}
    figure = {"name": "loss", "value": 2, "n": 3, "method": "counted", "interval": (1, 3)}
    run = {"started": 1, "seconds": 2, "measured": {"steps": 3, "rate": 0.5}, "predicted": {"seconds": [1, 2]}}
    manifest = make_manifest(
        inputs=inputs, files={"a/b.txt": {"sha256": "c", "bytes": 4}}, figures=[figure], run=run, config={"none": None}
    )
    write_manifest(tmp_path / "manifest.json", manifest)
    assert read_manifest(tmp_path / "manifest.json") == manifest
    assert manifest.figures[0].interval == (1, 3)
    written = json.loads((tmp_path / "manifest.json").read_text())
    assert written.pop("seal") and written == manifest.as_json()


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _leaves(each, (*path, key))
    if not isinstance(value, (dict, list)):
        yield path


def test_a_manifest_of_which_any_field_was_changed_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    figure = {"name": "loss", "value": 2, "n": 3, "method": "counted", "interval": (1, 3), "contamination": "none"}
    run = {"started": 1, "seconds": 2, "measured": {"steps": 3, "rate": 0.5}}
    inputs = {"texts": [{**RECORD, "part": "train", "role": "reads"}]}
    files = {"a/b.txt": {"sha256": "c", "bytes": 4}}
    write_manifest(path, make_manifest(inputs=inputs, figures=[figure], run=run, files=files, counts={"rows": 7}))
    written = path.read_text()
    leaves = list(_leaves(json.loads(written)))
    assert len(leaves) > 20 and ("figures", 0, "interval", 1) in leaves
    for leaf in leaves:
        changed = json.loads(written)
        place = functools.reduce(operator.getitem, leaf[:-1], changed)
        value = place[leaf[-1]]
        place[leaf[-1]] = value + 1 if isinstance(value, (int, float)) else f"{value or ''}x"
        path.write_text(json.dumps(changed))
        with pytest.raises(LmworksError, match=r"manifest\.json.*build again"):
            read_manifest(path)
    path.write_text(json.dumps(json.loads(written), indent=3))
    assert read_manifest(path).is_sealed, "how it is laid out says nothing"
    unsealed = json.loads(written)
    del unsealed["seal"]
    path.write_text(json.dumps(unsealed))
    assert not read_manifest(path).is_sealed, "earlier versions wrote none"


def test_nothing_that_is_no_number_is_written(tmp_path: Path) -> None:
    manifest = make_manifest(run={"started": 1, "seconds": 2, "measured": {"rate": float("nan")}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_manifest(tmp_path / "manifest.json", manifest)


def test_roles_that_an_old_manifest_lacks_are_those_that_its_stage_declares(tmp_path: Path) -> None:
    for name, called in (("toy", toy.name), ("gone", "gone")):
        written = make_manifest(stage=called, inputs={"texts": [RECORD], "rules": [RECORD], "left": [RECORD]}).as_json()
        del written["format"]
        (tmp_path / name).write_text(json.dumps(written))
    roles = {name: record.role for name, record in read_manifest(tmp_path / "toy").records()}
    assert roles == {"texts": Role.READS, "rules": Role.JUDGES, "left": None}
    assert {record.role for _, record in read_manifest(tmp_path / "gone").records()} == {None}


def test_a_manifest_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    written = make_manifest().as_json()
    path.write_text(json.dumps({**written, "format": FORMAT + 1}))
    with pytest.raises(LmworksError, match=r"has format 3, but this lmworks reads up to 2. Install the newer"):
        read_manifest(path)
    del written["files"]
    path.write_text(json.dumps(written))
    with pytest.raises(LmworksError, match=r"manifest.json.*files: Field required.*Delete its folder and build again"):
        read_manifest(path)
    path.write_text(json.dumps(written)[:40])
    with pytest.raises(LmworksError, match="cut short"):
        read_manifest(path)


def test_seeds_are_found_wherever_they_stand_in_a_config() -> None:
    config = {"seed": 1, "candidates": [{"kind": "a"}, {"seed": 2}], "deep": {"seed": 3, "seeds": 4}}
    assert make_manifest(config=config).seeds == {"seed": 1, "candidates.1.seed": 2, "deep.seed": 3}


@pytest.mark.parametrize(
    "roles", [{}, {"reads": "texts", "judges": "texts"}, {"reads": ("texts", "other")}, {"reads": "text"}]
)
def test_a_stage_tells_one_role_of_each_input(roles: dict[str, str]) -> None:
    def forgetful(config: StepConfig, texts: Handle, out: Path, context: Context) -> Result:
        return Result()

    with pytest.raises(TypeError, match=r"the inputs are texts, but roles are stated for .*reads, trains_on"):
        stage(version=1, **roles)(forgetful)
