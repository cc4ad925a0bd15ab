"""What an artifact was made from: the only walk over manifests.

A parent is found by its key, else by equal content: an artifact of the same stage whose part has the same digest was
made anew in its place. One that is found by neither is unknown, which no walk takes for an error.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lmworks.pipeline.manifest import InputRecord
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import ERASED, Artifact, Store
from lmworks.pipeline.units import BESIDE, PAYLOAD


@dataclass(frozen=True)
class Link:
    """One input of an artifact."""

    name: str
    """The parameter of the stage."""
    record: InputRecord
    parent: Artifact | None
    """None if it is unknown: neither it nor an artifact of equal content is in the store."""

    @property
    def path(self) -> Path | None:
        """The folder of the part that was read."""
        return self.parent.path(self.record.part) if self.parent else None

    @property
    def is_stand_in(self) -> bool:
        """Whether the parent is not what was read, which is gone, but another artifact of equal content."""
        return self.parent is not None and self.parent.key != self.record.key

    def __str__(self) -> str:
        """The input as a recipe names it, with its digest: for a reader who looks for what is unknown."""
        return f"{self.record.reference} ({self.record.stage} {self.record.key[:12]})"


@dataclass(frozen=True)
class Ancestor:
    """One artifact above another, with the links that lead to it."""

    artifact: Artifact
    links: tuple[Link, ...]

    @property
    def step(self) -> str:
        return self.artifact.manifest.step


class Lineage:
    """Walks over one store. It reads each manifest once: make a new one after the store has changed."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._by_key: dict[tuple[str, str], Artifact | None] = {}
        self._by_stage: dict[str, list[Artifact]] = {}

    def links(self, artifact: Artifact, *roles: Role) -> list[Link]:
        """The inputs of an artifact, or those with one of these roles."""
        return [
            Link(name, record, next(self._candidates(artifact, record), None))
            for name, record in artifact.manifest.records()
            if not roles or record.role in roles
        ]

    def ancestors(self, artifact: Artifact) -> list[Ancestor]:
        """The artifact and all that it was made from, sources first. Each artifact stands once."""
        seen: set[Artifact] = set()
        order: list[Ancestor] = []

        def visit(item: Artifact) -> None:
            if item in seen:
                return
            seen.add(item)
            links = self.links(item)
            for link in links:
                if link.parent:
                    visit(link.parent)
            order.append(Ancestor(item, tuple(links)))

        visit(artifact)
        return order

    def trained_on(self, model: Artifact) -> list[Link]:
        """The texts that a model, and those it began with, learned from, in the order of training; each once.

        Where the way to them is lost, the unknown link is one of them.
        """
        found: dict[tuple[str, str], Link] = {}

        def learn(link: Link) -> None:
            before = self.links(link.parent, Role.TRAINS_ON) if link.parent else []
            for each in before:  # texts, from rows that were packed of them
                learn(each)
            if not before:
                found.setdefault((link.record.reference, link.record.digest), link)

        for base in self.begun_with(model):
            for link in self.links(base.parent, Role.TRAINS_ON) if base.parent else [base]:
                learn(link)
        for link in self.links(model, Role.TRAINS_ON):
            learn(link)
        return list(found.values())

    def begun_with(self, model: Artifact) -> list[Link]:
        """The models whose weights a model goes on from, the first of all first."""
        found, seen, weights = list[Link](), set[Artifact](), [model]
        for item in weights:
            seen.add(item)
            links = self.links(item, Role.BEGINS_WITH)
            found += links
            weights += [link.parent for link in links if link.parent and link.parent not in seen]
        return found[::-1]

    def read_from(self, artifact: Artifact) -> Iterator[Link]:
        """What went into an artifact's content, the nearest first; each artifact's links once."""
        waiting, seen = [artifact], {artifact}
        for item in waiting:
            for link in self.links(item, Role.READS):
                yield link
                if link.parent and link.parent not in seen:
                    seen.add(link.parent)
                    waiting.append(link.parent)

    def reached(
        self, holds: Callable[[Artifact], bool], passes_on: Callable[[Artifact, str], bool | None]
    ) -> dict[Artifact, str]:
        """Every artifact that something can have reached, with the reason where it is not known to have.

        An artifact is reached if it `holds` it or an input, whatever its role, passes it on. `passes_on` tells of an
        artifact and a part; None means: if the artifact was reached. What is unknown counts as passing on.
        """
        reasons: dict[Artifact, str | None] = {}

        def reason(artifact: Artifact) -> str | None:
            """None: not reached. "": reached. Else why it is counted."""
            if artifact not in reasons:
                reasons[artifact] = "its inputs lead back to itself"  # if so, by equal content: it is not known
                reasons[artifact] = _most_certain(_reasons(artifact))
            return reasons[artifact]

        def _reasons(artifact: Artifact) -> Iterator[str | None]:
            if not artifact.is_readable:
                yield "its manifest cannot be read"
            elif holds(artifact):
                yield ""
            else:
                for name, record in artifact.manifest.records():
                    candidates = list(self._candidates(artifact, record))
                    if not candidates:
                        yield f"its input {Link(name, record, None)} is unknown"
                    for parent in candidates:
                        passes = passes_on(parent, record.part)
                        yield reason(parent) if passes is None else "" if passes else None

        every = {artifact: reason(artifact) for artifact in self.store.all()}
        return {artifact: why for artifact, why in every.items() if why is not None}

    def _candidates(self, artifact: Artifact, record: InputRecord) -> Iterator[Artifact]:
        """What an input may be: the artifact of its key; else all of equal content, those of the same step first.

        A step that changed nothing equals its input: what was made from the artifact is none of its inputs.
        """
        if by_key := self._of_key(record):
            yield by_key
            return
        if record.stage not in self._by_stage:
            made = (each for each in self.store.all() if each.stage == record.stage)
            self._by_stage[record.stage] = [each for each in made if each.is_readable and not each.is_erased]
        equal = [each for each in self._by_stage[record.stage] if each.digest(record.part) == record.digest]
        earlier = [each for each in equal if not self._is_above(artifact, each)]
        yield from sorted(earlier, key=lambda each: each.manifest.step != record.step)

    def _of_key(self, record: InputRecord) -> Artifact | None:
        key = (record.stage, record.key)
        if key not in self._by_key:
            named = self.store.find(*key)
            self._by_key[key] = named if named and named.is_readable else None
        return self._by_key[key]

    def _is_above(self, artifact: Artifact, other: Artifact) -> bool:
        """Whether `other` is the artifact, or was made from it."""
        parents = (self._of_key(record) for _, record in other.manifest.records())
        return other == artifact or any(self._is_above(artifact, parent) for parent in parents if parent)


