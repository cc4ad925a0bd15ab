"""Erasure: documents that must be forgotten, what of the store holds them, and its deletion.

Erased ids are an input: the first stage that reads text leaves them out, so that a build after an erasure makes
everything that they reached anew. What was made before is found by the sorted id files of the artifacts, and deleted
with its work folders; the manifest stays, marked, as the record that something was there. Shards that no erased
document has reached stay, too, without a manifest: the next build takes them.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from functools import cache
from pathlib import Path

from lmworks.errors import UsageError
from lmworks.lazy import pa, pq
from lmworks.pipeline.files import digest_file, write_atomically
from lmworks.pipeline.lineage import Follows, Lineage
from lmworks.pipeline.manifest import write_manifest
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import ERASED, KEPT, Artifact, Store
from lmworks.pipeline.units import BESIDE, PAYLOAD, Unit, index_path, indices

ERASED_FILE = "erased-documents.txt"
"""Beside the recipe: one document id a line, behind a `#` the digest of the key that made it, and keyed digests of what
was erased under it, as far as they are known.

It holds no text, and belongs under version control.
"""
ID_FILE = "ids.txt"
"""In every folder of records: their sorted ids, one a line."""
ERASING = "erasing.txt"
"""In a store: ids of documents whose erasure was begun and not ended, one a line."""
ERASED_HERE = "erased.txt"
"""In a store: ids of all documents that were ever erased from it, as in `ERASED_FILE`."""
_ID = re.compile(r"[0-9a-f]{32}")


def erased_documents(folder: Path) -> list[str]:
    """Return the sorted ids of the documents that no build in this folder may read."""
    return _checked(_listed(folder), str(folder / ERASED_FILE))


def erased_by_other_keys(folder: Path, key_digest: str) -> list[str]:
    """Return ids made with another key than that of this digest. No source gives them again."""
    return [name for name, key in _listed(folder).items() if key and key != key_digest]


def erased_contents(folder: Path) -> dict[str, set[str]]:
    """Return the keyed digests of the texts that were erased under an id, for each id whose digests are known."""
    return {name: {*contents} for name, (_, *contents) in _noted_of(folder, ERASED_FILE).items() if contents}


def _listed(folder: Path, name: str = ERASED_FILE) -> dict[str, str]:
    """Return listed ids with the digest of the key that made each, or "" if it is not stated."""
    return {name: key for name, (key, *_) in _noted_of(folder, name).items()}


def _noted_of(folder: Path, name: str) -> dict[str, list[str]]:
    """Return listed ids, each with the digest of its key ("" if not stated) and the digests of its contents."""
    found: dict[str, list[str]] = {}
    for names, _, said in (line.partition("#") for line in _lines_of(folder / name)):
        key, *contents = said.split() or [""]
        for each in names.split():
            before = found.get(each, [""])
            found[each] = [key or before[0], *dict.fromkeys([*before[1:], *contents])]
    return found


def _lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def remarks_in(path: Path) -> list[str]:
    """Return the comment lines of a list. They record ids that were removed from it on purpose."""
    return [line for line in _lines_of(path) if line.lstrip().startswith("#")]


def is_id(text: str) -> bool:
    """Return whether a text is a document id."""
    return _ID.fullmatch(text) is not None


def _checked(ids: Iterable[str], where: str) -> list[str]:
    ids = sorted(set(ids))
    if wrong := [name for name in ids if not is_id(name)]:
        raise UsageError(f"{where}: {wrong[0]!r} is not a document id, which has 32 hexadecimal digits")
    return ids


Contents = Mapping[str, Collection[str]]
"""Keyed digests of the texts that were erased under an id, by id."""


def add_erased(folder: Path, ids: Iterable[str], key_digest: str = "", contents: Contents | None = None) -> None:
    """Add ids to the list. `key_digest` is the digest of the key that made them."""
    _add(folder, ERASED_FILE, ids, key_digest, contents or {})


def _add(folder: Path, name: str, ids: Iterable[str], key_digest: str, contents: Contents) -> None:
    known, lines = _noted_of(folder, name), remarks_in(folder / name)
    for each in sorted({*ids, *known}):
        key, *before = known.get(each, [key_digest])
        told = " ".join([key, *dict.fromkeys([*before, *sorted(contents.get(each, ()))])] if key else ())
        lines.append(f"{each}  # {told}" if told else each)
    write_atomically(folder / name, "".join(f"{line}\n" for line in lines))


def holders(
    store: Store, ids: Iterable[str], follows: Follows = lambda record, parent: True, also: Collection[Artifact] = ()
) -> dict[Artifact, str]:
    """Return every artifact that erased text can have reached, with the reason if only an unknown link leads there.

    An output with an id file passes text on only if it lists an id. An output without one, one with ids that are not of
    its
    inputs, and a model's texts pass on whatever reached them. In each case the artifact itself holds text as soon as an
    input does, because its examples may quote dropped texts. Inputs that `follows` denies are left out. Text in
    artifacts
    of `also`, such as in a quarantine, was given to no other.
    """
    erased, lineage = set(_checked(ids, "named")), Lineage(store)

    @cache
    def names_one(file: Path) -> bool:
        return file.exists() and not erased.isdisjoint(file.read_text(encoding="utf-8").split())

    def holds(artifact: Artifact) -> bool:
        return artifact.is_erased or artifact in also or any(map(names_one, _id_files(artifact)))

    @cache
    def keeps_ids(artifact: Artifact) -> bool:
        """Return whether its ids are those of its inputs, as far back as inputs have ids; so of a first one."""
        links = lineage.links(artifact)
        if any(link.parent is None for link in links):
            return "." not in artifact.stage  # what is built in keeps them
        parents = [(link.parent, _id_files(link.parent, link.part)) for link in links if link.parent]
        given = {name for _, files in parents for file in files for name in file.read_text(encoding="utf-8").split()}
        return not links or (
            all(given.issuperset(file.read_text(encoding="utf-8").split()) for file in _id_files(artifact))
            and all(keeps_ids(parent) for parent, files in parents if files)
        )

    @cache
    def is_written(artifact: Artifact) -> bool:
        """Return whether its texts are by a model, or made from such texts, and may repeat memorised text."""
        read = [link.parent for link in lineage.links(artifact, Role.READS) if link.parent]
        read = [parent for parent in read if parent.is_readable]
        return any("config.json" in parent.manifest.files or is_written(parent) for parent in read)

    def passes_on(artifact: Artifact, part: str) -> bool | None:
        file = artifact.path(part) / ID_FILE
        if not file.exists() or not keeps_ids(artifact):
            return None
        return names_one(file) or (None if is_written(artifact) else False)

    return lineage.reached(holds, passes_on, follows)


def made_from(store: Store, folders: Collection[Path]) -> dict[Artifact, str]:
    """Return the artifacts of some folders, and all that was made from them in any role; as `holders` has it."""
    if not folders:
        return {}
    return Lineage(store).reached(lambda artifact: artifact.folder in folders, lambda parent, part: None)


def _id_files(artifact: Artifact, part: str = "") -> list[Path]:
    """Return the id files of an artifact, or of one part of it."""
    names = artifact.manifest.files if artifact.is_readable else ()
    files = (artifact.payload / name for name in names if Path(name).name == ID_FILE)
    return [file for file in files if file.is_relative_to(artifact.path(part)) and file.exists()]


def holds_one(artifact: Artifact, ids: Set[bytes]) -> bool:
    """Return whether an artifact lists one of some ids."""
    return any(not ids.isdisjoint(file.read_bytes().split()) for file in _id_files(artifact))


def listed_ids(store: Store, ids: Collection[str]) -> set[str]:
    """Return those of some ids that an artifact of a store lists."""
    files = (file for artifact in store.all() for file in _id_files(artifact))
    return {name for file in files for name in file.read_text(encoding="utf-8").split() if name in ids}


def count_in(artifact: Artifact, ids: Collection[str]) -> tuple[int, int] | None:
    """Return how many of the documents an artifact lists, and how many it lists in all; None where it lists none."""
    files = _id_files(artifact)
    listed = {name for file in files for name in file.read_text(encoding="utf-8").split()}
    return (len(listed.intersection(ids)), len(listed)) if files else None


def begin(store: Store, ids: Collection[str], key_digest: str = "", contents: Contents | None = None) -> None:
    """Note in the store which documents are being erased, until `delete` has ended: see `unfinished`."""
    note_ids(store, ids, key_digest, contents)
    write_atomically(store.root / ERASING, _lines(begun(store) | set(ids)))


def begun(store: Store) -> set[str]:
    """Return the documents whose erasure was begun and not ended."""
    return _noted(store.root / ERASING)


def note_ids(store: Store, ids: Collection[str], key_digest: str = "", contents: Contents | None = None) -> None:
    """Note in the store what was erased from it, or what it was built without."""
    if ids:
        _add(store.root, ERASED_HERE, ids, key_digest, contents or {})


def erased_here(store: Store) -> dict[str, str]:
    """The documents that were erased from a store, with the digests of the keys of their ids, "" where none is told."""
    return _listed(store.root, ERASED_HERE)


def may_come_back(store: Store, folder: Path, key_digest: str) -> str:
    """Return a warning about documents erased from a store with another id key than that of a recipe's folder."""
    listed, erased = _listed(folder), erased_here(store).items()
    if not (unlisted := [name for name, key in erased if key not in ("", key_digest) and name not in listed]):
        return ""
    return (
        f"WARNING: {len(unlisted)} documents were erased from this store, with another key of ids, that "
        f"{folder / ERASED_FILE} does not name: a recipe here reads them again where its sources hold them. Put the "
        "lists of what was erased and the key of ids that lie beside the recipe they were erased for beside this one, "
        "or erase them here, too (docs/erase.md)"
    )


