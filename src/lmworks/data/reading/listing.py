"""The files of sources that are read, their digests, and the places where they are cut into shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from lmworks.data.reading.reader import PieceUnit, Reader, is_text, set_aside
from lmworks.data.shards.steps import FILES, Parts, Tally, map_units
from lmworks.data.sources.source import EXCLUDED, Piece, SourceConfig, Unreadable
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context
from lmworks.pipeline.units import Origin
from lmworks.pipeline.work.workers import in_processes

NOT_READ = "not read: "
Group = tuple[int, Sequence[str]]
"""Files of one source, by the source's number, that are read together."""


def group_files(reader: Reader, shard_bytes: int) -> tuple[list[Group], Tally]:
    """Return the files of all sources in groups, cut by their names, and a tally of the files that are not read."""
    groups: list[Group] = []
    tally = Tally()
    several = len(reader.sources) > 1
    known = {place for source in reader.sources for place in source.places()} if several else set[str]()
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
            if place in known:  # another source reads it, or has counted it
                continue
            known |= {place} if several else set()
            reason = why if why == EXCLUDED else f"{NOT_READ}{why}"
            tally.counts[reason] += 1
            tally.losses |= set() if why == EXCLUDED else {reason}
    return groups, tally


def _size(source: SourceConfig, path: str) -> int:
    try:
        return source.size(path)
    except OSError:
        return 0  # reading it fails, too, and is quarantined


def cut_files(names: Sequence[str], sizes: Sequence[int], size: int) -> Iterator[range]:
    """Yield groups of consecutive files of about `size` bytes. Only a group of one file can exceed twice the size.

    The list is cut in two before the file whose name has the lowest hash. Each half is cut in the same way until it is
    small enough. A file that is added or removed therefore changes only its own group and at most the groups next to
    it.
    """
    ranks = [hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest() for name in names]
    before = [0, *accumulate(sizes)]
    waiting = [(0, len(names))] if names else []
    while waiting:
        start, stop = waiting.pop()
        if stop - start == 1 or before[stop] - before[start] <= 2 * size:
            yield range(start, stop)
        else:
            middle = min(range(start + 1, stop), key=ranks.__getitem__)
            waiting += [(middle, stop), (start, middle)]  # the first half comes first


def look_at_files(reader: Reader, shard_bytes: int, groups: Sequence[Group], context: Context) -> Tally:
    """Hash every file and find where it is cut, except for files that have not changed since an earlier build."""

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
    licence, looked_at = source.source_licence, []
    for path in paths:
        try:
            pieces = [list(vars(piece).values()) for piece in source.pieces(path, shard_bytes)]
            sha256, size = _digest(source, path)
            file = {"source": source.label, "path": path, "sha256": sha256, "bytes": size, "licence": licence}
            looked_at.append({"file": file, "pieces": pieces})
        except OSError as error:
            set_aside(reader, tally, source, Unreadable(path, "", 0, f"unreadable: {error.strerror}", b""))
            tally.is_lasting = False
    tally.files.append(_looked_at(folder, index))
    write_atomically(tally.files[0], json.dumps(looked_at).encode())
    return {}, tally


def _looked_at(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.json"


def _digest(source: SourceConfig, path: str) -> tuple[str, int]:
    """Return the sha256 and the size in bytes of a file."""
    digest, size = hashlib.sha256(), 0
    with source.open(path) as stream:
        while chunk := stream.read(2**18):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def cut_into_units(
    reader: Reader, shard_bytes: int, groups: Sequence[Group], context: Context, id_key_digest: str
) -> tuple[list[dict[str, Any]], list[PieceUnit], list[Origin]]:
    """Return every file as `files.json` lists it, the pieces of each shard, and what each shard depends on."""
    files: list[dict[str, Any]] = []
    units: list[PieceUnit] = []
    origins: list[Origin] = []
    gate = reader.gate.model_dump(mode="json", exclude_defaults=True)
    for index, (number, _) in enumerate(groups):
        source = reader.sources[number]
        looked_at = json.loads(_looked_at(context.beside / FILES, index).read_text())
        files += [item["file"] for item in looked_at]
        digests = {item["file"]["path"]: item["file"]["sha256"] for item in looked_at}
        settings = [gate, _settings(source), source.source_licence, id_key_digest, reader.largest_bad_share]
        for unit in _units([Piece(*piece) for item in looked_at for piece in item["pieces"]], shard_bytes):
            units.append((number, unit))
            read = dict.fromkeys(digests[piece.path] for piece in unit)
            origins.append(Origin(tuple(read), [*settings, [list(vars(piece).values()) for piece in unit]]))
    return files, units, origins


def _settings(source: SourceConfig) -> dict[str, Any]:
    return source.model_dump(mode="json", exclude_defaults=True)


def _units(pieces: Sequence[Piece], size: int) -> Iterator[list[Piece]]:
    """Yield all pieces as one unit if they have at most twice `size` bytes, else in units that reach `size` bytes."""
    if sum(piece.bytes for piece in pieces) <= 2 * size:
        size = 2 * size + 1
    unit, total = [], 0
    for piece in pieces:
        unit.append(piece)
        total += piece.bytes
        if total >= size:
            yield unit
            unit, total = [], 0
    if unit:
        yield unit
