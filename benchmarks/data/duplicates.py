"""Near-duplicate removal on a corpus of `make_corpus.py`: one JSON line.

    python benchmarks/data/duplicates.py CORPUS [--workers 2]

Recall by similarity, share of hard negatives removed, speed and peak memory of the search and the removal, from shards
on disk to shards on disk. A planted pair counts as found when both are in one cluster. Peak memory is the sum over all
processes, sampled, so it counts shared pages several times.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
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
from lmworks.data.ingest import IngestConfig, ingest
from lmworks.pipeline.files import digest_file
from support import make_context

THRESHOLD = 0.8
BINS = (0.8, 0.85, 0.9, 0.95)
PAGE = os.sysconf("SC_PAGE_SIZE")


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


def search(raw: Path, out: Path, work: Path, workers: int) -> None:
    """What is measured, in a process of its own."""
    drop_duplicates(Documents(raw, ""), [], THRESHOLD, out, replace(make_context(work), workers=workers))


def memory_of(process: int) -> int:
    """Resident bytes of a process and all below it."""
    total = 0
    try:
        total = int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
        for task in Path(f"/proc/{process}/task").iterdir():
            total += sum(memory_of(int(child)) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return total


def measured(raw: Path, folder: Path, workers: int) -> tuple[Path, dict[str, float]]:
    """Run the search; its output and what it took."""
    out = folder / "out"
    process = multiprocessing.get_context("spawn").Process(target=search, args=(raw, out, folder / "work", workers))
    peak, ended = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.05):
            peak = max(peak, memory_of(process.pid or 0))

    start = time.perf_counter()
    process.start()
    watcher = threading.Thread(target=watch)
    watcher.start()
    process.join()
    seconds = time.perf_counter() - start
    ended.set()
    watcher.join()
    if process.exitcode:
        sys.exit(f"the search ended with {process.exitcode}")
    return out, {"seconds": round(seconds, 2), "peak_mb": round(peak / 1e6)}


def judged(truth: Mapping[str, list[dict[str, Any]]], out: Path, ids: Mapping[str, str]) -> dict[str, Any]:
    """Recall of planted pairs, by bin, and hard negatives removed."""
    cluster: dict[str, int] = {}
    gone: set[str] = set()
    for number, line in enumerate((out / "clusters.jsonl").open()):
        record = json.loads(line)
        cluster |= dict.fromkeys(record["kept"] + record["dropped"], number)
        gone.update(record["dropped"])

    def found(plant: dict[str, Any]) -> bool:
        first, second = ids[plant["place"]], ids[plant["of"]]
        return first in cluster and cluster[first] == cluster.get(second)

    bins: dict[str, list[bool]] = defaultdict(list)
    ways: dict[str, list[bool]] = defaultdict(list)
    for plant in truth["near"]:
        low = max(edge for edge in BINS[:-1] if edge <= plant["jaccard"])
        bins[f"{low:.2f}-{BINS[BINS.index(low) + 1]:.2f}"].append(found(plant))
        ways[plant["how"]].append(found(plant))
    every = [one for some in bins.values() for one in some]
    hard = [ids[plant["place"]] in gone or ids[plant["of"]] in gone for plant in truth["hard"]]
    return {
        "near_duplicates": len(every),
        "recall": _share(every),
        "recall_by_jaccard": {name: _share(some) for name, some in sorted(bins.items())},
        "recall_by_change": {name: _share(some) for name, some in sorted(ways.items())},
        "exact_recall": _share([found(plant) for plant in truth["exact"]]),
        "hard_negatives": len(hard),
        "hard_negatives_removed": _share(hard),
        "dropped": len(gone),
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


def main() -> None:
    """Read, search, judge."""
    parser = argparse.ArgumentParser(description="Measure near-duplicate removal.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    corpus = options.corpus.resolve()
    truth = json.loads((corpus / "truth.json").read_text())
    with tempfile.TemporaryDirectory(prefix="duplicates") as name:
        folder = Path(name)
        documents = read(corpus, folder, options.workers)
        megabytes = sum(path.stat().st_size for path in (corpus / "documents").iterdir()) / 1e6
        out, cost = measured(documents.path, folder, options.workers)
        found = judged(truth, out, dict(ids_by_place(truth, load_id_key(folder))))
        digests = "".join(digest_file(path) for path in sorted(out.glob("part-*")))
        output = hashlib.sha256(digests.encode()).hexdigest()[:16]
        figures = {"megabytes": round(megabytes, 1), "documents": documents.count(), "workers": options.workers, **cost}
        figures["megabytes_per_second"] = round(megabytes / cost["seconds"], 1)
        print(json.dumps({**figures, **found, "output": output}))


if __name__ == "__main__":
    main()
