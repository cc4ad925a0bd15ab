"""Which bag of words is the strongest on services that it has not seen, and what helps it: JSON lines.

    lmworks build recipes/categories.yaml --until tokenizer --store FOLDER
    python benchmarks/train/bags_of_words.py FOLDER [DATA]

Each is logistic regression on TF-IDF, learned from the training services of recipes/categories.yaml: once to tell the
labels of the validation services, and five times without a fifth of the training services, to tell theirs. The first
is the baseline that reports show; the others are held against it in paired intervals over services. Test services are
not read. With DATA, a folder of published sets, it also tells what runs of letters add on two of them.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from lmworks.data.shards.records import Document, Documents
from lmworks.evaluate.items import ACCURACY
from lmworks.model.baselines.bag_of_words import features_of
from lmworks.tokens.tokenizer import TokenizerFolder

FOLDS = 5
WORDS: dict[str, Any] = {"min_df": 2, "sublinear_tf": True}
PAIRS = TfidfVectorizer(ngram_range=(1, 2), **WORDS)
LETTERED = TfidfVectorizer(analyzer=features_of, **WORDS)


def main() -> None:
    """Score every bag."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="of the build")
    parser.add_argument("data", type=Path, nargs="?", help="published sets")
    given = parser.parse_args()
    store: Path = given.store
    if given.data:
        tell_published(given.data)
    (parts,) = store.glob("artifacts/split/*/payload")
    tokenizer = TokenizerFolder(next(store.glob("artifacts/bpe/*/payload")), "tokenizer").open()
    train, validation = (list(Documents(parts / part, part).iterate()) for part in ("train", "validation"))

    encode = lru_cache(maxsize=None)(tokenizer.encode)

    def tokens(most: int | None) -> Callable[[str], list[str]]:
        return lambda text: [str(token) for token in encode(text)[:most]]

    words = TfidfVectorizer(**WORDS)
    topics = make_pipeline(TfidfVectorizer(**WORDS), TruncatedSVD(200, random_state=0), Normalizer())
    bags: dict[str, tuple[Any, bool]] = {
        "words, pairs of words and runs of letters (the baseline)": (LETTERED, False),
        "words and pairs of words": (PAIRS, False),
        "words": (words, False),
        "words, services equal": (words, True),
        "the encoder's tokens, services equal": (TfidfVectorizer(analyzer=tokens(None), **WORDS), True),
        "the encoder's first 62 tokens, services equal": (TfidfVectorizer(analyzer=tokens(62), **WORDS), True),
        "200 latent topics, services equal": (topics, True),
    }
    fold_of = folds(train)
    baseline: list[list[bool]] = []
    for name, (bag, equal) in bags.items():
        told = [right(bag, equal, train, validation), [False] * len(train)]
        for fold in range(FOLDS):
            asked = [number for number, each in enumerate(train) if fold_of[each.meta["folder"]] == fold]
            known = [each for each in train if fold_of[each.meta["folder"]] != fold]
            for number, is_right in zip(asked, right(bag, equal, known, [train[n] for n in asked]), strict=True):
                told[1][number] = is_right
        baseline = baseline or told
        print(
            json.dumps(
                {
                    "bag": name,
                    "validation": compared(told[0], baseline[0], validation),
                    "folds": compared(told[1], baseline[1], train),
                }
            ),
            flush=True,
        )


def tell_published(data: Path) -> None:
    """Score words with and without runs of letters on two published sets."""
    reviews = [json.loads(line) for line in (data / "sentence-polarity" / "sentence_polarity.jsonl").open()]
    sets = {
        "Sentence Polarity": ([(each["text"], str(each["label"])) for each in reviews], None),
        "Banking77": tuple(pairs_of(data / "banking77" / f"{part}.csv") for part in ("train", "test")),
    }
    for name, (rows, test) in sets.items():
        rows = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
        asked, known = (test, rows) if test else (rows[:2000], rows[2000:])
        for count in (800, 3000, 8000):
            texts, labels = zip(*known[:count], strict=True)
            found = {}
            for bag, vectors, strength in (("words and pairs", PAIRS, 10), ("with letters", LETTERED, 20)):
                model = make_pipeline(vectors, LogisticRegression(C=strength, max_iter=1000)).fit(texts, labels)
                found[bag] = round(float(model.score(*zip(*asked, strict=True))), 4)
            print(json.dumps({"set": name, "learned from": count, "asked": len(asked), **found}), flush=True)


def pairs_of(path: Path) -> list[tuple[str, str]]:
    """Texts and labels of a file of Banking77."""
    with path.open(newline="", encoding="utf-8") as lines:
        return [(row["text"], row["category"]) for row in csv.DictReader(lines)]


def folds(documents: Sequence[Document]) -> dict[str, int]:
    """A fold for each service, the services of each label spread over all folds."""
    labels = {each.meta["folder"]: each.meta["label"] for each in documents}
    draws = np.random.default_rng(0)
    services = draws.permutation(sorted(labels)).tolist()
    return {service: place % FOLDS for place, service in enumerate(sorted(services, key=labels.__getitem__))}


def right(bag: Any, equal: bool, known: Sequence[Document], asked: Sequence[Document]) -> list[bool]:
    """Whether the label of each text asked is told; with `equal`, each service known counts as much as another."""
    sizes = Counter(each.meta["folder"] for each in known)
    weights = np.array([1 / sizes[each.meta["folder"]] if equal else 1.0 for each in known])
    model = make_pipeline(bag, LogisticRegression(C=20 if bag is LETTERED else 10, max_iter=1000))
    weighing = {"logisticregression__sample_weight": weights / weights.mean()}
    model.fit([each.text for each in known], [each.meta["label"] for each in known], **weighing)
    told = model.predict([each.text for each in asked])
    return [bool(label == each.meta["label"]) for label, each in zip(told, asked, strict=True)]


def compared(scores: Sequence[bool], baseline: Sequence[bool], documents: Sequence[Document]) -> dict[str, Any]:
    """Accuracy, and by how many points it is above the baseline's."""
    sides = (
        [{"cluster": each.meta["folder"], "score": float(right)} for right, each in zip(side, documents, strict=True)]
        for side in (scores, baseline)
    )
    paired = ACCURACY.compare(*sides)
    low, high = paired.interval or (float("nan"), float("nan"))
    return {
        "accuracy": round(100 * float(np.mean(scores)), 1),
        "above_baseline": [round(100 * value, 1) for value in (paired.difference, low, high)],
    }


if __name__ == "__main__":
    main()
