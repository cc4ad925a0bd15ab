"""What follows from a transformer's shape by counting: parameters, operations, and memory by part and layout.

Letters (formulas' sources: `facts.json`): L blocks, d width, N parameters, D tokens, s sequence, b rows, V vocabulary.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from lmworks.errors import UsageError
from lmworks.model.config import DecoderConfig, Shape
from lmworks.model.shapes import EncoderConfig, EncoderDecoderConfig
from lmworks.train.configs.adapter import LoraConfig
from lmworks.train.configs.language_model import SftConfig
from lmworks.train.memory import Layout, training_memory

Architecture = Literal["decoder", "encoder", "encoder-decoder"]
Quantised = Literal["nf4"] | None


COUNTED_AS = {"decoder": DecoderConfig, "encoder": EncoderConfig, "encoder-decoder": EncoderDecoderConfig}
"""By the family that `shapes.json` names.

GPT-3 and BLOOM have BERT's blocks: two matrices in the feed-forward part, and biases everywhere. BERT's two rows for
kinds of tokens stand for two of GPT-3's 2,048 positions, and for the norm behind BLOOM's embeddings.
"""


@dataclass(frozen=True, kw_only=True)
class PublishedShape:
    """A published transformer of any of the three kinds, counted as the models that are trained here."""

    name: str
    source: str
    architecture: Architecture
    config: DecoderConfig | EncoderConfig | EncoderDecoderConfig

    @property
    def parameters(self) -> int:
        return self.config.parameters

    @property
    def trained_as(self) -> DecoderConfig | EncoderConfig | EncoderDecoderConfig:
        """The shape that lmworks trains at this size: its decoders have gated feed-forward parts of as many numbers."""
        known = self.config
        if self.architecture != "decoder" or not isinstance(known, EncoderConfig):
            return known
        return DecoderConfig(
            vocab_size=known.vocab_size,
            hidden_size=known.hidden_size,
            num_layers=known.num_layers,
            num_heads=known.num_heads,
            num_key_value_heads=known.num_heads,
            head_size=known.hidden_size // known.num_heads,
            intermediate_size=known.intermediate_size * 2 // 3 // 128 * 128,
            context_length=known.context_length,
            tie_embeddings=True,
        )

    @property
    def _num_stacks(self) -> int:
        return 2 if self.architecture == "encoder-decoder" else 1

    def training_flops(self, tokens: float, sequence_length: int = 0, lora_rank: int = 0) -> float:
        """Operations of training on `tokens`; with attention when `sequence_length` is given.

        In an encoder-decoder half of the tokens are read and half written, and each passes its own stack.
        """
        stacks, count = self._num_stacks, self.config.training_flops_per_token
        attention = count(stacks * sequence_length) - count(0)
        adapters = self.config.adapter_parameters(lora_rank)
        return tokens * (((4 if lora_rank else 6) * self.parameters + 6 * adapters) / stacks + attention)

    @property
    def cache_bytes_per_token(self) -> int:
        """Keys and values in 16 bits; an encoder keeps none."""
        if isinstance(self.config, DecoderConfig):
            return self.config.cache_bytes(1, 2)
        kept = {"decoder": 4, "encoder": 0, "encoder-decoder": 8}[self.architecture]  # the source is kept as well
        return kept * self.config.num_layers * self.config.hidden_size


SHAPES = [
    PublishedShape(**shape | {"config": COUNTED_AS[shape.pop("counted_as")](**shape["config"])})
    for shape in json.loads(Path(__file__).with_name("shapes.json").read_text(encoding="utf-8"))
]
"""Published shapes, with their sources."""


def shape_for(architecture: Architecture, parameters: float) -> PublishedShape:
    """Return the published shape whose number of parameters is nearest, by ratio."""
    kin = [shape for shape in SHAPES if shape.architecture == architecture]
    return min(kin, key=lambda shape: abs(math.log(shape.parameters / parameters)))


PARTS = {"weights": "weights", "gradients": "gradients", "optimizer state": "optimizer", "logits": "logits"}
"""Parts of a training's memory, by the names in a forecast. The forecast shows all other parts as activations."""


