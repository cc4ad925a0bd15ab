"""Commands for recipes: write a recipe, plan it, build it, and show the state of its build."""

from __future__ import annotations

import datetime
import shutil
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
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
from lmworks.errors import GateRefused, Stopped, UsageError
from lmworks.terminal import print_box, wrapped

if TYPE_CHECKING:
    from lmworks.plan.disk import Disk
    from lmworks.plan.forecast import Forecast
    from lmworks.plan.plan import Plan
    from lmworks.workspace import Workspace


def say_counted(plan: Plan) -> None:
    wait = "half a minute, or longer if other programs use the cores"
    print(f"{plan.as_text()}\nThis machine is being measured for {wait}; the plan may change.", file=sys.stderr)


def init(
    folder: Annotated[
        Path, typer.Argument(help="Folder for the recipe. Without `--data` it also holds your files.")
    ] = Path(),
    data: Annotated[Path | None, typer.Option(help="Folder of your files. By default FOLDER itself.")] = None,
    answers: Annotated[Path | None, typer.Option(help="YAML file with answers (docs/start.md).")] = None,
    use_case: Annotated[str | None, typer.Option(help="Purpose of the model, in a sentence.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX licence of the data, such as CC-BY-4.0.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes that the first build should take at most.")] = None,
    task: Annotated[str | None, typer.Option(help="Task of the model: search, classify, extract, chat ….")] = None,
    distance: Annotated[str | None, typer.Option(help="Difference from public texts: near, some, far.")] = None,
    privacy: Annotated[str | None, typer.Option(help="Privacy: public, internal, confidential, secret.")] = None,
    residency: Annotated[
        str | None, typer.Option(help="Places allowed to process the files: anywhere, region, on-premise.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column that holds the right label.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="US dollars for training and a year of use.")] = None,
    shipped: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Copy this recipe of `lmworks recipes` instead.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask no questions and use the defaults.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at your files, ask questions, and write a recipe.

    Example: lmworks init tickets --task classify --yes
    """
    from lmworks.start.shipped import copy_recipe

    if shipped:
        path = copy_recipe(shipped, folder)
        tell(
            f"wrote {path}\nnext: read the comment at its top, then type lmworks plan {path}",
            {"recipe": str(path)},
            as_json,
        )
        return
    from lmworks import graph
    from lmworks.recipe.file import load_recipe
    from lmworks.start import answers as answering
    from lmworks.start.look import look
    from lmworks.start.write import seen_in_words, start, told

    seen = look(data or folder)
    if not as_json:
        print(wrapped("\n".join(seen_in_words(seen))))
    if seen.holds_readings_alone and not (task or answers):
        raise GateRefused(answering.without_text(seen))
    options = {"use_case": use_case, "licence": licence, "minutes": minutes, "task": task, "distance": distance}
    options |= {"privacy": privacy, "residency": residency, "label": label, "budget_usd": budget_usd}
    given, kept = _answers_of(folder, data or folder, answers)
    given |= {name: value for name, value in options.items() if value is not None}

    def keep(so_far: Mapping[str, Any]) -> None:
        if kept and not answers and not yes:
            answering.write_answers(kept, so_far)

    ask = None if yes or answers else lambda words, default: str(typer.prompt(words, default=default))
    try:
        complete = answering.ask_all(seen, given, ask, keep, lambda said: print(said, file=sys.stderr))
    except typer.Abort:
        told_of = (
            f"your answers so far are in {kept}. The next `lmworks init` reads them"
            if kept and kept.exists()
            else "no answers are kept"
        )
        raise Stopped(f"stopped; {told_of}") from None
    started = start(folder, data or folder, seen, complete, lambda path: load_recipe(path, graph.CLASSES))
    if kept:
        kept.unlink(missing_ok=True)
    words = told(started, seen)
    tell(
        wrapped("\n".join(words)),
        {
            "recipe": str(started.path),
            "verdict": started.verdict.step,
            "template": started.draft.template,
            "said": words,
        },
        as_json,
    )


def _answers_of(folder: Path, data: Path, named: Path | None) -> tuple[dict[str, Any], Path | None]:
    """Return answers from the named file or this user's stopped run, and the file in which to keep new answers.

    An answers file inside the folder is only mentioned, not read, because somebody else may have written it.
    """
    from lmworks.start import answers as answering

    try:
        kept = answering.kept_place(folder)
        is_there = kept.exists()
    except (OSError, RuntimeError):  # this user has no home
        return (answering.read_answers(named) if named else {}), None
    if named:
        return answering.read_answers(named), kept
    for path in dict.fromkeys((folder / answering.NAME, data / answering.NAME)):
        if path.exists():
            said = f"not read: {path} ({answering.in_words(path)})\n  to read it, add --answers {path}"
            print(said, file=sys.stderr)
    if not is_there:
        return {}, kept
    print(f"answers of your stopped run, {kept} ({answering.in_words(kept)})", file=sys.stderr)
    return answering.read_answers(kept), kept


def recipes(as_json: JsonOption = False) -> None:
    """List the recipes that come with lmworks. To copy one, type `lmworks init --from NAME`.

    Example: lmworks recipes
    """
    from lmworks.start.shipped import purpose, shipped_recipes

    found = {name: purpose(path) for name, path in shipped_recipes().items()}
    tell("\n".join(f"{name}\n    {said}" for name, said in found.items()), found, as_json)


def plan(
    recipe: RecipeArgument = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the speed of this machine and its disk for some seconds.")
    ] = False,
    replan: Annotated[bool, typer.Option("--replan", help="Plan again, without the stored plan.")] = False,
    prices: Annotated[Path | None, typer.Option(help="JSON file with your devices, prices and constants.")] = None,
    picture: Annotated[Path | None, typer.Option(help="SVG file for a chart of the cost: own or rent.")] = None,
    page: Annotated[Path | None, typer.Option(help="HTML file for the whole verdict with plots.")] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Show all reasons, places, devices and months of the verdict.")
    ] = False,
    device: DeviceOption = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the time, memory and cost of a build before it starts.

    If the recipe has a section `needs`, it also shows whether to train, and machines, money and months.

    Example: lmworks plan recipes/quickstart.yaml
    """
    from lmworks.plan.disk import known_disk, measure_disk
    from lmworks.plan.plan import forecast_of
    from lmworks.plan.telling import in_full, in_short
    from lmworks.release.gates import spoke_against
    from lmworks.release.render.outcome import as_text, outcome
    from lmworks.workspace import keys_to_send, missing_packages, open_workspace, to_be_rented, unprotected

    announce = None if as_json else say_counted
    asked = with_device(settings, device)
    workspace = open_workspace(recipe, asked, store, measure=measure, replan=replan, announce=announce, plan_only=True)
    disk = measure_disk(workspace.store.root) if measure else known_disk(workspace.store.root)
    told = forecast_of(workspace.recipe, workspace.folder, prices)
    if not told and (prices or picture or page or whole):
        raise UsageError(
            "--all, --page, --prices and --picture need a section `needs` in the recipe; docs/plan.md shows an example"
        )
    against = spoke_against(workspace.store, workspace.recipe.name)
    now = datetime.date.today(), disk, shutil.disk_usage(workspace.folder).free
    if told:
        _draw(told, workspace, picture, page, now)
    for said in filter(None, (*unprotected(workspace), missing_packages(workspace.build, workspace.folder))):
        print(said, file=sys.stderr)
    if as_json:
        found = {"built": against, "keys": keys_to_send(workspace)} | ({"forecast": told.as_json()} if told else {})
        print_json(workspace.plan.as_json() | found | ({"disk": asdict(disk)} if disk else {}))
    else:
        if told:
            columns = min(120, shutil.get_terminal_size().columns)
            print(in_short(told, columns, str(workspace.path), now[0]), end="\n\n")
            if whole:
                print(in_full(told, columns, *now), end="\n\n")
        for said in against:
            print(f"built    {said}", end="\n\n")
        print(workspace.plan.as_text())
        if disk:
            print(f"  disk       {disk.as_text()}")
        for line in to_be_rented(workspace):
            print(line)
        for key in keys_to_send(workspace):
            print(f"{key['model']}: sends the key in {key['variable']} to {key['host']}")
        artifacts = (workspace.build.look(node)[0] for node in workspace.build.nodes)
        print(as_text(row for artifact in artifacts if artifact for row in outcome(artifact.manifest)), end="")


def _draw(
    told: Forecast,
    workspace: Workspace,
    picture: Path | None,
    page: Path | None,
    now: tuple[datetime.date, Disk | None, int],
) -> None:
    if not (picture or page):
        return
    from lmworks.pipeline.files import write_atomically
    from lmworks.release.render.charts import owning_lines, standalone
    from lmworks.release.render.forecast import forecast_page

    if picture:
        write_atomically(picture, standalone(owning_lines(told.months)))
    if page:
        write_atomically(page, forecast_page(told, workspace.recipe.name, str(workspace.path), *now))


def build(
    recipe: RecipeArgument = None,
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    rebuild: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="Build this step again from the start.")
    ] = None,
    on: Annotated[
        str, typer.Option(metavar="PLACE", help="Place where document steps run: local, ray or ray://HOST:PORT.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes of a document step. Default: one per processor.")
    ] = None,
    device: DeviceOption = None,
    settings: SetOption = None,
    store: StoreOption = None,
    replan: Annotated[bool, typer.Option("--replan", help="Plan again, without the stored plan.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show each step and why it is built.")] = False,
    new_id_key: Annotated[
        bool, typer.Option("--new-id-key", help="Create a new key for document ids if the key is missing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the steps that are missing or stale.

    Example: lmworks build recipes/quickstart.yaml --set pretrain.steps=60
    """
    from lmworks.api.recipe import finish
    from lmworks.data.base.identity import load_id_key
    from lmworks.pipeline.display import make_display
    from lmworks.pipeline.work.ray_workers import parse_place
    from lmworks.workspace import open_workspace, stage_of

    ray = parse_place(on)
    announce = None if as_json else say_counted
    asked = with_device(settings, device)
    workspace = open_workspace(recipe, asked, store, measure=True, replan=replan, until=until, announce=announce)
    if new_id_key:
        load_id_key(workspace.folder)
    if not as_json:
        lines = workspace.plan.as_text().splitlines()
        shown = [line for line in lines if verbose or line.startswith(("  time ", "  in doubt "))]
        print("\n".join(shown), file=sys.stderr)
    with closing(make_display(None if verbose else stage_of(workspace.recipe))) as display:
        finished = finish(workspace, display, until=until, rebuild=rebuild or (), workers=workers, ray=ray)
    if as_json:
        print_json({name: {"stage": item.stage, "key": item.key} for name, item in finished.artifacts.items()})
    else:
        print_box(finished.ending.lines)
    if finished.failed:
        raise GateRefused("\n".join(finished.failed))


def status(
    recipe: RecipeArgument = None, settings: SetOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Show for each step whether it is built, running or stopped.

    Example: lmworks status
    """
    from lmworks.data.erasure.lists import lost_entries
    from lmworks.pipeline.erasure import unfinished
    from lmworks.watch.status import statuses
    from lmworks.workspace import open_workspace

    workspace = open_workspace(recipe, settings or (), store, until="")  # of whatever a build was of
    rows = [asdict(each) for each in statuses(workspace.build)]
    lost = lost_entries(workspace.store, workspace.folder)
    for said in filter(None, (unfinished(workspace.store), lost, workspace.build.outdated())):
        print(said, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print_json(rows)
        return
    width = max(len(str(row["step"])) for row in rows)
    for row in rows:
        print(f"{row['state']:7} {row['step']:{width}}  {row['reason']}".rstrip())


def launch(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file on a disk that all nodes share.")],
    model: Annotated[str, typer.Argument(help="Step whose model is trained with many processes.")],
    nodes: Annotated[int, typer.Option(help="Number of machines (nodes).")] = 1,
    gpus_per_node: Annotated[int, typer.Option(help="GPUs per machine, with one process each. 0 means none.")] = 8,
    time: Annotated[str, typer.Option(help="Time limit in Slurm's format: D-HH:MM:SS.")] = "1-00:00:00",
) -> None:
    """Print a Slurm script for a build with one process per device.

    Example: lmworks launch recipes/quickstart.yaml pretrain --nodes 2 > job.sh && sbatch job.sh
    """
    from lmworks.train.distributed.slurm import slurm_script
    from lmworks.workspace import recipe_name

    command = ["lmworks", "build", str(recipe), "--set", f"{model}.processes={nodes * max(1, gpus_per_node)}"]
    name = recipe_name(recipe)
    print(slurm_script(name, command, nodes=nodes, gpus_per_node=gpus_per_node, time=time), end="")
