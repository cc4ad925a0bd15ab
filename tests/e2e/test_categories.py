"""The recipe for kinds of service, on a small made-up cloud."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e2e.answering import answers
from e2e.small_recipe import lmworks, make_services

pytestmark = pytest.mark.slow
RECIPE = Path(__file__).parents[2] / "recipes" / "categories.yaml"
LABELS = "{storage: [bucket-0, table-2, vault-9, bucket-10], messages: [queue-1, stream-5, channel-7, queue-11]}"
SETTINGS = (
    *("data.raw.sources=[{kind: botocore, path: services}]", f"data.labelled.labels={LABELS}"),
    *("split.test=2", "split.validation=1", "tokenizer.vocab_size=400", "plan.measure=false"),
    *("encoder.hidden_size=32", "encoder.num_layers=2"),
    *(f"{model}.{field}" for model in ("encoder", "classifier") for field in ("threads=1", "compile=false", "steps=6")),
)


def test_an_encoder_is_trained_tuned_and_set_beside_a_bag_of_words(tmp_path: Path) -> None:
    make_services(tmp_path / "services", 12)
    shutil.copy(RECIPE, tmp_path)
    lmworks(tmp_path, "build", RECIPE.name, *(part for setting in SETTINGS for part in ("--set", setting)))
    step = "evaluate/classification-split-test"
    compared = Path(lmworks(tmp_path, "show", step, "--path").stdout.strip())
    record = json.loads((compared / "comparison.json").read_text())
    assert {tuple(sorted((pair["a"], pair["b"]))) for pair in record["pairs"]} == {
        ("bag-of-words", "classifier"),
        ("classifier", "majority"),
    }
    items = Path(lmworks(tmp_path, "show", f"{step}/classifier", "--path").stdout.strip()) / "items.jsonl"
    clusters = {json.loads(line)["cluster"] for line in items.read_text().splitlines()}
    assert len(clusters) == 2, "whole services are held out, and are one cluster each"
    model = Path(lmworks(tmp_path, "show", "classifier", "--path").stdout.strip())
    config = json.loads((model / "config.json").read_text())
    assert config["architectures"] == ["ModernBertForSequenceClassification"]
    assert config["label2id"] == {"messages": 0, "storage": 1}
    assert set(answers(tmp_path, "classifier", ["Creates a bucket", "Lists the queues"])) <= {"messages", "storage"}
