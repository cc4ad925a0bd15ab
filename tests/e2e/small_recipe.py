"""A whole recipe on a small made-up cloud: every step of the quickstart, in some ten seconds."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import pty
import random
import subprocess
import sys
from pathlib import Path

RECIPE = """\
name: small
use_case: writing API documentation for a small cloud
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: botocore, path: services}]
    licences: {allow: [permissive]}
    shard_bytes: 4096
  clean: {kind: normalise, from: raw, html: text}
  split: {kind: split, from: clean, by: folder, test: 2, validation: 1}
  corpus:
    kind: curate
    from: split.train
    filters: [length, repetition]
    near_duplicates: {jaccard: 0.8}
    avoid: [split.test, split.validation]
  questions: {kind: operations-to-prompts, train: corpus, validation: split.validation, test: split.test, seen: 20}
tokenizer: {kind: bpe, vocab_size: 400, from: corpus}
models:
  pretrain:
    objective: causal-lm
    from: scratch
    data: corpus
    validation: split.validation
    watch: split.test
    hidden_size: 64
    num_layers: 2
    sequence_length: 192
    global_batch_tokens: 768
    steps: 12
    checkpoint_steps: 3
    validation_steps: 6
    validation_rows: 2
    data_type: float32
    threads: 1
    compile: false
  finetune:
    objective: sft
    from: pretrain
    data: questions.train
    sequence_length: 192
    global_batch_tokens: 768
    steps: 8
    checkpoint_steps: 2
    data_type: float32
    threads: 1
    compile: false
evaluate:
  models: [pretrain, finetune]
  tasks:
    - {kind: perplexity, data: split.test, train: corpus}
    - {kind: documentation, data: questions.test, train: questions.train, limit: 8, max_tokens: 16}
    - {kind: reverse-question, data: questions.test, train: questions.train, limit: 8}
    - {kind: reverse-question, data: questions.test, train: questions.train, limit: 8, prompt: document}
serve: {model: finetune, examples: questions.test}
"""

VERBS = ("Creates", "Deletes", "Lists", "Describes", "Updates", "Starts", "Stops")
THINGS = ("bucket", "queue", "table", "cluster", "alarm", "stream", "policy", "channel", "report", "vault")
WORDS = [
    "which",
    "that",
    "account",
    "region",
    "resource",
    "name",
    "role",
    "access",
    "encrypted",
    "default",
    "request",
    "response",
    "limit",
    "owner",
    "tag",
]


def make_services(folder: Path, count: int = 10) -> None:
    """A folder laid out like botocore/data with `count` services."""
    draw = random.Random(7)
    for number in range(count):
        thing = THINGS[number % len(THINGS)]
        operations, shapes = {}, {}
        for verb in VERBS:
            name = f"{verb[:-1]}{thing.title()}"
            more = " ".join(draw.choices(WORDS, k=14))
            text = f"<p>{verb} a {thing} of the account, with {more}.</p><p>Needs the role {draw.choice(WORDS)}.</p>"
            operations[name] = {"name": name, "documentation": text, "input": {"shape": f"{name}Request"}}
            about = f"<p>The name of the {thing}; {' '.join(draw.choices(WORDS, k=8))}.</p>"
            shapes[f"{name}Request"] = {
                "type": "structure",
                "members": {f"{thing.title()}Name": {"shape": "String", "documentation": about}},
            }
        write_service(folder, f"{thing}-{number}", thing.title(), operations, shapes)


def make_library(folder: Path) -> None:
    """Sources of a library, as they lie in an installed Python: 80 modules in seven packages."""
    draw = random.Random(5)
    names = ["weights", "samples", "labels", "kernel", "score", "rows", "axis", "fold"]
    for number in range(80):
        path = folder / "python" / "site-packages" / "sklearn" / f"part{number % 7}" / f"_module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"    {draw.choice(names)} = compute_{draw.choice(names)}({draw.choice(names)})" for _ in range(9)]
        path.write_text("\n".join([f"def fit_{number}(self):", *lines, f"    return {draw.choice(names)}"]) + "\n")


def write_service(
    folder: Path, name: str, service: str, operations: dict[str, object], shapes: dict[str, object]
) -> None:
    """One service model."""
    model = {
        "metadata": {"serviceId": service, "serviceFullName": f"Small {service}"},
        "documentation": f"<p>Small {service} keeps what you give it, in every region, for as long as you like.</p>",
        "operations": operations,
        "shapes": {**shapes, "String": {"type": "string"}},
    }
    path = folder / name / "2026-01-01" / "service-2.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(model).encode(), mtime=0))


def edit_service(folder: Path, name: str, old: str, new: str) -> None:
    """Change a text inside one service's file."""
    (path,) = (folder / name).glob("*/service-2.json.gz")
    text = gzip.decompress(path.read_bytes()).decode()
    assert old in text
    path.write_bytes(gzip.compress(text.replace(old, new, 1).encode(), mtime=0))


def make_project(folder: Path) -> Path:
    """A folder with services and a recipe; returns the folder."""
    make_services(folder / "services")
    (folder / "notes").mkdir()
    (folder / "notes" / "note.txt").write_text("A note whose licence nobody has stated.")
    (folder / "empty").mkdir()
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def start(folder: Path, *arguments: str, key: str = "a key for tests only") -> subprocess.Popen[str]:
    """Start the command in a folder; a build tells of each step."""
    arguments = (*arguments, "--verbose") if arguments[0] == "build" else arguments
    environment = {**os.environ, "LMWORKS_ID_KEY": key, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lmworks", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    )


def lmworks(
    folder: Path, *arguments: str, code: int | None = 0, key: str = "a key for tests only"
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder; its exit code must be `code`, unless that is None."""
    process = start(folder, *arguments, key=key)
    output, errors = process.communicate(timeout=300)
    assert code is None or process.returncode == code, output + errors
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def on_terminal(folder: Path, *arguments: str) -> str:
    """What the command writes, on a terminal of its own."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "LMWORKS_ID_KEY": "a key for tests only", "OMP_NUM_THREADS": "1", "TERM": "xterm"}
    command = [sys.executable, "-m", "lmworks", *arguments]
    said = b""
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        with contextlib.suppress(OSError), os.fdopen(ours, "rb", buffering=0) as stream:  # which is an error at its end
            while chunk := stream.read(2**16):
                said += chunk
    assert process.returncode == 0, said
    return said.decode()


def made(said: str) -> list[str]:
    """Steps that a build made, from its lines."""
    lines = [line for line in said.splitlines() if line.startswith("[") and not line.endswith(": reused")]
    return [line.split("] ", 1)[1].split(":", 1)[0] for line in lines]
