"""The recipe for what a base is worth, on a small made-up cloud."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.answering import answers
from e2e.small_recipe import lmworks, make_services

pytestmark = pytest.mark.slow
RECIPE = Path(__file__).parents[2] / "recipes" / "transfer.yaml"
SMALL = (
    *("plan.measure=false", "services.sources=[{kind: botocore, path: services}]"),
    *("products.sources=[{kind: botocore, path: products}]", "tokenizer.vocab_size=400", "base.steps=12"),
    *(f"{model}.{field}" for model in ("base", "writer") for field in ("data_type=float32", "threads=1")),
    *("base.sequence_length=128", "writer.sequence_length=128", "base.hidden_size=64", "writer-scratch.hidden_size=64"),
    *("base.num_layers=1", "writer-scratch.num_layers=1", "writer.global_batch_tokens=512", "writer.steps=8"),
)


def test_three_ways_are_trained_at_equal_operations_and_their_gain_is_told(tmp_path: Path) -> None:
    shutil.copy(RECIPE, tmp_path)
    make_services(tmp_path / "services")
    make_services(tmp_path / "products", 6)
    lmworks(tmp_path, "build", RECIPE.name, *(word for setting in SMALL for word in ("--set", setting)))
    facts = {
        name: json.loads(lmworks(tmp_path, "show", f"writer-{name}", "--json").stdout) for name in ("full", "lora")
    }
    steps = {name: each["counts"]["steps"] for name, each in facts.items()}
    assert steps["full"] == 8 < steps["lora"]
    compared = Path(lmworks(tmp_path, "show", "evaluate/perplexity-split-test", "--path").stdout.strip())
    gains = [line for line in json.loads((compared / "comparison.json").read_text())["verdicts"] if "transfer" in line]
    told = [line.partition(": ")[2].split(" by ")[0].split(" is ") for line in gains]
    assert [(model, beside.split()[-1]) for model, beside in told] == [
        ("writer-full", "writer-scratch"),
        ("writer-lora", "writer-scratch"),
    ]
    assert all(line.endswith("operations of training each") for line in gains)
    (page,) = (tmp_path / ".lmworks" / "reports").glob("transfer.html")
    assert "transfer gain" in page.read_text()
    assert len(answers(tmp_path, "writer-lora", ["Creates a bucket"])) == 1
