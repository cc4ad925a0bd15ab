"""An engine that writes what it is told to, token by token; how its answers are read is the house's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers

from lmworks.engines.protocol import Ability, Answer, Asked, Engine, Messages, Writing
from lmworks.engines.request import Generation, Request, Sampling
from lmworks.pipeline.conditions import Conditions
from lmworks.tokens.tokenizer import open_tokenizer


class Script(Engine):
    """Answers every prompt by the next of some texts, in which special tokens stand by their names."""

    can: frozenset[Ability] = frozenset({"generate"})
    context_length = 4096

    def __init__(self, folder: Path, *texts: str) -> None:
        self.tokenizer = open_tokenizer(folder)
        self.texts = list(texts)
        self.asked: list[str] = []
        self.calls = self.tokenizer.calls
        self.vocab_size, self.thinks = self.tokenizer.vocab_size, self.tokenizer.thoughts is not None
        self._backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))

    def conditions(self) -> Conditions:
        return Conditions(data_type="float32", device="cpu")

    def encode(self, messages: Messages) -> list[int]:
        return self.tokenizer.encode_chat(messages, True)[0]

    def encode_text(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)

    def begin(self, prompt: Sequence[int], sampling: Sampling) -> tuple[Request, list[int]]:
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        ids = self._backend.encode(text, add_special_tokens=False).ids
        self.asked.append(self.tokenizer.spell(prompt))
        request = Request(prompt, sampling, self.tokenizer, self.context_length)
        return request, [*ids, self.tokenizer.end_of_turn_id][::-1]

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        found = []
        for number, prompt in enumerate(prompts):
            request, ids = self.begin(prompt, sampling if isinstance(sampling, Sampling) else sampling[number])
            while not request.finish_reason:
                request.accept(ids.pop())
            found.append(request.generation())
        return found

    def batch(self, rows: int) -> Any:
        return _Batch(self)


class _Batch:
    def __init__(self, engine: Script) -> None:
        self._engine = engine
        self._running: dict[Request, list[int]] = {}

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def add(self, asked: Asked, model: str = "") -> Request:
        assert isinstance(asked, Writing)
        request, ids = self._engine.begin(asked.prompt, asked.sampling)
        self._running[request] = ids
        return request

    def remove(self, request: Request) -> None:
        self._running.pop(request, None)

    def step(self) -> list[tuple[Request, Answer]]:
        found: list[tuple[Request, Answer]] = []
        for request, ids in list(self._running.items()):
            found.append((request, request.accept(ids.pop())))
            if request.finish_reason:
                self.remove(request)
        return found
