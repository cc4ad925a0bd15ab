"""Locations of stores: the store that a command uses by default, and the files that remember it."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lmworks.errors import UsageError
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.record import BuildRecords, placed
from lmworks.pipeline.store import Artifact, Store

LAST = Path(".lmworks") / "last.json"
"""File in the folder where a command ran. It has the paths of the recipe and the store, relative to this folder."""
USED_FROM = "used-from"
"""File in a store: the folders outside it whose commands built in it, one path per line."""
STORES = ".lmworks-stores"
"""File beside a recipe: the stores in which it was built, except `.lmworks` beside it, one path per line."""


def open_store(store: Path | None, recipe: Path | None = None) -> Store:
    """Return the named store, or the store of the last build of this recipe, or of this folder or one above.

    With a recipe, the recipe's build counts as the last build of the store.
    """
    if recipe is None:
        return Store(store or remembered()[1])
    recipe, found = recipe_file(recipe), {}
    for root in [store] if store else [recipe.parent / LAST.parent, *noted_stores(recipe.parent)]:
        builds = BuildRecords(root / "builds")
        for name, record in builds.readable():
            if builds.recipe_of(record) == placed(recipe):
                found[(builds.folder / f"{name}.json").stat().st_mtime_ns] = root, name
    if not found:
        what = "it was never built" if recipe.is_file() else "there is no such recipe"
        where = f"in {store}" if store else "here or in a store noted beside it"
        raise UsageError(f"{recipe}: {what} {where}. To build one, type `lmworks build RECIPE`")
    root, name = found[max(found)]
    return Store(root, name)


def find_named(names: Sequence[str], store: Path | None) -> tuple[Store, list[Artifact]]:
    """Return the store and the named steps of the last build, or of a recipe named first. Default: served models.

    Raises `UsageError` if a step is not built.
    """
    recipe = Path(names[0]) if names and _is_recipe(names[0]) else None
    opened, steps = open_store(store, recipe), names[1:] if recipe else names
    if not (named := steps or _served(opened)):
        raise UsageError("the last recipe built names no model to serve.\nName one of its steps")
    return opened, [opened.named(step) for step in named]


def recipe_file(path: Path) -> Path:
    """Return the file of a recipe. For a folder, this is its `recipe.yaml`."""
    return path / "recipe.yaml" if path.is_dir() else path


def _is_recipe(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or (Path(name) / "recipe.yaml").is_file()


def _served(store: Store) -> Sequence[str]:
    from lmworks.release.built import Built  # which read tasks and their figures: most commands need neither
    from lmworks.release.gates import served

    return served(Built.open(store))


def find_one(names: Sequence[str], store: Path | None) -> tuple[Store, Artifact]:
    """Return the store and one step. By default the first served model. Raises `UsageError` if several are named."""
    opened, found = find_named(names, store)
    if len(names) > 2 or (len(names) == 2 and not _is_recipe(names[0])):
        raise UsageError(f"found {', '.join(names)}; expected one step, or a recipe's file and one of its steps")
    return opened, found[0]


def other_stores(store: Store, *folders: Path) -> dict[Path, str]:
    """Return further stores that are noted beside recipes and in this folder, with what to do about each.

    A folder that was copied or moved still names the stores of its old place, which may belong to another user.
    """
    lines = [(folder, folder / line) for folder in folders for line in _lines(folder / STORES)]
    beside = [(folder, folder / LAST.parent) for folder in folders]
    places: dict[Path, set[Path]] = {}
    for place, path in [*beside, *lines, *(each for folder in folders for each in _last_stores(folder))]:
        places.setdefault(path.resolve(), set()).add(place.resolve())
    absent = {
        path: f"is named in {folder / STORES} and is not there, or cannot be read. If it was moved, run this command "
        "again with --store and its new path. If it is gone for good, delete that line"
        for folder, path in lines
        if not _is_there(path / "artifacts")
    }
    there = [root for root in sorted(places) if _is_there(root / "artifacts") and root != store.root.resolve()]
    return {root: _whose(root, places[root]) for root in there} | absent


def _whose(root: Path, places: Collection[Path]) -> str:
    """Return what to do about a store that these folders name."""
    option = f"--store {shlex.quote(str(root))}"
    users, builds = {Path(line) for line in _lines(root / USED_FROM)}, BuildRecords(root / "builds")
    users |= {builds.recipe_of(record).parent for _, record in builds.readable()}
    if not users or not users.isdisjoint(places) or any(map(root.is_relative_to, places)):
        return f"was built in, too: run this command again with {option}"
    names = ", ".join(map(str, sorted(places)))
    said = ", ".join(f"{user}{'' if _is_there(user) else ' (which is not there)'}" for user in sorted(users))
    return (
        f"is noted in {names} and was built in from {said}, not from here. If this folder is a copy, erase from there. "
        f"If this folder was moved, type `lmworks build RECIPE {option}`, and run this command again with "
        f"{option}"
    )


def _is_there(path: Path) -> bool:
    try:
        return bool(path.stat())
    except OSError:  # such as in a home that others may not read
        return False


def noted_stores(folder: Path) -> list[Path]:
    """Return the stores noted beside a recipe, and in this folder or the folder above in which a command ran."""
    return [*(folder / line for line in _lines(folder / STORES)), *(path for _, path in _last_stores(folder))]


def _last_stores(folder: Path) -> list[tuple[Path, Path]]:
    """Return pairs of a folder and a store that commands in it used, for a recipe's folder and this folder."""
    found = []
    for place in (_project(), folder):
        last = _last(place)
        found += [(place, place / each) for each in (*last.get("stores", ()), last.get("store")) if each]
    return found


