"""The shape of an encoder-decoder, and what follows from it by counting. Imports no torch: plans are made of it."""

from __future__ import annotations

from dataclasses import dataclass

BUCKETS = 32
"""Of relative positions, one bias a head each (Raffel et al. 2020, section 2.1)."""


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig:
    """A T5 of version 1.1: gated GELU, relative positions, no biases; as many layers in the decoder as in the encoder.

    It counts parameters, operations and memory before anything is built. Counts a token take half of a row to be
    source and half to be target.
    """

    vocab_size: int
    """Sentinels included."""
    hidden_size: int
    num_layers: int
    """Of the encoder, and as many of the decoder."""
    num_heads: int
    head_size: int
    intermediate_size: int
    tie_embeddings: bool = False
    """The output matrix is the embedding table, as in the first T5."""

    @property
    def encoder_block_parameters(self) -> int:
        """Parameters of one block of the encoder: attention and feed-forward, each with its norm."""
        attention = 4 * self.hidden_size * self.num_heads * self.head_size
        return attention + 3 * self.hidden_size * self.intermediate_size + 2 * self.hidden_size

    @property
    def decoder_block_parameters(self) -> int:
        """A decoder's block attends to the source as well."""
        return self.encoder_block_parameters + 4 * self.hidden_size * self.num_heads * self.head_size + self.hidden_size

    @property
    def parameters(self) -> int:
        """All parameters; a tied embedding counts once."""
        embeddings = self.vocab_size * self.hidden_size * (1 if self.tie_embeddings else 2)
        blocks = self.num_layers * (self.encoder_block_parameters + self.decoder_block_parameters)
        return embeddings + blocks + 2 * BUCKETS * self.num_heads + 2 * self.hidden_size

    def forward_flops_per_token(self, context: int) -> int:
        """Mean over a pair of `context` tokens: source through the encoder, target through the decoder."""
        blocks = self.num_layers * (self.encoder_block_parameters + self.decoder_block_parameters)
        attention = 2 * self.num_layers * self.num_heads * self.head_size * context * 3 // 2
        return blocks + self.vocab_size * self.hidden_size + attention

    def training_flops_per_token(self, sequence_length: int) -> int:
        """Forward and backward."""
        return 3 * self.forward_flops_per_token(sequence_length)

    def training_bytes(self, rows: int, sequence_length: int, activation_bytes: int = 4) -> int:
        """Memory to train on `rows` pairs at once: weights, gradients, optimizer, activations (a coarse count)."""
        tokens = rows * sequence_length
        per_token = self.num_layers * (12 * self.hidden_size + 5 * self.intermediate_size) * activation_bytes
        scores = 3 * self.num_layers * self.num_heads * sequence_length * activation_bytes
        return self.parameters * 4 * 4 + tokens * (per_token + scores) + tokens // 2 * self.vocab_size * 6
