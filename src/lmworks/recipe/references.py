"""References between steps: the steps that a config names, the bases of a model, and the order of building."""

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
    """Yield the base of a model, then the base of this base, and so on."""
    while base := getattr(models.get(name), "base", None):
        yield base
        name = base


def first_of(name: str, models: Models) -> str:
    """Return the last of a model's bases, which has no base itself. A model without a base is returned."""
    return [name, *bases(name, models)][-1]


def room_of(name: str, models: Models) -> int | None:
    """Return how many tokens a model of the recipe reads at most, as its first base states. None if unknown."""
    try:
        return getattr(models.get(first_of(name, models)), "context_length", None)
    except LmworksError:  # or where a package is missing that reads it
        return None


def family_of(config: StepConfig | None) -> str | None:
    """Return the family of a model. None if the family is unknown."""
    try:
        return getattr(config, "family", None)
    except LmworksError:  # of a damaged file, which is told where it is read
        return None


def of_families(families: Sequence[str], named: Sequence[str], models: Models) -> list[str]:
    """Return the models of `named` whose family is in `families` or unknown."""
    return [name for name in named if family_of(models.get(name)) in (None, *families)]


def with_files(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with its tokenizer and models resolved. A config stays as it is if its files are missing."""

    def known(config: StepConfig) -> StepConfig:
        try:
            return config.resolve(folder)
        except UsageError:  # what is missing is told where it is needed
            return config

    models = {name: known(config) for name, config in recipe.models.items()}
    return recipe.model_copy(update={"models": models, "tokenizer": recipe.tokenizer and known(recipe.tokenizer)})


def data_of_models(recipe: Recipe) -> dict[str, StepConfig]:
    """Return the data steps that read a model, or the output of another such step."""
    found: dict[str, StepConfig] = {}
    for name, config in recipe.data.items():
        if _steps_named(config) & (recipe.models.keys() | found.keys()):
            found[name] = config
    return found


def steps_in_order(recipe: Recipe) -> Iterator[tuple[Location, str, StepConfig]]:
    """Yield data steps, tokenizer and models, each with its place in the file and its name, in the order of building.

    This is the order of the file, except for data steps that read a model. Such a step follows the last of its inputs.
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

    A field that holds configs, in a mapping or a list, is also yielded if these configs name steps. It names all of
    their steps, in order.
    """
    for key, info in type(config).model_fields.items():
        value = getattr(config, key)
        if _names_a_step(info.annotation, info.metadata):
            yield key, value
        elif isinstance(value, dict | list) and (found := [name for _, name in named_steps(value, ())]):
            yield key, found


def named_steps(value: object, location: Location) -> Iterator[tuple[Location, str]]:
    """Yield every reference in a config, or in a mapping or list of configs, with its place in the file."""
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
