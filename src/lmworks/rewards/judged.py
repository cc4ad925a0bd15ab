"""Reward by a model that was trained on people's judgements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.recipe.schema import Reference
from lmworks.rewards.reward import Answer, Reward, Scorer

if TYPE_CHECKING:
    from lmworks.engines.engine import Engine


class ModelReward(Reward):
    """What a reward model says of an answer, in its own units, in which only differences mean something."""

    kind: Literal["model"] = "model"
    model: Reference = Field(description="A model of objective `reward`; it reads the chat with its own tokenizer.")

    @property
    def name(self) -> str:
        return self.model

    def opened(self, judges: Mapping[str, ModelFolder], device: str) -> Scorer:
        from lmworks.engines.open import open_reward_model

        engine = open_reward_model(judges[self.model].path, device=device)
        return Judge(engine)


class Judge:
    """A frozen reward model."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """Of each answer as the end of its chat, many at once. Raises LmworksError for one beyond the context."""
        chats = [
            self.engine.tokenizer.encode_chat([*each.prompt, {"role": "assistant", "content": each.text}])[0]
            for each in answers
        ]
        longest = max(map(len, chats), default=0)
        if longest > self.engine.context_length:
            raise LmworksError(
                f"the reward model reads {self.engine.context_length} tokens, and a prompt with its answer has "
                f"{longest} of its own: train it with a greater sequence_length, or lower answer_tokens"
            )
        return self.engine.scores(chats)
