"""Contents of packed rows of any kind, for the check before a training."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from lmworks.errors import LmworksError
from lmworks.lazy import np
from lmworks.rewards import Answer, AnswerReward, count_unjudged, names_of, unscored
from lmworks.tokens.kinds.frame import frame_of
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer

SHOWN = 4
"""Number of samples that are shown. A few are enough, because a wrong template is wrong in all samples."""
Piece = tuple[str, bool]
"""Text, and whether it is trained."""
Record = tuple[str, Sequence[Mapping[str, Any]], int]
"""Place of a sample, its turns, and how many of the last turns are its answer."""


@dataclass
class Inspection(ABC):
    """Contents of packed rows. Each integer attribute is a count, which the check stores."""

    rows: PackedRows
    records: Sequence[Record] = ()
    """Samples from which the rows were packed, if they consist of turns."""
    shown: list[list[Piece]] = field(default_factory=list)
    """Samples from rows at even distances, because the first rows hold the longest samples."""

    @classmethod
    @abstractmethod
    def of(cls, config: Any, rows: PackedRows, encoder: Tokenizer, samples: Path) -> Self:
        """Read every row for an objective's config. `samples` is the folder of the samples before packing."""

    @abstractmethod
    def faults(self, config: Any) -> Iterator[str]:
        """Yield each fault with its remedy."""

    @abstractmethod
    def whole(self, facts: Mapping[str, Any]) -> tuple[int, str]:
        """Return how many samples there were before any was lost, and their name. Packing wrote `facts`."""

    @property
    def lost(self) -> int:
        """Number of packed samples without a trained token."""
        return 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name, without texts."""
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}


def lines_of(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and content of each record of conversations or preferences."""
    path = next(path for name in ("conversations", "preferences") if (path := folder / f"{name}.jsonl").is_file())
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            record = json.loads(line)
            yield f"{path.name}:{number} ({record['id']})", record


def records_of(folder: Path) -> Iterator[Record]:
    """Yield each conversation, or each judged answer with its prompt before it."""
    for place, record in lines_of(folder):
        for answer in ["messages"] if "messages" in record else ["chosen", "rejected"]:
            if turns := record[answer]:
                yield place, [*record.get("prompt", ()), *turns], len(turns)


def pieces(ids: Sequence[int], trained: Sequence[bool], encoder: Tokenizer) -> list[Piece]:
    """Return a sample as text, split where training starts or stops."""
    parts: list[Piece] = []
    start = 0
    for stop in range(1, len(ids) + 1):
        if stop == len(ids) or trained[stop] != trained[start]:
            parts.append((encoder.spell(ids[start:stop]), trained[start]))
            start = stop
    return parts


