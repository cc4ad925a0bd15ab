"""What an answer is worth. A reward is one class here or in a file beside this one, and one name in `AnyReward`.

Imports no torch: recipes are read with these classes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lmworks.rewards.judged import ModelReward
from lmworks.rewards.reward import Answer as Answer
from lmworks.rewards.reward import AnswerReward as AnswerReward
from lmworks.rewards.reward import count_unjudged as count_unjudged
from lmworks.rewards.rules import LengthReward, RegexReward, WordsReward
from lmworks.rewards.unit_tests import UnitTestsReward
from lmworks.rewards.verifiers import ExactAnswerReward

AnyAnswerReward = (
    ExactAnswerReward  # the answer of the data
    | RegexReward  # a form
    | LengthReward  # a number of words
    | WordsReward  # words that are not to be said
    | UnitTestsReward  # a program that passes the tests of the data
)
"""Those that need no model."""
AnyReward = Annotated[AnyAnswerReward | ModelReward, Field(discriminator="kind")]
"""And a reward model's score."""
