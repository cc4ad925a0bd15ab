"""The engine for decoders of other architectures: likelihoods as ours, answers by `generate` of `transformers`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lmworks.engines.batch import RunningBatch
from lmworks.engines.engine import Engine
from lmworks.engines.request import Generation, Request, Sampling, require_room
from lmworks.errors import LmworksError
from lmworks.model.published import PublishedDecoder
from lmworks.tokens.tokenizer import Tokenizer

ROWS = 32
"""Prompts answered together."""


class PublishedEngine(Engine):
    """Judges and writes; it does not serve, where requests come and go."""

    def __init__(self, model: PublishedDecoder, tokenizer: Tokenizer) -> None:
        super().__init__(model, tokenizer)  # type: ignore[arg-type]  # it offers what likelihoods need
        self.network = model.network

    def batch(self, rows: int, slots: int | None = None) -> RunningBatch:
        """Raises LmworksError: the batch of requests has a cache of our decoder's form."""
        raise LmworksError(
            "a decoder of another architecture can be tuned and measured, not served; serve one that lmworks "
            "pretrained, or one of Llama, Mistral, Qwen2 or Qwen3"
        )

    @torch.inference_mode()
    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        """Answer every prompt; neighbours of like length go together. Raises BeyondContext as our engine does."""
        for prompt in prompts:
            require_room(prompt, self.context_length)
        each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        groups: dict[tuple[object, ...], list[int]] = {}
        for index in sorted(range(len(prompts)), key=lambda index: len(prompts[index])):
            one, length = each[index], len(prompts[index])
            clipped = length if length + one.max_tokens > self.context_length else 0
            groups.setdefault((one.temperature, one.top_p, one.top_k, one.seed, clipped), []).append(index)
        requests = [
            Request(prompt, one, self.tokenizer, self.context_length) for prompt, one in zip(prompts, each, strict=True)
        ]
        for group in groups.values():
            for start in range(0, len(group), ROWS):
                self._answer([requests[index] for index in group[start : start + ROWS]])
        return [request.generation() for request in requests]

    def _answer(self, requests: Sequence[Request]) -> None:
        longest = max(len(request.prompt) for request in requests)
        room = self.context_length - longest
        pad, sampling = self.tokenizer.end_of_text_id, requests[0].sampling
        rows = [[pad] * (longest - len(request.prompt)) + list(request.prompt) for request in requests]
        mask = [[int(place >= longest - len(request.prompt)) for place in range(longest)] for request in requests]
        drawing = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
        torch.manual_seed(sampling.seed)
        device = self.model.output_weight.device
        found = self.network.generate(
            input_ids=torch.tensor(rows, device=device),
            attention_mask=torch.tensor(mask, device=device),
            max_new_tokens=min(room, max(request.sampling.max_tokens for request in requests)),
            eos_token_id=[self.tokenizer.end_of_text_id, self.tokenizer.end_of_turn_id],
            pad_token_id=pad,
            do_sample=sampling.temperature > 0,
            **(drawing if sampling.temperature > 0 else {}),
        )
        for request, ids in zip(requests, found[:, longest:].tolist(), strict=True):
            for token in ids:
                if not request.finish_reason:
                    request.accept(token)

    @torch.inference_mode()
    def score_choices(self, prompt_ids: Sequence[int], choices: Sequence[Sequence[int]]) -> list[float]:
        sequences = [[*prompt_ids, *choice] for choice in choices]
        return [sum(scores) for scores in self.log_likelihoods(sequences, [len(prompt_ids)] * len(choices))]
