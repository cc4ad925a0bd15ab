"""Texts of any lengths through a published encoder, many at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import write_encoder

from lmworks.data.pretrained import BATCH, TOKENS_AT_ONCE, batches, load
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
