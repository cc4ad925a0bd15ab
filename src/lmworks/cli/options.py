"""Options and arguments that several commands share, and functions that print results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

RecipeArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="RECIPE", help="Recipe or its folder. Default: the recipe last built in this folder or above."
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override a field, such as --set pretrain.steps=60.")
]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="Folder of artifacts. By default .lmworks beside the recipe.")
]
LastStoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="Folder of artifacts. By default that of the last build in this folder or above."),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="Device: auto, cpu, cuda, cuda:1 … (replaces budget.device).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
ShowPersonalOption = Annotated[
    bool, typer.Option("--show-personal", help="Also show personal data that no step has anonymised.")
]
ARTIFACT_HELP = (
    "A step of the last build, or the beginning of an artifact's digest. For another build, put its recipe first."
)
StepArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RECIPE] [STEP]", help=f"{ARTIFACT_HELP} Default: the first served model."),
]


def with_device(settings: list[str] | None, device: str | None) -> list[str]:
    """Return the settings of a recipe, with the chosen device added."""
    return [*(settings or ()), *([f"budget.device={device}"] if device else [])]


def tell(words: str, value: Any, as_json: bool) -> None:
    """Print a result in words, or as JSON for programs."""
    print_json(value) if as_json else print(words)


def print_json(value: Any) -> None:
    """Print the values as JSON, and nothing else on standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False))
