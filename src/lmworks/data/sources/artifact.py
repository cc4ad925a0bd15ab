"""Documents of an earlier build, with their ids, licences and sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.parsers.parser import Piece, Unreadable
from lmworks.data.shards.records import Document, Documents, read_shard
from lmworks.data.sources.source import FolderSource
from lmworks.errors import LmworksError, UsageError
from lmworks.lazy import pa
from lmworks.pipeline.record import split_reference
from lmworks.pipeline.store import Artifact, Store


class ArtifactSource(FolderSource):
    """Output of a step of another recipe. Each document keeps its licence."""

    kind: Literal["artifact"]
    store: str = Field(description="Store of the other recipe, absolute or relative to this recipe.")
    artifact: str = Field(
        description="Step of that store's last build, part of a step (`split.train`), or the beginning of an "
        "artifact's key. A key names the same documents after the other recipe is built again."
    )

    @property
    def label(self) -> str:
        return f"artifact {self.artifact}"

    @property
    def source_licence(self) -> str | None:
        return None

    @property
    def has_licence_by_record(self) -> bool:
        return True

    def root(self) -> Path:
        return (self.folder / self.store).resolve()

    def paths(self) -> list[str]:
        """Return the shards of the step. Raises LmworksError if it holds no documents."""
        artifact, part = self._artifact()
        shards = Documents(artifact.path(part), artifact.digest(part)).shards()
        if not shards:
            raise LmworksError(f"Source {self.label}: {artifact.path(part)} holds no documents. Name another step.")
        return [shard.relative_to(self.root()).as_posix() for shard in shards]

    def state(self, path: str) -> str:
        """Return the file's digest from the manifest, so that a copy of the store counts as the same source."""
        artifact, name = self._file(path)
        return artifact.manifest.files[name].sha256

    def cut_key(self, path: str) -> str:
        """Return the file's digest. Its name is a number, which changes if an earlier shard is added or removed."""
        return self.state(path)

    def _artifact(self) -> tuple[Artifact, str]:
        if not (self.root() / "artifacts").is_dir():
            raise UsageError(f"Source {self.label}: {self.root()} is not a store of lmworks. Fix `store`.")
        step, part = split_reference(self.artifact)
        return Store(self.root()).named(step), part

    def _file(self, path: str) -> tuple[Artifact, str]:
        artifact, _ = self._artifact()
        return artifact, (self.root() / path).relative_to(artifact.payload).as_posix()

    def read(self, piece: Piece) -> Iterator[Document | Unreadable]:
        """Yield the documents of a shard with their ids. Raises LmworksError if the shard is damaged."""
        artifact, name = self._file(piece.path)
        artifact.require_sound_file(name)
        try:
            with self.open(piece.path) as stream:
                yield from read_shard(stream)
        except (pa.ArrowException, ValueError, TypeError) as error:
            yield Unreadable(piece.path, "", 0, f"not a shard of documents: {error}", b"", 0, self.size(piece.path))
