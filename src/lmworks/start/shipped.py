"""The recipes that come with lmworks: which there are, what each is for, and copying one."""

from __future__ import annotations

import sys
from importlib import metadata
from itertools import takewhile
from pathlib import Path

from lmworks.errors import UsageError
from lmworks.pipeline.files import write_atomically
from lmworks.registry import nearest


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with lmworks, by name: of its wheel, or else of the checkout that it runs from."""
    files = [file for file in metadata.files("lmworks") or () if "share/lmworks/recipes/" in file.as_posix()]
    placed = [Path(str(file.locate())) for file in files if file.suffix == ".yaml"]
    found = placed or sorted(Path(__file__).parents[3].glob("recipes/**/*.yaml"))
    named = {path.parent.name if path.name == "recipe.yaml" else path.stem: path for path in found}
    return {name: named[name].resolve() for name in sorted(named)}


def copy_recipe(name: str, folder: Path) -> Path:
    """Copy a recipe that comes with lmworks, and what lies beside it, into a folder in which neither is yet.

    Raises `UsageError` when a file is there already or no recipe has the name.
    """
    if (source := (found := shipped_recipes()).get(name)) is None:
        raise UsageError(f"--from {name}: no such recipe{nearest(name, list(found))}; there are {', '.join(found)}")
    whole = source.name == "recipe.yaml"
    beside = [source.with_name(each) for each in ("README.md", "rows.py")] if whole else []
    copies = {folder / path.name: path for path in beside if path.exists()} | {folder / "recipe.yaml": source}
    if there := next((path for path in copies if path.exists()), None):
        raise UsageError(f"{there} is there already; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, original in copies.items():
        text = original.read_text(encoding="utf-8").replace(
            "path: ../.venv/lib\n", f"path: {Path(sys.prefix, 'lib')}\n"
        )
        text = text.replace(f"recipes/{name}/", f"{folder}/").replace(
            f"recipes/{name}.yaml", str(folder / "recipe.yaml")
        )
        write_atomically(path, text)
    return folder / "recipe.yaml"


def purpose(recipe: Path) -> str:
    """The comment at the head of a recipe, in one line."""
    head = takewhile(lambda line: line.startswith("#"), recipe.read_text(encoding="utf-8").splitlines())
    return " ".join(line.strip("# ") for line in head)
