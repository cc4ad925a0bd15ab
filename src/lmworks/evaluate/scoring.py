"""Stages that score: what all of them are given beside their inputs, in one."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from lmworks.evaluate.contamination import Contamination
from lmworks.evaluate.items import Item, Scored
from lmworks.pipeline.chunks import Unit, in_chunks
from lmworks.pipeline.stage import Context, Names, Result, Stage, stage


@dataclass(frozen=True)
class Scoring:
    """Where a stage writes, what it may use, and what a search of the training text found of its items."""

    out: Path
    context: Context
    contamination: Contamination | None = None

    def in_chunks(self, units: Sequence[Unit], size: int, score: Callable[[Sequence[Unit]], list[Item]]) -> list[Item]:
        """The items of all units, of which a kill costs one chunk."""
        return in_chunks(self.context, units, size, score)

    def written(self, items: Sequence[Item], **conditions: Any) -> Scored:
        """Write the items; figures of them hold under these conditions."""
        return Scored.written(items, self.out, self.contamination, **conditions)


def scoring_stage(
    *, version: int, reads: Iterable[str] = (), trains_on: Names = (), judges: Names = (), measures: Names = ()
) -> Callable[[Callable[..., Result]], Stage]:
    """A stage of a function with a parameter `scoring`: as `stage` has it, with `contamination` among what it reads."""
    roles = {"trains_on": trains_on, "judges": judges, "measures": measures, "reads": (*reads, "contamination")}

    def declare(function: Callable[..., Result]) -> Stage:
        given = {**inspect.signature(function).parameters}
        given |= {**inspect.signature(Scoring).parameters}
        del given["scoring"]
        whole = inspect.Signature(sorted(given.values(), key=lambda each: each.default is not each.empty))

        @wraps(function)
        def score(*values: Any, **named: Any) -> Result:
            found = whole.bind(*values, **named).arguments
            own = {name: found.pop(name) for name in typing.get_type_hints(Scoring) if name in found}
            return function(**found, scoring=Scoring(**own))

        # By its code a stage that is defined again is told from another of its name.
        line = function.__code__.co_firstlineno
        score.__code__ = score.__code__.replace(co_firstlineno=line)  # type: ignore[attr-defined]
        score.__signature__ = whole  # type: ignore[attr-defined]
        score.__annotations__ = typing.get_type_hints(function) | typing.get_type_hints(Scoring)
        return stage(version=version, **roles)(score)

    return declare
