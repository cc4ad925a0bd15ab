"""The memory of a training by part, and its operations, counted before anything is built.

Imports no torch: plans are made of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from lmworks.model.config import FLOAT32, PACKED_BITS, Forward, Shape
from lmworks.train.configs.adapter import PrefixConfig
from lmworks.train.configs.train import TrainConfig

LIBRARIES_BYTES = {False: 350 * 2**20, True: 480 * 2**20}
"""Of a process that has loaded what training loads, without and with the compiler and what it has made."""

TRANSFORMERS_BYTES = 105 * 2**20
"""Of `transformers` on top."""

GAPS = 1.17
"""Memory that an allocator holds beside what is asked of it: pages that are not full, blocks kept for later."""

OPTIMIZER_COPIES = {"muon": 1, "sgd": 1, "adam": 2, "adamw": 2}
"""Running means that are kept of each gradient."""


def training_memory(
    shape: Shape, config: TrainConfig, vocab_size: int, row_bytes: int, *, apart: bool = False
) -> dict[str, int]:
    """Bytes by part when most is held: making the model, drawing answers, a step, an update, or writing a checkpoint.

    `row_bytes` are what the data take. A device whose memory is `apart` from the machine's holds neither those nor
    libraries, and no copies for checkpoints; what a driver takes is not free there to begin with.

    Exact for decoders but for the libraries and the gaps; up to a quarter too high for encoders and encoder-decoders,
    and with a compiler more.
    """
    width = FLOAT32 if config.data_type == "float32" else 2
    trained = trained_parts(config, shape)
    rest = "adamw" if config.optimizer == "muon" else config.optimizer
    copies = {part: OPTIMIZER_COPIES[config.optimizer if part == "matrices" else rest] for part in trained}
    state = sum(copies[part] * count for part, count in trained.items())
    held = {
        "weights": weight_bytes(config, shape) + FLOAT32 * config.frozen_parameters(shape),
        "optimizer state": FLOAT32 * state,
    }
    copy = 0 if apart else FLOAT32 * (sum(trained.values()) + state)
    stepping = {**held, "gradients": FLOAT32 * sum(trained.values()), "copy for the checkpoint": copy}
    how = Forward(
        width=width,
        recomputed=config.activation_checkpointing,
        dropout=config.dropout > 0,
        compiled=config.compile is True,
        frozen=config.adapter is not None,
    )
    rows = min(config.micro_batch_rows, config.rows_per_step)
    activations = dict(shape.activation_bytes(rows, config.sequence_length + config.tokens_before, how))
    if config.lora and config.lora.kind == "dora" and not how.compiled:  # a compiler computes them again
        kept = 1 if config.activation_checkpointing else shape.num_layers
        activations["outputs before magnitudes"] = width * rows * config.sequence_length * kept * shape.block_outputs
    merged = 0
    if config.lora and config.lora.quantise:  # one matrix of numbers at a time; at the end, all in 16 bits
        activations["copies of weights"] = FLOAT32 * shape.parts["matrices"] // shape.num_layers
        merged = 2 * shape.parameters
    moments = [
        {"weights": held["weights"], "table of token pairs": 0 if apart else config.beginning_bytes(vocab_size)},
        # Freed memory is kept, in pieces that an update does not fit whole into: measured, by a third of its numbers.
        {**stepping, **activations, "update": FLOAT32 * max(trained.values())},
        {**stepping, "update": 3 * FLOAT32 * max(trained.values())},
        {**held, "copy for the checkpoint": 2 * copy},
        {**held, "merged model": 2 * merged},
        {**held, "copy for the checkpoint": copy, "cache of answers": config.drawing_bytes(shape)},
    ]
    parts = max(moments, key=lambda moment: sum(moment.values()))
    gaps = int((GAPS - 1) * sum(parts.values()))
    if apart:
        return {**parts, "gaps": gaps}
    libraries = LIBRARIES_BYTES[config.compile is True] + config.needs_transformers * TRANSFORMERS_BYTES
    return {"libraries": libraries, **parts, "gaps": gaps, "data rows": row_bytes}


def trained_parts(config: TrainConfig, shape: Shape) -> Mapping[str, int]:
    """Parameters that have gradients and optimizer state, by part: all, unless adapters stand beside them."""
    if isinstance(config.adapter, PrefixConfig):
        return {"adapters": config.adapter.tokens * shape.prefix_size(config.adapter.kind)}
    if not config.lora:
        return shape.parts
    magnitudes = shape.num_layers * shape.block_outputs if config.lora.kind == "dora" else 0
    head = {"output": shape.parts["output"]} if getattr(shape, "labels", ()) else {}  # begun afresh
    return {"adapters": shape.adapter_parameters(config.lora.rank) + magnitudes, **head}


def weight_bytes(config: TrainConfig, shape: Shape) -> int:
    """What the weights of the model take that is trained."""
    if not (config.lora and config.lora.quantise):
        return FLOAT32 * shape.parameters
    packed = shape.parts["matrices"]
    return FLOAT32 * (shape.parameters - packed) + int(packed * PACKED_BITS[config.lora.quantise] / 8)


def flops_per_token(config: TrainConfig, shape: Shape) -> int:
    """Floating-point operations to learn from a token; frozen weights, beside adapters, have no gradient."""
    whole = shape.training_flops_per_token(config.sequence_length) + config.further_flops_per_token(shape)
    if not config.adapter:
        return whole
    beside = 6 * shape.adapter_parameters(config.lora.rank) if config.lora else 0
    return whole - shape.training_flops_per_token(0) // 3 + beside


def size_in_words(count: float) -> str:
    """Bytes for a person."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
