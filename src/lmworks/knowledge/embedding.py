"""Vectors of passages and questions. The sentence encoder that makes them is stored in the collection."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lmworks.lazy import NDArray, np
from lmworks.model.device import CPU

if TYPE_CHECKING:
    from lmworks.engines.protocol import Engine

ENCODER, VECTORS = "encoder", "vectors.npy"


def embed(encoder: Path, texts: Sequence[str], device: str = CPU) -> NDArray[np.float32]:
    """Return a vector of length 1 for each text [N, D]. Only the beginning of a long text is read.

    Raises LmworksError if the model cannot make vectors.
    """
    known = [text.encode("utf-8", "replace").decode() for text in texts]  # half a surrogate pair is no letter
    return np.array([each.vector for each in _open(encoder, device).embed(known)], np.float32)


def as_file(vectors: NDArray[np.float32]) -> bytes:
    """Return vectors as the bytes of a `.npy` file."""
    stream = io.BytesIO()
    np.save(stream, vectors)
    return stream.getvalue()


def files_of(encoder: Path) -> Iterator[Path]:
    """Yield the files of a model folder that are needed to make vectors, and its licences."""
    wanted = ("config.json", "tokenizer.json", "model.safetensors", "LICENSE*", "NOTICE*")
    return (path for pattern in wanted for path in sorted(encoder.glob(pattern)))


@cache
def _open(encoder: Path, device: str) -> Engine:
    from lmworks.engines.open import open_engine

    return open_engine(encoder, device=device)
