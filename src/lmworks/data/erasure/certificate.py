"""Certificate of an erasure: every text file of the store is decoded and searched for erased values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmworks.data.base.identity import key_digest
from lmworks.data.erased.values import Erased, Line, lines_of
from lmworks.data.erasure.passages import Passages
from lmworks.data.erasure.search import Standing, Unsearched, is_numbers, search_file
from lmworks.data.erasure.taken import Taken
from lmworks.pipeline.files import digest_text, write_atomically
from lmworks.pipeline.store import Store

NOTHING, FOUND, INCOMPLETE, OFFERED, KEPT = (
    "nothing was found in what was searched",
    "something that was erased still stands in this store",
    "not complete: some files could not be read, and nothing was found in the rest",
    "nothing was found as it was given; offered and not taken were records that hold a loose form of it, are of the "
    "same subject, or are like a record that was taken: {:,}",
    "; kept on purpose, and not counted, were records that hold it, or may: {:,}",
)
"""Results of a search, each as a sentence."""
LIMITS = (
    "Weights are not text. Models that saw a record were listed and deleted. Copies that were given away are not "
    "reached.",
    "Rows of tokens, indices and weights are not decoded. Those that were made from a record are deleted.",
    "Not searched: backups, copies, other stores, the files and databases that sources read, exports, pushed models, "
    "samples for experts, predictions, chats in browsers, and logs of training elsewhere (log_to).",
    "Answers of rented models are deleted where they can hold what was erased. The next build fetches them again, and "
    "keeps none that holds a value. Builds do not search what models write here: write a certificate again afterwards.",
    "A value is found in any case, with and without accents, with digits in any grouping, between tags, and decoded "
    "from HTML, escapes, percent-encoding, quoted-printable, base64, gzip and zip, three inside one another at most. "
    "Of what is compressed, 16 bytes per character and 4 MB more are read.",
    "The search can miss: pictures and scanned pages, other scripts and translations, nicknames and initials, misspelt "
    "names, names that a hyphen breaks at a line end, encryption, and texts that only describe a person. Declined "
    "names, another order and parts of longer words are offered for review at an erasure, and not searched afterwards.",
    "What was offered and not confirmed (not_taken) is still there.",
    "A text is found by runs of eight words that are in no record that is kept. Reworded or translated texts are not.",
)
"""Limits of a search in a store."""
AGAIN = (
    "What was erased had been deleted before this search. Everything noted as erased with this key was searched for. "
    "Texts by their runs of words, and records that were kept on purpose or offered and not taken, were not."
)


def write_certificate(
    path: Path,
    store: Store,
    taken: Taken,
    ids: Collection[str],
    key: bytes,
    noted: Sequence[Line] | None = None,
    others: Collection[str] = (),
) -> dict[str, Any]:
    """Search the whole store. Write what was erased, searched and found, only as keyed digests, and return it.

    For an earlier erasure, everything that was `noted` since is searched for. `others` are stores not looked at.
    """
    given = (line for value in taken.sought for line in lines_of(key, value))
    lines = [*dict.fromkeys([*taken.lines(key), *given, *(noted or ())])]
    erased = Erased(key, lines, taken.patterns)
    searched, holding, no_text, unread = [list[dict[str, Any]]() for _ in range(4)]
    for file in _files(store):
        entry, standing, reason = _search(file, store, erased, taken.passages)
        place = {"place": str(file.relative_to(store.root))}
        (unread if reason else no_text if standing is None else searched).append(
            {**entry, **place, "reason": reason} if reason else entry
        )
        if standing:
            holding.append({**entry, **place, "values": sorted(standing.values), "passages": standing.runs})
    runs = {name: len(own) for name, own in taken.passages.of.items()}
    before = [{"place": str(file), "reason": reason} for file, reason in sorted((taken.damaged | taken.absent).items())]
    clean = OFFERED.format(len(taken.offered)) if taken.offered else NOTHING
    clean += KEPT.format(len(taken.kept)) if taken.kept else ""
    told = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "said": FOUND if holding else INCOMPLETE if unread or before else clean,
        "again": noted is not None,
        "key": key_digest(key) if key else None,
        "values": [line.digest for line in lines],
        "patterns": sorted(erased.patterns),
        "records": sorted(ids),
        "taken": _without_values(taken.by_source(taken.records), erased),
        "not_taken": _without_values(taken.by_source(taken.offered), erased),
        "not_looked_at": [
            each["place"] for each in _without_values([{"place": other} for other in others], erased, "place")
        ],
        "kept": sorted(taken.kept),
        "sought_by_text": {
            "records": sum(map(bool, runs.values())),
            "passages": sum(runs.values()),
            "not_sought": sorted(name for name in ids if not runs.get(name)),
        },
        "before": {"bytes_searched": taken.size, "not_read": before},
        "files": len(searched),
        "bytes": sum(entry["bytes"] for entry in searched),
        "holding": len(holding),
        "held_by": holding,
        "not_read": unread,
        "searched": searched,
        "no_text": no_text,
        "limits": LIMITS if noted is None else (*LIMITS, AGAIN),
    }
    write_atomically(path, json.dumps(told, indent=1) + "\n")
    return told


def _without_values(counts: list[dict[str, Any]], erased: Erased, name: str = "source") -> list[dict[str, Any]]:
    """Return counts by source in which a name of a source that holds a value is replaced by its digest."""
    found = erased.find([each[name] for each in counts])
    return [each | {name: digest_text(each[name])} if held else each for each, held in zip(counts, found, strict=True)]


def beside_records(store: Store, erased: Erased) -> dict[str, set[str]]:
    """Return the files of a store that hold values, with the digests of these values.

    A log, a report or a model's text can hold a value that is in no record.
    """
    found = ((file, _search(file, store, erased, Passages())[1]) for file in _files(store))
    return {str(file.relative_to(store.root)): standing.values for file, standing in found if standing}


def _files(store: Store) -> list[Path]:
    return sorted(each for each in store.root.rglob("*") if each.is_symlink() or each.is_file())


def _search(
    file: Path, store: Store, erased: Erased, passages: Passages
) -> tuple[dict[str, Any], Standing | None, str]:
    """Return a file's digests, the findings in its text or name (None: not text), and why it was not read, or ""."""
    name = str(file.relative_to(store.root))
    entry: dict[str, Any] = {"file": digest_text(name)}
    if file.is_symlink():
        inside = file.resolve().is_relative_to(store.root.resolve())
        return entry | {"sha256": None, "bytes": 0}, None, "" if inside else "a link that leads out of the store"
    try:
        with file.open("rb") as stream:
            entry |= {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "bytes": file.stat().st_size}
        standing = None if is_numbers(file) else search_file(file, erased, passages)
    except (OSError, Unsearched) as error:
        return entry, None, getattr(error, "strerror", None) or str(error)
    named = Standing(erased)
    named.look([name])
    if named:
        standing = standing or named
        standing.values |= named.values
    return entry, standing, ""
