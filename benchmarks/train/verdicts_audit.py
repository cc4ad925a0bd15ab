# ruff: noqa: SIM905
"""What `lmworks build` says of twenty runs whose outcome was written down before: a table and one JSON line.

    python benchmarks/train/verdicts_audit.py [--folder FOLDER] [--only RUN ...] [--jobs 2]

Every run is tiny, and built as a user builds it: a recipe, `lmworks build --verbose`, `lmworks show`. Texts are
Python's own help, the documentation of the cloud services inside botocore, and sentences put together here. Beside each
run stand the words of docs/watch.md that are true of it; whatever else is said of it is wrong. `--only` builds some,
which is for looking at their losses. It always ends with 0: it measures.
"""

from __future__ import annotations

import argparse
import gzip
import html
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import botocore

LICENCE = "LicenseRef-own"
# How the line on a training begins for each kind of docs/watch.md, and for none.
WORDS = {
    "fine": "fine",
    "diverged": "diverged",
    "no better": "no better than the baseline",
    "other kind": "other kind of text",
    "underfit": "underfit",
    "overfit": "overfit",
    "none": "no verdict",
}
SMALL = {"hidden_size": 48, "num_layers": 2, "num_heads": 2}
READING = {"sequence_length": 128, "validation_steps": 15, "threads": 1, "compile": False, "data_type": "float32"}


@dataclass(frozen=True)
class Run:
    """A run, and what is true of it."""

    name: str
    model: dict[str, Any]
    train: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    true: set[str]  # kinds of which any may be told
    why: str
    untrue: str  # what would be the worst to hear
    step: str = ""  # data step between records and model
    tokenizer: dict[str, Any] = field(default_factory=lambda: {"kind": "bpe", "vocab_size": 1024})
    base: dict[str, Any] | None = None
    before: list[dict[str, Any]] = field(default_factory=list)  # what the base reads, unless it reads the same


