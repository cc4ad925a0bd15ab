"""Pages that builds have written: report, data report, cards, items and history."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from urllib.parse import quote

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from lmworks.application.opened import Opened
from lmworks.errors import UsageError

REPORT, DATA = "report", "data"
READ_AS_TEXT = (".json", ".jsonl", ".md", ".txt")


def report_routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the routes of the report and of the build's other report files. Names stay, so that links work."""

    def report(request: Request) -> Response:
        built = opened.built(request.path_params["build"])
        path = opened.root / "reports" / f"{built.name}.html"
        made_of = (built.recipe, built.store.builds.folder / f"{built.name}.json")
        if not path.exists() or any(each.exists() and each.stat().st_mtime > path.stat().st_mtime for each in made_of):
            from lmworks.release.report.report import write_report

            write_report(opened.store(built.name), built.name)
        return RedirectResponse(opened.address(built.name, REPORT, path.name), 303)

    def file(request: Request) -> Response:
        build, name = request.path_params["build"], request.path_params["file"]
        path = {each.name: each for each in (opened.root / "reports").glob("*") if each.is_file()}.get(name)
        if path is None or not name.startswith(build):
            raise UsageError(f"{name}: {build} has no such report. To write reports again, type `lmworks report`")
        at = DATA if name == f"{build}-data.html" else REPORT
        recipe = os.path.relpath(opened.built(build).recipe, path.parent)
        lies, shown_at = f'href="{quote(recipe)}"', f'href="{opened.address(build, "plan", "recipe.yaml")}"'
        if path.suffix == ".html":
            return opened.file(path.read_text(encoding="utf-8").replace(lies, shown_at), build, at)
        if path.suffix == ".md":
            head, body = _parted(path.read_text(encoding="utf-8"))
            text = MarkdownIt("commonmark", {"html": False}).enable("table").render(body)
            text = re.sub(r"<h([1-6])>(.*?)</h\1>", _with_id, text)
            shown = Markup(text.replace(lies, shown_at))  # noqa: S704 - markdown-it escapes all HTML in it
            return opened.show("text.html.jinja", build, at, title=path.stem, text=shown, head=head)
        return FileResponse(path, headers={"content-security-policy": "default-src 'none'; sandbox"})

    return [Route("/", report), Route("/{file}", file)]


def _with_id(heading: re.Match[str]) -> str:
    """Return a heading with the id that links in the card use. Hubs form ids in the same way."""
    name = re.sub(r"[^\w -]", "", re.sub(r"<[^>]*>", "", heading[2])).strip().lower().replace(" ", "-")
    return f'<h{heading[1]} id="{name}">{heading[2]}</h{heading[1]}>'


def _parted(card: str) -> tuple[str, str]:
    """Return the metadata at the head of a card (for programs), and the card's text."""
    found = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    return (found[1], card[found.end() :]) if found else ("", card)


def evidence_routes(opened: Opened, place: str) -> Sequence[BaseRoute]:
    """Return the route of unchanged files of the store to which cards link."""

    def evidence(request: Request) -> Response:
        named = f"{place}/{request.path_params['path']}"
        root = opened.root.resolve()
        path = root / named
        if ".." in path.parts or path != path.resolve() or not path.exists():
            raise UsageError(f"{named}: the store has no such file; an erasure may have deleted it")
        if path.is_dir():
            build = request.path_params["build"]
            files = [f"{each.name}/" if each.is_dir() else each.name for each in sorted(path.iterdir())]
            return opened.show("files.html.jinja", build, REPORT, title=named, files=files, at=f"{request.url.path}/")
        kind = "text/plain; charset=utf-8" if path.suffix in READ_AS_TEXT else "application/octet-stream"
        return FileResponse(path, media_type=kind, headers={"content-security-policy": "default-src 'none'; sandbox"})

    return [Route("/{path:path}", evidence)]


def data_routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the route of the data report. It is written only on request, since many texts take long."""

    def data(request: Request) -> Response:
        build = request.path_params["build"]
        path = opened.root / "reports" / f"{build}-data.html"
        if request.method == "POST":
            from lmworks.release.inspect.data_report import write_data_report

            write_data_report(opened.store(build), build)
        elif not path.exists():
            return opened.show("no_data_report.html.jinja", build, DATA)
        return RedirectResponse(opened.address(build, REPORT, path.name), 303)

    return [Route("/", data, methods=["GET", "POST"])]
