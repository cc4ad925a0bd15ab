"""Folders of this machine: the user's own files, a checkout of Git, and a data set as Hugging Face publishes it."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from pydantic import Field

from lmworks.data.erased.values import VALUES_FILE
from lmworks.data.licences.gate import PERMISSIVE
from lmworks.data.parsers import CODE
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
_SPDX = {name.lower(): name for name in PERMISSIVE}
CARD_BYTES = 2**24
"""Maximum number of bytes read from a card or from `dataset_info.json`."""
HEAD_BYTES = 2**16
"""Number of bytes read from a YAML file to find out whether it is a recipe."""
A_LINE_EACH = ("jsonl", "lines", "csv", "tsv")
"""Formats in which each line is, or can be, a record."""
LOOKED_AT, LOOKED_AT_BYTES = 16, 2**20
"""Number of files, and bytes of each, from which the mean length of a record is computed."""
HARMLESS = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
"""Options that stop Git from starting programs named in a checkout's settings, which it does even to list files."""


class FolderOfFiles(ParsedSource, FolderSource):
    """Fields of sources whose files parsers read."""

    path: str = Field(description="Folder, absolute or relative to the recipe.")
    name: str = Field(default="", description="Value of the documents' `source`. By default the folder's name.")

    @property
    def label(self) -> str:
        return self.name or _last_name(self.path) or self.kind

    def base(self) -> str:
        return self.path if self.path.startswith("/") else f"{self.folder}/{self.path}"

    def root(self) -> Path:
        folder = Path(self.base()).resolve()
        if not folder.is_dir():
            raise UsageError(f"Source {self.label}: there is no folder {folder}. Fix `path`, or make the folder.")
        return folder

    def place(self) -> str:
        return str(self.root())

    def located(self, folder: Path) -> Self:
        """Return this source with the names of classes from `dataset_info.json` and README.md beside the files."""
        located = super().located(folder)
        names: dict[str, Any] = {}
        with suppress(LmworksError, OSError, ValueError, RecursionError):  # what cannot be read names no classes
            names |= classes_in(located.dataset_info())
            names |= classes_in(json.loads(located.beside("dataset_info.json")))
        return located.model_copy(update={"class_names": names})

    def beside(self, name: str) -> bytes:
        """Return the beginning of any file of the folder, even of a file that is not data. Raises OSError."""
        with open_below(self.root(), name) as stream:
            return stream.read(CARD_BYTES)

    def dataset_info(self) -> Any:
        """Return the card's `dataset_info`, which describes the fields of the files."""
        return self.card().get("dataset_info")

    def card(self) -> dict[str, Any]:
        """Return the front matter of README.md. It is empty if there is none."""
        try:
            text = self.beside("README.md").decode(errors="replace")
        except OSError:
            return {}
        matter = _FRONT_MATTER.match(text.replace("\r\n", "\n"))
        try:
            value = read_yaml(matter[1], str(self.root() / "README.md")).value if matter else {}
        except RecipeError as error:
            raise UsageError(f"Source {self.label}: the card cannot be read. {error}") from None
        return value if isinstance(value, dict) else {}

    def walk(self) -> list[str]:
        return sorted(path for path, is_folder in self._entries() if not is_folder)

    def local_paths(self, folder: Path) -> list[str]:
        try:
            return self.located(folder).paths()
        except LmworksError:  # the build reports it
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
        """Yield every path, and whether it is a linked folder. Linked folders are not entered: they can form a circle.

        Hidden files, a store below the folder, and recipes and erasure lists beside the recipe are left out.
        """
        root, recipes = str(self.root()), os.path.realpath(self.folder)
        for folder, folders, names in os.walk(root):
            if {"artifacts", "builds"} <= {*folders} and Path(folder, "builds", "last").is_file():
                folders.clear()
                continue
            if folder == recipes:
                names = [name for name in names if not _is_of_lmworks(Path(folder, name))]
            below = f"{folder}/"[len(root) :].lstrip("/")
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from ((f"{below}{name}", False) for name in names if not name.startswith("."))
            yield from ((f"{below}{name}", True) for name in folders if Path(folder, name).is_symlink())


@cache  # it is part of every id
def _last_name(path: str) -> str:
    return PurePosixPath(path).name


