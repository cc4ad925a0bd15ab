"""Model files that are damaged, or made to do harm: each is refused in a line with its name; nothing else is raised."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from lmworks.engines.open import open_decoder
from lmworks.errors import LmworksError
from lmworks.model.folder import load_model, read_config, shape_of, stored_parameters
from lmworks.model.gguf import read_gguf, read_shape, stated_licence, write_gguf
from lmworks.model.peft_folder import put_on
from lmworks.model.pretrained import PretrainedModelConfig, import_model
from lmworks.model.published import load_published
from lmworks.tokens.tokenizer import open_tokenizer
from quick import examples
from support import make_context
from tiny import make_tiny_model

Change = Callable[[Any], Any]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("sound") / "model")


@pytest.fixture
def model(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "model"))


def header(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    return found


def with_header(change: Change) -> Callable[[bytes], bytes]:
    def changed(raw: bytes) -> bytes:
        found = header(raw)
        change(found)
        text = json.dumps(found).encode()
        return len(text).to_bytes(8, "little") + text + raw[8 + int.from_bytes(raw[:8], "little") :]

    return changed


NORM = "model.norm.weight"
WEIGHTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "a few bytes": lambda raw: raw[:5],
    "cut in the header": lambda raw: raw[:100],
    "cut in the tensors": lambda raw: raw[:-100],
    "longer": lambda raw: raw + b"\0" * 64,
    "a header that is too long": lambda raw: (2**62).to_bytes(8, "little") + raw[8:],
    "a header beyond the file": lambda raw: (len(raw) * 2).to_bytes(8, "little") + raw[8:],
    "no JSON": lambda raw: raw[:8] + b"[" + raw[9:],
    "no UTF-8": lambda raw: raw[:10] + b"\xff\xfe" + raw[12:],
    "not a number": with_header(lambda head: head[NORM].update(shape=[float("nan")])),
    "overlapping": with_header(lambda head: head[NORM].update(data_offsets=[0, 128])),
    "offsets that go back": with_header(lambda head: head[NORM].update(data_offsets=[128, 0])),
    "an unknown type": with_header(lambda head: head[NORM].update(dtype="F31")),
    "whole numbers": with_header(lambda head: head[NORM].update(dtype="I32")),
    "another shape": with_header(lambda head: head[NORM].update(shape=[2, 16])),
    "a shape beyond all": with_header(lambda head: head[NORM].update(shape=[2**62, 2**62])),
    "a shape below nothing": with_header(lambda head: head[NORM].update(shape=[-32])),
    "another name": with_header(lambda head: head.update({"model.nrom.weight": head.pop(NORM)})),
    "a list of tensors": with_header(lambda head: head.update({NORM: [1, 2]})),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_damaged_weights_are_refused_by_name(kind: str, model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(WEIGHTS[kind](path.read_bytes()))
    for data_type in ("float32", None):
        refused(lambda data_type=data_type: load_model(model, data_type), model)


def refused(attempt: Callable[[], object], place: Path) -> None:
    with pytest.raises(LmworksError) as caught:
        attempt()
    assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
SIZES += ("head_dim", "intermediate_size", "max_position_embeddings")
NUMBERS = (*SIZES, "rms_norm_eps", "rope_theta", "rope_parameters", "sliding_window", "architectures", "model_type")


@pytest.mark.parametrize("value", ["ten", -1, 0, 0.5, True, 10**9, 10**30, [], {}, [1], float("nan")], ids=str)
@pytest.mark.parametrize("name", SIZES)
def test_a_size_that_is_none_is_refused_before_anything_is_made(name: str, value: Any, model: Path) -> None:
    path = model / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    refused(lambda: load_model(model), model)


@pytest.mark.parametrize("value", ["ten", -1, 10**30, [], {}, [1], {"a": 1}, None, "absent"], ids=str)
@pytest.mark.parametrize("name", NUMBERS)
def test_no_value_of_a_config_raises_anything_else(name: str, value: Any, model: Path) -> None:
    path = model / "config.json"
    found = {**json.loads(path.read_text()), name: value}
    path.write_text(json.dumps({key: each for key, each in found.items() if (key, each) != (name, "absent")}))
    for attempt in (load_model, open_decoder, shape_of, read_config):
        only_ours(lambda attempt=attempt: attempt(model), model)


def only_ours(attempt: Callable[[], object], place: Path) -> None:
    try:
        attempt()
    except LmworksError as error:
        assert str(place) in str(error)
        assert "\n" not in str(error)


FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "cut": lambda raw: raw[: len(raw) // 2],
    "no UTF-8": lambda raw: raw[:10] + b"\xff" + raw[11:],
    "a list": lambda raw: b"[1]",
    "a number": lambda raw: b"7",
    "a text": lambda raw: b'"{}"',
    "nothing in it": lambda raw: b"{}",
    "deep": lambda raw: b"[" * 100_000,
    "digits": lambda raw: b'{"vocab_size": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_description_is_refused_by_name(name: str, kind: str, model: Path) -> None:
    path = model / name
    path.write_bytes(FILES[kind](path.read_bytes()))
    if (name, kind) == ("tokenizer_config.json", "nothing in it"):  # so a base lies there that was never tuned
        assert not open_decoder(model).tokenizer.chat_template
    else:
        refused(lambda: open_decoder(model), model)


def test_a_missing_file_is_named(model: Path) -> None:
    for name in ("tokenizer_config.json", "tokenizer.json", "model.safetensors", "config.json"):
        (model / name).unlink()
        refused(lambda: open_decoder(model), model)


def test_a_tokenizer_with_ids_beyond_the_weights_is_refused(model: Path) -> None:
    path = model / "tokenizer.json"
    found = json.loads(path.read_text())
    found["model"]["vocab"]["beyond"] = 10**9
    path.write_text(json.dumps(found))
    refused(lambda: open_decoder(model), model)


def test_a_tokenizer_whose_pattern_cannot_be_matched_fails_as_an_error_of_ours(model: Path) -> None:
    path = model / "tokenizer.json"
    found = json.loads(path.read_text())
    found["pre_tokenizer"] = {
        "type": "Split", "pattern": {"Regex": r"(\w+\s?)+\."}, "behavior": "Isolated", "invert": False,
    }  # fmt: skip
    path.write_text(json.dumps(found))
    tokenizer = open_tokenizer(model)
    text = "word " * 20 + "!."
    refused(lambda: tokenizer.encode(text), model)
    refused(lambda: tokenizer.encode_batch([text]), model)
    refused(lambda: tokenizer.encode_with_offsets([text]), model)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]),
    share=st.floats(0, 1, exclude_max=True),
    how=st.sampled_from(["flip", "cut", "zero", "insert"]),
    byte=st.integers(0, 255),
)
def test_no_byte_of_a_model_folder_raises_anything_else(
    name: str, share: float, how: str, byte: int, sound: Path, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    model = Path(shutil.copytree(sound, tmp_path / "model"))
    raw = bytearray((model / name).read_bytes())
    place = int(share * (min(len(raw), 2500) if name == "model.safetensors" else len(raw)))
    damage(raw, place, how, byte)
    (model / name).write_bytes(raw)
    only_ours(lambda: open_decoder(model).tokenizer.encode("some text"), model)
    only_ours(lambda: stored_parameters(model), model)


def damage(raw: bytearray, place: int, how: str, byte: int) -> None:
    if how == "flip":
        raw[place] ^= 1 << byte % 8
    elif how == "cut":
        del raw[place:]
    elif how == "zero":
        raw[place : place + 8] = bytes(8)
    else:
        raw[place:place] = bytes([byte]) * (1 + byte % 9)


# ---------------------------------------------------------------- models of others


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "model"
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForMaskedLM(BertConfig(vocab_size=50, **sizes)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("value", ["ten", -1, 0, 3, 10**9, 10**30, [], {}, None], ids=str)
@pytest.mark.parametrize(
    "name", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "hidden_act", "architectures"]
)
def test_a_published_model_with_any_config_raises_nothing_else(
    name: str, value: Any, encoder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(encoder, tmp_path / "model"))
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    only_ours(lambda: load_published(folder, "AutoModelForMaskedLM"), folder)
    only_ours(lambda: shape_of(folder), folder)


def test_an_index_names_files_of_its_own_folder_alone(model: Path, tmp_path: Path) -> None:
    tensors = load_file(model / "model.safetensors")
    save_file(tensors, tmp_path / "private.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, "../private.safetensors")}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(LmworksError, match=r"index\.json: names .*; expected a file in the same folder"):
        PretrainedModelConfig(path="model", licence="MIT").resolve(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "LICENSE", "notes.txt"])
def test_a_link_out_of_a_model_folder_is_not_copied(name: str, model: Path, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_bytes((model / name).read_bytes() if (model / name).exists() else b"secret")
    (model / name).unlink(missing_ok=True)
    (model / name).symlink_to(private)
    with pytest.raises(LmworksError, match=rf"{name}: a link that leads out of its folder"):
        PretrainedModelConfig(path="model", licence="MIT").resolve(tmp_path)


def test_a_snapshot_of_the_hub_is_taken_with_its_blobs(model: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a" / "snapshots" / "12ab", tmp_path / "models--a" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(path for path in model.iterdir() if path.is_file())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    config = PretrainedModelConfig(path=str(snapshot), licence="MIT").resolve(tmp_path)
    import_model(config, out=tmp_path / "out", context=make_context(tmp_path))
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())
    assert load_model(tmp_path / "out").config == read_config(snapshot)


def test_a_vocabulary_is_taken_from_no_place_that_a_file_names(tmp_path: Path, model: Path) -> None:
    (tmp_path / "private.txt").write_text("[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\nsecret\n")
    (model / "tokenizer.json").unlink()
    (model / "vocab.txt").write_text("[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\nplain\n")
    named = {"tokenizer_class": "BertTokenizer", "vocab_file": str(tmp_path / "private.txt")}
    (model / "tokenizer_config.json").write_text(json.dumps(named))
    config = PretrainedModelConfig(path="model", licence="MIT").resolve(tmp_path)
    import_model(config, out=tmp_path / "out", context=make_context(tmp_path))
    text = (tmp_path / "out" / "tokenizer.json").read_text()
    assert '"plain"' in text and '"secret"' not in text


def test_a_pickle_is_refused_by_name(model: Path, tmp_path: Path) -> None:
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    with pytest.raises(LmworksError, match=r"pickled \.bin and \.pt files are never read"):
        PretrainedModelConfig(path="model", licence="MIT").resolve(tmp_path)


# ---------------------------------------------------------------- adapters


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in ("r", "lora_alpha") for value in ("ten", None, [], -1, 0)),
        *(("alpha_pattern", value) for value in ([1], "ten", {"q_proj": "ten"}, {"q_proj": None})),
        *(("peft_type", value) for value in (None, [], "PROMPT_TUNING", "PREFIX_TUNING")),
    ],
)
def test_no_adapter_raises_anything_else(field: str, value: Any, model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
    save_file({f"{name}A.weight": torch.zeros(2, 32), f"{name}B.weight": torch.zeros(32, 2)}, adapter / "a")
    (adapter / "a").rename(adapter / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, field: value}
    (adapter / "adapter_config.json").write_text(json.dumps(config))

    def attempt() -> None:
        put_on(model, adapter)
        open_decoder(model)

    only_ours(attempt, tmp_path)


@pytest.mark.parametrize("kind", WEIGHTS)
def test_damaged_weights_of_an_adapter_are_refused_by_name(kind: str, model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4}))
    raw = WEIGHTS[kind]((model / "model.safetensors").read_bytes())
    (adapter / "adapter_model.safetensors").write_bytes(raw)
    refused(lambda: put_on(model, adapter), tmp_path)


# ---------------------------------------------------------------- GGUF


@pytest.fixture(scope="module")
def packed(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf(sound, path, "f16")
    return path.read_bytes()


def opened(path: Path, folder: Path) -> None:
    read_shape(path)
    stated_licence(path)
    read_gguf(path, folder)
    load_model(folder)


COUNTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "another kind": lambda raw: b"GGML" + raw[4:],
    "cut in the fields": lambda raw: raw[:500],
    "cut in the tensors": lambda raw: raw[:-100],
    "tensors beyond all": lambda raw: raw[:8] + (2**62).to_bytes(8, "little") + raw[16:],
    "fields beyond all": lambda raw: raw[:16] + (2**62).to_bytes(8, "little") + raw[24:],
    "a name beyond all": lambda raw: raw[:24] + (2**62).to_bytes(8, "little") + raw[32:],
    "another version": lambda raw: raw[:4] + (99).to_bytes(4, "little") + raw[8:],
}


@pytest.mark.parametrize("kind", COUNTS)
def test_a_damaged_gguf_file_is_refused_by_name(kind: str, packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(COUNTS[kind](packed))
    refused(lambda: opened(path, tmp_path / "out"), path)


def test_a_list_in_a_gguf_file_is_no_longer_than_the_file(packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    for name in (b"tokenizer.ggml.tokens", b"tokenizer.ggml.token_type"):
        place = packed.index(name) + len(name) + 4 + 4  # the value's type, and that of its elements
        path.write_bytes(packed[:place] + (2**60).to_bytes(8, "little") + packed[place + 8 :])
        refused(lambda: opened(path, tmp_path / "out"), path)


def test_a_tensor_in_a_gguf_file_lies_in_the_file(packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    place = packed.index(b"output_norm.weight") + len("output_norm.weight")
    for offset, value in ((0, 2**31), (4, 2**62), (4, 10**9), (12, 999), (16, 2**62)):  # dimensions, type, place
        size = 8 if offset in (4, 16) else 4
        changed = packed[: place + offset] + value.to_bytes(size, "little") + packed[place + offset + size :]
        path.write_bytes(changed)
        refused(lambda: opened(path, tmp_path / "out"), path)


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    share=st.floats(0, 1, exclude_max=True),
    how=st.sampled_from(["flip", "cut", "zero", "insert"]),
    byte=st.integers(0, 255),
)
def test_no_byte_of_a_gguf_file_raises_anything_else(
    share: float, how: str, byte: int, packed: bytes, tmp_path: Path
) -> None:
    raw, path = bytearray(packed), tmp_path / "model.gguf"
    end = packed.index(b"token_embd.weight") + 2000
    damage(raw, int(share * min(end, len(raw))), how, byte)
    path.write_bytes(raw)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    only_ours(lambda: opened(path, tmp_path / "out"), tmp_path)


def test_fields_of_another_type_are_told(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_array("llama.attention.head_count", [4, 4])
    writer.add_string("llama.embedding_length", "many")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    refused(lambda: opened(path, tmp_path / "out"), path)
