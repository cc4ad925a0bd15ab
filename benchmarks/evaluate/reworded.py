"""Test items whose paraphrases are planted in training text, and which are listed as suspected: one JSON line.

    python benchmarks/evaluate/reworded.py DATA ENCODER

DATA has the folders `glue-stsb` (STS-B, pairs of sentences that people scored from 0 to 5), `wikitext2-raw` and
`squad-v2-dev`; ENCODER is the folder of all-MiniLM-L6-v2. Items are first sentences of pairs; their second sentences
are planted each inside a paragraph of WikiText. Of pairs that people scored 4.5 or more the item is to be listed
(`recall`), of those between 2 and 3.5, which are about the same but say something else, it is not (`related`), and
neither are questions of SQuAD, of which nothing was planted (`clean`). Shares of items by threshold; `recall` counts
an item only if the record that is named is the one with its paraphrase.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lmworks.data.contamination.reworded import Suspect, find_reworded
from lmworks.recipe.schema import RewordedConfig

THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9)
CLEAN = 500


def planted(data: Path, draw: random.Random) -> tuple[dict[str, str], dict[str, str]]:
    """Items by name, and what is planted for them; the name begins with what ought to become of the item."""
    items, texts = {}, {}
    with (data / "glue-stsb" / "stsb-en-test.csv").open(encoding="utf-8", newline="") as file:
        for number, (first, second, score) in enumerate(csv.reader(file)):
            kind = "recall" if float(score) >= 4.5 else "related" if 2 <= float(score) <= 3.5 else ""
            if kind and first.strip().lower() != second.strip().lower():
                items[f"{kind}-{number}"], texts[f"{kind}-{number}"] = first, second
    questions = [
        question["question"]
        for article in json.loads(next((data / "squad-v2-dev").glob("*.json")).read_text())["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    items |= {f"clean-{number}": question for number, question in enumerate(draw.sample(questions, CLEAN))}
    return items, texts


def main() -> None:
    """Plant, search, and print one line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("encoder", type=Path)
    arguments = parser.parse_args()
    draw = random.Random(0)
    items, texts = planted(arguments.data, draw)
    wiki = next(path for path in sorted((arguments.data / "wikitext2-raw").iterdir()) if "test" in path.name)
    paragraphs = [line.strip() for line in wiki.read_text(encoding="utf-8").splitlines() if len(line) > 200]
    owners, training = [f"wiki-{number}" for number in range(len(paragraphs))], paragraphs[:]
    for number, (name, text) in enumerate(texts.items()):
        first, *rest = paragraphs[number % len(paragraphs)].split(" . ")
        owners.append(name)
        training.append(" . ".join([first, "\n" + text + "\n", *rest]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with tempfile.TemporaryDirectory() as folder:
        shard = Path(folder) / "texts.parquet"
        pq.write_table(pa.table({"id": owners, "text": training}), shard)
        config = RewordedConfig(encoder=str(arguments.encoder.resolve()), cosine=min(THRESHOLDS))
        found = find_reworded(items, [shard], Path("/"), config, lambda: None)
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    print(
        json.dumps(
            {
                "items": len(items),
                "megabytes": round(sum(map(len, training)) / 1e6, 1),
                "user_seconds": round(seconds, 1),
                **shares(items, found),
            }
        )
    )


def shares(items: dict[str, str], found: dict[str, Suspect]) -> dict[str, dict[str, float]]:
    """By threshold, of each kind the share of items that are listed."""
    told: dict[str, dict[str, float]] = {}
    for threshold in THRESHOLDS:
        listed = {name for name, each in found.items() if each.cosine >= threshold}
        listed -= {name for name in listed if name.startswith("recall") and found[name].record != name}
        told[str(threshold)] = {
            kind: round(sum(name in listed for name in names) / len(names), 3)
            for kind in ("recall", "related", "clean")
            if (names := [name for name in items if name.startswith(kind)])
        }
    return told


if __name__ == "__main__":
    main()
