"""The recipe's schema: one typed file holds the whole life of a model.

Steps bring their own config classes, derived from `StepConfig`. `file.py` reads a file into a `Recipe`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from lmworks.errors import UsageError


class RecipeError(UsageError):
    """Error in a recipe. Its text lists every fault found."""


class _NamesAStep:
    """Mark of a field whose value names another step."""


Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_/-]*(\.[A-Za-z0-9_-]+)?$"), _NamesAStep()]
"""The name of an earlier step ("clean"), or of one part of its output ("split.train")."""

Device = Annotated[str, StringConstraints(pattern=r"^[a-z]+(:[0-9]+)?$")]
"""Device name: `auto`, `cpu`, or another name that torch accepts, such as `cuda` or `cuda:1`."""

PLACED = ("data", "models")
"""Recipe sections with steps that compute on a device. Tasks compute on a device too."""

Location = tuple[str | int, ...]
Expected = Mapping[str, Sequence[str]]
"""Model families (`model/config.py`) that are allowed in each field that names a model."""


class Effect(Flag):
    """Effect of a field: the results that change with its value. A field declares it: `Annotated[int, Effect.KEY]`."""

    NOTHING = 0
    """No effect on the output. The value is recorded only."""
    KEY = auto()
    """Effect on the output of the step. The value is part of the step's key."""
    KIND = auto()
    """Mark of the field that names the config class of a stage. It is part of the key even at its default value."""
    CHECK = auto()
    """Effect on the check before training."""
    SPEED = auto()
    """Effect on the duration of a training step."""
    MEMORY = auto()
    """Effect on the bytes that a training needs."""


@dataclass(frozen=True)
class Writing:
    """Largest amount of text that a step can have a model of the recipe write."""

    model: str
    tokens: int
    data_type: str


class StepConfig(BaseModel):
    """Base of every step's config. It refuses unknown fields, and its values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    parts: ClassVar[tuple[str, ...]] = ()
    """Names of the sub-folders of the step's output that other steps may refer to."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Modules that every step of this kind imports and a plain installation lacks."""
    makes: ClassVar[str] = ""
    """Kind of records in each output part: documents, conversations or preferences. Empty if unknown."""
    section: ClassVar[Literal["data", "tokenizer"]] = "data"
    """Recipe section that the step belongs to, if it is a step of its own."""
    expects: ClassVar[Expected] = {}
    """Fields that name models, each with the allowed model families."""
    seconds_per_megabyte: ClassVar[float] = 0.0
    """Extra seconds per megabyte of source text, measured on two cores with short records."""
    default_effect: ClassVar[Effect | None] = Effect.KEY
    """Effect of fields that declare none. None means that each field must declare one."""

    @classmethod
    def require_whole(cls) -> None:
        """Raise TypeError if this class lacks a declaration that its steps need."""
        effects(cls)

    def output_parts(self) -> tuple[str, ...]:
        """Return the output parts of this config. Override it if they depend on fields."""
        return self.parts

    def resolve(self, folder: Path) -> Self:
        """Return this config with every outside value that the output depends on. Paths start at `folder`."""
        return self

    def prepare(self, folder: Path) -> bool:
        """Make the step's files beside the recipe. Return whether this config was resolved without them."""
        return False

    def imports(self, folder: Path) -> Iterator[str]:
        """Yield the modules that the step imports and a plain installation lacks. Paths start at `folder`."""
        yield from self.packages
        for value in (getattr(self, name) for name in type(self).model_fields):
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, StepConfig):
                    yield from part.imports(folder)

    def source_bytes(self, folder: Path) -> int:
        """Return the present size in bytes of all sources outside the recipe. Paths start at `folder`."""
        return 0

    def mean_record_bytes(self, folder: Path) -> int:
        """Return the mean record size of these sources, read from their beginnings. Return 0 if it is not known."""
        return 0

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Yield the fields that do not fit the rest of the recipe, with what was found and what to type."""
        yield from ()

    def share_of(self, part: str) -> float:
        """Return the approximate share of the step's input text that one output part holds."""
        return 1.0

    def writing(self) -> Writing | None:
        """Return the largest amount of text that a model must write here. `plan` estimates the time from it."""
        return None


