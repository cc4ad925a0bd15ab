"""What builds wrote for people: report, data report, cards, items, history."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import quote

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lmworks.application.opened import Opened, address
from lmworks.errors import UsageError

REPORT, DATA = "report", "data"
READ_AS_TEXT = (".json", ".jsonl", ".md", ".txt")


def report_routes(opened: Opened) -> Sequence[BaseRoute]:
    """The report, and every file beside it that is of this build, under its own name: links between them hold."""

    def report(request: Request) -> Response:
        build = request.path_params["build"]
        if not (opened.root / "reports" / f"{build}.html").exists():
            from lmworks.release.report.report import write_report

            write_report(opened.store(build), build)
        return RedirectResponse(address(build, REPORT, f"{build}.html"), 303)

    def file(request: Request) -> Response:
        build, name = request.path_params["build"], request.path_params["file"]
        path = {each.name: each for each in (opened.root / "reports").glob("*") if each.is_file()}.get(name)
        if path is None or not name.startswith(build):
            raise UsageError(f"{name}: the reports of {build} have no such file; `lmworks report` writes them again")
        at = DATA if name == f"{build}-data.html" else REPORT
        recipe = os.path.relpath(opened.built(build).recipe, path.parent)
        lies, shown_at = f'href="{quote(recipe)}"', f'href="{address(build, "plan", "recipe.yaml")}"'
        if path.suffix == ".html":
            return opened.file(path.read_text(encoding="utf-8").replace(lies, shown_at), build, at)
        if path.suffix == ".md":
            text = MarkdownIt("commonmark", {"html": False}).enable("table").render(path.read_text(encoding="utf-8"))
            shown = Markup(text.replace(lies, shown_at))  # noqa: S704 - markdown-it escapes all HTML in it
            return opened.show("text.html.jinja", build, at, title=path.stem, text=shown)
        return FileResponse(path, headers={"content-security-policy": "default-src 'none'; sandbox"})

    return [Route("/", report), Route("/{file}", file)]


def evidence_routes(opened: Opened, place: str) -> Sequence[BaseRoute]:
    """The files of the store that cards point to, as they lie there."""

    def evidence(request: Request) -> Response:
        named = f"{place}/{request.path_params['path']}"
        root = opened.root.resolve()
        path = root / named
        if ".." in path.parts or path != path.resolve() or not path.is_file():
            raise UsageError(f"{named}: the store has no such file; an erasure may have deleted it")
        kind = "text/plain; charset=utf-8" if path.suffix in READ_AS_TEXT else "application/octet-stream"
        return FileResponse(path, media_type=kind, headers={"content-security-policy": "default-src 'none'; sandbox"})

    return [Route("/{path:path}", evidence)]


def data_routes(opened: Opened) -> Sequence[BaseRoute]:
    """The data report; of many texts it is written only when it is asked for."""

    def data(request: Request) -> Response:
        build = request.path_params["build"]
        path = opened.root / "reports" / f"{build}-data.html"
        if request.method == "POST":
            from lmworks.release.inspect.data_report import write_data_report

            write_data_report(opened.store(build), build)
        elif not path.exists():
            return opened.show("no_data_report.html.jinja", build, DATA)
        return RedirectResponse(address(build, REPORT, path.name), 303)

    return [Route("/", data, methods=["GET", "POST"])]
