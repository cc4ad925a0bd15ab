"""Linear classifier over hashed features, fast enough for every document and small enough to publish.

The features of a text are its words, its pairs of words and its runs of 4 bytes, all in lower case. Each is hashed to
one of 2^18 weights per label (Weinberger et al. 2009), as often as it occurs. A label's score is the sum of its weights
over the square root of the number of features, and the softmax of the scores is its probability.

It is written by hand for speed. scikit-learn's HashingVectorizer with logistic regression has 0.35 times its speed
(sentence polarity). TF-IDF has 0.2 to 0.3 times, at +0.011 to -0.045 accuracy (benchmarks/data/classifier.py).

Axes: N texts, S features of all of them, K labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmworks.data.base.words import hash_words
from lmworks.lazy import NDArray, np, pa
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context

BITS = 18
EPOCHS, BATCH, LEARNING_RATE = 5, 32, 0.2
"""Settings of training. On four public sets (benchmarks/data/classifier.py) other epochs and rates gained nothing."""
JUDGED_CHARACTERS = 100_000
"""Number of first characters by which a text is judged. It bounds memory."""
_AT_ONCE = 2**18
"""Number of characters that are scored together. With the arrays made of them they fit into a core's cache."""
_ODD, _OTHER_ODD = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
"""Multipliers whose products have well-mixed upper bits: the golden ratio's (Knuth 1998, section 6.4), and wyhash's."""


def features(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the weight that each feature is hashed to [S], and the text that it belongs to [S]."""
    blocks = list(hash_words(pa.array(texts, pa.string())))
    words = np.concatenate([np.zeros(0, np.uint64), *(block.hashes for block in blocks)])
    counts = np.concatenate([np.zeros(0, np.int64), *(block.counts for block in blocks)])
    owners = np.repeat(np.arange(len(counts)), counts)
    pairs = words[:-1] * np.uint64(_ODD) + words[1:] * np.uint64(_OTHER_ODD)
    paired = owners[1:] == owners[:-1]

    contents = [f" {text.lower()} ".encode() for text in texts]
    content = b"".join(contents) + bytes(3)
    runs = np.ndarray((len(content) - 3,), "<u4", content, strides=(1,)).astype(np.uint64) * np.uint64(_ODD)
    run_owners = np.repeat(np.arange(len(contents)), list(map(len, contents)))
    whole = np.zeros(len(run_owners), bool)
    whole[:-3] = run_owners[3:] == run_owners[:-3]

    hashes = np.concatenate([words, pairs[paired], runs[whole]]) >> np.uint64(64 - BITS)
    return hashes.astype(np.int64), np.concatenate([owners, owners[1:][paired], run_owners[whole]])


@dataclass(frozen=True)
class LinearClassifier:
    """Labels and their weights."""

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    """[K, 2^18]"""

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each label [N, K]."""
        beginnings = [text[:JUDGED_CHARACTERS] for text in texts]
        batches = [_softmax(self._scores(len(some), *features(some))) for some in _batches(beginnings)]
        return np.concatenate([np.zeros((0, len(self.labels))), *batches])

    def step(self, texts: Sequence[str], labels: NDArray[np.int64], squares: NDArray[np.float32]) -> float:
        """Take a step of AdaGrad (Duchi et al. 2011) towards the labels [N]. Return the mean loss before, in nats."""
        places, owners = features(texts)
        errors = _softmax(self._scores(len(texts), places, owners))
        loss = -float(np.log(errors[np.arange(len(texts)), labels]).mean())
        errors[np.arange(len(texts)), labels] -= 1
        errors /= _norms(len(texts), owners)
        touched, index = np.unique(places, return_inverse=True)
        for label in range(len(self.labels)):
            gradient = np.bincount(index, errors[owners, label], len(touched))
            squares[label, touched] += gradient**2
            self.weights[label, touched] -= LEARNING_RATE * gradient / np.sqrt(squares[label, touched])
        return loss

    def _scores(self, count: int, places: NDArray[np.int64], owners: NDArray[np.int64]) -> NDArray[np.float64]:
        sums = [np.bincount(owners, weights[places], count) for weights in self.weights]
        return np.stack(sums, axis=1) / _norms(count, owners)

    def save(self, folder: Path) -> None:
        """Write `classifier.safetensors` and `classifier.json`."""
        from safetensors.numpy import save

        write_atomically(folder / "classifier.safetensors", save({"weights": self.weights}))
        write_atomically(folder / "classifier.json", (json.dumps({"labels": self.labels}) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> LinearClassifier:
        """Read a classifier that `save` wrote."""
        from safetensors.numpy import load_file

        labels = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))["labels"]
        return cls(tuple(labels), load_file(folder / "classifier.safetensors")["weights"])


def learn(
    labels: Sequence[str],
    texts: Sequence[str],
    targets: NDArray[np.int64],
    seed: int = 0,
    context: Context | None = None,
) -> LinearClassifier:
    """Return the classifier after all epochs. Equal arguments give equal bits on one kind of processor."""
    model = LinearClassifier(tuple(labels), np.zeros((len(labels), 2**BITS), np.float32))
    squares = np.full_like(model.weights, 1e-8)  # so that a first step is the rate, and nothing is divided by zero
    random = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        order = random.permutation(len(texts))
        losses = [
            model.step([texts[place] for place in places], targets[places], squares)
            for places in np.split(order, range(BATCH, len(order), BATCH))
        ]
        if context:
            context.check_stop()
            context.progress.update(epoch + 1, loss=float(np.mean(losses)))
    return model


def _norms(count: int, owners: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(np.bincount(owners, minlength=count), 1))[:, None]


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    first, size = 0, 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= _AT_ONCE:
            yield texts[first : place + 1]
            first, size = place + 1, 0
    if first < len(texts):
        yield texts[first:]
