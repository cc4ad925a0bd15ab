"""Items of published sets: documents that are whole records, as ingested with `text_field: .`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lmworks.data.records import Documents
from lmworks.errors import UsageError

Fields = Mapping[str, tuple[type, ...]]
"""What a record must have: field -> types of its value."""


def records_of(data: Documents, fields: Fields) -> list[dict[str, Any]]:
    """Every record, with `id` and `document` set to its document's. Raises UsageError for one that lacks a field."""
    found = []
    for document in data.iterate():
        try:
            record = json.loads(document.text)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise UsageError(
                f"{data.path}: document {document.id} is no record but {document.text[:60]!r}; ingest the file with "
                "`text_field: .`, which keeps records whole"
            )
        for name, types in fields.items():
            if not isinstance(record.get(name), types):
                wanted = " or ".join(each.__name__ for each in types)
                raise UsageError(
                    f"{data.path}: document {document.id} has {record.get(name)!r} as {name!r}; expected {wanted}, "
                    f"beside {', '.join(fields)}. Rename the fields of the file, or leave such records out"
                )
        found.append({**record, "id": document.id, "document": document.id})
    return found
