"""Models that learn in seconds, as folders: they say what they said before they were written, and damage is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from encoders import labelled
from lmworks.data.shards.records import Documents
from lmworks.engines.open import open_engine
from lmworks.errors import LmworksError
from lmworks.model.baselines.bag_of_words import FEATURES, WEIGHTS, BagOfWords, BagOfWordsConfig, bag_of_words
from lmworks.model.baselines.dictionary import PHRASES, DictionaryConfig, dictionary
from lmworks.model.folder import family_of
from support import make_context

WORDS = ["good", "bad", "film", "Song", "über", "naïve", "it's", "3d", "a", "日本", "x_y"]
TEXTS = [f"{WORDS[n % 11]} {WORDS[n * 7 % 11]} {WORDS[n * 3 % 11]}, the {WORDS[n * 5 % 11]}." for n in range(80)]


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c"]])
def test_a_bag_of_words_is_scikit_learns(names: list[str]) -> None:
    labels = [names[n * n % len(names)] for n in range(80)]
    words = TfidfVectorizer(ngram_range=(1, 2)).build_analyzer()

    def features(text: str) -> list[str]:
        inside = (f"#{word}#" for word in text.lower().split())
        return [
            *words(text),
            *(
                "\t" + "".join(run)
                for word in inside
                for n in (2, 3, 4)
                for run in zip(*(word[at:] for at in range(n)), strict=False)
            ),
        ]

    theirs = make_pipeline(
        TfidfVectorizer(analyzer=features, min_df=2, sublinear_tf=True), LogisticRegression(C=20, max_iter=1000)
    ).fit(TEXTS, labels)
    asked = [*TEXTS[:20], "", "nothing known", "GOOD good Good film film", "日本 日本 über-naïve"]
    expected = theirs.predict_proba(asked)
    found = BagOfWords.fit(TEXTS, labels).probabilities(asked)
    assert [list(each) for each in found] == [list(theirs.classes_)] * len(asked)
    assert np.allclose([list(each.values()) for each in found], expected, atol=1e-5)


def test_words_are_known_in_other_forms() -> None:
    texts = [f"{word} {n}" for n in range(10) for word in ("refunding", "refunded", "shipping", "shipped")]
    model = BagOfWords.fit(texts, ["money", "money", "parcel", "parcel"] * 10)
    found = model.probabilities(["refunds", "Shipments"])
    assert [max(each, key=each.__getitem__) for each in found] == ["money", "parcel"]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_probabilities_of_any_text_add_up(text: str) -> None:
    model = BagOfWords.fit(TEXTS, [str(n % 3) for n in range(80)])
    (found,) = model.probabilities([text])
    assert sum(found.values()) == pytest.approx(1) and min(found.values()) >= 0


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    (tmp_path / "documents").mkdir()
    return labelled(tmp_path / "documents")


def made(stage: Any, config: Any, data: Any, folder: Path) -> Path:
    folder.mkdir()
    stage(config, data, folder / "out", make_context(folder))
    return folder / "out"


def test_folders_answer_through_the_protocol(documents: Documents, tmp_path: Path) -> None:
    texts = [each.text for each in documents.iterate()]
    folder = made(bag_of_words, BagOfWordsConfig(data="x"), documents, tmp_path / "bag")
    assert family_of(folder) == "sequence classifier"
    right = [str(each.meta["label"]) for each in documents.iterate()]
    assert [each.label for each in open_engine(folder).classify(texts)] == right
    folder = made(dictionary, DictionaryConfig(data="x"), documents, tmp_path / "dictionary")
    assert family_of(folder) == "token classifier"
    for document, found in zip(documents.iterate(), open_engine(folder).tag(texts), strict=True):
        (span,) = document.meta["spans"]
        assert ("thing", span["start"], span["end"]) in found.spans
    again = made(dictionary, DictionaryConfig(data="x"), documents, tmp_path / "again")
    assert (again / PHRASES).read_bytes() == (folder / PHRASES).read_bytes()


def test_damaged_folders_are_told_by_their_file(documents: Documents, tmp_path: Path) -> None:
    folder = made(bag_of_words, BagOfWordsConfig(data="x"), documents, tmp_path / "bag")
    whole = (folder / FEATURES).read_text()
    found = json.loads(whole)
    for damaged in ("", "[]", json.dumps({**found, "labels": []}), json.dumps({**found, "features": {"one": 7}})):
        (folder / FEATURES).write_text(damaged)
        with pytest.raises(LmworksError, match=rf"{FEATURES}|{WEIGHTS}"):
            open_engine(folder)
    (folder / FEATURES).write_text(whole)
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-8])
    with pytest.raises(LmworksError, match=WEIGHTS):
        open_engine(folder)
