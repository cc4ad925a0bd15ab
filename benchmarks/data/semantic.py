"""Paraphrases found by embeddings and by words in common: one JSON line.

    python benchmarks/data/semantic.py DATA ENCODER

DATA is a folder with `glue-stsb` as published, ENCODER the folder of a Hugging Face encoder such as all-MiniLM-L6-v2.
Pairs that people gave a similarity of at least 4.5 of 5 count as duplicates, of at most 2 as none; others are left out.
The threshold with the best F1 is looked for on the development pairs and reported on the test pairs, each with a
95 % interval over pairs drawn with repeats. Lexical search is the Jaccard similarity of shingles, of 5 words as
duplicate search takes them and of single words.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from lmworks.data.duplicates.semantic import embed
from lmworks.data.words import word_spans

DUPLICATE, OTHER = 4.5, 2.0
CURVE = (0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.98)
RESAMPLES = 1_000

Pairs = tuple[list[str], list[str], NDArray[np.bool_]]


def pairs(data: Path, part: str) -> Pairs:
    """First texts, second texts, and whether each pair is one of duplicates."""
    with (data / "glue-stsb" / f"stsb-en-{part}.csv").open(newline="") as lines:
        rows = [(one, other, float(score)) for one, other, score in csv.reader(lines)]
    rows = [row for row in rows if row[2] >= DUPLICATE or row[2] <= OTHER]
    return [row[0] for row in rows], [row[1] for row in rows], np.array([row[2] >= DUPLICATE for row in rows])


def lexical(size: int) -> Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]:
    """Jaccard similarity of the sets of `size` words in a row, or of all words where there are fewer."""

    def phrases(text: str) -> set[tuple[str, ...]]:
        words = [text[start:end].casefold() for start, end in word_spans(text)]
        return {tuple(words[start : start + size]) for start in range(max(1, len(words) - size + 1))}

    def similarity(first: Sequence[str], second: Sequence[str]) -> NDArray[np.float64]:
        both = [(phrases(one), phrases(other)) for one, other in zip(first, second, strict=True)]
        return np.array([len(one & other) / len(one | other) for one, other in both])

    return similarity


def by_embedding(folder: Path) -> Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]]:
    """Cosine of the embeddings that the step uses."""
    return lambda first, second: (embed(folder, first, 256) * embed(folder, second, 256)).sum(axis=1).astype(float)


def at(threshold: float, found: NDArray[np.float64], true: NDArray[np.bool_]) -> dict[str, float]:
    """Precision, recall and F1 of what reaches a threshold."""
    right = int((true & (found >= threshold)).sum())
    precision, recall = right / max(1, int((found >= threshold).sum())), right / max(1, int(true.sum()))
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def judged(similarity: Callable[[Sequence[str], Sequence[str]], NDArray[np.float64]], data: Path) -> dict[str, object]:
    """The threshold of the development pairs, and how well it and others do on the test pairs."""
    first, second, true = pairs(data, "dev")
    found = similarity(first, second)
    best = max(np.unique(found[true]).tolist(), key=lambda threshold: at(threshold, found, true)["f1"])
    first, second, true = pairs(data, "test")
    found = similarity(first, second)
    draw = random.Random(0)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.array(draw.choices(range(len(true)), k=len(true)))
        drawn.append(at(best, found[chosen], true[chosen]))
    interval = {
        name: np.quantile([each[name] for each in drawn], (0.025, 0.975)).round(4).tolist() for name in drawn[0]
    }
    return {
        "threshold": round(best, 4),
        "test": {name: [value, *interval[name]] for name, value in at(best, found, true).items()},
        "average_precision": round(float(average_precision_score(true, found)), 4),
        "curve": {str(threshold): at(threshold, found, true) for threshold in CURVE},
    }


def main() -> None:
    """Compare them."""
    data, encoder = Path(sys.argv[1]), Path(sys.argv[2])
    _, _, true = pairs(data, "test")
    systems = {"embeddings": by_embedding(encoder), "shingles_of_5_words": lexical(5), "single_words": lexical(1)}
    found = {name: judged(similarity, data) for name, similarity in systems.items()}
    print(json.dumps({"pairs": len(true), "duplicates": int(true.sum()), **found}))


if __name__ == "__main__":
    main()
