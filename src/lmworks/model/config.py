"""The shape of a decoder, and what follows from it by counting. Imports no torch: plans are made of it."""

from __future__ import annotations

from dataclasses import dataclass


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

    def __post_init__(self) -> None:
        if self.num_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is no multiple of num_key_value_heads {self.num_key_value_heads}"
            )
        if self.head_size % 2:
            raise ValueError(f"head_size {self.head_size} is odd; rotary positions turn pairs")

    @property
    def block_parameters(self) -> int:
        """Parameters of one block."""
        heads, keys = self.num_heads * self.head_size, self.num_key_value_heads * self.head_size
        matrices = 2 * self.hidden_size * (heads + keys) + 3 * self.hidden_size * self.intermediate_size
        biases = (heads + 2 * keys) * self.qkv_bias
        norms = 2 * self.hidden_size + 2 * self.head_size * self.qk_norm
        return matrices + biases + norms

    @property
    def parameters(self) -> int:
        """All parameters; a tied embedding counts once."""
        embeddings = self.vocab_size * self.hidden_size * (1 if self.tie_embeddings else 2)
        return embeddings + self.num_layers * self.block_parameters + self.hidden_size

    def forward_flops_per_token(self, context: int) -> int:
        """Floating-point operations of one token's forward pass that sees `context` positions."""
        matrices = self.num_layers * self.block_parameters + self.vocab_size * self.hidden_size
        attention = 2 * self.num_layers * self.num_heads * self.head_size * context
        return 2 * (matrices + attention)

    def training_flops_per_token(self, sequence_length: int) -> int:
        """Forward and backward; each row is attended to whole, which is what the kernels compute."""
        return 3 * self.forward_flops_per_token(sequence_length)

    def training_bytes(self, rows: int, sequence_length: int, activation_bytes: int = 2) -> int:
        """Memory to train on `rows` rows at once: weights, gradients, optimizer state, activations (a coarse count)."""
        tokens = rows * sequence_length
        per_token = self.num_layers * (8 * self.hidden_size + 4 * self.intermediate_size) * activation_bytes
        scores = 3 * self.num_layers * self.num_heads * sequence_length * activation_bytes
        return self.parameters * 4 * 4 + tokens * (per_token + scores) + tokens * self.vocab_size * 6

    def inference_bytes(self, sequences: int, length: int, weight_bytes: int = 4) -> int:
        """Memory to hold the weights and `sequences` caches of `length` positions."""
        cache = 2 * self.num_layers * self.num_key_value_heads * self.head_size * length
        return (self.parameters + sequences * cache) * weight_bytes
