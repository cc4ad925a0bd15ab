"""Errors in the form of OpenAI's API, which its clients turn into their own exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse


class ApiError(Exception):
    """Error response to a request, with status and message."""

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
        """Return the JSON of the error, for a response or for an event of a stream that has begun."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """Return the error as a complete response."""
        return JSONResponse(self.body(), self.status, self.headers)


def overloaded() -> ApiError:
    """Return the error for a server whose places are all taken. The client should repeat the request soon."""
    return ApiError(
        503, "the server is busy; try again in a few seconds", code="server_overloaded", headers={"Retry-After": "2"}
    )


def late() -> ApiError:
    """Return the error for a request that was not answered in time. A header tells clients not to repeat it."""
    return ApiError(
        504,
        "the time limit of this request was over before its end. Ask for a shorter answer, or raise timeout_seconds, "
        "up to the server's limit (--request-timeout)",
        code="deadline_exceeded",
        headers={"x-should-retry": "false"},
    )


def unread() -> ApiError:
    """Return the error for a stream that its client did not read while other requests waited for its place."""
    return ApiError(
        503, "the server was busy and you did not read this answer. Read a stream as it comes", code="answer_not_read"
    )


def stopping() -> ApiError:
    """Return the error for a server that is stopping."""
    return ApiError(503, "the server is stopping", code="server_stopping", headers={"Retry-After": "5"})


def failed() -> ApiError:
    """Return the error for a failure of the server. Details are in the log, not in the response."""
    return ApiError(500, "the server failed on this request. See the server's log")
