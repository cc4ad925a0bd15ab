"""What follows from a transformer's shape by counting: parameters, operations, and memory by part and layout.

Letters (formulas' sources: `facts.json`): L blocks, d width, N parameters, D tokens, s sequence, b rows, V vocabulary.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lmworks.model.config import DecoderConfig
from lmworks.model.shapes import EncoderConfig, EncoderDecoderConfig
from lmworks.train.configs.adapter import LoraConfig
from lmworks.train.configs.language_model import SftConfig
from lmworks.train.memory import training_memory

Architecture = Literal["decoder", "encoder", "encoder-decoder"]


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
    def _num_stacks(self) -> int:
        return 2 if self.architecture == "encoder-decoder" else 1

    @property
    def num_blocks(self) -> int:
        """Of all stacks."""
        return self._num_stacks * self.config.num_layers

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
"""Published ones, with their source."""


def shape_for(architecture: Architecture, parameters: float) -> PublishedShape:
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
        return self.data_parallel * self.tensor_parallel

    def __str__(self) -> str:
        kind = ("data parallel", "ZeRO-1", "ZeRO-2", "FSDP (ZeRO-3)")[self.stage]
        data = f"{kind} ×{self.data_parallel}" if self.data_parallel > 1 else "one replica"
        tensor = f", tensor parallel ×{self.tensor_parallel}" if self.tensor_parallel > 1 else ""
        return data + tensor + (", recompute" if self.recompute else "")


def training_bytes(shape: PublishedShape, layout: Layout, rows: int, sequence_length: int) -> dict[str, float]:
    """Bytes on each device, by part. `rows` are those of one device at once."""
    tensor, data = layout.tensor_parallel, layout.data_parallel
    tokens = rows * sequence_length

    def split(stage: int) -> int:
        return tensor * (data if layout.stage >= stage else 1)

    return {
        "weights": 2 * shape.parameters / split(3),
        "gradients": 2 * shape.parameters / split(2),
        "optimizer": 12 * shape.parameters / split(1),
        "activations": (2 if layout.recompute else 34) * tokens * shape.config.hidden_size * shape.num_blocks / tensor,
        "logits": 6 * tokens * shape.config.vocab_size / tensor,
    }


LAYOUTS = sorted(
    (
        Layout(data, stage, tensor, recompute)
        for tensor in (1, 2, 4, 8)
        for data in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
        for stage in ((3,) if data > 1 else (0,))  # several processes hold blocks in shares (FSDP2)
        for recompute in (False, True)
    ),
    key=lambda layout: (layout.devices, layout.recompute, layout.tensor_parallel, layout.stage),
)
"""Those that lmworks has, the smallest first; among equals the one that communicates least."""

RESERVE = 0.9  # of a device's memory is planned with; the rest is for buffers and fragments: assumed


def smallest_layout(shape: PublishedShape, memory_bytes: float, sequence_length: int, node: int = 8) -> Layout | None:
    """The first layout whose parts fit, one row at once; None when a thousand devices do not hold it."""
    for layout in LAYOUTS:
        needed = sum(training_bytes(shape, layout, 1, sequence_length).values())
        if needed <= RESERVE * memory_bytes and layout.tensor_parallel <= node:
            return layout
    return None


Fit = tuple[str, int, dict[str, float]]
"""(layout in words, devices, bytes on each by part)."""


def spread(shape: PublishedShape, memory_bytes: float, sequence_length: int, node: int) -> Fit | None:
    """How all weights of a model are trained on devices of some memory, if they are."""
    layout = smallest_layout(shape, memory_bytes, sequence_length, node)
    if layout is None:
        return None
    return str(layout), layout.devices, training_bytes(shape, layout, 1, sequence_length)


def adapted(shape: PublishedShape, memory_bytes: float, sequence_length: int, rank: int) -> Fit | None:
    """How an adapter is trained on one device of some memory: by the count that refuses a training that does not fit.

    The frozen weights stay in float32 where they fit so, else in 4 bits (nf4).
    """
    for quantise in (None, "nf4"):
        adapter = LoraConfig(rank=rank, quantise=quantise)
        fields = {"from": "base", "data": "data", "adapter": adapter, "data_type": "bfloat16", "micro_batch_rows": 1}
        fields |= {"sequence_length": sequence_length, "activation_checkpointing": True}
        config = SftConfig.model_validate(fields)
        held = training_memory(shape.config, config, shape.config.vocab_size, 0, apart=True)
        if sum(held.values()) <= RESERVE * memory_bytes:
            named = {"weights": "weights", "gradients": "gradients", "optimizer state": "optimizer", "logits": "logits"}
            parts: dict[str, float] = dict.fromkeys(("weights", "gradients", "optimizer", "activations", "logits"), 0.0)
            for part, size in held.items():
                parts[named.get(part, "activations")] += size
            return f"one replica{', nf4' if quantise else ''}, recompute", 1, parts
    return None
