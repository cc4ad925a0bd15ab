"""Where a model comes from: every step and source file above it, and the training texts nearest to an answer."""

from __future__ import annotations

import hashlib
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lmworks.data.personal.hidden import hide
from lmworks.data.reading.ingest import IngestConfig
from lmworks.data.sources.source import FolderSource, SourceConfig
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.lineage import Ancestor, Lineage, Link
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, files_read, is_model, is_tokenizer
from lmworks.release.inspect.dataflow import made_elsewhere
from lmworks.release.render.words import printable, size
from lmworks.release.trace.passages import Closest, IndexedAnswer, Overlap, cut_out
from lmworks.release.trace.provenance import UNKNOWN, WITH_PATH, WRITTEN, Text, holds_texts, look_up, provenances, texts

WORDS = {
    Role.READS: "from",
    Role.TRAINS_ON: "trained on",
    Role.BEGINS_WITH: "begun with",
    Role.JUDGES: "judged by",
    Role.MEASURES: "measured on",
}
"""Role of an input → words for what the artifact has to do with it."""
USES = {
    "text": "from these files, whose sha256 was computed again just now",
    "tokenizer": "its tokenizer was learned from these files, but no weights have read their text",
    "measured": "only measured on text of these files, or judged by something made from that text",
}
"""Uses of a source file, the closest first: for its text, the tokenizer, or a figure or verdict."""
UNCHANGED, EDITED, MISSING, UNSEEN = "unchanged", "EDITED", "MISSING", "UNKNOWN"


@dataclass(frozen=True)
class SourceFile:
    """A file that text was read from, as it was and as it is now."""

    source: str
    path: str
    licence: str | None
    bytes: int
    sha256: str
    """Digest of the file when it was read."""
    state: str
    detail: str = ""
    """Digests before and now if they differ, or why the file cannot be read."""
    use: str = "text"
    """Use of the file, one of `USES`."""


@dataclass(frozen=True)
class Elsewhere:
    """Documents that another build made, with the origin that their records state."""

    read_as: str
    """Names of the sources under which this build read the documents."""
    source: str
    licence: str
    documents: int


@dataclass(frozen=True)
class Traced:
    """Everything that an artifact was made from."""

    artifact: Artifact
    steps: list[Ancestor]
    files: list[SourceFile]
    elsewhere: list[Elsewhere]

    @property
    def unknown(self) -> list[str]:
        """Inputs that are no longer in the store, nor an equal of them. What they were made from is not known."""
        return [f"{link} of {item.step}" for item in self.steps for link in item.links if not link.parent]

    @property
    def stand_ins(self) -> list[str]:
        """Inputs for which another artifact of equal content was followed: one of this build, or one still stored."""
        return [f"{link} of {item.step}" for item in self.steps for link in item.links if link.is_stand_in]

    def as_json(self) -> dict[str, Any]:
        steps = [
            {
                "step": item.step,
                "stage": item.artifact.stage,
                "version": item.artifact.manifest.version,
                "key": item.artifact.key,
                "digest": item.artifact.digest(),
                "inputs": [_link_as_json(link) for link in item.links],
            }
            for item in self.steps
        ]
        facts = {name: [asdict(each) for each in getattr(self, name)] for name in ("files", "elsewhere")}
        gone = {"unknown": self.unknown, "stand_ins": self.stand_ins}
        return {"step": self.steps[-1].step, "steps": steps, **gone, **facts}

    def as_text(self) -> str:
        """Return steps by name and files by source, for a terminal. Only changed files are named."""
        name = max(len(item.step) for item in self.steps)
        stage = max(len(item.artifact.stage) for item in self.steps)
        lines = [f"{self.steps[-1].step} was made by these steps, sources first", ""]
        for item in self.steps:
            line = f"  {item.step:{name}}  {item.artifact.stage:{stage}}  {item.artifact.digest()[:12]}"
            lines.append("  ".join([line, *_made_from(item)]))
        if self.unknown:
            lines += ["", "unknown, since these inputs are no longer in the store", ""]
            lines += [f"  {name}" for name in self.unknown]
        if self.stand_ins:
            lines += ["", "of another build; artifacts of equal content were followed instead, which may have"]
            lines += ["been made later, from other files", ""]
            lines += [f"  {name}" for name in self.stand_ins]
        for use, title in USES.items():
            groups = self.by_source(use)
            lines += ["", title, ""] if groups or use == "text" else []
            for (source, licence), files in groups.items():
                total = size(sum(file.bytes for file in files))
                lines.append(f"  {source}  {licence}  {len(files):,} files  {total}  {states(files)}")
                changed = [file for file in files if file.state != UNCHANGED]
                lines += [f"    {file.state:8}  {printable(hide(file.path))}  {file.detail}" for file in changed]
        if self.elsewhere:
            lines += ["", "another build made these documents; their sources are those that its records state", ""]
            lines += [
                f"  {each.read_as}  documents of {each.source}  {each.licence}  {each.documents:,}"
                for each in self.elsewhere
            ]
        return "\n".join(lines)

    def by_source(self, use: str) -> dict[tuple[str, str], list[SourceFile]]:
        """Return the files of one use, by (source, licence)."""
        groups: dict[tuple[str, str], list[SourceFile]] = {}
        for file in (file for file in self.files if file.use == use):
            groups.setdefault((file.source, file.licence or "licence by record"), []).append(file)
        return groups


