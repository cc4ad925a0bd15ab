"""Names that messages advise: each is one that a recipe, or the command line, takes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import typer.main

from lmworks.cli import app
from lmworks.reference.facts import kinds

SOURCE = Path(__file__).parents[2] / "src" / "lmworks"
OTHERS = {"add_generation_prompt", "meta", "scratch", "variants", "judges", "de"}
"""What chat templates and documents have, words that a field takes beside its own, and what the graph sets."""
GROUPS = ("objectives", "rewards", "recipe", "steps", "tokenizers")
"""What a training depends on; a name that only a source has means nothing in it."""


def texts_of(file: Path) -> Iterator[tuple[str, str]]:
    """Each text of a file that is no docstring, with its place."""
    tree = ast.parse(file.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield f"{file.relative_to(SOURCE)}:{node.lineno}", node.value


def test_what_is_said_of_a_training_names_only_its_fields_and_rewards() -> None:
    known = set(OTHERS)
    for kind in (kind for kind in kinds() if kind.group in GROUPS):
        known.add(kind.name)
        for field in kind.fields:
            known |= {*field.name.split("."), *re.findall(r"[a-z][\w-]+", f"{field.type} {field.default}")}
    for folder in ("train", "rewards"):
        for file in (SOURCE / folder).rglob("*.py"):
            for place, text in texts_of(file):
                assert not set(re.findall(r"`([a-z][a-z_-]+)`", text)) - known, place


def test_each_command_that_is_advised_is_there() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for file in SOURCE.rglob("*.py"):
        for place, text in texts_of(file):
            for first, second in re.findall(r"`lmworks ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", text):
                assert first in commands, place
                further = getattr(commands[first], "commands", {})
                assert not further or second in ("", *further), place
