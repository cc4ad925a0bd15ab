"""Rewards, which give answers a value. Each reward is a class of this package, and one line in `REWARDS`.

This package imports no torch, because recipes are read with these classes.
"""

from __future__ import annotations

from typing import Annotated

from lmworks.recipe.kinds import Chosen, ConfigClass
from lmworks.registry import Kinds, derived_from
from lmworks.rewards.exact import ExactAnswerReward
from lmworks.rewards.models import ClassifierReward, ModelReward, PrincipleReward
from lmworks.rewards.own import PythonReward
from lmworks.rewards.reward import Answer as Answer
from lmworks.rewards.reward import AnswerReward as AnswerReward
from lmworks.rewards.reward import Reward
from lmworks.rewards.reward import Unscored as Unscored
from lmworks.rewards.reward import count_unjudged as count_unjudged
from lmworks.rewards.reward import names_of as names_of
from lmworks.rewards.reward import unscored as unscored
from lmworks.rewards.rules import LengthReward, RegexReward, WordsReward
from lmworks.rewards.unit_tests import UnitTestsReward

REWARDS: Kinds[type[Reward]] = Kinds(
    "rewards",
    "reward",
    {
        "exact-answer": ExactAnswerReward,  # the answer of the data
        "regex": RegexReward,  # a form
        "length": LengthReward,  # a number of words
        "words": WordsReward,  # words that are not to be said
        "unit-tests": UnitTestsReward,  # a program that passes the tests of the data
        "python": PythonReward,  # what a function of a file of the user's says
        "model": ModelReward,  # a reward model's score
        "classifier": ClassifierReward,  # how probable a classifier holds a label to be
        "principle": PrincipleReward,  # what a model that is asked prefers
    },
    derived_from(Reward),  # type: ignore[type-abstract]
)


def _asks_a_model(config: ConfigClass) -> str | None:
    return None if issubclass(config, AnswerReward) else "asks a model; name a rule that a program checks"


def _compares(config: ConfigClass) -> str | None:
    compares = issubclass(config, PrincipleReward)
    return "compares answers with each other, for the step `constitution` alone" if compares else None


AnyAnswerReward = Annotated[AnswerReward, Chosen(REWARDS, refuse=_asks_a_model)]
"""Rewards that need no model."""
AnyReward = Annotated[Reward, Chosen(REWARDS, refuse=_compares)]
"""Rewards that do not compare answers with each other."""
AnyRule = Annotated[Reward, Chosen(REWARDS)]
"""All rewards."""
