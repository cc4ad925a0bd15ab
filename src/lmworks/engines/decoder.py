"""The engine: prompts in, text and likelihoods out, many at a time.

Axes: B batch (rows), T time, D hidden size, V vocabulary, N tokens that are judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lmworks.engines.adapters import Adapters
from lmworks.engines.decoding.attention import KeysAndValues, attention_after, causal_attention, keep, length_of
from lmworks.engines.decoding.batch import BATCH_TOKENS, RunningBatch, logits_of, padded
from lmworks.engines.protocol import Ability, Engine, Messages, Running, Writing
from lmworks.engines.request import Generation, Sampling, rows_at_once
from lmworks.errors import BeyondContext, LmworksError
from lmworks.model.decoder import Decoder
from lmworks.model.device import CPU
from lmworks.pipeline.conditions import TORCH, Conditions
from lmworks.pipeline.files import digest_text
from lmworks.tokens.tokenizer import FILES, Tokenizer, alike

SHARED_TOKENS = 32
"""Minimum tokens of a beginning that all prompts share and that is read once. Shorter ones do not save enough time."""
SAVED_TOKENS = 256
"""Minimum number of tokens saved by reading a beginning once that some questions share. The extra pass takes time."""
CPU_TOKENS = 512
"""Number of tokens in one pass on a CPU. Its caches hold no more between two layers."""
LOGIT_ROWS = 1024
"""Maximum rows of logits in memory at once when likelihoods are computed."""


NEVER = 1 << 30
"""Place after the end of every row."""

Choices = tuple[Sequence[int], Sequence[Sequence[int]]]
"""Prompt, and the texts that can follow it."""


class DecoderEngine(Engine):
    """Model and tokenizer that generate text and compute likelihoods.

    Adapters are other models on the same base. Only batches can use them. All other methods use the base.
    """

    can: frozenset[Ability] = frozenset({"generate"})

    def __init__(self, model: Decoder, tokenizer: Tokenizer, adapters: Adapters | None = None) -> None:
        if tokenizer.vocab_size > model.config.vocab_size:
            raise LmworksError(
                f"{tokenizer.folder / FILES[0]}: has {tokenizer.vocab_size:,} ids, but the model in this folder has "
                f"{model.config.vocab_size:,}. Copy the model's own tokenizer there"
            )
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.vocab_size, self.longest_token = tokenizer.vocab_size, tokenizer.longest_token
        self.thinks, self.calls = tokenizer.thoughts is not None, tokenizer.calls
        self.chats = bool(tokenizer.chat_template)
        self.adapters = adapters
        self.context_length = model.config.context_length

    def conditions(self) -> Conditions:
        return Conditions(
            tokenizer=self.tokenizer.digest,
            template=digest_text(self.tokenizer.chat_template) if self.chats else None,
            before=self.tokenizer.spell(self.tokenizer.before()),
            engine=TORCH,
            context_length=self.context_length,
            data_type=str(self.model.compute_type).removeprefix("torch."),
            device=self.model.output_weight.device.type,
        )

    @property
    def _tokens_at_once(self) -> int:
        on_cpu = self.model.output_weight.device.type == CPU
        return min(BATCH_TOKENS, CPU_TOKENS) if on_cpu else BATCH_TOKENS

    def encode(self, messages: Messages) -> list[int]:
        return self.tokenizer.encode_chat(messages, add_generation_prompt=True)[0]

    def encode_text(self, text: str) -> list[int]:
        """Return the prompt for a text to continue. For an empty text, return the token that begins a text."""
        ids = [*self.tokenizer.before(), *self.tokenizer.encode(text)]
        return ids or [self.tokenizer.end_of_text_id]

    def batch(self, rows: int, slots: int | None = None) -> Running:
        """Return a batch for `rows` requests at once, or fewer if memory is short, of at most `slots` tokens each."""
        return self._batch(rows, slots)

    def _batch(self, rows: int, slots: int | None = None) -> RunningBatch:
        config = self.model.config
        slots = min(slots or self.context_length, self.context_length)
        rows = rows_at_once(rows, config.cache_bytes(slots))
        return RunningBatch(self.model, self.tokenizer, rows, slots, self.adapters)

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
        """Return the natural log p of each token from index `first[i]` (at least 1) of sequence i on, given all before.

        Raises BeyondContext for a sequence longer than the context, because the caller must choose the windows.
        """
        for index, (sequence, start) in enumerate(zip(sequences, first, strict=True)):
            if len(sequence) > self.context_length or start < 1:
                raise BeyondContext(
                    f"sequence {index}: {len(sequence)} tokens, scored from token {start} on; expected at most "
                    f"{self.context_length} (the context), scored from token 1 or later. Cut it into windows",
                    len(sequence),
                )
        results: list[list[float]] = [[] for _ in sequences]
        lengths = {i: len(sequence) for i, sequence in enumerate(sequences) if len(sequence) > first[i]}
        for group in _groups(lengths, self._tokens_at_once):
            tokens, hidden = self._read([sequences[index] for index in group])
            spans = [(first[index], lengths[index]) for index in group]
            states = torch.cat([hidden[row, start - 1 : end - 1] for row, (start, end) in enumerate(spans)])
            targets = torch.cat([tokens[row, start:end] for row, (start, end) in enumerate(spans)])
            scores = self._log_probabilities(states, torch.arange(len(states), device=states.device), targets)
            for index, part in zip(group, torch.split(scores, [end - start for start, end in spans]), strict=True):
                results[index] = part.tolist()
        return results

    @torch.inference_mode()
    def scores(self, sequences: Sequence[Sequence[int]]) -> list[float]:
        """Return a reward model's score at the end of each sequence. Raises BeyondContext for one that is too long."""
        if (longest := max(map(len, sequences), default=0)) > self.context_length:
            raise BeyondContext(
                f"a sequence has more than {self.context_length} tokens (the context): shorten it", longest
            )
        results = [0.0] * len(sequences)
        lengths = {index: len(sequence) for index, sequence in enumerate(sequences)}
        for group in _groups(lengths, self._tokens_at_once):
            _, hidden = self._read([sequences[index] for index in group])
            ends = torch.tensor([len(sequences[index]) - 1 for index in group], device=hidden.device)
            rows = torch.arange(len(group), device=hidden.device)
            found = logits_of(hidden[rows, ends], self.model)[:, 0].tolist()
            for index, score in zip(group, found, strict=True):
                results[index] = score
        return results

    def score_choices(self, prompt_ids: Sequence[int], choices: Sequence[Sequence[int]]) -> list[float]:
        """Return the natural log p of each whole choice as the text after the prompt. The prompt is read once."""
        return [math.fsum(scores) for scores in self.choice_log_likelihoods([(prompt_ids, choices)])[0]]

    @torch.inference_mode()
    def choice_log_likelihoods(self, questions: Sequence[Choices]) -> list[list[list[float]]]:
        """Return the natural log p of every token of every choice, for several prompts with their choices.

        Each prompt is read once, and so are beginnings that several prompts or choices share. Raises BeyondContext if a
        prompt is empty, or longer than the context with one of its choices.
        """
        self._require_choices_fit(questions)
        results: list[list[list[float]]] = [[[] for _ in choices] for _, choices in questions]
        for members, length in _sharing([prompt for prompt, _ in questions]):
            shared: list[tuple[Tensor, Tensor]] = []
            if length:
                self._read([questions[members[0]][0][:length]], shared)
            rows = [row for member in members for row in _rows(member, *questions[member], length)]
            lengths = {number: len(row.tokens) for number, row in enumerate(rows)}
            for group in _groups(lengths, self._tokens_at_once):
                self._score_rows([rows[number] for number in group], shared, results)
        return results

    def _require_choices_fit(self, questions: Sequence[Choices]) -> None:
        for prompt, choices in questions:
            longest = max((len(choice) for choice in choices), default=0)
            if not 0 < len(prompt) <= self.context_length - longest:
                raise BeyondContext(
                    f"a prompt of {len(prompt)} tokens and a choice of {longest} tokens: a prompt needs at least one "
                    f"token, and both together may have {self.context_length} at most (the context)",
                    len(prompt) + longest,
                )

    def _score_rows(
        self, rows: Sequence[_Row], shared: KeysAndValues, results: Sequence[Sequence[list[float]]]
    ) -> None:
        """Read rows after the shared beginning, and add the scores of their tokens to those of each choice."""
        device, window, first = self.model.output_weight.device, self.model.config.sliding_window, length_of(shared)
        tokens, places = padded([row.tokens for row in rows], device)
        if all(row.is_plain for row in rows):
            attend, positions = causal_attention(self.model, tokens.shape[1], shared), places + first
        else:
            offsets, _ = padded([row.offsets for row in rows], device)
            ends, _ = padded([row.ends for row in rows], device, NEVER)
            positions = offsets
            seen = (places[:, None, :] <= places[:, :, None]) & (places[:, :, None] < ends[:, None, :])  # [B,T,T]
            reach = positions.new_tensor(range(first)).expand(len(rows), first)
            seen = torch.cat((seen.new_ones(*places.shape, first), seen), dim=2)
            if window is not None:
                seen &= positions[:, :, None] - torch.cat((reach, positions), dim=1)[:, None, :] < window
            attend = attention_after(shared, seen[:, None])
        hidden = self.model.hidden(tokens, positions, attend)
        asked = [(number, *each) for number, row in enumerate(rows) for each in row.asked]
        if asked:
            tells = {where: state for state, where in enumerate(dict.fromkeys(each[:2] for each in asked))}
            states = hidden[*torch.tensor(list(tells), device=device).T]
            told = torch.tensor([(tells[number, place], token) for number, place, token, _ in asked], device=device)
            scores = self._log_probabilities(states, *told.T).tolist()
            for (number, _, _, choice), score in zip(asked, scores, strict=True):
                results[rows[number].question][choice].append(score)

    def _read(
        self, sequences: Sequence[Sequence[int]], kept: list[tuple[Tensor, Tensor]] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens [B,T], filled up on the right, and hidden states [B,T,D]; keys and values are put into `kept`."""
        tokens, positions = padded(sequences, self.model.output_weight.device)
        causal = causal_attention(self.model, tokens.shape[1])
        attend = causal if kept is None else keep(kept, causal)
        return tokens, self.model.hidden(tokens, positions, attend)

    def _log_probabilities(self, hidden: Tensor, which: Tensor, targets: Tensor) -> Tensor:
        """Natural log p [N] of next tokens [N], each behind the one `which` [N] names of the hidden states [·,D].

        Few rows of logits are alive at once.
        """
        found = hidden.new_empty(len(targets), dtype=torch.promote_types(hidden.dtype, torch.float32))
        for first in range(0, len(hidden), LOGIT_ROWS):
            logits = logits_of(hidden[first : first + LOGIT_ROWS], self.model)
            here = (which >= first) & (which < first + LOGIT_ROWS)
            state = which[here] - first
            # Not less log Σ exp: beside logits of 2^27 no digit is left for log V, and each token would be certain.
            found[here] = logits.log_softmax(-1)[state, targets[here]]
        return found


class _Row:
    """Question as one row: a tree of texts that all begin with its prompt. Each text is read as if it were alone.

    Choices are added in sorted order, so that choices with the same beginning are neighbours.
    """

    def __init__(self, question: int, prompt: Sequence[int], shared: int) -> None:
        self.question = question
        self.tokens = list(prompt[shared:])
        self.offsets = list(range(shared, len(prompt)))
        """The position of each token."""
        self.ends = [NEVER] * len(self.tokens)
        """Place from which on a token is no longer visible. Tokens between it and this place can attend to it."""
        self.asked: list[tuple[int, int, int]] = []
        """Triples: the place that predicts a token, this token, and the number of its choice."""
        self._prompt = len(prompt)
        self._path = [len(self.tokens) - 1]
        """Places of the prompt's last token and of the tokens of the newest choice."""

    @property
    def is_plain(self) -> bool:
        """Whether the row is one plain text, without branches."""
        return all(end == NEVER for end in self.ends)

    def add(self, number: int, choice: Sequence[int]) -> None:
        """Add a choice. Its last token is not read, because no token after it is predicted."""
        again = alike([self.tokens[place] for place in self._path[1:]], choice[:-1])
        for place in self._path[again + 1 :]:
            self.ends[place] = len(self.tokens)
        fresh = choice[again:-1]
        self._path[again + 1 :] = range(len(self.tokens), len(self.tokens) + len(fresh))
        self.tokens += fresh
        self.offsets += range(self._prompt + again, self._prompt + again + len(fresh))
        self.ends += [NEVER] * len(fresh)
        self.asked += [(place, token, number) for place, token in zip(self._path, choice, strict=False)]


def _rows(question: int, prompt: Sequence[int], choices: Sequence[Sequence[int]], shared: int) -> Iterator[_Row]:
    """Yield the rows of a question whose first `shared` tokens are read already. Long choices need several rows."""
    row = _Row(question, prompt, shared)
    for number in sorted(range(len(choices)), key=lambda number: list(choices[number])):
        if row.asked and len(row.tokens) + len(choices[number]) > BATCH_TOKENS:
            yield row
            row = _Row(question, prompt, shared)
        row.add(number, choices[number])
    yield row


def _sharing(prompts: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], int]]:
    """Yield the places of prompts with the same beginning, and how many tokens of it to read once. The others are last.

    The beginning never includes a prompt's last token, because this token predicts what follows.
    """
    buckets: dict[tuple[int, ...], list[int]] = {}
    for place, prompt in enumerate(prompts):
        buckets.setdefault(tuple(prompt[:SHARED_TOKENS]), []).append(place)
    others: list[int] = []
    for members in buckets.values():
        length = len(_shared([prompts[place] for place in members]))
        if length >= SHARED_TOKENS and length * (len(members) - 1) >= SAVED_TOKENS:
            yield members, length
        else:
            others += members
    if others:
        yield others, 0


def _shared(prompts: Sequence[Sequence[int]]) -> Sequence[int]:
    """Return the common beginning of several prompts, without the last token of the shortest."""
    first, *_, last = sorted(map(list, [*prompts, prompts[0]]))  # as in a dictionary: all others lie between
    return first[: min(alike(first, last), min(map(len, prompts)) - 1)] if first != last else []


def _groups(lengths: Mapping[int, int], budget: int) -> Iterator[list[int]]:
    """Yield groups of keys of similar length, each of at most `budget` tokens after padding, or of one key."""
    group: list[int] = []
    for index in sorted(lengths, key=lambda index: lengths[index]):
        if group and lengths[index] * (len(group) + 1) > budget:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
