"""What a recipe says about learning from judgements, or from rewards for a model's own answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.engines.request import rows_at_once
from lmworks.model.config import REWARD, DecoderConfig, Family, Shape
from lmworks.recipe.references import room_of
from lmworks.recipe.schema import Expected, Location, Recipe, Reference
from lmworks.rewards import AnswerReward, AnyReward, names_of
from lmworks.rewards.models import JudgedReward
from lmworks.tokens.rows.packings import PREFERENCES, PROMPTS, Packing
from lmworks.train.configs.train import RESULT, STEP, LostShare, TrainConfig
from lmworks.train.preflight.inspection import Inspection, Prompts
from lmworks.train.preflight.turns import Turns


class AlignedConfig(TrainConfig):
    """Fields of every objective that bends a tuned model, by small steps of AdamW unless another is stated."""

    rates: ClassVar[tuple[float, float]] = (1e-6, 2e-5)
    """AdamW's of all weights, as the methods' authors have it, and of adapters, which take some ten times more."""
    inspects: ClassVar[type[Inspection] | None] = Turns
    expects: ClassVar[Expected] = {"base": ("decoder",)}

    base: Reference = Field(alias="from", description="The model to align, tuned to answer.")
    learning_rate: float = Field(gt=0, description="AdamW's; unset, 0.000001, and 0.00002 with an `adapter`.")
    adamw_learning_rate: float = Field(default=1e-6, gt=0, description="Beside Muon, whose own rate must be stated.")
    largest_lost_share: LostShare = 0.2

    @model_validator(mode="before")
    @classmethod
    def _small_rates(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or fields.get("optimizer", "adamw") != "adamw":
            return fields
        rate = cls.rates[fields.get("adapter") is not None]
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
    """A reward model: a score of each answer, of which the chosen one's should be higher (Bradley and Terry 1952).

    By a pair's stated `margin`, if it has one.
    """

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Reward"

    family: ClassVar[Family] = "reward model"
    expects: ClassVar[Expected] = {"base": ("decoder", "reward model")}

    objective: Literal["reward"] = "reward"
    rates = (1e-5, 1e-4)

    @model_validator(mode="after")
    def _writes_nothing(self) -> Self:
        if self.watch:
            raise ValueError("a reward model answers no prompts; leave `watch` out")
        return self

    def tuned_shape(self, base: Shape) -> Shape:
        """The base with a score in place of its output matrix."""
        return base.with_labels(REWARD) if isinstance(base, DecoderConfig) else base


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
        description="Nats an answer from `from`, beyond which the run ends, with the last weights within: a reward "
        "that can be cheated is cheated far from where the model began. Unset, none: an exact verifier cannot be.",
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
        if self.dropout or (self.adapter and self.adapter.dropout) or self.processes > 1:
            raise ValueError("dropout stays 0 and processes 1: answers are drawn by the very model that learns")
        if self.answer_tokens >= self.sequence_length:
            raise ValueError(f"answer_tokens {self.answer_tokens} leave no room in rows of {self.sequence_length}")
        if not any(reward.weight for reward in self.rewards):
            raise ValueError("rewards: all have weight 0, so that nothing is learned; give one a weight")
        named = zip(names_of(self.rewards), self.rewards, strict=True)
        looks_on = [name for name, reward in named if not reward.weight]
        if self.best_by is not None and self.best_by not in looks_on:
            raise ValueError(f"best_by: {self.best_by!r} is no reward of weight 0; those are {looks_on}")
        if self.best_by is not None and not (self.validation and (self.patience or self.keep_best)):
            raise ValueError("best_by tells what `patience` or `keep_best` go by, on `validation`: state these")
        return self

    def resolve(self, folder: Path) -> Self:
        rewards = [reward.resolve(folder) for reward in self.rewards]
        return super().resolve(folder).model_copy(update={"rewards": rewards})

    @property
    def judges(self) -> list[str]:
        return [reward.model for reward in self.rewards if isinstance(reward, JudgedReward)]

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Yield judges of answers that cannot read a row of them, too."""
        yield from super().misfits(recipe)
        for name in (each.model for each in self.rewards if isinstance(each, JudgedReward) and each.reads_rows):
            room = room_of(name, recipe.models) if name in recipe.models else None
            if room and room < self.sequence_length:
                yield (
                    ("sequence_length",),
                    f"found {self.sequence_length}; expected at most {room}, which is all that the judge {name} reads: "
                    "lower it, or train the judge on longer rows",
                )

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
