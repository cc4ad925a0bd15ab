"""What is served is what was made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lmworks.errors import LmworksError
from lmworks.pipeline.store import Store
from lmworks.release.serving import serve_artifacts


@pytest.mark.parametrize("file", ["history.jsonl", "config.json"])
def test_a_model_with_a_flipped_bit_is_not_served(built: Store, tmp_path: Path, file: str) -> None:
    store = Store(shutil.copytree(built.root, tmp_path / "store"))
    model = store.named("finetune")
    path = model.payload / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    with pytest.raises(LmworksError, match=f"{file}: differs from its digest .*--rebuild finetune"):
        serve_artifacts(store, [model], port=0, as_json=True)
