"""Ids of many texts at once: by `fastokens` as long as it agrees with `tokenizers`, else by `tokenizers`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lmworks.lazy import NDArray, np
from lmworks.tokens.tokenizer import Tokenizer

SAMPLE_CHARACTERS = 2_000
"""Characters of each text that is compared. `tokenizers` takes about 10 ms for 16 texts."""
HOSTILE = (
    *("", " ", "\n\n\n \t x", "a\r\nb\u00a0c\u3000d\u2028e", "don't DON'T 'S 1234567890 ½ ² ٣", "\x00\x7f\u200d\ufeff"),
    *("<|endoftext|>a<|im_end|>b<|im_start|>", "e\u0301é ﬁ İ ß 日本語 ไทย 한국 👩‍👩‍👧 🇩🇪", "▁Ġ<0x0A>##a", "a" * 300),
)
"""Compared in any case: where libraries are known to part."""


class BulkEncoder:
    """`Tokenizer.encode` for many texts, into one array."""

    def __init__(self, tokenizer: Tokenizer, fast: bool = True) -> None:
        self._tokenizer = tokenizer
        self._fast: Any = None
        self.fallback = ""
        """Why `fastokens` is not used; empty while it is."""
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
        """Compare both libraries on the beginning of each text; from a difference on, only `tokenizers` is used."""
        samples = [text[:SAMPLE_CHARACTERS] for text in texts]
        if self._fast is None or not samples:
            return
        ids, edges = self.encode(samples)
        found = [ids[start:end].tolist() for start, end in pairwise(edges)]
        if found != self._tokenizer.encode_batch(samples):
            self._fast = None
            self.fallback = "fastokens gives other ids than tokenizers on a sample of the documents"

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the ids of N texts behind one another, and where each begins and the last ends [N + 1]."""
        if self._fast is not None:
            raw, edges = self._fast.encode_batch_flat(list(texts), split_special_tokens=True)
            return np.frombuffer(raw, np.uint32), np.frombuffer(edges, np.uint64).astype(np.int64)
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([token for each in encoded for token in each], np.uint32)
        return ids, np.cumsum([0, *map(len, encoded)], dtype=np.int64)
