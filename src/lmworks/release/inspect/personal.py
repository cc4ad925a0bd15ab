"""What the `anonymise` steps of a build looked for, found and did, and how much of it they find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lmworks.data.personal.findings import ELSEWHERE, KINDS
from lmworks.data.privacy.anonymise import DONE, AnonymiseConfig, anonymise
from lmworks.pipeline.figure import Figure
from lmworks.release.built import Built

RECALL = "recall of "
"""How the figures of a kind begin."""


@dataclass(frozen=True)
class KindFound:
    """One kind of personal data."""

    kind: str
    count: int
    recall: Figure | None
    """On templates of another author; None where it was not measured."""


@dataclass(frozen=True)
class Anonymised:
    """What one step did."""

    step: str
    kinds: list[KindFound]
    further: list[Figure]
    """Recall of all kinds together and of each country."""
    done: dict[str, int]
    """What was done with what was found, and how often."""
    unsought: list[str]
    """Kinds that the recipe does not ask for."""
    elsewhere: list[str]
    """Of kinds that it asks for, what no pattern finds: that of countries whose forms are not known."""
    seeks_names: bool
    """Whether a model looks for names in prose."""
    fields: list[str]
    """Those whose names are looked for in their own document."""


def anonymised(built: Built) -> Iterator[Anonymised]:
    """Each step that anonymises."""
    for step, artifact in built.artifacts.items():
        if artifact.stage != anonymise.name:
            continue
        config = AnonymiseConfig.model_validate(artifact.manifest.config)
        figures = {figure.name.removeprefix(RECALL): figure for figure in artifact.manifest.figures}
        counts, done = Counter[str](), Counter[str]()
        for reason, count in artifact.manifest.counts.items():
            kind, _, how = reason.partition(" ")
            if how in DONE.values():
                counts[kind] += count
                done[how] += count
        kinds = [kind for kind in dict.fromkeys([*KINDS, *counts]) if counts[kind] or kind in figures]
        guessed = config.guessed_kinds()
        yield Anonymised(
            step,
            [KindFound(kind, counts[kind], figures.get(kind)) for kind in kinds],
            [figure for name, figure in figures.items() if name not in KINDS],
            dict(done),
            [kind for kind in (*KINDS, *(each.name for each in config.own)) if config.action_of(kind) == "keep"],
            [told for kind, told in ELSEWHERE.items() if config.action_of(kind) != "keep" and kind not in guessed],
            "person" in guessed,
            config.people,
        )
