"""Near-duplicates across a split: found to keep them together, or to refuse a split that parts them.

Signatures of all documents are held in memory, 512 bytes each; their shingles stay on disk until two documents are
compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.data.documents import read_shard, write_file
from lmworks.data.duplicates import Clusters, candidate_buckets, jaccard, shingles, signature
from lmworks.data.steps import Parts, Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARGIN = 0.15
"""Pairs whose signatures agree in this much less than the threshold are compared too: four standard errors."""


def hash_shard(folder: Path, numbered: tuple[int, Path]) -> tuple[Parts, Tally]:
    """Store the ids, signatures and shingles of one shard."""
    import io

    import numpy as np

    index, shard = numbered
    documents = read_shard(shard)
    sets = [shingles(document.text) for document in documents]
    columns = {
        "ids": np.array([document.id.encode() for document in documents]),
        "signatures": np.stack([signature(each) for each in sets]),
        "shingles": np.concatenate(sets),
        "ends": np.cumsum([len(each) for each in sets]),
    }
    for name, column in columns.items():
        stream = io.BytesIO()
        np.save(stream, column)
        write_file(folder / f"{index:05d}.{name}.npy", stream.getvalue())
    return {}, Tally()


@dataclass(frozen=True)
class Leak:
    """A held-out document and the most alike one that is trained on."""

    held_out: str
    train: str
    likeness: float
    """Jaccard similarity of their 5-word shingles."""


class Neighbours:
    """What `hash_shard` stored of every document [N], in the order of shards."""

    def __init__(self, folder: Path) -> None:
        import numpy as np

        self.signatures: NDArray[np.uint32] = np.concatenate(self._columns(folder, "signatures"))
        self.ids: NDArray[np.bytes_] = np.concatenate(self._columns(folder, "ids"))
        self._ends = self._columns(folder, "ends")
        self._shingles = self._columns(folder, "shingles")

    @staticmethod
    def _columns(folder: Path, name: str) -> list[NDArray[Any]]:
        import numpy as np

        return [np.load(path, mmap_mode="r") for path in sorted(folder.glob(f"*.{name}.npy"))]

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        import numpy as np

        return np.cumsum([0, *(len(ends) for ends in self._ends)])

    def shingles(self, row: int) -> NDArray[np.uint64]:
        """The shingles of one document."""
        import numpy as np

        shard = int(np.searchsorted(self._places, row, side="right")) - 1
        place, ends = row - int(self._places[shard]), self._ends[shard]
        found: NDArray[np.uint64] = self._shingles[shard][ends[place - 1] if place else 0 : ends[place]]
        return found

    def likeness(self, row: int, others: NDArray[np.int64], threshold: float) -> NDArray[np.float64]:
        """Jaccard similarity of a document with others; 0 where it is surely below the threshold."""
        import numpy as np

        found = np.zeros(len(others))
        agree = (self.signatures[others] == self.signatures[row]).mean(axis=1)
        for place in np.flatnonzero(agree >= threshold - MARGIN):
            found[place] = jaccard(self.shingles(row), self.shingles(int(others[place])))
        return np.where(found >= threshold, found, 0.0)

    def join(self, units: NDArray[np.int64], threshold: float) -> list[int]:
        """The first group that each group [G] is connected with by near-duplicates, given each document's group [N]."""
        clusters = Clusters(int(units.max()) + 1)
        for bucket in candidate_buckets(self.signatures, threshold):
            waiting = bucket
            while len(waiting) > 1:  # linear in the bucket if all are alike, as in a flood of copies
                reached, waiting = [int(waiting[0])], waiting[1:]
                while reached and len(waiting):
                    row = reached.pop()
                    alike = self.likeness(row, waiting, threshold) > 0
                    for other in waiting[alike].tolist():
                        clusters.join(int(units[row]), int(units[other]))
                        reached.append(other)
                    waiting = waiting[~alike]
        return [clusters.find(group) for group in range(len(clusters.parents))]

    def leaks(self, parts: NDArray[np.int64], train: int | None, threshold: float) -> list[Leak]:
        """Held-out documents with a neighbour at or above the threshold in the part that is trained on.

        `parts` is the part of each document [N]. Without a `train` part, as in cross-validation, every other part is
        trained on.
        """
        nearest: dict[int, tuple[float, int]] = {}
        for row, others in self._across(parts, train, threshold):
            found = self.likeness(row, others, threshold)
            best = int(found.argmax())
            if found[best] > nearest.get(row, (0.0, 0))[0]:
                nearest[row] = float(found[best]), int(others[best])
        return [
            Leak(self.ids[row].decode(), self.ids[other].decode(), likeness)
            for row, (likeness, other) in sorted(nearest.items())
        ]

    def _across(
        self, parts: NDArray[np.int64], train: int | None, threshold: float
    ) -> Iterator[tuple[int, NDArray[np.int64]]]:
        for bucket in candidate_buckets(self.signatures, threshold):
            inside = parts[bucket]
            if (inside == inside[0]).all():
                continue
            for row, part in zip(bucket.tolist(), inside.tolist(), strict=True):
                others = bucket[inside != part] if train is None else bucket[inside == train]
                if part != train and len(others):
                    yield row, others


def describe_leaks(leaks: Sequence[Leak], shown: int = 10) -> str:
    """The most alike pairs in words."""
    ordered = sorted(leaks, key=lambda leak: (-leak.likeness, leak.held_out))
    pairs = [f"{leak.held_out} and {leak.train} ({leak.likeness:.2f})" for leak in ordered[:shown]]
    return ", ".join(pairs) + (f" and {len(leaks) - shown} more" if len(leaks) > shown else "")
