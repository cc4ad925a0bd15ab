"""Which steps a config names, which models a model began with, and the order of building that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from lmworks.errors import LmworksError, UsageError
from lmworks.recipe.schema import Location, Recipe, StepConfig, is_reference

Models = Mapping[str, StepConfig]
"""Models of a recipe by name."""


def bases(name: str, models: Models) -> Iterator[str]:
    """Yield the models that a model began with, from the nearest on."""
    while base := getattr(models.get(name), "base", None):
        yield base
        name = base


def first_of(name: str, models: Models) -> str:
    """Return the model that the line of a model began with, which may be itself."""
    return [name, *bases(name, models)][-1]


def room_of(name: str, models: Models) -> int | None:
    """Return how many tokens a model of the recipe reads at most; it follows from the first model of its line."""
    try:
        return getattr(models.get(first_of(name, models)), "context_length", None)
    except LmworksError:  # or where a package is missing that reads it
        return None


def family_of(config: StepConfig | None) -> str | None:
    """Return the family of a model; None where nobody knows."""
    try:
        return getattr(config, "family", None)
    except LmworksError:  # of a damaged file, which is told where it is read
        return None


def of_families(families: Sequence[str], named: Sequence[str], models: Models) -> list[str]:
    """Return those of the models named that are of some families, or of one that nobody knows."""
    return [name for name in named if family_of(models.get(name)) in (None, *families)]


def with_files(recipe: Recipe, folder: Path) -> Recipe:
    """Return a recipe whose tokenizer and models know their files, where these are there."""

    def known(config: StepConfig) -> StepConfig:
        try:
            return config.resolve(folder)
        except UsageError:  # what is missing is told where it is needed
            return config

    models = {name: known(config) for name, config in recipe.models.items()}
    return recipe.model_copy(update={"models": models, "tokenizer": recipe.tokenizer and known(recipe.tokenizer)})


def data_of_models(recipe: Recipe) -> dict[str, StepConfig]:
    """Data steps that read a model, or what such a step has made."""
    found: dict[str, StepConfig] = {}
    for name, config in recipe.data.items():
        if _steps_named(config) & (recipe.models.keys() | found.keys()):
            found[name] = config
    return found


def steps_in_order(recipe: Recipe) -> Iterator[tuple[Location, str, StepConfig]]:
    """Data, tokenizer and models, each with its place in the file and its name, in the order of building.

    It is that of the file, but for data that models make: they come as soon as all that they read is there.
    """
    waiting, there = data_of_models(recipe), set[str]()
    for name, config in recipe.data.items():
        if name not in waiting:
            there.add(name)
            yield ("data", name), name, config
    if recipe.tokenizer:
        yield ("tokenizer",), "tokenizer", recipe.tokenizer
    for model, trained in recipe.models.items():
        there.add(model)
        yield ("models", model), model, trained
        for name, config in list(waiting.items()):
            if _steps_named(config) <= there:
                there.add(name)
                yield ("data", name), name, waiting.pop(name)
    yield from ((("data", name), name, config) for name, config in waiting.items())


def _steps_named(config: StepConfig) -> set[str]:
    return {reference.partition(".")[0] for _, reference in named_steps(config, ())}


def references(config: BaseModel) -> Iterator[tuple[str, str | list[str] | None]]:
    """Yield the fields of a config that name earlier steps, with what they name.

    A field that holds configs, by name or in a list, is one of them if those name steps: its references are theirs, in
    order.
    """
    for key, info in type(config).model_fields.items():
        value = getattr(config, key)
        if _names_a_step(info.annotation, info.metadata):
            yield key, value
        elif isinstance(value, dict | list) and (found := [name for _, name in named_steps(value, ())]):
            yield key, found


def named_steps(value: object, location: Location) -> Iterator[tuple[Location, str]]:
    """Yield every reference in a config, or in configs by name or in a list, with its place in the file."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from named_steps(inner, (*location, name))
    elif isinstance(value, StepConfig):
        for key, info in type(value).model_fields.items():
            inner, shown = getattr(value, key), (*location, info.alias or key)
            if not _names_a_step(info.annotation, info.metadata):
                yield from named_steps(inner, shown) if isinstance(inner, dict | list) else ()
            else:
                yield from ((shown, name) for name in ([inner] if isinstance(inner, str) else inner or []))


def _names_a_step(annotation: Any, metadata: Sequence[Any] = ()) -> bool:
    return is_reference(annotation, metadata) or any(_names_a_step(choice) for choice in get_args(annotation))
