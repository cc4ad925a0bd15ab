"""Shared parts of the pages: the store that is shown, and how a page is made and addressed."""

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
"""Content-Security-Policy of the pages made here."""
OWN_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
"""Pattern of the policy inside a page that was written to a file."""


@dataclass(frozen=True)
class Page:
    """A page of each build."""

    name: str
    """In its address: `/BUILD/NAME/`."""
    title: str
    routes: Callable[[Opened], Sequence[BaseRoute]]
    """Below its address; the first shows the page."""


@dataclass
class Opened:
    """The store that is shown, and what is kept while it is."""

    root: Path
    device: str
    scratch: Path
    """Files that are uploaded and answered; they go when the application ends."""
    pages: Sequence[Page] = ()
    base: str = ""
    """Before every address; who does not know it finds nothing."""
    closing: list[Callable[[], None]] = field(default_factory=list)
    """Functions to call at the end."""

    def store(self, build: str | None = None) -> Store:
        """The store; of the builds in it that one counts as the last. Raises UsageError where it has none so named."""
        opened = Store(self.root)
        if build is not None and build not in opened.builds.names:
            raise UsageError(f"{self.root}: here is no build {build!r}; expected {', '.join(opened.builds.names)}")
        return Store(self.root, build)

    def built(self, build: str) -> Built:
        """Return a recipe's last build, as it is now. Raises UsageError where there is none."""
        return Built.open(self.store(build))

    def address(self, build: str, page: str, *below: str, **asked: str) -> str:
        """Return the address of a page of a build, or of a part below it."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items() if value)
        path = "/".join((self.base, *(quote(each, safe="") for each in (build, page, *below)))) + ("" if below else "/")
        return path + (f"?{query}" if query else "")

    def show(
        self, template: str, build: str | None, page: str, *, status: int = 200, title: str = "", **values: Any
    ) -> HTMLResponse:
        """A page from a template of this room, below the bar that leads to all others."""
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
        """A page that is whole in itself, below the bar; what it lets run is what it says itself."""
        policy = OWN_POLICY.search(text)
        held = html.unescape(policy[1]) + "; frame-ancestors 'none'" if policy else POLICY
        shown = text.replace("<body>", f"<body>\n{self.bar(build, page)}{more}", 1)
        return HTMLResponse(shown, headers={"content-security-policy": held})


def models_of(built: Built) -> dict[str, bool]:
    """Return what answers, the models of a build and the passages that it serves, and whether each is served.

    What is served comes first.
    """
    from lmworks.release.gates import served  # which reads tasks and their figures

    named = dict.fromkeys((name for name in served(built) if name in built.artifacts), True)
    return named | dict.fromkeys((name for name in built.models if name not in named), False)


def said_at(path: Path) -> str:
    """When a file was written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")
