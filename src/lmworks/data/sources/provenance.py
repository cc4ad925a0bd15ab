"""Records of the Data Provenance Initiative: which licences people found on a data set, where, and who verified it.

Read as published: `data_summaries/*.json` of Data-Provenance-Initiative/Data-Provenance-Collection, commit ce6662d.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from lmworks.data.licences.gate import licence_table
from lmworks.errors import UsageError
from lmworks.recipe.schema import StepConfig

KEPT = ("Dataset Name", "Licenses", "License Notes", "License Verified By", "Model Generated", "Derived from Datasets")
"""What of a record is kept beside the files that were read under it."""
MOST_BYTES = 50_000_000


class ProvenanceRecord(StepConfig):
    """A record of the Data Provenance Initiative, in place of a licence that you state yourself."""

    file: str = Field(description="A file of their `data_summaries`, absolute or from the recipe's folder.")
    dataset: str | None = Field(
        default=None, description="Unique identifier of the data set in it; unset, all of them are meant together."
    )

    def read(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Data set → its record, with the fields that are `KEPT`. Raises UsageError."""
        path = folder / self.file
        found = read_records(path, "provenance", "mend `file`")
        if self.dataset is not None and self.dataset not in found:
            raise UsageError(f"provenance: {path} has no data set {self.dataset!r}; it has {', '.join(sorted(found))}")
        names = sorted(found) if self.dataset is None else [self.dataset]
        return {name: {key: found[name][key] for key in KEPT if key in found[name]} for name in names}


def read_records(path: Path, where: str, mend: str) -> dict[str, dict[str, Any]]:
    """The records of one file of theirs, which is a plain one of a megabyte or two. Raises UsageError."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ValueError(f"expected a plain file of at most {MOST_BYTES:,} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{where}: {path} cannot be read as JSON ({error}); {mend}") from None
    if not isinstance(found, dict) or not all(isinstance(record, dict) for record in found.values()):
        raise UsageError(f"{where}: {path} holds no records by data set, as files of `data_summaries` do")
    return found


def licence_of(records: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The SPDX expression of what all records name: they hold together. None if one of them names no licence.

    A name without an SPDX id becomes a symbol of its own, `LicenseRef-DPI-…`, whose terms only its reader can state.
    """
    found: set[str] = set()
    for record in records.values():
        stated = record.get("Licenses")
        entries = stated if isinstance(stated, list) else []
        names = [str(entry.get("License", "")) for entry in entries if isinstance(entry, dict)]
        if not names or {"", "None", "Unspecified"} & set(names):
            return None
        spdx = licence_table()["provenance_initiative"]  # ids by those of their names that mean exactly one
        found.update(spdx.get(name) or f"LicenseRef-DPI-{re.sub('[^A-Za-z0-9.]+', '-', name)}" for name in names)
    return " AND ".join(sorted(found)) or None
