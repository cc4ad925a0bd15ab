"""The engine: prompts in, text and likelihoods out, many at a time.

Axes: B batch (rows), T time, S cached positions, D hidden size, H heads, K key-value heads, C head size, V vocabulary.

Sequences of different lengths share a batch without padding on the left: row r keeps its tokens in slots 0, 1, … of its
own cache row, so a slot's number is its position, and a query sees the slots up to its own position. What stands behind
a row's end (padding of a prefill, an earlier request's leftovers) is finite, is never seen, and is overwritten in turn.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.engines.adapters import Adapters
from lmworks.engines.attention import attention, attention_after, causal_attention, joined, visible_slots
from lmworks.engines.pieces import Detokeniser, StopStrings
from lmworks.engines.sampling import Sampling as Sampling
from lmworks.engines.sampling import choose
from lmworks.errors import LmworksError
from lmworks.model.decoder import Decoder
from lmworks.model.prefix import KeysAndValues, keep, length_of
from lmworks.tokens.tokenizer import FILES, Tokenizer

MAX_ROWS = 64
"""Requests decoded together: on a CPU the products are bound by arithmetic from about here on."""
CACHE_BYTES = 1 << 30
"""A cache takes no more than this, whatever the number of requests."""
BATCH_TOKENS = 2048
"""Tokens, padding included, that go through the model at once; bounds memory and how long others wait for a prefill."""
SHARED_TOKENS = 32
"""A beginning that all prompts share is read once from this length on; a shorter one is not worth a pass of its own."""
LOGIT_ROWS = 1024
"""Rows of logits that exist at once when likelihoods are computed."""

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Piece:
    """A further part of an answer. The last one has a finish reason; the text may be empty."""

    text: str
    ids: tuple[int, ...]
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Generation:
    """A whole answer. `ids` has neither the end token nor the text's cut before a stop string."""

    ids: list[int]
    text: str
    finish_reason: FinishReason
    end_id: int | None = None
    """The token that ended it, where one did."""
    log_probabilities: Sequence[float] = ()
    """Of `ids`, and of the end token behind them, if they were asked for."""


class Request:
    """One prompt on its way through a batch."""

    def __init__(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        tokenizer: Tokenizer,
        context_length: int,
        model: str = "",
    ) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self.model = model
        self.ids: list[int] = []
        self.end_id: int | None = None
        self.log_probabilities: list[float] = []
        self.text = ""
        self.finish_reason: FinishReason | None = None
        self.noise = random.Random(sampling.seed)  # noqa: S311 - sampling, not secrets
        self._limit = min(sampling.max_tokens, context_length - len(prompt))
        self._ends = (tokenizer.end_of_turn_id, tokenizer.end_of_text_id)
        self._detokeniser = Detokeniser(tokenizer.decode)
        self._stops = StopStrings(sampling.stop)

    @property
    def reading(self) -> tuple[str, tuple[int, ...]]:
        """What decides its keys and values: who reads, and what."""
        return self.model, tuple(self.prompt)

    @property
    def position(self) -> int:
        """Where the newest token stands; all before it are cached."""
        return len(self.prompt) + len(self.ids) - 1

    def accept(self, token: int) -> Piece:
        """Take the next token; says what can be shown and whether the answer ended."""
        ended = token in self._ends
        text = ""
        if ended:
            self.end_id = token
        else:
            self.ids.append(token)
            text = self._detokeniser.add(token)
        full = len(self.ids) >= self._limit
        if ended or full:
            text += self._detokeniser.flush()
        text, stopped = self._stops.add(text)
        if ended or stopped:
            self.finish_reason = "stop"
        elif full:
            self.finish_reason = "length"
        if self.finish_reason and not stopped:
            text += self._stops.flush()
        self.text += text
        return Piece(text, () if ended else (token,), self.finish_reason)


