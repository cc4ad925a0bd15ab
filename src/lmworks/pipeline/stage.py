"""The stage contract: a pure function from a config and input artifacts to one output folder.

    @stage(version=1, reads="documents")
    def normalise(config: NormaliseConfig, documents: Documents, out: Path, context: Context) -> Result: ...

`config` holds resolved values only. Each further parameter is an input: a `Handle`, a list of handles, or an optional
handle, whose role the decorator tells. `out` is the folder that becomes the artifact's payload. `context` holds only
what cannot change a byte.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Protocol, TypeVar, get_args, get_origin

from lmworks.pipeline.figure import Figure
from lmworks.pipeline.units import BESIDE, NOTHING, Earlier
from lmworks.pipeline.work.workers import Execute, in_processes
from lmworks.recipe.schema import StepConfig
from lmworks.registry import is_own


@dataclass(frozen=True)
class Handle:
    """An input artifact, or one part of it: a folder and the digest of its content.

    Its files were compared with their digests before the stage got it.
    """

    holds: ClassVar[str] = ""
    """Kind of output (`StepConfig.makes`) that the step must have. Empty accepts any."""
    path: Path
    digest: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """Results of a stage beside the files it wrote."""

    figures: Sequence[Figure] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    losses: Set[str] = frozenset()
    """Names of the counts that say how much was not passed on: they are told first."""
    examples: Sequence[Mapping[str, Any]] = ()
    """Records shown by `lmworks show` and the report; stored in the payload, never in the manifest."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Times, rates and memory of this run: kept outside every digest."""


class Journal(Protocol):
    """Finished work of this stage. A stage trusts only this record."""

    def records(self) -> list[dict[str, Any]]:
        """Records appended by this run and by earlier ones that were stopped, oldest first."""

    def append(self, record: Mapping[str, Any]) -> None:
        """Store one record durably. Call it only after the files that it names are on disk."""


class Progress(Protocol):
    """The one live display."""

    def start(self, total: float, unit: str) -> None:
        """Begin counting `total` units ("tokens", "documents")."""

    def update(self, done: float, **values: float | str) -> None:
        """`done` units so far, with values worth seeing (`loss=2.31`)."""

    def sample(self, title: str, text: str) -> None:
        """Text that is rewritten while the stage runs."""


@dataclass(frozen=True)
class Context:
    """Tools for a stage that cannot change a byte of its output."""

    scratch: Path
    """Kept when the stage is killed, removed when it is published: checkpoints live here."""
    journal: Journal
    progress: Progress
    check_stop: Callable[[], None]
    """Raises `Stopped` when the user asked to stop. Call it between units of work that are safe to end at."""
    workers: int = 1
    log: Callable[[str], None] = print
    execute: Execute = in_processes
    """Where units of work run."""
    earlier: Earlier = NOTHING
    """Units of work that earlier builds of the stage finished."""

    @property
    def beside(self) -> Path:
        """Folder for units of work beside the payload, for later builds (see `units`)."""
        return self.scratch.parent / BESIDE


class Role(StrEnum):
    """Role of an input for the output of a stage. Lineage follows it."""

    READS = "reads"
    """Its content goes into the output."""
    TRAINS_ON = "trains on"
    """Weights, a vocabulary or counts are learned from it: by the stage, or, through rows packed from it, by a later
    one."""
    BEGINS_WITH = "begins with"
    """The weights that training goes on from."""
    JUDGES = "judges"
    """It decides what is kept, or what an answer is worth."""
    MEASURES = "measures"
    """It is measured, or what is measured is measured on it."""


@dataclass(frozen=True)
class Input:
    """One input parameter of a stage."""

    role: Role
    handle: type[Handle]
    many: bool = False
    optional: bool = False


class Together:
    """Base of a dataclass that is one parameter of a stage's function in place of those its fields are named after."""

    roles: ClassVar[Mapping[str, Role]] = {}
    """Roles of those that are inputs."""


def _parameters(function: Callable[..., Any], together: Mapping[str, type[Together]]) -> list[inspect.Parameter]:
    """Return the parameters of a stage: the function's, and those that one of them takes together."""
    every = [each for name, each in inspect.signature(function).parameters.items() if name not in together]
    every += [each for kind in together.values() for each in inspect.signature(kind).parameters.values()]
    return sorted(every, key=lambda each: each.default is not each.empty)


@dataclass(frozen=True)
class Stage:
    """A stage function with what its signature says."""

    name: str
    """Part of its keys, and the folder of its artifacts: no other stage has it."""
    version: int
    function: Callable[..., Result]
    config: type[StepConfig]
    inputs: Mapping[str, Input]
    together: Mapping[str, type[Together]] = field(default_factory=dict)
    """The function's parameters that take several in one."""

    def __call__(self, *args: Any, **kwargs: Any) -> Result:
        if not self.together:
            return self.function(*args, **kwargs)
        given = inspect.Signature(_parameters(self.function, self.together)).bind(*args, **kwargs).arguments
        for name, kind in self.together.items():
            own = inspect.signature(kind).parameters
            given[name] = kind(**{each: given.pop(each) for each in own if each in given})
        return self.function(**given)


