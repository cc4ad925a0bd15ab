"""What a recipe says about training a model on rewards for its own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.recipe import Reference
from lmworks.train.config import TrainConfig
from lmworks.train.rewards import AnyReward

if TYPE_CHECKING:
    from lmworks.model.config import Shape


class PolicyConfig(TrainConfig):
    """Fields of every objective that draws answers and learns from what they are worth.

    A row is one prompt and one answer. A step learns from `global_batch_tokens` / `sequence_length` answers.
    """

    can_be_rehearsed: ClassVar[bool] = False

    base: Reference = Field(alias="from", description="Whose answers begin to be right at least now and then.")
    rewards: list[AnyReward] = Field(min_length=1, description="Their weighted sum is what an answer is worth.")
    group_size: int = Field(
        default=8, ge=2, description="Answers to each prompt, compared with each other; 4 to 64 are published."
    )
    answer_tokens: int = Field(
        default=64, ge=1, description="Where an answer is cut; a prompt that leaves no room for as many is dropped."
    )
    epochs: int = Field(
        default=1, ge=1, description="Steps that learn from the same answers; with one, the answers are never stale."
    )
    kl_limit: float | None = Field(
        default=None,
        gt=0,
        description="Nats an answer from `from`, beyond which the run ends: a reward that can be cheated is cheated "
        "far from where the model began. Unset, none: an exact verifier cannot be.",
    )
    optimizer: Literal["muon", "adamw", "adam", "sgd"] = Field(
        default="adamw",
        description="Muon's updates have one size, however little an even group of answers has to say.",
    )
    learning_rate: float = Field(default=0.0005, gt=0, description="Of AdamW; see docs/policy.md for those tried.")
    adamw_learning_rate: float = Field(default=0.0005, gt=0, description="Beside Muon, for what it does not move.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="constant", description="A run is ended when the reward has risen enough, which nobody knows before."
    )
    steps: int = Field(default=200, ge=1, description="Hundreds, as published runs take; the history tells more.")
    validation_rows: int = Field(default=64, ge=1, description="Prompts that are answered greedily, all at once.")

    @model_validator(mode="before")
    @classmethod
    def _adamw_has_a_rate(cls, fields: Any) -> Any:
        """So that its default counts as stated, which `optimizer` asks for."""
        default = cls.model_fields["learning_rate"].default
        stated = not isinstance(fields, dict) or "optimizer" in fields
        return fields if stated else {"learning_rate": default, **fields}

    @model_validator(mode="after")
    def _groups_are_whole(self) -> Self:
        rows = self.rows_per_step
        if rows % self.group_size:
            raise ValueError(
                f"global_batch_tokens {self.global_batch_tokens} / sequence_length {self.sequence_length} are {rows} "
                f"answers a step, no multiple of group_size {self.group_size}"
            )
        if self.dropout or (self.adapter and self.adapter.dropout) or self.processes > 1:
            raise ValueError("dropout stays 0 and processes 1: answers are drawn by the very model that learns")
        if self.answer_tokens >= self.sequence_length:
            raise ValueError(f"answer_tokens {self.answer_tokens} leave no room in rows of {self.sequence_length}")
        return self

    def frozen_parameters(self, shape: Shape) -> int:
        """The model as it began; with adapters, which can be switched off, it is there."""
        return 0 if self.adapter else shape.parameters

    def packing(self) -> dict[str, Any]:
        """Room for answers."""
        return {"answer_tokens": self.answer_tokens}


class ClippedConfig(PolicyConfig):
    """Of objectives that hold a step near the model that drew the answers."""

    kl_weight: float = Field(
        default=0.04, ge=0, description="Of the distance to `from`, in nats, in what is maximised; DeepSeekMath's."
    )
    clip_range: float = Field(
        default=0.2, gt=0, lt=1, description="Of the ratio of probabilities, PPO's; it acts where `epochs` are several."
    )


class GrpoConfig(ClippedConfig):
    """Make answers likelier that are better than others to the same prompt."""

    objective: Literal["grpo"] = "grpo"


class RlooConfig(ClippedConfig):
    """Make answers likelier that are better than the mean of the others to the same prompt."""

    objective: Literal["rloo"] = "rloo"


class RejectionSamplingConfig(PolicyConfig):
    """Tune on the best of several answers to each prompt."""

    objective: Literal["rejection-sampling"] = "rejection-sampling"