@cache
def as_config(layout: Layout, sequence_length: int, rank: int = 0, quantise: Quantised = None) -> SftConfig:
    """Return the settings that train in a layout, a row on each device at once: with a `rank` an adapter, else all."""
    fields = {"from": "base", "data": "data", "data_type": "bfloat16", "micro_batch_rows": 1, "compile": False}
    fields |= {"sequence_length": sequence_length, "global_batch_tokens": layout.data_parallel * sequence_length}
    fields |= {"processes": layout.devices, "tensor_parallel": layout.tensor_parallel}
    fields |= {"activation_checkpointing": layout.recompute}
    fields |= {"adapter": LoraConfig(rank=rank, quantise=quantise)} if rank else {}
    return SftConfig.model_validate(fields)


def training_bytes(
    shape: PublishedShape, layout: Layout, sequence_length: int, rank: int = 0, quantise: Quantised = None
) -> dict[str, float]:
    """Count the bytes on each device, by part, as the build does that refuses what does not fit."""
    config = as_config(layout, sequence_length, rank, quantise)
    found: dict[str, float] = dict.fromkeys(("weights", "gradients", "optimizer", "activations", "logits"), 0.0)
    for part, size in training_memory(shape.trained_as, config, shape.config.vocab_size, 0, layout).items():
        found[PARTS.get(part, "activations")] += size
    return found


LAYOUTS = sorted(
    (
        Layout(data, tensor, recompute, apart=True)
        for tensor in (1, 2, 4, 8)
        for data in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
        for recompute in (False, True)
    ),
    key=lambda layout: (layout.devices, layout.recompute, layout.tensor_parallel),
)
"""Those that lmworks has, the smallest first; among equals the one that communicates least."""

RESERVE = 0.9  # of a device's memory is planned with; the rest is for buffers and fragments: assumed


@cache
def smallest_layout(shape: PublishedShape, memory_bytes: float, sequence_length: int, node: int = 8) -> Layout | None:
    """The first layout whose parts fit, one row at once; None when a thousand devices do not hold it."""
    for layout in LAYOUTS:
        can = layout.tensor_parallel <= node and divides(shape.trained_as, layout.tensor_parallel)
        if can and sum(training_bytes(shape, layout, sequence_length).values()) <= RESERVE * memory_bytes:
            return layout
    return None


def divides(shape: Shape, parts: int) -> bool:
    """Whether each of `parts` processes can compute a part of every block. Only decoders are split."""
    if not isinstance(shape, DecoderConfig):
        return parts == 1
    try:
        shape.in_parts(parts)
    except UsageError:
        return False
    return True


Fit = tuple[str, int, dict[str, float]]
"""(layout in words, devices, bytes on each by part)."""


def spread(shape: PublishedShape, memory_bytes: float, sequence_length: int, node: int) -> Fit | None:
    """How all weights of a model are trained on devices of some memory, if they are."""
    layout = smallest_layout(shape, memory_bytes, sequence_length, node)
    if layout is None:
        return None
    return str(layout), layout.devices, training_bytes(shape, layout, sequence_length)


def adapted(shape: PublishedShape, memory_bytes: float, sequence_length: int, rank: int) -> Fit | None:
    """How an adapter is trained on one device of some memory: by the count that refuses a training that does not fit.

    The frozen weights stay in 16 bits where they fit so, else in 4 bits (nf4).
    """
    layout = Layout(recompute=True, apart=True)
    choices: tuple[Quantised, ...] = (None, "nf4")
    for quantise in choices:
        parts = training_bytes(shape, layout, sequence_length, rank, quantise)
        if sum(parts.values()) <= RESERVE * memory_bytes:
            return f"one replica{', nf4' if quantise else ''}, recompute", 1, parts
    return None
