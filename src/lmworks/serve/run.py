"""Runs the application until a signal to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp

from lmworks.errors import LmworksError
from lmworks.serve.app import create_app
from lmworks.serve.connections import LIMITS, BoundedServer, Limits
from lmworks.serve.content import PageContent
from lmworks.serve.knowledge import Knowledge
from lmworks.serve.service import Service

SEND_BUFFER = 1 << 16
"""Size in bytes of the kernel's send buffer. The default, megabytes, would hide that a client has stopped reading."""
DRAIN_SECONDS = 20
"""Seconds that running requests have to finish after a signal to stop. They then get an error."""


def run(
    service: Service,
    key: str,
    pages: Sequence[PageContent],
    knowledge: Knowledge | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    started: Callable[[str], None],
    limits: Limits = LIMITS,
) -> None:
    """Serve until SIGINT or SIGTERM. `started` gets the address once the port is open. Port 0 means any free port.

    Raises `LmworksError` if the port cannot be opened.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("lmworks").setLevel(logging.INFO)  # one line a request
    with listen(host, port) as listener:
        server = _Server(create_app(service, key, pages, knowledge), service, limits)
        # uvicorn takes signals only while it serves, and raises them again at the end: being stopped is no failure.
        previous = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            started(f"http://{host}:{listener.getsockname()[1]}/")
            server.run(sockets=[listener])
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


class _Server(BoundedServer):
    def __init__(self, app: ASGIApp, service: Service, limits: Limits) -> None:
        super().__init__(app, limits, lifespan="on", drain_seconds=DRAIN_SECONDS + 5)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._service.abort)
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port. Raises LmworksError if the port cannot be opened."""
    try:
        listener = socket.create_server((host, port), backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"port {port} of {host} is in use: stop the program that uses it, or add --port {port + 1}"
        else:
            what = f"port {port} of {host} cannot be opened ({error.strerror}): choose another with --port"
        raise LmworksError(what) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # every connection inherits it
    return listener
