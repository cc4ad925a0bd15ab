"""A card of every kind of model: what it says in its head is so, each sentence has evidence, and its code runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from card_reader import code_of, read_card
from every_kind import make_project
from huggingface_hub import ModelCardData

from e2e.small_recipe import lmworks, start
from e2e.small_recipe import make_project as make_small_project
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.cards.card import card_text

pytestmark = pytest.mark.slow
KINDS: dict[str, tuple[str, str, str | None]] = {
    "pretrain": ("text-generation", "transformers", None),
    "chatting": ("text-generation", "transformers", None),
    "base": ("text-generation", "transformers", None),
    "gpt2": ("text-generation", "transformers", None),
    "tuned": ("text-generation", "transformers", "finetune"),
    "adapted": ("text-generation", "transformers", "finetune"),
    "reward": ("text-classification", "transformers", None),
    "taken-sorter": ("text-classification", "transformers", None),
    "taken-tagger": ("token-classification", "transformers", None),
    "encoder": ("feature-extraction", "transformers", None),
    "sorter": ("text-classification", "transformers", None),
    "decoding-sorter": ("text-classification", "transformers", "finetune"),
    "tagger": ("token-classification", "transformers", None),
    "translate": ("text2text-generation", "transformers", None),
    "t5": ("text2text-generation", "transformers", None),
    "words": ("text-classification", "lmworks", None),
    "named": ("token-classification", "lmworks", None),
}
"""Model → pipeline, library, and relation to a base."""
IMPORTED = ("base", "gpt2", "taken-sorter", "taken-tagger", "t5")
COUNTED = ("words", "named")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("kinds"))
    lmworks(folder, "build", "recipe.yaml")
    return folder


@pytest.fixture(scope="module")
def cards(project: Path) -> dict[str, str]:
    reports = project / ".lmworks" / "reports"
    found = {name: (reports / f"kinds-{name}-card.md").read_text() for name in KINDS}
    assert len(found) == len(list(reports.glob("*-card.md"))), "every model of the recipe"
    return found


def head_of(card: str) -> dict[str, Any]:
    return dict(yaml.safe_load(card.split("---\n", 2)[1]))


@pytest.mark.parametrize("name", KINDS)
def test_the_head_says_what_kind_it_is_and_a_hub_reads_it(name: str, cards: dict[str, str], project: Path) -> None:
    head, (tag, library, relation) = head_of(cards[name]), KINDS[name]
    assert (head["pipeline_tag"], head["library_name"], head.get("base_model_relation")) == (tag, library, relation)
    from_hub = name == "base" or relation
    assert head.get("base_model") == ("org/llama-tiny" if from_hub else None)
    assert head["license"] in ("mit", "apache-2.0", "other")
    parsed = ModelCardData(**head)
    measured = Built.open(Store(project / ".lmworks")).evaluations()["perplexity-split-test"]
    if name not in measured:
        assert parsed.eval_results is None
        return
    results = parsed.eval_results
    assert results and parsed.model_name == f"kinds-{name}"
    for result, figure in zip(results, measured[name].manifest.figures, strict=True):
        assert isinstance(figure, Figure)
        assert (result.task_type, result.dataset_type) == (tag, "split.test")
        assert (result.metric_type, result.metric_value) == (figure.name, figure.value)
        args = result.metric_args or {}
        assert (args["n"], tuple(args["interval"]), args["contamination"]) == (
            12,
            figure.interval,
            figure.contamination,
        )
        assert len(args["conditions"]) == len(args["items_sha256"]) == 64


@pytest.mark.parametrize("name", KINDS)
def test_every_sentence_names_its_evidence(name: str, cards: dict[str, str], project: Path) -> None:
    said = read_card(cards[name], project / ".lmworks" / "reports")
    assert said.without_evidence == [] and said.sentences > 8


@pytest.mark.parametrize("name", KINDS)
def test_who_made_it_is_said_as_it_is(name: str, cards: dict[str, str]) -> None:
    card = cards[name]
    assert ("lmworks did not make it: the step" in card) == (name in IMPORTED)
    assert ("made it in the step" in card) == (name not in IMPORTED)
    began = name in ("tuned", "adapted", "decoding-sorter")
    assert ("published weights that lmworks did not make" in card) == began
    assert ("are not known here, because it was published without them" in card) == (began or name in IMPORTED)
    assert ("learned only from the texts" in card) == (not began and name not in IMPORTED)
    assert ("no neural network" in card) == (name in COUNTED)
    assert ("whose name on a hub is not known" in card) == (name in IMPORTED and name != "base")


def test_the_python_of_every_card_runs(cards: dict[str, str], project: Path) -> None:
    programs = {name: code_of(card, "python") for name, card in cards.items()}
    assert [name for name, code in programs.items() if len(code) != 1] == [*COUNTED]
    code = json.dumps({name: code[0] for name, code in programs.items() if code})
    said = run_python(project, f"for name, code in {code}.items():\n    print('==', name)\n    exec(code, {{}})\n")
    parts = {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in said.split("== ")[1:]}
    assert parts.keys() == KINDS.keys() - set(COUNTED), said
    assert "'label': " in parts["sorter"] and "'label': " in parts["decoding-sorter"]
    float(parts["reward"])


def run_python(folder: Path, code: str) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_predict_runs_as_every_card_says(cards: dict[str, str], project: Path) -> None:
    shells = {name: code_of(card, "sh") for name, card in cards.items()}
    assert [name for name, shell in shells.items() if not shell] == ["reward"], "it gives scores, and answers nobody"
    lines = {name: shell[0].splitlines() for name, shell in shells.items() if shell}
    asked = [[*predict.split()[1:], "--max-tokens", "4", "--overwrite"] for _, predict, _ in lines.values()]
    subprocess.run(lines["base"][0], shell=True, cwd=project, check=True)
    said = run_python(project, PREDICTING.format(asked=asked))
    rows = [json.loads(line) for line in said.splitlines() if line.startswith('{"text"')]
    assert len(rows) == len(asked) == len(KINDS) - 1
    assert all(row["text"] == "Hello" and len(row) > 1 and "predicted_error" not in row for row in rows), rows


PREDICTING = """
import sys
from pathlib import Path
from lmworks.cli import main
for words in {asked}:
    sys.argv = ["lmworks", *words]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, words
    print(Path("rows.predicted.jsonl").read_text(), flush=True)
