"""The command that erases documents, or all data of a person, from a store."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmworks.cli.erase_listing import LISTED, SHORT, Listing
from lmworks.cli.options import JsonOption, LastStoreOption
from lmworks.errors import LmworksError, UsageError

if TYPE_CHECKING:
    from lmworks.data.erasure.taken import Taken
    from lmworks.pipeline.store import Artifact, Store

ARTIFACTS, GO_WITH_THEM = "artifacts/", ("reports/", "work/")
"""Folders of a store: artifacts of steps, and folders that every erasure deletes."""


def erase(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DOCUMENT|VALUE...",
            help="Ids of documents to erase, or a person's e-mail address, telephone number, name or other value.",
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Delete. Without --apply, only list.")] = False,
    also: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ID", help="Id of a record listed as NOT TAKEN, to erase it too."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Id of a listed record to keep, now and in later builds and erasures."),
    ] = None,
    match: Annotated[
        list[str] | None,
        typer.Option(metavar="REGEX", help="Erase records whose decoded text matches, as written or in lower case."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(help="JSON file for the results of a search after the erasure. You can write it again later."),
    ] = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the artifacts that hold the given documents or values.

    With --apply, delete them. Later builds then do not read these documents or values.

    Example: lmworks erase jane@example.org
    """
    from lmworks.data.erased.values import Line, known_values
    from lmworks.data.erasure.certificate import write_certificate
    from lmworks.pipeline.erasure import (
        erased_documents,
        holders,
        is_begun,
        is_id,
        leftovers,
        leftovers_with,
        made_from,
    )
    from lmworks.recipe.patterns import Pattern
    from lmworks.release.built import Built
    from lmworks.stores import open_store, require_named

    wanted = wanted or []
    if not (wanted or match):
        raise UsageError("nothing to erase is named: type a value, the id of a document, or --match REGEX")
    for option, names in (("--with", also or ()), ("--keep", keep or ())):
        if strange := next((name for name in names if not is_id(name)), None):
            raise UsageError(f"{option} {strange}: an id is 32 hexadecimal digits")
    for pattern in match or ():
        try:
            matches_all = Pattern(pattern).is_in("")
        except ValueError as error:
            raise UsageError(f"--match {pattern}: {error}") from None
        if matches_all:
            raise UsageError(f"--match {pattern!r}: it matches every text. Add letters or digits that a text must have")
    if both := {*wanted, *(also or ())} & {*(keep or ())}:
        raise UsageError(f"--keep {min(both)}: you also named this record to be erased. Leave out one of the two")
    opened = open_store(store)
    last = Built.open(opened).folder
    with opened.in_use(lambda line: print(line, file=sys.stderr), alone=True):
        key, taken = _find(opened, last, wanted, match or (), also or (), keep or (), certificate is not None)
        documents = {*taken.records} | taken.unseen
        reading = [artifact for artifact in opened.all() if artifact.folder in taken.folders]
        found = holders(opened, documents | taken.unread, also=reading) if documents else {}
        wholly = made_from(opened, taken.written)
        found = wholly | found
        left = [each for each in leftovers(opened) if documents and each in taken.folders]
        left += [each for each in leftovers_with(opened, documents) if documents and each not in left]
        if taken.is_noted and apply and not certificate:
            taken.absent = {}  # it ends an erasure that was cut off; only a certificate says what was searched
        to_note = () if taken.is_noted else taken.absent
        is_again = not (found or left or to_note or is_begun(opened, documents))
        if is_again and not (certificate and documents.issubset(erased_documents(last))):
            raise LmworksError("nothing in this store was made from these documents; `lmworks trace` shows their ids")
        if certificate and not apply and not is_again:
            raise UsageError("--certificate is written only after an erasure: add --apply")
        steps = {(item.stage, item.key) for item in found}
        steps |= {(each.parent.name, each.name) for each in (*left, *to_note)}
        folders = opened.builds.folders_of(steps)  # the next build of each may read the documents again
        require_named(opened, folders)
        listing = _listing(opened, taken, found, left, folders, is_applied=apply, is_again=is_again)
        if apply and not is_again:
            _apply(listing, documents, folders, [each.folder for each in wholly])
        if certificate:
            noted = [*map(Line.read, known_values(last))] if is_again else None
            listing.searched = write_certificate(certificate, opened, taken, documents, key, noted, listing.others)
    listing.tell_json() if as_json else listing.tell()
    if open_end := listing.open_end():
        raise LmworksError(open_end)


