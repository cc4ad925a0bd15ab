"""The recipe for praise and blame, on made-up reviews and a stand-in for the published encoder."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from data.tiny_encoders import stand_in_for_minilm
from e2e.small_recipe import lmworks

pytestmark = pytest.mark.slow
RECIPE = Path(__file__).parents[2] / "recipes" / "sentiment.yaml"
TOLD = {"praise": ["good", "fine", "bright"], "blame": ["bad", "dull", "grey"]}
OTHER = ["film", "song", "book", "was", "the", "very", "quite", "long"]
SETTINGS = (
    *("split.test=40", "split.validation=20", "plan.measure=false", "words.hidden_size=32", "tuned.learning_rate=0.01"),
    *(f"{model}.{field}" for model in ("tuned", "words", "from-scratch") for field in ("threads=1", "compile=false")),
    *("tuned.sequence_length=32", "words.sequence_length=32", "from-scratch.sequence_length=32"),
    *("tuned.global_batch_tokens=512", "tuned.steps=60", "words.steps=6", "from-scratch.steps=6"),
)


def test_both_ways_are_set_beside_a_bag_of_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_for_minilm(tmp_path / "site", [*OTHER, *TOLD["praise"], *TOLD["blame"]], monkeypatch)
    draw = random.Random(5)
    lines = [
        json.dumps(
            {"text": " ".join(draw.sample([*draw.choices(OTHER, k=6), draw.choice(TOLD[label])], 7)), "label": label}
        )
        for label in ("praise", "blame") * 150
    ]
    (tmp_path / "reviews").mkdir()
    (tmp_path / "reviews" / "lines.jsonl").write_text("\n".join(lines))
    shutil.copy(RECIPE, tmp_path)
    lmworks(tmp_path, "build", RECIPE.name, *(part for setting in SETTINGS for part in ("--set", setting)))
    step = "evaluate/classification-split-test"
    compared = Path(lmworks(tmp_path, "show", step, "--path").stdout.strip())
    verdicts = json.loads((compared / "comparison.json").read_text())["verdicts"]
    assert any(verdict.startswith("tuned beats majority") for verdict in verdicts), verdicts
    assert any("from-scratch" in verdict and "bag-of-words" in verdict for verdict in verdicts), verdicts
