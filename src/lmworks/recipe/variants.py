"""Variants of a model, to compare several approaches. Each variant is replaced by a model of its own.

`own: {…, variants: {full: {from: base}, scratch: {from: scratch}}}` means models `own-full` and `own-scratch`. A
variant's fields override those of `own`. The first trains for `steps`, the others for the same number of operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lmworks.recipe.schema import Location, RecipeError
from lmworks.recipe.yaml import Tree


def place_of_variant(recipe: Mapping[str, Any], model: str) -> list[str] | None:
    """Return the place of a variant below `models` in the file, or None for another model."""
    models = recipe.get("models")
    for group, fields in models.items() if isinstance(models, dict) else ():
        variants = fields.get("variants") if isinstance(fields, dict) else None
        for variant in variants if isinstance(variants, dict) else ():
            if model == f"{group}-{variant}":
                return [group, "variants", variant]
    return None


def expand_variants(tree: Tree, name: str) -> None:
    """Replace each model that has variants by these variants, also in `evaluate`. Values keep their lines in the file.

    Raises `RecipeError` naming file, line and field of an invalid variant.
    """
    models = tree.value.get("models")
    if not isinstance(models, dict):
        return
    written: dict[str, Any] = {}
    groups: dict[str, list[str]] = {}
    for group, fields in models.items():
        if not isinstance(fields, dict) or "variants" not in fields:
            written[group] = fields
            continue
        here: Location = ("models", group)
        variants = fields["variants"]
        if not isinstance(variants, dict) or len(variants) < 2 or not all(map(_is_fields, variants.values())):
            raise _fault(
                tree, name, (*here, "variants"), "expected two or more names, each with the fields that differ"
            )
        shared = {key: value for key, value in fields.items() if key != "variants"}
        groups[group] = [f"{group}-{variant}" for variant in variants]
        for model, (variant, stated) in zip(groups[group], variants.items(), strict=True):
            own = stated or {}
            there = (*here, "variants", variant)
            if model in models:
                line = tree.line(("models", model))
                raise _fault(tree, name, there, f"another model is called {model!r} (line {line}); rename one")
            first = groups[group][0]
            if model != first:
                if "steps" in own:
                    what = f"computed from the steps of {first}, for equal operations; state `steps` only there"
                    raise _fault(tree, name, (*there, "steps"), what)
                own = {"same_operations_as": first, "steps": "auto", **own}
            written[model] = _over(tree, shared, own, here, there, ("models", model))
    tree.value["models"] = written
    _expand_evaluated(tree, groups)


def _is_fields(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _fault(tree: Tree, name: str, location: Location, what: str) -> RecipeError:
    return RecipeError(f"{name}:{tree.line(location)}: {'.'.join(map(str, location))}: {what}")


def _over(tree: Tree, below: Any, above: Any, at_below: Location, at_above: Location, to: Location) -> Any:
    """Return `below` with the fields of `above` over it, and store the line of each value in the tree."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        _copy_lines(tree, at_above, to)
        return above
    tree.lines[to] = tree.line(at_above) or 0
    merged: dict[str, Any] = {}
    for key in below | above:
        places = (*at_below, key), (*at_above, key), (*to, key)
        if key not in above:
            merged[key] = below[key]
            _copy_lines(tree, places[0], places[2])
        elif key in below:
            merged[key] = _over(tree, below[key], above[key], *places)
        else:
            merged[key] = above[key]
            _copy_lines(tree, places[1], places[2])
    return merged


def _copy_lines(tree: Tree, place: Location, to: Location) -> None:
    found = {key: line for key, line in tree.lines.items() if key[: len(place)] == place}
    tree.lines |= {(*to, *key[len(place) :]): line for key, line in found.items()}


def _expand_evaluated(tree: Tree, groups: Mapping[str, list[str]]) -> None:
    """Replace each model that has variants by all of its variants in `evaluate.models`."""
    evaluate = tree.value.get("evaluate")
    named = evaluate.get("models") if isinstance(evaluate, dict) else None
    if not isinstance(named, list):
        return
    lines = [tree.line(("evaluate", "models", index)) for index in range(len(named))]
    both = [(each, line) for model, line in zip(named, lines, strict=True) for each in _names(model, groups)]
    evaluate["models"] = [each for each, _ in both]
    tree.lines |= {("evaluate", "models", index): line for index, (_, line) in enumerate(both) if line}


def _names(model: Any, groups: Mapping[str, list[str]]) -> list[Any]:
    return groups.get(model, [model]) if isinstance(model, str) else [model]
