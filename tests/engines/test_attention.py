"""Attention of the newest token is that of the whole text, however its heads share keys."""

from __future__ import annotations

import pytest
import torch

from lmworks.engines.decoding.attention import attention

BATCH, TIME, SIZE = 3, 37, 16


@pytest.mark.parametrize("data_type", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("heads", "shared"), [(9, 3), (4, 4), (6, 1)])
@pytest.mark.parametrize("is_masked", [False, True])
def test_one_token_sees_what_the_whole_text_saw(
    data_type: torch.dtype, heads: int, shared: int, is_masked: bool
) -> None:
    torch.manual_seed(heads)
    q, k, v = (torch.randn(BATCH, n, TIME, SIZE, dtype=data_type) for n in (heads, shared, shared))
    ends = torch.tensor([TIME, 5, 20]) if is_masked else torch.full((BATCH,), TIME)
    mask = (torch.arange(TIME) < ends[:, None])[:, None, None] if is_masked else None
    last = torch.stack([q[row, :, end - 1] for row, end in enumerate(ends)])[:, :, None]
    found = attention(last, k, v, mask)
    whole = attention(q.double(), k.double(), v.double(), None, causal=True)
    wanted = torch.stack([whole[row, :, end - 1] for row, end in enumerate(ends)])[:, :, None]
    assert found.shape == wanted.shape and found.dtype == data_type
    assert (found.double() - wanted).abs().max() < (0.02 if data_type == torch.bfloat16 else 1e-5)
