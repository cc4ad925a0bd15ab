"""A live server on a free port of this machine, with a tiny real model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import openai

from lmworks.engines.protocol import Engine
from lmworks.pipeline.figure import Figure
from lmworks.serve.app import create_app
from lmworks.serve.connections import LIMITS, BoundedServer, Limits
from lmworks.serve.content import Examples, Failure, PageContent
from lmworks.serve.run import listen
from lmworks.serve.service import Service

KEY = "test-key-0123456789"
MODEL = "cloud-docs/writer"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "What does S3 CreateBucket do?"}]}
ASK: Any = CHAT
"""The same for the client, whose types want each field's own."""
PAGE = PageContent(
    name="cloud-docs-writer",
    purpose="Writes API documentation for a cloud platform.",
    parameters=28_672,
    context_length=2048,
    figures=[
        Figure(name="bits per byte", value=1.234, n=25, method="test services", interval=(1.2, 1.27)),
        Figure(name="reverse question", value=0.51, n=400, method="accuracy", interval=(0.47, 0.55), chance=0.04),
    ],
    licences=["Apache-2.0"],
    digest="0123456789abcdef",
    examples=[Examples("Explain an operation", ["What does S3 CreateBucket do?", "<b>not bold</b>"])],
    advice=[
        "documentation-questions-test: copy-nearest wins: 0.412 ROUGE-L, the best model, cloud-docs-writer, has 0.391.",
        "It was measured only by documentation-questions-test: nothing more is known about bias, safety, and fitness "
        "for decisions about "
        "people.",
    ],
    failures=[
        Failure(
            task="documentation-questions-test",
            asked="What does S3 DeleteBucket do?",
            answered="<i>Creates</i> a bucket of ‹email hidden›.",
            wanted="Deletes a bucket.",
        ),
        Failure(task="reverse-question", asked="Deletes a bucket.", answered="", wanted="S3 DeleteBucket"),
    ],
)


@dataclass
class Live:
    """A running server and the ways in."""

    url: str
    service: Service

    def client(self, **values: object) -> openai.OpenAI:
        return openai.OpenAI(**({"base_url": f"{self.url}/v1", "api_key": KEY, "max_retries": 0} | values))  # type: ignore[arg-type]

    def http(self, key: str | None = KEY) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)


@contextmanager
def serving(engine: Engine, *others: str, limits: Limits = LIMITS, **places: int) -> Iterator[Live]:
    """With `others`, models that the engine has beside `MODEL`."""
    service = Service(engine, [MODEL, *others], **places)
    pages = [PAGE, *(replace(PAGE, name=name) for name in others)]
    with listening(create_app(service, KEY, pages), limits) as address:
        yield Live(address, service)


@contextmanager
def listening(app: Any, limits: Limits = LIMITS) -> Iterator[str]:
    """The address of an application that is served meanwhile."""
    server = BoundedServer(app, limits)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
