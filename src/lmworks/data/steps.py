"""How document steps run: a pure function over one shard, a process pool, and a journal entry a shard."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from lmworks.data.documents import Document, Documents, read_shard, shard_ids, write_file, write_ids, write_shard
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Context

EXAMPLES_PER_REASON = 3

_MOST_THREADS = 4
"""More of them wait for the interpreter's lock longer than processes take to start."""

Config = TypeVar("Config")
Unit = TypeVar("Unit")


@dataclass
class Tally:
    """What a step did: counts by reason, a few examples of each, and records it could not use."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    """Of one unit of work only: those of a whole step may be as large as its source."""

    def note(self, reason: str, **example: Any) -> None:
        """Count one drop or change, and keep it as an example if there are few of its reason yet."""
        self.counts[reason] += 1
        if self.counts[reason] <= EXAMPLES_PER_REASON:
            self.examples.append({"reason": reason, **example})

    def add(self, other: Tally) -> None:
        """Add what another unit of work found, but for its records: see `quarantined`."""
        self.counts.update(other.counts)
        shown = Counter(example["reason"] for example in self.examples)
        for example in other.examples:
            shown[example["reason"]] += 1
            if shown[example["reason"]] <= EXAMPLES_PER_REASON:
                self.examples.append(example)


Parts = Mapping[str, Sequence[Document]]
"""Documents by the part of the output they belong to; "" is the output folder itself."""


def map_shards(
    documents: Documents,
    function: Callable[[Config, list[Document]], tuple[Parts, Tally]],
    config: Config,
    out: Path,
    context: Context,
    parts: Sequence[str] = ("",),
    step: str = "shards",
) -> Tally:
    """Run a pure function over each shard of `documents`; each shard gives one shard in each part of `out`."""
    return map_units(documents.shards(), partial(_on_shard, function, config), out, context, parts, step)


def _on_shard(
    function: Callable[[Config, list[Document]], tuple[Parts, Tally]], config: Config, shard: Path
) -> tuple[Parts, Tally]:
    return function(config, read_shard(shard))


def map_units(
    units: Sequence[Unit],
    function: Callable[[Unit], tuple[Parts, Tally]],
    out: Path,
    context: Context,
    parts: Sequence[str] = ("",),
    step: str = "shards",
    threads: bool = False,
) -> Tally:
    """Run a pure, picklable function over independent units of work, in `context.workers` processes.

    Unit i writes `part-<i>.parquet` in each part that it has documents for. Finished units are journalled, so a run
    that was killed goes on with the others. `step` names this pass in the journal of a stage that makes several.
    `threads` is for work inside numpy and pyarrow: a few threads are as fast there and start at once.
    """
    tallies = context.scratch / step
    finished = {record["unit"] for record in context.journal.records() if record.get("step") == step}
    waiting = [index for index in range(len(units)) if index not in finished]
    if finished:
        context.log(f"goes on after {len(finished)} of {len(units)} {step}")
    work = partial(_one_unit, function, out, tallies)
    context.progress.start(len(units), "shards")
    for index in _run(work, [(index, units[index]) for index in waiting], context, threads):
        context.journal.append({"step": step, "unit": index})
        finished.add(index)
        context.progress.update(len(finished))
    total = Tally()
    for index in range(len(units)):
        record = json.loads(_tally_path(tallies, index).read_text())
        total.add(Tally(Counter(record["counts"]), record["examples"]))
    for part in parts:
        write_ids(out / part, shard_ids(out / part))
    return total


def _one_unit(
    function: Callable[[Unit], tuple[Parts, Tally]], out: Path, tallies: Path, numbered: tuple[int, Unit]
) -> int:
    index, unit = numbered
    parts, tally = function(unit)
    for part, documents in parts.items():
        if documents:
            write_shard(out / part / f"part-{index:05d}.parquet", documents)
    write_file(_tally_path(tallies, index), json.dumps(vars(tally), ensure_ascii=False).encode())
    return index


def quarantined(units: int, context: Context, step: str = "shards") -> Iterator[dict[str, Any]]:
    """What `map_units` could not use in so many units of work, in their order, one unit in memory at a time."""
    for index in range(units):
        yield from json.loads(_tally_path(context.scratch / step, index).read_text())["quarantined"]


def _tally_path(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.json"


def _run(work: Callable[[Any], int], units: Sequence[Any], context: Context, threads: bool) -> Iterator[int]:
    """Yield the index of each unit as it finishes; stop between units when the user asks."""
    if context.workers == 1 or len(units) < 2:
        for unit in units:
            context.check_stop()
            yield work(unit)
        return
    import multiprocessing
    from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    # A fork of this process could deadlock, since libraries run threads in it; a fork of a small server that has
    # imported what shards need cannot, and starts at once.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["__main__", "pyarrow.dataset", "pyarrow.parquet", "numpy", __name__])
    workers = min(context.workers, len(units))
    pool: Executor = (
        ThreadPoolExecutor(workers)
        if threads and workers <= _MOST_THREADS
        else ProcessPoolExecutor(workers, processes, initializer=_begin_worker)
    )
    try:
        for future in as_completed([pool.submit(work, unit) for unit in units]):
            yield future.result()
            context.check_stop()
    except BrokenProcessPool as error:
        raise LmworksError(
            "A worker process died, most likely for lack of memory. Build again to go on from the shards that are "
            "finished; set fewer workers or a smaller shard_bytes if it happens again."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed."""
    import multiprocessing

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
