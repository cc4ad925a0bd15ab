"""Planted wrong labels, found by the step `doubtful-labels` and by cleanlab: one JSON line a set and share.

    python benchmarks/data/doubtful_labels.py DATA [--seeds 3] [--shares 0.05 0.1 0.2]

DATA is a folder with `sentence-polarity`, `glue-sst2`, `banking77` and `truthfulqa` as published. Of a share of the
training texts the label is exchanged for another, drawn evenly. `precision` is the share of doubted texts whose label
was exchanged, `recall` the share of those that was doubted; published labels are taken for right, which in truth some
are not. `accuracy` is of the same linear classifier on an untouched fifth: learned from the noisy labels, from what is
left when doubtful texts are dropped, and from the labels as published. cleanlab (2.9 measured, if it is installed) gets
TF-IDF of words and pairs of words, logistic regression and five folds. Seconds are of processor time on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
from classifier import Examples, learn, read_sets

from lmworks.data.quality.doubtful_labels import DoubtfulLabelsConfig, doubtful_labels
from lmworks.data.records import Document, Documents, write_shard
from lmworks.pipeline.journal import FileJournal
from lmworks.pipeline.stage import Context


class Silent:
    """A progress that shows nothing."""

    def start(self, total: float, unit: str) -> None:
        """Begin a count."""

    def update(self, done: float, **values: float | str) -> None:
        """So far."""

    def sample(self, title: str, text: str) -> None:
        """An example."""


def plant(examples: Examples, share: float, draw: random.Random) -> tuple[Examples, set[int]]:
    """The examples with some labels exchanged, and the places of these."""
    labels = sorted({label for _, label in examples})
    wrong = set(draw.sample(range(len(examples)), int(share * len(examples))))
    others = {label: [other for other in labels if other != label] for label in labels}
    return [
        (text, draw.choice(others[label]) if place in wrong else label) for place, (text, label) in enumerate(examples)
    ], wrong


def find_ours(examples: Examples) -> set[int]:
    """The places that the step doubts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "train").mkdir()
        made = [
            Document(id=f"{place:032x}", text=text, source="s", licence="MIT", meta={"label": label})
            for place, (text, label) in enumerate(examples)
        ]
        write_shard(folder / "train" / "part-00000.parquet", made)
        context = Context(
            folder, FileJournal(folder / "journal"), Silent(), check_stop=lambda: None, log=lambda line: None
        )
        config = DoubtfulLabelsConfig.model_validate({"from": "train"})
        doubtful_labels(config, Documents(folder / "train", ""), out=folder / "out", context=context)
        lines = (folder / "out" / "doubtful.jsonl").read_text("utf-8").splitlines()
        return {int(json.loads(line)["id"], 16) for line in lines}


def find_cleanlab(examples: Examples) -> set[int]:
    """The places that cleanlab doubts, by its `confident_learning` and the usual classifier of its guides."""
    from cleanlab.filter import find_label_issues
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    labels = sorted({label for _, label in examples})
    given = np.array([labels.index(label) for _, label in examples])
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000))
    probabilities = cross_val_predict(model, [text for text, _ in examples], given, cv=5, method="predict_proba")
    return set(np.flatnonzero(find_label_issues(given, probabilities, filter_by="confident_learning")).tolist())


def measure(examples: Examples, share: float, seeds: int) -> dict[str, object]:
    """Medians over seeds of one set and one share of exchanged labels."""
    finders = {"ours": find_ours}
    try:
        import cleanlab  # noqa: F401

        finders["cleanlab"] = find_cleanlab
    except ImportError:
        pass
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        draw = random.Random(seed)
        unique = sorted(dict(examples).items())
        draw.shuffle(unique)
        held, learned = unique[: len(unique) // 5], unique[len(unique) // 5 :]
        noisy, wrong = plant(learned, share, draw)
        for name, finder in finders.items():
            started = time.process_time()
            doubted = finder(noisy)
            found[f"{name} seconds"].append(time.process_time() - started)
            found[f"{name} precision"].append(len(doubted & wrong) / max(1, len(doubted)))
            found[f"{name} recall"].append(len(doubted & wrong) / max(1, len(wrong)))
            left = [example for place, example in enumerate(noisy) if place not in doubted]
            found[f"{name} accuracy"].append(accuracy(left, held))
        found["noisy accuracy"].append(accuracy(noisy, held))
        found["published accuracy"].append(accuracy(learned, held))
    return {"texts": len(learned), "share": share} | {
        name: round(statistics.median(values), 3) for name, values in found.items()
    }


def accuracy(learned: Examples, held: Examples) -> float:
    """Of our linear classifier."""
    said = learn(learned)([text for text, _ in held])
    return statistics.mean(one == label for one, (_, label) in zip(said, held, strict=True))


def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    given = parser.parse_args()
    for name, examples in read_sets(given.data):
        for share in given.shares:
            print(json.dumps({"set": name, **measure(examples, share, given.seeds)}), flush=True)


if __name__ == "__main__":
    main()
