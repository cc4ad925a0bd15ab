"""The shape of a decoder, and what follows from it by counting. Imports no torch: plans are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

QUERY_BLOCK = 128
"""Queries attended for at once in training: packed attention computes no scores behind a block's last query."""

LOSS_CHUNK = 1024
"""Positions whose logits exist at once, at the most; larger chunks were no faster."""

LOSS_LOGITS = 2**24
"""Logits that exist at once, about: of large vocabularies, chunks of fewer positions."""

FLOAT32 = 4
"""Bytes of a number in which weights, gradients and optimizer state are kept."""

REWARD = ("reward",)
"""The label of a model that scores answers."""

PACKED_BITS = {"q4_1": 5, "nf4": 4 + 8 / 64 + 32 / 64 / 256}
"""Of a weight in 4 bits, with its share of the scales (`model/quantised.py`)."""


def loss_chunk(vocab_size: int) -> int:
    """Positions whose logits exist at once. A batch is filled up to whole chunks, so large ones waste most."""
    return min(LOSS_CHUNK, max(128, LOSS_LOGITS // vocab_size // 128 * 128))


class Shape(Protocol):
    """What any family of models counts of itself before it is built. The plan asks for nothing else."""

    @property
    def parts(self) -> Mapping[str, int]:
        """Parameters by part. The part `matrices` is what Muon moves: matrices inside blocks."""

    @property
    def parameters(self) -> int:
        """The sum of the parts."""

    def adapter_parameters(self, rank: int) -> int:
        """Parameters of low-rank adapters beside every matrix inside blocks."""

    def prefix_size(self, kind: str) -> int:
        """Parameters of a place that is learned before every text, as a `prompt` or a `prefix`."""

    @property
    def num_layers(self) -> int:
        """Blocks."""

    @property
    def block_outputs(self) -> int:
        """Rows of the matrices of one block."""

    def training_flops_per_token(self, sequence_length: int) -> int:
        """Floating-point operations to learn from one token, forward and backward."""

    def activation_bytes(
        self, rows: int, sequence_length: int, width: int, *, recomputed: bool, dropout: bool
    ) -> Mapping[str, int]:
        """What the way forward keeps for the way back, and what the loss holds at once, by part.

        Of one micro-batch of `rows` rows, computed in numbers of `width` bytes; `recomputed` under activation
        checkpointing, with what `dropout` draws.
        """


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """A decoder's shape. It counts parameters, operations and memory before anything is built."""

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_key_value_heads: int
    head_size: int
    intermediate_size: int
    context_length: int
    """Longest sequence that the model was trained on, in tokens."""
    rope_theta: float = 10_000.0
    rope_scaling: tuple[float, float, float, int] | None = None
    """Llama 3.1's: factor, low and high frequency factor, original context; None rotates as trained."""
    norm_epsilon: float = 1e-6
    qk_norm: bool = False
    """Normalise each query and key head before rotation (Qwen3)."""
    qkv_bias: bool = False
    """Biases on the query, key and value projections (Qwen2)."""
    sliding_window: int | None = None
    """Each position sees at most this many, itself included; None for all earlier ones (Mistral when set)."""
    tie_embeddings: bool = False
    labels: tuple[str, ...] = ()
    """Of which a score each is told of a text, by a head in place of the output matrix."""

    def __post_init__(self) -> None:
        if self.num_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is no multiple of num_key_value_heads {self.num_key_value_heads}"
            )
        if self.head_size % 2:
            raise ValueError(f"head_size {self.head_size} is odd; rotary positions turn pairs")

    def with_labels(self, labels: Sequence[str]) -> DecoderConfig:
        """The shape with a head for labels in place of its output matrix."""
        return replace(self, labels=tuple(labels), tie_embeddings=False)

    @property
    def outputs(self) -> int:
        """Rows of the output matrix."""
        return len(self.labels) or self.vocab_size

    @property
    def block_matrices(self) -> int:
        """Parameters of the matrices of one block."""
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        return 2 * self.hidden_size * (heads + keys) + 3 * self.hidden_size * self.intermediate_size

    @property
    def parts(self) -> dict[str, int]:
        """Parameters by part; a tied embedding counts once."""
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        biases = (heads + 2 * keys) * self.qkv_bias
        norms = 2 * self.hidden_size + 2 * self.head_size * self.qk_norm
        table = self.vocab_size * self.hidden_size
        return {
            "embeddings": table,
            "output": 0 if self.tie_embeddings else self.outputs * self.hidden_size,
            "matrices": self.num_layers * self.block_matrices,
            "norms and biases": self.num_layers * (norms + biases) + self.hidden_size,
        }

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(self.parts.values())

    def adapter_parameters(self, rank: int) -> int:
        """Parameters of low-rank adapters beside every matrix inside blocks: rank times inputs and outputs of each."""
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        attention = 2 * (self.hidden_size + heads) + 2 * (self.hidden_size + keys)
        return rank * self.num_layers * (attention + 3 * (self.hidden_size + self.intermediate_size))

    @property
    def block_outputs(self) -> int:
        """Rows of the matrices of one block."""
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        return heads + 2 * keys + 2 * self.hidden_size + 2 * self.intermediate_size

    def prefix_size(self, kind: str) -> int:
        """Parameters of a place that is learned before every text: an embedding, or keys and values of every layer."""
        return self.hidden_size if kind == "prompt" else self.cache_bytes(1, 1)

    def forward_flops_per_token(self, context: int) -> int:
        """Floating-point operations of one token's forward pass that sees `context` positions."""
        parts = self.parts
        matrices = parts["matrices"] + parts["norms and biases"] - self.hidden_size + self.outputs * self.hidden_size
        attention = 2 * self.num_layers * self.num_heads * self.head_size * context
        return 2 * (matrices + attention)

    def training_flops_per_token(self, sequence_length: int) -> int:
        """Forward and backward; each row is attended to whole, which is what the kernels compute."""
        return 3 * self.forward_flops_per_token(sequence_length)

    def activation_bytes(
        self, rows: int, sequence_length: int, width: int, *, recomputed: bool, dropout: bool
    ) -> dict[str, int]:
        """What packed rows keep for the way back at the most, and about what the loss holds.

        With a compiler it is less, which computes sums of squares and activation functions again; without, attention
        keeps its result instead of the float32 scores of every pair of a block of queries and the keys up to its end.
        """
        tokens, hidden = rows * sequence_length, self.hidden_size
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        ends = [min(start + QUERY_BLOCK, sequence_length) for start in range(0, sequence_length, QUERY_BLOCK)]
        pairs = rows * sum((end - start) * end for start, end in zip([0, *ends], ends, strict=False))
        all_heads = self.num_heads + self.num_key_value_heads
        norms = 2 * (8 * hidden + 4) + self.qk_norm * all_heads * (8 * self.head_size + 4)
        products = width * (2 * hidden + 3 * heads + 4 * self.intermediate_size)
        copied = sum(ends) if rows > 1 and self.num_key_value_heads > 1 else sequence_length  # else a view will do
        keys_and_values = width * rows * 2 * keys * copied
        narrow = width < FLOAT32
        scores = pairs * self.num_heads * (FLOAT32 + width * narrow)
        mask = width * rows * sequence_length**2
        inside = tokens * (norms + products + 2 * width * hidden * dropout) + keys_and_values
        kept = 1 if recomputed else self.num_layers
        stream = tokens * (2 * self.head_size * width + 8 * hidden + 4) + 8 * (tokens + rows)  # rotations, norm, ids
        if recomputed:
            stream += self.num_layers * tokens * hidden * width
        table = self.outputs * hidden
        return {
            "activations": stream + kept * inside,
            "attention scores": kept * scores,
            "attention mask": mask,
            "copies of weights": narrow * width * kept * self.block_matrices,
            "logits": loss_chunk(self.outputs) * self.outputs * (2 * width + 4 * FLOAT32)
            + table * (width + 2 * FLOAT32),
        }

    def cache_bytes(self, length: int, width: int = 4) -> int:
        """Memory of the keys and values of `length` positions of one sequence, in numbers of `width` bytes."""
        return 2 * self.num_layers * self.num_key_value_heads * self.head_size * length * width
