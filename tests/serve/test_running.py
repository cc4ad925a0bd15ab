"""A server under way: full, left by its clients, broken, told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from live_server import ASK, CHAT, KEY, Live, serving
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.decoding.batch import RunningBatch
from lmworks.errors import LmworksError
from lmworks.serve.run import listen
from quick import few

LONG = {"max_tokens": 1900, "temperature": 0}
"""An answer that takes seconds."""
STREAM = {"stream": True}
PATH = "/v1/chat/completions"


@pytest.fixture
def small(engine: DecoderEngine) -> Iterator[Live]:
    """A server with one place to work and one to wait."""
    with serving(engine, rows=1, waiting=1) as server:
        yield server


def soon(check: Any) -> None:
    """Wait until `check()` holds: a second is the promise, ten allow for a busy machine."""
    end = time.monotonic() + 10
    while not check():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def works(live: Live) -> bool:
    """Whether both places are free."""
    with live.http() as http:
        return http.post(PATH, json=CHAT | {"max_tokens": 1, "n": 2}).status_code == 200


def test_a_full_server_says_when_to_come_back(small: Live) -> None:
    with small.http() as http, http.stream("POST", PATH, json=CHAT | LONG | STREAM) as first:
        lines = first.iter_lines()  # kept: httpx closes the stream with it
        next(lines)
        with small.http() as other, other.stream("POST", PATH, json=CHAT | LONG | STREAM):
            refused = small.http().post(PATH, json=CHAT)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert refused.json()["error"]["code"] == "server_overloaded"
            assert refused.json()["error"]["type"] == "server_error"
            assert small.http().get("/readyz").status_code == 200
            with pytest.raises(openai.InternalServerError):
                small.client().chat.completions.create(**ASK)
    soon(lambda: works(small))


@pytest.mark.parametrize(
    "asked", [{"messages": [{"role": "user", "content": "an " * 200_000}]}, {"prompt": "an " * 200_000}]
)
def test_what_fits_in_no_context_is_refused_before_it_is_read(
    small: Live, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    def encode(*_: Any) -> list[int]:
        raise AssertionError("it was read")

    monkeypatch.setattr(type(small.service.engine), "encode", encode)
    monkeypatch.setattr(type(small.service.engine), "encode_text", encode)
    path = PATH if "messages" in asked else "/v1/completions"
    refused = small.http().post(path, json={"model": CHAT["model"]} | asked)
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "context_length_exceeded"


def test_prompts_that_are_being_read_have_places(small: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, going, encode = list[int](), threading.Event(), type(small.service.engine).encode

    def slow(*asked: Any) -> Any:
        begun.append(1)
        going.wait(5)
        return encode(*asked)

    monkeypatch.setattr(type(small.service.engine), "encode", slow)
    with ThreadPoolExecutor(3) as clients:
        first = clients.submit(small.http().post, PATH, json=CHAT | {"max_tokens": 1, "n": 2})
        soon(lambda: begun)
        refused = small.http().post(PATH, json=CHAT | {"max_tokens": 1})
        going.set()
        assert refused.status_code == 503 and len(begun) == 1 and first.result().status_code == 200
    soon(lambda: works(small))


def test_the_client_comes_back_by_itself(small: Live) -> None:
    with small.http() as http, http.stream("POST", PATH, json=CHAT | LONG | STREAM) as first:
        lines = first.iter_lines()
        next(lines)
        threading.Timer(0.5, first.close).start()
        patient = small.client(max_retries=5).chat.completions.create(**ASK, n=2, max_tokens=1)
        assert len(patient.choices) == 2


def test_a_client_that_leaves_a_stream_frees_its_place(small: Live) -> None:
    for _ in range(5):
        with small.http() as http, http.stream("POST", PATH, json=CHAT | LONG | STREAM | {"n": 2}) as response:
            lines = response.iter_lines()
            next(lines)
        soon(lambda: works(small))


def test_a_client_that_leaves_before_the_answer_frees_its_place(small: Live) -> None:
    async def leave() -> None:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:
            with pytest.raises(httpx.ReadTimeout):
                await http.post(f"{small.url}{PATH}", json=CHAT | LONG | {"n": 2}, timeout=0.2)

    for _ in range(3):
        asyncio.run(leave())
        soon(lambda: works(small))


def test_a_client_that_leaves_while_it_waits_frees_its_place(small: Live) -> None:
    with small.http() as http, http.stream("POST", PATH, json=CHAT | LONG | STREAM) as first:
        lines = first.iter_lines()
        next(lines)
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                small.http().post(PATH, json=CHAT, timeout=0.2)
            soon(lambda: len(small.service._answers) == 1)
    soon(lambda: works(small))


def test_when_decoding_breaks_every_client_is_told_and_the_server_goes_on(
    small: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = RunningBatch.step
    broken = threading.Event()

    def breaking(batch: RunningBatch) -> Any:
        if broken.is_set():
            raise RuntimeError("broken")
        return step(batch)

    monkeypatch.setattr(RunningBatch, "step", breaking)
    with small.http() as http, http.stream("POST", PATH, json=CHAT | LONG | STREAM) as response:
        lines = response.iter_lines()
        next(lines)
        broken.set()
        last = [line for line in lines if line][-1]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert (error["type"], set(error)) == ("server_error", {"message", "type", "param", "code"})
    whole = small.http().post(PATH, json=CHAT)
    assert (whole.status_code, whole.json()["error"]["type"]) == (500, "server_error")
    with pytest.raises(openai.APIError):
        list(small.client().chat.completions.create(**ASK, stream=True))
    broken.clear()
    soon(lambda: works(small))


def test_a_stopping_server_ends_its_streams_with_an_error(small: Live) -> None:
    with small.http() as http, http.stream("POST", PATH, json=CHAT | LONG | STREAM) as response:
        lines = response.iter_lines()
        next(lines)
        small.service.abort()
        last = [line for line in lines if line][-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "server_stopping"
    assert small.http().get("/readyz").status_code == 503
    assert small.http().get("/livez").status_code == 200
    assert small.http().post(PATH, json=CHAT).json()["error"]["code"] == "server_stopping"


# ---------------------------------------------------------------- as a process

PROGRAM = """
import sys
from pathlib import Path
from live_server import KEY, PAGE
from lmworks.engines.open import open_decoder
from lmworks.serve.run import run
from lmworks.serve.service import Service
run(Service(open_decoder(Path(sys.argv[1])), ["m"]), KEY, [PAGE], port=0, started=lambda url: print(url, flush=True))
"""


@pytest.fixture
def process(model_folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A server in a process of its own, and a client."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM, str(model_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout
        url = child.stdout.readline().strip()
        try:
            with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as http:
                yield child, http
        finally:
            child.kill()


@pytest.mark.parametrize("number", few([signal.SIGTERM, signal.SIGINT], 1))
@pytest.mark.whole
def test_a_signal_lets_running_requests_finish(
    process: tuple[subprocess.Popen[str], httpx.Client], number: signal.Signals
) -> None:
    child, http = process
    body = CHAT | {"model": "m", "max_tokens": 300, "temperature": 0} | STREAM
    with http.stream("POST", PATH, json=body) as response:
        lines = response.iter_lines()
        next(lines)
        child.send_signal(number)
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert '"finish_reason": "length"' in rest[-2]
    assert child.wait(timeout=30) == 0
    assert child.stderr
    log = child.stderr.read()
    assert "POST /v1/chat/completions 200" in log
    assert "Traceback" not in log
    assert KEY not in log
    with pytest.raises(httpx.ConnectError):
        http.get("/livez")


def test_a_port_in_use_is_named_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LmworksError, match=f"port {port} of 127.0.0.1 is in use.*--port {port + 1}") as raised:
            listen("127.0.0.1", port)
    assert raised.value.exit_code == 1


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(LmworksError, match=r"port 80 of 192\.0\.2\.1 cannot be opened"):
        listen("192.0.2.1", 80)


def test_a_body_that_says_it_is_too_long_is_not_waited_for(live: Live) -> None:
    assert half_sent(live, length=(1 << 20) + 1) == 413


def test_a_slow_body_is_not_waited_for(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmworks.serve.app.BODY_SECONDS", 0.2)
    assert half_sent(live, length=100) == 408


def half_sent(live: Live, length: int) -> int:
    """The status of a request whose body never comes."""
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {length}\r\n\r\n{{".encode())
        return int(connection.recv(1000).split()[1])
