"""The engine for decoders of other architectures: likelihoods as ours, answers by `generate` of `transformers`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from inspect import signature
from typing import Any

import torch

from lmworks.engines.decoder import Choices, DecoderEngine
from lmworks.engines.decoding.sampling import choose
from lmworks.engines.protocol import Asked, Writing
from lmworks.engines.request import Generation, Piece, Request, Sampling, require_room
from lmworks.model.published import PublishedDecoder
from lmworks.tokens.tokenizer import Tokenizer

ROWS = 32
"""Prompts answered together."""


class PublishedBatch:
    """Requests decoded in turn, each with the cache that its architecture has; they come and go between steps."""

    def __init__(self, engine: PublishedEngine, rows: int) -> None:
        self._engine, self._rows = engine, rows
        self._caches: dict[Request, Any] = {}  # of those that run
        # Releases of `transformers` differ in what they call it.
        takes = signature(engine.network.forward).parameters
        self._cache_name = "cache" if "cache" in takes else "past_key_values"
        self._waiting: deque[Request] = deque()

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._caches or self._waiting)

    def add(self, asked: Asked, model: str = "") -> Request:
        """Put a request in line. Raises LmworksError for what cannot be answered."""
        if not isinstance(asked, Writing):
            raise self._engine.refused(asked.ability)
        require_room(asked.prompt, self._engine.context_length)
        request = Request(asked.prompt, asked.sampling, self._engine.tokenizer, self._engine.context_length, model)
        self._waiting.append(request)
        return request

    def remove(self, request: Request) -> None:
        """Forget a request, wherever it stands."""
        self._caches.pop(request, None)
        if request in self._waiting:
            self._waiting.remove(request)

    @torch.inference_mode()
    def step(self) -> list[tuple[Request, Piece]]:
        """One more token for each running request; one that waits begins."""
        if self._waiting and len(self._caches) < self._rows:
            self._caches[self._waiting.popleft()] = None
        pieces = []
        for request, cache in list(self._caches.items()):
            tokens = request.ids[-1:] if cache else list(request.prompt)
            ids = torch.tensor([tokens], device=self._engine.model.output_weight.device)
            found = self._engine.network(input_ids=ids, use_cache=True, **{self._cache_name: cache})
            self._caches[request] = found.past_key_values
            logits = found.logits[:, -1].float()
            (token,) = choose(logits, [request.sampling], [request.noise.random()])
            if request.sampling.log_probabilities:
                request.log_probabilities.append(float(logits[0].log_softmax(-1)[token]))
            piece = request.accept(token)
            if piece.finish_reason:
                self.remove(request)
            pieces.append((request, piece))
        return pieces


class PublishedEngine(DecoderEngine):
    """Judges and writes: many prompts together by `generate`, those that come and go in turn."""

    def __init__(self, model: PublishedDecoder, tokenizer: Tokenizer) -> None:
        super().__init__(model, tokenizer)  # type: ignore[arg-type]  # it offers what likelihoods need
        self.network = model.network

    def batch(self, rows: int, slots: int | None = None) -> PublishedBatch:
        return PublishedBatch(self, rows)

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
            eos_token_id=list(self.tokenizer.stop_ids),
            pad_token_id=pad,
            do_sample=sampling.temperature > 0,
            **(drawing if sampling.temperature > 0 else {}),
        )
        for request, ids in zip(requests, found[:, longest:].tolist(), strict=True):
            for token in ids:
                if not request.finish_reason:
                    request.accept(token)

    def choice_log_likelihoods(self, questions: Sequence[Choices]) -> list[list[list[float]]]:
        """As our engine, but every choice is read with its prompt: what architectures make of other masks differs."""
        self._require_choices_fit(questions)
        sequences = [[*prompt, *choice] for prompt, choices in questions for choice in choices]
        found = iter(self.log_likelihoods(sequences, [len(prompt) for prompt, choices in questions for _ in choices]))
        return [[next(found) for _ in choices] for _, choices in questions]
