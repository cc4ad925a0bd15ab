"""The comparison of tokenizers in the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_store import build_store, write_sources

from corpora import texts
from lmworks.data.records import Document, write_ids, write_shard
from lmworks.pipeline.build import Node
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.store import Store
from lmworks.recipe.schema import StepConfig
from lmworks.release.built import Built
from lmworks.release.inspect.vocabularies import comparison
from lmworks.release.report.report import render
from lmworks.tokens.kinds.best_of import BestOfConfig, best_of


@stage(version=1)
def documents_of_two_languages(config: StepConfig, out: Path, context: Context) -> Result:
    found = [
        Document(id=f"{number:04d}", text=text, source="s", licence="MIT", language=("en", "<b>")[number % 2])
        for number, text in enumerate(texts(100))
    ]
    write_shard(out / "part-00000.parquet", found)
    write_ids(out, [each.id for each in found])
    return Result(counts={"documents": len(found)})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("vocabularies")
    write_sources(folder / "sources")
    candidates = [{"kind": "bpe", "vocab_size": 300}, {"kind": "bpe", "vocab_size": 400}, {"kind": "word"}]
    config = BestOfConfig.model_validate({"from": "corpus", "candidates": candidates})
    nodes = [
        Node("corpus", documents_of_two_languages, StepConfig()),
        Node("tokenizer", best_of, config, {"documents": "corpus"}),
    ]
    return build_store(folder, nodes)


def test_every_candidate_is_a_row_and_a_dot(store: Store) -> None:
    built = Built.open(store)
    found = comparison(built)
    assert found is not None
    assert [row[0] for row in found.rows] == ["bpe 300", "bpe 400", "word 32,768"]
    assert all(len(row) == len(found.heads) for row in found.rows)
    assert found.chosen == "bpe 400" and found.rows[1][-2] == "1.00 ×"
    assert (found.chart.count("<circle"), found.chart.count('class="dot s0"')) == (3, 1)
    assert found.languages is not None
    assert [row[0] for row in found.languages[1]] == ["<b>", "en"]
    page = render(built)
    assert "bpe 400 was taken" in page and "&lt;b&gt;" in page and "<td><b></td>" not in page
    assert "arXiv 2407.13623" in page


def test_a_build_without_a_comparison_shows_none(built: Store) -> None:
    assert comparison(Built.open(built)) is None
    assert "Tokenizers compared" not in render(Built.open(built))
