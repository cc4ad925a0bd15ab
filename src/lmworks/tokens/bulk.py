"""Encoder of many texts at once. It uses `fastokens` while its ids agree with `tokenizers`, else `tokenizers`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lmworks.lazy import NDArray, np
from lmworks.tokens.tokenizer import Tokenizer

SAMPLE_CHARACTERS = 2_000
"""Number of characters of each text that are compared. `tokenizers` takes about 10 ms for 16 texts."""
HOSTILE = (
    *("", " ", "\n\n\n \t x", "a\r\nb\u00a0c\u3000d\u2028e", "don't DON'T 'S 1234567890 ½ ² ٣", "\x00\x7f\u200d\ufeff"),
    *("<|endoftext|>a<|im_end|>b<|im_start|>", "e\u0301é ﬁ İ ß 日本語 ไทย 한국 👩‍👩‍👧 🇩🇪", "▁Ġ<0x0A>##a", "a" * 300),
)
"""Texts that are always compared, because libraries are known to encode them differently."""


class BulkEncoder:
    """Encoder of many texts into one array of ids, like `Tokenizer.encode`."""

    def __init__(self, tokenizer: Tokenizer, fast: bool = True) -> None:
        self._tokenizer = tokenizer
        self._fast: Any = None
        self.fallback = ""
        """Reason why `fastokens` is not used. Empty while it is used."""
        if not fast:
            return
        try:
            from fastokens import Tokenizer as Fast

            self._fast = Fast.from_json_str(tokenizer.to_json())
        except ImportError:
            self.fallback = "fastokens is not installed"
        except ValueError as error:
            self.fallback = f"fastokens cannot read this tokenizer: {error}"
        self.check(HOSTILE)

    def check(self, texts: Sequence[str]) -> None:
        """Compare both libraries on the beginning of each text. After a difference, use only `tokenizers`."""
        samples = [text[:SAMPLE_CHARACTERS] for text in texts]
        if self._fast is None or not samples:
            return
        ids, edges = self.encode(samples)
        found = [ids[start:end].tolist() for start, end in pairwise(edges)]
        if found != self._tokenizer.encode_batch(samples):
            self._fast = None
            self.fallback = "fastokens gives other ids than tokenizers on a sample of the documents"

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the ids of N texts in one array, and the places where each text begins and the last ends [N + 1]."""
        if self._fast is not None:
            raw, edges = self._fast.encode_batch_flat(list(texts), split_special_tokens=True)
            return np.frombuffer(raw, np.uint32), np.frombuffer(edges, np.uint64).astype(np.int64)
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([token for each in encoded for token in each], np.uint32)
        return ids, np.cumsum([0, *map(len, encoded)], dtype=np.int64)
