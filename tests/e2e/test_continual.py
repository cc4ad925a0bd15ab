"""The recipe for a model that goes on learning, on a small made-up cloud and a library beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.answering import answers
from e2e.small_recipe import lmworks, make_library, make_services

pytestmark = pytest.mark.slow
RECIPE = Path(__file__).parents[2] / "recipes" / "continual.yaml"
MODELS = ("first", "plain", "replay")
SMALL = (
    *("plan.measure=false", "services.sources=[{kind: botocore, path: services}]", "library.sources.0.path=library"),
    *("service-split.test=3", "service-split.validation=1", "library-split.test=0.3", "tokenizer.vocab_size=400"),
    *("first.hidden_size=64", "first.num_layers=1", "first.steps=40", "plain.steps=30", "replay.steps=30"),
    *(f"{model}.{field}" for model in MODELS for field in ("data_type=float32", "threads=1", "sequence_length=128")),
    *(f"{model}.global_batch_tokens=512" for model in MODELS),
)


def test_what_replay_keeps_is_told_for_old_and_new_text(tmp_path: Path) -> None:
    shutil.copy(RECIPE, tmp_path)
    make_services(tmp_path / "services")
    make_library(tmp_path / "library")
    lmworks(tmp_path, "build", RECIPE.name, *(word for setting in SMALL for word in ("--set", setting)))
    told, bits = dict[tuple[str, str], str](), dict[tuple[str, str], float]()
    for split in ("service", "library"):
        step = f"evaluate/perplexity-{split}-split-test"
        compared = Path(lmworks(tmp_path, "show", step, "--path").stdout.strip())
        for line in json.loads((compared / "comparison.json").read_text())["verdicts"]:
            verdict, _, rest = line.partition(": ")
            if "from which it was trained" in rest:
                told[split, rest.split(" is ")[0]] = verdict
        for model in MODELS:
            scored = json.loads(lmworks(tmp_path, "show", f"{step}/{model}", "--json").stdout)
            bits[split, model] = scored["figures"][0]["value"]
    assert told["library", "plain"] == told["library", "replay"] == "learned"
    assert set(told) == {(split, model) for split in ("service", "library") for model in ("plain", "replay")}
    assert bits["service", "replay"] < bits["service", "plain"]
    page = (tmp_path / ".lmworks" / "reports" / "continual.html").read_text()
    assert page.count("from which it was trained") == 4, "of both models, on both texts"
    assert len(answers(tmp_path, "replay", ["Creates a bucket"])) == 1
