"""One process of a run with several processes: `torchrun … -m lmworks.train.loop.worker JOB`.

JOB is a JSON file of `launch.py` with the config, the inputs' folders and digests, and the output folders, which all
processes can see. Only the first process writes there. It prints the run's progress as JSON lines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from pydantic import TypeAdapter

from lmworks.errors import LmworksError, Stopped
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context, Result
from lmworks.pipeline.work.journal import FileJournal
from lmworks.pipeline.work.process import end_with_parent
from lmworks.train.configs.train import from_record
from lmworks.train.distributed.launch import STOP
from lmworks.train.distributed.processes import join
from lmworks.train.loop.train import train


class Told:
    """Progress as JSON lines of the first process. Other processes print nothing."""

    def __init__(self, heard: bool) -> None:
        self._heard = heard

    def start(self, total: float, unit: str) -> None:
        self._say("start", total, unit)

    def update(self, done: float, **values: float | str) -> None:
        self._say("update", done, values)

    def sample(self, title: str, text: str) -> None:
        self._say("sample", title, text)

    def log(self, line: str) -> None:
        self._say("log", line)

    def _say(self, *record: object) -> None:
        if self._heard:
            print(json.dumps(record), flush=True)


class Following:
    """Read-only journal of the other processes, with the records that the first process has written so far."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []

    def append(self, record: Mapping[str, Any]) -> None:
        """Do nothing, because the first process appends the record."""


def main(path: str) -> None:
    """Take part in a run. Write an LmworksError to the result file. After any other failure, the run starts again."""
    end_with_parent()
    job = json.loads(Path(path).read_text())
    config = from_record(job["config"])
    inputs = {
        key: train.inputs[key].handle(Path(value[0]), value[1]) if value else None
        for key, value in job["inputs"].items()
    }
    try:
        join(config.device)
    except LmworksError as error:
        write_atomically(Path(job["result"]), json.dumps({"error": str(error)}))
        return
    first = dist.get_rank() == 0
    told, journal = Told(first), Path(job["journal"])
    scratch = Path(job["scratch"])
    context = Context(
        scratch,
        FileJournal(journal) if first else Following(journal),
        told,
        check_stop=partial(raise_if_asked, scratch / STOP),
        log=told.log,
    )
    dist.barrier()  # the journal is whole before anybody reads it
    try:
        result = train(config, **inputs, out=Path(job["out"]), context=context)
        record = TypeAdapter(Result).dump_python(result, mode="json")
    except LmworksError as error:
        record = {"stopped" if isinstance(error, Stopped) else "error": str(error)}
        write_atomically(Path(job["result"]), json.dumps(record))
        sys.exit(0 if "stopped" in record else 1)  # which ends the others, who may wait for this one
    dist.destroy_process_group()
    if first:
        write_atomically(Path(job["result"]), json.dumps(record))


def raise_if_asked(stop: Path) -> None:
    """Raise Stopped if the launching process has created the file `stop`."""
    if stop.exists():
        raise Stopped("asked to stop")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