def main(made: Callable[[], Iterable[Run]], description: str | None) -> None:
    """Build each run and compare what is told with what is true."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, help="keeps recipes, stores and what was printed")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--jobs", type=int, default=2, help="runs at once, a thread each")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder: Path = asked.folder or Path(name)
        chosen = [run for run in made() if not asked.only or run.name in asked.only]
        wrong, fine = list[str](), list[str]()
        with ThreadPoolExecutor(asked.jobs) as pool:
            answers = pool.map(lambda run: told(run, folder / run.name), chosen)
            for run, (kind, line, losses) in zip(chosen, answers, strict=True):
                right = kind in run.true
                wrong += [] if right else [run.name]
                fine += [run.name] if kind == "fine" and not right else []
                print(
                    f"{'right' if right else 'WRONG'}  {run.name:18} true: {' / '.join(sorted(run.true)):24} "
                    f"told: {kind:16} "
                    f"validation {losses}\n       {line}\n       ({run.why}; untrue: {run.untrue})",
                    flush=True,
                )
    counts = {"runs": len(chosen), "right": len(chosen) - len(wrong)}
    print(json.dumps({**counts, "wrong": wrong, "wrongly fine": fine}))


def told(run: Run, folder: Path) -> tuple[str, str, str]:
    """Build a run; the kind of its verdict, the line that says it, and first, lowest and last validation loss."""
    for part, records in {"train": run.train, "validation": run.validation, "before": run.before}.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / part / "records.jsonl").write_text(lines)
    (folder / "recipe.yaml").write_text(json.dumps(recipe(run)))
    env = {"LMWORKS_ID_KEY": "a key for measurements only", "OMP_NUM_THREADS": "1", **os.environ}
    said, refused = "", ""
    for words in (["build", "recipe.yaml", "--verbose"], ["show", "model"]):
        ended = subprocess.run(
            [sys.executable, "-m", "lmworks", *words], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        printed = ended.stdout + ended.stderr
        (folder / f"{words[0]}.txt").write_text(printed)
        said += printed
        refused = refused or (ended.stderr.strip() if ended.returncode else "")
    values = [  # a base is not validated
        value["validation_loss"]
        for file in sorted(folder.rglob("history.jsonl"))
        for value in map(json.loads, file.read_text().splitlines())
        if "validation_loss" in value
    ]
    losses = f"{values[0]:.3f}, {min(values):.3f}, {values[-1]:.3f}" if values else "none"
    kind, line = verdict(said)
    if kind == "nothing" and refused:
        kind, line = "refused", refused.splitlines()[-1]
    return kind, line, losses


def verdict(said: str) -> tuple[str, str]:
    """The first line on the model that gives a verdict, and its kind; what follows its colon are facts."""
    for line in map(str.strip, said.splitlines()):
        if "·" in line or " done in " in line or not re.match(r"model|text: |recipe|error", line):
            continue
        for kind, pattern in WORDS.items():
            if re.match(rf"(model|text): +{pattern}:", line):
                return kind, line
    return "nothing", ""


def recipe(run: Run) -> dict[str, Any]:
    """The recipe of a run: two folders of records, at most one step more for each, a base if one is named, and it."""
    data: dict[str, Any] = {}
    keep: dict[str, Any] = {"fields": "all"} if run.step in ("conversations", "preferences") else {}
    if run.step == "pairs":
        keep = {"fields": ["source", "target"]}
    elif run.step in ("label", "spans"):
        keep = {"keep": [run.step]}
    for part in ("train", "validation"):
        source = {"kind": "files", "path": part, "licence": LICENCE} | keep
        data[f"raw-{part}"] = {"kind": "ingest", "sources": [source], "licences": {"allow": [LICENCE]}}
        name = f"raw-{part}"
        if run.step in ("conversations", "preferences", "pairs"):
            data[part] = {"kind": run.step, "from": name}
    made = {part: part if part in data else f"raw-{part}" for part in ("train", "validation")}
    models: dict[str, Any] = {}
    if run.before:
        source = {"kind": "files", "path": "before", "licence": LICENCE}
        data["raw-before"] = {"kind": "ingest", "sources": [source], "licences": {"allow": [LICENCE]}}
    if run.base:
        read = "raw-before" if run.before else "raw-train"
        models["base"] = {"from": "scratch", "data": read} | SMALL | READING | run.base
    begin = {"from": "base"} if run.base else {"from": "scratch"} | SMALL
    models["model"] = begin | {"data": made["train"], "validation": made["validation"]} | READING | run.model
    return {
        "name": run.name,
        "use_case": "a run whose outcome is known",
        "budget": {"device": "cpu"},
        "plan": {"measure": False},
        "data": data,
        "tokenizer": run.tokenizer | {"from": "raw-train"},
        "models": models,
    }


@lru_cache
def prose() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Paragraphs of Python's help, and those of every eighth topic; topics repeat each other, and such are left out."""
    parts: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for number, topic in enumerate(sorted(topics)):
        for text in topics[topic].split("\n\n"):
            words = " ".join(text.split())
            if len(words) > 120:
                parts[number % 8 == 0].append({"text": words})
    known = {phrase for each in parts[0] for phrase in phrases(each["text"])}
    return parts[0], [each for each in parts[1] if not known & phrases(each["text"])]


def phrases(text: str) -> set[str]:
    """Each eight words in a row."""
    words = text.split()
    return {" ".join(words[start : start + 8]) for start in range(max(1, len(words) - 7))}


@lru_cache
def operations() -> tuple[tuple[str, str], ...]:
    """Name and first sentence of each operation of the services inside botocore, none twice, in a drawn order."""
    found: dict[str, str] = {}
    for file in sorted((Path(botocore.__file__).parent / "data").glob("*/*/service-2.json.gz")):
        for name, operation in json.loads(gzip.decompress(file.read_bytes()))["operations"].items():
            text = html.unescape(re.sub(r"<[^>]+>", " ", operation.get("documentation", "")))
            sentence = re.split(r"(?<=\.)\s", " ".join(text.split()))[0]
            if 40 < len(sentence) < 220 and sentence not in found:
                found[sentence] = " ".join(re.findall(r"[A-Z]+[a-z]*|\d+", name))
    drawn = sorted((name, sentence) for sentence, name in found.items())
    random.Random(1).shuffle(drawn)
    return tuple(drawn)


