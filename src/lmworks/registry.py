"""The kinds that a recipe can name: built-in kinds, and kinds that installed packages add by entry points.

    [project.entry-points."lmworks.steps"]
    lemmas = "my_package.lemmas:lemmas"

Installing a package changes no recipe. A kind is used only if a recipe names it, built-in kinds are never replaced,
and a package is imported only when its kind is named. The name and version of the package are part of the keys of the
steps that use it.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

from lmworks.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OWN = "lmworks"
"""Name of lmworks' own distribution. Kinds that it adds by entry points count as built in."""
OWN_MODULES = (OWN, "lmworks_api_docs")
"""Packages of lmworks' own distribution."""

T = TypeVar("T")


class UnknownKind(UsageError):
    """Error for a name that no kind has."""

    def __init__(self, noun: str, name: str, names: Sequence[str]) -> None:
        super().__init__(f"no {noun} {name!r}{nearest(name, names)}")
        self.names = names


class PluginError(UsageError):
    """Error of an installed package whose entry point does not provide its kind."""


@dataclass(frozen=True, order=True)
class Plugin:
    """An installed distribution that adds kinds."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Kinds(Mapping[str, T], Generic[T]):
    """The kinds of one group by name. `lmworks.GROUP` is the group of entry points that adds to them."""

    def __init__(self, group: str, noun: str, built_in: Mapping[str, T], check: Callable[[str, Any], T]) -> None:
        """Keep a group. `check` gets a name and an entry point's object. It returns the kind or raises TypeError."""
        self.group, self.noun, self.built_in, self._check = group, noun, built_in, check
        self._loaded: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        """Return a kind. Raises KeyError for an unknown name, and PluginError if its package does not provide it."""
        if name in self.built_in:
            return self.built_in[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or name in _points(self.group)

    def __iter__(self) -> Iterator[str]:
        yield from self.built_in
        yield from sorted(_points(self.group).keys() - self.built_in.keys())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    __eq__, __hash__ = object.__eq__, object.__hash__  # a mapping's would import every package

    def require(self, name: str) -> T:
        """Return the kind of this name. Raises UnknownKind, with the most similar name, or PluginError."""
        if name not in self:
            raise UnknownKind(self.noun, name, list(self))
        return self[name]

    def plugins(self, name: str) -> list[Plugin]:
        """Return the packages that add a name: none if it is built in, several if they conflict."""
        if name in self.built_in:
            return []
        return sorted({plugin for point in _points(self.group).get(name, []) if (plugin := _plugin(point))})

    def loadable(self) -> Iterator[tuple[str, T]]:
        """Yield every kind that can be loaded. For the others, see `faults`."""
        for name in self:
            try:
                yield name, self[name]
            except PluginError:
                continue

    def faults(self) -> Iterator[str]:
        """Yield the faults of installed packages, in words."""
        for name, points in sorted(_points(self.group).items()):
            if name in self.built_in:
                yield f"{_from(points)}: the built-in {self.noun} {name!r} is not replaced; give yours a new name"
                continue
            try:
                self[name]
            except PluginError as error:
                yield str(error)

    def _load(self, name: str) -> T:
        points = _points(self.group).get(name, [])
        if not points:
            raise KeyError(name)
        if len(points) > 1:
            raise PluginError(
                f"the {self.noun} {name!r} is in {_from(points)}: uninstall all but one, or ask an author to rename it"
            )
        (point,) = points
        try:
            return self._check(name, point.load())
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"the {self.noun} {name!r} of {_from(points)} cannot be loaded from {point.value}: "
                f"{type(error).__name__}: {error}. Update or uninstall that package"
            ) from error


def plugins_behind(things: Sequence[Any]) -> set[Plugin]:
    """Return the packages that define some classes and functions, or the base classes of these classes."""
    modules = {part.__module__ for thing in things for part in (thing.__mro__ if isinstance(thing, type) else [thing])}
    return {plugin for module in modules for plugin in _owners_of(module)}


