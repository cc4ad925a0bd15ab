"""What a recipe says about training a model on rewards for its own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.engines.request import rows_at_once
from lmworks.model.config import DecoderConfig, Shape
from lmworks.recipe.schema import Reference
from lmworks.rewards import AnswerReward, AnyReward
from lmworks.rewards.models import ModelReward
from lmworks.tokens.rows.packings import PROMPTS, Packing
from lmworks.train.configs.preference import AlignedConfig
from lmworks.train.configs.train import RESULT, STEP
from lmworks.train.preflight.inspection import Inspection, Prompts


class PolicyConfig(AlignedConfig):
    """Fields of every objective that draws answers and learns from what they are worth.

    A row is one prompt and one answer. A step learns from `global_batch_tokens` / `sequence_length` answers.
    """

    packed: ClassVar[Packing] = PROMPTS
    inspects: ClassVar[type[Inspection] | None] = Prompts
    may_stand_still: ClassVar[bool] = True  # answers may all be worth the same

    data: Reference = Field(description="Conversations: their last answers are what new ones are judged by.")
    rewards: Annotated[list[AnyReward], STEP] = Field(
        min_length=1, description="Their weighted sum is what an answer is worth."
    )
    group_size: Annotated[int, STEP] = Field(
        default=8, ge=2, description="Answers to each prompt, compared with each other; 4 to 64 are published."
    )
    answer_tokens: Annotated[int, STEP] = Field(
        default=64, ge=1, description="Where an answer is cut; a prompt that leaves no room for as many is dropped."
    )
    epochs: Annotated[int, STEP] = Field(
        default=1, ge=1, description="Steps that learn from the same answers; with one, the answers are never stale."
    )
    kl_limit: Annotated[float | None, RESULT] = Field(
        default=None,
        gt=0,
        description="Nats an answer from `from`, beyond which the run ends: a reward that can be cheated is cheated "
        "far from where the model began. Unset, none: an exact verifier cannot be.",
    )
    best_by: Annotated[str | None, RESULT] = Field(
        default=None,
        description="A reward of weight 0, by the name that the history shows: `patience` and `keep_best` go by it, on "
        "prompts of `validation`, instead of by what is learned from. So a run ends where a judge that only looks on "
        "likes answers no better, however the reward rises. Unset, none: a run may have no such judge.",
    )
    global_batch_tokens: int = Field(
        default=32_768, ge=8, description="64 answers, which are drawn together; published runs take some hundred."
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="constant", description="A run is ended when the reward has risen enough, which nobody knows before."
    )
    steps: int = Field(default=200, ge=1, description="Hundreds, as published runs take; the history tells more.")
    validation_rows: int = Field(default=64, ge=1, description="Prompts that are answered greedily, all at once.")

    @model_validator(mode="after")
    def _groups_are_whole(self) -> Self:
        rows = self.rows_per_step
        if rows % self.group_size:
            raise ValueError(
                f"global_batch_tokens {self.global_batch_tokens} / sequence_length {self.sequence_length} are {rows} "
                f"answers a step, no multiple of group_size {self.group_size}"
            )
        if self.dropout or (self.lora and self.lora.dropout) or self.processes > 1:
            raise ValueError("dropout stays 0 and processes 1: answers are drawn by the very model that learns")
        if self.answer_tokens >= self.sequence_length:
            raise ValueError(f"answer_tokens {self.answer_tokens} leave no room in rows of {self.sequence_length}")
        if not any(reward.weight for reward in self.rewards):
            raise ValueError("rewards: all have weight 0, so that nothing is learned; give one a weight")
        looks_on = [reward.name for reward in self.rewards if not reward.weight]
        if self.best_by is not None and self.best_by not in looks_on:
            raise ValueError(f"best_by: {self.best_by!r} is no reward of weight 0; those are {looks_on}")
        if self.best_by is not None and not (self.validation and (self.patience or self.keep_best)):
            raise ValueError("best_by tells what `patience` or `keep_best` go by, on `validation`: state these")
        return self

    def resolve(self, folder: Path) -> Self:
        rewards = [reward.resolve(folder) for reward in self.rewards]
        return super().resolve(folder).model_copy(update={"rewards": rewards})

    @property
    def steps_of_a_batch(self) -> int:
        return self.epochs

    @property
    def judges(self) -> list[str]:
        return [reward.model for reward in self.rewards if isinstance(reward, ModelReward)]

    def without_judges(self) -> Self | None:
        known = [reward for reward in self.rewards if isinstance(reward, AnswerReward)]
        return self.model_copy(update={"rewards": known}) if any(reward.weight for reward in known) else None

    def frozen_parameters(self, shape: Shape) -> int:
        """The model as it began, which is there with adapters, that can be switched off; and those who judge."""
        return self.judge_parameters + (0 if self.adapter else shape.parameters)

    def further_flops_per_token(self, shape: Shape) -> int:
        """Three forward passes a rollout: answers are drawn, found as they are and would have been; and judges'."""
        rollout = shape.training_flops_per_token(self.sequence_length) + 2 * self.judge_parameters
        return rollout // self.epochs

    def drawing_bytes(self, shape: Shape) -> int:
        """The engine's cache of keys and values."""
        if not isinstance(shape, DecoderConfig):
            return 0
        row = shape.cache_bytes(self.sequence_length)
        return row * rows_at_once(self.rows_per_step, row)

    def packing(self) -> dict[str, Any]:
        """Room for answers."""
        return {"answer_tokens": self.answer_tokens}


