"""What in a recipe does not fit together, told when it is read: models, and what is named for them or asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lmworks.engines.protocol import ANSWERS
from lmworks.engines.rented.address import RentedModelConfig
from lmworks.engines.rented.confirmed import refusal
from lmworks.errors import UsageError
from lmworks.evaluate.items import TaskConfig
from lmworks.evaluate.tasks import TASKS, asked_of, family_of
from lmworks.evaluate.tasks.perplexity import PerplexityConfig
from lmworks.evaluate.tasks.task import Task
from lmworks.model.baselines.baseline import BaselineConfig
from lmworks.model.config import in_words
from lmworks.model.pretrained import PretrainedModelConfig
from lmworks.recipe.references import Models, room_of
from lmworks.recipe.references import bases as bases
from lmworks.recipe.schema import Location, Recipe, StepConfig
from lmworks.train.configs.train import TrainConfig

Faults = Iterator[tuple[Location, str]]


def misfits(recipe: Recipe, folder: Path) -> Faults:
    """Each place in the recipe that does not fit, and what was found there, expected, and to be done."""
    models = known_models(recipe, folder)
    for section in ("data", "models", "evaluate"):
        for location, config in _configs(getattr(recipe, section), (section,)):
            yield from _unexpected(config, location, models)
            if isinstance(config, RentedModelConfig) and (why := config.forbidden_by(recipe.needs)):
                yield (
                    (*location, "address"),
                    f"found {config.address}, and {why}: nothing is sent there; ask a server of this machine, or state "
                    "`confidential: true` here if this address may see these texts",
                )
            if isinstance(config, RentedModelConfig) and (why := key_refusal(config)):
                yield (*location, "key_variable"), why
            yield from (((*location, *place), fault) for place, fault in config.misfits(models))
    if recipe.evaluate:
        for number, task in enumerate(recipe.evaluate.tasks):
            if isinstance(task, TaskConfig):
                yield from _unasked(task, ("evaluate", "tasks", number), models, recipe.evaluate.models)
    if recipe.serve:
        named = recipe.serve.model if isinstance(recipe.serve.model, list) else [recipe.serve.model]
        quoted = {name for name, config in recipe.data.items() if getattr(config, "makes", "") == "passages"}
        yield from _unserved("model", [name for name in named if name not in quoted or len(named) > 1], models)
        yield from _unserved(
            "otherwise", [name for name in [recipe.serve.otherwise] if name and name not in quoted], models
        )
        yield from _not_served_together(named, models)
        made = getattr(recipe.data.get((recipe.serve.examples or "").partition(".")[0]), "makes", "conversations")
        if made not in ("", "conversations"):
            yield ("serve", "examples"), f"found {recipe.serve.examples}, {made}; expected conversations: leave it out"


def key_refusal(config: RentedModelConfig) -> str:
    """Return why the key of a rented model may not be sent to its address; empty if it may, or if it has none."""
    return refusal(config.key_variable, config.address) or "" if config.key_variable else ""


def known_models(recipe: Recipe, folder: Path) -> Models:
    """The models of a recipe; published ones with their files, where these are there."""
    models = dict(recipe.models)
    for name, config in models.items():
        if isinstance(config, PretrainedModelConfig):
            try:
                models[name] = config.resolve(folder)
            except UsageError:  # what is missing is told where it is needed
                continue
    return models


def with_meaning(config: TaskConfig, models: Models, asked: Sequence[str]) -> list[str]:
    """Those of the models asked whose figures mean something: of decoders told over a reference, what began with it.

    Reward models need none.
    """
    reference = reference_of(config)
    return [
        name
        for name in asked
        if not reference or family_of(models.get(name)) not in (None, "decoder") or reference in bases(name, models)
    ]


def reference_of(config: TaskConfig) -> str | None:
    """The model over which a task's figures are told."""
    field = _task(config).relative_to
    return getattr(config, field) if field else None


def _task(config: TaskConfig) -> Task:
    return TASKS[config.kind]  # type: ignore[attr-defined]


def room_set_by(name: str, models: Models) -> str | None:
    """The model whose `sequence_length` sets that; None where the files of a published one do."""
    first = [name, *bases(name, models)][-1]
    return first if isinstance(models[first], TrainConfig) else None


