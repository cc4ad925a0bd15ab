"""Interface of engines, which run models of any family: requests and answers. Imports no torch."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from lmworks.data.tuning.spans import Span
from lmworks.engines.request import Generation, Piece, Request, Sampling, require_room
from lmworks.engines.sections import LENGTH, sections
from lmworks.errors import LmworksError
from lmworks.model.config import Family
from lmworks.pipeline.conditions import TORCH, Conditions
from lmworks.pipeline.files import digest_once
from lmworks.tokens.calls import Calls

ReadAbility = Literal["classify", "tag", "embed"]
Ability = Literal["generate"] | ReadAbility
MEANS: Mapping[Ability, str] = {
    "generate": "writes text",
    "classify": "tells the label of a text",
    "tag": "finds the spans of a text",
    "embed": "makes a vector of a text",
}

ANSWERS: Mapping[Family, Ability] = {
    "decoder": "generate",
    "encoder-decoder": "generate",
    "sequence classifier": "classify",
    "token classifier": "tag",
    "encoder": "embed",
}
"""Requests that users send to each family. A reward model's numbers only have a meaning in comparison."""

LONGEST_SOURCE = 4096
"""Tokens of a source where positions are relative, as in T5: attention to more would take gigabytes."""

LongSamples = Literal["truncate", "split"]
"""Treatment of a text longer than the context."""

Messages = Sequence[Mapping[str, Any]]
"""The turns of a conversation."""


class Cannot(LmworksError):
    """Error for a request that a model cannot answer."""


class WrongTurns(LmworksError):
    """A conversation that a model cannot answer, since it answers none of this form."""


@dataclass(frozen=True)
class Read:
    """How much of a text was read."""

    tokens: int
    is_cut: bool
    """Whether its end was not read."""


@dataclass(frozen=True)
class Classified(Read):
    """How likely each label of a model is held to be, in the model's order."""

    probabilities: Mapping[str, float]

    @property
    def label(self) -> str:
        """The likeliest; of equals the first."""
        return max(self.probabilities, key=lambda label: self.probabilities[label])

    @property
    def probability(self) -> float:
        return self.probabilities[self.label]


@dataclass(frozen=True)
class Tagged(Read):
    """Spans in order, without overlaps."""

    spans: Sequence[Span]


@dataclass(frozen=True)
class Embedded(Read):
    """A vector of length 1."""

    vector: Sequence[float]


@dataclass(frozen=True)
class Late:
    """Says that a text was not read before the deadline."""


Answer = Piece | Classified | Tagged | Embedded | Late


@dataclass(frozen=True)
class Writing:
    """Asks what comes after a prompt, as `encode` makes it."""

    prompt: Sequence[int]
    sampling: Sampling
    deadline: float | None = None
    """By `time.monotonic`: then it ends with what there is, whether it waits or runs."""
    ability: ClassVar[Ability] = "generate"


@dataclass(frozen=True)
class Reading:
    """Asks what a text is."""

    ability: ReadAbility
    text: str
    deadline: float | None = None


Asked = Writing | Reading


def is_last(answer: Answer) -> bool:
    """Return whether nothing comes behind this answer to its request."""
    return not isinstance(answer, Piece) or answer.finish_reason is not None


class Running(Protocol):
    """Requests that are answered together. They come and go between steps; each is answered as if it were alone."""

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""

    def add(self, asked: Asked, model: str = "") -> Any:
        """Put a request in line, for one of the engine's models; unnamed, for the base. What comes back stands for it.

        Raises LmworksError for what cannot be answered.
        """

    def remove(self, request: Any) -> None:
        """Forget a request, wherever it stands."""

    def step(self) -> Sequence[tuple[Any, Answer]]:
        """Go on with some requests; the answers, or pieces of answers, that came of it."""


class Timed:
    """A batch of any engine, of which requests past their deadlines are taken out between its steps."""

    def __init__(self, batch: Running) -> None:
        self._batch = batch
        self._due: dict[Any, Asked] = {}

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return self._batch.busy

    def add(self, asked: Asked, model: str = "") -> Any:
        """Put a request in line. Raises LmworksError for what cannot be answered."""
        request = self._batch.add(asked, model)
        if asked.deadline is not None:
            self._due[request] = asked
        return request

    def remove(self, request: Any) -> None:
        """Forget a request, wherever it stands."""
        self._due.pop(request, None)
        self._batch.remove(request)

    def step(self) -> Sequence[tuple[Any, Answer]]:
        """Return the end of requests whose time is over, or else a step of the batch."""
        late = {
            request: asked
            for request, asked in self._due.items()
            if asked.deadline is not None and asked.deadline <= time.monotonic()
        }
        for request in late:
            self.remove(request)
        found = [(request, _late(request, asked)) for request, asked in late.items()] or self._batch.step()
        for request, answer in found:
            if is_last(answer):
                self._due.pop(request, None)
        return found


