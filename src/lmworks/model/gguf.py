"""GGUF files, llama.cpp's form of a model. They are read into a folder, and written from one, tensor by tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.errors import LmworksError, told
from lmworks.extras import told_if_missing
from lmworks.lazy import np
from lmworks.model.config import DecoderConfig
from lmworks.model.files import WEIGHT_BITS
from lmworks.model.folder import describe, read_config, require_form
from lmworks.pipeline.files import atomically, write_atomically

if TYPE_CHECKING:
    import tokenizers

FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7}
"""Types of matrices with llama.cpp's numbers. Vectors are always float32. `q8_0` holds 32 numbers in 34 bytes."""

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL, USER_DEFINED, UNUSED = 3, 4, 5
"""Kinds of tokens in llama.cpp, with SentencePiece's numbers. A plain token has number 1."""

_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS: Mapping[str, str] = {"llama-bpe": _LETTERS + r"\p{N}{1,3}" + _REST, "qwen2": _LETTERS + r"\p{N}" + _REST}
"""Expressions that split a text before merging, by llama.cpp's names. `splits` adds `gpt-2` and `smollm`."""


def read_gguf(file: Path, folder: Path) -> None:
    """Write the Hugging Face folder of a file of architecture llama, qwen2 or qwen3.

    Quantised matrices become float32, others keep their type. Raises LmworksError if our decoder cannot run the model.
    """
    fields, tensors = _open(file)
    with told(file, "the fields and tensors of a decoder as llama.cpp writes them"):
        _write_folder(file, folder, fields, tensors)


