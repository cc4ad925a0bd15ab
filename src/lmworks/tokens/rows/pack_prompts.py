"""Rows of one conversation each, for objectives in which the model writes new answers to the prompts."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations, documents_of, wanted_answer
from lmworks.lazy import np
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference
from lmworks.tokens.rows.pack import PackConfig
from lmworks.tokens.rows.shards import filled, write_filled
from lmworks.tokens.tokenizer import ChatRefused, TokenizerFolder


class PackPromptsConfig(PackConfig):
    """Rows of a prompt and the answer with which new answers are compared."""

    conversations: Reference = Field(
        alias="from", description="Conversations. New answers are compared with their last answers."
    )
    answer_tokens: int = Field(ge=1, description="Room for an answer after each prompt, set by the model.")


@stage(version=4, trains_on="conversations", reads="tokenizer")
def pack_prompts(
    config: PackPromptsConfig, conversations: Conversations, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Write rows of the chat before its last answer (weight 0), the answer to compare with (weight 1), and padding.

    Prompts that leave no room for an answer are dropped and counted, and so are rows too long with the data's answer.
    """
    encoder, width = tokenizer.open(), config.sequence_length + 1
    rows, asked, documents, dropped = [], [], [], 0
    refused: list[ChatRefused] = []
    for record in conversations.iterate():
        try:
            prompt, _ = encoder.encode_chat(record["messages"][:-1], add_generation_prompt=True)
        except ChatRefused as error:
            if not refused:
                context.log(f"conversation {record['id']}: {error}")
            refused.append(error)
            continue
        answer = [*encoder.encode(wanted_answer(record).strip()), encoder.end_of_turn_id]
        if len(prompt) + max(len(answer), config.answer_tokens) > width:
            dropped += 1
            continue
        rows.append((prompt, answer))
        asked.append(json.dumps(record["messages"][:-1], ensure_ascii=False))
        documents += documents_of(record)
    if dropped:
        context.log(f"{dropped} prompts leave no room for their answer in {config.sequence_length} tokens")
    if refused and not rows:
        raise refused[0]
    tokens = filled([prompt + answer for prompt, answer in rows], width, encoder.end_of_text_id, np.uint32)
    weights = filled([[0] * len(prompt) + [1] * len(answer) for prompt, answer in rows], width, 0, np.uint8)
    lost = {"dropped": dropped, "refused": len(refused)}
    counts = write_filled(out, encoder, tokens, weights, documents, asked=asked, bytes_of_text=0, **lost)
    return Result(counts={"prompts": len(rows)} | counts, losses=frozenset(lost))
