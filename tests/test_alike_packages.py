"""Code of packages that could be taken for another's: it never is, in keys and in what is built."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from lmworks.pipeline.build import Build, Environment
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.store import Store
from lmworks.recipe.schema import StepConfig
from packages import RECIPE, Site, faults, load, nodes

STEP = """\
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.shards.records import Documents
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig


class KindConfig(StepConfig):
    kind: Literal["KIND"] = "KIND"
    documents: Reference = Field(alias="from")


@stage(version=1, reads="documents")
def run(config: KindConfig, documents: Documents, out: Path, context: Context) -> Result:
    (out / "said.txt").write_text("KIND")
    return Result()
"""
TASK = """\
from pathlib import Path
from typing import Literal

from lmworks.data.tuning.conversations import Conversations
from lmworks.evaluate.questions import DrawnConfig
from lmworks.evaluate.tasks.task import Task
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Result, stage


class KindConfig(DrawnConfig):
    kind: Literal["KIND"] = "KIND"


@stage(version=1, measures=("model", "data"))
def score(config: KindConfig, model: ModelFolder, data: Conversations, out: Path, context: Context) -> Result:
    return Result()


TASK = Task(KindConfig, score)
"""


def packaged(site: Site, group: str, code: str, name: str, *kinds: str) -> None:
    """One package with a module a kind."""
    points = {kind: f"{name}.{kind}:{'TASK' if group == 'tasks' else 'run'}" for kind in kinds}
    site.install(name, {group: points}, "")
    (site.folder / f"{name}.py").unlink()
    (site.folder / name).mkdir()
    (site.folder / name / "__init__.py").touch()
    for kind in kinds:
        (site.folder / name / f"{kind}.py").write_text(code.replace("KIND", kind))


def build(folder: Path, text: str) -> dict[str, str]:
    """What each step that says something said."""
    made = list(nodes(folder, load(folder, text)).values())
    build = Build(Store(folder / ".lmworks"), made)
    said = {}
    for number, node in enumerate(made):
        artifact, _ = build.look(node)
        artifact = artifact or build.run(
            node, PlainDisplay(StringIO()), (number, len(made)), Environment(lambda: None, workers=1)
        )
        if (artifact.payload / "said.txt").exists():
            said[node.name] = (artifact.payload / "said.txt").read_text()
    return said


def test_two_steps_of_packages_whose_functions_have_one_name_make_their_own(site: Site, tmp_path: Path) -> None:
    packaged(site, "steps", STEP, "voices", "laut", "leise")
    text = RECIPE.replace("{kind: shout, from: raw}", "{kind: laut, from: raw}\n  soft: {kind: leise, from: raw}")
    assert build(tmp_path, text) == {"loud": "laut", "soft": "leise"}
    assert build(tmp_path, RECIPE.replace("kind: shout", "kind: leise")) == {"loud": "leise"}


def test_two_tasks_of_packages_whose_stages_have_one_name_have_keys_of_their_own(site: Site, tmp_path: Path) -> None:
    packaged(site, "tasks", TASK, "measures", "first", "second")
    from lmworks.evaluate.tasks import TASKS

    stages = [TASKS[kind].stage.name for kind in ("first", "second")]
    assert stages == ["measures.first.score", "measures.second.score"]


def test_one_stage_for_two_kinds_of_a_package_tells_them_apart(site: Site, tmp_path: Path) -> None:
    factory = STEP.replace("KIND", "laut").replace("KindConfig, documents", "StepConfig, documents")
    factory = factory.replace('write_text("laut")', "write_text(config.kind)") + (
        "\n\nimport dataclasses\n\n\n"
        'class SoftConfig(KindConfig):\n    kind: Literal["leise"] = "leise"\n\n\n'
        "loud, soft = (dataclasses.replace(run, config=config) for config in (KindConfig, SoftConfig))\n"
    )
    site.install("voices", {"steps": {"laut": "voices:loud", "leise": "voices:soft"}}, factory)
    text = RECIPE.replace("{kind: shout, from: raw}", "{kind: laut, from: raw}\n  soft: {kind: leise, from: raw}")
    assert build(tmp_path, text) == {"loud": "laut", "soft": "leise"}


def test_two_stages_never_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def ingest(config: StepConfig, out: Path, context: Context) -> Result:
        return Result()

    monkeypatch.setattr(ingest, "__module__", "lmworks.elsewhere")
    first = r"lmworks\.data\.reading\.ingest, line \d+, and"
    with pytest.raises(TypeError, match=f"two stages are called 'ingest': {first}"):
        stage(version=1)(ingest)


def test_stages_that_one_function_makes_are_refused(site: Site, tmp_path: Path) -> None:
    lines = STEP.replace("KIND", "laut").split("\n\n\n")
    body = "\n".join(f"    {line}" for line in lines[2].splitlines())
    code = "\n\n\n".join(lines[:2]) + f"\n\n\ndef make():\n{body}\n    return run\n\n\nrun, other = make(), make()\n"
    site.install("voices", {"steps": {"laut": "voices:run"}}, code)
    assert "two stages are called 'voices.make.locals.run'" in faults(tmp_path, RECIPE.replace("shout", "laut"))


def test_the_folder_of_a_stage_of_a_package_has_a_safe_name(site: Site, tmp_path: Path) -> None:
    packaged(site, "steps", STEP, "voices", "laut")
    build(tmp_path, RECIPE.replace("shout", "laut"))
    assert (tmp_path / ".lmworks" / "artifacts" / "voices.laut.run").is_dir()
