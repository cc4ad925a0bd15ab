"""Settings of a recipe for learning from judgements, or from rewards for the model's own answers."""

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
    """Fields of objectives that align a tuned model. They use AdamW with small steps by default."""

    rates: ClassVar[tuple[float, float]] = (1e-6, 2e-5)
    """AdamW's default learning rates, from the methods' authors: for all weights, and for adapters."""
    inspects: ClassVar[type[Inspection] | None] = Turns
    expects: ClassVar[Expected] = {"base": ("decoder",)}

    base: Reference = Field(alias="from", description="Model to align, tuned to answer.")
    learning_rate: float = Field(
        gt=0,
        description="AdamW's learning rate. By default it is 0.000001, and 0.00002 with an `adapter`. `orpo` takes "
        "0.000008 and 0.00008, and `reward` takes 0.00001 and 0.0001.",
    )
    adamw_learning_rate: float = Field(default=1e-6, gt=0, description="AdamW's rate for weights not updated by Muon.")
    largest_lost_share: LostShare = 0.2

    @model_validator(mode="before")
    @classmethod
    def _small_rates(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or fields.get("optimizer", "adamw") != "adamw":
            return fields
        rate = cls.rates[fields.get("adapter") is not None]
        return {"learning_rate": rate, **fields, "optimizer": "adamw"}


class PreferenceConfig(AlignedConfig):
    """Fields of objectives that learn from judged answers."""

    packed: ClassVar[Packing] = PREFERENCES
    data: Reference = Field(description="Preferences: pairs of answers, one of them chosen.")
    sequence_length: int = Field(
        default=1024, ge=8, description="Tokens per row. A row holds both answers of a pair, each with its prompt."
    )
    global_batch_tokens: int = Field(
        default=16_384, ge=8, description="Tokens per step: 32 to 64 pairs of short answers, as in DPO's paper."
    )
    micro_batch_rows: int = Field(default=2, ge=1, description="Rows computed at once.")


class ReferencedConfig(PreferenceConfig):
    """Fields of objectives that keep the model near its base."""

    beta: Annotated[float, RESULT] = Field(
        default=0.1, gt=0, description="Strength that keeps the model near its base. 0.1 is from DPO's paper."
    )

    def further_flops_per_token(self, shape: Shape) -> int:
        """Return the operations per token of a forward pass of the reference: a third of those of learning."""
        return shape.training_flops_per_token(self.sequence_length) // 3

    def frozen_parameters(self, shape: Shape) -> int:
        """Return the parameters of a copy of the base. Adapters need none, because they can be switched off."""
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
    """Kahneman-Tversky optimisation of answers that are judged alone. A pair counts as two such answers."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Kto"

    objective: Literal["kto"] = "kto"
    data: Reference = Field(description="Preferences: answers that are good or bad, or pairs.")
    chosen_weight: Annotated[float, RESULT] = Field(
        default=1.0, gt=0, description="Weight of good answers. Raise it if they are few."
    )
    rejected_weight: Annotated[float, RESULT] = Field(
        default=1.0, gt=0, description="Weight of bad answers. Raise it if they are few."
    )
    micro_batch_rows: int = Field(
        default=8, ge=1, description="Rows over which the divergence is averaged. It changes the result."
    )

    def packing(self) -> dict[str, Any]:
        """Return the setting that packs a mismatched answer next to each answer."""
        return {"alone": True}


class OrpoConfig(PreferenceConfig):
    """Odds ratio preference optimisation, which tunes and aligns at once, without a reference."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Orpo"

    objective: Literal["orpo"] = "orpo"
    rates = (8e-6, 8e-5)
    odds_weight: Annotated[float, RESULT] = Field(
        default=0.1, gt=0, description="Weight of the odds ratio, if the likelihood has weight 1: λ of the paper."
    )


class SimpoConfig(PreferenceConfig):
    """Simple preference optimisation, which compares likelihoods per token, without a reference."""

    implementation: ClassVar[str] = "lmworks.train.objectives.preferences:Simpo"

    objective: Literal["simpo"] = "simpo"
    beta: Annotated[float, RESULT] = Field(
        default=2.0, gt=0, description="Factor of the log-likelihood per token (β). 2 is the paper's lowest value."
    )
    target_margin: Annotated[float, RESULT] = Field(
        default=1.0, ge=0, description="Margin by which the chosen answer should lead: γ of the paper."
    )


class RewardConfig(PreferenceConfig):
    """A reward model, which scores answers. The chosen answer should get a higher score (Bradley and Terry 1952).

    If a pair states a `margin`, the score should be higher by at least this margin.
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
        """Return the base with a score in place of its output matrix."""
        return base.with_labels(REWARD) if isinstance(base, DecoderConfig) else base


class PolicyConfig(AlignedConfig):
    """Fields of objectives that draw answers and learn from their rewards.

    A row is one prompt and one answer. A step learns from `global_batch_tokens` / `sequence_length` answers.
    """

    packed: ClassVar[Packing] = PROMPTS
    inspects: ClassVar[type[Inspection] | None] = Prompts
    may_stand_still: ClassVar[bool] = True  # answers may all be worth the same

    data: Reference = Field(description="Conversations. New answers are compared with their last answers.")
    rewards: Annotated[list[AnyReward], STEP] = Field(
        min_length=1, description="Rewards. Their weighted sum is the value of an answer."
    )
    group_size: Annotated[int, STEP] = Field(
        default=8, ge=2, description="Answers per prompt, compared with each other. Papers take 4 to 64."
    )
    answer_tokens: Annotated[int, STEP] = Field(
        default=64, ge=1, description="Maximum tokens of an answer. A prompt that leaves less room is dropped."
    )
    epochs: Annotated[int, STEP] = Field(
        default=1, ge=1, description="Steps that learn from the same answers. With 1, all answers are up to date."
    )
    kl_limit: Annotated[float | None, RESULT] = Field(
        default=None,
        gt=0,
        description="Distance from `from`, in nats per answer, at which training stops. It keeps the last weights "
        "within the limit. Far from the base, models cheat weak rewards. By default there is no limit.",
    )
    best_by: Annotated[str | None, RESULT] = Field(
        default=None,
        description="Name of a reward with weight 0, as the history shows it. `patience` and `keep_best` then follow "
        "this reward on prompts of `validation`, instead of the rewards that are learned. With `patience`, training "
        "stops when this independent judge sees no more improvement.",
    )
    global_batch_tokens: int = Field(
        default=32_768, ge=8, description="Tokens per step, enough for 64 answers. Published runs take hundreds."
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="constant", description="Fall of the learning rate. Stop a run when its reward is high enough."
    )
    steps: int = Field(default=200, ge=1, description="Number of steps. Published runs take hundreds.")
    validation_rows: int = Field(default=64, ge=1, description="Prompts answered per validation, greedily.")

    @model_validator(mode="after")
    def _groups_are_whole(self) -> Self:
        rows = self.rows_per_step
        if rows % self.group_size:
            raise ValueError(
                f"global_batch_tokens {self.global_batch_tokens} / sequence_length {self.sequence_length} are {rows} "
                f"answers per step, which is no multiple of group_size {self.group_size}"
            )
        if self.dropout or (self.adapter and self.adapter.dropout) or self.processes > 1:
            raise ValueError("dropout must be 0 and processes 1, because the trained model also draws the answers")
        if self.answer_tokens >= self.sequence_length:
            raise ValueError(f"answer_tokens {self.answer_tokens} leave no room in rows of {self.sequence_length}")
        if not any(reward.weight for reward in self.rewards):
            raise ValueError("rewards: all have weight 0, so nothing would be learned: set a `weight`")
        named = zip(names_of(self.rewards), self.rewards, strict=True)
        looks_on = [name for name, reward in named if not reward.weight]
        if self.best_by is not None and self.best_by not in looks_on:
            raise ValueError(f"best_by: {self.best_by!r} is not a reward of weight 0; expected one of {looks_on}")
        if self.best_by is not None and not (self.validation and (self.patience or self.keep_best)):
            raise ValueError("best_by needs `validation`, and either `patience` or `keep_best`: add these")
        return self

    def resolve(self, folder: Path) -> Self:
        rewards = [reward.resolve(folder) for reward in self.rewards]
        return super().resolve(folder).model_copy(update={"rewards": rewards})

    @property
    def judges(self) -> list[str]:
        return [reward.model for reward in self.rewards if isinstance(reward, JudgedReward)]

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Also yield each judge that cannot read a whole row of prompt and answer."""
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
        """Return the parameters of the judges and of the base. Adapters need no copy of the base."""
        return self.judge_parameters + (0 if self.adapter else shape.parameters)

    def further_flops_per_token(self, shape: Shape) -> int:
        """Return the operations of three forward passes per rollout (draw, score, compare with base) and judges."""
        rollout = shape.training_flops_per_token(self.sequence_length) + 2 * self.judge_parameters
        return rollout // self.epochs

    def drawing_bytes(self, shape: Shape) -> int:
        """Return the bytes of the engine's cache of keys and values."""
        if not isinstance(shape, DecoderConfig):
            return 0
        row = shape.cache_bytes(self.sequence_length)
        return row * rows_at_once(self.rows_per_step, row)

    def packing(self) -> dict[str, Any]:
        """Return the number of tokens to keep free for answers."""
        return {"answer_tokens": self.answer_tokens}


class ClippedConfig(PolicyConfig):
    """Fields of objectives that keep a step near the model that drew the answers."""

    kl_weight: Annotated[float, RESULT] = Field(
        default=0.04, ge=0, description="Weight of the distance to `from` in nats, from DeepSeekMath."
    )
    clip_range: Annotated[float, RESULT] = Field(
        default=0.2, gt=0, lt=1, description="Limit of the probability ratio, from PPO. It acts only if `epochs` > 1."
    )


class GrpoConfig(ClippedConfig):
    """Make an answer more likely if it is better than other answers to its prompt."""

    implementation: ClassVar[str] = "lmworks.train.objectives.comparing:Grpo"

    objective: Literal["grpo"] = "grpo"


class RlooConfig(ClippedConfig):
    """Make an answer more likely if it is better than the mean of the other answers to its prompt."""

    implementation: ClassVar[str] = "lmworks.train.objectives.comparing:Rloo"

    objective: Literal["rloo"] = "rloo"


class RejectionSamplingConfig(PolicyConfig):
    """Tune on the best of several answers to each prompt."""

    implementation: ClassVar[str] = "lmworks.train.objectives.comparing:RejectionSampling"

    objective: Literal["rejection-sampling"] = "rejection-sampling"


class PpoConfig(ClippedConfig):
    """Make a token more likely if the reward after it is higher than a value head expected."""

    implementation: ClassVar[str] = "lmworks.train.objectives.ppo:Ppo"

    objective: Literal["ppo"] = "ppo"
    group_size: int = Field(default=1, ge=1, description="Answers per prompt. They are not compared.")
    epochs: int = Field(default=4, ge=1, description="Steps that learn from the same answers, as in TRL.")
    kl_weight: float = Field(
        default=0.05, ge=0, description="Weight of the distance to `from`, subtracted from each reward, as in TRL."
    )
    value_weight: Annotated[float, RESULT] = Field(
        default=0.1, ge=0, description="Weight of the values' error in the loss, as in TRL."
    )
    value_clip_range: Annotated[float, RESULT] = Field(
        default=0.2, gt=0, description="Largest change of a value in one rollout, in units of the rewards."
    )
    discount: Annotated[float, RESULT] = Field(
        default=1.0, gt=0, le=1, description="Discount per token of later rewards (γ). 1 suits short answers."
    )
    gae_lambda: Annotated[float, RESULT] = Field(
        default=0.95, ge=0, le=1, description="λ of GAE: 1 trusts only rewards, 0 only values. The paper has 0.9 to 1."
    )