def _write_folder(file: Path, folder: Path, fields: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    config = _config(file, fields, tensors)
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(
        folder / "model.safetensors",
        {_theirs(name): _stored(tensor) for name, tensor in tensors.items()},
        (_array(name, tensor, fields["general.architecture"], config) for name, tensor in tensors.items()),
    )
    ids = {f"{name}_token_id": fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos")}
    data_type = {"F16": "float16", "BF16": "bfloat16"}.get(_stored(tensors["token_embd.weight"])[0], "float32")
    described = (
        describe(config)
        | {"dtype": data_type, WEIGHT_BITS: _bits(tensors.values())}
        | {name: value for name, value in ids.items() if value is not None}
    )
    write_atomically(folder / "config.json", json.dumps(described, indent=2).encode())
    write_atomically(folder / "tokenizer.json", _backend(file, fields).to_str().encode())
    template = {"chat_template": fields.get("tokenizer.chat_template")}
    write_atomically(folder / "tokenizer_config.json", json.dumps(template).encode())


def read_shape(file: Path) -> DecoderConfig:
    """Return the shape of the model in a file."""
    return _shape_of(file, file.stat().st_mtime_ns)


@cache
def _shape_of(file: Path, changed: int) -> DecoderConfig:
    fields, tensors = _open(file)  # which takes seconds where the vocabulary is large
    with told(file, "the fields of a decoder as llama.cpp writes them"):
        return _config(file, fields, tensors)


def stated_licence(file: Path) -> str | None:
    """Return the licence that a file states."""
    stated = _open(file)[0].get("general.license")
    return stated if isinstance(stated, str) else None


def _open(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields and the tensors of a file. Tensors are mapped, and read only when they are used."""
    with told_if_missing():
        import gguf

    class Reader(gguf.GGUFReader):
        """The library's reader with a check, because the original reads beyond the end of a file."""

        def _get(self, offset: int, dtype: Any, count: int = 1, *more: Any, **named: Any) -> Any:
            if offset + np.dtype(dtype).itemsize * int(count) > len(self.data):
                raise ValueError(f"it ends at byte {len(self.data):,}, inside a value that begins at {offset:,}")
            return super()._get(offset, dtype, count, *more, **named)

    with told(file, "a whole GGUF file of version 2 or 3; copy it anew"):
        reader = Reader(file)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        return fields, {tensor.name: tensor for tensor in reader.tensors}


def _config(file: Path, fields: Mapping[str, Any], tensors: Mapping[str, Any]) -> DecoderConfig:
    kind = fields.get("general.architecture")
    scaling = fields.get(f"{kind}.rope.scaling.type", "none")
    unknown = sorted({name.split(".")[-2] for name in tensors} - set(NAMES))
    if kind not in ("llama", "qwen2", "qwen3") or scaling != "none" or unknown:
        raise LmworksError(
            f"{file}: architecture {kind!r}, rope scaling {scaling!r}, unknown tensors: "
            f"{', '.join(unknown) or 'none'}; expected llama, qwen2 or qwen3, without scaling and unknown tensors"
        )
    if not fields.get(f"{kind}.attention.causal", True):
        raise LmworksError(f"{file}: its attention is not causal: the model reads later tokens; expected a decoder")
    heads, hidden = fields[f"{kind}.attention.head_count"], fields[f"{kind}.embedding_length"]
    size = fields.get(f"{kind}.attention.key_length", hidden // heads)
    if fields.get(f"{kind}.rope.dimension_count", size) != size:
        raise LmworksError(f"{file}: the model rotates only a part of each head; expected one that rotates whole heads")
    return DecoderConfig(
        vocab_size=int(tensors["token_embd.weight"].shape[1]),
        hidden_size=hidden,
        num_layers=fields[f"{kind}.block_count"],
        num_heads=heads,
        num_key_value_heads=fields.get(f"{kind}.attention.head_count_kv", heads),
        head_size=size,
        intermediate_size=fields[f"{kind}.feed_forward_length"],
        context_length=fields[f"{kind}.context_length"],
        rope_theta=fields.get(f"{kind}.rope.freq_base", 10_000.0),
        norm_epsilon=_short(fields[f"{kind}.attention.layer_norm_rms_epsilon"]),
        qk_norm="blk.0.attn_q_norm.weight" in tensors,
        qkv_bias="blk.0.attn_q.bias" in tensors,
        tie_embeddings="output.weight" not in tensors,
    )


def _short(value: float) -> float:
    """Return the shortest decimal of a float32: 1e-05, not 9.999999747378752e-06."""
    return float(f"{value:.7g}")


def _theirs(name: str) -> str:
    """Return Hugging Face's name of a tensor: `model.layers.3.self_attn.q_proj.weight` for `blk.3.attn_q.weight`."""
    *block, part, kind = name.split(".")
    inside = f"model.layers.{block[1]}." if block else ""
    return f"{inside}{NAMES[part]}.{kind}"


def _ours(name: str) -> str:
    """Return the inverse of `_theirs`."""
    path, _, kind = name.rpartition(".")
    block, part = f"blk.{path.split('.')[2]}." if ".layers." in path else "", path.split(".", 3)[-1]
    short = {long: short for short, long in NAMES.items()}
    return f"{block}{short[part if block else path]}.{kind}"


def _bits(tensors: Iterable[Any]) -> float:
    """Return the mean number of bits per weight, including scales."""
    sizes = [(8 * int(each.n_bytes), int(each.n_elements)) for each in tensors]
    return round(sum(bits for bits, _ in sizes) / sum(count for _, count in sizes), 2)


def _stored(tensor: Any) -> tuple[str, list[int]]:
    kind = tensor.tensor_type.name
    return (kind if kind in ("F16", "BF16") else "F32"), [int(size) for size in reversed(tensor.shape)]


def _array(name: str, tensor: Any, kind: str, config: DecoderConfig) -> np.ndarray[Any, Any]:
    import gguf

    exact = tensor.tensor_type.name in ("F16", "BF16", "F32")
    rows = tensor.data if exact else gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return _turn(rows, name, kind, config, back=True)


def _turn(
    rows: np.ndarray[Any, Any], name: str, kind: str, config: DecoderConfig, back: bool = False
) -> np.ndarray[Any, Any]:
    """Return rows of queries and keys in the order of a `llama` file, or, with `back`, of a Hugging Face folder.

    In the file, rotary positions pair neighbours, (0, 1) and (2, 3). In the folder, they pair the halves of a head.
    """
    heads = {"attn_q": config.num_heads, "attn_k": config.num_key_value_heads}.get(name.split(".")[-2])
    if kind != "llama" or heads is None:
        return rows
    pairs = (heads, -1, 2) if back else (heads, 2, config.head_size // 2)
    return rows.reshape(*pairs, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def write_safetensors(
    path: Path, tensors: Mapping[str, tuple[str, Sequence[int]]], arrays: Iterable[np.ndarray[Any, Any]]
) -> None:
    """Write tensors (data type and shape by name). Their arrays are read one after another, to save memory."""
    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (kind, shape) in tensors.items():
        begin, end = end, end + math.prod(shape) * (4 if kind == "F32" else 2)
        head[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    write_atomically(path, chain([len(text).to_bytes(8, "little"), text], (array.tobytes() for array in arrays)))


# ---------------------------------------------------------------- tokenizers


def splits() -> dict[str, Callable[[], Any]]:
    """Return the functions that split a text before merging, by llama.cpp's names."""
    from tokenizers import Regex, pre_tokenizers

    def level(use_regex: bool) -> Any:
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)

    def splitting(expression: str) -> Callable[[], Any]:
        return lambda: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(expression), "isolated"), level(False)])

    return {
        "gpt-2": lambda: level(True),
        "smollm": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level(True)]),
    } | {name: splitting(expression) for name, expression in SPLITS.items()}


def _backend(file: Path, fields: Mapping[str, Any]) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

    kind, pre, known = fields["tokenizer.ggml.model"], fields.get("tokenizer.ggml.pre", "gpt-2"), splits()
    if kind != "gpt2" or pre not in known:
        raise LmworksError(
            f"{file}: a tokenizer of kind {kind!r} that splits texts by {pre!r}; expected 'gpt2' and one of "
            f"{', '.join(known)}. Use the model's Hugging Face folder instead"
        )
    names: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in fields["tokenizer.ggml.merges"]]
    vocabulary = {name: number for number, name in enumerate(names)}
    backend = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre == "llama-bpe"))
    backend.pre_tokenizer = known[pre]()
    backend.decoder = decoders.ByteLevel()
    if pre == "qwen2":
        backend.normalizer = normalizers.NFC()
    kinds = zip(names, fields["tokenizer.ggml.token_type"], strict=True)
    added = [
        AddedToken(name, normalized=False, special=number == CONTROL)
        for name, number in kinds
        if number in (CONTROL, USER_DEFINED)
    ]
    backend.add_tokens(added)
    return backend


