"""Erase documents of a build and search everything that is left for their text: one JSON line, exit code 1 if any is.

    python benchmarks/data/erasure.py PROJECT [--documents 50] [--seed 0] [--until finetune/data]

PROJECT is a folder in which `lmworks build recipes/quickstart.yaml` ran to its end; it is changed. Of each document a
line is searched for that stands nowhere else. Parquet is decompressed and token rows are decoded before they are
searched.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lmworks.data.records import Document, Documents
from lmworks.tokens.tokenizer import open_tokenizer

SHORTEST = 80
"""Characters of a line that is searched for: long enough to stand once."""


def lmworks(project: Path, *arguments: str) -> str:
    """What a command prints. Ends this program if it fails."""
    command = [sys.executable, "-m", "lmworks", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


def documents(project: Path, step: str, part: str = "") -> dict[str, Document]:
    """The documents of a step by id."""
    folder = project / lmworks(project, "show", step, "--path").strip() / part
    return {document.id: document for document in Documents(folder, "").iterate()}


def passages(pool: Mapping[str, Document], everything: str, count: int, draw: random.Random) -> dict[str, str]:
    """Some documents, and the longest line of each if it stands nowhere else."""
    found: dict[str, str] = {}
    for name in draw.sample(sorted(pool), len(pool)):
        line = max(pool[name].text.split("\n"), key=len)
        if len(line) >= SHORTEST and everything.count(line) == 1:
            found[name] = line
        if len(found) == count:
            return found
    raise SystemExit(f"only {len(found)} documents have a line of their own")


def texts(folder: Path) -> Iterator[str]:
    """Everything readable in a folder."""
    tokenizers = [open_tokenizer(path.parent) for path in folder.glob("**/bpe/*/payload/tokenizer.json")]
    for path in folder.rglob("*"):
        if path.suffix == ".parquet":
            yield "\n".join(pq.read_table(path).column("text").to_pylist())
        elif path.name == "tokens.npy":
            yield from (tokenizer.decode(np.load(path).ravel().tolist()) for tokenizer in tokenizers)
        elif path.is_file():
            yield path.read_bytes().decode(errors="replace")


def holding(store: Path, lines: Sequence[str]) -> int:
    """How many of the lines stand anywhere in the store."""
    return len({line for text in texts(store) for line in lines if line in text})


def main() -> None:
    """Before, after erasing, after building again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--documents", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", default="finetune/data")
    options = parser.parse_args()
    project, draw = options.project, random.Random(options.seed)
    (store,) = project.glob("**/.lmworks/artifacts")
    before = documents(project, "clean")
    everything = "\0".join(document.text for document in before.values())
    held_out = options.documents // 5
    chosen = passages(documents(project, "corpus"), everything, options.documents - held_out, draw)
    chosen |= passages(documents(project, "split", "test"), everything, held_out, draw)
    lines = list(chosen.values())
    record: dict[str, object] = {"documents": len(chosen), "found_before": holding(store.parent, lines)}
    began = time.perf_counter()
    lmworks(project, "erase", *chosen, "--apply")
    record |= {"erase_seconds": round(time.perf_counter() - began, 1), "found_after": holding(store.parent, lines)}
    lmworks(project, "build", "--until", options.until)
    record["found_after_building"] = holding(store.parent, lines)
    left = {name: document for name, document in before.items() if name not in chosen}
    record["others_equal"] = documents(project, "clean") == left
    print(json.dumps(record))
    gone = not record["found_after"] and not record["found_after_building"] and record["found_before"] == len(chosen)
    sys.exit(0 if gone and record["others_equal"] else 1)


if __name__ == "__main__":
    main()
