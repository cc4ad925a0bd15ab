"""Before answers are drawn: whether prompts ask as the server does, leave room, and can be answered for a reward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lmworks.errors import LmworksError
from lmworks.rewards import Answer, AnswerReward, count_unjudged
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.preflight.inspection import SHOWN, Inspection, pieces, records_of

if TYPE_CHECKING:
    from lmworks.train.configs.policy import PolicyConfig

SCORED = 8
"""Of the data's own answers, which every reward is asked for before one is drawn."""
TURN = ({"role": "user", "content": "?"},)


@dataclass
class Prompts(Inspection):
    """What stands in rows of prompts and the answers that new ones are judged by."""

    prompts: int = 0
    unframed: int = 0
    """Prompts that do not end as the template begins an answer."""
    doubled: int = 0
    """Prompts that begin with <|endoftext|> twice."""
    crowded: int = 0
    """Prompts that leave no room for `answer_tokens`."""
    beyond: int = 0
    """Answers of the data that take more than `answer_tokens` with their end."""
    tokens: int = 0
    longest: int = 0
    """Tokens of prompts, and of the longest."""
    answers: list[str] = field(default_factory=list)
    """Of the data."""
    unjudged: dict[str, int] = field(default_factory=dict)
    """By reward, beside how many of these no answer is worth anything."""

    @classmethod
    def of(cls, config: PolicyConfig, rows: PackedRows, encoder: Tokenizer, samples: Path) -> Self:
        """Read every row; of those shown, the answer of the data is marked."""
        import numpy as np

        found, every = cls(rows, list(records_of(samples))), -(-len(rows.tokens) // SHOWN)
        begun = begin_of_answer(encoder)
        for row, (tokens, weights) in enumerate(zip(rows.tokens, rows.weights, strict=True)):
            (answer,) = np.nonzero(weights)
            start, end = (int(answer[0]), int(answer[-1]) + 1) if len(answer) else (len(tokens), len(tokens))
            ids = tokens[:end].tolist()
            found.prompts += 1
            found.unframed += not begun or ids[:start][-len(begun) :] != begun
            found.doubled += ids[:2] == [encoder.end_of_text_id] * 2
            found.crowded += start + config.answer_tokens > len(tokens)
            found.beyond += end - start > config.answer_tokens
            found.tokens += start
            found.longest = max(found.longest, start)
            found.answers.append(encoder.decode(ids[start:]))
            if row % every == 0:
                found.shown.append(pieces(ids, [place >= start for place in range(end)], encoder))
        return found

    def counts(self) -> dict[str, int]:
        return super().counts() | self.unjudged

    def whole(self, facts: Mapping[str, Any]) -> tuple[int, str]:
        return len(self.records), "prompts"

    def faults(self, config: PolicyConfig) -> Iterator[str]:
        if self.unframed:
            yield (
                f"- no generation prompt: {self.unframed} of {self.prompts} prompts do not end as the chat template "
                "begins an answer, so the model would go on with the user's words. The template must write what begins "
                "an assistant's turn where `add_generation_prompt` is set"
            )
        if self.doubled:
            yield (
                f"- double begin: {self.doubled} prompts begin with <|endoftext|> twice. Take one of them out of the "
                "chat template in tokenizer_config.json"
            )
        if self.crowded:
            yield (
                f"- no room for answers: {self.crowded} of {self.prompts} prompts leave less than answer_tokens "
                f"{config.answer_tokens} in rows of {config.sequence_length}; the longest has {self.longest}. Raise "
                "sequence_length, or pack them anew: `--rebuild` their step"
            )
        computed = [each for each in config.rewards if isinstance(each, AnswerReward)]
        copied = any(each.copies and each.weight for each in computed)
        if copied and self.beyond > config.largest_lost_share * self.prompts:
            yield (
                f"- answers out of reach: {self.beyond} of {self.prompts} answers of the data take more than "
                f"answer_tokens {config.answer_tokens} with their end, and what is cut is never exact. Raise it, "
                "give `exact-answer` a pattern, or state largest_lost_share"
            )
        own = [Answer(text, text, ended=True) for text in self.answers[:SCORED]]
        for reward in computed:
            try:
                self.unjudged |= count_unjudged([reward], self.answers)
                reward.scores(own)
            except LmworksError as error:
                yield f"- reward {reward.kind}: cannot be computed here: {error}"


def begin_of_answer(encoder: Tokenizer) -> list[int]:
    """What the template writes where an assistant is to speak."""
    whole, before = (encoder.encode_chat(TURN, add_generation_prompt=asked)[0] for asked in (True, False))
    return whole[len(before) :] if whole[: len(before)] == before else []
