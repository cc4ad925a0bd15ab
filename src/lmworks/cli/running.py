"""Commands that run until they are stopped: serve a model, watch a training."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from lmworks.cli.options import ARTIFACT_HELP, DeviceOption, JsonOption, LastStoreOption, RecipeArgument, tell
from lmworks.errors import UsageError
from lmworks.serve import TIMEOUT_SECONDS


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RECIPE] [MODEL]...",
            help=f"{ARTIFACT_HELP} Or a model folder. Default: serve.model. Several adapters must share one base.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on this machine.")] = 8000,
    request_timeout: Annotated[
        float, typer.Option(min=0.1, help="Time limit of a request in seconds. Default: as in OpenAI's clients.")
    ] = TIMEOUT_SECONDS,
    unmeasured: Annotated[
        bool, typer.Option("--unmeasured", help="Serve a language model even if no task has measured it.")
    ] = False,
    device: DeviceOption = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve a model on this machine, with an API and a chat page.

    The API is compatible with OpenAI's. Several adapters of the same base can be served together.

    Example: lmworks serve finetune --port 8000
    """
    from lmworks.model.device import AUTO
    from lmworks.release.serving import serve_artifacts, serve_folder
    from lmworks.stores import find_named

    how: dict[str, Any] = {"port": port, "as_json": as_json, "timeout": request_timeout, "device": device or AUTO}
    how["unmeasured"] = unmeasured
    try:
        opened, named = find_named(models or (), store)
    except UsageError:
        folder = Path(models[0]) if models and len(models) == 1 else None
        if not folder or not (folder / "config.json").is_file():
            raise
        serve_folder(folder, **how)
    else:
        serve_artifacts(opened, named, **how)


def confirm_key(
    variable: Annotated[str, typer.Argument(help="Environment variable with the key.")],
    host: Annotated[str, typer.Argument(help="Host that may get the key, such as api.example.com.")],
    as_json: JsonOption = False,
) -> None:
    """Allow recipes to send an environment variable to a host.

    The variable holds a key. You confirm each pair once. Variables named LMWORKS_KEY_… need no confirmation.

    Example: lmworks confirm-key OPENAI_API_KEY api.openai.com
    """
    from lmworks.engines.rented.address import VARIABLE
    from lmworks.engines.rented.confirmed import confirm, typed_host

    if not re.fullmatch(VARIABLE, variable) or not (name := typed_host(host)):
        raise UsageError(
            "confirm-key: expected the name of a variable (not its value) and a host\n"
            "Try: lmworks confirm-key OPENAI_API_KEY api.openai.com"
        )
    place = confirm(variable, host)
    words = f"confirmed: your recipes may send {variable} to {name}\n  to undo this: rm {place}"
    tell(words, {"variable": variable, "host": name, "file": str(place)}, as_json)


def watch(
    model: Annotated[str | None, typer.Argument(help="Step of the model. By default the latest training.")] = None,
    store: LastStoreOption = None,
) -> None:
    """Watch a training of a build in another terminal. It shows loss, learning rates, memory and samples.

    Example: lmworks watch pretrain
    """
    from lmworks.stores import open_store
    from lmworks.watch.follow import find_run
    from lmworks.watch.terminal import follow

    follow(find_run(open_store(store), model))


def open_pages(
    recipe: RecipeArgument = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on this machine.")] = 8010,
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="Open the pages in a browser. By default only from a terminal."),
    ] = None,
    device: DeviceOption = None,
    store: LastStoreOption = None,
) -> None:
    """Show the last build as pages in a browser, on this machine.

    The pages show plan, training, report, data, passages, predictions and chat.

    Example: lmworks open
    """
    from lmworks.application.app import run
    from lmworks.model.device import AUTO
    from lmworks.stores import open_store

    root = open_store(store, recipe).root
    if not (root / "builds").is_dir():
        raise UsageError(f"{root}: there is no build in this store\nTry: lmworks build RECIPE")
    run(root, port, device or AUTO, _tell_address(browser))


def _tell_address(browser: bool | None) -> Callable[[str, Path], None]:
    """Return a function that prints the pages' address and opens it, if `browser` or, by default, in a terminal."""
    import webbrowser

    def started(address: str, entrance: Path) -> None:
        print(f"open {address}\non this machine only, for everyone who has this address; Ctrl-C stops it", flush=True)
        if sys.stdout.isatty() if browser is None else browser:
            webbrowser.open(entrance.as_uri())

    return started


def start_pages(
    folder: Annotated[Path, typer.Argument(help="Folder for the recipes and models.")] = Path("lmworks-models"),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on this machine.")] = 8010,
    browser: Annotated[
        bool | None, typer.Option("--browser/--no-browser", help="Open a browser. By default only from a terminal.")
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Build a first model in a browser, from files to answers.

    You choose files, answer at most three questions, watch the build, and ask the model.

    Example: lmworks start
    """
    from lmworks.application.app import run
    from lmworks.application.starting import PAGE
    from lmworks.model.device import AUTO

    folder.mkdir(parents=True, exist_ok=True)
    run((folder / ".lmworks").resolve(), port, device or AUTO, _tell_address(browser), f"{PAGE}/")