def _owners_of(module: str) -> set[Plugin]:
    """Return the packages that add kinds from a module, or from the nearest module, since packages share namespaces."""
    parts = module.split(".")
    near: dict[int, set[Plugin]] = {}
    for other, plugin in _owners().get(parts[0], ()):
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(parts, other.split("."), strict=False)))
        near.setdefault(shared, set()).add(plugin)
    return near[max(near)] if near else set()


def installed(plugins: Mapping[str, str]) -> set[str]:
    """Return the names in `plugins` that are installed."""
    return plugins.keys() & {plugin.name for owned in _owners().values() for _, plugin in owned}


def is_own(module: str) -> bool:
    """Return whether a module belongs to lmworks' own distribution."""
    return module.partition(".")[0] in OWN_MODULES


def load(place: str) -> Any:
    """Return the object at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def nearest(word: str, names: Sequence[str]) -> str:
    """Return the end of a message about an unknown word: the most similar name, or else all names."""
    if close := difflib.get_close_matches(word, names, n=1, cutoff=0.6):
        return f"; did you mean {close[0]!r}?"
    return f"; expected one of {', '.join(sorted(set(names)))}" if names else ""


def derived_from(base: type[T], field: str = "kind") -> Callable[[str, Any], type[T]]:
    """Return a check for config classes: derived from `base`, with their name as the only value of `field`."""

    def check(name: str, found: Any) -> type[T]:
        if not (isinstance(found, type) and issubclass(found, base)):
            raise TypeError(f"expected a class derived from {base.__module__}.{base.__qualname__}, found {found!r}")
        info = getattr(found, "model_fields", {}).get(field)
        if info is None or get_args(info.annotation) != (name,):
            raise TypeError(f'{found.__qualname__}: expected its field `{field}: Literal["{name}"]`')
        if lacking := sorted(getattr(found, "__abstractmethods__", ())):
            raise TypeError(f"{found.__qualname__}: define {', '.join(lacking)}")
        getattr(found, "require_whole", lambda: None)()
        return found

    return check


def instance_of(kind: type[T]) -> Callable[[str, Any], T]:
    """Return a check that an object is an instance of a class."""

    def check(name: str, found: Any) -> T:
        if not isinstance(found, kind):
            raise TypeError(f"expected a {kind.__module__}.{kind.__qualname__}, found {found!r}")
        return found

    return check


@cache
def _entry_points() -> Mapping[str, Mapping[str, list[EntryPoint]]]:
    """Return group → name → entry points of this name. If lmworks itself has one, the others are left out."""
    from importlib.metadata import distributions

    found: dict[str, dict[str, list[EntryPoint]]] = {}
    seen: set[str] = set()
    for distribution in distributions():
        if distribution.name in seen:
            continue  # hidden by one that stands earlier on the path
        seen.add(distribution.name)
        for point in distribution.entry_points:
            if point.group.startswith("lmworks."):
                found.setdefault(point.group.removeprefix("lmworks."), {}).setdefault(point.name, []).append(point)
    for points in found.values():
        for name, same in points.items():
            points[name] = [point for point in same if _plugin(point) is None] or same
    return found


def _points(group: str) -> Mapping[str, list[EntryPoint]]:
    return _entry_points().get(group, {})


def _plugin(point: EntryPoint) -> Plugin | None:
    """Return the package of an entry point. None if it is lmworks itself."""
    name = point.dist.name if point.dist else ""
    return None if name == OWN or point.dist is None else Plugin(name, point.dist.version)


def _from(points: Sequence[EntryPoint]) -> str:
    return " and ".join(sorted({str(_plugin(point) or OWN) for point in points}))


@cache
def _owners() -> Mapping[str, set[tuple[str, Plugin]]]:
    """Return first part of a module's name → pairs of a module with kinds and its package."""
    found: dict[str, set[tuple[str, Plugin]]] = {}
    for points in _entry_points().values():
        for point in (each for same in points.values() for each in same):
            if plugin := _plugin(point):
                found.setdefault(point.module.partition(".")[0], set()).add((point.module, plugin))
    return found