class Batch:
    """Requests decoded together. They come and go between steps; each is answered as if it were alone."""

    def __init__(
        self,
        model: Decoder,
        tokenizer: Tokenizer,
        rows: int,
        slots: int,
        prefix: KeysAndValues = (),
        adapters: Adapters | None = None,
    ) -> None:
        config = model.config
        self._first = length_of(prefix)
        shape = (config.num_layers, rows, config.num_key_value_heads, self._first + slots, config.head_size)
        weight = model.output_weight
        # Zeros, since a masked NaN is still a NaN.
        self._keys = torch.zeros(shape, dtype=model.compute_type, device=weight.device)
        self._values = torch.zeros_like(self._keys)
        self._model = model
        self._adapters = adapters
        self._tokenizer = tokenizer
        self._slots = slots
        self._rows = rows
        self._shared = prefix  # and, behind it, what all prompts begin with: so many tokens
        self._shared_length = 0
        self._running: list[Request] = []  # index = cache row
        self._waiting: deque[Request] = deque()

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._running or self._waiting)

    def add(self, prompt: Sequence[int], sampling: Sampling, model: str = "") -> Request:
        """Put a request in line, for one of the engine's models; unnamed, for the base.

        Raises `LmworksError` for a prompt that leaves no room for an answer.
        """
        context = self._model.config.context_length - self._first
        if not 0 < len(prompt) < context:
            raise LmworksError(
                f"the prompt has {len(prompt)} tokens; a context of {context} takes from 1 to {context - 1}, "
                "which leaves one for the answer: shorten the prompt"
            )
        request = Request(prompt, sampling, self._tokenizer, self._slots, model)
        self._waiting.append(request)
        return request

    @torch.inference_mode()
    def share(self, beginning: Sequence[int]) -> None:
        """Read what all prompts begin with, once for all, before the first step; by the base, for it alone."""
        tokens, positions = _pad([beginning], self._keys.device)
        kept: list[tuple[Tensor, Tensor]] = []
        attend = keep(kept, causal_attention(self._model, len(beginning), self._shared))
        self._model.hidden(tokens, self._first + positions, attend)
        self._shared, self._shared_length = joined(self._shared, kept), len(beginning)

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
            end = self._first + last.position
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
        logits = _logits(torch.cat(hidden), self._model)
        tokens = choose(logits, [r.sampling for r in self._running], [r.noise.random() for r in self._running])
        if any(request.sampling.log_probabilities for request in self._running):
            chosen = logits.gather(-1, torch.tensor(tokens, device=logits.device)[:, None])[:, 0]
            for request, value in zip(self._running, (chosen - logits.logsumexp(-1)).tolist(), strict=True):
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
            longest = max(longest, len(self._waiting[0].prompt) - self._shared_length)
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
        skipped, start = self._shared_length, length_of(self._shared)
        tokens, positions = _pad([prompt[skipped:] for _, prompt in prompts], self._keys.device)
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
        ends = [len(request.prompt) - skipped - 1 for request in requests]
        return hidden[asked, torch.tensor(ends, device=hidden.device)]

    def _decode(self) -> Tensor:
        """[B,D] hidden states of each running request's newest token."""
        count, device = len(self._running), self._keys.device
        tokens = torch.tensor([[request.ids[-1]] for request in self._running], device=device)
        positions = self._first + torch.tensor([[request.position] for request in self._running], device=device)
        longest = self._first + max(request.position for request in self._running) + 1
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


