"""Pack texts for encoders: whole framed texts in rows, with their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.personal.hidden import hide_name
from lmworks.data.shards.named import require_fields
from lmworks.data.shards.records import Document, Documents
from lmworks.data.tuning.spans import Span as LabelledSpan
from lmworks.data.tuning.spans import read_spans, spans_of
from lmworks.errors import LmworksError
from lmworks.lazy import NDArray, np
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference
from lmworks.tokens.kinds.frame import frame_of
from lmworks.tokens.rows.pack import BATCH_DOCUMENTS, PackConfig, best_fit
from lmworks.tokens.rows.shards import write_filled
from lmworks.tokens.tokenizer import Tokenizer, TokenizerFolder

Span = tuple[int, int]
"""First character, and the one after the last."""
Said = tuple[str, Sequence[str]]
"""The label of a whole text ("" for none) and those of its tokens (none for no labels)."""

OUTSIDE = "O"
"""The label of a token in no span, as in the data of CoNLL."""
MOST_LABELS = 2**16


class PackTextsConfig(PackConfig):
    """Rows for masked language modelling."""

    documents: Reference = Field(alias="from", description="Documents. A text longer than a row is cut into several.")


class PackLabelledConfig(PackTextsConfig):
    """Rows for sequence and for token classification."""

    label: str = Field(description="Field of `meta` with the label or the spans, set by the model.")
    long_samples: Literal["truncate", "split"] = Field(
        default="truncate", description="Treatment of texts longer than a row, set by the model."
    )


@stage(version=1, trains_on="documents", reads="tokenizer")
def pack_texts(
    config: PackTextsConfig, documents: Documents, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Pack texts in which any token can be masked. Cut a text longer than a row into several, so nothing is lost."""
    encoder = tokenizer.open()
    texts = _Texts(encoder, config.sequence_length)
    for document, ids, _ in _encoded(documents, encoder):
        for start in range(0, len(ids), texts.room):
            part = ids[start : start + texts.room]
            texts.keep(part, [-1, *[0] * len(part), -1])
        texts.count(document)
    return texts.write(out, None)


