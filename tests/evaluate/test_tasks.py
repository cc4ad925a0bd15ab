"""What the graph relies on."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from operator import itemgetter

import pytest

from lmworks.evaluate.items import draw_evenly
from lmworks.evaluate.questions import draw
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.tasks.checked import ExactAnswerConfig
from lmworks.recipe.references import references

RULES = [{"kind": "length", "most": 9}]


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_says_its_kind_and_its_stages_take_what_its_config_names(kind: str) -> None:
    task = TASKS[kind]
    needed = [name for name, field in task.config.model_fields.items() if field.is_required()]
    config = task.config(**{name: RULES if name == "rules" else "x" for name in needed})
    assert config.kind == kind  # type: ignore[attr-defined]
    named = [name for name, _ in references(config)]
    assert named[:2] == ["data", "train"] and list(task.stage.inputs)[:2] == ["model", "data"]
    for stage in (task.stage, *task.baselines.values()):
        assert stage.inputs.keys() <= {"model", *named, "contamination"}
        assert stage.inputs["contamination"].optional and not stage.inputs["data"].optional
    assert "train" not in task.stage.inputs or task.stage.inputs["train"].optional
    assert len({stage.name for stage in (task.stage, *task.baselines.values())}) == 1 + len(task.baselines)


def test_configs_and_stages_are_there_without_heavy_libraries() -> None:
    code = "import sys, lmworks.evaluate.tasks, lmworks.evaluate.compare; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "pyarrow", "tokenizers"} & set(loaded)


def test_every_group_gives_as_many_questions_as_it_can() -> None:
    records = [*(("large", number) for number in range(50)), *(("small", number) for number in range(3)), ("one", 0)]
    drawn = draw_evenly(records, itemgetter(0), 10)
    assert Counter(name for name, _ in drawn) == {"large": 6, "small": 3, "one": 1}
    assert set(draw_evenly(records, itemgetter(0), 7)) < set(drawn), "a larger sample holds the smaller one"
    assert len(draw_evenly(records, itemgetter(0), None)) == 54


def test_a_sample_asks_each_service_as_many_questions_as_the_others() -> None:
    questions = [{"id": f"{name}{number}", "service": name} for name in ("a", "b") for number in range(40)]
    questions += [{"id": f"c{number}", "service": "c"} for number in range(4)]
    config = ExactAnswerConfig(kind="exact-answer", data="data", limit=24)
    asked, how = draw(questions, config)
    assert Counter(record["cluster"] for record in asked) == {"a": 10, "b": 10, "c": 4}
    assert how == "24 of 84 questions, seed 0"