def require_named(store: Store, folders: Collection[Path]) -> None:
    """Raise UsageError if the store names a recipe's folder, but the folder does not name the store.

    A copied store still names the recipes of the original. A command on the copy must not write beside them.
    """
    root = store.root.resolve()
    for folder in folders:
        last = _last(folder)
        named = (LAST.parent, *_lines(folder / STORES), *last.get("stores", ()), last.get("store") or LAST.parent)
        if not root.is_relative_to(folder.resolve()) and root not in {(folder / each).resolve() for each in named}:
            raise UsageError(
                f"{store.root}: its records name {folder}, and {folder / STORES} does not name it. Was the store "
                "copied or moved? The command would change lists and snapshots of a recipe that may not be yours.\n"
                f"If they belong together, type `lmworks build RECIPE --store {shlex.quote(str(root))}` there, or add "
                f"the line {root} to that file. In a copy, build a recipe of your own, and delete the other records in "
                f"{store.builds.folder}; or delete the copy"
            )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def note_store(folder: Path, root: Path) -> str:
    """Note beside a recipe that it was built in a store. Return a message if this file cannot be written, else ""."""
    folder, root = folder.resolve(), root.resolve()
    line = str(root.relative_to(folder) if root.is_relative_to(folder) else root)
    if line == ".lmworks" or line in (noted := _lines(folder / STORES)):
        return ""
    try:
        write_atomically(folder / STORES, "".join(f"{each}\n" for each in (*noted, line)))
    except OSError as error:
        return f"{folder / STORES} cannot be written ({error.strerror}): `lmworks erase` will not name this store"
    return ""


def remembered(*, want_store: bool = True) -> tuple[Path, Path, list[str]]:
    """Return recipe, store and settings of the last build in this folder, or in one above, which is then printed."""
    place = _project()
    if not (last := _last(place)):
        raise UsageError(
            "no recipe was built in this folder or in a folder of yours above it\nName a recipe, as in `lmworks build "
            "recipes/quickstart.yaml`, or a store with --store"
        )
    recipe, store = place / last["recipe"], place / last["store"]
    here = Path.cwd()
    between = [here, *here.parents][: len(place.parts)]
    own = [folder / "recipe.yaml" for folder in between if (folder / "recipe.yaml").is_file()]
    if own and recipe.resolve() not in own:
        raise UsageError(
            f"{own[0]} was not built yet, and the last build in {place.resolve()} is of {recipe.resolve()}.\nName "
            "one of them, as in `lmworks build recipe.yaml`, or a store with --store"
        )
    if not _is_agreed(store, place):
        raise UsageError(
            f"{place / LAST} names a store outside of its folder, {store}, and the store does not name the folder. Was "
            "the folder copied or moved?\nIf the store is yours, name it with --store, or build there again"
        )
    if place != Path():
        print(f"as last in {place.resolve()}: {recipe}{f', store {store}' if want_store else ''}", file=sys.stderr)
    return recipe, store, last["settings"]


def _is_agreed(store: Path, place: Path) -> bool:
    """Return whether a store is in a folder, or names the folder itself. Otherwise somebody could prepare a folder so
    that a command such as `gc` deletes from a foreign store.
    """
    return store.resolve().is_relative_to(place.resolve()) or str(place.resolve()) in _lines(store / USED_FROM)


def _project() -> Path:
    """Return this folder, or the nearest above in which a command ran, except home, root and folders open to others."""
    here, home = Path.cwd(), Path.home()
    for up, folder in enumerate(() if (here / LAST).is_file() else here.parents, start=1):
        if folder in (home, Path(folder.anchor)) or not _is_mine(folder):
            break
        if (folder / LAST).is_file() and _is_mine(folder / LAST):
            return Path(*[".."] * up)
    return Path()


def _is_mine(path: Path) -> bool:
    found = path.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & stat.S_IWOTH


def _last(folder: Path = Path()) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / LAST).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def remember_build(recipe: Path, root: Path, settings: Sequence[str]) -> None:
    """Note the recipe and the store of a build, for later commands in this folder and in the recipe's folder."""
    place = _project()  # from where the recipe was taken, if none was named
    before = _last(place)
    if place / before.get("recipe", "") != recipe:
        place, before = Path(), _last()
    named, store = (os.path.relpath(path, place) if place != Path() else str(path) for path in (recipe, root))
    stores = dict.fromkeys(filter(None, [*before.get("stores", ()), before.get("store"), store]))
    last = {"recipe": named, "store": store, "stores": [*stores], "settings": [*settings]}
    if not _is_agreed(root, place):
        folders = [*_lines(root / USED_FROM), str(place.resolve())]
        write_atomically(root / USED_FROM, "".join(f"{each}\n" for each in folders))
    write_atomically(place / LAST, json.dumps(before | last) + "\n")
    folder = recipe.parent.resolve()
    if folder != place.resolve() and root.resolve() == folder / LAST.parent:  # commands there find it, too
        # From there, so that a copy of the folder speaks of itself, and never of what it was copied from.
        known = _last(folder)
        stores = dict.fromkeys([*known.get("stores", ()), LAST.parent.name])
        there = {"recipe": recipe.name, "store": LAST.parent.name, "stores": [*stores]}
        write_atomically(folder / LAST, json.dumps(known | last | there) + "\n")
