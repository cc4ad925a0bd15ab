"""The whole data path on a corpus of `make_corpus.py`, as one recipe: one JSON line, exit code 1 if it falls short.

    python benchmarks/data/whole.py CORPUS [--workers 2] [--filters length,language,c4] [--store FOLDER]

Read and licence gate, normalise, filter and near-duplicates, decontaminate, anonymise, repeated passages, a split that
balances features with its leak test, tokenizer, packing. What is planted is judged at the step that is to find it,
among the documents that reached that step; see `judging.py` for how. Of near duplicates those count whose digits
agree: others stay on purpose. `others` counts what a step did to documents in
which nothing was planted for it. Peak memory is that of all processes together, shared pages once, sampled five times
a second. Processor seconds are those of all processes and tell more than seconds on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from judging import (
    Truth,
    ids_by_place,
    judge_pairs,
    judge_personal,
    proportional,
    read_ids,
    watch,
    with_agreeing_digits,
)

from lmworks import graph
from lmworks.data.base.identity import ID_KEY, PRIVACY_KEY, load_id_key
from lmworks.data.shards.records import Documents
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.manifest import Manifest
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.store import Artifact
from lmworks.tokens.rows.pack import PackDocumentsConfig, pack_documents
from lmworks.workspace import open_workspace, run

LEAST_NEAR, MOST_HARD, LEAST_PERSONAL = 0.97, 0.02, 0.95


def recipe(corpus: Path, shard_bytes: int, filters: list[str]) -> dict[str, Any]:
    """Every step on."""
    source = {"kind": "files", "path": str(corpus / "documents"), "name": "corpus", "licence": "MIT"}
    return {
        "name": "whole",
        "use_case": "measurement",
        "data": {
            "raw": {
                "kind": "ingest",
                "sources": [source],
                "licences": {"allow": ["permissive"]},
                "shard_bytes": shard_bytes,
            },
            "clean": {"kind": "normalise", "from": "raw"},
            "unique": {"kind": "curate", "from": "clean", "filters": filters},
            # Before anonymising: an item that holds a number is not known again once that is redacted.
            "fair": {"kind": "decontaminate", "from": "unique", "files": [str(corpus / "evaluation.jsonl")]},
            "private": {"kind": "anonymise", "from": "fair"},
            "passages": {"kind": "repeated-passages", "from": "private"},
            "split": {
                "kind": "split",
                "from": "passages",
                "assign": "balance",
                "near_duplicates": {},
                "leak_test": {},
            },
        },
        "tokenizer": {"kind": "bpe", "from": "split.validation"},
    }


class Meter(PlainDisplay):
    """A display that shows a line a step, and measures each."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.steps: dict[str, dict[str, float]] = {}
        self._name = ""
        self._cpu: dict[int, float] = {}
        self._peak = 0
        self._begin = (0.0, 0.0)
        self._own = 0.0  # processor seconds of watching, which are none of the steps'
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            self._peak = max(self._peak, watch(os.getpid(), self._cpu, proportional))
            self._own = time.thread_time()
            time.sleep(0.2)

    def _used(self) -> float:
        return sum(self._cpu.values()) - self._own

    def step(self, node: str, *place: Any, **more: Any) -> Progress:
        watch(os.getpid(), self._cpu, proportional)
        self._name, self._peak, self._begin = node, 0, (time.perf_counter(), self._used())
        return super().step(node, *place, **more)

    def finished(self, manifest: Manifest) -> None:
        self._peak = max(self._peak, watch(os.getpid(), self._cpu, proportional))
        took, cpu = time.perf_counter() - self._begin[0], self._used() - self._begin[1]
        self.steps[manifest.step] = {
            "seconds": round(took, 2),
            "cpu_seconds": round(cpu, 1),
            "peak_mb": round(self._peak / 1e6),
        }
        print(manifest.step, self.steps[manifest.step], manifest.counts, file=sys.stderr)


