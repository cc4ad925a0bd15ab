"""Measure passages as answers in six languages, with and without stop words: one JSON line.

    python benchmarks/knowledge/languages.py DATA

DATA holds `udhr-languages/` (the Universal Declaration of Human Rights, a paragraph a passage). `languages.yaml` beside
this script has the questions: 14 that one paragraph answers and 12 that none answers, per language. The least score was
chosen with Spanish, French and Swedish (`chosen`), and is reported for German, Italian and Turkish (`reported`). Exit
code 1: with stop words, fewer than 0.8 of the reported questions get their passage, or fewer than 0.9 of the others
are told "not found".
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lmworks.knowledge.collection import STOP_WORDS, Collection, Passage, write_facts, write_passages
from lmworks.start.templates import LEAST_SCORE

PARTS = {"chosen": ("spa", "fra", "swe"), "reported": ("deu", "ita", "tur")}
RIGHT, REFUSED = 0.8, 0.9


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    rows = [json.loads(line) for line in (given.data / "udhr-languages" / "udhr.jsonl").read_text().splitlines()]
    questions = YAML(typ="safe").load(Path(__file__).with_suffix(".yaml"))
    found: dict[str, Any] = {"least_score": LEAST_SCORE}
    with tempfile.TemporaryDirectory() as folder:
        for name, languages in PARTS.items():
            for words in ("with stop words", "without"):
                tried = [
                    each
                    for language in languages
                    for each in _tried(Path(folder) / name / words / language, rows, language, questions, words)
                ]
                found[f"{name}, {words}"] = _shares(tried)
    print(json.dumps(found))
    reported = found["reported, with stop words"]
    return 0 if reported["right"] >= RIGHT and reported["refused"] >= REFUSED else 1


def _tried(
    folder: Path, rows: Sequence[dict[str, Any]], language: str, questions: dict[str, Any], words: str
) -> list[tuple[bool, str]]:
    """Return for each question whether the text answers it, and what it gets: right, wrong or nothing."""
    folder.mkdir(parents=True)
    texts = [row["text"] for row in rows if row["lang"] == language]
    write_passages(folder, [_passage(str(number), text) for number, text in enumerate(texts)])
    write_facts(folder, LEAST_SCORE)
    if words == "without":
        (folder / STOP_WORDS).unlink()
    collection, tried = Collection(folder), list[tuple[bool, str]]()
    asked = {**questions[language]["answered"], **dict.fromkeys(questions[language]["absent"])}
    for question, held in asked.items():
        best = collection.search(question, 1)
        text = best.passages[0].text if best.is_enough else ""
        tried.append((held is not None, "nothing" if not text else "right" if held and held in text else "wrong"))
    return tried


def _shares(tried: Sequence[tuple[bool, str]]) -> dict[str, Any]:
    answered = [got for is_there, got in tried if is_there]
    absent = [got for is_there, got in tried if not is_there]
    shares = {got: round(answered.count(got) / len(answered), 3) for got in ("right", "wrong", "nothing")}
    return {**shares, "refused": round(absent.count("nothing") / len(absent), 3), "n": [len(answered), len(absent)]}


def _passage(name: str, text: str) -> Passage:
    return Passage(document=name, start=0, title="", text=text, source="", licence="", path="", link="")


if __name__ == "__main__":
    sys.exit(main())
