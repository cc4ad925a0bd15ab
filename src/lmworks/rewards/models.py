"""Rewards by models: reward models, classifiers, and models that compare two answers."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from lmworks.engines.open import open_engine, open_reward_model
from lmworks.engines.request import Sampling
from lmworks.errors import BeyondContext, LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.recipe.schema import Expected, Reference
from lmworks.rewards.reward import Answer, Reward, Scorer, Unscored
from lmworks.tokens.tokenizer import ChatRefused

if TYPE_CHECKING:
    from lmworks.engines.decoder import DecoderEngine
    from lmworks.engines.protocol import Engine


class JudgedReward(Reward):
    """Fields of rewards by a model of the recipe."""

    model: Reference = Field(description="Model that judges answers.")
    reads_rows: ClassVar[bool] = True
    """Whether it must read a whole row: a prompt with its answer."""


class ModelReward(JudgedReward):
    """Score of an answer by a reward model, in the model's own units. Only differences have a meaning."""

    expects: ClassVar[Expected] = {"model": ("reward model",)}

    kind: Literal["model"] = "model"
    model: Reference = Field(description="Model of objective `reward`. It reads the chat with its own tokenizer.")

    @property
    def name(self) -> str:
        return self.model

    def opened(self, judges: Mapping[str, ModelFolder], device: str) -> Scorer:

        engine = open_reward_model(judges[self.model].path, device=device)
        return Judge(engine)


class Judge:
    """A frozen reward model."""

    def __init__(self, engine: DecoderEngine) -> None:
        self.engine = engine

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Return the score of each answer at the end of its chat. Unscored marks answers that the template refuses.

        Raises BeyondContext for a chat that is too long.
        """
        found: list[float] = [0.0] * len(answers)
        chats: dict[int, list[int]] = {}
        for place, each in enumerate(answers):
            turns = [*each.prompt, {"role": "assistant", "content": each.text}]
            try:
                chats[place] = self.engine.tokenizer.encode_chat(turns)[0]
            except ChatRefused as error:
                found[place] = Unscored(str(error))
        longest = max(map(len, chats.values()), default=0)
        if longest > self.engine.context_length:
            raise BeyondContext(
                f"the reward model reads {self.engine.context_length} tokens, and a prompt with its answer has "
                f"{longest} in its tokenizer: train it with a larger sequence_length, or lower answer_tokens",
                longest,
            )
        for place, score in zip(chats, self.engine.scores([*chats.values()]) if chats else (), strict=True):
            found[place] = score
        return found


class ClassifierReward(JudgedReward):
    """Probability, by a classifier, that an answer has one of some labels."""

    expects: ClassVar[Expected] = {"model": ("sequence classifier",)}
    reads_rows = False

    kind: Literal["classifier"] = "classifier"
    model: Reference = Field(
        description="Classifier, such as a model of objective `bag-of-words` or `sequence-classification`. It reads "
        "only the answer."
    )
    labels: list[str] = Field(min_length=1, description="Labels that are wanted, such as [harmless].")

    @property
    def name(self) -> str:
        return self.model

    def require_labels(self, known: Collection[str]) -> None:
        """Raise LmworksError for labels that the classifier does not have."""
        if unknown := sorted({*self.labels} - {*known}):
            raise LmworksError(f"labels: found {', '.join(unknown)}; {self.model} has only {', '.join(known)}")

    def opened(self, judges: Mapping[str, ModelFolder], device: str) -> Scorer:
        return Labelled(open_engine(judges[self.model].path, device=device), self)


class Labelled:
    """A classifier with the labels that are wanted."""

    def __init__(self, engine: Engine, reward: ClassifierReward) -> None:
        self.engine, self.labels = engine, reward.labels
        reward.require_labels(engine.classify(["?"])[0].probabilities)

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Return each answer's summed probability of the wanted labels, for a long answer the mean over its parts."""
        found = self.engine.classify([each.text for each in answers], long_samples="split") if answers else []
        return [min(1.0, sum(each.probabilities[label] for label in self.labels)) for each in found]


