"""Labelled spans of a text, as a token-classification model finds them.

A text is read in overlapping windows. A token in two windows is labelled by the window where it is farther from an
edge. A word has the label of its first token, as such models are trained (Devlin et al. 2019, section 5.3). Labels have
the prefixes of BIO, IOB1, IOBES or BILOU, or no prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from lmworks.data.base.pretrained import batches, most_tokens
from lmworks.data.shards.records import Document
from lmworks.errors import UsageError

Name = TypeVar("Name", bound=str)
Span = tuple[str, int, int]
"""Label, offset of the first character, and offset after the last character."""

WINDOW, OVERLAP = 512, 64
"""Tokens per window (in a larger window each token costs more), and tokens that two windows share as context."""
SHOWN = 5
"""Number of documents with wrong spans that a message shows."""
TEXTS_AT_ONCE = 64
"""Number of texts whose windows are in memory at once."""


def spans_of(document: Document, field: str) -> list[Span] | None:
    """Return a document's spans in order, each `{"start": 0, "end": 5, "label": "name"}`, or None without the field.

    Raises UsageError if a span is malformed, empty, outside of the text, or overlaps another. `read_spans` reports all.
    """
    if (spans := document.meta.get(field)) is None:
        return None
    try:
        found = [(str(span["label"]), int(span["start"]), int(span["end"])) for span in spans]
    except (TypeError, KeyError, ValueError) as error:
        raise UsageError(  # without what the fields hold, which may be personal
            f"{document.place}: the field {field!r} is {_form(spans)}; expected a list of objects with `start`, "
            "`end` (whole numbers) and `label` each"
        ) from error
    free = 0
    found.sort(key=lambda span: (span[1], span[2], span[0]))
    for _, start, end in found:
        if not free <= start < end <= len(document.text):
            raise UsageError(
                f"{document.place}: a span from {start} to {end} is empty, outside of {len(document.text)} "
                "characters, or overlaps another; offsets count characters of the text as it was ingested"
            )
        free = end
    return found


def read_spans(documents: Iterable[Document], field: str) -> Iterator[tuple[Document, list[Span]]]:
    """Yield every document that has the field, with its spans. At the end, raises UsageError for all wrong spans."""
    faults = list[UsageError]()
    for document in documents:
        try:
            spans = spans_of(document, field)
        except UsageError as fault:
            faults.append(fault)
            continue
        if spans is not None:
            yield document, spans
    if faults:
        shown = "\n".join(f"- {fault}" for fault in faults[:SHOWN])
        raise UsageError(
            f"{len(faults)} documents have spans that are wrong in the field {field!r}; fix them where they come "
            f"from, or leave those documents out. First:\n{shown}"
        )


def _form(spans: Any) -> str:
    if not isinstance(spans, list):
        return f"a {type(spans).__name__}"
    odd = next((each for each in spans if not isinstance(each, dict) or not {"start", "end", "label"} <= {*each}), None)
    return f"a list with fields {', '.join(map(str, odd))}" if isinstance(odd, dict) else "a list of something else"


def parts_of_label(label: str) -> tuple[str, bool]:
    """Return the label, and whether a span begins here: "B-name" is ("name", True)."""
    prefix, dash, name = label.partition("-")
    if dash and prefix in ("B", "I", "E", "L", "S", "U"):
        return name, prefix in ("B", "S", "U")
    return label, False


def find_spans(
    tokenizer: Any, model: Any, meaning: Mapping[int, tuple[Name | None, bool]], texts: Sequence[str]
) -> list[list[tuple[Name, int, int]]]:
    """Return the spans of each text (name, start, end), in order and without overlaps.

    `meaning` maps the number of each label of the model to the name of its spans (None for no span), and to whether a
    span begins. `tokenizer` is from the package `tokenizers`. Its truncation is changed.
    """
    size = min(WINDOW, most_tokens(model))
    overlap = min(OVERLAP, size // 4)
    tokenizer.enable_truncation(size, stride=overlap)
    found: list[list[tuple[Name, int, int]]] = []
    for begin in range(0, len(texts), TEXTS_AT_ONCE):
        some = texts[begin : begin + TEXTS_AT_ONCE]
        encoded = [(first, *first.overflowing) for first in tokenizer.encode_batch(list(some))]
        windows = [window for group in encoded for window in group]
        labels: list[list[int]] = [[] for _ in windows]
        for places, output, _ in batches(model, windows):
            for place, row in zip(places, output.logits.argmax(dim=2).tolist(), strict=True):
                labels[place] = row
        of_window = iter(labels)
        for text, group in zip(some, encoded, strict=True):
            words = _words(text, [(window, next(of_window)) for window in group], overlap)
            found.append(_joined([(*meaning[label], start, end) for label, start, end in words]))
    return found


def _words(text: str, windows: Sequence[tuple[Any, list[int]]], overlap: int) -> Iterator[tuple[int, int, int]]:
    """Yield the label, the start and the end of each word."""
    word, label, start, end = None, 0, 0, 0
    for number, (window, labels) in enumerate(windows):
        inside = [place for place, special in enumerate(window.special_tokens_mask) if not special]
        first = overlap // 2 if number else 0
        last = len(inside) - (overlap - overlap // 2 if number < len(windows) - 1 else 0)
        for place in inside[first:last]:
            left, right = window.offsets[place]
            left += len(text[left:right]) - len(text[left:right].lstrip())  # some tokenizers count the space before
            if window.word_ids[place] != word:
                if start < end:
                    yield label, start, end
                word, label, start, end = window.word_ids[place], labels[place], left, right
            elif start == end:  # the space before a word may be a token of its own
                start, end = left, right
            elif any(map(str.isalnum, text[left:right])):  # not the full stop of "Paris." where it is no word itself
                end = right
    if start < end:
        yield label, start, end


def _joined(words: Sequence[tuple[Name | None, bool, int, int]]) -> list[tuple[Name, int, int]]:
    """Return spans. Neighbouring words of one kind are one span, up to a word that begins a new span."""
    spans: list[tuple[Name, int, int]] = []
    before = None
    for kind, begins, start, end in words:
        if kind and kind == before and not begins:
            spans[-1] = kind, spans[-1][1], end
        elif kind:
            spans.append((kind, start, end))
        before = kind
    return spans
