"""Settings that name fields of records: a field missing in a record is counted, one missing in all is an error."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import Any

from lmworks.data.base.structure import THERE, paths_of, reach, value_at
from lmworks.data.shards.records import Document
from lmworks.errors import UsageError

MOST_FIELDS = 60
"""Maximum number of existing fields that an error about a missing field names."""


@dataclass
class Seen:
    """Record of which fields that settings name have been seen in records."""

    wanted: Mapping[str, str]
    """Path that each setting names, by the setting's name in counts, such as `licence_field` or `keep: price`."""
    records: int = 0
    rows: int = 0
    """Number of these records that have fields."""
    unread: int = 0
    """Number of records that could not be read, whose fields are unknown."""
    reached: dict[str, list[int]] = field(default_factory=dict)
    """Levels by setting: how far its path leads to an empty value, and to a missing name (see `structure.reach`)."""
    fields: dict[str, None] = field(default_factory=dict)

    def see(self, row: Mapping[str, Any] | None, empty: Iterable[str], meta: Mapping[str, Any]) -> list[str]:
        """Return the settings that found nothing in a record. A record without fields (`row` None) has only `meta`."""
        self.records += 1
        if row is None:
            kept = {name for name, path in self.wanted.items() if name.startswith("keep") and path in meta}
            self.reached |= {name: [THERE, 0] for name in kept}
            return [name for name in self.wanted if name not in kept]
        self.rows += 1
        lacking = [name for name in empty if name in self.wanted]
        self.look(row, lacking)
        return lacking

    def look(self, row: Mapping[str, Any], lacking: Collection[str]) -> None:
        """Note the fields of a record in which the settings `lacking` found nothing."""
        for name, path in self.wanted.items():
            far = self.reached.setdefault(name, [0, 0])
            if far[0] == THERE:
                continue
            level, is_open = reach(row, path) if name in lacking else (THERE, True)
            far[not is_open] = max(far[not is_open], level)
            if level != THERE and len(self.fields) < MOST_FIELDS:
                self.fields |= dict.fromkeys(islice(paths_of(row), MOST_FIELDS))

    def facts(self) -> dict[str, Any]:
        """Return the facts for `refuse_unmet`, as JSON."""
        numbers = {name: getattr(self, name) for name in ("records", "rows", "unread")}
        return {**numbers, "reached": self.reached, "fields": [*self.fields]}


def refuse_unmet(wanted: Mapping[str, str], units: Sequence[Mapping[str, Any]], where: str, what: str) -> None:
    """Raise UsageError for a setting that names a field that no record has. Name the nearest and all existing fields.

    `units` are the `Seen.facts` of all records. A field that exists but is empty is no error. Nor is a missing field if
    no record with fields could be read.
    """
    records, rows, unread = (sum(unit[name] for unit in units) for name in ("records", "rows", "unread"))
    unmet = [name for name in wanted if not _may_be_there([unit["reached"].get(name, [0, 0]) for unit in units])]
    if not unmet or not (rows or (records and not unread)):
        return
    from lmworks.data.personal.hidden import hide

    fields = [*dict.fromkeys(hide(name) for unit in units for name in unit["fields"])]
    setting, path = unmet[0].partition(":")[0], wanted[unmet[0]]
    nearest = get_close_matches(path, fields, 1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    shown = ", ".join(fields[:MOST_FIELDS]) + ", …" * (len(fields) > MOST_FIELDS)
    has = f"They have {shown}" if hint else f"they have {shown or 'no fields'}"
    raise UsageError(
        f"{where}`{setting}` names {path!r}, which none of its {records:,} {what} has: {hint}{has}. Fix the name, or "
        "leave it out"
    )


def require_fields(wanted: Mapping[str, str], records: Iterable[Document | Mapping[str, Any]], where: str) -> None:
    """Raise UsageError, as `refuse_unmet` does, for a setting that names a field that no record has, before any work.

    Reading stops as soon as every field was seen once.
    """
    seen, left, what = Seen(wanted), {*wanted}, "documents"
    for record in records if left else ():
        if isinstance(record, Document):
            row, find = {**record.meta, **record.row()}, record.value
        else:
            row, find, what = {**record}, partial(value_at, record), "records"
        lacking = [name for name, path in wanted.items() if find(path) in (None, "")]
        seen.see(row, lacking, {})
        left.intersection_update(lacking)
        if not left:
            return
    refuse_unmet(wanted, [seen.facts()], f"{where}: ", what)


def _may_be_there(reached: Sequence[Sequence[int]]) -> bool:
    """Return whether a record has the field, or an empty value is at least as far along its path as a missing name."""
    empty, nameless = (max((far[side] for far in reached), default=0) for side in (0, 1))
    return empty >= max(nameless, 1)
