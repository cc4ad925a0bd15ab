"""The application behind `lmworks open`, on this machine only. Only people who have its address can use it."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lmworks.application import starting
from lmworks.application.opened import Opened
from lmworks.application.overview import builds
from lmworks.application.pages import PAGES
from lmworks.application.reported import evidence_routes
from lmworks.errors import GateRefused, LmworksError, UsageError
from lmworks.serve.access import PAGE_POLICY, SECURITY_HEADERS
from lmworks.serve.connections import BoundedServer
from lmworks.serve.run import listen

logger = logging.getLogger("lmworks.application")

SCRATCH = "lmworks-open-"
"""First part of the name of a folder for uploaded files. The id of the application's process follows."""
ICON = "/favicon.ico"
"""Path of the icon, which browsers always request. There is no icon."""
HEADERS = [*SECURITY_HEADERS, (b"content-security-policy", PAGE_POLICY.encode())]
"""Headers that are added to a response unless it sets them itself."""
ENTRANCE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>lmworks</title><meta http-equiv="refresh" content="0;url={address}">
</head><body><p><a href="{address}">Open</a></p></body></html>
"""


def run(root: Path, port: int, device: str, started: Callable[[str, Path], None], first: str = "") -> None:
    """Serve until Ctrl-C or a signal to stop. `first` is the path of the page to open.

    `started` gets the address, which contains a secret key, and a file that redirects to it. A browser should be
    started with the file, because everyone who lists processes sees the arguments of a program.
    """
    key = secrets.token_urlsafe(24)
    _clear_killed()
    with (
        listen("127.0.0.1", port) as listener,
        TemporaryDirectory(prefix=f"{SCRATCH}{os.getpid()}-", ignore_cleanup_errors=True) as scratch,
    ):
        Path(scratch).chmod(0o700)
        server = BoundedServer(make_app(root, key, Path(scratch), device), lifespan="on", drain_seconds=5)
        stopping = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # uvicorn takes two of them, only while it serves, and raises them again at the end: being stopped is no failure
        previous = {number: signal.signal(number, server.handle_exit) for number in stopping}
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}/{key}/{first}"
            entrance = Path(scratch) / "open.html"
            entrance.write_text(ENTRANCE.format(address=address), encoding="utf-8")
            started(address, entrance)
            server.run(sockets=[listener])
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _clear_killed() -> None:
    """Delete the folders of this user's applications that were killed."""
    for folder in Path(gettempdir()).glob(f"{SCRATCH}*-*"):
        process = folder.name.removeprefix(SCRATCH).partition("-")[0]
        if process.isdecimal() and folder.lstat().st_uid == os.geteuid() and not _runs(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user
        return True
    return True


def make_app(root: Path, key: str, scratch: Path, device: str) -> Starlette:
    """Return the application of a store. `scratch` is the folder for uploaded files.

    All addresses begin with `key`. A cookie instead would also be sent to servers on other ports of this machine.
    """
    opened = Opened(root, device, scratch, PAGES, f"/{key}")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        for close in opened.closing:
            close()

    def fault(request: Request, error: Exception) -> Response:
        status = 403 if isinstance(error, GateRefused) else 404 if isinstance(error, UsageError) else 500
        return _told(opened, request, str(error), status)

    def system_fault(request: Request, error: Exception) -> Response:
        logger.warning("%s", error)
        said = getattr(error, "strerror", None) or "this address cannot be read"
        return _told(opened, request, f"not possible: {said}", 500)

    def http_fault(request: Request, error: Exception) -> Response:
        found = error if isinstance(error, HTTPException) else HTTPException(500)
        return _told(opened, request, found.detail.lower(), found.status_code)

    pages = [
        Route("/", lambda request: builds(opened, request)),
        Mount(f"/{starting.PAGE}", routes=starting.routes(opened)),
        *(Mount(f"/{{build}}/{place}", routes=evidence_routes(opened, place)) for place in ("artifacts", "builds")),
        *(Mount(f"/{{build}}/{page.name}", routes=page.routes(opened)) for page in PAGES),
    ]
    return Starlette(
        routes=[Route(ICON, lambda request: Response(status_code=204)), Mount(f"/{key}", routes=pages)],
        exception_handlers={
            LmworksError: fault,
            HTTPException: http_fault,
            OSError: system_fault,
            ValueError: system_fault,
        },
        middleware=[Middleware(Door, key=key)],
        lifespan=lifespan,
    )


class Door:
    """Middleware that answers 404 unless the path begins with the key (compared in constant time), and adds headers."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in HEADERS if name not in names),
                ]
            await send(message)

        first = f"{scope['path']}/".split("/")[1].encode()
        known = hmac.compare_digest(first, self._key) or scope["path"] == ICON
        app = self._app if known else PlainTextResponse("not found: use the address that the newest start printed", 404)
        headers = dict(scope["headers"])
        if scope["method"] not in ("GET", "HEAD") and _is_foreign(headers.get(b"origin"), headers.get(b"host", b"")):
            app = PlainTextResponse("refused: a page of another site sent this request", 403)
        await app(scope, receive, sending)


def _is_foreign(origin: bytes | None, host: bytes) -> bool:
    """Return whether a browser states that a page of another origin sent a request. Scripts state no origin."""
    return origin is not None and origin != b"http://" + host


def _told(opened: Opened, request: Request, said: str, status: int) -> Response:
    """Return a message as a page if the client accepts HTML, otherwise as JSON."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": said}, status)
    build = request.path_params.get("build")
    known = build if build in opened.store().builds.names else None
    return opened.show("message.html.jinja", known, "", status=status, title="Not possible", said=said)