QUESTION = """\
A rule for answers: {rule}

The question was:
{question}

Answer A:
{a}

Answer B:
{b}

Which answer follows the rule better? Say A or B."""


class PrincipleReward(JudgedReward):
    """Probability, by a model that writes, that an answer follows a rule better than other answers to its prompt."""

    expects: ClassVar[Expected] = {"model": ("decoder", "rented model")}

    kind: Literal["principle"] = "principle"
    rule: str = Field(min_length=1, description="Rule in words, such as: The answer admits what it does not know.")
    model: Reference = Field(description="Generative model that judges. Look at its preferences before you trust it.")
    max_tokens: int = Field(
        default=16,
        ge=1,
        description="Most tokens of a rented model's verdict, which is a letter. A model that thinks first needs a "
        "thousand.",
    )

    @property
    def name(self) -> str:
        return self.rule

    def opened(self, judges: Mapping[str, ModelFolder], device: str) -> Scorer:
        from lmworks.engines.decoder import DecoderEngine

        engine = open_engine(judges[self.model].path, device=device)
        if not engine.is_computing:
            return AskedInWords(engine, self.rule, self.max_tokens)
        if not isinstance(engine, DecoderEngine):
            raise engine.refused("generate")
        return AskedByLikelihood(engine, self.rule)


class Asked(ABC):
    """A model that compares answers in pairs. Each pair is shown in both orders, which cancels effects of the order."""

    rule: str

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Return the mean probability of being better than another answer to its prompt; 0.5 without another."""
        groups = defaultdict[str, list[int]](list)
        for place, answer in enumerate(answers):
            groups[repr(answer.prompt)].append(place)
        won = [list[float]() for _ in answers]
        for places in groups.values():
            for a, b in combinations(places, 2):
                orders = self.first_is_better(answers[a], answers[b]), self.first_is_better(answers[b], answers[a])
                better = (orders[0] + 1 - orders[1]) / 2
                won[a].append(better)
                won[b].append(1 - better)
        return [sum(each) / len(each) if each else 0.5 for each in won]

    @abstractmethod
    def first_is_better(self, first: Answer, second: Answer) -> float:
        """Return the probability that the first answer is better. Raises BeyondContext for too long answers."""

    def asked(self, first: Answer, second: Answer) -> list[dict[str, str]]:
        """Return the chat that asks the model which answer is better."""
        question = first.prompt[-1]["content"] if first.prompt else ""
        return [
            {"role": "user", "content": QUESTION.format(rule=self.rule, question=question, a=first.text, b=second.text)}
        ]


class AskedByLikelihood(Asked):
    """A model that compares by P(A) / (P(A) + P(B)) as the next words."""

    def __init__(self, engine: DecoderEngine, rule: str) -> None:
        self.engine, self.rule = engine, rule
        self.choices = [engine.tokenizer.encode(letter) for letter in "AB"]

    def first_is_better(self, first: Answer, second: Answer) -> float:
        prompt = self.engine.encode(self.asked(first, second))
        if len(prompt) + max(map(len, self.choices)) > self.engine.context_length:
            raise BeyondContext(
                f"the judge reads {self.engine.context_length} tokens, and two answers with their question have "
                f"{len(prompt)}: lower max_tokens of the answers, or name a judge that reads more",
                len(prompt),
            )
        a, b = self.engine.score_choices(prompt, self.choices)
        return 1 / (1 + math.exp(min(700.0, b - a)))


VERDICT = re.compile(r"\W*(?:answer\s+)?([AB])\b", re.IGNORECASE)


class AskedInWords(Asked):
    """A model that compares in words, if likelihoods are not available: 1 or 0, and 0.5 for neither A nor B."""

    def __init__(self, engine: Engine, rule: str, max_tokens: int) -> None:
        self.engine, self.rule, self.sampling = engine, rule, Sampling(max_tokens)

    def first_is_better(self, first: Answer, second: Answer) -> float:
        prompt = self.engine.encode(self.asked(first, second))
        (said,) = self.engine.generate([prompt], self.sampling)
        verdict = VERDICT.match(said.text)
        return 0.5 if verdict is None else float(verdict[1].upper() == "A")
