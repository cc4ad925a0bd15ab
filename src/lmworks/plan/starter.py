"""The recipe that `lmworks init` writes: commented, and about the user's own documents."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template

from lmworks.data.sources.files import Files
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.recipe.schema import NeedsConfig

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
