"""Packed token rows: what a trainer reads, made beforehand so that a position in the data is a function of the step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Handle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class PackedRows:
    """Rows of `sequence_length + 1` tokens: inputs are all but the last, targets all but the first.

    A segment (a document, a conversation) begins at every <|endoftext|>.
    """

    tokens: Rows
    weights: Rows
    """1 where the token is a trained target."""
    sequence_length: int
    vocab_size: int
    tokenizer_digest: str
    bytes_of_text: int

    @property
    def trained_tokens(self) -> int:
        """Targets that count in one pass."""
        return int(self.weights[:, 1:].sum())


@dataclass(frozen=True)
class Shards(Handle):
    """A folder with `tokens.npy`, `weights.npy`, `ids.txt` and `shards.json`."""

    def open(self) -> PackedRows:
        """Map the rows; nothing is read until it is used."""
        import numpy as np

        facts = json.loads((self.path / "shards.json").read_text())
        tokens, weights = (np.load(self.path / f"{name}.npy", mmap_mode="r") for name in ("tokens", "weights"))
        names = ("sequence_length", "vocab_size", "tokenizer_digest", "bytes_of_text")
        return PackedRows(tokens, weights, **{name: facts[name] for name in names})


def write_rows(out: Path, tokens: Rows, weights: Rows, ids: Sequence[str], **facts: int | str) -> dict[str, int]:
    """Write the four files; gives the counts among the facts."""
    import numpy as np

    if not len(tokens):
        raise LmworksError("no rows: no text is left, or all of it is longer than a row; see the steps before this one")
    out.mkdir(parents=True, exist_ok=True)
    kind = np.uint16 if int(facts["vocab_size"]) <= 1 << 16 else np.uint32
    np.save(out / "tokens.npy", tokens.astype(kind))
    np.save(out / "weights.npy", weights.astype(np.uint8))
    (out / "ids.txt").write_text("".join(f"{name}\n" for name in sorted(set(ids))))
    counts = {
        "rows": len(tokens),
        "sequence_length": tokens.shape[1] - 1,
        "tokens": tokens.shape[0] * (tokens.shape[1] - 1),
        "trained_tokens": int(weights[:, 1:].sum()),
    }
    (out / "shards.json").write_text(json.dumps({**counts, **facts}, indent=1, sort_keys=True) + "\n")
    return counts | {name: value for name, value in facts.items() if isinstance(value, int) and name != "vocab_size"}


def row_numbers(rows: int, seed: int, first: int, count: int) -> Rows:
    """Which rows the `count` places from `first` on hold, counted over all epochs: each epoch is a permutation."""
    import numpy as np

    places = np.arange(first, first + count)
    return np.array([_permutation(rows, seed, int(place // rows))[place % rows] for place in places])


@lru_cache(maxsize=2)
def _permutation(rows: int, seed: int, epoch: int) -> Rows:
    import numpy as np

    return np.random.default_rng([seed, epoch]).permutation(rows)
