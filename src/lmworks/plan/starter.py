"""The recipe that `lmworks init` writes: commented, and about the user's own documents."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from string import Template

from lmworks.data.sources.files import Files
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.recipe.schema import NeedsConfig
from lmworks.registry import nearest

TEMPLATE = Template(Path(__file__).with_name("starter.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Answers:
    """What `lmworks init` asks."""

    use_case: str
    data: Path
    licence: str
    minutes: float
    needs: NeedsConfig


def write_recipe(folder: Path, answers: Answers) -> Path:
    """Write `recipe.yaml` into a folder; an existing one is kept.

    Raises `UsageError` when the folder has a recipe already or the budget is not positive.
    """
    path = folder / "recipe.yaml"
    if path.exists():
        raise UsageError(f"{path} is there already; edit it, or name another folder")
    if answers.minutes <= 0:
        raise UsageError(f"a budget of {answers.minutes:g} minutes builds nothing; give one above 0")
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "model"
    needs = answers.needs.model_dump(include={"task", "distance", "privacy", "budget_usd"})
    text = TEMPLATE.substitute(
        file=path,
        name=name,
        use_case=canonical_json(answers.use_case),
        minutes=f"{answers.minutes:g}",
        **needs | {"budget_usd": f"{answers.needs.budget_usd:g}"},
        data=canonical_json(os.path.relpath(answers.data, folder)),
        licence=canonical_json(answers.licence),
    )
    write_atomically(path, text)
    return path


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


def advice(answers: Answers) -> str:
    """What the verdict says to these answers and the bytes in the folder, four a token; what to mend before a build."""
    documents = Files(kind="files", path=str(answers.data.resolve()))
    try:
        size = sum(map(documents.size, documents.paths()))
    except LmworksError as error:
        return f"before you build: {error}"
    verdict = Forecast(answers.needs, size / 4, load_facts()).verdict
    text = f"verdict on {size / 1e6:,.3g} MB of documents: {verdict.step}; {verdict.how}"
    if verdict.step != "train from scratch":
        text += (
            "\nThe recipe trains a small model from scratch all the same: a trial of the way, not a model to rely on."
        )
    return text
