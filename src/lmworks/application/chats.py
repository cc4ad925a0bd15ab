"""Chat page and API for the models of a build. Memory holds one model, so opening another closes the first."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lmworks.application.opened import Opened, models_of
from lmworks.pipeline.store import Artifact

if TYPE_CHECKING:
    from lmworks.serve.service import Service

PAGE = "chat"


def routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the routes of the list of models, and of each model's chat page."""
    chats = Chats(opened)
    opened.closing.append(chats.close)

    def choose(request: Request) -> Response:
        built = opened.built(request.path_params["build"])
        rows = [
            {"name": name, "to": opened.address(built.name, PAGE, name) + "/", "served": is_served}
            for name, is_served in models_of(built).items()
        ]
        return opened.show("chats.html.jinja", built.name, PAGE, rows=rows)

    return [Route("/", choose), Mount("/{model}", app=chats)]


@dataclass(frozen=True)
class _Held:
    made: tuple[str, int]
    """The model's folder, and the time in nanoseconds at which its build was recorded."""
    app: ASGIApp
    service: Service


class Chats:
    """Application that opens the model named in an address, and passes requests to it."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._held: _Held | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        build, model = scope["path_params"]["build"], scope["path_params"]["model"]
        is_page = not scope["path"].removeprefix(scope["root_path"]).strip("/")
        held = await run_in_threadpool(self._open, build, model, is_page)
        if is_page:
            await _page(self._opened.address(build, PAGE))(scope, receive, send)
        else:
            await held.app(scope, receive, send)

    def _open(self, build: str, model: str, is_page: bool) -> _Held:
        """Return the open model. Raises UsageError if the build has no such model, GateRefused if a gate forbids it.

        A model that was rebuilt since is opened again. Each request for the page checks all gates, also new ones.
        """
        store = self._opened.store(build)
        artifact = store.named(model)
        made = str(artifact.payload), (store.builds.folder / f"{build}.json").stat().st_mtime_ns
        with self._lock:
            if self._held is None or self._held.made != made or not self._held.service.alive:
                self._close()
                self._held = self._served(build, artifact, made)
            elif is_page:
                from lmworks.release.gates import require_gates
                from lmworks.release.serving import require_answers

                require_answers(store, [artifact])
                require_gates(store, [artifact])
            return self._held

    def _served(self, build: str, artifact: Artifact, made: tuple[str, int]) -> _Held:
        from lmworks.release.serving import open_served
        from lmworks.serve.app import ungated
        from lmworks.serve.service import Service

        served = open_served(self._opened.store(build), [artifact], self._opened.device, unmeasured=True)
        service = Service(served.engine, [page.name for page in served.pages])
        service.start()
        return _Held(made, ungated(service, None, served.pages, served.knowledge), service)

    def close(self) -> None:
        """Stop the model's service, and free its memory."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._held:
            self._held.service.stop()
        self._held = None


def _page(back: str) -> Response:
    """Return the chat page with a link back to the list of models."""
    from lmworks.serve.content import page_files

    text = bytes(page_files()["index.html"].body).decode()
    return HTMLResponse(text.replace("<header>", f'<header>\n  <a class="back" href="{back}">Back</a>', 1))
