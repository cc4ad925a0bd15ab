"""Record in a store of the shards that were searched for erased values, so that builds search only other shards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.units import Unit

SEARCHED = "searched.json"
"""File in a store: digests of values in their order of noting, and for how many of these each file was searched."""


class Searched:
    """Record of a store. Without a store, it is empty and notes nothing."""

    def __init__(self, root: Path | None) -> None:
        self._path = root / SEARCHED if root else None
        self._values: list[str] = []
        self._files: dict[str, int] = {}
        self._is_changed = False
        if self._path and self._path.exists():
            try:
                found = json.loads(self._path.read_text(encoding="utf-8"))
                self._values, self._files = list(found["values"]), dict(found["files"])
            except (ValueError, KeyError, TypeError):  # damaged: all is searched again
                self._values, self._files = [], {}

    def values_of(self, unit: Unit) -> set[str]:
        """Return the digests of the values that a unit's shards and its record were searched for."""
        return set(self._values[: min((self._files.get(digest, 0) for digest in _digests(unit)), default=0)])

    def note(self, unit: Unit, values: Iterable[str]) -> None:
        """Note that a unit was also searched for these values, and does not hold them."""
        known = self.values_of(unit).union(values)
        self._values += sorted(known.difference(self._values))
        count = sum(1 for _ in takewhile(known.__contains__, self._values))
        for digest in _digests(unit):
            if self._files.get(digest, 0) < count:
                self._files[digest] = count
                self._is_changed = True

    def write(self) -> None:
        """Write the record if it has changed."""
        if self._path and self._is_changed:
            facts = {"values": self._values, "files": dict(sorted(self._files.items()))}
            write_atomically(self._path, json.dumps(facts) + "\n")


def _digests(unit: Unit) -> list[str]:
    return [unit.entry.record, *unit.entry.files.values()]
