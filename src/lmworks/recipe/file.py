"""Reader of recipe files. Its errors say what is wrong in a file, and where.

`yaml.py` keeps the line of every value, so that an error names file, line and field. `graph/kinds.py` hands in the
steps' config classes as `StepClasses`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, create_model

from lmworks.recipe.faults import expected
from lmworks.recipe.kinds import Chosen
from lmworks.recipe.references import named_steps, steps_in_order
from lmworks.recipe.schema import EvaluateConfig, Location, Recipe, RecipeError, StepConfig
from lmworks.recipe.variants import expand_variants, place_of_variant
from lmworks.recipe.yaml import Tree, read_yaml
from lmworks.registry import nearest


@dataclass(frozen=True)
class StepClasses:
    """Classes of steps that each section of the file may hold."""

    data: Chosen
    tokenizers: Chosen
    objectives: Chosen
    tasks: Chosen
    complete: Callable[[dict[str, Any]], None] = lambda recipe: None
    """Adds steps that a recipe names and need not write out."""
    misfits: Callable[[Recipe, Path], Iterable[tuple[Location, str]]] = lambda recipe, folder: ()
    """Function that yields names of steps that do not fit, with their place. Paths start at the recipe's folder."""


def load_recipe(
    path: Path, classes: StepClasses, settings: Sequence[str] = (), until: str | None = None, *, gated: bool = True
) -> Recipe:
    """Read, override and check a recipe.

    Check whether all steps fit together, or only `until` and the steps that it is made from. `settings` are `a.b=value`
    texts from the command line, and `pretrain.steps=60` is short for `models.pretrain.steps=60`. No setting may change
    a gate. If `gated` is false, leave all gates out of the recipe.
    Raises `RecipeError` naming file, line and field of every fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(
            f"{path}: this file cannot be read ({error.strerror}); name a recipe, or make one with `lmworks init`"
        ) from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: byte {error.start} is not UTF-8; save the recipe as UTF-8") from error
    tree = read_yaml(text, str(path))
    if not isinstance(tree.value, dict):
        raise RecipeError(f"{path}:1: found {_kind(tree.value)}, expected fields such as `name:` and `data:`")
    if not gated and isinstance(tree.value.get("evaluate"), dict):
        tree.value["evaluate"].pop("gates", None)
    written = deepcopy(_gates(tree))
    for setting in settings:
        _override(tree, setting)
        if _gates(tree) != written:
            raise RecipeError(
                f"--set {setting}: this changes a gate, but gates must be in the recipe, where everybody sees them\n"
                f"Change `gates` in {path}"
            )
    expand_variants(tree, str(path))
    classes.complete(tree.value)
    schema = recipe_class(classes)
    try:
        recipe = schema.model_validate(tree.value)
    except ValidationError as error:
        raise RecipeError("\n".join(_faults(error, tree, str(path), schema))) from None
    misfits = (fault for fault in classes.misfits(recipe, path.parent) if _is_wanted(fault[0], recipe, until))
    for faults in (_reference_faults(recipe), misfits):
        if told := [f"{_place(tree, str(path), where)}: {'.'.join(map(str, where))}: {what}" for where, what in faults]:
            raise RecipeError("\n".join(told))
    return recipe.on_its_device()


def recipe_class(classes: StepClasses) -> type[Recipe]:
    """Return the recipe's schema with the known steps' classes in it."""

    def one_of(chosen: Chosen) -> Any:
        return Annotated[StepConfig, chosen]

    def define(base: type[StepConfig], fields: Mapping[str, tuple[Any, Any]]) -> Any:
        return create_model(base.__name__, __base__=base, **dict(fields))  # type: ignore[call-overload]

    evaluate = define(EvaluateConfig, {"tasks": (list[one_of(classes.tasks)], Field(min_length=1))})  # type: ignore[misc]
    fields: dict[str, tuple[Any, Any]] = {
        "data": (dict[str, one_of(classes.data)], Field(min_length=1)),  # type: ignore[misc]
        "tokenizer": (one_of(classes.tokenizers) | None, None),
        "models": (dict[str, one_of(classes.objectives)], Field(default_factory=dict)),  # type: ignore[misc]
        "evaluate": (evaluate | None, None),
    }
    recipe: type[Recipe] = define(Recipe, fields)
    return recipe


# ---------------------------------------------------------------- settings


def _gates(tree: Tree) -> Any:
    evaluate = tree.value.get("evaluate")
    return (evaluate.get("gates") or []) if isinstance(evaluate, dict) else []


def _override(tree: Tree, setting: str) -> None:
    path, equals, text = setting.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(f"--set {setting}: expected a.b=value, for example --set pretrain.steps=60")
    model = keys[1:2] if keys[0] == "models" else keys[:1]
    if model and (written := place_of_variant(tree.value, model[0])):
        keys = ["models", *written, *keys[keys.index(model[0]) + 1 :]]
    if keys[0] not in Recipe.model_fields:
        for section in ("models", "data"):
            if keys[0] in (tree.value.get(section) or {}):
                keys.insert(0, section)
                break
        else:
            names = [*Recipe.model_fields, *(tree.value.get("models") or {}), *(tree.value.get("data") or {})]
            raise RecipeError(f"--set {setting}: the recipe has no field or step {keys[0]!r}{nearest(keys[0], names)}")
    place: Any = tree.value
    for index, key in enumerate(keys[:-1]):
        step: Any = int(key) if isinstance(place, list) and key.isdigit() else key
        if isinstance(place, dict):
            place = place.setdefault(step, {})
        elif isinstance(place, list) and isinstance(step, int) and step < len(place):
            place = place[step]
        else:
            raise RecipeError(f"--set {setting}: the recipe has no field {'.'.join(keys[: index + 1])}")
    if not isinstance(place, dict):
        raise RecipeError(f"--set {setting}: {'.'.join(keys[:-1])} is {_kind(place)}, which has no fields")
    place[keys[-1]] = read_yaml(text, f"--set {setting}").value


# ---------------------------------------------------------------- faults in words


def _faults(error: ValidationError, tree: Tree, name: str, schema: type[Recipe]) -> Iterator[str]:
    values: dict[tuple[Location, str], list[str]] = {}
    """Expected values, by the place and the value found there. A place with several types expects several."""
    for fault in error.errors():
        location = _in_tree(fault["loc"], tree.value)
        where = ".".join(str(part) for part in location) or "recipe"
        found = fault["input"]
        match fault["type"]:
            case "extra_forbidden":
                inside = _class_at(schema, fault["loc"], tree.value)
                names = [info.alias or key for key, info in inside.model_fields.items()] if inside else []
                what = f"unknown field {location[-1]!r}{nearest(str(location[-1]), names)}"
            case "missing":
                location = (
                    (*location, str(fault["loc"][-1])) if not location or location[-1] != fault["loc"][-1] else location
                )
                what = f"field {location[-1]!r} is missing"
            case "union_tag_invalid":
                key = str(fault["ctx"]["discriminator"]).strip("'")
                names = re.findall(r"'([^']+)'", str(fault["ctx"]["expected_tags"]))
                location = (*location, key)
                what = f"no {key} {fault['ctx']['tag']!r}{nearest(str(fault['ctx']['tag']), names)}"
            case "plugin" | "misplaced":
                what = fault["msg"]
            case "union_tag_not_found":
                what = f"field {fault['ctx']['discriminator']!s} is missing: it says which step this is"
            case "value_error" if isinstance(found, dict):  # of several fields of one step
                if location and location[-1] in (found.get("objective"), found.get("kind")):
                    location = location[:-1]
                    where = ".".join(map(str, location)) or "recipe"
                what = str(fault["ctx"]["error"])
            case _:
                there = _in_tree(fault["loc"], tree.value, whole=False), f"{_kind(found)} {_short(found)}"
                values.setdefault(there, []).append(expected(fault))
                continue
        yield f"{_place(tree, name, location)}: {where}: {what}"
    for (location, found), wanted in values.items():
        what = " or ".join(dict.fromkeys([wanted[0], *(each.removeprefix("expected ") for each in wanted[1:])]))
        yield f"{_place(tree, name, location)}: {'.'.join(map(str, location)) or 'recipe'}: {what}; found {found}"


def _place(tree: Tree, name: str, location: Location) -> str:
    line = tree.line(location)
    return f"{name}:{line}" if line else name


def _in_tree(location: Sequence[str | int], value: Any, *, whole: bool = True) -> Location:
    """Return a location without the class that pydantic adds. Keep the parts in the file, and its end if `whole`."""
    kept: list[str | int] = []
    for index, part in enumerate(location):
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if in_list or (isinstance(value, dict) and part in value):
            value = value[part]
        elif index < len(location) - 1 or not whole:
            continue
        kept.append(part)
    return tuple(kept)


def _class_at(annotation: Any, location: Sequence[str | int], value: Any) -> type[BaseModel] | None:
    """Return the config class at a fault's location. Follow fields, list items, map values and chosen kinds."""
    choices = list(_choices(annotation))
    for mark in (mark for item in choices for mark in getattr(item, "__metadata__", ())):
        if isinstance(mark, Chosen) and isinstance(value, dict):
            return _class_at(mark.config(value[mark.key]), location, value)
    models = [item for item in choices if isinstance(item, type) and issubclass(item, BaseModel)]
    if len(models) > 1 and location:
        chosen = [model for model in models if location[0] in _tags(model)]
        return _class_at(chosen[0], location[1:], value) if chosen else None
    if models:
        if not location:
            return models[0]
        for name, info in models[0].model_fields.items():
            if location[0] in (name, info.alias):
                inner = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
                below = value.get(location[0]) if isinstance(value, dict) else None
                return _class_at(inner, location[1:], below) if len(location) > 1 else models[0]
        return models[0] if len(location) == 1 else None
    for item in choices:
        if get_origin(item) in (dict, list) and location:
            inside: Any = value
            return _class_at(get_args(item)[-1], location[1:], inside[location[0]])
    return None


