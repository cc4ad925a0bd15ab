"""Commands on passages of documents."""

from __future__ import annotations

from typing import Annotated

import typer

from lmworks.cli.options import JsonOption, LastStoreOption, tell


def passages(
    question: Annotated[str, typer.Argument(help="What is sought, in words.")],
    step: Annotated[
        str | None, typer.Option("--from", help="A step of kind `passages`; by default what the recipe serves from.")
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many at the most.")] = 5,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the passages of the last build's documents that fit a question, with source, licence and place of each.

    Example: lmworks passages "How long is the warranty?"
    """
    from lmworks.knowledge.collection import Collection
    from lmworks.release.knowledge import passages_built
    from lmworks.stores import open_store

    found = Collection(passages_built(open_store(store), step).payload).search(question, number)
    tell(found.as_text(), found.as_json(), as_json)
