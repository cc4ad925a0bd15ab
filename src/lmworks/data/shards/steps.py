"""Runs of document steps: a pure function over one shard, workers, and a journal entry per shard."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from lmworks.data.personal.hidden import hide_all
from lmworks.data.shards.records import Document, Documents, read_shard, write_shard, write_shard_ids
from lmworks.errors import LmworksError
from lmworks.pipeline.files import digest_file, digest_once, sync_folder, write_atomically
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context
from lmworks.pipeline.units import BESIDE, PAYLOAD, Earlier, Entry, Origin, index_path, link, numbered, record_path
from lmworks.pipeline.units import Unit as FinishedUnit
from lmworks.pipeline.work.workers import MOST_THREADS, in_processes, in_threads
from lmworks.recipe.schema import StepConfig
from lmworks.registry import is_own, plugins_behind

FILES = "files"
"""Name of the pass of `ingest` that looks at files, before the pass that reads them."""
EXAMPLES_PER_REASON = 3


Config = TypeVar("Config", bound=StepConfig)
Unit = TypeVar("Unit")


@dataclass
class Tally:
    """Result of a step: counts by reason, a few examples of each, and records it could not use."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)
    losses: set[str] = field(default_factory=set)
    """Reasons in `counts` that count records that are not passed on."""
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    """Unusable records of one unit of work only, because those of a whole step can be as large as its source."""
    files: list[Path] = field(default_factory=list)
    """Files that one unit wrote itself. Their names contain the unit's number as five digits."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Facts that a finished unit hands to its step."""
    is_lasting: bool = True
    """Whether later builds can reuse a unit's output. False if the unit can give another output next time."""

    def lose(self, reason: str, **example: Any) -> None:
        """Count one record that is not passed on, a loss that is shown first, and keep it as `note` does."""
        self.losses.add(reason)
        self.note(reason, **example)

    def note(self, reason: str, **example: Any) -> None:
        """Count one change. Keep it as an example, without personal data, if its reason has few examples yet."""
        self.counts[reason] += 1
        if self.counts[reason] <= EXAMPLES_PER_REASON:
            self.examples += hide_all([{"reason": reason, **example}])

    def wants(self, reason: str) -> bool:
        """Return whether the next record of a reason is kept as an example."""
        return self.counts[reason] < EXAMPLES_PER_REASON

    def add(self, other: Tally) -> None:
        """Add the tally of another unit of work, except its unusable records: see `quarantined`."""
        self.counts.update(other.counts)
        self.losses |= other.losses
        shown = Counter(example["reason"] for example in self.examples)
        for example in other.examples:
            shown[example["reason"]] += 1
            if shown[example["reason"]] <= EXAMPLES_PER_REASON:
                self.examples.append(example)


Parts = Mapping[str, Sequence[Document]]
"""Documents by the part of the output that they belong to. "" stands for the output folder itself."""


def counted(kept: Sequence[Document], tally: Tally) -> tuple[Parts, Tally]:
    """Return a step's output for one shard: the documents that stay, and the tally with their number and size."""
    tally.counts["documents"] += len(kept)
    tally.counts["bytes"] += sum(len(document.text.encode()) for document in kept)
    return {"": kept}, tally


def origins_of(shards: Sequence[Path], *settings: Any) -> list[Origin]:
    """Return an origin for each shard: the shard's digest, and settings that are the same for all shards."""
    return [Origin((digest_once(shard),), settings) for shard in shards]


def map_shards(
    documents: Documents,
    function: Callable[[Config, list[Document]], tuple[Parts, Tally]],
    config: Config,
    out: Path,
    context: Context,
    step: str = "shards",
    settings: Any = None,
) -> Tally:
    """Run a pure function over each shard of `documents`. Each shard gives one shard of `out`.

    The function returns documents under their own ids, each id at most once, so that an erasure finds its output.
    `settings` holds everything else that the output of a shard depends on, except the config.
    """
    shards = documents.shards()
    origins = origins_of(shards, key_config(config), settings)
    return map_units(shards, partial(_on_shard, function, config), out, context, step=step, origins=origins)


def _on_shard(
    function: Callable[[Config, list[Document]], tuple[Parts, Tally]], config: Config, shard: Path
) -> tuple[Parts, Tally]:
    documents = read_shard(shard)
    try:
        parts, tally = function(config, documents)
    except Exception as error:
        if isinstance(error, LmworksError) or is_own(_innermost(function).__module__):
            raise
        said, document = f"{type(error).__name__}: {error}", _failing(function, config, documents)
        raise LmworksError(f"{_place(function)} failed at {document or 'the documents'} of {shard}: {said}") from error
    known = {document.id for document in documents}
    given = Counter(document.id for part in parts.values() for document in part)
    if wrong := next((name for name, times in given.items() if times > 1 or name not in known), None):
        said = (
            f"gives two documents the id {wrong}"
            if wrong in known
            else f"gives the document id {wrong}, which {shard} does not hold"
        )
        raise LmworksError(
            f"{_place(function)} {said}: a document must keep its id, by which an erasure finds it. Return at most one "
            "document for each, or write documents with ids of your own with `write_shard`: an erasure then counts "
            "everything made from them as affected"
        )
    return parts, tally


