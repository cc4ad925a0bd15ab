"""A folder laid out as Hugging Face publishes data sets: data files, and a README.md that says what they are."""

from __future__ import annotations

import fnmatch
import re
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field

from lmworks.data.licences.gate import PERMISSIVE
from lmworks.data.parsers import form_of
from lmworks.data.sources.files import FolderOfFiles
from lmworks.data.sources.unpack import plain_name
from lmworks.errors import UsageError
from lmworks.recipe.schema import RecipeError
from lmworks.recipe.yaml import read_yaml

_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
_SPDX = {name.lower(): name for name in PERMISSIVE}


class HuggingFace(FolderOfFiles):
    """One split of one configuration. The card's licence holds unless the recipe states another."""

    kind: Literal["huggingface"]
    config: str | None = Field(default=None, description="Configuration in the card; unset, the card's first one.")
    split: str = Field(default="train", description="The split that is meant for training.")

    def card(self) -> dict[str, Any]:
        """The front matter of README.md; empty when there is none."""
        try:
            with self.open("README.md") as stream:
                text = stream.read().decode(errors="replace")
        except OSError:
            return {}
        found = _FRONT_MATTER.match(text.replace("\r\n", "\n"))
        try:
            value = read_yaml(found[1], str(self.root() / "README.md")).value if found else {}
        except RecipeError as error:
            raise UsageError(f"Source {self.label}: the card cannot be read. {error}") from None
        return value if isinstance(value, dict) else {}

    @property
    def source_licence(self) -> str | None:
        """As stated in the recipe, else in the card if it states one only."""
        stated = self.card().get("license") if self.licence is None else self.licence
        if isinstance(stated, list):
            stated = stated[0] if len(stated) == 1 else None
        if not isinstance(stated, str) or stated.lower() in ("other", "unknown"):
            return None
        return _SPDX.get(stated.lower(), stated.upper() if stated.startswith("cc") else stated)

    def walk(self) -> list[str]:
        """Files that the card names for the split, else those named like it; for `train` all, if there are none."""
        patterns = self._patterns()
        paths = [path for path in super().walk() if form_of(plain_name(path)) or self.format]
        paths = [path for path in paths if PurePosixPath(path).name != "README.md"]
        if patterns:
            return [path for path in paths if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)]
        named = [path for path in paths if re.search(rf"(?:^|[/_.-]){re.escape(self.split)}(?:[/_.-]|$)", path)]
        return named or [path for path in paths if self.split == "train"]

    def _patterns(self) -> list[str]:
        stated = self.card().get("configs")
        configs = [item for item in stated if isinstance(item, dict)] if isinstance(stated, list) else []
        chosen = [item for item in configs if self.config in (None, item.get("config_name"))]
        if self.config and not chosen:
            names = ", ".join(str(item.get("config_name")) for item in configs) or "none"
            raise UsageError(f"Source {self.label}: the card has no config {self.config!r}; it has {names}.")
        files = chosen[0].get("data_files") if chosen else None
        if isinstance(files, str):
            files = [files]
        found: list[str] = []
        for item in files or []:
            if isinstance(item, str):
                found.append(item)
            elif isinstance(item, dict) and item.get("split") == self.split:
                path = item.get("path")
                found += path if isinstance(path, list) else [str(path)]
        if files and not found:
            raise UsageError(f"Source {self.label}: the card has no split {self.split!r}. Mend `split`.")
        return found
