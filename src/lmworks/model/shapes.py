"""The shapes of encoders and encoder-decoders, with counts of parameters, operations and memory. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from lmworks.model.config import FLOAT32, Forward, Shape, loss_chunk

Architecture = Literal["bert", "modernbert"]
EncoderTask = Literal["masked-lm", "sequence-classification", "token-classification"]
LOCAL_ATTENTION = 128
"""Window in tokens of ModernBERT's layers, except every third, which sees all tokens (Warner et al. 2024)."""

COUNTS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "context_length",
}
"""Fields of a `config.json` with whole numbers, and their names in lmworks."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(Shape):
    """BERT (Devlin et al. 2019) or ModernBERT (Warner et al. 2024) with the head of a task."""

    architecture: Architecture
    task: EncoderTask
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    context_length: int
    num_labels: int = 0

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self | None:
        """Return the masked language model in a `config.json`, or None if it has another architecture."""
        if found.get("model_type") not in get_args(Architecture):
            return None
        counts = {ours: found[theirs] for theirs, ours in COUNTS.items()}
        return cls(architecture=found["model_type"], task="masked-lm", **counts)

    @property
    def block_parameters(self) -> int:
        wide, inner = self.hidden_size, self.intermediate_size
        if self.architecture == "modernbert":  # no biases; two matrices into a gated middle
            return 4 * wide * wide + 3 * wide * inner + 2 * wide
        return 4 * (wide * wide + wide) + 2 * wide * inner + inner + wide + 4 * wide

    @property
    def head_parameters(self) -> int:
        """Number of parameters after the last block. A language model's output matrix is its embedding table."""
        wide, modern = self.hidden_size, self.architecture == "modernbert"
        dense = wide * wide if modern else wide * wide + wide
        if self.task == "masked-lm":
            return dense + (wide if modern else 2 * wide) + self.vocab_size
        between = dense + wide if modern else dense if self.task == "sequence-classification" else 0
        return between + (wide + 1) * self.num_labels

    @property
    def block_matrices(self) -> int:
        """Number of parameters in the matrices of one block."""
        return 4 * self.hidden_size**2 + (2 + self._is_gated) * self.hidden_size * self.intermediate_size

    @property
    def _is_gated(self) -> bool:
        return self.architecture == "modernbert"

    @property
    def parts(self) -> dict[str, int]:
        wide, beside = self.hidden_size, self.block_parameters - self.block_matrices
        if self._is_gated:  # the first block needs no norm, the last has one behind it
            embeddings, norms = self.vocab_size * wide, wide
        else:
            embeddings, norms = (self.vocab_size + self.context_length + 2) * wide, 2 * wide
        return {
            "embeddings": embeddings,
            "matrices": self.num_layers * self.block_matrices,
            "norms and biases": norms + self.num_layers * beside,
            "head": self.head_parameters,
        }

    def adapter_parameters(self, rank: int) -> int:
        middle = (2 + self._is_gated) * (self.hidden_size + self.intermediate_size)
        return rank * self.num_layers * (8 * self.hidden_size + middle)

    def training_flops_per_token(self, sequence_length: int) -> int:
        """Return the operations per token. Attention spans whole rows. Only masked tokens, 15 %, reach the output."""
        matrices = self.num_layers * self.block_parameters
        if self.task == "masked-lm":
            matrices += (self.vocab_size + self.hidden_size) * self.hidden_size * 15 // 100
        return 6 * (matrices + 2 * self.num_layers * self.hidden_size * sequence_length)

    def activation_bytes(self, rows: int, sequence_length: int, how: Forward) -> dict[str, int]:
        """Return the most bytes that packed rows keep for the backward pass, and about those of the loss.

        Residual stream and norms are always float32. Scores of all pairs are kept twice, and there are two more
        temporary copies in float32.
        """
        width, dropout = how.width, how.dropout
        tokens, hidden, inner = rows * sequence_length, self.hidden_size, self.intermediate_size
        kept, narrow, gated = 1 if how.recomputed else self.num_layers, width < FLOAT32, self._is_gated
        pairs, places = tokens * self.num_heads * sequence_length, tokens * sequence_length
        streams = 2 * FLOAT32 + 2 * FLOAT32 * 2 / hidden  # what two norms read, and their means and spreads
        products = (8 if narrow and not gated else 6) * width
        if gated and rows == 1:  # values are a view then of what holds queries and keys, too
            products += 2 * width
        middle = (4 if gated else 2) * inner * width
        noise = (hidden + inner if gated else 2 * hidden) * dropout  # elements that are zeroed or not, besides scores
        score = FLOAT32 + (width if narrow else 0) + dropout * (width if narrow else 2 * FLOAT32)
        inside = int(tokens * (hidden * (streams + products) + middle + noise * width))
        table, asked = self.vocab_size * hidden, 0.16 if self.task == "masked-lm" else 0.0
        outside = tokens * (2 * FLOAT32 * hidden * (1 + dropout) + 4 * FLOAT32 * hidden // self.num_heads + 32)
        if how.recomputed:
            outside += self.num_layers * tokens * hidden * FLOAT32
        return {
            "activations": outside + kept * inside,
            "attention scores": int(pairs * (kept * score + 2 * FLOAT32)),
            "attention mask": (kept + 2) * places,
            "dropout's noise": dropout * self.num_layers * (pairs + tokens * noise),
            "copies of weights": narrow * width * self.num_layers * self.block_matrices,
            "logits": int(asked * tokens * self.vocab_size * (3 * FLOAT32 + width)) + 2 * width * table,
        }

    def describe(self) -> dict[str, Any]:
        """Return the fields of `transformers`' config of this architecture."""
        fields: dict[str, Any] = {theirs: getattr(self, ours) for theirs, ours in COUNTS.items()}
        if self.num_labels:
            fields["num_labels"] = self.num_labels
        return fields | ({"local_attention": LOCAL_ATTENTION} if self.architecture == "modernbert" else {})


BUCKETS = 32
"""Buckets of relative positions, each with one bias per head (Raffel et al. 2020, section 2.1)."""


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig(Shape):
    """A T5 of version 1.1: gated GELU, relative positions, no biases, and equally deep encoder and decoder.

    It counts parameters, operations and memory before anything is built. Counts per token assume that half of a row
    is source and half is target.
    """

    vocab_size: int
    """Number of ids, including sentinels."""
    hidden_size: int
    num_layers: int
    """Number of blocks in the encoder, and in the decoder."""
    num_heads: int
    head_size: int
    intermediate_size: int
    tie_embeddings: bool = False
    """Whether the output matrix is the embedding table, as in the first T5."""
    gated: bool = True
    """Whether the feed-forward part has three matrices. The first T5 has two."""

    @property
    def encoder_block_parameters(self) -> int:
        """Number of parameters in one block of the encoder: attention and feed-forward, each with its norm."""
        attention = 4 * self.hidden_size * self.num_heads * self.head_size
        return attention + (2 + self.gated) * self.hidden_size * self.intermediate_size + 2 * self.hidden_size

    @property
    def decoder_block_parameters(self) -> int:
        """Number of parameters in one block of the decoder, which also attends to the source."""
        return self.encoder_block_parameters + 4 * self.hidden_size * self.num_heads * self.head_size + self.hidden_size

    @property
    def block_matrices(self) -> int:
        """Number of parameters in the matrices of one block of the encoder and one of the decoder."""
        attention = 4 * self.hidden_size * self.num_heads * self.head_size
        return 3 * attention + 2 * (2 + self.gated) * self.hidden_size * self.intermediate_size

    @property
    def parts(self) -> dict[str, int]:
        """Number of parameters by part. A tied embedding counts once."""
        both = self.encoder_block_parameters + self.decoder_block_parameters
        table = self.vocab_size * self.hidden_size
        return {
            "embeddings": table,
            "output": 0 if self.tie_embeddings else table,
            "matrices": self.num_layers * self.block_matrices,
            "norms and biases": self.num_layers * (both - self.block_matrices)
            + 2 * BUCKETS * self.num_heads
            + 2 * self.hidden_size,
        }

    def adapter_parameters(self, rank: int) -> int:
        attention = 4 * (self.hidden_size + self.num_heads * self.head_size)
        feed_forward = (2 + self.gated) * (self.hidden_size + self.intermediate_size)
        return rank * self.num_layers * (3 * attention + 2 * feed_forward)

    def forward_flops_per_token(self, context: int) -> int:
        """Return the mean operations per token of a pair with `context` tokens, half source and half target."""
        blocks = self.num_layers * (self.encoder_block_parameters + self.decoder_block_parameters)
        attention = 2 * self.num_layers * self.num_heads * self.head_size * context * 3 // 2
        return blocks + self.vocab_size * self.hidden_size + attention

    def training_flops_per_token(self, sequence_length: int) -> int:
        return 3 * self.forward_flops_per_token(sequence_length)

    def activation_bytes(self, rows: int, sequence_length: int, how: Forward) -> dict[str, int]:
        """Return the most bytes that pairs keep for the backward pass, and about the bytes of the loss.

        The source is assumed to fill a row, and the target a fifth of a row, as in span corruption. Pairs of other
        lengths that share a row keep less. Residual stream, norms and attention inside source and target are always
        float32. There are two more temporary copies of the scores.
        """
        width, dropout = how.width, how.dropout
        source, target = rows * sequence_length, rows * -(-sequence_length // 5)
        hidden, inner, heads = self.hidden_size, self.intermediate_size, self.num_heads * self.head_size
        kept, narrow = 1 if how.recomputed else self.num_layers, width < FLOAT32
        casts = 5 if narrow else 2  # of what queries, keys, values and the gated middle read
        beside = 4 * inner * width + 3 * FLOAT32 * heads + width * heads  # middle; queries, keys, values, and mixed
        encoder = hidden * (4 * FLOAT32 + casts * width + 2 * dropout * width) + beside
        seen = width * (2 * heads + 2 * narrow * hidden)  # keys and values of the source, for a block of the decoder
        decoder = hidden * (6 * FLOAT32 + (casts + 1) * width + 3 * dropout * width) + beside + 2 * width * heads
        pairs = self.num_heads * (source * sequence_length + target * (target // rows))
        outside = (source + target) * (2 + 2 * dropout) * 2 * FLOAT32 * hidden
        if how.recomputed:
            outside += self.num_layers * (source + target) * hidden * FLOAT32
        table = self.vocab_size * hidden
        return {
            "activations": outside + kept * (source * (encoder + seen) + target * decoder),
            "attention scores": (kept + 2) * FLOAT32 * pairs,
            "copies of weights": narrow * width * self.num_layers * self.block_matrices,
            "logits": loss_chunk(self.vocab_size) * self.vocab_size * (2 * width + 2 * FLOAT32)
            + table * (width + 2 * FLOAT32),
        }
