"""What an ONNX file says is what the model says, in batches and lengths of any size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertModel

from lmworks.engines.encoder import ReadingEngine
from lmworks.engines.onnx_file import write_onnx
from lmworks.engines.open import open_decoder, open_engine
from lmworks.errors import LmworksError
from lmworks.model.folder import load_model, save_model
from published import take, write_published
from quick import few
from readers import LABELS, write_reader, write_rewriter
from tiny import make_adapted, make_tiny_model

TEXTS = ["Where is my parcel?", "Größe, naïve: 日本語.", "Thanks"]
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def opened(folder: Path) -> onnxruntime.InferenceSession:
    write_onnx(folder, folder / "model.onnx")
    return onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def encoded(folder: Path, session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    """The texts, as the page for programmers does it."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    tokenizer.enable_padding(pad_id=int(session.get_modelmeta().custom_metadata_map["pad_id"]))
    found = tokenizer.encode_batch(TEXTS)
    return {
        "input_ids": np.array([each.ids for each in found], np.int64),
        "attention_mask": np.array([each.attention_mask for each in found], np.int64),
    }


@pytest.mark.parametrize("shape", few([{}, {"window": 4}, {"qkv_bias": True}], 1), ids=["llama", "window", "qwen2"])
@pytest.mark.slow
def test_logits_of_our_decoders(shape: dict[str, int], tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model", **shape)  # type: ignore[arg-type]
    session, engine = opened(folder), open_decoder(folder)
    for batch, length in ((1, 1), (1, 31), (4, 9)):
        ids = torch.randint(engine.vocab_size, (batch, length), generator=torch.Generator().manual_seed(length))
        (logits,) = session.run(["logits"], {"input_ids": ids.numpy()})
        assert logits.shape == (batch, length, engine.model.config.vocab_size)
        likely = torch.from_numpy(logits).log_softmax(-1)
        for row, said in zip(ids.tolist(), likely, strict=True):
            wanted = engine.log_likelihoods([row], [1])[0]
            found = [float(said[place, token]) for place, token in enumerate(row[1:])]
            np.testing.assert_allclose(found, wanted, **CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["GPT-2", "Pythia", "Phi", "Gemma 3"])
def test_logits_of_published_decoders(family: str, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    take(write_published(tmp_path / "theirs", family), folder)
    session, engine = opened(folder), open_decoder(folder)
    ids = torch.randint(engine.vocab_size, (3, 17), generator=torch.Generator().manual_seed(0))
    (logits,) = session.run(["logits"], {"input_ids": ids.numpy()})
    with torch.no_grad():
        wanted = engine.model.hidden(ids) @ engine.model.output_weight.T
    np.testing.assert_allclose(logits, wanted.numpy(), **CLOSE)


@pytest.mark.slow
def test_a_text_that_is_filled_up_says_what_it_says_alone(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    session = opened(folder)
    ids = np.array([[7, 8, 9, 10]])
    (alone,) = session.run(None, {"input_ids": ids})
    (beside,) = session.run(None, {"input_ids": np.array([[7, 8, 9, 10, 0, 0], [3, 4, 5, 6, 7, 8]])})
    np.testing.assert_allclose(beside[0, :4], alone[0], **CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_labels_of_texts(kind: str, tmp_path: Path) -> None:
    folder = write_reader(tmp_path / "model", "sequence classifier")
    if kind == "decoder":
        base, folder = make_tiny_model(tmp_path / "base", context_length=32), tmp_path / "tuned"
        model = load_model(base, labels=LABELS)
        torch.nn.init.normal_(model.output_weight, generator=torch.Generator().manual_seed(3))
        save_model(model, folder, base)
    session = opened(folder)
    (logits,) = session.run(["logits"], encoded(folder, session))
    likely = torch.from_numpy(logits).softmax(-1).tolist()
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == list(LABELS) and about["context_length"] == "32"
    for row, said in zip(likely, open_engine(folder).classify(TEXTS), strict=True):
        np.testing.assert_allclose(row, list(said.probabilities.values()), **CLOSE)


@pytest.mark.slow
def test_labels_of_words(tmp_path: Path) -> None:
    folder = write_reader(tmp_path / "model", "token classifier")
    session, engine = opened(folder), open_engine(folder)
    assert isinstance(engine, ReadingEngine)
    asked = encoded(folder, session)
    (logits,) = session.run(["logits"], asked)
    with torch.no_grad():
        wanted = engine.model(**{name: torch.from_numpy(each) for name, each in asked.items()}).logits.numpy()
    seen = asked["attention_mask"] == 1
    np.testing.assert_allclose(logits[seen], wanted[seen], **CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("bare", [False, True], ids=["with its head", "as models of sentences are published"])
def test_vectors(bare: bool, tmp_path: Path) -> None:
    folder = write_reader(tmp_path / "model", "encoder")
    wanted = [each.vector for each in open_engine(folder).embed(TEXTS)]
    if bare:
        BertModel.from_pretrained(folder).save_pretrained(folder)
    session = opened(folder)
    (vectors,) = session.run(["vector"], encoded(folder, session))
    np.testing.assert_allclose(vectors, wanted, **CLOSE)
    np.testing.assert_allclose([each.vector for each in open_engine(folder).embed(TEXTS)], wanted, **CLOSE)


@pytest.mark.slow
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    rewriter = write_rewriter(tmp_path / "t5")
    with pytest.raises(LmworksError, match="a model of kind encoder-decoder cannot be written as ONNX"):
        write_onnx(rewriter, tmp_path / "model.onnx")
    prefixed = make_adapted(make_tiny_model(tmp_path / "base"), tmp_path / "prefixed")
    write_onnx(prefixed, tmp_path / "adapted.onnx")
    assert [path.name for path in tmp_path.glob("*.onnx*")] == ["adapted.onnx"]