def _add_tokenizer(writer: Any, folder: Path, rows: int) -> None:
    from tokenizers import Tokenizer as Backend

    from lmworks.tokens.tokenizer import open_tokenizer

    tokenizer = open_tokenizer(folder)
    raw = json.loads(tokenizer.to_json())
    named = {json.dumps(json.loads(make().__getstate__())): name for name, make in splits().items()}
    pre = named.get(json.dumps(raw["pre_tokenizer"]))
    if raw["model"]["type"] != "BPE" or pre is None:
        raise LmworksError(
            f"{folder}: llama.cpp has no tokenizer of this kind, only byte-level BPE that splits texts by "
            f"{', '.join(named.values())}. Train a tokenizer of kind `bpe`, which splits by gpt-2"
        )
    backend = Backend.from_str(json.dumps(raw))
    special = {token["id"]: CONTROL if token["special"] else USER_DEFINED for token in raw["added_tokens"]}
    names = [backend.id_to_token(number) for number in range(rows)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([f"[PAD{number}]" if name is None else name for number, name in enumerate(names)])
    writer.add_token_types([UNUSED if name is None else special.get(i, 1) for i, name in enumerate(names)])
    writer.add_token_merges([" ".join(merge) for merge in raw["model"]["merges"]])
    writer.add_bos_token_id(tokenizer.end_of_text_id)
    writer.add_eos_token_id(tokenizer.end_of_turn_id)
    writer.add_pad_token_id(tokenizer.end_of_text_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)


# ---------------------------------------------------------------- writing


def write_gguf(folder: Path, file: Path, file_type: str = "f16") -> None:
    """Write a decoder's folder as one file for llama.cpp. Raises LmworksError for features that such files lack."""
    import gguf

    require_form(folder, "gguf")
    config = read_config(folder)
    if config.sliding_window or config.rope_scaling:
        raise LmworksError(f"{folder}: a GGUF file of this architecture cannot have a sliding window or rope scaling")
    kind = "qwen3" if config.qk_norm else "qwen2" if config.qkv_bias else "llama"
    with atomically(file) as unfinished:
        writer = gguf.GGUFWriter(unfinished, kind)
        _describe(writer, config, folder, file_type)
        _write_tensors(writer, folder, config, kind, file_type)
        writer.close()


def _describe(writer: Any, config: DecoderConfig, folder: Path, file_type: str) -> None:
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_size)
    writer.add_value_length(config.head_size)
    writer.add_rope_dimension_count(config.head_size)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(FILE_TYPES[file_type])
    writer.add_quantization_version(2)
    _add_tokenizer(writer, folder, config.vocab_size)


def _write_tensors(writer: Any, folder: Path, config: DecoderConfig, kind: str, file_type: str) -> None:
    import gguf
    from safetensors import safe_open

    with ExitStack() as stack:
        files = [stack.enter_context(safe_open(path, "pt")) for path in sorted(folder.glob("*.safetensors"))]
        places = {name: tensors for tensors in files for name in tensors.keys()}  # noqa: SIM118 - it is no dict
        if config.tie_embeddings:
            places.pop("lm_head.weight", None)
        stored = {}
        for name, tensors in places.items():
            shape = tensors.get_slice(name).get_shape()
            stored[name] = quantisation = _quantisation(shape, file_type)
            block, size = gguf.GGML_QUANT_SIZES[quantisation]
            writer.add_tensor_info(_ours(name), shape, np.dtype("f4"), math.prod(shape) // block * size, quantisation)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensors in places.items():
            rows = _turn(tensors.get_tensor(name).float().numpy(), _ours(name), kind, config)
            writer.write_tensor_data(gguf.quants.quantize(rows, stored[name]))


def _quantisation(shape: Sequence[int], file_type: str) -> Any:
    from gguf import GGMLQuantizationType

    if len(shape) == 1 or file_type == "f32":
        return GGMLQuantizationType.F32
    return GGMLQuantizationType.Q8_0 if file_type == "q8_0" and shape[-1] % 32 == 0 else GGMLQuantizationType.F16
