from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from corpora import make_tokenizer
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import LmworksError
from lmworks.model.config import DecoderConfig
from lmworks.model.decoder import Decoder
from lmworks.model.folder import load_model, read_config, save_model
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.arithmetic.packed import masked_attention, segments, visible_positions

SHAPE = DecoderConfig(
    vocab_size=400,
    hidden_size=32,
    num_layers=2,
    num_heads=4,
    num_key_value_heads=2,
    head_size=16,
    intermediate_size=48,
    context_length=64,
)
VARIANTS: dict[str, dict[str, Any]] = {
    "llama": {"rope_theta": 5000.0, "norm_epsilon": 1e-5},
    "llama 3.1": {"rope_theta": 5000.0, "rope_scaling": (8.0, 1.0, 4.0, 16)},
    "llama tied": {"tie_embeddings": True, "num_key_value_heads": 4},  # SmolLM2 is so
    "mistral": {"sliding_window": 7},
    "qwen2": {"qkv_bias": True},
    "qwen3": {"qk_norm": True, "tie_embeddings": True},
    "qwen3 window": {"qk_norm": True, "sliding_window": 7},
}
TOKENS = torch.randint(1, 400, (2, 40), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def random_decoder(config: DecoderConfig) -> Decoder:
    decoder = Decoder(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.1, generator=generator)
    return decoder


def logits(decoder: Decoder) -> torch.Tensor:
    number, positions = segments(TOKENS, 0)
    visible = visible_positions(number, decoder.config.sliding_window)
    with torch.no_grad():
        hidden = decoder.hidden(TOKENS, positions, lambda _, q, k, v: masked_attention(q, k, v, visible))
        return hidden @ decoder.output_weight.T


@pytest.mark.parametrize("variant", VARIANTS)
def test_transformers_computes_the_same_logits_both_ways(
    variant: str, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    ours = random_decoder(dataclasses.replace(SHAPE, **VARIANTS[variant]))
    save_model(ours, tmp_path / "ours", tokenizer.path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "ours", dtype=torch.float32).eval()
    assert theirs.config.model_type == variant.split()[0]
    with torch.no_grad():
        expected = theirs(TOKENS).logits
    assert float((logits(ours) - expected).abs().max()) < 1e-4
    assert float(expected.std()) > 0.1

    theirs.save_pretrained(tmp_path / "theirs")
    back = load_model(tmp_path / "theirs")
    assert back.config == ours.config
    assert float((logits(back) - expected).abs().max()) < 1e-4

    engine = open_decoder(tmp_path / "ours")
    prompts = [TOKENS[0, :30].tolist(), TOKENS[1, :9].tolist()]
    for prompt, answer in zip(prompts, engine.generate(prompts, Sampling(max_tokens=24)), strict=True):
        greedy = theirs.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0, len(prompt) :].tolist()
        assert answer.ids == [token for token in greedy if token not in (0, 2)]


def test_equal_weights_give_equal_bytes(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    for name in "ab":
        save_model(random_decoder(SHAPE), tmp_path / name, tokenizer.path)
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert files == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "gpt2"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope type"),
        ({"attention_bias": True}, "attention_bias"),
        ({"is_causal": False}, "is_causal"),
        ({"model_type": "qwen3", "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1}, "differ"),
        ({"intermediate_size": 64}, r"model.layers.0.mlp.down_proj.weight is \(32, 48\), expected \(32, 64\)"),
    ],
)
def test_what_the_decoder_cannot_compute_is_refused(
    change: dict[str, Any], message: str, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    save_model(random_decoder(SHAPE), tmp_path, tokenizer.path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(LmworksError, match=message):
        load_model(tmp_path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match="a model folder holds"):
        read_config(tmp_path)


def test_bfloat16_weights_load_in_the_type_that_is_asked_for(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    save_model(random_decoder(SHAPE).bfloat16(), tmp_path, tokenizer.path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    for name in ("float32", "bfloat16"):
        model = load_model(tmp_path, name)
        assert model.compute_type == model.output_weight.dtype == getattr(torch, name)
