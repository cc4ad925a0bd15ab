"""Text to text: what an encoder-decoder makes of sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

SOURCES_AT_ONCE = 64
"""Of like length: more are no faster on a processor."""


def rewrite(model: Any, sources: Sequence[Sequence[int]], max_tokens: int, beams: int = 1) -> list[list[int]]:
    """The target of each source: greedy, or the likeliest of `beams` (per token) where there are several.

    `model` is an encoder-decoder of `transformers`; ids come and go without the token that ends them, which a target
    that reached `max_tokens` has not written. Special tokens inside a target are kept.
    """
    model.eval()
    config = model.config
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    found: list[list[int]] = [[] for _ in sources]
    for start in range(0, len(order), SOURCES_AT_ONCE):
        some = order[start : start + SOURCES_AT_ONCE]
        rows = [torch.tensor([*sources[index], config.eos_token_id], device=model.device) for index in some]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=config.pad_token_id)
        lengths = torch.tensor([[len(row)] for row in rows], device=model.device)
        places = torch.arange(ids.shape[1], device=model.device)
        mask = (places < lengths).long()  # not by the padding's id, which a source may hold
        with torch.inference_mode():
            written = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, num_beams=beams, do_sample=False
            )
        for index, row in zip(some, written[:, 1:].tolist(), strict=True):
            found[index] = row[: row.index(config.eos_token_id)] if config.eos_token_id in row else row
    return found
