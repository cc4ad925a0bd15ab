"""Texts that could follow a prompt: the border between them, how likely each text is, and which is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from lmworks.errors import LmworksError
from lmworks.evaluate.items import Item, Metric
from lmworks.evaluate.questions import DrawnConfig
from lmworks.pipeline.figure import wilson
from lmworks.tokens.tokenizer import Before, alike

if TYPE_CHECKING:
    from lmworks.engines.decoder import DecoderEngine
    from lmworks.tokens.tokenizer import Tokenizer

By = Literal["sum", "per-byte", "per-character", "mutual-information"]
Boundary = Literal["whole", "lm-eval"]
Meeting = Literal["clean", "spanned", "apart"]
"""Border of prompt and continuation. `clean`: between two tokens. `spanned`: within a token, so that a piece of the
prompt is scored too. `apart`: both are encoded alone, because a continuation would have no token left."""

ANSWER_BITS = Metric(
    name="answer_bits_per_byte",
    label="bits per byte of the right answer",
    value="bits",
    weight="bytes",
    unit="bits",
    higher_is_better=False,
)
SHOWN_IDS = 8
"""Number of a prompt's first tokens that an item keeps. They show the token before the prompt."""


class LikelihoodConfig(DrawnConfig):
    """Fields of tasks that score given texts."""

    before: Before = Field(
        "auto",
        description="Token before a prompt. `auto` takes the model's usual one: `end-of-text` for models that lmworks "
        "trains, and for others the token that their tokenizer adds. That is none for GPT-2 and SmolLM2.",
    )
    boundary: Boundary = Field(
        "whole",
        description="Border between prompt and answer in tokens. `whole` encodes both as one text, and the part common "
        "to all answers is the prompt. `lm-eval` counts the prompt's own tokens, as LM Evaluation Harness does.",
    )


class Parted(NamedTuple):
    """A prompt and its continuations, in tokens."""

    prompt: list[int]
    continuations: list[list[int]]
    meets: Meeting


def parted(
    tokenizer: Tokenizer, before: Sequence[int], asked: str, texts: Sequence[str], boundary: Boundary = "whole"
) -> Parted:
    """Return the tokens of a prompt and of each text after it. Every text has a token.

    Each text is encoded together with the prompt. If a token spans both, the prompt is the part that is common to all,
    so that the probabilities are of equal texts. `lm-eval` always counts the tokens of the prompt alone, without white
    space at its end (`_encode_pair` of LM Evaluation Harness 0.4.13). Raises LmworksError for a text without a token.
    """
    context = [*before, *tokenizer.encode(asked.rstrip() if boundary == "lm-eval" else asked)]
    whole = [[*before, *ids] for ids in tokenizer.encode_batch([f"{asked}{text}" for text in texts])]
    if not context:  # something must tell the first token
        context = [tokenizer.beginning_id]
        whole = [[*context, *ids] for ids in whole]
    together = min(alike(context, ids) for ids in whole)
    length = len(context) if boundary == "lm-eval" else together
    if 0 < length < min(map(len, whole)):
        meets: Meeting = "clean" if together == len(context) else "spanned"
        return Parted(context[:length], [ids[length:] for ids in whole], meets)
    apart = tokenizer.encode_batch(texts)
    if not all(apart):
        raise LmworksError(f"{tokenizer.folder} has no token for {texts[apart.index([])]!r}, so it cannot be scored")
    return Parted(context, apart, "apart")


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of one text after its prompt."""

    text: str
    log_likelihood: float
    """Natural logarithm of the probability of the whole text and of the delimiter before it."""
    tokens: int
    alone: float | None = None
    """Log-likelihood of the text without a prompt. None if it is not used."""

    @property
    def bytes(self) -> int:
        """Number of UTF-8 bytes of the text, without the delimiter before it."""
        return len(self.text.encode())

    def by(self, score: By) -> float:
        """Return the score. The likeliest text has the highest."""
        if score == "mutual-information":
            return self.log_likelihood - (self.alone or 0.0)
        return self.log_likelihood / {"sum": 1, "per-byte": self.bytes, "per-character": len(self.text)}[score]

    def as_item(self) -> Item:
        """Return the fields that an item keeps of this text."""
        known = {"text": self.text, "log_likelihood": self.log_likelihood, "tokens": self.tokens, "bytes": self.bytes}
        return known if self.alone is None else {**known, "log_likelihood_alone": self.alone}


def likeliest(texts: Sequence[Likelihood], score: By) -> int:
    """Return the index of the text with the highest score, the first of several equal ones."""
    return max(range(len(texts)), key=lambda place: texts[place].by(score))


@dataclass(frozen=True)
class Judged:
    """Scores of all texts after one prompt."""

    begins_with: list[int]
    """The prompt's first tokens."""
    meets: Meeting
    delimiter: str
    """Text between the prompt and each text, scored with the text."""
    texts: Sequence[Likelihood]

    def right(self, place: int) -> Item:
        """Return the fields that an item keeps of all texts, of which the text at `place` is right."""
        return {
            "choices": [each.as_item() for each in self.texts],
            "begins_with": self.begins_with,
            "meets": self.meets,
            "bits": -self.texts[place].log_likelihood / math.log(2),
            "bytes": self.texts[place].bytes + len(self.delimiter.encode()),
        }


