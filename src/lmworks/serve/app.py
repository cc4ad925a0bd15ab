"""The HTTP application: OpenAI's API for the served models, and the chat page."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lmworks.engines.protocol import Ability, Read, ReadAbility, Reading, Writing, WrongTurns
from lmworks.errors import LmworksError
from lmworks.knowledge.collection import Found
from lmworks.serve.access import MODEL_ASKED, SIGN_OUT, Access, Gate
from lmworks.serve.content import PageContent, page_files, sign_in_page
from lmworks.serve.errors import ApiError, failed, late
from lmworks.serve.knowledge import Knowledge, Told, citing
from lmworks.serve.protocol import (
    ChatRequest,
    ChatShape,
    CompletionRequest,
    CompletionShape,
    EmbeddingsRequest,
    Parameters,
    Shape,
    TextsRequest,
    read,
)
from lmworks.serve.service import Reply, Service, is_late
from lmworks.serve.sessions import sign_in, sign_out
from lmworks.serve.writing import EventStream, Writer
from lmworks.tokens.calls import NO_FUNCTIONS, NOT_READ, Calling
from lmworks.tokens.tokenizer import TurnsRefused

logger = logging.getLogger("lmworks.serve")

BODY_LIMIT = 1 << 20
"""Maximum number of bytes of a request body. A text that fits the context is far shorter."""
SIGN_IN_LIMIT = 1 << 12
"""Maximum number of bytes of a sign-in form, which clients without a key can send."""
BODY_SECONDS = 30.0
"""Maximum number of seconds for a request body to arrive."""
PLACES: Mapping[Ability, str] = {
    "generate": "/v1/chat/completions or /v1/completions",
    "classify": "/v1/classify",
    "tag": "/v1/extract",
    "embed": "/v1/embeddings",
}
"""Paths of the requests for each ability of a model."""


def create_app(
    service: Service,
    key: str,
    pages: Sequence[PageContent],
    knowledge: Knowledge | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """Return the application for a service's models, with a page's content for each. /livez and /readyz need no key.

    With `knowledge`, chats are answered from passages. `clock` gives the time in seconds for sessions and sign-in.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.stop)

    access = Access(key, clock)
    app = ungated(service, access, pages, knowledge)
    app.router.lifespan_context = lifespan
    app.add_middleware(Gate, access=access, sign_in=sign_in_page())
    return app