def _is_of_lmworks(path: Path) -> bool:
    """Return whether a file is a list of erased items, a recipe, or the answers from which a recipe was written."""
    if path.name in (ERASED_FILE, VALUES_FILE):
        return True
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            return USE_CASE.search(stream.read(HEAD_BYTES)) is not None
    except OSError:
        return False


class Files(FolderOfFiles):
    """Files of a folder and its subfolders, without hidden files."""

    kind: Literal["files"]


class Git(FolderOfFiles):
    """Git working tree without ignored and untracked files. Source code is read as text."""

    kind: Literal["git"]

    def _word(self, name: str) -> str | None:
        is_code = PurePosixPath(unpack.plain_name(name)).suffix.lower() in CODE
        return super()._word(name) or ("text" if is_code else None)

    def _entries(self) -> Iterator[tuple[str, bool]]:
        root = self.root()
        command = ["git", *HARMLESS, "-C", str(root), "ls-files", "-z"]
        environment = os.environ | {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}  # nothing is fetched
        try:
            listed = subprocess.run(command, capture_output=True, check=True, env=environment).stdout  # noqa: S603
        except FileNotFoundError:
            raise UsageError(f"Source {self.label}: git is not installed; install it, or use `kind: files`.") from None
        except subprocess.CalledProcessError as error:
            fault = error.stderr.decode(errors="replace").strip()
            raise UsageError(f"Source {self.label}: {root} is not a Git checkout: {fault}.") from None
        paths = [path.decode(errors="surrogateescape") for path in listed.split(b"\0") if path]
        yield from ((path, (root / path).is_dir()) for path in paths)  # a folder is linked, or a submodule


class HuggingFace(FolderOfFiles):
    """One split of a Hugging Face data set. The card's licence applies unless the recipe states another."""

    kind: Literal["huggingface"]
    config: str | None = Field(default=None, description="Configuration in the card. By default the first one.")
    split: str = Field(default="train", description="Split to read. `train` is meant for training.")

    def dataset_info(self) -> Any:
        """Return the card's `dataset_info` of the configuration that is read."""
        info = super().dataset_info()
        return self._chosen(info)[:1] or info

    def _chosen(self, configs: Any) -> list[dict[str, Any]]:
        """Return the configurations of a card that `config` names, or all if `config` is not set."""
        return [item for item in _mappings(configs) if self.config in (None, item.get("config_name"))]

    @property
    def source_licence(self) -> str | None:
        """The licence that the recipe states, else the card's licence if the card states only one."""
        stated = self.card().get("license") if self.licence is None else self.licence
        if isinstance(stated, list):
            stated = stated[0] if len(stated) == 1 else None
        if not isinstance(stated, str) or stated.lower() in ("other", "unknown"):
            return None
        return _SPDX.get(stated.lower(), stated.upper() if stated.startswith("cc") else stated)

    def walk(self) -> list[str]:
        """Return the files that the card names for the split, else files with its name, else for `train` all files."""
        paths = [path for path in super().walk() if self._word(path) and PurePosixPath(path).name != "README.md"]
        if patterns := self._patterns():
            return [path for path in paths if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)]
        named = [path for path in paths if re.search(rf"(?:^|[/_.-]){re.escape(self.split)}(?:[/_.-]|$)", path)]
        return named or [path for path in paths if self.split == "train"]

    def _patterns(self) -> list[str]:
        stated = self.card().get("configs")
        chosen = self._chosen(stated)
        if self.config and not chosen:
            known = [item.get("config_name") for item in _mappings(stated)]
            names = ", ".join(map(str, known)) or "none"
            raise UsageError(f"Source {self.label}: the card has no config {self.config!r}; it has {names}.")
        files = chosen[0].get("data_files") if chosen else None
        patterns: list[str] = []
        for item in [files] if isinstance(files, str) else files or ():
            if isinstance(item, str):
                patterns.append(item)
            elif isinstance(item, dict) and item.get("split") == self.split:
                path = item.get("path")
                patterns += path if isinstance(path, list) else [str(path)]
        if files and not patterns:
            raise UsageError(f"Source {self.label}: the card has no split {self.split!r}. Fix `split`.")
        return patterns


def _mappings(value: Any) -> list[dict[str, Any]]:
    """Return the items of a list that are mappings."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
