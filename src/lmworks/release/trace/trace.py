"""Where a model comes from: every step and source file above it, and the training texts nearest to an answer."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lmworks.data.ingest import IngestConfig
from lmworks.data.records import Documents
from lmworks.data.sources.source import SourceConfig
from lmworks.data.tuning.conversations import Conversations
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.lineage import Ancestor, ancestors
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built, is_model, reference
from lmworks.release.render.words import printable, size
from lmworks.release.trace.passages import Answer, Closest, Overlap, cut_out

UNCHANGED, EDITED, MISSING = "unchanged", "EDITED", "MISSING"


@dataclass(frozen=True)
class SourceFile:
    """A file that text was read from, as it was and as it is now."""

    source: str
    path: str
    licence: str | None
    bytes: int
    sha256: str
    """When it was read."""
    state: str
    detail: str = ""
    """What the file's sha256 is now, or why it cannot be read."""


@dataclass(frozen=True)
class Lineage:
    """Everything that an artifact was made from."""

    artifact: Artifact
    steps: list[Ancestor]
    files: list[SourceFile]

    def as_json(self) -> dict[str, Any]:
        """Every step and every file."""
        steps = [
            {
                "step": item.step,
                "stage": item.artifact.stage,
                "version": item.artifact.manifest["version"],
                "key": item.artifact.key,
                "digest": item.artifact.digest(),
                "inputs": [{"input": name, "step": step, "part": part} for name, step, part in item.inputs],
            }
            for item in self.steps
        ]
        return {"step": self.artifact.manifest["step"], "steps": steps, "files": [asdict(file) for file in self.files]}

    def in_words(self) -> str:
        """Steps by name, files by source; only files that changed are named."""
        name = max(len(item.step) for item in self.steps)
        stage = max(len(item.artifact.stage) for item in self.steps)
        lines = [f"{self.artifact.manifest['step']} was made by these steps, sources first", ""]
        for item in self.steps:
            made_from = ", ".join(dict.fromkeys(reference(step, part) for _, step, part in item.inputs))
            line = f"  {item.step:{name}}  {item.artifact.stage:{stage}}  {item.artifact.digest()[:12]}"
            lines.append(f"{line}  from {made_from}" if made_from else line)
        lines += ["", "from these files, whose sha256 was computed again just now", ""]
        for (source, licence), files in self.by_source().items():
            total = size(sum(file.bytes for file in files))
            lines.append(f"  {source}  {licence}  {len(files):,} files  {total}  {states(files)}")
            changed = [file for file in files if file.state != UNCHANGED]
            lines += [f"    {file.state:8}  {printable(file.path)}  {file.detail}" for file in changed]
        return "\n".join(lines)

    def by_source(self) -> dict[tuple[str, str], list[SourceFile]]:
        """Files by (source, licence)."""
        groups: dict[tuple[str, str], list[SourceFile]] = {}
        for file in self.files:
            groups.setdefault((file.source, file.licence or "licence by record"), []).append(file)
        return groups


def states(files: list[SourceFile]) -> str:
    """How many files are as they were."""
    numbers = {state: sum(file.state == state for file in files) for state in (UNCHANGED, EDITED, MISSING)}
    if numbers[UNCHANGED] == len(files):
        return f"all {UNCHANGED}"
    return ", ".join(f"{count:,} {state}" for state, count in numbers.items() if count)


def trace_lineage(store: Store, artifact: Artifact) -> Lineage:
    """Walk up to the source files and compute the hash of each again."""
    steps = ancestors(store, artifact)
    folder = Built.holding(store, artifact).recipe.parent
    files = [file for item in steps for file in _source_files(item.artifact, folder)]
    return Lineage(artifact, steps, files)


def _source_files(artifact: Artifact, folder: Path) -> Iterator[SourceFile]:
    if "files.json" not in artifact.manifest["files"]:
        return
    config = IngestConfig.model_validate(artifact.manifest["config"])
    sources = {source.label: source.model_copy(update={"folder": folder}) for source in config.sources}
    for record in json.loads((artifact.payload / "files.json").read_text(encoding="utf-8")):
        state, detail = _state(sources[record["source"]], record)
        yield SourceFile(**record, state=state, detail=detail)


def _state(source: SourceConfig, record: dict[str, Any]) -> tuple[str, str]:
    try:
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
    """Its id, or that of the conversation if that was made from no document."""
    step: str
    """Where the text stands: a step, or one part of it."""
    source: str
    path: str
    licence: str
    share: float
    """Which share of the answer's words lies in runs of words that this text has too."""
    words: int
    """Words of the longest such run."""
    before: str
    shared: str
    after: str


