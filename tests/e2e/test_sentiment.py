"""The recipe for praise and blame, on made-up reviews and posts and stand-ins for the published models."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from data.tiny_encoders import stand_in_for_minilm
from e2e.answering import answers
from e2e.small_recipe import lmworks
from tiny import make_tiny_model

pytestmark = pytest.mark.whole
RECIPE = Path(__file__).parents[2] / "recipes" / "sentiment.yaml"
TOLD = {"praise": ["good", "fine", "bright"], "blame": ["bad", "dull", "grey"]}
OTHER = ["film", "song", "book", "was", "the", "very", "quite", "long"]
SETTINGS = (
    *("split.test=40", "split.validation=20", "plan.measure=false", "words.hidden_size=32", "tuned.learning_rate=0.01"),
    *(
        f"{model}.{field}"
        for model in ("tuned", "decoder", "words", "from-scratch")
        for field in ("threads=1", "compile=false", "sequence_length=32")
    ),
    *("tuned.global_batch_tokens=512", "tuned.steps=60", "words.steps=6", "from-scratch.steps=6"),
    *("decoder.sequence_length=64", "decoder.learning_rate=0.01", "decoder.steps=60"),
)


def write_texts(folder: Path, names: Sequence[str], count: int) -> None:
    draw, lines = random.Random(5), []
    for label in names * count:
        words = draw.sample([*draw.choices(OTHER, k=6), draw.choice(TOLD[label])], 7)
        lines.append(json.dumps({"text": " ".join(words), "label": label}))
    folder.mkdir()
    (folder / "lines.jsonl").write_text("\n".join(lines))


def test_encoder_and_decoder_are_set_beside_a_bag_of_words_on_reviews_and_posts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_for_minilm(tmp_path / "site", [*OTHER, *TOLD["praise"], *TOLD["blame"]], monkeypatch)
    make_tiny_model(tmp_path / "smollm2-135m")  # found beside the recipe before the package
    write_texts(tmp_path / "reviews", ["praise", "blame"], 150)
    write_texts(tmp_path / "posts", ["praise", "blame"], 10)
    wide = RECIPE.read_text().replace("margin: 0.02", "margin: 0.2")  # forty texts show no less
    (tmp_path / RECIPE.name).write_text(wide)
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    said = lmworks(tmp_path, "check", RECIPE.name, "decoder", *settings).stdout
    assert "blame: " in said and "⟦ praise⟧" in said and "gradient norm" in said
    lmworks(tmp_path, "build", RECIPE.name, *settings)
    for part, told in (("split-test", "tuned is ahead of majority"), ("posts", "decoder")):
        compared = Path(lmworks(tmp_path, "show", f"evaluate/classification-{part}", "--path").stdout.strip())
        verdicts = json.loads((compared / "comparison.json").read_text())["verdicts"]
        assert any(verdict.startswith(told) for verdict in verdicts), verdicts
        for model in ("from-scratch", "decoder"):
            assert any(model in verdict and "bag-of-words" in verdict for verdict in verdicts), verdicts
    texts = ["the film was very good", "the song was quite dull"]
    assert answers(tmp_path, "tuned", texts) == ["praise", "blame"]
    assert set(answers(tmp_path, "decoder", texts)) <= {"praise", "blame"}
    assert answers(tmp_path, "bag", texts) == ["praise", "blame"], "what learns in seconds is served like any other"
