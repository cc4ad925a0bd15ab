"""Ten likelihood tasks on published sets in local files, as lmworks and as LM Evaluation Harness state them."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmworks.evaluate.tasks.choices import MultipleChoiceConfig

PEER = Path(__file__).with_name("lm_eval_peer.py")
CONTEXT = 128
"""Tokens of a window of rolling perplexity."""
BARE = {"template": "{query}"}
LAST = {"doc_to_text": "{{context}}", "doc_to_target": "{{' ' + continuation}}"}
"""No delimiter stands before such a target by itself."""
ENDS = {"doc_to_text": "{{query}}", "doc_to_choice": "choices", "doc_to_target": "gold"}

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Set:
    """A task: its records, and how each side puts them."""

    kind: str
    read: Callable[[Path], Rows]
    ours: dict[str, Any] = field(default_factory=dict)
    peer: dict[str, Any] = field(default_factory=dict)

    def peer_config(self) -> dict[str, Any]:
        """The task of LM Evaluation Harness."""
        metrics = {"multiple-choice": "acc", "last-word": "acc", "perplexity": "bits_per_byte"}
        types = {
            "multiple-choice": "multiple_choice",
            "last-word": "loglikelihood",
            "perplexity": "loglikelihood_rolling",
        }
        return {"output_type": types[self.kind], "metric_list": [{"metric": metrics[self.kind]}], **self.peer}


def lines(name: str) -> Callable[[Path], Rows]:
    def read(data: Path) -> Rows:
        return [json.loads(line) for line in (data / name).read_text("utf-8").splitlines()]

    return read


def _csv(path: Path, names: Sequence[str] | None = None) -> Rows:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, names))


def _mmlu(data: Path) -> Rows:
    """Five questions of each subject."""
    rows = []
    for path in sorted((data / "mmlu" / "test").glob("*_test.csv")):
        subject = path.stem.removesuffix("_test").replace("_", " ")
        for row in _csv(path, ["question", "A", "B", "C", "D", "answer"])[:5]:
            choices = [row[letter] for letter in "ABCD"]
            gold = "ABCD".index(row["answer"])
            rows.append({"query": row["question"], "choices": choices, "gold": gold, "subject": subject})
    return rows


def _winograd(data: Path) -> Rows:
    """Both contexts of each, with one continuation."""
    found = lines("wsc273/winograd_wsc.jsonl")(data)
    return [{"context": each, "continuation": row["continuation"]} for row in found for each in row["context_options"]]


def _boolq(data: Path) -> Rows:
    return [
        {
            "query": f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:",
            "choices": ["no", "yes"],
            "gold": ["false", "true"].index(str(row["label"]).lower()),
        }
        for row in lines("superglue-boolq/val.jsonl")(data)
    ]


def _articles(data: Path) -> Rows:
    """Paragraphs of WikiText-2, of which every tenth record holds two: many are longer than a window."""
    text = (data / "wikitext2-raw" / "wiki.test.raw").read_text("utf-8")
    paragraphs = [line.strip() for line in text.splitlines() if len(line) > 200]
    rows: Rows = []
    place = 0
    while place < len(paragraphs):
        count = 1 if len(rows) % 10 else 2
        rows.append({"text": "\n".join(paragraphs[place : place + count])})
        place += count
    return rows


def _truthful(data: Path) -> Rows:
    """One true answer beside all false ones."""
    return [
        {
            "query": f"Q: {row['Question']}\nA:",
            "choices": [row["Best Answer"], *filter(None, map(str.strip, row["Incorrect Answers"].split(";")))],
            "gold": 0,
        }
        for row in _csv(data / "truthfulqa" / "TruthfulQA.csv")
    ]


def _pairs(data: Path) -> Rows:
    return [
        {"query": "", "choices": [row["sent_more"], row["sent_less"]], "gold": 1}
        for row in _csv(data / "crows-pairs" / "crows_pairs_anonymized.csv")
    ]


LETTERS = "\n".join(f"{letter}. {{{{choices[{place}]}}}}" for place, letter in enumerate("ABCD"))
ABOUT = "The following are multiple choice questions (with answers) about {}.\n\n"
SETS: dict[str, Set] = {
    "arc-easy": Set(
        "multiple-choice",
        lines("arc-easy/arc_easy.jsonl"),
        {},
        {**ENDS, "doc_to_text": "{{query}}\nAnswer:"},
    ),
    "mmlu-letters": Set(
        "multiple-choice",
        _mmlu,
        {"template": "letters", "introduction": ABOUT.format("{subject}")},
        {
            "doc_to_text": f"{{{{query}}}}\n{LETTERS}\nAnswer:",
            "description": ABOUT.format("{{subject}}"),
            "doc_to_choice": list("ABCD"),
            "doc_to_target": "gold",
        },
    ),
    "commonsense-qa": Set("multiple-choice", lines("commonsense-qa/commonsense_qa.jsonl"), BARE, ENDS),
    "copa": Set("multiple-choice", lines("superglue-copa/copa.jsonl"), BARE, ENDS),
    "boolq": Set("multiple-choice", _boolq, BARE, ENDS),
    "truthfulqa": Set("multiple-choice", _truthful, BARE, ENDS),
    "crows-pairs": Set(
        "multiple-choice", _pairs, {**BARE, "delimiter": ""}, {**ENDS, "doc_to_text": "", "target_delimiter": ""}
    ),
    "wsc273": Set("last-word", _winograd, {}, LAST),
    "lambada": Set(
        "last-word",
        lines("lambada-openai/lambada_openai.jsonl"),
        {},
        LAST,
    ),
    "wikitext2": Set(
        "perplexity",
        _articles,
        {"windows": "disjoint", "before": "begin-of-text", "context_length": CONTEXT},
        {"doc_to_text": "", "doc_to_target": "{{text}}"},
    ),
}


def texts(each: Set, rows: list[dict[str, Any]]) -> tuple[list[tuple[str, list[str]]], str]:
    """Prompts with what could follow them, and what stands between."""
    if each.kind == "last-word":
        return [(row["context"].rstrip(), [row["continuation"].strip()]) for row in rows], " "
    config = MultipleChoiceConfig(data="set", **each.ours)
    return [(config.introduced(row) + config.asked(row), config.texts(row)) for row in rows], config.delimiter


class Peer:
    """LM Evaluation Harness in a process of its own, which waits while it is not asked."""

    def __init__(self, python: Path, model: Path, threads: int) -> None:
        self._process = subprocess.Popen(
            [str(python), str(PEER), str(model), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.version = self._answer()["version"]

    def ask(self, **asked: Any) -> dict[str, Any]:
        """The answer to one request."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{PEER.name} ended with {self._process.wait()}: run it by hand to see why")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
