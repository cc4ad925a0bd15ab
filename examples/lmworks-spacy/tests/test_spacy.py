"""The recipe beside this package, built."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

HERE = Path(__file__).parents[1]


def built(folder: Path) -> tuple[dict[str, list[dict[str, Any]]], dict[str, dict[str, Any]]]:
    """Documents and manifests by step."""
    shutil.copytree(HERE / "notes", folder / "notes")
    shutil.copy(HERE / "recipe.yaml", folder)
    subprocess.run([sys.executable, "-m", "lmworks", "build", "recipe.yaml"], cwd=folder, check=True)
    rows, manifests = {}, {}
    for path in folder.glob(".lmworks/artifacts/*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        shards = sorted(path.parent.glob("payload/*.parquet"))
        rows[manifest["step"]] = [row for shard in shards for row in pq.read_table(shard).to_pylist()]
        manifests[manifest["step"]] = manifest
    return rows, manifests


def test_words_are_lemmas_and_entities_are_spans(tmp_path: Path) -> None:
    rows, manifests = built(tmp_path)
    texts = {row["text"].strip() for row in rows["plain"]}
    assert "the bucket be create by Example Ltd in spring." in {text[0].lower() + text[1:] for text in texts}
    found = {
        (row["text"][span["start"] : span["end"]], span["label"])
        for row in rows["marked"]
        for span in json.loads(row["meta"])["spans"]
    }
    assert found == {("Example Ltd", "company"), ("Message Queue", "product"), ("bucket", "product")}
    assert manifests["marked"]["counts"]["spans product"] == 2
    assert manifests["plain"]["libraries"]["lmworks-spacy"] == "0.1.0"
    assert "lmworks-spacy" not in manifests["raw"]["libraries"]