@stage(version=1, trains_on="documents", reads="tokenizer")
def pack_labelled(
    config: PackLabelledConfig, documents: Documents, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Put the label of a text at its first token. If the text is split, put it at the first token of each part."""

    def say(document: Document, offsets: Sequence[Span]) -> Said | None:
        found = document.meta.get(config.label)
        return None if found is None else (str(found), ())

    return _pack_labelled(config, documents, tokenizer.open(), out, context, say)


@stage(version=1, trains_on="documents", reads="tokenizer")
def pack_spans(
    config: PackLabelledConfig, documents: Documents, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Tag tokens with B-name, I-name or O from spans in characters: `{"start": 0, "end": 5, "label": "name"}`."""
    for _ in read_spans(documents.iterate(), config.label):  # all that are wrong, before any is packed
        pass

    def say(document: Document, offsets: Sequence[Span]) -> Said | None:
        spans = spans_of(document, config.label)
        return None if spans is None else ("", tags(spans, offsets))

    return _pack_labelled(config, documents, tokenizer.open(), out, context, say)


def tags(spans: Sequence[LabelledSpan], offsets: Sequence[Span]) -> list[str]:
    """Return the tag of each token. The first token that overlaps a span gets B, and its others I."""
    found = [OUTSIDE] * len(offsets)
    for label, start, end in spans:
        touched = [place for place, (first, last) in enumerate(offsets) if first < end and last > start]
        for place in touched:
            found[place] = f"{'B' if place == touched[0] else 'I'}-{label}"
    return found


class _Texts:
    """Framed texts, and for each of their tokens the number of its label, or −1 if it has none."""

    def __init__(self, encoder: Tokenizer, sequence_length: int) -> None:
        self.encoder, self.frame, self.length = encoder, frame_of(encoder), sequence_length
        self.texts: list[NDArray[np.int64]] = []
        self.said: list[NDArray[np.int64]] = []
        self.counts: Counter[str] = Counter()
        self.used: list[str] = []

    @property
    def room(self) -> int:
        """Maximum number of tokens of a text in one row, without its frame."""
        return self.length - 2

    def keep(self, ids: Sequence[int], said: Sequence[int] | NDArray[np.int64]) -> None:
        """Add a text with its frame, and the label numbers of its tokens."""
        self.texts.append(np.array([self.frame.begin, *ids, self.frame.end]))
        self.said.append(np.asarray(said))

    def count(self, document: Document) -> None:
        """Remember a document whose text was kept."""
        self.used.append(document.id)
        self.counts["documents"] += 1
        self.counts["bytes_of_text"] += len(document.text.encode())

    def write(self, out: Path, numbers: Mapping[str, int] | None) -> Result:
        """Write rows of whole texts, padded with the padding token. The last column has no text.

        `numbers` gives the labels' numbers in order of appearance. Renumber them in the order of their names.
        """
        names = sorted(numbers or ())
        order = np.array([names.index(name) for name in numbers or ()] or [0])
        rows = best_fit([len(text) for text in self.texts], self.length)
        tokens = np.full((len(rows), self.length + 1), self.frame.pad, np.uint32)
        weights, labels = np.zeros(tokens.shape, np.uint8), np.zeros(tokens.shape, np.uint16)
        for row, members in enumerate(rows):
            free = 0
            for member in members:
                said = self.said[member]
                here = slice(free, free + len(said))
                free += len(said)
                tokens[row, here], weights[row, here] = self.texts[member], said >= 0
                labels[row, here] = order[np.maximum(said, 0)]
        written = write_filled(
            out,
            self.encoder,
            tokens,
            weights,
            self.used,
            labels=None if numbers is None else (names, labels),
            trained_tokens=int(weights.sum()),
            bytes_of_text=self.counts.pop("bytes_of_text", 0),
        )
        losses = {name for name in self.counts if name == "texts cut" or name.startswith("no field ")}
        return Result(counts={"texts": len(self.texts), **self.counts, **written}, losses=losses)


def _pack_labelled(
    config: PackLabelledConfig,
    documents: Documents,
    encoder: Tokenizer,
    out: Path,
    context: Context,
    say: Callable[[Document, Sequence[Span]], Said | None],
) -> Result:
    """Pack each text, truncated to a row or split, with the labels that `say` returns for it and its tokens."""
    require_fields({"label": config.label}, documents.iterate(), "the model")
    texts = _Texts(encoder, config.sequence_length)
    numbers: dict[str, int] = {}
    counts, room = texts.counts, texts.room
    for document, ids, offsets in _encoded(documents, encoder):
        if (found := say(document, offsets)) is None:
            counts[f"no field {config.label!r}"] += 1
            continue
        whole, each = found
        counts.update([f"label {hide_name(name)}" for name in ([whole] if whole else each)])
        if len(ids) > room and config.long_samples == "split":
            counts["texts split"] += 1
        elif len(ids) > room:
            counts["texts cut"] += 1
            counts["tokens cut off"] += len(ids) - room
            ids = ids[:room]
        for start in range(0, max(1, len(ids)), room):
            part = ids[start : start + room]
            labels = np.full(len(part) + 2, -1)
            for place, name in [(0, whole)] if whole else enumerate(each[start : start + room], 1):
                labels[place] = numbers.setdefault(name, len(numbers))
            texts.keep(part, labels)
        texts.count(document)
    if not 0 < len(numbers) <= MOST_LABELS:
        raise LmworksError(
            f"{documents.path}: {len(numbers)} labels in the field {config.label!r} of {counts['documents']} "
            f"documents; expected 1 to {MOST_LABELS}. To keep a field, name it in `keep` of ingest"
        )
    if cut := counts["texts cut"]:
        context.log(
            f"{cut} of {counts['documents']} texts are longer than {room} tokens: {counts['tokens cut off']:,} "
            "tokens at their ends are not read. If they matter, raise sequence_length or set `long_samples: split`"
        )
    return texts.write(out, numbers)


def _encoded(documents: Documents, encoder: Tokenizer) -> Iterator[tuple[Document, list[int], list[Span]]]:
    """Yield documents with their ids and the characters that each id covers, encoded in batches."""
    every = documents.iterate()
    while batch := list(islice(every, BATCH_DOCUMENTS)):
        for document, encoding in zip(batch, encoder.encode_with_offsets([each.text for each in batch]), strict=True):
            yield document, *encoding
