"""Checks that the steps of a recipe fit together. Each config checks itself and declares which models it expects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lmworks.engines.protocol import ANSWERS
from lmworks.evaluate.items import TaskConfig
from lmworks.evaluate.tasks import TASKS, asked_of
from lmworks.model.config import in_words
from lmworks.recipe.references import Models, bases, family_of, first_of, room_of, with_files
from lmworks.recipe.schema import Location, Recipe, StepConfig
from lmworks.train.configs.train import TrainConfig

Faults = Iterator[tuple[Location, str]]


def misfits(recipe: Recipe, folder: Path) -> Faults:
    """Yield each place in the recipe that does not fit, with the value found and what to type."""
    recipe = with_files(recipe, folder)
    for location, config in _configs(recipe, ()):
        yield from (((*location, *place), fault) for place, fault in _unexpected(config, recipe.models))
        yield from (((*location, *place), fault) for place, fault in config.misfits(recipe))
        if isinstance(config, TaskConfig) and recipe.evaluate:
            yield from _unasked(config, location, recipe.models, recipe.evaluate.models)
    yield from _unserved(recipe)


def with_meaning(config: TaskConfig, models: Models, candidates: Sequence[str]) -> list[str]:
    """Return the candidates for which a task's figures are meaningful.

    If a task measures decoders relative to a reference model, they must have been trained from that model.
    """
    reference = reference_of(config)
    return [
        name
        for name in candidates
        if not reference or family_of(models.get(name)) not in (None, "decoder") or reference in bases(name, models)
    ]


def reference_of(config: TaskConfig) -> str | None:
    """Return the model relative to which a task's figures are computed, if there is one."""
    field = TASKS[config.kind].relative_to  # type: ignore[attr-defined]
    return getattr(config, field) if field else None


def _configs(value: object, location: Location) -> Iterator[tuple[Location, StepConfig]]:
    """Yield every config of a recipe, with its place in the file."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _configs(inner, (*location, name))
    elif isinstance(value, StepConfig):
        yield location, value
        for field, info in type(value).model_fields.items():
            yield from _configs(getattr(value, field), (*location, info.alias or field))


def _unexpected(config: StepConfig, models: Models) -> Faults:
    """Yield fields that name a model of a family which the config does not expect."""
    for field, families in config.expects.items():
        name, place = getattr(config, field), (type(config).model_fields[field].alias or field,)
        family = family_of(models.get(name))
        if name and field == "base" and not getattr(models.get(name), "has_weights", True):
            yield place, f"found {name}, a model of counts that cannot be trained on; expected a model of weights"
        elif name and (name not in models or family not in (None, *families)):
            found = f"{name}, {in_words(family)}" if family else f"{name}, which is not a model"
            yield place, f"found {found}; expected {' or '.join(map(in_words, families))}"


def _unasked(config: TaskConfig, location: Location, models: Models, named: Sequence[str]) -> Faults:
    """Yield reasons why a task cannot evaluate any model, or why its figures are not meaningful."""
    kind, candidates = config.kind, asked_of(config, models, named)  # type: ignore[attr-defined]
    rented = [name for name in candidates if family_of(models.get(name)) == "rented model"]
    if rented and getattr(config, "is_text", False):
        yield (
            (*location, "prompt"),
            f"found {config.prompt}; {', '.join(rented)} is a rented model and cannot continue texts. Type "  # type: ignore[attr-defined]
            "chat or few-shot",
        )
    if not candidates:
        found = ", ".join(f"{name} ({family_of(models.get(name))})" for name in named)
        wanted = " or ".join(map(in_words, TASKS[kind].of))
        yield (
            ("evaluate", "models"),
            f"found {found}; the task {kind} needs {wanted}. Name such a model, or leave the task out",
        )
    elif not with_meaning(config, models, candidates):
        field = str(TASKS[kind].relative_to)
        yield (
            (*location, field),
            f"found {reference_of(config)}; none of {', '.join(candidates)} was trained from it, so figures relative "
            f"to it mean nothing. Name a model trained from it in evaluate.models, or leave `{field}` out",
        )
    context_length = getattr(config, "context_length", None) or 0
    for name in candidates:
        room = room_of(name, models)
        if room and context_length > room and isinstance(models.get(first_of(name, models)), TrainConfig):
            yield (
                (*location, "context_length"),
                f"context_length {context_length} is above the context of {name}, {room} tokens. Lower it, or raise "
                "`sequence_length` of the model that is trained from scratch",
            )


def _unserved(recipe: Recipe) -> Faults:
    """Yield models named in `serve` that cannot be served, because no engine in `engines/open.py` runs them."""
    if not recipe.serve:
        return
    served, models, makes = recipe.serve, recipe.models, {name: step.makes for name, step in recipe.data.items()}
    named = [served.model] if isinstance(served.model, str) else served.model
    for field, names in (("model", named), ("otherwise", [served.otherwise] if served.otherwise else [])):
        for name in names:
            family = family_of(models.get(name))
            if name not in models and (makes.get(name) != "passages" or len(names) > 1):
                known = ", ".join(models) or "none"
                yield ("serve", field), f"found {name}, which is not a model; expected one of {known}"
            elif family and family not in ANSWERS:
                wanted = " or ".join(map(in_words, ANSWERS))
                yield (
                    ("serve", field),
                    f"found {name}, {in_words(family)}, which cannot be served; expected {wanted}",
                )
    on = {name: getattr(models.get(name), "served_on", None) or name for name in named}
    if len(set(on.values())) > 1:
        found = ", ".join(f"{name} on {base}" if base != name else f"{name} itself" for name, base in on.items())
        yield (
            ("serve", "model"),
            f"found {found}; several models can be served together only if each is the same base, or an adapter of "
            "kind lora on it, without `quantise`",
        )
    if (made := makes.get((served.examples or "").partition(".")[0], "")) not in ("", "conversations"):
        yield ("serve", "examples"), f"found {served.examples}, {made}; expected conversations. You can leave it out"
    if served.passages and makes.get(served.passages) != "passages":
        known = ", ".join(name for name, made in makes.items() if made == "passages") or "none"
        yield (
            ("serve", "passages"),
            f"found {served.passages!r}; expected a data step of kind `passages`; this recipe has: {known}",
        )
