"""Packages that end, lack or have lost something: told by name by every command that meets them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.build import Build, Environment, Node
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.record import BuildRecord, KeyParts, StepRecord
from lmworks.pipeline.store import Store
from lmworks.reference.facts import faults as all_faults
from lmworks.reference.facts import find, kinds
from lmworks.train.objectives import OBJECTIVES
from lmworks.workspace import open_workspace
from packages import RECIPE, STEP, Site, faults, load, nodes

OBJECTIVE = """\
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lmworks.recipe.schema import Effect
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.configs.train import TrainConfig


class Later(CausalLMConfig):
    objective: Annotated[Literal["later"], Effect.KEY | Effect.KIND] = "later"
"""
SOURCE = """\
from typing import Literal

from lmworks.data.sources.source import SourceConfig


class Shelf(SourceConfig):
    kind: Literal["shelf"]
"""


def test_a_package_that_ends_the_program_is_named(site: Site, tmp_path: Path) -> None:
    site.install("broken", {"steps": {"shout": "broken:shout"}}, "import sys\n\nsys.exit('no licence')", "2.1")
    said = "the kind 'shout' of broken 2.1 cannot be loaded from broken:shout: SystemExit: no licence"
    assert said in faults(tmp_path)
    assert [fault for fault in all_faults() if said in fault]
    assert "ingest" in {kind.name for kind in kinds()}


@pytest.mark.parametrize(
    ("points", "code", "reason"),
    [
        (
            {"objectives": {"later": "broken:Later"}},
            OBJECTIVE + "    shift: int = 1\n",
            "Later.shift: declare its effect, as in Annotated[int, Effect.KEY]",
        ),
        (
            {"objectives": {"later": "broken:Later"}},
            OBJECTIVE.replace("(CausalLMConfig)", "(TrainConfig)"),
            'Later: expected `implementation: ClassVar[str] = "module:name"`, found None',
        ),
        (
            {"objectives": {"later": "broken:Later"}},
            OBJECTIVE + '    implementation: ClassVar[str] = "broken_training:Later"\n',
            "Later.implementation: no module 'broken_training'",
        ),
        ({"sources": {"shelf": "broken:Shelf"}}, SOURCE, "Shelf: define "),
    ],
)
def test_a_class_that_lacks_something_is_a_fault_of_its_package(
    site: Site, points: dict[str, dict[str, str]], code: str, reason: str
) -> None:
    site.install("broken", points, code, "2.1")
    (told,) = (fault for fault in all_faults() if "broken 2.1" in fault)
    assert reason in told
    list(kinds())
    kind = "later" if "objectives" in points else "shelf"
    with pytest.raises(UsageError, match=r"of broken 2\.1 cannot be loaded"):
        find(kind)


def test_a_sound_objective_is_none(site: Site) -> None:
    site.install("sound", {"objectives": {"later": "sound:Later"}}, OBJECTIVE)
    assert OBJECTIVES["later"].__name__ == "Later"


def test_what_a_step_of_a_package_raises_is_told_with_package_and_place(site: Site, tmp_path: Path) -> None:
    code = STEP.replace("    return Result()", "    return Result(counts={}['none'])")
    site.install("broken", {"steps": {"shout": "broken:shout"}}, code, "2.1")
    (node,) = (each for name, each in nodes(tmp_path, load(tmp_path)).items() if name == "loud")
    alone = Node("loud", node.stage, node.config, {"documents": "raw"}, plugins=node.plugins)
    state = Build(Store(tmp_path / ".lmworks"), [])
    environment = Environment(lambda: None, workers=1)
    state.run(nodes(tmp_path, load(tmp_path))["raw"], PlainDisplay(StringIO()), (1, 2), environment)
    with pytest.raises(
        LmworksError, match=r"^step 'loud', by broken 2\.1: KeyError: 'none' \(.*broken\.py, line \d+\)"
    ):
        state.run(alone, PlainDisplay(StringIO()), (2, 2), environment)


def test_a_package_that_is_gone_is_named_by_what_it_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    parts = KeyParts(stage="shouting.shout", version=1, config={}, inputs={}, plugins={"shouting": "1.2"})
    record = BuildRecord(recipe="../recipe.yaml", steps={"loud": StepRecord.of(parts)})
    Store(tmp_path / ".lmworks").builds.save("added", record)
    with pytest.raises(UsageError, match=r"no kind 'shout'.*\n.*'loud' .* shouting 1\.2, which is not installed"):
        open_workspace(tmp_path / "recipe.yaml")


def test_packages_below_one_namespace_are_told_apart(site: Site, tmp_path: Path) -> None:
    for name in ("shout", "yell"):
        site.install(f"acme-{name}", {"steps": {name: f"acme.{name}.step:{name}"}})
        (site.folder / "acme" / name).mkdir(parents=True)
        for file, code in (("__init__", ""), ("step", STEP.replace("shout", name))):
            (site.folder / "acme" / name / f"{file}.py").write_text(code)
    text = RECIPE + "  more: {kind: yell, from: raw}\n"
    made = nodes(tmp_path, load(tmp_path, text))
    assert [str(plugin) for plugin in made["loud"].plugins] == ["acme-shout 1.0"]
    assert [str(plugin) for plugin in made["more"].plugins] == ["acme-yell 1.0"]
