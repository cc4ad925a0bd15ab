"""A decoder that tells labels of whole texts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from corpora import THINGS, texts
from encoders import SMALL, labelled, pack, tune
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.errors import GateRefused, LmworksError
from lmworks.evaluate.tasks.labels import ClassificationConfig, evaluate_classification
from lmworks.model.folder import ModelFolder, load_model, read_config
from lmworks.pipeline.stage import Result
from lmworks.tokens.kinds.pretrained import PretrainedConfig, pretrained
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.encoder import SequenceClassificationConfig
from lmworks.train.configs.language_model import CausalLMConfig
from lmworks.train.loop.train import train
from lmworks.train.objectives import objective_of
from lmworks.train.preflight.check import STRANGE, check
from support import make_context, reading

OBJECTIVE = "sequence-classification"


@pytest.fixture(scope="module")
def documents(folder: Path) -> Documents:
    return labelled(folder / "documents")


@pytest.fixture(scope="module")
def labels(folder: Path, documents: Documents, tokenizer: TokenizerFolder) -> Shards:
    return pack(folder / "labels", OBJECTIVE, documents, tokenizer)[0]


def begin(folder: Path, rows: Shards, tokenizer: TokenizerFolder) -> ModelFolder:
    """A decoder that has learned to go on."""
    fields = {**SMALL, "from": "scratch", "hidden_size": 32, "num_layers": 2, "num_heads": 2}
    out = folder / "out"
    train(
        CausalLMConfig.model_validate(fields), None, rows, tokenizer, None, None, out=out, context=make_context(folder)
    )
    return ModelFolder(out, "base")


@pytest.fixture(scope="module")
def base(folder: Path, rows: Shards, tokenizer: TokenizerFolder) -> ModelFolder:
    return begin(folder / "base", rows, tokenizer)


def said_in_packed_rows(
    model: ModelFolder, rows: Shards, tokenizer: TokenizerFolder
) -> dict[tuple[int, ...], torch.Tensor]:
    """Each framed text, and the logits that the model has for it as it is trained."""
    config = SequenceClassificationConfig.model_validate({**SMALL, "from": "x"})
    objective: Any = objective_of(OBJECTIVE)(rows.open(), reading(4))
    ours: Any = objective.begin(config, model, rows.open(), tokenizer.open(), compiled=False)
    ours.learn(False, label_smoothing=0.0)
    batch = objective.measured(60)
    told = ours.told(batch)
    with torch.no_grad():
        logits = ours.hidden(batch)[told >= 0] @ ours.output_weight.T
    places = zip((batch.targets >= 0).nonzero(), (told >= 0).nonzero(), logits, strict=True)
    return {tuple(batch.tokens[row, first : last + 1].tolist()): each for (row, first), (_, last), each in places}


@pytest.mark.parametrize("adapter", [None, {"rank": 4}])
@pytest.mark.slow
def test_transformers_says_of_a_text_what_was_learned_in_packed_rows(
    adapter: dict[str, Any] | None,
    base: ModelFolder,
    documents: Documents,
    labels: Shards,
    tokenizer: TokenizerFolder,
    tmp_path: Path,
) -> None:
    values = {"steps": 60, "learning_rate": 1e-2, "dropout": 0, "adapter": adapter, "validation_rows": 60}
    model = tune(tmp_path, OBJECTIVE, base, labels, tokenizer, validation=labels, **values)
    lines = [json.loads(line) for line in (model.path / "history.jsonl").read_text().splitlines()]
    assert lines[0]["loss"] == pytest.approx(np.log(len(THINGS)), rel=1e-4) and lines[-1]["validation_accuracy"] > 0.4
    theirs = AutoModelForSequenceClassification.from_pretrained(model.path).eval()
    assert list(theirs.config.id2label.values()) == sorted(THINGS)
    reader = AutoTokenizer.from_pretrained(model.path)
    every = list(documents.iterate())[:12]
    asked = reader([each.text for each in every], padding=True, truncation=True, return_tensors="pt")
    assert 0 in asked["attention_mask"], "texts differ in length"
    packed = said_in_packed_rows(model, labels, tokenizer)
    with torch.no_grad():
        found = theirs(**asked).logits
    for ids, mask, logits in zip(asked["input_ids"], asked["attention_mask"], found, strict=True):
        torch.testing.assert_close(packed[tuple(ids[mask > 0].tolist())], logits, atol=2e-5, rtol=1e-4)
    said: Any = pipeline("text-classification", str(model.path))
    assert [each["label"] for each in said([each.text for each in every], batch_size=4, truncation=True)] == [
        theirs.config.id2label[number] for number in found.argmax(-1).tolist()
    ]
    result = evaluate_classification(
        ClassificationConfig(data="x", train="y"), model, documents, tmp_path / "e", make_context(tmp_path / "e")
    )
    right = [
        sorted(THINGS)[int(packed[tuple(reader(each.text)["input_ids"])].argmax())] == each.meta["label"]
        for each in documents.iterate()
    ]
    assert result.figures[0].value == pytest.approx(np.mean(right)) and result.figures[0].value > 0.4
    with pytest.raises(LmworksError, match=f"gives {len(THINGS)} scores for a text and writes no text"):
        load_model(model.path)


def test_a_decoder_that_reads_the_words_of_an_encoder_keeps_their_frame(tmp_path: Path) -> None:
    from corpora import pack_texts
    from data.tiny_encoders import write_encoder

    encoder = write_encoder(tmp_path / "encoder", ["creates", "the", "[MASK]", *THINGS], positions=64)
    taken = TokenizerFolder(tmp_path / "tokenizer", "t")
    pretrained(PretrainedConfig(path=str(encoder)).resolve(Path()), taken.path, make_context(tmp_path))
    found = labelled(tmp_path / "d", [text.split("\n")[-1] for text in texts()])
    rows, _ = pack(tmp_path / "rows", OBJECTIVE, found, taken)
    model = begin(tmp_path, pack_texts(tmp_path / "plain", taken, texts(), 48), taken)
    tuned = tune(tmp_path / "tuned", OBJECTIVE, model, rows, taken, steps=60, learning_rate=1e-2)
    theirs, reader = (kind.from_pretrained(tuned.path) for kind in (AutoModelForSequenceClassification, AutoTokenizer))
    assert theirs.config.pad_token_id == reader.pad_token_id == 0
    every = [each.text for each in found.iterate()][:12]
    with torch.no_grad():
        together = theirs(**reader(every, padding=True, return_tensors="pt")).logits
        alone = torch.cat([theirs(**reader(text, return_tensors="pt")).logits for text in every])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    packed = said_in_packed_rows(tuned, rows, taken)
    ours = torch.stack([packed[tuple(reader(text)["input_ids"])] for text in every])
    torch.testing.assert_close(ours, alone, atol=2e-5, rtol=1e-4)
    assert len(set(alone.argmax(-1).tolist())) > 1


def test_a_head_of_other_labels_is_not_gone_on_with(
    base: ModelFolder, documents: Documents, labels: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    model = tune(tmp_path / "a", OBJECTIVE, base, labels, tokenizer)
    again = tune(tmp_path / "b", OBJECTIVE, model, labels, tokenizer)
    assert read_config(again.path).labels == tuple(sorted(THINGS))
    fewer = labelled(tmp_path / "d", [text for text in texts() if "bucket" in text or "queue" in text])
    rows, _ = pack(tmp_path / "rows", OBJECTIVE, fewer, tokenizer)
    with pytest.raises(LmworksError, match=f"gives {len(THINGS)} scores .* expected a model with 2 scores, or a"):
        tune(tmp_path / "c", OBJECTIVE, model, rows, tokenizer)


def test_labelled_texts_are_counted_and_shown_before_they_are_learned(
    base: ModelFolder, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    bucket = next(text for text in texts() if "bucket" in text)
    twice = [
        Document(id=f"{n}", text=bucket, source="", licence="", meta={"label": name}) for n, name in enumerate("ab")
    ]
    write_shard(tmp_path / "d" / "part-00000.parquet", [*twice, replace(twice[1], id="2", text=bucket * 9)])
    documents = Documents(tmp_path / "d", "d")

    def checked(rows: Shards) -> Result:
        config = SequenceClassificationConfig.model_validate({**SMALL, "from": "x"})
        context = make_context(tmp_path / "c")
        return check(config, base, rows, tokenizer, documents, None, None, out=tmp_path / "checked", context=context)

    result = checked(pack(tmp_path / "rows", OBJECTIVE, documents, tokenizer)[0])
    expected = {"texts": 3, "full": 1, "contradicted": 1, "label a": 1, "label b": 2}
    assert {name: result.counts[name] for name in expected} == expected
    assert result.measured["gradient_norm"] > 0, "a step was run"
    shown = [pieces for example in result.examples for pieces in [example["pieces"]]]
    assert all(pieces[-1] in ((" a", True), (" b", True)) and "bucket" in pieces[0][0] for pieces in shown)
    write_shard(tmp_path / "d" / "part-00000.parquet", twice[:1])
    with pytest.raises(GateRefused, match="only one label: all 1 texts have the label a"):
        checked(pack(tmp_path / "one", OBJECTIVE, documents, tokenizer)[0])


def test_few_validation_texts_of_other_labels_do_not_end_the_build(
    base: ModelFolder, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    def packed(name: str, labels: str) -> Shards:
        documents = [
            Document(id=f"{n}", text=f"Text {n} is here.", source="", licence="", meta={"label": label})
            for n, label in enumerate(labels)
        ]
        write_shard(tmp_path / name / "part-00000.parquet", documents)
        return pack(tmp_path / f"{name}-rows", OBJECTIVE, Documents(tmp_path / name, name), tokenizer)[0]

    def checked(held_out: str) -> int:
        (tmp_path / "d").mkdir(exist_ok=True)
        config = SequenceClassificationConfig.model_validate({**SMALL, "from": "x"})
        others, context = packed(f"held {held_out}", held_out), make_context(tmp_path / "c")
        out, none = tmp_path / "checked", Documents(tmp_path / "d", "d")
        return check(config, base, rows, tokenizer, none, None, others, out=out, context=context).counts.get(STRANGE, 0)

    rows = packed("known", "ababab")
    assert checked("ab") == 0
    assert checked("c" + "ab" * 8) == 1
    with pytest.raises(GateRefused, match="validation labels that no training text has: c; training texts have a, b"):
        checked("ccab")
    with pytest.raises(GateRefused, match="But for case and spaces, B is b"):
        checked("B" + "ab" * 8)
