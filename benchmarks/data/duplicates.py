"""Near-duplicate removal on a corpus of `make_corpus.py`: one JSON line.

    python benchmarks/data/duplicates.py CORPUS [--workers 2] [--rounds 1] [--peers PYTHON]

Once whatever their digits (`lmworks`), and once as `curate` does by default: a text goes only for one with the same
digits (`lmworks_digits`). `digits_agree` is the recall on planted pairs whose digits agree.

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
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from judging import ids_by_place, judge_pairs, read_ids, resident, watch, with_agreeing_digits

from lmworks.data.base.identity import load_id_key
from lmworks.data.duplicates.deduplicate import drop_duplicates
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Documents
from support import make_context

THRESHOLD = 0.8


def read(corpus: Path, folder: Path, workers: int) -> Documents:
    """Ingest the corpus into shards of 8 MB."""

    source = {"kind": "files", "path": str(corpus / "documents"), "name": "corpus", "licence": "MIT"}
    config = IngestConfig.model_validate(
        {"sources": [source], "licences": {"allow": ["permissive"]}, "shard_bytes": 2**23}
    )
    out = folder / "raw"
    out.mkdir()
    ingest(config.resolve(folder), out=out, context=replace(make_context(folder / "ingest"), workers=workers))
    return Documents(out, "")


def search(raw: Path, out: Path, workers: int, compare_digits: bool) -> None:
    """What is measured, in a process of its own."""
    context = replace(make_context(out / "work"), workers=workers)
    drop_duplicates(Documents(raw, ""), [], THRESHOLD, out, context, compare_digits=compare_digits)
    (out / "kept.txt").write_bytes((out / "ids.txt").read_bytes())


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
            peak = max(peak, watch(process.pid, cpu, resident))
            time.sleep(0.05)
        seconds = time.perf_counter() - start
        reader.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{''.join(errors[-20:])}")
    return {"seconds": round(seconds, 2), "cpu_seconds": round(sum(cpu.values()), 1), "peak_mb": round(peak / 1e6)}


def commands(raw: Path, out: Path, workers: int, peers: str | None) -> dict[str, list[str]]:
    """What to run, by name."""
    ours = [sys.executable, __file__, "--search", str(raw), str(out), str(workers)]
    found = {"lmworks": [*ours, "ignore"], "lmworks_digits": [*ours, "compare"]}
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
        search(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "compare")
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
        agree = with_agreeing_digits(truth, documents, ids)
        runs = commands(documents.path, folder / "out", options.workers, options.peers)
        found: dict[str, dict[str, Any]] = {}
        costs: dict[str, list[dict[str, float]]] = defaultdict(list)
        for _ in range(options.rounds):
            for system, command in runs.items():
                costs[system].append(measured(command, folder / "out"))
                kept = read_ids(folder / "out", "kept.txt")
                found[system] = judge_pairs(truth, read_ids(documents.path), kept, ids)
                near = judge_pairs(agree, read_ids(documents.path), kept, ids)
                found[system]["digits_agree"] = {"pairs": len(agree["near"]), "recall": near["recall"]}
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
