"""How long `lmworks open` takes on a store of many documents, from the command to each page: one JSON line.

    python benchmarks/open_store.py [--documents 20000] [--runs 5] [--store FOLDER --build NAME]

makes a recipe of so many invented documents with passages and no model, builds it, and opens it again and again:
seconds until the address is told, until the first page stands, and then of each page, medians over the runs. With
`--store` it opens that instead. Processor seconds of the server stand beside them, since a machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

RECIPE = """\
name: many
use_case: finding what was written
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: documents, include: ["*.jsonl"], text_field: text, licence: LicenseRef-own}]
    licences: {allow: [LicenseRef-own]}
  clean: {kind: normalise, from: raw}
  passages: {kind: passages, from: clean, least_score: 0}
"""
PAGES = ("overview", "plan", "training", "report", "data", "passages", "predict", "chat")
SYLLABLES = ("bar", "gel", "kom", "lux", "nid", "pov", "rud", "tiz", "zan", "mer", "hol", "fen")


def write_folder(folder: Path, documents: int) -> None:
    """Documents of sixty drawn words, and the recipe."""
    draw = random.Random(0)
    (folder / "documents").mkdir()
    with (folder / "documents" / "all.jsonl").open("w", encoding="utf-8") as file:
        for number in range(documents):
            words = " ".join("".join(draw.choices(SYLLABLES, k=3)) for _ in range(60))
            file.write(json.dumps({"id": number, "text": f"Document {number}. {words}."}) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_once(store: Path, build: str) -> dict[str, float]:
    """Seconds of one start, by what was waited for."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "lmworks", "open", "--store", str(store), "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        found = re.search(r"http\S+", process.stdout.readline())
        assert found
        times = {"address": time.perf_counter() - began}
        with httpx.Client(timeout=120, follow_redirects=True, headers={"accept": "text/html"}) as http:
            first = http.get(found[0])
            first.raise_for_status()
            times["first page"] = time.perf_counter() - began
            times["first page, processor"] = processor_seconds(process.pid)
            for page in PAGES:
                at = time.perf_counter()
                http.get(f"{found[0]}{build}/{page}/").raise_for_status()
                times[page] = time.perf_counter() - at
            at = time.perf_counter()
            http.get(f"{found[0]}{build}/passages/?q=Document+77").raise_for_status()
            times["search"] = time.perf_counter() - at
        return times
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--build", default="many")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = asked.store
        if store is None:
            folder = Path(scratch)
            write_folder(folder, asked.documents)
            build = [sys.executable, "-m", "lmworks", "build", "recipe.yaml"]
            subprocess.run(build, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            store = folder / ".lmworks"
        runs = [open_once(store, asked.build) for _ in range(asked.runs)]
    medians = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
    about = {
        "documents": None if asked.store else asked.documents,
        "runs": asked.runs,
        "processor": platform.processor(),
    }
    print(json.dumps(about | {"load": round(os.getloadavg()[0], 1), "seconds": medians}))


if __name__ == "__main__":
    main()
