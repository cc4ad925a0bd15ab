"""Requests that take too long end, whole or streamed, and say so."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from live_server import ASK, CHAT, MODEL, Live, serving
from lmworks.engines import protocol
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.decoding.batch import RunningBatch
from lmworks.engines.open import open_engine
from lmworks.engines.request import Piece
from lmworks.serve import service
from lmworks.serve.errors import ApiError
from readers import write_reader, write_rewriter

NO_TIME = {"timeout_seconds": 1e-9}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After three steps of a batch, all deadlines are over for it."""
    steps, plain = 0, RunningBatch.step

    def step(batch: RunningBatch) -> Any:
        nonlocal steps
        steps += 1
        return plain(batch)

    monkeypatch.setattr(RunningBatch, "step", step)
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 1e6 * (steps >= 3))
    monkeypatch.setattr(protocol, "time", clock)
    yield


def test_a_request_without_time_is_told_and_not_asked_again(live: Live) -> None:
    before = live.service.timed_out
    with live.http() as http:
        answer = http.post("/v1/chat/completions", json={**CHAT, **NO_TIME})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
        assert "timeout_seconds" in answer.json()["error"]["message"]
        assert http.post("/v1/completions", json={"model": MODEL, "prompt": "a", **NO_TIME}).status_code == 504
        assert http.post("/v1/chat/completions", json={**CHAT, "timeout_seconds": 0}).status_code == 400
    with pytest.raises(openai.InternalServerError):
        live.client(max_retries=2).chat.completions.create(**ASK, extra_body=NO_TIME)
    assert live.service.timed_out == before + 3, "each is counted once"


def test_an_answer_that_is_begun_ends_with_what_there_is(live: Live, hurried: None) -> None:
    found = live.client().chat.completions.create(**ASK, temperature=0, max_tokens=50)
    assert found.choices[0].finish_reason == "timeout" and found.usage and found.usage.completion_tokens == 3
    assert found.choices[0].message.content


def test_a_stream_ends_with_its_reason_and_an_error(live: Live, hurried: None) -> None:
    chunks = []
    with pytest.raises(openai.APIError, match="the time limit of this request was over"):
        for chunk in live.client().chat.completions.create(**ASK, temperature=0, max_tokens=50, stream=True):
            chunks.append(chunk)
    assert chunks[-1].choices[0].finish_reason == "timeout" and any(each.choices[0].delta.content for each in chunks)


def test_no_request_gets_more_than_the_server_gives(engine: DecoderEngine) -> None:
    with serving(engine, timeout_seconds=1e-9) as live, live.http() as http:  # type: ignore[arg-type]
        assert http.post("/v1/chat/completions", json={**CHAT, "timeout_seconds": 1e6}).status_code == 504
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 504


@pytest.mark.parametrize(
    ("kind", "path"),
    [("sequence classifier", "classify"), ("token classifier", "extract"), ("encoder", "embeddings")],
)
def test_texts_that_are_read_have_a_deadline_too(kind: str, path: str, tmp_path: Path) -> None:
    with serving(open_engine(write_reader(tmp_path / "m", kind))) as live, live.http() as http:
        answer = http.post(f"/v1/{path}", json={"model": MODEL, "input": ["a", "b"], **NO_TIME})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
        assert http.post(f"/v1/{path}", json={"model": MODEL, "input": ["a", "b"]}).status_code == 200
        assert live.service.timed_out == 2


def test_a_client_does_not_wait_for_a_step_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "STEP_SECONDS", 0.0)
    engine, goes_on = open_engine(write_rewriter(tmp_path / "t5")), threading.Event()
    plain = engine.generate
    monkeypatch.setattr(engine, "generate", lambda *asked: goes_on.wait(60) and plain(*asked))
    with serving(engine) as live, live.http() as http:
        asked = {"model": MODEL, "prompt": "a", "max_tokens": 2}
        try:
            assert http.post("/v1/completions", json={**asked, "timeout_seconds": 0.2}).status_code == 504
        finally:
            goes_on.set()
        assert http.post("/v1/completions", json=asked).status_code == 200, "the server goes on"


def test_pieces_that_a_client_takes_one_by_one_keep_no_place_beyond_the_deadline() -> None:
    taken: list[str] = []

    async def take() -> None:
        over = time.monotonic() - service.STEP_SECONDS - 1
        reply = service.Reply([SimpleNamespace(deadline=over)], "m", lambda reply: None)  # type: ignore[list-item]
        for word in "abc":
            reply.put((0, Piece(word, (), None)))
        await asyncio.sleep(0)
        async for _, piece in reply.pieces():
            taken.append(piece.text)

    with pytest.raises(ApiError) as told:
        asyncio.run(take())
    assert told.value.status == 504 and not taken
