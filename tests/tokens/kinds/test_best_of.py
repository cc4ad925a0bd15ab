from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corpora import make_documents, texts
from lmworks.data.records import Document, Documents, write_shard
from lmworks.errors import LmworksError
from lmworks.pipeline.files import digest_text
from lmworks.recipe.schema import RecipeError
from lmworks.tokens.kinds.best_of import BestOfConfig, best_of
from lmworks.tokens.measure import PRONOUNS, Sample, measure, tokens_per_word
from lmworks.tokens.tokenizer import open_tokenizer
from support import MemoryJournal, make_context

CANDIDATES = [
    {"kind": "bpe", "vocab_size": 300},
    {"kind": "bpe", "vocab_size": 500},
    {"kind": "character", "vocab_size": 320},
    {"kind": "word", "vocab_size": 100},
]


def config(**more: Any) -> BestOfConfig:
    return BestOfConfig.model_validate({"from": "x", "candidates": CANDIDATES} | more)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    folder = tmp_path_factory.mktemp("documents")
    found = texts(200)
    found[0] += " Xavier"
    return make_documents(folder, found)


@pytest.fixture(scope="module")
def out(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("best")
    result = best_of(config(), documents, folder / "out", make_context(folder))
    assert result.counts == {"documents": 200, "held-out documents": 10, "candidates": 4, "ids": 500}
    assert all(speed > 0 for speed in result.measured.values()) and len(result.measured) == 4
    return folder / "out"


def comparison(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "comparison.json").read_text())
    return found


def test_the_chosen_one_costs_least_among_those_that_lose_least(out: Path) -> None:
    found = comparison(out)
    by_name = {each["name"]: each for each in found["candidates"]}
    assert list(by_name) == ["bpe 300", "bpe 500", "character 320", "word 100"]
    assert found["chosen"] == "bpe 500"
    for each in by_name.values():
        cost = 6 * (5_000_000 + each["ids"] * 256) / each["bytes_per_token"]
        assert each["flops_per_byte"] == pytest.approx(cost)
    assert by_name["word 100"]["documents_lost"] == 10
    assert by_name["word 100"]["flops_per_byte"] < by_name["bpe 500"]["flops_per_byte"]
    assert by_name["word 100"]["unknown_share"] > 0 == by_name["bpe 500"]["unknown_share"]
    assert open_tokenizer(out).vocab_size == 500


def test_a_wider_model_pays_more_for_an_id() -> None:
    narrow, wide = config(hidden_size=64), config(hidden_size=2048)
    assert narrow.flops_per_byte(8192, 4.0) < narrow.flops_per_byte(4096, 3.8)
    assert wide.flops_per_byte(8192, 4.0) > wide.flops_per_byte(4096, 3.8)


def test_what_is_measured_was_not_learned_from(documents: Documents, tmp_path: Path) -> None:
    held_out = set(sorted((each.id for each in documents.iterate()), key=digest_text)[:10])
    marked = [
        replace(each, text=each.text.replace("the", "qqq") if each.id in held_out else each.text)
        for each in documents.iterate()
    ]
    write_shard(tmp_path / "documents" / "part-00000.parquet", marked)
    found = []
    for name, source in (("plain", documents), ("marked", Documents(tmp_path / "documents", ""))):
        folder = tmp_path / name
        best_of(config(), source, folder / "out", make_context(folder))
        found.append((folder / "out" / "tokenizer.json").read_bytes())
        found.append(comparison(folder / "out")["candidates"][1]["bytes_per_token"])  # type: ignore[arg-type]
    assert found[0] == found[2]
    assert found[1] != found[3]


def test_a_stopped_comparison_goes_on(documents: Documents, out: Path, tmp_path: Path) -> None:
    class Halt(Exception):
        pass

    calls = iter(range(9))

    def stop() -> None:
        if next(calls) == 2:
            raise Halt

    journal = MemoryJournal()
    context = make_context(tmp_path, journal)
    with pytest.raises(Halt):
        best_of(config(), documents, tmp_path / "out", replace(context, check_stop=stop))
    assert journal.records() == [{"candidate": 0}, {"candidate": 1}]
    first = (tmp_path / "scratch" / "0" / "tokenizer.json").stat().st_mtime_ns
    best_of(config(), documents, tmp_path / "out", context)
    assert (tmp_path / "scratch" / "0" / "tokenizer.json").stat().st_mtime_ns == first
    for file in out.iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()


def test_rare_words_and_names_are_found_in_held_out_text() -> None:
    held_out = [Document(id="1", text="The frob met Alice. the Bucket", source="s", licence="MIT")]
    sample = Sample.of(held_out, ["the bucket frob", "the bucket met met met met met met"] * 4)
    assert sample.rare_words == ["frob"]
    assert sample.names == ["Alice"]


def test_measures_are_those_counted_by_hand(out: Path) -> None:
    tokenizer = open_tokenizer(out)
    documents = [
        Document(id="1", text="Creates the bucket.", source="s", licence="MIT", language="en"),
        Document(id="2", text="日本", source="s", licence="MIT", language="ja"),
    ]
    found = measure(tokenizer, Sample(documents, ["bucket"], []))
    english, japanese = (len(tokenizer.encode(each.text)) for each in documents)
    assert found["tokens_per_word"] == {"en": english / 3, "ja": japanese / 2, "all": (english + japanese) / 5}
    assert found["bytes_per_token"] == (19 + 6) / (english + japanese)
    assert found["tokens_per_rare_word"] == len(tokenizer.encode(" bucket"))
    assert found["tokens_per_name"] is None
    assert found["tokens_per_pronoun"]["xe"] == tokens_per_word(tokenizer, PRONOUNS["xe"])
    assert found["tokens_per_pronoun"]["xe"] > 1
    assert found["documents_lost"] == 0


def test_two_documents_are_needed(tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match="1 documents; comparing tokenizers takes some to learn from"):
        best_of(config(), make_documents(tmp_path / "one", texts(1)), tmp_path / "out", make_context(tmp_path))


def test_kinds_of_candidates_are_part_of_the_key() -> None:
    from lmworks.pipeline.keys import key_config

    kinds = ["bpe", "unigram", "wordpiece", "word", "character"]
    both = BestOfConfig.model_validate({"from": "x", "candidates": [{"kind": kind} for kind in kinds]})
    assert [each["kind"] for each in key_config(both)["candidates"]] == kinds


def test_a_recipe_names_the_fault_in_a_candidate(tmp_path: Path) -> None:
    from lmworks.graph import CLASSES
    from lmworks.recipe.file import load_recipe

    path = tmp_path / "recipe.yaml"
    recipe = """name: a
use_case: b
data:
  corpus: {kind: ingest, sources: [{kind: botocore}]}
tokenizer:
  kind: best-of
  from: corpus
  candidates:
    - {kind: bpe, vocab_size: 4096}
    - {kind: %s}
"""
    path.write_text(recipe % "unigram, vocab_size: 8192")
    tokenizer: Any = load_recipe(path, CLASSES).tokenizer
    assert [each.kind for each in tokenizer.candidates] == ["bpe", "unigram"] and tokenizer.vocab_size == 8192
    path.write_text(recipe % "unigrams")
    with pytest.raises(RecipeError, match=r"recipe\.yaml:10.*no kind 'unigrams'.*unigram"):
        load_recipe(path, CLASSES)
