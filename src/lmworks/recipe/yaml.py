"""YAML 1.2 core as plain values, each with its line. `no` is a word, `3e-4` is a number, and a key occurs once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from lmworks.recipe.schema import Location, RecipeError


@dataclass
class Tree:
    """Plain values of a YAML file, with the line of each."""

    value: Any
    lines: dict[Location, int] = field(default_factory=dict)

    def line(self, location: Location) -> int | None:
        """Return the line of a value, or of the nearest value around it that has one."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location)


_SCALARS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?[0-9]{1,300}"), int),
    (re.compile(r"0o[0-7]{1,300}"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]{1,300}"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), lambda text: _refuse_long(text)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: float("nan")),
)
"""YAML 1.2.2, section 10.3.2, the core schema's tag resolution."""


def _refuse_long(text: str) -> None:
    raise ValueError


def read_yaml(text: str, name: str) -> Tree:
    """Read one YAML 1.2 document with core-schema scalars. Raises RecipeError, also for an anchor."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RecipeError(f"{name}:{line}: not YAML: {error.problem or error}") from None
    except YAMLError as error:
        raise RecipeError(f"{name}: not YAML: {error}") from None
    except RecursionError:
        raise RecipeError(f"{name}: lists and fields are nested too deeply") from None
    tree = Tree(None)
    tree.value = _plain(root, (), tree, name, set()) if root is not None else None
    return tree


def _plain(node: Any, location: Location, tree: Tree, name: str, seen: set[int]) -> Any:
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise RecipeError(f"{name}:{line}: anchors and aliases are not allowed; write the value in each place")
    seen.add(id(node))
    tree.lines.setdefault(location, line)
    if node.id == "scalar":
        if node.style in ("'", '"', "|", ">"):
            return node.value
        try:
            return next((make(node.value) for pattern, make in _SCALARS if pattern.fullmatch(node.value)), node.value)
        except ValueError:
            raise RecipeError(f"{name}:{line}: a number of {len(node.value):,} digits is too long") from None
    if node.id == "sequence":
        return [_plain(item, (*location, index), tree, name, seen) for index, item in enumerate(node.value)]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key_line = key_node.start_mark.line + 1
        if key_node.id != "scalar":
            raise RecipeError(f"{name}:{key_line}: a field's name must be a word")
        key = key_node.value
        if key in result:
            first = tree.lines[(*location, key)]
            raise RecipeError(f"{name}:{key_line}: {key!r} occurs twice (first in line {first}); remove one")
        tree.lines[(*location, key)] = key_line
        result[key] = _plain(value_node, (*location, key), tree, name, seen)
    return result
