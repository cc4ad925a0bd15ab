"""A small store in which every data step drops or changes something whose truth is known."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from small_store import NASTY, build_store

from lmworks.graph import STEPS, node
from lmworks.pipeline.store import Store

WORDS = [
    *("account", "bucket", "cluster", "region", "queue", "table", "alarm", "stream", "topic", "owner", "policy"),
    *("creates", "deletes", "lists", "returns", "starts", "stops", "updates", "waits", "reads", "writes", "sends"),
    *("the", "a", "of", "in", "for", "and", "with", "from", "every", "one", "new", "old", "named", "shared", "own"),
]
EMAILS = [f"jane.doe{number}@example.org" for number in range(12)]
PATIENT = "Ottilie Quastenflosser"
PASSAGE = (
    "This notice stands word for word under many of these documents, and whoever reads it once has read it always."
)


def sentence(seed: int, length: int = 60) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def write_records(folder: Path) -> None:
    """Documents of two sources, lines that cannot be read, an evaluation set and verdicts."""
    records: list[dict[str, Any]] = [{"text": sentence(number)} for number in range(40)]
    records += [{"text": f"{sentence(100 + number)}  \n\n\n\nWrite to {email}."} for number, email in enumerate(EMAILS)]
    records += [{"text": f"{PATIENT} is well. {sentence(150)}", "patient": PATIENT}]
    records += [{"text": sentence(number).replace("queue", "pipe", 1)} for number in range(6)]
    records += [{"text": sentence(10)}, {"text": " "}, {"text": "Too short."}, {"text": f"{NASTY} {sentence(160)}"}]
    records += [{"text": f"{sentence(170 + number)}\n\n{PASSAGE}"} for number in range(4)]
    (folder / "sources").mkdir(parents=True)
    lines = [json.dumps({"id": str(number), **record}) for number, record in enumerate(records)]
    (folder / "sources" / "a.jsonl").write_text("\n".join([*lines, f'{{"text": "cut {EMAILS[0]}']) + "\n")
    (folder / "more").mkdir()
    for number in range(10):
        (folder / "more" / f"{number}.txt").write_text(sentence(200 + number))
    (folder / "exam.jsonl").write_text(json.dumps({"question": " ".join(sentence(30).split()[10:45])}) + "\n")


RECIPE: dict[str, dict[str, Any]] = {
    "raw": {
        "kind": "ingest",
        "sources": [
            {"kind": "files", "path": "sources", "licence": "CC-BY-4.0", "key_field": "id", "keep": ["patient"]},
            {"kind": "files", "path": "more", "licence": "MIT"},
        ],
        "licences": {"allow": ["CC-BY-4.0", "MIT"], "use": "commercial"},
        "shard_bytes": 4096,
    },
    "clean": {"kind": "normalise", "from": "raw"},
    "private": {"kind": "anonymise", "from": "clean", "people": ["patient"]},
    "split": {
        **{"kind": "split", "from": "private", "by": "id", "assign": "balance"},
        **{"seed": 9, "test": 4, "validation": 4},
    },
    "corpus": {"kind": "curate", "from": "split.train", "filters": ["length"], "avoid": ["split.test"]},
    "once": {"kind": "repeated-passages", "from": "corpus", "words": 12},
    "unseen": {"kind": "decontaminate", "from": "once", "files": ["exam.jsonl"], "action": "cut"},
}


def build_data_store(folder: Path) -> Store:
    """Build it in `folder`."""
    write_records(folder)
    configs = {name: STEPS[fields["kind"]].config.model_validate(fields) for name, fields in RECIPE.items()}
    (folder / ".lmworks-id-key").write_text("0" * 64)
    return build_store(
        folder, [node(name, STEPS[config.kind], config.resolve(folder)) for name, config in configs.items()]
    )
