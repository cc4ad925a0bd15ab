"""The chat page, and the API behind it, of a model of a build. Memory holds one model: opening another closes it."""

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
    """Return the models to choose from, and the page of each."""
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
    """The model's folder, and when its build was written."""
    app: ASGIApp
    service: Service


class Chats:
    """Opens the model that an address names, and answers for it."""

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
        """Raises UsageError where the build has no such model, GateRefused where it may not be served.

        What was built again meanwhile is opened anew; gates, which may have been added since, are asked at each page.
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
        """Give back what the model holds."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._held:
            self._held.service.stop()
        self._held = None


def _page(back: str) -> Response:
    """The chat page, with a way back to the others."""
    from lmworks.serve.content import page_files

    text = bytes(page_files()["index.html"].body).decode()
    return HTMLResponse(text.replace("<header>", f'<header>\n  <a class="back" href="{back}">Back</a>', 1))
