"""Long work in chunks. If the process is killed, only one chunk is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lmworks.errors import BeyondContext
from lmworks.pipeline.files import canonical_json, digest_file, write_atomically
from lmworks.pipeline.stage import Context

Unit = TypeVar("Unit")
Line = dict[str, Any]
Work = Callable[[Sequence[Unit]], list[Line]]
FORM = 2
"""Version of chunks. Raise it if lines of an unfinished stage would be misread although its key stays."""


def in_chunks(context: Context, units: Sequence[Unit], size: int, work: Work[Unit]) -> list[Line]:
    """Yield the records of all units. Those of a chunk are on disk before the next begins, so a kill loses one chunk.

    A chunk that is not as the journal has its digest is made again, and one that a version wrote of other fields.
    """
    of_form = [record for record in context.journal.records() if record.get("form") == FORM]
    if older := len(context.journal.records()) - len(of_form):
        context.log(f"{older} chunks were left by another version of lmworks, and are made again")
    written = [(record, context.scratch / record["file"]) for record in of_form]
    finished = {each["chunk"] for each, path in written if path.exists() and digest_file(path) == each.get("sha256")}
    if finished:
        context.log(f"goes on after {len(finished)} of {-(-len(units) // size)} chunks")
    context.progress.start(len(units), "items")
    records: list[Line] = []
    for chunk, start in enumerate(range(0, len(units), size)):
        path = context.scratch / f"items-{chunk:05}.jsonl"
        if chunk not in finished:
            context.check_stop()
            write_records(path, work(units[start : start + size]))
            context.journal.append({"chunk": chunk, "file": path.name, "sha256": digest_file(path), "form": FORM})
        records += read_records(path)
        context.progress.update(min(start + size, len(units)))
    return records


def losing_none_else(work: Work[Unit], lost: list[BeyondContext]) -> Work[Unit]:
    """Return a function like `work` that skips units which a model cannot read, and adds the reason to `lost`."""

    def done(some: Sequence[Unit]) -> list[Line]:
        try:
            return work(some)
        except BeyondContext as error:
            if len(some) == 1:
                lost.append(error)
                return []
        middle = len(some) // 2
        return [*done(some[:middle]), *done(some[middle:])]

    return done


def write_records(path: Path, records: Iterable[Line]) -> None:
    """Write one record per line, with sorted keys."""
    write_atomically(path, "".join(canonical_json(record) + "\n" for record in records))


def read_records(path: Path) -> list[Line]:
    """Return the records of a file with one record per line."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
