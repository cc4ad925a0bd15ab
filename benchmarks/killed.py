"""What benchmarks share that kill builds and look at what is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path


class Build:
    """A running build whose lines are read as they come."""

    def __init__(self, folder: Path, recipe: Path, *options: str) -> None:
        command = [sys.executable, "-m", "lmworks", "build", str(recipe), "--verbose", *options]
        environment = {**os.environ, "LMWORKS_ID_KEY": "a key for this benchmark"}
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.lines: list[tuple[float, str]] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), line.rstrip()))

    def began(self) -> dict[str, float]:
        """Step → when it began in this run."""
        steps = [(when, line) for when, line in self.lines if line.startswith("[") and not line.endswith(": reused")]
        return {line.split("] ", 1)[1].split(":", 1)[0]: when for when, line in steps}

    def finished(self) -> dict[str, float]:
        """Step → when it was done in this run."""
        return {line.split(": done in")[0]: when for when, line in self.lines if ": done in" in line}

    def kill(self) -> None:
        """Kill the whole process group, if it has not ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()

    def wait(self) -> None:
        code = self.process.wait()
        self.reader.join()
        if code:
            raise SystemExit("\n".join(line for _, line in self.lines[-15:]))


def digests(store: Path) -> dict[str, str]:
    """File of a payload → its digest."""
    found = {}
    for path in store.glob("artifacts/*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        found |= {f"{manifest['step']}/{name}": file["sha256"] for name, file in manifest["files"].items()}
    return found


def finished_pieces(store: Path, forget: bool) -> dict[str, int]:
    """Step under way → steps, shards or chunks that its journal names."""
    found = {}
    for path in store.glob("work/*/progress.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
        checkpoints = [int(record["checkpoint"].split("-")[1]) for record in records if "checkpoint" in record]
        passes = [record["step"] for record in records if "unit" in record]
        units = sum("unit" in record and record["step"] == passes[-1] for record in records) if passes else 0
        chunks = sum("chunk" in record for record in records)
        if pieces := (checkpoints or [0])[-1] + units + chunks:
            found[(path.parent / "step").read_text()] = pieces
        if forget:
            path.unlink()
    return found


def not_continued(left: dict[str, int], build: Build) -> list[str]:
    """Each step that a kill cut off must go on after all pieces that its journal names, if not more."""
    said = {
        found[1]: int(found[2])
        for _, line in build.lines
        if (found := re.fullmatch(r"(.+): goes on after (\d+) of \d+ .+", line))
    }
    return [
        f"{step} had {pieces} finished pieces and went on after {said.get(step, 0)}"
        for step, pieces in left.items()
        if step in build.began() and said.get(step, 0) < pieces
    ]