def judge(corpus: Path, folder: Path, made: Mapping[str, Artifact]) -> dict[str, Any]:
    """Every figure of what was planted."""
    truth: Truth = json.loads((corpus / "truth.json").read_text())
    ids = dict(ids_by_place(truth, load_id_key(folder)))
    out = {name: artifact.payload for name, artifact in made.items()}
    kept = {name: read_ids(out[name]) for name in ("unique", "fair")}
    clusters = map(json.loads, (out["unique"] / "clusters.jsonl").open())
    filtered = kept["unique"].union(*(cluster["dropped"] for cluster in clusters))
    personal = {ids[plant["place"]]: plant for plant in truth["pii"]}
    before, after = (texts_of(out[name], personal) for name in ("fair", "private"))
    items = {ids[plant["place"]] for plant in truth["evaluation"]} & kept["unique"]
    bad = {plant["place"].removeprefix("documents/"): plant["reason"] for plant in truth["bad"]}
    quarantined = {
        f"{record['path']}:{record['record']}": record["reason"]
        for record in map(json.loads, (out["raw"] / "quarantine.jsonl").open())
    }
    parts = {part: read_ids(out["split"] / part) for part in ("train", "validation", "test")}
    part_of = {name: part for part, names in parts.items() for name in names}
    apart = [
        part_of.get(ids[plant["place"]]) != part_of.get(ids[plant["of"]])
        for what in ("near", "exact")
        for plant in truth[what]
        if {ids[plant["place"]], ids[plant["of"]]} <= part_of.keys()
    ]
    tested = next(figure for figure in made["split"].manifest.figures if figure.name == "leakage")
    return {
        "near_duplicates": judge_pairs(
            with_agreeing_digits(truth, Documents(out["clean"], ""), ids), filtered, kept["unique"], ids
        ),
        "personal": judge_personal(
            (plant, before[name], after[name]) for name, plant in personal.items() if name in before
        ),
        "contamination": {
            "items": len(items),
            "recall": len(items - kept["fair"]) / max(1, len(items)),
            "others": len(kept["unique"] - kept["fair"] - items),
        },
        "quarantine": {
            "lines": len(bad),
            "recall": sum(quarantined.get(place, "").startswith(why) for place, why in bad.items()) / max(1, len(bad)),
            "others": len(quarantined.keys() - bad.keys()),
        },
        "split": {
            "pairs": len(apart),
            "leakage": max(tested.value, sum(apart) / max(1, len(apart))),
            "held_out": tested.n,
        },
    }


def texts_of(folder: Path, wanted: Mapping[str, Any]) -> dict[str, str]:
    """The texts of some documents."""
    return {each.id: each.text for each in Documents(folder, "").iterate() if each.id in wanted}


def shortfalls(found: Mapping[str, Any]) -> Iterator[str]:
    """What does not reach its target."""
    near, personal = found["near_duplicates"], found["personal"]
    yield from (f"near {name}" for name, value in near["recall_by_jaccard"].items() if value < LEAST_NEAR)
    yield from (["hard negatives"] if (near["hard_negatives_removed"] or 0) > MOST_HARD else [])
    yield from (f"personal {kind}" for kind, value in personal["recall_by_kind"].items() if value < LEAST_PERSONAL)
    yield from (["personal precision"] if personal["precision"] < LEAST_PERSONAL else [])
    yield from (name for name in ("contamination", "quarantine") if found[name]["recall"] < 1)
    yield from (["split"] if found["split"]["leakage"] else [])


def main() -> None:
    """Build, judge, print."""
    parser = argparse.ArgumentParser(description="Measure the whole data path.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-bytes", type=int, default=2**23)
    parser.add_argument(
        "--filters", default="length,language,garbage,repetition", help="those for web pages drop most code"
    )
    parser.add_argument("--store", type=Path, help="where to build, and to leave what was built")
    options = parser.parse_args()
    corpus = options.corpus.resolve()
    megabytes = sum(path.stat().st_size for path in (corpus / "documents").iterdir()) / 1e6
    with tempfile.TemporaryDirectory(prefix="whole") as name:
        folder = Path(options.store or name).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        path = folder / "whole.yaml"
        path.write_text(json.dumps(recipe(corpus, options.shard_bytes, options.filters.split(","))))
        for key in (ID_KEY, PRIVACY_KEY):  # or the first build makes them, and its steps anew
            key.load(folder)
        workspace, meter = open_workspace(path), Meter()
        packing = PackDocumentsConfig.model_validate({"from": "split.train", "sequence_length": 512})
        workspace.build.nodes = [*workspace.build.nodes, graph.node("rows", pack_documents, packing)]
        started = time.perf_counter()
        made = run(workspace, meter, workers=options.workers)
        seconds = time.perf_counter() - started
        found = judge(corpus, folder, made)
    for figures in meter.steps.values():
        figures["megabytes_per_second"] = round(megabytes / max(0.01, figures["seconds"]), 2)
    short = list(shortfalls(found))
    whole = {
        "megabytes": round(megabytes, 1),
        "workers": options.workers,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(sum(step["cpu_seconds"] for step in meter.steps.values()), 1),
        "megabytes_per_second": round(megabytes / seconds, 2),
        "peak_mb": max((step["peak_mb"] for step in meter.steps.values()), default=0),
    }
    print(json.dumps({**whole, **found, "steps": meter.steps, "short": short, "ok": not short}))
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