def _noted(path: Path) -> set[str]:
    return set(filter(is_id, path.read_text(encoding="utf-8").split())) if path.exists() else set()


def _lines(ids: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in sorted(ids))


def is_begun(store: Store, ids: Iterable[str]) -> bool:
    """Return whether an erasure of one of the documents was cut off."""
    return not begun(store).isdisjoint(ids)


def delete(
    store: Store,
    found: Collection[Artifact],
    ids: Iterable[str],
    unread: Iterable[str] = (),
    wholly: Collection[Path] = (),
) -> None:
    """Delete what has read erased documents, states kept beside it, all unfinished work and every report.

    So of what was made from documents in damaged shards, which nobody could search, though they are not erased. Of the
    folders in `wholly` no unit of work is kept: what they hold has no id.

    A deletion that was cut off is found and ended again. Of an artifact there remain its manifest, as `erased.json`,
    and units of work that have read none of the documents, for the next build to take; so of earlier erasures.
    """
    erased = frozenset(ids)
    begin(store, erased)
    was_cut_off = any(artifact.is_erased for artifact in found)
    for artifact in found:
        if artifact.is_readable:
            write_manifest(artifact.folder / ERASED, artifact.manifest.model_copy(update={"erased": True}))
        else:
            write_atomically(artifact.folder / ERASED, "{}\n")
    for folder in (store.root / "work", store.root / "reports"):
        if folder.exists():
            shutil.rmtree(folder)
    (store.root / "work").mkdir()
    for card in store.root.glob("*-croissant.json"):  # a report, too, that lies where readers look for it
        card.unlink()
    folders = _marked(store)
    holding = {folder: set(_shards_with(folder, erased.union(unread))) for folder in folders}
    clean = set(_shards(store)).difference(*holding.values())
    for folder in sorted(folders, key=lambda folder: bool(holding[folder])):  # what tells of a deletion goes last
        # The shards that would tell which units have read the documents may be gone already.
        is_whole = was_cut_off or folder in wholly
        _delete_all_but(folder, set() if is_whole else set(_untouched(folder, clean, erased)))
    for artifact in found:
        (artifact.folder / "manifest.json").unlink()
    if left := begun(store) - erased:  # of another erasure that was cut off
        write_atomically(store.root / ERASING, _lines(left))
    else:
        (store.root / ERASING).unlink()


