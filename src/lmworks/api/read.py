"""The output of a step, as typed records or as a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmworks.data.shards.records import Document, Documents
from lmworks.data.tuning.conversations import Conversations, is_conversations
from lmworks.data.tuning.preferences import Preference, Preferences
from lmworks.errors import LmworksError, UsageError
from lmworks.evaluate.items import Evaluation, fields_of
from lmworks.extras import MissingPackage, absent, remedy
from lmworks.lazy import pa
from lmworks.pipeline.record import split_reference
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built

if TYPE_CHECKING:
    import pandas

Record = Document | Preference | dict[str, Any]
"""A document, a judgement, or a dict: a conversation (`id`, `messages`, `document` …) or an item of an evaluation."""
HOLD_RECORDS = re.compile(r"(?:(.*)/)?(?:conversations\.jsonl|preferences\.jsonl|items\.jsonl|part-\d+\.parquet)")
"""Pattern of paths of an artifact's files that hold records. Its group is the part, such as `train`."""


@dataclass(frozen=True)
class Records(Iterable[Record]):
    """The records of a step, which are read during iteration. `read_records` makes such an object."""

    artifact: Artifact
    part: str = ""

    def __iter__(self) -> Iterator[Record]:
        path, digest = self.artifact.path(self.part), self.artifact.digest(self.part)
        if is_conversations(made := Conversations(path, digest)):
            yield from made.iterate()
        elif (path / "preferences.jsonl").exists():
            yield from Preferences(path, digest).iterate()
        elif (path / "items.jsonl").exists():
            yield from Evaluation(path, digest).items()
        else:
            yield from Documents(path, digest).iterate()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each record as a dict of its fields. A document also has the fields that its source had to `keep`."""
        for record in self:
            if isinstance(record, Document):
                yield {"id": record.id, **fields_of(record)}
            else:
                yield record.as_json() if isinstance(record, Preference) else record

    def to_arrow(self) -> pa.Table:
        """Return all rows as a table in memory. Raises `LmworksError` if a field has values of several types."""
        rows = list(self.rows())
        columns = dict.fromkeys(name for row in rows for name in row)
        table = {}
        for name in columns:
            try:
                table[name] = pa.array([row.get(name) for row in rows])
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise LmworksError(f"field {name}: {error}. Use `rows()` instead") from error
        return pa.table(table)

    def to_pandas(self) -> pandas.DataFrame:
        """Return all rows as a pandas data frame. Raises `MissingPackage` if pandas is not installed."""
        if absent(["pandas"]):
            raise MissingPackage(f"a data frame needs pandas, which is not installed: {remedy(['pandas'])}")
        found: pandas.DataFrame = self.to_arrow().to_pandas()
        return found


def read_records(store: Store, step: str) -> Records:
    """Return the records of a step of the last build, or of a part of it. Raises UsageError if there are none."""
    name, part = split_reference(step)
    artifact = Built.open(store).artifacts.get(name) or store.named(name)
    places = {found[1] or "" for path in artifact.manifest.files if (found := HOLD_RECORDS.fullmatch(path))}
    if part not in places:
        known = ", ".join(f"{name}.{each}" if each else name for each in sorted(places))
        raise UsageError(
            f"{step!r} holds no records; {f'expected {known}' if known else f'{artifact.stage} makes none'}"
        )
    artifact.require_sound(part)
    return Records(artifact, part)
