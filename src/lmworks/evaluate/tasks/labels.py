"""Tasks on labels: how often a model predicts a text's label, and how many spans it finds, to the character."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

from pydantic import Field

from lmworks.data.personal.findings import Detectors, scan
from lmworks.data.privacy.entities import LABELS
from lmworks.data.shards.records import Document, Documents
from lmworks.data.tuning.spans import Span
from lmworks.engines.open import open_engine
from lmworks.engines.protocol import Classified, Engine, Tagged
from lmworks.evaluate.items import (
    ACCURACY,
    SPAN_F1,
    SPAN_PRECISION,
    SPAN_RECALL,
    UNKNOWN,
    Item,
    Records,
    TaskConfig,
    Tokens,
    beside_clean,
    cluster_of,
    digest_of,
    draw_evenly,
    measured_by,
    require_cluster,
)
from lmworks.evaluate.metrics import span_counts
from lmworks.evaluate.scoring import Scoring
from lmworks.model.baselines.bag_of_words import HOW, labelled, learned
from lmworks.model.baselines.dictionary import Dictionary, with_spans
from lmworks.model.folder import ModelFolder
from lmworks.pipeline import statistics
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import digest_text
from lmworks.pipeline.stage import Result, stage

TEXTS_AT_ONCE = 256
"""Texts per chunk, some seconds for a small model. A kill costs one chunk."""

SURE_SHARES = (0.9, 0.8, 0.7)
"""Shares of texts that the model answers, if a person answers the least certain texts."""
LABELLED_BYTES = 300
"""Number of bytes that a text with a label is assumed to have, if the sources do not tell: a short message."""
CONFUSIONS = 10
"""Number of confused pairs of labels that are reported, the most frequent first."""

Guess = Callable[[Sequence[str]], Sequence[Classified]]


class ClassificationConfig(TaskConfig):
    """Accuracy and macro F1 on labelled documents."""

    packages: ClassVar[tuple[str, ...]] = ("sklearn",)
    kind: Literal["classification"] = "classification"
    label: str = Field("label", description="Field of `meta` with the label, as the data step `label` writes it.")
    long_samples: Literal["truncate", "split"] = Field(
        "truncate",
        description="Treatment of texts longer than the model reads. `truncate` reads the beginning, which often "
        "decides and costs least. `split` reads all parts and takes the mean probability of each label.",
    )
    limit: int | None = Field(
        None, ge=1, description="Number of texts drawn, evenly from all clusters. All by default, which costs most."
    )

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        """Return the tokens of the texts drawn."""
        drawn = (self.limit or 0) * (records.mean_bytes or LABELLED_BYTES)
        return super().tokens(min(text_bytes or drawn, drawn) if drawn else text_bytes, records)


@stage(version=14, measures=("model", "data"))
def evaluate_classification(
    config: ClassificationConfig, model: ModelFolder, data: Documents, scoring: Scoring
) -> Result:
    """Predict the likeliest label of each text. A text longer than the model reads is cut or split, and counted."""
    engine = open_engine(model.path, config.data_type, config.device)
    guess = partial(engine.classify, long_samples=config.long_samples)
    return _scored(config, data, scoring, guess, "the likeliest label", engine, model)


@stage(version=13, measures="data")
def evaluate_classification_majority(config: ClassificationConfig, data: Documents, scoring: Scoring) -> Result:
    """Predict the most frequent label of the test texts for every text. No other blind answer is right more often.

    The training texts' most frequent label is often rare among the test texts: if labels are about equally frequent,
    more of a label in one means less of it in the other. With 6 to 77 labels, 6 to 32 of 100 models that knew nothing
    were significantly better than it.
    """
    asked = _labels_asked(config, data)
    ((best, count),) = Counter(each.meta[config.label] for each in asked).most_common(1)

    def guess(texts: Sequence[str]) -> list[Classified]:
        return [Classified(0, False, {str(best): count / len(asked)})] * len(texts)

    return _scored(config, data, scoring, guess, "the commonest label of the texts that are asked")


@stage(version=13, trains_on="train", measures="data")
def evaluate_classification_words(
    config: ClassificationConfig, data: Documents, train: Documents, scoring: Scoring
) -> Result:
    """Predict by scikit-learn's logistic regression on a bag of words. An encoder must beat it to be worth its cost."""
    known = labelled(train, config.label)
    bag = learned(known, config.label)

    def guess(texts: Sequence[str]) -> list[Classified]:
        return [Classified(0, False, likely) for likely in bag.probabilities(texts)]

    return _scored(config, data, scoring, guess, HOW)


