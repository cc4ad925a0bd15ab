"""Spans of a text by looking phrases up: those that training texts label, and always alike."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lmworks.data.tuning.spans import Span
from lmworks.errors import told
from lmworks.pipeline.files import canonical_json

PHRASES = "phrases.json"
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Dictionary:
    """The baseline of CoNLL-2003."""

    phrases: Mapping[tuple[str, ...], str]
    """Words and single signs → label."""

    @classmethod
    def fit(cls, texts: Iterable[tuple[str, Sequence[Span]]]) -> Self:
        """Learn from texts with their spans."""
        labels: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for text, spans in texts:
            for label, start, end in spans:
                labels[tuple(_WORD.findall(text[start:end]))].add(label)
        return cls({phrase: next(iter(each)) for phrase, each in labels.items() if len(each) == 1 and phrase})

    def spans(self, text: str) -> list[Span]:
        """The longest phrase at each word, in equal case, and on after it."""
        return list(self._look_up(text))

    def _look_up(self, text: str) -> Iterator[Span]:
        words = [(match[0], *match.span()) for match in _WORD.finditer(text)]
        longest, place = max(map(len, self.phrases), default=0), 0
        while place < len(words):
            for length in range(min(longest, len(words) - place), 0, -1):
                some = words[place : place + length]
                if label := self.phrases.get(tuple(word for word, _, _ in some)):
                    yield label, some[0][1], some[-1][2]
                    break
            else:
                length = 1
            place += length

    def save(self, folder: Path) -> None:
        """Write it into a folder; equal models give equal bytes."""
        lines = sorted([*phrase, label] for phrase, label in self.phrases.items())
        (folder / PHRASES).write_text(canonical_json(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read it. Raises LmworksError for a file that is not as `save` writes it."""
        with told(folder / PHRASES, "phrases, each with its label behind its words"):
            found = json.loads((folder / PHRASES).read_text("utf-8"))
            return cls({tuple(map(str, words)): str(label) for *words, label in found})
