"""Doubtful labels: what stands against the rest of the data is found, told and left out."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmworks.data.quality.doubtful_labels import FOLDS, DoubtfulLabelsConfig, doubtful_labels
from lmworks.data.quality.hashed_linear import train
from lmworks.data.records import Document, Documents, write_shard
from lmworks.errors import LmworksError
from lmworks.pipeline.stage import Result
from lmworks.release.built import read_lines
from support import make_context

TOPICS = {
    "card": ["card", "chip", "contactless", "reader", "blocked", "plastic", "swallowed", "machine"],
    "rate": ["exchange", "rate", "currency", "euro", "dollar", "converted", "market", "spread"],
    "login": ["password", "code", "login", "reset", "locked", "account", "username", "forgot"],
}
COMMON = ["my", "the", "is", "why", "please", "today", "again", "help"]


TEXTS, PLANTED = 300, 20
TRUE = random.Random(1).choices(list(TOPICS), k=TEXTS)


def asked() -> list[tuple[str, str]]:
    """Texts and labels; the first ones have the label of another topic."""
    draw = random.Random(0)
    rows = []
    for number, topic in enumerate(TRUE):
        words = draw.choices(TOPICS[topic], k=5) + draw.choices(COMMON, k=5)
        draw.shuffle(words)
        others = [name for name in TOPICS if name != topic]
        rows.append((" ".join(words), draw.choice(others) if number < PLANTED else topic))
    return rows


def labelled(folder: Path, rows: list[tuple[str, str | None]], shards: int = 1) -> Documents:
    """Documents in so many shards, with ids by their place; without a label where it is none."""
    made = [
        Document(id=f"{number:032x}", text=text, source="s", licence="MIT", meta={"label": label} if label else {})
        for number, (text, label) in enumerate(rows)
    ]
    folder.mkdir()
    for shard in range(shards):
        write_shard(folder / f"part-{shard:05d}.parquet", made[shard::shards])
    return Documents(folder, "")


def run(folder: Path, documents: Documents, **options: Any) -> tuple[Result, list[Document], list[dict[str, Any]]]:
    """What the step says, its documents, and its list of doubtful ones."""
    config = DoubtfulLabelsConfig.model_validate({"from": "train", **options})
    result = doubtful_labels(config, documents, out=folder / "out", context=make_context(folder))
    return result, list(Documents(folder / "out", "").iterate()), read_lines(folder / "out/doubtful.jsonl")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, list[Document], list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("found")
    return run(folder, labelled(folder / "train", [*asked(), ("what is this", None)], shards=2))


def test_wrong_labels_are_found_with_the_right_ones_and_few_others_are_doubted(found: Any) -> None:
    _, _, listed = found
    doubted = {int(record["id"], 16): record["likely"] for record in listed}
    right = [number for number in range(PLANTED) if doubted.get(number) == TRUE[number]]
    assert len(right) >= 0.8 * PLANTED
    assert len(doubted) - len(right) <= 0.02 * TEXTS


def test_doubts_are_listed_most_doubtful_first_with_text_and_both_labels(found: Any) -> None:
    result, _, listed = found
    margins = [record["margin"] for record in listed]
    assert margins == sorted(margins, reverse=True)
    assert set(listed[0]) == {"id", "label", "likely", "margin", "text"}
    assert result.examples[1] == {"reason": "doubtful label", **listed[0]}


def test_no_text_is_lost_and_only_doubtful_ones_are_marked(found: Any) -> None:
    result, kept, listed = found
    assert len(kept) == TEXTS + 1
    marked = {document.id: document.meta["likely_label"] for document in kept if "likely_label" in document.meta}
    assert marked == {record["id"]: record["likely"] for record in listed}
    assert result.counts["without a label"] == 1


def test_figures_say_how_many_are_doubtful_and_how_far_doubts_can_be_trusted(found: Any) -> None:
    result, _, listed = found
    doubtful, agreement = result.figures
    assert (doubtful.value, doubtful.n) == (len(listed) / TEXTS, TEXTS)
    assert agreement.value > 0.8 > 0.5 > agreement.chance


def test_a_text_is_doubtful_as_the_paper_defines_it(found: Any, tmp_path: Path) -> None:
    """Confident joint of Northcutt et al. 2021, equation 1, from probabilities computed here."""
    rows = asked()
    names = sorted(TOPICS)
    folds = [int(hashlib.sha256(text.encode()).hexdigest()[-8:], 16) % FOLDS for text, _ in rows]
    given = np.array([names.index(label) for _, label in rows])
    out_of_sample = np.zeros((TEXTS, len(names)))
    for fold in range(FOLDS):
        others = [place for place in range(TEXTS) if folds[place] != fold]
        others.sort(key=lambda place: hashlib.sha256(rows[place][0].encode()).hexdigest())
        *_, (model, _) = train(names, [rows[place][0] for place in others], given[others])
        own = [place for place in range(TEXTS) if folds[place] == fold]
        out_of_sample[own] = model.probabilities([rows[place][0] for place in own])
    thresholds = np.array([out_of_sample[given == label][:, label].mean() for label in range(len(names))])
    confident = np.where(out_of_sample >= thresholds, out_of_sample, -1)
    expected = {
        place for place in range(TEXTS) if confident[place].max() >= 0 and confident[place].argmax() != given[place]
    }
    assert {int(record["id"], 16) for record in found[2]} == expected


def test_doubtful_texts_are_left_out_if_asked_and_the_rest_is_as_it_was(found: Any, tmp_path: Path) -> None:
    documents = labelled(tmp_path / "train", [*asked(), ("what is this", None)])
    result, kept, listed = run(tmp_path, documents, drop=True)
    assert listed == found[2]  # whatever the shards
    doubted = {record["id"] for record in listed}
    assert kept == [document for document in documents.iterate() if document.id not in doubted]
    assert result.counts["documents"] == len(kept) == TEXTS + 1 - result.counts["doubtful label"]


def test_too_few_examples_of_a_label_are_refused_with_what_was_found(tmp_path: Path) -> None:
    rows = [row for row in asked() if row[1] == "card"] + [("the rate", "rate")]
    with pytest.raises(LmworksError, match=r"doubtful-labels: found .*rate \(1\).*10 examples each"):
        run(tmp_path, labelled(tmp_path / "train", rows))
