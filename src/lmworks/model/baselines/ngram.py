"""A byte n-gram model with interpolated modified Kneser–Ney smoothing (Chen and Goodman 1998, section 5).

The probability of a byte w after the context h = the n - 1 bytes before it is

    p(w | h) = max(c(hw) - D(c(hw)), 0) / c(h·)  +  γ(h) p(w | h without its first byte)

where γ(h) returns the discounted mass, and the chain ends at 1/256. The highest order counts occurrences. Lower orders
count the different bytes before an n-gram. Every document begins after n - 1 zero bytes, which are never predicted. An
n-gram is one integer whose lowest byte is w, so that counting is a sort, and a look-up is a binary search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmworks.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.uint64]
    Floats = NDArray[np.float64]

ORDER = 5
"""Usual order of such a model. It takes a few seconds on 17 MB of text."""
FALLBACK = (0, 0.5, 1, 1.5)
"""Discounts from KenLM's `--discount_fallback`, for texts whose counts of counts give none (few symbols or texts)."""
_BYTE = 8


@dataclass(frozen=True)
class Order:
    """Counts of the n-grams of one length. Both lists of codes are sorted."""

    ngrams: Codes
    share: Floats
    """Discounted count of each n-gram, divided by the total of its context."""
    contexts: Codes
    back_off: Floats
    """Factor γ of each context: the probability that its discounts leave for the lower order."""


@dataclass(frozen=True)
class NgramModel:
    """Counts of all orders, the lowest first."""

    orders: Sequence[Order]

    @classmethod
    def fit(cls, documents: Sequence[bytes], order: int = 5) -> NgramModel:
        """Count n-grams up to `order`, at most 8 (they must fit 64 bits). It takes about 30 bytes of memory per byte of
        text."""
        if not 1 <= order <= 8:
            raise ValueError(f"order {order}: expected 1 to 8")
        ngrams, counts = np.unique(_codes(documents, order), return_counts=True)
        orders = [_order(ngrams, counts)]
        for length in range(order - 1, 0, -1):
            # A lower order counts each n-gram once for every different byte before it.
            ngrams, counts = np.unique(ngrams & np.uint64((1 << 8 * length) - 1), return_counts=True)
            orders.insert(0, _order(ngrams, counts))
        return cls(orders)

    def bits(self, documents: Sequence[bytes]) -> list[float]:
        """Return -log2 of each document's probability, given its length."""
        codes = _codes(documents, len(self.orders))
        ends = np.cumsum([0, *map(len, documents)])
        total = np.concatenate([[0.0], np.cumsum(-np.log2(self.probabilities(codes)))])
        return [float(bits) for bits in np.diff(total[ends])]

    def probabilities(self, codes: Codes) -> Floats:
        """Return the probability of each code's lowest byte after the bytes above it."""
        result = np.full(len(codes), 1 / 256)
        for length, order in enumerate(self.orders, start=1):
            ngrams = codes & np.uint64((1 << 8 * length) - 1)
            # A context never seen says nothing, which leaves the lower order's probability as it is.
            result *= _look_up(order.contexts, order.back_off, ngrams >> np.uint64(_BYTE), missing=1.0)
            result += _look_up(order.ngrams, order.share, ngrams, missing=0.0)
        return result


def _codes(documents: Sequence[bytes], order: int) -> Codes:
    """Return the n-gram that ends at each byte of the documents, one document after another."""
    padding = order - 1
    text = np.frombuffer(b"".join(bytes(padding) + document for document in documents), np.uint8)
    codes = np.zeros(len(text) - padding, np.uint64)
    for place in range(order):
        codes <<= np.uint64(_BYTE)
        codes |= text[place : place + len(codes)]
    lengths = np.stack([np.full(len(documents), padding), [len(document) for document in documents]], axis=1)
    is_document = np.repeat(np.tile([False, True], len(documents)), lengths.ravel())
    documents_only: Codes = codes[is_document[padding:]]
    return documents_only


def _order(ngrams: Codes, counts: NDArray[np.int64]) -> Order:
    contexts, first = np.unique(ngrams >> np.uint64(_BYTE), return_index=True)
    totals = np.add.reduceat(counts, first)
    discounts = np.asarray(_discounts(counts))[np.minimum(counts, 3)]
    sizes = np.diff([*first, len(ngrams)])
    return Order(
        ngrams=ngrams,
        share=(counts - discounts) / np.repeat(totals, sizes),
        contexts=contexts,
        back_off=np.add.reduceat(discounts, first) / totals,
    )


def _discounts(counts: NDArray[np.int64]) -> Sequence[float] | Floats:
    """Return the discounts of counts 1, 2 and 3 or more, at index 1 to 3 (Chen and Goodman 1998, equation 26)."""
    one, two, three, four = (int((counts == count).sum()) for count in range(1, 5))
    if not (one and two and three):
        return FALLBACK
    y = one / (one + 2 * two)
    found = np.array([0, 1 - 2 * y * two / one, 2 - 3 * y * three / two, 3 - 4 * y * four / three])
    return found if np.all((found >= 0) & (found <= np.arange(4))) else FALLBACK


def _look_up(keys: Codes, values: Floats, wanted: Codes, missing: float) -> Floats:
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], missing)
