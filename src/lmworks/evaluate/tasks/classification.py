"""How often a model tells the label of a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lmworks.data.pretrained import batches, most_tokens
from lmworks.data.records import Document, Documents
from lmworks.errors import UsageError
from lmworks.evaluate.items import ACCURACY, Item, Scored, TaskConfig
from lmworks.lazy import np, torch
from lmworks.model.device import find_device
from lmworks.model.folder import ModelFolder
from lmworks.model.published import load_published
from lmworks.pipeline.chunks import in_chunks
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Context, Result, stage

TEXTS_AT_ONCE = 256
"""A chunk takes a small model some seconds: what a kill costs."""
SHOWN_CHARACTERS = 400

SURE_SHARES = (0.9, 0.8, 0.7)
"""Shares of the texts that are answered where the least sure ones go to a person."""
CONFUSIONS = 10
"""Pairs of labels told: those to look at first."""

Guess = Callable[[Sequence[str]], list[tuple[str, float]]]
"""A label for each text, and how likely it is held to be."""


class ClassificationConfig(TaskConfig):
    """Accuracy and macro F1 on labelled documents."""

    kind: Literal["classification"] = "classification"
    label: str = Field("label", description="Field of `meta` with the label, as the data step `label` writes.")
    cluster: str = Field(
        "id",
        description="Field of `meta` that texts alike share, such as what `split` went by: intervals treat them as "
        "one. `id` takes each for its own.",
    )
    long_samples: Literal["truncate", "split"] = Field(
        "truncate",
        description="What becomes of texts longer than the model reads: the beginning often tells, and costs least; "
        "`split` reads all, part by part, and takes the mean of how likely each part holds a label.",
    )


@stage(version=3, reads="train", measures=("model", "data"))
def evaluate_classification(
    config: ClassificationConfig,
    model: ModelFolder,
    data: Documents,
    train: Documents | None,
    out: Path,
    context: Context,
) -> Result:
    """The likeliest label of each text. A longer text than the model reads is cut at its end or split, and counted."""
    from tokenizers import Tokenizer

    device = find_device(config.device)
    classifier = load_published(model.path, "AutoModelForSequenceClassification", config.data_type).eval().to(device)
    names: dict[int, str] = classifier.config.id2label
    tokenizer, room = Tokenizer.from_file(str(model.path / "tokenizer.json")), most_tokens(classifier)
    tokenizer.encode_special_tokens = True
    cut = sum(len(encoding) > room for encoding in tokenizer.encode_batch([each.text for each in data.iterate()]))
    is_split = config.long_samples == "split"
    if cut and not is_split:
        context.log(f"{cut} texts are longer than the {room} tokens that the model reads: their ends are not read")
    tokenizer.enable_truncation(room)

    def guess(texts: Sequence[str]) -> list[tuple[str, float]]:
        encoded = tokenizer.encode_batch(list(texts))
        parts = [[whole, *(whole.overflowing if is_split else ())] for whole in encoded]
        owners = torch.tensor([text for text, some in enumerate(parts) for _ in some])
        likely = torch.zeros(len(texts), len(names))
        for places, output, _ in batches(classifier, [part for some in parts for part in some]):
            likely.index_add_(0, owners[places], output.logits.float().softmax(-1).cpu())
        sure, best = (likely / owners.bincount()[:, None]).max(-1)
        return [(names[label], share) for label, share in zip(best.tolist(), sure.tolist(), strict=True)]

    how = f"read in parts of {room} tokens, whose means are taken" if is_split else f"cut to {room} tokens"
    method = f"the likeliest label; {cut} texts {how}"
    known: dict[str, Any] = {"data_type": config.data_type, "device": device.type}
    if cut and not is_split:  # else all texts were read whole, and models of any length may be compared
        known["context_length"] = room
    return _scored(config, data, train, out, context, guess, method, **known)


@stage(version=2, trains_on="train", measures="data")
def evaluate_classification_majority(
    config: ClassificationConfig, data: Documents, train: Documents, out: Path, context: Context
) -> Result:
    """The commonest label of the training texts, whatever the text."""
    known = _labelled(config, train)
    ((best, count),) = Counter(each.meta[config.label] for each in known).most_common(1)

    def guess(texts: Sequence[str]) -> list[tuple[str, float]]:
        return [(str(best), count / len(known))] * len(texts)

    return _scored(config, data, train, out, context, guess, "the commonest label")


@stage(version=2, trains_on="train", measures="data")
def evaluate_classification_words(
    config: ClassificationConfig, data: Documents, train: Documents, out: Path, context: Context
) -> Result:
    """Logistic regression on a bag of words, as scikit-learn has it: what an encoder must beat to be worth its cost."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    known = _labelled(config, train)
    # Words and pairs that occur twice, their counts damped: the usual settings for texts of a sentence to a page.
    bag = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
    bag.fit([each.text for each in known], [str(each.meta[config.label]) for each in known])

    def guess(texts: Sequence[str]) -> list[tuple[str, float]]:
        likely = bag.predict_proba(texts)
        return [(str(bag.classes_[best]), float(row[best])) for row, best in zip(likely, likely.argmax(1), strict=True)]

    method = "logistic regression (C 10) on TF-IDF of words and pairs of words in at least two texts"
    return _scored(config, data, train, out, context, guess, method)