@lru_cache
def verbs() -> tuple[dict[str, Any], ...]:
    """Sentences on operations, labelled with what the operation does, as the first word of its name says."""
    kinds = ("Create", "Delete", "List", "Update", "Get")
    of_kind = {kind: [text for name, text in operations() if name.split()[0] == kind] for kind in kinds}
    fewest = min(map(len, of_kind.values()))
    records = [{"text": text, "label": kind} for kind, texts in of_kind.items() for text in texts[:fewest]]
    random.Random(2).shuffle(records)
    return tuple(records)


def relabelled(share: float, labels: list[str]) -> list[dict[str, Any]]:
    """The same sentences, a share of them with a label that is drawn."""
    draw = random.Random(3)
    return [
        {"text": each["text"], "label": draw.choice(labels) if draw.random() < share else each["label"]}
        for each in verbs()
    ]


def weather(count: int) -> list[dict[str, Any]]:
    """Sentences whose six words are drawn from 16 each, so that no model can know more than the form."""
    draw = random.Random(4)
    nouns = (
        "farmer miller baker tailor sailor hunter singer doctor lawyer banker porter weaver potter cooper barber mason"
    )
    things = (
        "ladder barrel candle basket hammer kettle bottle saddle "
        "ribbon blanket mirror needle pillow trumpet wagon anchor"
    )
    doing = "found lifted carried dropped painted mended borrowed sold hid kept cleaned broke lost moved wrapped bought"
    looks = "old new red blue tall small heavy light rusty shiny round broken dusty wooden golden plain"
    places = (
        "river bridge market church station garden harbour forest tower meadow mill school theatre castle field well"
    )
    days = (
        "dawn noon dusk midnight breakfast lunch supper teatime "
        "harvest easter christmas midsummer daybreak sunset nightfall sunrise"
    )
    slots = [each.split() for each in (nouns, doing, looks, things, places, days)]
    made: dict[str, None] = {}
    while len(made) < count:
        who, did, look, thing, place, when = (draw.choice(slot) for slot in slots)
        made[f"the {who} {did} the {look} {thing} near the {place} at {when} ."] = None
    return [{"text": text} for text in made]


def people(count: int) -> list[dict[str, Any]]:
    """Sentences with persons, firms and towns, and where these stand."""
    draw = random.Random(5)
    first = (
        "Ada Boris Clara David Emma Felix Greta Hugo Irene Jonas "
        "Karin Louis Maria Nils Olga Paul Rosa Simon Tina Victor"
    ).split()
    last = (
        "Adler Brandt Conti Duarte Evans Fischer Garnier Hansen Ivanov Jensen Keller Lindt Moreau Novak Olsen Peters"
    ).split()
    firms = "Acorn Birch Cobalt Delta Ember Falcon Granite Harbor Indigo Juniper Krypton Lumen".split()
    towns = (
        "Aarhus Bergen Cadiz Dover Essen Florence Geneva Hamburg Innsbruck Jena Krakow Lyon Malaga Nantes Oslo Porto"
    ).split()
    forms = [
        "{person} has worked for {firm} in {town} since {year}.",
        "In {year} {firm} opened a shop in {town}, led by {person}.",
        "The letter that {person} wrote from {town} reached {firm} in {year}.",
        "{firm} and {person} met in {town}, and nobody knows why they waited until {year}.",
    ]
    made: dict[str, list[dict[str, Any]]] = {}
    while len(made) < count:
        text, spans = "", []
        values = {
            "person": f"{draw.choice(first)} {draw.choice(last)}",
            "firm": f"{draw.choice(firms)} Ltd",
            "town": draw.choice(towns),
            "year": str(draw.randrange(1950, 2020)),
        }
        for part in re.split(r"(\{\w+\})", draw.choice(forms)):
            value = values[part[1:-1]] if part.startswith("{") else part
            if part.startswith("{") and part != "{year}":
                spans.append({"start": len(text), "end": len(text) + len(value), "label": part[1:-1]})
            text += value
        made[text] = spans
    return [{"text": text, "spans": spans} for text, spans in made.items()]


