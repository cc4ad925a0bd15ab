"""How document steps run: a pure function over one shard, workers, and a journal entry a shard."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lmworks.data.records import Document, Documents, read_shard, shard_ids, write_ids, write_shard
from lmworks.errors import LmworksError
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context
from lmworks.pipeline.workers import MOST_THREADS, in_processes, in_threads

EXAMPLES_PER_REASON = 3


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
    step: str = "shards",
) -> Tally:
    """Run a pure function over each shard of `documents`; each shard gives one shard of `out`."""
    return map_units(documents.shards(), partial(_on_shard, function, config), out, context, step=step)


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
    """Run a pure, picklable function over independent units of work, by `context.workers` workers.

    Unit i writes `part-<i>.parquet` in each part that it has documents for. Finished units are journalled, so a run
    that was killed goes on with the others. `step` names this pass in the journal of a stage that makes several.
    `threads` is for work inside numpy and pyarrow: a few threads are as fast there and start at once.
    """
    tallies = context.scratch / step
    finished = _finished(tallies, step, len(units), context)
    waiting = [(index, unit) for index, unit in enumerate(units) if index not in finished]
    if finished:
        context.log(f"goes on after {len(finished)} of {len(units)} {step}")
    work = partial(_one_unit, function, out, tallies)
    context.progress.start(len(units), "shards")
    context.check_stop()
    in_place = threads and context.execute is in_processes and context.workers <= MOST_THREADS
    execute = in_threads if in_place else context.execute
    with closing(execute(work, waiting, context.workers)) as indices:
        for index in indices:
            context.journal.append({"step": step, "unit": index})
            finished.add(index)
            context.progress.update(len(finished))
            context.check_stop()
    total = Tally()
    for index in range(len(units)):
        record = json.loads(_tally_path(tallies, index).read_text())
        total.add(Tally(Counter(record["counts"]), record["examples"]))
    for part in parts:
        write_ids(out / part, shard_ids(out / part))
    return total


def _finished(tallies: Path, step: str, units: int, context: Context) -> set[int]:
    """The units that are done, by the journal or by their tally, which a worker writes after all else."""
    records = [record for record in context.journal.records() if record.get("step") == step]
    if not records:
        shutil.rmtree(tallies, ignore_errors=True)
        context.journal.append({"step": step, "units": units})  # before any worker begins: now the output is kept
    finished = {record["unit"] for record in records if "unit" in record}
    for index in set(range(units)) - finished if records else ():
        if _tally_path(tallies, index).exists():
            context.journal.append({"step": step, "unit": index})
            finished.add(index)
    return finished


def _one_unit(
    function: Callable[[Unit], tuple[Parts, Tally]], out: Path, tallies: Path, numbered: tuple[int, Unit]
) -> int:
    """Do one unit. Its tally is written after all else: it says that the unit is done."""
    index, unit = numbered
    if not tallies.parent.exists():
        raise LmworksError(
            f"The machine {os.uname().nodename} does not see {tallies.parent}. Every machine needs the store's folder "
            "under the same path: mount it from a shared file system, or name another with --store."
        )
    parts, tally = function(unit)
    _write_parts(parts, out, index)
    _write_tally(tally, tallies, index)
    return index


def do_again(
    function: Callable[[Unit], tuple[Parts, Tally]], out: Path, tallies: Path, numbered: tuple[int, Unit]
) -> None:
    """Do a finished unit otherwise. What its shard no longer holds is in the tally before, and never lost by a kill."""
    index, unit = numbered
    parts, tally = function(unit)
    _write_tally(tally, tallies, index)
    _write_parts(parts, out, index)


def _write_parts(parts: Parts, out: Path, index: int) -> None:
    for part, documents in parts.items():
        shard = out / part / f"part-{index:05d}.parquet"
        write_shard(shard, documents) if documents else shard.unlink(missing_ok=True)


def _write_tally(tally: Tally, folder: Path, index: int) -> None:
    write_atomically(_tally_path(folder, index), json.dumps(vars(tally), ensure_ascii=False).encode())


def quarantined(units: int, context: Context) -> Iterator[dict[str, Any]]:
    """What `map_units` could not use in so many units of work, in their order, one unit in memory at a time."""
    for index in range(units):
        yield from json.loads(_tally_path(context.scratch / "shards", index).read_text())["quarantined"]


def _tally_path(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.json"
