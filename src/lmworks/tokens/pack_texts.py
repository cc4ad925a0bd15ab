"""Pack texts for encoders: whole framed texts in rows, with what is to be said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from lmworks.data.documents import Document, Documents
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe import Reference
from lmworks.tokens.frame import frame_of
from lmworks.tokens.pack import BATCH_DOCUMENTS, PackConfig, best_fit
from lmworks.tokens.shards import write_rows
from lmworks.tokens.tokenizer import Tokenizer, TokenizerFolder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Span = tuple[int, int]
"""First character, and the one after the last."""
Said = tuple[str, Sequence[str]]
"""The label of a whole text ("" for none) and those of its tokens (none for no labels)."""

OUTSIDE = "O"
"""The label of a token in no span, as in the data of CoNLL."""
MOST_LABELS = 2**16


class PackTextsConfig(PackConfig):
    """Rows for masked language modelling."""

    documents: Reference = Field(alias="from", description="What is longer than a row is cut into several texts.")


class PackLabelledConfig(PackTextsConfig):
    """Rows for sequence and for token classification."""

    label: str = Field(description="Field of `meta` with the label or the spans; set by the model.")


@stage(version=1)
def pack_texts(
    config: PackTextsConfig, documents: Documents, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Any token may be hidden and asked for; a text longer than a row becomes several, and nothing is lost."""
    return _pack(config, documents, tokenizer.open(), out, context, None)


@stage(version=1)
def pack_labelled(
    config: PackLabelledConfig, documents: Documents, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """The label stands at the token that begins a text. What is longer than a row is cut at its end, and counted."""

    def say(document: Document, offsets: Sequence[Span]) -> Said | None:
        found = document.meta.get(config.label)
        return None if found is None else (str(found), ())

    return _pack(config, documents, tokenizer.open(), out, context, say)


@stage(version=1)
def pack_spans(
    config: PackLabelledConfig, documents: Documents, tokenizer: TokenizerFolder, out: Path, context: Context
) -> Result:
    """Spans, `{"start": 0, "end": 5, "label": "name"}` in characters, make tokens B-name, I-name or O."""

    def say(document: Document, offsets: Sequence[Span]) -> Said | None:
        spans = document.meta.get(config.label)
        return None if spans is None else ("", tags(document, spans, offsets))

    return _pack(config, documents, tokenizer.open(), out, context, say)


def tags(document: Document, spans: Any, offsets: Sequence[Span]) -> list[str]:
    """The tag of each token: the first that touches a span is B, the others I. Raises UsageError for bad spans."""
    found = [OUTSIDE] * len(offsets)
    try:
        ordered = sorted((int(span["start"]), int(span["end"]), str(span["label"])) for span in spans)
    except (TypeError, KeyError, ValueError) as error:
        raise UsageError(
            f"document {document.id}: spans are {spans!r:.80}; expected a list with `start`, `end`, `label` each"
        ) from error
    free = 0
    for start, end, label in ordered:
        if not free <= start < end <= len(document.text):
            raise UsageError(
                f"document {document.id}: a span from {start} to {end} is empty, outside of {len(document.text)} "
                "characters, or overlaps another; offsets count characters of the text as it was ingested"
            )
        free = end
        touched = [place for place, (first, last) in enumerate(offsets) if first < end and last > start]
        for place in touched:
            found[place] = f"{'B' if place == touched[0] else 'I'}-{label}"
    return found


def _pack(
    config: PackTextsConfig,
    documents: Documents,
    encoder: Tokenizer,
    out: Path,
    context: Context,
    say: Callable[[Document, Sequence[Span]], Said | None] | None,
) -> Result:
    """Rows, whole texts in each, filled up with the token that fills; the last column stays empty."""
    import numpy as np

    frame, length = frame_of(encoder), config.sequence_length
    texts: list[NDArray[np.int64]] = []
    said: list[NDArray[np.int64]] = []
    numbers: dict[str, int] = {}
    counts: Counter[str] = Counter()
    used: list[str] = []

    def keep(ids: Sequence[int], labels: NDArray[np.int64]) -> None:
        texts.append(np.array([frame.begin, *ids, frame.end]))
        said.append(labels)

    for document, ids, offsets in _encoded(documents, encoder):
        if say is None:
            for start in range(0, len(ids), length - 2):
                part = ids[start : start + length - 2]
                keep(part, np.array([-1, *[0] * len(part), -1]))
        elif (found := say(document, offsets)) is None:
            counts[f"no field {config.label!r}"] += 1  # type: ignore[attr-defined]
            continue
        else:
            whole, each = found
            counts.update([f"label {name}" for name in ([whole] if whole else each)])
            if len(ids) > length - 2:
                counts["texts cut"] += 1
                counts["tokens cut off"] += len(ids) - (length - 2)
            ids, each = ids[: length - 2], each[: length - 2]
            labels = np.full(len(ids) + 2, -1)
            for place, name in [(0, whole)] if whole else enumerate(each, 1):
                labels[place] = numbers.setdefault(name, len(numbers))
            keep(ids, labels)
        used.append(document.id)
        counts["documents"] += 1
        counts["bytes_of_text"] += len(document.text.encode())
    if say and not 0 < len(numbers) <= MOST_LABELS:
        raise LmworksError(
            f"{documents.path}: {len(numbers)} labels in the field {config.label!r} of {counts['documents']} "  # type: ignore[attr-defined]
            f"documents; expected 1 to {MOST_LABELS}. Ingest keeps a field if `keep` names it"
        )
    if cut := counts["texts cut"]:
        context.log(
            f"{cut} of {counts['documents']} texts are longer than {length - 2} tokens: {counts['tokens cut off']:,} "
            "tokens at their ends are not read. Raise sequence_length if they matter"
        )
    names = sorted(numbers)
    order = np.array([names.index(name) for name in numbers] or [0])
    rows = best_fit([len(text) for text in texts], length)
    tokens = np.full((len(rows), length + 1), frame.pad, np.uint32)
    weights, labels = np.zeros(tokens.shape, np.uint8), np.zeros(tokens.shape, np.uint16)
    for row, members in enumerate(rows):
        free = 0
        for member in members:
            here = slice(free, free + len(texts[member]))
            free += len(texts[member])
            tokens[row, here], weights[row, here] = texts[member], said[member] >= 0
            labels[row, here] = order[np.maximum(said[member], 0)]
    written = write_rows(
        out,
        [tokens],
        [weights],
        sorted(used),
        labels=None if say is None else (names, labels),
        rows=len(rows),
        sequence_length=length,
        trained_tokens=int(weights.sum()),
        vocab_size=encoder.vocab_size,
        tokenizer_digest=encoder.digest,
        bytes_of_text=counts.pop("bytes_of_text"),
    )
    return Result(counts={"texts": len(texts), **counts, **written})


def _encoded(documents: Documents, encoder: Tokenizer) -> Iterator[tuple[Document, list[int], list[Span]]]:
    """Documents with their ids and where each came from, encoded some at a time."""
    every = documents.iterate()
    while batch := list(islice(every, BATCH_DOCUMENTS)):
        for document, encoding in zip(batch, encoder.encode_with_offsets([each.text for each in batch]), strict=True):
            yield document, *encoding
