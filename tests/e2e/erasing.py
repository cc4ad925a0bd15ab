"""A small project built in this process, and erasures from it."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e.test_erasure_beside_a_build import Silent
from lmworks.cli.erase import erase
from lmworks.workspace import open_workspace, run


def build(folder: Path, rows: Sequence[dict[str, Any]], **source: Any) -> None:
    """Build rows of a table, and anonymise them by the fields that hold people."""
    (folder / "rows").mkdir(exist_ok=True)
    (folder / "rows" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    people = source.pop("people", ["patient"])
    from_rows = {"kind": "files", "path": "rows", "licence": "CC0-1.0", "text_field": "text", "keep": people} | source
    data: dict[str, Any] = {
        "raw": {"kind": "ingest", "sources": [from_rows], "licences": {"allow": ["CC0-1.0"]}},
        "private": {"kind": "anonymise", "from": "raw", "people": people},
    }
    recipe = {"name": "table", "use_case": "tests", "plan": {"measure": False}, "data": data}
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    run(open_workspace(folder / "recipe.yaml"), Silent(), workers=1)


def listed(*wanted: str, **options: Any) -> dict[str, Any]:
    """What `lmworks erase --json` tells in the working folder."""
    found: dict[str, Any] = json.loads(said(*wanted, as_json=True, **options))
    return found


def said(*wanted: str, **options: Any) -> str:
    """What `lmworks erase` prints in the working folder."""
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        erase(list(wanted), **options)
    return stream.getvalue()
