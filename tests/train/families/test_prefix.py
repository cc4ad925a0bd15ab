"""What is learned to stand before every text, against PEFT and against the engine that serves it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from corpora import pack_chats
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import LmworksError, Stopped
from lmworks.model.folder import ModelFolder, save_model
from lmworks.model.gguf import write_gguf
from lmworks.pipeline.stage import Context
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.arithmetic.packed import masked_attention
from lmworks.train.configs.alignment import DpoConfig, RewardConfig
from lmworks.train.configs.language_model import SftConfig
from lmworks.train.contract import Batch
from lmworks.train.families.decoder import DecoderObjective
from lmworks.train.memory import trained_parts, training_memory
from model.test_folder import SHAPE
from model.test_folder import TOKENS as SOME_TOKENS
from support import MemoryJournal, make_context
from train.families.test_adapters import SMALL, fresh, tune

PLACES = 5
KINDS = pytest.mark.parametrize("kind", ["prompt", "prefix"])


def how(kind: str) -> dict[str, Any]:
    return {"adapter": {"kind": kind, "tokens": PLACES}, "sequence_length": 48, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def base(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("base") / "base"
    save_model(fresh(SHAPE), folder, tokenizer.path)
    return ModelFolder(folder, "base")


@pytest.fixture(scope="module")
def short(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return pack_chats(tmp_path_factory.mktemp("short"), tokenizer, 48)


def theirs(base: ModelFolder, adapter: Path) -> Any:
    peft = pytest.importorskip("peft")
    plain = AutoModelForCausalLM.from_pretrained(base.path)
    model = peft.PeftModel.from_pretrained(plain, adapter).eval()
    model.prompt_encoder["default"].embedding.weight.requires_grad_(True)  # PEFT refuses to go on with one itself
    return model


def their_logits(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Of the tokens, without the places before them."""
    found: torch.Tensor = model(tokens, attention_mask=torch.ones_like(tokens)).logits
    return found[:, -tokens.shape[1] :]


