"""Near-duplicate removal on a corpus of `make_corpus.py`: one JSON line.

    python benchmarks/data/duplicates.py CORPUS [--workers 2] [--rounds 1] [--peers PYTHON]

Recall by similarity, share of hard negatives removed, speed and peak memory, from shards on disk to shards on disk; in
several rounds the median time. Processor seconds are those of all processes and tell more on a busy machine. A planted
pair counts as found when one of the two is gone. Peak memory is the sum over all processes of a run, sampled, so it
counts shared pages several times. With a Python that has them, datatrove and the recipe of Daft's documentation do the
same in turn, see `peers.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from lmworks.data.deduplicate import drop_duplicates
from lmworks.data.documents import Documents
from lmworks.data.identity import document_id, load_id_key
from support import make_context

THRESHOLD = 0.8
BINS = (0.8, 0.85, 0.9, 0.95)
PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


def read(corpus: Path, folder: Path, workers: int) -> Documents:
    """Ingest the corpus into shards of 8 MB."""
    from lmworks.data.ingest import IngestConfig, ingest

    source = {"kind": "files", "path": str(corpus / "documents"), "name": "corpus", "licence": "MIT"}
    config = IngestConfig.model_validate(
        {"sources": [source], "licences": {"allow": ["permissive"]}, "shard_bytes": 2**23}
    )
    out = folder / "raw"
    out.mkdir()
    ingest(config.resolve(folder), out=out, context=replace(make_context(folder / "ingest"), workers=workers))
    return Documents(out, "")


def search(raw: Path, out: Path, workers: int) -> None:
    """What is measured, in a process of its own."""
    context = replace(make_context(out / "work"), workers=workers)
    drop_duplicates(Documents(raw, ""), [], THRESHOLD, out, context)
    (out / "kept.txt").write_bytes((out / "ids.txt").read_bytes())


def watch(process: int, cpu: dict[int, float]) -> int:
    """Resident bytes of a process and all below it; notes the processor seconds of each."""
    total = 0
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        cpu[process] = (int(fields[11]) + int(fields[12])) / TICKS
        total = int(fields[21]) * PAGE
        for task in Path(f"/proc/{process}/task").iterdir():
            total += sum(watch(int(child), cpu) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return total


def measured(command: list[str], out: Path) -> dict[str, float]:
    """Run a command into an empty folder; what it took."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    cpu: dict[int, float] = {}
    start, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()))
        reader.start()
        while process.poll() is None:
            peak = max(peak, watch(process.pid, cpu))
            time.sleep(0.05)
        seconds = time.perf_counter() - start
        reader.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{''.join(errors[-20:])}")
    return {"seconds": round(seconds, 2), "cpu_seconds": round(sum(cpu.values()), 1), "peak_mb": round(peak / 1e6)}


def judged(truth: Mapping[str, list[dict[str, Any]]], kept: set[str], ids: Mapping[str, str]) -> dict[str, Any]:
    """Recall of planted pairs, by similarity and by kind of change, and hard negatives removed."""

    def gone(plant: dict[str, Any]) -> bool:
        return not {ids[plant["place"]], ids[plant["of"]]} <= kept

    bins: dict[str, list[bool]] = defaultdict(list)
    ways: dict[str, list[bool]] = defaultdict(list)
    for plant in truth["near"]:
        low = max(edge for edge in BINS[:-1] if edge <= plant["jaccard"])
        bins[f"{low:.2f}-{BINS[BINS.index(low) + 1]:.2f}"].append(gone(plant))
        ways[plant["how"]].append(gone(plant))
    return {
        "recall": _share([gone(plant) for plant in truth["near"]]),
        "recall_by_jaccard": {name: _share(some) for name, some in sorted(bins.items())},
        "recall_by_change": {name: _share(some) for name, some in sorted(ways.items())},
        "exact_recall": _share([gone(plant) for plant in truth["exact"]]),
        "hard_negatives_removed": _share([gone(plant) for plant in truth["hard"]]),
        "kept": len(kept),
    }


def _share(some: list[bool]) -> float | None:
    return round(sum(some) / len(some), 4) if some else None


def ids_by_place(truth: Mapping[str, list[dict[str, Any]]], key: bytes) -> Iterator[tuple[str, str]]:
    """The id that ingest gave each line that the truth speaks of."""
    for plants in truth.values():
        for plant in plants:
            for place in (plant["place"], plant.get("of")):
                if place:
                    file, _, line = place.partition(":")
                    yield place, document_id(key, "corpus", file.removeprefix("documents/"), line)


def commands(raw: Path, out: Path, workers: int, peers: str | None) -> dict[str, list[str]]:
    """What to run, by name."""
    found = {"lmworks": [sys.executable, __file__, "--search", str(raw), str(out), str(workers)]}
    for name in ("daft", "datatrove") if peers else ():
        if subprocess.run([peers, "-c", f"import {name}"], capture_output=True).returncode == 0:
            found[name] = [
                str(peers),
                str(Path(__file__).with_name("peers.py")),
                name,
                str(raw),
                str(out),
                str(workers),
            ]
    return found


def main() -> None:
    """Read, search, judge."""
    if sys.argv[1] == "--search":
        search(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description="Measure near-duplicate removal.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peers", help="a Python that has datatrove or daft")
    options = parser.parse_args()
    corpus = options.corpus.resolve()
    truth = json.loads((corpus / "truth.json").read_text())
    megabytes = sum(path.stat().st_size for path in (corpus / "documents").iterdir()) / 1e6
    with tempfile.TemporaryDirectory(prefix="duplicates") as name:
        folder = Path(name)
        documents = read(corpus, folder, options.workers)
        ids = dict(ids_by_place(truth, load_id_key(folder)))
        runs = commands(documents.path, folder / "out", options.workers, options.peers)
        found: dict[str, dict[str, Any]] = {}
        costs: dict[str, list[dict[str, float]]] = defaultdict(list)
        for _ in range(options.rounds):
            for system, command in runs.items():
                costs[system].append(measured(command, folder / "out"))
                found[system] = judged(truth, set((folder / "out" / "kept.txt").read_text().split()), ids)
        for system, figures in found.items():
            seconds = statistics.median(cost["seconds"] for cost in costs[system])
            peak = max(cost["peak_mb"] for cost in costs[system])
            speed = round(megabytes / seconds, 2)
            cpu = statistics.median(cost["cpu_seconds"] for cost in costs[system])
            found[system] = {
                "seconds": seconds,
                "cpu_seconds": cpu,
                "megabytes_per_second": speed,
                "peak_mb": peak,
                **figures,
            }
        planted = {what: len(truth[what]) for what in ("near", "hard", "exact")}
        about = {"megabytes": round(megabytes, 1), "documents": documents.count(), "planted": planted}
        print(json.dumps({**about, "workers": options.workers, "rounds": options.rounds, **found}))


if __name__ == "__main__":
    main()
