"""Where independent units of work run: in this process, or in several beside it. `ray_workers` has the other place."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from lmworks.errors import LmworksError

Execute = Callable[[Callable[[Any], int], Sequence[Any], int], Generator[int, None, None]]
"""Function that runs a picklable function over units of work with some workers, and yields each result as it ends."""

MOST_THREADS = 4
"""Maximum number of threads. More threads would wait for the interpreter's lock longer than processes take to start."""

NOT_KNOWN = 255
"""Exit code that Python states for a process if it does not know how the process ended."""

WORKER_DIED = (
    "A worker process died ({}). Build again to go on from the shards that are finished; if it happens again and "
    "memory may be short, set fewer workers or a smaller shard_bytes."
)


def in_processes(work: Callable[[Any], int], units: Sequence[Any], workers: int) -> Generator[int, None, None]:
    """Run units in processes of this machine. With a single unit or a single worker, use this process."""
    if workers == 1 or len(units) < 2:
        yield from map(work, units)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    # A fork of this process could deadlock, since libraries run threads in it; a fork of a small server that has
    # imported what shards need cannot, and starts at once.
    processes = multiprocessing.get_context("forkserver")
    module = getattr(work, "func", work).__module__
    # What is imported here already is what the steps of this build need, which each worker would import again; beside
    # torch that may be a trainer.
    known = [] if "torch" in sys.modules else sorted(name for name in sys.modules if name.startswith("lmworks."))
    processes.set_forkserver_preload(["pyarrow.dataset", "pyarrow.parquet", "numpy", module, *known])
    pool = ProcessPoolExecutor(min(workers, len(units)), processes, initializer=begin_worker)
    try:
        with main_left_out():
            futures = [pool.submit(work, unit) for unit in units]
        started = list(pool._processes.values())  # which a broken pool forgets
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise LmworksError(WORKER_DIED.format(_end_of(started))) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def main_left_out() -> Iterator[None]:
    """Begin processes that do not run the program's first file again, as Python has them do.

    They need nothing of it, and a script that builds without `if __name__ == "__main__"` would build in each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _end_of(processes: Iterable[BaseProcess]) -> str:
    """Return how workers ended, except those that the pool itself then ended."""
    ends = set()
    for process in processes:
        process.join(5)
        if process.exitcode and process.exitcode not in (NOT_KNOWN, -signal.SIGTERM):
            ends.add(process.exitcode)
    told = [f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}" for code in sorted(ends)]
    return " and ".join(told) or "how is not known"


def in_threads(work: Callable[[Any], int], units: Sequence[Any], workers: int) -> Generator[int, None, None]:
    """Run units in threads of this process, for work in libraries that release the lock. Threads start quickly."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    pool = ThreadPoolExecutor(workers)
    try:
        for future in as_completed([pool.submit(work, unit) for unit in units]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def begin_worker() -> None:
    """Make this process ignore Ctrl-C, and end when its parent ends, even if the parent is killed."""
    import multiprocessing

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
