"""How well words tell whole numbers that are codes of classes, and others that are amounts: a line of JSON each.

    python benchmarks/start/codes.py DATA

DATA is a folder of published sets. `init` takes a column of more than twelve numbers for labels where `shows_codes` is
true, which it should be of codes alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path

from lmworks.start.predicted import fits

Column = list[tuple[str, int]]
"""Texts, each with its number."""


def columns(data: Path) -> Iterator[tuple[str, bool, Column]]:
    """Yield name, whether its numbers are codes, and rows of each column."""
    with (data / "banking77" / "train.csv").open(newline="") as stream:
        intents = [(row["text"], row["category"]) for row in csv.DictReader(stream)]
    random.Random(0).shuffle(intents)
    names = sorted({name for _, name in intents})
    coded = [(text, names.index(name)) for text, name in intents]
    yield "banking77 intents", True, coded
    yield "banking77 intents, 800 rows", True, coded[:800]
    yield "banking77 words", False, [(text, len(text.split())) for text, _ in intents]
    articles = json.loads((data / "squad-v2-dev" / "dev-v2.0.part.json").read_text())["data"]
    paragraphs = [(place, part) for place, article in enumerate(articles) for part in article["paragraphs"]]
    yield "squad articles", True, [(one["question"], place) for place, part in paragraphs for one in part["qas"]]
    yield "squad questions of a paragraph", False, [(part["context"], len(part["qas"])) for _, part in paragraphs]
    english = (data / "multi30k" / "train_5k.en").read_text().splitlines()
    yield "multi30k words", False, [(text, len(text.split())) for text in english]
    lines = (data / "sentence-polarity" / "sentence_polarity.jsonl").read_text().splitlines()
    yield "polarity words", False, [(text, len(text.split())) for text in (json.loads(line)["text"] for line in lines)]
    similar: Column = []
    for path in sorted((data / "glue-stsb").glob("*.csv")):
        with path.open(newline="") as stream:
            similar += [(f"{one} {other}", round(10 * float(score))) for one, other, score in csv.reader(stream)]
    yield "stsb scores", False, similar
    speeches = (data / "us-presidential-addresses" / "state_union.jsonl").read_text().splitlines()
    years: Column = []
    for speech in map(json.loads, speeches):
        year = int("".join(filter(str.isdigit, speech["id"]))[:4])
        years += [(part, year % 100) for part in speech["text"].split("\n\n") if len(part) > 200]
    yield "years of speeches", False, years


def main() -> None:
    """Print what words tell of each column."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    for name, is_code, rows in columns(parser.parse_args().data):
        random.Random(0).shuffle(rows)
        fit = fits([{"text": text, "number": number} for text, number in rows], ["text"], ["number"]).get("number")
        told = {"accuracy": round(fit.accuracy, 3), "commonest": round(fit.commonest, 3)} if fit else {}
        line = {
            "column": name,
            "codes": is_code,
            "rows": len(rows),
            **told,
            "shows_codes": bool(fit and fit.shows_codes),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