def _head(config: ClassificationConfig | ExtractionConfig, document: Document, wanted: Any) -> Item:
    """Return the first fields of the items of a text with a label, or with spans."""
    digest = digest_of(document.text, wanted)
    return {"id": document.id, "digest": digest, "cluster": cluster_of(config, document), "prompt": document.text}


def _labelled_item(config: ClassificationConfig, document: Document, said: Classified, room: int) -> Item:
    wanted = str(document.meta[config.label])
    return {
        **_head(config, document, wanted),
        "answer": said.label,
        "likely": round(said.probability, 6),
        "probabilities": {label: round(said.probabilities[label], 6) for label in said.probabilities},
        "is_long": said.is_cut or said.tokens > room,
        "reference": wanted,
        "score": float(said.label == wanted),
    }


def _spans_item(config: ExtractionConfig, document: Document, spans: Sequence[Span], found: Sequence[Span]) -> Item:
    return {
        **_head(config, document, spans),
        "answer": _told(document.text, found),
        "reference": _told(document.text, spans),
        "spans": span_counts(spans, found),
        "found": [list(each) for each in found],
        "wanted": [list(each) for each in spans],
        "labels": {
            label: span_counts(*([each for each in some if each[0] == label] for some in (spans, found)))
            for label in sorted({label for label, _, _ in (*spans, *found)})
        },
    }


def items_of_labels(config: ClassificationConfig, data: Documents) -> list[Item]:
    """Return items without a model's answers. Raises UsageError if there is nothing to ask."""
    return [_labelled_item(config, each, Classified(0, False, {"": 1.0}), 0) for each in _labels_asked(config, data)]


def items_of_spans(config: ExtractionConfig, data: Documents) -> list[Item]:
    """Return items without any spans found. Raises UsageError if there is nothing to ask."""
    return [_spans_item(config, document, spans, []) for document, spans in _spans_asked(config, data)]


def _labels_asked(config: ClassificationConfig, data: Documents) -> list[Document]:
    """Return the texts whose labels are predicted. Raises UsageError if there is none."""
    require_cluster(config, data.iterate())
    known = labelled(data, config.label)
    ranked = sorted(known, key=lambda each: digest_text(each.id))
    drawn = {each.id for each in draw_evenly(ranked, lambda each: cluster_of(config, each), config.limit)}
    return [each for each in known if each.id in drawn]


def _spans_asked(config: ExtractionConfig, data: Documents) -> list[tuple[Document, list[Span]]]:
    """Return the texts with their right spans. Raises UsageError if there is none, or if a span is wrong."""
    require_cluster(config, data.iterate())
    return with_spans(data, config.label)


