"""Stands in for a model that is not trained yet: it takes and refuses what that will, and knows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from lmworks.engines.decoder import Choices, DecoderEngine
from lmworks.engines.protocol import Rewriter
from lmworks.engines.request import Generation, Sampling, require_room
from lmworks.errors import BeyondContext
from lmworks.pipeline.conditions import Conditions
from lmworks.tokens.tokenizer import Tokenizer


class Rehearsal(DecoderEngine):
    """Engine that compares requests with its context and returns empty answers, without weights and time."""

    def __init__(self, tokenizer: Tokenizer, context_length: int) -> None:
        self.tokenizer, self.context_length = tokenizer, context_length
        weight = SimpleNamespace(device=SimpleNamespace(type="none"))
        self.model: Any = SimpleNamespace(compute_type="none", output_weight=weight)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        return _nothing(prompts, self.context_length)

    def log_likelihoods(self, sequences: Sequence[Sequence[int]], first: Sequence[int]) -> list[list[float]]:
        self._require_short(max(map(len, sequences), default=0))
        return [[0.0] * (len(sequence) - start) for sequence, start in zip(sequences, first, strict=True)]

    def scores(self, sequences: Sequence[Sequence[int]]) -> list[float]:
        self._require_short(max(map(len, sequences), default=0))
        return [0.0] * len(sequences)

    def choice_log_likelihoods(self, questions: Sequence[Choices]) -> list[list[list[float]]]:
        self._require_choices_fit(questions)
        return [[[0.0] * len(choice) for choice in choices] for _, choices in questions]

    def _require_short(self, tokens: int) -> None:
        if tokens > self.context_length:
            raise BeyondContext(
                f"a text of {tokens} tokens; the context takes {self.context_length}: shorten it", tokens
            )


class RewriterRehearsal(Rewriter):
    """Stand-in for an encoder-decoder: it reads one text without a chat's frame, as that will."""

    def __init__(self, tokenizer: Tokenizer, context_length: int) -> None:
        self.tokenizer, self.context_length = tokenizer, context_length
        self.vocab_size = tokenizer.vocab_size
        self.computed = Conditions(tokenizer=tokenizer.digest, context_length=context_length)

    def encode_text(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        """Return an empty answer for every source that fits."""
        return _nothing(prompts, self.context_length)


def _nothing(prompts: Sequence[Sequence[int]], context_length: int) -> list[Generation]:
    """Return an empty answer for each prompt. Raises LmworksError where one leaves no room."""
    for prompt in prompts:
        require_room(prompt, context_length)
    return [Generation([], "", "stop") for _ in prompts]
