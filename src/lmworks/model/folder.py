"""Models as Hugging Face folders. Other programs load models of lmworks, and lmworks loads theirs of the same shape."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from lmworks.errors import LmworksError, told
from lmworks.lazy import torch
from lmworks.model.config import DecoderConfig, Family, Shape
from lmworks.model.files import LAYERS, count_tensors, open_weights, read_json, whole_number
from lmworks.model.shapes import COUNTS, EncoderConfig
from lmworks.pipeline.stage import Handle
from lmworks.tokens.tokenizer import FILES, open_tokenizer

if TYPE_CHECKING:
    from lmworks.model.decoder import Decoder

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
WRITES, SCORED = "ForCausalLM", "ForSequenceClassification"
FAMILIES: Mapping[str, Family] = {
    WRITES: "decoder",
    "LMHeadModel": "decoder",
    "ForMaskedLM": "encoder",
    SCORED: "sequence classifier",
    "ForTokenClassification": "token classifier",
}
"""Families by the ending of the architecture's name."""
DEFAULT_LABELS = 2
"""Number of labels that `transformers` assumes if a classifier's config.json names none."""
ADAPTER = "adapter"
"""Subfolder of a model with its adapter, in PEFT's form."""
ENGINE = "lmworks_engine"
"""Field of config.json that names the engine, if it is not one of lmworks's own for Hugging Face folders."""
FAMILY = "lmworks_family"
"""Field of config.json with the family of a model that names its engine."""
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""PEFT's names of the files in an adapter's folder."""
FILE_BYTES = 4 * 2**30
"""Largest size of a file of weights. While a model is written, at most one such file is in memory."""
MOST_LAYERS, LARGEST_SIZE, LARGEST_TABLE = 2**12, 2**22, 2**26
"""Largest values in a `config.json`. A larger model does not exist, and is refused before it is built."""
Form = Literal["gguf", "onnx"]
FORMS: Mapping[Form, str] = {
    "gguf": "decoders of Llama, Mistral, Qwen2 and Qwen3",
    "onnx": "decoders, encoders, and classifiers of texts and of words, of which PyTorch computes each",
}
"""Models that can have each form, in words."""
_ONNX: tuple[Family | None, ...] = ("decoder", "encoder", "sequence classifier", "token classifier", None)
"""Families that ONNX files support. None is an encoder without a head."""
LLAMA3_SCALING = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")


@dataclass(frozen=True)
class ModelFolder(Handle):
    """A model artifact: a Hugging Face folder that includes the tokenizer of its training."""

    def open(self, data_type: str = "float32") -> Decoder:
        return load_model(self.path, data_type)


def save_model(
    model: Decoder, folder: Path, tokenizer_folder: Path, weights: Iterable[tuple[str, torch.Tensor]] | None = None
) -> None:
    """Write config, weights, tokenizer and the ids that end an answer. Equal weights give equal bytes.

    `weights`, by name, replace the model's own. They are read one at a time, and freed when their file is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = model.state_dict().items() if weights is None else weights
    tied = model.config.tie_embeddings
    types = _write_weights(folder, ((name, each) for name, each in kept if not (tied and name == "lm_head.weight")))
    data_type = str(types["model.norm.weight"]).removeprefix("torch.")
    copy_tokenizer(tokenizer_folder, folder)
    ids = special_ids(folder)
    write_json(folder / "config.json", describe(model.config) | ids | {"dtype": data_type})
    write_json(folder / "generation_config.json", ids)