def states(files: list[SourceFile]) -> str:
    """Return how many files are in each state."""
    numbers = {state: sum(file.state == state for file in files) for state in (UNCHANGED, EDITED, MISSING, UNSEEN)}
    if numbers[UNCHANGED] == len(files):
        return f"all {UNCHANGED}"
    return ", ".join(f"{count:,} {state}" for state, count in numbers.items() if count)


def _link_as_json(link: Link) -> dict[str, Any]:
    return {
        "input": link.name,
        "role": link.record.role or "unknown",
        "step": link.step,
        "part": link.part,
        "known": link.parent is not None,
    }


def _made_from(item: Ancestor) -> Iterator[str]:
    """Yield one text with a phrase per role: "trained on corpus; from tokenizer"."""
    by_role: dict[str, dict[str, None]] = {}
    for link in item.links:
        how = WORDS[link.record.role] if link.record.role else "has"
        by_role.setdefault(how, {})[link.reference] = None
    if by_role:
        yield "; ".join(f"{how} {', '.join(names)}" for how, names in by_role.items())


def trace_lineage(store: Store, artifact: Artifact) -> Traced:
    """Follow the inputs of an artifact up to the source files, and compute the digest of each file again."""
    built = Built.holding(store, artifact)
    steps, uses = built.lineage.ancestors(artifact), _uses(built.lineage, artifact)
    files = [
        replace(file, use=uses[item.artifact])
        for item in steps
        for file in _source_files(item.artifact, built.recipe.parent)
    ]
    return Traced(artifact, steps, files, [each for item in steps for each in _elsewhere(built.lineage, item.artifact)])


def _uses(lineage: Lineage, artifact: Artifact) -> dict[Artifact, str]:
    """Return the use of each artifact above another. If several ways lead to it, the closest use counts."""
    closest = list(USES)
    waiting, found = [(artifact, 0)], dict[Artifact, int]()
    while waiting:
        item, use = waiting.pop()
        if found.get(item, len(closest)) <= use:
            continue
        found[item] = use
        for link in lineage.links(item):
            if link.parent:
                aside = link.record.role in (Role.JUDGES, Role.MEASURES) and (item != artifact or is_model(item))
                own = 2 if aside else int(link.record.role is Role.READS and is_tokenizer(link.parent))
                waiting.append((link.parent, max(use, own)))
    return {item: closest[use] for item, use in found.items()}


def _elsewhere(lineage: Lineage, artifact: Artifact) -> Iterator[Elsewhere]:
    if labels := made_elsewhere(artifact):
        own = {record["source"] for record in files_read(artifact)}
        counts = Counter((each.source, each.licence) for each in provenances(lineage, artifact))
        for (source, licence), count in sorted(counts.items()):
            if source not in own:
                yield Elsewhere(", ".join(sorted(labels)), source, licence, count)


def _source_files(artifact: Artifact, folder: Path) -> Iterator[SourceFile]:
    records = files_read(artifact)
    try:
        config = IngestConfig.model_validate(artifact.manifest.config) if records else None
    except ValidationError:  # its sources are of an extension that is gone, or were described otherwise
        config = None
    sources = (
        {source.label: source.model_copy(update={"folder": folder}) for source in config.sources} if config else {}
    )
    for record in records:
        state, detail = UNSEEN, "its source is not described as this lmworks expects"
        if source := sources.get(record["source"]):
            state, detail = _state(source, record)
        yield SourceFile(**record, state=state, detail=detail)


def _state(source: SourceConfig, record: dict[str, Any]) -> tuple[str, str]:
    try:
        if isinstance(source, FolderSource):
            source.root()  # its error says that the folder itself is gone
        with source.open(record["path"]) as stream:
            now = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    except FileNotFoundError:
        return MISSING, "no such file"
    except (OSError, LmworksError) as error:
        return MISSING, printable(str(error))
    if now == record["sha256"]:
        return UNCHANGED, ""
    return EDITED, f"sha256 was {record['sha256'][:12]}, is {now[:12]}"