def _find(
    opened: Store,
    folder: Path,
    wanted: Sequence[str],
    patterns: Sequence[str],
    confirmed: Sequence[str],
    kept: Sequence[str],
    with_certificate: bool,
) -> tuple[bytes, Taken]:
    """Return the key of document ids, and the records to erase.

    Raises LmworksError if there are none. The message gives the values' numbers, since the values are personal.
    """
    from lmworks.data.base.identity import ID_KEY
    from lmworks.data.erased.values import Erased, Line, is_subject_alone, known_values, lines_of
    from lmworks.data.erasure.certificate import beside_records
    from lmworks.data.erasure.sources import not_there
    from lmworks.data.erasure.taken import BEFORE, BEGUN, MATCH, Why, find_taken, ids_among
    from lmworks.pipeline.erasure import begun, erased_documents, erased_here, is_id

    may_be_ids = {*filter(is_id, (*wanted, *confirmed))}
    key = b"" if may_be_ids and not ID_KEY.digest(folder) else ID_KEY.load(folder, make=False)
    here = ids_among(opened, key, may_be_ids) if may_be_ids else set[str]()
    gone = {*erased_documents(folder), *erased_here(opened), *begun(opened)} - here
    values = [value for value in wanted if value not in here | gone]  # a subject may look like an id
    key = ID_KEY.load(folder, make=False) if values or patterns else key
    known = {*known_values(folder)} if values else set()
    lines = [lines_of(key, value) for value in values]
    was_erased = [not known.isdisjoint(map(str, some)) for some in lines]
    unfinished = sorted(begun(opened)) if any(was_erased) else ()
    named = {name: Why(BEGUN, "its erasure was begun before") for name in unfinished}
    named |= {name: Why("named", "named") for name in wanted if name in here}
    named |= {name: Why(BEFORE, "erased before") for name in (*wanted, *confirmed) if name in gone}
    absent = not_there(opened)
    unseen = (
        {name for name in (*values, *confirmed) if is_id(name) and name not in here | gone} if absent else set[str]()
    )
    listed = [name for name in confirmed if name not in named.keys() | unseen]
    noted = Erased(key, map(Line.read, known))
    more = {"patterns": patterns, "confirmed": listed, "kept": kept}
    taken = find_taken(opened, key, values, named, noted, **more, with_passages=with_certificate)
    taken.absent, taken.unseen = absent, unseen
    taken.is_noted = not (unseen or patterns) and all(was_erased)
    missing = [place for place, count in taken.held.items() if not count]
    never = [line for place in missing if not was_erased[place] for line in lines[place]]
    beside = beside_records(opened, Erased(key, never)) if never else {}
    written = set[int]()
    for place in missing:
        if not (was_erased[place] and unfinished):  # else it was deleted before the erasure was cut off
            said = f"no document {'that is there ' * bool(taken.absent)}holds value {place + 1} of {len(values)}"
            said += " any more: it was erased before" * was_erased[place]
            said += ", but what is kept" * bool(taken.kept)
            said += f", nor has any the id {values[place]}" * is_id(values[place])
            said += f" as its subject: {SHORT}" * is_subject_alone(values[place])
            said += ": give the name and the address as two values" * ("<" in values[place] and "@" in values[place])
            digests = {line.digest for line in lines[place]}
            places = [file for file, found in beside.items() if not was_erased[place] and found & digests]
            if folders := {
                opened.root.joinpath(*Path(file).parts[:3]) for file in places if file.startswith(ARTIFACTS)
            }:
                taken.written |= folders
                written.add(place)
                said += "; a text that a model wrote does, and is included"
            places = [file for file in places if not file.startswith((ARTIFACTS, *GO_WITH_THEM))]
            told = ", ".join(places[:LISTED]) + f" and {len(places) - LISTED:,} more" * (len(places) > LISTED)
            taken.missing.append(said + f", but these files do: {told}; delete them" * bool(places))
    if patterns and not any(why.kind == MATCH for why in (*taken.records.values(), *taken.kept.values())):
        taken.missing.append("--match: the pattern matches no record in this store")
    is_again = with_certificate and any(was_erased)
    if not (taken.records or taken.written or is_again or (taken.absent and not taken.is_noted)):
        offered = [f"  {name}  {why.said}" for name, why in sorted(taken.offered.items())]
        left = [f"  and {len(offered) - LISTED:,} more"] if len(offered) > LISTED else []
        some = ["; NOT TAKEN; to erase one too, add --with ID:", *offered[:LISTED], *left] if offered else []
        raise LmworksError("; ".join([*taken.missing, "nothing was erased"]) + "\n".join(some))
    taken.values = [
        value
        for place, value in enumerate(values)
        if taken.held[place] or was_erased[place] or taken.absent or place in written
    ]
    return key, taken


