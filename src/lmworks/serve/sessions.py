"""Sign-in with the key, sign-out, and the cookies that a browser gets."""

from __future__ import annotations

import math
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lmworks.serve.access import AT_PLACE, Access
from lmworks.serve.content import sign_in_page

KNOWN_SECONDS = 365 * 86_400
"""Lifetime in seconds of the cookie of a browser that has signed in: one year."""


def sign_in(access: Access, request: Request, form: bytes) -> Response:
    """Check the key in a form, and begin a session. The browser is first redirected, with the key, to the secret path.

    All addresses are relative, and cookies state no path, so they are valid for the secret path. This also works if a
    proxy serves the application below another path.
    """
    client, is_known = access.client_of(request)
    if seconds := math.ceil(access.attempts.wait(client, is_known=is_known)):
        return sign_in_page(f"Too many wrong keys. Wait {seconds} s, then try again.", seconds)
    if not access.has_key(parse_qs(form.decode(errors="replace")).get("key", [""])[0].strip()):
        access.attempts.failed(client)
        return sign_in_page("This is not the key of this server.")
    access.attempts.succeeded(client)
    at = request.scope.get(AT_PLACE, "")
    if at != ".":
        return RedirectResponse(f"{at}{access.place}".lstrip("/"), 307)
    response = RedirectResponse("./", 303)
    _set(response, access.cookie, access.begin_session())
    _set(response, access.known_cookie, access.know(), KNOWN_SECONDS)
    return response


def sign_out(access: Access, request: Request) -> Response:
    """End the session of this browser, and redirect to the sign-in form."""
    access.end_session(request)
    response = RedirectResponse("./", 303)
    _set(response, access.cookie, "", 0)
    return response


def _set(response: Response, name: str, value: str, seconds: int | None = None) -> None:
    response.set_cookie(name, value, seconds, path=None, httponly=True, samesite="strict")
