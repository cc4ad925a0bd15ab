"""Reading of untrusted files in a separate process, which the system ends if it exceeds limits of memory or time."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from lmworks.errors import LmworksError
from lmworks.pipeline.work.workers import begin_worker, main_left_out

MEMORY_BYTES = 2**32
"""Maximum bytes of memory for reading, in addition to the memory of the process at its start."""
PROCESSOR_SECONDS, SECONDS = 60, 900
"""Maximum seconds of processor time, and of time, for one record or page."""
MOST_DEATHS = 20
"""Maximum number of records of a task that may end their process. After them, the rest of the task is not read."""
LIMITS_MEMORY = sys.platform != "darwin"
"""Whether this system ends a process that takes too much memory: macOS does not."""
NO_MEMORY = 77
"""Exit code of a process that ran out of memory."""
BATCH, BATCH_SECONDS = 64, 0.02
"""Maximum number of items sent at once, and seconds after which fewer items are sent."""
REASONS = {
    NO_MEMORY: "takes too much memory: reading it needs more than {memory} GiB",
    -signal.SIGPROF: "takes too long: more than {processor} seconds of processor time",
    -signal.SIGALRM: "takes too long: more than {seconds} seconds",
    -signal.SIGKILL: "ends its reader: memory may be short",
}
"""Reasons why reading failed, by the exit code of the process."""

Item = TypeVar("Item")
Place = tuple[int, int]
"""File of a task, from 0, and record or page in it, from 1; record 0 is the whole file."""
Read = Callable[[Mapping[Place, str]], Iterable[Item]]
"""Picklable function that yields items. Its argument maps places to leave out to the reasons."""


class GivenUp(Exception):
    """Error for a task that ends its process at every attempt, with the reason."""


def note(record: int, file: int | None = None) -> None:
    """Note which record is read now, and start its time limits. Outside a guarded process, do nothing."""
    if _journal is None:
        return
    _journal[:] = (_journal[0] if file is None else file, record)
    signal.setitimer(signal.ITIMER_PROF, _journal_seconds[0])
    signal.setitimer(signal.ITIMER_REAL, _journal_seconds[1])


def read_guarded(read: Read[Item]) -> Iterator[Item]:
    """Yield what a function yields in a guarded process. A record that ends the process is left out of the next try.

    Raises what the function raises, and GivenUp where it ends the process at one place twice.
    """
    left_out: dict[Place, str] = {}
    given = 0
    while True:
        worker = _idle.pop() if _idle else _Worker()
        if worker.environment != os.environ:  # which says where storage is, and how it is entered
            worker.end()
            worker = _Worker()
        try:
            for item in islice(worker.items(read, left_out), given, None):
                given += 1
                yield item
        except EOFError:
            place, reason = worker.place(), worker.death()
            if place in left_out or len(left_out) >= MOST_DEATHS:
                raise GivenUp(reason) from None
            left_out[place] = reason
        except BaseException:
            worker.end()
            raise
        else:
            _idle.append(worker)
            return


class _Worker:
    """Long-lived process that reads for the parent process."""

    def __init__(self) -> None:
        import multiprocessing

        # A process of a pool has no threads that hold locks; elsewhere libraries may have begun some.
        is_of_pool = multiprocessing.parent_process() is not None
        context: Any = multiprocessing.get_context("fork" if is_of_pool else "forkserver")
        self._connection, theirs = context.Pipe()
        self._journal = context.RawArray("q", 2)
        self.environment = dict(os.environ)
        limits = (PROCESSOR_SECONDS, SECONDS, MEMORY_BYTES)
        self._process = context.Process(
            target=_serve, args=(theirs, self._journal, limits, self.environment), daemon=True
        )
        with main_left_out():
            self._process.start()
        theirs.close()

    def items(self, read: Read[Item], left_out: Mapping[Place, str]) -> Iterator[Item]:
        """Yield what the process sends. Raises EOFError when it has died."""
        self._journal[:] = (0, 0)
        try:
            self._connection.send((read, left_out))
            while batch := self._connection.recv():
                if isinstance(batch, BaseException):
                    raise batch
                yield from batch
        except (BrokenPipeError, ConnectionResetError):
            raise EOFError from None

    def place(self) -> Place:
        file, record = self._journal
        return file, record

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def death(self) -> str:
        """Return why the process ended by itself."""
        self._process.join(10)
        self.end()
        code = self._process.exitcode or 0
        known = REASONS.get(
            code, f"ends its reader: signal {-code}" if code < 0 else f"ends its reader: exit code {code}"
        )
        return known.format(memory=MEMORY_BYTES / 2**30, processor=PROCESSOR_SECONDS, seconds=SECONDS)


def _serve(
    connection: Connection, journal: Any, limits: tuple[float, float, int], environment: Mapping[str, str]
) -> None:
    """Read for the parent until it ends."""
    global _journal, _journal_seconds
    begin_worker()
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries print words of the files that they read
    _journal, _journal_seconds = journal, limits[:2]
    _limit_memory(limits[2])
    with suppress(EOFError, BrokenPipeError):
        while True:
            read, left_out = connection.recv()
            try:
                note(0, 0)
                _send(connection, read(left_out))
            except MemoryError:
                os._exit(NO_MEMORY)
            except (BrokenPipeError, EOFError):
                raise
            except Exception as error:
                _send_fault(connection, error)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)


def _send(connection: Connection, items: Iterable[Any]) -> None:
    batch, begun = [], time.monotonic()
    for item in items:
        batch.append(item)
        if len(batch) == BATCH or time.monotonic() > begun + BATCH_SECONDS:
            signal.setitimer(signal.ITIMER_REAL, 0)  # the parent may take its time
            connection.send(batch)
            batch, begun = [], time.monotonic()
    connection.send(batch)
    if batch:
        connection.send([])


def _send_fault(connection: Connection, error: Exception) -> None:
    try:
        connection.send(error)
    except Exception:  # an error of a library that cannot be sent
        connection.send(LmworksError(f"{type(error).__name__}: {error}"))


def _limit_memory(most: int) -> None:
    """Limit the additional memory of this process, if the system can."""
    statistics = Path("/proc/self/statm")
    held = int(statistics.read_text().split()[0]) * resource.getpagesize() if statistics.exists() else 0
    with suppress(OSError, ValueError):  # a lower limit of the user's own stays
        resource.setrlimit(resource.RLIMIT_AS, (held + most, resource.getrlimit(resource.RLIMIT_AS)[1]))


_journal: Any = None
_journal_seconds: tuple[float, float] = (0.0, 0.0)
_idle: list[_Worker] = []
