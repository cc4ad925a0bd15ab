"""Units of work as Ray tasks: on a cluster, or on a Ray that is started here for as long as a build runs.

Ray carries functions and configs by pickle, on its own wire between machines that trust each other; files go through
the store's folder, which every machine sees under the same path.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.build import versions
from lmworks.pipeline.files import digest_file
from lmworks.pipeline.workers import WORKER_DIED

PORT = 6379
"""Where `ray start --head` listens unless told otherwise."""
SECONDS_TO_ANSWER = 5.0
TASKS_A_CPU = 2
"""In flight: one that runs, and one that is there when it ends."""


def parse_place(on: str) -> str | None:
    """Where `--on` asks document steps to run: None for `local`, "" for a Ray of this build, or a cluster's address."""
    if on == "local":
        return None
    host, colon, port = on.removeprefix("ray://").partition(":")
    is_port = port.isdecimal() and int(port) < 2**16 if colon else True
    if on != "ray" and not (on.startswith("ray://") and host and is_port):
        raise UsageError(f"--on {on}: expected local, ray or ray://HOST:PORT, the address that `ray start` prints")
    if not find_spec("ray"):
        raise UsageError(f"--on {on}: Ray is not installed; pip install 'lmworks[ray]'")
    return "" if on == "ray" else f"{host}:{port or PORT}"


class RayWorkers:
    """Runs units of work on Ray, which is started or joined when the first of them comes."""

    def __init__(self, address: str, store: Path, recipe: Path) -> None:
        self._address, self._store, self._recipe = address, store.absolute(), recipe.absolute()
        self._folder: str | None = None
        self._cpus = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._cpus:
            import ray

            ray.shutdown()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __call__(self, work: Callable[[Any], int], units: Sequence[Any], workers: int) -> Generator[int, None, None]:
        """Run units as tasks: as many at a time as the cluster has processors, `workers` on a Ray of this build."""
        if not self._cpus:
            self._connect(workers)
        import ray
        from ray.exceptions import RayError, RayTaskError

        task, shared, waiting = ray.remote(_call), ray.put(work), iter(units)
        running = [task.remote(shared, unit) for unit in islice(waiting, TASKS_A_CPU * self._cpus)]
        while running:
            (finished, *_), running = ray.wait(running)
            running += [task.remote(shared, unit) for unit in islice(waiting, 1)]
            try:
                yield ray.get(finished)
            except RayTaskError as error:
                raise error.cause from error
            except RayError as error:
                raise LmworksError(WORKER_DIED) from error

    def _connect(self, workers: int) -> None:
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
        options: dict[str, Any] = {"address": self._address}
        if self._address:
            self._refuse_silence()
        else:
            self._folder = tempfile.mkdtemp(prefix="lmworks-ray-")
            # A token of this build's own: nobody else can hand these workers a task, and none is written into the home.
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
            options = {"address": "local", "num_cpus": workers, "num_gpus": 0, "include_dashboard": False}
            options["_temp_dir"] = self._folder
        import ray

        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise LmworksError(
                f"Ray cannot be used ({str(error).splitlines()[0]}). For a cluster, run the build on one of its "
                f"machines, joined with: ray start --address={self._address or 'HOST:PORT'}"
            ) from error
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray sets its own, and would end a build that asks to stop safely
        self._cpus = int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
        if self._address:
            self._refuse_strangers()

    def _refuse_silence(self) -> None:
        """Ray itself would ask for many minutes."""
        host, port = self._address.split(":")
        try:
            socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
        except OSError as error:
            raise UsageError(
                f"--on ray://{self._address}: nothing answers there ({error.strerror or error}). Start a cluster with "
                f"`ray start --head --port={port}` on {host}, or use --on ray for this machine alone."
            ) from error

    def _refuse_strangers(self) -> None:
        """Refuse a machine that sees other files or has other libraries than this one: its bytes would not be ours."""
        import ray
        from ray.exceptions import RayError
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        note = self._store / f".seen-{secrets.token_hex(8)}"
        note.write_text(note.name)
        files = [note, self._recipe]
        ours = look(files)
        try:
            for node in ray.nodes():  # type: ignore[no-untyped-call]
                if not (node["Alive"] and node["Resources"].get("CPU")):
                    continue
                where = f"--on ray://{self._address}: machine {node['NodeManagerAddress']}"
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                try:
                    theirs = ray.get(ray.remote(look).options(num_cpus=0, scheduling_strategy=there).remote(files))
                except RayError as error:
                    raise LmworksError(
                        f"{where} cannot run lmworks ({str(error).splitlines()[-1]}); install 'lmworks[data,ray]' there"
                    ) from error
                compare(where, ours, theirs)
        finally:
            note.unlink()


def compare(where: str, ours: dict[str, str], theirs: dict[str, str]) -> None:
    for name, value in ours.items():
        found = theirs.get(name)
        if name.startswith("/") and found != value:
            raise LmworksError(
                f"{where} does not see {name} as it is here. Every machine needs the folders of the store and of the "
                "recipe under the same path: mount them from a shared file system, or name a shared --store."
            )
        if found not in (value, None):
            raise LmworksError(
                f"{where} has {name} {found}, this one {value}: the output might not be the same bytes. Install the "
                "same versions on both."
            )


def look(files: Sequence[Path]) -> dict[str, str]:
    """What decides whether work done here gives the same bytes: digests of the files that are there, versions."""
    seen = versions()
    for path in files:
        with suppress(OSError):
            seen[str(path)] = digest_file(path)
    return seen


def _call(work: Callable[[Any], int], unit: Any) -> int:
    return work(unit)
