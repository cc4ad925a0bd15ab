"""Classifiers: trained from labelled documents, measured on others, used to write and to drop."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_support import documents_of, payload_bytes
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.quality.classifier import ClassifierConfig, _figures, classifier
from lmworks.data.quality.classify import ClassifyConfig, classify
from lmworks.data.quality.hashed_linear import LinearClassifier, features
from lmworks.data.shards.records import Documents
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.stage import Handle, Result
from support import make_context

GOOD = ["the", "valve", "controls", "pressure", "which", "engineers", "measure", "before", "every", "flight"]
POOR = ["click", "buy", "cheap", "now", "free", "offer", "winner", "deal", "best", "price"]


def prose(words: list[str], seed: int) -> str:
    return " ".join(random.Random(seed).choices(words, k=20))


def labelled(folder: Path, count: int = 60) -> list[Documents]:
    """Documents of two labels, each in a step of its own."""
    return [
        documents_of(folder / name, *(prose(words, seed) for seed in range(count)), meta={"path": f"{name}/a.txt"})
        for name, words in (("good", GOOD), ("poor", POOR))
    ]


def run(tmp_path: Path, *documents: Documents, **options: Any) -> tuple[Result, Path]:
    config = ClassifierConfig.model_validate({"from": ["examples"], **options})
    out = tmp_path / "classifier"
    return classifier(config, list(documents), out=out, context=make_context(tmp_path)), out


def judged(tmp_path: Path, trained: Path, *texts: str, **options: Any) -> tuple[Result, list[dict[str, Any]]]:
    config = ClassifyConfig.model_validate({"from": "new", "classifier": "quality", **options})
    documents = documents_of(tmp_path / "new", *texts, meta={"kept": 1})
    out = tmp_path / "judged"
    result = classify(config, documents, Handle(trained, ""), out=out, context=make_context(tmp_path))
    return result, [dict(document.meta) for document in Documents(out, "").iterate()]


def test_folders_of_examples_make_a_classifier_that_is_measured_on_others(tmp_path: Path) -> None:
    result, out = run(tmp_path, *labelled(tmp_path))
    accuracy, f1 = result.figures
    assert accuracy.value == f1.value == 1.0
    assert accuracy.n == f1.n == result.counts["held-out documents"] == 120 - result.counts["training documents"]
    assert 10 < accuracy.n < 40
    assert accuracy.chance and accuracy.chance < 0.8
    assert f1.chance and f1.chance < accuracy.chance
    assert accuracy.interval and accuracy.interval[0] < 0.95
    assert f1.interval and f1.interval[0] < 0.95 and f1.interval[1] == 1
    assert set(payload_bytes(out)) == {"classifier.json", "classifier.safetensors"}


def test_the_interval_of_macro_f1_tells_how_little_is_known_of_a_rare_label(tmp_path: Path) -> None:
    rare = documents_of(
        tmp_path / "rare", *(prose(["rain", "wind", "snow"], each) for each in range(10)), meta={"path": "rare/a.txt"}
    )
    common, _ = run(tmp_path / "two", *labelled(tmp_path))
    result, _ = run(tmp_path / "three", *labelled(tmp_path), rare)
    (_, f1), (_, of_two) = result.figures, common.figures
    assert f1.value == of_two.value == 1 and f1.interval and of_two.interval
    assert f1.interval[0] < of_two.interval[0] - 0.05
    assert "labels' shares and their jackknife" in f1.method


def test_copies_of_held_out_texts_make_no_interval_narrower(tmp_path: Path) -> None:
    both = labelled(tmp_path, 30)
    once, _ = run(tmp_path, *both)
    copies = [
        documents_of(tmp_path / f"{name}-{copy}", *texts, meta={"path": f"{name}/{copy}.txt"})
        for name, texts in ((each.path.name, [one.text for one in each.iterate()]) for each in both)
        for copy in "bcd"
    ]
    often, _ = run(tmp_path, *both, *copies)
    for one, four in zip(once.figures, often.figures, strict=True):
        assert one.interval and four.interval and four.n == 4 * one.n
        assert four.interval[0] < one.interval[0] + 0.02


def test_labels_without_meaning_are_not_learned(tmp_path: Path) -> None:
    named = [
        documents_of(tmp_path / name, *(prose(GOOD, seed) for seed in seeds), meta={"mood": name})
        for name, seeds in (("a", range(100)), ("b", range(100, 200)))
    ]
    result, _ = run(tmp_path, *named, label="mood")
    accuracy, _ = result.figures
    assert accuracy.interval and accuracy.chance
    assert accuracy.interval[0] < accuracy.chance
    assert result.counts["mistaken held-out example"] == round((1 - accuracy.value) * accuracy.n)


def test_equal_texts_are_on_one_side(tmp_path: Path) -> None:
    both = labelled(tmp_path, 30)
    once, _ = run(tmp_path, *both)
    copies = [
        documents_of(
            tmp_path / f"copy-of-{steps.path.name}",
            *reversed([document.text for document in steps.iterate()]),
            meta={"path": f"{steps.path.name}/b.txt"},
        )
        for steps in both
    ]
    twice, _ = run(tmp_path, *both, *copies)
    assert twice.counts["held-out documents"] == 2 * once.counts["held-out documents"]


def test_equal_examples_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    good, poor = labelled(tmp_path)
    _, first = run(tmp_path / "one", good, poor)
    _, second = run(tmp_path / "two", poor, good)
    assert payload_bytes(first) == payload_bytes(second)
    _, other = run(tmp_path / "three", good, poor, seed=1)
    assert payload_bytes(first) != payload_bytes(other)


def test_too_few_examples_are_an_error_that_counts_them(tmp_path: Path) -> None:
    few = documents_of(tmp_path / "few", "a text", "another", meta={"path": "good/a.txt"})
    loose = documents_of(tmp_path / "loose", "no folder", meta={"path": "a.txt"})
    with pytest.raises(LmworksError, match=r"good \(2\).*1 documents without a label"):
        run(tmp_path, few, loose)


def test_a_score_is_written_and_poor_documents_go(tmp_path: Path) -> None:
    _, trained = run(tmp_path, *labelled(tmp_path))
    texts = [prose(GOOD, 1000), prose(POOR, 1000)]
    result, metas = judged(tmp_path / "a", trained, *texts, label="good")
    assert metas[0]["kept"] == 1
    assert metas[0]["quality"] > 0.8 > 0.2 > metas[1]["quality"]
    assert result.counts["documents"] == 2
    result, metas = judged(tmp_path / "b", trained, *texts, label="good", at_least=0.5)
    assert len(metas) == result.counts["documents"] == result.counts["good: below 0.5"] == 1
    assert result.examples[0]["text"] == texts[1]


def test_the_likeliest_label_is_written(tmp_path: Path) -> None:
    _, trained = run(tmp_path, *labelled(tmp_path))
    result, metas = judged(tmp_path, trained, prose(GOOD, 1000), prose(POOR, 1000), field="domain")
    assert [meta["domain"] for meta in metas] == ["good", "poor"]
    assert result.counts["label good"] == 1


def test_what_cannot_be_judged_is_said(tmp_path: Path) -> None:
    _, trained = run(tmp_path, *labelled(tmp_path))
    with pytest.raises(UsageError, match="no label 'fine'; 'quality' has good, poor"):
        judged(tmp_path / "a", trained, "text", label="fine")
    with pytest.raises(UsageError, match="made no classifier"):
        judged(tmp_path / "b", tmp_path, "text")
    with pytest.raises(LmworksError, match="no document is left"):
        judged(tmp_path / "c", trained, prose(POOR, 1), label="good", at_least=0.99)
    with pytest.raises(ValueError, match="name the label"):
        ClassifyConfig.model_validate({"from": "new", "classifier": "quality", "at_least": 0.5})


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_a_text_has_the_same_features_alone_and_among_others(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    places, owners = features(texts)
    for number, text in enumerate(texts):
        assert sorted(places[owners == number]) == sorted(features([text])[0])


def test_many_texts_are_judged_as_one_is() -> None:
    model = LinearClassifier(("a", "b", "c"), np.random.default_rng(0).normal(size=(3, 2**18)).astype(np.float32))
    texts = [prose(GOOD, seed) * 50 for seed in range(300)] + ["", "é"]
    together = model.probabilities(texts)
    assert together.shape == (302, 3)
    assert np.allclose(together.sum(axis=1), 1)
    assert all(np.allclose(model.probabilities([text])[0], row) for text, row in zip(texts, together, strict=True))


def test_chance_is_the_commonest_label_of_what_is_asked() -> None:
    accuracy, _ = _figures(np.array([0, 1, 1, 1]), np.array([0, 0, 0, 1]), 3, ["a", "b", "c", "d"])
    assert (accuracy.value, accuracy.chance) == (0.5, 0.75), "whatever is commonest in training, where it is missing"