def _scored(
    config: ClassificationConfig,
    data: Documents,
    scoring: Scoring,
    guess: Guess,
    method: str,
    engine: Engine | None = None,
    model: ModelFolder | None = None,
) -> Result:
    asked = _labels_asked(config, data)
    room = engine.context_length if engine else 0

    def score(documents: Sequence[Document]) -> list[Item]:
        guesses = zip(documents, guess([each.text for each in documents]), strict=True)
        return [_labelled_item(config, document, each, room) for document, each in guesses]

    items = scoring.in_chunks(asked, TEXTS_AT_ONCE, score)
    if engine and any(item["is_long"] for item in items):
        long, is_split = sum(item["is_long"] for item in items), config.long_samples == "split"
        how = f"read in parts of {room} tokens, whose means are taken" if is_split else f"cut to {room} tokens"
        method = f"{method}; {long} texts {how}"
        if not is_split:
            told = f"{long} texts are longer than the {room} tokens that the model reads: their ends were not read"
            scoring.context.log(told)
    cut = 0 if config.long_samples == "split" else sum(item["is_long"] for item in items)
    read = f"long texts: {config.long_samples}" if any(item["is_long"] for item in items) else None
    known = measured_by(engine, model, truncated=cut, decoding=read) if engine and model else None
    found = scoring.written(items, known)
    labels = {item["reference"] for item in items}
    figures = [
        found.figure(ACCURACY, method, chance=1 / len(labels)),
        beside_clean(found.items, lambda some: macro_f1(some, method, **found.evidence)),
        *when_unsure_ones_are_handed_on(found.items, method, **found.evidence),
    ]
    wrong = [item for item in items if not item["score"]]
    confused = Counter(f"{item['reference']} taken for {item['answer']}" for item in wrong).most_common(CONFUSIONS)
    counts = Counter(f"label {item['reference']}" for item in items)
    return found.result(*figures, counts={**counts, **dict(confused)}, examples=wrong[:6])


def when_unsure_ones_are_handed_on(items: Sequence[Item], method: str, **evidence: Any) -> Iterator[Figure]:
    """Yield the accuracy of the most probable answers, and the least probability of these answers.

    This limit is of the same items. On other items, about as many are answered, and about as many of these right.
    """
    ranked = sorted(items, key=lambda item: (-item["likely"], item["id"]))
    if ranked[0]["likely"] == ranked[-1]["likely"]:
        return  # whatever the text
    for share in SURE_SHARES:
        sure = ranked[: max(1, round(share * len(items)))]
        how = f"{method}; answers held at least {_limit(ranked, len(sure))}, the others left to a person"
        figure = beside_clean(sure, partial(ACCURACY.figure, method=how, **evidence))
        yield replace(figure, name=f"accuracy of the {share:.0%} answered")


def _limit(ranked: Sequence[Item], count: int) -> str:
    """Return the least probability of the first answers, with enough digits to separate the last of them from the next.

    If further answers are as probable as the last, also say how many of them are among the first.
    """
    held = [item["likely"] for item in ranked]
    last = held[count - 1]
    below = max((each for each in held if each < last), default=-1.0)
    rounded = (f"{math.floor(last * 10**digits + 1e-6) / 10**digits:.{digits}f}" for digits in range(2, 7))
    limit = next((each for each in rounded if float(each) > below), repr(last))
    inside, equal = count - held.index(last), held.count(last)
    return limit if inside == equal else f"{limit}, of the {equal} held {last:g} only {inside}"


def macro_f1(items: Sequence[Item], method: str, **evidence: Any) -> Figure:
    """Return the mean of F1 = 2·right / (predicted + wanted) over the labels that are wanted or predicted."""
    asked, said, clusters = ([item[of] for item in items] for of in ("reference", "answer", "cluster"))
    known = {label for item in items for label in item.get("probabilities", ())}
    found, how = statistics.macro_f1(asked, said, clusters, known)
    return Figure(
        name="macro_f1",
        value=found.value,
        n=len(items),
        method=f"{method}; {how}",
        interval=found.interval,
        doubt=found.doubt,
        **evidence,
    )


Find = Callable[[Sequence[str]], Sequence[Tagged]]


class ExtractionConfig(TaskConfig):
    """Precision, recall and F1 of labelled spans. A span is right if its label and both ends are right (CoNLL-2003)."""

    kind: Literal["extraction"] = "extraction"
    label: str = Field("spans", description="Field of `meta` with the spans, as in training.")


