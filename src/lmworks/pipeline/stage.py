"""Interface of stages. A stage is a pure function from a config and input artifacts to one output folder.

    @stage(version=1, reads="documents")
    def normalise(config: NormaliseConfig, documents: Documents, out: Path, context: Context) -> Result: ...

`config` holds resolved values only. Each further parameter is an input: a `Handle`, a list of handles, or an optional
handle. The decorator states the inputs' roles. `out` is the folder that becomes the artifact's payload. `context` holds
only tools that cannot change the output.
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
    """Input artifact, or one part of it: a folder and the digest of its content.

    Its files were compared with their digests before the stage got it.
    """

    holds: ClassVar[str] = ""
    """Kind of output (`StepConfig.makes`) that the step must have. Empty accepts any."""
    path: Path
    digest: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """Results of a stage in addition to the files that it wrote."""

    figures: Sequence[Figure] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    losses: Set[str] = frozenset()
    """Names of the counts of records that were not passed on. They are shown first."""
    examples: Sequence[Mapping[str, Any]] = ()
    """Records for `lmworks show` and the report. They are stored in the payload, never in the manifest."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Times, rates and memory of this run. No digest includes them."""


class Journal(Protocol):
    """Finished work of this stage. A stage trusts only this record."""

    def records(self) -> list[dict[str, Any]]:
        """Return the records of this run and of earlier runs that were stopped, the oldest first."""

    def append(self, record: Mapping[str, Any]) -> None:
        """Store one record durably. Call it only after the files that it names are on disk."""


class Progress(Protocol):
    """Live display of a step's progress."""

    def start(self, total: float, unit: str) -> None:
        """Begin counting `total` units ("tokens", "documents")."""

    def update(self, done: float, **values: float | str) -> None:
        """Show that `done` units are done so far, with values such as `loss=2.31`."""

    def sample(self, title: str, text: str) -> None:
        """Show a text that is replaced while the stage runs."""


@dataclass(frozen=True)
class Context:
    """Tools for a stage that cannot change a byte of its output."""

    scratch: Path
    """Folder for checkpoints. It is kept if the stage is killed, and removed when the output is published."""
    journal: Journal
    progress: Progress
    check_stop: Callable[[], None]
    """Function that raises `Stopped` if the user wants to stop. Call it wherever the work can safely end."""
    workers: int = 1
    log: Callable[[str], None] = print
    execute: Execute = in_processes
    """Function that runs units of work."""
    earlier: Earlier = NOTHING
    """Units of work that earlier builds of the stage finished."""

    @property
    def beside(self) -> Path:
        """Folder for units of work beside the payload, for later builds (see `units`)."""
        return self.scratch.parent / BESIDE


class Role(StrEnum):
    """Role of an input for the output of a stage. Lineage follows it."""

    READS = "reads"
    """Role of an input whose content goes into the output."""
    TRAINS_ON = "trains on"
    """Role of an input from which weights, a vocabulary or counts are learned. The stage learns, or packs rows from
    which a later stage learns."""
    BEGINS_WITH = "begins with"
    """Role of the weights from which training starts."""
    JUDGES = "judges"
    """Role of an input that decides which records are kept, or how good an answer is."""
    MEASURES = "measures"
    """Role of an input that is measured, or on which something is measured."""


@dataclass(frozen=True)
class Input:
    """One input parameter of a stage."""

    role: Role
    handle: type[Handle]
    many: bool = False
    optional: bool = False


class Together:
    """Base of a dataclass that groups several parameters of a stage. Its fields have the names of these parameters."""

    roles: ClassVar[Mapping[str, Role]] = {}
    """Roles of the fields that are inputs."""


def _parameters(function: Callable[..., Any], together: Mapping[str, type[Together]]) -> list[inspect.Parameter]:
    """Return the parameters of a stage: those of the function, and the fields of its grouped parameters."""
    every = [each for name, each in inspect.signature(function).parameters.items() if name not in together]
    every += [each for kind in together.values() for each in inspect.signature(kind).parameters.values()]
    return sorted(every, key=lambda each: each.default is not each.empty)


@dataclass(frozen=True)
class Stage:
    """Stage function with the facts of its signature."""

    name: str
    """Unique name. It is part of the stage's keys, and names the folder of its artifacts."""
    version: int
    function: Callable[..., Result]
    config: type[StepConfig]
    inputs: Mapping[str, Input]
    together: Mapping[str, type[Together]] = field(default_factory=dict)
    """Parameters of the function that group several parameters."""

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
"""Name of a parameter, or several names."""

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
    """Make a stage of a function, and state the role of each of its inputs.

    If several stages share a function, state the `name` and `config` of this stage, and the inputs that it is
    `never_given`.
    Increase `version` whenever the function's output changes for equal inputs, so that stored artifacts are rebuilt.
    Raises TypeError for an input without a role or with two roles, for a role of a parameter that is not an input,
    and for two functions with the same stage name.
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
    """Return the roles of a stage's inputs. Empty if no stage of this name was imported."""
    made = _declared.get(stage)
    return {parameter: each.role for parameter, each in made.inputs.items()} if made else {}


def _name(function: Callable[..., Result]) -> str:
    """Return the stage's name: the function's name, with its module in packages other than lmworks, to be unique."""
    if is_own(function.__module__):
        return function.__name__.replace("_", "-")
    return re.sub(r"[^\w.]", "", f"{function.__module__}.{function.__qualname__}")


def _declare(made: Stage) -> Stage:
    """Register a stage by its name. A new definition, by another import or in another cell, replaces the old one."""
    if made.name in _declared:
        old, new = _declared[made.name].function, made.function
        line, first = (function.__code__.co_firstlineno for function in (new, old))
        in_one_run = old.__globals__ is new.__globals__ and old.__code__.co_filename == new.__code__.co_filename
        if old.__module__ != new.__module__ or old.__code__ is new.__code__ or (in_one_run and line != first):
            raise TypeError(
                f"two stages are called {made.name!r}: {old.__module__}, line {first}, and {new.__module__}, line "
                f"{line}. Each would get the other's artifacts; rename one of these stages"
            )
    _declared[made.name] = made
    return made


def _inputs(
    function: Callable[..., Result], own: Sequence[str], hints: Mapping[str, Any], roles: Sequence[tuple[str, Role]]
) -> Iterator[tuple[str, Input]]:
    names = [name for name in own if name not in ("config", "out", "context")]
    if sorted(names) != sorted(name for name, _ in roles):
        raise TypeError(
            f"{function.__qualname__}: the inputs are {', '.join(names) or 'none'}, but roles are stated for "
            f"{', '.join(name for name, _ in roles) or 'none'}; state one role for each, as in @stage(version=1, "
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
            raise TypeError(f"{function.__qualname__}: input {name!r} is {hint!r}, which is not a handle")
        yield name, Input(role_of[name], hint, many, optional)
