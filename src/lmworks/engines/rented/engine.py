"""Answers by what a rented model has answered already; before that, notes what it is to be asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lmworks.engines.protocol import Ability, Cannot, Engine, Messages, Running
from lmworks.engines.request import Generation, Sampling
from lmworks.errors import BeyondContext, LmworksError
from lmworks.model.files import read_json
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.work.chunks import read_records

ANSWERS, PROMPTS = "answers.jsonl", "prompts.jsonl"
NOTING = "noting"
"""Field of config.json that marks a folder in which requests are noted, not answered."""
ASK_IT = "a rented model only has the answers of its build. Name it in a recipe's tasks, or ask its address directly"
STOPS = 4
"""Maximum number of stop strings in OpenAI's API."""


def asked_of(prompt: Sequence[int], sampling: Sampling) -> dict[str, Any]:
    """Return a request as fields of a chat completion, which is the form in which it is noted."""
    if len(sampling.stop) > STOPS:
        raise Cannot(f"{len(sampling.stop)} stop strings; servers of OpenAI's API take at most {STOPS}")
    found: dict[str, Any] = {
        "messages": json.loads(bytes(prompt)),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
    }
    if sampling.temperature:
        found["seed"] = sampling.seed % 2**31
    if sampling.top_p != 1:
        found["top_p"] = sampling.top_p
    return found | ({"stop": list(sampling.stop)} if sampling.stop else {})


def key_of(asked: Mapping[str, Any]) -> str:
    """Return the key of a request."""
    return digest_text(canonical_json(dict(asked)))


class RentedEngine(Engine):
    """Engine of a rented model. Its prompts are the bytes of a conversation, because its tokens are unknown."""

    can: frozenset[Ability] = frozenset({"generate"})
    context_length = sys.maxsize
    vocab_size = 256
    is_computing = False

    def __init__(self, folder: Path) -> None:
        self._folder, self.told = folder, read_json(folder / "config.json")
        path = folder / ANSWERS
        self._answers = {each["key"]: each for each in read_records(path)} if path.is_file() else None

    def conditions(self) -> Conditions:
        dates = " to ".join(dict.fromkeys(str(each)[:10] for each in self.told.get("answered", ())))
        return Conditions(engine=f"{self.told['reported']} at {self.told['address']}, {dates}")

    def batch(self, rows: int) -> Running:
        raise Cannot(ASK_IT)

    def encode(self, messages: Messages) -> list[int]:
        turns = [{"role": str(each["role"]), "content": str(each["content"])} for each in messages]
        return list(canonical_json(turns).encode())

    def encode_text(self, text: str) -> list[int]:
        raise Cannot("a rented model answers chats, and cannot continue a text: state `prompt: chat` or `few-shot`")

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        """Return the answers. Raises BeyondContext for a prompt that its server calls too long."""
        each = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        asked = [asked_of(prompt, one) for prompt, one in zip(prompts, each, strict=True)]
        if self._answers is None and not self.told.get(NOTING):
            raise Cannot(ASK_IT)
        if self._answers is None:
            with (self._folder / PROMPTS).open("a", encoding="utf-8") as notes:
                notes.writelines(canonical_json(one) + "\n" for one in asked)
            return [Generation([], "", "stop") for _ in asked]
        return [self._answer(one) for one in asked]

    def _answer(self, asked: Mapping[str, Any]) -> Generation:
        found = (self._answers or {}).get(key_of(asked))
        if found is None:
            raise LmworksError(f"{self._folder}: has no answer to this request; build its step with `--rebuild`")
        if found.get("is_beyond"):
            raise BeyondContext(f"the server of {self.told['model']} says that a prompt is too long for the model", 0)
        thoughts = found.get("thoughts")
        return Generation(
            range(found["answer_tokens"]),  # which tokens is not told, only how many
            found["text"],
            "length" if found["finish_reason"] == "length" else "stop",
            thoughts=thoughts,
            is_within_thoughts=thoughts is not None and not found["text"],
        )