class BesideRecipe(StepConfig):
    """Base of configs whose steps read files beside the recipe."""

    folder: Annotated[Path, Effect.NOTHING] = Field(
        default=Path(), exclude=True, description="The recipe's folder, set by `resolve`."
    )

    def resolve(self, folder: Path) -> Self:
        return self.model_copy(update={"folder": folder})


@cache
def effects(config: type[StepConfig]) -> Mapping[str, Effect]:
    """Return the effect of each field of a config.

    The nearest class that declares an effect decides. Overriding a default keeps the effect.
    Raises TypeError naming a field without an effect.
    """
    found: dict[str, Effect] = {}
    for name in config.model_fields:
        classes = [each for each in config.__mro__ if issubclass(each, StepConfig) and name in each.model_fields]
        declared = [item for each in classes for item in each.model_fields[name].metadata if isinstance(item, Effect)]
        effect = declared[0] if declared else config.default_effect
        if effect is None:
            raise TypeError(f"{config.__name__}.{name}: declare its effect, as in Annotated[int, Effect.KEY]")
        found[name] = effect
    return found


def unaffecting(config: type[StepConfig], effect: Effect) -> set[str]:
    """Return the fields of a config that do not have this effect."""
    return {name for name, each in effects(config).items() if not each & effect}


class BudgetConfig(StepConfig):
    """Time and device that the whole build may use."""

    default_effect = Effect.NOTHING  # of itself: the plan makes values of models from it

    minutes: float = Field(
        7.0, gt=0, description="Minutes that a first build may take. Values written as `auto` are chosen to fit."
    )
    device: Device = Field(
        "auto", description="Device of each step without its own `device`. `auto` takes an accelerator if there is one."
    )


class PlanConfig(StepConfig):
    """Method that finds the values written as `auto`."""

    default_effect = Effect.NOTHING

    measure: bool = Field(
        True, description="Whether to measure the speed of short runs. If not, every machine gets the same values."
    )


PASSAGES_SHOWN = 3
"""Number of passages put before a question. On SQuAD, the first three passages hold 94.7 % of the answers, and the
first five 97.2 %. A passage takes about 200 tokens."""

NOT_FOUND = "The documents hold no answer to this."


class ServeConfig(StepConfig):
    """Models and passages that `lmworks serve` offers."""

    default_effect = Effect.NOTHING

    model: Reference | Annotated[list[Reference], Field(min_length=1)] = Field(
        description="The model to serve. Name several only if they are LoRA adapters of one base, which is then loaded "
        "once. A step of kind `passages` can be served too: its best passages are quoted as the answer."
    )
    otherwise: Reference | None = Field(
        None,
        description="Step to serve if `model` fails a gate and this step passes its gates. By default there is no such "
        "step, so a model that fails is not served.",
    )
    examples: Reference | None = Field(
        None, description="Step with conversations that the chat page offers as examples. By default no examples."
    )
    passages: Reference | None = Field(
        None,
        description="Step of kind `passages`. The passages that fit a user's last question are put before this "
        "question and cited. Without this field the model answers without passages.",
    )
    passages_shown: int = Field(
        PASSAGES_SHOWN, ge=1, le=50, description="Maximum number of passages. A short context holds fewer passages."
    )
    not_found: str = Field(
        NOT_FOUND,
        min_length=1,
        description="Answer that lmworks gives if no passage fits. Write this answer in your readers' language.",
    )

    @model_validator(mode="after")
    def _is_another(self) -> Self:
        if self.otherwise and (isinstance(self.model, list) or self.model == self.otherwise):
            raise ValueError(f"found otherwise: {self.otherwise} with model: {self.model}; name one model in each")
        return self

    @property
    def candidates(self) -> list[str]:
        """Models that may be served, in order of preference."""
        named = [self.model] if isinstance(self.model, str) else self.model
        return [*named, *([self.otherwise] if self.otherwise else [])]


