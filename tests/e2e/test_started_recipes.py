"""What `lmworks init` writes is built as it stands, and what it serves answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks
from start.test_start import ENOUGH, company, rows

pytestmark = pytest.mark.slow

FEW = "--set", "plan.measure=false"


@pytest.mark.parametrize(
    ("what", "task", "steps", "served"),
    [
        ("people", "classify", "tuned", "tuned"),
        ("spans", "extract", "extractor", "extractor"),
        ("pairs", "chat", "writer", "writer"),
        ("talks", "chat", "assistant", "assistant"),
        ("events", "write", "continued", "continued"),
    ],
)
def test_a_started_recipe_is_built_and_its_model_answers(
    what: str, task: str, steps: str, served: str, tmp_path: Path
) -> None:
    company(tmp_path / "own", what)
    means = {
        "use_case": "trying it",
        "task": task,
        "licence": "LicenseRef-own",
        **(ENOUGH if steps else {"budget_usd": 0}),
    }
    (tmp_path / "answers.yaml").write_text("".join(f"{name}: {value}\n" for name, value in means.items()))
    lmworks(tmp_path, "init", "own", "--answers", "answers.yaml")
    few = ["--set", f"{steps}.steps=4", "--set", f"{steps}.compile=false"] if steps else []
    done = lmworks(tmp_path, "build", "own/recipe.yaml", *FEW, *few, code=None)
    assert done.returncode in (0, 3), done.stderr  # 3: four steps beat nothing, and the gate says so
    rows(
        tmp_path / "asked",
        "a.jsonl",
        [{"text": "the pump in hall four leaks", "question": "what is 7 less one, teacher?"}],
    )
    field = "question" if what == "pairs" else "text"
    lmworks(tmp_path, "predict", served, "asked/a.jsonl", "--text", field, "--max-tokens", "8")
    (answered,) = (json.loads(line) for line in (tmp_path / "asked" / "a.predicted.jsonl").read_text().splitlines())
    assert answered