def judge(
    engine: DecoderEngine,
    config: LikelihoodConfig,
    asked: Sequence[tuple[str, Sequence[str]]],
    delimiter: str,
    *,
    alone: bool = False,
) -> list[Judged]:
    """Score texts after prompts, and with `alone` also without prompts. Raises BeyondContext as the engine does."""
    before = engine.tokenizer.before(config.before)
    prompts = [*asked, *(("", texts) for _, texts in asked if alone)]
    parts = [
        parted(engine.tokenizer, before, prompt, [f"{delimiter}{text}" for text in texts], config.boundary)
        for prompt, texts in prompts
    ]
    scores = engine.choice_log_likelihoods([(part.prompt, part.continuations) for part in parts])
    sums: list[list[float]] = [[math.fsum(tokens) for tokens in each] for each in scores]
    by_itself: list[list[float | None]] = [[*each] for each in sums[len(asked) :]]
    found = []
    for number, (_, texts) in enumerate(asked):
        part, totals = parts[number], sums[number]
        without = by_itself[number] if alone else [None] * len(texts)
        counts = map(len, part.continuations)
        known = [Likelihood(*each) for each in zip(texts, totals, counts, without, strict=True)]
        found.append(Judged(part.prompt[:SHOWN_IDS], part.meets, delimiter, known))
    return found


def how_scored(engine: DecoderEngine, config: LikelihoodConfig) -> dict[str, str]:
    """Return the conditions: the token before a prompt."""
    return {"before": engine.tokenizer.spell(engine.tokenizer.before(config.before))}


def told(engine: DecoderEngine, config: LikelihoodConfig, items: Sequence[Item]) -> str:
    """Return, in words, the token before a prompt, the border of its tokens, and how many items break the border."""
    before = how_scored(engine, config)["before"] or "nothing"
    apart = {each: sum(item["meets"] == each for item in items) for each in ("spanned", "apart")}
    counted = "".join(
        f"; of {count} of {len(items)} {why}"
        for count, why in (
            (apart["spanned"], "a token spans prompt and answer"),
            (apart["apart"], "prompt and answer are encoded apart, as nothing would be left of one"),
        )
        if count
    )
    return f"after {before}{' (split as lm_eval does)' if config.boundary == 'lm-eval' else ''}{counted}"


def beside(score: By) -> Metric:
    """Return the metric for accuracy by a score that the first figure does not use."""
    return Metric(name=f"accuracy_by_{score}", label=f"accuracy by {score}", value=f"correct by {score}", is_share=True)


LEAST_GUESSED, FAR = 20, 0.05
"""Least number of questions that a sign applies to, and how far above chance its interval must begin, to report it."""

Choosing = Callable[[Sequence[str]], int | None]


def signs(questions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return surface features that find the right choice far more often than chance, and how often they do. A model can
    learn them without reading the question.
    """
    most = max((len(each["choices"]) for each in questions), default=0)
    guesses: dict[str, Choosing] = {
        "the longest": lambda texts: _only(texts, key=len),
        "the shortest": lambda texts: _only(texts, key=lambda text: -len(text)),
        "the one with white space at an end": lambda texts: _only(texts, key=lambda text: text != text.strip()),
        "the one without white space at an end": lambda texts: _only(texts, key=lambda text: text == text.strip()),
        **{f"number {place + 1}": partial(_at, place) for place in range(most)},
    }
    found = []
    for name, guess in guesses.items():
        made = [(each, place) for each in questions if (place := guess(each["choices"])) is not None]
        right = sum(place == each["gold"] for each, place in made)
        chance = sum(1 / len(each["choices"]) for each, _ in made) / max(1, len(made))
        if len(made) >= LEAST_GUESSED and wilson(right, len(made))[0] > chance + FAR:
            found.append(
                f"the right choice is {name} in {right} of {len(made)} ({right / len(made):.0%}, chance {chance:.0%})"
            )
    return found


def _only(texts: Sequence[str], key: Callable[[str], int]) -> int | None:
    """Return the place of the one text with the highest value; None where several have it."""
    values = [key(text) for text in texts]
    return values.index(max(values)) if values.count(max(values)) == 1 else None


def _at(place: int, texts: Sequence[str]) -> int | None:
    return place if place < len(texts) else None