def unfinished(store: Store) -> str:
    """Return what to do about an erasure that was interrupted. Empty if there is none."""
    if not begun(store) and not any(artifact.is_erased for artifact in store.all()):
        return ""
    ids = f"$(cat {shlex.quote(str(store.root / ERASING))})" if begun(store) else "with the same ids"
    return (
        "an erasure was interrupted, and this store may still hold erased text. To finish it, type "
        f"`lmworks erase {ids} --apply`"
    )


def leftovers(store: Store) -> list[Path]:
    """Return folders of erased artifacts that still have shards without erased text. The next build can use them."""
    return [
        folder
        for folder in _marked(store)
        if not (folder / "manifest.json").exists() and any((folder / name).exists() for name in (PAYLOAD, BESIDE))
    ]


def leftovers_with(store: Store, ids: Iterable[str]) -> list[Path]:
    """Return leftovers that hold one of the documents. No artifact lists these until a build uses the shard."""
    wanted = frozenset(ids)
    return [folder for folder in leftovers(store) if any(_shards_with(folder, wanted))]


def _marked(store: Store) -> list[Path]:
    return [mark.parent for mark in sorted((store.root / "artifacts").glob(f"*/*/{ERASED}"))]


def _shards_with(folder: Path, ids: frozenset[str]) -> Iterator[str]:
    """Yield the sha256 of each shard that holds one of the documents, or is damaged, so that it cannot be searched."""
    for path in folder.rglob("*.parquet"):
        try:
            with pq.ParquetFile(path) as file:
                named = file.read(["id"]).column("id").to_pylist() if "id" in file.schema_arrow.names else ()
        except (OSError, pa.ArrowException):
            yield digest_file(path)
        else:
            if not ids.isdisjoint(named):
                yield digest_file(path)


