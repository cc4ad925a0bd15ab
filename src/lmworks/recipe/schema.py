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
    """The recipe does not say what it must; every fault found is listed."""


class _NamesAStep:
    """Marks a field whose value names another step."""


Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_/-]*(\.[A-Za-z0-9_-]+)?$"), _NamesAStep()]
"""The name of an earlier step ("clean"), or of one part of its output ("split.train")."""

Device = Annotated[str, StringConstraints(pattern=r"^[a-z]+(:[0-9]+)?$")]
"""Where something is computed: `auto`, `cpu`, or torch's name of what else it finds, such as `cuda` or `cuda:1`."""

PLACED = ("data", "models")
"""Sections of a recipe, by name, some of whose steps compute on a device; tasks do, too."""

Location = tuple[str | int, ...]
Expected = Mapping[str, Sequence[str]]
"""Field → families of models (`model/config.py`)."""


class Effect(Flag):
    """What another value of a field changes. A field declares it in its annotation: `Annotated[int, Effect.KEY]`."""

    NOTHING = 0
    """No promise about the output: the value is recorded, and may say how it is made."""
    KEY = auto()
    """The output of the step: the value enters its key."""
    KIND = auto()
    """Which of the configs of one stage this is: the value enters the key even where it is the default."""
    CHECK = auto()
    """What the check before a training sees."""
    SPEED = auto()
    """How long a step of a training takes."""
    MEMORY = auto()
    """How many bytes a training holds."""


@dataclass(frozen=True)
class Writing:
    """What a model of the recipe is to write for a step."""

    model: str
    tokens: int
    data_type: str


