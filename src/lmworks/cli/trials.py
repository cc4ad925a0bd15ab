"""Commands that train a recipe's model several times: search settings, predict losses, compare models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmworks.cli.options import JsonOption, LastStoreOption, SetOption, StoreOption, tell

if TYPE_CHECKING:
    from lmworks.search.runs import Outcome

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Model of the recipe. It needs validation data.")]
SIDE = "A step of the last build, RECIPE.yaml:STEP, STORE:STEP, a model's folder, or https://HOST/v1#MODEL."
FileArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file.")]


def search(
    recipe: FileArgument,
    model: ModelArgument,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=RANGE",
            help="LOW..HIGH, LOW..HIGH:log or A,B,C. Repeatable. Default: rate, batch, regularisation and rank.",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Total number of trials, including earlier commands.")] = 20,
    minutes: Annotated[float | None, typer.Option(min=0, help="Minutes after which no new trial begins.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the proposed settings.")] = 0,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search settings for the lowest validation loss. After a stop, the same command continues.

    Example: lmworks search recipes/quickstart.yaml pretrain --over learning_rate=0.01..0.05:log --set pretrain.steps=99
    Example: lmworks search recipes/quickstart.yaml finetune --set finetune.steps=99
    """
    from lmworks.search.study import search as find

    options: Any = {"trials": trials, "minutes": minutes, "seed": seed}
    _show_outcome(find(recipe, settings or (), store, model, over or (), **options), as_json)


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=SIDE)],
    second: Annotated[str, typer.Argument(metavar="B", help="The other model, named in the same way.")],
    key_variable: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable with the key for an address.")
    ] = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two models on the items that both answered.

    They may be from any build, store, folder or address. A model that was not measured answers the other's items now.

    Example: lmworks compare pretrain finetune
    """
    from contextlib import closing

    from lmworks.pipeline.display import make_display
    from lmworks.search.across import compare_models

    with closing(make_display()) as display:
        found = compare_models(first, second, store, display, key_variable=key_variable)
    lines = [line for each in found for line in (each["task"], *(f"  {verdict}" for verdict in each["verdicts"]))]
    tell("\n".join(lines), found, as_json)


def scale(
    recipe: FileArgument,
    model: ModelArgument,
    data: Annotated[bool, typer.Option("--data", help="Vary the amount of data instead of the model's size.")] = False,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes for all small models, as planned.")] = 10.0,
    seeds: Annotated[int | None, typer.Option(min=1, help="Number of trainings per small model. Default: 3.")] = None,
    gain: Annotated[float, typer.Option(help="Data is enough if doubling it gains less than this share.")] = 0.01,
    target: Annotated[float | None, typer.Option(help="Data is enough if this loss is reached.")] = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict a model's validation loss from five small models. With --data, predict how many examples are enough.

    Example: lmworks scale recipes/quickstart.yaml pretrain --set pretrain.steps=4000
    """
    from lmworks.search.runs import Runs
    from lmworks.search.scale import SEEDS, data_curve
    from lmworks.search.scale import scale as predict

    runs = Runs(recipe, settings or (), store, model)
    found = data_curve(runs, gain=gain, target=target) if data else predict(runs, minutes=minutes, seeds=seeds or SEEDS)
    _show_outcome(found, as_json)


def bakeoff(
    recipe: FileArgument,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="Decoder to compare in several shapes. Default: compare model families."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=3, help="Trainings per shape. More give narrower intervals.")] = 4,
    minutes: Annotated[float, typer.Option(min=0.001, help="Training minutes per family and learning rate.")] = 2.0,
    task: Annotated[str | None, typer.Option(help="Task on which families are compared. Default: the first.")] = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare model families at equal time, or shapes of a decoder.

    Example: lmworks bakeoff recipes/categories.yaml --minutes 2
    Example: lmworks bakeoff recipes/quickstart.yaml pretrain --set pretrain.steps=100
    """
    from lmworks.search.bakeoff import bakeoff as compare
    from lmworks.search.families import families
    from lmworks.search.runs import Runs

    if model is None:
        _show_outcome(families(recipe, settings or (), store, minutes=minutes, task=task), as_json)
        return
    _show_outcome(compare(Runs(recipe, settings or (), store, model), seeds=seeds), as_json)


def _show_outcome(found: Outcome, as_json: bool) -> None:
    tell(f"{found.words}\npicture: {found.picture}", found.figures, as_json)