class RewordedConfig(StepConfig):
    """Search for reworded test items with the embeddings of your encoder."""

    packages: ClassVar[tuple[str, ...]] = ("scipy", "transformers")
    encoder: str = Field(
        description="Folder of a Hugging Face encoder, relative to the recipe. The mean of its outputs must be a "
        "sentence embedding, as for all-MiniLM-L6-v2."
    )
    cosine: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Minimum cosine similarity of a listed pair. With all-MiniLM-L6-v2, 0.8 lists most paraphrases and "
        "few other texts. Another encoder needs its own value.",
    )
    tokens: int = Field(256, ge=8, description="Tokens read per text. all-MiniLM-L6-v2 was trained on 256.")


ASKED = ("cluster", "contamination", "id", "prompt", "reference")
"""Fields that an item has before a model answers it."""


class GateConfig(StepConfig):
    """Condition that a model must meet before it is released: served, sent to a hub or exported."""

    task: str = Field(description="Kind of the task, or its label in the report if several tasks are of one kind.")
    model: str | None = Field(
        None, description="Step that must pass. By default, `serve.model` and `serve.otherwise` must pass."
    )
    metric: str | None = Field(None, description="Name of the figure. The default is the first figure of the task.")
    at_least: float | None = Field(
        None, allow_inf_nan=False, description="Smallest allowed value of the lower end of the 95 % interval."
    )
    at_most: float | None = Field(
        None, allow_inf_nan=False, description="Largest allowed value of the upper end of the 95 % interval."
    )
    not_worse_than: str | None = Field(
        None, description="Model or baseline to compare with, such as the model released now."
    )
    margin: float = Field(
        0.02,
        ge=0,
        allow_inf_nan=False,
        description="How much worse than `not_worse_than` the model may be, in units of the metric. At 0 the model "
        "must be better. Users rarely notice a difference of 0.02.",
    )
    where: dict[str, str] = Field(
        default={},
        description="Item fields with their values. Only items with these values count. Fields that depend on an "
        "answer are not allowed, because a gate could then select only right answers.",
    )

    @field_validator("where")
    @classmethod
    def _asks_of_what_was_asked(cls, where: dict[str, str]) -> dict[str, str]:
        if unknown := where.keys() - ASKED:
            found = ", ".join(map(repr, sorted(unknown)))
            raise ValueError(f"found {found}; expected some of {', '.join(ASKED)}")
        return where

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        asked = [name for name in ("at_least", "at_most", "not_worse_than") if getattr(self, name) is not None]
        if len(asked) != 1:
            found = " and ".join(asked) or "none of them"
            raise ValueError(f"a gate must have one of at_least, at_most, not_worse_than; found {found}")
        return self

    def asked_of(self, served: Sequence[str]) -> list[str | None]:
        """Return the models that must pass the gate. A model is not compared with itself."""
        if self.model or not served:
            return [self.model]
        return [name for name in served if name != self.not_worse_than] or [served[0]]

    @property
    def words(self) -> str:
        """Short text of the gate."""
        what = f"{self.task}{f' {self.metric}' if self.metric else ''}"
        some = "".join(f", where {name} is {value}" for name, value in self.where.items())
        if self.not_worse_than is not None and not self.margin:
            return f"{what} better than {self.not_worse_than}{some}"
        if self.not_worse_than is not None:
            return f"{what} at most {self.margin:g} worse than {self.not_worse_than}{some}"
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"{what} {bound}{some}"


class PrimaryConfig(StepConfig):
    """The one question that a build answers first. It is stated before anything is measured."""

    task: str | None = Field(
        None,
        description="Kind of the task, or its label in the report if several tasks are of one kind. The default is the "
        "first task that has a baseline and that the model was not trained on.",
    )
    model: str | None = Field(
        None, description="A model of `models`. The default is the served model, because users meet this one."
    )
    opponent: str | None = Field(
        None, description="A model or baseline of the task. By default, the model must be better than each baseline."
    )
    figure: str | None = Field(None, description="Name of the figure. The default is the first figure of the task.")
    margin: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="How much worse than the opponent the model may be, in units of the figure. At 0 the model must be "
        "better, because an equally good baseline costs less.",
    )


