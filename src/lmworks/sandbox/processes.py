"""The processes in which a program and its tests run, forked for each answer from one that never holds either.

    lmworks, run.py ────┐ program and tests; verdict
                        ├── tests    (confined) ──┐ arguments; values
    server, this file ──┴── forker   (confined) ──┐
                               └── courier, once for each call (confined)
                                      └── program (confined)

The forker is sent the program, and holds nothing else. For each call it forks a courier, which forks the program's
process, brings it the arguments, takes the first bytes that this says for its answer, and ends it and itself. What
tests expect is in none of these, nor in what they were forked from, and one call leaves nothing to the next. Tests are
confined likewise: they are data too.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import fcntl
import gc
import hashlib
import importlib
import math
import os
import random
import resource
import signal
import socket
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.sandbox.checked import Checks, checked
from lmworks.sandbox.confine import CannotConfine, confine, confine_parent, end_with_parent, holes, prepare
from lmworks.sandbox.modules import MODULES
from lmworks.sandbox.values import (
    Ended,
    NotLiteral,
    decode,
    encode,
    packed,
    receive,
    receive_frame,
    send,
    send_frame,
    unpacked,
)

CHANNEL, TOLD = 3, 4
"""Numbers of a process's open files: to the other process of its pair, and, for tests, to lmworks."""
FILES = 64
"""Most files that the server has open."""
READY, PAIR, ALONE = b"ready", b"+", b"1"
ANSWER_BYTES, MESSAGE_BYTES = 8 << 20, 16 << 20
"""Most bytes of one returned value, and of a program or the arguments of a call."""
CALL_SECONDS = 0.01
"""Processor seconds for a call to begin, which do not count for the program."""
WORDS = 1_000
"""Most characters of an exception that cross."""
NOT_RAISED = (
    *(StopIteration, StopAsyncIteration),  # which end a loop of the tests without a word
    *(UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError, ExceptionGroup),  # which take more than words
)
"""Exceptions that reach the tests as one of their base classes."""


class Limits(NamedTuple):
    """Limits of one process."""

    seconds: int
    memory: int

    def confine(self, timed: bool = True) -> None:
        """Confine this process. Without `timed`, its limit of processor time stays. Raises CannotConfine."""
        confine(self.seconds if timed else None, self.memory)


