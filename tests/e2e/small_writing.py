"""The recipes that write from facts and sum up, on made-up texts and a stand-in for the published decoder."""

from __future__ import annotations

import csv
import json
import random
import shutil
from itertools import product
from pathlib import Path

from e2e.small_recipe import lmworks
from tiny import make_tiny_model

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = ["The Mill", "Blue Spice", "Cocum", "Giraffe", "Green Man", "Strada"]
SMALLER = {
    **{"threads": 1, "compile": "false", "steps": 2, "sequence_length": 448, "global_batch_tokens": 896},
    **{"micro_batch_rows": 2, "validation_rows": 2, "data_type": "float32"},
}


def build_writing(folder: Path) -> Path:
    """Both recipes, each in a folder of its name, on a tiny decoder that learns nothing; returns `folder`."""
    content, summarize = folder / "content", folder / "summarize"
    _write_facts(content / "facts" / "places.csv")
    _write_summaries(summarize / "learn" / "lines.jsonl", 40, several=1)
    _write_summaries(summarize / "judge" / "lines.jsonl", 12, several=3)
    _build(content, "writer", {"split.test": 12})
    _build(summarize, "summariser", {})
    return folder


def _build(folder: Path, model: str, settings: dict[str, object]) -> None:
    make_tiny_model(folder / "smollm2-135m", context_length=512)
    recipe = RECIPES / f"{folder.name}.yaml"
    shutil.copy(recipe, folder)
    changed = {"plan.measure": "false", **settings, **{f"{model}.{name}": value for name, value in SMALLER.items()}}
    lmworks(folder, "build", recipe.name, *(f"--set={name}={value}" for name, value in changed.items()))


def _write_facts(file: Path) -> None:
    """Two texts about each of 36 places."""
    file.parent.mkdir(parents=True)
    with file.open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["mr", "ref"])
        for name, food, area in product(NAMES, ("Thai", "Indian", "French"), ("riverside", "city centre")):
            facts = f"name[{name}], food[{food}], area[{area}], familyFriendly[yes]"
            rows.writerow([facts, f"Bring your children to {name}, which cooks {food} food in the {area}."])
            rows.writerow([facts, f"{name} in the {area} cooks {food} meals for families."])


def _write_summaries(file: Path, count: int, several: int) -> None:
    """Texts whose last sentence is a summary; of several the others are not much like it."""
    draw = random.Random(count)
    file.parent.mkdir(parents=True)
    with file.open("w") as lines:
        for number in range(count):
            said = f"we show that {draw.choice(NAMES)} {number} of {count} holds."
            source = [f"{draw.choice(NAMES)} is old.", "Many have asked about it.", said.capitalize()]
            lines.write(json.dumps({"source": source, "target": [said, "it is old.", "many ask."][:several]}) + "\n")