def ungated(
    service: Service, access: Access | None, pages: Sequence[PageContent], knowledge: Knowledge | None = None
) -> Starlette:
    """Return the same application without a check of the key. The caller starts the service. Addresses are relative."""
    routes = Routes(service, access, pages, knowledge)
    table = (
        ("/livez", routes.live, "GET"),
        ("/readyz", routes.ready, "GET"),
        ("/", routes.chat_page, "GET"),
        ("/page/{name}", routes.page_file, "GET"),
        ("/v1/models", routes.models, "GET"),
        ("/v1/models/{model:path}", routes.model, "GET"),
        ("/v1/chat/completions", routes.chat_completions, "POST"),
        ("/v1/completions", routes.completions, "POST"),
        ("/v1/classify", routes.classify, "POST"),
        ("/v1/extract", routes.extract, "POST"),
        ("/v1/embeddings", routes.embeddings, "POST"),
        *(() if access is None else (("/", routes.sign_in, "POST"), (SIGN_OUT, routes.sign_out, "POST"))),
    )
    app = Starlette(
        routes=[Route(path, endpoint, methods=[method]) for path, endpoint, method in table],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - registered for it alone
    return error.response()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    message = f"{request.method} {request.url.path}: {error.detail.lower()}"
    return ApiError(error.status_code, message, headers=error.headers).response()


class Routes:
    """The endpoints of the application."""

    def __init__(
        self, service: Service, access: Access | None, pages: Sequence[PageContent], knowledge: Knowledge | None = None
    ) -> None:
        self._service = service
        self._knowledge = knowledge
        self._access = access
        self._files = page_files()
        shown = zip(service.models, pages, strict=True)
        engine = service.engine
        does = {name: getattr(engine, name) for name in ("rewrites", "chats", "quotes")} | {"can": sorted(engine.can)}
        self._files["content.json"] = JSONResponse([page.as_json() | {"model": model} | does for model, page in shown])

    async def live(self, request: Request) -> Response:
        alive = self._service.alive
        return PlainTextResponse("ok\n" if alive else "stuck: restart this server\n", 200 if alive else 503)

    async def ready(self, request: Request) -> Response:
        ready = self._service.ready
        return PlainTextResponse("ok\n" if ready else "not ready\n", 200 if ready else 503)

    async def chat_page(self, request: Request) -> Response:
        """Return the chat page. Clients who are not signed in get the sign-in form from the gate instead."""
        return self._files["index.html"]

    async def sign_in(self, request: Request) -> Response:
        """Begin a session for a browser that sends the key."""
        assert self._access  # noqa: S101 - without it there is no such route
        return sign_in(self._access, request, await _body(request, SIGN_IN_LIMIT))

    async def sign_out(self, request: Request) -> Response:
        """End the session of this browser."""
        assert self._access  # noqa: S101 - without it there is no such route
        return sign_out(self._access, request)

    async def page_file(self, request: Request) -> Response:
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise ApiError(404, "the page has no such file")
        return found

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._model(name) for name in self._service.models]})

    async def model(self, request: Request) -> Response:
        name = request.path_params["model"]
        self._check_model(request, name)
        return JSONResponse(self._model(name))

    async def chat_completions(self, request: Request) -> Response:
        wanted = read(ChatRequest, await _json_body(request))
        self._check_model(request, wanted.model)
        self._check_number(1, wanted)
        self._check_ability("generate")
        if not self._service.engine.chats:
            message = "this model has no chat template and only continues texts. Use /v1/completions instead"
            raise ApiError(400, message, param="model", code="wrong_endpoint")
        calls = self._service.engine.calls
        if wanted.functions and not (calls and calls.is_read):
            raise ApiError(400, NOT_READ if calls else NO_FUNCTIONS, param="tools")
        found: Found | None = None
        engine, turns, number = self._service.engine, wanted.turns(), wanted.n or 1
        self._check_length("messages", [str(turn["content"]) for turn in turns])
        try:
            if self._knowledge:
                put = partial(self._knowledge.prompt, engine, turns, wanted.limit())
                prompt, found = await self._service.prepare(number, put)
            else:
                prompt = await self._service.prepare(number, partial(engine.encode, turns))
        except (WrongTurns, TurnsRefused) as error:
            raise ApiError(400, str(error), param="messages") from error
        except LmworksError as error:  # the model's template; the client cannot mend it
            logger.error("%s", error)
            raise failed() from error
        if self._knowledge and found and (engine.quotes or not found.is_enough):
            cited = found if engine.quotes else replace(found, passages=(), scores=())
            return await self._told(wanted, self._knowledge.told(found), cited)
        return await self._answer(request, wanted, [prompt], wanted.limit(), ChatShape, found)

    async def completions(self, request: Request) -> Response:
        wanted = read(CompletionRequest, await _json_body(request))
        self._check_model(request, wanted.model)
        if not (given := wanted.prompts()):
            raise ApiError(400, "prompt: the list is empty", param="prompt")
        self._check_ability("generate")
        self._check_number(len(given), wanted)  # before they take time
        for prompt in given:
            self._check_length("prompt", [prompt])
        number = len(given) * (wanted.n or 1)
        prompts = await self._service.prepare(number, lambda: [self._encode(prompt) for prompt in given])
        return await self._answer(request, wanted, prompts, wanted.max_tokens or 16, CompletionShape)

    async def _answer(
        self,
        request: Request,
        wanted: Parameters,
        prompts: Sequence[list[int]],
        limit: int | None,
        shape: Shape,
        found: Found | None = None,
    ) -> Response:
        engine = self._service.engine
        context, deadline = engine.context_length, self._service.deadline(wanted.timeout_seconds)
        requests = []
        for prompt in prompts:
            room = engine.room(prompt)
            if room < (limit or 1):
                raise ApiError(
                    400,
                    f"this model's context is {context} tokens; the prompt has {len(prompt)} and the answer needs "
                    f"{limit or 'at least 1'}. Shorten the prompt, or lower the number of tokens to generate",
                    param="messages" if shape is ChatShape else "prompt",
                    code="context_length_exceeded",
                )
            requests += [Writing(prompt, sampling, deadline) for sampling in wanted.samplings(limit or room)]
        include_usage = bool(wanted.stream_options and wanted.stream_options.include_usage)
        names = [tool.function.name for tool in wanted.functions]
        calls = partial(Calling, engine.calls, names) if engine.calls and names else None
        writer = Writer(wanted.model, shape, sum(map(len, prompts)), include_usage, calls, citing(found))
        answer = self._service.submit(requests, wanted.model)
        if wanted.stream:
            return EventStream(answer, writer)
        return await _unless_gone(request, answer, writer.whole(answer))

    async def _told(self, wanted: ChatRequest, text: str, found: Found) -> Response:
        """Answer with a fixed text that no model wrote, and cite passages. If none is good enough, cite the nearest."""
        include_usage = bool(wanted.stream_options and wanted.stream_options.include_usage)
        writer = Writer(wanted.model, ChatShape, 0, include_usage, more=citing(found))
        told = Told(text, wanted.n or 1)
        return EventStream(told, writer) if wanted.stream else await writer.whole(told)

    async def classify(self, request: Request) -> Response:
        return await self._read(request, "classify", read(TextsRequest, await _json_body(request)))

    async def extract(self, request: Request) -> Response:
        return await self._read(request, "tag", read(TextsRequest, await _json_body(request)))

    async def embeddings(self, request: Request) -> Response:
        return await self._read(request, "embed", read(EmbeddingsRequest, await _json_body(request)))

    async def _read(self, request: Request, ability: ReadAbility, wanted: TextsRequest) -> Response:
        """Answer a request to classify, tag or embed texts: one object per text, in their order."""
        self._check_model(request, wanted.model)
        self._check_ability(ability)
        texts = wanted.texts()
        if not texts:
            raise ApiError(400, "input: the list is empty", param="input")
        if len(texts) > self._service.capacity:
            raise ApiError(400, f"at most {self._service.capacity} texts in one request", param="input")
        deadline = self._service.deadline(wanted.timeout_seconds)
        answer = self._service.submit([Reading(ability, text, deadline) for text in texts], wanted.model)

        async def whole() -> Response:
            found = [each async for each in answer.answers()]
            if any(is_late(each) for _, each in found):
                raise late()
            data = [wanted.described(index, each) for index, each in sorted(found, key=lambda pair: pair[0])]
            tokens = sum(each.tokens for _, each in found if isinstance(each, Read))
            body = {"object": "list", "model": wanted.model, "data": data}
            return JSONResponse(body | {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}})

        return await _unless_gone(request, answer, whole())

    def _check_ability(self, ability: Ability) -> None:
        engine = self._service.engine
        if ability not in engine.can:
            places = ", ".join(PLACES[each] for each in PLACES if each in engine.can)
            raise ApiError(400, f"{engine.refused(ability)}. Use {places}", param="model", code="wrong_endpoint")

    def _check_number(self, prompts: int, wanted: Parameters) -> None:
        if prompts * (wanted.n or 1) > self._service.capacity:
            raise ApiError(400, f"at most {self._service.capacity} answers in one request", param="n")

    def _check_length(self, param: str, parts: Sequence[str | list[int]]) -> None:
        """Raise ApiError for a text that is certainly too long for the context, before tokenizing it takes time."""
        engine = self._service.engine
        most, length = engine.context_length * engine.longest_token, sum(map(len, parts))
        if all(isinstance(each, str) for each in parts) and length > most > 0:
            raise ApiError(
                400,
                f"this model's context is {engine.context_length} tokens, at most {most:,} characters; found "
                f"{length:,}. Shorten the prompt",
                param=param,
                code="context_length_exceeded",
            )

    def _encode(self, prompt: str | list[int]) -> list[int]:
        engine = self._service.engine
        if isinstance(prompt, str):
            return engine.encode_text(prompt)
        if not prompt or not all(0 <= token < engine.vocab_size for token in prompt):
            raise ApiError(400, f"prompt: expected token ids from 0 to {engine.vocab_size - 1}", param="prompt")
        return prompt

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._service.created, "owned_by": "lmworks"}

    def _check_model(self, request: Request, name: str) -> None:
        if name not in self._service.models:
            raise ApiError(
                404,
                f"no model {name[:100]!r} on this server; its models: {', '.join(map(repr, self._service.models))}",
                param="model",
                code="model_not_found",
            )
        request.scope[MODEL_ASKED] = name


async def _unless_gone(request: Request, answer: Reply, whole: Coroutine[Any, Any, Response]) -> Response:
    """Return the whole answer, but stop as soon as the client disconnects. Frameworks do not check this themselves."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    writing, leaving = asyncio.create_task(whole), asyncio.create_task(gone())
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await writing if writing.done() else Response(status_code=499)
    finally:
        writing.cancel()
        leaving.cancel()
        answer.close()


async def _json_body(request: Request) -> bytes:
    # Other types are sent by web pages across origins without asking; JSON is not.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, "send the body as Content-Type: application/json")
    return await _body(request)


async def _body(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """Return the body. Raise ApiError as soon as it is too long, even if no header states its length."""
    too_long = ApiError(413, f"the body is longer than {limit} bytes")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > limit:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_long
    except TimeoutError:
        raise ApiError(408, f"the body took longer than {BODY_SECONDS:.0f} seconds") from None
    return bytes(body)