def _write_weights(folder: Path, weights: Iterable[tuple[str, torch.Tensor]]) -> dict[str, torch.dtype]:
    """Write files of at most `FILE_BYTES`, with an index if there are several. Return the types of the tensors."""
    from safetensors.torch import save_file

    held, types, parts = dict[str, torch.Tensor](), dict[str, torch.dtype](), list[list[str]]()

    def write() -> None:
        save_file(held, folder / f"part-{len(parts)}", metadata={"format": "pt"})
        parts.append(list(held))
        held.clear()

    size = total = 0
    for name, tensor in weights:
        if held and size + tensor.nbytes > FILE_BYTES:
            write()
            size = 0
        held[name] = tensor.detach().contiguous()
        types[name], size, total = tensor.dtype, size + tensor.nbytes, total + tensor.nbytes
    write()
    count = len(parts)
    files = [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
    files = ["model.safetensors"] if count == 1 else files
    for number, file in enumerate(files):
        (folder / f"part-{number}").rename(folder / file)
    if count > 1:
        names = {name: file for part, file in zip(parts, files, strict=True) for name in part}
        write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": names})
    return types


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy a tokenizer's files into a folder."""
    for name in FILES if source != folder else ():
        shutil.copyfile(source / name, folder / name)


def special_ids(tokenizer_folder: Path) -> dict[str, Any]:
    """Return the ids that begin a document and end an answer, by the names of a model's config."""
    tokenizer = open_tokenizer(tokenizer_folder)
    begin, *more = dict.fromkeys([tokenizer.end_of_text_id, *tokenizer.stop_ids])
    return {"bos_token_id": begin, "eos_token_id": [begin, *more], "pad_token_id": begin}


def load_model(folder: Path, data_type: str | None = "float32", *, labels: Sequence[str] = ()) -> Decoder:
    """Read the decoder in a folder. Weights and computation are in `data_type` ("float32", "bfloat16").

    None keeps the stored type, and maps each weight from its file until it is replaced. With `labels`, the decoder
    scores each of them. Its head starts as zero if the folder has none.
    """

    from lmworks.model.decoder import Decoder

    _require_in_weights(folder)
    config = read_config(folder)
    if config.num_layers > (stored := count_tensors(folder)):
        raise LmworksError(
            f"{folder}: config.json names {config.num_layers} layers, and the files hold {stored} tensors"
        )
    kind = getattr(torch, data_type) if data_type else None
    if config.labels and len(config.labels) != len(labels):
        other = f"a model with {len(labels)} scores, or " if labels else ""
        raise LmworksError(
            f"{folder}: this model gives {len(config.labels)} scores for a text and writes no text; expected {other}a "
            "language model: name the base of this model instead"
        )
    fresh_head = bool(labels) and not config.labels
    if labels:
        config = config.with_labels(labels)
    with torch.device("meta"):
        model = Decoder(config)
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in stored_tensors(folder):
        weights[name] = tensor.to(kind)
    if fresh_head:
        weights.pop("lm_head.weight", None)
        weights["score.weight"] = torch.zeros(len(labels), config.hidden_size, dtype=kind)
    if config.tie_embeddings and "model.embed_tokens.weight" in weights:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise LmworksError(
            f"{folder}: the weights do not fit config.json: "
            + ", ".join(
                f"{' '.join(name.split())[:99]} is {found.get(name)}, expected {expected.get(name)}"
                for name in names[:5]
            )
        )
    model.load_state_dict(weights, assign=True)
    if config.tie_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    model.compute_type = kind or torch.float32
    return model


def _require_in_weights(folder: Path) -> None:
    """Raise LmworksError for a model of an earlier release whose adapter is a prompt or prefix outside the weights."""
    path = folder / ADAPTER / ADAPTER_CONFIG
    if path.is_file() and (kind := read_json(path).get("peft_type")) != "LORA":
        raise LmworksError(
            f"{folder}: its adapter is {kind}, of an earlier release, and cannot be merged into the weights.\n"
            "Try: tune the base again with `adapter: {kind: lora}`"
        )


def stored_tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each tensor of the files. Each has its own memory map, so that its memory is freed with it."""
    for file in sorted(folder.glob("*.safetensors")):
        with open_weights(file) as tensors:
            names = list(tensors.keys())
        for name in names:
            if name.endswith(".inv_freq"):  # older folders hold the rotary frequencies, which follow from config.json
                continue
            with open_weights(file) as tensors:
                tensor = tensors.get_tensor(name)
            if not tensor.is_floating_point():
                raise LmworksError(f"{file}: {name} holds {tensor.dtype}; expected floating-point numbers")
            yield name, tensor


def engine_of(folder: Path) -> str | None:
    """Return the engine that a folder's config.json names, or None if it names none."""
    named = read_json(folder / "config.json").get(ENGINE)
    return None if named is None else str(named)


def name_engine(folder: Path, engine: str) -> None:
    """Write the name of the model's engine into config.json."""
    write_json(folder / "config.json", read_json(folder / "config.json") | {ENGINE: engine})


def is_native(folder: Path) -> bool:
    """Return whether lmworks's own decoder runs this architecture."""
    return str(read_json(folder / "config.json").get("model_type")) in ARCHITECTURES


def read_config(folder: Path) -> DecoderConfig:
    """Return the shape in `config.json`. Raises LmworksError for a shape that this decoder cannot run."""

    path = folder / "config.json"
    found = read_json(path)
    with told(path, "the fields of a decoder as `transformers` writes them"):
        return _read_config(path, found)


def _read_config(path: Path, found: dict[str, Any]) -> DecoderConfig:
    kind = found.get("model_type")
    if kind not in ARCHITECTURES:
        raise LmworksError(f"{path}: model_type is {kind!r}; this decoder runs only {', '.join(ARCHITECTURES)}")
    rope = found.get("rope_parameters") or found.get("rope_scaling") or {}
    scaling = rope.get("rope_type", rope.get("type", "default"))
    for field, value, wanted in (
        ("hidden_act", found.get("hidden_act", "silu"), "silu"),
        ("rope type", scaling, "llama3" if scaling == "llama3" else "default"),
        ("attention_bias", found.get("attention_bias", False), False),
        ("mlp_bias", found.get("mlp_bias", False), False),
        ("is_causal", found.get("is_causal", True), True),
    ):
        if value != wanted:
            raise LmworksError(f"{path}: {field} is {value!r}; this decoder supports only {wanted!r}")
    number = partial(whole_number, path, found)
    heads, hidden = number("num_attention_heads", LARGEST_SIZE), number("hidden_size", LARGEST_SIZE)
    scored = SCORED in "".join(found.get("architectures") or ())
    return DecoderConfig(
        vocab_size=number("vocab_size", LARGEST_TABLE),
        hidden_size=hidden,
        num_layers=number("num_hidden_layers", MOST_LAYERS),
        num_heads=heads,
        num_key_value_heads=number("num_key_value_heads", LARGEST_SIZE, heads),
        head_size=number("head_dim", LARGEST_SIZE, hidden // heads),
        intermediate_size=number("intermediate_size", LARGEST_SIZE),
        context_length=number("max_position_embeddings", LARGEST_TABLE),
        rope_theta=float(rope.get("rope_theta") or found.get("rope_theta", 10_000.0)),
        rope_scaling=tuple(rope[name] for name in LLAMA3_SCALING) if scaling == "llama3" else None,
        norm_epsilon=float(found["rms_norm_eps"]),
        qk_norm=kind == "qwen3",
        qkv_bias=kind == "qwen2",
        sliding_window=_window(path, found),
        tie_embeddings=found.get("tie_word_embeddings", False) and not scored,
        labels=_labels(found) if scored else (),
    )


def _labels(found: dict[str, Any]) -> tuple[str, ...]:
    """Return the labels in the order of their numbers. If the file names none, use the names of `transformers`."""
    names = found.get("id2label") or {str(number): f"LABEL_{number}" for number in range(DEFAULT_LABELS)}
    return tuple(names[number] for number in sorted(names, key=int))


def approximate_config(path: Path) -> DecoderConfig:
    """Return the approximate shape of a decoder of any architecture, for counting, from a `config.json`."""
    whole = read_json(path)
    inside = whole.get("text_config")
    found = inside if inside and isinstance(inside, dict) else whole

    def first(*names: str, default: int = 0) -> int:
        name = next((name for name in names if found.get(name)), None)
        return whole_number(path, found, name, LARGEST_TABLE) if name else default

    hidden = first("hidden_size", "n_embd", "d_model")
    heads = first("num_attention_heads", "n_head", "num_heads", default=1)
    if not hidden:
        raise LmworksError(f"{path}: names no hidden_size; this decoder's shape is not known")
    return DecoderConfig(
        vocab_size=first("vocab_size"),
        hidden_size=hidden,
        num_layers=first("num_hidden_layers", "n_layer", "num_layers"),
        num_heads=heads,
        num_key_value_heads=first("num_key_value_heads", default=heads),
        head_size=first("head_dim", default=hidden // heads),
        intermediate_size=first("intermediate_size", "n_inner", "ffn_dim", default=4 * hidden),
        context_length=first("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", default=2048),
        tie_embeddings=bool(found.get("tie_word_embeddings", True)),
        native=False,
    )


def shape_of(folder: Path) -> Shape:
    """Return the shape of a model of any family. For architectures that lmworks does not run, it is approximate."""
    if is_native(folder):
        return read_config(folder)
    fields = folder / "config.json"
    found = read_json(fields)
    with told(fields, "the fields of a model as `transformers` writes them"):
        if (config := EncoderConfig.read(found)) is None:
            return approximate_config(fields)
        for name in COUNTS:
            whole_number(fields, found, name, LARGEST_TABLE, least=int(name not in LAYERS))  # embeddings alone are one
        return config


def family_of(folder: Path) -> Family | None:
    """Return the family of a model by its config.json, or None if that does not show it."""
    found = read_json(folder / "config.json")
    names = found.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else ""
    if ENGINE in found:
        stated: Family | None = found.get(FAMILY)
        return stated if stated in get_args(Family) else None
    if found.get("is_encoder_decoder") is True:
        return "encoder-decoder"
    with told(folder / "config.json", "labels by their numbers in `id2label`"):
        if name.endswith(SCORED) and is_native(folder) and len(_labels(found)) == 1:
            return "reward model"
    return next((family for ending, family in FAMILIES.items() if name.endswith(ending)), None)


def forms_of(folder: Path) -> list[Form]:
    """Return the forms that the model of a folder can have."""
    family = family_of(folder)
    if engine_of(folder) or family not in _ONNX:
        return []
    return ["gguf", "onnx"] if family == "decoder" and is_native(folder) else ["onnx"]


def require_form(folder: Path, form: Form, name: str = "") -> None:
    """Raise LmworksError, with an alternative, if a model cannot be written in a form.

    `name` is the user's name for the model.
    """
    known = forms_of(folder)
    if form in known:
        return
    family = engine_of(folder) or family_of(folder) or "encoder"
    instead = f"`lmworks export {name or 'STEP'} --form {known[0]}`" if known else "`lmworks serve`, which can run it"
    raise LmworksError(
        f"{name or folder}: a model of kind {family} cannot be written as {form.upper()}, which is for {FORMS[form]}.\n"
        f"Try: {instead}"
    )


def stored_parameters(folder: Path) -> int:
    """Return the number of parameters in the files, from their headers."""
    total = 0
    for file in folder.glob("*.safetensors"):
        with open_weights(file) as tensors:
            total += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118 - it is no dict
    return total


def describe(config: DecoderConfig) -> dict[str, Any]:
    """Return the `config.json` of a shape. The model type is the architecture that has all its options."""
    window = config.sliding_window
    if config.qk_norm and config.qkv_bias:
        raise LmworksError("qk_norm and qkv_bias together are not a known architecture; choose one (Qwen3 or Qwen2)")
    kind = "qwen3" if config.qk_norm else "qwen2" if config.qkv_bias else "mistral" if window else "llama"
    named = {str(number): name for number, name in enumerate(config.labels)}
    rope: dict[str, Any] = {"rope_type": "default"}
    if config.rope_scaling:
        rope = {"rope_type": "llama3", **dict(zip(LLAMA3_SCALING, config.rope_scaling, strict=True))}
    return {
        "architectures": [ARCHITECTURES[kind].replace(WRITES, SCORED) if config.labels else ARCHITECTURES[kind]],
        "model_type": kind,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_size,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.context_length,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_theta": config.rope_theta, **rope},
        "rms_norm_eps": config.norm_epsilon,
        "hidden_act": "silu",
        "tie_word_embeddings": config.tie_embeddings,
        **({"id2label": named, "label2id": {name: int(number) for number, name in named.items()}} if named else {}),
        **_describe_window(kind, window, config.num_layers),
    }


def _describe_window(kind: str, window: int | None, layers: int) -> dict[str, Any]:
    if kind.startswith("qwen"):
        sliding = {"use_sliding_window": True, "sliding_window": window, "max_window_layers": 0}
        return sliding | {"layer_types": ["sliding_attention"] * layers} if window else {"use_sliding_window": False}
    return {"sliding_window": window} if kind == "mistral" else {}


def _window(path: Path, found: dict[str, Any]) -> int | None:
    window = found.get("sliding_window") and whole_number(path, found, "sliding_window", LARGEST_TABLE)
    if not found["model_type"].startswith("qwen"):
        return window
    if not found.get("use_sliding_window"):
        return None
    types = set(found.get("layer_types") or ["sliding_attention" if not found.get("max_window_layers") else "mixed"])
    if types != {"sliding_attention"}:
        raise LmworksError(
            f"{path}: the layers differ in attention ({', '.join(sorted(types))}); this decoder supports only one kind"
        )
    return window


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
