"""The processes in which a program and its tests run, forked for each answer from one that never holds either.

    lmworks, run.py ────┐ program and tests; verdict
                        ├── tests    (confined) ──┐ arguments; values
    server, this file ──┴── program  (confined) ──┘

The program's process is sent the program, then the arguments of one call after another, and can answer with bytes.
What its tests expect is never in it, nor in what it was forked from. Tests are confined likewise: they are data too.
"""

from __future__ import annotations

import builtins
import contextlib
import fcntl
import importlib
import os
import random
import resource
import socket
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.sandbox.confine import CannotConfine, confine, holes, prepare
from lmworks.sandbox.modules import MODULES
from lmworks.sandbox.values import Ended, NotLiteral, decode, encode, receive, send

CHANNEL, TOLD = 3, 4
"""Open files of a process: the other one of its pair; of tests also what they are told through."""
FILES = 64
"""Most that the server has open."""
READY = b"ready"
ANSWER_BYTES = 1 << 20
"""Of one value that a program returns."""
WORDS = 1_000
"""Characters of an exception that cross."""
NOT_RAISED = (
    *(StopIteration, StopAsyncIteration),  # which end a loop of the tests without a word
    *(UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError, ExceptionGroup),  # which take more than words
)
"""Exceptions that reach the tests as what they are made from."""


class Limits(NamedTuple):
    """Of one process."""

    seconds: int
    memory: int

    def confine(self) -> None:
        confine(*self)


def main(control: int, seconds: int, memory: int) -> None:
    """Fork a pair of processes for each open file that comes through `control`, which tests are told through, and give
    two files back that stand for the processes; until `control` is closed. First say READY, or what is missing here."""
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
        _, told, _, _ = socket.recv_fds(channel, 1, 1)
        if not told:
            return
        ours, theirs = (each.detach() for each in socket.socketpair())
        try:
            pair = _fork(_run_program, [theirs], limits), _fork(_run_tests, [ours, *told], limits)
            handles = [os.pidfd_open(child) for child in pair]
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
    """A process with these open files from CHANNEL on, and no others but those that lead nowhere."""
    if child := os.fork():
        return child
    try:
        kept = [fcntl.fcntl(each, fcntl.F_DUPFD, FILES // 2) for each in files]
        for place, each in enumerate(kept, CHANNEL):
            os.dup2(each, place)
        os.closerange(CHANNEL + len(files), FILES)
        role(limits)
    finally:
        os._exit(1)


def _rehearse(limits: Limits) -> None:
    """Confine a process that only looks at its walls. Raises CannotConfine."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            limits.confine()
            words = " and ".join(holes())
            os.write(writer, f"a confined process can {words}".encode() if words else READY)
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


# ---------------------------------------------------------------- the program


def _run_program(limits: Limits) -> None:
    """Answer calls. Where they are chained, each in a process of its own."""
    program, chained = receive(CHANNEL)
    if not chained:
        limits.confine()
        namespace = _loaded("program", program, {})
    while True:
        call = receive(CHANNEL)
        if not chained:
            _answer(namespace, call)
        elif child := os.fork():
            if os.waitpid(child, 0)[1]:
                return
        else:
            limits.confine()
            _answer(_loaded("program", program, {}), call)
            os._exit(0)


def _loaded(name: str, text: str, known: Mapping[str, object]) -> dict[str, Any]:
    """The names of a module that was run."""
    module = sys.modules[name] = types.ModuleType(name)
    module.__dict__.update(known)
    random.seed(0)  # so that the same answer is worth the same
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)  # noqa: S102 - which is what all this is for
    return module.__dict__


def _answer(namespace: Mapping[str, Any], call: tuple[str, Any, Any]) -> None:
    name, arguments, keywords = call
    try:
        if name not in namespace:
            raise NameError(f"name {name!r} is not defined")
        value = namespace[name](*decode(arguments), **decode(keywords))
    except Exception as error:
        kinds = (kind for kind in type(error).__mro__ if kind.__module__ == "builtins" and kind not in NOT_RAISED)
        send(CHANNEL, ["raised", next(kinds).__name__, str(error)[:WORDS]])
        return
    try:
        said = ["value", encode(value)]
    except NotLiteral as error:
        said = ["refused", str(error)]
    send(CHANNEL, said)


# ---------------------------------------------------------------- its tests


class _Stop(BaseException):
    """No further test can change the verdict."""


class _Program:
    """The program as its tests see it."""

    def __init__(self) -> None:
        self.calls = 0
        self.broken = self.unjudged = ""
        """Why its answers are worth nothing, and why nobody can tell."""

    def function(self, name: str) -> Callable[..., Any]:
        """What stands for one of its functions."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            return self.call(name, arguments, keywords)

        call.__name__ = call.__qualname__ = name
        return call

    def call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """What it returns, or an exception as it raised it. Raises _Stop."""
        self.calls += 1
        if self.broken or self.unjudged:
            raise _Stop
        try:
            message = [name, encode(list(arguments)), encode(keywords)]
        except NotLiteral as error:
            self.unjudged = f"give {name} {error}"
            raise _Stop from error
        try:
            send(CHANNEL, message)
            answer = receive(CHANNEL, ANSWER_BYTES)
            match answer:
                case ["value", value]:
                    return decode(value)
                case ["raised", str(kind), str(words)]:
                    exception = _exception(kind, words)
                case _:
                    raise NotLiteral(f"{name} returns no literal value")
        except (Ended, NotLiteral) as error:
            self.broken = str(error) or "the program ended"
            raise _Stop from error
        raise exception


def _exception(kind: str, words: str) -> Exception:
    found = getattr(builtins, kind, None)
    if not isinstance(found, type) or not issubclass(found, Exception) or issubclass(found, NOT_RAISED):
        raise NotLiteral("no exception")
    return found(words)


def _run_tests(limits: Limits) -> None:
    """Be told a program, its tests and what they call; tell the verdict: passed, failed or unjudged, and why."""
    limits.confine()
    program, tests, functions, chained = receive(TOLD)
    send(CHANNEL, [program, chained])
    asked, reason = _Program(), ""
    try:
        namespace = _loaded("tests", tests, {name: asked.function(name) for name in functions})
        if not asked.calls:
            _call_each(namespace)
    except BaseException as error:
        reason = _reason(error)
    if asked.unjudged or not asked.calls:
        ended = f"end with {reason}" if reason else "reach no call of the program"
        send(TOLD, ["unjudged", asked.unjudged or ended])
    elif asked.broken or reason:
        send(TOLD, ["failed", asked.broken or reason])
    else:
        send(TOLD, ["passed", ""])


def _call_each(namespace: Mapping[str, Any]) -> None:
    """Tests as pytest has them."""
    for name, test in [*namespace.items()]:
        if name.startswith("test") and isinstance(test, types.FunctionType) and not test.__code__.co_argcount:
            test()


def _reason(error: BaseException) -> str:
    """In a few words; empty for an end that tells of no failure."""
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return ""
    line, trace = 0, error.__traceback__
    while trace:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == "<tests>" else line
        trace = trace.tb_next
    return f"{type(error).__name__} in line {line}"
