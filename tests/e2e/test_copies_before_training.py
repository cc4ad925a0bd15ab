"""What a test is told to find before anything is trained counts copies as it does afterwards."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks

pytestmark = pytest.mark.slow

RECIPE = """\
name: copies
use_case: sorting
data:
  raw: {kind: ingest, sources: [{kind: files, path: t, licence: MIT, keep: [label]}], licences: {allow: [MIT]}}
  split: {kind: split, from: raw, by: id, test: 0.4, near_duplicates: {jaccard: 0.8}}
models: {words: {objective: bag-of-words, data: split.train}}
evaluate: {models: [words], tasks: [{kind: classification, data: split.test, train: split.train}]}
"""


def test_items_that_ask_and_want_the_same_are_one_group_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    rows = [{"text": f"order {n:03} of {n * n % 97} wheels {'a' * n}", "label": "xyz"[n % 3]} for n in range(30)]
    (tmp_path / "t" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows * 8))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    said = lmworks(tmp_path, "build", "recipe.yaml")
    told = re.search(r"asks (\d+) items in (\d+) groups .* that ask nearly the same", said.stdout + said.stderr)
    assert told
    (compared,) = (tmp_path / ".lmworks" / "artifacts" / "compare").glob("*/payload/comparison.json")
    pairs = json.loads(compared.read_text())["pairs"]
    assert {(int(told[1]), int(told[2]))} == {(each["n"], each["clusters"]) for each in pairs}
    assert int(told[1]) == 8 * int(told[2])
