"""Spans of a text by looking phrases up: those that training texts label, and always alike."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from lmworks.data.records import Document, Documents
from lmworks.data.tuning.spans import Span, read_spans
from lmworks.errors import UsageError, told
from lmworks.model.baselines.baseline import BaselineConfig
from lmworks.model.config import Family
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference

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


class DictionaryConfig(BaselineConfig):
    """Mark the phrases that training texts label, and always alike: the baseline of CoNLL-2003."""

    engine: ClassVar[str] = "dictionary"
    family: ClassVar[Family] = "token classifier"
    objective: Literal["dictionary"] = "dictionary"
    data: Reference = Field(description="Documents with spans.")
    label: str = Field("spans", description="Field of `meta` with the spans, as for training.")


@stage(version=1, trains_on="data")
def dictionary(config: DictionaryConfig, data: Documents, out: Path, context: Context) -> Result:
    """Learn from every document that has spans. Raises UsageError where none has one."""
    model = Dictionary.fit((each.text, spans) for each, spans in with_spans(data, config.label))
    config.write(out)
    model.save(out)
    return Result(counts={**Counter(f"phrases of {label}" for label in model.phrases.values()), "parameters": 0})


def with_spans(documents: Documents, label: str) -> list[tuple[Document, list[Span]]]:
    """Documents with their spans. Raises UsageError where none has one, and for all that are wrong."""
    found = list(read_spans(documents.iterate(), label))
    if not any(spans for _, spans in found):
        raise UsageError(
            f"{documents.path}: no document has a span in the field {label!r} of its `meta`; name the field with "
            "`label`, and `keep` it at ingest"
        )
    return found
