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
from lmworks.errors import LmworksError, Stopped
from lmworks.model import folder as folders
from lmworks.model.config import DecoderConfig
from lmworks.model.decoder import Decoder
from lmworks.model.folder import ModelFolder, load_model, save_model
from lmworks.model.quantised import pack_nf4, pack_q4_1, unpack_nf4, unpack_q4_1
from lmworks.pipeline.stage import Context, Result
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.adapter import LoraConfig
from lmworks.train.configs.language_model import CausalLMConfig, SftConfig
from lmworks.train.families.adapters import PARTS, Adapters
from lmworks.train.families.decoder import TrainableDecoder
from lmworks.train.loop.train import train
from lmworks.train.memory import training_memory, weight_bytes
from model.test_folder import SHAPE, logits
from model.test_folder import TOKENS as SOME_TOKENS
from published import take, write_published
from support import MemoryJournal, make_context

BLOCKS = dataclasses.replace(SHAPE, intermediate_size=64)
"""Whose rows are whole blocks of 32."""
WIDE = dataclasses.replace(BLOCKS, hidden_size=64)
"""Whose rows are whole blocks of 64."""
SMALL: dict[str, Any] = {
    "from": "base",
    "data": "x",
    "adapter": {"rank": 4, "alpha": 8},
    "learning_rate": 0.02,
    "sequence_length": 64,
    "global_batch_tokens": 256,
    "steps": 12,
    "warmup_steps": 2,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
    "checkpoint_steps": 3,
}


