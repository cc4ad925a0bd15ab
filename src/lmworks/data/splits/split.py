"""Split: whole groups of documents into train, validation and test, or into folds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lmworks.data.records import Document, Documents, clusters_of, read_columns, read_shard
from lmworks.data.splits.assignment import assign_alike, topic_names
from lmworks.data.splits.groups import TOPIC_CLUSTER, SplitConfig, assign
from lmworks.data.steps import Parts, Tally, keep_beside, map_units, origins_of
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json, digest_text, write_atomically
from lmworks.pipeline.stage import Context, Result, stage


@stage(version=5, reads="documents")
def split(config: SplitConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Assign each group by the sha256 of its name: the lowest are the test part, the next the validation part.

    So a group's part does not depend on the order or content of documents, nor, where shares are held out, on what
    other groups there are. Near copies that `curate` kept for their facts join the groups that they are in.
    Documents that lack the field `by` are trained on. `groups.json` lists the groups held out, `balance.json` how far
    parts that were balanced differ from the whole. Raises GateRefused if the leak test finds a pair.
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
            context.log(f"{part} groups ({len(members)}): {', '.join(members[:100])}")
        tally.examples.append({"reason": f"{part} groups", "groups": members[:100]})
    return Result(figures=figures, counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _names(config: SplitConfig, documents: Documents, context: Context) -> list[list[str | None]]:
    """The name of each document's group, shard by shard; None if it has none."""
    if config.by == TOPIC_CLUSTER:
        return topic_names(config, documents, context)
    work = partial(_name_groups, config)
    folder = keep_beside(documents.shards(), work, context, "names", config.by, config.folds, threads=True)
    known: dict[str, str] = {}  # one string a group, not one a document
    found = (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
    return [[name and known.setdefault(name, name) for name in names] for names in found]


def _name_groups(config: SplitConfig, shard: Path) -> Iterator[tuple[str, bytes]]:
    """The group of each document of one shard."""
    column = config.by if config.by in ("id", "source") else "meta"
    table = read_columns(shard, sorted({"id", column, "structure"}))
    rows: Iterable[tuple[str, Any]]
    if column == "meta" and "structure" in table.column_names:
        rows = ((document.id, document.value(config.by)) for document in read_shard(shard))
    else:
        rows = zip(*(table.column(name).to_pylist() for name in ("id", column)), strict=True)
        rows = ((name, json.loads(value).get(config.by) if column == "meta" else value) for name, value in rows)
    names: list[str | None] = []
    for document, name in rows:
        name = document if name is None and config.folds else name
        names.append(None if name is None else str(name))
    yield "json", json.dumps(names).encode()


def split_shard(config: SplitConfig, unit: tuple[Path, Sequence[str | None]]) -> tuple[Parts, Tally]:
    """One shard of `split`, with the part of each of its documents; None for one that lacks the field."""
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
