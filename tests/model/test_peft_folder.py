"""Adapters that PEFT has saved, put onto their base, against PEFT's own model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from corpora import make_tokenizer
from lmworks.engines.open import open_decoder
from lmworks.errors import LmworksError, UsageError
from lmworks.model.folder import save_model
from lmworks.model.pretrained import PretrainedModelConfig, import_model
from model.test_folder import SHAPE, TOKENS, random_decoder
from support import make_context

peft = pytest.importorskip("peft")
ALL = {"task_type": "CAUSAL_LM", "target_modules": "all-linear"}
KINDS: dict[str, Any] = {
    "lora": lambda: peft.LoraConfig(**ALL, r=4, alpha_pattern={"q_proj": 3}, rank_pattern={"layers.0.mlp.up_proj": 2}),
    "rank-stabilised": lambda: peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["v_proj"], r=4, use_rslora=True),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    save_model(random_decoder(SHAPE), folder / "base", make_tokenizer(folder / "tokenizer").path)
    return folder / "base"


def adapted(base: Path, folder: Path, config: Any) -> Any:
    """A model of PEFT with random adapters, saved."""
    torch.manual_seed(1)
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)
    model.save_pretrained(folder)
    return model.eval()


def take(base: Path, adapter: Path, out: Path) -> int:
    config = PretrainedModelConfig(path=str(base), licence="MIT", adapter=str(adapter)).resolve(out.parent)
    return import_model(config, out=out, context=make_context(out.parent)).counts["matrices adapted"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_published_adapter_and_its_base_are_the_model_that_peft_has(kind: str, base: Path, tmp_path: Path) -> None:
    theirs = adapted(base, tmp_path / "adapter", KINDS[kind]())
    changed = take(base, tmp_path / "adapter", tmp_path / "out")
    assert changed == {"rank-stabilised": SHAPE.num_layers}.get(kind, 7 * SHAPE.num_layers)
    with torch.no_grad():
        logits = theirs(TOKENS, attention_mask=torch.ones_like(TOKENS)).logits[:, -TOKENS.shape[1] :]
    expected = logits.log_softmax(-1)[:, :-1].gather(-1, TOKENS[:, 1:, None])[..., 0]
    found = open_decoder(tmp_path / "out").log_likelihoods(TOKENS.tolist(), [1, 1])
    assert torch.allclose(torch.tensor(found), expected, atol=1e-3)
    plain = open_decoder(base).log_likelihoods(TOKENS.tolist(), [1, 1])
    assert float((torch.tensor(plain) - expected).abs().max()) > 0.05


def test_adapters_of_another_base_and_of_more_than_matrices_are_refused_by_name(base: Path, tmp_path: Path) -> None:
    adapted(base, tmp_path / "adapter", KINDS["lora"]())
    path = tmp_path / "adapter" / "adapter_config.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "modules_to_save": ["lm_head"]}))
    with pytest.raises(LmworksError, match="peft_type 'LORA' with modules_to_save; expected LORA"):
        take(base, tmp_path / "adapter", tmp_path / "a" / "out")
    path.write_text(json.dumps({**plain, "peft_type": "IA3"}))
    with pytest.raises(LmworksError, match="peft_type 'IA3'; expected LORA"):
        take(base, tmp_path / "adapter", tmp_path / "b" / "out")
    path.write_text(json.dumps({**plain, "use_dora": True}))
    with pytest.raises(LmworksError, match="peft_type 'LORA' with use_dora; expected LORA"):
        take(base, tmp_path / "adapter", tmp_path / "c" / "out")
    path.write_text(json.dumps(plain))
    other = tmp_path / "other"
    save_model(random_decoder(replace(SHAPE, num_layers=1)), other, base)
    with pytest.raises(LmworksError, match=r"an adapter of another base: this one has no model\.layers\.1\."):
        take(other, tmp_path / "adapter", tmp_path / "d" / "out")
    wide = tmp_path / "wide"
    save_model(random_decoder(replace(SHAPE, intermediate_size=56)), wide, base)
    with pytest.raises(LmworksError, match=r"of \[\d+, \d+\]: A and B of .* do not fit this shape"):
        take(wide, tmp_path / "adapter", tmp_path / "f" / "out")
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"no adapter_model\.safetensors; expected a folder that PEFT has saved"):
        take(base, tmp_path / "adapter", tmp_path / "e" / "out")


def test_names_of_matrices_in_an_adapter_are_patterns_that_cannot_hang(base: Path, tmp_path: Path) -> None:
    adapted(base, tmp_path / "adapter", KINDS["lora"]())
    path = tmp_path / "adapter" / "adapter_config.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "alpha_pattern": {r"(\w+\.?)+!": 3}}))
    assert take(base, tmp_path / "adapter", tmp_path / "a" / "out") == 7 * SHAPE.num_layers
    path.write_text(json.dumps({**plain, "alpha_pattern": {"q_proj(": 3}}))
    with pytest.raises(LmworksError, match=r"adapter_config\.json: alpha_pattern: .* is not a regular expr"):
        take(base, tmp_path / "adapter", tmp_path / "b" / "out")
