"""What a store still holds after an erasure: every file that is text, decoded and searched for what was erased."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmworks.data.erasure.search import Sought, Standing, Unsearched, is_numbers, search_file
from lmworks.data.erasure.taken import WORDS_OF, Taken
from lmworks.data.erasure.values import Erased, Line, lines_of
from lmworks.data.identity import key_digest
from lmworks.pipeline.files import digest_text, write_atomically
from lmworks.pipeline.store import Store

NOTHING, FOUND, INCOMPLETE, INSIDE = (
    "nothing was found in what was searched",
    "something that was erased still stands in this store",
    "not complete: some of it could not be read, and nothing was found in the rest",
    "nothing was found as it was given; not taken were records in which it stands inside of a longer word, name, "
    "number or address, in another order or parted, or in whose folder's name: {:,}",
)
"""What a certificate says in a word."""
KEPT = "; kept on purpose, and not counted, were records that hold it, or may: {:,}"
LIMITS = (
    "Weights are not text: models that saw a record were listed and deleted; what was given away of them is not "
    "reached.",
    "Rows of tokens, indices of numbers and weights are not decoded; those that were made from a record are deleted "
    "with what held it. Other files that are no text are searched byte by byte, unpacked only if they are gzip or zip.",
    "Backups, copies, other stores (those that are known in not_looked_at), the files and databases that sources read, "
    "and caches outside of this store were not searched; nor what commands wrote elsewhere: exports, models that were "
    "pushed, samples for experts, predictions, with the folder .NAME.part beside one that was stopped, files that were "
    "given to `lmworks open`, which go when it ends or is started again, chats and verdicts that a browser keeps, logs "
    "of training (log_to), and answers of a server that somebody kept.",
    "What rented models answer is deleted where it can hold what was erased, and fetched anew by the next build, which "
    "keeps no answer that holds a value as it is found here. Builds do not search what models write here: "
    "a certificate that is written again after one searches it.",
    "A value is found as it was given: in any case, grouping of digits, HTML, JSON's escapes, percent-encoding, "
    "base64, quoted-printable, encoded words of mail and gzip, three of them in one another at most; an address of "
    "mail also broken at its `@` or a dot of its domain, or before a capital or digit glued to it, a number of nine "
    "digits or more before and behind letters, a name with a note's number at a word of it, or a Korean particle "
    "behind it; not inside of a longer word, name or number (such records are counted in not_taken), nor in pictures, "
    "in other spellings, in translation or where only a description tells of whom a text is. "
    "Of what is compressed in a record, the first 16 bytes for each character are read and 4 MB more for the"
    " records that are searched together, and a beginning of a compressed part for each 32 characters and 4,096 more.",
    "Records of a subject are sought where the subject itself was named, or holds a value; copies where they hold a "
    "value or were named: what was only offered (not_taken) is still there.",
    "A text is found by runs of eight words of it that stand in no record that is kept, in any case: not where it was "
    "reworded, translated, or cut to fewer words.",
)
"""What a search of a store cannot say."""


AGAIN = (
    "What was erased had been deleted before this search: all was sought that is noted as erased with this key, but no "
    "texts by their runs of words, and nothing in records that were kept on purpose when it was erased."
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
    """Search the whole store, and write by keyed digests alone what was erased, searched and found. What it says.

    Of an erasure that was made before, all is sought that was `noted` then and since. `others` were not looked at.
    """
    given = (line for value in taken.sought for line in lines_of(key, value))
    lines = [*dict.fromkeys([*taken.lines(key), *given, *(noted or ())])]
    sought = Sought(Erased(key, lines), taken.passages)
    searched, holding, no_text, unread = [list[dict[str, Any]]() for _ in range(4)]
    for file in _files(store):
        entry, standing, reason = _search(file, store, sought)
        place = {"place": str(file.relative_to(store.root))}
        (unread if reason else no_text if standing is None else searched).append(
            {**entry, **place, "reason": reason} if reason else entry
        )
        if standing:
            holding.append({**entry, **place, "values": sorted(standing.values), "passages": standing.passages})
    missed = dict(Counter(why for name, why in taken.passages.not_sought.items() if name in ids))
    before = [{"place": str(file), "reason": reason} for file, reason in sorted((taken.damaged | taken.absent).items())]
    inside = sum(why.kind in WORDS_OF for why in taken.offered.values())
    clean = INSIDE.format(inside) if inside else NOTHING
    clean += KEPT.format(len(taken.kept)) if taken.kept else ""
    told = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "said": FOUND if holding else INCOMPLETE if unread or before else clean,
        "again": noted is not None,
        "key": key_digest(key) if key else None,
        "values": [line.digest for line in lines],
        "records": sorted(ids),
        "taken": _without_values(taken.by_source(taken.records), sought),
        "not_taken": _without_values(taken.by_source(taken.offered), sought),
        "not_looked_at": [
            each["place"] for each in _without_values([{"place": other} for other in others], sought, "place")
        ],
        "kept": sorted(taken.kept),
        "sought_by_text": {
            "records": len(taken.passages.sought),
            "passages": sum(map(len, taken.passages.by_size.values())),
            "not": missed,
            "not_sought": sorted(taken.passages.not_sought),
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


def _without_values(counts: list[dict[str, Any]], sought: Sought, name: str = "source") -> list[dict[str, Any]]:
    """How many records are of which source, by a digest where a source's name holds a value."""
    found = sought.erased.find([each[name] for each in counts])
    return [each | {name: digest_text(each[name])} if held else each for each, held in zip(counts, found, strict=True)]


def beside_records(store: Store, erased: Erased) -> dict[str, set[str]]:
    """The files of a store that hold values, with the digests of those.

    A log, a report or what a model wrote tells of what became no record.
    """
    found = ((file, _search(file, store, Sought(erased))[1]) for file in _files(store))
    return {str(file.relative_to(store.root)): standing.values for file, standing in found if standing}


def _files(store: Store) -> list[Path]:
    return sorted(each for each in store.root.rglob("*") if each.is_symlink() or each.is_file())


def _search(file: Path, store: Store, sought: Sought) -> tuple[dict[str, Any], Standing | None, str]:
    """A file by its digests, what stands in it or its name (None for one that is no text), and why it was not read."""
    name = str(file.relative_to(store.root))
    entry: dict[str, Any] = {"file": digest_text(name)}
    if file.is_symlink():
        inside = file.resolve().is_relative_to(store.root.resolve())
        return entry | {"sha256": None, "bytes": 0}, None, "" if inside else "a link that leads out of the store"
    try:
        with file.open("rb") as stream:
            entry |= {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "bytes": file.stat().st_size}
        standing = None if is_numbers(file) else search_file(file, sought)
    except (OSError, Unsearched) as error:
        return entry, None, getattr(error, "strerror", None) or str(error)
    named = Standing()
    named.look(sought, [name])
    if named:
        standing = standing or named
        standing.values |= named.values
    return entry, standing, ""
