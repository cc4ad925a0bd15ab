"""Commands on a recipe: write one, plan, build, check and look how far it is."""

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
    wait = "half a minute, or longer where other work takes the cores"
    print(f"{plan.as_text()}\nThis machine is being measured for {wait}; the plan may change.", file=sys.stderr)


def init(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the recipe: that of your files, or a new one beside `--data`.")
    ] = Path(),
    data: Annotated[Path | None, typer.Option(help="Folder of your files; unset, FOLDER itself.")] = None,
    answers: Annotated[Path | None, typer.Option(help="YAML with answers; see docs/start.md.")] = None,
    use_case: Annotated[str | None, typer.Option(help="What the model is for.")] = None,
    licence: Annotated[str | None, typer.Option(help="SPDX licence of the data, such as CC-BY-4.0.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes that a first build may take.")] = None,
    task: Annotated[str | None, typer.Option(help="What it does: search, classify, extract, chat …")] = None,
    distance: Annotated[str | None, typer.Option(help="Of your texts from public ones: near, some, far.")] = None,
    privacy: Annotated[str | None, typer.Option(help="Of your texts: public, internal, confidential, secret.")] = None,
    residency: Annotated[str | None, typer.Option(help="Where they may be read: anywhere, region, on-premise.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the right label.")] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Dollars for training and a year of use.")] = None,
    shipped: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Copy a recipe that `lmworks recipes` lists instead.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; take defaults.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at your files, ask what they do not show, and write the recipe that suits both; or copy one of ours.

    Example: lmworks init tickets --task classify --yes
    """
    from lmworks.start.shipped import copy_recipe

    if shipped:
        path = copy_recipe(shipped, folder)
        tell(
            f"wrote {path}\nnext: read what it says at its head, then lmworks plan {path}",
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
    if seen.tables and not (task or answers or seen.has_text):
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
            f"answers so far are in {kept} and are taken when you go on"
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
    """Answers of the file that was named, else of this user's stopped run, and where those of this run are kept.

    A file that lies in the folder is named and not taken: whoever made the folder may have written it.
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
            said = f"not taken: {path} ({answering.in_words(path)})\n  --answers {path} takes it"
            print(said, file=sys.stderr)
    if not is_there:
        return {}, kept
    print(f"taken from your stopped run, {kept} ({answering.in_words(kept)})", file=sys.stderr)
    return answering.read_answers(kept), kept


def recipes(as_json: JsonOption = False) -> None:
    """List the recipes that come with lmworks; `lmworks init FOLDER --from NAME` copies one.

    Example: lmworks recipes
    """
    from lmworks.start.shipped import purpose, shipped_recipes

    found = {name: purpose(path) for name, path in shipped_recipes().items()}
    tell("\n".join(f"{name}\n    {said}" for name, said in found.items()), found, as_json)


def plan(
    recipe: RecipeArgument = None,
    measure: Annotated[bool, typer.Option("--measure", help="Measure this machine and its disk, seconds.")] = False,
    replan: Annotated[bool, typer.Option("--replan", help="Forget the stored plan.")] = False,
    prices: Annotated[Path | None, typer.Option(help="JSON that replaces devices, prices, grids, constants.")] = None,
    picture: Annotated[Path | None, typer.Option(help="SVG to draw owning against renting in.")] = None,
    page: Annotated[Path | None, typer.Option(help="HTML file to write all of it in, with plots.")] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Every reason, place, device and month behind the verdict.")
    ] = False,
    device: DeviceOption = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show whether to train, what a build would take, and, where the recipe has `needs`, machines, money and months.

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
            "--all, --page, --prices and --picture: this recipe has no section `needs`; docs/plan.md shows one"
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
        list[str] | None, typer.Option(metavar="STEP", help="Make this step again, from nothing.")
    ] = None,
    on: Annotated[
        str, typer.Option(metavar="PLACE", help="Where document steps run: local, ray or ray://HOST:PORT.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of a document step; by default one per processor.")
    ] = None,
    device: DeviceOption = None,
    settings: SetOption = None,
    store: StoreOption = None,
    replan: Annotated[bool, typer.Option("--replan", help="Forget the stored plan.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show each step, and why it is made.")] = False,
    new_id_key: Annotated[
        bool, typer.Option("--new-id-key", help="Make a new key of document ids where it is missing, and build again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build what is missing or stale, and say why.

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
    """Say for each step whether it is built, is running or was stopped, and why not.

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
