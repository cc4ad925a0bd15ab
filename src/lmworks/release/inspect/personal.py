"""Results of the `anonymise` steps of a build: what they looked for, found and did, and their recall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lmworks.data.personal.findings import ELSEWHERE, KINDS
from lmworks.data.privacy.anonymise import DONE, AnonymiseConfig, anonymise
from lmworks.pipeline.figure import Figure
from lmworks.release.built import Built

RECALL = "recall of "
"""First words of the names of figures about a kind."""


@dataclass(frozen=True)
class KindFound:
    """One kind of personal data."""

    kind: str
    count: int
    recall: Figure | None
    """Recall on templates of another author. None if it was not measured."""


@dataclass(frozen=True)
class Anonymised:
    """Results of one `anonymise` step."""

    step: str
    kinds: list[KindFound]
    further: list[Figure]
    """Recall of all kinds together and of each country."""
    done: dict[str, int]
    """Action on personal data → how often it was done."""
    unsought: list[str]
    """Kinds that the recipe does not look for."""
    elsewhere: list[str]
    """Limits of the kinds that it looks for: no pattern finds the forms of some countries."""
    seeks_names: bool
    """Whether a model looks for names in prose."""
    fields: list[str]
    """Fields that name people. The step looks for these names in the document of the field."""


def anonymised(built: Built) -> Iterator[Anonymised]:
    """Yield the results of each step that anonymises."""
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
