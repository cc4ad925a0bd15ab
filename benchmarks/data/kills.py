"""Kill builds of a corpus with SIGKILL, locally and on Ray, and compare what they end with to an undisturbed build.

    python benchmarks/data/make_corpus.py 1 benchmarks/data/templates.json CORPUS --megabytes 25
    python benchmarks/data/kills.py CORPUS [--kills 10] [--seed 0] [--on local ray]

The whole process group is killed at random moments after a run has ended its first unit of work, so that each run gets
somewhere; a build that ends before it is killed is kept, and another is begun. Every payload file must end equal byte
for byte, no process may be left, no unit that ended may be done again, and each run must go on after all that the
journal names. One JSON line is printed; the exit code is 1 if any of this fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from killed import Build, finished_pieces, not_continued

RECIPE = """\
name: kills
use_case: measuring
plan: {{measure: false}}
data:
  raw: {{kind: ingest, sources: [{{kind: files, path: {corpus}/documents, licence: MIT}}], licences: {{allow: [MIT]}}}}
  clean: {{kind: normalise, from: raw}}
  private: {{kind: anonymise, from: clean}}
  split: {{kind: split, from: private, by: id, test: 50, validation: 50}}
  curated: {{kind: curate, from: split.train, filters: [length, repetition], avoid: [split.test, split.validation]}}
  unique: {{kind: repeated-passages, from: curated}}
  corpus: {{kind: decontaminate, from: unique, files: [{corpus}/evaluation.jsonl]}}
"""
SECONDS_TO_END = 30.0


class Watch(threading.Thread):
    """Notes when units of work end: each replaces its tally, which is whole or absent."""

    def __init__(self, store: Path) -> None:
        super().__init__(daemon=True)
        self.store = store
        self.ended: defaultdict[Path, set[int]] = defaultdict(set)
        self.start()

    def run(self) -> None:
        while True:
            for journal in self.store.glob("work/*/progress.jsonl"):
                for name in {record["step"] for record in records_of(journal)}:
                    self.look(journal.parent / "scratch" / name)
            time.sleep(0.05)

    def look(self, tallies: Path) -> None:
        for path in tallies.glob("[0-9]*.json"):
            try:
                self.ended[path].add(path.stat().st_mtime_ns)
            except FileNotFoundError:  # published meanwhile
                continue

    def count(self) -> int:
        """How often a unit has ended."""
        return sum(map(len, list(self.ended.values())))


def records_of(journal: Path) -> list[dict[str, Any]]:
    """Whole lines of a journal that may be written to, or gone."""
    try:
        return [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]
    except FileNotFoundError:
        return []


def cut_off(store: Path, workers: int) -> int:
    """At most so many units were under way when a build was killed."""
    for journal in store.glob("work/*/progress.jsonl"):
        records = records_of(journal)
        passes = [record for record in records if "units" in record]
        done = sum("unit" in record and record["step"] == passes[-1]["step"] for record in records) if passes else 0
        return min(workers, passes[-1]["units"] - done) if passes else 0
    return 0


def payloads(store: Path) -> dict[str, bytes]:
    """File of a payload → its bytes."""
    found = {}
    for manifest in store.glob("artifacts/*/*/manifest.json"):
        step, payload = json.loads(manifest.read_text())["step"], manifest.parent / "payload"
        found |= {
            f"{step}/{path.relative_to(payload)}": path.read_bytes() for path in payload.rglob("*") if path.is_file()
        }
    return found


def seconds_to_end(session: int) -> float | None:
    """How long it takes until no process of a session is left; None if some are after half a minute."""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS_TO_END:
        if not any(session_of(path) == session for path in Path("/proc").glob("[0-9]*/stat")):
            return time.monotonic() - began
        time.sleep(0.05)
    return None


def session_of(stat: Path) -> int | None:
    """The session of a process that lives; proc(5)."""
    try:
        state, _, _, session = stat.read_text().rsplit(")", 1)[1].split()[:4]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(session)


def disturb(folder: Path, place: str, kills: int, seconds: float, workers: int, draw: random.Random) -> dict[str, Any]:
    """Builds with so many kills among them: what they cost, and their stores."""
    stores = [folder / f"{place}-0"]
    watches = [Watch(stores[0])]
    faults: list[str] = []
    left: dict[str, int] = {}
    killed, at_most, slowest, began = 0, 0, 0.0, time.monotonic()
    while True:
        wait = 2 * seconds / kills * draw.random() if killed < kills else None
        before, first = watches[-1].count(), None
        build = Build(folder, folder / "recipe.yaml", "--store", str(stores[-1]), "--on", place)
        while build.process.poll() is None and (wait is None or first is None or time.monotonic() - first < wait):
            if first is None and watches[-1].count() > before:
                first = time.monotonic()
            time.sleep(0.01)
        was_killed = build.process.poll() is None
        build.kill() if was_killed else build.wait()
        faults += not_continued(left, build)
        ended = seconds_to_end(build.process.pid)
        faults += ["processes were left over"] if ended is None else []
        if was_killed:
            killed, slowest, at_most = killed + 1, max(slowest, ended or 0), at_most + cut_off(stores[-1], workers)
            left = finished_pieces(stores[-1], forget=False)
            print(f"{place}: kill {killed}; finished pieces kept: {left}", file=sys.stderr)
        elif killed == kills:
            break
        else:
            left = {}
            stores.append(folder / f"{place}-{len(stores)}")
            watches.append(Watch(stores[-1]))
    twice = sum(watch.count() - len(watch.ended) for watch in watches)
    return {
        "stores": stores,
        "faults": faults + [f"{twice} units that had ended were done again"] * bool(twice),
        "record": {
            "kills": killed,
            "builds": len(stores),
            "units_seen": sum(len(watch.ended) for watch in watches),
            "ended_units_done_twice": twice,
            "units_cut_off_at_most": at_most,
            "seconds": round(time.monotonic() - began, 1),
            "slowest_end_of_processes_s": round(slowest, 2),
        },
    }


def main() -> None:
    """Undisturbed, disturbed, compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--kills", type=int, default=10, help="in each place")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on", nargs="+", default=["local", "ray"])
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.yaml").write_text(RECIPE.format(corpus=options.corpus.absolute()))
        began = time.monotonic()
        Build(folder, folder / "recipe.yaml", "--store", str(folder / "calm")).wait()
        seconds = time.monotonic() - began
        calm = payloads(folder / "calm")
        record: dict[str, Any] = {
            "bytes": sum(map(len, calm.values())),
            "files": len(calm),
            "seconds": round(seconds, 1),
        }
        wrong = False
        for place in options.on:
            found = disturb(folder, place, options.kills, seconds, os.cpu_count() or 1, draw)
            different: list[str] = []
            for store in found["stores"]:
                ours = payloads(store)
                different += sorted(name for name in ours.keys() | calm.keys() if ours.get(name) != calm.get(name))
            record[place] = {**found["record"], "different": different, "faults": found["faults"]}
            wrong |= bool(different or found["faults"])
        print(json.dumps(record))
        sys.exit(wrong)


if __name__ == "__main__":
    main()