def _failing(
    function: Callable[[Config, list[Document]], tuple[Parts, Tally]], config: Config, documents: Sequence[Document]
) -> str:
    """Return the first single document at which a function fails, or "" if it fails at no single document."""
    for document in documents:
        try:
            function(config, [document])
        except Exception:
            return f"document {document.id}"
    return ""


def _place(function: Callable[..., Any]) -> str:
    """Return the module and name of a function, with the packages that it belongs to."""
    inner = _innermost(function)
    of = " and ".join(sorted(map(str, plugins_behind([inner]))))
    return f"{inner.__module__}.{inner.__qualname__}{of and f' of {of}'}"


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function inside one or more `partial`s."""
    while isinstance(function, partial):
        function = function.func
    return function


def map_units(
    units: Sequence[Unit],
    function: Callable[[Unit], tuple[Parts, Tally]],
    out: Path,
    context: Context,
    parts: Sequence[str] = ("",),
    step: str = "shards",
    threads: bool = False,
    origins: Sequence[Origin | None] | None = None,
    accept: Callable[[FinishedUnit], bool] = lambda unit: True,
) -> Tally:
    """Run a pure, picklable function over independent units of work, with `context.workers` workers.

    Unit i writes `part-<i>.parquet` in each part that it has documents for. Finished units are journalled, so that a
    killed run continues with the others. `step` names this pass in the journal of a stage with several passes.
    `threads` is for work inside numpy and pyarrow, where a few threads are as fast as processes and start at once.

    `origins` states what each unit depends on. A unit that an earlier build finished, and that `accept` accepts, is
    reused. A unit without an origin is always computed.
    """
    keys = [context.earlier.key(step, origin) if origin else None for origin in origins or [None] * len(units)]
    task = _Task(function, out, context.beside, context.scratch, step)
    finished = _finished(task, len(units), context)
    if finished:
        context.log(f"goes on after {len(finished)} of {len(units)} {step}")
    if taken := _take(task, keys, finished, context.earlier, accept):
        context.log(f"{len(taken)} of {len(units)} {step} are as an earlier build made them")
    finished |= taken
    waiting = [(index, keys[index], unit) for index, unit in enumerate(units) if index not in finished]
    context.progress.start(len(units), "shards")
    context.check_stop()
    in_place = threads and context.execute is in_processes and context.workers <= MOST_THREADS
    execute = in_threads if in_place else context.execute
    with closing(execute(task, waiting, context.workers)) as indices:
        for index in indices:
            context.journal.append({"step": step, "unit": index})
            finished.add(index)
            context.progress.update(len(finished))
            context.check_stop()
    total = Tally()
    entries: list[Entry] = []
    for number, origin in enumerate(origins or [None] * len(units)):
        content = record_path(context.beside, step, number).read_bytes()
        record = json.loads(content)
        total.add(Tally(Counter(record["counts"]), record["examples"], set(record.get("losses", ()))))
        shards = origin.shards if origin else ()
        entries.append(Entry(record["key"], shards, record["files"], hashlib.sha256(content).hexdigest()))
    write_atomically(index_path(context.beside, step), json.dumps(entries).encode())
    for part in parts:
        write_shard_ids(out / part)
    return total


def keep_beside(
    shards: Sequence[Path],
    tell: Callable[[Path], Iterable[tuple[str, bytes]]],
    context: Context,
    step: str,
    *settings: Any,
    threads: bool = False,
) -> Path:
    """Store what the pure function `tell` yields for each shard (files by their ending) in a folder, and return it.

    The folder is beside the artifact. `settings` holds everything else that the files depend on, except the shard.
    """
    folder, work = context.beside / step, partial(_tell, tell, context.beside / step)
    origins = origins_of(shards, *settings)
    map_units(list(enumerate(shards)), work, folder, context, (), step, threads, origins)
    return folder


def _tell(
    tell: Callable[[Path], Iterable[tuple[str, bytes]]], folder: Path, numbered: tuple[int, Path]
) -> tuple[Parts, Tally]:
    index, shard = numbered
    tally = Tally()
    for ending, content in tell(shard):
        tally.files.append(folder / f"{index:05d}.{ending}")
        write_atomically(tally.files[-1], content)
    return {}, tally


def _take(
    task: _Task[Any],
    keys: Sequence[str | None],
    finished: set[int],
    earlier: Earlier,
    accept: Callable[[FinishedUnit], bool],
) -> set[int]:
    """Link units that earlier builds finished, under their numbers in this build. Return these numbers.

    Their records come last, as with a worker, because a record states that its unit is finished.
    """
    waiting = [index for index in range(len(keys)) if index not in finished]
    found = earlier.find(task.step, [keys[index] or "" for index in waiting], accept)
    taken = {index: unit for index, unit in zip(waiting, found, strict=True) if unit}
    for index, unit in taken.items():
        for pattern in unit.entry.files:
            link(unit.path(pattern), task.place(pattern, index))
    for folder in {task.place(pattern, index).parent for index, unit in taken.items() for pattern in unit.entry.files}:
        sync_folder(folder)
    for index, unit in taken.items():
        link(unit.record_path, record_path(task.beside, task.step, index))
    return set(taken)


def _finished(task: _Task[Any], units: int, context: Context) -> set[int]:
    """Return the finished units, by the journal or by their record, which a worker writes after all other files."""
    step = task.step
    records = [record for record in context.journal.records() if record.get("step") == step]
    if not records:
        shutil.rmtree(index_path(task.beside, step).parent, ignore_errors=True)
        context.journal.append({"step": step, "units": units})  # before any worker begins: now the output is kept
    finished = {record["unit"] for record in records if "unit" in record}
    for index in set(range(units)) - finished if records else ():
        if record_path(task.beside, step, index).exists():
            context.journal.append({"step": step, "unit": index})
            finished.add(index)
    return finished


@dataclass(frozen=True)
class _Task(Generic[Unit]):
    """One pass of a step, as its workers run it."""

    function: Callable[[Unit], tuple[Parts, Tally]]
    out: Path
    beside: Path
    scratch: Path
    step: str

    def __call__(self, numbered: tuple[int, str | None, Unit]) -> int:
        """Compute one unit. Its record is written after all other files, because it says that the unit is finished."""
        index, key, unit = numbered
        if not self.scratch.exists():
            raise LmworksError(
                f"The machine {os.uname().nodename} does not see {self.scratch}. Every machine needs the store's "
                "folder under the same path: mount it from a shared file system, or name another with --store."
            )
        parts, tally = self.function(unit)
        tally.files += _write_parts(parts, self.out, index)
        self.write_record(index, tally, key)
        return index

    def write_record(self, index: int, tally: Tally, key: str | None) -> None:
        """Store the counts of a unit, and the digests of the files that it wrote."""
        key = key if key and tally.is_lasting else ""
        record = {
            "key": key,
            "files": {self.pattern(path, index): digest_file(path) if key else "" for path in tally.files},
            **{name: getattr(tally, name) for name in ("counts", "examples", "quarantined", "facts")},
            "losses": sorted(tally.losses),
        }
        content = json.dumps(record, ensure_ascii=False).encode()
        write_atomically(record_path(self.beside, self.step, index), content)

    def pattern(self, path: Path, index: int) -> str:
        """Return the place of a unit's file in the artifact, with `*` for the unit's number."""
        inside = path.is_relative_to(self.beside)
        below = path.relative_to(self.beside if inside else self.out)
        name = below.with_name(below.name.replace(f"{index:05d}", "*", 1))
        return f"{BESIDE if inside else PAYLOAD}/{name.as_posix()}"

    def place(self, pattern: str, index: int) -> Path:
        """Return the path of a unit's file while the artifact is being made."""
        root, _, below = numbered(pattern, index).partition("/")
        return (self.beside if root == BESIDE else self.out) / below


