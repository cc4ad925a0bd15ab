"""Chats in which each answer is written as if it were the last one.

Some templates leave out the thoughts of earlier answers. The text then differs from the text that a model has to write.
For this reason a chat becomes several chats, each of which ends with an answer that no later chat can train.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Literal

from lmworks.tokens.answers import Message
from lmworks.tokens.tokenizer import Tokenizer

Answers = Literal["each", "last"]
"""Answers of a chat that are trained if the template writes earlier answers in another way than the last one."""
Encoded = tuple[list[int], list[bool], int]
"""Ids, which of them are trained, and the number of answers that are not written as they were asked for and given."""


def chats_of(encoder: Tokenizer, messages: Sequence[Message], answers: Answers) -> list[tuple[list[Message], Encoded]]:
    """Return the chats that train the answers of one chat, each with its tokens, in the order of their last answers.

    Return the chat itself if its template writes each answer like the last, or does not separate thoughts. Raises
    ChatRefused.
    """
    whole = list(messages), encoder.encode_answers(messages)
    left = [number for number, message in enumerate(messages) if _is_learned(message)]
    if answers == "last" or len(left) < 2 or not encoder.thoughts:
        return [whole]
    alone = {number: _training(encoder, messages, [number]) for number in left}
    written = {number: _runs(encoded) for number, (_, encoded) in alone.items()}
    chats: list[tuple[list[Message], Encoded]] = []
    while left:
        runs = _runs(_training(encoder, messages, left)[1])
        together = 1
        while together < min(len(left), len(runs)) and runs[-together - 1 :][:1] == written[left[-together - 1]]:
            together += 1
        if together == len(left) and not chats:
            return [whole]
        numbers = left[-together:]
        chats.append(_training(encoder, messages, numbers) if together > 1 else alone[numbers[0]])
        del left[-together:]
    return chats[::-1]


def _is_learned(message: Message) -> bool:
    return message["role"] == "assistant" and message.get("weight") != 0


def _training(
    encoder: Tokenizer, messages: Sequence[Message], numbers: Collection[int]
) -> tuple[list[Message], Encoded]:
    """Return a chat that ends with the last of the answers `numbers` and trains only these, and its tokens."""
    chat = [
        {**message, "weight": 0} if _is_learned(message) and number not in numbers else message
        for number, message in enumerate(messages[: max(numbers) + 1])
    ]
    return chat, encoder.encode_answers(chat)


def _runs(encoded: Encoded) -> list[list[int]]:
    """Return the trained tokens of each answer that has trained tokens."""
    marked = zip(*encoded[:2], strict=True)
    return [[token for token, _ in some] for is_trained, some in groupby(marked, key=lambda one: one[1]) if is_trained]
