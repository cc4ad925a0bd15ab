"""A folder of the user's own."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from pydantic import Field

from lmworks.data.erasure.values import VALUES_FILE
from lmworks.data.parsers.tables.classes import classes_in
from lmworks.data.sources import unpack
from lmworks.data.sources.parsed import ParsedSource
from lmworks.data.sources.source import FolderSource
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.erasure import ERASED_FILE
from lmworks.pipeline.files import open_below
from lmworks.recipe.schema import RecipeError
from lmworks.recipe.yaml import read_yaml

USE_CASE = re.compile(rb"^use_case:", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
CARD_BYTES = 2**24
"""Bytes that are read of a card, or of `dataset_info.json`."""
HEAD_BYTES = 2**16
"""Of a YAML file, in which it says what it is."""
A_LINE_EACH = ("jsonl", "lines", "csv", "tsv")
"""Forms of which a line is a record, or may be."""
LOOKED_AT, LOOKED_AT_BYTES = 16, 2**20
"""Files, and bytes of each, that tell how long the records of a source are."""


class FolderOfFiles(ParsedSource, FolderSource):
    """Files below a folder that parsers read."""

    path: str = Field(description="The folder, absolute or from the recipe's folder.")
    name: str = Field(default="", description="The documents' `source`; the folder's name when empty.")

    @property
    def label(self) -> str:
        return self.name or PurePosixPath(self.path).name or self.kind

    def root(self) -> Path:
        """The folder `path`."""
        folder = (self.folder / self.path).resolve()
        if not folder.is_dir():
            raise UsageError(f"Source {self.label}: there is no folder {folder}. Mend `path`, or make the folder.")
        return folder

    def place(self) -> str:
        return str(self.root())

    def located(self, folder: Path) -> Self:
        """Takes the names of classes from `dataset_info.json` and README.md beside the files."""
        found = super().located(folder)
        names: dict[str, Any] = {}
        with suppress(LmworksError, OSError, ValueError, RecursionError):  # what cannot be read names no classes
            names |= classes_in(found.dataset_info())
            names |= classes_in(json.loads(found.beside("dataset_info.json")))
        return found.model_copy(update={"class_names": names})

    def beside(self, name: str) -> bytes:
        """Return the beginning of a file of the folder, which need not be one that is read. Raises OSError."""
        with open_below(self.root(), name) as stream:
            return stream.read(CARD_BYTES)

    def dataset_info(self) -> Any:
        """Return what the card says of the fields of the files."""
        return self.card().get("dataset_info")

    def card(self) -> dict[str, Any]:
        """The front matter of README.md; empty when there is none."""
        try:
            text = self.beside("README.md").decode(errors="replace")
        except OSError:
            return {}
        found = _FRONT_MATTER.match(text.replace("\r\n", "\n"))
        try:
            value = read_yaml(found[1], str(self.root() / "README.md")).value if found else {}
        except RecipeError as error:
            raise UsageError(f"Source {self.label}: the card cannot be read. {error}") from None
        return value if isinstance(value, dict) else {}

    def walk(self) -> list[str]:
        return sorted(path for path, is_folder in self._entries() if not is_folder)

    def local_paths(self, folder: Path) -> list[str]:
        try:
            return self.located(folder).paths()
        except LmworksError:  # the build tells it
            return []

    def mean_record_bytes(self, folder: Path) -> int:
        size = count = 0
        source = self.located(folder)
        for path in [path for path in source.paths() if source._word(path) in A_LINE_EACH][:LOOKED_AT]:
            with suppress(OSError), source.open(path) as stream:  # what cannot be opened will be quarantined
                if unpack.is_packed(path):
                    continue
                head = stream.read(LOOKED_AT_BYTES)
                is_whole = len(head) < LOOKED_AT_BYTES or b"\n" not in head
                size += source.size(path) if is_whole else head.rindex(b"\n") + 1
                count += head.count(b"\n") + (is_whole and not head.endswith(b"\n"))
        return size // max(count, 1)

    def left_out(self) -> Iterator[tuple[str, str]]:
        yield from super().left_out()
        place = self.place()
        yield from ((f"{place}/{path}", "a linked folder") for path, is_folder in self._entries() if is_folder)

    def _entries(self) -> Iterator[tuple[str, bool]]:
        """Every path, and whether it is a folder that is linked: it is not entered, since it may lead in a circle.

        A recipe beside the one that reads this, a store below the folder, and lists of what was erased are no data.
        """
        root, beside = self.root(), self.folder.resolve()
        for folder, folders, names in os.walk(root):
            if {"artifacts", "builds"} <= {*folders} and Path(folder, "builds", "last").is_file():
                folders.clear()
                continue
            if Path(folder) == beside:
                names = [name for name in names if not _is_recipe(Path(folder, name))]
            names = [name for name in names if name not in ERASURES or not _lists_erasures(Path(folder, name))]
            folders[:] = [name for name in folders if not name.startswith(".")]
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in [name for name in names if not name.startswith(".")] + links:
                yield Path(folder, name).relative_to(root).as_posix(), name in links


def _is_recipe(path: Path) -> bool:
    """Whether a file is a recipe, or the answers by which one was written: both say what the use is."""
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            return USE_CASE.search(stream.read(HEAD_BYTES)) is not None
    except OSError:
        return False


ERASURES = frozenset((ERASED_FILE, VALUES_FILE))


def _lists_erasures(path: Path) -> bool:
    """Whether a file of that name is a list of what was erased: each line is a remark, or begins with a digest."""
    try:
        with path.open("rb") as stream:
            return all(re.match(rb"\s*(#|$|[0-9a-f]{32}\b)", line) for line in islice(stream, LOOKED_AT))
    except OSError:
        return False


class Files(FolderOfFiles):
    """Files of a folder and the folders below it; hidden ones are left out."""

    kind: Literal["files"]