class Engine:
    """A model and its tokenizer, ready to write and to judge text; with what was learned to stand before every text.

    Adapters are other models on it, which a batch can ask; all else is asked of the base.
    """

    def __init__(
        self, model: Decoder, tokenizer: Tokenizer, prefix: KeysAndValues = (), adapters: Adapters | None = None
    ) -> None:
        if tokenizer.vocab_size > model.config.vocab_size:
            raise LmworksError(
                f"{tokenizer.folder / FILES[0]}: has {tokenizer.vocab_size:,} ids; the model beside it knows "
                f"{model.config.vocab_size:,}: copy the tokenizer that came with it"
            )
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.prefix = prefix
        self.adapters = adapters
        self.context_length = model.config.context_length - length_of(prefix)

    def batch(self, rows: int, slots: int | None = None) -> Batch:
        """A batch for at most `rows` requests at once (fewer if memory says so) of at most `slots` tokens each."""
        config = self.model.config
        slots = min(slots or self.context_length, self.context_length)
        row = config.cache_bytes(slots)
        rows = max(1, min(rows, MAX_ROWS, CACHE_BYTES // row))
        return Batch(self.model, self.tokenizer, rows, slots, self.prefix, self.adapters)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        """Answer every prompt. Raises `LmworksError` when one leaves no room in the context."""
        each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        if not prompts:
            return []
        slots = max(len(prompt) + one.max_tokens for prompt, one in zip(prompts, each, strict=True))
        batch = self.batch(len(prompts), slots)
        if SHARED_TOKENS <= len(shared := _shared(prompts)) < self.context_length:
            batch.share(shared)
        # Neighbours of like length waste the least padding.
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        requests = {index: batch.add(prompts[index], each[index]) for index in order}
        while batch.busy:
            batch.step()
        return [generation(requests[index]) for index in range(len(prompts))]

    def stream(self, prompt: Sequence[int], sampling: Sampling, cancelled: Callable[[], bool]) -> Iterator[Piece]:
        """Answer one prompt piece by piece; `cancelled` is asked before each token and ends the answer at once."""
        batch = self.batch(1, len(prompt) + sampling.max_tokens)
        batch.add(prompt, sampling)
        while batch.busy and not cancelled():
            for _, piece in batch.step():
                yield piece

    @torch.inference_mode()
    def log_likelihoods(self, sequences: Sequence[Sequence[int]], first: Sequence[int]) -> list[list[float]]:
        """Natural log p of each token from index `first[i]` (at least 1) of sequence i on, given all before it.

        Raises `LmworksError` for a sequence longer than the context: windows are the caller's choice.
        """
        for index, (sequence, start) in enumerate(zip(sequences, first, strict=True)):
            if len(sequence) > self.context_length or start < 1:
                raise LmworksError(
                    f"sequence {index}: {len(sequence)} tokens judged from token {start} on; expected at most "
                    f"{self.context_length} (the context), judged from token 1 or later: cut it into windows"
                )
        results: list[list[float]] = [[] for _ in sequences]
        lengths = {i: len(sequence) for i, sequence in enumerate(sequences) if len(sequence) > first[i]}
        for group in _groups(lengths, BATCH_TOKENS):
            tokens, hidden = self._read([sequences[index] for index in group])
            spans = [(first[index], lengths[index]) for index in group]
            scores = self._log_probabilities(
                torch.cat([hidden[row, start - 1 : end - 1] for row, (start, end) in enumerate(spans)]),
                torch.cat([tokens[row, start:end] for row, (start, end) in enumerate(spans)]),
            )
            for index, part in zip(group, torch.split(scores, [end - start for start, end in spans]), strict=True):
                results[index] = part.tolist()
        return results

    @torch.inference_mode()
    def scores(self, sequences: Sequence[Sequence[int]]) -> list[float]:
        """What a reward model says of each sequence, at its end. Raises `LmworksError` for one that is too long."""
        if max(map(len, sequences), default=0) > self.context_length:
            raise LmworksError(f"a sequence of more than {self.context_length} tokens (the context): shorten it")
        results = [0.0] * len(sequences)
        for group in _groups({index: len(sequence) for index, sequence in enumerate(sequences)}, BATCH_TOKENS):
            _, hidden = self._read([sequences[index] for index in group])
            ends = torch.tensor([len(sequences[index]) - 1 for index in group], device=hidden.device)
            rows = torch.arange(len(group), device=hidden.device)
            found = _logits(hidden[rows, ends], self.model)[:, 0].tolist()
            for index, score in zip(group, found, strict=True):
                results[index] = score
        return results

    @torch.inference_mode()
    def score_choices(self, prompt_ids: Sequence[int], choices: Sequence[Sequence[int]]) -> list[float]:
        """Natural log p of each whole choice as the text after the prompt, whose keys and values are computed once."""
        longest = max((len(choice) for choice in choices), default=0)
        if not 0 < len(prompt_ids) <= self.context_length - longest:
            raise LmworksError(
                f"a prompt of {len(prompt_ids)} tokens and a choice of {longest}: expected at least one token of "
                f"prompt, and together at most {self.context_length} (the context)"
            )
        device, window = self.model.output_weight.device, self.model.config.sliding_window
        shared = self.prefix  # and of the prompt, but of its last token
        if len(prompt_ids) > 1:
            kept: list[tuple[Tensor, Tensor]] = []
            self._read([prompt_ids[:-1]], kept)
            shared = joined(shared, kept)
        cached = length_of(shared)
        results = [0.0] * len(choices)
        for group in _groups({i: cached + len(choice) for i, choice in enumerate(choices) if choice}, BATCH_TOKENS):
            tokens, positions = _pad([[prompt_ids[-1], *choices[index]] for index in group], device)
            positions = positions[:, :-1] + cached
            mask = visible_slots(positions[:1], cached + positions.shape[1], window)
            hidden = self.model.hidden(tokens[:, :-1], positions, attention_after(shared, mask))
            sizes = [len(choices[index]) for index in group]
            scores = self._log_probabilities(
                torch.cat([hidden[row, :size] for row, size in enumerate(sizes)]),
                torch.cat([tokens[row, 1 : size + 1] for row, size in enumerate(sizes)]),
            )
            for index, part in zip(group, torch.split(scores, sizes), strict=True):
                results[index] = part.double().sum().item()
        return results

    def _read(
        self, sequences: Sequence[Sequence[int]], kept: list[tuple[Tensor, Tensor]] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens [B,T], filled up on the right, and hidden states [B,T,D]; keys and values are put into `kept`."""
        tokens, positions = _pad(sequences, self.model.output_weight.device)
        causal = causal_attention(self.model, tokens.shape[1], self.prefix)
        attend = causal if kept is None else keep(kept, causal)
        return tokens, self.model.hidden(tokens, length_of(self.prefix) + positions, attend)

    def _log_probabilities(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """[N,D] hidden states, [N] next tokens -> [N] natural log p, with few rows of logits alive at once."""
        parts = []
        for states, tokens in zip(torch.split(hidden, LOGIT_ROWS), torch.split(targets, LOGIT_ROWS), strict=True):
            logits = _logits(states, self.model)
            parts.append(logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1))
        return torch.cat(parts)


def generation(request: Request) -> Generation:
    """The whole answer of a request that has ended."""
    assert request.finish_reason  # noqa: S101 - the batch is empty
    more = request.end_id, request.log_probabilities
    return Generation(request.ids, request.text, request.finish_reason, *more)


def _logits(hidden: Tensor, model: Decoder) -> Tensor:
    """[N,D] -> [N,V] in float32."""
    return F.linear(hidden, model.output_weight.to(hidden.dtype)).float()


def _shared(prompts: Sequence[Sequence[int]]) -> Sequence[int]:
    """What several prompts all begin with, short of the last token of the shortest: that one is asked what follows."""
    first, *_, last = sorted(map(list, [*prompts, prompts[0]]))  # as in a dictionary: all others lie between
    most = min(map(len, prompts)) - 1 if first != last else 0
    return first[: next((place for place in range(most) if first[place] != last[place]), most)]


def _pad(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Tokens [B,T], filled up on the right, and their positions [B,T]."""
    longest = max(len(sequence) for sequence in sequences)
    tokens = torch.tensor([[*sequence, *[0] * (longest - len(sequence))] for sequence in sequences], device=device)
    return tokens, torch.arange(longest, device=device).expand(len(sequences), -1)


def _groups(lengths: Mapping[int, int], budget: int) -> Iterator[list[int]]:
    """Keys grouped by like length, each group at most `budget` tokens after padding (but at least one key)."""
    group: list[int] = []
    for index in sorted(lengths, key=lambda index: lengths[index]):
        if group and lengths[index] * (len(group) + 1) > budget:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
