"""Test items in other words, found by embeddings: suspicions that a person should check, never verdicts.

The passages of the training text that share an item's rarest words are embedded, and the most similar one is named. A
passage is a text, or as many consecutive sentences as the item has.

Axes: I items, P passages, V words of all items.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.data.base.pretrained import embed
from lmworks.data.contamination.items import texts_in
from lmworks.data.contamination.join import compared_words, words_of
from lmworks.lazy import NDArray, np, pa
from lmworks.recipe.schema import RewordedConfig

_CANDIDATES = 20
"""Number of passages per item that are embedded."""
_LEAST_WORDS, _MOST_WORDS, _MOST_SENTENCES = 4, 200, 4
_FREQUENT, _FEW = 0.05, 1000
"""Share and number of passages with a word above both of which the word has no weight."""
_SENTENCE_END = re.compile(r"(?<=[.!?。？！])\s+|\n+")


class Suspect(NamedTuple):
    """The training record that is most like an item."""

    record: str
    cosine: float


class _Passages(NamedTuple):
    """Passages of training text, with the ids of their records and a matrix [P, V] of the words of items."""

    records: list[str]
    texts: list[str]
    words: Any


def find_reworded(
    questions: Mapping[str, str],
    files: Sequence[Path],
    folder: Path,
    config: RewordedConfig,
    check_stop: Callable[[], None],
) -> dict[str, Suspect]:
    """Return the suspect for each item of 4 to 200 words that has one. `folder` is the recipe's folder."""
    hashes = dict(zip(questions, words_of(list(questions.values())), strict=True))
    asked = {item: questions[item] for item, words in hashes.items() if _LEAST_WORDS <= len(words) <= _MOST_WORDS}
    if not asked:
        return {}
    vocabulary = np.unique(np.concatenate([hashes[item] for item in asked]))
    items = _matrix([np.searchsorted(vocabulary, hashes[item]) for item in asked], len(vocabulary))
    sizes = {min(len(_sentences(text)), _MOST_SENTENCES) for text in asked.values()}

    seen, number = np.zeros(len(vocabulary)), 0
    for passages in _passages(files, sizes, vocabulary, check_stop):
        seen += np.asarray(passages.words.sum(axis=0)).ravel()
        number += len(passages.texts)
    weights = np.where(seen > max(_FEW, _FREQUENT * number), 0, np.log1p(number / np.maximum(seen, 1)))
    weighted = items.multiply(weights).tocsr()
    best: list[list[tuple[float, str, str]]] = [[] for _ in asked]
    for passages in _passages(files, sizes, vocabulary, check_stop):
        _keep_best(best, passages, weighted)
    return _most_similar(asked, best, folder, config)


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def _passages(
    files: Sequence[Path], sizes: set[int], vocabulary: NDArray[np.uint64], check_stop: Callable[[], None]
) -> Iterator[_Passages]:
    for records, texts in (some for file in files for some in texts_in(file)):
        check_stop()
        pairs = [
            (name, part) for name, text in zip(records, texts.to_pylist(), strict=True) for part in _cut(text, sizes)
        ]
        parts = [part for _, part in pairs]
        known: list[NDArray[np.int64]] = []
        for block in compared_words(pa.array(parts, pa.string())):
            places = np.minimum(np.searchsorted(vocabulary, block.hashes), len(vocabulary) - 1)
            places[vocabulary[places] != block.hashes] = -1
            known += np.split(places, np.cumsum(block.counts)[:-1])
        yield _Passages([name for name, _ in pairs], parts, _matrix(known, len(vocabulary)))


def _cut(text: str, sizes: set[int]) -> Iterator[str]:
    """Yield a text unless it is long, and every run of sentences of one of these sizes."""
    sentences = _sentences(text)
    if len(text) <= 2 * 8 * _MOST_WORDS:
        yield text
    for size in sizes:
        for first in range(len(sentences) - size + 1 if len(sentences) > size else 0):
            yield " ".join(sentences[first : first + size])


def _matrix(words: Sequence[NDArray[np.int64]], width: int) -> Any:
    """Return rows [_, V] with 1 for each word. -1 stands for an unknown word."""
    from scipy.sparse import csr_matrix

    rows = [np.unique(some[some >= 0]) for some in words]
    columns = np.concatenate([np.zeros(0, np.int64), *rows])
    edges = np.cumsum([0, *map(len, rows)])
    return csr_matrix((np.ones(len(columns)), columns, edges), shape=(len(rows), width))


def _keep_best(best: Sequence[list[tuple[float, str, str]]], passages: _Passages, items: Any) -> None:
    """Keep for each item [I, V] the passages with the highest weight of shared words."""
    shared = (items @ passages.words.T).tocsr()
    # The square root favours long passages less, or the longest would share most with every item.
    lengths = np.sqrt(1 + np.asarray(passages.words.sum(axis=1)).ravel())
    for item, kept in enumerate(best):
        places = shared.indices[shared.indptr[item] : shared.indptr[item + 1]]
        scores = shared.data[shared.indptr[item] : shared.indptr[item + 1]] / lengths[places]
        order = np.argsort(-scores, kind="stable")[:_CANDIDATES]
        found = zip(scores[order].tolist(), places[order].tolist(), strict=True)
        kept += {(score, passages.records[place], passages.texts[place]) for score, place in found}
        kept[:] = heapq.nsmallest(_CANDIDATES, kept, key=lambda passage: (-passage[0], *passage[1:]))


def _most_similar(
    asked: Mapping[str, str], best: Sequence[list[tuple[float, str, str]]], folder: Path, config: RewordedConfig
) -> dict[str, Suspect]:
    texts = sorted({text for some in best for _, _, text in some} | set(asked.values()))
    places = {text: place for place, text in enumerate(texts)}
    vectors = embed(folder / config.encoder, texts, config.tokens)
    suspects = {}
    for (item, question), some in zip(asked.items(), best, strict=True):
        cosines = vectors[[places[text] for _, _, text in some]] @ vectors[places[question]] if some else np.zeros(1)
        most = int(np.argmax(cosines))
        if some and cosines[most] >= config.cosine:
            suspects[item] = Suspect(some[most][1], round(float(cosines[most]), 3))
    return suspects
