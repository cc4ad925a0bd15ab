"""The command that takes documents, or all that holds a person's data, out of a store and keeps it out."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmworks.cli.options import JsonOption, LastStoreOption, print_json
from lmworks.errors import LmworksError, UsageError

if TYPE_CHECKING:
    from lmworks.data.erasure.taken import Taken
    from lmworks.pipeline.store import Artifact, Store

LEFT = "shards that an earlier erasure left"
LISTED = 20
"""Records that are named one by one; the others are counted."""


def erase(
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="DOCUMENT|VALUE...",
            help="Ids of documents to forget, or a person's e-mail address, telephone number, name, any other value.",
        ),
    ],
    apply: Annotated[bool, typer.Option("--apply", help="Delete; without it only list.")] = False,
    also: Annotated[
        list[str] | None, typer.Option("--with", metavar="ID", help="A record that is listed as like, to take, too.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Write there, as JSON, what was searched afterwards and what was found.")
    ] = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what holds some documents or values, and with --apply delete it and never read it again.

    Example: lmworks erase jane@example.org
    """
    from lmworks.data.erasure.certificate import write_certificate
    from lmworks.pipeline.erasure import holders, is_begun, is_id, leftovers, leftovers_with
    from lmworks.release.built import Built
    from lmworks.release.trace.erased import reached_by
    from lmworks.workspace import open_store, other_stores

    if certificate and not apply:
        raise UsageError("--certificate tells of an erasure that was made: give it with --apply")
    if strange := next((name for name in also or () if not is_id(name)), None):
        raise UsageError(f"--with {strange}: an id is 32 hexadecimal digits")
    opened = open_store(store)
    last = Built.open(opened).folder
    with opened.in_use(lambda line: print(line, file=sys.stderr), alone=True):
        key, taken = _find(opened, last, wanted, dict.fromkeys(also or (), "confirmed"))
        documents = {*taken.records}
        reading = [artifact for artifact in opened.all() if artifact.folder in taken.folders]
        found = holders(opened, documents, also=reading)
        left = [each for each in leftovers(opened) if each in taken.folders]
        left += [each for each in leftovers_with(opened, documents) if each not in left]
        if not found and not left and not is_begun(opened, documents):
            raise LmworksError("nothing in this store was made from these documents; `lmworks trace` names ids")
        models = reached_by(opened, documents, found)
        steps = {(item.stage, item.key) for item in found} | {(each.parent.name, each.name) for each in left}
        folders = opened.builds.folders_of(steps)  # the next build of each may read the documents again
        others = sorted({path for folder in folders for path in other_stores(opened, folder)})
        listing = _Listing(opened, taken, found, models, left, others, apply)
        if apply:
            _apply(listing, documents, folders)
        if certificate:
            listing.searched = write_certificate(certificate, opened, taken, documents, key)
    listing.tell_json() if as_json else listing.tell()


def _find(opened: Store, folder: Path, wanted: Sequence[str], confirmed: Mapping[str, str]) -> tuple[bytes, Taken]:
    """The key of ids, and what is taken. Raises LmworksError if a value stands nowhere.

    It names the value's place alone, since it is personal.
    """
    from lmworks.data.erasure.taken import find_taken
    from lmworks.data.identity import ID_KEY
    from lmworks.data.privacy.index import find_person
    from lmworks.pipeline.erasure import is_id

    values = [value for value in wanted if not is_id(value)]
    key = b"" if not values and not ID_KEY.digest(folder) else ID_KEY.load(folder, make=False)
    indexed: dict[str, set[int]] = {}
    for place, value in enumerate(values):
        with suppress(UsageError):  # nothing was anonymised with a key that is here
            for entry in find_person(value, opened.all(), folder):
                indexed.setdefault(entry.document, set()).add(place)
    named = {name: "named" for name in wanted if is_id(name)}
    taken = find_taken(opened, key, values, named | dict(confirmed), indexed)
    if missing := sorted({*range(len(values))} - taken.held):
        place = wanted.index(values[missing[0]]) + 1
        raise LmworksError(f"no document holds value {place} of {len(wanted)}; nothing was erased")
    return key, taken


