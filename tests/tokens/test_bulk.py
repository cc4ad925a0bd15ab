from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora import make_tokenizer
from lmworks.tokens.bulk import BulkEncoder
from lmworks.tokens.tokenizer import Tokenizer, open_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer")).path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return open_tokenizer(folder)


@pytest.fixture(scope="module")
def fast(tokenizer: Tokenizer) -> BulkEncoder:
    encoder = BulkEncoder(tokenizer)
    assert not encoder.fallback
    return encoder


def ids_of(encoder: BulkEncoder, texts: list[str]) -> list[list[int]]:
    ids, edges = encoder.encode(texts)
    return [ids[start:end].tolist() for start, end in pairwise(edges)]


TEXTS = st.lists(
    st.one_of(
        st.text(),
        st.text(alphabet="<|>endoftxim_sar 's’\n\t\r 12½aÀ"),
        st.sampled_from([" the bucket\n\n", "<|im_start|>user", "'ll\u0301", "   x"]),
    ).map(lambda text: text * 3),
    max_size=6,
)


@given(texts=TEXTS)
def test_both_libraries_give_the_same_ids(tokenizer: Tokenizer, fast: BulkEncoder, texts: list[str]) -> None:
    assert ids_of(fast, texts) == [tokenizer.encode(text) for text in texts]


@given(texts=TEXTS)
def test_without_the_fast_library_nothing_changes(tokenizer: Tokenizer, fast: BulkEncoder, texts: list[str]) -> None:
    assert ids_of(BulkEncoder(tokenizer, fast=False), texts) == ids_of(fast, texts)


def test_a_difference_found_in_a_sample_ends_the_use_of_the_fast_library(folder: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    other = json.loads((folder / "tokenizer.json").read_text())
    other["model"]["merges"] = other["model"]["merges"][:10]
    (tmp_path / "tokenizer.json").write_text(json.dumps(other))

    class Differs(Tokenizer):
        def to_json(self) -> str:
            return json.dumps(other)

    encoder = BulkEncoder(Differs(folder))
    texts = ["Creates the bucket.", "Lists the alarms."]
    encoder.check(texts)
    assert "other ids" in encoder.fallback
    assert ids_of(encoder, texts) == [open_tokenizer(folder).encode(text) for text in texts]


def test_a_missing_library_and_an_unknown_tokenizer_are_said(
    tokenizer: Tokenizer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unknown(Tokenizer):
        def to_json(self) -> str:
            return super().to_json().replace('"BPE"', '"Unigram"')

    assert "cannot read this tokenizer" in BulkEncoder(Unknown(folder)).fallback
    monkeypatch.setitem(sys.modules, "fastokens", None)
    encoder = BulkEncoder(tokenizer)
    assert encoder.fallback == "fastokens is not installed"
    assert ids_of(encoder, ["a bucket"]) == [tokenizer.encode("a bucket")]
