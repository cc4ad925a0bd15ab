"""Contents of the chat page, and its files."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from starlette.responses import HTMLResponse, Response

from lmworks.pipeline.figure import Figure

MEDIA_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}


@dataclass(frozen=True)
class Examples:
    """Example prompts under a common title."""

    title: str
    prompts: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A test question that the model got wrong, or answered worst. Personal data is removed."""

    task: str
    asked: str
    answered: str
    wanted: str


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """Facts about a model, and example prompts."""

    name: str
    purpose: str
    """Purpose of the model, and its limits, in one or two sentences."""
    parameters: int
    context_length: int
    figures: Sequence[Figure] = ()
    licences: Sequence[str] = ()
    """Licences of the data behind the model (SPDX)."""
    digest: str = ""
    """Digest of the model's artifact, for `lmworks trace`."""
    examples: Sequence[Examples] = ()
    advice: Sequence[str] = ()
    """Advice to read before relying on an answer, the most important first."""
    failures: Sequence[Failure] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the values that the page's script reads."""
        return asdict(self) | {"figures": [figure.as_json() for figure in self.figures]}


def page_files() -> dict[str, Response]:
    """Return the page's files by name. They are read once, so a path in a request never reaches the disk."""
    folder = files("lmworks.serve") / "page"
    return {
        file.name: Response(file.read_bytes(), media_type=MEDIA_TYPES[file.name.rpartition(".")[2]])
        for file in folder.iterdir()
    }


def sign_in_page(message: str = "", wait: int = 0) -> Response:
    """Return the sign-in form in one file. Its status is 401, or 429 if the client must `wait` so many seconds."""
    text = (files("lmworks.serve") / "page" / "sign-in.html").read_text(encoding="utf-8")
    style, script = (_digest_of(text, tag) for tag in ("style", "script"))
    policy = (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy} | ({"Retry-After": str(wait)} if wait else {})
    return HTMLResponse(text.replace("{message}", message), 429 if wait else 401, headers)


def _digest_of(text: str, tag: str) -> str:
    """Return the digest of the text inside a tag, as Content-Security-Policy writes it."""
    found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    assert found  # noqa: S101 - the file is ours
    return f"sha256-{base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()}"
