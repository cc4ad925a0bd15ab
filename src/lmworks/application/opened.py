"""Shared parts of the pages: the store that they show, and functions that render pages and form addresses."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute

from lmworks.errors import UsageError
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.render.templates import environment

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the pages that the application renders."""
OWN_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
"""Pattern of the Content-Security-Policy in a page that was written to a file."""


@dataclass(frozen=True)
class Page:
    """A kind of page that every build has."""

    name: str
    """Name in the page's address: `/BUILD/NAME/`."""
    title: str
    routes: Callable[[Opened], Sequence[BaseRoute]]
    """Function that returns the routes below the page's address. The first route shows the page."""


@dataclass
class Opened:
    """The store that is shown, and the state of the application that shows it."""

    root: Path
    device: str
    scratch: Path
    """Folder for uploaded files and predictions. It is deleted when the application ends."""
    pages: Sequence[Page] = ()
    base: str = ""
    """First part of every address, with the secret key."""
    closing: list[Callable[[], None]] = field(default_factory=list)
    """Functions to call when the application ends."""

    def store(self, build: str | None = None) -> Store:
        """Return the store, with `build` as its last build. Raises UsageError if it has no build of this name."""
        opened = Store(self.root)
        if build is not None and build not in opened.builds.names:
            raise UsageError(f"{self.root}: no build {build!r}; expected {', '.join(opened.builds.names)}")
        return Store(self.root, build)

    def built(self, build: str) -> Built:
        """Return a recipe's last build in its present state. Raises UsageError if there is none."""
        return Built.open(self.store(build))

    def address(self, build: str, page: str, *below: str, **asked: str) -> str:
        """Return the address of a build's page, or of a file below that page. `asked` becomes the query."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items() if value)
        path = "/".join((self.base, *(quote(each, safe="") for each in (build, page, *below)))) + ("" if below else "/")
        return path + (f"?{query}" if query else "")

    def show(
        self, template: str, build: str | None, page: str, *, status: int = 200, title: str = "", **values: Any
    ) -> HTMLResponse:
        """Return a page rendered from a template of this package, below the bar with links to all pages."""
        named = {each.name: each.title for each in self.pages}
        text = (
            environment(__package__)
            .get_template(template)
            .render(bar=self.bar(build, page), title=title or named.get(page, "lmworks"), build=build, **values)
        )
        return HTMLResponse(text, status, {"content-security-policy": POLICY})

    def bar(self, build: str | None, page: str) -> Markup:
        """Return the links to all pages of a build."""
        template = environment(__package__).get_template("bar.html.jinja")
        pages = self.pages if build else ()
        shown = template.render(pages=pages, build=build, at=page, to=self.address, all=f"{self.base}/")
        return Markup(shown)  # noqa: S704 - a template of ours, which escapes

    def file(self, text: str, build: str, page: str, more: Markup | str = "") -> HTMLResponse:
        """Return a finished HTML page with the bar added. Its own Content-Security-Policy, if any, stays in force."""
        policy = OWN_POLICY.search(text)
        held = html.unescape(policy[1]) + "; frame-ancestors 'none'" if policy else POLICY
        shown = text.replace("<body>", f"<body>\n{self.bar(build, page)}{more}", 1)
        return HTMLResponse(shown, headers={"content-security-policy": held})


def models_of(built: Built) -> dict[str, bool]:
    """Return names of a build's models and served passages, with whether each is served.

    Served ones come first.
    """
    from lmworks.release.gates import served  # which reads tasks and their figures

    named = dict.fromkeys((name for name in served(built) if name in built.artifacts), True)
    return named | dict.fromkeys((name for name in built.models if name not in named), False)


def said_at(path: Path) -> str:
    """Return the UTC time at which a file was written, in words."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")
