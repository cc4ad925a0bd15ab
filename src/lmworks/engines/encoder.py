"""The engine for models that read: labels of texts, spans in texts, vectors of texts. They write nothing.

Axes: B texts, L labels, D hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Encoding

from lmworks.data.base.pretrained import batches, mean_of_tokens, most_tokens
from lmworks.data.base.tokenizer_file import read_tokenizer
from lmworks.data.tuning.spans import find_spans, parts_of_label
from lmworks.engines.protocol import (
    ANSWERS,
    Classified,
    Embedded,
    Engine,
    LongSamples,
    Tagged,
    WholeBatch,
    computed_by_torch,
    joined,
)
from lmworks.engines.sections import sections
from lmworks.model.config import Family
from lmworks.model.published import load_published

AUTO_CLASSES: dict[Family, str] = {
    "sequence classifier": "AutoModelForSequenceClassification",
    "token classifier": "AutoModelForTokenClassification",
    "encoder": "AutoModel",
}
"""By which of `transformers`' classes a family is read."""
LONGEST_TOKEN = 16
"""Characters that tokens have on average at the most, white space with them: texts with longer ones are read twice."""


class ReadingEngine(Engine):
    """A classifier, a model of spans or an encoder, by `transformers`; special tokens in a text are read as text."""

    def __init__(self, folder: Path, family: Family, data_type: str, device: torch.device) -> None:
        ability = ANSWERS[family]
        self.can = frozenset({ability})
        may_miss = ("pooler",) if ability == "embed" else ()  # nobody asks the pooler for vectors
        self.model = load_published(folder, AUTO_CLASSES[family], data_type, may_miss=may_miss).eval().to(device)
        self.tokenizer = read_tokenizer(folder / "tokenizer.json")
        self.tokenizer.encode_special_tokens = True
        self.tokenizer.no_padding()
        self.context_length = most_tokens(self.model)
        names: dict[int, str] = self.model.config.id2label
        self.labels = [names[number] for number in sorted(names)]
        self.computed = computed_by_torch(folder, self.context_length, data_type, device.type)

    def batch(self, rows: int) -> WholeBatch:
        return WholeBatch(self, rows)

    def classify(self, texts: Sequence[str], long_samples: LongSamples = "truncate") -> list[Classified]:
        if "classify" not in self.can:
            raise self.refused("classify")
        is_split = long_samples == "split"
        encoded = self._encoded(texts, is_split)
        parts = [[whole, *(whole.overflowing if is_split else ())] for whole in encoded]
        owners = torch.tensor([text for text, some in enumerate(parts) for _ in some])
        likely = torch.zeros(len(texts), len(self.labels))
        for places, output, _ in batches(self.model, [part for some in parts for part in some]):
            likely.index_add_(0, owners[places], output.logits.float().softmax(-1).cpu())
        shares = (likely / owners.bincount(minlength=len(texts))[:, None]).tolist()  # [B,L]
        return [
            Classified(*_read(whole, is_split), dict(zip(self.labels, row, strict=True)))
            for whole, row in zip(encoded, shares, strict=True)
        ]

    def tag(self, texts: Sequence[str]) -> list[Tagged]:
        """Find the spans of every text. Long ones are read in sections, these in windows that overlap."""
        if "tag" not in self.can:
            raise self.refused("tag")
        named = {number: parts_of_label(label) for number, label in enumerate(self.labels)}
        meaning = {number: (None if name == "O" else name, begins) for number, (name, begins) in named.items()}
        parts = [sections(text) for text in texts]
        each_part = [part for some in parts for part in some]
        self.tokenizer.no_truncation()
        lengths = [len(each) for each in self.tokenizer.encode_batch(each_part)]
        spans = find_spans(self.tokenizer, self.model, meaning, each_part)
        found = (Tagged(length, False, each) for length, each in zip(lengths, spans, strict=True))
        return [joined(some, list(islice(found, len(some)))) for some in parts]

    def embed(self, texts: Sequence[str]) -> list[Embedded]:
        """The mean over a text's tokens of what the encoder puts out, of length 1; of a long text by its beginning."""
        if "embed" not in self.can:
            raise self.refused("embed")
        encoded = self._encoded(texts)
        vectors = mean_of_tokens(self.model, encoded).tolist()  # [B,D]
        return [Embedded(*_read(whole, False), row) for whole, row in zip(encoded, vectors, strict=True)]

    def _encoded(self, texts: Sequence[str], is_split: bool = False) -> list[Encoding]:
        """Encode texts. A long text of which only the beginning counts is cut before it is encoded."""
        self.tokenizer.enable_truncation(self.context_length)
        most = self.context_length * LONGEST_TOKEN
        found = self.tokenizer.encode_batch([text if is_split else text[:most] for text in texts])
        for place, text in enumerate(texts):
            if len(text) > most and not found[place].overflowing:
                (found[place],) = self.tokenizer.encode_batch([text])
        return found


def _read(whole: Encoding, is_split: bool) -> tuple[int, bool]:
    """Tokens that were read of a text, and whether its end was not."""
    tokens = len(whole) + sum(len(part) for part in whole.overflowing if is_split)
    return tokens, bool(whole.overflowing) and not is_split