class EvaluateConfig(StepConfig):
    """Models and the tasks that measure them."""

    models: list[Reference] = Field(min_length=1, description="Models to compare. All of them answer the same items.")
    tasks: list[StepConfig] = Field(min_length=1, description="Tasks that measure the models. Each names its kind.")
    gates: list[GateConfig] = Field(
        default=[], description="Conditions for the release of a model. None by default, because only you can set them."
    )
    primary: PrimaryConfig = Field(
        default=PrimaryConfig(),
        description="Question that the first sentence of each report answers. All other figures are exploration.",
    )
    reworded: RewordedConfig | None = Field(
        None,
        description="Search for training texts that repeat test items in other words. Name an encoder for this search.",
    )


PROTECTED = ("confidential", "secret")
"""Values of `needs.privacy` for texts that must not be disclosed."""

SECONDS_BETWEEN_REQUESTS = 20
"""Seconds between two requests of a user at the busiest hour, if no rate is stated."""


REQUEST_TOKENS: Mapping[str, tuple[int, int]] = {
    "chat": (1000, 250),
    "write": (300, 250),
    "translate": (80, 60),
    "summarise": (1200, 100),
    "classify": (150, 5),
    "extract": (250, 40),
    "search": (20, 1),
}
"""Tokens that a usual request of each task reads and writes. They are assumed, and have no source."""


class NeedsConfig(StepConfig):
    """Needs, means and limits of your organisation. `lmworks plan` decides and estimates costs from them."""

    default_effect = Effect.NOTHING

    task: Literal["chat", "write", "translate", "summarise", "classify", "extract", "search"] = Field(
        "write", description="Task of the model. Every language model can `write` without further training."
    )
    distance: Literal["near", "some", "far"] = Field(
        "some", description="Difference of your texts from everyday public texts. Most trades have words of their own."
    )
    users: int = Field(10, ge=1, description="Number of users at the same time, at the busiest hour. A team has ten.")
    requests_per_second: Annotated[float, Field(gt=0)] | Literal["auto"] = Field(
        "auto",
        description="Requests per second at the busiest hour. `auto` assumes that each of `users` sends a request "
        f"every {SECONDS_BETWEEN_REQUESTS} s. This rate is an assumption without a source.",
    )
    prompt_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description=f"Tokens of a prompt. `auto` takes {REQUEST_TOKENS['chat'][0]} for `chat`, which is a page of "
        f"text, and {REQUEST_TOKENS['classify'][0]} for `classify`. `lmworks init` measures your texts.",
    )
    answer_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description=f"Tokens of an answer. `auto` takes {REQUEST_TOKENS['chat'][1]} for `chat`, which are two "
        f"paragraphs, and {REQUEST_TOKENS['classify'][1]} for `classify`, which are a label.",
    )
    context_tokens: int = Field(2048, ge=8, description="Tokens of the longest prompt with its answer.")
    tokens: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        "auto", description="Tokens of your texts. `auto` divides the bytes of the sources by four."
    )
    labelled_examples: int = Field(0, ge=0, description="Number of inputs that have a right answer.")
    budget_usd: float = Field(
        10_000,
        ge=0,
        description="US dollars for training and the first twelve months of use. The electricity of `devices` is not "
        "counted. The default pays for a pilot.",
    )
    deadline_weeks: float = Field(12, gt=0, description="Weeks until the model is used. The default is three months.")
    region: str = Field("US", description="Code of the electricity grid. Most machines are in the US.")
    residency: Literal["anywhere", "region", "on-premise"] = Field(
        "anywhere", description="Places where your data may be stored. Change it if a law or contract binds you."
    )
    privacy: Literal["public", "internal", "confidential", "secret"] = Field(
        "internal",
        description="Protection of the texts. Secret texts stay on your own machines. Confidential texts reach a "
        "hosted model only with a contract. For both, `plan` and `build` warn if no step looks for personal data, "
        "and `lmworks push` needs `--confidential`.",
    )
    control: Literal["low", "some", "full"] = Field(
        "some", description="Control that you need over weights, versions and behaviour. `low` allows any supplier."
    )
    update: Literal["yearly", "quarterly", "monthly", "weekly", "daily"] = Field(
        "quarterly", description="How often knowledge changes. `plan` counts one training run per change."
    )
    expertise: Literal["none", "some", "team"] = Field(
        "some", description="Experience with training. `some` means one engineer who has tuned a model."
    )
    load: Literal["steady", "daily", "spiky"] = Field(
        "daily", description="How use varies over time. `daily` means office hours."
    )
    growth_per_month: float = Field(0.05, ge=0, description="Monthly growth of requests. 0.05 is 1.8 times in a year.")
    contracts: list[str] = Field(default_factory=list, description="Names of clouds that you have a contract with.")
    devices: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Number of devices that you own already, such as `{a100-80: 1}`. Only their electricity is a cost. "
        "`lmworks plan --all` lists the names of devices.",
    )
    parameters: Annotated[int, Field(ge=1_000_000)] | Literal["auto"] = Field(
        "auto", description="Number of the model's parameters. `auto` computes it from data, money and task."
    )

    @property
    def requests(self) -> float:
        """Requests per second at the busiest hour, stated or computed from `users`."""
        stated = self.requests_per_second
        return self.users / SECONDS_BETWEEN_REQUESTS if stated == "auto" else stated

    @property
    def tokens_read(self) -> int:
        """Return the tokens that a request reads: as stated, or as usual for the task."""
        return REQUEST_TOKENS[self.task][0] if self.prompt_tokens == "auto" else self.prompt_tokens

    @property
    def tokens_written(self) -> int:
        """Return the tokens of an answer: as stated, or as usual for the task."""
        return REQUEST_TOKENS[self.task][1] if self.answer_tokens == "auto" else self.answer_tokens


