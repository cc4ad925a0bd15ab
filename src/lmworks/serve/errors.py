"""Errors in the form of OpenAI's API, which its clients turn into their own exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse


class ApiError(Exception):
    """A request that is not answered: the status and what the body says."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """Return the JSON of the error, alone or as an event of a stream that has begun."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """Return the error as a whole answer."""
        return JSONResponse(self.body(), self.status, self.headers)


def overloaded() -> ApiError:
    """All places are taken; the client may ask again soon."""
    return ApiError(
        503, "the server is full; ask again in a few seconds", code="server_overloaded", headers={"Retry-After": "2"}
    )


def late() -> ApiError:
    """The time of a request was over before its answer. Clients are told not to ask again by themselves."""
    return ApiError(
        504,
        "the time of this request was over before its end: ask for less, or for more time with timeout_seconds, up to "
        "what the server gives (--request-timeout)",
        code="deadline_exceeded",
        headers={"x-should-retry": "false"},
    )


def unread() -> ApiError:
    """Error for a stream that its client did not read while others needed its place."""
    return ApiError(
        503, "the server was full and you did not read this answer: read it as it comes", code="answer_not_read"
    )


def stopping() -> ApiError:
    """The server is going down."""
    return ApiError(503, "the server is stopping", code="server_stopping", headers={"Retry-After": "5"})


def failed() -> ApiError:
    """Return a fault of ours; what it was is in the log, not in the answer."""
    return ApiError(500, "the server failed on this request; its log says why")
