"""What `lmworks init` writes is built as it stands, and what it serves answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks
from lmworks.data.shards.records import Document, Documents
from lmworks.data.tuning.conversations import Conversations
from start.test_start import ENOUGH, company, rows

pytestmark = pytest.mark.whole


def init(what: str, task: str, folder: Path) -> None:
    company(folder / "own", what)
    means = {"use_case": "trying it", "task": task, "licence": "LicenseRef-own", **ENOUGH}
    (folder / "answers.yaml").write_text("".join(f"{name}: {value}\n" for name, value in means.items()))
    lmworks(folder, "init", "own", "--answers", "answers.yaml")


@pytest.mark.parametrize(
    ("what", "task", "tuned", "otherwise"),
    [
        ("people", "classify", "tuned", "words"),
        pytest.param("spans", "extract", "extractor", "looked-up", marks=pytest.mark.slow),
    ],
)
def test_a_started_recipe_is_built_and_its_model_answers(
    what: str, task: str, tuned: str, otherwise: str, tmp_path: Path
) -> None:
    init(what, task, tmp_path)
    few = ["plan.measure=false", f"{tuned}.steps=4", f"{tuned}.compile=false"]
    done = lmworks(tmp_path, "build", "own/recipe.yaml", *(part for each in few for part in ("--set", each)))
    refused = f"{otherwise} is served in place of {tuned}: " in done.stdout  # four steps seldom beat what is simple
    assert refused == (f"Gate failed by {tuned} " in done.stdout)
    rows(tmp_path / "asked", "a.jsonl", [{"text": "the pump in hall four leaks"}])
    done = lmworks(tmp_path, "predict", "own/recipe.yaml", "asked/a.jsonl")
    (answered,) = (json.loads(line) for line in (tmp_path / "asked" / "a.predicted.jsonl").read_text().splitlines())
    assert answered


@pytest.mark.parametrize(
    ("what", "task", "step", "makes"),
    [
        ("pairs", "chat", "test", ("less one, teacher?", ", pupil")),
        ("talks", "chat", "test", ("where is hall", "on the left")),
        ("events", "write", "told", ("part: ", "; bar: ")),
    ],
)
def test_the_data_of_a_started_recipe_say_what_the_files_say(
    what: str, task: str, step: str, makes: tuple[str, ...], tmp_path: Path
) -> None:
    init(what, task, tmp_path)
    lmworks(tmp_path, "build", "own/recipe.yaml", "--until", step, "--set", "plan.measure=false")
    shown = Path(lmworks(tmp_path, "show", step, "--path").stdout.strip())
    made = Documents(shown, "") if step == "told" else Conversations(shown, "")
    told = [each.text if isinstance(each, Document) else json.dumps(each) for each in made.iterate()]
    assert told and all(words in row for row in told for words in makes)
