"""How many spans of a text a model finds, to the character, and how many of those that it finds are there."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lmworks.data.privacy.detectors import DETECTORS
from lmworks.data.privacy.entities import LABELS
from lmworks.data.privacy.findings import Kind, scan
from lmworks.data.records import Document, Documents
from lmworks.data.tuning.spans import Span, find_spans, parts_of_label, spans_of
from lmworks.errors import UsageError
from lmworks.evaluate.items import SPAN_F1, SPAN_PRECISION, SPAN_RECALL, Item, Scored, TaskConfig
from lmworks.evaluate.metrics import span_counts
from lmworks.model.device import find_device
from lmworks.model.folder import ModelFolder
from lmworks.model.published import load_published
from lmworks.pipeline.chunks import in_chunks
from lmworks.pipeline.stage import Context, Result, stage

TEXTS_AT_ONCE = 256
"""A chunk takes a small model some seconds: what a kill costs."""
SHOWN_CHARACTERS = 400

Find = Callable[[Sequence[str]], Sequence[Sequence[Span]]]
"""The spans of each text."""


class ExtractionConfig(TaskConfig):
    """Precision, recall and F1 of labelled spans; one counts if its label and both ends are right, as in CoNLL-2003."""

    kind: Literal["extraction"] = "extraction"
    label: str = Field("spans", description="Field of `meta` with the spans, as for training.")
    cluster: str = Field(
        "id",
        description="Field of `meta` that texts alike share, such as the template that they were made from: intervals "
        "treat them as one. `id` takes each for its own.",
    )


@stage(version=1, reads="train", measures=("model", "data"))
def evaluate_extraction(
    config: ExtractionConfig,
    model: ModelFolder,
    data: Documents,
    train: Documents | None,
    out: Path,
    context: Context,
) -> Result:
    """What a token-classification model finds. Long texts are read in windows that overlap: nothing is cut off."""
    from tokenizers import Tokenizer

    device = find_device(config.device)
    tagger = load_published(model.path, "AutoModelForTokenClassification", config.data_type).eval().to(device)
    tokenizer = Tokenizer.from_file(str(model.path / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    names = {number: parts_of_label(label) for number, label in tagger.config.id2label.items()}
    meaning = {number: (None if name == "O" else name, begins) for number, (name, begins) in names.items()}

    def find(texts: Sequence[str]) -> list[list[Span]]:
        return find_spans(tokenizer, tagger, meaning, texts)

    known = {"data_type": config.data_type, "device": device.type}
    return _scored(config, data, train, out, context, find, "the likeliest label of each word's first token", **known)


@stage(version=1, trains_on="train", measures="data")
def evaluate_extraction_dictionary(
    config: ExtractionConfig, data: Documents, train: Documents, out: Path, context: Context
) -> Result:
    """Phrases that were labelled in training, and always alike; the longest first: the baseline of CoNLL-2003."""
    labels: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for document, spans in _labelled(config, train):
        for label, start, end in spans:
            labels[tuple(word for word, _, _ in _words(document.text[start:end]))].add(label)
    phrases = {phrase: next(iter(each)) for phrase, each in labels.items() if len(each) == 1 and phrase}
    method = f"{len(phrases):,} phrases that training texts label, and always alike; the longest first, in equal case"
    return _scored(
        config, data, train, out, context, lambda texts: [list(_look_up(text, phrases)) for text in texts], method
    )


@stage(version=1, trains_on="train", measures="data")
def evaluate_extraction_rules(
    config: ExtractionConfig, data: Documents, train: Documents, out: Path, context: Context
) -> Result:
    """What the detectors of `anonymise` find: patterns with check digits. Labels that they have no kind for stay."""
    counts = Counter(label for _, spans in _labelled(config, train) for label, _, _ in spans)
    named: dict[Kind, str] = {}
    for label, _ in counts.most_common():
        if kind := LABELS.get(label.upper()):
            named.setdefault(kind, label)
    detectors = [detector for detector in DETECTORS if detector.kind in named]
    kinds = sorted({detector.kind for detector in detectors})

    def find(texts: Sequence[str]) -> list[list[Span]]:
        return [[(named[each.kind], each.start, each.end) for each in scan(text, detectors)] for text in texts]

    method = f"patterns and check digits for {', '.join(named[kind] for kind in kinds) or 'none of these labels'}"
    return _scored(config, data, train, out, context, find, method)


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Words and single signs, with their characters."""
    return ((match[0], *match.span()) for match in re.finditer(r"\w+|[^\w\s]", text))


def _look_up(text: str, phrases: Mapping[tuple[str, ...], str]) -> Iterator[Span]:
    """The longest phrase at each word, and on after it."""
    words, longest, place = list(_words(text)), max(map(len, phrases), default=0), 0
    while place < len(words):
        for length in range(min(longest, len(words) - place), 0, -1):
            some = words[place : place + length]
            if label := phrases.get(tuple(word for word, _, _ in some)):
                yield label, some[0][1], some[-1][2]
                break
        else:
            length = 1
        place += length


def _labelled(config: ExtractionConfig, documents: Documents) -> list[tuple[Document, list[Span]]]:
    read = ((document, spans_of(document, config.label)) for document in documents.iterate())
    found = [(document, spans) for document, spans in read if spans is not None]
    if not any(spans for _, spans in found):
        raise UsageError(
            f"{documents.path}: no document has a span in the field {config.label!r} of its `meta`; name the field "
            "with `label`, and `keep` it at ingest"
        )
    return found


def _scored(
    config: ExtractionConfig,
    data: Documents,
    train: Documents | None,
    out: Path,
    context: Context,
    find: Find,
    method: str,
    **conditions: Any,
) -> Result:
    asked = _labelled(config, data)

    def score(some: Sequence[tuple[Document, list[Span]]]) -> list[Item]:
        return [
            {
                "id": document.id,
                "cluster": str(document.id if config.cluster == "id" else document.meta.get(config.cluster)),
                "prompt": document.text[:SHOWN_CHARACTERS],
                "answer": _told(document.text, found),
                "reference": _told(document.text, spans),
                "spans": span_counts(spans, found),
                "labels": {
                    label: span_counts(*([each for each in some if each[0] == label] for some in (spans, found)))
                    for label in sorted({label for label, _, _ in (*spans, *found)})
                },
            }
            for (document, spans), found in zip(some, find([document.text for document, _ in some]), strict=True)
        ]

    items = in_chunks(context, asked, TEXTS_AT_ONCE, score)
    found = Scored.written(items, out, train, [document.id for document, _ in asked], **conditions)
    figures = [found.figure(metric, method) for metric in (SPAN_F1, SPAN_PRECISION, SPAN_RECALL)]
    counts: dict[str, int] = {}
    for label in sorted({label for _, spans in asked for label, _, _ in spans}):
        each = [{"cluster": item["cluster"], "spans": item["labels"].get(label, [0, 0, 0])} for item in items]
        right, said, there = (sum(column) for column in zip(*(item["spans"] for item in each), strict=True))
        of_label = replace(SPAN_F1, name=f"F1 of {label}")
        how = f"{method}; {right} of {there} found, and {right} of {said} that were said are right"
        figures.append(replace(found, items=each).figure(of_label, how))
        counts |= {f"{label}: there": there, f"{label}: said": said, f"{label}: right": right}
    wrong = [item for item in items if item["answer"] != item["reference"]]
    return found.result(*figures, counts=counts, examples=wrong[:6])


def _told(text: str, spans: Sequence[Span]) -> str:
    return "; ".join(f"{label}: {text[start:end]}" for label, start, end in spans) or "nothing"
