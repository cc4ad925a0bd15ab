"""Lineage of an artifact: the only walk over manifests.

A walk for a build takes as parent the artifact that the build's recipe names, if it has the content that was read. A
step whose inputs came out equal is reused, and statements about it must hold for this recipe. Otherwise the parent is
found by its key, or by equal content: an artifact of the same stage whose part has the same digest was made anew in its
place. A parent that is not found is unknown, and no walk treats it as an error.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lmworks.pipeline.manifest import InputRecord
from lmworks.pipeline.record import BuildRecord, split_reference
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import ERASED, Artifact, Store
from lmworks.pipeline.units import BESIDE, PAYLOAD


@dataclass(frozen=True)
class Link:
    """One input of an artifact."""

    name: str
    """The parameter of the stage."""
    record: InputRecord
    """Record of the input."""
    parent: Artifact | None
    """None if it is unknown: neither it nor an artifact of equal content is in the store."""
    reference: str
    """The input as a recipe names it: the build's own, or that of the first that made the artifact."""

    @property
    def step(self) -> str:
        """The step that it is, or is a part of."""
        return split_reference(self.reference)[0]

    @property
    def part(self) -> str:
        """The part of the step's output; empty for the whole."""
        return split_reference(self.reference)[1]

    @property
    def path(self) -> Path | None:
        """The folder of the part that was read."""
        return self.parent.path(self.part) if self.parent else None

    @property
    def is_stand_in(self) -> bool:
        """Whether the parent is another artifact than the one that was read, with equal content."""
        return self.parent is not None and self.parent.key != self.record.key

    def __str__(self) -> str:
        return as_text(self.record)


def as_text(record: InputRecord) -> str:
    """Return an input as the recipe names it, with stage and key, so that a reader can look for an unknown input."""
    return f"{record.reference} ({record.stage} {record.key[:12]})"


Follows = Callable[[InputRecord, Artifact | None], bool]
"""Function that says whether a walk follows an input. The artifact is None if it is unknown."""


@dataclass(frozen=True)
class Ancestor:
    """Artifact that another one was made from, with the links to its own inputs."""

    artifact: Artifact
    links: tuple[Link, ...]
    step: str
    """Name of the step in the build, or else in the recipe that first made it."""


