"""Run programs and their tests where they can do no harm, and say which programs pass."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from lmworks.errors import LmworksError
from lmworks.sandbox.calls import Unjudged, calls_of
from lmworks.sandbox.values import HEADER, Ended, NotLiteral, decode, encode, packed, receive, send, send_frame

START = """\
import sys
sys.path.append(sys.argv[1])
from lmworks.sandbox.processes import main
main(*map(int, sys.argv[2:]))
"""
COMMAND = (sys.executable, "-P", "-s", "-S", "-B", "-c", START)
"""Command that starts the server, without the user's packages and settings."""
ROOT = str(Path(__file__).parents[2])
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""The whole environment. It gives sets the same order in every run."""
START_SECONDS = 60.0
"""Most seconds to start on a busy machine. Usually it takes a tenth of a second."""
VERDICT_BYTES, READY, PAIR, ALONE = 1 << 16, "ready", b"+", b"1"
"""Most bytes of a verdict, and words of the protocol of `processes.py`."""
SAID = 500
"""Most characters kept of a program's own message."""
ANSWERED = bytes(HEADER)
"""Message of tests for each answered call, before their verdict."""
CALL_SECONDS, MOST_TIMES, NEARLY = 0.05, 8, 0.75
"""Wall seconds for a call to begin on a busy machine. Multiple of the tests' wall seconds that calls can add. Share of
its processor time from which the kernel, which counts in ticks, can have ended a program."""


@dataclass(frozen=True)
class Verdict:
    """Result of a program under its tests."""

    kind: Literal["passed", "failed", "unjudged"]
    """`unjudged`: the tests cannot be run from outside of the program, whatever the program does."""
    reason: str = ""


@dataclass(frozen=True)
class Returned:
    """Result of one call of a function: a literal value, or the reason why there is none."""

    value: Any = None
    failure: str = ""


class Sandbox:
    """Runner of programs in processes of their own, several at once.

    A program and its tests each have `seconds` of processor time and `megabytes` of memory beyond the interpreter's.
    Both together have `wall_seconds`, and more for each call to begin. Raises LmworksError on entry if the system
    cannot confine them.
    """

    def __init__(self, *, seconds: int, megabytes: int, wall_seconds: float) -> None:
        self.limits = seconds, megabytes << 20
        self.wall_seconds = wall_seconds
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if platform.system() != "Linux":  # which alone has what comes next
            raise _refused(f"{platform.system()} is not supported")
        said = ""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(  # noqa: S603 - our own module
                [*COMMAND, ROOT, str(theirs.fileno()), *map(str, self.limits)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                env=ENVIRONMENT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        assert self._server.stderr  # noqa: S101
        self._errors = self._server.stderr
        self._control.settimeout(START_SECONDS)
        with contextlib.suppress(OSError):
            said = self._control.recv(VERDICT_BYTES).decode()
        if said != READY:
            said = said or self._last_words()
            self.__exit__()
            raise _refused(said)
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()  # at which it ends
        self._server.wait()
        self._errors.close()

    def verdicts(self, answers: Sequence[tuple[str, str]]) -> list[Verdict]:
        """Return the verdict of each program and its tests. Raises LmworksError if their process is gone."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(self._verdict, answers))

    def returned(self, program: str, function: str, calls: Sequence[Mapping[str, Any]]) -> list[Returned]:
        """Return a function's result for each call. A call has its arguments by name, and a process of its own.

        Raises LmworksError if the process that runs programs is gone.
        """
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(lambda call: self._returned(program, function, call), calls))

    def _returned(self, program: str, function: str, call: Mapping[str, Any]) -> Returned:
        ours, theirs = socket.socketpair()
        with ours, contextlib.ExitStack() as stack:
            with theirs:
                for process in self._started(ALONE, theirs):
                    stack.callback(_end, process)
            began, line, (seconds, _) = time.monotonic(), ours.fileno(), self.limits
            for way in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                ours.setsockopt(socket.SOL_SOCKET, way, struct.pack("ll", math.ceil(self.wall_seconds), 0))
            try:
                send(line, program)
                send(line, seconds)
                send_frame(line, packed([function, encode([]), encode(dict(call))]))
                used = receive(line, VERDICT_BYTES)
                match receive(line):
                    case ["value", value]:
                        return Returned(decode(value))
                    case ["raised", _, _, str(words)]:
                        return Returned(failure=words[:SAID])
                    case ["refused", str(words)]:
                        limit = f"more than {seconds} s of processor time"
                        return Returned(failure=limit if used > seconds * NEARLY else words[:SAID])
            except NotLiteral as error:
                return Returned(failure=str(error))
            except Ended:
                if time.monotonic() - began >= self.wall_seconds:
                    return Returned(failure=f"more than {self.wall_seconds:g} s by the clock")
            return Returned(failure="the program ended")

    def _verdict(self, answer: tuple[str, str]) -> Verdict:
        program, tests = answer
        try:
            functions = calls_of(tests)
        except Unjudged as error:
            return Verdict("unjudged", str(error))
        ours, theirs = socket.socketpair()
        with ours, contextlib.ExitStack() as stack:
            with theirs:
                for process in self._started(PAIR, theirs):
                    stack.callback(_end, process)
            try:
                return _told(ours, json.dumps([program, tests, functions]).encode(), self.wall_seconds)
            except (OSError, ValueError, RecursionError):  # tests that were killed say nothing, or half of it
                return Verdict("failed", "the tests ended")

    def _started(self, asked: bytes, told: socket.socket) -> list[int]:
        """Start a program, and its tests (PAIR), which wait for their task. Return files that stand for processes."""
        with self._lock:
            said, processes = b"", list[int]()
            with contextlib.suppress(OSError):
                socket.send_fds(self._control, [asked], [told.fileno()])
                said, processes, *_ = socket.recv_fds(self._control, VERDICT_BYTES, 2)
            if not processes:
                raise LmworksError(f"the process that runs programs has ended: {said.decode() or self._last_words()}")
            return processes

    def _last_words(self) -> str:
        self._server.kill()
        return self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]


def _refused(reason: str) -> LmworksError:
    return LmworksError(
        f"programs cannot be run safely here: {reason}. It takes Linux on x86_64 with seccomp, and Landlock "
        "(Linux 5.13) or user namespaces"
    )


def _told(line: socket.socket, request: bytes, seconds: float) -> Verdict:
    """Send tests their task and return their verdict. Raises OSError, and ValueError if the reply is no verdict."""
    begun = answered = time.monotonic()
    calls, said = 0, bytearray()
    with contextlib.suppress(TimeoutError):
        line.settimeout(seconds)
        line.sendall(len(request).to_bytes(HEADER, "big") + request)
    while len(said) <= VERDICT_BYTES:
        longest = begun + seconds + min(calls * CALL_SECONDS, MOST_TIMES * seconds)
        rest = min(longest, answered + seconds) - time.monotonic()
        try:
            line.settimeout(max(rest, 0))
            part = line.recv(VERDICT_BYTES)
        except (TimeoutError, BlockingIOError):
            if calls * CALL_SECONDS < seconds or answered + seconds < longest:
                return Verdict("failed", f"more than {seconds:g} seconds")
            return Verdict("unjudged", f"the tests call the program {calls:,} times, in more than {seconds:g} seconds")
        if not part:
            break
        said += part
        while said.startswith(ANSWERED):
            del said[:HEADER]
            calls, answered = calls + 1, time.monotonic()
    match json.loads(said[HEADER:]):
        case ["passed" | "failed" | "unjudged" as kind, str(reason)]:
            return Verdict(kind, reason)
    raise ValueError(said)


def _end(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    os.close(process)
