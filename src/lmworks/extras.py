"""Packages that a plain installation lacks, and the extras that install them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from importlib.util import find_spec

from lmworks.errors import UsageError

NAMED_OTHERWISE = {"docx": "python-docx", "google": "protobuf", "sklearn": "scikit-learn"}
"""Module → its distribution, for modules whose distribution has another name."""


class MissingPackage(UsageError):
    """Error for a package that a step needs and that is not installed."""


@cache
def extras() -> dict[str, list[str]]:
    """Return each distribution with the extras of lmworks that install it. The extra `dev` is left out."""
    found: dict[str, list[str]] = {}
    for line in metadata.requires("lmworks") or ():
        match = re.match(r"([\w.-]+).*;.*\bextra *== *['\"]([\w-]+)['\"]", line)
        if match and match[2] != "dev":
            found.setdefault(_normal(match[1]), []).append(match[2])
    return found


def absent(modules: Iterable[str]) -> list[str]:
    """Return the modules that are not installed, sorted."""
    return sorted(name for name in set(modules) if not _is_there(name))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of what is above it
        return False


def of_extras(modules: Iterable[str]) -> list[str]:
    """Return the modules whose packages belong to extras of lmworks, sorted."""
    return sorted({each for each in modules if _distribution(each) in extras()})


def remedy(modules: Iterable[str]) -> str:
    """Return the command that installs these modules, with as few extras of lmworks as possible."""
    names = [*map(_distribution, modules)]
    needed = set[str]()
    for brings in sorted((extras()[name] for name in names if name in extras()), key=len):
        if needed.isdisjoint(brings):
            needed.add(brings[0])
    words = [f"'lmworks[{','.join(sorted(needed))}]'"] if needed else []
    return " ".join(["pip install", *words, *sorted(name for name in names if name not in extras())])


@contextmanager
def told_if_missing() -> Iterator[None]:
    """Turn an ImportError into MissingPackage, if an extra of lmworks would install the package."""
    try:
        yield
    except ImportError as error:
        module = (error.name or "").partition(".")[0]
        if _distribution(module) not in extras() or not absent([module]):
            raise
        raise MissingPackage(f"the package with the module `{module}` is not installed: {remedy([module])}") from error


def _distribution(module: str) -> str:
    top = module.partition(".")[0]
    return _normal(NAMED_OTHERWISE.get(top, top))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
