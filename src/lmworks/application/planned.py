"""The plan of a build: time and memory, the state of each step, and the forecast if the recipe has `needs`."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from lmworks.application.opened import Opened
from lmworks.errors import LmworksError, UsageError
from lmworks.release.built import Built

if TYPE_CHECKING:
    from lmworks.workspace import Workspace

PAGE = "plan"


def routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the routes of the plan, of the forecast and of the recipe."""

    def plan(request: Request) -> Response:
        from lmworks.watch.status import statuses

        built = opened.built(request.path_params["build"])
        try:
            workspace = _workspace(built)
        except LmworksError as error:  # the recipe is gone, or was changed into one that cannot be read
            return opened.show("planned.html.jinja", built.name, PAGE, fault=str(error), plan="", steps=[], needs=False)
        shown: dict[str, Any] = {
            "plan": workspace.plan.as_text(),
            "steps": list(statuses(workspace.build)),
            "fault": "",
        }
        needs = workspace.recipe.needs is not None
        return opened.show("planned.html.jinja", built.name, PAGE, needs=needs, command=built.command, **shown)

    def forecast(request: Request) -> Response:
        from lmworks.plan.disk import known_disk
        from lmworks.plan.plan import forecast_of
        from lmworks.release.render.forecast import forecast_page

        built = opened.built(request.path_params["build"])
        workspace = _workspace(built)
        if not (told := forecast_of(workspace.recipe, workspace.folder, None)):
            return opened.show("message.html.jinja", built.name, PAGE, said="This recipe has no section `needs`.")
        now = datetime.date.today(), known_disk(workspace.store.root), shutil.disk_usage(workspace.folder).free
        return opened.file(forecast_page(told, workspace.recipe.name, str(workspace.path), *now), built.name, PAGE)

    def recipe(request: Request) -> Response:
        built = opened.built(request.path_params["build"])
        try:
            return PlainTextResponse(built.recipe.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{built.recipe}: {error.strerror}") from None

    return [Route("/", plan), Route("/forecast.html", forecast), Route("/recipe.yaml", recipe)]


def _workspace(built: Built) -> Workspace:
    from lmworks.workspace import open_workspace

    return open_workspace(built.recipe, built.record.settings, built.store.root, plan_only=True)
