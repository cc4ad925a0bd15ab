"""A server of OpenAI's API on a free port of this machine that really adds; and what else servers do."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from live_server import listening

KEY = "sk-test-0123456789abcdef"
VARIABLE = "LMWORKS_KEY_HOSTED"


@dataclass
class Address:
    """Adds the numbers of a question; as a judge, likes the shorter answer."""

    model: str = "adder-2026-11-01"
    asked: list[dict[str, Any]] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    """What it does with the next requests instead, in order: names of `odd`."""
    always: str = ""
    seconds: float = 0.0
    """That an answer takes."""
    says: str = ""
    """In place of every answer."""
    counts: int = 0
    """In place of the tokens of every answer."""
    url: str = ""

    async def handle(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            said = f"Incorrect API key provided: {request.headers.get('authorization')}"
            return JSONResponse({"error": {"message": said, "code": "invalid_api_key"}}, 401)
        body = await request.json()
        self.asked.append(body)
        await asyncio.sleep(self.seconds)
        if odd := self.first.pop(0) if self.first else self.always:
            return await self.odd(odd)
        said, limit = self.answer(body["messages"][-1]["content"], body.get("seed", 0)), body.get("max_tokens", 10**6)
        words = said.split()
        message = {"role": "assistant", "content": self.says or " ".join(words[:limit])}
        reason = "length" if len(words) > limit else "stop"
        usage = {"prompt_tokens": 7, "completion_tokens": self.counts or min(limit, len(words))}
        choices = [{"index": 0, "message": message, "finish_reason": reason}]
        return JSONResponse({"model": self.model, "choices": choices, "usage": usage})

    def answer(self, question: str, seed: int) -> str:
        if found := re.search(r"Answer A:\n(.*)\n\nAnswer B:\n(.*)\n\n", question, re.DOTALL):
            return "A" if len(found[1]) < len(found[2]) else "B"  # likes the shorter one
        numbers = [int(each) for each in re.findall(r"\d+", question)]
        return f"It is {'most certainly ' * (seed % 3)}{sum(numbers)}"

    async def odd(self, kind: str) -> Response:
        if kind == "busy":
            return JSONResponse({"error": {"message": "slow down"}}, 429, {"Retry-After": "0"})
        if kind == "closed":
            return JSONResponse({"error": {"message": "quota"}}, 429, {"Retry-After": "86400"})
        if kind == "fails":
            return Response("<html>bad gateway", 502, {"Retry-After": "0"})
        if kind == "hangs":
            await asyncio.sleep(2)
        if kind == "redirects":
            return RedirectResponse("http://elsewhere.invalid/v1/chat/completions", 307)
        if kind == "too long":
            said = {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}
            return JSONResponse({"error": said}, 400)
        if kind == "half":
            return StreamingResponse(_half(), headers={"Content-Length": "1000"})
        if kind in ("bomb", "bombs", "unlike its coding"):
            packed = gzip.compress(b"{}" + b" " * 2**26) if kind != "unlike its coding" else b"{}"
            coding = "gzip, gzip, gzip" if kind == "bombs" else "gzip"
            return Response(packed, media_type="application/json", headers={"Content-Encoding": coding})
        if kind == "packed":
            said = b'{"choices": [{"message": {"content": "It is 1"}}]}'
            return Response(gzip.compress(said), headers={"Content-Encoding": "gzip"})
        if kind == "no redirect":
            return Response(status_code=307, headers={"Location": "http://[x"})
        if kind == "large":
            return StreamingResponse(_large(), media_type="application/json")
        bodies = {
            "no JSON": "<html>welcome</html>",
            "no choices": '{"model": "adder-2026-11-01", "choices": []}',
            "billions": _counting("3000000000"),
            "float": _counting("1e30"),
            "infinite": _counting("Infinity"),
            "long": _counting("9" * 5000),
            "half a character": '{"choices": [{"message": {"content": "It is \\ud800 1"}}]}',
            "forms": f'{{"model": "adder\\u001b[2J\\n{KEY}", "choices": [{{"message": {{"content": "It is 1"}}}}]}}',
            "numbers": '{"choices": [{"message": {"content": 5}, "finish_reason": "stop"}]}',
        }
        return Response(bodies[kind], media_type="application/json")


def _counting(tokens: str) -> str:
    return f'{{"choices": [{{"message": {{"content": "1"}}}}], "usage": {{"completion_tokens": {tokens}}}}}'


async def _half() -> AsyncIterator[bytes]:
    yield b'{"model": "adder", "choices": [{"mess'


async def _large() -> AsyncIterator[bytes]:
    for _ in range(50):
        yield b" " * 2**20


@contextmanager
def at_address(**values: Any) -> Iterator[Address]:
    """A server that listens meanwhile."""
    address = Address(**values)
    app = Starlette(routes=[Route("/v1/chat/completions", address.handle, methods=["POST"])])
    with listening(app) as url:
        address.url = f"{url}/v1"
        yield address
