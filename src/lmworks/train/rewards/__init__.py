"""What an answer is worth. A reward is one class here or in a file beside this one, and one name in `AnyReward`.

Imports no torch: recipes are read with these classes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lmworks.train.rewards.judged import ModelReward
from lmworks.train.rewards.reward import Answer as Answer
from lmworks.train.rewards.reward import AnswerReward as AnswerReward
from lmworks.train.rewards.rules import LengthReward, RegexReward
from lmworks.train.rewards.unit_tests import UnitTestsReward
from lmworks.train.rewards.verifiers import ExactAnswerReward

AnyReward = Annotated[
    ExactAnswerReward  # the answer of the data
    | RegexReward  # a form
    | LengthReward  # a number of words
    | UnitTestsReward  # a program that passes the tests of the data
    | ModelReward,  # a reward model's score
    Field(discriminator="kind"),
]
