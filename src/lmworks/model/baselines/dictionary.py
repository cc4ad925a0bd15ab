"""Spans in a text, found by looking up phrases that are labelled in training texts. Numbers match by their form."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field

from lmworks.data.shards.records import Document, Documents
from lmworks.data.tuning.spans import Span, read_spans
from lmworks.errors import UsageError, told
from lmworks.model.baselines.baseline import BaselineConfig
from lmworks.model.config import Family
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference

PHRASES = "phrases.json"
LEAST_SHARE = 0.5
"""Least share of a form's places in training texts that have its label. Below it, most marks would be wrong."""
_WORD, _DIGIT = re.compile(r"\w+|[^\w\s]"), re.compile(r"\d")
Phrase = tuple[str, ...]
"""Words and single signs of a phrase. Each digit is replaced by 0."""


@dataclass(frozen=True)
class Dictionary:
    """The baseline of CoNLL-2003. It also finds numbers that are not in training texts, such as order numbers."""

    phrases: Mapping[Phrase, str]
    """Label of each phrase."""

    @classmethod
    def fit(cls, texts: Iterable[tuple[str, Sequence[Span]]]) -> Self:
        """Learn from texts with spans: phrases with always the same label, and forms with mostly the same label."""
        every, labels = list(texts), defaultdict[Phrase, Counter[str]](Counter)
        for text, spans in every:
            for label, start, end in spans:
                labels[tuple(word for word, _, _ in _words(text[start:end]))][label] += 1
        known = {
            phrase: each.most_common(1)[0][0]
            for phrase, each in labels.items()
            if phrase and (len(each) == 1 or _is_form(phrase))
        }
        draft, right, told = cls(known), Counter[Phrase](), Counter[Phrase]()
        for text, spans in every:
            for phrase, span in draft._look_up(text):
                told[phrase] += 1
                right[phrase] += span in spans
        return cls(
            {
                phrase: label
                for phrase, label in known.items()
                if not _is_form(phrase) or right[phrase] >= LEAST_SHARE * max(1, told[phrase])
            }
        )

    def spans(self, text: str) -> list[Span]:
        """Return the longest known phrase at each word, in the same case. Found phrases do not overlap."""
        return [span for _, span in self._look_up(text)]

    def _look_up(self, text: str) -> Iterator[tuple[Phrase, Span]]:
        words = _words(text)
        longest, place = max(map(len, self.phrases), default=0), 0
        while place < len(words):
            for length in range(min(longest, len(words) - place), 0, -1):
                some = words[place : place + length]
                if label := self.phrases.get(phrase := tuple(word for word, _, _ in some)):
                    yield phrase, (label, some[0][1], some[-1][2])
                    break
            else:
                length = 1
            place += length

    def save(self, folder: Path) -> None:
        """Write the model into a folder. Equal models give equal bytes."""
        lines = sorted([*phrase, label] for phrase, label in self.phrases.items())
        (folder / PHRASES).write_text(canonical_json(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model from a folder. Raises LmworksError if the file differs from the form that `save` writes."""
        with told(folder / PHRASES, "phrases, each with its label behind its words"):
            found = json.loads((folder / PHRASES).read_text("utf-8"))
            return cls({tuple(map(str, words)): str(label) for *words, label in found})


def _words(text: str) -> list[tuple[str, int, int]]:
    return [(_DIGIT.sub("0", match[0]), *match.span()) for match in _WORD.finditer(text)]


def _is_form(phrase: Phrase) -> bool:
    return any("0" in word for word in phrase)


class DictionaryConfig(BaselineConfig):
    """Mark phrases that have the same label in all training texts (CoNLL-2003's baseline), and similar numbers."""

    engine: ClassVar[str] = "dictionary"
    family: ClassVar[Family] = "token classifier"
    objective: Literal["dictionary"] = "dictionary"
    data: Reference = Field(description="Documents with spans.")
    label: str = Field("spans", description="Field of `meta` with the spans, as in training.")


@stage(version=2, trains_on="data")
def dictionary(config: DictionaryConfig, data: Documents, out: Path, context: Context) -> Result:
    """Learn from every document that has spans. Raises UsageError if no document has one."""
    model = Dictionary.fit((each.text, spans) for each, spans in with_spans(data, config.label))
    config.write(out)
    model.save(out)
    return Result(counts={**Counter(f"phrases of {label}" for label in model.phrases.values()), "parameters": 0})


def with_spans(documents: Documents, label: str) -> list[tuple[Document, list[Span]]]:
    """Return documents with their spans. Raises UsageError if no document has one, or if spans are wrong."""
    found = list(read_spans(documents.iterate(), label))
    if not any(spans for _, spans in found):
        raise UsageError(
            f"{documents.path}: no document has a span in the field {label!r} of its `meta`; name the field with "
            "`label`, and `keep` it at ingest"
        )
    return found
