"""Test items in other words, by embeddings: a suspicion that is listed for a person to look at, never a verdict.

Of the training text the passages that share an item's rarest words are kept, as many for each item; an encoder then
tells which of them says the same. A passage is a text, or as many of its sentences on end as the item has.

Axes: I items, P passages, V words of all items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.data.contamination.plain import compared_in_turn, compared_words
from lmworks.data.contamination.training import texts_in
from lmworks.data.pretrained import embed
from lmworks.lazy import NDArray, np, pa
from lmworks.recipe.schema import RewordedConfig

CANDIDATES = 20
"""Passages an item that are embedded."""
_LEAST_WORDS, _MOST_WORDS, _MOST_SENTENCES = 4, 200, 4
_FREQUENT, _FEW = 0.05, 1000
"""Share of the passages from where on a word tells nothing of what they say, unless those are few."""
_SENTENCE_END = re.compile(r"(?<=[.!?。？！])\s+|\n+")


class Suspect(NamedTuple):
    """The training record most like an item."""

    record: str
    cosine: float


class _Passages(NamedTuple):
    owners: Sequence[str]
    texts: Sequence[str]
    words: Any
    """A sparse matrix [P, V]: 1 where a word of the items stands."""


def find_reworded(
    questions: Mapping[str, str],
    files: Iterable[Path],
    folder: Path,
    config: RewordedConfig,
    check_stop: Callable[[], None],
) -> dict[str, Suspect]:
    """Item → what says the same in the files, of those items that have 4 to 200 words; `folder` is the recipe's."""
    asked = dict(_sought(questions))
    if not asked:
        return {}
    files = list(files)
    hashes = list(compared_in_turn(list(asked.values())))
    vocabulary = np.unique(np.concatenate(hashes))
    sizes = {min(_sentence_count(text), _MOST_SENTENCES) for text in asked.values()}
    items = _matrix([np.searchsorted(vocabulary, words) for words in hashes], len(vocabulary))

    seen, number = np.zeros(len(vocabulary)), 0
    for passages in _passages(files, sizes, vocabulary, check_stop):
        seen += np.asarray(passages.words.sum(axis=0)).ravel()
        number += len(passages.texts)
    weights = np.where(seen > max(_FEW, _FREQUENT * number), 0, np.log1p(number / np.maximum(seen, 1)))
    best = _Best(len(asked))
    weighted = items.multiply(weights).tocsr()
    for passages in _passages(files, sizes, vocabulary, check_stop):
        best.see(passages, weighted)
    return _most_alike(asked, best, folder, config)


def _sought(questions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for item, words in zip(questions, compared_in_turn(list(questions.values())), strict=True):
        if _LEAST_WORDS <= len(words) <= _MOST_WORDS:
            yield item, questions[item]


def _sentence_count(text: str) -> int:
    return max(1, len([each for each in _SENTENCE_END.split(text) if each.strip()]))


def _cut(text: str, sizes: Iterable[int]) -> Iterator[str]:
    """A text, and every run of as many sentences of it."""
    sentences = [each for each in _SENTENCE_END.split(text) if each.strip()]
    if len(text) <= 2 * 8 * _MOST_WORDS:
        yield text
    for size in sizes:
        for first in range(len(sentences) - size + 1 if len(sentences) > size else 0):
            yield " ".join(sentences[first : first + size])


def _passages(
    files: Sequence[Path], sizes: set[int], vocabulary: NDArray[np.uint64], check_stop: Callable[[], None]
) -> Iterator[_Passages]:
    for file in files:
        for some in texts_in(file):
            check_stop()
            pairs = [
                (owner, passage)
                for owner, text in zip(some.owners, some.texts.to_pylist(), strict=True)
                for passage in _cut(text, sizes)
            ]
            texts = [passage for _, passage in pairs]
            found: list[NDArray[np.int64]] = []
            for block in compared_words(pa.array(texts, pa.string())):
                places = np.minimum(np.searchsorted(vocabulary, block.hashes), len(vocabulary) - 1)
                known = np.where(vocabulary[places] == block.hashes, places, -1)
                found += np.split(known, np.cumsum(block.counts)[:-1])
            yield _Passages([owner for owner, _ in pairs], texts, _matrix(found, len(vocabulary)))


def _matrix(words: Sequence[NDArray[np.int64]], width: int) -> Any:
    """Rows [N, V] with 1 where a word stands; -1 is none."""
    from scipy.sparse import csr_matrix

    rows = [np.unique(each[each >= 0]) for each in words]
    columns = np.concatenate([np.zeros(0, np.int64), *rows])
    edges = np.concatenate(([0], np.cumsum([len(each) for each in rows]))).astype(np.int64)
    return csr_matrix((np.ones(len(columns)), columns, edges), shape=(len(rows), width))


class _Best:
    """The passages that share most with each item."""

    def __init__(self, items: int) -> None:
        self._kept: list[list[tuple[float, str, str]]] = [[] for _ in range(items)]

    def see(self, passages: _Passages, items: Any) -> None:
        """Keep of some passages [P, V] those that share most, by the weights of their words, with items [I, V]."""
        shared = (items @ passages.words.T).tocsr()
        # Half of what long passages have more is taken off, or the longest would share most with every item.
        lengths = np.sqrt(1 + np.asarray(passages.words.sum(axis=1)).ravel())
        for item in range(shared.shape[0]):
            start, end = shared.indptr[item : item + 2]
            places = shared.indices[start:end]
            scores = shared.data[start:end] / lengths[places]
            order = np.argsort(-scores, kind="stable")[:CANDIDATES]
            found = {
                (passages.texts[place], passages.owners[place]): float(score)
                for place, score in zip(places[order].tolist(), scores[order].tolist(), strict=True)
            }
            kept = self._kept[item] + [(score, text, owner) for (text, owner), score in found.items()]
            self._kept[item] = sorted(kept, key=lambda each: (-each[0], each[2]))[:CANDIDATES]

    def of(self, item: int) -> list[tuple[str, str]]:
        """Texts and the records that they are of."""
        return [(text, owner) for _, text, owner in self._kept[item]]


def _most_alike(asked: Mapping[str, str], best: _Best, folder: Path, config: RewordedConfig) -> dict[str, Suspect]:
    texts = sorted({text for item in range(len(asked)) for text, _ in best.of(item)} | set(asked.values()))
    places = {text: place for place, text in enumerate(texts)}
    vectors = embed(folder / config.encoder, texts, config.tokens)
    found = {}
    for number, (item, question) in enumerate(asked.items()):
        candidates = best.of(number)
        if not candidates:
            continue
        cosines = vectors[[places[text] for text, _ in candidates]] @ vectors[places[question]]
        most = int(np.argmax(cosines))
        if cosines[most] >= config.cosine:
            found[item] = Suspect(candidates[most][1], round(float(cosines[most]), 3))
    return found
