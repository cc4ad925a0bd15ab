"""Access control: the server's key, browser sessions in place of the key, and the gate before every route."""

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
"""First part of the path of every session, also of sessions under a former key."""
OPEN_PATHS = ("/livez", "/readyz")
"""Paths that are answered without a key. Their answers only say whether the server works."""

KEY_VARIABLE = "LMWORKS_API_KEY"
SHORTEST_KEY = 16
"""Minimum length of a key in characters. Nobody can guess so many random letters and digits by sending requests."""

SESSION_SECONDS = 12 * 3600.0
"""Seconds after which a browser must sign in again: a day of work."""
MOST_SESSIONS = 1000
"""Maximum number of sessions. A further session ends the oldest."""
SIGN_OUT = "/sign-out"

AT_PLACE = "lmworks.place"
"""Entry of a request's scope: `.` if its path was that of the session, `..` if that of a former key's session."""

MODEL_ASKED = "lmworks.model"
"""Entry of a request's scope: name of the model that the request is for, once it is known."""

SECURITY_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of responses that do not set their own."""


@dataclass(frozen=True)
class ServerKey:
    """The key of a server, and where it is stored."""

    key: str
    file: Path | None = None
    """File that holds the key. None if the key is in `LMWORKS_API_KEY`."""
    is_new: bool = False
    """Whether this start of the server created the key, so that it was not shown before."""

    def as_text(self) -> str:
        """Return what a starting server prints: where the key is, how to replace it, and a new key itself, once."""
        if self.file is None:
            return f"in the environment variable {KEY_VARIABLE}"
        shown = f"{self.key}\n             shown this once; kept" if self.is_new else "kept"
        return f"{shown} in {self.file}\n             for a new key, delete that file and start again"


def load_or_make_key(store: Path) -> ServerKey:
    """Return the key in `LMWORKS_API_KEY`, or else the store's key, which the first start creates.

    The store's key is in a file of mode 0600 below `$XDG_STATE_HOME`, named by the path of the store. A key inside the
    store would be copied with it, and the owner of the original would know it.

    Raises `UsageError` if clients cannot send the key, if it can be guessed, or if there is a key in the store. Raises
    `LmworksError` if others can read the file.
    """
    key, source = os.environ.get(KEY_VARIABLE), KEY_VARIABLE
    path, is_new = None, False
    if (before := store / "api-key").exists():
        raise UsageError(
            f"{before}: delete this file. A key in a store is not safe, since others may know the key of a copied "
            f"store. lmworks makes a new key elsewhere. To use your own key, set {KEY_VARIABLE}"
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
        raise UsageError(f"{source}: a key must be one word of printable ASCII characters")
    if len(key) < SHORTEST_KEY:
        mend = "unset it" if source == KEY_VARIABLE else "delete the file"
        raise UsageError(
            f"{source}: a key of {len(key)} characters can be guessed. Use at least {SHORTEST_KEY} random characters, "
            f"or {mend}, so that lmworks makes a key"
        )
    return ServerKey(key, path, is_new)


def _make_key(path: Path) -> bool:
    """Write a new key. Return false if another server that starts at the same time has written its key first."""
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
    """Checks of keys and sessions. The key itself is not kept, and all comparisons take constant time."""

    def __init__(self, key: str, clock: Callable[[], float] = time.time) -> None:
        self._digest = hashlib.sha256(key.encode()).digest()
        self._clock = clock
        self._sessions: dict[bytes, float] = {}
        """Digest of a session's cookie → time at which the session ends, the oldest session first."""
        self._known_key = hmac.digest(key.encode(), b"lmworks known browser", "sha256")
        self.attempts = Attempts(clock)
        self.cookie = "lmworks-" + hmac.new(key.encode(), b"lmworks cookie", hashlib.sha256).hexdigest()[:8]
        self.place = f"{PLACES}{hmac.new(key.encode(), b'lmworks place', hashlib.sha256).hexdigest()[:32]}/"
        """Path under which a session is valid. A browser sends a cookie to every port of a machine, but only for the
        cookie's path. A server on another port does not know this secret path, so it cannot get the cookie."""

    def has_key(self, key: str) -> bool:
        return hmac.compare_digest(hashlib.sha256(key.encode()).digest(), self._digest)

    def begin_session(self) -> str:
        """Begin a session of `SESSION_SECONDS`. Return the value that the browser keeps instead of the key."""
        session, now = secrets.token_urlsafe(32), self._clock()
        ended = [each for each, end in self._sessions.items() if end <= now]
        for each in ended or list(self._sessions)[: max(0, len(self._sessions) - MOST_SESSIONS + 1)]:
            del self._sessions[each]
        self._sessions[_digest(session)] = now + SESSION_SECONDS
        return session

    def end_session(self, request: Request) -> None:
        """End the session of the browser that sent a request."""
        self._sessions.pop(_digest(request.cookies.get(self.cookie, "")), None)

    @property
    def known_cookie(self) -> str:
        """Name of the cookie of a browser that signed in before. Wrong keys of other clients do not slow it down."""
        return f"{self.cookie}-known"

    def know(self) -> str:
        """Return the cookie value for a browser that has signed in."""
        name = secrets.token_hex(16)
        return f"{name}.{self._sealed(name)}"

    def client_of(self, request: Request) -> tuple[str, bool]:
        """Return the browser or address for which wrong keys are counted, and whether it is a known browser."""
        name, _, seal = request.cookies.get(self.known_cookie, "").partition(".")
        if name and hmac.compare_digest(seal.encode(), self._sealed(name).encode()):
            return name, True
        return request.client.host if request.client else "", False

    def _sealed(self, name: str) -> str:
        return hmac.new(self._known_key, name.encode(), hashlib.sha256).hexdigest()

    def admits(self, request: Request) -> bool:
        """Return whether a request carries the key as a bearer token, or a valid session."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.has_key(token):
            return True
        if request.method != "GET" and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return False  # asked by a page of another port of this machine: browsers send its requests with the session
        end = self._sessions.get(_digest(request.cookies.get(self.cookie, "")), 0.0)
        return self.is_place(request) and self._clock() < end

    def is_place(self, request: Request) -> bool:
        """Return whether a request's path is the secret path of sessions."""
        asked = request.scope["path"].encode()[: len(self.place)]
        return hmac.compare_digest(asked, self.place.encode())


def _digest(session: str) -> bytes:
    return hashlib.sha256(session.encode()).digest()


class Gate:
    """The outermost layer: it demands the key, turns exceptions into answers, adds headers and logs requests."""

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