# ---------------------------------------------------------------- an answer


@dataclass(frozen=True)
class Passage:
    """A training text that shares words with an answer."""

    document: str
    """Id of the document, or of the conversation if it was made from no document."""
    step: str
    """Step, or part of a step, that holds the text."""
    source: str
    path: str
    licence: str
    share: float
    """Share of the answer's words in runs of words that this text has too."""
    words: int
    """Length of the longest such run, in words."""
    before: str
    shared: str
    after: str


@dataclass(frozen=True)
class TracedAnswer:
    """The training texts nearest to an answer."""

    model: str
    words: int
    share: float
    """Share of the answer's words in runs of words that some training text has too."""
    run: int
    """Least length of a run, in words."""
    texts: int
    """Number of training texts compared."""
    passages: list[Passage]
    unknown: list[str]
    """Training data that is no longer in the store."""
    bases: list[str]
    """Published models that the model is, or whose weights its training began with."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        """Return the passages for a terminal, with the shared words in »brackets«."""
        told = [
            f"{self.share:.0%} of the answer's {self.words} words are in the {self.texts:,} texts that trained "
            f"{self.model},",
            f"in runs of {self.run} words or more.",
        ]
        if self.bases:
            told[0] = told[0].replace("texts that", "texts known here that")
        lines = [
            *(told if self.texts else [f"No text that trained {self.model} is known here, so none was searched."]),
            *(
                f"Others trained {name} on texts that are not known here: the answer may come from them."
                for name in self.bases
            ),
            *(f"It was also trained on {name}, which is no longer in the store: unknown." for name in self.unknown),
        ]
        for place, passage in enumerate(self.passages, start=1):
            head = f"{passage.share:.0%} of the answer; longest run {passage.words} of its {self.words} words"
            origin = (
                passage.source,
                passage.licence,
                passage.path,
                f"document {passage.document}",
                f"in {passage.step}",
            )
            text = f"…{passage.before}»{passage.shared}«{passage.after}…"
            shown = [printable(", ".join(filter(None, origin))), printable(text)]
            lines += [
                "",
                f"{place}. {head}",
                *(textwrap.fill(line, 100, initial_indent="   ", subsequent_indent="   ") for line in shown),
            ]
        return "\n".join(lines)


Origin = tuple[Link, Text]
"""Origin of a passage: the input of the training that holds it, and the record."""


def trace_answer(store: Store, artifact: Artifact, answer: str, count: int = 5) -> TracedAnswer:
    """Return the texts that trained a model or its base and share most of the answer's words, in runs of words.

    Raises `UsageError` if the answer holds no word or the artifact is no model.
    """
    indexed = IndexedAnswer(answer)
    lineage, unknown = Built.holding(store, artifact).lineage, list[str]()
    name = lineage.name_of(artifact)
    if not indexed.words:
        raise UsageError("the answer holds no word; give some text after --answer")
    if not is_model(artifact):
        raise UsageError(f"step {name!r} is no model; name one, for example: lmworks trace MODEL --answer TEXT")
    closest: Closest[Origin] = Closest(indexed)
    for link in lineage.trained_on(artifact):
        if not (link.path and holds_texts(link.path)):
            unknown.append(str(link))
            continue
        for text in texts(link.path):
            closest.add(text.document or text.id, text.text, (link, text))
    passages = [_passage(lineage, indexed, *found) for found in closest.top(count)]
    begun_with = [artifact, *(link.parent for link in lineage.begun_with(artifact) if link.parent)]
    bases = [lineage.name_of(each) for each in begun_with if each.stage == "import-model"]
    share = indexed.share(closest.covered)
    return TracedAnswer(name, len(indexed.words), share, indexed.run, closest.scanned, passages, unknown, bases)


def _passage(
    lineage: Lineage, answer: IndexedAnswer, group: str, overlap: Overlap, shown: str, origin: Origin
) -> Passage:
    link, text = origin
    place = WRITTEN
    if text.document and link.parent:
        place = look_up(lineage, link.parent, {text.document}, WITH_PATH).get(text.document, UNKNOWN)
    before, shared, after = cut_out(shown, overlap.start, overlap.longest)
    return Passage(
        document=group,
        step=link.reference,
        source=place.source,
        path=hide(place.path),
        licence=place.licence,
        share=answer.share(overlap.covered),
        words=overlap.longest,
        before=before,
        shared=shared,
        after=after,
    )
