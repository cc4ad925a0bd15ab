"""Evidence of a card, altered in some sixty ways, one at a time: one JSON line, exit code 1 if one goes unnoticed.

    python benchmarks/evaluate/altered_evidence.py [--folder DIR]

A small build is made: a model from scratch, taken into a second recipe as a published base, tuned there on chats with
an adapter, and measured. Then one field of one file behind the tuned model's card is altered, the card is made again,
and the file is put back. Either the card is refused, naming the file and what to do, or a sentence of it is another:
`outcomes` holds which, with what was said. `sealed` alterations are those of one who writes a manifest as lmworks does,
with its seal.
"""

from __future__ import annotations

import argparse
import functools
import json
import operator
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lmworks.errors import LmworksError
from lmworks.pipeline.manifest import Manifest, write_manifest
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built
from lmworks.release.cards.card import card_text
from lmworks.workspace import open_workspace, run

TRAINING = "sequence_length: 128, global_batch_tokens: 256, steps: 4, data_type: float32, threads: 1, compile: false"
DATA = """\
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources:
      - {kind: files, path: notes, licence: MIT, keep: [source, target]}
      - {kind: files, path: letters, licence: CC-BY-4.0, keep: [source, target]}
    licences: {allow: [permissive]}
  private: {kind: anonymise, from: raw}
  split: {kind: split, from: private, by: id, test: 12, validation: 4}
  corpus: {kind: curate, from: split.train, filters: [length, language], avoid: [split.test]}
"""
FIRST = f"""\
name: first
use_case: a base to be taken elsewhere
{DATA}tokenizer: {{kind: bpe, vocab_size: 300, from: corpus}}
models:
  pretrain: {{objective: causal-lm, from: scratch, data: corpus, hidden_size: 32, num_layers: 2, {TRAINING}}}
"""
SECOND = f"""\
name: second
use_case: answering questions on notes
{DATA}  chats: {{kind: pairs, from: corpus}}
models:
  base: {{objective: pretrained, path: org/base, licence: Apache-2.0}}
  tuned: {{objective: sft, from: base, tokenizer: base, data: chats, adapter: {{kind: lora}}, {TRAINING}}}
evaluate:
  models: [base, tuned]
  tasks: [{{kind: perplexity, data: split.test, train: corpus}}]
"""
TUNED, SCORED, XZ = "tuned", "evaluate/perplexity-split-test/tuned", "evaluate/perplexity-split-test/xz"
COMPARED, SEARCHED = "evaluate/perplexity-split-test", "contamination/split-test/tuned"
MANIFEST = "manifest.json"


class Silent:
    """A build that shows nothing."""

    def start(self, total: float, unit: str) -> None: ...

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...

    def step(self, *_: object, **__: object) -> Progress:
        return self

    def reused(self, *_: object) -> None: ...

    def finished(self, manifest: Manifest) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Alteration:
    """One file of a step, or of the store, and what is done to it."""

    step: str
    file: str
    what: str
    change: Callable[[Path], None]