def _listing(
    opened: Store,
    taken: Taken,
    found: Mapping[Artifact, str],
    left: Sequence[Path],
    folders: Collection[Path],
    *,
    is_applied: bool,
    is_again: bool,
) -> Listing:
    """Return the listing of an erasure from a store. `folders` hold the recipes that read the erased records."""
    from lmworks.pipeline.erasure import count_in
    from lmworks.release.trace.erased import reached_by
    from lmworks.stores import other_stores

    documents = {*taken.records}
    models = reached_by(opened, documents, found)
    configs = _ingests(found, left)
    others = _read_or_written(found, configs, folders)
    others |= {str(path): said for path, said in other_stores(opened, *folders).items()}
    in_steps = {item: count_in(item, documents) for item in found}
    numbered = _without_key(taken, configs)
    return Listing(opened, taken, found, models, left, others, folders, is_applied, in_steps, numbered, is_again)


def _apply(listing: Listing, documents: Collection[str], folders: Collection[Path], wholly: Collection[Path]) -> None:
    """Note the erasure beside each recipe that could read the records again, and delete all that was made from them.

    The folders in `wholly` are deleted completely, so the next build can reuse nothing from them.
    """
    from lmworks.data.base.identity import ID_KEY, key_digest
    from lmworks.data.erased.values import Line, add_values
    from lmworks.data.sources.sql import forget_rows
    from lmworks.pipeline.erasure import add_erased, begin, delete

    lines: list[Line] = []
    for folder in folders:  # first of all, since only ids are kept of an erasure that is cut off
        if ID_KEY.digest(folder) and (own := listing.taken.lines(key := ID_KEY.load(folder, make=False))):
            add_values(folder, own, key_digest(key))
            add_values(listing.store.root, own, key_digest(key))  # to be told of where the list is lost
            lines += own
    configs = _ingests(listing.found, [*listing.left, *listing.taken.absent])
    keys = {config.get("id_key_digest", "") for config in configs}
    made_with = keys.pop() if len(keys) == 1 else ""
    same = next((folder for folder in folders if made_with and ID_KEY.digest(folder) == made_with), None)
    contents = listing.taken.contents(ID_KEY.load(same, make=False)) if same else {}
    begin(listing.store, documents, made_with, contents)
    for folder in folders:
        if documents:
            add_erased(folder, documents, made_with, contents)
        forget_rows(configs, folder)
    delete(listing.store, list(listing.found), documents, listing.taken.unread, wholly)
    listing.taken.note_searched(listing.store.root, lines)


def _ingests(found: Collection[Artifact], left: Collection[Path]) -> list[dict[str, Any]]:
    """Return the configs of ingest steps, among artifacts that held records and leftovers of an earlier erasure."""
    from lmworks.pipeline.manifest import read_manifest
    from lmworks.pipeline.store import ERASED

    configs = [item.manifest.config for item in found if item.stage == "ingest" and item.is_readable]
    for each in (each for each in left if each.parent.name == "ingest"):
        with suppress(LmworksError):  # as of an artifact, its manifest may have been unreadable before
            configs.append(read_manifest(each / ERASED).config)
    return configs


def _read_or_written(
    found: Collection[Artifact], configs: Sequence[Mapping[str, Any]], folders: Collection[Path]
) -> dict[str, str]:
    """Return other places that may hold the values: stores that steps read, and logs with samples of models."""
    told = {
        str(place): f"({kind}) has texts that {item.manifest.step} wrote: delete them there"
        for item in found
        if item.is_readable
        for kind, place in item.manifest.config.get("log_to", {}).items()
    }
    for source in (source for config in configs for source in config["sources"] if source["kind"] == "artifact"):
        roots = ((folder / source["store"]).resolve() for folder in folders)
        said = f"was read from (artifact {source['artifact']}): erase there, too"
        told |= {str(root): said for root in roots if (root / "artifacts").is_dir()}
    return told


def _without_key(taken: Taken, configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the sources of erased records that can be named only by their number in a file."""
    from lmworks.data.reading.ingest import IngestConfig

    paths = {(taken.sources[name], path) for name, path in taken.paths.items() if name in taken.records}
    sources = [source for config in configs for source in IngestConfig.model_validate(config).sources]
    return sorted(
        {each.label for each in sources for label, path in paths if label == each.label and each.is_numbered(path)}
    )