def _shards(store: Store) -> Iterator[str]:
    """Yield the sha256 of every shard in the store, including those beside the payloads of artifacts."""
    for folder in (store.root / "artifacts").glob("*/*"):
        for step, entries in indices(folder / BESIDE):
            for number, entry in enumerate(entries):
                unit = Unit(folder, step, number, entry)
                yield from (digest for pattern, digest in entry.files.items() if unit.path(pattern).exists())
    for artifact in store.all():
        if artifact.is_readable:
            yield from (record.sha256 for record in artifact.manifest.files.values())


def _untouched(folder: Path, clean: Collection[str], erased: Collection[str]) -> Iterator[Path]:
    """Yield the files of units of work that have read and written only shards known to have no erased text.

    Units of `ingest` read source files. They keep a document only in the shard that they write, or in a record with its
    id. A record with the id of an erased document is never kept.
    """
    reads_sources = folder.parent.name == "ingest"
    for step, entries in indices(folder / BESIDE):
        yield index_path(folder / BESIDE, step)
        for number, entry in enumerate(entries):
            unit = Unit(folder, step, number, entry)
            read = () if reads_sources else entry.shards
            is_clean = entry.key and all(digest in clean for digest in (*read, *entry.files.values()))
            if is_clean and unit.is_whole() and not _names_one(unit.record_path, erased):
                yield unit.record_path
                yield from map(unit.path, entry.files)


def _names_one(record: Path, erased: Collection[str]) -> bool:
    return any(found in erased for found in _ID.findall(record.read_text(encoding="utf-8")))


def _delete_all_but(folder: Path, kept: Collection[Path]) -> None:
    if (folder / KEPT).exists():  # one state of all that the step has read
        shutil.rmtree(folder / KEPT)
    for root in (folder / BESIDE, folder / PAYLOAD):
        for path in sorted(root.rglob("*"), reverse=True):  # what is in a folder before the folder
            if not path.is_dir() or path.is_symlink():
                if path not in kept:
                    path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
        if root.exists() and not any(root.iterdir()):
            root.rmdir()
