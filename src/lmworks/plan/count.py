"""What follows from a transformer's shape by counting: parameters, operations, and memory by part and layout.

Letters (formulas' sources: `facts.json`): L blocks, d width, N parameters, D tokens, s sequence, b rows, V vocabulary.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Architecture = Literal["decoder", "encoder", "encoder-decoder"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A transformer of any of the three kinds. `num_layers` are the encoder's where there is one."""

    name: str
    source: str
    architecture: Architecture
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_key_value_heads: int
    head_size: int
    intermediate_size: int
    decoder_layers: int = 0  # blocks with cross-attention, of an encoder-decoder
    gated: bool = True  # three matrices in the feed-forward part, not two
    biases: bool = False  # on all matrices and norms (GPT, BERT, BLOOM)
    tied: bool = False
    extra_parameters: int = 0  # position and type tables, poolers, heads, norms outside blocks beyond the last

    @property
    def matrices(self) -> tuple[tuple[int, int, int], ...]:
        """(inputs, outputs, how many in the whole model) of the products inside blocks."""
        d, heads, keys = self.hidden_size, self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        blocks = self.num_layers + self.decoder_layers
        attentions = blocks + self.decoder_layers
        return (
            (d, heads, attentions),
            (d, keys, 2 * attentions),
            (heads, d, attentions),
            (d, self.intermediate_size, blocks * (2 if self.gated else 1)),
            (self.intermediate_size, d, blocks),
        )

    @property
    def parameters(self) -> int:
        """All of them, the norms of blocks and the last of each stack included."""
        norms = 2 * self.num_layers + 3 * self.decoder_layers + (2 if self.decoder_layers else 1)
        weights = sum(inputs * outputs * count for inputs, outputs, count in self.matrices)
        biases = sum(outputs * count for _, outputs, count in self.matrices) * self.biases
        tables = self.vocab_size * self.hidden_size * (1 if self.tied else 2)
        return tables + weights + biases + norms * self.hidden_size * (1 + self.biases) + self.extra_parameters

    def lora_parameters(self, rank: int = 16) -> int:
        """Of adapters on every matrix inside blocks (Hu et al. 2021): rank × (inputs + outputs)."""
        return sum(rank * (inputs + outputs) * count for inputs, outputs, count in self.matrices)

    def training_flops(self, tokens: float, sequence_length: int = 0, lora_rank: int = 0) -> float:
        """Operations of training on `tokens`; with attention when `sequence_length` is given.

        In an encoder-decoder half of the tokens are read and half written, and each passes its own stack.
        """
        half = 0.5 if self.decoder_layers else 1.0
        attentions = half * (self.num_layers + 2 * self.decoder_layers)
        attention = 12 * attentions * sequence_length * self.num_heads * self.head_size
        adapters = self.lora_parameters(lora_rank) if lora_rank else 0
        return tokens * ((4 if lora_rank else 6) * half * self.parameters + 6 * half * adapters + attention)

    @property
    def cache_bytes_per_token(self) -> int:
        """Keys and values in 16 bits; an encoder keeps none."""
        layers = {"decoder": self.num_layers, "encoder": 0, "encoder-decoder": 2 * self.decoder_layers}
        return 4 * layers[self.architecture] * self.num_key_value_heads * self.head_size


SHAPES = [Shape(**shape) for shape in json.loads(Path(__file__).with_name("shapes.json").read_text(encoding="utf-8"))]
"""Published ones, with their source."""


def shape_for(architecture: Architecture, parameters: float) -> Shape:
    """The published shape whose parameters are nearest to a number, by their ratio."""
    kin = [shape for shape in SHAPES if shape.architecture == architecture]
    return min(kin, key=lambda shape: abs(math.log(shape.parameters / parameters)))


@dataclass(frozen=True)
class Layout:
    """How a training run is spread over devices."""

    data_parallel: int = 1
    stage: int = 0  # 0 plain data parallelism, 1 to 3 the stages of ZeRO; FSDP is stage 3
    tensor_parallel: int = 1
    recompute: bool = False

    @property
    def devices(self) -> int:
        """All of them."""
        return self.data_parallel * self.tensor_parallel

    def __str__(self) -> str:
        kind = ("data parallel", "ZeRO-1", "ZeRO-2", "FSDP (ZeRO-3)")[self.stage]
        data = f"{kind} ×{self.data_parallel}" if self.data_parallel > 1 else "one replica"
        tensor = f", tensor parallel ×{self.tensor_parallel}" if self.tensor_parallel > 1 else ""
        return data + tensor + (", recompute" if self.recompute else "")


def training_bytes(
    shape: Shape, layout: Layout, rows: int, sequence_length: int, lora_rank: int = 0
) -> dict[str, float]:
    """Bytes on each device, by part. `rows` are those of one device at once."""
    tensor, data = layout.tensor_parallel, layout.data_parallel
    trained = shape.lora_parameters(lora_rank) if lora_rank else shape.parameters
    tokens = rows * sequence_length

    def split(stage: int) -> int:
        return tensor * (data if layout.stage >= stage else 1)

    blocks = shape.num_layers + shape.decoder_layers
    return {
        "weights": 2 * (shape.parameters + (trained if lora_rank else 0)) / split(3),
        "gradients": 2 * trained / split(2),
        "optimizer": 12 * trained / split(1),
        "activations": (2 if layout.recompute else 34) * tokens * shape.hidden_size * blocks / tensor,
        "logits": 6 * tokens * shape.vocab_size / tensor,
    }


LAYOUTS = sorted(
    (
        Layout(data, stage, tensor, recompute)
        for tensor in (1, 2, 4, 8)
        for data in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
        for stage in ((0, 1, 2, 3) if data > 1 else (0,))
        for recompute in (False, True)
    ),
    key=lambda layout: (layout.devices, layout.recompute, layout.tensor_parallel, layout.stage),
)
"""Smallest first; among equals the one that communicates least."""

RESERVE = 0.9  # of a device's memory is planned with; the rest is for buffers and fragments: assumed


def smallest_layout(
    shape: Shape, memory_bytes: float, sequence_length: int, lora_rank: int = 0, node: int = 8
) -> Layout | None:
    """The first layout whose parts fit, one row at once; None when a thousand devices do not hold it."""
    for layout in LAYOUTS:
        needed = sum(training_bytes(shape, layout, 1, sequence_length, lora_rank).values())
        if needed <= RESERVE * memory_bytes and layout.tensor_parallel <= node:
            return layout
    return None