def _most_certain(reasons: Iterator[str | None]) -> str | None:
    """The shortest way to say that something was reached; None if nothing says so."""
    said = [reason for reason in reasons if reason is not None]
    return min(said, key=len, default=None)


@dataclass(frozen=True)
class Waste:
    """A folder that no recorded build needs."""

    path: Path
    label: str
    bytes: int
    is_unfinished: bool = False
    """Whether a build may go on from it: which steps a recipe now has, no store knows."""


def unused(store: Store) -> list[Waste]:
    """What no recipe's last build names nor was made from, and folders of work that was not finished."""
    needed = _needed(store)
    waste = [
        Waste(artifact.folder, artifact.label, _size(artifact.folder))
        for artifact in store.all()
        if artifact not in needed
    ]
    for mark in sorted((store.root / "artifacts").glob(f"*/*/{ERASED}")):
        key = mark.parent.name
        if (mark.parent / "manifest.json").exists() or (store.root / "work" / key / "result.json").exists():
            continue  # it is being erased, or published
        label = f"what an erasure left of {mark.parent.parent.name} {key[:12]}"
        folders = (mark.parent / PAYLOAD, mark.parent / BESIDE)
        waste += [Waste(folder, label, _size(folder)) for folder in folders if folder.exists()]
    return [*waste, *_left_work(store)]


def _needed(store: Store) -> set[Artifact]:
    """What the last builds name, and what that was made from, but where what they name has equal content."""
    keys = {(step.stage, step.key) for build in store.builds for step in build.steps.values()}
    named = [artifact for artifact in store.all() if (artifact.stage, artifact.key) in keys]
    waiting = [artifact for artifact in named if artifact.is_readable]
    needed, lineage = set(named), Lineage(store)
    digest_of = cache(Artifact.digest)
    for artifact in waiting:
        for parent, record in ((link.parent, link.record) for link in lineage.links(artifact)):
            if parent and parent not in needed:
                alike = (each for each in named if each.stage == parent.stage and each.is_readable)
                if not any(digest_of(each, record.part) == record.digest for each in alike):
                    needed.add(parent)
                    waiting.append(parent)
    return needed


def _left_work(store: Store) -> Iterator[Waste]:
    """Folders of work in which more is left than the lock of a step that is finished."""
    for work in sorted((store.root / "work").iterdir()):
        left = {path.name for path in work.iterdir()}
        if left - {"lock", "step"}:
            step = (work / "step").read_text() if "step" in left else "a step"
            unfinished = not left.isdisjoint({"progress.jsonl", "result.json"})
            label = f"{'unfinished work' if unfinished else 'what a build left that was ended'} of {step}"
            yield Waste(work, f"{label} ({work.name[:12]})", _size(work), unfinished)


def remove(waste: Waste) -> None:
    """Delete one unused folder, the manifest first."""
    (waste.path / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(waste.path)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
