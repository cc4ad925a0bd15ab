"""Answers made of passages: the best ones are quoted and numbered. No model writes."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from lmworks.engines.protocol import Engine, Messages, WholeBatch
from lmworks.engines.request import Generation, Sampling
from lmworks.knowledge.collection import FACTS, Collection, Passage
from lmworks.recipe.schema import NOT_FOUND, PASSAGES_SHOWN

_DEFINITION = re.compile(r"^([ \t>*+\-\d.)]*)(?=\[(?:\\.|[^\[\]\\])*\]:)", re.MULTILINE | re.DOTALL)
"""Pattern of a line's beginning before a Markdown link definition, which would turn numbers such as [1] into links."""


class QuotingEngine(Engine):
    """An engine whose answers are passages of a collection. Its tokens are characters."""

    can = frozenset({"generate"})
    quotes = True
    context_length = 2**16
    longest_token = 1
    vocab_size = sys.maxunicode + 1

    def __init__(self, folder: Path, shown: int = PASSAGES_SHOWN, not_found: str = NOT_FOUND) -> None:
        """Open a collection. An answer quotes up to `shown` passages, or is `not_found` if none fits well enough."""
        self._collection = Collection(folder)
        self._shown, self._not_found = shown, not_found

    def batch(self, rows: int) -> WholeBatch:
        return WholeBatch(self, rows)

    def encode(self, messages: Messages) -> list[int]:
        return self.encode_text(str(messages[-1]["content"]))

    def encode_text(self, text: str) -> list[int]:
        return [*map(ord, text)]

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling | Sequence[Sampling]) -> list[Generation]:
        found = [self._collection.search("".join(map(chr, prompt)), self._shown) for prompt in prompts]
        texts = [quoted(each.passages) if each.is_enough else self._not_found for each in found]
        return [Generation((), text, "stop") for text in texts]


def holds_passages(folder: Path) -> bool:
    """Return whether a folder is a collection of passages."""
    return (folder / FACTS).is_file()


def quoted(passages: Sequence[Passage]) -> str:
    """Return passages as Markdown: number and title (or place) of each, and its lines after `> `."""
    return "\n\n".join(_quoted(number, each) for number, each in enumerate(passages, 1))


def _quoted(number: int, passage: Passage) -> str:
    place = " ".join((passage.title or passage.link or passage.path).split())
    place = re.sub(r"[\\\[\]<]", r"\\\g<0>", place)
    lines = "\n".join(f"> {line}".rstrip() for line in passage.text.strip().splitlines())
    lines = _DEFINITION.sub(r"\1\\", lines)
    return f"[{number}] {place}\n\n{lines}"
