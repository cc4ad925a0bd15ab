"""Small inputs for the data steps."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from data.data_support import KEY
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.pipeline.stage import Result
from support import make_context


@pytest.fixture(autouse=True)
def id_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal ids in every test."""
    monkeypatch.setenv("LMWORKS_ID_KEY", KEY)


@pytest.fixture
def write_service(tmp_path: Path) -> Callable[..., Path]:
    """Write a service model of one or more operations below `tmp_path`/models, in botocore's layout."""

    def write(folder: str, operations: Mapping[str, str], version: str = "2020-01-01", **more: Any) -> Path:
        name = folder.upper()
        members = {"Name": {"shape": "Name", "documentation": "<p>The name.</p>"}}
        shapes = {"Input": {"type": "structure", "members": members}, "Name": {"type": "string"}}
        model = {
            "metadata": {"serviceId": name},
            "documentation": f"<p>{name} is a service.</p>",
            "operations": {
                key: {"documentation": text, "input": {"shape": "Input"}} for key, text in operations.items()
            },
            "shapes": shapes,
            **more,
        }
        path = tmp_path / "models" / folder / version / "service-2.json.gz"
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(json.dumps(model).encode(), mtime=0))
        return path

    return write


@pytest.fixture
def ingest_files(tmp_path: Path) -> Callable[..., tuple[Result, Path]]:
    """Write files below `tmp_path`/texts and ingest them. Returns the result and the payload's folder."""

    def run(
        files: Mapping[str, str | bytes],
        /,
        *,
        gate: Mapping[str, Any] = {"allow": ["permissive"]},
        shard_bytes: int = 2**20,
        **source: Any,
    ) -> Any:
        for name, content in files.items():
            path = tmp_path / "texts" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        config = IngestConfig.model_validate(
            {
                "sources": [{"kind": "files", "path": "texts", "licence": "MIT", **source}],
                "licences": gate,
                "shard_bytes": shard_bytes,
                "largest_bad_share": 1,  # tests of bad input hold little else
            }
        ).resolve(tmp_path)
        out = tmp_path / "raw"
        return ingest(config, out=out, context=make_context(tmp_path)), out

    return run