def _choices(annotation: Any) -> Iterator[Any]:
    """Yield an annotation, then the annotations inside `Annotated` and the members of unions."""
    yield annotation
    origin, inside = get_origin(annotation), get_args(annotation)
    for each in inside[:1] if origin is Annotated else inside if origin in (Union, UnionType) else ():
        yield from _choices(each)


def _tags(model: type[BaseModel]) -> set[str]:
    return {str(info.default) for name, info in model.model_fields.items() if name in ("kind", "objective")}


def _kind(value: object) -> str:
    names = {
        dict: "fields",
        list: "a list",
        str: "the word",
        bool: "the truth value",
        int: "the number",
        float: "the number",
    }
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


def _short(value: object) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


# ---------------------------------------------------------------- references between steps


BASES = (
    "A base is `scratch`, a model written earlier in the file, or a published model. Write a published one as its own: "
    "`base: {objective: pretrained, path: FOLDER, licence: Apache-2.0}` and `from: base`, where `path` is a folder of "
    "Hugging Face's format (`lmworks models get ORG/NAME` gets one), a .gguf file or a name that `lmworks models` lists"
)


def _reference_faults(recipe: Recipe) -> Iterator[tuple[Location, str]]:
    parts: dict[str, tuple[str, ...]] = {}
    for location, name, config in _steps(recipe):
        if name in parts:
            yield location, f"another step is called {name!r}; rename one"
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*|", name):
            yield location, "a step's name is letters, digits, - and _"
        for shown, reference in named_steps(config, location):
            if fault := _reference_fault(reference, parts):
                is_base = shown[-1] == "from" and location[0] == "models" and "did you mean" not in fault
                yield shown, f"{fault}. {BASES}" if is_base else fault
        if name:
            parts[name] = config.output_parts()


