"""The shape of a decoder, and its counts of parameters, operations and memory. Plans use it, so it needs no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lmworks.errors import UsageError

QUERY_BLOCK = 128
"""Number of queries per block in training. Packed attention computes no scores after a block's last query."""

LOSS_CHUNK = 1024
"""Maximum number of positions whose logits exist at once. Larger chunks were not faster."""

LOSS_LOGITS = 2**24
"""Approximate number of logits that exist at once. With a large vocabulary, chunks have fewer positions."""

FLOAT32 = 4
"""Bytes per number of weights, gradients and optimizer state."""

REWARD = ("reward",)
"""The label of a model that scores answers."""

Family = Literal[
    "decoder", "encoder", "encoder-decoder", "reward model", "sequence classifier", "token classifier", "rented model"
]
"""Family of a model. It decides which requests and objectives suit the model."""


def in_words(family: str | None) -> str:
    """Return the name of a family with its article."""
    return f"{'an' if str(family)[0] in 'aeiou' else 'a'} {family}"


PACKED_BITS = {"q4_1": 5, "nf4": 4 + 8 / 64 + 32 / 64 / 256}
"""Bits per weight of the 4-bit types, including scales (`model/quantised.py`)."""


def require_heads(hidden_size: int, num_heads: int | None, rotary: bool = True) -> None:
    """Raise ValueError if the heads do not divide a size, or have an odd size, which rotary positions cannot use.

    Without `num_heads`, there are as many heads of 64 dimensions as fit. A remainder is not used.
    """
    heads = num_heads or max(1, hidden_size // 64)
    fit = [count for count in range(1, hidden_size + 1) if hidden_size % (count * (1 + rotary)) == 0]
    expected = f"; expected one of {', '.join(map(str, fit))}" if fit else ""
    if num_heads and hidden_size % num_heads:
        raise ValueError(f"hidden_size {hidden_size} is not a multiple of num_heads {num_heads}{expected}")
    if rotary and hidden_size // heads % 2:
        raise ValueError(f"{hidden_size} / {heads} = {hidden_size // heads} numbers per head is odd{expected}")


def loss_chunk(vocab_size: int) -> int:
    """Return how many positions have logits at once. Batches are padded to whole chunks, so large ones waste more."""
    return min(LOSS_CHUNK, max(128, LOSS_LOGITS // vocab_size // 128 * 128))


@dataclass(frozen=True, kw_only=True)
class Forward:
    """Settings of a training's forward pass that determine what is kept for the backward pass."""

    width: int
    """Bytes per number in products."""
    recomputed: bool = False
    """Whether blocks are computed again in the backward pass (activation checkpointing)."""
    dropout: bool = False
    compiled: bool = False
    frozen: bool = False
    """Whether only adapters are trained."""
    narrow_weights: bool = False
    """Whether frozen weights are kept in the type of products, so that products need no copy of them."""


class Shape(ABC):
    """Counts of a model of any family before it is built. The plan needs nothing else."""

    num_layers: int
    """Number of blocks."""

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, int]:
        """Number of parameters by part. The part `matrices`, the matrices inside blocks, is updated by Muon."""

    @property
    def parameters(self) -> int:
        return sum(self.parts.values())

    @abstractmethod
    def adapter_parameters(self, rank: int) -> int:
        """Return the number of parameters of low-rank adapters on every matrix inside blocks."""

    @abstractmethod
    def training_flops_per_token(self, sequence_length: int) -> int:
        """Return the floating-point operations to learn from one token, forward and backward."""

    @abstractmethod
    def activation_bytes(self, rows: int, sequence_length: int, how: Forward) -> Mapping[str, int]:
        """Return, by part, the bytes that `rows` rows keep for the backward pass, and the bytes of the loss."""


MATRICES = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
"""Matrices of each block of a decoder, by their names in its files."""


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(Shape):
    """A decoder's shape. It counts parameters, operations and memory before anything is built."""

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_key_value_heads: int
    head_size: int
    intermediate_size: int
    context_length: int
    """Number of tokens in the longest sequence on which the model was trained."""
    rope_theta: float = 10_000.0
    rope_scaling: tuple[float, float, float, int] | None = None
    """Scaling of Llama 3.1: factor, low and high frequency factor, original context. None for no scaling."""
    norm_epsilon: float = 1e-6
    qk_norm: bool = False
    """Whether each query and key head is normalised before rotation (Qwen3)."""
    qkv_bias: bool = False
    """Whether query, key and value projections have biases (Qwen2)."""
    sliding_window: int | None = None
    """Number of positions that each position can see, including itself (Mistral). None for all earlier positions."""
    tie_embeddings: bool = False
    labels: tuple[str, ...] = ()
    """Labels that a head scores for a text. The head replaces the output matrix. Empty without such a head."""
    native: bool = True
    """Whether lmworks runs it. `transformers` runs other architectures, with frozen weights in float32."""

    def __post_init__(self) -> None:
        if self.num_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of num_key_value_heads {self.num_key_value_heads}"
            )
        if self.head_size % 2:
            raise ValueError(f"head_size {self.head_size} is odd; rotary positions need an even number")

    def with_labels(self, labels: Sequence[str]) -> DecoderConfig:
        """Return the shape with a head for labels instead of its output matrix."""
        return replace(self, labels=tuple(labels), tie_embeddings=False)

    @property
    def outputs(self) -> int:
        """Number of rows of the output matrix."""
        return len(self.labels) or self.vocab_size

    @property
    def block_matrices(self) -> int:
        """Number of parameters in the matrices of one block."""
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        return 2 * self.hidden_size * (heads + keys) + 3 * self.hidden_size * self.intermediate_size

    @property
    def parts(self) -> dict[str, int]:
        """Number of parameters by part. A tied embedding counts once."""
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

    def adapter_parameters(self, rank: int) -> int:
        """Return the parameters of low-rank adapters on each matrix in blocks: rank times its inputs and outputs."""
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        attention = 2 * (self.hidden_size + heads) + 2 * (self.hidden_size + keys)
        return rank * self.num_layers * (attention + 3 * (self.hidden_size + self.intermediate_size))

    def forward_flops_per_token(self, context: int) -> int:
        """Return the floating-point operations of the forward pass of a token that sees `context` positions."""
        parts = self.parts
        matrices = parts["matrices"] + parts["norms and biases"] - self.hidden_size + self.outputs * self.hidden_size
        attention = 2 * self.num_layers * self.num_heads * self.head_size * context
        return 2 * (matrices + attention)

    def training_flops_per_token(self, sequence_length: int) -> int:
        """Return the operations per token, forward and backward. Attention spans whole rows, as in the kernels."""
        return 3 * self.forward_flops_per_token(sequence_length)

    def activation_bytes(self, rows: int, sequence_length: int, how: Forward) -> dict[str, int]:
        """Return the most bytes that packed rows keep for the backward pass, and about the bytes of the loss.

        The counts follow what autograd keeps. A compiler computes norms and activation functions again, and keeps
        attention weights twice, once for each product in the backward pass. Frozen norms keep half. In float32,
        attention keeps its result instead of the attention weights.
        """
        tokens, hidden, width = rows * sequence_length, self.hidden_size, how.width
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        ends = [min(start + QUERY_BLOCK, sequence_length) for start in range(0, sequence_length, QUERY_BLOCK)]
        pairs = rows * sum((end - start) * end for start, end in zip([0, *ends], ends, strict=False))
        all_heads, narrow = self.num_heads + self.num_key_value_heads, width < FLOAT32
        if how.compiled:
            norms = self.qk_norm * (width * (heads + keys) + FLOAT32 * all_heads) + 4 * FLOAT32
            products = width * (4 * hidden + 2 * heads + 3 * self.intermediate_size)
            shares, noise = 2 * width, 2 * hidden
        else:
            of_a_number = FLOAT32 if how.frozen else 2 * FLOAT32
            norms = 2 * (of_a_number * hidden + 4) + self.qk_norm * all_heads * (of_a_number * self.head_size + 4)
            products = width * (2 * hidden + (3 - narrow) * heads + 4 * self.intermediate_size)
            shares, noise = width, 2 * hidden * width
        copied = sum(ends) if rows > 1 and self.num_key_value_heads > 1 else sequence_length  # else a view will do
        keys_and_values = width * rows * 2 * keys * copied
        scores = pairs * self.num_heads * shares * narrow
        mask = width * rows * sequence_length**2
        inside = tokens * (norms + products + noise * how.dropout) + keys_and_values
        kept = 1 if how.recomputed else self.num_layers
        stream = tokens * (2 * self.head_size * width + 8 * hidden + 4) + 8 * (tokens + rows)  # rotations, norm, ids
        if how.recomputed:
            stream += self.num_layers * tokens * hidden * width
        return {
            "activations": stream + kept * inside,
            "attention scores": kept * scores,
            "attention mask": mask,
            "gradients inside a block": inside + scores,
            "copies of weights": 0 if how.narrow_weights else narrow * width * kept * self.block_matrices,
            "logits": loss_chunk(self.outputs) * self.outputs * (2 * width + 2 * FLOAT32)
            + self.outputs * hidden * (width * (not how.narrow_weights) + 2 * FLOAT32 * (not how.frozen)),
        }

    def in_parts(self, count: int) -> DecoderConfig:
        """Return the shape that one of `count` tensor-parallel processes computes.

        Raises UsageError if heads or inner features cannot be divided evenly into `count` parts.
        """
        parted = {what: getattr(self, what) for what in ("num_heads", "num_key_value_heads", "intermediate_size")}
        for what, size in parted.items():
            if size % count:
                raise UsageError(
                    f"tensor_parallel: found {count}, into which {what} {size} does not go evenly; take a number that "
                    f"divides it, or another {what}"
                )
        return replace(self, **{what: size // count for what, size in parted.items()})

    def cache_bytes(self, length: int, width: int = 4) -> int:
        """Return the bytes of the keys and values of `length` positions in a sequence, at `width` bytes per number."""
        return 2 * self.num_layers * self.num_key_value_heads * self.head_size * length * width
