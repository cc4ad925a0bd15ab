"""The engine: prompts in, text and likelihoods out, many at a time.

Axes: B batch (rows), T time, D hidden size, V vocabulary, N tokens that are judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lmworks.engines.adapters import Adapters
from lmworks.engines.attention import attention_after, causal_attention, joined, visible_slots
from lmworks.engines.batch import BATCH_TOKENS, RunningBatch, logits_of, padded
from lmworks.engines.protocol import Ability, Engine, Messages, Running, Writing
from lmworks.engines.request import Generation, Sampling, rows_at_once
from lmworks.errors import BeyondContext, LmworksError
from lmworks.model.decoder import Decoder
from lmworks.model.prefix import KeysAndValues, keep, length_of
from lmworks.pipeline.conditions import TORCH, Conditions
from lmworks.pipeline.files import digest_text
from lmworks.tokens.tokenizer import FILES, Tokenizer

SHARED_TOKENS = 32
"""A beginning that all prompts share is read once from this length on; a shorter one is not worth a pass of its own."""
LOGIT_ROWS = 1024
"""Rows of logits that exist at once when likelihoods are computed."""


class DecoderEngine(Engine):
    """A model and its tokenizer, ready to write and to judge text; with what was learned to stand before every text.

    Adapters are other models on it, which a batch can ask; all else is asked of the base.
    """

    can: frozenset[Ability] = frozenset({"generate"})

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
        self.vocab_size = tokenizer.vocab_size
        self.thinks, self.calls = tokenizer.thoughts is not None, tokenizer.calls
        self.chats = bool(tokenizer.chat_template)
        self.prefix = prefix
        self.adapters = adapters
        self.context_length = model.config.context_length - length_of(prefix)

    def conditions(self) -> Conditions:
        return Conditions(
            tokenizer=self.tokenizer.digest,
            template=digest_text(self.tokenizer.chat_template) if self.chats else None,
            before=self.tokenizer.end_of_text,
            engine=TORCH,
            context_length=self.context_length,
            data_type=str(self.model.compute_type).removeprefix("torch."),
            device=self.model.output_weight.device.type,
        )

    def encode(self, messages: Messages) -> list[int]:
        return self.tokenizer.encode_chat(messages, add_generation_prompt=True)[0]

    def encode_text(self, text: str) -> list[int]:
        return [self.tokenizer.end_of_text_id, *self.tokenizer.encode(text)]

    def batch(self, rows: int, slots: int | None = None) -> Running:
        """A batch for at most `rows` requests at once (fewer if memory says so) of at most `slots` tokens each."""
        return self._batch(rows, slots)

    def _batch(self, rows: int, slots: int | None = None) -> RunningBatch:
        config = self.model.config
        slots = min(slots or self.context_length, self.context_length)
        rows = rows_at_once(rows, config.cache_bytes(slots))
        return RunningBatch(self.model, self.tokenizer, rows, slots, self.prefix, self.adapters)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        """Answer every prompt. Raises BeyondContext when one leaves no room in the context."""
        each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        if not prompts:
            return []
        slots = max(len(prompt) + one.max_tokens for prompt, one in zip(prompts, each, strict=True))
        batch = self._batch(len(prompts), slots)
        if SHARED_TOKENS <= len(shared := _shared(prompts)) < self.context_length:
            batch.share(shared)
        # Neighbours of like length waste the least padding.
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        requests = {index: batch.add(Writing(prompts[index], each[index])) for index in order}
        while batch.busy:
            batch.step()
        return [requests[index].generation() for index in range(len(prompts))]

    @torch.inference_mode()
    def log_likelihoods(self, sequences: Sequence[Sequence[int]], first: Sequence[int]) -> list[list[float]]:
        """Natural log p of each token from index `first[i]` (at least 1) of sequence i on, given all before it.

        Raises BeyondContext for a sequence longer than the context: windows are the caller's choice.
        """
        for index, (sequence, start) in enumerate(zip(sequences, first, strict=True)):
            if len(sequence) > self.context_length or start < 1:
                raise BeyondContext(
                    f"sequence {index}: {len(sequence)} tokens judged from token {start} on; expected at most "
                    f"{self.context_length} (the context), judged from token 1 or later: cut it into windows",
                    len(sequence),
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
        """What a reward model says of each sequence, at its end. Raises BeyondContext for one that is too long."""
        if (longest := max(map(len, sequences), default=0)) > self.context_length:
            raise BeyondContext(
                f"a sequence of more than {self.context_length} tokens (the context): shorten it", longest
            )
        results = [0.0] * len(sequences)
        for group in _groups({index: len(sequence) for index, sequence in enumerate(sequences)}, BATCH_TOKENS):
            _, hidden = self._read([sequences[index] for index in group])
            ends = torch.tensor([len(sequences[index]) - 1 for index in group], device=hidden.device)
            rows = torch.arange(len(group), device=hidden.device)
            found = logits_of(hidden[rows, ends], self.model)[:, 0].tolist()
            for index, score in zip(group, found, strict=True):
                results[index] = score
        return results

    @torch.inference_mode()
    def score_choices(self, prompt_ids: Sequence[int], choices: Sequence[Sequence[int]]) -> list[float]:
        """Natural log p of each whole choice as the text after the prompt, whose keys and values are computed once."""
        longest = max((len(choice) for choice in choices), default=0)
        if not 0 < len(prompt_ids) <= self.context_length - longest:
            raise BeyondContext(
                f"a prompt of {len(prompt_ids)} tokens and a choice of {longest}: expected at least one token of "
                f"prompt, and together at most {self.context_length} (the context)",
                len(prompt_ids) + longest,
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
            tokens, positions = padded([[prompt_ids[-1], *choices[index]] for index in group], device)
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
        tokens, positions = padded(sequences, self.model.output_weight.device)
        causal = causal_attention(self.model, tokens.shape[1], self.prefix)
        attend = causal if kept is None else keep(kept, causal)
        return tokens, self.model.hidden(tokens, length_of(self.prefix) + positions, attend)

    def _log_probabilities(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """[N,D] hidden states, [N] next tokens -> [N] natural log p, with few rows of logits alive at once."""
        parts = []
        for states, tokens in zip(torch.split(hidden, LOGIT_ROWS), torch.split(targets, LOGIT_ROWS), strict=True):
            logits = logits_of(states, self.model)
            parts.append(logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1))
        return torch.cat(parts)


def _shared(prompts: Sequence[Sequence[int]]) -> Sequence[int]:
    """What several prompts all begin with, short of the last token of the shortest: that one is asked what follows."""
    first, *_, last = sorted(map(list, [*prompts, prompts[0]]))  # as in a dictionary: all others lie between
    most = min(map(len, prompts)) - 1 if first != last else 0
    return first[: next((place for place in range(most) if first[place] != last[place]), most)]


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
