"""The command line. Each file holds related commands. A command only calls functions of another package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib import metadata
from typing import Annotated

import typer

from lmworks.cli.artifacts import export, gc, items, push, report, show, trace
from lmworks.cli.data import blend, data_report, data_sources, find_data, inspect_data, sample_data
from lmworks.cli.erase import erase
from lmworks.cli.knowledge import passages
from lmworks.cli.predicting import predict
from lmworks.cli.recipes import build, init, launch, plan, recipes, status
from lmworks.cli.reference import explain, schema
from lmworks.cli.running import confirm_key, open_pages, serve, start_pages, watch
from lmworks.cli.trials import bakeoff, compare, scale, search
from lmworks.cli.tuning import check, get_model, models
from lmworks.errors import LmworksError
from lmworks.extras import told_if_missing
from lmworks.terminal import Shown

app = typer.Typer(
    name="lmworks",
    help="Build, measure and serve a language model from one recipe file.\n\n"
    "Example: lmworks build recipes/quickstart.yaml && lmworks serve",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"lmworks {metadata.version('lmworks')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data", help="Inspect, sample and find data.")

models_app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)
models_app.callback()(models)
models_app.command("get")(get_model)
app.add_typer(models_app, name="models")

_COMMANDS: tuple[Callable[..., None], ...] = (
    *(recipes, init, plan, build, status, show, trace, report, items, serve, predict, watch, launch),
    *(passages, check, export, push, erase, gc, compare, search, scale, bakeoff, explain, schema, confirm_key),
)
_DATA_COMMANDS: dict[str, Callable[..., None]] = {
    "find": find_data,
    "sources": data_sources,
    "inspect": inspect_data,
    "report": data_report,
    "sample": sample_data,
    "blend": blend,
}
for _command in _COMMANDS:
    app.command()(_command)
app.command("start")(start_pages)
app.command("open")(open_pages)
for _name, _command in _DATA_COMMANDS.items():
    data_app.command(_name)(_command)


def main() -> None:
    """Run a command. If it fails, print one message and exit with the error's code."""
    with redirect_stdout(Shown(sys.stdout)), redirect_stderr(Shown(sys.stderr)):
        try:
            with told_if_missing():
                app()
        except LmworksError as error:
            print(error, file=sys.stderr)
            sys.exit(error.exit_code)
        except OSError as error:
            print(f"{error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
            sys.exit(1)
        except MemoryError:
            print(
                "the memory of this machine, or this process's share of it, ran out. Finished work is kept. Use "
                "fewer --workers or smaller inputs, and run the same command again",
                file=sys.stderr,
            )
            sys.exit(1)
