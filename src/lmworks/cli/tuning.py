"""Commands before tuning: list and download base models, and check the training data."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from lmworks.cli.options import JsonOption, RecipeArgument, SetOption, StoreOption, tell
from lmworks.errors import UsageError
from lmworks.terminal import print_coloured, wrapped


def models(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None, typer.Option("--in", help="Folders to search. By default this folder.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task to suggest a base model for: chat, classify ….")] = None,
    as_json: JsonOption = False,
) -> None:
    """List base models, yours and published ones. It shows licence, languages, size, memory and speed of each.

    Example: lmworks models --task classify
    """
    if context.invoked_subcommand:
        return
    from lmworks.plan.facts import load_facts
    from lmworks.plan.machine import this_machine
    from lmworks.plan.models import SUITED, as_text, bases_in, published, published_as_text, suggestion

    found = bases_in(folders or [Path()])
    said = suggestion(found, task, this_machine().memory_bytes) if task else None
    others = [each for each in published() if task is None or task in SUITED[each.family]]
    words = ["HERE", *as_text(found), *([said] if said else []), "", "PUBLISHED: `lmworks models get NAME --yes`"]
    facts = {
        "here": [each.as_json() for each in found],
        "suggestion": said,
        "published": [each.model_dump() for each in others],
    }
    tell(wrapped("\n".join([*words, *published_as_text(others, load_facts())])), facts, as_json)


def get_model(
    name: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Name of the model on the hub at HF_ENDPOINT.")],
    out: Annotated[Path | None, typer.Option(help="Folder to create. By default ORG/NAME in this folder.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit. By default the newest.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Download it. Without --yes, only print files and size.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Download a base model from a hub, with its tokenizer and licence.

    It gets no code and no pickles, and notes the commit. After a stop, the same command continues. HF_TOKEN is used.

    Example: lmworks models get HuggingFaceTB/SmolLM2-135M --yes
    """
    from lmworks.release.hub import download, find_snapshot

    found, place = find_snapshot(name, revision), out or Path(name)
    words = f"{name} at {found.revision} of {found.endpoint}: {len(found.files)} files, {found.size / 1e6:,.1f} MB, "
    words += f"licence as its card says: {found.licence}"
    print(words, file=sys.stderr)
    if yes:
        download(found, place)
        step = f"{{objective: pretrained, path: {place}, licence: SPDX}}"
        next_words = f"{place}: use it as `base: {step}`. Replace SPDX with the model's licence"
    else:
        next_words = f"nothing was downloaded. To download into {place}, add --yes"
    facts = {"name": name, "revision": found.revision, "bytes": found.size, "licence": found.licence}
    tell(next_words, facts | {"files": sorted(found.files), "folder": str(place) if yes else None}, as_json)


def check(
    recipe: RecipeArgument = None,
    step: Annotated[str | None, typer.Argument(metavar="STEP", help="A tuned model. By default all of them.")] = None,
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the training data of tuned models before training.

    It checks masks, templates, losses and memory. `build` makes the same checks.

    Exit code 3 means that you must correct a fault before you train.

    Example: lmworks check recipes/quickstart.yaml finetune
    """
    from lmworks.data.privacy.anonymise import AnonymiseConfig
    from lmworks.pipeline.display import make_display
    from lmworks.release.report.checks import as_text, checked
    from lmworks.workspace import open_workspace, run

    workspace = open_workspace(recipe, settings or (), store)
    names = [node.name for node in workspace.build.nodes if node.name.endswith("/check")]
    wanted = [name for name in names if step is None or name == f"{step}/check"]
    if not wanted:
        known = ", ".join(name.removesuffix("/check") for name in names) or "none"
        raise UsageError(f"no model {step or 'that is tuned'} in this recipe; models that are tuned: {known}")
    rehearsals = [node.name for node in workspace.build.nodes if node.name.startswith("rehearsal/") and step is None]
    rooms = [node.name for node in workspace.build.nodes if node.name.endswith("/room") and step is None]
    with closing(make_display()) as display:
        for name in (*rooms, *wanted, *rehearsals):
            run(workspace, display, until=name, remember=False)
    found = {name.removesuffix("/check"): workspace.build.artifacts[name] for name in wanted}
    configs = [node.config for node in workspace.build.nodes if isinstance(node.config, AnonymiseConfig)]
    more = [own.detector() for config in configs for own in config.own]
    colour, plan = sys.stdout.isatty() and not as_json, workspace.plan

    def rows_of(model: str) -> int:
        packed = workspace.build.artifacts.get(f"{model}/data")
        return packed.manifest.counts.get("rows", 0) if packed else 0

    words = [
        as_text(model, artifact, plan.prediction(model), colour=colour, more=more, rows=rows_of(model))
        for model, artifact in found.items()
    ]
    if colour:
        print_coloured("\n".join(words))
        return
    tell("\n".join(words), {model: checked(artifact, more) for model, artifact in found.items()}, as_json)
