"""A server that limits its connections: their number, the time to send a request, and the time to read an answer.

uvicorn has none of these limits. Without them, a client without the key could use up all file descriptors by sending
incomplete headers, and a client with the key could use up all places by not reading its answers.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

logger = logging.getLogger("lmworks.serve")

FILES_PER_CONNECTION = 4
"""Number of file descriptors per allowed connection: one for itself, up to two for connections that asyncio has
accepted but not reported (see `BoundedServer`), and the rest for other files of the process."""
NOTICE_SECONDS = 60.0
"""Minimum number of seconds between two log lines about the same kind of event, since anybody can cause these."""


@dataclass(frozen=True)
class Limits:
    """Limits of a server's connections."""

    connections: int = 1000
    """Maximum number of open connections: about ten times the requests that a server takes. They need little memory."""
    header_seconds: float = 10.0
    """Seconds from connecting, or from the previous answer, until the request's header is complete. A header is one or
    two packets, which arrive within seconds even if half of all packets are lost."""
    unread_seconds: float = 30.0
    """Seconds without progress in sending an answer. TCP repeats lost packets after 0.2, 0.4, ... 12.8 seconds. After
    longer silence the line is broken, or the client does not read."""


LIMITS = Limits()


class Connections(ServerState):
    """The open connections of a server, in the order in which each last began to wait for its client."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.closed: Counter[str] = Counter()
        """Reason → number of closed connections."""
        self._order: dict[Connection, None] = {}
        self._said: dict[str, float] = {}

    def moved(self, connection: Connection) -> None:
        """Note that a connection is new or waits for its client. If there are too many, close the longest waiting."""
        self._order.pop(connection, None)
        self._order[connection] = None
        if len(self._order) > self.limits.connections:
            longest = next((each for each in self._order if each.awaits_client), connection)
            self._close(longest, f"more than {self.limits.connections} connections")

    def lost(self, connection: Connection) -> None:
        self._order.pop(connection, None)

    def sweep(self, now: float) -> None:
        """Close the connections whose client is too slow."""
        for connection in tuple(self._order):
            if reason := connection.overdue(now, self.limits):
                self._close(connection, reason)

    def failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle errors of the event loop. If no descriptor is free, it calls this and accepts nothing for a second."""
        if str(context.get("message")).startswith("socket.accept()"):
            self._note(f"not accepted for now: {context.get('exception')}")
        else:
            loop.default_exception_handler(context)

    def _close(self, connection: Connection, reason: str) -> None:
        self._order.pop(connection)
        connection.transport.abort()  # `close` would wait until the client has read what was sent
        self._note(f"closed: {reason}")

    def _note(self, what: str) -> None:
        self.closed[what] += 1
        now = time.monotonic()
        if now - self._said.get(what, -NOTICE_SECONDS) >= NOTICE_SECONDS:
            self._said[what] = now
            logger.warning("connection %s; %d since the start", what, self.closed[what])


class Connection(H11Protocol):
    """One connection, which reports when it begins to wait for its client."""

    server_state: Connections

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **named)
        self._since = 0.0
        self._unsent = 0
        self._progress = 0.0

    @property
    def awaits_client(self) -> bool:
        """Whether the connection is idle until the client sends or reads."""
        return self._awaits_request or self.cycle.more_body or self.flow.write_paused

    @property
    def _awaits_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def overdue(self, now: float, limits: Limits) -> str | None:
        """Return the reason to close the connection, or None."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and (self._awaits_request or self.flow.write_paused):  # nothing is added to it meanwhile
            if unsent != self._unsent:
                self._unsent, self._progress = unsent, now
            late = now - self._progress > limits.unread_seconds
            return f"its client read nothing of an answer for {limits.unread_seconds:g} s" if late else None
        late = self._awaits_request and now - self._since > limits.header_seconds
        return f"no whole request in {limits.header_seconds:g} s" if late else None

    def _moved(self) -> None:
        self._since, self._unsent = time.monotonic(), 0
        self.server_state.moved(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._moved()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.lost(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._moved()

    def on_response_complete(self) -> None:
        self._moved()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._moved()


class BoundedServer(uvicorn.Server):
    """uvicorn with limited connections. It raises the process's limit of open files as far as needed and allowed.

    asyncio accepts up to `backlog` connections at once and reports them two turns of its loop later. So the number of
    connections is at most a quarter of the files, and the backlog half of this number. Descriptors then suffice.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits = LIMITS,
        *,
        lifespan: Literal["auto", "on"] = "auto",
        drain_seconds: int | None = None,
    ) -> None:
        files = _raise_open_files(FILES_PER_CONNECTION * limits.connections)
        most = max(1, min(limits.connections, files // FILES_PER_CONNECTION))
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",  # a connection that is upgraded would leave the bounds
            backlog=max(16, most // 2),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan=lifespan,
            timeout_graceful_shutdown=drain_seconds,
        )
        super().__init__(config)
        self.server_state: Connections = Connections(Limits(most, limits.header_seconds, limits.unread_seconds))

    async def startup(self, sockets: Any = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self.server_state.failed)
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % 5 == 0:  # of a tenth of a second each
            self.server_state.sweep(time.monotonic())
        return await super().on_tick(counter)


def _raise_open_files(wanted: int) -> int:
    """Return the limit of open files, raised as far as needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < raised:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return max(soft, raised)