class Lineage:
    """Walks over one store, for a build if one is given.

    Each manifest is read only once. Make a new object after the store has changed.
    """

    def __init__(self, store: Store, build: BuildRecord | None = None) -> None:
        self.store = store
        self._build = _Steps(build) if build else None
        self._by_key: dict[tuple[str, str], Artifact | None] = {}
        self._by_content: dict[tuple[str, str], dict[str, list[Artifact]]] = {}

    def links(self, artifact: Artifact, *roles: Role) -> list[Link]:
        """Return the inputs of an artifact, or those with one of these roles."""
        return [
            self._link(artifact, name, place, record)
            for name, records in artifact.manifest.inputs.items()
            for place, record in enumerate(records)
            if not roles or record.role in roles
        ]

    def name_of(self, artifact: Artifact) -> str:
        """Return the step's name in the build, or else its name in the recipe that first made it."""
        names = self._build.names(artifact) if self._build else []
        return names[0] if names else artifact.manifest.step

    def _link(self, artifact: Artifact, name: str, place: int, record: InputRecord) -> Link:
        for parent, reference in self._named(self._build, artifact, name, place, record) if self._build else ():
            return Link(name, record, parent, reference)
        return Link(name, record, next(self._candidates(artifact, record), None), record.reference)

    def _named(
        self, build: _Steps, artifact: Artifact, name: str, place: int, record: InputRecord
    ) -> Iterator[tuple[Artifact, str]]:
        """Yield the artifacts that a build names as this input, if their content is the content that was read."""
        for reference in build.references(artifact, name, place):
            step, part = split_reference(reference)
            parent = self._of_key(*build.keys[step]) if step in build.keys else None
            if parent and parent.digest(part) == record.digest:
                yield parent, reference

    def ancestors(self, artifact: Artifact) -> list[Ancestor]:
        """Return the artifact and all that it was made from, sources first. Each artifact occurs once."""
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
            order.append(Ancestor(item, tuple(links), self.name_of(item)))

        visit(artifact)
        return order

    def trained_on(self, model: Artifact) -> list[Link]:
        """Return the texts that a model and its bases learned from, in the order of training, each once.

        If the texts cannot be found, return the unknown link in their place.
        """
        found: dict[tuple[str, str], Link] = {}

        def learn(link: Link) -> None:
            before = self.links(link.parent, Role.TRAINS_ON) if link.parent else []
            for each in before:  # texts, from rows that were packed of them
                learn(each)
            if not before:
                found.setdefault((link.reference, link.record.digest), link)

        for base in self.begun_with(model):
            for link in self.links(base.parent, Role.TRAINS_ON) if base.parent else [base]:
                learn(link)
        for link in self.links(model, Role.TRAINS_ON):
            learn(link)
        return list(found.values())

    def begun_with(self, model: Artifact) -> list[Link]:
        """Return the bases of a model, whose weights it was trained from, the first base first."""
        found, seen, weights = list[Link](), set[Artifact](), [model]
        for item in weights:
            seen.add(item)
            links = self.links(item, Role.BEGINS_WITH)
            found += links
            weights += [link.parent for link in links if link.parent and link.parent not in seen]
        return found[::-1]

    def read_from(self, artifact: Artifact) -> Iterator[Link]:
        """Yield the links to an artifact's content, the nearest first, and each artifact's links once."""
        waiting, seen = [artifact], {artifact}
        for item in waiting:
            for link in self.links(item, Role.READS):
                yield link
                if link.parent and link.parent not in seen:
                    seen.add(link.parent)
                    waiting.append(link.parent)

    def reached(
        self,
        holds: Callable[[Artifact], bool],
        passes_on: Callable[[Artifact, str], bool | None],
        follows: Follows = lambda record, parent: True,
    ) -> dict[Artifact, str]:
        """Return every artifact that a text can have reached, with the reason if this is not certain.

        An artifact is reached if it `holds` the text, or if an input of any role passes the text on. `passes_on` says
        this for an artifact and a part. None means that it does so if the artifact was reached. An unknown input counts
        as passing on. The inputs are the artifacts that were read and those that builds name in their place. For data
        of a training they are all artifacts of equal content. Inputs for which `follows` is false are left out.
        """
        reasons: dict[Artifact, str | None] = {}
        builds = [_Steps(build) for build in self.store.builds]

        def reason(artifact: Artifact) -> str | None:
            """Return None if not reached, "" if reached, or else the reason why it counts as reached."""
            if artifact not in reasons:
                reasons[artifact] = "its inputs lead back to itself"  # if so, by equal content: it is not known
                reasons[artifact] = _most_certain(_reasons(artifact))
            return reasons[artifact]

        def inputs(artifact: Artifact) -> Iterator[tuple[InputRecord, set[tuple[Artifact, str]]]]:
            for name, records in artifact.manifest.inputs.items():
                for place, record in enumerate(records):
                    every = record.role is Role.TRAINS_ON
                    found = {(each, record.part) for each in self._candidates(artifact, record, every=every)}
                    for build in builds:
                        named = self._named(build, artifact, name, place, record)
                        found |= {(parent, split_reference(reference)[1]) for parent, reference in named}
                    yield record, found

        def _reasons(artifact: Artifact) -> Iterator[str | None]:
            if not artifact.is_readable:
                yield "its manifest cannot be read"
            elif holds(artifact):
                yield ""
            else:
                for record, found in inputs(artifact):
                    if not found and follows(record, None):
                        yield f"its input {as_text(record)} is unknown"
                    for parent, part in (each for each in found if follows(record, each[0])):
                        passes = passes_on(parent, part)
                        yield reason(parent) if passes is None else "" if passes else None

        every = {artifact: reason(artifact) for artifact in self.store.all()}
        return {artifact: why for artifact, why in every.items() if why is not None}

    def _candidates(self, artifact: Artifact, record: InputRecord, *, every: bool = False) -> Iterator[Artifact]:
        """Yield possible inputs: the artifact of its key, or else (or with `every`) all of equal content.

        Artifacts of the same step come first, because a step that changed nothing equals its input.
        Artifacts made from the artifact are left out.
        """
        if by_key := self._of_key(record.stage, record.key):
            yield by_key
            if not every:
                return
        place = (record.stage, record.part)
        if place not in self._by_content:
            alike = self._by_content[place] = {}
            for each in self.store.all():
                if each.stage == record.stage and each.is_readable and not each.is_erased:
                    alike.setdefault(each.digest(record.part), []).append(each)
        equal = self._by_content[place].get(record.digest, [])
        earlier = [each for each in equal if each != by_key and not self._is_above(artifact, each)]
        yield from sorted(earlier, key=lambda each: each.manifest.step != record.step)

    def _of_key(self, stage: str, key: str) -> Artifact | None:
        if (stage, key) not in self._by_key:
            named = self.store.find(stage, key)
            self._by_key[stage, key] = named if named and named.is_readable else None
        return self._by_key[stage, key]

    def _is_above(self, artifact: Artifact, other: Artifact) -> bool:
        """Return whether `other` is the artifact, or was made from it."""
        parents = (self._of_key(record.stage, record.key) for _, record in other.manifest.records())
        return other == artifact or any(self._is_above(artifact, parent) for parent in parents if parent)


class _Steps:
    """Steps of one build, by stage and key of their artifacts."""

    def __init__(self, build: BuildRecord) -> None:
        self.keys = {name: (step.stage, step.key) for name, step in build.steps.items()}
        self._names: dict[tuple[str, str], list[str]] = {}
        for name, key in self.keys.items():
            self._names.setdefault(key, []).append(name)
        self._inputs = {name: step.inputs for name, step in build.steps.items()}

    def names(self, artifact: Artifact) -> list[str]:
        """Return the steps that an artifact is."""
        return self._names.get((artifact.stage, artifact.key), [])

    def references(self, artifact: Artifact, name: str, place: int) -> list[str]:
        """Return the inputs that the recipe names there, for the steps of an artifact."""
        named = (self._inputs[step].get(name, ()) for step in self.names(artifact))
        return [each[place] for each in named if place < len(each)]


def _most_certain(reasons: Iterator[str | None]) -> str | None:
    """Return the shortest reason why an artifact counts as reached. None if it was not reached."""
    said = [reason for reason in reasons if reason is not None]
    return min(said, key=len, default=None)


@dataclass(frozen=True)
class Waste:
    """A folder that no recorded build needs."""

    path: Path
    label: str
    bytes: int
    is_unfinished: bool = False
    """Whether a build may continue from it. The store does not know which steps a recipe has now."""


def unused(store: Store) -> list[Waste]:
    """Return artifacts that no recipe's last build names or was made from, and folders of unfinished work."""
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
    """Return the artifacts of the last builds, and all that they were made from in each build's walk."""
    needed = set[Artifact]()
    for build in store.builds:
        lineage, keys = Lineage(store, build), {(step.stage, step.key) for step in build.steps.values()}
        named = [each for each in store.all() if (each.stage, each.key) in keys]
        waiting, seen = [each for each in named if each.is_readable], set(named)
        for artifact in waiting:
            above = {link.parent for link in lineage.links(artifact) if link.parent} - seen
            seen |= above
            waiting += above
        needed |= seen
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
