"""Erasure: documents that must be forgotten, what of the store holds them, and its deletion.

Erased ids are an input: the first stage that reads text leaves them out, so that a build after an erasure makes
everything that they reached anew. What was made before is found by the sorted id files of the artifacts, and deleted
with its work folders; the manifest stays, marked, as the record that something was there.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from lmworks.errors import UsageError
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.lineage import Lineage
from lmworks.pipeline.manifest import write_manifest
from lmworks.pipeline.store import ERASED, KEPT, Artifact, Store

ERASED_FILE = "erased-documents.txt"
"""Beside the recipe: one document id a line. It holds no text, and belongs under version control."""
ID_FILE = "ids.txt"
"""In every folder of records: their sorted ids, one a line."""
_ID = re.compile(r"[0-9a-f]{32}")


def erased_documents(folder: Path) -> list[str]:
    """The sorted ids of the documents that no build in this folder may read."""
    path = folder / ERASED_FILE
    return _checked(path.read_text(encoding="utf-8").split() if path.exists() else [], str(path))


def is_id(text: str) -> bool:
    """Whether a text is a document id."""
    return _ID.fullmatch(text) is not None


def _checked(ids: Iterable[str], where: str) -> list[str]:
    ids = sorted(set(ids))
    if wrong := [name for name in ids if not is_id(name)]:
        raise UsageError(f"{where}: {wrong[0]!r} is no document id; an id is 32 hexadecimal digits")
    return ids


def add_erased(folder: Path, ids: Iterable[str]) -> None:
    """Add ids to the list."""
    known = sorted({*erased_documents(folder), *ids})
    write_atomically(folder / ERASED_FILE, "".join(f"{name}\n" for name in known))


def holders(store: Store, ids: Iterable[str]) -> dict[Artifact, str]:
    """Every artifact that erased text can have reached; with the reason where only something unknown speaks for it.

    An output with an id file passes text on only if an id stands there; one without passes on whatever reached it.
    Either way the artifact itself holds text as soon as an input does: its examples may quote what it dropped.
    """
    erased = set(_checked(ids, "named"))

    @cache
    def names_one(file: Path) -> bool:
        return file.exists() and not erased.isdisjoint(file.read_text(encoding="utf-8").split())

    def holds(artifact: Artifact) -> bool:
        files = (artifact.payload / path for path in artifact.manifest.files if Path(path).name == ID_FILE)
        return artifact.is_erased or any(map(names_one, files))

    def passes_on(artifact: Artifact, part: str) -> bool | None:
        file = artifact.path(part) / ID_FILE
        return names_one(file) if file.exists() else None

    return Lineage(store).reached(holds, passes_on)


def delete(store: Store, found: Collection[Artifact]) -> None:
    """Delete payloads, states kept beside them, all unfinished work and every report.

    A deletion that was cut off is found and ended again. Of an artifact there remains its manifest, as `erased.json`.
    """
    for artifact in found:
        if artifact.is_readable:
            write_manifest(artifact.folder / ERASED, artifact.manifest.model_copy(update={"erased": True}))
        else:
            write_atomically(artifact.folder / ERASED, "{}\n")
    held = [folder for artifact in found for folder in (artifact.payload, artifact.folder / KEPT)]
    for folder in (store.root / "work", store.root / "reports", *held):
        if folder.exists():
            shutil.rmtree(folder)
    (store.root / "work").mkdir()
    for artifact in found:
        (artifact.folder / "manifest.json").unlink()