class ClippedConfig(PolicyConfig):
    """Of objectives that hold a step near the model that drew the answers."""

    kl_weight: Annotated[float, RESULT] = Field(
        default=0.04, ge=0, description="Of the distance to `from`, in nats, in what is maximised; DeepSeekMath's."
    )
    clip_range: Annotated[float, RESULT] = Field(
        default=0.2, gt=0, lt=1, description="Of the ratio of probabilities, PPO's; it acts where `epochs` are several."
    )


class GrpoConfig(ClippedConfig):
    """Make answers likelier that are better than others to the same prompt."""

    implementation: ClassVar[str] = "lmworks.train.objectives.comparing:Grpo"

    objective: Literal["grpo"] = "grpo"


class RlooConfig(ClippedConfig):
    """Make answers likelier that are better than the mean of the others to the same prompt."""

    implementation: ClassVar[str] = "lmworks.train.objectives.comparing:Rloo"

    objective: Literal["rloo"] = "rloo"


class RejectionSamplingConfig(PolicyConfig):
    """Tune on the best of several answers to each prompt."""

    implementation: ClassVar[str] = "lmworks.train.objectives.comparing:RejectionSampling"

    objective: Literal["rejection-sampling"] = "rejection-sampling"


class PpoConfig(ClippedConfig):
    """Make tokens likelier after which more came than a value head expected."""

    implementation: ClassVar[str] = "lmworks.train.objectives.ppo:Ppo"

    objective: Literal["ppo"] = "ppo"
    group_size: int = Field(default=1, ge=1, description="Answers to each prompt; they are not compared.")
    epochs: int = Field(default=4, ge=1, description="Steps that learn from the same answers; TRL's and its sources'.")
    kl_weight: float = Field(
        default=0.05, ge=0, description="Of the distance to `from`, taken from each reward; TRL's."
    )
    value_weight: Annotated[float, RESULT] = Field(
        default=0.1, ge=0, description="Of the values' error beside what is gained; TRL's."
    )
    value_clip_range: Annotated[float, RESULT] = Field(
        default=0.2, gt=0, description="How far values may move in one rollout; in the rewards' own units."
    )
    discount: Annotated[float, RESULT] = Field(
        default=1.0, gt=0, le=1, description="γ: of a reward one token later; answers are short."
    )
    gae_lambda: Annotated[float, RESULT] = Field(
        default=0.95,
        ge=0,
        le=1,
        description="λ: 1 trusts rewards alone, 0 values alone; the paper's range is 0.9 to 1.",
    )
