"""Who may come in: the key, the session that stands for it in a browser, and the gate before every route."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.files import state_folder
from lmworks.serve.attempts import Attempts
from lmworks.serve.errors import ApiError, failed

logger = logging.getLogger("lmworks.serve")
access_log = logging.getLogger("lmworks.access")

PLACES = "/session-"
"""How the place of every session begins, also of one that a former key gave."""
OPEN_PATHS = ("/livez", "/readyz")
"""All that is answered without a key; they say nothing but yes or no."""

KEY_VARIABLE = "LMWORKS_API_KEY"
SHORTEST_KEY = 16
"""Characters: drawn at random from letters and digits, they are beyond guessing at any rate of requests."""

SESSION_SECONDS = 12 * 3600.0
"""Seconds after which a browser must sign in again: a day of work."""
MOST_SESSIONS = 1000
"""Sessions at once; the oldest ends first."""
SIGN_OUT = "/sign-out"

AT_PLACE = "lmworks.place"
"""Where a request's scope says that it was for the place of a session (`.`), or for that of a former key (`..`)."""

MODEL_ASKED = "lmworks.model"
"""Where a request's scope says which of the models served it asks, once that is known."""

SECURITY_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of everything that does not bring its own."""


@dataclass(frozen=True)
class ServerKey:
    """The key of a server and its place."""

    key: str
    file: Path | None = None
    """File that holds the key; None if `LMWORKS_API_KEY` does."""
    is_new: bool = False
    """Whether it was made just now, and so was never shown."""

    def as_text(self) -> str:
        """Return what the start of a server says: the key once, then where it is and how to make another."""
        if self.file is None:
            return f"in the environment variable {KEY_VARIABLE}"
        shown = f"{self.key}\n             shown this once; kept" if self.is_new else "kept"
        return f"{shown} in {self.file}\n             for a new key, delete that file and start again"


def load_or_make_key(store: Path) -> ServerKey:
    """Return the key: `LMWORKS_API_KEY`, else that of a store, made at the first start.

    It is kept in a file of mode 0600 below `$XDG_STATE_HOME`, by the place of the store: one in the store would come
    with a copy of it, known to whom it was copied from.

    Raises `UsageError` for a key that no client could send or anybody could guess, and for one in the store;
    `LmworksError` for a file that others can read.
    """
    key, source = os.environ.get(KEY_VARIABLE), KEY_VARIABLE
    path, is_new = None, False
    if (before := store / "api-key").exists():
        raise UsageError(
            f"{before}: keys are not kept in stores, since a copied store would bring a key that others know: delete "
            f"it. One is made elsewhere, unless {KEY_VARIABLE} is set, to what it held if you made it"
        )
    if key is None:
        try:
            path = state_folder() / "keys" / hashlib.sha256(os.fsencode(store.resolve())).hexdigest()[:32]
            if not path.exists():
                is_new = _make_key(path)
        except (OSError, RuntimeError) as error:  # RuntimeError: this user has no home
            raise LmworksError(
                f"no place to keep the server's key ({error}): set {KEY_VARIABLE}, or XDG_STATE_HOME to a folder that "
                "can be written and lasts"
            ) from error
        source = str(path)
        if path.stat().st_mode & 0o077:
            raise LmworksError(f"{path}: others on this machine can read the key; run `chmod 600 {path}`, or delete it")
        key = path.read_text().strip()
    if not key or not all("!" <= letter <= "~" for letter in key):
        raise UsageError(f"{source}: a key is one word of printable ASCII characters")
    if len(key) < SHORTEST_KEY:
        mend = "unset it" if source == KEY_VARIABLE else "delete the file"
        raise UsageError(
            f"{source}: a key of {len(key)} characters can be guessed; take at least {SHORTEST_KEY}, drawn at random, "
            f"or {mend}, and one is made"
        )
    return ServerKey(key, path, is_new)


def _make_key(path: Path) -> bool:
    """Write a new key; returns whether it is ours, and not that of another start at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"lmworks-{secrets.token_urlsafe(32)}\n")
    try:
        os.link(fresh, path)  # whole or not at all, and the first of two starts wins
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True


