"""Classifier: learn to predict the labels of documents, such as good or poor, a domain, toxic or not."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from lmworks.data.personal.hidden import hide
from lmworks.data.quality.hashed_linear import EPOCHS, learn
from lmworks.data.shards.named import require_fields
from lmworks.data.shards.records import Document, Documents
from lmworks.data.shards.steps import Tally
from lmworks.errors import LmworksError, format_counts
from lmworks.lazy import NDArray, np
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.statistics import macro_f1, share
from lmworks.recipe.schema import Reference, StepConfig

MOST_EXAMPLES, MOST_CHARACTERS = 50_000, 10_000
"""Maximum number of examples (those with the lowest hashes) and of characters of each. More gains little."""
HELD_OUT = 0.2
"""Share of examples held out for measuring. 1,000 of 5,000 examples give an accuracy to within 3 percentage points."""
LEAST_EXAMPLES = 10
"""Minimum number of examples per label. From fewer, a classifier learns little more than a list of names."""


class ClassifierConfig(StepConfig):
    """Train a linear classifier and measure it on unseen examples."""

    kind: Literal["classifier"] = "classifier"
    documents: list[Reference] = Field(alias="from", min_length=1, description="Steps with the examples.")
    label: str = Field(
        default="folder",
        description="Place of the labels: a field of `meta`, `source`, or `folder` (the first folder of a file's "
        "path). With the default you only need to sort files into folders.",
    )
    seed: int = Field(default=0, description="Seed of the order of examples.")


@stage(version=5, trains_on="documents")
def classifier(config: ClassifierConfig, documents: list[Documents], out: Path, context: Context) -> Result:
    """Train on most examples, measure on the others. Equal texts stay together. Raises `LmworksError` for too few."""
    tally = Tally()
    require_fields(label_fields(config.label), (each for some in documents for each in some.iterate()), "classifier")
    examples = heapq.nsmallest(MOST_EXAMPLES, labelled(documents, config.label, tally))
    labels = checked_labels(Counter(label for _, _, label, _ in examples), tally)
    targets = np.array([labels.index(label) for _, _, label, _ in examples])
    held = np.array([int(digest[-8:], 16) < HELD_OUT * 2**32 for digest, *_ in examples])
    texts = [text for *_, text in examples]
    learned, tested = np.flatnonzero(~held).tolist(), np.flatnonzero(held).tolist()
    if not learned or not tested:
        raise LmworksError(f"classifier: too few different texts in {len(texts)} examples to hold some out; give more")
    context.progress.start(EPOCHS, "epochs")
    model = learn(labels, [texts[place] for place in learned], targets[learned], config.seed, context)
    model.save(out)
    found = model.probabilities([texts[place] for place in tested]).argmax(axis=1)
    for place, guess in zip(tested, found.tolist(), strict=True):
        if guess != targets[place]:
            _, name, label, text = examples[place]
            tally.note("mistaken held-out example", id=name, label=label, taken_for=labels[guess], text=text[:200])
    tally.counts.update({"training documents": len(learned), "held-out documents": len(tested)})
    return Result(
        counts=tally.counts,
        examples=tally.examples,
        figures=_figures(targets[tested], found, len(labels), [examples[place][0] for place in tested]),
    )


def labelled(steps: Sequence[Documents], field: str, tally: Tally) -> Iterator[tuple[str, str, str, str]]:
    """Yield the digest, id, label and text of each document that has a label."""
    for documents in steps:
        for document in documents.iterate():
            label = label_of(document, field)
            if label is None:
                tally.lose("without a label", id=document.id, text=document.text[:200])
            else:
                yield document.text_digest, document.id, label, document.text[:MOST_CHARACTERS]


def label_fields(label: str) -> dict[str, str]:
    """Return the field that `label` names, if it is one of the user's."""
    return {} if label in ("source", "folder") else {"label": label}


def label_of(document: Document, field: str) -> str | None:
    """Return the label of a document, as text."""
    if field == "source":
        return document.source
    if field == "folder":
        folder, slash, _ = str(document.meta.get("path", "")).partition("/")
        return folder if slash else None
    found = document.meta.get(field)
    return None if found is None else str(found)


def checked_labels(counts: Counter[str], tally: Tally) -> list[str]:
    """Return the labels in order. Raises `LmworksError` for fewer than two, or too few examples of one."""
    few = {label: count for label, count in counts.items() if count < LEAST_EXAMPLES}
    if len(counts) < 2 or few:
        raise LmworksError(
            f"classifier: found {hide(format_counts(counts)) or 'no label'} and {tally.counts['without a label']} "
            f"documents without a label; expected two or more labels with {LEAST_EXAMPLES} examples each. "
            "Fix `label`, or give more examples."
        )
    return sorted(counts)


def _figures(truth: NDArray[np.int64], found: NDArray[np.int64], labels: int, digests: Sequence[str]) -> list[Figure]:
    """Return accuracy and macro F1. Their chance is the score of the most frequent label given to every example.

    Intervals treat equal texts as one, because they give no more information than one.
    """
    most = np.full_like(truth, np.bincount(truth).argmax())
    method = f"examples held out by the hash of their text; {labels} labels; chance gives all the most frequent one"
    accuracy = share(truth == found, digests)
    f1, how = macro_f1(truth.tolist(), found.tolist(), digests, range(labels))
    by_chance, _ = macro_f1(truth.tolist(), most.tolist(), digests)
    measured = (
        ("held-out accuracy", accuracy, f"95 % {accuracy.method}", float((truth == most).mean())),
        ("held-out macro F1", f1, how, by_chance.value),
    )
    return [
        Figure(
            name=name,
            value=found_share.value,
            n=len(truth),
            method=f"{method}; {how}",
            interval=found_share.interval,
            doubt=found_share.doubt,
            chance=chance,
        )
        for name, found_share, how, chance in measured
    ]