F = TypeVar("F", bound=Callable[..., Result])
Names = str | Sequence[str]
"""The name of a parameter, or several."""

_declared: dict[str, Stage] = {}


def _each(names: Names) -> Sequence[str]:
    return [names] if isinstance(names, str) else names


def stage(
    *,
    version: int,
    reads: Names = (),
    trains_on: Names = (),
    begins_with: Names = (),
    judges: Names = (),
    measures: Names = (),
    name: str = "",
    config: type[StepConfig] | None = None,
    never_given: Names = (),
) -> Callable[[F], Stage]:
    """Make a stage of a function, and tell the role of each of its inputs.

    A function that several stages share is told the `name` and the `config` of this one, and which of its inputs it
    is `never_given`.
    Raise `version` whenever the function's output changes for equal inputs, so that stored artifacts are rebuilt.
    Raises TypeError for an input whose role is not told, or told twice, for a role of what is no input, and for a
    function that would have the keys of another.
    """
    told = {
        Role.READS: reads,
        Role.TRAINS_ON: trains_on,
        Role.BEGINS_WITH: begins_with,
        Role.JUDGES: judges,
        Role.MEASURES: measures,
    }
    roles = [(each, role) for role, names in told.items() for each in _each(names)]

    def wrap(function: F) -> Stage:
        hints = typing.get_type_hints(function)
        kinds = {each: kind for each, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Together)}
        own = [each.name for each in _parameters(function, kinds) if each.name not in _each(never_given)]
        hints |= {name: hint for kind in kinds.values() for name, hint in typing.get_type_hints(kind).items()}
        inside = [each for kind in kinds.values() for each in kind.roles.items()]
        inputs = dict(_inputs(function, own, hints, [*roles, *inside]))
        made = config or hints.get("config", StepConfig)
        return _declare(Stage(name or _name(function), version, function, made, inputs, kinds))

    return wrap


def declared_roles(stage: str) -> Mapping[str, Role]:
    """Return the roles of a stage's inputs by its name; empty if no such stage was imported."""
    made = _declared.get(stage)
    return {parameter: each.role for parameter, each in made.inputs.items()} if made else {}


def _name(function: Callable[..., Result]) -> str:
    """Return the name of an own function, or name and place of another package's function, so that none collide."""
    if is_own(function.__module__):
        return function.__name__.replace("_", "-")
    return re.sub(r"[^\w.]", "", f"{function.__module__}.{function.__qualname__}")


def _declare(made: Stage) -> Stage:
    """Know a stage by its name. One that is defined anew, by another import or in another cell, replaces the first."""
    if made.name in _declared:
        old, new = _declared[made.name].function, made.function
        line, first = (function.__code__.co_firstlineno for function in (new, old))
        in_one_run = old.__globals__ is new.__globals__ and old.__code__.co_filename == new.__code__.co_filename
        if old.__module__ != new.__module__ or old.__code__ is new.__code__ or (in_one_run and line != first):
            raise TypeError(
                f"two stages are called {made.name!r}: {old.__module__}, line {first}, and {new.__module__}, line "
                f"{line}; each would be given what the other made: rename one"
            )
    _declared[made.name] = made
    return made


def _inputs(
    function: Callable[..., Result], own: Sequence[str], hints: Mapping[str, Any], roles: Sequence[tuple[str, Role]]
) -> Iterator[tuple[str, Input]]:
    names = [name for name in own if name not in ("config", "out", "context")]
    if sorted(names) != sorted(name for name, _ in roles):
        raise TypeError(
            f"{function.__qualname__}: its inputs are {', '.join(names) or 'none'}, and roles are told of "
            f"{', '.join(name for name, _ in roles) or 'none'}; tell one of each, such as @stage(version=1, "
            'reads="documents"): reads, trains_on, begins_with, judges or measures'
        )
    role_of = dict(roles)
    for name in names:
        hint = hints[name]
        optional = get_origin(hint) in (typing.Union, UnionType) and type(None) in get_args(hint)
        if optional:
            (hint,) = [choice for choice in get_args(hint) if choice is not type(None)]
        many = get_origin(hint) is list
        if many:
            (hint,) = get_args(hint)
        if not (isinstance(hint, type) and issubclass(hint, Handle)):
            raise TypeError(f"{function.__qualname__}: parameter {name!r} is {hint!r}; inputs are handles")
        yield name, Input(role_of[name], hint, many, optional)
