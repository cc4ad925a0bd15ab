"""The n-gram model's probabilities are exact."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmworks.model.baselines import ngram
from lmworks.model.baselines.ngram import NgramModel

TEXTS = st.lists(st.text("ab c\n", max_size=40).map(str.encode), min_size=1, max_size=5).filter(any)


def by_the_book(train: Sequence[bytes], text: bytes, n: int, discounts: Sequence[float]) -> float:
    """-log2 p of a text under interpolated modified Kneser-Ney, in plain dictionaries."""
    counts: dict[bytes, float] = defaultdict(float)
    for document in train:
        padded = bytes(n - 1) + document
        for end in range(n, len(padded) + 1):
            counts[padded[end - n : end]] += 1
    orders = [counts]
    while len(next(iter(orders[0]))) > 1:
        lower: dict[bytes, float] = defaultdict(float)
        for gram in orders[0]:
            lower[gram[1:]] += 1
        orders.insert(0, lower)

    def probability(gram: bytes) -> float:
        if not gram:
            return 1 / 256
        table = orders[len(gram) - 1]
        seen = [count for other, count in table.items() if other[:-1] == gram[:-1]]
        if not seen:
            return probability(gram[1:])
        own = table.get(gram, 0)
        mass = sum(discounts[min(int(count), 3)] for count in seen)
        return (own - discounts[min(int(own), 3)] + mass * probability(gram[1:])) / sum(seen)

    padded = bytes(n - 1) + text
    return -sum(math.log2(probability(padded[end - n : end])) for end in range(n, len(padded) + 1))


@settings(max_examples=40)
@given(TEXTS, st.text("ab d\n", min_size=1, max_size=30).map(str.encode), st.integers(1, 5))
def test_bits_equal_the_definition(train: list[bytes], text: bytes, order: int) -> None:
    discounts = np.array([0, 0.4, 0.7, 0.9])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngram, "_discounts", lambda counts: discounts)
        model = NgramModel.fit(train, order)
    assert model.bits([text, text]) == pytest.approx([by_the_book(train, text, order, discounts.tolist())] * 2)


@settings(max_examples=40)
@given(TEXTS, st.binary(min_size=4, max_size=4))
def test_probabilities_sum_to_one_after_any_context(train: list[bytes], context: bytes) -> None:
    model = NgramModel.fit(train)
    for before in (context, train[0][:4].rjust(4, b"\0"), b"\0\0\0\0"):
        codes = np.arange(256, dtype=np.uint64) | np.uint64(int.from_bytes(before) << 8)
        assert model.probabilities(codes).sum() == pytest.approx(1, abs=1e-12)


def test_discounts_are_those_of_chen_and_goodman() -> None:
    counts = np.array([1] * 40 + [2] * 12 + [3] * 6 + [4] * 3 + [9])
    y = 40 / (40 + 24)
    expected = [0, 1 - 2 * y * 12 / 40, 2 - 3 * y * 6 / 12, 3 - 4 * y * 3 / 6]
    assert ngram._discounts(counts) == pytest.approx(expected)
    assert ngram._discounts(np.array([1, 2, 5])) is ngram.FALLBACK
    assert ngram._discounts(np.array([1, 2, 3] + [4] * 9)) is ngram.FALLBACK


def test_a_document_is_scored_from_its_own_beginning() -> None:
    model = NgramModel.fit([b"Lists the buckets.", b"Lists the keys."])
    apart = [*model.bits([b"Lists a key."]), *model.bits([b"Lists the queues."])]
    assert model.bits([b"Lists a key.", b"", b"Lists the queues."]) == pytest.approx([apart[0], 0, apart[1]])


def test_text_like_the_training_text_is_cheaper() -> None:
    model = NgramModel.fit([b"Returns a list of the queues in the account."] * 20)
    bits = dict(zip("ab", model.bits([b"Returns a list of queues.", b"Zq!x ~~ 0#"]), strict=True))
    assert bits["a"] / 25 < 2 < 8 < bits["b"] / 10


def test_order_must_fit_the_integer() -> None:
    with pytest.raises(ValueError, match="order 9"):
        NgramModel.fit([b"a"], 9)
