"""A server goes on after a bug, says so when it hangs, and gives the places of answers that nobody reads to others."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from test_connections import connect, post
from test_running import LONG, PATH, STREAM, soon, works

from live_server import CHAT, MODEL, Live, serving
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.decoding.batch import RunningBatch
from lmworks.engines.encoder import ReadingEngine
from lmworks.engines.open import open_engine
from lmworks.engines.protocol import WholeBatch
from readers import write_reader


class Panic(BaseException):
    """Rust's panics are no Exception."""


@pytest.fixture
def small(engine: DecoderEngine) -> Iterator[Live]:
    with serving(engine, rows=1, waiting=1) as server:
        yield server


def broken_once(monkeypatch: pytest.MonkeyPatch, kind: type[Any], name: str, error: BaseException) -> None:
    """Let a method fail after it did its work, the first time that it is called."""
    method, failed = getattr(kind, name), list[int]()

    def breaking(*values: Any) -> Any:
        found = method(*values)
        if not failed:
            failed.append(1)
            raise error
        return found

    monkeypatch.setattr(kind, name, breaking)


@pytest.mark.parametrize("name", ["add", "step", "remove"])
@pytest.mark.parametrize("error", [RuntimeError("a bug"), Panic("a panic"), SystemExit()], ids=repr)
def test_a_bug_ends_its_request_and_the_next_is_answered(
    small: Live, monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException
) -> None:
    broken_once(monkeypatch, RunningBatch, name, error)
    with small.http() as http:
        answer = http.post(PATH, json=CHAT | {"max_tokens": 2}, timeout=10)
        if name != "remove":
            assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
        for _ in range(3):
            assert http.post(PATH, json=CHAT | {"max_tokens": 2}, timeout=10).status_code == 200
        assert [http.get(place).status_code for place in ("/livez", "/readyz")] == [200, 200]
    soon(lambda: works(small))


def test_a_bug_in_add_ends_a_stream_with_an_error_and_no_other(small: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with small.http() as http, http.stream("POST", PATH, json=CHAT | LONG | STREAM) as running:
        lines = running.iter_lines()
        next(lines)
        broken_once(monkeypatch, RunningBatch, "add", RuntimeError("a bug"))
        with small.http() as other:
            told = [line for line in other.post(PATH, json=CHAT | STREAM, timeout=10).text.splitlines() if line]
        assert json.loads(told[-1].removeprefix("data: "))["error"]["type"] == "server_error"
        assert [line for line in lines if line][-1] == "data: [DONE]"


@pytest.mark.parametrize("name", ["add", "step"])
def test_a_classifier_goes_on_after_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    engine = open_engine(write_reader(tmp_path, "sequence classifier"))
    assert isinstance(engine, ReadingEngine)
    body = {"model": MODEL, "input": "a text"}
    with serving(engine) as live, live.http() as http:
        broken_once(monkeypatch, WholeBatch, name, RuntimeError("a bug"))
        assert http.post("/v1/classify", json=body, timeout=10).status_code == 500
        assert http.post("/v1/classify", json=body, timeout=10).status_code == 200


def test_a_server_that_hangs_is_neither_alive_nor_ready(engine: DecoderEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmworks.serve.service.STEP_SECONDS", 0.3)
    step, going = RunningBatch.step, threading.Event()

    def hanging(batch: RunningBatch) -> Any:
        going.wait(30)
        return step(batch)

    monkeypatch.setattr(RunningBatch, "step", hanging)
    with serving(engine, timeout_seconds=0.2) as live, live.http() as http:
        assert http.get("/livez").status_code == 200
        assert http.post(PATH, json=CHAT).json()["error"]["code"] == "deadline_exceeded"
        soon(lambda: http.get("/livez").status_code == 503)
        assert http.get("/readyz").status_code == 503
        assert http.post(PATH, json=CHAT, timeout=5).status_code == 500
        going.set()
        soon(lambda: [http.get(place).status_code for place in ("/livez", "/readyz")] == [200, 200])


def test_a_server_whose_worker_is_gone_says_so_and_lets_nobody_wait(
    small: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(RunningBatch, "step", failing)
    monkeypatch.setattr(small.service, "_fail", failing)
    with small.http() as http:
        assert http.post(PATH, json=CHAT, timeout=10).status_code == 500
        soon(lambda: [http.get(place).status_code for place in ("/livez", "/readyz")] == [503, 503])


def test_ten_clients_that_do_not_read_hold_no_place_that_another_needs(
    engine: DecoderEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmworks.serve.service.UNREAD_SECONDS", 0.3)
    monkeypatch.setattr("lmworks.serve.run.SEND_BUFFER", 1 << 12)
    body = post(CHAT | LONG | STREAM | {"n": 8})
    with serving(engine) as live, ExitStack() as held, live.http() as http:
        for _ in range(10):
            held.enter_context(connect(live, body, receive_buffer=2048))
        soon(lambda: http.post(PATH, json=CHAT | {"max_tokens": 1}).status_code == 503)
        begun = time.monotonic()
        while http.post(PATH, json=CHAT | {"max_tokens": 1}, timeout=60).status_code != 200:
            assert time.monotonic() - begun < 60, "the places are still held"
            time.sleep(0.2)


def test_an_answer_that_is_read_keeps_its_place_on_a_full_server(small: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmworks.serve.service.UNREAD_SECONDS", 0.5)
    body = CHAT | STREAM | {"n": 2, "max_tokens": 400, "temperature": 0}
    with small.http() as http, http.stream("POST", PATH, json=body) as response, small.http() as other:
        codes, last, end = list[int](), "", time.monotonic() + 1
        for line in response.iter_lines():
            last = line or last
            if line and time.monotonic() < end:
                codes.append(other.post(PATH, json=CHAT | {"max_tokens": 1}).status_code)
    # The places are free again when all is sent, which can be before all is read.
    assert codes == sorted(codes, reverse=True)
    assert (codes[0], last) == (503, "data: [DONE]")
