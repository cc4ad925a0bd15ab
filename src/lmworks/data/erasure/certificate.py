"""What a store still holds after an erasure: every file that is text, decoded and searched for the erased values."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmworks.data.erasure.readings import texts_of
from lmworks.data.erasure.taken import Taken
from lmworks.data.erasure.values import Erased
from lmworks.data.identity import key_digest
from lmworks.lazy import pa, pq
from lmworks.pipeline.files import digest_text, write_atomically
from lmworks.pipeline.store import Store

PIECE = 2**22
"""Bytes of a file that are read at a time."""
OVERLAP = 2**12
"""Bytes of a piece that are read again with the next, so that no value is cut."""
_BASE64 = re.compile(rb'"raw": ?"([A-Za-z0-9+/]{8,}={0,2})"')
LIMITS = (
    "Weights are not text: models that saw a record were listed and deleted; what was given away of them is not "
    "reached.",
    "Rows of tokens, indices of numbers and other files that are no text are not decoded; those that were made from a "
    "record are deleted with what held it.",
    "Backups, copies, other stores, the files and databases that sources read, and caches outside of this store were "
    "not searched.",
    "A value is found as it was given: in any case, grouping of digits, HTML, JSON's escapes or percent-encoding; not "
    "in pictures, in other spellings, in translation or where only a description tells of whom a text is.",
)
"""What a search of a store cannot say."""


def write_certificate(path: Path, store: Store, taken: Taken, ids: Collection[str], key: bytes) -> dict[str, Any]:
    """Search the whole store, and write by keyed digests alone what was erased, searched and found. What it says."""
    erased = Erased(key, (lines := taken.lines(key)))
    searched, holding, unread = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for file in sorted(each for each in store.root.rglob("*") if each.is_file() and not each.is_symlink()):
        sha256, is_text, found = search_file(file, erased)
        name = digest_text(str(file.relative_to(store.root)))
        entry: dict[str, Any] = {"file": name, "sha256": sha256, "bytes": file.stat().st_size}
        searched.append(entry) if is_text else unread.append(entry)
        if found:
            holding.append({**entry, "place": str(file.relative_to(store.root)), "values": sorted(found)})
    told = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "key": key_digest(key) if key else None,
        "values": [line.digest for line in lines],
        "records": sorted(ids),
        "before": {"bytes_searched": taken.size, "files_not_searched": len(taken.damaged)},
        "files": len(searched),
        "bytes": sum(entry["bytes"] for entry in searched),
        "holding": len(holding),
        "held_by": holding,
        "searched": searched,
        "no_text": unread,
        "limits": LIMITS,
    }
    write_atomically(path, json.dumps(told, indent=1) + "\n")
    return told


def search_file(path: Path, erased: Erased) -> tuple[str, bool, set[str]]:
    """A file's sha256, whether it is text or holds columns of text, and the digests of erased values in it."""
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if path.suffix == ".parquet":
        try:
            return sha256, True, set().union(*map(set, _in_columns(path, erased)))
        except (pa.ArrowException, OSError):
            return sha256, False, set()
    found = set[str]()
    for piece in _pieces(path):
        if piece is None:
            return sha256, False, set()
        texts = texts_of(piece)
        for raw in _BASE64.findall(piece):
            texts += texts_of(base64.b64decode(raw + b"=" * (-len(raw) % 4)))
        found |= set().union(*erased.find(texts))
    return sha256, True, found


def _in_columns(path: Path, erased: Erased) -> Iterator[set[str]]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for column in file.read_row_group(group).columns:
                values = column.combine_chunks()
                while isinstance(values, pa.ListArray | pa.LargeListArray):
                    values = values.flatten()
                if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                    texts = [value for value in values.to_pylist() if value]
                    yield set().union(*erased.find(texts))


def _pieces(path: Path) -> Iterator[bytes | None]:
    """A file piece by piece, unpacked if it is a gzip file; None where it is no text."""
    with path.open("rb") as head:
        packed = head.read(2) == b"\x1f\x8b"
    rest = b""
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            while chunk := stream.read(PIECE):
                if b"\0" in chunk[:OVERLAP]:
                    yield None
                    return
                yield rest + chunk
                rest = chunk[-OVERLAP:]
    except (OSError, EOFError, zlib.error):
        yield None
