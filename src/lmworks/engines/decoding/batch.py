"""Requests that are answered together in one batch.

Axes: B batch (rows), T time, S cached positions, D hidden size, H heads, K key-value heads, C head size, V vocabulary.

Sequences of different lengths share a batch without padding on the left: row r keeps its tokens in slots 0, 1, … of its
own cache row. A slot's number is its position, and a query sees the slots up to its own position. All slots after
a row's end (padding, leftovers of earlier requests) are finite, are never seen, and are overwritten later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.engines.adapters import Adapters
from lmworks.engines.decoding.attention import (
    KeysAndValues,
    attention,
    causal_attention,
    keep,
    length_of,
    visible_slots,
)
from lmworks.engines.decoding.sampling import choose
from lmworks.engines.protocol import Asked, Writing, cannot
from lmworks.engines.request import Piece, Request, require_room
from lmworks.model.decoder import Decoder
from lmworks.tokens.tokenizer import Tokenizer

BATCH_TOKENS = 2048
"""Tokens, padding included, that go through the model at once; bounds memory and how long others wait for a prefill."""


class RunningBatch:
    """Requests decoded together. They come and go between steps; each is answered as if it were alone."""

    def __init__(
        self, model: Decoder, tokenizer: Tokenizer, rows: int, slots: int, adapters: Adapters | None = None
    ) -> None:
        config = model.config
        shape = (config.num_layers, rows, config.num_key_value_heads, slots, config.head_size)
        weight = model.output_weight
        # Zeros, since a masked NaN is still a NaN.
        self._keys = torch.zeros(shape, dtype=model.compute_type, device=weight.device)
        self._values = torch.zeros_like(self._keys)
        self._model = model
        self._adapters = adapters
        self._tokenizer = tokenizer
        self._slots = slots
        self._rows = rows
        self._shared: KeysAndValues = ()  # of what all prompts begin with
        self._running: list[Request] = []  # index = cache row
        self._waiting: deque[Request] = deque()

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._running or self._waiting)

    def add(self, asked: Asked, model: str = "") -> Request:
        """Put a request in line, for one of the engine's models; unnamed, for the base.

        Raises BeyondContext for a prompt that leaves no room for an answer, Cannot for what is no prompt.
        """
        if not isinstance(asked, Writing):
            raise cannot(["generate"], asked.ability)
        require_room(asked.prompt, self._model.config.context_length)
        request = Request(asked.prompt, asked.sampling, self._tokenizer, self._slots, model)
        self._waiting.append(request)
        return request

    @torch.inference_mode()
    def share(self, beginning: Sequence[int]) -> None:
        """Read what all prompts begin with, once for all, before the first step; by the base, for it alone."""
        tokens, positions = padded([beginning], self._keys.device)
        kept: list[tuple[Tensor, Tensor]] = []
        attend = keep(kept, causal_attention(self._model, len(beginning)))
        self._model.hidden(tokens, positions, attend)
        self._shared = kept

    @torch.inference_mode()
    def remove(self, request: Request) -> None:
        """Forget a request, wherever it stands; its row is free for another."""
        if request in self._waiting:
            self._waiting.remove(request)
        if request not in self._running:
            return
        row = self._running.index(request)
        last = self._running.pop()
        if last is not request:
            end = last.position
            moved = (slice(None), len(self._running), slice(None), slice(end))
            self._keys[:, row, :, :end] = self._keys[moved]
            self._values[:, row, :, :end] = self._values[moved]
            self._running[row] = last

    @torch.inference_mode()
    def step(self) -> list[tuple[Request, Piece]]:
        """One more token for each running request, and the first for those for which there is room."""
        hidden = [self._decode()] if self._running else []
        if admitted := self._admit():
            hidden.append(self._prefill(admitted))
            self._running += admitted
        if not hidden:
            return []
        logits = logits_of(torch.cat(hidden), self._model)
        tokens = choose(logits, [r.sampling for r in self._running], [r.noise.random() for r in self._running])
        if any(request.sampling.log_probabilities for request in self._running):
            chosen = logits.log_softmax(-1).gather(-1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0]
            for request, value in zip(self._running, chosen.tolist(), strict=True):
                request.log_probabilities.append(value)
        pieces = [(request, request.accept(token)) for request, token in zip(self._running, tokens, strict=True)]
        for request, piece in pieces:
            if piece.finish_reason:
                self.remove(request)
        return pieces

    def _admit(self) -> list[Request]:
        admitted: list[Request] = []
        prompts = set()
        longest = 0
        while self._waiting and len(self._running) + len(admitted) < self._rows:
            prompts.add(self._waiting[0].reading)
            longest = max(longest, len(self._waiting[0].prompt) - length_of(self._shared))
            if admitted and longest * len(prompts) > BATCH_TOKENS:
                break
            admitted.append(self._waiting.popleft())
        return admitted

    def _prefill(self, requests: Sequence[Request]) -> Tensor:
        """Fill the rows behind the running ones; [B,D] hidden states of each prompt's last token.

        A prompt that several ask of one model is read once, and its keys and values are copied to their rows.
        """
        first, end = len(self._running), len(self._running) + len(requests)
        prompts = list(dict.fromkeys(request.reading for request in requests))
        number = {prompt: place for place, prompt in enumerate(prompts)}
        asked = torch.tensor([number[request.reading] for request in requests], device=self._keys.device)
        start = length_of(self._shared)
        tokens, positions = padded([prompt[start:] for _, prompt in prompts], self._keys.device)
        slots = slice(start, start + tokens.shape[1])
        causal = causal_attention(self._model, tokens.shape[1], self._shared)

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            if start:
                keys, values = self._shared[layer]
                self._keys[layer, first:end, :, :start], self._values[layer, first:end, :, :start] = keys, values
            self._keys[layer, first:end, :, slots] = k[asked]
            self._values[layer, first:end, :, slots] = v[asked]
            return causal(layer, q, k, v)

        with self._asked(model for model, _ in prompts):
            hidden = self._model.hidden(tokens, start + positions, attend)  # [P,T,D] of P prompts
        ends = [len(request.prompt) - start - 1 for request in requests]
        return hidden[asked, torch.tensor(ends, device=hidden.device)]

    def _decode(self) -> Tensor:
        """[B,D] hidden states of each running request's newest token."""
        count, device = len(self._running), self._keys.device
        tokens = torch.tensor([[request.ids[-1]] for request in self._running], device=device)
        positions = torch.tensor([[request.position] for request in self._running], device=device)
        longest = max(request.position for request in self._running) + 1
        mask = visible_slots(positions, longest, self._model.config.sliding_window)
        rows, slots = torch.arange(count, device=device), positions[:, 0]

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            keys, values = self._keys[layer], self._values[layer]
            keys[rows, :, slots] = k[:, :, 0]
            values[rows, :, slots] = v[:, :, 0]
            return attention(q, keys[:count, :, :longest], values[:count, :, :longest], mask)

        with self._asked(request.model for request in self._running):
            return self._model.hidden(tokens, positions, attend)[:, 0]

    def _asked(self, models: Iterable[str]) -> AbstractContextManager[None]:
        return self._adapters.asked(list(models)) if self._adapters else nullcontext()


def logits_of(hidden: Tensor, model: Decoder) -> Tensor:
    """[N,D] -> [N,V] in float32."""
    return F.linear(hidden, model.output_weight.to(hidden.dtype)).float()


def padded(sequences: Sequence[Sequence[int]], device: torch.device, fill: int = 0) -> tuple[Tensor, Tensor]:
    """Tokens [B,T], filled up on the right, and their positions [B,T]."""
    longest = max(len(sequence) for sequence in sequences)
    tokens = torch.tensor([[*sequence, *[fill] * (longest - len(sequence))] for sequence in sequences], device=device)
    return tokens, torch.arange(longest, device=device).expand(len(sequences), -1)