@KINDS
def test_peft_and_the_engine_compute_what_was_learned(
    kind: str,
    base: ModelFolder,
    short: Shards,
    tmp_path: Path,
) -> None:
    counts = tune(base, short, make_context(tmp_path), tmp_path / "out", **how(kind)).counts
    lines = [json.loads(line) for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.97 * lines[0]["loss"]
    before, after = (load_file(folder / "model.safetensors") for folder in (base.path, tmp_path / "out"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    config = SftConfig.model_validate({**SMALL, **how(kind)})
    assert counts["trained parameters"] == trained_parts(config, SHAPE)["adapters"] == PLACES * SHAPE.prefix_size(kind)
    assert counts["parameters"] == SHAPE.parameters
    training_memory(SHAPE, config, 400, 0)

    engine, tokens = open_decoder(tmp_path / "out"), SOME_TOKENS
    assert engine.context_length == SHAPE.context_length - PLACES
    found = engine.log_likelihoods(tokens.tolist(), [1, 1])
    with torch.no_grad():
        expected = their_logits(theirs(base, tmp_path / "out" / "adapter"), tokens).log_softmax(-1)
    shares = expected[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    assert torch.allclose(torch.tensor(found), shares, atol=1e-4)
    plain = open_decoder(base.path).log_likelihoods(tokens.tolist(), [1, 1])
    assert float((torch.tensor(plain) - shares).abs().max()) > 1e-2


@KINDS
def test_answers_and_choices_stand_behind_it(
    kind: str, base: ModelFolder, short: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts of several lengths, which end one after another, so that rows move."""
    tune(base, short, make_context(tmp_path), tmp_path / "out", **how(kind))
    engine = open_decoder(tmp_path / "out")
    prompts = [SOME_TOKENS[0, :length].tolist() for length in (3, 9, 17, 5)]
    samplings = [Sampling(max_tokens=count, log_probabilities=True) for count in (12, 4, 9, 2)]
    for least in (32, 2):  # what prompts share is read once, behind it, too
        monkeypatch.setattr("lmworks.engines.decoder.SHARED_TOKENS", least)
        for prompt, answer in zip(prompts, engine.generate(prompts, samplings), strict=True):
            whole = [*prompt, *answer.ids, *([] if answer.end_id is None else [answer.end_id])]
            (judged,) = engine.log_likelihoods([whole], [len(prompt)])
            assert judged == pytest.approx(answer.log_probabilities, abs=1e-4)
    choices = [[7, 8], [9], [10, 11, 12]]
    for prompt in (prompts[0], prompts[0][:1]):
        one_by_one = [sum(engine.log_likelihoods([[*prompt, *choice]], [len(prompt)])[0]) for choice in choices]
        assert engine.score_choices(prompt, choices) == pytest.approx(one_by_one, abs=1e-4)


@KINDS
def test_each_segment_of_a_row_learns_as_it_does_alone_in_peft(
    kind: str,
    base: ModelFolder,
    short: Shards,
    tmp_path: Path,
) -> None:
    """Hidden states and gradients, of two segments that share a row."""
    tune(base, short, make_context(tmp_path), tmp_path / "out", steps=1, **how(kind))
    config = SftConfig.model_validate({**SMALL, **how(kind), "steps": 1})
    words = TokenizerFolder(base.path, "base").open()
    model: Any = DecoderObjective.begin(config, base, short.open(), words, compiled=False)
    learned, end = model.adapters.trained["prompt_embeddings"], words.end_of_text_id
    with torch.no_grad():
        learned.copy_(load_file(tmp_path / "out/adapter/adapter_model.safetensors")["prompt_embeddings"])
    parts = [torch.tensor([end, *SOME_TOKENS[row, :length].tolist()]) for row, length in ((0, 20), (1, 13))]
    row = torch.cat([*parts, torch.tensor([end])])[None]
    ours = model.hidden(Batch(row, torch.ones_like(row).float())) @ model.output_weight.T
    peft = theirs(base, tmp_path / "out" / "adapter")
    apart = torch.cat([their_logits(peft, part[None]) for part in parts], 1)
    assert torch.allclose(ours, apart, atol=1e-4)
    targets = row[0, 1:]
    for logits in (ours, apart):
        torch.nn.functional.cross_entropy(logits[0], targets).backward()
    gradient = peft.prompt_encoder["default"].embedding.weight.grad
    assert torch.allclose(learned.grad, gradient, atol=1e-5) and float(gradient.abs().max()) > 1e-4
    with model.reference():
        plain = open_decoder(base.path).log_likelihoods([parts[0].tolist()], [1])[0]
        off = (model.hidden(Batch(row, torch.ones_like(row).float())) @ model.output_weight.T).log_softmax(-1)
        assert off[0, : len(plain)].gather(-1, parts[0][1:, None])[:, 0].tolist() == pytest.approx(plain, abs=1e-4)


@pytest.mark.whole
@KINDS
def test_a_stopped_run_ends_with_the_same_bytes(
    kind: str,
    base: ModelFolder,
    short: Shards,
    tmp_path: Path,
) -> None:
    tune(base, short, make_context(tmp_path / "whole"), tmp_path / "whole" / "out", **how(kind))
    journal, asked = MemoryJournal(), list[None]()

    def stop() -> None:
        asked.append(None)
        if len(asked) == 8:
            raise Stopped("by the test")

    context = make_context(tmp_path / "cut", journal)
    cut = Context(context.scratch, journal, context.progress, stop)
    with pytest.raises(Stopped):
        tune(base, short, cut, tmp_path / "cut" / "out", **how(kind))
    tune(base, short, context, tmp_path / "cut" / "out", **how(kind))
    for path in ("model.safetensors", "adapter/adapter_model.safetensors", "history.jsonl"):
        assert (tmp_path / "cut" / "out" / path).read_bytes() == (tmp_path / "whole" / "out" / path).read_bytes()


def test_what_is_in_no_weight_is_neither_exported_nor_tuned_further(
    base: ModelFolder,
    short: Shards,
    tmp_path: Path,
) -> None:
    tune(base, short, make_context(tmp_path), tmp_path / "out", steps=1, **how("prompt"))
    learned = ModelFolder(tmp_path / "out", "learned")
    with pytest.raises(LmworksError, match="its adapter of kind 'prompt' stands before every text"):
        tune(learned, short, make_context(tmp_path / "more"), tmp_path / "more" / "out", sequence_length=48)
    with pytest.raises(LmworksError, match="tune with an adapter of kind lora or dora"):
        write_gguf(learned.path, tmp_path / "model.gguf", "f32")
    windowed = tmp_path / "windowed"
    save_model(fresh(dataclasses.replace(SHAPE, sliding_window=7)), windowed, base.path)
    with pytest.raises(LmworksError, match="slide out of the window"):
        tune(ModelFolder(windowed, ""), short, make_context(tmp_path / "w"), tmp_path / "w" / "out", **how("prompt"))
    with pytest.raises(LmworksError, match=r"reads 64 tokens .* the data has 68"):
        values = {**how("prefix"), "adapter": {"kind": "prefix", "tokens": 20}}
        tune(base, short, make_context(tmp_path / "long"), tmp_path / "long" / "out", **values)


def test_prompts_and_prefixes_have_rates_of_their_own() -> None:
    given = {name: value for name, value in SMALL.items() if name != "learning_rate"}
    rates = [
        SftConfig.model_validate({**given, "adapter": {"kind": kind}}).learning_rate for kind in ("prompt", "prefix")
    ]
    assert rates == [0.03, 0.01]
    with pytest.raises(ValidationError, match="learning_rate"):
        DpoConfig.model_validate({**given, "objective": "dpo", "adapter": {"kind": "prompt"}})
    with pytest.raises(ValidationError, match="a reward model learns a score, too"):
        RewardConfig.model_validate({**SMALL, "objective": "reward", "adapter": {"kind": "prefix"}})
    with pytest.raises(ValidationError, match="rank"):
        SftConfig.model_validate({**given, "adapter": {"kind": "prompt", "rank": 4}})


@pytest.mark.parametrize("data_type", [torch.float32, torch.bfloat16])
def test_keys_before_the_first_query_are_seen_by_all(data_type: torch.dtype) -> None:
    """Over several blocks of queries, with gradients."""
    draw = torch.Generator().manual_seed(0)
    sizes = ((2, 4, 150, 8), (2, 2, 157, 8), (2, 2, 157, 8))
    inputs = [torch.randn(size, generator=draw, dtype=torch.float64).to(data_type) for size in sizes]
    visible = torch.full((150, 150), float("-inf")).triu(1)
    mask = torch.nn.functional.pad(visible, (7, 0)).expand(2, 1, -1, -1).to(data_type)
    found = []
    for attend in (masked_attention, plain_attention):
        asked = [each.clone().requires_grad_() for each in inputs]
        mixed = attend(*asked, mask)
        mixed.float().square().sum().backward()  # type: ignore[no-untyped-call]
        found.append([mixed, *(each.grad for each in asked)])
    for ours, plain in zip(*found, strict=True):
        assert torch.allclose(ours.float(), plain.float(), atol=1e-5 if data_type == torch.float32 else 0.1, rtol=0.05)


def plain_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
