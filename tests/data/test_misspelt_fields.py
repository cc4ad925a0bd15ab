"""A step that is told a field which no document has stops with those there are, and gives nothing instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of

from lmworks.data.quality.classifier import ClassifierConfig, classifier
from lmworks.data.shards.named import require_fields
from lmworks.data.shards.records import Document, Documents
from lmworks.data.tuning.label import LabelConfig, label
from lmworks.data.tuning.pairs import PairsConfig, pairs
from lmworks.data.tuning.styles import StylesConfig, styles
from lmworks.errors import UsageError
from lmworks.evaluate.tasks.labels import ClassificationConfig, evaluate_classification_majority
from support import make_context

Step = Callable[[Documents, Path], object]
META = {"region": "north", "person": {"role": "clerk"}, "source": "name[Bibimbap]", "target": "A place to eat."}


def step_of(stage: Any, config: Any, *, many: bool = False) -> Step:
    """A step that is run on some documents in a folder."""
    return lambda documents, folder: stage(
        config, [documents] if many else documents, out=folder / "out", context=make_context(folder)
    )


def classified(documents: Documents, folder: Path) -> object:
    config = ClassificationConfig(data="x", train="x", label="region", cluster="regoin")
    return evaluate_classification_majority(config, documents, out=folder / "out", context=make_context(folder))


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (step_of(label, LabelConfig(documents="x", by="regoin", labels={"a": ["north"], "b": ["south"]})), "`by`"),
        (step_of(label, LabelConfig(documents="x", by="person.rule", labels={"a": ["x"], "b": ["y"]})), "`by`"),
        (step_of(pairs, PairsConfig(documents="x", source="sorce")), "`source`"),
        (step_of(pairs, PairsConfig(documents="x", target="traget")), "`target`"),
        (step_of(styles, StylesConfig(documents="x", facts="sorce")), "`facts`"),
        (step_of(styles, StylesConfig(documents="x", text="traget")), "`text`"),
        (step_of(classifier, ClassifierConfig(documents=["x"], label="regoin"), many=True), "`label`"),
        (classified, "`cluster`"),
    ],
)
def test_a_field_that_no_document_has_stops_the_step_with_those_there_are(
    step: Step, said: str, tmp_path: Path
) -> None:
    documents = documents_of(tmp_path / "in", "one text", "another text", meta=META)
    with pytest.raises(UsageError) as stopped:
        step(documents, tmp_path)
    told = str(stopped.value)
    told = told.replace("2 records", "2 documents")
    assert said in told and "which none of its 2 documents has: did you mean" in told and "region" in told
    assert not any((tmp_path / "out").rglob("part-*"))


def test_no_more_is_read_than_until_each_was_seen() -> None:
    def few() -> Iterator[Document]:
        for meta in ({"region": "north"}, {"person": {"role": "clerk"}}):
            yield Document(id="0", text="t", source="s", licence="MIT", meta=meta)
        raise AssertionError("read on")

    require_fields({"one": "region", "other": "person.role"}, few(), "step")


def test_what_is_empty_everywhere_is_no_misspelling(tmp_path: Path) -> None:
    documents = documents_of(tmp_path / "in", "one text", meta={"region": ""})
    require_fields({"by": "region"}, documents.iterate(), "label")
    with pytest.raises(UsageError, match="regoin"):  # and a misspelt one is told of the same documents
        require_fields({"by": "regoin"}, documents.iterate(), "label")