"""


@pytest.mark.parametrize("name", ["chatting", "pretrain", "sorter", "tagger", "encoder", "t5"])
def test_serve_runs_as_a_card_of_each_ability_says(name: str, cards: dict[str, str], project: Path) -> None:
    (shell,) = code_of(cards[name], "sh")
    serve = shell.splitlines()[-1]
    process = start(project, *serve.split()[1:], "--port", "0", "--json")
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line and json.loads(line)["models"] == [f"kinds/{name}"], process.stderr and process.stderr.read()
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_a_card_for_a_hub_loads_by_its_name_there(project: Path) -> None:
    built = Built.open(Store(project / ".lmworks"))
    for name in KINDS:
        card = card_text(built, built.artifacts[name], "org/name")
        for code in code_of(card, "python"):
            assert '"org/name' in code and "artifacts" not in code


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The steps of the quickstart on a small cloud."""
    folder = make_small_project(tmp_path_factory.mktemp("small"))
    lmworks(folder, "build", "recipe.yaml")
    yield folder / ".lmworks" / "reports"


def test_every_sentence_of_the_quickstarts_cards_names_its_evidence(quickstart: Path) -> None:
    cards = sorted(quickstart.glob("*-card.md"))
    assert [card.name for card in cards] == ["small-finetune-card.md", "small-pretrain-card.md"]
    for card in cards:
        said = read_card(card.read_text(), quickstart)
        assert said.without_evidence == [] and said.sentences > 60
