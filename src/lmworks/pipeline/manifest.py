"""Manifest of an artifact: what it is, what it was made from, and how. Only this module reads and writes manifests.

On disk it is JSON with the fields below. It holds no text of any record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from lmworks.errors import LmworksError
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import below, canonical_json, digest_text, one_name, read_regular, write_atomically
from lmworks.pipeline.stage import Role, declared_roles

FORMAT = 2
"""Version of the format. It increases with each field that older versions must not ignore. 2: roles of inputs."""

SEAL = "seal"
"""Field on disk with the digest of all other fields. Statements about figures depend on these fields."""

_Figure = Annotated[
    Figure,
    BeforeValidator(lambda value: Figure.from_json(value) if isinstance(value, dict) else value),
    PlainSerializer(Figure.as_json),
]


Name = Annotated[str, AfterValidator(one_name)]
"""Name of a stage, or a key. It is checked, because it names a folder and manifests may come from strangers."""
Below = Annotated[str, AfterValidator(below)]
"""Path, or name of a step from which a path is made."""


def _is_empty(value: object) -> bool:
    return not value


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class FileRecord(_Record):
    """One file of a payload."""

    sha256: str
    bytes: int
    made_from: tuple[str, ...] = Field(exclude_if=_is_empty, default=())
    """For a shard, the sha256 of each shard or source file that it was made from."""


class InputRecord(_Record):
    """Record of one input: an artifact, or one part of it."""

    step: Below
    stage: Name
    key: Name
    digest: str
    """Digest of the part's content, by which an equal artifact is found."""
    part: Below = Field(exclude_if=_is_empty, default="")
    role: Role | None = Field(exclude_if=_is_empty, default=None)
    """Role of the input. None if it is unknown: the manifest is older than roles and its stage is not installed."""

    @property
    def reference(self) -> str:
        """The step, or one part of its output, as a recipe names it."""
        return f"{self.step}.{self.part}" if self.part else self.step


class Run(_Record):
    """Times, rates and memory of making the artifact. No digest includes them."""

    started: float
    """Seconds since 1970."""
    seconds: float
    peak_memory_bytes: int = 0
    memory_before_bytes: int = 0
    host: str = ""
    processor: str = ""
    cores: int | None = None
    measured: dict[str, int | float] = {}
    predicted: dict[str, Any] = Field(exclude_if=_is_empty, default={})
    """Prediction of the plan."""


class Manifest(_Record):
    """Everything that is known about one artifact."""

    format: int = 1
    step: Below
    """The name of the step in the recipe that first made it."""
    stage: Name
    version: int
    key: Name
    config: dict[str, Any]
    """Config of the stage, as its class writes it."""
    inputs: dict[str, tuple[InputRecord, ...]]
    """Inputs by parameter of the stage, always as a list."""
    files: dict[Below, FileRecord]
    """Files by their path below the payload."""
    counts: dict[str, int] = {}
    losses: tuple[str, ...] = ()
    """Names of the counts of records that were not passed on, the largest count first."""
    figures: tuple[_Figure, ...] = ()
    libraries: dict[str, str] = {}
    run: Run
    erased: bool = Field(exclude_if=_is_empty, default=False)
    """Whether the artifact was deleted, because text that must be erased reached it."""
    is_sealed: bool = Field(exclude=True, default=True)
    """Whether a change of the file could be detected. Versions before 2026-12 wrote no seal."""

    @property
    def seeds(self) -> dict[str, int]:
        """Seeds in the config, by their place in it."""
        return dict(_seeds("", self.config))

    def records(self) -> Iterator[tuple[str, InputRecord]]:
        """Each input with the name of its parameter."""
        for name, records in self.inputs.items():
            for record in records:
                yield name, record

    def as_json(self) -> dict[str, Any]:
        """Return the contents of the file."""
        return self.model_dump(mode="json")


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest with its seal. After a failure there is no partial file."""
    record = manifest.as_json()
    record[SEAL] = _seal(json.loads(canonical_json(record)))
    write_atomically(path, json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _seal(record: Mapping[str, Any]) -> str:
    return digest_text(canonical_json({name: value for name, value in record.items() if name != SEAL}))


def read_manifest(path: Path) -> Manifest:
    """Read a manifest of this or an earlier version of lmworks. The stage's declaration gives roles that it lacks.

    Raises LmworksError, with what to do, for a file that is cut short, changed, too old or too new.
    """
    try:
        content = read_regular(path)
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        fault = ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
        raise LmworksError(
            f"{path}: the manifest cannot be read ({fault}): it was cut short, changed, or written by an earlier "
            "lmworks. Delete its folder and build again with `lmworks build`, or build into a new store with --store"
        ) from error
    except OSError as error:
        raise LmworksError(f"{path}: the manifest cannot be read ({error.strerror}); build again") from error
    if manifest.format > FORMAT:
        raise LmworksError(
            f"{path}: the manifest has format {manifest.format}, but this lmworks reads up to {FORMAT}. Install the "
            "newer lmworks that wrote it, or name another store with --store"
        )
    record = json.loads(content)
    if record.get(SEAL, seal := _seal(record)) != seal:
        raise LmworksError(
            f"{path}: the manifest was changed after it was written: its seal is not the digest of its other fields. "
            "Restore the original file, or delete its folder and build again with `lmworks build`"
        )
    return _with_roles(manifest.model_copy(update={"is_sealed": SEAL in record}))


def _with_roles(manifest: Manifest) -> Manifest:
    roles = declared_roles(manifest.stage)
    inputs = {
        name: tuple(each if each.role else each.model_copy(update={"role": roles.get(name)}) for each in records)
        for name, records in manifest.inputs.items()
    }
    return manifest.model_copy(update={"inputs": inputs})


def _seeds(place: str, value: Any) -> Iterator[tuple[str, int]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            inside = f"{place}.{name}" if place else str(name)
            if name == "seed" and isinstance(inner, int):
                yield inside, inner
            else:
                yield from _seeds(inside, inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _seeds(f"{place}.{index}", inner)
