"""Settings of a recipe for training a model."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lmworks.data.mixtures.mixing import Proportions
from lmworks.errors import LmworksError, UsageError
from lmworks.model.config import MATRICES, Family, Shape, in_words
from lmworks.recipe.references import Models, family_of, first_of, room_of
from lmworks.recipe.schema import Device, Effect, Location, Recipe, Reference, StepConfig
from lmworks.tokens.rows.packings import Packing
from lmworks.train.configs.adapter import ADAPTER_RATE, LoraConfig
from lmworks.train.configs.tracking import unconfirmed
from lmworks.train.preflight.inspection import Inspection

LIVE = "live.jsonl"
"""File with live values in the run's scratch folder. A line with `run` marks the start and each restart."""

MOST_RATE = 10
"""Largest learning rate that a recipe may state."""
VALIDATION_TOKENS, LEAST_PARTS = 16_384, 8
"""Least tokens and micro-batches of one validation. With eight, the interval is a fifth wider than with many."""

RESULT = Effect.KEY
"""Effect on the learned weights, and none on speed or memory."""
CHECKED = Effect.KEY | Effect.CHECK
"""Effect on the learned weights and on the check before training."""
MACHINE = Effect.SPEED | Effect.MEMORY | Effect.CHECK
"""Effect on speed, memory and the check, and none on the result."""
STEP = CHECKED | MACHINE

Auto = Literal["auto"]
Count = Annotated[int, Field(ge=1)] | Auto
LostShare = Annotated[
    float,
    CHECKED,
    Field(
        ge=0,
        le=1,
        description="Largest share of samples that may be dropped, cut or left untrained. The check before training "
        "refuses a larger share, because it is rarely intended.",
    ),
]