class StepConfig(BaseModel):
    """Base of every step's config: unknown fields are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    parts: ClassVar[tuple[str, ...]] = ()
    """Names of the sub-folders of the step's output that other steps may refer to."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Modules that every step of this kind imports and a plain installation lacks."""
    makes: ClassVar[str] = ""
    """What each part of its output holds: documents, conversations or preferences; empty, nobody knows beforehand."""
    section: ClassVar[Literal["data", "tokenizer"]] = "data"
    """Where in the recipe a step of its own stands, if it is one."""
    expects: ClassVar[Expected] = {}
    """Fields that name models, and the families that these may be of."""
    seconds_per_megabyte: ClassVar[float] = 0.0
    """Of sources, that the step may take beside what steps usually do: on two cores, of short records."""
    default_effect: ClassVar[Effect | None] = Effect.KEY
    """Of fields that declare none; None where each must."""

    @classmethod
    def require_whole(cls) -> None:
        """Raise TypeError for a class that lacks what its steps need."""
        effects(cls)

    def output_parts(self) -> tuple[str, ...]:
        """The parts that this config makes, where that depends on its fields."""
        return self.parts

    def resolve(self, folder: Path) -> Self:
        """This config with all that its output depends on outside the recipe; paths start at `folder`."""
        return self

    def prepare(self, folder: Path) -> bool:
        """Make what the step keeps beside the recipe, before a build; whether this config was resolved without it."""
        return False

    def imports(self, folder: Path) -> Iterator[str]:
        """Modules that the step and its parts import and a plain installation lacks; paths start at `folder`."""
        yield from self.packages
        for value in (getattr(self, name) for name in type(self).model_fields):
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, StepConfig):
                    yield from part.imports(folder)

    def source_bytes(self, folder: Path) -> int:
        """Bytes of the sources that are read from outside the recipe, as they are now; paths start at `folder`."""
        return 0

    def mean_record_bytes(self, folder: Path) -> int:
        """Of these sources, from a look at their beginnings; 0 where that does not tell."""
        return 0

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Yield the fields that do not fit the rest of the recipe, with what was found and what to type."""
        yield from ()

    def share_of(self, part: str) -> float:
        """About how much of the text that the step reads a part of its output holds."""
        return 1.0

    def writing(self) -> Writing | None:
        """What a model is to write at the most, where that is stated: the plan tells how long it takes."""
        return None


class BesideRecipe(StepConfig):
    """Base of configs whose steps read what lies beside the recipe."""

    folder: Annotated[Path, Effect.NOTHING] = Field(
        default=Path(), exclude=True, description="The recipe's folder; set by `resolve`."
    )

    def resolve(self, folder: Path) -> Self:
        return self.model_copy(update={"folder": folder})


@cache
def effects(config: type[StepConfig]) -> Mapping[str, Effect]:
    """What another value of each field of a config changes.

    The nearest class counts that declares it: a field that is overridden for its default alone keeps its effect.
    Raises TypeError naming a field without one.
    """
    found: dict[str, Effect] = {}
    for name in config.model_fields:
        classes = [each for each in config.__mro__ if issubclass(each, StepConfig) and name in each.model_fields]
        declared = [item for each in classes for item in each.model_fields[name].metadata if isinstance(item, Effect)]
        effect = declared[0] if declared else config.default_effect
        if effect is None:
            raise TypeError(f"{config.__name__}.{name}: declare what it changes, as in Annotated[int, Effect.KEY]")
        found[name] = effect
    return found


def unaffecting(config: type[StepConfig], effect: Effect) -> set[str]:
    """Fields of a config that change none of this."""
    return {name for name, each in effects(config).items() if not each & effect}


class BudgetConfig(StepConfig):
    """What the whole build may use."""

    default_effect = Effect.NOTHING  # of itself: the plan makes values of models from it

    minutes: float = Field(
        7.0, gt=0, description="wall time of a first build; seven minutes hold one coffee and a small model"
    )
    device: Device = Field(
        "auto", description="of all that says nothing else: an accelerator where torch finds one, else the processor"
    )


class PlanConfig(StepConfig):
    """How the values written as `auto` are found."""

    default_effect = Effect.NOTHING

    measure: bool = Field(
        True, description="a short probe beats a guess; switch it off for equal values on every machine"
    )


PASSAGES_SHOWN = 3
"""Passages before a question: of SQuAD's questions 0.947 have their answer in one of the first three, 0.972 of five,
and each takes some 200 tokens."""

NOT_FOUND = "The documents hold no answer to this."


class ServeConfig(StepConfig):
    """What `lmworks serve` serves."""

    default_effect = Effect.NOTHING

    model: Reference | Annotated[list[Reference], Field(min_length=1)] = Field(
        description="a model; or several that are LoRA on one base, whose weights are then held once; or a "
        "step of kind `passages`, whose best passages are quoted as the answer"
    )
    otherwise: Reference | None = Field(
        None,
        description="a step that is served in place of `model` where that fails a gate and this one none; unset, "
        "nothing is served then, which is right as long as nobody has chosen what may stand in",
    )
    examples: Reference | None = Field(
        None, description="conversations offered on the chat page; none are needed to serve"
    )
    passages: Reference | None = Field(
        None,
        description="a step of kind `passages`: what fits a chat's last question is put before it, and cited; unset, "
        "the model answers from what it learned",
    )
    passages_shown: int = Field(
        PASSAGES_SHOWN, ge=1, le=50, description="how many of them at the most; fewer where the context has no room"
    )
    not_found: str = Field(
        NOT_FOUND,
        min_length=1,
        description="what is said, without asking the model, where no passage fits; in the language of your readers",
    )

    @model_validator(mode="after")
    def _is_another(self) -> Self:
        if self.otherwise and (isinstance(self.model, list) or self.model == self.otherwise):
            raise ValueError(
                f"found otherwise: {self.otherwise} beside model: {self.model}; it stands in for one other model"
            )
        return self

    @property
    def candidates(self) -> list[str]:
        """The models that may come to be served, by preference."""
        named = [self.model] if isinstance(self.model, str) else self.model
        return [*named, *([self.otherwise] if self.otherwise else [])]


class RewordedConfig(StepConfig):
    """Test items are sought in other words, too, by the embeddings of an encoder that the user supplies."""

    packages: ClassVar[tuple[str, ...]] = ("scipy", "transformers")
    encoder: str = Field(
        description="folder of a Hugging Face encoder whose mean-pooled output is a sentence embedding, such as "
        "all-MiniLM-L6-v2, from the recipe's folder"
    )
    cosine: float = Field(
        0.8,
        gt=0,
        le=1,
        description="least similarity of what is listed; with all-MiniLM-L6-v2 it lists most paraphrases and few "
        "others, another encoder needs a value of its own",
    )
    tokens: int = Field(256, ge=8, description="embedded from a start; what all-MiniLM-L6-v2 was trained to read")


ASKED = ("cluster", "contamination", "id", "prompt", "reference")
"""Fields of items that stand before anything is answered."""


class GateConfig(StepConfig):
    """What a model must reach to be released: served, sent to a hub or exported."""

    task: str = Field(description="kind of a task, or, where several are of it, its label in the report")
    model: str | None = Field(
        None, description="step that must pass; unset, what the recipe serves, and what it serves otherwise"
    )
    metric: str | None = Field(None, description="name of a figure; unset, the first of the task, which leads it")
    at_least: float | None = Field(
        None, allow_inf_nan=False, description="what the lower end of the 95 % interval must reach"
    )
    at_most: float | None = Field(
        None, allow_inf_nan=False, description="what the upper end of the 95 % interval must not pass"
    )
    not_worse_than: str | None = Field(
        None, description="model or baseline measured beside it, such as the one that is released now"
    )
    margin: float = Field(
        0.02,
        ge=0,
        allow_inf_nan=False,
        description="by how much it may be worse than that, at 0 it must be better; two points of a share are seldom "
        "felt",
    )
    where: dict[str, str] = Field(
        default={},
        description="fields of items and their values: the gate is of these items alone; none that an answer decides, "
        "or all could be passed by asking of right answers alone",
    )

    @field_validator("where")
    @classmethod
    def _asks_of_what_was_asked(cls, where: dict[str, str]) -> dict[str, str]:
        if unknown := where.keys() - ASKED:
            found = ", ".join(map(repr, sorted(unknown)))
            raise ValueError(f"found {found}; which items a gate is of is told by {', '.join(ASKED)}")
        return where

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        asked = [name for name in ("at_least", "at_most", "not_worse_than") if getattr(self, name) is not None]
        if len(asked) != 1:
            found = " and ".join(asked) or "none of them"
            raise ValueError(f"a gate asks for one of at_least, at_most, not_worse_than; found {found}")
        return self

    def asked_of(self, served: Sequence[str]) -> list[str | None]:
        """The models that must pass it, where these may be served; none is asked not to be worse than itself."""
        if self.model or not served:
            return [self.model]
        return [name for name in served if name != self.not_worse_than] or [served[0]]

    @property
    def words(self) -> str:
        """The gate in a few words."""
        what = f"{self.task}{f' {self.metric}' if self.metric else ''}"
        some = "".join(f", where {name} is {value}" for name, value in self.where.items())
        if self.not_worse_than is not None and not self.margin:
            return f"{what} better than {self.not_worse_than}{some}"
        if self.not_worse_than is not None:
            return f"{what} not worse than {self.not_worse_than} by {self.margin:g}{some}"
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"{what} {bound}{some}"


class PrimaryConfig(StepConfig):
    """The one question that a build answers first; it is stated before anything is measured."""

    task: str | None = Field(
        None,
        description="kind of a task, or, where several are of it, its label in the report; unset, the first with a "
        "baseline that asks for nothing that the model learned from",
    )
    model: str | None = Field(
        None, description="a model under `models`; unset, the one that the recipe serves, which is what users meet"
    )
    opponent: str | None = Field(
        None,
        description="a model or baseline of the task; unset, all baselines: the model must be better than each of them",
    )
    figure: str | None = Field(None, description="name of a figure; unset, the first of the task, which leads it")
    margin: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="by how much the model may be worse than the opponent; at 0 it must be better, since a simple "
        "means that does as well costs less",
    )


class EvaluateConfig(StepConfig):
    """Which models are measured on which tasks."""

    models: list[Reference] = Field(min_length=1, description="all are asked the same, and compared with each other")
    tasks: list[StepConfig] = Field(min_length=1, description="what they are asked; each names its kind")
    gates: list[GateConfig] = Field(
        default=[], description="what a model must reach to be released; nobody can say that for you"
    )
    primary: PrimaryConfig = Field(
        default=PrimaryConfig(),
        description="the question whose answer is the first sentence of each report; all other figures are exploration",
    )
    reworded: RewordedConfig | None = Field(
        None,
        description="how items are sought in other words among what was learned from; it needs an encoder of yours",
    )


PROTECTED = ("confidential", "secret")
"""What `needs.privacy` calls texts that are not to be told."""

SECONDS_BETWEEN_REQUESTS = 20
"""Of one user at the busiest hour, where no rate is stated."""


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
    """What the organisation needs, can and has: what `lmworks plan` decides and costs by."""

    default_effect = Effect.NOTHING

    task: Literal["chat", "write", "translate", "summarise", "classify", "extract", "search"] = Field(
        "write", description="what the model does; writing is what a language model does without further ado"
    )
    distance: Literal["near", "some", "far"] = Field(
        "some", description="of your texts from everyday and public ones; most trades have words of their own"
    )
    users: int = Field(10, ge=1, description="at once, at the busiest hour; a team")
    requests_per_second: Annotated[float, Field(gt=0)] | Literal["auto"] = Field(
        "auto",
        description=f"at the busiest hour; auto: each of `users` asks every {SECONDS_BETWEEN_REQUESTS} s, which is an "
        "assumption of ours, without a source",
    )
    prompt_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description=f"Tokens that one request reads. auto takes {REQUEST_TOKENS['chat'][0]} for `chat`, which "
        f"is a page of instructions and passages, and {REQUEST_TOKENS['classify'][0]} for `classify`. `lmworks init` "
        "measures it on your texts.",
    )
    answer_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description=f"Tokens that one answer has. auto takes {REQUEST_TOKENS['chat'][1]} for `chat`, which is "
        f"two paragraphs, and {REQUEST_TOKENS['classify'][1]} for `classify`, which is a label.",
    )
    context_tokens: int = Field(2048, ge=8, description="longest prompt and answer; twice a usual request")
    tokens: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        "auto", description="of your texts; counted from the sources' bytes, four a token"
    )
    labelled_examples: int = Field(0, ge=0, description="pairs of input and right answer; few have any at first")
    budget_usd: float = Field(
        10_000,
        ge=0,
        description="Dollars for training and the first twelve months of use, beside the electricity of devices that "
        "you own. The default pays for a pilot.",
    )
    deadline_weeks: float = Field(12, gt=0, description="until it is used; a quarter")
    region: str = Field("US", description="whose electricity is used, a code of the data file; most machines are there")
    residency: Literal["anywhere", "region", "on-premise"] = Field(
        "anywhere", description="where data may lie; say so if a law or contract binds you"
    )
    privacy: Literal["public", "internal", "confidential", "secret"] = Field(
        "internal",
        description="of the texts; what most companies' documents are. Secret ones leave for no cloud, confidential "
        "ones for no hosted model without a contract. Of confidential and secret ones plan and build "
        "say first where nobody looks for personal data, and `lmworks push` sends no model without `--confidential`",
    )
    control: Literal["low", "some", "full"] = Field(
        "some", description="over weights, versions and behaviour; low when any supplier will do"
    )
    update: Literal["yearly", "quarterly", "monthly", "weekly", "daily"] = Field(
        "quarterly", description="how often knowledge changes; training runs are repeated so often"
    )
    expertise: Literal["none", "some", "team"] = Field(
        "some", description="in house, in training models; some is one engineer who has tuned one"
    )
    load: Literal["steady", "daily", "spiky"] = Field(
        "daily", description="how well use can be foretold; daily is office hours"
    )
    growth_per_month: float = Field(0.05, ge=0, description="of requests, for twelve months; 1.8 times in a year")
    contracts: list[str] = Field(default_factory=list, description="clouds with a contract, by name; none binds you")
    devices: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Devices that you own already, with how many of each, such as `{a100-80: 1}`. They cost their "
        "electricity. `lmworks plan --all` lists the names. By default nothing is there, so that no cost is left out.",
    )
    parameters: Annotated[int, Field(ge=1_000_000)] | Literal["auto"] = Field(
        "auto", description="size of the model; auto follows from data, money and task"
    )

    @property
    def requests(self) -> float:
        """Return the requests per second at the busiest hour: as stated, or as so many users ask."""
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

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="its builds are kept under it")
    use_case: str = Field(
        min_length=1,
        description="what the model is for, in words: cards and reports say it, without personal data; names stay",
    )
    budget: BudgetConfig = Field(BudgetConfig(), description="what the whole build may use")
    plan: PlanConfig = Field(PlanConfig(), description="how values written as `auto` are found")
    needs: NeedsConfig | None = Field(None, description="a recipe that is built as it stands needs no verdict")
    data: dict[str, StepConfig] = Field(min_length=1, description="steps by name, each after those that it reads")
    tokenizer: StepConfig | None = Field(None, description="needed by a model that is trained from scratch")
    models: dict[str, StepConfig] = Field(default_factory=dict, description="a recipe may stop at clean data")
    evaluate: EvaluateConfig | None = Field(None, description="a recipe may stop at a model")
    serve: ServeConfig | None = Field(None, description="only a recipe that is served names the model to serve")

    def on_its_device(self) -> Self:
        """With the device of `budget` in every step that computes on one and names none."""

        def placed(config: StepConfig) -> StepConfig:
            update = {"device": self.budget.device}
            return config.model_copy(update=update) if getattr(config, "device", None) == "auto" else config

        sections = {part: {name: placed(each) for name, each in getattr(self, part).items()} for part in PLACED}
        tasks = [placed(task) for task in self.evaluate.tasks] if self.evaluate else []
        evaluate = self.evaluate and self.evaluate.model_copy(update={"tasks": tasks})
        return self.model_copy(update={**sections, "evaluate": evaluate})


def is_reference(annotation: Any, metadata: Sequence[Any] = ()) -> bool:
    """Whether a value of this type is the name of a step."""
    return any(isinstance(item, _NamesAStep) for item in (*metadata, *getattr(annotation, "__metadata__", ())))