def questions(count: int) -> list[dict[str, Any]]:
    """Questions after operations, with the sentence on each as the answer."""
    asked: dict[str, str] = {}
    for name, sentence in operations():
        asked.setdefault(f"What does {name} do?", sentence)
    return [{"question": question, "answer": answer} for question, answer in list(asked.items())[:count]]


def preferences(count: int) -> list[dict[str, Any]]:
    """Two answers to each question, of other operations both, and which is chosen is drawn."""
    draw = random.Random(6)
    answers = [sentence for _, sentence in operations()[5000 : 5000 + 2 * count]]
    draw.shuffle(answers)
    return [
        {"prompt": each["question"], "chosen": answers[2 * number], "rejected": answers[2 * number + 1]}
        for number, each in enumerate(questions(count))
    ]


def runs() -> Iterator[Run]:
    """Twenty runs. What is true of each was written before any was built."""
    train, held = prose()
    lm = {"objective": "causal-lm"}
    encoder = {"objective": "masked-lm", "steps": 60}
    sorting = {"objective": "sequence-classification", "sequence_length": 64, "steps": 130}
    marking = {"objective": "token-classification", "learning_rate": 0.002, "steps": 120}
    writing = {"objective": "text-to-text", "validation_steps": 15}
    worst = "that it learned, or that it wants more steps"

    yield Run(
        "lm-muon-high",
        lm | {"learning_rate": 8.0, "adamw_learning_rate": 8.0, "steps": 60},
        train,
        held,
        {"diverged"},
        "rates some hundred times too high: the loss is above that of fresh weights",
        worst,
    )
    yield Run(
        "lm-adamw-high",
        lm | {"optimizer": "adamw", "learning_rate": 10.0, "gradient_clip": 1000.0, "steps": 60},
        train,
        held,
        {"diverged"},
        "AdamW at 10, hardly clipped",
        worst,
    )
    pairs = [{"source": name, "target": sentence} for name, sentence in operations()]
    yield Run(
        "s2s-adamw-high",
        writing | {"optimizer": "adamw", "learning_rate": 5.0, "steps": 60},
        pairs[:1500],
        pairs[-300:],
        {"diverged"},
        "AdamW at 5 from scratch",
        worst,
        "pairs",
    )
    yield Run(
        "lm-dead",
        lm | {"optimizer": "adamw", "learning_rate": 1e-8, "steps": 120},
        train,
        held,
        {"no better"},
        "at 1e-8 no weight moves by a thousandth",
        "fine, overfit, underfit",
    )
    asked = questions(1800)
    reader = {"objective": "causal-lm", "data": "raw-train", "sequence_length": 256, "steps": 100}
    yield Run(
        "sft-dead",
        {"objective": "sft", "optimizer": "adamw", "learning_rate": 1e-8, "steps": 110},
        asked[:1500],
        asked[1500:],
        {"no better"},
        "tuned at 1e-8: it is the base",
        "fine, underfit",
        "conversations",
        base=reader,
    )
    yield Run(
        "lm-starved",
        lm | {"steps": 20, "validation_steps": 4},
        train,
        held,
        {"underfit"},
        "20 steps, a third of a pass",
        "learned nothing as a judgement on the data, fine, overfit",
    )
    yield Run(
        "lm-leaking",
        lm | {"steps": 110},
        train,
        held[:60] + train[:60],
        {"none"},
        "half of the validation paragraphs are trained on",
        "fine, underfit",
    )
    marked = people(3300)
    yield Run(
        "tag-leaking",
        marking,
        marked[:3000],
        marked[2880:3200],
        {"none"},
        "120 of 320 validation sentences are trained on",
        "fine",
        "spans",
        base=encoder,
    )
    yield Run(
        "lm-few-texts",
        lm | {"steps": 150, "validation_steps": 10},
        train[:24],
        held,
        {"overfit"},
        "24 paragraphs, more than fifty times each",
        "fine, underfit",
    )
    sentences = weather(16500)
    yield Run(
        "lm-fine",
        lm | {"steps": 200},
        sentences[:16000],
        sentences[16000:],
        {"fine"},
        "a form learned to the last bit, of which nothing more can be known: six words of 16 are drawn",
        "overfit, learned nothing, at chance",
        tokenizer={"kind": "wordpiece", "vocab_size": 512},
    )
    right = list(verbs())
    yield Run(
        "sort-fine",
        sorting | {"learning_rate": 0.003},
        right[:-400],
        right[-400:],
        {"fine", "underfit"},
        "five labels that the first word tells; more steps may help",
        "at chance, overfit, leaking",
        "label",
        base=encoder,
    )
    labels = sorted({each["label"] for each in right})
    noisy = relabelled(0.25, labels)
    yield Run(
        "sort-noisy",
        sorting | {"learning_rate": 0.003},
        noisy[:-400],
        noisy[-400:],
        {"fine", "underfit"},
        "the same with one label of five exchanged: a loss that stays high, and was learned",
        "at chance, learned nothing, overfit",
        "label",
        base=encoder,
    )
    shuffled = relabelled(1.0, labels)
    yield Run(
        "sort-shuffled",
        sorting | {"learning_rate": 0.003, "steps": 100},
        shuffled[:-400],
        shuffled[-400:],
        {"no better"},
        "labels are drawn, so nothing can be learned",
        "underfit: more steps; fine",
        "label",
        base=encoder,
    )
    draw = random.Random(7)
    most = [{"text": each["text"], "label": "rest" if draw.random() < 0.92 else "urgent"} for each in right]
    yield Run(
        "sort-majority",
        sorting | {"steps": 100},
        most[:-400],
        most[-400:],
        {"no better"},
        "one label has 92 %, whatever the text: it is told always",
        "fine",
        "label",
        base=encoder,
    )
    yield Run(
        "tag-fine",
        marking,
        marked[:3000],
        marked[3000:],
        {"fine"},
        "names of known lists in four known forms: nearly all right on new sentences",
        "leaking, overfit, by heart: it reads new sentences as well",
        "spans",
        base=encoder,
    )
    yield Run(
        "mlm-nothing",
        {"objective": "masked-lm", "architecture": "bert", "optimizer": "adamw", "learning_rate": 1e-5, "steps": 120},
        train,
        held,
        {"no better"},
        "an encoder from scratch at a published encoder's rate: worse than counting tokens",
        "fine, underfit",
    )
    yield Run(
        "s2s-gap",
        writing | {"steps": 150},
        pairs[:96],
        pairs[-300:],
        {"overfit"},
        "96 pairs, some 25 times each",
        "fine, underfit",
        "pairs",
    )
    judged = preferences(700)
    yield Run(
        "dpo-drawn",
        {
            "objective": "dpo",
            "sequence_length": 256,
            "global_batch_tokens": 4096,
            "learning_rate": 2e-5,
            "steps": 40,
            "validation_steps": 5,
        },
        judged[:500],
        judged[500:],
        {"no better"},
        "which answer is chosen was drawn: a coin on new pairs",
        "fine, underfit",
        "preferences",
        base=reader,
    )
    yield Run(
        "reward-tied",
        {
            "objective": "reward",
            "optimizer": "adamw",
            "learning_rate": 1e-30,
            "sequence_length": 256,
            "global_batch_tokens": 4096,
            "steps": 40,
            "validation_steps": 5,
        },
        judged[:500],
        judged[500:],
        {"no better"},
        "the head stays at zero: every answer scores alike",
        "fine, underfit",
        "preferences",
        base=reader,
    )
    yield Run(
        "lm-one-validation",
        lm | {"steps": 130},
        train,
        held[:2],
        {"none"},
        "two paragraphs of validation tell nothing",
        "fine, overfit, underfit",
    )


if __name__ == "__main__":
    main(runs, __doc__)
