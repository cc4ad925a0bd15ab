"""How fast files are ingested, and in how much memory: one JSON line, exit code 1 if a limit is passed.

    python benchmarks/data/reading.py [--files 50000] [--megabytes 300]

It ingests a folder of small text files (a KiB each, a hundred per folder), then one JSONL file. The seconds are
processor seconds of the process, which does all the work itself. `milliseconds_per_file` is what a small file costs in
all. `listing` is the part until every file has its digest, `reading` is the rest. The peak of memory is that of a new
process that ingests the JSONL file alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.pipeline.stage import Context

MOST_MILLISECONDS = 0.3
"""Processor time that a small file may take."""
MOST_MEGABYTES = 400
"""Memory that a process may take which ingests one JSONL file."""
PER_FOLDER = 100
WORDS = "the of and to in for is on that by this with you it not or be are from at as your all have new more an was"


class Journal:
    """A journal that lives as long as the measurement."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def records(self) -> list[dict[str, Any]]:
        """Return what was written."""
        return list(self.lines)

    def append(self, record: dict[str, Any]) -> None:
        """Keep one record."""
        self.lines.append(record)


class Marks:
    """A display that notes the processor time at which each pass begins."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def start(self, total: float, unit: str) -> None:
        """Note the time."""
        self.starts.append(time.process_time())

    def update(self, done: float, **values: float | str) -> None:
        """Show nothing."""

    def sample(self, title: str, text: str) -> None:
        """Show nothing."""


def text(draw: random.Random, characters: int) -> str:
    """Return words of about a length."""
    return " ".join(draw.choices(WORDS.split(), k=characters // 4))


def read(folder: Path) -> dict[str, float]:
    """Ingest `folder/texts` and return the processor seconds until all files have a digest, and those after it."""
    source = {"kind": "files", "path": "texts", "licence": "MIT"}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["MIT"]}})
    (folder / "work" / "scratch").mkdir(parents=True)
    begin, marks = time.process_time(), Marks()
    context = Context(folder / "work" / "scratch", Journal(), marks, check_stop=lambda: None, log=lambda line: None)
    result = ingest(config.resolve(folder), out=folder / "out", context=context)
    listed, end = marks.starts[1], time.process_time()
    return {"documents": result.counts["documents"], "listing": listed - begin, "reading": end - listed}


def small_files(files: int) -> dict[str, Any]:
    """Write and ingest small files."""
    draw = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="reading") as name:
        folder = Path(name)
        for number in range(files):
            path = folder / "texts" / f"{number // PER_FOLDER:04d}" / f"{number:06d}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text(draw, 1000))
        found = read(folder)
    parts = {part: round(1000 * found[part] / files, 3) for part in ("listing", "reading")}
    return {"files": files, "milliseconds_per_file": round(sum(parts.values()), 3), **parts}


def one_file(megabytes: float) -> dict[str, Any]:
    """Write one JSONL file and ingest it in a new process."""
    draw, size = random.Random(0), 0
    with tempfile.TemporaryDirectory(prefix="reading") as name:
        path = Path(name) / "texts" / "all.jsonl"
        path.parent.mkdir()
        with path.open("wb") as stream:
            while size < megabytes * 1e6:
                size += stream.write(json.dumps({"text": text(draw, 2000)}).encode() + b"\n")
        command = [sys.executable, __file__, "--folder", name]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    seconds = found["listing"] + found["reading"]
    rate = round(size / 1e6 / seconds, 1)
    return {"megabytes": round(size / 1e6), "megabytes_per_second": rate, "peak_megabytes": found["peak"]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--megabytes", type=float, default=300)
    parser.add_argument("--folder", type=Path, help="ingest `texts` of this folder and print what it took")
    given = parser.parse_args()
    os.environ["LMWORKS_ID_KEY"] = "0" * 32
    if given.folder:
        found = read(given.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(found | {"peak": round(peak / 1000)}))
        return
    small, large = small_files(given.files), one_file(given.megabytes)
    is_fine = small["milliseconds_per_file"] <= MOST_MILLISECONDS and large["peak_megabytes"] <= MOST_MEGABYTES
    print(json.dumps({"small_files": small, "one_file": large, "ok": is_fine}))
    sys.exit(0 if is_fine else 1)


if __name__ == "__main__":
    main()
