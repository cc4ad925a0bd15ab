"""What a recipe says about learning from judgements."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.model.config import REWARD, DecoderConfig, Shape
from lmworks.recipe.schema import Reference
from lmworks.tokens.rows.packings import PREFERENCES, Packing
from lmworks.train.configs.adapter import RATES, kind_of
from lmworks.train.configs.train import RESULT, LostShare, TrainConfig
from lmworks.train.preflight.inspection import Inspection
from lmworks.train.preflight.turns import Turns


class AlignedConfig(TrainConfig):
    """Fields of every objective that bends a tuned model, by small steps of AdamW unless another is stated."""

    rates: ClassVar[tuple[float, float]] = (1e-6, 2e-5)
    """AdamW's of all weights, as the methods' authors have it, and of adapters, which take some ten times more.

    Nobody has published one of prompts and prefixes.
    """
    inspects: ClassVar[type[Inspection] | None] = Turns

    base: Reference = Field(alias="from", description="The model to align, tuned to answer.")
    learning_rate: float = Field(
        gt=0, description="AdamW's; unset, 0.000001, and 0.00002 of LoRA; of a prompt or prefix it is stated."
    )
    adamw_learning_rate: float = Field(default=1e-6, gt=0, description="Beside Muon, whose own rate must be stated.")
    largest_lost_share: LostShare = 0.2

    @model_validator(mode="before")
    @classmethod
    def _small_rates(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or fields.get("optimizer", "adamw") != "adamw":
            return fields
        adapter = fields.get("adapter")
        if adapter is not None and kind_of(adapter) in RATES:
            return {**fields, "optimizer": "adamw"}
        rate = cls.rates[adapter is not None]
        return {"learning_rate": rate, **fields, "optimizer": "adamw"}


class PreferenceConfig(AlignedConfig):
    """Fields of every objective that learns from judged answers."""

    packed: ClassVar[Packing] = PREFERENCES
    data: Reference = Field(description="Preferences: pairs of answers, one of them chosen.")
    sequence_length: int = Field(
        default=1024, ge=8, description="Both answers of a pair share a row, each with its prompt."
    )
    global_batch_tokens: int = Field(
        default=16_384, ge=8, description="Some 32 to 64 pairs of answers of a paragraph, as DPO's authors have it."
    )
    micro_batch_rows: int = Field(default=2, ge=1, description="As many tokens at once as four rows of 512.")


class ReferencedConfig(PreferenceConfig):
    """Those that hold the model against what it was."""

    beta: Annotated[float, RESULT] = Field(
        default=0.1, gt=0, description="The larger, the nearer to the base it stays; DPO's authors'."
    )

    def further_flops_per_token(self, shape: Shape) -> int:
        """A forward pass of the reference; a forward pass is a third of learning."""
        return shape.training_flops_per_token(self.sequence_length) // 3

    def frozen_parameters(self, shape: Shape) -> int:
        """A copy of the base, unless adapters can be switched off."""
        return 0 if self.adapter else shape.parameters


class DpoConfig(ReferencedConfig):
    """Direct preference optimisation."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Dpo"

    objective: Literal["dpo"] = "dpo"


class IpoConfig(ReferencedConfig):
    """Identity preference optimisation."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Ipo"

    objective: Literal["ipo"] = "ipo"


class KtoConfig(ReferencedConfig):
    """Kahneman-Tversky optimisation, of answers that are judged alone; both answers of a pair count as such."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Kto"

    objective: Literal["kto"] = "kto"
    data: Reference = Field(description="Preferences: answers that are good or bad, or pairs.")
    chosen_weight: Annotated[float, RESULT] = Field(
        default=1.0, gt=0, description="Raise it where good answers are few."
    )
    rejected_weight: Annotated[float, RESULT] = Field(
        default=1.0, gt=0, description="Raise it where bad answers are few."
    )
    micro_batch_rows: int = Field(
        default=8, ge=1, description="Over which the divergence is averaged: here it changes the result."
    )

    def packing(self) -> dict[str, Any]:
        """Each answer beside a mismatched one."""
        return {"alone": True}


class OrpoConfig(PreferenceConfig):
    """Odds ratio preference optimisation: tunes and aligns at once, and needs no reference."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Orpo"

    objective: Literal["orpo"] = "orpo"
    rates = (8e-6, 8e-5)
    odds_weight: Annotated[float, RESULT] = Field(
        default=0.1, gt=0, description="Of the odds ratio beside the likelihood; λ of the paper."
    )


class SimpoConfig(PreferenceConfig):
    """Simple preference optimisation: likelihood a token, without a reference."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Simpo"

    objective: Literal["simpo"] = "simpo"
    beta: Annotated[float, RESULT] = Field(
        default=2.0, gt=0, description="Of the log-likelihood a token; the paper's lowest."
    )
    target_margin: Annotated[float, RESULT] = Field(
        default=1.0, ge=0, description="γ: by how much the chosen answer should lead."
    )


class RewardConfig(PreferenceConfig):
    """A reward model: a score of each answer, of which the chosen one's should be higher (Bradley and Terry 1952)."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Reward"

    writes: ClassVar[bool] = False

    objective: Literal["reward"] = "reward"
    rates = (1e-5, 1e-4)
    margins: Annotated[bool, RESULT] = Field(
        default=True, description="Whether a pair's stated `margin` is asked of the scores; where none is stated, 0."
    )

    @model_validator(mode="after")
    def _writes_nothing(self) -> Self:
        if self.watch:
            raise ValueError("a reward model answers no prompts; leave `watch` out")
        if self.tokens_before:
            raise ValueError("a reward model learns a score, too: its adapter is of kind lora or dora")
        return self

    def tuned_shape(self, base: Shape) -> Shape:
        """The base with a score in place of its output matrix."""
        return base.with_labels(REWARD) if isinstance(base, DecoderConfig) else base