def _configs(value: object, location: Location) -> Iterator[tuple[Location, StepConfig]]:
    """Every config in a section, with where it stands in the file."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _configs(inner, (*location, name))
    elif isinstance(value, StepConfig):
        yield location, value
        for field, info in type(value).model_fields.items():
            if isinstance(inner := getattr(value, field), dict | list):
                yield from _configs(inner, (*location, info.alias or field))


def _unexpected(config: StepConfig, location: Location, models: Models) -> Faults:
    """Models that a config names for what they cannot do."""
    for field, families in config.expects.items():
        name = getattr(config, field)
        family = family_of(models.get(name))
        if name and field == "base" and isinstance(models.get(name), BaselineConfig):
            yield (
                (*location, "from"),
                f"found {name}, whose counts no training goes on from; expected a model of weights",
            )
        elif name and (name not in models or family not in (None, *families)):
            found = f"{name}, {in_words(family)}" if family else f"{name}, which is no model"
            place = type(config).model_fields[field].alias or field
            yield (*location, place), f"found {found}; expected {' or '.join(map(in_words, families))}"


def _unasked(config: TaskConfig, location: Location, models: Models, named: Sequence[str]) -> Faults:
    """A task that is asked of no model, or of none in a way that means something."""
    kind, asked = config.kind, asked_of(config, models, named)  # type: ignore[attr-defined]
    rented = [name for name in asked if isinstance(models.get(name), RentedModelConfig)]
    if rented and getattr(config, "is_text", False):
        yield (
            (*location, "prompt"),
            f"found {config.prompt}; {', '.join(rented)} answers chats at an address, and goes on from no text: state "  # type: ignore[attr-defined]
            "chat or few-shot",
        )
    if not asked:
        found = ", ".join(f"{name} ({family_of(models.get(name))})" for name in named)
        wanted = " or ".join(map(in_words, _task(config).of))
        yield (
            ("evaluate", "models"),
            f"found {found}; the task {kind} is asked of {wanted}: name one, or leave the task out",
        )
    elif not with_meaning(config, models, asked):
        field = str(_task(config).relative_to)
        yield (
            (*location, field),
            f"found {reference_of(config)}; none of {', '.join(asked)} began with it, and of no others figures over it "
            f"mean anything: name one that did in evaluate.models, or leave `{field}` out",
        )
    context_length = getattr(config, "context_length", None) or 0
    for name in asked:
        first, room = models.get([name, *bases(name, models)][-1]), room_of(name, models)
        if isinstance(first, TrainConfig) and room and context_length > room:
            yield (
                (*location, "context_length"),
                f"context_length {context_length} is above the context of {name}, {room} tokens: lower it, or raise "
                "`sequence_length` of the model that is trained from scratch",
            )
    if isinstance(config, PerplexityConfig) and config.stride:
        rooms = [room_of(name, models) for name in asked]
        room = min(each for each in (*rooms, config.context_length, config.stride + 1) if each)
        if config.stride >= room:
            yield (
                (*location, "stride"),
                f"found {config.stride}; expected less than {room}, the tokens that are seen at the most",
            )


def _unserved(field: str, named: Sequence[str], models: Models) -> Faults:
    """Models that nothing answers for: asked of what they are, as the engines are (`engines/open.py`)."""
    for name in named:
        family = family_of(models.get(name))
        if name not in models:
            yield ("serve", field), f"found {name}, which is no model; expected one of {', '.join(models) or 'none'}"
        elif family and family not in ANSWERS:
            yield (
                ("serve", field),
                f"found {name}, {in_words(family)}, which answers nobody; expected "
                f"{' or '.join(map(in_words, ANSWERS))}",
            )


def _not_served_together(named: Sequence[str], models: Models) -> Faults:
    """Several models that are to be served together and do not stand on one base."""
    on = {}
    for name in named:
        config = models.get(name)
        beside = isinstance(config, TrainConfig) and config.adapter and not config.adapter.quantise
        on[name] = getattr(config, "base", None) if beside else name
    if len(set(on.values())) > 1:
        found = ", ".join(f"{name} on {base}" if base != name else f"{name} itself" for name, base in on.items())
        yield (
            ("serve", "model"),
            f"found {found}; several models are served together if each is the same base, or an adapter of kind lora "
            "on it, without `quantise`",
        )