@dataclass
class Texts(Inspection):
    """Contents of rows of labelled texts."""

    texts: int = 0
    full: int = 0
    """Number of texts that fill a row. The ends of most of them were cut off."""
    contradicted: int = 0
    """Number of texts that occurred before with another label."""
    tokens: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, config: Any, rows: PackedRows, encoder: Tokenizer, samples: Path) -> Self:
        """Read every row. In the shown samples, the label is marked as trained."""
        assert rows.labels is not None  # noqa: S101 - the packing of labelled texts writes them
        found, every, end = cls(rows), -(-len(rows.tokens) // SHOWN), frame_of(encoder).end
        seen: dict[tuple[int, ...], int] = {}
        for row, (tokens, weights, labels) in enumerate(zip(rows.tokens, rows.weights, rows.labels, strict=True)):
            starts, ends = np.flatnonzero(weights).tolist(), np.flatnonzero(tokens == end).tolist()
            for start, last in zip(starts, ends, strict=True):
                ids, label = tuple(tokens[start : last + 1].tolist()), int(labels[start])
                found.texts += 1
                found.full += len(ids) == rows.sequence_length
                found.contradicted += seen.setdefault(ids, label) != label
                found.tokens += len(ids)
                found.labels[rows.label_names[label]] += 1
                if row % every == 0 and start == 0:
                    found.shown.append([(encoder.spell(ids), False), (f" {rows.label_names[label]}", True)])
        return found

    def counts(self) -> dict[str, int]:
        """Return the counts by name, with one count per label."""
        each = {f"label {name}": count for name, count in sorted(self.labels.items())}
        return super().counts() | each

    def whole(self, facts: Mapping[str, Any]) -> tuple[int, str]:
        return self.texts, "texts"

    def faults(self, config: Any) -> Iterator[str]:
        if len(self.labels) < 2:
            yield (
                f"- only one label: all {self.texts} texts have the label {', '.join(self.labels)}. Name another field "
                "in `label`, or add texts of another label"
            )


def begins_of_answer(encoder: Tokenizer) -> list[list[int]]:
    """Return the template's tokens before an answer. Empty if they are unclear or not in the vocabulary."""
    try:
        return [begin for begin in encoder.begins_of_answer if begin and encoder.unknown_id not in begin]
    except LmworksError:
        return []


SCORED = 8
"""Number of the data's answers, and of made-up answers, that each reward scores before answers are drawn."""
OWN, MADE_UP = "hundredths of own answers by ", "hundredths of made-up answers by "
"""Starts of the names of counts with the mean reward of such answers. The reward's name follows."""


@dataclass
class Prompts(Inspection):
    """Contents of rows of prompts with the data's answers."""

    prompts: int = 0
    unframed: int = 0
    """Number of prompts that do not end with the template's start of an answer."""
    doubled: int = 0
    """Number of prompts that begin with the document token twice."""
    crowded: int = 0
    """Number of prompts that leave no room for `answer_tokens`."""
    beyond: int = 0
    """Number of the data's answers that take more than `answer_tokens`, including their end token."""
    tokens: int = 0
    longest: int = 0
    """Number of tokens in the longest prompt. `tokens` is the number in all prompts."""
    asked: list[Answer] = field(default_factory=list)
    """Answers of the data, each with its prompt."""
    made_up: list[str] = field(default_factory=list)
    """Answers of random tokens, like those of an untrained model."""
    unjudged: dict[str, int] = field(default_factory=dict)
    """Number of the data's answers with which a reward cannot judge other answers, by `unjudged by KIND`."""
    worth: dict[str, int] = field(default_factory=dict)
    """Mean reward of the answers, in hundredths, by OWN or MADE_UP and the reward's name."""

    @classmethod
    def of(cls, config: Any, rows: PackedRows, encoder: Tokenizer, samples: Path) -> Self:
        """Read every row. In the shown samples, the data's answer is marked as trained."""
        found, every = cls(rows, list(records_of(samples))), -(-len(rows.tokens) // SHOWN)
        begins = begins_of_answer(encoder)
        drawn = np.random.default_rng(config.seed).integers(0, encoder.vocab_size, (SCORED, config.answer_tokens))
        found.made_up = [encoder.decode(ids) for ids in drawn.tolist()]
        for row, (tokens, weights) in enumerate(zip(rows.tokens, rows.weights, strict=True)):
            (answer,) = np.nonzero(weights)
            start, end = (int(answer[0]), int(answer[-1]) + 1) if len(answer) else (len(tokens), len(tokens))
            ids = tokens[:end].tolist()
            found.prompts += 1
            found.unframed += not any(ids[:start][-len(begin) :] == begin for begin in begins)
            found.doubled += ids[:2] == [encoder.end_of_text_id] * 2
            found.crowded += start + config.answer_tokens > len(tokens)
            found.beyond += end - start > config.answer_tokens
            found.tokens += start
            found.longest = max(found.longest, start)
            own = encoder.decode(ids[start:])
            found.asked.append(Answer(own, own, ended=True, prompt=rows.turns(row)))
            if row % every == 0:
                found.shown.append(pieces(ids, [place >= start for place in range(end)], encoder))
        return found

    def counts(self) -> dict[str, int]:
        return super().counts() | self.unjudged | self.worth

    def whole(self, facts: Mapping[str, Any]) -> tuple[int, str]:
        return len(self.records), "prompts"

    def faults(self, config: Any) -> Iterator[str]:
        if self.unframed:
            yield (
                f"- no generation prompt: {self.unframed} of {self.prompts} prompts do not end with the start of an "
                "answer, so the model would continue the user's text. If `add_generation_prompt` is set, the chat "
                "template must write the start of an assistant's turn, and the vocabulary must have tokens for it"
            )
        if self.doubled:
            yield (
                f"- double begin: {self.doubled} prompts begin with two document tokens instead of one. Remove one "
                "from the chat template in tokenizer_config.json"
            )
        if self.crowded:
            yield (
                f"- no room for answers: {self.crowded} of {self.prompts} prompts leave less than answer_tokens "
                f"{config.answer_tokens} in rows of {config.sequence_length}. The longest has {self.longest} tokens. "
                "Raise sequence_length, or pack them again: `--rebuild` their step"
            )
        computed = [each for each in config.rewards if isinstance(each, AnswerReward)]
        copied = any(each.copies and each.weight for each in computed)
        if copied and self.beyond > config.largest_lost_share * self.prompts:
            yield (
                f"- answers out of reach: {self.beyond} of {self.prompts} answers of the data take more than "
                f"answer_tokens {config.answer_tokens}, and a cut answer never matches exactly. Raise answer_tokens, "
                "give `exact-answer` a pattern, or raise largest_lost_share"
            )
        own = self.asked[:SCORED]
        others = [replace(each, text=text, ended=False) for text, each in zip(self.made_up, own, strict=False)]
        for name, reward in zip(names_of(computed), computed, strict=True):
            try:
                self.unjudged |= count_unjudged([reward], [each.reference for each in self.asked])
                scores = reward.scores([*own, *others])
                for which, some in ((OWN, scores[: len(own)]), (MADE_UP, scores[len(own) :])):
                    self.worth[f"{which}{name}"] = round(100 * sum(some) / max(1, len(some)))
                if reasons := unscored(scores):
                    yield (
                        f"- reward {reward.name}: fails on {len(reasons)} of {len(scores)} answers in a trial with the "
                        f"data's answers and answers of random tokens: {reasons[0]}. Let it return 0 for an answer "
                        "without the text that it looks for"
                    )
            except LmworksError as error:
                yield f"- reward {reward.name}: cannot be computed here: {error}"
