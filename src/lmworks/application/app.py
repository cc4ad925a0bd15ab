"""The application behind `lmworks open`, on this machine only, for who has the address that it was started with."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from lmworks.application.opened import Opened
from lmworks.application.overview import builds
from lmworks.application.pages import PAGES
from lmworks.application.reported import evidence_routes
from lmworks.errors import GateRefused, LmworksError, UsageError
from lmworks.serve.access import SECURITY_HEADERS, Access, Gate
from lmworks.serve.app import sign_in, with_session
from lmworks.serve.connections import BoundedServer
from lmworks.serve.content import sign_in_page
from lmworks.serve.run import listen


def run(root: Path, port: int, device: str, started: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. `started` is told the address, with a key made here that opens it until then."""
    key = secrets.token_urlsafe(24)
    logging.getLogger("lmworks.access").setLevel(logging.WARNING)
    with listen("127.0.0.1", port) as listener, TemporaryDirectory(prefix="lmworks-open-") as scratch:
        Path(scratch).chmod(0o700)
        server = BoundedServer(make_app(root, key, Path(scratch), device), lifespan="on", drain_seconds=5)
        started(f"http://127.0.0.1:{listener.getsockname()[1]}/enter?key={key}")
        server.run(sockets=[listener])


def make_app(root: Path, key: str, scratch: Path, device: str) -> Starlette:
    """The application of a store; what `scratch` holds is of the files that are uploaded. `key` opens all."""
    opened = Opened(root, device, scratch, PAGES)
    access = Access(key)

    async def enter(request: Request) -> Response:
        if not access.has_key(request.query_params.get("key", "")):
            return sign_in_page("This address is of another start: take the newest, or its key.")
        response = with_session(access)
        response.headers.update({name.decode(): value.decode() for name, value in SECURITY_HEADERS})
        return response

    async def with_key(request: Request) -> Response:
        return await sign_in(request, access)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        for close in opened.closing:
            close()

    def fault(request: Request, error: Exception) -> Response:
        status = 403 if isinstance(error, GateRefused) else 404 if isinstance(error, UsageError) else 500
        return _told(opened, request, str(error), status)

    def http_fault(request: Request, error: Exception) -> Response:
        found = error if isinstance(error, HTTPException) else HTTPException(500)
        return _told(opened, request, f"{request.url.path}: {found.detail.lower()}", found.status_code)

    inner = Starlette(
        routes=[
            Route("/", lambda request: builds(opened, request)),
            Route("/", with_key, methods=["POST"]),
            Route("/favicon.ico", lambda request: Response(status_code=204)),
            *(Mount(f"/{{build}}/{place}", routes=evidence_routes(opened, place)) for place in ("artifacts", "builds")),
            *(Mount(f"/{{build}}/{page.name}", routes=page.routes(opened)) for page in PAGES),
        ],
        exception_handlers={LmworksError: fault, HTTPException: http_fault},
        middleware=[Middleware(Gate, access=access, sign_in=sign_in_page())],
    )
    return Starlette(routes=[Route("/enter", enter), Mount("/", app=inner)], lifespan=lifespan)


def _told(opened: Opened, request: Request, said: str, status: int) -> Response:
    """As a page to who reads pages, as JSON to a script."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": said}, status)
    build = request.path_params.get("build")
    known = build if build in opened.store().builds.names else None
    return opened.show("message.html.jinja", known, "", status=status, title="Not possible", said=said)