def _labelled(config: ClassificationConfig, documents: Documents) -> list[Document]:
    found = [each for each in documents.iterate() if each.meta.get(config.label) is not None]
    if not found:
        raise UsageError(
            f"{documents.path}: no document has a field {config.label!r} in its `meta`; name the field with `label`, "
            "and `keep` it at ingest"
        )
    return found


def _scored(
    config: ClassificationConfig,
    data: Documents,
    train: Documents | None,
    out: Path,
    context: Context,
    guess: Guess,
    method: str,
    **conditions: Any,
) -> Result:
    asked = _labelled(config, data)

    def score(documents: Sequence[Document]) -> list[Item]:
        return [
            {
                "id": document.id,
                "cluster": str(document.id if config.cluster == "id" else document.meta.get(config.cluster)),
                "prompt": document.text[:SHOWN_CHARACTERS],
                "answer": answer,
                "likely": round(likely, 6),
                "reference": str(document.meta[config.label]),
                "score": float(answer == str(document.meta[config.label])),
            }
            for document, (answer, likely) in zip(documents, guess([each.text for each in documents]), strict=True)
        ]

    items = in_chunks(context, asked, TEXTS_AT_ONCE, score)
    found = Scored.written(items, out, train, [each.id for each in asked], **conditions)
    labels = {item["reference"] for item in items}
    figures = [
        found.figure(ACCURACY, method, chance=1 / len(labels)),
        macro_f1(items, method, **found.conditions),
        *when_unsure_ones_are_handed_on(items, method, **found.conditions),
    ]
    wrong = [item for item in items if not item["score"]]
    confused = Counter(f"{item['reference']} taken for {item['answer']}" for item in wrong).most_common(CONFUSIONS)
    counts = Counter(f"label {item['reference']}" for item in items)
    return found.result(*figures, counts={**counts, **dict(confused)}, examples=wrong[:6])


def when_unsure_ones_are_handed_on(items: Sequence[Item], method: str, **evidence: Any) -> Iterator[Figure]:
    """Accuracy of the answers that are held likeliest, and how likely one must be held to be among them.

    That limit is of these same items: on others, about as many are answered, and about as many of those are right.
    """
    ranked = sorted(items, key=lambda item: (-item["likely"], item["id"]))
    if ranked[0]["likely"] == ranked[-1]["likely"]:
        return  # whatever the text
    for share in SURE_SHARES:
        sure = ranked[: max(1, round(share * len(items)))]
        how = f"{method}; answers held at least {sure[-1]['likely']:.2f}, the others left to a person"
        figure = ACCURACY.figure(sure, how, **evidence)
        yield replace(figure, name=f"accuracy of the {share:.0%} answered")


RESAMPLES = 1000


def macro_f1(items: Sequence[Item], method: str, **evidence: Any) -> Figure:
    """Mean over the labels asked for of F1 = 2·right / (said + asked), with an interval by resampling of clusters.

    One with no answer and no question in a resample counts 0, as scikit-learn's `f1_score` has it.
    """
    labels = sorted({item["reference"] for item in items})
    numbers = {label: number for number, label in enumerate(labels)}
    asked, said = (
        np.array([numbers.get(item[field], len(labels)) for item in items]) for field in ("reference", "answer")
    )
    clusters, members = np.unique([item["cluster"] for item in items], return_inverse=True)

    def score(times: Any) -> float:
        right, given, wanted = (
            np.bincount(group, times * only, len(labels) + 1)[:-1]
            for group, only in ((asked, asked == said), (said, 1), (asked, 1))
        )
        return float(np.mean(2 * right / np.maximum(given + wanted, 1)))

    draws = np.random.default_rng(0)
    times = draws.multinomial(len(clusters), np.full(len(clusters), 1 / len(clusters)), RESAMPLES)
    low, high = np.quantile([score(each[members]) for each in times], (0.025, 0.975))
    return Figure(
        name="macro_f1",
        value=score(np.ones(len(items))),
        n=len(items),
        method=f"{method}; mean F1 of {len(labels)} labels; 95 % bootstrap interval, {len(clusters)} clusters",
        interval=(float(low), float(high)),
        **evidence,
    )
