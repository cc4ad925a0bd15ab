"""A folder laid out as Hugging Face publishes data sets: data files, and a README.md that says what they are."""

from __future__ import annotations

import fnmatch
import re
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field

from lmworks.data.licences.gate import PERMISSIVE
from lmworks.data.sources.files import FolderOfFiles
from lmworks.errors import UsageError

_SPDX = {name.lower(): name for name in PERMISSIVE}


class HuggingFace(FolderOfFiles):
    """One split of one configuration. The card's licence holds unless the recipe states another."""

    kind: Literal["huggingface"]
    config: str | None = Field(default=None, description="Configuration in the card; unset, the card's first one.")
    split: str = Field(default="train", description="The split that is meant for training.")

    def dataset_info(self) -> Any:
        """Return what the card says of the fields of the configuration that is read."""
        info = super().dataset_info()
        configs = [item for item in info if isinstance(item, dict)] if isinstance(info, list) else []
        return [item for item in configs if self.config in (None, item.get("config_name"))][:1] or info

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
        paths = [path for path in super().walk() if self._word(path)]
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
