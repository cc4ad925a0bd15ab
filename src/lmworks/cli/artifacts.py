"""Commands on artifacts: show, trace, report, export, push and clean up."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from lmworks.cli.options import (
    JsonOption,
    LastStoreOption,
    RecipeArgument,
    ShowPersonalOption,
    StepArgument,
    print_json,
    tell,
)
from lmworks.errors import UsageError


def show(
    step: StepArgument = None,
    path: Annotated[bool, typer.Option("--path", help="Print only the folder of the step's files.")] = False,
    recipe: Annotated[str | None, typer.Option("--recipe", help="Recipe of the build to show, or its folder.")] = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a step's counts, figures and examples.

    Example: lmworks show corpus
    """
    from lmworks.release.built import Built
    from lmworks.release.inspect.show import WIDTH, describe
    from lmworks.stores import find_one

    opened, found = find_one([*([recipe] if recipe else []), *(step or ())], store)
    if path:
        print(found.payload.resolve())
    elif as_json:
        print_json(found.manifest.as_json())
    else:
        width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns) if sys.stdout.isatty() else WIDTH
        print(describe(found, Built.holding(opened, found) if opened.builds.last else None, width))


def trace(
    step: StepArgument = None,
    answer: Annotated[
        str | None, typer.Option(help="Find the training passages that share the most text with this answer.")
    ] = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the steps and source files behind an artifact. It also shows whether a file was edited since.

    Example: lmworks trace finetune
    """
    from lmworks.release.trace.trace import trace_answer, trace_lineage
    from lmworks.stores import find_one

    opened, found = find_one(step or (), store)
    traced = trace_lineage(opened, found) if answer is None else trace_answer(opened, found, answer)
    tell(traced.as_text(), traced.as_json(), as_json)


def report(recipe: RecipeArgument = None, store: LastStoreOption = None, as_json: JsonOption = False) -> None:
    """Write the report of the last build again.

    Example: lmworks report
    """
    from lmworks.release.report.report import write_report
    from lmworks.stores import open_store

    path = write_report(open_store(store, recipe))
    tell(str(path), {"report": str(path)}, as_json)


def items(
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="Label, such as documentation-questions-test. Default: all.")
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, help="Maximum number of items per page. A larger set is sampled by item id.")
    ] = 5_000,
    show_personal: ShowPersonalOption = False,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a page with every model's answer to a task's items.

    The page filters and sorts items, and shows those on which two models differ.

    Example: lmworks items
    """
    from lmworks.release.built import Built
    from lmworks.release.items.page import tasks_with_items, write_items
    from lmworks.stores import open_store

    built = Built.open(open_store(store))
    tasks = [task] if task else tasks_with_items(built)
    pages = {each: str(write_items(built, each, count, personal=show_personal)) for each in tasks}
    tell("\n".join(pages.values()) or "no task of the last build keeps items", pages, as_json)


def export(
    model: StepArgument = None,
    form: Annotated[
        str, typer.Option(help="Format of the file: gguf for llama.cpp, or onnx for any ONNX runtime.")
    ] = "gguf",
    file_type: Annotated[
        str | None,
        typer.Option("--type", help="Data type of the matrices: f32, f16 (default) or q8_0 for gguf, f32 for onnx."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write. By default STEP-TYPE.FORM in this folder.")] = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model as a GGUF or ONNX file.

    A gguf file gets a Modelfile for Ollama. Exit code 3 means that `lmworks serve` refuses the model.

    Example: lmworks export finetune --form gguf --type q8_0
    """
    from lmworks.model.folder import require_form
    from lmworks.model.gguf import FILE_TYPES, write_gguf
    from lmworks.pipeline.files import write_atomically
    from lmworks.release.built import Built
    from lmworks.release.modelfile import licences_of, modelfile_of
    from lmworks.release.serving import require_servable
    from lmworks.stores import find_one

    types = {"gguf": list(FILE_TYPES), "onnx": ["f32"]}
    kind = file_type or ("f16" if form == "gguf" else "f32")
    if kind not in types.get(form, ()):
        expected = ", or ".join(f"{each} and one of {', '.join(some)}" for each, some in types.items())
        raise UsageError(f"--form {form} --type {kind}: expected {expected}")
    opened, artifact = find_one(model or (), store)
    name = Built.holding(opened, artifact).step_of(artifact) or artifact.manifest.step
    path = out or Path(f"{name}-{kind}.{form}")
    require_servable(opened, [artifact])
    require_form(artifact.payload, "gguf" if form == "gguf" else "onnx", name)
    facts, told = {"file": str(path)}, ""
    if form == "gguf":
        said = modelfile_of(path, artifact.payload, licences_of(opened, artifact))
        write_gguf(artifact.payload, path, kind)
        called = path.name.removesuffix(".gguf")
        beside = path.with_name(f"{called}.Modelfile")
        write_atomically(beside, said)
        facts["modelfile"] = str(beside)
        told = f"\nand {beside}: `{shlex.join(['ollama', 'create', called, '-f', str(beside)])}` takes it"
    else:
        from lmworks.engines.onnx_file import write_onnx

        write_onnx(artifact.payload, path)
    size = path.stat().st_size
    tell(f"wrote {path}, {size / 1e6:,.1f} MB{told}", {**facts, "bytes": size}, as_json)


def push(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of the last build, or a recipe file.")],
    name: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Name of the model on the hub at HF_ENDPOINT.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody read the model. Default: private.")] = False,
    confidential: Annotated[
        bool, typer.Option("--confidential", help="Send the model even if its texts are confidential or secret.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send it. Without --yes, only print size and address.")] = False,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a model and its card to a hub, with HF_TOKEN.

    Exit code 3 means that the model learned from erased or confidential texts, or is damaged.

    Example: lmworks push finetune our-team/help-desk --yes
    """
    from lmworks import graph
    from lmworks.recipe.file import load_recipe
    from lmworks.release.built import Built
    from lmworks.release.hub import require_release, require_token, upload
    from lmworks.stores import find_one

    opened, found = find_one([model], store)
    built = Built.holding(opened, found)
    needs = load_recipe(built.recipe, graph.CLASSES, built.record.settings).needs
    require_release(opened, found, needs.privacy if needs else None, confidential=confidential)
    endpoint = require_token(name)
    size = sum(file.bytes for file in found.manifest.files.values())
    access = "for everybody to read" if public else "private"
    print(f"{found.manifest.step}, {size / 1e6:,.1f} MB, to {endpoint}/{name}, {access}", file=sys.stderr)
    address = upload(opened, found, name, public=public) if yes else None
    tell(address or "nothing was sent: --yes sends it", {"commit": address, "bytes": size, "public": public}, as_json)


def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Delete them. Without --apply, only list them.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Include unfinished work that a build would continue.")
    ] = False,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List artifacts that no recipe's last build needs. With --apply, delete them.

    Example: lmworks gc
    """
    from lmworks.pipeline.lineage import remove, unused
    from lmworks.stores import open_store

    opened = open_store(store)
    for record, recipe in opened.builds.gone().items():
        print(f"kept for {recipe}, which is not there: if you deleted it for good, delete {record}", file=sys.stderr)
    with opened.in_use(lambda line: print(line, file=sys.stderr), alone=True):
        listed = unused(opened)
        waste = [item for item in listed if unfinished or not item.is_unfinished]
        if apply:
            for item in waste:
                remove(item)
    if as_json:
        facts = [{"path": str(item.path), "bytes": item.bytes, "unfinished": item.is_unfinished} for item in listed]
        print_json([{**each, "deleted": apply and item in waste} for each, item in zip(facts, listed, strict=True)])
        return
    for item in listed:
        kept = "" if item in waste else ": `lmworks build` continues this work; only --unfinished deletes it"
        print(f"{item.bytes / 1e6:10.1f} MB  {item.label}{kept}")
    total = sum(item.bytes for item in waste) / 1e6
    print(f"{total:10.1f} MB  {'deleted' if apply else 'can be deleted with --apply'}")
