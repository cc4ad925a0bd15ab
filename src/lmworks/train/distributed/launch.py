"""Start and follow the processes of a run, and start all of them again if one ends unexpectedly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import TypeAdapter

from lmworks.errors import LmworksError, Stopped
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context, Handle, Result
from lmworks.train.configs.train import TrainConfig, as_record

STOP = "stop"
"""Name of the file in the scratch folder that tells all processes to save and end."""
MOST_RESTARTS = 3
"""Maximum number of restarts from the last checkpoint after a process was lost. More losses have a lasting cause."""

OF_TORCHRUN = "torch/distributed/elastic/multiprocessing/api.py"
"""Part of the first line with which `torchrun` reports that a process ended."""


def run_processes(config: TrainConfig, inputs: Mapping[str, Handle | None], out: Path, context: Context) -> Result:
    """Train with `config.processes` processes, here or on the nodes of a Slurm job, and return their result.

    Raises LmworksError with the error of a process, or if processes were lost too often.
    """
    out.mkdir(parents=True, exist_ok=True)
    job, result = context.scratch / "job.json", context.scratch / "job-result.json"
    stop = context.scratch / STOP
    for left in (result, stop):
        left.unlink(missing_ok=True)
    record = {
        "config": as_record(config),
        "inputs": {name: handle and [str(handle.path), handle.digest] for name, handle in inputs.items()},
        "scratch": str(context.scratch),
        "journal": str(context.scratch.parent / "progress.jsonl"),
        "out": str(out),
        "result": str(result),
    }
    write_atomically(job, json.dumps(record))
    command = [*torchrun(config.processes, os.environ), "-m", "lmworks.train.loop.worker", str(job)]
    environment = os.environ | {"OMP_NUM_THREADS": str(config.threads)}
    errors = ""
    for attempt in range(MOST_RESTARTS + 1):
        if attempt:
            context.log("a process was lost; all start again from the last checkpoint")
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which hands it on when it is safe to stop
        )
        errors, asked = _follow(process, context, stop)
        if asked and not result.exists():
            raise asked
        if result.exists():
            break
    else:
        raise LmworksError(
            f"a process of the run was lost more than {MOST_RESTARTS} times, or none could be started; the last "
            f"checkpoint is kept. Its last output: {_last_words(errors)}"
        )
    found = json.loads(result.read_text())
    if "stopped" in found:
        raise asked or Stopped(found["stopped"])
    if "error" in found:
        raise LmworksError(found["error"])
    return TypeAdapter(Result).validate_python(found)


def _last_words(errors: str) -> str:
    """Return the last output of a lost process, without the report of `torchrun`."""
    words, told, _ = errors.partition(OF_TORCHRUN)
    return (words.rpartition("\n")[0].strip() if told else words)[-2000:]


def torchrun(processes: int, environment: Mapping[str, str]) -> list[str]:
    """Return the command that starts processes: all here, or shared among the nodes of a Slurm job.

    `LMWORKS_RENDEZVOUS` (host:port of the first node) is what the batch script of `lmworks launch` sets.
    """
    nodes = int(environment.get("SLURM_JOB_NUM_NODES", "1"))
    if processes % nodes:
        raise LmworksError(f"{processes} processes cannot be spread evenly over {nodes} nodes")
    where, before = ["--standalone"], []
    if nodes > 1:
        before = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
        rendezvous = environment.get("LMWORKS_RENDEZVOUS")
        if not rendezvous:
            raise LmworksError(
                "LMWORKS_RENDEZVOUS is not set: the batch script of `lmworks launch` sets it to HOST:PORT"
            )
        where = [f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={rendezvous}"]
        where.append(f"--rdzv-id={environment['SLURM_JOB_ID']}")
    run = [sys.executable, "-m", "torch.distributed.run", *where]
    return [*before, *run, f"--nproc-per-node={processes // nodes}", "--max-restarts=0"]


def _follow(process: subprocess.Popen[str], context: Context, stop: Path) -> tuple[str, Stopped | None]:
    """Pass on the progress that the first process prints, until all have ended. Return their error output.

    If the user stops the run, the file `stop` tells all processes to save and end, and `Stopped` is returned too.
    """
    assert process.stdout and process.stderr  # noqa: S101 - they are pipes
    said: list[str] = []
    reader = threading.Thread(target=lambda stream: said.extend(stream), args=(process.stderr,), daemon=True)
    reader.start()
    show: dict[str, Callable[..., None]] = {
        "start": context.progress.start,
        "sample": context.progress.sample,
        "log": context.log,
        "update": lambda done, values: context.progress.update(done, **values),
    }
    asked: Stopped | None = None
    try:
        for line in process.stdout:
            try:
                kind, *values = json.loads(line)
            except ValueError:
                continue
            try:
                show[kind](*values)
                context.check_stop()
            except Stopped as error:
                asked = error
                stop.touch()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    process.wait()
    reader.join()
    return "".join(said), asked
