"""Texts of any lengths through a published encoder, many at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import write_encoder

from lmworks.data.base.pretrained import BATCH, TOKENS_AT_ONCE, batches, embed, load
from quick import examples

LENGTHS = st.integers(1, 600) | st.integers(5000, TOKENS_AT_ONCE + 100)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return load(
        write_encoder(tmp_path_factory.mktemp("encoder"), ["word"], positions=TOKENS_AT_ONCE + 102), "AutoModel"
    )


@settings(max_examples=examples(20))
@given(st.lists(LENGTHS, max_size=2 * BATCH))
def test_every_text_is_read_once_and_never_more_at_once_than_memory_is_meant_for(
    encoder: tuple[Any, Any], lengths: list[int]
) -> None:
    tokenizer, model = encoder
    found = list(batches(model, tokenizer.encode_batch(["word " * length for length in lengths])))
    assert sorted(place for places, _, _ in found for place in places) == list(range(len(lengths)))
    for places, output, mask in found:
        assert mask.sum(1).tolist() == [lengths[place] + 2 for place in places]
        assert mask.shape == output.last_hidden_state.shape[:2] and mask.shape[0] <= BATCH
        assert mask.numel() <= TOKENS_AT_ONCE or mask.shape[0] == 1
        assert torch.isfinite(output.last_hidden_state).all()


def test_a_text_has_the_same_embedding_alone_and_among_longer_ones(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(20)]
    folder = write_encoder(tmp_path / "encoder", words)
    among = embed(folder, ["word1 word2", " ".join(words), ""], 32)
    assert np.allclose(among[0], embed(folder, ["word1 word2"], 32)[0], atol=1e-6)
    assert np.allclose(np.linalg.norm(among, axis=1), 1)


def test_an_embedding_is_that_of_the_first_tokens(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder", [f"word{number}" for number in range(9)])
    first, other = (" ".join([*(f"word{number}" for number in range(6)), end]) for end in ("word7", "word8"))
    assert np.array_equal(*embed(folder, [first, other], 8))
    assert not np.array_equal(*embed(folder, [first, other], 9))
