"""What trainings are tried on: a tokenizer and rows of sixty short texts, made once a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpora import make_tokenizer, pack_texts, texts
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("train")


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> TokenizerFolder:
    return make_tokenizer(folder / "tokenizer")


@pytest.fixture(scope="module")
def rows(folder: Path, tokenizer: TokenizerFolder) -> Shards:
    return pack_texts(folder / "texts", tokenizer, texts(), 48)
