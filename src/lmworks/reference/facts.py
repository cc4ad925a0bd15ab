"""Kinds that a recipe can name, with their fields: meaning, default and effect of each."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from lmworks import graph
from lmworks.data.forms.forms import FORMS
from lmworks.data.parsers import PARSERS
from lmworks.data.sources import SOURCES, AnySource
from lmworks.engines.open import ENGINES
from lmworks.errors import UsageError
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.text_metrics import TEXT_METRICS
from lmworks.recipe.kinds import Chosen, Named
from lmworks.recipe.schema import Effect, Recipe, StepConfig, effects, is_reference
from lmworks.registry import Kinds, Plugin, nearest
from lmworks.rewards import AnyRule
from lmworks.train.objectives import OBJECTIVES

ConfigClass = type[BaseModel]


SHOWN_EFFECTS = (Effect.KEY, Effect.SPEED, Effect.MEMORY, Effect.CHECK)
"""Effects that the reference shows, in this order. `Effect.KIND` does not concern recipes."""


@dataclass(frozen=True)
class Field:
    """A field of a config, in words."""

    name: str
    """Name in a recipe. A field inside another has a path: `licences.allow`."""
    type: str
    default: str
    """Default in a recipe's syntax, `required`, or `theirs` if the fields inside have defaults."""
    why: str
    effect: str
    """Effects of another value."""
    owner: ConfigClass
    """Class that declares the field, or the field around it."""


@dataclass(frozen=True)
class Kind:
    """A kind of a group."""

    group: str
    name: str
    about: str
    plugins: Sequence[Plugin] = ()
    config: ConfigClass | None = None

    @property
    def fields(self) -> list[Field]:
        """Fields of the kind, starting with those of its own class."""
        return list(fields_of(self.config)) if self.config else []


GROUPS: dict[str, str] = {
    "recipe": "Sections of a recipe",
    "sources": "Sources of documents",
    "parsers": "Parsers of files (`format` of a source)",
    "forms": "Forms of tuning data (`form` of `conversations` and `preferences`)",
    "steps": "Data steps",
    "tokenizers": "Tokenizers",
    "objectives": "Objectives of training",
    "rewards": "Rewards of answers",
    "tasks": "Tasks that measure models",
    "metrics": "Metrics of written texts",
    "engines": "Engines that run models",
}


def kinds() -> Iterator[Kind]:
    """Yield every available kind, group by group."""
    for name, info in Recipe.model_fields.items():
        for config in _configs(info.annotation):
            yield Kind("recipe", name, about(config), (), config)
    yield Kind("recipe", "recipe", about(Recipe), (), Recipe)
    yield from _chosen("sources", _mark(AnySource))
    yield from _named("parsers", PARSERS, lambda form: form.about)
    yield from _named("forms", FORMS, lambda form: form.about)
    yield from _chosen("steps", graph.CLASSES.data)
    yield from _chosen("tokenizers", graph.CLASSES.tokenizers)
    yield from _chosen("objectives", graph.CLASSES.objectives)
    yield from _chosen("rewards", _mark(AnyRule))
    yield from _chosen("tasks", graph.CLASSES.tasks)
    yield from _named("metrics", TEXT_METRICS, lambda metric: ", ".join(each.label for each in metric.figures))
    yield from _named("engines", ENGINES, about)


def faults() -> list[str]:
    """Return the faults of installed packages."""
    return [fault for group in _groups() for fault in group.faults()]


def _groups() -> tuple[Kinds[Any], ...]:
    tables = (SOURCES, PARSERS, FORMS, graph.STEPS, OBJECTIVES, TASKS, TEXT_METRICS, ENGINES)
    return (*tables, _mark(AnyRule).kinds)


def find(name: str) -> tuple[list[Kind], str]:
    """Return the kinds of a name, `KIND` or `KIND.field`, and the field.

    Raises UsageError naming the nearest, PluginError for a kind of a package that cannot give it.
    """
    word, _, field = name.partition(".")
    every = list(kinds())
    found = [kind for kind in every if word in (kind.name, kind.group)]
    if not found:
        for group in _groups():
            group.get(word)
        if around := next((kind.name for kind in every if any(_is_at(each, word) for each in kind.fields)), ""):
            raise UsageError(f"{word!r} is a field, not a kind\nTry: lmworks explain {around}.{word}")
        raise UsageError(f"no kind {word!r}{nearest(word, [kind.name for kind in every])}")
    if field:
        having = [kind for kind in found if any(_is_at(each, field) for each in kind.fields)]
        names = [each.name for kind in found for each in kind.fields]
        if not having:
            raise UsageError(f"{word} has no field {field!r}{nearest(field, names)}")
        found = having
    return found, field


