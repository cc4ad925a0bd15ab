"""Baselines that copy: the training answer of the most similar operation, or the candidate that shares most words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ENDINGS = ("ies", "ing", "es", "ed", "s", "e", "y")
OPERATION_WEIGHT = 3
"""Weight of a piece of the operation's name, relative to a word of the question: best of 1 to 4 on validation data."""


def pieces(text: str) -> list[str]:
    """Return lower-case stems of words and of parts of camel-case names: "CopiesDBSnapshot" gives cop, db, snapshot."""
    return [_stem(piece.lower()) for piece in _PIECE.findall(text)]


def _stem(word: str) -> str:
    return next((word.removesuffix(e) for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 3), word)


def nearest(questions: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return for each conversation of `questions` the place in `known` of the most similar one. Ties go to the first.

    Similarity is the cosine of their pieces, weighted by the root of the inverse document frequency. Without the root,
    rare nouns would outweigh verbs, which say more about a description.
    """
    bags = [_bag(conversation) for conversation in known]
    documents = Counter(piece for bag in bags for piece in bag)
    weight = {piece: math.sqrt(math.log(1 + len(bags) / count)) for piece, count in documents.items()}
    places: dict[str, list[int]] = {piece: [] for piece in documents}
    shares: dict[str, list[float]] = {piece: [] for piece in documents}
    for place, bag in enumerate(bags):
        length = math.sqrt(sum((count * weight[piece]) ** 2 for piece, count in bag.items()))
        for piece, count in bag.items():
            places[piece].append(place)
            shares[piece].append(count * weight[piece] / length)
    postings = {piece: (np.array(places[piece]), np.array(shares[piece])) for piece in documents}
    found = []
    for conversation in questions:
        score = np.zeros(len(bags))
        for piece, count in _bag(conversation).items():
            if piece in postings:
                where, share = postings[piece]
                score[where] += count * weight[piece] * share
        found.append(int(score.argmax()))
    return found


def _bag(conversation: Mapping[str, Any]) -> Counter[str]:
    # Sorted, since the order of a set, and with it the rounding of sums, differs from process to process.
    texts = (conversation["messages"][0]["content"], conversation["service"])
    bag = Counter(sorted({piece for text in texts for piece in pieces(text)}))
    for piece in pieces(conversation["operation"]):
        bag[piece] += OPERATION_WEIGHT
    return bag


def shares_most(question: str, names: Sequence[str]) -> int:
    """Return the place of the name that shares most pieces with the question. Ties go to the one with fewest pieces."""
    asked = set(pieces(question))

    def score(name: str) -> tuple[int, float]:
        parts = set(pieces(name))
        return len(parts & asked), -len(parts)

    return max(range(len(names)), key=lambda place: score(names[place]))
