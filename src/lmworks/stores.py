"""Where stores lie: what commands without a recipe mean, and what is noted so that they find it again."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lmworks.errors import UsageError
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.record import BuildRecords, placed
from lmworks.pipeline.store import Artifact, Store

LAST = Path(".lmworks") / "last.json"
"""In the folder where a command ran: which recipe and store it used, as paths from there."""
USED_FROM = "used-from"
"""In a store: the folders outside of it whose commands built in it, a path a line."""
STORES = ".lmworks-stores"
"""Beside a recipe: the stores, other than that beside it, that it was built in, from any folder; a path a line."""


def open_store(store: Path | None, recipe: Path | None = None) -> Store:
    """The store named, or last built in from this folder or one above; of a recipe, the one it was built in last.

    Of the builds in it that of the recipe counts as the last.
    """
    if recipe is None:
        return Store(store or remembered()[1])
    found = {}
    for root in [store] if store else [recipe.parent / LAST.parent, *noted_stores(recipe.parent)]:
        builds = BuildRecords(root / "builds")
        for name, record in builds.readable():
            if builds.recipe_of(record) == placed(recipe):
                found[(builds.folder / f"{name}.json").stat().st_mtime_ns] = root, name
    if not found:
        what = "it was never built" if recipe.is_file() else "there is no such recipe"
        where = f"in {store}" if store else "here or in a store noted beside it"
        raise UsageError(f"{recipe}: {what} {where}; build one with `lmworks build RECIPE`")
    root, name = found[max(found)]
    return Store(root, name)


def find_named(names: Sequence[str], store: Path | None) -> tuple[Store, list[Artifact]]:
    """The store, and steps of the last build or, if a recipe's file stands first, of its; by default the models served.

    Raises `UsageError` for what is not built.
    """
    recipe = Path(names[0]) if names and names[0].endswith((".yaml", ".yml")) else None
    opened, steps = open_store(store, recipe), names[1:] if recipe else names
    if not (named := steps or _served(opened)):
        raise UsageError("the last recipe built names no model to serve; name one, such as a step of it")
    return opened, [opened.named(step) for step in named]


def _served(store: Store) -> Sequence[str]:
    from lmworks.release.built import Built  # which read tasks and their figures: most commands need neither
    from lmworks.release.gates import served

    return served(Built.open(store))


def find_one(names: Sequence[str], store: Path | None) -> tuple[Store, Artifact]:
    """The same of one step; of several that are served, the first. Raises `UsageError` if several are named."""
    opened, found = find_named(names, store)
    if len(names) > 2 or (len(names) == 2 and not names[0].endswith((".yaml", ".yml"))):
        raise UsageError(f"found {', '.join(names)}; expected one step, or a recipe's file and one of its steps")
    return opened, found[0]


def other_stores(store: Store, folder: Path) -> list[Path]:
    """Further stores of a recipe's folder: those that its recipes, or commands in this folder, were built in."""
    named = [folder / ".lmworks", *noted_stores(folder)]
    return sorted({path.resolve() for path in named if (path / "artifacts").is_dir()} - {store.root.resolve()})


def noted_stores(folder: Path) -> list[Path]:
    """What is noted beside a recipe and in this folder, or the one above that speaks for it."""
    named = [folder / line for line in _lines(folder / STORES)]
    for place in (_project(), folder):
        last = _last(place)
        named += [place / each for each in (*last.get("stores", ()), last.get("store")) if each]
    return named


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def note_store(folder: Path, root: Path) -> str:
    """Note beside a recipe that it was built in a store. What to say where that cannot be written."""
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
    """Recipe, store and settings of the last build that ran in this folder or, which is told, in one above."""
    place = _project()
    if not (last := _last(place)):
        raise UsageError(
            "no recipe was built from this folder, nor from one above it that is yours; name one, as in `lmworks build "
            "recipes/quickstart.yaml`, or a store with --store"
        )
    recipe, store = place / last["recipe"], place / last["store"]
    if not _is_agreed(store, place):
        raise UsageError(
            f"{place / LAST} names a store outside of its folder, {store}, which does not name that folder in turn, as "
            "in a folder that was copied or moved. If it is yours, name it with --store, or build there again"
        )
    if place != Path():
        print(f"as last in {place.resolve()}: {recipe}{f', store {store}' if want_store else ''}", file=sys.stderr)
    return recipe, store, last["settings"]


def _is_agreed(store: Path, place: Path) -> bool:
    """Whether a store lies in a folder, or says itself that it is used from there: who fills a folder decides of it
    alone, and a command such as `gc` deletes.
    """
    return store.resolve().is_relative_to(place.resolve()) or str(place.resolve()) in _lines(store / USED_FROM)


def _project() -> Path:
    """This folder, or the nearest above it in which a command ran: no home, no root, and none that others write in."""
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
    """Note what was built and where, for commands in this folder and in the recipe's own."""
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