def _is_at(field: Field, name: str) -> bool:
    return field.name == name or field.name.startswith(f"{name}.")


def fields_at(kind: Kind, name: str) -> list[Field]:
    """Return the fields of a kind, or one field of this name with the fields inside it."""
    return [field for field in kind.fields if not name or _is_at(field, name)]


def fields_of(config: ConfigClass, prefix: str = "") -> Iterator[Field]:
    """Yield the fields that a recipe can write, with those of inner configs, starting with the class's own."""
    order = [each for each in config.__mro__ if each in own_classes(config)]
    for owner in order:
        for name, info in config.model_fields.items():
            if owner_of(config, name) is owner and not info.exclude:
                yield from _field(owner, prefix, name, info, config)


def own_classes(config: ConfigClass) -> list[ConfigClass]:
    """Return the classes that give a config its fields, its own first."""
    return [each for each in config.__mro__ if issubclass(each, BaseModel) and each not in (BaseModel, StepConfig)]


def owner_of(config: ConfigClass, name: str) -> ConfigClass:
    """Return the nearest class that declares a field."""
    return next(each for each in own_classes(config) if name in inspect.get_annotations(each))


def _field(owner: ConfigClass, prefix: str, name: str, info: FieldInfo, config: ConfigClass) -> Iterator[Field]:
    shown = f"{prefix}{info.alias or name}"
    words = type_in_words(info.annotation, info.metadata)
    why = info.description or ("Name of this kind." if name in ("kind", "objective") else "")
    yield Field(shown, words, _default(info), why, _effect(config, name), owner)
    for inner in _configs(info.annotation):
        yield from (replace(each, owner=owner) for each in fields_of(inner, f"{shown}."))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if isinstance(info.default, BaseModel):
        return "theirs"
    value = to_jsonable_python(info.get_default(call_default_factory=True), by_alias=True)
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _effect(config: ConfigClass, name: str) -> str:
    """Return the effects of another value of a field, in words."""
    changed = effects(config)[name]
    words = [each.name.lower() for each in SHOWN_EFFECTS if each in changed and each.name]
    return ", ".join(words) or "nothing"


def about(thing: Any) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((thing.__doc__ or "").split("\n\n")[0].split())


def _chosen(group: str, chosen: Chosen) -> Iterator[Kind]:
    for name, config in chosen.classes():
        yield Kind(group, name, about(config), chosen.kinds.plugins(name), config)


def _named(group: str, known: Kinds[Any], words: Callable[[Any], str]) -> Iterator[Kind]:
    for name, thing in known.loadable():
        yield Kind(group, name, words(thing), known.plugins(name))


def _mark(annotation: Any) -> Chosen:
    (mark,) = annotation.__metadata__
    assert isinstance(mark, Chosen)  # noqa: S101 - for the type checker
    return mark


# ---------------------------------------------------------------- types in words


PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "none"}
BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"), ("min_length", "at least"), ("max_length", "at most"))


def type_in_words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return the accepted values of a field in words: `integer ≥ 1`, `list of text`, `"a" or "b"`."""
    for mark in metadata:
        if isinstance(mark, Chosen):
            return f"a {mark.kinds.group.removesuffix('s')} with its `{mark.key}`"
        if isinstance(mark, Named):
            return " or ".join([*(json.dumps(word) for word in mark.also), f"a {mark.kinds.noun}"])
    if is_reference(annotation, metadata):
        return "a step"
    bounds = " and ".join(words for item in metadata for words in _bounds(item))
    return f"{_plain(annotation)}, {bounds}" if bounds else _plain(annotation)


def _plain(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        marks = [part for item in annotation.__metadata__ for part in getattr(item, "metadata", [item])]
        return type_in_words(inside[0], marks)
    if origin is Literal:
        return " or ".join(json.dumps(value) for value in inside)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_in_words(each) for each in inside))
    if origin in (list, tuple, set, frozenset):
        return f"list of: {' and '.join(dict.fromkeys(type_in_words(each) for each in inside if each is not ...))}"
    if origin is dict:
        return f"names, each with: {type_in_words(inside[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "fields"
    return PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())


def _bounds(item: Any) -> Iterator[str]:
    for name, sign in BOUNDS:
        value = getattr(item, name, None)
        if value is not None and isinstance(item, annotated_types.BaseMetadata):
            yield f"{sign} {value:g}"


def _configs(annotation: Any) -> Iterator[ConfigClass]:
    """Yield the config classes inside a field's value, except kinds that have an entry of their own."""
    if any(isinstance(mark, Chosen) for mark in getattr(annotation, "__metadata__", ())):
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation is not StepConfig:
        yield annotation
    for inner in get_args(annotation):
        yield from _configs(inner)
