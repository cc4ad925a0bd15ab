"""What a recipe says about training a model."""

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
"""In the scratch folder of the run; a line that begins with `run` begins it, and it again after a stop."""

MOST_RATE = 10
"""Largest learning rate that a recipe may state."""
VALIDATION_TOKENS, LEAST_PARTS = 16_384, 8
"""Of one validation; from eight parts of them an interval is told, a fifth wider than by many."""

RESULT = Effect.KEY
"""What is learned, and nothing of how long a step takes or what it holds."""
CHECKED = Effect.KEY | Effect.CHECK
"""What is learned, and what the check before the training finds."""
MACHINE = Effect.SPEED | Effect.MEMORY | Effect.CHECK
"""How the same is computed."""
STEP = CHECKED | MACHINE

Auto = Literal["auto"]
Count = Annotated[int, Field(ge=1)] | Auto
LostShare = Annotated[
    float,
    CHECKED,
    Field(
        ge=0,
        le=1,
        description="Of samples that are dropped, truncated or train nothing, above which the check before training "
        "refuses: one in five is rarely meant.",
    ),
]


class TrainConfig(StepConfig):
    """Fields of every objective. What is `auto` is resolved by the plan before a stage sees it."""

    default_effect = None

    implementation: ClassVar[str]
    """`module:class` of the objective (`train/contract.py`), which is imported for training alone: it brings torch."""

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
    """How its data become rows."""

    engine: ClassVar[str | None] = None
    """The engine that answers for what is trained; None for one of lmworks's own."""

    needs_transformers: ClassVar[bool] = False
    """Whether the model is a module of `transformers`, whose libraries take memory."""

    inspects: ClassVar[type[Inspection] | None] = None
    """What of its rows is looked at before training; None for rows of which nothing is known to go wrong unseen."""

    may_stand_still: ClassVar[bool] = False
    """Whether the first step may move nothing without anything being wrong."""

    family: ClassVar[Family] = "decoder"
    """What is trained; tasks are asked only of models of theirs."""

    base: Annotated[Reference | None, CHECKED] = Field(
        alias="from", description="The model to begin with; `scratch` for none."
    )
    data: Annotated[Reference, CHECKED] = Field(description="Documents or conversations to train on.")
    tokenizer: Annotated[Reference, CHECKED] = Field(
        default="tokenizer", description="Every model of a recipe shares one."
    )
    validation: Annotated[Reference | None, RESULT] = Field(
        default=None, description="Data of the same form to watch the loss on."
    )
    watch: Annotated[Reference | None, RESULT] = Field(
        default=None, description="Prompts that are answered again and again during training."
    )

    proportions: Annotated[Proportions | None, CHECKED] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Of `data`; set by the graph where it is a mix.",
    )

    adapter: Annotated[LoraConfig | None, STEP] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Unset, all weights are learned. With an adapter AdamW moves at a rate of 0.0002, QLoRA's, unless "
        "stated: Muon's updates have the size of whole matrices, and B begins as zero.",
    )

    objective: Annotated[str, STEP | Effect.KIND]
    optimizer: Annotated[Literal["muon", "adamw"], STEP] = Field(
        default="muon",
        description="Muon moves the matrices inside blocks and AdamW the rest: the fewest steps to a loss. `adamw` "
        "moves everything at `learning_rate`, as published settings are stated.",
    )
    learning_rate: Annotated[float, RESULT]
    adamw_learning_rate: Annotated[float, RESULT]
    sequence_length: Annotated[int, STEP] = Field(
        default=512, ge=8, description="A page; what is longer goes on in a further row."
    )
    global_batch_tokens: Annotated[int, STEP] = Field(
        default=2048,
        ge=8,
        description="Tokens a step. In minutes of training steps are scarce: half of 4,096 lost less.",
    )
    micro_batch_rows: Annotated[int, STEP] = Field(
        default=4, ge=1, description="Rows at once; their activations stay in a CPU's cache."
    )
    steps: Annotated[Count, RESULT] = Field(
        default="auto", description="As many as the budget allows, which read the data at most 20 times."
    )
    warmup_steps: Annotated[int, RESULT] = Field(
        default=10, ge=0, description="Muon needs few: its updates have one size from the first."
    )
    schedule: Annotated[Literal["linear", "cosine", "constant"], RESULT] = Field(
        default="linear", description="How the rate falls to zero after the warm-up; linear lost least."
    )
    decay_share: Annotated[float, RESULT] = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the steps in which the rate falls to zero; the best is the whole. Below 1 it is constant "
        "first (warm-up, stable, decay), so that a branch can decay from any checkpoint.",
    )
    weight_decay: Annotated[float, RESULT] = Field(
        default=0.0,
        ge=0,
        description="Nothing is seen often enough to be overfitted. Norms and biases, which are no matrices, never "
        "decay.",
    )
    dropout: Annotated[float, STEP] = Field(
        default=0.0, ge=0, lt=1, description="None: a text that is seen once or twice is not learned by heart."
    )
    label_smoothing: Annotated[float, RESULT] = Field(
        default=0.0, ge=0, lt=1, description="None: a language model's probabilities are what it is used for."
    )
    gradient_clip: Annotated[float, RESULT] = Field(default=1.0, gt=0, description="Norm of all gradients together.")
    patience: Annotated[int | None, RESULT] = Field(
        default=None,
        ge=1,
        description="Validations without a lower loss before the run stops and takes the best weights; unset, since "
        "a planned run is worth its last steps, where the rate falls.",
    )
    seed: Annotated[int, CHECKED] = Field(
        default=0, ge=0, description="Order of rows and fresh weights follow from it."
    )
    data_type: Annotated[Literal["auto", "float32", "bfloat16"], STEP] = Field(
        default="auto",
        description="Of products and activations; bfloat16 where the processor multiplies it. Weights stay float32.",
    )
    processes: Annotated[int, MACHINE] = Field(
        default=1,
        ge=1,
        description="Of which each takes a part of a step's rows and holds a part of the blocks; one a device. On one "
        "machine's processor, threads do the same for less.",
    )
    tensor_parallel: Annotated[int, MACHINE] = Field(
        default=1,
        ge=1,
        description="Processes that share each matrix, for blocks that do not fit on one device; else it only costs.",
    )
    device: Annotated[Device, MACHINE] = Field(
        default="auto", description="Unset, that of `budget`: an accelerator where there is one."
    )
    threads: Annotated[Count, MACHINE] = Field(default="auto", description="Cores to compute on.")
    compile: Annotated[bool | Auto, MACHINE] = Field(
        default="auto", description="Worth its first minute in runs of several."
    )
    keep_best: Annotated[bool, RESULT] = Field(
        default=False,
        description="Whether to end with the weights of the lowest validation loss, as `patience` does; a planned run "
        "is at its best at its end.",
    )
    checkpoint_steps: Annotated[int, RESULT] = Field(default=50, ge=1, description="Work lost by a kill at the most.")
    keep_checkpoints: Annotated[int, Effect.NOTHING] = Field(
        default=2, ge=1, description="The newest, and one more in case its file is damaged; each is 2 to 3 models."
    )
    publish_checkpoints: Annotated[list[int], RESULT] = Field(
        default_factory=list,
        description="Steps whose checkpoints are kept with the model, to branch from; none, for their size.",
    )
    branch_step: Annotated[int | None, RESULT] = Field(
        default=None,
        ge=1,
        description="Go on from this published checkpoint of `from`, with its optimizer state and its place in the "
        "data; `steps` counts those before it. Unset, `from` gives its last weights alone.",
    )
    activation_checkpointing: Annotated[bool, STEP] = Field(
        default=False,
        description="Whether blocks are computed again in the backward pass instead of kept: less memory for a third "
        "more time, worth it only where a micro-batch does not fit.",
    )
    validation_steps: Annotated[int, RESULT] = Field(
        default=50, ge=1, description="Steps between two validation losses."
    )
    log_to: Annotated[dict[Literal["jsonl", "tensorboard", "mlflow", "wandb"], str], Effect.NOTHING] = Field(
        default={},
        description="Where the values of each step go, besides the file that `lmworks watch` follows: a file, folder, "
        "tracking address or project. Nowhere: nothing leaves this machine unasked.",
    )
    same_operations_as: Annotated[str | None, Effect.NOTHING] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Set where a model has `variants`: the first of them, whose operations `steps` are to come to.",
    )
    step_name: Annotated[str, Effect.CHECK] = Field(
        default="", exclude=True, description="Of the recipe; set by the graph."
    )
    judge_parameters: Annotated[int, MACHINE] = Field(
        default=0, exclude=True, description="Of all `judges`; set by the plan."
    )
    validation_rows: Annotated[int | None, Effect.KEY | Effect.SPEED | Effect.MEMORY] = Field(
        default=None,
        ge=1,
        description="The same rows each time, from all over the data. Unset, as many as hold 16,384 tokens, and at "
        "least eight micro-batches: fewer give no interval, so that nobody could say whether the loss rose or fell.",
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
            raise ValueError("an adapter stands beside the matrices of a base (`from`), and is moved by adamw")
        if self.adapter and self.processes > 1:
            raise ValueError("processes stays 1: adapters are trained by one process")
        if self.optimizer != "muon" and "adamw_learning_rate" in self.model_fields_set:
            raise ValueError("adamw_learning_rate goes with muon; adamw moves all at learning_rate")
        return self

    @model_validator(mode="after")
    def _rates_leave_something_of_the_weights(self) -> Self:
        for name in ("learning_rate", "adamw_learning_rate"):
            if (rate := getattr(self, name)) > MOST_RATE:
                raise ValueError(
                    f"{name} is {rate:g}, at which the first step overwrites all that a model knows; expected at most "
                    f"{MOST_RATE}. Usual are about 0.02 of muon and 0.001 of adamw"
                )
        return self

    @model_validator(mode="after")
    def _checkpoints_are_on_the_way(self) -> Self:
        if self.branch_step and not self.base:
            raise ValueError("branch_step is a step of the model that `from` names; here it names none")
        if self.branch_step and not (isinstance(self.steps, int) and self.steps > self.branch_step):
            raise ValueError(f"steps must be stated and greater than branch_step {self.branch_step}, which they count")
        if isinstance(self.steps, int) and any(not 0 < step <= self.steps for step in self.publish_checkpoints):
            raise ValueError(f"publish_checkpoints are steps from 1 to {self.steps}")
        return self

    def imports(self, folder: Path) -> Iterator[str]:
        yield from (*super().imports(folder), *({"mlflow", "wandb"} & self.log_to.keys()))
        if self.needs_transformers:
            yield "transformers"

    def resolve(self, folder: Path) -> Self:
        """With places in `log_to` that start at the recipe's folder; addresses and projects are no paths."""
        paths = {"jsonl", "tensorboard"}
        places = {sink: str(folder / place) if sink in paths else place for sink, place in self.log_to.items()}
        return self.model_copy(update={"log_to": places})

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Yield rows that are longer than the base reads, an adapter that does not fit it, and keys for MLflow."""
        models = recipe.models
        yield from ((("log_to", "mlflow"), why) for why in unconfirmed(self.log_to.get("mlflow", "")))
        yield from self._misfits_of_adapter(models)
        room = room_of(self.base, models) if self.base else None
        if self.base is None or room is None or self.sequence_length <= room:
            return
        first = first_of(self.base, models)
        mend = "begin with a model that reads more"
        if isinstance(models[first], TrainConfig):
            begun = "" if first == self.base else ", with which it began,"
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
                f"found {self.base}, {in_words(family)}; adapters stand beside decoders alone: leave `adapter` out, "
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
        """The base whose weights the served model shares, with an adapter of its own beside them."""
        return self.base if self.adapter and not self.adapter.quantise else None

    @property
    def context_length(self) -> int | None:
        """Tokens that a model from scratch reads at most; None where that is not limited."""
        return None

    @property
    def rows_per_step(self) -> int:
        return max(1, self.global_batch_tokens // self.sequence_length)

    @property
    def rows_at_once(self) -> int:
        """Rows of a micro-batch, of which a step has no more than there are in it."""
        return min(self.micro_batch_rows, self.rows_per_step)

    @property
    def measured_rows(self) -> int:
        """Rows of validation data, as far as there are as many."""
        return self.validation_rows or max(VALIDATION_TOKENS // self.sequence_length, LEAST_PARTS * self.rows_at_once)

    def shape(self, vocab_size: int) -> Shape:
        """What is built when there is no base, counted before it is."""
        raise LmworksError(f"{self.objective}: a model to begin with is missing: `from` must name an earlier model")

    def tuned_shape(self, base: Shape) -> Shape:
        """What is trained when there is one; a head or an adapter that is added to it counts here."""
        return base

    def further_flops_per_token(self, shape: Shape) -> int:
        """Floating-point operations for a token beside learning from it (`train/memory.py` counts these)."""
        return 0

    def frozen_parameters(self, shape: Shape) -> int:
        """Parameters of further models that are held beside it and never move."""
        return 0

    @property
    def judges(self) -> list[str]:
        """Models of the recipe that tell what answers are worth, or teach; each as often as it is named."""
        return []

    def without_judges(self) -> Self | None:
        """What can be tried before its judges are trained; None if nothing is left to learn from."""
        return None if self.judges else self

    def drawing_bytes(self, shape: Shape) -> int:
        """What drawing answers to learn from holds, for the moment."""
        return 0

    def beginning_bytes(self, vocab_size: int) -> int:
        """What making the model holds beside it, for the moment."""
        return 0

    def packing(self) -> dict[str, Any]:
        """What the packing of its data needs to know beyond the length of rows."""
        return {}

    def require_resolved(self) -> None:
        """Raise if the plan has left a value open."""
        open_ = {"device", *(("hidden_size", "num_layers") if self.base else ())}
        names = [name for name in type(self).model_fields if getattr(self, name) == "auto" and name not in open_]
        if names:
            raise LmworksError(f"{', '.join(names)}: still auto; the plan must set a value before training begins")

    def require_checkpoints_on_the_way(self) -> None:
        """Raise UsageError for a checkpoint to publish that is beyond the steps, which the plan may have set."""
        if late := [step for step in self.publish_checkpoints if step > int(self.steps)]:
            raise UsageError(
                f"models.{self.step_name}.publish_checkpoints: {late[0]} is beyond the {self.steps} steps that the "
                "plan allows: name earlier ones, or state `steps`"
            )


def as_record(config: TrainConfig, without: Collection[str] = ()) -> dict[str, Any]:
    """A config as JSON values, for a process of its own; fields it is `without` have their defaults there."""
    fields = config.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=set(without))
    return {"class": [type(config).__module__, type(config).__name__], "fields": fields}


def from_record(record: Mapping[str, Any]) -> TrainConfig:
    module, name = record["class"]
    found: TrainConfig = getattr(importlib.import_module(module), name).model_validate(record["fields"])
    return found
