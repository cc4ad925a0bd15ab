"""Split: whole groups of documents into train, validation and test, or into folds."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, NoReturn

from lmworks.data.shards.records import Document, Documents, clusters_of, read_columns, read_shard
from lmworks.data.shards.steps import Parts, Tally, keep_beside, map_units, origins_of
from lmworks.data.splits.assignment import assign_alike
from lmworks.data.splits.groups import OWN, SplitConfig, assign, group_name
from lmworks.errors import UsageError
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json, digest_text, write_atomically
from lmworks.pipeline.stage import Context, Result, stage

FIELDS_SHOWN = 30
NAMED_GROUPS = 8
"""Number of groups of a held-out part that the log of a build names."""


@stage(version=7, reads="documents")
def split(config: SplitConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Assign each group by the sha256 of its name: the lowest are the test part, the next the validation part.

    So a group's part does not depend on the order or content of documents. With shares, it does not depend on other
    groups either. Near copies that `curate` kept for their digits join the groups that they are in. Documents without
    the field `by` are trained on. `groups.json` lists the held-out groups, `balance.json` how far balanced parts differ
    from the whole. Raises GateRefused if the leak test finds a pair.
    """
    names = _names(config, documents, context)
    figures: list[Figure] = []
    together = clusters_of(documents.shards())
    if config.is_plain and not together:
        part_of = assign({name for shard in names for name in shard if name is not None}, config, context.log)
    else:
        part_of, figures = assign_alike(config, documents, names, together, out, context)
    shards = documents.shards()
    parts = [[None if name is None else part_of.get(name, "train") for name in each] for each in names]
    origins = [
        replace(origin, settings=[config.by, config.output_parts(), digest_text(canonical_json(of_shard))])
        for origin, of_shard in zip(origins_of(shards), parts, strict=True)
    ]
    units, work = list(zip(shards, parts, strict=True)), partial(split_shard, config)
    tally = map_units(units, work, out, context, config.output_parts(), origins=origins)
    held_out = {part: sorted(name for name in part_of if part_of[name] == part) for part in config.held_out()}
    groups = len({name for shard in names for name in shard if name is not None})
    listing = {"by": config.by, "groups": groups, **held_out}
    write_atomically(out / "groups.json", (json.dumps(listing, indent=1, ensure_ascii=False) + "\n").encode())
    for part, members in held_out.items():
        tally.counts[f"{part} groups"] = len(members)
        if config.by != "id":  # digests tell a reader nothing
            more = f" and {len(members) - NAMED_GROUPS:,} more (groups.json)" if len(members) > NAMED_GROUPS else ""
            context.log(f"{part} groups ({len(members):,}): {', '.join(members[:NAMED_GROUPS])}{more}")
        tally.examples.append({"reason": f"{part} groups", "groups": members[:100]})
    return Result(figures=figures, counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _names(config: SplitConfig, documents: Documents, context: Context) -> list[list[str | None]]:
    """Return the name of each document's group, shard by shard. None for a document without a group."""
    work = partial(_name_groups, config)
    folder = keep_beside(documents.shards(), work, context, "group-names", config.by, config.folds, threads=True)
    known: dict[str, str] = {}  # one string a group, not one a document
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if found and not any(each["found"] for each in found):
        _refuse(config.by, dict.fromkeys(name for each in found for name in each["fields"]))
    return [[name and known.setdefault(name, name) for name in each["names"]] for each in found]


def _refuse(by: str, fields: Iterable[str]) -> NoReturn:
    names = [*dict.fromkeys([*OWN, *fields])]
    close = difflib.get_close_matches(by, names, n=1)
    raise UsageError(
        f"split: no document has a field {by!r}, which `by` names. Documents have "
        f"{', '.join(names[:FIELDS_SHOWN])}; add a source's other fields to its `keep` or `fields`"
        f"{f'; did you mean {close[0]!r}?' if close else ''}"
    )


def _name_groups(config: SplitConfig, shard: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the group of each document of one shard, whether any document has one, and the fields of documents."""
    own = config.by if config.by in OWN else "id"
    table = read_columns(shard, sorted({"id", "meta", "structure", own}))
    rows: Iterable[Any] = map(json.loads, table.column("meta").to_pylist())
    if config.by in ("id", "source"):
        rows = repeat({}, len(table))
    elif "structure" in table.column_names:
        rows = ({**document.row(), **document.meta} for document in read_shard(shard))
    names: list[str | None] = []
    fields: dict[str, None] = {}
    has_any = False
    for document, value, row in zip(*(table.column(name).to_pylist() for name in ("id", own)), rows, strict=True):
        name = group_name(config.by, _told(row, config.by), value if config.by in OWN else None)
        if len(fields) < FIELDS_SHOWN:
            fields |= dict.fromkeys(row)
        names.append(name)
        if name is None and config.folds:
            names[-1] = document
        elif name is not None:
            has_any = True
    yield "json", json.dumps({"names": names, "found": has_any, "fields": [*fields]}).encode()


def _told(row: Any, by: str) -> Any:
    """Return the value of a field, or of several fields with commas between them. Some of these can be empty."""
    if ", " not in by or (isinstance(row, Mapping) and by in row):
        return _inside(row, by)
    values = [_inside(row, name) for name in by.split(", ")]
    return None if all(value is None for value in values) else " | ".join("" if v is None else str(v) for v in values)


def _inside(row: Any, name: str) -> Any:
    """Return the value of a field, or of a path such as `patient.id`."""
    if not isinstance(row, Mapping) or name in row:
        return row.get(name) if isinstance(row, Mapping) else None
    first, _, rest = name.partition(".")
    return _inside(row.get(first), rest) if rest else None


def split_shard(config: SplitConfig, unit: tuple[Path, Sequence[str | None]]) -> tuple[Parts, Tally]:
    """Sort the documents of one shard into parts, given each one's part. Without one, a document is trained on."""
    shard, part_of = unit
    parts: dict[str, list[Document]] = {part: [] for part in config.output_parts()}
    tally = Tally()
    for document, part in zip(read_shard(shard), part_of, strict=True):
        if part is None:
            tally.note(f"no field {config.by!r}: trained on", id=document.id, path=document.meta.get("path"))
            part = "train"
        parts[part].append(document)
        tally.counts[f"{part} documents"] += 1
        tally.counts[f"{part} bytes"] += len(document.text.encode())
    return parts, tally