def main(control: int, seconds: int, memory: int) -> None:
    """Fork processes for each open file that comes through `control`, and send back files that stand for them, until
    `control` is closed. With PAIR, tests that call a program get their task through the file. With ALONE, calls to a
    program come through it. First send READY, or say what is missing here."""
    channel = socket.socket(fileno=os.dup(control))  # a low number, whatever it was
    os.close(control)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    sys.path.clear()
    os.environ.clear()
    try:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limits = Limits(seconds, mapped + memory)
        prepare()
        _rehearse(limits)
    except (CannotConfine, OSError) as error:
        channel.send(str(error).encode())
        return
    os.dup2(0, 2)  # to nowhere, as the others
    channel.send(READY)
    while True:
        asked, told, _, _ = socket.recv_fds(channel, 1, 1)
        if not told:
            return
        ours, theirs = (each.detach() for each in socket.socketpair())
        try:
            if asked == ALONE:
                children = [_fork(_run_program, told, limits)]
            else:
                children = [_fork(_run_program, [theirs], limits), _fork(_run_tests, [ours, *told], limits)]
            handles = [os.pidfd_open(child) for child in children]
        except OSError as error:  # such as of a user with too many processes
            channel.send(str(error).encode())
            return
        socket.send_fds(channel, [READY], handles)
        for each in (ours, theirs, *told, *handles):
            os.close(each)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _fork(role: Callable[[Limits], None], files: Sequence[int], limits: Limits) -> int:
    """Fork a process with these open files from CHANNEL on, and no others except files that lead nowhere. Return it."""

    def begin() -> None:
        kept = [fcntl.fcntl(each, fcntl.F_DUPFD, FILES // 2) for each in files]
        for place, each in enumerate(kept, CHANNEL):
            os.dup2(each, place)
        os.closerange(CHANNEL + len(files), FILES)
        role(limits)

    return _forked(begin)


def _rehearse(limits: Limits) -> None:
    """Confine processes that only test their walls. Raises CannotConfine."""
    for within in (_look, _look_as_child):
        reader, writer = os.pipe()
        if not (child := os.fork()):
            try:
                within(limits, writer)
            except (CannotConfine, OSError) as error:
                os.write(writer, str(error).encode())
            finally:
                os._exit(0)
        os.close(writer)
        said = os.read(reader, WORDS)
        os.close(reader)
        os.waitpid(child, 0)
        if said != READY:
            raise CannotConfine(said.decode() or "a confined process does not live")


def _look(limits: Limits, writer: int) -> None:
    limits.confine()
    words = " and ".join(holes())
    os.write(writer, f"a confined process can {words}".encode() if words else READY)


def _look_as_child(limits: Limits, writer: int) -> None:
    confine_parent(limits.memory)
    if child := os.fork():
        os.waitpid(child, 0)
    else:
        _look(limits, writer)


# ---------------------------------------------------------------- the program


def _run_program(limits: Limits) -> None:
    """Answer calls, each in a process of its own, which knows of no other call: a program could otherwise return what
    it kept of an earlier call. This process runs no program, and holds no call, no answer, and neither their number nor
    their time. The program runs in a copy of this process, and could find all that it holds."""
    confine_parent(limits.memory)
    program = unpacked(receive_frame(CHANNEL, MESSAGE_BYTES))
    gc.freeze()
    ended = 0
    while not ended:
        ended = os.waitpid(_forked(partial(_carry, program, limits)), 0)[1]


def _forked(work: Callable[[], None]) -> int:
    """Return the number of a new process that does some work, ends with this one, and has status 1 on failure."""
    parent = os.getpid()
    if child := os.fork():
        return child
    status = 1
    try:
        end_with_parent()
        orphaned = os.getppid() != parent  # it ended before that
        del parent  # which a program could tell calls by
        if not orphaned:
            work()
            status = 0
    finally:
        os._exit(status)


def _carry(program: str, limits: Limits) -> None:
    """Bring one call, with its limit of seconds, to a process that runs the program. Bring back its first answer,
    unread, and the seconds that it took. Raises Ended."""
    calls, answers = os.pipe(), os.pipe()
    child = _forked(partial(_run_once, program, limits, calls, answers))
    os.close(calls[0])
    os.close(answers[1])
    seconds = min(max(int(unpacked(receive_frame(CHANNEL, WORDS))), 1), limits.seconds)
    call = receive_frame(CHANNEL, MESSAGE_BYTES)
    try:
        resource.prlimit(child, resource.RLIMIT_CPU, (seconds, seconds))
        send_frame(calls[1], call)
        answer = receive_frame(answers[0], ANSWER_BYTES)
    except Ended:
        answer = packed(["refused", "the program ended"])
    except NotLiteral as error:
        answer = packed(["refused", str(error)])
    os.kill(child, signal.SIGKILL)  # which is not reaped yet, so the number is its own
    usage = os.wait4(child, 0)[2]
    send(CHANNEL, max(usage.ru_utime + usage.ru_stime - CALL_SECONDS, 0))
    send_frame(CHANNEL, answer)


def _run_once(program: str, limits: Limits, calls: tuple[int, int], answers: tuple[int, int]) -> None:
    """Run the program, and answer one call of it. This frame and those above it hold the same for each
    call, except the call itself."""
    os.close(calls[1])
    call = receive_frame(calls[0], MESSAGE_BYTES)
    os.dup2(answers[1], CHANNEL)
    os.closerange(CHANNEL + 1, FILES)
    limits.confine(timed=False)
    try:
        namespace = _loaded("program", program, {}, seed=0)
    except Exception as error:
        send(CHANNEL, ["refused", f"before any call: {_told(error)}"])
        return
    _answer(namespace, unpacked(call))


def _loaded(
    file: str, code: str | ast.Module, known: Mapping[str, object], seed: int | str, name: str = ""
) -> dict[str, Any]:
    """Run a module and return its names. The module has the name of its file if it has no other."""
    name = name or file
    module = sys.modules[name] = types.ModuleType(name)
    module.__dict__.update(known)
    random.seed(seed)  # so that the same answer is worth the same
    exec(compile(code, f"<{file}>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - which is what all this is for
    return module.__dict__


def _answer(namespace: Mapping[str, Any], call: tuple[str, Any, Any]) -> None:
    name, arguments, keywords = call
    try:
        if name not in namespace:
            raise NameError(f"name {name!r} is not defined")
        value = namespace[name](*decode(arguments), **decode(keywords))
    except Exception as error:
        kinds = (kind for kind in type(error).__mro__ if kind.__module__ == "builtins" and kind not in NOT_RAISED)
        send(CHANNEL, ["raised", next(kinds).__name__, _words(error), _told(error)])
        return
    try:
        said = ["value", encode(value)]
    except NotLiteral:
        said = ["refused", f"{name} returns a value that is not literal"]
    send(CHANNEL, said)


def _words(error: Exception) -> Any:
    """Return the arguments of an exception, or its text if they cannot cross."""
    with contextlib.suppress(NotLiteral):
        words = encode(list(error.args))
        if len(packed(words)) <= WORDS:
            return words
    return encode([str(error)[:WORDS]])


# ---------------------------------------------------------------- its tests


class _Stop(BaseException):
    """Signal that no further test can change the verdict."""


class _Program:
    """The program as its tests see it."""

    def __init__(self, seconds: int) -> None:
        self.calls = 0
        self.seconds, self.left = seconds, float(seconds)
        """Processor seconds for all calls, and seconds left."""
        self.broken = self.unjudged = ""
        """Reasons why its answers are worth nothing, and why it cannot be judged."""

    def function(self, name: str) -> Callable[..., Any]:
        """Return a stand-in for one of its functions."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            return self.call(name, arguments, keywords)

        call.__name__ = call.__qualname__ = name
        return call

    def call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Return the result of a call, or raise its exception. Raises _Stop."""
        self.calls += 1
        if self.broken or self.unjudged:
            raise _Stop
        try:
            message = packed([name, encode(list(arguments)), encode(keywords)])
            if len(message) > MESSAGE_BYTES:
                raise NotLiteral(f"{len(message)} bytes, but the limit is {MESSAGE_BYTES} bytes")
        except NotLiteral as error:
            self.unjudged = f"the tests give {name} {error}"
            raise _Stop from error
        try:
            if self.left <= 0:
                raise NotLiteral(f"the program needs more than {self.seconds} seconds of processor time")
            send(CHANNEL, math.ceil(self.left))
            send_frame(CHANNEL, message)
            self.left -= receive(CHANNEL, WORDS)
            answer = receive(CHANNEL, ANSWER_BYTES)
            send_frame(TOLD, b"")
            match answer:
                case ["value", value]:
                    return decode(value)
                case ["raised", str(kind), words, str()]:
                    exception = _exception(kind, decode(words))
                case ["refused", str(words)]:
                    raise NotLiteral(words[:WORDS])
                case _:
                    raise NotLiteral("the program sends something that is not an answer")
        except (Ended, NotLiteral, MemoryError, RecursionError) as error:
            self.broken = str(error) or "the program ended"
            raise _Stop from error
        raise exception


def _exception(kind: str, words: Any) -> Exception:
    found = getattr(builtins, kind, None)
    if not isinstance(found, type) or not issubclass(found, Exception) or issubclass(found, NOT_RAISED):
        raise NotLiteral("the program sends something that is not an exception")
    try:
        return found(*words)
    except Exception as error:  # such as of words that are not for this one
        raise NotLiteral("the program sends something that is not an exception") from error


def _run_tests(limits: Limits) -> None:
    """Receive a program, its tests and its functions' names. Send the verdict: passed, failed or unjudged, and why."""
    limits.confine()
    program, tests, functions = receive(TOLD)
    send(CHANNEL, program)
    asked, checks, reason = _Program(limits.seconds), Checks(), ""
    names = {name: asked.function(name) for name in functions}
    seed = hashlib.sha256(tests.encode("utf-8", "surrogatepass")).hexdigest()  # which no program knows: it is not told
    try:
        loaded = _loaded("tests", checked(tests), names | checks.names, seed, "__main__")
        checks.run_rest({name: each for name, each in loaded.items() if each is not names.get(name)})
    except BaseException as error:
        reason = _reason(error, "tests")
    unjudged = asked.unjudged or checks.unjudged
    if unjudged or not asked.calls:
        ended = f"the tests end with {reason}" if reason else "the tests reach no call of the program"
        send(TOLD, ["unjudged", unjudged or ended])
    elif asked.broken or reason:
        send(TOLD, ["failed", asked.broken or reason])
    elif not checks.made:
        send(TOLD, ["unjudged", "the tests reach none of their assertions"])
    else:
        send(TOLD, ["passed", ""])


def _reason(error: BaseException, file: str) -> str:
    """Return an exception's kind and line."""
    line, trace = getattr(error, "lineno", 0) or 0, error.__traceback__
    while trace:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == f"<{file}>" else line
        trace = trace.tb_next
    return f"{type(error).__name__} in line {line}"


def _told(error: Exception) -> str:
    """Return a program's exception with its own words."""
    with contextlib.suppress(Exception):  # of an exception that cannot say what it is
        return f"{_reason(error, 'program')}: {error}"[:WORDS]
    return _reason(error, "program")