def _apply(listing: _Listing, documents: Collection[str], folders: Collection[Path]) -> None:
    """Note what is erased beside each recipe that may read it again, and delete all that was made from it."""
    from lmworks.data.erasure.values import add_values
    from lmworks.data.identity import ID_KEY, key_digest
    from lmworks.data.sources.sql import forget_rows
    from lmworks.pipeline.erasure import add_erased, begin, delete
    from lmworks.pipeline.manifest import read_manifest
    from lmworks.pipeline.store import ERASED

    configs = [item.manifest.config for item in listing.found if item.stage == "ingest" and item.is_readable]
    for each in (each for each in listing.left if each.parent.name == "ingest"):
        with suppress(LmworksError):  # as of an artifact, its manifest may have been unreadable before
            configs.append(read_manifest(each / ERASED).config)
    for folder in folders:  # first of all, since only ids are kept of an erasure that is cut off
        if ID_KEY.digest(folder) and (lines := listing.taken.lines(key := ID_KEY.load(folder, make=False))):
            add_values(folder, lines, key_digest(key))
    keys = {config.get("id_key_digest", "") for config in configs}
    begin(listing.store, documents)
    made_with = keys.pop() if len(keys) == 1 else ""
    for folder in folders:
        add_erased(folder, documents, made_with)
        forget_rows(configs, folder)
    delete(listing.store, list(listing.found), documents)


@dataclass
class _Listing:
    """What is told of an erasure."""

    store: Store
    taken: Taken
    found: Mapping[Artifact, str]
    models: Mapping[Artifact, tuple[str, str]]
    left: Sequence[Path]
    others: Sequence[Path]
    is_applied: bool
    searched: Mapping[str, Any] | None = None

    def tell_json(self) -> None:
        """Everything, for a program."""
        rows: list[dict[str, Any]] = [
            {"step": _step(item), "key": item.key, "model": item in self.models, "counted_because": why}
            | {"reached_by": self.models[item][0] if item in self.models else None}
            for item, why in self.found.items()
        ]
        for each in self.left:
            facts = {"counted_because": f"{LEFT} of {each.parent.name}", "reached_by": None}
            rows.append({"step": None, "key": each.name, "model": False} | facts)
        elsewhere = {"store": str(self.store.root), "other_stores": list(map(str, self.others))}
        records = {"records": self.taken.records, "not_taken": self.taken.offered}
        damaged = {"not_searched": list(map(str, self.taken.damaged))}
        print_json({"erased": self.is_applied, "held_by": rows} | records | damaged | elsewhere)

    def tell(self) -> None:
        """The records that are taken, what holds them, or held them, and which stores were not looked at."""
        from lmworks.release.trace.erased import as_text

        print(f"in {self.store.root}:")
        _tell_records(self.taken.records)
        for item, why in self.found.items():
            seen = f"  counted as reached: {why}" if why else ""
            if item in self.models:
                seen += f"  {as_text(*self.models[item])}"
            print(f"{_step(item)}{seen}")
        for each in self.left:
            print(f"{LEFT} of {each.parent.name} {each.name[:12]}")
        done = "deleted; make the rest anew with `lmworks build`"
        print(done if self.is_applied else "these would be deleted with --apply")
        if self.taken.offered:
            print("NOT TAKEN, to be taken by --with ID if they are of the same person:")
            _tell_records(self.taken.offered)
        for path in self.taken.damaged:
            print(f"NOT SEARCHED: {path} is damaged; what an id names there is deleted")
        for path in self.others:
            print(f"NOT LOOKED AT: {path} was built in, too: give the command again with --store {path}")
        if self.searched is not None:
            print(f"searched afterwards: {self.searched['files']:,} files; {self.searched['holding']} hold a value")


def _tell_records(records: Mapping[str, str]) -> None:
    for name, why in [*sorted(records.items(), key=lambda item: item[::-1])][:LISTED]:
        print(f"  record {name}  {why}")
    if len(records) > LISTED:
        print(f"  and {len(records) - LISTED:,} more, which --json lists")


def _step(artifact: Artifact) -> str:
    return artifact.manifest.step if artifact.is_readable else artifact.label
