"""The classifier beside scikit-learn's TF-IDF and logistic regression on public sets: one JSON line.

    python benchmarks/data/classifier.py DATA [--seeds 3] [--fasttext PYTHON]

DATA is a folder with `sentence-polarity`, `glue-sst2`, `banking77` and `truthfulqa` as published. Each seed holds out a
fifth of the texts anew. The other side has words and pairs of words, at two strengths of regularisation; `difference`
is ours less the best other, by seed. Our defaults were chosen on one such split of these sets. PYTHON may have
fastText: pairs of words, 25 epochs, a rate of 0.5. Seconds are of processor time on one thread, speed is of inference.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np

from lmworks.data.quality import hashed_linear

Examples = list[tuple[str, str]]


def read_sets(data: Path) -> Iterator[tuple[str, Examples]]:
    """Texts with labels, of each set."""
    for name, path, text, label in (
        ("sentence-polarity", "sentence_polarity.jsonl", "text", "label"),
        ("truthfulqa", "finetune_truth_sample.jsonl", "prompt", "completion"),
    ):
        rows = [json.loads(line) for line in (data / name / path).read_text(encoding="utf-8").splitlines()]
        yield name, [(row[text], str(row[label]).strip()) for row in rows]
    for name, paths, delimiter, text, label in (
        ("glue-sst2", ("train_sample.tsv", "dev.tsv"), "\t", "sentence", "label"),
        ("banking77", ("train.csv", "test.csv"), ",", "text", "category"),
    ):
        found: Examples = []
        for path in paths:
            with (data / name / path).open(encoding="utf-8", newline="") as file:
                quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
                found += [(row[text], row[label]) for row in csv.DictReader(file, delimiter=delimiter, quoting=quoting)]
        yield name, found


Judge = Callable[[Sequence[str]], list[str]]


def learn(examples: Examples) -> Judge:
    """Ours, with its defaults."""
    labels = sorted({label for _, label in examples})
    targets = np.array([labels.index(label) for _, label in examples])
    model = hashed_linear.learn(labels, [text for text, _ in examples], targets)
    return lambda texts: [labels[place] for place in model.probabilities(texts).argmax(axis=1).tolist()]


def learn_tfidf(examples: Examples, strength: float) -> Judge:
    """Theirs."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, labels = zip(*examples, strict=True)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(C=strength, max_iter=1000)).fit(texts, labels)
    return lambda texts: list(model.predict(texts))


FASTTEXT = """
import json, sys, fasttext
model = fasttext.train_supervised(sys.argv[1], wordNgrams=2, epoch=25, lr=0.5, thread=1, verbose=0)
texts = json.load(open(sys.argv[2]))
labels, _ = model.predict(texts)
print(json.dumps([label[0].removeprefix("__label__") for label in labels]))
"""


def learn_fasttext(python: str, examples: Examples) -> Judge:
    """fastText in a process of its own."""

    def judge(texts: Sequence[str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            lines = Path(folder, "train.txt"), Path(folder, "texts.json")
            labelled = [f"__label__{label} {' '.join(text.lower().split())}\n" for text, label in examples]
            lines[0].write_text("".join(labelled))
            lines[1].write_text(json.dumps([" ".join(text.lower().split()) for text in texts]))
            command = [python, "-c", FASTTEXT, *map(str, lines)]
            found: list[str] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            return found

    return judge


def measure(examples: Examples, seeds: int, learners: dict[str, Callable[[Examples], Judge]]) -> dict[str, object]:
    """Accuracy and time of each side, over seeds."""
    accuracy: dict[str, list[float]] = {name: [] for name in learners}
    training: dict[str, list[float]] = {name: [] for name in learners}
    speed: dict[str, list[float]] = {name: [] for name in learners}
    for seed in range(seeds):
        unique = sorted(dict(examples).items())
        random.Random(seed).shuffle(unique)
        held, learned = unique[: len(unique) // 5], unique[len(unique) // 5 :]
        texts = [text for text, _ in held]
        for name, learner in learners.items():
            started = time.process_time()
            judge = learner(learned)
            training[name].append(time.process_time() - started)
            many = texts * max(1, 2_000_000 // sum(map(len, texts))) if name != "fasttext" else texts
            started = time.process_time()
            found = judge(many)[: len(texts)]
            speed[name].append(sum(map(len, many)) / 1e6 / (time.process_time() - started))
            accuracy[name].append(statistics.mean(one == label for one, (_, label) in zip(found, held, strict=True)))
    timed = [name for name in learners if name != "fasttext"]  # another process
    return {
        "n": len(held),
        "labels": len({label for _, label in examples}),
        "accuracy": {name: round(statistics.mean(values), 4) for name, values in accuracy.items()},
        "difference": [round(ours - max(others), 4) for ours, *others in zip(*accuracy.values(), strict=True)],
        "training_seconds": {name: round(statistics.median(training[name]), 2) for name in timed},
        "megabytes_a_second": {name: round(statistics.median(speed[name]), 1) for name in timed},
    }


def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fasttext")
    arguments = parser.parse_args()
    learners: dict[str, Callable[[Examples], Judge]] = {
        "ours": learn,
        "tfidf, C=1": lambda examples: learn_tfidf(examples, 1),
        "tfidf, C=10": lambda examples: learn_tfidf(examples, 10),
    }
    if arguments.fasttext:
        learners["fasttext"] = lambda examples: learn_fasttext(arguments.fasttext, examples)
    found = {}
    for name, examples in read_sets(arguments.data):
        found[name] = measure(examples, arguments.seeds, learners)
        print(name, found[name], file=sys.stderr, flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
