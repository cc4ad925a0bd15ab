"""Commands on a recipe: write one, plan, build, check and look how far it is."""

from __future__ import annotations

import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmworks.cli.options import (
    DeviceOption,
    JsonOption,
    RecipeArgument,
    SetOption,
    StoreOption,
    print_json,
    tell,
    with_device,
)
from lmworks.errors import GateRefused, LmworksError, UsageError

if TYPE_CHECKING:
    from lmworks.plan.plan import Plan


def say_counted(plan: Plan) -> None:
    wait = "half a minute, or longer where other work takes the cores"
    print(f"{plan.as_text()}\nThis machine is being measured for {wait}; the plan may change.", file=sys.stderr)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new recipe, made when missing.")] = Path(),
    use_case: Annotated[str | None, typer.Option(help="What the model is for.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of documents; `docs/sources.md` lists forms.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX licence of the data, such as CC-BY-4.0.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes that a first build may take.")] = None,
    task: Annotated[str | None, typer.Option(help="What it does: write, chat, classify …")] = None,
    distance: Annotated[str | None, typer.Option(help="Of your texts from public ones: near, some, far.")] = None,
    privacy: Annotated[str | None, typer.Option(help="Of your texts: public, internal, confidential, secret.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Dollars for training and a year of use.")] = None,
    shipped: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Copy a recipe that `lmworks recipes` lists instead.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take defaults.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a commented recipe for your own data, or copy one that comes with lmworks.

    Example: lmworks init my-model --use-case "help desk answers" --data ./articles --licence CC-BY-4.0 --yes
    """
    from lmworks.plan.starter import Answers, advice, copy_recipe, write_recipe
    from lmworks.recipe.schema import parse_needs

    if shipped:
        path = copy_recipe(shipped, folder)
        tell(
            f"wrote {path}\nnext: read what it says at its head, then lmworks plan {path}",
            {"recipe": str(path)},
            as_json,
        )
        return

    def answer(given: Any, question: str, default: Any) -> Any:
        return given if given is not None else default if yes else typer.prompt(question, default=default)

    answers = Answers(
        use_case=answer(use_case, "What is the model for?", "writing in the style of our documents"),
        data=Path(answer(data, "Folder with your documents", "documents")),
        licence=answer(licence, "Licence of these documents (SPDX)", "LicenseRef-internal"),
        minutes=float(answer(minutes, "Minutes that a first build may take", 7)),
        needs=parse_needs(
            task=answer(task, "Task: chat, write, translate, summarise, classify, extract or search", "write"),
            distance=answer(distance, "How far are your texts from public ones: near, some or far", "some"),
            privacy=answer(privacy, "Your texts are public, internal, confidential or secret", "internal"),
            budget_usd=answer(budget_usd, "Dollars for training and a year of use", 10_000),
        ),
    )
    path, told = write_recipe(folder, answers), advice(answers)
    words = f"wrote {path}\n{told}\nnext: lmworks plan {path}, then lmworks build {path}"
    tell(words, {"recipe": str(path), "verdict": told}, as_json)


def recipes(as_json: JsonOption = False) -> None:
    """List the recipes that come with lmworks; `lmworks init FOLDER --from NAME` copies one.

    Example: lmworks recipes
    """
    from lmworks.plan.starter import purpose, shipped_recipes

    found = {name: purpose(path) for name, path in shipped_recipes().items()}
    tell("\n".join(f"{name}\n    {said}" for name, said in found.items()), found, as_json)


def plan(
    recipe: RecipeArgument = None,
    measure: Annotated[bool, typer.Option("--measure", help="Measure this machine for some seconds.")] = False,
    replan: Annotated[bool, typer.Option("--replan", help="Forget the stored plan.")] = False,
    prices: Annotated[Path | None, typer.Option(help="JSON that replaces devices, prices, grids, constants.")] = None,
    picture: Annotated[Path | None, typer.Option(help="SVG to draw owning against renting in.")] = None,
    device: DeviceOption = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether to train, what a build would take, and, where the recipe has `needs`, machines, money and months.

    Example: lmworks plan recipes/quickstart.yaml
    """
    from lmworks.plan.plan import forecast_of
    from lmworks.release.render.outcome import as_text, outcome
    from lmworks.workspace import missing_packages, open_workspace, unprotected

    announce = None if as_json else say_counted
    asked = with_device(settings, device)
    workspace = open_workspace(recipe, asked, store, measure=measure, replan=replan, announce=announce, plan_only=True)
    told = forecast_of(workspace.recipe, workspace.folder, prices)
    if not told and (prices or picture):
        raise UsageError("--prices and --picture: this recipe has no section `needs`; docs/plan.md shows one")
    if told and picture:
        from lmworks.pipeline.files import write_atomically
        from lmworks.release.render.charts import own_or_rent

        write_atomically(picture, own_or_rent(told.months))
    for said in filter(None, (*unprotected(workspace), missing_packages(workspace.build, workspace.folder))):
        print(said, file=sys.stderr)
    if as_json:
        print_json(workspace.plan.as_json() | ({"forecast": told.as_json()} if told else {}))
    else:
        if told:
            print(told.as_text(min(120, shutil.get_terminal_size().columns)), end="\n\n")
        print(workspace.plan.as_text())
        artifacts = (workspace.build.look(node)[0] for node in workspace.build.nodes)
        print(as_text(row for artifact in artifacts if artifact for row in outcome(artifact.manifest)), end="")


