"""Which files of sources are read, what they are, and where they are cut into what makes a shard each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from typing import Any

from lmworks.data.reader import PieceUnit, Reader, is_text, set_aside
from lmworks.data.sources.cuts import cut_files
from lmworks.data.sources.source import EXCLUDED, Piece, SourceConfig, Unreadable
from lmworks.data.steps import Parts, Tally, map_units
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context
from lmworks.pipeline.units import Origin
from lmworks.pipeline.work.workers import in_processes

NOT_READ = "not read: "
FILES = "files"
"""The pass that looks at files, before the one that reads them."""
Group = tuple[int, Sequence[str]]
"""Files of one source, by the source's number, that are read together."""


def group_files(reader: Reader, shard_bytes: int) -> tuple[list[Group], Tally]:
    """The files of all sources, cut where their names say, and what is known of files that are not read."""
    groups: list[Group] = []
    tally = Tally()
    several = len(reader.sources) > 1
    told = {place for source in reader.sources for place in source.places()} if several else set[str]()
    for number, source in enumerate(reader.sources):
        paths = []
        for path in source.paths():
            if is_text(path):
                paths.append(path)
            else:
                shown = path.encode(errors="surrogateescape").decode(errors="replace")
                set_aside(reader, tally, source, Unreadable(shown, "", 0, "the file's name is not UTF-8", b""))
        names, sizes = [source.cut_key(path) for path in paths], [_size(source, path) for path in paths]
        groups += [(number, [paths[place] for place in places]) for places in cut_files(names, sizes, shard_bytes)]
        for place, why in source.left_out():
            if place in told:  # which another source reads, or has told of
                continue
            told |= {place} if several else set()
            reason = why if why == EXCLUDED else f"{NOT_READ}{why}"
            tally.counts[reason] += 1
            tally.losses |= set() if why == EXCLUDED else {reason}
    return groups, tally


def _size(source: SourceConfig, path: str) -> int:
    try:
        return source.size(path)
    except OSError:
        return 0  # reading it fails, too, and is quarantined


def look_at_files(reader: Reader, shard_bytes: int, groups: Sequence[Group], context: Context) -> Tally:
    """Hash every file and find where it is cut, but for those that are as an earlier build saw them."""

    def origin(group: Group) -> Origin | None:
        source = reader.sources[group[0]]
        try:
            states = [(path, source.state(path)) for path in group[1]]
        except OSError:
            return None
        return Origin((), [_settings(source), shard_bytes, states])

    folder = context.beside / FILES
    origins = [origin(group) for group in groups]
    look = partial(_look_at_group, reader, shard_bytes, folder)
    units = list(enumerate(groups))
    here = replace(context, execute=in_processes)  # where the list was made: a file that is not here is nowhere
    return map_units(units, look, folder, here, (), FILES, threads=True, origins=origins)


def _look_at_group(reader: Reader, shard_bytes: int, folder: Path, unit: tuple[int, Group]) -> tuple[Parts, Tally]:
    index, (number, paths) = unit
    source, tally = reader.sources[number], Tally()
    found = []
    for path in paths:
        try:
            pieces = [astuple(piece) for piece in source.pieces(path, shard_bytes)]
            found.append({"file": _describe(source, path), "pieces": pieces})
            tally.counts.update(source.told(path))
        except OSError as error:
            set_aside(reader, tally, source, Unreadable(path, "", 0, f"unreadable: {error.strerror}", b""))
            tally.is_lasting = False
    tally.files.append(_looked_at(folder, index))
    write_atomically(tally.files[0], json.dumps(found).encode())
    return {}, tally


def _looked_at(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.json"


def _describe(source: SourceConfig, path: str) -> dict[str, str | int | None]:
    with source.open(path) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        size = stream.tell()
    return {"source": source.label, "path": path, "sha256": digest, "bytes": size, "licence": source.source_licence}


def cut_into_units(
    reader: Reader, shard_bytes: int, groups: Sequence[Group], context: Context, id_key_digest: str
) -> tuple[list[dict[str, Any]], list[PieceUnit], list[Origin]]:
    """Every file as `files.json` lists it, what makes each shard, and what that depends on."""
    files: list[dict[str, Any]] = []
    units: list[PieceUnit] = []
    origins: list[Origin] = []
    gate = reader.gate.model_dump(mode="json", exclude_defaults=True)
    for index, (number, _) in enumerate(groups):
        source = reader.sources[number]
        found = json.loads(_looked_at(context.beside / FILES, index).read_text())
        files += [each["file"] for each in found]
        digests = {each["file"]["path"]: each["file"]["sha256"] for each in found}
        settings = [gate, _settings(source), source.source_licence, id_key_digest, reader.largest_bad_share]
        for unit in _units([Piece(*piece) for each in found for piece in each["pieces"]], shard_bytes):
            units.append([(number, piece) for piece in unit])
            read = dict.fromkeys(digests[piece.path] for piece in unit)
            origins.append(Origin(tuple(read), [*settings, [astuple(piece) for piece in unit]]))
    return files, units, origins


def _settings(source: SourceConfig) -> dict[str, Any]:
    return source.model_dump(mode="json", exclude_defaults=True)


def _units(pieces: Sequence[Piece], size: int) -> Iterator[list[Piece]]:
    """All pieces as one, or consecutive ones, cut where they reach `size` bytes, if they are more than twice as many.

    They are where one file is larger, or a packed one was opened.
    """
    if pieces and sum(piece.bytes for piece in pieces) <= 2 * size:
        yield list(pieces)
        return
    unit, total = [], 0
    for piece in pieces:
        unit.append(piece)
        total += piece.bytes
        if total >= size:
            yield unit
            unit, total = [], 0
    if unit:
        yield unit
