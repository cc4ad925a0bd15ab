"""Sends the pieces of an answer: as one JSON object, or as events while they are generated."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lmworks.serve.errors import ApiError, late
from lmworks.serve.protocol import Said, Shape, usage
from lmworks.serve.service import Pieces, is_late
from lmworks.tokens.calls import Calling


@dataclass
class Writer:
    """Converter of an answer's pieces into JSON, as a whole or as events."""

    model: str
    shape: Shape
    prompt_tokens: int
    include_usage: bool
    calls: Callable[[], Calling] | None = None
    """Maker of parsers for function calls in an answer. None if the model cannot call functions."""
    more: dict[str, Any] = field(default_factory=dict)
    """Further fields of the whole answer, and of the first event of a stream."""

    def __post_init__(self) -> None:
        self._head = {"id": self.shape.prefix + secrets.token_hex(12), "created": int(time.time()), "model": self.model}

    async def whole(self, answer: Pieces) -> Response:
        said, readers = [Said() for _ in answer.requests], self._readers(answer)
        tokens = 0
        async for index, piece in answer.pieces():
            said[index].add(piece, readers[index])
            tokens += len(piece.ids)
        if any(each.reason == "timeout" for each in said) and not any(each.text or each.thoughts for each in said):
            raise late()
        choices = [self.shape.choice(index, each) for index, each in enumerate(said)]
        body = {"object": self.shape.object, "choices": choices, "usage": usage(self.prompt_tokens, tokens)}
        return JSONResponse(self._head | body | self.more)

    def _readers(self, answer: Pieces) -> list[Calling | None]:
        return [self.calls() if self.calls else None for _ in answer.requests]

    async def events(self, answer: Pieces) -> AsyncIterator[str]:
        """Yield server-sent events. An event with an `error` ends the stream early."""
        head = self._head | {"object": self.shape.chunk_object} | ({"usage": None} if self.include_usage else {})
        begun: set[int] = set()
        tokens, was_late, readers = 0, False, self._readers(answer)
        try:
            async for index, piece in answer.pieces():
                tokens += len(piece.ids)
                was_late |= is_late(piece)
                said = Said().add(piece, readers[index])
                if said.text or said.thoughts or said.reason or index not in begun:
                    delta = self.shape.delta(index, said, first=index not in begun)
                    yield _event(head | {"choices": [delta]} | ({} if begun else self.more))
                    begun.add(index)
            if was_late:
                raise late()
        except ApiError as error:
            yield _event(error.body())
            return
        if self.include_usage:
            yield _event(head | {"choices": [], "usage": usage(self.prompt_tokens, tokens)})
        yield "data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


class EventStream(StreamingResponse):
    """A streamed answer. It is always closed, even if the client disconnects before the first event."""

    def __init__(self, answer: Pieces, writer: Writer) -> None:
        super().__init__(writer.events(answer), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()
