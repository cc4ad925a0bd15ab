"""Fields that name a kind of the registry: as their value, or as the `kind` of the config in them.

    sources: list[Annotated[SourceConfig, Chosen(SOURCES)]]      # {kind: files, path: …}
    format: Annotated[str, Named(PARSERS)] | None                 # csv

A package is imported only when a recipe names one of its kinds. A broken package does not affect other recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from lmworks.recipe.schema import StepConfig
from lmworks.registry import Kinds, Plugin, PluginError, UnknownKind, plugins_behind

ConfigClass = type[StepConfig]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Marks a config whose class is chosen by its field `key` among the kinds of a group."""

    kinds: Kinds[Any]
    key: str = "kind"
    config_of: Callable[[Any], ConfigClass] = lambda kind: kind
    """Function that returns the config class of a kind. In a group of config classes, this is the kind itself."""
    refuse: Callable[[ConfigClass], str | None] = lambda config: None
    """Function that says why a class of the group is not allowed here, or returns None if it is allowed."""
    more: Mapping[str, ConfigClass] = field(default_factory=dict)
    """Classes that are allowed here in addition to those of the group, by name."""

    def names(self) -> list[str]:
        """Return the names allowed here: built-in kinds that fit, and all kinds that packages add."""
        built_in = self.kinds.built_in
        here = {name for name, kind in built_in.items() if self.refuse(self.config_of(kind)) is None}
        return [*(name for name in self.kinds if name in here or name not in built_in), *self.more]

    def classes(self) -> Iterator[tuple[str, ConfigClass]]:
        """Yield the name and class of every kind that is allowed here and can be loaded."""
        for name, kind in self.kinds.loadable():
            if self.refuse(config := self.config_of(kind)) is None:
                yield name, config
        yield from self.more.items()

    def config(self, name: Any) -> ConfigClass:
        """Return the class of a name. Raises an error that pydantic reports as a fault of the value."""
        if isinstance(name, str) and name in self.more:
            return self.more[name]
        if not isinstance(name, str) or name not in self.kinds:
            expected = ", ".join(repr(each) for each in self.names())
            context = {"discriminator": repr(self.key), "tag": str(name), "expected_tags": expected}
            raise PydanticKnownError("union_tag_invalid", context)
        try:
            config = self.config_of(self.kinds[name])
        except PluginError as error:
            raise PydanticCustomError("plugin", "{reason}", {"reason": str(error)}) from None
        if reason := self.refuse(config):
            raise PydanticCustomError("misplaced", "{reason}", {"reason": f"{name!r} {reason}"})
        return config

    def _validate(self, value: Any) -> StepConfig:
        if isinstance(value, StepConfig):
            self.config(getattr(value, self.key, None))
            return value
        if not isinstance(value, Mapping):
            raise PydanticKnownError("model_attributes_type")
        if value.get(self.key) is None:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": repr(self.key)})
        return self.config(value[self.key]).model_validate(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        options = []
        for name, config in self.classes():
            chosen = {"properties": {self.key: {"const": name}}, "required": [self.key]}
            options.append({"if": chosen, "then": handler(config.__pydantic_core_schema__)})
        named = {"enum": [name for name, _ in self.classes()]}
        return {"type": "object", "properties": {self.key: named}, "required": [self.key], "allOf": options}


@dataclass(frozen=True, eq=False)
class Named:
    """Marks a text that names a kind of a group."""

    kinds: Kinds[Any]
    also: tuple[str, ...] = ()
    """Words that are also allowed, although they do not name a kind."""

    def _validate(self, value: str) -> str:
        if value not in self.also:
            try:
                self.kinds.require(value)
            except (PluginError, UnknownKind) as error:
                raise PydanticCustomError("plugin", "{reason}", {"reason": str(error)}) from None
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": [*self.also, *self.kinds]}


def plugins_of(config: BaseModel) -> set[Plugin]:
    """Return the packages that provide a config's class, the kinds that it names, or the configs inside it."""
    found = plugins_behind([type(config)])
    for name, info in type(config).model_fields.items():
        found |= _inside(getattr(config, name), [*_markers(info.annotation), *info.metadata])
    return found


def _inside(value: Any, markers: list[Any]) -> set[Plugin]:
    if isinstance(value, BaseModel):
        return plugins_of(value)
    if isinstance(value, str):
        return {plugin for mark in markers if isinstance(mark, Named) for plugin in mark.kinds.plugins(value)}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return {plugin for part in parts for plugin in _inside(part, markers)}


def _markers(annotation: Any) -> list[Any]:
    """Return the metadata of an annotation and of the annotations inside it."""
    inside = [mark for choice in get_args(annotation) for mark in _markers(choice)]
    return [*getattr(annotation, "__metadata__", ()), *inside]
