"""Connections that a stranger holds open, and answers that a client does not read."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from test_running import LONG, PATH, PROGRAM, STREAM, soon, works

from live_server import CHAT, KEY, Live, serving
from lmworks.engines.decoder import DecoderEngine
from lmworks.serve.connections import Connections, Limits

HALF = b"GET /livez HTTP/1.1\r\nHo"


def connect(live: Live, sent: bytes = HALF, receive_buffer: int | None = None) -> socket.socket:
    host, port = live.url.removeprefix("http://").split(":")
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(15)
    connection.connect((host, int(port)))
    connection.sendall(sent)
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has ended it, after reading what it said before."""
    connection.setblocking(False)
    try:
        while connection.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


def post(body: dict[str, object]) -> bytes:
    text = json.dumps(body).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text


@pytest.mark.parametrize("sent", [b"", HALF], ids=["nothing", "half a header"])
def test_a_connection_without_a_whole_header_is_closed(engine: DecoderEngine, sent: bytes) -> None:
    with serving(engine, limits=Limits(header_seconds=0.5)) as live, connect(live, sent) as held:
        soon(lambda: is_closed(held))
        assert live.http().get("/livez").status_code == 200


def test_a_connection_that_drips_after_its_answer_is_closed(engine: DecoderEngine) -> None:
    refused = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode()
    with serving(engine, limits=Limits(header_seconds=0.5)) as live, connect(live, refused) as held:
        assert b" 401 " in held.recv(1000)

        def drips_and_is_closed() -> bool:
            try:
                held.send(b"x")
            except ConnectionError:
                return True
            return is_closed(held)

        soon(drips_and_is_closed)


@pytest.mark.slow
def test_an_answer_that_takes_longer_than_a_header_may_is_whole(engine: DecoderEngine) -> None:
    with serving(engine, limits=Limits(header_seconds=0.1)) as live, live.http() as http:
        lines = [line for line in http.post(PATH, json=CHAT | LONG | STREAM).text.splitlines() if line]
    assert lines[-1] == "data: [DONE]"


@pytest.mark.slow
def test_connections_beyond_the_bound_replace_those_that_wait_longest(engine: DecoderEngine) -> None:
    with ExitStack() as held:
        live = held.enter_context(serving(engine, limits=Limits(connections=20)))
        http = held.enter_context(live.http())
        lines = held.enter_context(http.stream("POST", PATH, json=CHAT | LONG | STREAM)).iter_lines()
        rest = [next(lines)]
        reading = threading.Thread(target=lambda: rest.extend(line for line in lines if line))
        reading.start()
        idle = [held.enter_context(connect(live)) for _ in range(60)]
        soon(lambda: sum(map(is_closed, idle)) >= 41)
        assert not is_closed(idle[-1])
        assert live.http().get("/livez").status_code == 200
        reading.join()
    assert rest[-1] == "data: [DONE]"  # what is being answered stays


@pytest.mark.slow
def test_idle_connections_take_neither_the_files_nor_the_log(model_folder: Path) -> None:
    """Below a hard limit of files: a server that everybody can reach while a stranger holds more than it has files."""
    files = 256
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM, str(model_folder)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files // 2, files)),
    ) as child:
        assert child.stdout and child.stderr
        try:
            url = child.stdout.readline().strip().rstrip("/")
            with ExitStack() as held:
                for _ in range(files + 100):
                    host, port = url.removeprefix("http://").split(":")
                    held.enter_context(socket.create_connection((host, int(port)), timeout=15)).sendall(HALF)
                time.sleep(1)
                assert httpx.get(f"{url}/livez", timeout=10).status_code == 200
            soft, hard = resource.prlimit(child.pid, resource.RLIMIT_NOFILE)
        finally:
            child.terminate()
        log = child.stderr.read()
    assert soft == hard == files
    assert "connection closed: more than 64 connections; 1 since the start" in log
    assert "Traceback" not in log
    assert len(log.splitlines()) < 20


def test_a_client_that_does_not_read_its_stream_loses_its_place(
    engine: DecoderEngine, caplog: pytest.LogCaptureFixture
) -> None:
    body = CHAT | LONG | STREAM | {"n": 2}
    served = serving(engine, limits=Limits(unread_seconds=1), rows=1, waiting=1)
    with served as live, connect(live, post(body), receive_buffer=2048):
        soon(lambda: not works(live))
        end = time.monotonic() + 60
        while not works(live):
            assert time.monotonic() < end, "the place is still held"
            time.sleep(0.2)
    assert "its client read nothing of an answer for 1 s; 1 since the start" in caplog.text


@pytest.mark.whole
def test_a_client_that_reads_slowly_gets_all(engine: DecoderEngine) -> None:
    served = serving(engine, limits=Limits(unread_seconds=3))
    with served as live, connect(live, post(CHAT | LONG | STREAM), receive_buffer=2048) as reading:
        last, end = b"", time.monotonic() + 60
        while b"data: [DONE]" not in last and time.monotonic() < end:
            got = reading.recv(16384)
            assert got, "the answer was cut"
            last = (last + got)[-100:]
            time.sleep(0.05)
    assert b"data: [DONE]" in last


def test_what_a_stranger_causes_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    connections, loop = Connections(Limits()), asyncio.new_event_loop()
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(1000):
                error = OSError(24, "Too many open files")
                connections.failed(loop, {"message": "socket.accept() out of system resource", "exception": error})
            connections.failed(loop, {"message": "something else"})
    finally:
        loop.close()
    assert [record.getMessage() for record in caplog.records] == [
        "connection not accepted for now: [Errno 24] Too many open files; 1 since the start",
        "something else",
    ]