@pytest.fixture(scope="module")
def base(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    folder = tmp_path_factory.mktemp("base") / "base"
    save_model(fresh(SHAPE), folder, tokenizer.path)
    return ModelFolder(folder, "base")


@pytest.fixture(scope="module")
def in_blocks(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """Whose matrices inside blocks came out of blocks of 4 bits."""
    folder = tmp_path_factory.mktemp("blocks") / "base"
    decoder = fresh(BLOCKS)
    for name, weight in decoder.named_parameters():
        if "_proj" in name:
            weight.data = unpack_q4_1(*pack_q4_1(weight.data))
    save_model(decoder, folder, tokenizer.path)
    return ModelFolder(folder, "blocks")


@pytest.fixture(scope="module")
def rows(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return pack_chats(tmp_path_factory.mktemp("chats"), tokenizer, 64)


def fresh(shape: DecoderConfig) -> Decoder:
    decoder = Decoder(shape)
    generator = torch.Generator().manual_seed(0)
    decoder.initialise(generator)
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.ndim > 1 or shape.qkv_bias:
                parameter.normal_(0, 0.1, generator=generator)
    return decoder


def tune(base: ModelFolder, rows: Shards, context: Context, out: Path, **values: Any) -> Result:
    config = SftConfig.model_validate({**SMALL, **values})
    tokenizer = TokenizerFolder(base.path, "base")
    return train(config, base, rows, tokenizer, rows, None, out=out, context=context)


def test_the_merged_model_is_the_base_and_the_adapter(base: ModelFolder, rows: Shards, tmp_path: Path) -> None:
    counts = tune(base, rows, make_context(tmp_path), tmp_path / "out").counts
    lines = [json.loads(line) for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.9 * lines[0]["loss"]
    before, merged = (load_file(folder / "model.safetensors") for folder in (base.path, tmp_path / "out"))
    adapter = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert counts["trained parameters"] == sum(tensor.numel() for tensor in adapter.values())
    assert counts["parameters"] == SHAPE.parameters == sum(tensor.numel() for tensor in before.values())
    changed = {name for name in before if not torch.equal(before[name], merged[name])}
    assert changed == {name for name in before if "_proj" in name}
    for name in changed:
        a, b = (adapter[f"base_model.model.{name.removesuffix('weight')}lora_{part}.weight"] for part in "AB")
        assert torch.allclose(merged[name], before[name] + 2 * b @ a, atol=1e-6)
    assert open_decoder(tmp_path / "out").log_likelihoods([[5, 6, 7]], [1])


def test_peft_loads_the_adapter_with_equal_logits(base: ModelFolder, rows: Shards, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    adapter = {"rank": 4, "targets": ["q_proj", "down_proj"]}
    tune(base, rows, make_context(tmp_path), tmp_path / "out", adapter=adapter)
    model = peft.PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base.path), tmp_path / "out" / "adapter"
    )
    with torch.no_grad():
        found = model.eval()(SOME_TOKENS).logits
    assert float((found - logits(load_model(tmp_path / "out"))).abs().max()) < 1e-4
    assert float((found - logits(load_model(base.path))).abs().max()) > 1e-2


@pytest.mark.parametrize("bias", [False, True])
def test_loss_and_gradients_are_those_of_peft(bias: bool, tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    save_model(fresh(dataclasses.replace(SHAPE, qkv_bias=bias)), tmp_path, tokenizer.path)
    ours = load_model(tmp_path)
    adapters = Adapters(ours, ours.blocks, LoraConfig(rank=4, alpha=12), seed=0)
    config = peft.LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM")
    theirs = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tmp_path), config)
    generator = torch.Generator().manual_seed(1)
    matched = {}
    with torch.no_grad():
        for name, adapter in adapters.by_name.items():
            for part in PARTS:
                weight = theirs.get_parameter(f"base_model.model.{name}.{part}.default.weight")
                weight.normal_(0, 0.1, generator=generator)
                getattr(adapter, part).copy_(weight)
                matched[name, part] = weight
    assert sum(p.requires_grad for p in theirs.parameters()) == len(matched)
    targets = SOME_TOKENS.roll(1, 1).flatten()
    number = torch.zeros_like(SOME_TOKENS)
    from lmworks.train.arithmetic.packed import masked_attention, visible_positions

    visible, positions = visible_positions(number, None), torch.arange(SOME_TOKENS.shape[1]).expand_as(SOME_TOKENS)
    hidden = ours.hidden(SOME_TOKENS, positions, lambda _, q, k, v: masked_attention(q, k, v, visible))
    losses = []
    for found in (hidden @ ours.output_weight.T, theirs(SOME_TOKENS).logits):
        losses.append(torch.nn.functional.cross_entropy(found.flatten(0, 1), targets))
        losses[-1].backward()
    assert torch.allclose(losses[0], losses[1], atol=1e-5)
    for (name, part), weight in matched.items():
        gradient = getattr(adapters.by_name[name], part).grad
        assert torch.allclose(gradient, weight.grad, atol=1e-5), (name, part)
        assert float(gradient.abs().max()) > 1e-6
    assert all(parameter.grad is None for name, parameter in ours.named_parameters() if ".lora_" not in name)


@pytest.mark.whole
@pytest.mark.parametrize("how", [{}, {"quantise": "q4_1"}])
def test_a_stopped_run_ends_with_the_same_bytes_and_its_checkpoint_holds_adapters_alone(
    how: dict[str, str], base: ModelFolder, in_blocks: ModelFolder, rows: Shards, tmp_path: Path
) -> None:
    values, base = {"adapter": {**how, "rank": 4, "alpha": 8}}, in_blocks if "quantise" in how else base
    tune(base, rows, make_context(tmp_path / "whole"), tmp_path / "whole" / "out", **values)
    journal, asked = MemoryJournal(), []

    def stop() -> None:
        asked.append(None)
        if len(asked) == 8:
            raise Stopped("by the test")

    context = make_context(tmp_path / "cut", journal)
    with pytest.raises(Stopped):
        cut = Context(context.scratch, journal, context.progress, stop)
        tune(base, rows, cut, tmp_path / "cut" / "out", **values)
    *_, checkpoint = sorted(context.scratch.glob("step-*.safetensors"))
    assert checkpoint.stat().st_size < 0.7 * (base.path / "model.safetensors").stat().st_size
    assert all("/lora_" in name or ".lora_" in name for name in load_file(checkpoint))
    tune(base, rows, context, tmp_path / "cut" / "out", **values)
    for path in ("model.safetensors", "adapter/adapter_model.safetensors", "history.jsonl"):
        assert (tmp_path / "cut" / "out" / path).read_bytes() == (tmp_path / "whole" / "out" / path).read_bytes()


def test_an_adapter_has_rates_of_its_own_and_a_base() -> None:
    given = {name: value for name, value in SMALL.items() if name != "learning_rate"}
    config = SftConfig.model_validate({**given, "adapter": {}})
    assert (config.optimizer, config.learning_rate, config.adapter) == ("adamw", 2e-4, LoraConfig())
    assert "adapter" not in SftConfig.model_validate({**given, "adapter": None}).model_dump()
    for values in ({"optimizer": "muon"}, {"from": "scratch"}):
        with pytest.raises(ValidationError, match="an adapter needs a base in `from`"):
            CausalLMConfig.model_validate({**given, **values})


@pytest.mark.whole
def test_a_base_out_of_4_bit_blocks_is_held_in_them_without_a_loss_and_merged_in_16_bits(
    in_blocks: ModelFolder, rows: Shards, tmp_path: Path
) -> None:
    """Adapters beside some matrices, but all are held so."""
    adapter = {"rank": 4, "alpha": 8, "targets": ["q_proj", "down_proj"]}
    lines, stored = [], []
    for name, more in (("plain", {}), ("held", {"quantise": "q4_1"})):
        out = tmp_path / name / "out"
        tune(in_blocks, rows, make_context(tmp_path / name), out, adapter={**adapter, **more})
        lines.append([json.loads(line)["loss"] for line in (out / "history.jsonl").read_text().splitlines()])
        stored.append(load_file(out / "model.safetensors"))
    assert lines[0] == pytest.approx(lines[1], rel=1e-5)
    assert {weight.dtype for weight in stored[1].values()} == {torch.bfloat16}
    for name, weight in stored[0].items():
        assert torch.allclose(weight, stored[1][name].float(), rtol=2**-8, atol=1e-5), name
    assert json.loads((tmp_path / "held/out/config.json").read_text())["dtype"] == "bfloat16"
    merged, plain = (logits(load_model(tmp_path / name / "out")) for name in ("held", "plain"))
    assert float((merged - plain).abs().max()) < 0.05 < float((plain - logits(load_model(in_blocks.path))).abs().max())


def test_a_base_in_normal_floats_is_rounded_and_learned_beside(
    tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path
) -> None:
    save_model(fresh(WIDE), tmp_path / "base", tokenizer.path)
    base = ModelFolder(tmp_path / "base", "wide")
    values = {"adapter": {"rank": 4, "alpha": 8, "quantise": "nf4"}}
    tune(base, rows, make_context(tmp_path), tmp_path / "out", **values)
    lines = [json.loads(line)["loss"] for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    assert lines[-1] < 0.9 * lines[0]
    before, after = (load_file(folder / "model.safetensors") for folder in (base.path, tmp_path / "out"))
    adapter = load_file(tmp_path / "out/adapter/adapter_model.safetensors")
    for name in (name for name in before if "_proj" in name):
        a, b = (adapter[f"base_model.model.{name.removesuffix('weight')}lora_{part}.weight"] for part in "AB")
        held = unpack_nf4(*pack_nf4(before[name]))
        assert torch.allclose(after[name].float(), held + 2 * b @ a, rtol=2**-8, atol=1e-5) and after[name].ndim == 2


def test_the_memory_of_weights_in_4_bits_is_as_counted(in_blocks: ModelFolder) -> None:
    values: dict[str, Any] = {**SMALL, "adapter": {"rank": 4, "quantise": "q4_1"}}
    config = SftConfig.model_validate(values)
    assert config.adapter
    decoder = load_model(in_blocks.path, None)
    Adapters(decoder, decoder.blocks, config.adapter, seed=0)
    frozen = [*(p for p in decoder.parameters() if not p.requires_grad), *decoder.buffers()]
    assert weight_bytes(config, BLOCKS) == sum(tensor.nbytes for tensor in frozen)
    parts = [training_memory(BLOCKS, each, 400, 0) for each in (config, SftConfig.model_validate(SMALL))]
    assert sum(parts[0].values()) < sum(parts[1].values())


def test_layers_of_other_architectures_get_adapters_where_they_are_linear(tmp_path: Path) -> None:
    for family in ("GPT-2", "Pythia"):
        take(write_published(tmp_path / f"{family} source", family), tmp_path / family)
    base = ModelFolder(tmp_path / "Pythia", "Pythia")
    chats = pack_chats(tmp_path / "chats", TokenizerFolder(base.path, "Pythia"), 64)
    with pytest.raises(LmworksError, match=r"adapter.quantise works only with llama, .*: leave it out"):
        tune(base, chats, make_context(tmp_path / "c"), tmp_path / "out", adapter={"quantise": "q4_1"})
    tune(base, chats, make_context(tmp_path), tmp_path / "out")
    adapter = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    before, after = (load_file(folder / "model.safetensors") for folder in (base.path, tmp_path / "out"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {f"base_model.model.{name.removesuffix('weight')}lora_A.weight" for name in changed} < adapter.keys()
    with pytest.raises(LmworksError, match="the blocks have dense, dense_4h_to_h, dense_h_to_4h, query_key_value"):
        values = {"adapter": {"targets": ["q_proj"]}}
        tune(base, chats, make_context(tmp_path / "b"), tmp_path / "out", **values)
    chats = pack_chats(tmp_path / "chats of GPT-2", TokenizerFolder(tmp_path / "GPT-2", "GPT-2"), 64)
    with pytest.raises(LmworksError, match=r"the blocks of this architecture have none .* leave `adapter` out"):
        tune(ModelFolder(tmp_path / "GPT-2", ""), chats, make_context(tmp_path / "a"), tmp_path / "out")


@pytest.mark.whole
def test_a_frozen_base_is_kept_in_16_bits_and_merged_without_loss_on_the_host(
    tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the merged model hold the base's own float32 numbers, and all forms of the base end close together."""
    save_model(fresh(WIDE), tmp_path / "base", tokenizer.path)
    base, held = ModelFolder(tmp_path / "base", "wide"), dict[str, torch.dtype]()
    monkeypatch.setattr(folders, "FILE_BYTES", 2**16)
    merged: dict[str, dict[str, torch.Tensor]] = {}
    for name, adapter, data_type in (
        ("wide", {}, "float32"),
        ("narrow", {}, "bfloat16"),
        ("four bits", {"quantise": "nf4"}, "bfloat16"),
    ):
        out = tmp_path / name
        with monkeypatch.context() as patch:
            patch.setattr(TrainableDecoder, "save", seen(held, TrainableDecoder.save))
            tune(base, rows, make_context(tmp_path / f"{name} work"), out, adapter=SMALL["adapter"] | adapter,
                 data_type=data_type, watch=None)  # fmt: skip
        assert held["model.embed_tokens.weight"] == getattr(torch, data_type)
        assert held["model.norm.weight"] == torch.float32
        assert len([*out.glob("model-*-of-*.safetensors")]) > 1
        merged[name] = dict(load_model(out).state_dict())
        theirs = AutoModelForCausalLM.from_pretrained(out, dtype="float32").state_dict()
        assert all(torch.equal(theirs[key], weight) for key, weight in merged[name].items())
        if name != "wide":
            learned = load_file(out / "adapter" / "adapter_model.safetensors")
            for key, before in load_model(base.path).state_dict().items():
                if "_proj" not in key:
                    expected = before
                else:
                    a, b = (
                        learned[f"base_model.model.{key.removesuffix('weight')}lora_{part}.weight"] for part in "AB"
                    )
                    expected = (before if name == "narrow" else unpack_nf4(*pack_nf4(before))) + 2 * (b @ a)
                close = 0.0 if name == "narrow" else 2**-8
                assert torch.allclose(merged[name][key], expected, rtol=close, atol=1e-6 * (close > 0)), key
    narrow, wide = (logits(load_model(tmp_path / name)) for name in ("narrow", "wide"))
    four = logits(load_model(tmp_path / "four bits"))
    far = float((wide - logits(load_model(base.path))).abs().mean())
    assert float((narrow - wide).abs().mean()) < 0.1 * far and float((four - wide).abs().mean()) < far


def seen(held: dict[str, torch.dtype], save: Any) -> Any:
    """`save` of a trained model, of which is noted in what types its weights are held."""

    def noted(model: TrainableDecoder, *folders: Path) -> None:
        held.update({name: weight.dtype for name, weight in model.decoder.named_parameters()})
        save(model, *folders)

    return noted


@pytest.mark.parametrize("quantise", [None, "nf4"])
def test_a_model_is_merged_beside_its_device(
    quantise: str | None, tokenizer: TokenizerFolder, rows: Shards, tmp_path: Path, another_device: torch.device
) -> None:
    save_model(fresh(WIDE), tmp_path / "base", tokenizer.path)
    base, out = ModelFolder(tmp_path / "base", "wide"), tmp_path / "out"
    values = {
        "adapter": SMALL["adapter"] | {"quantise": quantise},
        "data_type": "bfloat16",
        "device": another_device.type,
    }
    found = tune(base, rows, make_context(tmp_path), out, **values)
    assert found.measured["device_memory_bytes"] >= torch.accelerator.max_memory_reserved(another_device), (
        "saving took more of the device than training"
    )
    learned, merged = load_file(out / "adapter" / "adapter_model.safetensors"), load_file(out / "model.safetensors")
    for name, before in load_file(base.path / "model.safetensors").items():
        if "_proj" in name:
            a, b = (learned[f"base_model.model.{name.removesuffix('weight')}lora_{part}.weight"] for part in "AB")
            held = unpack_nf4(*pack_nf4(before)) if quantise else before
            assert torch.allclose(merged[name].float(), held + 2 * (b @ a), rtol=2**-8, atol=1e-5), name