def _is_wanted(location: Location, recipe: Recipe, until: str | None) -> bool:
    """Return whether a place in a recipe matters to a build that ends at the step `until`."""
    if until is None or until.startswith("evaluate"):
        return True
    configs = {name: config for _, name, config in _steps(recipe) if name}
    wanted, waiting = set[str](), [until.partition("/")[0]]
    while waiting:
        if (name := waiting.pop().partition(".")[0]) in configs and name not in wanted:
            wanted.add(name)
            waiting += [reference for _, reference in named_steps(configs[name], ())]
    return location[0] in ("data", "models") and location[1] in wanted


def _steps(recipe: Recipe) -> Iterator[tuple[Location, str, StepConfig]]:
    """Yield every config that may refer to steps, with its place in the file and its name, in the order of building."""
    yield from steps_in_order(recipe)
    if recipe.evaluate:
        yield ("evaluate",), "", recipe.evaluate
    if recipe.serve:
        yield ("serve",), "", recipe.serve


def _reference_fault(reference: str, parts: Mapping[str, tuple[str, ...]]) -> str | None:
    step, _, part = reference.partition(".")
    if step not in parts and "/" in reference:  # of a hub, or a folder, where a dot begins no part
        step = reference
    if step not in parts:
        return f"no earlier step {step!r}{nearest(step, list(parts))}"
    if part and part not in parts[step]:
        return f"step {step!r} has no part {part!r}{nearest(part, parts[step])}"
    if not part and parts[step]:
        return f"step {step!r} has parts; name one of {', '.join(f'{step}.{name}' for name in parts[step])}"
    return None