def write_texts(folder: Path) -> None:
    """Notes and letters, some of which hold an address."""
    draw = random.Random(3)
    said = "the house on the hill was sold in spring and nobody has lived there since we came to see it again"
    words = said.split()
    for source in ("notes", "letters"):
        (folder / source).mkdir(parents=True)
        lines = [
            {
                "text": f"{source} {number}: {' '.join(draw.choices(words, k=30))}. Write to ann{number}@example.org.",
                "source": f"What of {source} {number}?",
                "target": f"It was {draw.choice(words)}.",
            }
            for number in range(40)
        ]
        (folder / source / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def build(folder: Path, name: str, recipe: str) -> Store:
    """Build a recipe, and give its store."""
    path = folder / f"{name}.yaml"
    path.write_text(recipe)
    workspace = open_workspace(path, (), folder / f"{name}-store")
    run(workspace, Silent())
    return workspace.store


def make(folder: Path) -> Store:
    """The store of the second recipe."""
    write_texts(folder)
    first = build(folder, "first", FIRST)
    shutil.copytree(first.named("pretrain").payload, folder / "org" / "base")
    source = {"endpoint": "https://hub.example", "name": "org/base", "revision": "a" * 40, "files": {}}
    (folder / "org" / "base" / "lmworks-source.json").write_text(json.dumps(source))
    return build(folder, "second", SECOND)


# ---------------------------------------------------------------- alterations


def field(*keys: str | int, sealed: bool = False) -> Callable[[Path], None]:
    """Another value in the place of one of a JSON file: a number one higher, a text one letter longer."""

    def change(path: Path) -> None:
        record = json.loads(path.read_text())
        place = functools.reduce(operator.getitem, keys[:-1], record)
        value = place[keys[-1]]
        place[keys[-1]] = (
            value + 1 if isinstance(value, (int, float)) else f"{value}x" if isinstance(value, str) else []
        )
        if sealed:
            write_manifest(path, Manifest.model_validate(record))
        else:
            path.write_text(json.dumps(record, indent=1))

    return change


def without(*keys: str) -> Callable[[Path], None]:
    """A field of a JSON file taken out."""

    def change(path: Path) -> None:
        record = json.loads(path.read_text())
        del functools.reduce(operator.getitem, keys[:-1], record)[keys[-1]]
        path.write_text(json.dumps(record, indent=1))

    return change


def replaced(old: bytes, new: bytes) -> Callable[[Path], None]:
    """The first place where these bytes stand."""

    def change(path: Path) -> None:
        content = path.read_bytes()
        if old not in content:
            raise ValueError(f"{path}: holds no {old!r}")
        path.write_bytes(content.replace(old, new, 1))

    return change


def licensed(path: Path) -> None:
    """Every record of a shard under another licence."""
    table = pq.read_table(path)
    place = table.schema.get_field_index("licence")
    licences = pa.array(["CC0-1.0"] * len(table)).cast(table.schema.field(place).type)
    pq.write_table(table.set_column(place, table.schema.field(place), licences), path)


def flipped(path: Path) -> None:
    """One bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def alterations() -> Iterator[Alteration]:
    """Of everything that a card speaks of."""

    def manifest(step: str, *keys: str | int, sealed: bool = False) -> Alteration:
        what = ".".join(map(str, keys)) + (" (sealed)" if sealed else "")
        return Alteration(step, MANIFEST, what, field(*keys, sealed=sealed))

    for name in ("value", "n", "method", "name", "unit", "contamination"):
        yield manifest(SCORED, "figures", 0, name)
    for end in (0, 1):
        yield manifest(SCORED, "figures", 0, "interval", end)
    for name in ("context_length", "tokenizer", "items", "model"):
        yield manifest(SCORED, "figures", 0, "conditions", name)
    for name in ("value", "n", "contamination"):
        yield manifest(SCORED, "figures", 0, name, sealed=True)
    yield manifest(XZ, "figures", 0, "value")
    yield manifest(SCORED, "inputs", "model", 0, "digest")
    yield manifest(SCORED, "files", "items.jsonl", "sha256")
    for counted in ("parameters", "steps", "tokens"):
        yield manifest(TUNED, "counts", counted)
    yield manifest(TUNED, "counts", "parameters", sealed=True)
    for keys in (("step",), ("stage",), ("key",), ("version",), ("config", "objective"), ("config", "seed")):
        yield manifest(TUNED, *keys)
    yield manifest(TUNED, "run", "started")
    yield manifest(TUNED, "run", "seconds", sealed=True)
    yield manifest(TUNED, "libraries", "lmworks", sealed=True)
    yield manifest(TUNED, "inputs", "base", 0, "key")
    yield manifest("base", "config", "licence")
    yield manifest("base", "config", "licence", sealed=True)
    yield manifest("base", "counts", "parameters")
    yield manifest("raw", "config", "sources", 0, "licence")
    yield manifest("private", "counts", "email redacted")
    yield manifest("tuned/data", "counts", "rows", sealed=True)
    yield manifest(SEARCHED, "version")
    yield Alteration(TUNED, MANIFEST, "seal taken out", without("seal"))
    yield Alteration(TUNED, MANIFEST, "deleted", Path.unlink)
    yield Alteration(SCORED, "payload/figures.json", "value", field(0, "value"))
    yield Alteration(SCORED, "payload/items.jsonl", "bytes of an item", replaced(b'"bytes":', b'"bytes":1'))
    yield Alteration(COMPARED, "payload/comparison.json", "a verdict", field("verdicts", 0))
    yield Alteration(TUNED, "payload/training.json", "learning_rate", field("learning_rate"))
    yield Alteration(TUNED, "payload/config.json", "layers", field("num_hidden_layers"))
    yield Alteration(TUNED, "payload/model.safetensors", "a bit", flipped)
    yield Alteration(TUNED, "payload/adapter/adapter_config.json", "r", field("r"))
    yield Alteration(TUNED, "payload/counts.json", "parameters", field("parameters"))
    yield Alteration("base", "payload/lmworks-source.json", "name", field("name"))
    yield Alteration("raw", "payload/files.json", "a licence", field(0, "licence"))
    yield Alteration("raw", "payload/files.json", "deleted", Path.unlink)
    yield Alteration("raw", "payload/part-00000.parquet", "a licence", licensed)
    yield Alteration("chats", "payload/conversations.jsonl", "an answer", replaced(b"It was", b"It is,"))
    yield Alteration("", "second.yaml", "use_case", replaced(b"questions on notes", b"questions on taxes"))
    yield Alteration("", "second-store/builds/second.json", "key of the base", field("steps", "base", "key"))
    yield Alteration("", "second-store/builds/second.json", "a task taken out", without("steps", SCORED))


@contextmanager
def put_back(path: Path) -> Iterator[None]:
    """A file as it was, afterwards."""
    content = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(content)


def outcome(folder: Path, store: Store, model: Artifact, alteration: Alteration, before: str) -> dict[str, str]:
    """What comes of a card when one file is altered."""
    home = store.named(alteration.step).folder if alteration.step else folder
    path = home / alteration.file
    found = {"step": alteration.step, "file": alteration.file, "what": alteration.what}
    with put_back(path):
        alteration.change(path)
        try:
            after = card_text(Built.open(store), Artifact(model.folder))
        except LmworksError as error:
            names_it = path.name in str(error) and "build" in str(error)
            return {**found, "came": "refused" if names_it else "refused without a name", "said": str(error)[:300]}
    said = [line for line in after.splitlines() if line not in before.splitlines()]
    told = [line for line in said if not line[:1].isdigit()]  # the evidence's digests are no sentence
    return {**found, "came": "changed" if told else "unnoticed", "said": "\n".join(told)[:300]}


def main() -> int:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="kept; without it a temporary one")
    arguments = parser.parse_args()
    os.environ.setdefault("LMWORKS_ID_KEY", "of texts that are made up")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        store = make(folder)
        model, before = store.named(TUNED), card_text(Built.open(store), store.named(TUNED))
        outcomes = [outcome(folder, store, model, each, before) for each in alterations()]
        is_same = card_text(Built.open(store), Artifact(model.folder)) == before
    counts = {came: sum(each["came"] == came for each in outcomes) for came in ("refused", "changed")}
    failed = [each for each in outcomes if each["came"] not in counts]
    print(json.dumps({"alterations": len(outcomes), **counts, "failed": failed, "outcomes": outcomes, "same": is_same}))
    return int(bool(failed) or not is_same)


if __name__ == "__main__":
    sys.exit(main())
