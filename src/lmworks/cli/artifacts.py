"""Commands on what was built: show, trace, report, export, forget and clear away."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmworks.cli.options import ARTIFACT_HELP, JsonOption, LastStoreOption, print_json, tell
from lmworks.errors import LmworksError, UsageError

if TYPE_CHECKING:
    from lmworks.pipeline.store import Artifact, Store

LEFT = "shards that an earlier erasure left"


def show(
    artifact: Annotated[str, typer.Argument(help=ARTIFACT_HELP)],
    path: Annotated[bool, typer.Option("--path", help="Print only the folder of its files.")] = False,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a step's counts, figures and examples, or where its files lie.

    Example: lmworks show corpus
    """
    from lmworks.release.inspect.show import describe
    from lmworks.workspace import open_store

    found = open_store(store).named(artifact)
    if path:
        print(found.payload.resolve())
    elif as_json:
        print_json(found.manifest.as_json())
    else:
        print(describe(found))


def trace(
    artifact: Annotated[str | None, typer.Argument(help=f"{ARTIFACT_HELP} By default the first served model.")] = None,
    answer: Annotated[
        str | None, typer.Option(help="Find the training passages that share most text with this answer.")
    ] = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an artifact was made from, down to each source file, and whether a file was edited since.

    Example: lmworks trace finetune
    """
    from lmworks.release.trace.trace import trace_answer, trace_lineage
    from lmworks.workspace import open_store

    opened = open_store(store)
    found = opened.named(artifact) if artifact else opened.served()[0]
    traced = trace_lineage(opened, found) if answer is None else trace_answer(opened, found, answer)
    tell(traced.as_text(), traced.as_json(), as_json)


def report(store: LastStoreOption = None, as_json: JsonOption = False) -> None:
    """Write the report of the last build again, and print where it is.

    Example: lmworks report
    """
    from lmworks.release.report.report import write_report
    from lmworks.workspace import open_store

    path = write_report(open_store(store))
    tell(str(path), {"report": str(path)}, as_json)


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=ARTIFACT_HELP)],
    form: Annotated[str, typer.Option(help="Of the file: gguf, which llama.cpp loads.")] = "gguf",
    file_type: Annotated[str, typer.Option("--type", help="Of the matrices: f32, f16 or q8_0.")] = "f16",
    out: Annotated[Path | None, typer.Option(help="Where to; by default MODEL-TYPE.gguf in this folder.")] = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model in a form that other programs load.

    Example: lmworks export finetune --form gguf --type q8_0
    """
    from lmworks.model.gguf import FILE_TYPES, write_gguf
    from lmworks.workspace import open_store

    if form != "gguf" or file_type not in FILE_TYPES:
        raise UsageError(f"--form {form} --type {file_type}: expected gguf and one of {', '.join(FILE_TYPES)}")
    path = out or Path(f"{model}-{file_type}.gguf")
    artifact = open_store(store).named(model)
    artifact.require_sound()
    write_gguf(artifact.payload, path, file_type)
    size = path.stat().st_size
    tell(f"wrote {path}, {size / 1e6:,.1f} MB", {"file": str(path), "bytes": size}, as_json)


def erase(
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="DOCUMENT|VALUE...", help="Ids of documents to forget, or what `lmworks data find` finds them by."
        ),
    ],
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only list.")] = False,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List everything made from some documents, and with --apply delete it and never read them again.

    Example: lmworks erase 38eb0f6dae9eda1617ab6ca9570e3054
    """
    from lmworks.data.privacy.index import documents_of
    from lmworks.data.sources.sql import forget_rows
    from lmworks.pipeline.erasure import add_erased, begin, delete, holders, is_begun, leftovers, leftovers_with
    from lmworks.pipeline.manifest import read_manifest
    from lmworks.pipeline.store import ERASED
    from lmworks.release.built import Built
    from lmworks.release.trace.erased import reached_by
    from lmworks.workspace import open_store, other_stores

    opened = open_store(store)
    last = Built.open(opened).folder
    try:
        documents = documents_of(wanted, list(opened.all()), last)
    except LmworksError as error:
        if leftovers(opened):  # no index of personal data tells what stands in them
            more = "an earlier erasure left shards: give the command again after `lmworks build`"
            raise LmworksError(f"{str(error).rstrip('.')}; {more}") from error
        raise
    with opened.in_use(lambda line: print(line, file=sys.stderr), alone=True):
        found = holders(opened, documents)
        left = leftovers_with(opened, documents)
        if not found and not left and not is_begun(opened, documents):
            raise LmworksError("nothing in this store was made from these documents; `lmworks trace` names ids")
        models = reached_by(opened, documents, found)
        steps = {(item.stage, item.key) for item in found} | {(each.parent.name, each.name) for each in left}
        folders = opened.builds.folders_of(steps)  # the next build of each may read the documents again
        others = sorted({path for folder in folders for path in other_stores(opened, folder)})
        if apply:
            configs = [item.manifest.config for item in found if item.stage == "ingest" and item.is_readable]
            for each in (each for each in left if each.parent.name == "ingest"):
                with suppress(LmworksError):  # as of an artifact, its manifest may have been unreadable before
                    configs.append(read_manifest(each / ERASED).config)
            keys = {config.get("id_key_digest", "") for config in configs}
            begin(opened, documents)
            key = keys.pop() if len(keys) == 1 else ""
            for folder in folders:
                add_erased(folder, documents, key)
                forget_rows(configs, folder)
            delete(opened, found, documents)
    if as_json:
        rows: list[dict[str, Any]] = [
            {"step": _step(item), "key": item.key, "model": item in models, "counted_because": why}
            | {"reached_by": models[item][0] if item in models else None}
            for item, why in found.items()
        ]
        for each in left:
            facts = {"counted_because": f"{LEFT} of {each.parent.name}", "reached_by": None}
            rows.append({"step": None, "key": each.name, "model": False} | facts)
        elsewhere = {"store": str(opened.root), "other_stores": list(map(str, others))}
        print_json({"erased": apply, "held_by": rows} | elsewhere)
        return
    _tell_erasure(opened, found, models, left, others, apply)


def _tell_erasure(
    opened: Store,
    found: Mapping[Artifact, str],
    models: Mapping[Artifact, tuple[str, str]],
    left: Sequence[Path],
    others: Sequence[Path],
    apply: bool,
) -> None:
    """Print what holds the documents, or held them, and which stores were not looked at."""
    from lmworks.release.trace.erased import as_text

    print(f"in {opened.root}:")
    for item, why in found.items():
        seen = f"  counted as reached: {why}" if why else ""
        if item in models:
            seen += f"  {as_text(*models[item])}"
        print(f"{_step(item)}{seen}")
    for each in left:
        print(f"{LEFT} of {each.parent.name} {each.name[:12]}")
    print("deleted; make the rest anew with `lmworks build`" if apply else "these would be deleted with --apply")
    for path in others:
        print(f"NOT LOOKED AT: {path} was built in, too: give the command again with --store {path}")


def _step(artifact: Artifact) -> str:
    return artifact.manifest.step if artifact.is_readable else artifact.label


def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only list.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Unfinished work, too, from which a build would go on.")
    ] = False,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what no recipe's last build needs, and delete it with --apply.

    Example: lmworks gc
    """
    from lmworks.pipeline.lineage import remove, unused
    from lmworks.workspace import open_store

    opened = open_store(store)
    for record, recipe in opened.builds.gone().items():
        print(f"kept for {recipe}, which is not there: if it is gone for good, delete {record}", file=sys.stderr)
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
        kept = "" if item in waste else ": `lmworks build` goes on from it; only --unfinished deletes it"
        print(f"{item.bytes / 1e6:10.1f} MB  {item.label}{kept}")
    total = sum(item.bytes for item in waste) / 1e6
    print(f"{total:10.1f} MB  {'deleted' if apply else 'can be deleted with --apply'}")
