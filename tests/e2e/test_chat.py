"""The recipe for a documentation assistant, on a small made-up cloud and a stand-in for the published model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.answering import answers
from e2e.small_recipe import lmworks, make_services
from tiny import make_tiny_model

pytestmark = pytest.mark.whole
RECIPE = Path(__file__).parents[2] / "recipes" / "chat.yaml"
SMALL = {
    "{kind: botocore}": "{kind: botocore, path: services}",
    "test: 25, validation: 25": "test: 3, validation: 1",
    "[length, language, repetition]": "[length, repetition]",
    "path: ../.venv/lib": "path: site",
    "limit: 64": "limit: 8",
    # With a user's own files.
    "# - {kind: last-word, data: lambada}": "- {kind: last-word, data: lambada}",
    "# - {kind: multiple-choice, data: arc}": "- {kind: multiple-choice, data: arc}",
    "models:\n  tuned:": "".join(
        f"""
  {name}:
    kind: ingest
    sources: [{{kind: files, path: {name}, licence: MIT, fields: all}}]
    licences: {{allow: [permissive]}}"""
        for name in ("lambada", "arc")
    )
    + "\nmodels:\n  tuned:",
}
SETTINGS = (
    *("plan.measure=false", "tuned.steps=30", "tuned.learning_rate=0.05", "tuned.threads=1", "tuned.compile=false"),
    *("tuned.data_type=float32", "tuned.validation_rows=2"),
)
SENTENCE = "Which of the buckets holds what a user may read"


def test_a_tuned_base_is_set_beside_the_base_that_is_shown_answers(tmp_path: Path) -> None:
    make_services(tmp_path / "services")
    make_tiny_model(tmp_path / "smollm2-135m", context_length=2048)  # found beside the recipe before the package
    prose = tmp_path / "site" / "python3" / "site-packages" / "sklearn" / "datasets" / "descr"
    prose.mkdir(parents=True)
    for name in ("iris", "wine"):
        (prose / f"{name}.rst").write_text(
            f"The {name} data set\n\nIt holds what others have measured of each {name}.\n"
        )
    for name, records in {
        "lambada": [{"context": SENTENCE[:end], "continuation": "read"} for end in range(20, 40)],
        "arc": [{"query": SENTENCE[:end], "choices": ["a bucket", "no"], "gold": end % 2} for end in range(20, 40)],
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "all.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    recipe = RECIPE.read_text()
    for old, new in SMALL.items():
        assert old in recipe
        recipe = recipe.replace(old, new)
    (tmp_path / "chat.yaml").write_text(recipe)
    lmworks(tmp_path, "build", "chat.yaml", *(part for setting in SETTINGS for part in ("--set", setting)))

    def compared(task: str) -> dict[str, list[str]]:
        folder = Path(lmworks(tmp_path, "show", f"evaluate/{task}", "--path").stdout.strip())
        found: dict[str, list[str]] = json.loads((folder / "comparison.json").read_text())
        return found

    for task, baseline in (("documentation", "copy-nearest"), ("reverse-question", "shared-words")):
        labels = {label for pair in compared(f"{task}-questions-test")["pairs"] for label in (pair["a"], pair["b"])}
        both = {"smollm2-135m", "tuned"}
        assert labels == both | {f"{model}-5-shot-prompt" for model in both} | {baseline}
    lost = [line for task in ("last-word-lambada", "multiple-choice-arc") for line in compared(task).get("lost", [])]
    report = (tmp_path / ".lmworks" / "reports" / "chat.html").read_text()
    first = compared("multiple-choice-arc")["verdicts"][0]
    assert lost and all(line.startswith("tuned may have lost more than 2 points of what smollm2-135m") for line in lost)
    assert first.startswith("not shown to be better than chance: smollm2-135m"), (
        "what is lost of nothing comes behind that"
    )
    assert "tuned may have lost more than 2 points of what smollm2-135m can" in report
    assert len(answers(tmp_path, "tuned", ["What is a bucket?"])) == 1
