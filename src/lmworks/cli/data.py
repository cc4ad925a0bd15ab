"""Commands of `lmworks data`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lmworks.cli.options import (
    JsonOption,
    LastStoreOption,
    RecipeArgument,
    SetOption,
    ShowPersonalOption,
    StoreOption,
    print_json,
    tell,
)
from lmworks.errors import LmworksError, UsageError


def find_data(
    value: Annotated[str, typer.Argument(help="A person's name or id in the data, an e-mail address, a number ….")],
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find documents in which a person's data was masked.

    It searches only the index of masked data, and prints each document's id, kind of data and step.

    Example: lmworks data find jane@example.org
    """
    from lmworks.data.privacy.index import find_person
    from lmworks.release.built import Built
    from lmworks.stores import open_store

    opened = open_store(store)
    places = find_person(value, opened.all(), Built.open(opened).folder)
    if as_json:
        print_json([place._asdict() for place in places])
    for place in places if not as_json else ():
        print(f"{place.document}  {place.kind:13}  {place.step}")
    if not places:
        raise LmworksError(
            "the value is not in the index of data masked by `anonymise` steps. Texts were not searched, so the value "
            "may still be in them\nTry: `lmworks erase` with the same value. It searches all ingested texts, and "
            "deletes nothing without --apply"
        )


def data_sources(
    name: Annotated[str | None, typer.Argument(help="Data set of the list. All its facts and parts are shown.")] = None,
    use: Annotated[
        Literal["commercial", "non-commercial", "academic"] | None,
        typer.Option(help="Only sets whose licence allows this use."),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Only sets in this language, such as de or German.")] = None,
    task: Annotated[str | None, typer.Option(help="Only sets for this task, such as dialogue or translation.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List well-known data sets with licence, year and size.

    Example: lmworks data sources --use commercial --language de --task dialogue
    """
    from dataclasses import asdict

    from lmworks.data.sources.catalogue import select
    from lmworks.data.sources.dataset import adapter_named

    if name is not None:
        adapter = adapter_named(name)
        tell(adapter.as_text(), asdict(adapter), as_json)
        return
    selection = select(use, language, task)
    if as_json:
        print_json(asdict(selection))
        return
    for adapter in selection.found:
        print(adapter.in_short())
    for reason, count in sorted(selection.refused.items()):
        print(f"left out: {count:,}: {reason}", file=sys.stderr)
    if not selection.found:
        print("lmworks knows no such data set. Leave out an option", file=sys.stderr)


def inspect_data(
    step: Annotated[str | None, typer.Argument(help="A data step of the last build. By default all of them.")] = None,
    reason: Annotated[str, typer.Option(help="Only reasons that begin with this text, such as `near`.")] = "",
    count: Annotated[int, typer.Option(min=1, help="Number of documents per reason.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed. Another number shows other documents.")] = 0,
    show_personal: ShowPersonalOption = False,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show random documents that a step dropped or changed.

    Example: lmworks data inspect corpus --reason near --count 5
    """
    from dataclasses import asdict

    from lmworks.release.built import Built
    from lmworks.release.inspect.changes import changes_of, inspectable
    from lmworks.stores import open_store

    built = Built.open(open_store(store))
    steps = [step] if step else inspectable(built)
    found = [changes_of(built, name, count, seed, personal=show_personal, only=reason) for name in steps]
    tell("\n\n".join(each.as_text() for each in found), [asdict(each) for each in found], as_json)
    if reason and not any(each.counted or each.examples for each in found):
        print(f"no reason begins with {reason!r}. Leave out --reason to see all", file=sys.stderr)


def data_report(recipe: RecipeArgument = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Write a report on the data of the last build.

    Example: lmworks data report
    """
    from lmworks.release.inspect.data_report import write_data_report
    from lmworks.stores import open_store

    path = write_data_report(open_store(store, recipe))
    tell(str(path), {"report": str(path)}, as_json)


def sample_data(
    step: Annotated[str, typer.Argument(help="Step of the last build with documents, or a part, as split.train.")],
    guidelines: Annotated[Path, typer.Option(help="Text file that tells the experts how to judge.")],
    out: Annotated[Path, typer.Option(help="Folder for the sample. It is created if missing.")],
    count: Annotated[int, typer.Option(min=1, help="Number of documents in the sample.")] = 100,
    label: Annotated[list[str] | None, typer.Option(help="Verdict to offer. Default: accept and reject.")] = None,
    seed: Annotated[int, typer.Option(help="Seed. Another number draws other documents.")] = 0,
    show_personal: ShowPersonalOption = False,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a sample of documents for experts, with a page to judge it.

    Example: lmworks data sample corpus --count 100 --guidelines guidelines.md --out for-experts
    """
    from lmworks.release.built import Built
    from lmworks.release.inspect.annotation import write_sample
    from lmworks.stores import open_store

    built, labels = Built.open(open_store(store)), label or ["accept", "reject"]
    drawn = write_sample(built, step, count, guidelines, out, labels, seed, personal=show_personal)
    page = out / "annotate.html"
    tell(f"{drawn:,} documents; experts open {page}", {"documents": drawn, "page": str(page)}, as_json)


def blend(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe whose model is trained on a mix.")],
    mix: Annotated[str, typer.Option(metavar="STEP", help="Step of kind `mix`.")],
    part: Annotated[str, typer.Option(help="Part whose share varies. The other parts keep their proportions.")],
    ratios: Annotated[str, typer.Option(help="Shares of the part to try, from 0 to 1.")] = "0,0.25,0.5,0.75,1",
    settings: SetOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train with several shares of one part of a mix. It shows the validation loss on each part.

    Example: lmworks data blend recipes/domain-and-general.yaml --mix mixed --part domain --ratios 0,0.5,1
    """
    from lmworks.search.blend import sweep

    try:
        shares = [float(ratio) for ratio in ratios.split(",")]
    except ValueError:
        raise UsageError(f"--ratios {ratios}: expected numbers from 0 to 1, such as 0,0.5,1") from None
    found = sweep(recipe, settings or (), store, mix, part, shares)
    tell(f"{found.words}\npicture: {found.picture}", found.figures, as_json)