@dataclass(frozen=True)
class TracedAnswer:
    """The training texts nearest to an answer."""

    model: str
    words: int
    share: float
    """Which share of the answer's words lies in runs that some training text has too."""
    run: int
    """Words that a run has at least."""
    texts: int
    """Training texts that were compared."""
    passages: list[Passage]

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    def in_words(self) -> str:
        """The passages, with what they share in »brackets«."""
        lines = [
            f"{self.share:.0%} of the answer's {self.words} words stand in the {self.texts:,} texts that trained "
            f"{self.model},",
            f"in runs of {self.run} words or more.",
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


@dataclass(frozen=True)
class _Origin:
    step: str
    artifact: Artifact
    source: str = ""
    path: str = ""
    licence: str = ""


def trace_answer(store: Store, artifact: Artifact, answer: str, count: int = 5) -> TracedAnswer:
    """The texts that entered the model, its base included, and share most words in a row with the answer.

    Raises `UsageError` if the answer holds no word or the artifact is no model.
    """
    indexed = Answer(answer)
    name = artifact.manifest["step"]
    if not indexed.words:
        raise UsageError("the answer holds no word; give some text after --answer")
    if not is_model(artifact):
        raise UsageError(f"step {name!r} is no model; name one, for example: lmworks trace MODEL --answer TEXT")
    closest: Closest[_Origin] = Closest(indexed)
    for data, step, part in training_data(store, artifact):
        for group, text, origin in _texts(data, reference(step, part), data.path(part)):
            closest.add(group, text, origin)
    passages = [
        _passage(store, indexed, group, overlap, text, origin) for group, overlap, text, origin in closest.top(count)
    ]
    share = indexed.share(closest.covered)
    return TracedAnswer(name, len(indexed.words), share, indexed.run, closest.scanned, passages)


def training_data(store: Store, model: Artifact) -> Iterator[tuple[Artifact, str, str]]:
    """(artifact, step, part) of the texts that a model, and the models it started from, were trained on."""
    for base, _, _ in parents(store, model, "base"):
        yield from training_data(store, base)
    for shards, _, _ in parents(store, model, "data"):
        for packed in (shards, *(part for part, _, _ in parents(store, shards, "rows"))):
            for name in ("documents", "conversations", "preferences"):
                yield from parents(store, packed, name)


def _texts(artifact: Artifact, step: str, folder: Path) -> Iterator[tuple[str, str, _Origin]]:
    for document in Documents(folder, "").iterate():
        path = str(document.meta.get("path", ""))
        yield document.id, document.text, _Origin(step, artifact, document.source, path, document.licence)
    if (folder / "conversations.jsonl").exists():
        for record in Conversations(folder, "").iterate():
            text = "\n\n".join(turn["content"] for turn in record["messages"])
            yield record["document"] or record["id"], text, _Origin(step, artifact)


def _passage(store: Store, answer: Answer, document: str, overlap: Overlap, text: str, origin: _Origin) -> Passage:
    source, path, licence = origin.source, origin.path, origin.licence
    if not source:
        source, path, licence = _look_up(store, origin.artifact, document)
    before, shared, after = cut_out(text, overlap.start, overlap.longest)
    share = answer.share(overlap.covered)
    return Passage(document, origin.step, source, path, licence, share, overlap.longest, before, shared, after)


def _look_up(store: Store, conversations: Artifact, document: str) -> tuple[str, str, str]:
    """Source, path and licence of the document that a conversation was made from."""
    import pyarrow.parquet as pq

    for parent, _, part in parents(store, conversations):
        for shard in Documents(parent.path(part), "").shards():
            columns = ["source", "licence", "meta"]
            for row in pq.read_table(shard, columns=columns, filters=[("id", "=", document)]).to_pylist():
                return row["source"], str(json.loads(row["meta"]).get("path", "")), row["licence"]
    return "written by lmworks", "", ""


def parents(store: Store, artifact: Artifact, name: str | None = None) -> Iterator[tuple[Artifact, str, str]]:
    """(artifact, step, part) of each input, or of the inputs called `name`."""
    inputs = artifact.manifest["inputs"]
    for records in inputs.values() if name is None else [inputs.get(name, [])]:
        for record in records:
            parent = store.find(record["stage"], record["key"])
            if parent is None:
                raise LmworksError(
                    f"{artifact.manifest['step']}: its input {record['step']} ({record['key'][:12]}) "
                    "is no longer in the store; build it again with `lmworks build`"
                )
            yield parent, record["step"], record.get("part", "")
