"""Units of work as Ray tasks: on a cluster, or on a Ray that is started here for as long as a build runs.

Ray carries functions and configs by pickle, on its own wire between machines that trust each other; files go through
the store's folder, which every machine sees under the same path.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack
from importlib.util import find_spec
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any

from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.build import versions
from lmworks.pipeline.work.workers import WORKER_DIED

PORT = 6379
"""Default port of `ray start --head`."""
TASKS_A_CPU = 2
"""Number of tasks per CPU that are submitted at a time: one that runs, and one that waits."""


def parse_place(on: str) -> str | None:
    """Return the place named by `--on`: None for `local`, "" for a Ray of this build, or the address of a cluster."""
    if on == "local":
        return None
    found = re.fullmatch(r"ray(?:://([\w.-]+)(?::([0-9]{1,5}))?)?", on)
    if not found:
        raise UsageError(f"--on {on}: expected local, ray or ray://HOST:PORT, the address that `ray start` prints")
    if not find_spec("ray"):
        raise UsageError(f"--on {on}: Ray is not installed; type pip install 'lmworks[ray]'")
    return "" if on == "ray" else f"{found[1]}:{found[2] or PORT}"


class RayWorkers(AbstractContextManager["RayWorkers"]):
    """Runner of units of work on Ray. It starts or joins Ray when the first units come."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._ends = ExitStack()
        self._cpus = 0

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    def __call__(self, work: Callable[[Any], int], units: Sequence[Any], workers: int) -> Generator[int, None, None]:
        """Run units as tasks: as many at a time as the cluster has processors, `workers` on a Ray of this build."""
        if not units:
            return
        if not self._cpus:
            self._connect(workers)
        import ray
        from ray.exceptions import RayError, RayTaskError

        task, ours, shared = ray.remote(call), ray.put(versions()), ray.put(work)
        tasks = (task.remote(ours, shared, unit) for unit in units)
        running = list(islice(tasks, TASKS_A_CPU * self._cpus))
        while running:
            (finished, *_), running = ray.wait(running)
            running += islice(tasks, 1)
            try:
                yield ray.get(finished)
            except RayTaskError as error:
                if isinstance(error.cause, LmworksError):
                    raise error.cause from None
                raise LmworksError(
                    f"A worker failed: {str(error).splitlines()[-1]}. If a module is missing, type "
                    "pip install 'lmworks[data,ray]' on every machine."
                ) from error
            except RayError as error:
                raise LmworksError(WORKER_DIED.format(f"Ray: {str(error).splitlines()[0]}")) from error

    def _connect(self, workers: int) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        options: dict[str, Any] = {"address": self._address}
        if self._address:
            self._refuse_silence()
        else:
            folder = self._ends.enter_context(TemporaryDirectory(prefix="lmworks-ray-", ignore_cleanup_errors=True))
            # A token of our own: nobody else can hand these workers a task, and none is written into the home. Ray
            # keeps the first one of a process.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))
            options = {"address": "local", "num_cpus": workers, "include_dashboard": False, "_temp_dir": folder}
        import ray

        self._ends.callback(ray.shutdown)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise LmworksError(
                f"Ray cannot be used ({str(error).splitlines()[0]}). For a cluster, run the build on one of its "
                f"machines. To join a machine, type: ray start --address={self._address or 'HOST:PORT'}"
            ) from error
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray sets its own, and would end a build that asks to stop safely
        self._cpus = max(1, int(ray.cluster_resources().get("CPU", 0)))  # type: ignore[no-untyped-call]

    def _refuse_silence(self) -> None:
        """Raise UsageError if nothing answers at the address. Ray itself would try for many minutes."""
        host, port = self._address.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError as error:
            raise UsageError(
                f"--on ray://{self._address}: nothing answers there ({error}). Start a cluster with "
                f"`ray start --head --port={port}` on {host}, or use --on ray for this machine alone."
            ) from error


def call(ours: dict[str, str], work: Callable[[Any], int], unit: Any) -> int:
    """Run a unit of work. Raises LmworksError if this machine has other libraries, as its output could then differ."""
    here = versions()
    other = [f"{name} {here[name]}, not {found}" for name, found in ours.items() if here.get(name, found) != found]
    if other:
        raise LmworksError(
            f"The machine {os.uname().nodename} has {'; '.join(other)}: the output might not be the same bytes. "
            "Install the same versions on every machine."
        )
    return work(unit)
