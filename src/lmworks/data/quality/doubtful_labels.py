"""Doubtful labels: find the labels that the rest of the data speaks against.

Confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068, section 3.1): each text is judged by a
classifier that did not see it. A label is likely where its probability is no lower than its mean over the texts that
carry it, and a text is doubtful if the most probable of its likely labels is another than its own. Which of the
two is wrong, the text's label or the classifier, a person has to say.

Axes: N texts, K labels.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from lmworks.data.named import require_fields
from lmworks.data.privacy.hidden import hide_all
from lmworks.data.quality.classifier import (
    MOST_CHARACTERS,
    MOST_EXAMPLES,
    checked_labels,
    label_fields,
    label_of,
    labelled,
)
from lmworks.data.quality.hashed_linear import EPOCHS, LinearClassifier, learn
from lmworks.data.records import Document, Documents, write_json_lines
from lmworks.data.steps import Parts, Tally, counted, map_shards, quarantined
from lmworks.lazy import NDArray, np
from lmworks.pipeline.figure import Figure, wilson
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Reference, StepConfig

FOLDS = 5
"""Classifiers, each learned from four fifths of the examples: more cost more, and know little more."""
SHOWN = 10
"""The most doubtful, in what `lmworks show` and the report say of the step."""


class DoubtfulLabelsConfig(StepConfig):
    """Find labels that a classifier of the other texts contradicts, and leave them out if asked to."""

    makes: ClassVar[str] = "documents"
    kind: Literal["doubtful-labels"] = "doubtful-labels"
    documents: Reference = Field(alias="from", description="Labelled documents: those to be learned from.")
    label: str = Field(default="label", description="Field of `meta` with the label; or `source`, or `folder`.")
    drop: bool = Field(
        default=False,
        description="Leave doubtful texts out. Look first: rare wordings are doubted, too.",
    )
    seed: int = Field(default=0, description="Of the order in which the classifiers learn; any number will do.")


@stage(version=3, reads="documents")
def doubtful_labels(config: DoubtfulLabelsConfig, documents: Documents, out: Path, context: Context) -> Result:
    """All documents, doubtful ones with `likely_label` in `meta`, or without them; `doubtful.jsonl` lists these.

    Raises `LmworksError` where a label has too few examples.
    """
    tally = Tally()
    require_fields(label_fields(config.label), documents.iterate(), "doubtful-labels")
    examples = heapq.nsmallest(MOST_EXAMPLES, labelled([documents], config.label, tally))
    labels = checked_labels("doubtful-labels", Counter(label for _, _, label, _ in examples), tally)
    targets = np.array([labels.index(label) for _, _, label, _ in examples])
    probabilities = _cross_validate(examples, labels, targets, config.seed, context)
    thresholds = {name: float(probabilities[targets == place, place].mean()) for place, name in enumerate(labels)}
    mark = partial(_mark_shard, context.scratch, thresholds)
    tally.add(map_shards(documents, mark, config, out, context, settings=documents.digest))  # all were learned from
    found = sorted(quarantined(len(documents.shards()), context), key=lambda record: record["margin"], reverse=True)
    write_json_lines(out / "doubtful.jsonl", found)
    right, count = int((probabilities.argmax(axis=1) == targets).sum()), tally.counts["labelled"]
    method = f"confident learning by {FOLDS} linear classifiers, each judging what it did not see"
    doubts = Figure(
        name="doubtful labels", value=len(found) / count, n=count, interval=wilson(len(found), count), method=method
    )
    agreement = Figure(
        name="labels that classifiers find again",
        value=right / len(examples),
        n=len(examples),
        interval=wilson(right, len(examples)),
        method=f"{method}; the fewer, the less a doubt means",
        chance=float(np.bincount(targets).max()) / len(examples),
    )
    doubtful = hide_all({"reason": "doubtful label", **record} for record in found[:SHOWN])
    return Result(
        counts=tally.counts, losses=tally.losses, examples=[*tally.examples, *doubtful], figures=[doubts, agreement]
    )


def _cross_validate(
    examples: Sequence[tuple[str, str, str, str]],
    labels: Sequence[str],
    targets: NDArray[np.int64],
    seed: int,
    context: Context,
) -> NDArray[np.float64]:
    """The probabilities [N,K] of examples by classifiers that did not see them, which stay in the scratch folder."""
    texts, folds = [text for *_, text in examples], np.array([_fold(digest) for digest, *_ in examples])
    probabilities = np.zeros((len(texts), len(labels)))
    context.progress.start(FOLDS * EPOCHS, "epochs")
    for fold in range(FOLDS):
        learned, judged = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
        model = learn(labels, [texts[place] for place in learned], targets[learned], seed, context, fold * EPOCHS)
        model.save(context.scratch / f"fold-{fold}")
        probabilities[judged] = model.probabilities([texts[place] for place in judged])
    return probabilities


def _fold(digest: str) -> int:
    """The classifier that judges a text; equal texts have one."""
    return int(digest[-8:], 16) % FOLDS


def _mark_shard(
    folder: Path, thresholds: Mapping[str, float], config: DoubtfulLabelsConfig, documents: list[Document]
) -> tuple[Parts, Tally]:
    tally, kept = Tally(), []
    for document, judged in zip(documents, _judged(folder, list(thresholds), documents), strict=True):
        label = label_of(document, config.label)
        if label is None or label not in thresholds:
            kept.append(document)
            continue
        tally.counts["labelled"] += 1
        likely = [name for name, least in thresholds.items() if judged[name] >= least]
        best = max(likely, key=judged.__getitem__, default=label)
        if best != label:
            margin = round(judged[best] - judged[label], 4)
            seen = {"id": document.id, "label": label, "likely": best, "margin": margin, "text": document.text[:200]}
            tally.counts["doubtful label"] += 1
            tally.quarantined.append(seen)
            if config.drop:
                continue
            document = replace(document, meta={**document.meta, "likely_label": best})
        kept.append(document)
    return counted(kept, tally)


def _judged(folder: Path, labels: Sequence[str], documents: Sequence[Document]) -> list[dict[str, float]]:
    """Of each document, each label's probability by the classifier that did not see it; one classifier in memory."""
    found: list[dict[str, float]] = [{} for _ in documents]
    for fold in range(FOLDS):
        places = [place for place, document in enumerate(documents) if _fold(document.text_digest) == fold]
        model = LinearClassifier.load(folder / f"fold-{fold}")
        judged = model.probabilities([documents[place].text[:MOST_CHARACTERS] for place in places])
        for place, probabilities in zip(places, judged.tolist(), strict=True):
            found[place] = dict(zip(labels, probabilities, strict=True))
    return found
