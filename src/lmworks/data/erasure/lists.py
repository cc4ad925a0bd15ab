"""Checks after a restore from an older backup: erasure lists that lost entries, stores that hold erased data again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from lmworks.data.base.identity import ID_KEY
from lmworks.data.erased.values import VALUES_FILE, Line, add_values, read_values
from lmworks.errors import LmworksError
from lmworks.pipeline.erasure import (
    ERASED_FILE,
    ERASED_HERE,
    begun,
    erased_documents,
    erased_here,
    holders,
    holds_one,
    note_ids,
)
from lmworks.pipeline.manifest import Manifest, read_manifest
from lmworks.pipeline.store import ERASED, Artifact, Store


def lost_entries(store: Store, folder: Path) -> str:
    """Return advice if lists beside a recipe lack entries erased with its key, or "" if they lack nothing.

    The store shows this: it keeps what was erased from it, and what its first steps were built without. A `#` before an
    entry takes it back on purpose. Missing entries are noted in the store, from where they can be restored.
    """
    key = ID_KEY.digest(folder)
    ids = {name for name, made_with in erased_here(store).items() if made_with in ("", key)}
    values = {str(line) for line, made_with in read_values(store.root) if made_with == key}
    for manifest in _first_steps(store):
        if manifest.config.get("id_key_digest") == key:
            ids.update(manifest.config.get("erased", ()))
            values.update(manifest.config.get("erased_values", ()))
    if begun(store):  # `unfinished` tells of an erasure that was cut off before all lists were written
        return ""
    lost_ids, lost_values = _lost(folder / ERASED_FILE, ids), _lost(folder / VALUES_FILE, values)
    note_ids(store, lost_ids, key)
    if lost_values:
        add_values(store.root, map(Line.read, lost_values), key)
    lacking = {ERASED_FILE: (len(lost_ids), ERASED_HERE), VALUES_FILE: (len(lost_values), VALUES_FILE)}
    return _in_words(store, folder, {name: told for name, told in lacking.items() if told[0]})


def _first_steps(store: Store) -> Iterable[Manifest]:
    """Yield the manifests of steps that read sources, also of steps that an erasure has deleted."""
    for folder in sorted((store.root / "artifacts" / "ingest").glob("*")):
        for name in ("manifest.json", ERASED):
            if (folder / name).exists():
                try:
                    yield read_manifest(folder / name)
                except LmworksError:  # of another version: it is told where it is needed
                    continue


def _lost(path: Path, entries: Iterable[str]) -> list[str]:
    listed = {*re.findall("[0-9a-f]{32}", path.read_text(encoding="utf-8"))} if path.exists() else set[str]()
    return sorted(entry for entry in entries if entry.split()[0] not in listed)


def _in_words(store: Store, folder: Path, lacking: Mapping[str, tuple[int, str]]) -> str:
    if not lacking:
        return ""
    said = " and ".join(f"{folder / name} lacks {count:,} entries" for name, (count, _) in lacking.items())
    mend = "\n".join(
        f"  cat {shlex.quote(str(store.root / kept))} >> {shlex.quote(str(folder / name))}"
        for name, (_, kept) in lacking.items()
    )
    return (
        f"{said} of what was erased from {store.root}, as after a restore from an older backup, or in another folder. "
        "A build would read it again. Put the newer lists back, or restore them from the store:\n"
        f"{mend}\nTo read a document again on purpose, keep its line, with a `#` in front (docs/erase.md)"
    )


def held_again(store: Store, folder: Path) -> str:
    """Return a warning about outputs of a store that hold documents listed beside a recipe; "" if none do."""
    wanted = {name.encode() for name in erased_documents(folder)} - {name.encode() for name in begun(store)}
    holding = [artifact for artifact in store.all() if holds_one(artifact, wanted)] if wanted else []
    if not holding:
        return ""
    return (
        f"WARNING: {len(holding):,} outputs in {store.root} hold documents that {folder / ERASED_FILE} names, as after "
        "a restore from a backup made before they were erased. This build does not use them. Delete them: "
        f"`lmworks erase $(grep -o '^[0-9a-f]*' {shlex.quote(str(folder / ERASED_FILE))}) --apply`"
    )


def refusal_to_serve(store: Store, folder: Path | None, artifacts: Iterable[Artifact]) -> str:
    """Return why models must not be served: a list lost entries, or a model learned from erased data. "" if none.

    Without the recipe's `folder`, only the store shows what was erased.
    """
    if folder and (said := lost_entries(store, folder)):
        return said
    ids = {*erased_here(store), *(erased_documents(folder) if folder else ())}
    reached = holders(store, ids) if ids else {}
    learned = [artifact for artifact in artifacts if reached.get(artifact) == ""]
    if not learned:
        return ""
    return (
        f"{', '.join(artifact.label for artifact in learned)}: made from documents that were erased, as after a "
        "restore from an older backup. Build again with `lmworks build`, and serve the new model"
    )