class Access:
    """Checks keys and sessions without keeping the key; all comparisons take the same time whatever is given."""

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        self._digest = hashlib.sha256(key.encode()).digest()
        self._clock = clock
        self._sessions: dict[bytes, float] = {}
        """Digest of what a browser keeps instead of the key → when it ends, the oldest first."""
        self._known_key = hmac.digest(key.encode(), b"lmworks known browser", "sha256")
        self.attempts = Attempts(clock)
        self.cookie = "lmworks-" + hmac.new(key.encode(), b"lmworks cookie", hashlib.sha256).hexdigest()[:8]
        self.place = f"{PLACES}{hmac.new(key.encode(), b'lmworks place', hashlib.sha256).hexdigest()[:32]}/"
        """Where a session counts: a browser sends a cookie to every port of a machine, but to no other path than this,
        and a server of another port cannot ask for a path that it does not know."""

    def has_key(self, key: str) -> bool:
        return hmac.compare_digest(hashlib.sha256(key.encode()).digest(), self._digest)

    def begin_session(self) -> str:
        """Return what a browser keeps instead of the key, for `SESSION_SECONDS`."""
        session, now = secrets.token_urlsafe(32), self._clock()
        ended = [each for each, end in self._sessions.items() if end <= now]
        for each in ended or list(self._sessions)[: max(0, len(self._sessions) - MOST_SESSIONS + 1)]:
            del self._sessions[each]
        self._sessions[_digest(session)] = now + SESSION_SECONDS
        return session

    def end_session(self, request: Request) -> None:
        """Let the session of a browser count no more."""
        self._sessions.pop(_digest(request.cookies.get(self.cookie, "")), None)

    @property
    def known_cookie(self) -> str:
        """Name of the cookie of a browser that signed in before: wrong keys of others do not slow it down."""
        return f"{self.cookie}-known"

    def know(self) -> str:
        """Return the cookie of a browser that signed in."""
        name = secrets.token_hex(16)
        return f"{name}.{self._sealed(name)}"

    def client_of(self, request: Request) -> tuple[str, bool]:
        """Return for whom wrong keys are counted, a browser or an address, and whether that browser is known."""
        name, _, seal = request.cookies.get(self.known_cookie, "").partition(".")
        if name and hmac.compare_digest(seal.encode(), self._sealed(name).encode()):
            return name, True
        return request.client.host if request.client else "", False

    def _sealed(self, name: str) -> str:
        return hmac.new(self._known_key, name.encode(), hashlib.sha256).hexdigest()

    def admits(self, request: Request) -> bool:
        """Return whether a request carries the key as a bearer token, or a session."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.has_key(token):
            return True
        if request.method != "GET" and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return False  # asked by a page of another port of this machine: browsers send its requests with the session
        end = self._sessions.get(_digest(request.cookies.get(self.cookie, "")), 0.0)
        return self.is_place(request) and self._clock() < end

    def is_place(self, request: Request) -> bool:
        """Return whether a request is for the place of a session."""
        asked = request.scope["path"].encode()[: len(self.place)]
        return hmac.compare_digest(asked, self.place.encode())


def _digest(session: str) -> bytes:
    return hashlib.sha256(session.encode()).digest()


class Gate:
    """The outermost layer: asks for the key, turns faults into answers, adds headers, writes the access log."""

    def __init__(self, app: ASGIApp, access: Access, sign_in: Response) -> None:
        self._app = app
        self._access = access
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(Request(scope, receive), send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, request: Request, send: Send) -> None:
        began = time.perf_counter()
        request_id = f"req-{secrets.token_hex(12)}"
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                names = {name for name, _ in message["headers"]}
                extra = [*SECURITY_HEADERS, (b"content-security-policy", PAGE_POLICY.encode())]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *((name, value) for name, value in extra if name not in names),
                ]
            await send(message)

        try:
            await self._answerer(request)(request.scope, request.receive, sending)
        except ClientDisconnect:
            pass
        except Exception:
            logger.exception("%s failed", request_id)
            if not status:
                await failed().response()(request.scope, request.receive, sending)
        finally:
            # Neither query nor body: prompts, keys and answers stay out of the log.
            milliseconds = round(1000 * (time.perf_counter() - began))
            path = quote(request.scope["path"][:200])
            model = request.scope.get(MODEL_ASKED, "-")
            access_log.info("%s %s %s %d %d ms %s", request_id, request.method, path, status, milliseconds, model)

    def _answerer(self, request: Request) -> ASGIApp:
        path = request.scope["path"]
        admitted = self._access.admits(request)
        if self._access.is_place(request):
            # Routes and the log know nothing of places.
            request.scope["path"], request.scope[AT_PLACE] = path[len(self._access.place) - 1 :], "."
        elif path.startswith(PLACES) and path.endswith("/"):
            request.scope["path"], request.scope[AT_PLACE] = "/", ".."
        path = request.scope["path"]
        if path in OPEN_PATHS or admitted or (path == "/" and request.method == "POST"):
            return self._app
        if path in ("/", SIGN_OUT):
            return self._sign_in
        message = "a key is needed: send it as `Authorization: Bearer KEY`"
        return ApiError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"}).response()