def do_again(
    function: Callable[[Unit], tuple[Parts, Tally]], out: Path, context: Context, numbered: tuple[int, Unit]
) -> None:
    """Compute a finished unit again with another function. Its record is written before its shards, in case of a kill.

    Later builds cannot reuse the unit, because its output depends on other units.
    """
    index, unit = numbered
    parts, tally = function(unit)
    tally.files += [_shard(out, part, index) for part, documents in parts.items() if documents]
    _Task(function, out, context.beside, context.scratch, "shards").write_record(index, tally, None)
    _write_parts(parts, out, index)


def _write_parts(parts: Parts, out: Path, index: int) -> list[Path]:
    """Write a unit's documents, and return the files written."""
    written = []
    for part, documents in parts.items():
        shard = _shard(out, part, index)
        if documents:
            write_shard(shard, documents)
            written.append(shard)
        else:
            shard.unlink(missing_ok=True)
    return written


def _shard(out: Path, part: str, index: int) -> Path:
    return out / part / f"part-{index:05d}.parquet"


def unit_records(units: int, context: Context, step: str = "shards") -> Iterator[dict[str, Any]]:
    """Yield the records that `map_units` wrote for these units, in their order, one in memory at a time."""
    for index in range(units):
        yield json.loads(record_path(context.beside, step, index).read_text())


def quarantined(units: int, context: Context, step: str = "shards") -> Iterator[dict[str, Any]]:
    """Yield the unusable records of these units."""
    for record in unit_records(units, context, step):
        yield from record["quarantined"]
