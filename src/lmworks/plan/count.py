"""What follows from a transformer's shape by counting: parameters, operations, and memory by part and layout.

Sources of the formulas are in `facts.json`.
Letters: L blocks, d hidden size, N parameters, D tokens, s sequence length, b rows at once, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Architecture = Literal["decoder", "encoder", "encoder-decoder"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A transformer of any of the three kinds. `num_layers` are the encoder's where there is one."""

    architecture: Architecture
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_key_value_heads: int
    head_size: int
    intermediate_size: int
    decoder_layers: int = 0
    """Blocks with cross-attention, of an encoder-decoder."""
    gated: bool = True
    """Three matrices in the feed-forward part, not two."""
    biases: bool = False
    """On all matrices and norms (GPT, BERT, BLOOM)."""
    tied: bool = False
    extra_parameters: int = 0
    """Position and type tables, poolers, heads, norms outside blocks beyond the last."""

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
    def block_parameters(self) -> int:
        """Of all blocks together, their norms included."""
        norms = 2 * self.num_layers + 3 * self.decoder_layers
        weights = sum(inputs * outputs * count for inputs, outputs, count in self.matrices)
        biases = sum(outputs * count for _, outputs, count in self.matrices) * self.biases
        return weights + biases + norms * self.hidden_size * (2 if self.biases else 1)

    @property
    def parameters(self) -> int:
        """All of them, each stack's last norm included."""
        tables = self.vocab_size * self.hidden_size * (1 if self.tied else 2)
        last = self.hidden_size * (2 if self.biases else 1) * (2 if self.decoder_layers else 1)
        return tables + self.block_parameters + last + self.extra_parameters

    def lora_parameters(self, rank: int = 16) -> int:
        """Of adapters on every matrix inside blocks (Hu et al. 2021): rank × (inputs + outputs)."""
        return sum(rank * (inputs + outputs) * count for inputs, outputs, count in self.matrices)

    def training_flops(self, tokens: float, sequence_length: int = 0, lora_rank: int = 0) -> float:
        """Operations of training on `tokens`; with attention when `sequence_length` is given.

        In an encoder-decoder half of the tokens are read and half written, and each passes its own stack.
        """
        d, blocks = self.num_heads * self.head_size, self.num_layers + 2 * self.decoder_layers
        share = self.decoder_layers / (self.num_layers + self.decoder_layers) if self.decoder_layers else 1.0
        seen = self.parameters * (0.5 if self.decoder_layers else 1.0)
        attention = 12 * blocks * sequence_length * d * tokens * (share if self.decoder_layers else 1.0)
        if not lora_rank:
            return 6 * seen * tokens + attention
        return (4 * seen + 6 * self.lora_parameters(lora_rank)) * tokens + attention

    @property
    def cache_bytes_per_token(self) -> int:
        """Keys and values in 16 bits; an encoder keeps none."""
        layers = {"decoder": self.num_layers, "encoder": 0, "encoder-decoder": 2 * self.decoder_layers}
        return 4 * layers[self.architecture] * self.num_key_value_heads * self.head_size


def shape_for(architecture: Architecture, parameters: float) -> Shape:
    """The shape whose parameters are nearest to a number, in steps of 64 in width.

    Depth is a 128th of the width, as LLaMA's; the loss hardly depends on it (Kaplan et al. 2020, figure 5).
    """
    return min(_shapes(architecture), key=lambda shape: abs(math.log(shape.parameters / parameters)))


def _shapes(architecture: Architecture) -> Iterator[Shape]:
    for width in (*range(64, 4096, 64), *range(4096, 32769, 512)):
        decoder, encoder = architecture == "decoder", architecture == "encoder"
        layers, heads = max(2, round(width / 128)), max(1, width // (128 if width >= 2048 else 64))
        yield Shape(
            architecture=architecture,
            vocab_size=8192 if width < 512 else 32_000 if width < 2048 else 128_000,
            hidden_size=width,
            num_layers=layers,
            decoder_layers=layers if architecture == "encoder-decoder" else 0,
            num_heads=heads,
            num_key_value_heads=max(1, heads // 4) if decoder and width >= 2048 else heads,
            head_size=width // heads,
            intermediate_size=4 * width if encoder else -(-width * 8 // 3 // 64) * 64,
            gated=not encoder,
            biases=encoder,
            tied=encoder or width < 2048,
            extra_parameters=512 * width if encoder else 0,
        )


def compute_optimal(flops: float) -> float:
    """Parameters that a budget of operations trains best, on 20 tokens each: C = 6 N 20 N."""
    return math.sqrt(flops / 120)


@dataclass(frozen=True)
class Layout:
    """How a training run is spread over devices."""

    data_parallel: int = 1
    stage: int = 0
    """0 plain data parallelism, 1 to 3 the stages of ZeRO; FSDP is stage 3."""
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

RESERVE = 0.9
"""Share of a device's memory that is planned with: the rest is for buffers and fragments, an assumption."""


def smallest_layout(
    shape: Shape, memory_bytes: float, sequence_length: int, lora_rank: int = 0, node: int = 8
) -> Layout | None:
    """The first layout whose parts fit, one row at once; None when a thousand devices do not hold it."""
    for layout in LAYOUTS:
        fits = layout.tensor_parallel <= node
        if (
            fits
            and sum(training_bytes(shape, layout, 1, sequence_length, lora_rank).values()) <= RESERVE * memory_bytes
        ):
            return layout
    return None
