"""Commands on passages of documents."""

from __future__ import annotations

from typing import Annotated

import typer

from lmworks.cli.options import JsonOption, LastStoreOption, tell


def passages(
    question: Annotated[str, typer.Argument(help="Question in plain words.")],
    step: Annotated[
        str | None, typer.Option("--from", help="Step of kind `passages`. By default the one that the recipe serves.")
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="Maximum number of passages.")] = 5,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find passages that answer a question in the documents.

    It searches the last build and shows each passage's source, licence and place.

    Example: lmworks passages "How long is the warranty?"
    """
    from lmworks.knowledge.collection import Collection
    from lmworks.release.knowledge import passages_built
    from lmworks.stores import open_store

    found = Collection(passages_built(open_store(store), step).payload).search(question, number)
    tell(found.as_text(), found.as_json(), as_json)
