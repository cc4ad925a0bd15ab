"""The shape of an encoder-decoder, and what follows from it by counting. Imports no torch: plans are made of it."""

from __future__ import annotations

from dataclasses import dataclass

from lmworks.model.config import FLOAT32, Forward, Shape, loss_chunk

BUCKETS = 32
"""Of relative positions, one bias a head each (Raffel et al. 2020, section 2.1)."""


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig(Shape):
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
    gated: bool = True
    """Three matrices in the feed-forward part; the first T5 has two."""

    @property
    def encoder_block_parameters(self) -> int:
        """Parameters of one block of the encoder: attention and feed-forward, each with its norm."""
        attention = 4 * self.hidden_size * self.num_heads * self.head_size
        return attention + (2 + self.gated) * self.hidden_size * self.intermediate_size + 2 * self.hidden_size

    @property
    def decoder_block_parameters(self) -> int:
        """A decoder's block attends to the source as well."""
        return self.encoder_block_parameters + 4 * self.hidden_size * self.num_heads * self.head_size + self.hidden_size

    @property
    def block_matrices(self) -> int:
        """Parameters of one block of the encoder and one of the decoder that are in matrices."""
        attention = 4 * self.hidden_size * self.num_heads * self.head_size
        return 3 * attention + 2 * (2 + self.gated) * self.hidden_size * self.intermediate_size

    @property
    def parts(self) -> dict[str, int]:
        """Parameters by part; a tied embedding counts once."""
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

    @property
    def block_outputs(self) -> int:
        """Rows of the matrices of one block of the encoder and one of the decoder."""
        attention = 3 * self.num_heads * self.head_size + self.hidden_size
        feed_forward = self.hidden_size + (1 + self.gated) * self.intermediate_size
        return 3 * attention + 2 * feed_forward

    def forward_flops_per_token(self, context: int) -> int:
        """Mean over a pair of `context` tokens: source through the encoder, target through the decoder."""
        blocks = self.num_layers * (self.encoder_block_parameters + self.decoder_block_parameters)
        attention = 2 * self.num_layers * self.num_heads * self.head_size * context * 3 // 2
        return blocks + self.vocab_size * self.hidden_size + attention

    def training_flops_per_token(self, sequence_length: int) -> int:
        """Forward and backward."""
        return 3 * self.forward_flops_per_token(sequence_length)

    def activation_bytes(self, rows: int, sequence_length: int, how: Forward) -> dict[str, int]:
        """What pairs keep for the backward pass at the most, and about what the loss holds.

        The source is taken to fill a row and the target a fifth of one, as spans taken out of a text do; pairs of any
        other lengths that share a row keep less. Streams, norms and attention inside source and target are float32
        whatever the products are; two more copies of the scores exist for the moment.
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
