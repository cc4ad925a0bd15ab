"""Requests to engines, and their answers. Imports no torch, because plans use these limits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from lmworks.engines.decoding.pieces import Detokeniser, StopStrings
from lmworks.errors import BeyondContext
from lmworks.tokens.thoughts import Parting
from lmworks.tokens.tokenizer import Tokenizer

MAX_ROWS = 64
"""Maximum number of requests decoded together. On a CPU, more requests do not make matrix products more efficient."""
CACHE_BYTES = 1 << 30
"""Maximum bytes of a cache, for any number of requests."""


def rows_at_once(asked: int, row_bytes: int) -> int:
    """Return how many of `asked` requests are decoded together, if each has a cache of `row_bytes` bytes."""
    return max(1, min(asked, MAX_ROWS, CACHE_BYTES // row_bytes))


def require_room(prompt: Sequence[int], context_length: int) -> None:
    """Raise BeyondContext for a prompt that leaves no room for an answer."""
    if not 0 < len(prompt) < context_length:
        raise BeyondContext(
            f"the prompt has {len(prompt)} tokens; a context of {context_length} takes from 1 to {context_length - 1}, "
            "because an answer needs at least one; shorten the prompt",
            len(prompt) + 1,
        )


UNFINISHED = "answers that never left their thoughts"
FinishReason = Literal["stop", "length", "timeout"]


@dataclass(frozen=True)
class Sampling:
    """Settings for generating one answer."""

    max_tokens: int
    """Maximum number of tokens of the answer. The end of the context ends it too."""
    temperature: float = 0.0
    """Temperature of sampling. 0 takes the likeliest token, and 1 draws from the model's own distribution."""
    top_p: float = 1.0
    """Sum of probabilities of the likeliest tokens from which to draw. The likeliest token is always included."""
    top_k: int = 0
    """Number of likeliest tokens from which to draw. 0 means all."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Stop strings. The answer ends before the first one. A stop string may consist of several tokens."""
    beams: int | None = None
    """Number of beams of a model that rewrites. By default, the model's own number. Other models have no beams."""
    thoughts_apart: bool = True
    """Whether thoughts are returned apart from the text, if the chat template separates them."""
    calls: bool = False
    """Whether the text shows the tokens around function calls."""
    log_probabilities: bool = False
    """Whether to keep ln p of each token under the model's own distribution, at temperature 1 and without cuts."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.temperature < 0 or not 0 <= self.top_p <= 1 or self.top_k < 0 or "" in self.stop:
            raise ValueError(
                f"{self}: max_tokens must be at least 1, temperature and top_k at least 0, top_p from 0 to 1, "
                "and no stop string empty"
            )


@dataclass(frozen=True)
class Piece:
    """Next part of an answer. The last part has a finish reason, and its text may be empty."""

    text: str
    ids: tuple[int, ...]
    finish_reason: FinishReason | None = None
    thoughts: str | None = None
    """Thoughts before the text. None if there are none."""


@dataclass(frozen=True)
class Generation:
    """A whole answer. `ids` has neither the end token nor the text's cut before a stop string."""

    ids: Sequence[int]
    text: str
    finish_reason: FinishReason
    end_id: int | None = None
    """Token that ended the answer. None if no token did."""
    log_probabilities: Sequence[float] = ()
    """Natural log p of each of `ids`, and of the end token after them, if requested."""
    thoughts: str | None = None
    """Thoughts before the text. None if there are none."""
    is_within_thoughts: bool = False
    """Whether the answer ended within its thoughts, so that there is no text."""


class Request:
    """Prompt that is being answered in a batch."""

    def __init__(
        self, prompt: Sequence[int], sampling: Sampling, tokenizer: Tokenizer, context_length: int, model: str = ""
    ) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self.model = model
        self.ids: list[int] = []
        self.end_id: int | None = None
        self.log_probabilities: list[float] = []
        self.text = self.thoughts = ""
        self.finish_reason: FinishReason | None = None
        self.noise = random.Random(sampling.seed)  # noqa: S311 - sampling, not secrets
        self._limit = min(sampling.max_tokens, context_length - len(prompt))
        self._ends = tokenizer.stop_ids
        self._detokeniser = Detokeniser(partial(tokenizer.decode, calls=sampling.calls))
        self._stops = StopStrings(sampling.stop)
        known = tokenizer.thoughts if sampling.thoughts_apart else None
        self._parting = Parting(known, tokenizer.begins_thoughts(prompt)) if known else None

    @property
    def reading(self) -> tuple[str, tuple[int, ...]]:
        """Model and prompt, which identify the cached keys and values of this request."""
        return self.model, tuple(self.prompt)

    @property
    def position(self) -> int:
        """Position of the newest token. All tokens before it are cached."""
        return len(self.prompt) + len(self.ids) - 1

    def accept(self, token: int) -> Piece:
        """Add the next token. Return the text that can be shown, and whether the answer ended."""
        ended = token in self._ends
        text = ""
        if ended:
            self.end_id = token
        else:
            self.ids.append(token)
            text = self._detokeniser.add(token)
        full = len(self.ids) >= self._limit
        return self._piece(text, () if ended else (token,), "stop" if ended else "length" if full else None)

    def give_up(self) -> Piece:
        """Return the last piece of an answer whose time is over, with the text held back so far."""
        return self._piece("", (), "timeout")

    def _piece(self, text: str, ids: tuple[int, ...], reason: FinishReason | None) -> Piece:
        if reason:
            text += self._detokeniser.flush()
        text, stopped = self._stops.add(text)
        self.finish_reason = "stop" if stopped else reason
        if reason and not stopped:
            text += self._stops.flush()
        thoughts: str | None = None
        if self._parting:
            thoughts, text = self._parting.add(text)
            if self.finish_reason:
                more = self._parting.flush()
                thoughts, text = thoughts + more[0], text + more[1]
            self.thoughts += thoughts
        self.text += text
        return Piece(text, ids, self.finish_reason, thoughts or None)

    def generation(self) -> Generation:
        """Return the whole answer, once it has ended."""
        assert self.finish_reason  # noqa: S101 - asked for then
        found, thought = self._parting, self.thoughts if self._parting and self._parting.has_thoughts else None
        is_within = bool(found and found.is_within)
        return Generation(
            self.ids, self.text, self.finish_reason, self.end_id, self.log_probabilities, thought, is_within
        )