def _late(request: Any, asked: Asked) -> Answer:
    if isinstance(asked, Reading):
        return Late()
    return request.give_up() if isinstance(request, Request) else Piece("", (), "timeout")


class Engine(ABC):
    """Base of engines, which run a model folder. Requests that a model cannot answer are refused by name."""

    can: frozenset[Ability] = frozenset()
    context_length: int
    """Maximum number of tokens of a prompt and its answer together."""
    rewrites: bool = False
    """Whether it rewrites one text as another, and takes no conversations."""
    chats: bool = True
    """Whether it answers the turns of a user. If not, a model that writes only continues a text."""
    reads_instructions: bool = True
    """Whether the text that a model rewrites may be surrounded by an instruction."""
    quotes: bool = False
    """Whether it quotes passages as its answer, and writes nothing itself."""
    calls: Calls | None = None
    """Format in which it calls functions. None if it cannot."""
    thinks: bool = False
    """Whether answers may have thoughts before them, which are returned separately."""
    is_computing: bool = True
    """Whether it computes its answers. If not, it returns stored answers, and its speed has no meaning."""
    longest_token: int = 0
    """Maximum number of characters per token. 0 if it is not known."""
    vocab_size: int = 0
    """Number of token ids that a prompt can contain. 0 if the engine reads no tokens."""

    computed: Conditions
    """Result of `conditions`, if it is the same for the engine's whole life."""

    def conditions(self) -> Conditions:
        """Return the conditions of its figures, as far as known: what computes, in which data type, and where."""
        return self.computed

    @abstractmethod
    def batch(self, rows: int) -> Running:
        """Return a batch for at most `rows` requests at once."""

    def submit(
        self, asked: Sequence[Asked], rows: int = 64, cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[int, Answer]]:
        """Yield the answers to several requests as they come, each with the number of its request.

        Deadlines are checked between steps. So is `cancelled`, which ends all requests when it returns true. Raises
        LmworksError for a request that cannot be answered.
        """
        batch = Timed(self.batch(rows))
        numbers = {batch.add(each): number for number, each in enumerate(asked)}
        while batch.busy and not cancelled():
            for request, answer in batch.step():
                yield numbers[request], answer

    def answer(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """Return the whole answers to requests of one kind."""
        writings = [each for each in asked if isinstance(each, Writing)]
        if writings:
            found = self.generate([each.prompt for each in writings], [each.sampling for each in writings])
            return [Piece(each.text, tuple(each.ids), each.finish_reason, each.thoughts) for each in found]
        texts = [each.text for each in asked if isinstance(each, Reading)]
        reads: Mapping[Ability, Callable[[Sequence[str]], Sequence[Answer]]]
        reads = {"classify": self.classify, "tag": self.tag, "embed": self.embed}
        return reads[asked[0].ability](texts)

    def encode(self, messages: Messages) -> list[int]:
        """Return the prompt for a conversation to answer. Raises LmworksError if the model cannot answer it."""
        raise self.refused("generate")

    def encode_text(self, text: str) -> list[int]:
        """Return the prompt for a text to continue or to rewrite."""
        raise self.refused("generate")

    def room(self, prompt: Sequence[int]) -> int:
        """Return the maximum number of tokens of an answer to this prompt."""
        return self.context_length - len(prompt)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        """Answer every prompt. Raises LmworksError when one leaves no room in the context."""
        raise self.refused("generate")

    def classify(self, texts: Sequence[str], long_samples: LongSamples = "truncate") -> list[Classified]:
        """Predict the label of every text. A long text is judged by its beginning, or by the mean of its parts."""
        raise self.refused("classify")

    def tag(self, texts: Sequence[str]) -> list[Tagged]:
        """Find the spans of every text."""
        raise self.refused("tag")

    def embed(self, texts: Sequence[str]) -> list[Embedded]:
        """Make a vector of every text."""
        raise self.refused("embed")

    def refused(self, ability: Ability) -> Cannot:
        """Return the error for what this model cannot do."""
        return cannot(self.can, ability)


def cannot(can: Collection[Ability], ability: Ability) -> Cannot:
    """Return the error for a request that needs another ability than the model has."""
    able = " and ".join(MEANS[each] for each in MEANS if each in can) or "scores what is put before it"
    return Cannot(f"this model {able}; this request needs a model that {MEANS[ability]}")


def joined(texts: Sequence[str], found: Sequence[Tagged]) -> Tagged:
    """Return the spans of a text from the spans of its sections."""
    starts = accumulate(map(len, texts), initial=0)
    spans = [
        (label, start + begin, start + end)
        for start, each in zip(starts, found, strict=False)
        for label, begin, end in each.spans
    ]
    return Tagged(sum(each.tokens for each in found), False, spans)


def computed_by_torch(folder: Path, context_length: int, data_type: str, device: str) -> Conditions:
    """Return the conditions of a published folder that needs only its tokenizer and weights."""
    digest = digest_once(folder / "tokenizer.json")
    return Conditions(tokenizer=digest, engine=TORCH, context_length=context_length, data_type=data_type, device=device)


class WholeBatch:
    """Requests that are answered whole: each step takes those of one kind, up to `rows`, and of texts up to `LENGTH`.

    A text whose spans are sought is read in sections, after each of which others have their turn.
    """

    def __init__(self, engine: Engine, rows: int) -> None:
        self._engine, self._rows = engine, rows
        self._waiting: dict[int, list[Asked]] = {}
        self._found: dict[int, list[Tagged]] = {}
        """Results for the first sections of the waiting texts."""
        self._count = 0

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._waiting)

    def add(self, asked: Asked, model: str = "") -> int:
        """Put a request in line. Raises Cannot for what the engine cannot do."""
        if asked.ability not in self._engine.can:
            raise self._engine.refused(asked.ability)
        if isinstance(asked, Writing):
            require_room(asked.prompt, self._engine.context_length)
        self._count += 1
        self._waiting[self._count] = [asked]
        if isinstance(asked, Reading) and asked.ability == "tag":
            self._waiting[self._count] = [replace(asked, text=each) for each in sections(asked.text)]
        return self._count

    def remove(self, request: Any) -> None:
        """Forget a request that waits."""
        self._waiting.pop(request, None)
        self._found.pop(request, None)

    def step(self) -> list[tuple[int, Answer]]:
        """Read or answer some that wait."""
        some = dict(self._next())
        answered: list[tuple[int, Answer]] = []
        for number, answer in zip(some, self._engine.answer(list(some.values())), strict=True):
            parts = self._waiting.pop(number)
            if isinstance(answer, Tagged) and len(parts) > 1:
                found = self._found.setdefault(number, [])
                found.append(answer)
                if len(found) < len(parts):
                    self._waiting[number] = parts  # at the end of the line
                    continue
                texts = [each.text for each in parts if isinstance(each, Reading)]
                answer = joined(texts, self._found.pop(number))
            answered.append((number, answer))
        return answered

    def _next(self) -> Iterator[tuple[int, Asked]]:
        """Requests, each with what of it is asked next."""
        ability, count, length = next(iter(self._waiting.values()))[0].ability, 0, 0
        for number, parts in self._waiting.items():
            part = parts[len(self._found.get(number, ()))]
            length += min(LENGTH, len(part.text)) if isinstance(part, Reading) else 0
            if part.ability == ability:
                if count and (length > LENGTH or count == self._rows):
                    return
                count += 1
                yield number, part


class Rewriter(Engine):
    """Answers one text by another, whole. Its prompt is the text, beside which an answer has room of its own."""

    rewrites = True
    can: frozenset[Ability] = frozenset({"generate"})

    def batch(self, rows: int) -> WholeBatch:
        return WholeBatch(self, rows)

    def room(self, prompt: Sequence[int]) -> int:
        return self.context_length if 0 < len(prompt) < self.context_length else 0

    def encode(self, messages: Messages) -> list[int]:
        """Return the one text that is to be rewritten. Raises WrongTurns for a conversation of several turns."""
        if len(messages) != 1:
            raise WrongTurns(
                f"this model rewrites one text; the conversation has {len(messages)} turns: send the text alone, as "
                "one turn of the user"
            )
        return self.encode_text(str(messages[0]["content"]))
