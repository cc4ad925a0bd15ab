from __future__ import annotations

import dataclasses
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer as Backend

from corpora import make_tokenizer
from lmworks.engines.open import open_decoder
from lmworks.errors import LmworksError
from lmworks.evaluate.items import measured_by
from lmworks.model.files import weight_bits
from lmworks.model.folder import ModelFolder, load_model, save_model
from lmworks.model.gguf import FILE_TYPES, read_gguf, read_shape, splits, write_gguf
from lmworks.model.pretrained import PretrainedModelConfig, import_model
from lmworks.tokens.tokenizer import TokenizerFolder, open_tokenizer
from model.test_folder import SHAPE, VARIANTS, random_decoder
from support import make_context

TEXT = "Größe 2048, naïve: don't\n\n  the queue's 17 tables — 日本語 🙂<|im_end|>"
KINDS = {name: values for name, values in VARIANTS.items() if not {"sliding_window", "rope_scaling"} & set(values)}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize("variant", KINDS)
def test_a_model_comes_back_from_a_gguf_file_bit_for_bit(
    variant: str, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    save_model(random_decoder(dataclasses.replace(SHAPE, **KINDS[variant])), tmp_path / "ours", tokenizer.path)
    write_gguf(tmp_path / "ours", tmp_path / "model.gguf", "f32")
    config = PretrainedModelConfig(path="model.gguf", licence="MIT").resolve(tmp_path)
    import_model(config, out=tmp_path / "back", context=make_context(tmp_path))
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("ours", "back"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert load_model(tmp_path / "back").config == load_model(tmp_path / "ours").config == config.shape(0)
    ours, theirs = open_tokenizer(tmp_path / "ours"), open_tokenizer(tmp_path / "back")
    assert theirs.encode(TEXT) == ours.encode(TEXT) and theirs.decode(theirs.encode(TEXT)) == TEXT
    chat = [{"role": "user", "content": TEXT}]
    assert theirs.encode_chat(chat, True) == ours.encode_chat(chat, True)


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("gpt-2", ["don", "'t", "Ġsay", "Ġ2048", "!", "Ċ"]),
        ("smollm", ["don", "'t", "Ġsay", "Ġ", "2", "0", "4", "8", "!", "Ċ"]),
        ("llama-bpe", ["don", "'t", "Ġsay", "Ġ", "204", "8", "!Ċ"]),
        ("qwen2", ["don", "'t", "Ġsay", "Ġ", "2", "0", "4", "8", "!Ċ"]),
    ],
)
def test_a_file_names_how_text_is_split_and_is_split_so(
    pre: str, pieces: list[str], tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    save_model(random_decoder(SHAPE), tmp_path / "ours", tokenizer.path)
    backend = Backend.from_file(str(tmp_path / "ours" / "tokenizer.json"))
    backend.pre_tokenizer = splits()[pre]()
    backend.save(str(tmp_path / "ours" / "tokenizer.json"))
    write_gguf(tmp_path / "ours", tmp_path / "model.gguf", "f32")
    assert gguf.GGUFReader(tmp_path / "model.gguf").get_field("tokenizer.ggml.pre").contents() == pre
    read_gguf(tmp_path / "model.gguf", tmp_path / "back")
    back = Backend.from_file(str(tmp_path / "back" / "tokenizer.json"))
    assert [piece for piece, _ in back.pre_tokenizer.pre_tokenize_str("don't say 2048!\n")] == pieces


@pytest.mark.parametrize(("kind", "most"), [("f16", 1e-3), ("q8_0", 1e-2)])
def test_smaller_types_are_as_near_as_they_can_be(
    kind: str, most: float, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    save_model(random_decoder(SHAPE), tmp_path / "ours", tokenizer.path)
    write_gguf(tmp_path / "ours", tmp_path / "model.gguf", kind)
    read_gguf(tmp_path / "model.gguf", tmp_path / "back")
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("ours", "back"))
    for name, tensor in before.items():
        bound = most * float(tensor.abs().max()) if tensor.ndim > 1 else 0.0
        assert float((tensor - after[name].float()).abs().max()) <= bound, name


@pytest.mark.parametrize(("kind", "bits"), [("f32", (32, 32)), ("f16", (16, 17)), ("q8_0", (8.5, 10))])
def test_figures_of_a_base_say_in_how_many_bits_its_weights_came(
    kind: str, bits: tuple[float, float], tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    """Its matrices are made into float32 again, which is not what they are."""
    save_model(random_decoder(SHAPE), tmp_path / "ours", tokenizer.path)
    write_gguf(tmp_path / "ours", tmp_path / "model.gguf", kind)
    config = PretrainedModelConfig(path="model.gguf", licence="MIT").resolve(tmp_path)
    import_model(config, out=tmp_path / "back", context=make_context(tmp_path))
    measured = measured_by(open_decoder(tmp_path / "back"), ModelFolder(tmp_path / "back", "digest"))
    assert measured.weight_bits and bits[0] <= measured.weight_bits <= bits[1]
    assert measured.data_type == "float32", "in which products are taken"
    whole = measured_by(open_decoder(tmp_path / "ours"), ModelFolder(tmp_path / "ours", "digest"))
    assert whole.weight_bits == 32
    half = random_decoder(SHAPE).to(torch.bfloat16)
    save_model(half, tmp_path / "half", tokenizer.path)
    assert weight_bits(tmp_path / "half") == 16


def test_queries_and_keys_of_llama_are_turned_as_llama_cpp_turns_them(
    tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    save_model(random_decoder(SHAPE), tmp_path / "ours", tokenizer.path)
    write_gguf(tmp_path / "ours", tmp_path / "model.gguf", "f32")
    stored = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    weights = load_file(tmp_path / "ours" / "model.safetensors")
    key, size = weights["model.layers.1.self_attn.k_proj.weight"].numpy(), SHAPE.head_size
    first_head = np.stack([key[: size // 2], key[size // 2 : size]], axis=1).reshape(size, -1)
    assert np.array_equal(stored["blk.1.attn_k.weight"][:size], first_head)


def test_transformers_reads_the_same_model_from_the_file(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    save_model(random_decoder(SHAPE), tmp_path / "ours", tokenizer.path)
    write_gguf(tmp_path / "ours", tmp_path / "model.gguf", "f32")
    ours = AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    tokens = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert float((ours(tokens).logits - theirs(tokens).logits).abs().max()) < 1e-4


def test_what_has_no_place_in_such_a_file_is_refused(tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    save_model(random_decoder(dataclasses.replace(SHAPE, sliding_window=7)), tmp_path / "ours", tokenizer.path)
    with pytest.raises(LmworksError, match="cannot have a sliding window"):
        write_gguf(tmp_path / "ours", tmp_path / "model.gguf", next(iter(FILE_TYPES)))
    (tmp_path / "model.gguf").write_bytes(b"GGUF, says the name")
    with pytest.raises(LmworksError, match=r"model\.gguf: .*expected a whole GGUF file of version 2 or 3"):
        read_gguf(tmp_path / "model.gguf", tmp_path / "back")
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "mamba")
    writer.add_tensor("blk.0.ssm_in.weight", np.zeros((4, 32), np.float32))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    with pytest.raises(LmworksError, match=r"'mamba'.*ssm_in"):
        read_gguf(tmp_path / "other.gguf", tmp_path / "back")


def test_a_file_of_a_model_that_reads_later_tokens_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_causal_attention(False)
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), np.float32))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    with pytest.raises(LmworksError, match="attention is not causal"):
        read_shape(path)
