from __future__ import annotations

from pathlib import Path

import pytest

from corpora import make_tokenizer
from lmworks.errors import LmworksError, UsageError
from lmworks.recipe.schema import Effect, effects
from lmworks.tokens.kinds.pretrained import PretrainedConfig, pretrained
from lmworks.tokens.tokenizer import open_tokenizer
from support import make_context


def test_a_tokenizer_json_keeps_its_ids_and_ours_come_behind_them(tmp_path: Path) -> None:
    folder = make_tokenizer(tmp_path / "theirs").path
    for path in (folder, folder / "tokenizer.json"):
        config = PretrainedConfig(path=str(path)).resolve(tmp_path)
        assert pretrained(config, tmp_path / "out", make_context(tmp_path)).counts == {"ids": 400}
        assert config.vocab_size == 400
        assert open_tokenizer(tmp_path / "out").encode("a bucket") == open_tokenizer(folder).encode("a bucket")


def test_only_the_content_of_the_file_counts(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"x")
    (tmp_path / "b.json").write_bytes(b"x")
    a, b = (PretrainedConfig(path=f"{name}.json").resolve(tmp_path) for name in "ab")
    assert a.sha256 == b.sha256 and effects(type(a))["path"] == Effect.NOTHING and "file" not in a.model_dump()


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    config = PretrainedConfig(path="tokenizer.json").resolve(tmp_path)
    with pytest.raises(LmworksError, match=r"tokenizer\.json: not a tokenizer\.json"):
        pretrained(config, tmp_path / "out", make_context(tmp_path))


def test_a_missing_file_and_one_of_sentencepiece_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.json is not there"):
        PretrainedConfig(path="nothing.json").resolve(tmp_path)
    (tmp_path / "spiece.model").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"spiece\.model is a SentencePiece tokenizer.*\nConvert .*save_pretrained"):
        PretrainedConfig(path="spiece.model").resolve(tmp_path)
