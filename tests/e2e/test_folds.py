"""A recipe with folds in place of train, validation and test: built, reported, looked into, traced and exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks

pytestmark = pytest.mark.slow

RECIPE = """\
name: folds
use_case: cross-validation
plan: {measure: false}
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: CC0-1.0, keep: [house]}], licences: {allow: [permissive]}}
  split: {kind: split, from: raw, by: house, folds: 3}
  corpus: {kind: curate, from: split.fold-0, filters: [], avoid: [split.fold-1, split.fold-2]}
tokenizer: {kind: bpe, vocab_size: 300, from: corpus}
models:
  base: {objective: causal-lm, from: scratch, data: corpus, validation: split.fold-1, hidden_size: 64, num_layers: 1,
         sequence_length: 64, global_batch_tokens: 256, steps: 2, checkpoint_steps: 2, validation_steps: 2,
         data_type: float32, threads: 1, compile: false}
evaluate:
  models: [base]
  tasks: [{kind: perplexity, data: split.fold-2, train: corpus}]
"""  # noqa: E501 - steps as a user writes them


def test_folds_are_built_reported_looked_into_and_exported(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    rows = [
        {"text": f"lantern number {i} hangs over granary {i * i} near the harbour {i * 7}", "house": f"house-{i % 6}"}
        for i in range(48)
    ]
    (tmp_path / "texts" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    said = lmworks(tmp_path, "build", "recipe.yaml")
    assert "fold-2 groups (2)" in said.stdout + said.stderr
    page = (tmp_path / lmworks(tmp_path, "data", "report").stdout.splitlines()[-1]).read_text()
    assert all(f"fold-{number}: 2 groups" in page for number in range(3))
    assert "validation: " not in page and all(f"house-{number}" in page for number in range(6))
    report = tmp_path / lmworks(tmp_path, "report").stdout.splitlines()[-1]
    assert f'href="{report.stem}-data.html"' in report.read_text(), "which tells of the folds"
    assert "of 48 documents" in lmworks(tmp_path, "data", "inspect", "split").stdout
    sample = ("data", "sample", "split.fold-1", "--guidelines", "recipe.yaml", "--out", "sample")
    assert "16" in lmworks(tmp_path, *sample).stdout
    assert "fold-2 groups" in lmworks(tmp_path, "show", "split").stdout
    traced = lmworks(tmp_path, "trace", "base").stdout
    assert "from split.fold-0; judged by split.fold-1, split.fold-2" in traced
    assert "measured on base/validation" in traced
    (card,) = (tmp_path / ".lmworks" / "reports").glob("*-card.md")
    assert "| texts | CC0-1.0 | 1 | 48 | 16 |" in card.read_text()
    assert "perplexity-split-fold-2" in card.read_text()
    erased = lmworks(tmp_path, "erase", "lantern number 1 hangs over granary 1 near the harbour 7").stdout
    assert "split" in erased
