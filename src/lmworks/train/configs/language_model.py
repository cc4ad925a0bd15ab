"""Settings of a recipe for training a decoder on documents or conversations."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.errors import LmworksError
from lmworks.model.config import DecoderConfig, Shape, require_heads
from lmworks.recipe.schema import Expected, Reference
from lmworks.tokens.rows.each_answer import Answers
from lmworks.tokens.rows.packings import CONVERSATIONS, DOCUMENTS, Packing
from lmworks.train.configs.adapter import ADAPTER_RATES
from lmworks.train.configs.train import CHECKED, RESULT, STEP, Count, LostShare, TrainConfig
from lmworks.train.preflight.inspection import Inspection
from lmworks.train.preflight.turns import Turns

LARGEST_PAIR_VOCABULARY = 16_384
"""Largest vocabulary for which a new decoder starts from counts of token pairs. A larger table takes over 1 GB."""


class CausalLMConfig(TrainConfig):
    """Predict each next token of documents."""

    implementation: ClassVar[str] = "lmworks.train.objectives.language_model:CausalLM"
    packed: ClassVar[Packing] = DOCUMENTS
    expects: ClassVar[Expected] = {"base": ("decoder",)}

    objective: Literal["causal-lm"] = "causal-lm"
    learning_rate: float = Field(
        default=0.02, gt=0, description=f"Muon's rate for matrices inside blocks. {ADAPTER_RATES}"
    )
    adamw_learning_rate: float = Field(
        default=0.025, gt=0, description="AdamW's rate for embeddings, output and norms. It was the best of five rates."
    )
    num_layers: Annotated[Count, STEP] = Field(default="auto", description="Blocks. `auto` follows `hidden_size`.")
    hidden_size: Annotated[Count, STEP] = Field(default="auto", description="Width. `auto` fits the budget.")
    num_heads: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Attention heads. By default each has 64 dimensions, which kernels expect."
    )
    num_key_value_heads: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Key and value heads. By default about half of `num_heads`, for a small cache."
    )
    intermediate_size: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Width of feed-forward layers. By default 8/3 of `hidden_size`, as in Llama."
    )
    qk_norm: Annotated[bool, STEP] = Field(default=True, description="Whether to normalise queries and keys (Qwen3).")
    sliding_window: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Earlier tokens that a token attends to. All by default."
    )
    tie_embeddings: Annotated[bool, STEP] = Field(
        default=False, description="Whether input and output share a table. Set it for large vocabularies."
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        self._require_heads()
        return self

    def _require_heads(self) -> None:
        heads, keys = self.num_heads, self.num_key_value_heads
        if isinstance(self.hidden_size, int):
            require_heads(self.hidden_size, heads)
            heads = heads or max(1, self.hidden_size // 64)
        if heads and keys and heads % keys:
            raise ValueError(f"num_heads {heads} is not a multiple of num_key_value_heads {keys}")

    def beginning_bytes(self, vocab_size: int) -> int:
        """Return the bytes of two tables with counts of token pairs (train/arithmetic/bigrams.py)."""
        return 0 if self.base or self.tie_embeddings or vocab_size > LARGEST_PAIR_VOCABULARY else 16 * vocab_size**2

    @property
    def context_length(self) -> int:
        return self.sequence_length

    def shape(self, vocab_size: int) -> DecoderConfig:
        """Return the decoder to build without a base."""
        self.require_resolved()
        assert isinstance(self.hidden_size, int) and isinstance(self.num_layers, int)  # noqa: S101 - for the type checker
        try:
            self._require_heads()
        except ValueError as error:  # of a size that the plan has found
            raise LmworksError(f"objective {self.objective}: {error}; write hidden_size in the recipe") from None
        heads = self.num_heads or max(1, self.hidden_size // 64)
        return DecoderConfig(
            vocab_size=vocab_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=heads,
            num_key_value_heads=self.num_key_value_heads
            or next(count for count in range(max(1, heads // 2), 0, -1) if heads % count == 0),
            head_size=self.hidden_size // heads,
            intermediate_size=self.intermediate_size or -(-self.hidden_size * 8 // 3 // 64) * 64,
            context_length=self.context_length,
            qk_norm=self.qk_norm,
            sliding_window=self.sliding_window,
            tie_embeddings=self.tie_embeddings,
        )


class ChatConfig(TrainConfig):
    """Fields of objectives that learn the assistant's answers."""

    packed: ClassVar[Packing] = CONVERSATIONS
    expects: ClassVar[Expected] = {"base": ("decoder",)}
    inspects: ClassVar[type[Inspection] | None] = Turns

    base: Reference = Field(alias="from", description="Model to tune.")
    learning_rate: float = Field(
        default=0.01,
        gt=0,
        description=f"Muon's rate, half of pretraining's, so that the base keeps its knowledge. {ADAPTER_RATES}",
    )
    adamw_learning_rate: float = Field(default=0.002, gt=0, description="AdamW's rate. Higher rates raised the loss.")
    long_samples: Annotated[Literal["drop", "truncate", "split"], CHECKED] = Field(
        default="drop",
        description="Treatment of conversations longer than a row. `drop` leaves them out and teaches nothing wrong. "
        "`truncate` cuts the end off. `split` makes several conversations of the exchanges that fit.",
    )
    answers: Annotated[Answers, CHECKED] = Field(
        default="each",
        description="Answers that are trained if the chat template writes earlier answers in another way than the "
        "last, for example without thoughts. `each` makes one chat per answer, because the model will write each "
        "as a last answer. `last` trains the last answer only and takes fewer rows. With Qwen 3.5's template `last` "
        "left 255 of 299 answers untrained.",
    )
    largest_lost_share: LostShare = 0.2

    def packing(self) -> dict[str, Any]:
        return {"long_samples": self.long_samples, "answers": self.answers}


