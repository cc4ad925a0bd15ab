"""What a recipe says about training a decoder on documents or conversations."""

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
"""Up to it a fresh decoder begins with counts of token pairs; beyond, their table takes more than a gigabyte."""


class CausalLMConfig(TrainConfig):
    """Predict each next token of documents."""

    implementation: ClassVar[str] = "lmworks.train.objectives.language_model:CausalLM"
    packed: ClassVar[Packing] = DOCUMENTS
    expects: ClassVar[Expected] = {"base": ("decoder",)}

    objective: Literal["causal-lm"] = "causal-lm"
    learning_rate: float = Field(default=0.02, gt=0, description=f"Muon's, for matrices inside blocks. {ADAPTER_RATES}")
    adamw_learning_rate: float = Field(
        default=0.025, gt=0, description="For embeddings, output and norms; between the two best of five tried."
    )
    num_layers: Annotated[Count, STEP] = Field(default="auto", description="Follows from hidden_size.")
    hidden_size: Annotated[Count, STEP] = Field(default="auto", description="As large as the budget can train.")
    num_heads: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Unset: heads of 64, the size that kernels are made for."
    )
    num_key_value_heads: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Unset: half of num_heads, or the next divisor below; a smaller cache."
    )
    intermediate_size: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Unset: 8/3 of hidden_size, as Llama."
    )
    qk_norm: Annotated[bool, STEP] = Field(default=True, description="Keeps attention stable at high rates (Qwen3).")
    sliding_window: Annotated[int | None, STEP] = Field(
        default=None, ge=1, description="Unset: each position sees all before it."
    )
    tie_embeddings: Annotated[bool, STEP] = Field(
        default=False, description="A table of its own learns faster; tie for large vocabularies."
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
            raise ValueError(f"num_heads {heads} is no multiple of num_key_value_heads {keys}")

    def beginning_bytes(self, vocab_size: int) -> int:
        """Two tables of the counts of token pairs (train/arithmetic/bigrams.py)."""
        return 0 if self.base or self.tie_embeddings or vocab_size > LARGEST_PAIR_VOCABULARY else 16 * vocab_size**2

    @property
    def context_length(self) -> int:
        return self.sequence_length

    def shape(self, vocab_size: int) -> DecoderConfig:
        """The decoder to build when there is no base."""
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
    """Fields of every objective that learns what the assistant says in conversations."""

    packed: ClassVar[Packing] = CONVERSATIONS
    expects: ClassVar[Expected] = {"base": ("decoder",)}
    inspects: ClassVar[type[Inspection] | None] = Turns

    base: Reference = Field(alias="from", description="The model to tune.")
    learning_rate: float = Field(
        default=0.01,
        gt=0,
        description=f"Half of pretraining's: the base is to be bent, not unlearned. {ADAPTER_RATES}",
    )
    adamw_learning_rate: float = Field(default=0.002, gt=0, description="Higher rates lost more on validation text.")
    long_samples: Annotated[Literal["drop", "truncate", "split"], CHECKED] = Field(
        default="drop",
        description="What becomes of conversations longer than a row. A dropped one teaches nothing wrong; `truncate` "
        "cuts the end off, `split` makes several of the exchanges that fit.",
    )
    answers: Annotated[Answers, CHECKED] = Field(
        default="each",
        description="Answers of a chat that are trained where the chat template writes earlier ones otherwise than the "
        "last, as without their thoughts. `each` makes a chat of every such answer, since the model will write it as a "
        "last one: `last` read 255 of 299 answers under Qwen 3.5's template without training them. `last` takes fewer "
        "rows.",
    )
    largest_lost_share: LostShare = 0.2

    def packing(self) -> dict[str, Any]:
        return {"long_samples": self.long_samples, "answers": self.answers}


class SftConfig(ChatConfig):
    """Predict what the assistant says."""

    implementation: ClassVar[str] = "lmworks.train.objectives.language_model:Sft"

    objective: Literal["sft"] = "sft"


class DistillationConfig(ChatConfig):
    """Learn conversations from a larger model beside them: what it expects at each token of the assistant."""

    implementation: ClassVar[str] = "lmworks.train.objectives.language_model:Distillation"

    expects: ClassVar[Expected] = {"base": ("decoder",), "teacher": ("decoder",)}

    objective: Literal["distillation"] = "distillation"
    teacher: Annotated[Reference, STEP] = Field(description="A larger model with the same tokenizer; it does not move.")
    temperature: Annotated[float, RESULT] = Field(
        default=2.0,
        gt=0,
        description="At which both distributions are compared: above 1 what is unlikely counts more. DistilBERT's.",
    )
    label_share: Annotated[float, RESULT] = Field(
        default=0.3, ge=0, le=1, description="Of the word that came beside the teacher: DistilBERT's are two to five."
    )
    divergence: Annotated[Literal["forward", "reverse"], RESULT] = Field(
        default="forward",
        description="`forward` is Hinton's: all that the teacher expects. `reverse` (MiniLLM) lets a small student "
        "keep to the likeliest of it.",
    )

    @model_validator(mode="after")
    def _one_process(self) -> Self:
        if self.processes > 1:
            raise ValueError("processes stays 1: the teacher is not shared out among several")
        return self

    @property
    def judges(self) -> list[str]:
        return [self.teacher]

    def frozen_parameters(self, shape: Shape) -> int:
        """The teacher's."""
        return self.judge_parameters

    def further_flops_per_token(self, shape: Shape) -> int:
        """A forward pass of the teacher, nearly."""
        return 2 * self.judge_parameters