class Recipe(StepConfig):
    """A whole recipe after loading. `data` and `models` keep the order of the file."""

    default_effect = Effect.NOTHING  # its steps have keys, each of its own fields

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Name of the recipe. Builds are stored under it.")
    use_case: str = Field(
        min_length=1,
        description="Purpose of the model. Cards and reports quote it, without personal data except names.",
    )
    budget: BudgetConfig = Field(BudgetConfig(), description="Time and device that the whole build may use.")
    plan: PlanConfig = Field(PlanConfig(), description="How lmworks finds the values written as `auto`.")
    needs: NeedsConfig | None = Field(None, description="Needs of your organisation, for `plan` and privacy checks.")
    data: dict[str, StepConfig] = Field(min_length=1, description="Steps by name, each after the steps that it reads.")
    tokenizer: StepConfig | None = Field(None, description="Tokenizer for a model trained from scratch.")
    models: dict[str, StepConfig] = Field(default_factory=dict, description="Models by name.")
    evaluate: EvaluateConfig | None = Field(None, description="Measurements of the models.")
    serve: ServeConfig | None = Field(None, description="Models that `lmworks serve` serves.")

    def on_its_device(self) -> Self:
        """Return the recipe with `budget.device` in every step that computes on a device and names none."""

        def placed(config: StepConfig) -> StepConfig:
            update = {"device": self.budget.device}
            return config.model_copy(update=update) if getattr(config, "device", None) == "auto" else config

        sections = {part: {name: placed(each) for name, each in getattr(self, part).items()} for part in PLACED}
        tasks = [placed(task) for task in self.evaluate.tasks] if self.evaluate else []
        evaluate = self.evaluate and self.evaluate.model_copy(update={"tasks": tasks})
        return self.model_copy(update={**sections, "evaluate": evaluate})


def is_reference(annotation: Any, metadata: Sequence[Any] = ()) -> bool:
    """Return whether a value of this type is the name of a step."""
    return any(isinstance(item, _NamesAStep) for item in (*metadata, *getattr(annotation, "__metadata__", ())))
