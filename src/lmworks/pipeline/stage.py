"""The stage contract: a pure function from a config and input artifacts to one output folder.

    @stage(version=1)
    def normalise(config: NormaliseConfig, documents: Documents, out: Path, context: Context) -> Result: ...

`config` holds resolved values only. Each further parameter is an input: a `Handle`, a list of handles, or an optional
handle. `out` is the folder that becomes the artifact's payload. `context` holds only what cannot change a byte.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Protocol, TypeVar, get_args, get_origin

from lmworks.pipeline.figure import Figure
from lmworks.pipeline.workers import Execute, in_processes
from lmworks.recipe.schema import StepConfig


@dataclass(frozen=True)
class Handle:
    """An input artifact, or one part of it: a folder and the digest of its content."""

    path: Path
    digest: str

    checked: ClassVar[bool] = False
    """Whether its files are held against their digests before a stage reads them, as what a model is made of is."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a stage found out, beside the files it wrote."""

    figures: Sequence[Figure] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    examples: Sequence[Mapping[str, Any]] = ()
    """Records shown by `lmworks show` and the report; stored in the payload, never in the manifest."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Times, rates and memory of this run: kept outside every digest."""


class Journal(Protocol):
    """What of this stage's work is finished. A stage trusts only what stands here."""

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
    """What a stage may use that cannot change a byte of its output."""

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
    kept: Path | None = None
    """Where a stage may leave a state that lies beside the artifact, no part of it, for steps with more of a field."""
    earlier: Sequence[Path] = ()
    """Such states of steps that are equal but for that field (`grows_by`)."""


@dataclass(frozen=True)
class Input:
    """One input parameter of a stage."""

    handle: type[Handle]
    many: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Stage:
    """A stage function with what its signature says."""

    name: str
    version: int
    function: Callable[..., Result]
    config: type[StepConfig]
    inputs: Mapping[str, Input]

    def __call__(self, *args: Any, **kwargs: Any) -> Result:
        return self.function(*args, **kwargs)


F = TypeVar("F", bound=Callable[..., Result])


def stage(*, version: int) -> Callable[[F], Stage]:
    """Make a stage of a function.

    Raise `version` whenever the function's output changes for equal inputs, so that stored artifacts are rebuilt.
    """

    def wrap(function: F) -> Stage:
        hints = typing.get_type_hints(function)
        name, config = function.__name__.replace("_", "-"), hints.get("config", StepConfig)
        return Stage(name, version, function, config, dict(_inputs(function, hints)))

    return wrap


def _inputs(function: Callable[..., Result], hints: Mapping[str, Any]) -> Iterator[tuple[str, Input]]:
    for name in inspect.signature(function).parameters:
        if name in ("config", "out", "context"):
            continue
        hint = hints[name]
        optional = get_origin(hint) in (typing.Union, UnionType) and type(None) in get_args(hint)
        if optional:
            (hint,) = [choice for choice in get_args(hint) if choice is not type(None)]
        many = get_origin(hint) is list
        if many:
            (hint,) = get_args(hint)
        if not (isinstance(hint, type) and issubclass(hint, Handle)):
            raise TypeError(f"{function.__qualname__}: parameter {name!r} is {hint!r}; inputs are handles")
        yield name, Input(hint, many, optional)