def build(
    recipe: RecipeArgument = None,
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    rebuild: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="Make this step again, from nothing.")
    ] = None,
    on: Annotated[
        str, typer.Option(metavar="PLACE", help="Where document steps run: local, ray or ray://HOST:PORT.")
    ] = "local",
    device: DeviceOption = None,
    settings: SetOption = None,
    store: StoreOption = None,
    replan: Annotated[bool, typer.Option("--replan", help="Forget the stored plan.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build what is missing or stale, and say why.

    Example: lmworks build recipes/quickstart.yaml --set pretrain.steps=60
    """
    from lmworks.pipeline.display import make_display
    from lmworks.pipeline.ray_workers import parse_place
    from lmworks.release.built import Built
    from lmworks.release.gates import failed_gates
    from lmworks.release.history.history import note
    from lmworks.release.inspect.verdicts import worth
    from lmworks.release.report.report import said_first, write_report
    from lmworks.workspace import open_workspace, run

    ray = parse_place(on)
    announce = None if as_json else say_counted
    asked = with_device(settings, device)
    workspace = open_workspace(recipe, asked, store, measure=True, replan=replan, until=until, announce=announce)
    if not as_json:
        print(workspace.plan.as_text(), file=sys.stderr)
    with closing(make_display()) as display:
        artifacts = run(workspace, display, until=until, rebuild=rebuild or (), ray=ray)
    built, _ = Built.open(workspace.store, workspace.recipe.name).parted()
    if not until:
        note(built)
    report_path = write_report(workspace.store, workspace.recipe.name)
    failed = [] if until else failed_gates(built)
    if as_json:
        print_json({name: {"stage": item.stage, "key": item.key} for name, item in artifacts.items()})
    else:
        for line in [*worth(built), *said_first(built)]:
            print(line)
        print(f"report: {report_path}")
        if failed:
            print(f"not to be released: {len(failed)} of its gates failed")
        elif workspace.recipe.serve and not until:
            print("next: lmworks serve")
    if failed:
        raise GateRefused("\n".join(failed))


def verify_resume(
    recipe: RecipeArgument = None,
    model: Annotated[str | None, typer.Argument(help="A model of the recipe; by default the first.")] = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether twelve steps of a model's training end with the same bits when killed and continued.

    Example: lmworks verify-resume recipes/quickstart.yaml pretrain
    """
    from dataclasses import asdict

    from lmworks import verify_resume as resuming
    from lmworks.pipeline.display import make_display
    from lmworks.workspace import open_workspace

    with closing(make_display()) as display:
        workspace = open_workspace(recipe, settings or (), store, measure=True, until=model)
        verdict = resuming.verify_resume(workspace, model, display)
    tell(verdict.as_text(), asdict(verdict), as_json)
    if verdict.different:
        raise LmworksError("a continued run is not the same run: report the line above with the recipe")


def status(
    recipe: RecipeArgument = None, settings: SetOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Say for each step whether it is built, is running or was stopped, and why not.

    Example: lmworks status
    """
    from lmworks.data.erasure.lists import lost_entries
    from lmworks.pipeline.erasure import unfinished
    from lmworks.train.configs.train import LIVE
    from lmworks.watch.follow import read_standing
    from lmworks.watch.terminal import as_text
    from lmworks.workspace import open_workspace

    workspace = open_workspace(recipe, settings or (), store, until="")  # of whatever a build was of
    rows = []
    for node in workspace.build.nodes:
        artifact, reason = workspace.build.look(node)
        state = "built" if artifact else "stale"
        if not artifact and (found := workspace.build.under_way(node)):
            state, live = found[0], found[1] / "scratch" / LIVE
            reason = as_text(read_standing(live)) if live.exists() else reason
        rows.append({"step": node.name, "built": artifact is not None, "state": state, "reason": reason})
    for said in filter(None, (unfinished(workspace.store), lost_entries(workspace.store, workspace.folder))):
        print(said, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print_json(rows)
        return
    width = max(len(str(row["step"])) for row in rows)
    for row in rows:
        print(f"{row['state']:7} {row['step']:{width}}  {row['reason']}".rstrip())


def launch(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file on a disk that all nodes see.")],
    model: Annotated[str, typer.Argument(help="The model step to train with many processes.")],
    nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    gpus_per_node: Annotated[int, typer.Option(help="Graphics processors of each, a process for each; 0: none.")] = 8,
    time: Annotated[str, typer.Option(help="Longest time, as Slurm writes it: D-HH:MM:SS.")] = "1-00:00:00",
) -> None:
    """Write a Slurm batch script that builds a recipe with a process for each device.

    Example: lmworks launch recipes/quickstart.yaml pretrain --nodes 2 > job.sh && sbatch job.sh
    """
    from lmworks.train.distributed.slurm import slurm_script
    from lmworks.workspace import recipe_name

    command = ["lmworks", "build", str(recipe), "--set", f"{model}.processes={nodes * max(1, gpus_per_node)}"]
    name = recipe_name(recipe)
    print(slurm_script(name, command, nodes=nodes, gpus_per_node=gpus_per_node, time=time), end="")
