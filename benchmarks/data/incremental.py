"""What a small change costs beside a build from nothing: one JSON line, exit code 1 if it is too much or bytes differ.

    python benchmarks/data/incremental.py [--files 200] [--documents 100000] [--shard-bytes 1048576] [--repeated 0.1]
        [--test 0.005]

Every document step and packing with a tokenizer that is given: read, normalise, anonymise, split with its leak test,
filter and near-duplicates, decontaminate, repeated passages, rows. Built from nothing; with one more file; after
`lmworks erase` took out one document, and one person by name; without a change. The bytes of each are compared with
those of a build in an empty store.
Processor seconds are those of this process, which does all the work (`--workers 1`), and include reading and writing.
The seconds of `lmworks erase` are in `steps` and not in the share.

The texts are paragraphs of this Python's sources. In each file words are exchanged for others of about the same
frequency, so that they are its own, but in one paragraph of ten (`--repeated`), so that some come twice
and passages cross shards. The split holds out a share, as it does by default, so that no document moves to another
part;
with `--test 500` newcomers push some into training, and the shards that take them are made again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from make_corpus import exchanger, ranked_words
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from lmworks import graph
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.manifest import Manifest
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.store import Artifact
from lmworks.tokens.rows.pack import PackDocumentsConfig, pack_documents
from lmworks.workspace import open_workspace, run

MOST = 0.10
"""Of a build from nothing."""
PERSON = "Íñigo Echeverría"
REPEATED = 0.1
"""Share of paragraphs that may stand in several files: what crosses shards, and the cost of a change, grow with it."""


def recipe(shard_bytes: int, test: float) -> dict[str, Any]:
    """Every step on."""
    source = {"kind": "files", "path": "texts", "licence": "MIT"}
    gate = {"allow": ["permissive"]}
    return {
        "name": "incremental",
        "use_case": "measurement",
        "plan": {"measure": False},
        "data": {
            "raw": {"kind": "ingest", "sources": [source], "licences": gate, "shard_bytes": shard_bytes},
            "clean": {"kind": "normalise", "from": "raw"},
            "private": {"kind": "anonymise", "from": "clean"},
            "split": {"kind": "split", "from": "private", "by": "id", "test": test, "validation": 0},
            "unique": {"kind": "curate", "from": "split.train", "avoid": ["split.test"]},
            "fair": {"kind": "decontaminate", "from": "unique", "files": ["exam.jsonl"]},
            "passages": {"kind": "repeated-passages", "from": "fair"},
        },
        "tokenizer": {"kind": "pretrained", "path": "tokenizer.json"},
    }


class Texts:
    """Documents of some paragraphs each."""

    def __init__(self, seed: int, repeated: float) -> None:
        self.repeated = repeated
        self.draw = random.Random(seed)
        files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
        whole = "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
        self.paragraphs = [each for each in whole.split("\n\n") if 80 < len(each) < 1200]
        self._words = ranked_words(self.paragraphs)

    def write(self, path: Path, documents: int) -> None:
        """One file."""
        exchange = exchanger(self.draw, self._words)
        texts = []
        for _ in range(documents):
            some = self.draw.choices(self.paragraphs, k=self.draw.randint(1, 3))
            texts.append("\n\n".join(each if self.draw.random() < self.repeated else exchange(each) for each in some))
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


class Meter(PlainDisplay):
    """A display that notes the processor seconds of each step."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.steps: dict[str, float] = {}
        self._begin = 0.0

    def step(self, node: str, *place: Any, **more: Any) -> Progress:
        self._begin = time.process_time()
        return super().step(node, *place, **more)

    def finished(self, manifest: Manifest) -> None:
        self.steps[manifest.step] = round(time.process_time() - self._begin, 2)


def build(folder: Path, store: str) -> tuple[dict[str, Artifact], dict[str, float], float]:
    """The artifacts, the processor seconds of each step, and of all."""
    meter, began = Meter(), time.process_time()
    workspace = open_workspace(folder / "recipe.yaml", store=folder / store)
    packing = PackDocumentsConfig.model_validate({"from": "passages", "sequence_length": 512})
    workspace.build.nodes = [*workspace.build.nodes, graph.node("rows", pack_documents, packing)]
    # `lmworks erase` refuses a store that the recipe's folder does not name, so the first store is remembered.
    made = run(workspace, meter, workers=1, remember=store == "store")
    return made, meter.steps, round(time.process_time() - began, 2)


def ended() -> float:
    """Return the processor seconds of commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def train_tokenizer(folder: Path, texts: Texts) -> None:
    """A byte-level tokenizer of some thousand ids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        texts.paragraphs[:3000],
        trainers.BpeTrainer(
            vocab_size=4096,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def measure(folder: Path, files: int, documents: int, shard_bytes: int, repeated: float, test: float) -> dict[str, Any]:
    """Build, change, build again, compare."""
    texts = Texts(0, repeated)
    (folder / "texts").mkdir()
    (folder / "texts" / "person.jsonl").write_text(json.dumps({"text": f"A letter of {PERSON} on the garden gate."}))
    for number in range(files):
        texts.write(folder / "texts" / f"{number:04d}.jsonl", documents // files)
    train_tokenizer(folder, texts)
    (folder / "exam.jsonl").write_text(json.dumps({"question": "which of these stands in no document at all, ever?"}))
    (folder / "recipe.yaml").write_text(json.dumps(recipe(shard_bytes, test)))
    made, steps, seconds = build(folder, "store")
    found: dict[str, Any] = {
        "files": files,
        "repeated": repeated,
        "test": test,
        "documents": made["raw"].manifest.counts["documents"],
    }
    found["nothing"] = {"cpu_seconds": seconds, "steps": steps}

    def erase() -> None:
        victim = texts.draw.choice((made["fair"].payload / "ids.txt").read_text().split())
        command = [sys.executable, "-m", "lmworks", "erase", victim, "--store", "store", "--apply", "--json"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def add() -> None:
        texts.write(folder / "texts" / "0100-more.jsonl", documents // files)

    def erase_person() -> None:
        command = [sys.executable, "-m", "lmworks", "erase", PERSON, "--store", "store", "--apply", "--json"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def nothing() -> None:
        """Change nothing."""

    changes = {
        "one more file": add,
        "one document erased": erase,
        "one person erased": erase_person,
        "no change": nothing,
    }
    for name, change in changes.items():
        before = ended()
        change()
        command = round(ended() - before, 2)
        made, steps, seconds = build(folder, "store")
        steps |= {"lmworks erase": command} if "erased" in name else {}
        fresh, _, whole = build(folder, name)
        equal = all(made[step].digest() == artifact.digest() for step, artifact in fresh.items())
        share = round(seconds / whole, 4)
        found[name] = {"cpu_seconds": seconds, "from_nothing": whole, "share": share, "equal": equal, "steps": steps}
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what a small change costs.")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--shard-bytes", type=int, default=2**20)
    parser.add_argument("--repeated", type=float, default=REPEATED)
    parser.add_argument("--test", type=float, default=0.005, help="of the split: a share, or from 1 on a number")
    options = parser.parse_args()
    os.environ["LMWORKS_ID_KEY"] = os.environ["LMWORKS_PRIVACY_KEY"] = "0" * 32
    with tempfile.TemporaryDirectory(prefix="incremental") as name:
        found = measure(
            Path(name), options.files, options.documents, options.shard_bytes, options.repeated, options.test
        )
    changes = [each for each in found.values() if isinstance(each, dict) and "share" in each]
    found["ok"] = all(each["equal"] and each["share"] <= MOST for each in changes)
    print(json.dumps(found))
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
