"""Test items planted in training text, and what evaluations say of them: one JSON line, exit code 1 if it falls short.

    python benchmarks/evaluate/contamination.py [--megabytes 20] [--items 300]

Training text is docstrings of the packages installed here; items are sentences of botocore's documentation of AWS, no
two of which share 8 words on end. A fifth of the items of each task is planted: whole, in part (half of its words, but
13 at least), in capitals, with tags around words and inside them, with other line ends, or several of these at once,
in the text that the first model learns from, in a conversation that the second is tuned on, or in a preference of the
third.
It knows nothing of the search: its own comparison of everything with everything (`truth`) says which items stand
in the training text by the definition of `docs/explanation/contamination.md`. A flag on an item that was not planted is
false if that comparison does not find it either. Where it does, the two sources share 13 words by themselves
(`shared`).

`labels` holds, for questions of 11 words behind a label, or an instruction that all have, with choices on lines of
their own, of which half are planted without either, how many are found; of Turkish sentences, capitals are planted.

`overlap` holds, for texts of 60 words with a share of their words in one piece in the training text, and for texts
with a share of their words exchanged, how many are found. `share` is that of the searches in the wall time of
them and all steps that make data, of which there are few here: nothing is filtered, and models train for two steps.
The speed is megabytes of training text that a second of the processor searches for the items of a task.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import html
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lmworks.data.base.identity import ID_KEY
from lmworks.pipeline.display import PlainDisplay
from lmworks.pipeline.manifest import Manifest
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.store import Artifact
from lmworks.workspace import open_workspace, run

PACKAGES = ("torch", "transformers", "scipy", "sklearn", "numpy", "pandas", "peft", "optuna", "accelerate", "datasets")
SHARE_PLANTED, MOST_FALSE, PLACES = 0.2, 0.005, ("pool", "talks", "choices")
SMALL: dict[str, Any] = {
    **{"sequence_length": 1024, "global_batch_tokens": 2048, "steps": 2, "data_type": "float32", "threads": 1},
    **{"compile": False},
}
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
Words = tuple[str, ...]


def words_of(text: str) -> Words:
    """What this script compares: letters and digits in lower case, without tags and signs."""
    return tuple(re.findall(r"[^\W_]+", TAG.sub("", html.unescape(text)).casefold()))


def docstrings(most: int) -> Iterator[str]:
    """Docstrings of installed packages, each once, up to so many bytes."""
    seen, total = set[str](), 0
    for package in PACKAGES:
        found = find_spec(package)
        for path in sorted(Path(str(found.origin)).parent.rglob("*.py")) if found and found.origin else ():
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (SyntaxError, ValueError):
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
                    text = ast.get_docstring(node) or ""
                    if len(text) > 200 and text not in seen:
                        seen.add(text)
                        total += len(text.encode())
                        yield text
            if total > most:
                return


def sentences(draw: random.Random) -> list[str]:
    """Sentences of botocore, of 14 words and more, in which no 8 words on end come twice."""
    import botocore

    texts = set[str]()
    for path in sorted((Path(botocore.__file__).parent / "data").rglob("service-2.json.gz")):
        content = gzip.decompress(path.read_bytes()).decode()
        for said in re.findall(r'"documentation":"((?:[^"\\]|\\.)*)"', content):
            plain = TAG.sub(" ", json.loads(f'"{said}"'))
            texts.update(" ".join(each.split()) for each in re.split(r"(?<=[.!?])\s", html.unescape(plain)))
    chosen, seen = [], set[Words]()
    for text in draw.sample(sorted(texts), len(texts)):
        words = words_of(text)
        runs = {words[at : at + 8] for at in range(len(words) - 7)}
        if 14 <= len(words) <= 60 and not runs & seen:
            seen |= runs
            chosen.append(text)
    return chosen


def part(draw: random.Random, text: str) -> str:
    """Half of a text's words on end, 13 at least."""
    words = text.split()
    for size in range(max(13, len(words) // 2), len(words) + 1):
        first = draw.randrange(len(words) - size + 1)
        piece = " ".join(words[first : first + size])
        if len(words_of(piece)) >= 13:
            return piece
    return text


HIDING: Mapping[str, Callable[[random.Random, str], str]] = {
    "whole": lambda draw, text: text,
    "part": part,
    "case": lambda draw, text: text.upper(),
    "tags": lambda draw, text: " ".join(f"<b>{word}</b>" if draw.random() < 0.5 else word for word in text.split()),
    "attributes": lambda draw, text: f'<p class="x y">{text.replace(" ", " <span id=1>", 1)}</span></p>',
    "xml": lambda draw, text: f"<item><s>{'</s> <s>'.join(map(html.escape, text.split()))}</s></item>",
    "inside words": lambda draw, text: re.sub(r"([a-z]{3})([a-z]{2})", r"\1<i>\2</i>", text),
    "line ends": lambda draw, text: "".join(draw.choice(("\n", "\r\n", "\t", " ")) if c == " " else c for c in text),
    "signs": lambda draw, text: re.sub(r"[^\w\s]", "", text),
    "several": lambda draw, text: f"<em>{part(draw, text).swapcase()}</em>".replace(" ", "\r\n"),
}


def exchanged(draw: random.Random, text: str, share: float) -> str:
    """A text with a share of its words, drawn by chance, changed to others."""
    return " ".join(f"other{draw.randrange(10**6)}" if draw.random() < share else word for word in text.split())


LABELS = ["", "Question: ", "<b>Question:</b> ", "**Question:** ", "Question 3: ", "12. ", "Q1. ", "Вопрос 4: "]
LABELS.append("Choose the right answer, and say no more than its letter: ")
TURKISH = "Kışın ağır karı yüzünden ırmak ağzındaki kasabanın ışığı {} ay kısıldı, balıkçı {} numaralı kayığını bıraktı"


def labelled(draw: random.Random, fresh: Iterator[str]) -> dict[str, tuple[str, str, bool]]:
    """Questions behind labels, with choices: of each its label, what is planted of it, and whether it is."""
    made = {}
    for number in range(40 * len(LABELS)):
        words = next(words for text in fresh if len(words_of(" ".join(words := text.split()[:11]))) >= 8)
        asked, label = " ".join(words), LABELS[number % len(LABELS)]
        choices = "\n".join(f"{letter}. {draw.choice(words)}" for letter in "ABCD")
        made[f"{label}{asked}\n{choices}"] = (label, asked, number % (2 * len(LABELS)) < len(LABELS))
    for number in range(40):
        text = TURKISH.format(number, 1000 + number)
        made[text] = ("Turkish capitals", text.replace("i", "İ").upper(), number % 2 == 0)
    return made


def recipe() -> dict[str, Any]:
    """Three trainings, and a task of each kind of record."""

    def ingest(name: str, **more: Any) -> dict[str, Any]:
        source = {"kind": "files", "path": name, "licence": "MIT", **more}
        return {"kind": "ingest", "sources": [source], "licences": {"allow": ["permissive"]}, "shard_bytes": 2**21}

    kept = {"fields": "all"}
    data = {"pool": ingest("pool"), "documents": ingest("documents"), "overlap": ingest("overlap")}
    data["labelled"] = ingest("labelled")
    data |= {name: ingest(f"{name}-rows", **kept) for name in ("kept",)}
    for name, kind in (("talks", "conversations"), ("quiz", "conversations"), ("choices", "preferences")):
        data |= {f"{name}-rows": ingest(f"{name}-rows", **kept), name: {"kind": kind, "from": f"{name}-rows"}}
    data |= {"judged-rows": ingest("judged-rows", **kept), "judged": {"kind": "preferences", "from": "judged-rows"}}
    first = {"objective": "causal-lm", "from": "scratch", "data": "pool", "hidden_size": 32, "num_layers": 1, **SMALL}
    return {
        "name": "contamination",
        "use_case": "measurement",
        "plan": {"measure": False},
        "data": data,
        "tokenizer": {"kind": "bpe", "vocab_size": 400, "from": "documents"},
        "models": {
            "pretrained": first,
            "tuned": {"objective": "sft", "from": "pretrained", "data": "talks", "largest_lost_share": 0.9, **SMALL},
            "aligned": {"objective": "dpo", "from": "tuned", "data": "choices", "largest_lost_share": 0.9, **SMALL},
        },
        "evaluate": {
            "models": ["aligned"],
            "tasks": [
                {"kind": "perplexity", "data": "documents"},
                {"kind": "perplexity", "data": "overlap"},
                {"kind": "perplexity", "data": "labelled"},
                {"kind": "exact-answer", "data": "quiz", "max_tokens": 1, "limit": None},
                {"kind": "preference-accuracy", "data": "judged"},
                {"kind": "multiple-choice", "data": "kept", "limit": None},
            ],
        },
    }


TASKS = {
    "documents": "perplexity-documents",
    "quiz": "exact-answer-quiz",
    "judged": "preference-accuracy-judged",
    "kept": "multiple-choice-kept",
}


def write(folder: Path, megabytes: float, count: int) -> dict[str, Any]:
    """Training text, items, and what was planted: by task, item and field the way it was hidden."""
    draw = random.Random(0)
    fresh = iter(sentences(draw))
    pool = list(docstrings(int(megabytes * 1e6)))
    spare = [text[:200] for text in draw.sample(pool, 6 * count)]
    learned: dict[str, list[str]] = {name: [] for name in PLACES}
    planted: dict[str, dict[str, str]] = {}
    items: dict[str, list[tuple[str, ...]]] = {}
    for task, fields in (("documents", 1), ("quiz", 2), ("judged", 3), ("kept", 3)):
        items[task] = [tuple(next(fresh) for _ in range(fields)) for _ in range(count)]
        for number in draw.sample(range(count), int(SHARE_PLANTED * count)):
            place = draw.randrange(min(fields, 2))  # the question, or the answer wanted
            way = list(HIDING)[len(planted.setdefault(task, {})) % len(HIDING)]
            planted[task][f"{number} {place}"] = way
            learned[draw.choice(PLACES)].append(HIDING[way](draw, items[task][number][place]))
    shares = {}
    for number in range(600):
        text = " ".join(next(fresh) for _ in range(6)).split()[:60]
        share = (number % 10 + 1) / 10 if number < 300 else (number % 6) * 0.02
        piece = " ".join(text[: round(share * 60)]) if number < 300 else exchanged(draw, " ".join(text), share)
        shares[" ".join(text)] = (f"{share:.0%} in one piece" if number < 300 else f"{share:.0%} exchanged"), piece
        learned["pool"].append(piece)
    labels = labelled(draw, fresh)
    learned["pool"] += [asked for _, asked, is_planted in labels.values() if is_planted]
    texts = list(pool)
    for piece in learned["pool"]:
        place = draw.randrange(len(texts))
        texts[place] = f"{texts[place]}\n{piece}\n{draw.choice(spare)}"
    talks = [{"question": text, "answer": draw.choice(spare)} for text in learned["talks"] + spare[:count]]
    asked = learned["choices"] + spare[count : 2 * count]
    answers = draw.sample(spare, 2 * len(asked))
    choices = [
        {"prompt": text, "chosen": chosen, "rejected": rejected}
        for text, chosen, rejected in zip(asked, answers[::2], answers[1::2], strict=True)
    ]
    _texts(folder / "pool", texts)
    _texts(folder / "documents", [text for (text,) in items["documents"]])
    _texts(folder / "overlap", list(shares))
    _texts(folder / "labelled", list(labels))
    _rows(folder / "talks-rows", talks)
    _rows(folder / "choices-rows", choices)
    _rows(folder / "quiz-rows", [{"question": a, "answer": b} for a, b in items["quiz"]])
    _rows(folder / "judged-rows", [{"prompt": a, "chosen": b, "rejected": c} for a, b, c in items["judged"]])
    _rows(folder / "kept-rows", [{"query": a, "choices": [b, c], "gold": 0} for a, b, c in items["kept"]])
    every = [*texts, *(row[name] for row in talks for name in row), *(row[name] for row in choices for name in row)]
    return {"items": items, "planted": planted, "shares": shares, "labels": labels, "texts": every}


def _texts(folder: Path, texts: Sequence[str]) -> None:
    folder.mkdir()
    for first in range(0, len(texts), 1000):
        lines = [json.dumps({"text": text}) + "\n" for text in texts[first : first + 1000]]
        (folder / f"{first:07}.jsonl").write_text("".join(lines))


def _rows(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    folder.mkdir()
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def truth(sought: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
    """Of texts that stand in others, whether whole or in 13 words: everything compared with everything."""
    first, long = defaultdict(list), defaultdict(list)
    every = {text: words_of(text) for text in sought}
    for text, words in every.items():
        first[words[:8]].append(text)
        for at in range(len(words) - 12):
            long[words[at : at + 13]].append(text)
    found: dict[str, str] = {}
    for other in texts:
        words = words_of(other)
        for at in range(len(words) - 7):
            for text in first.get(words[at : at + 8], ()):
                if words[at : at + len(every[text])] == every[text]:
                    found[text] = "whole"
            for text in long.get(words[at : at + 13], ()):
                found.setdefault(text, "verbatim")
    return found


class Meter(PlainDisplay):
    """A display that keeps the seconds of each step, and those of the processor."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.seconds: dict[str, float] = {}
        self.processor: dict[str, float] = {}
        self._began = 0.0

    def finished(self, manifest: Manifest) -> None:
        self.seconds[manifest.step] = manifest.run.seconds
        self.processor[manifest.step] = time.process_time() - self._began
        print(manifest.step, manifest.run.seconds, manifest.counts, file=sys.stderr)

    def step(self, node: str, *place: Any, **more: Any) -> Progress:
        self._began = time.process_time()
        return super().step(node, *place, **more)


def verdicts_of(made: Mapping[str, Artifact], task: str) -> list[dict[str, Any]]:
    """The items of a task as its evaluation wrote them."""
    return [json.loads(line) for line in (made[f"evaluate/{task}/aligned"].payload / "items.jsonl").open()]


def texts_by_id(made: Mapping[str, Artifact], step: str, folder: Path) -> dict[str, str]:
    """The text of each document of a step."""
    from lmworks.data.shards.records import Documents

    return {document.id: document.text for document in Documents(made[step].payload, "").iterate()}


def judge(made: Mapping[str, Artifact], written: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Recall by the way that an item was hidden, false flags, and the curve of overlap."""
    items, planted = written["items"], written["planted"]
    stands = truth([text for task in items.values() for item in task for text in item[:2]], written["texts"])
    found_by_way: dict[str, list[bool]] = defaultdict(list)
    counts: Counter[str] = Counter()
    documents = texts_by_id(made, "documents", folder)
    for task, label in TASKS.items():
        by_question = {}
        for item in verdicts_of(made, label):
            asked = documents[item["id"]] if task == "documents" else str(item["prompt"])
            by_question[words_of(asked)[:12]] = item
        for number, texts in enumerate(items[task]):
            item = by_question[words_of(texts[0])[:12]]
            for place, part_ in enumerate(("question", "answer")[: len(texts)]):
                is_found = item.get(f"{part_}_found") in ("whole", "near", "verbatim")
                way = planted[task].get(f"{number} {place}")
                if way:
                    found_by_way[way].append(is_found)
                    counts["planted"] += 1
                    counts["planted, of which the truth knows"] += texts[place] in stands
                else:
                    counts["clean"] += texts[place] not in stands
                    counts["shared"] += texts[place] in stands
                    counts["false"] += is_found and texts[place] not in stands
                    counts["missed"] += not is_found and texts[place] in stands
    curve: dict[str, list[bool]] = defaultdict(list)
    told = texts_by_id(made, "overlap", folder)
    for item in verdicts_of(made, "perplexity-overlap"):
        curve[written["shares"][told[item["id"]]][0]].append(item["contamination"] == "known")
    by_label: dict[str, list[bool]] = defaultdict(list)
    told, stands = (
        texts_by_id(made, "labelled", folder),
        truth([each[1] for each in written["labels"].values()], written["texts"]),
    )
    for item in verdicts_of(made, "perplexity-labelled"):
        label, asked, is_planted = written["labels"][told[item["id"]]]
        is_found = item["contamination"] == "known"
        if is_planted:
            by_label[label].append(is_found)
        elif asked not in stands:
            counts["clean"] += 1
            counts["false"] += is_found
    every = [each for some in (*found_by_way.values(), *by_label.values()) for each in some]
    return {
        "recall": sum(every) / len(every),
        "recall_by_way": {way: sum(some) / len(some) for way, some in found_by_way.items()},
        "labels": {label: sum(some) / len(some) for label, some in by_label.items()},
        **counts,
        "false_flags": counts["false"] / max(1, counts["clean"]),
        "overlap": {name: sum(some) / len(some) for name, some in sorted(curve.items(), key=lambda each: each[0])},
    }


def main() -> None:
    """Plant, build, judge, print."""
    parser = argparse.ArgumentParser(description="Measure the search for test items in training text.")
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--items", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="contamination") as name:
        folder = Path(name)
        os.chdir(folder)
        written = write(folder, options.megabytes, options.items)
        (folder / "recipe.yaml").write_text(json.dumps(recipe()))
        ID_KEY.load(folder)
        meter = Meter()
        made = run(open_workspace(folder / "recipe.yaml"), meter, workers=2)
        found = judge(made, written, folder)
    ours = sum(seconds for name, seconds in meter.seconds.items() if name.startswith("contamination/"))
    data = sum(seconds for name, seconds in meter.seconds.items() if "/" not in name and name not in SMALL)
    searched = [seconds for name, seconds in meter.processor.items() if re.fullmatch("contamination/.*/.*", name)]
    megabytes = sum(len(text.encode()) for text in written["texts"]) / 1e6
    short = [
        name
        for name, ok in (
            ("recall", found["recall"] == 1 and not found["missed"]),
            ("false flags", found["false_flags"] <= MOST_FALSE),
        )
        if not ok
    ]
    times = {
        "megabytes": round(megabytes, 1),
        "seconds": round(ours, 2),
        "searched_megabytes_a_processor_second": round(len(searched) * megabytes / sum(searched), 1),
        "share": round(ours / (ours + data), 3),
    }
    print(json.dumps({**found, **times, "short": short, "ok": not short}))
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