class TrainConfig(StepConfig):
    """Fields of every objective. The plan sets a value for each `auto` before a stage sees it."""

    default_effect = None

    implementation: ClassVar[str]
    """Class of the objective as `module:class` (`train/contract.py`). It needs torch, so only training loads it."""

    @classmethod
    def require_whole(cls) -> None:
        super().require_whole()
        place = getattr(cls, "implementation", None)
        if not isinstance(place, str) or ":" not in place:
            raise TypeError(
                f'{cls.__name__}: expected `implementation: ClassVar[str] = "module:name"`, found {place!r}'
            )
        if find_spec(module := place.partition(":")[0]) is None:
            raise TypeError(f"{cls.__name__}.implementation: no module {module!r}")

    packed: ClassVar[Packing]
    """Packing of the training data into rows."""

    engine: ClassVar[str | None] = None
    """Engine of the trained model. None if lmworks's own engines run it."""

    needs_transformers: ClassVar[bool] = False
    """Whether the model is a module of `transformers`, whose libraries take memory."""

    inspects: ClassVar[type[Inspection] | None] = None
    """Inspection of rows before training. None if there is no known fault that such rows can hide."""

    may_stand_still: ClassVar[bool] = False
    """Whether a first step without any change is normal."""

    family: ClassVar[Family] = "decoder"
    """Family of the trained model. Only evaluation tasks for this family can measure it."""

    base: Annotated[Reference | None, CHECKED] = Field(
        alias="from", description="Model to start from. `scratch` starts from random weights."
    )
    data: Annotated[Reference, CHECKED] = Field(description="Documents or conversations to train on.")
    tokenizer: Annotated[Reference, CHECKED] = Field(
        default="tokenizer", description="Tokenizer step. All models of a recipe share it."
    )
    validation: Annotated[Reference | None, RESULT] = Field(
        default=None, description="Data of the same form for the validation loss."
    )
    watch: Annotated[Reference | None, RESULT] = Field(
        default=None, description="Prompts that the model answers repeatedly during training."
    )

    proportions: Annotated[Proportions | None, CHECKED] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Proportions of the parts of `data`. The graph sets them if `data` is a mix.",
    )

    adapter: Annotated[LoraConfig | None, STEP] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="LoRA adapter to train with AdamW. By default all weights are trained. The default learning rate "
        "is 0.0002, as in QLoRA, or less for alignment.",
    )

    objective: Annotated[str, STEP | Effect.KIND]
    optimizer: Annotated[Literal["muon", "adamw"], STEP] = Field(
        default="muon",
        description="`muon` updates the matrices inside blocks and leaves the rest to AdamW. It needs the fewest "
        "steps. `adamw` updates all weights at `learning_rate`, as most published settings do.",
    )
    learning_rate: Annotated[float, RESULT] = Field(description="Learning rate. Each objective sets a default.")
    adamw_learning_rate: Annotated[float, RESULT] = Field(description="AdamW's rate for weights not updated by Muon.")
    sequence_length: Annotated[int, STEP] = Field(
        default=512, ge=8, description="Tokens per row. A longer text continues in another row."
    )
    global_batch_tokens: Annotated[int, STEP] = Field(
        default=2048,
        ge=8,
        description="Tokens per step. Short trainings have few steps, and 2,048 gave a lower loss than 4,096.",
    )
    micro_batch_rows: Annotated[int, STEP] = Field(
        default=4, ge=1, description="Rows computed at once. Four fit in a CPU's cache."
    )
    steps: Annotated[Count, RESULT] = Field(
        default="auto", description="Number of steps. `auto` fits the budget and reads the data at most 20 times."
    )
    warmup_steps: Annotated[int, RESULT] = Field(
        default=10, ge=0, description="Steps in which the learning rate rises. Muon needs few."
    )
    schedule: Annotated[Literal["linear", "cosine", "constant"], RESULT] = Field(
        default="linear", description="Fall of the learning rate to zero. `linear` gave the lowest loss."
    )
    decay_share: Annotated[float, RESULT] = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the steps in which the learning rate falls to zero. 1 gave the lowest loss. Below 1 the "
        "rate is first constant (warm-up, stable, decay), so that a branch can start from any checkpoint.",
    )
    weight_decay: Annotated[float, RESULT] = Field(
        default=0.0,
        ge=0,
        description="Weight decay of matrices. The default is 0, because short trainings rarely overfit. Norms and "
        "biases never decay.",
    )
    dropout: Annotated[float, STEP] = Field(
        default=0.0, ge=0, lt=1, description="Dropout. It is 0, because a text read once or twice is not memorised."
    )
    label_smoothing: Annotated[float, RESULT] = Field(
        default=0.0, ge=0, lt=1, description="Label smoothing. 0 keeps the model's probabilities exact."
    )
    gradient_clip: Annotated[float, RESULT] = Field(default=1.0, gt=0, description="Largest norm of all gradients.")
    patience: Annotated[int | None, RESULT] = Field(
        default=None,
        ge=1,
        description="Validations without a lower loss after which training stops and keeps the best weights. By "
        "default training does not stop early, because the last steps at a low rate improve a planned run.",
    )
    seed: Annotated[int, CHECKED] = Field(default=0, ge=0, description="Seed of new weights and of the order of rows.")
    data_type: Annotated[Literal["auto", "float32", "bfloat16"], STEP] = Field(
        default="auto", description="Type of products and activations. `auto` takes bfloat16 where it is faster."
    )
    processes: Annotated[int, MACHINE] = Field(
        default=1,
        ge=1,
        description="Number of training processes, one per device. Each computes some rows of a step and holds some of "
        "the blocks. On one CPU, threads are faster.",
    )
    tensor_parallel: Annotated[int, MACHINE] = Field(
        default=1,
        ge=1,
        description="Processes that share each matrix. Raise it only for blocks that do not fit on one device.",
    )
    device: Annotated[Device, MACHINE] = Field(
        default="auto", description="Device of the training. `auto` takes `budget.device`."
    )
    threads: Annotated[Count, MACHINE] = Field(default="auto", description="CPU threads.")
    compile: Annotated[bool | Auto, MACHINE] = Field(
        default="auto", description="Whether to compile the model. It takes a minute and is worth it in longer runs."
    )
    keep_best: Annotated[bool, RESULT] = Field(
        default=False,
        description="Whether to keep the weights with the lowest validation loss. The last weights of a planned run "
        "are usually the best.",
    )
    checkpoint_steps: Annotated[int, RESULT] = Field(default=50, ge=1, description="Steps between two checkpoints.")
    keep_checkpoints: Annotated[int, Effect.NOTHING] = Field(
        default=2, ge=1, description="Newest checkpoints to keep. A second one helps if a file is damaged."
    )
    publish_checkpoints: Annotated[list[int], RESULT] = Field(
        default_factory=list, description="Steps whose checkpoints are kept with the model, for `branch_step`."
    )
    branch_step: Annotated[int | None, RESULT] = Field(
        default=None,
        ge=1,
        description="Step of the published checkpoint of `from` to continue from, with its optimizer state and place "
        "in the data. `steps` includes earlier steps. By default, training starts from the last weights.",
    )
    activation_checkpointing: Annotated[bool, STEP] = Field(
        default=False,
        description="Whether to recompute blocks in the backward pass. It saves memory and takes a third more time. "
        "Use it only if a micro-batch does not fit.",
    )
    validation_steps: Annotated[int, RESULT] = Field(default=50, ge=1, description="Steps between two validations.")
    log_to: Annotated[dict[Literal["jsonl", "tensorboard", "mlflow", "wandb"], str], Effect.NOTHING] = Field(
        default={},
        description="Further places for the values of each step: a file, folder, tracking address or project. `lmworks "
        "watch` needs none of them. By default there are none, so no value leaves this machine.",
    )
    same_operations_as: Annotated[str | None, Effect.NOTHING] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="First of the model's `variants`. `steps` is set so that both compute equally many operations.",
    )
    step_name: Annotated[str, Effect.CHECK] = Field(
        default="", exclude=True, description="Name in the recipe, set by the graph."
    )
    judge_parameters: Annotated[int, MACHINE] = Field(
        default=0, exclude=True, description="Parameters of all `judges`, set by the plan."
    )
    validation_rows: Annotated[int | None, Effect.KEY | Effect.SPEED | Effect.MEMORY] = Field(
        default=None,
        ge=1,
        description="Rows of each validation: always the same rows, from all parts of the data. By default "
        "they hold 16,384 tokens and at least eight micro-batches. Too few rows give no interval for the loss.",
    )

    @field_validator("base", mode="before")
    @classmethod
    def _scratch(cls, value: Any) -> Any:
        return None if value == "scratch" else value

    @model_validator(mode="before")
    @classmethod
    def _adapters_have_rates_of_their_own(cls, fields: Any) -> Any:
        adapter = fields.get("adapter") if isinstance(fields, dict) else None
        if adapter is None or "optimizer" in fields:
            return fields
        return {"learning_rate": ADAPTER_RATE, **fields, "optimizer": "adamw"}

    @model_validator(mode="after")
    def _rates_are_of_the_optimizer(self) -> Self:
        if self.optimizer != "muon" and "learning_rate" not in self.model_fields_set:
            raise ValueError("the default learning_rate is Muon's: state one for adamw, such as 0.002")
        if self.adapter and (self.optimizer == "muon" or self.base is None):
            raise ValueError("an adapter needs a base in `from`, and optimizer adamw")
        if self.adapter and self.processes > 1:
            raise ValueError("processes must be 1: adapters are trained by one process")
        if self.optimizer != "muon" and "adamw_learning_rate" in self.model_fields_set:
            raise ValueError("adamw_learning_rate applies only with muon; adamw uses learning_rate")
        return self

    @model_validator(mode="after")
    def _rates_leave_something_of_the_weights(self) -> Self:
        for name in ("learning_rate", "adamw_learning_rate"):
            if (rate := getattr(self, name)) > MOST_RATE:
                raise ValueError(
                    f"{name} is {rate:g}, at which the first step overwrites all that a model knows; expected at most "
                    f"{MOST_RATE}. Usual values are 0.02 for muon and 0.001 for adamw"
                )
        return self

    @model_validator(mode="after")
    def _checkpoints_are_on_the_way(self) -> Self:
        if self.branch_step and not self.base:
            raise ValueError("branch_step needs a model in `from`, and there is none")
        if self.branch_step and not (isinstance(self.steps, int) and self.steps > self.branch_step):
            raise ValueError(f"steps counts earlier steps, so it must be a number above branch_step {self.branch_step}")
        if isinstance(self.steps, int) and any(not 0 < step <= self.steps for step in self.publish_checkpoints):
            raise ValueError(f"publish_checkpoints must be steps from 1 to {self.steps}")
        return self

    def imports(self, folder: Path) -> Iterator[str]:
        yield from (*super().imports(folder), *({"mlflow", "wandb"} & self.log_to.keys()))
        if self.needs_transformers:
            yield "transformers"

    def resolve(self, folder: Path) -> Self:
        """Return the config with file paths of `log_to` relative to `folder`."""
        paths = {"jsonl", "tensorboard"}
        places = {sink: str(folder / place) if sink in paths else place for sink, place in self.log_to.items()}
        return self.model_copy(update={"log_to": places})

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Yield rows longer than the base can read, an adapter that does not fit the base, and keys for MLflow."""
        models = recipe.models
        yield from ((("log_to", "mlflow"), why) for why in unconfirmed(self.log_to.get("mlflow", "")))
        yield from self._misfits_of_adapter(models)
        room = room_of(self.base, models) if self.base else None
        if self.base is None or room is None or self.sequence_length <= room:
            return
        first = first_of(self.base, models)
        mend = "start from a model that reads more"
        if isinstance(models[first], TrainConfig):
            begun = "" if first == self.base else f", from which {self.base} was trained,"
            mend = f"raise sequence_length of {first}{begun} to {self.sequence_length}"
        yield (
            ("sequence_length",),
            f"found {self.sequence_length}, expected at most {room}, which is all that {self.base} reads: lower it, "
            f"or {mend}",
        )

    def _misfits_of_adapter(self, models: Models) -> Iterator[tuple[Location, str]]:
        if not self.adapter or not self.base:
            return
        family, targets = family_of(models.get(self.base)), self.adapter.targets
        if family not in (None, "decoder", "reward model"):
            yield (
                ("adapter",),
                f"found {self.base}, {in_words(family)}; adapters work only with decoders: leave `adapter` out, "
                "which trains all weights",
            )
            return
        absent = [] if targets == "all-linear" else sorted({*targets} - MATRICES)
        if absent and isinstance(models.get(first_of(self.base, models)), TrainConfig):
            yield (
                ("adapter", "targets"),
                f"found {', '.join(absent)}; expected some of {', '.join(sorted(MATRICES))}, or all-linear",
            )

    @property
    def served_on(self) -> str | None:
        """Base whose weights the served model shares. None unless the model has an adapter on an unquantised base."""
        return self.base if self.adapter and not self.adapter.quantise else None

    @property
    def context_length(self) -> int | None:
        """Maximum number of tokens that a model from scratch can read. None if there is no limit."""
        return None

    @property
    def rows_per_step(self) -> int:
        return max(1, self.global_batch_tokens // self.sequence_length)

    @property
    def rows_at_once(self) -> int:
        """Rows of a micro-batch, never more than the rows of a step."""
        return min(self.micro_batch_rows, self.rows_per_step)

    @property
    def measured_rows(self) -> int:
        """Number of rows in a validation, if the data has enough."""
        return self.validation_rows or max(VALIDATION_TOKENS // self.sequence_length, LEAST_PARTS * self.rows_at_once)

    def shape(self, vocab_size: int) -> Shape:
        """Return the shape of a model from scratch."""
        raise LmworksError(f"{self.objective}: a model to begin with is missing: `from` must name an earlier model")

    def tuned_shape(self, base: Shape) -> Shape:
        """Return the shape of a model tuned from `base`, with an added head or adapter."""
        return base

    def further_flops_per_token(self, shape: Shape) -> int:
        """Return the floating-point operations per token in addition to those of learning (see `train/memory.py`)."""
        return 0

    def frozen_parameters(self, shape: Shape) -> int:
        """Return the number of parameters of further models that are in memory and not trained."""
        return 0

    @property
    def judges(self) -> list[str]:
        """Names of the models that judge answers or teach. A model named twice is listed twice."""
        return []

    def without_judges(self) -> Self | None:
        """Return a config that can be tried before the judges are trained, or None if there is no such config."""
        return None if self.judges else self

    def drawing_bytes(self, shape: Shape) -> int:
        """Return the bytes that are taken while answers to learn from are drawn."""
        return 0

    def beginning_bytes(self, vocab_size: int) -> int:
        """Return the extra bytes that are taken while the model is made."""
        return 0

    def packing(self) -> dict[str, Any]:
        """Return the settings of packing apart from the row length."""
        return {}

    def require_resolved(self) -> None:
        """Raise LmworksError if the plan has left a value open."""
        open_ = {"device", *(("hidden_size", "num_layers") if self.base else ())}
        names = [name for name in type(self).model_fields if getattr(self, name) == "auto" and name not in open_]
        if names:
            raise LmworksError(f"{', '.join(names)}: still auto; the plan must set a value before training begins")

    def require_checkpoints_on_the_way(self) -> None:
        """Raise UsageError if a checkpoint to publish comes after the last step. The plan can set this step."""
        if late := [step for step in self.publish_checkpoints if step > int(self.steps)]:
            raise UsageError(
                f"models.{self.step_name}.publish_checkpoints: {late[0]} is beyond the {self.steps} steps that the "
                "plan allows: name earlier steps, or set `steps`"
            )


def as_record(config: TrainConfig, without: Collection[str] = ()) -> dict[str, Any]:
    """Return a config as JSON values for another process, which sets the fields in `without` to their defaults."""
    fields = config.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=set(without))
    return {"class": [type(config).__module__, type(config).__name__], "fields": fields}


def from_record(record: Mapping[str, Any]) -> TrainConfig:
    module, name = record["class"]
    found: TrainConfig = getattr(importlib.import_module(module), name).model_validate(record["fields"])
    return found
