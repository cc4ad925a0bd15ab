"""The page that searches documents for passages that answer a question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lmworks.application.opened import Opened

if TYPE_CHECKING:
    from lmworks.knowledge.collection import Collection

PAGE = "passages"
SHOWN = 10
"""Number of passages shown for a question. People seldom read more."""


def routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the route of the search form and its results."""

    @lru_cache(maxsize=4)
    def collection(payload: Path) -> Collection:
        from lmworks.knowledge.collection import Collection

        return Collection(payload)

    def search(request: Request) -> Response:
        from lmworks.knowledge.passages import passages
        from lmworks.release.knowledge import passages_built

        built = opened.built(request.path_params["build"])
        names = [name for name, each in built.artifacts.items() if each.stage == passages.name]
        if not names:
            said = "No passages are built: the recipe has no step of kind passages, it was not reached, or was erased."
            return opened.show("message.html.jinja", built.name, PAGE, said=said)
        asked, step = (request.query_params.get(name, "").strip() for name in ("q", "from"))
        artifact = passages_built(built.store, step or (names[0] if len(names) > 1 else None), built)
        opened_collection = collection(artifact.payload)
        found = opened_collection.search(asked, SHOWN) if asked else None
        shown: dict[str, Any] = {"names": names, "step": step, "asked": asked, "found": found}
        return opened.show("searched.html.jinja", built.name, PAGE, count=len(opened_collection), **shown)

    return [Route("/", search)]
