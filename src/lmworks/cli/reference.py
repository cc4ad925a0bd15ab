"""Commands that explain the kinds and fields of recipes, and print a schema for editors."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from lmworks.cli.options import JsonOption, print_json, tell


def explain(
    name: Annotated[
        str | None, typer.Argument(metavar="KIND", help="A kind, or KIND.field. Without it, list all kinds.")
    ] = None,
    pages: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the reference as Markdown pages into this folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a kind or a field of a recipe.

    Example: lmworks explain curate.near_duplicates
    """
    from lmworks.reference.facts import faults, fields_at, find, kinds
    from lmworks.reference.render import as_text, listed
    from lmworks.reference.render import pages as rendered

    if pages:
        pages.mkdir(parents=True, exist_ok=True)
        for file, text in rendered(list(kinds())).items():
            (pages / file).write_text(text, encoding="utf-8")
    found, field = find(name) if name else (list(kinds()), "")
    width = min(120, shutil.get_terminal_size().columns)
    words = as_text(found, field, width) if name else "\n".join([listed(found, width), *faults()])
    told = [
        {
            "group": kind.group,
            "name": kind.name,
            "about": kind.about,
            "plugins": [str(plugin) for plugin in kind.plugins],
            "fields": [
                {key: value for key, value in vars(each).items() if key != "owner"} for each in fields_at(kind, field)
            ],
        }
        for kind in found
    ]
    tell(words, told, as_json)


def schema() -> None:
    """Print the JSON Schema of recipes, for editors. It includes the kinds that installed packages add.

    Example: lmworks schema > recipe.schema.json
    """
    from lmworks.reference.schema import recipe_schema

    print_json(recipe_schema())
