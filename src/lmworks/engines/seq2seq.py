"""Text to text: what an encoder-decoder makes of sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lmworks.data.base.tokenizer_file import read_tokenizer
from lmworks.engines.decoding.pieces import StopStrings
from lmworks.engines.protocol import LONGEST_SOURCE, Rewriter, WholeBatch, computed_by_torch
from lmworks.engines.request import FinishReason, Generation, Sampling, require_room
from lmworks.model.published import load_published

SOURCES_AT_ONCE = 64
"""Sources of similar length computed at once. More are no faster on a CPU."""
WAITING_SOURCES = 8
"""Written together for requests that come and go, so that who comes meanwhile does not wait for many."""
BEAMS = 4
"""As in most published figures; an answer that is drawn has none."""


class EncoderDecoderEngine(Rewriter):
    """Writes the target of a source."""

    def __init__(self, folder: Path, data_type: str, device: torch.device) -> None:
        self.model = load_published(folder, "AutoModelForSeq2SeqLM", data_type, may_miss=()).eval().to(device)
        self.tokenizer = read_tokenizer(folder / "tokenizer.json")
        self.tokenizer.encode_special_tokens = True  # in a text they are text
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.vocab_size = self.tokenizer.get_vocab_size(with_added_tokens=True)
        self.context_length = getattr(self.model.config, "max_position_embeddings", None) or LONGEST_SOURCE
        self.computed = computed_by_torch(folder, self.context_length, data_type, device.type)

    def batch(self, rows: int) -> WholeBatch:
        return super().batch(min(rows, WAITING_SOURCES))

    def encode_text(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        """Return the target of every source, without the spaces around it."""
        each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        for prompt in prompts:
            require_room(prompt, self.context_length)
        alike: dict[tuple[object, ...], list[int]] = {}
        for number, one in enumerate(each):
            drawn = (one.temperature, one.top_p, one.top_k, one.seed) if one.temperature else ()
            alike.setdefault((one.max_tokens, one.beams, *drawn), []).append(number)
        targets: dict[int, list[int]] = {}
        for numbers in alike.values():
            one = each[numbers[0]]
            sources = [prompts[number] for number in numbers]
            targets |= zip(numbers, rewrite(self.model, sources, one.max_tokens, one.beams or BEAMS, one), strict=True)
        return [self._generation(targets[number], one) for number, one in enumerate(each)]

    def _generation(self, ids: list[int], sampling: Sampling) -> Generation:
        stops = StopStrings(sampling.stop)
        text, is_stopped = stops.add(self.tokenizer.decode(ids))
        is_ended = len(ids) < sampling.max_tokens
        reason: FinishReason = "stop" if is_ended or is_stopped else "length"
        return Generation(
            ids, (text + stops.flush()).strip(), reason, self.model.config.eos_token_id if is_ended else None
        )


def rewrite(
    model: Any, sources: Sequence[Sequence[int]], max_tokens: int, beams: int = 1, sampling: Sampling | None = None
) -> list[list[int]]:
    """Return the target of each source: greedy, or the likeliest of `beams` (per token) where there are several.

    `model` is an encoder-decoder of `transformers`; ids come and go without the token that ends them, which a target
    that reached `max_tokens` has not written. Special tokens inside a target are kept. A `sampling` above temperature 0
    draws instead.
    """
    model.eval()
    config = model.config
    how: dict[str, Any] = {"num_beams": beams, "do_sample": False}
    if sampling and sampling.temperature:
        how = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
        how |= {"num_beams": 1, "do_sample": True}
        torch.manual_seed(sampling.seed)
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
            written = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, **how)
        for index, row in zip(some, written[:, 1:].tolist(), strict=True):
            found[index] = row[: row.index(config.eos_token_id)] if config.eos_token_id in row else row
    return found
