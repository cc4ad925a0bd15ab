"""The files that a Git checkout tracks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal

from lmworks.data.parsers import CODE
from lmworks.data.sources.files import FolderOfFiles
from lmworks.data.sources.unpack import plain_name
from lmworks.errors import UsageError

HARMLESS = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
"""A checkout's own settings may name programs that Git starts even to list files."""


class Git(FolderOfFiles):
    """A working tree, without what is ignored or not yet added. Source code is read as text."""

    kind: Literal["git"]

    def _word(self, name: str) -> str | None:
        is_code = PurePosixPath(plain_name(name)).suffix.lower() in CODE
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
            raise UsageError(f"Source {self.label}: {root} is no Git checkout: {fault}.") from None
        paths = [path.decode(errors="surrogateescape") for path in listed.split(b"\0") if path]
        yield from ((path, (root / path).is_dir()) for path in paths)  # a folder is linked, or a submodule
