"""Check that prompts leave room for answers, before training the model that writes these answers."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations
from lmworks.errors import GateRefused
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig
from lmworks.tokens.tokenizer import ChatRefused, TokenizerFolder


class RoomConfig(StepConfig):
    """Settings of the check of prompts. The graph makes them."""

    conversations: Reference = Field(description="Conversations whose last answers a trained model will replace.")
    tokenizer: Reference = Field(description="Tokenizer of the model that reads the prompts.")
    tokens: int = Field(description="Maximum number of tokens in a prompt.")
    most: float = Field(description="Largest share of prompts that may be longer than `tokens`.")
    told: str = Field(description="Second line of the refusal: the place in the recipe, and what to change there.")


@stage(version=1, measures=("conversations", "tokenizer"))
def room(
    config: RoomConfig, conversations: Conversations, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Count prompts that leave no room for an answer. Raises GateRefused if there are too many."""
    encoder, lengths = tokenizer.open(), list[int]()
    for record in conversations.iterate():
        try:
            lengths.append(len(encoder.encode_chat(record["messages"][:-1], add_generation_prompt=True)[0]))
        except ChatRefused:  # is left out where the prompt is answered, and counted
            continue
    crowded = sum(length > config.tokens for length in lengths)
    if crowded > config.most * len(lengths):
        raise GateRefused(
            f"{crowded} of {len(lengths)} prompts leave no room for an answer: the limit is {config.tokens} tokens per "
            f"prompt, and the longest has {max(lengths)}.\n{config.told}"
        )
    out.mkdir(parents=True, exist_ok=True)
    return Result(counts={"prompts": len(lengths), "prompts without room": crowded})