class SftConfig(ChatConfig):
    """Predict the assistant's answers (supervised fine-tuning)."""

    implementation: ClassVar[str] = "lmworks.train.objectives.language_model:Sft"

    objective: Literal["sft"] = "sft"


class DistillationConfig(ChatConfig):
    """Learn the assistant's tokens, and a larger model's probabilities for each of them."""

    implementation: ClassVar[str] = "lmworks.train.objectives.language_model:Distillation"

    expects: ClassVar[Expected] = {"base": ("decoder",), "teacher": ("decoder",)}

    objective: Literal["distillation"] = "distillation"
    teacher: Annotated[Reference, STEP] = Field(description="Larger model with the same tokenizer. It is not trained.")
    temperature: Annotated[float, RESULT] = Field(
        default=2.0,
        gt=0,
        description="Temperature of both distributions, from DistilBERT. Above 1, unlikely tokens count more.",
    )
    label_share: Annotated[float, RESULT] = Field(
        default=0.3, ge=0, le=1, description="Share of the loss that the data's tokens determine (DistilBERT)."
    )
    divergence: Annotated[Literal["forward", "reverse"], RESULT] = Field(
        default="forward",
        description="Direction of the divergence. With `forward` (Hinton), the student learns the teacher's whole "
        "distribution. With `reverse` (MiniLLM), a small student learns only the most likely part.",
    )

    @model_validator(mode="after")
    def _one_process(self) -> Self:
        if self.processes > 1:
            raise ValueError("processes must be 1: the teacher cannot be split")
        return self

    @property
    def judges(self) -> list[str]:
        return [self.teacher]

    def frozen_parameters(self, shape: Shape) -> int:
        """Return the parameters of the teacher."""
        return self.judge_parameters

    def further_flops_per_token(self, shape: Shape) -> int:
        """Return about how many operations per token a forward pass of the teacher takes."""
        return 2 * self.judge_parameters
