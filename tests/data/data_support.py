"""What the tests of data steps share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lmworks.data.shards.records import Document, Documents, write_shard

KEY = "0123456789abcdef0123456789abcdef"


def quarantined(payload: Path) -> list[dict[str, Any]]:
    """The records of a payload's quarantine."""
    return [json.loads(line) for line in (payload / "quarantine.jsonl").read_text().splitlines()]


def texts(folder: Path) -> list[str]:
    """The texts of all documents in a folder, sorted."""
    return sorted(document.text for document in Documents(folder, "").iterate())


def documents_of(folder: Path, *texts: str, **more: Any) -> Documents:
    """Documents in one shard, with ids 00, 01, … in the order given."""
    made = [
        Document(id=f"{number:032x}", text=text, source="s", licence="MIT", **more) for number, text in enumerate(texts)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_shard(folder / "part-00000.parquet", made)
    return Documents(folder, "")


def payload_bytes(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
