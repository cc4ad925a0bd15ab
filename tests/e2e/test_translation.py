"""The recipe for translation, on pairs that are soon learned."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from e2e.answering import answers
from e2e.small_recipe import lmworks

pytestmark = pytest.mark.whole
RECIPE = Path(__file__).parents[2] / "recipes" / "translation.yaml"
WORDS = {"one": "eins", "two": "zwei", "red": "rot", "green": "gruen", "house": "haus", "tree": "baum", "old": "alt"}
SMALLER = {
    **{f"{model}.hidden_size": 32 for model in ("translate", "read")},
    **{f"{model}.num_layers": 1 for model in ("translate", "read")},
    **{f"{model}.threads": 1 for model in ("translate", "read", "decoder")},
    **{f"{model}.compile": "false" for model in ("translate", "read", "decoder")},
    **{f"{model}.data_type": "float32" for model in ("translate", "read", "decoder")},
    **{f"{model}.sequence_length": 64 for model in ("read", "decoder")},
    **{f"{model}.steps": 5 for model in ("read", "decoder")},
    "translate.steps": 100,
    "translate.sequence_length": 48,
    "translate.global_batch_tokens": 1536,
    "evaluate.tasks": "[{kind: text-to-text, data: test, train: train, timed: 4, max_tokens: 24}]",
    "split.test": 20,
    "split.validation": 20,
    "tokenizer.vocab_size": 320,
    "plan.measure": "false",
}


def build_translation(folder: Path) -> Path:
    """The recipe, made small and built on made-up pairs."""
    folder.mkdir(exist_ok=True)
    shutil.copy(RECIPE, folder)
    draw = random.Random(3)
    sources = sorted({" ".join(draw.choices(list(WORDS), k=draw.randint(2, 5))) for _ in range(260)})
    pairs = [{"source": text, "target": " ".join(WORDS[word] for word in text.split())} for text in sources]
    (folder / "pairs").mkdir()
    (folder / "pairs" / "lines.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    settings = [word for name, value in SMALLER.items() for word in ("--set", f"{name}={value}")]
    lmworks(folder, "build", "translation.yaml", *settings)
    return folder


def made(folder: Path, step: str) -> Path:
    return Path(lmworks(folder, "show", step, "--path").stdout.strip())


def test_it_beats_copying_and_its_folder_translates_elsewhere(tmp_path: Path) -> None:
    build_translation(tmp_path)
    compared = made(tmp_path, "evaluate/text-to-text-test")
    verdicts = json.loads((compared / "comparison.json").read_text())["verdicts"]
    assert any(verdict.startswith("translate is ahead of copy-source") for verdict in verdicts), verdicts
    assert any(verdict.startswith("translate is ahead of decoder") for verdict in verdicts), (
        "it learned for a moment only"
    )
    report = (tmp_path / ".lmworks" / "reports" / "translation.html").read_text()
    for model in ("translate", "decoder"):
        evaluated = made(tmp_path, f"evaluate/text-to-text-test/{model}")
        measured = json.loads((evaluated.parent / "manifest.json").read_text())["run"]["measured"]
        assert 0 < measured["median_seconds"] <= measured["p95_seconds"], "what one user waits for"
        assert f"<td>{model}</td><td>4</td><td>{measured['median_seconds']:.3f} s</td>" in report
    folder = made(tmp_path, "translate")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder)
    written = model.generate(**tokenizer("one red house", return_tensors="pt"), max_new_tokens=20)[0]
    assert set(tokenizer.decode(written, skip_special_tokens=True).split()) & set(WORDS.values())
    (card,) = (tmp_path / ".lmworks" / "reports").glob("*translate-card.md")
    text = card.read_text()
    assert "AutoModelForSeq2SeqLM" in text and "AutoModelForCausalLM" not in text
    assert "Its training data: 182 conversations (train)" in text and "| pairs | LicenseRef-own |" in text
    learned = json.loads((made(tmp_path, "train") / "conversations.jsonl").read_text().splitlines()[0])
    traced = json.loads(
        lmworks(tmp_path, "trace", "translate", "--answer", learned["messages"][-1]["content"], "--json").stdout
    )
    assert traced["texts"] == 182 and traced["unknown"] == []
    assert {(passage["source"], passage["licence"]) for passage in traced["passages"]} == {("pairs", "LicenseRef-own")}
    (data_card,) = (tmp_path / ".lmworks").glob("translation-train-croissant.json")
    assert json.loads(data_card.read_text())["license"] == ["LicenseRef-own"]
    (target,) = answers(tmp_path, "translate", ["one red house"])
    assert set(target.split()) & set(WORDS.values())
    assert len(answers(tmp_path, "decoder", ["one red house"])) == 1