@stage(version=12, measures=("model", "data"))
def evaluate_extraction(config: ExtractionConfig, model: ModelFolder, data: Documents, scoring: Scoring) -> Result:
    """Score a token-classification model. Long texts are read in sections, these in windows that overlap."""
    engine = open_engine(model.path, config.data_type, config.device)
    method = "the likeliest label of each word's first token"
    return _spans_scored(config, data, scoring, engine.tag, method, measured_by(engine, model))


@stage(version=11, trains_on="train", measures="data")
def evaluate_extraction_dictionary(
    config: ExtractionConfig, data: Documents, train: Documents, scoring: Scoring
) -> Result:
    """Find phrases to which training texts always give one label, and numbers in forms that they mostly label."""
    known = Dictionary.fit((document.text, spans) for document, spans in with_spans(train, config.label))
    method = (
        f"{len(known.phrases):,} phrases that training texts always label alike, and forms of numbers that they mostly "
        "label; the longest first, in equal case"
    )

    def find(texts: Sequence[str]) -> list[Tagged]:
        return [Tagged(0, False, known.spans(text)) for text in texts]

    return _spans_scored(config, data, scoring, find, method)


@stage(version=10, trains_on="train", measures="data")
def evaluate_extraction_rules(config: ExtractionConfig, data: Documents, train: Documents, scoring: Scoring) -> Result:
    """Score the detectors of `anonymise`: patterns with check digits. Labels without a detector are missed."""
    from lmworks.data.personal.detectors import DETECTORS  # slow to read

    counts = Counter(label for _, spans in with_spans(train, config.label) for label, _, _ in spans)
    named: dict[str, str] = {}
    for label, _ in counts.most_common():
        if kind := LABELS.get(label.upper()):
            named.setdefault(kind, label)
    detectors = Detectors(detector for detector in DETECTORS if detector.kind in named)
    kinds = sorted({detector.kind for detector in detectors})

    def find(texts: Sequence[str]) -> list[Tagged]:
        found = ([(named[each.kind], each.start, each.end) for each in scan(text, detectors)] for text in texts)
        return [Tagged(0, False, spans) for spans in found]

    method = f"patterns and check digits for {', '.join(named[kind] for kind in kinds) or 'none of these labels'}"
    return _spans_scored(config, data, scoring, find, method)


def _spans_scored(
    config: ExtractionConfig,
    data: Documents,
    scoring: Scoring,
    find: Find,
    method: str,
    conditions: Conditions | None = None,
) -> Result:
    asked = _spans_asked(config, data)

    def read(some: Sequence[tuple[Document, list[Span]]]) -> list[Sequence[Span]]:
        return [each.spans for each in find([document.text for document, _ in some])]

    def score(some: Sequence[tuple[Document, list[Span]]]) -> list[Item]:
        return [_spans_item(config, *asked, found) for asked, found in zip(some, read(some), strict=True)]

    items = scoring.in_chunks(asked, TEXTS_AT_ONCE, score)
    found = scoring.written(items, conditions)
    figures = [found.figure(metric, method) for metric in (SPAN_F1, SPAN_PRECISION, SPAN_RECALL)]
    counts: dict[str, int] = {}
    for label in sorted({label for _, spans in asked for label, _, _ in spans}):
        each = [{**item, "spans": item["labels"].get(label, [0, 0, 0])} for item in found.items]
        right, said, there = (sum(column) for column in zip(*(item["spans"] for item in each), strict=True))
        of_label = replace(SPAN_F1, name=f"F1 of {label}")
        how = f"{method}; {right} of {there} found, and {right} of {said} that were said are right"
        figures.append(replace(found, items=each).figure(of_label, how))
        counts |= {f"{label}: there": there, f"{label}: said": said, f"{label}: right": right}
    wrong = [item for item in items if item["answer"] != item["reference"]]
    return found.result(*figures, counts=counts, examples=wrong[:6])


def _told(text: str, spans: Sequence[Span]) -> str:
    return "; ".join(f"{label}: {text[start:end]}" for label, start, end in spans) or "nothing"
