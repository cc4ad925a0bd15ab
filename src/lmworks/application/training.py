"""The page of a training while it runs: by default the training that wrote last."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lmworks.application.opened import Opened
from lmworks.errors import UsageError

PAGE = "training"


def routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the routes of the page, and of the script that updates it."""

    def training(request: Request) -> Response:
        from lmworks.watch.follow import find_run, read_standing, runs
        from lmworks.watch.page import render

        build = request.path_params["build"]
        built = opened.built(build)
        store, steps = built.store, {*built.record.nodes, *built.record.steps}
        if not (names := sorted({name for name, _ in runs(store)} & steps)):
            said = "No training of this build has begun. After you type lmworks build, this page shows it."
            return opened.show("message.html.jinja", build, PAGE, said=said)
        asked = request.query_params.get("run")
        if asked is not None and asked not in names:
            raise UsageError(f"this build has no training of {asked!r}; expected {', '.join(names)}")
        newest = max((path for name, path in runs(store) if name in names), key=lambda path: path.stat().st_mtime)
        standing = read_standing(find_run(store, asked) if asked else newest)
        return opened.file(render(standing), build, PAGE, _links(opened, build, names, standing.name))

    def script(request: Request) -> Response:
        from lmworks.watch.page import SCRIPT

        return Response(SCRIPT, media_type="text/javascript")

    return [Route("/", training), Route("/page.js", script)]


def _links(opened: Opened, build: str, names: Sequence[str], shown: str) -> Markup:
    if len(names) == 1:
        return Markup("")
    links = Markup('<a href="{}"{}>{}</a>')
    now = Markup(' aria-current="page"')
    listed = (links.format(opened.address(build, PAGE, run=name), now if name == shown else "", name) for name in names)
    return Markup('<nav class="runs" aria-label="Trainings">{}</nav>').format(Markup(" ").join(listed))
