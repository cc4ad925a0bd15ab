"""One protocol for all families: what each can is answered as its own library answers, the rest is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, T5ForConditionalGeneration

from lmworks.engines.open import open_decoder, open_engine
from lmworks.engines.protocol import Cannot, Classified, Embedded, Reading, Tagged, Writing, WrongTurns
from lmworks.engines.request import Piece, Sampling
from lmworks.errors import LmworksError
from published import take, write_published
from readers import LABELS, write_reader, write_rewriter

TEXTS = ["Where is my parcel?", "Thank you, all is well", "I want my money back", "Where"]
LONG = "Where is my parcel? " * 20
ABILITIES = {"sequence classifier": "classify", "token classifier": "tag", "encoder": "embed"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("readers")
    found = {kind: write_reader(folder / kind.replace(" ", "-"), kind) for kind in ABILITIES}
    found["encoder-decoder"] = write_rewriter(folder / "t5")
    for family in ("GPT-2", "Gemma 3"):
        take(write_published(folder / f"their {family}", family), folder / family)
        found[family] = folder / family
    return found


def test_labels_are_those_of_transformers_whatever_is_read_beside(folders: dict[str, Path]) -> None:
    folder = folders["sequence classifier"]
    engine = open_engine(folder)
    found = engine.classify(TEXTS)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for text, each in zip(TEXTS, found, strict=True):
        ids = torch.tensor([engine.tokenizer.encode(text).ids])  # type: ignore[attr-defined]
        with torch.no_grad():
            expected = model(ids).logits.softmax(-1)[0]
        assert list(each.probabilities) == list(LABELS)
        assert list(each.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
        assert each.label == LABELS[int(expected.argmax())] and not each.is_cut and each.tokens == ids.shape[1]
    assert len({round(each.probability, 3) for each in found}) > 2, "a model that says one thing of all shows nothing"


def test_a_text_longer_than_the_context_is_told_as_cut_or_read_in_parts(folders: dict[str, Path]) -> None:
    engine = open_engine(folders["sequence classifier"])
    (cut,), (whole,) = engine.classify([LONG]), engine.classify([LONG], "split")
    assert cut.is_cut and cut.tokens == engine.context_length == 32
    assert not whole.is_cut and whole.tokens > 100 and whole.probabilities != cut.probabilities
    (vector,) = open_engine(folders["encoder"]).embed([LONG])
    assert vector.is_cut
    (tagged,) = open_engine(folders["token classifier"]).tag([LONG])
    assert not tagged.is_cut and tagged.tokens > 100, "spans are sought in windows: nothing is cut"


def test_no_span_is_empty_where_a_space_is_a_token_of_its_own(folders: dict[str, Path]) -> None:
    engine = open_engine(folders["token classifier"])
    text = "Where is my parcel 😀? <b>Not bold</b>"
    assert " " in {text[start:end] for start, end in engine.tokenizer.encode(text).offsets}  # type: ignore[attr-defined]
    (found,) = engine.tag([text])
    words = [text[start:end] for _, start, end in found.spans]
    assert len(words) > 8 and all(word == word.strip() != "" for word in words)


def test_vectors_are_the_mean_of_what_the_encoder_puts_out(folders: dict[str, Path]) -> None:
    engine = open_engine(folders["encoder"])
    model = AutoModel.from_pretrained(folders["encoder"]).eval()
    for text, found in zip(TEXTS, engine.embed(TEXTS), strict=True):
        ids = torch.tensor([engine.tokenizer.encode(text).ids])  # type: ignore[attr-defined]
        with torch.no_grad():
            mean = model(ids).last_hidden_state[0].mean(0)
        assert np.allclose(found.vector, mean / mean.norm(), atol=1e-5)


def test_an_encoder_decoder_rewrites_one_text_as_transformers_does(folders: dict[str, Path]) -> None:
    folder = folders["encoder-decoder"]
    engine = open_engine(folder)
    model = T5ForConditionalGeneration.from_pretrained(folder).eval()
    prompts = [engine.encode([{"role": "user", "content": text}]) for text in TEXTS]
    for prompt, found in zip(prompts, engine.generate(prompts, Sampling(6, beams=1)), strict=True):
        expected = model.generate(torch.tensor([[*prompt, 0]]), max_new_tokens=6, do_sample=False)[0, 1:].tolist()
        assert found.ids == (expected[: expected.index(0)] if 0 in expected else expected)
        assert found.finish_reason == ("stop" if 0 in expected else "length")
    drawn = [engine.generate(prompts, Sampling(6, 1.0, seed=seed))[0].ids for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(WrongTurns, match="one text; the conversation has 2 turns"):
        engine.encode([{"role": "user", "content": "a"}] * 2)
    with pytest.raises(LmworksError, match="a context of 4096"):
        engine.generate([[5] * 4096], Sampling(6))


@pytest.mark.parametrize("family", ["GPT-2", "Gemma 3"])
def test_a_published_decoder_says_in_turn_what_it_says_at_once(family: str, folders: dict[str, Path]) -> None:
    engine = open_engine(folders[family])
    prompts = [engine.encode_text(text) for text in TEXTS]
    expected = engine.generate(prompts, Sampling(8))
    pieces: dict[int, list[Piece]] = {}
    for number, piece in engine.submit([Writing(prompt, Sampling(8)) for prompt in prompts], rows=2):
        assert isinstance(piece, Piece)
        pieces.setdefault(number, []).append(piece)
    for number, whole in enumerate(expected):
        assert [token for piece in pieces[number] for token in piece.ids] == whole.ids
        assert "".join(piece.text for piece in pieces[number]) == whole.text
        assert pieces[number][-1].finish_reason == whole.finish_reason
    with pytest.raises(LmworksError, match="shorten the prompt"):
        list(engine.submit([Writing([5] * engine.context_length, Sampling(8))]))


def test_requests_of_all_kinds_are_submitted_alike_and_can_be_taken_back(folders: dict[str, Path]) -> None:
    kinds: dict[str, Any] = {"classify": Classified, "tag": Tagged, "embed": Embedded}
    for family, ability in ABILITIES.items():
        engine = open_engine(folders[family])
        batch = engine.batch(2)
        requests = [batch.add(Reading(ability, text)) for text in TEXTS]  # type: ignore[arg-type]
        batch.remove(requests[1])
        answered = []
        while batch.busy:
            answered += batch.step()
        assert [request for request, _ in answered] == [requests[0], *requests[2:]]
        assert all(isinstance(each, kinds[ability]) for _, each in answered)
        read = [each for _, each in engine.submit([Reading(ability, text) for text in TEXTS])]  # type: ignore[arg-type]
        assert read == getattr(engine, ability)(TEXTS)


def test_what_a_model_cannot_do_is_refused_by_name(folders: dict[str, Path]) -> None:
    for family, folder in folders.items():
        engine = open_engine(folder)
        able = ABILITIES.get(family, "generate")
        assert engine.can == {able}
        for ability in {*ABILITIES.values()} - {able}:
            with pytest.raises(Cannot, match=r"this model .* this request needs a model that"):
                getattr(engine, ability)(TEXTS)
        if able != "generate":
            with pytest.raises(Cannot, match=r"needs a model that writes text"):
                engine.generate([[5]], Sampling(2))
        with pytest.raises(Cannot):
            engine.batch(1).add(Reading("tag", "a") if able != "tag" else Writing([5], Sampling(2)))
    with pytest.raises(LmworksError, match=r"tells the label of a text.*token by token"):
        open_decoder(folders["sequence classifier"])


def test_a_classifier_without_its_head_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    """`transformers` would begin the head afresh, and answer at random."""
    from safetensors.torch import load_file, save_file

    folder = write_reader(tmp_path / "model", "sequence classifier")
    weights = {name: each for name, each in load_file(folder / "model.safetensors").items() if "classifier" not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["BertForSequenceClassification"]
    with pytest.raises(LmworksError, match=r"no weights for classifier\.bias"):
        open_engine(folder)
