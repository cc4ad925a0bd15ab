"""Folders that others published, of four families, taken into a recipe as they are: served and asked of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.answering import answers
from e2e.small_recipe import lmworks
from published import write_published
from readers import LABELS, write_reader, write_rewriter

pytestmark = pytest.mark.slow
RECIPE = """\
name: theirs
use_case: trying what others published
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [MIT]}}
models:
  gpt2: {objective: pretrained, path: gpt2, licence: MIT}
  bert: {objective: pretrained, path: bert, licence: MIT}
  tagger: {objective: pretrained, path: tagger, licence: MIT}
  t5: {objective: pretrained, path: t5, licence: MIT}
serve: {model: bert}
"""


def test_gpt2_bert_and_t5_answer_as_they_are_published(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text("A text of some words.")
    write_published(tmp_path / "gpt2", "GPT-2")
    write_reader(tmp_path / "bert", "sequence classifier")
    write_reader(tmp_path / "tagger", "token classifier")
    write_rewriter(tmp_path / "t5")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    lmworks(tmp_path, "build", "recipe.yaml")
    texts = ["Where is my parcel?", "Thank you"]
    assert set(answers(tmp_path, "bert", texts)) <= set(LABELS)
    assert all(spans for spans in answers(tmp_path, "tagger", texts))
    for model in ("gpt2", "t5"):
        assert len(answers(tmp_path, model, texts)) == 2
