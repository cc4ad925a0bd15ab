"""The first pages: the list of a store's builds, and the state of one build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lmworks.application.opened import Opened, said_at
from lmworks.errors import LmworksError
from lmworks.release.built import Built


def builds(opened: Opened, request: Request) -> Response:
    """Return the list of the store's builds. If there is only one, redirect to its page."""
    names = opened.store().builds.names
    if len(names) == 1:
        return RedirectResponse(opened.address(names[0], "overview"), 303)
    rows = [{"name": name, "to": opened.address(name, "overview"), **_about(opened, name)} for name in names]
    return opened.show(
        "builds.html.jinja", None, "", title="Builds", rows=rows, root=opened.root, start=f"{opened.base}/~start/"
    )


def _about(opened: Opened, name: str) -> dict[str, str]:
    try:
        built = opened.built(name)
    except LmworksError as error:  # a record that cannot be read hides no other
        return {"use_case": str(error), "written": "not known when"}
    return {"use_case": built.use_case, "written": _written(built)}


def routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the route of one build's page."""

    def overview(request: Request) -> Response:
        name = request.path_params["build"]
        return opened.show("overview.html.jinja", name, "overview", **_standing(opened, opened.built(name)))

    return [Route("/", overview)]


def _standing(opened: Opened, built: Built) -> dict[str, Any]:
    from lmworks.release.cards.card import parameters
    from lmworks.release.report.manager import manager

    now, _ = built.parted()
    first = manager(now, (), ())
    report = f'href="{opened.address(built.name, "report", f"{built.name}.html")}#'
    steps = built.record.nodes or tuple(built.record.steps)
    return {
        "verdict": first.verdict,
        "reasons": [
            Markup(str(line).replace('href="#', report)) if isinstance(line, Markup) else line  # noqa: S704 - was one
            for line in first.answers[0].lines
        ],
        "use_case": built.use_case,
        "written": _written(built),
        "recipe": built.recipe,
        "is_there": built.recipe.is_file(),
        "command": built.command,
        "steps": len(steps),
        "done": len(steps) - len(built.missing),
        "erased": built.erased,
        "outdated": built.outdated,
        "missing": [name for name in built.missing if name not in built.erased],
        "models": [
            {"name": name, "parameters": parameters(each), "objective": each.manifest.config.get("objective", "")}
            for name, each in built.models.items()
        ],
        "to": opened.address,
    }


def _written(built: Built) -> str:
    return said_at(built.store.builds.folder / f"{built.name}.json")
