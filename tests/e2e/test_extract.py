"""The recipe for spans, on made-up sentences and a stand-in for the published encoder."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from data.tiny_encoders import stand_in_for_minilm
from e2e.answering import answers
from e2e.small_recipe import lmworks
from lmworks.data.shards.records import Documents

pytestmark = pytest.mark.whole
RECIPE = Path(__file__).parents[2] / "recipes" / "extract.yaml"
NAMES, PLACES = ["ada", "bo", "cy", "di", "ed", "flo"], ["rome", "oslo", "lima", "kyiv"]
OTHER = ["lives", "paid", "wrote", "left", "for", "in", "the", "old", "new", "very"]
SETTINGS = (
    *(
        "split.test=10",
        "split.validation=4",
        "plan.measure=false",
        "extractor.learning_rate=0.01",
        "extractor.threads=1",
        "extractor.compile=false",
    ),
    "data.private={kind: anonymise, from: split.test, model: extractor, entities: {kinds: [person]}}",
    *("extractor.sequence_length=32", "extractor.global_batch_tokens=512", "extractor.steps=100"),
)


def sentence(template: int, draw: random.Random) -> str:
    """A sentence of a template, a line of JSON."""
    words = random.Random(template).choices(OTHER, k=5)
    text, spans = "", []
    for place, word in enumerate([*words[:2], None, *words[2:], None]):
        label, choices = ("PERSON", NAMES) if place == 2 else ("GPE", PLACES)
        written = word or draw.choice(choices)
        if word is None:
            spans.append({"start": len(text), "end": len(text) + len(written), "label": label})
        text += f"{written} "
    return json.dumps({"text": text.strip(), "spans": spans, "template": str(template)})


def test_spans_are_found_in_sentences_of_other_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_for_minilm(tmp_path / "site", [*OTHER, *NAMES, *PLACES], monkeypatch)
    draw = random.Random(3)
    (tmp_path / "texts").mkdir()
    lines = [sentence(number % 40, draw) for number in range(240)]
    (tmp_path / "texts" / "lines.jsonl").write_text("\n".join(lines))
    shutil.copy(RECIPE, tmp_path)
    lmworks(tmp_path, "build", RECIPE.name, *(part for setting in SETTINGS for part in ("--set", setting)))
    step = "evaluate/extraction-split-test"
    compared = Path(lmworks(tmp_path, "show", step, "--path").stdout.strip())
    verdicts = json.loads((compared / "comparison.json").read_text())["verdicts"]
    assert any(verdict.startswith("extractor is ahead of rules: +") for verdict in verdicts), verdicts
    assert any("dictionary" in verdict for verdict in verdicts), verdicts
    private = Documents(Path(lmworks(tmp_path, "show", "private", "--path").stdout.strip()), "")
    assert sum("[PERSON]" in document.text for document in private.iterate()) > 50, "by the model of the same recipe"
    groups = json.loads((Path(lmworks(tmp_path, "show", "split", "--path").stdout.strip()) / "groups.json").read_text())
    assert groups["by"] == "template" and len(groups["test"]) == 10
    text = json.loads(lines[0])["text"]
    (spans,) = answers(tmp_path, "extractor", [text])
    assert spans and all(text[each["start"] : each["end"]] == each["text"] for each in spans)
