from __future__ import annotations

from pathlib import Path

import pytest
from evaluated import items_of

from data.tiny_encoders import write_classifier
from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.errors import UsageError
from lmworks.evaluate.items import SPAN_F1, SPAN_PRECISION, SPAN_RECALL
from lmworks.evaluate.metrics import span_counts
from lmworks.evaluate.tasks.labels import (
    ExtractionConfig,
    evaluate_extraction,
    evaluate_extraction_dictionary,
    evaluate_extraction_rules,
)
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Result
from support import make_context

CONFIG = ExtractionConfig(data="x", train="y", cluster="template")
TRAIN = [
    "[Ada](NAME) and [Ada Byron](NAME) paid.",
    "[Jordan](NAME) flew to [Jordan](LAND)",
    "[1-2](CARD) in [Peru](LAND)",
]
TEST = ["[Ada Byron](NAME), [Jordan](NAME)", "nothing here", "[Peru](LAND) is far"]


def documents(folder: Path, marked: list[str]) -> Documents:
    """Documents from texts whose spans are written "[Ada](NAME)"."""
    made = []
    for number, text in enumerate(marked):
        plain, spans = "", []
        for piece in text.split("["):
            if "](" in piece:
                value, rest = piece.split("](", 1)
                label, piece = rest.split(")", 1)
                spans.append({"start": len(plain), "end": len(plain) + len(value), "label": label})
                plain += value
            plain += piece
        meta = {"spans": spans, "template": str(number)}
        made.append(Document(id=f"{folder.name}{number}", text=plain, source="t", licence="MIT", meta=meta))
    write_shard(folder / "part-00000.parquet", made)
    write_ids(folder, [each.id for each in made])
    return Documents(folder, folder.name)


@pytest.fixture
def train(tmp_path: Path) -> Documents:
    return documents(tmp_path / "train", TRAIN)


@pytest.fixture
def test(tmp_path: Path) -> Documents:
    return documents(tmp_path / "test", TEST)


def values(result: Result) -> dict[str, float]:
    return {figure.name: round(figure.value, 4) for figure in result.figures}


def test_a_span_counts_if_its_label_and_both_ends_are_right() -> None:
    wanted = [("NAME", 0, 3), ("NAME", 8, 17), ("LAND", 20, 24), ("LAND", 30, 36)]
    given = [("NAME", 0, 3), ("NAME", 8, 11), ("NAME", 12, 17), ("NAME", 20, 24), ("LAND", 30, 36)]
    counts = span_counts(wanted, given)
    assert counts == [2, 5, 4], "a name in two pieces is two wrong ones, and one that is missing"
    items = [
        {"spans": counts, "cluster": "a"},
        {"spans": [0, 0, 1], "cluster": "b"},
        {"spans": [0] * 3, "cluster": "c"},
    ]
    figures = [metric.figure(items, "by hand") for metric in (SPAN_PRECISION, SPAN_RECALL, SPAN_F1)]
    assert [figure.value for figure in figures] == pytest.approx([2 / 5, 2 / 5, 4 / 10])
    assert SPAN_F1.values(items) == pytest.approx([4 / 9, 0, 1]), "nothing to find, and nothing found"
    assert all(figure.interval and figure.interval[0] <= figure.value <= figure.interval[1] for figure in figures)


def test_a_model_is_scored_by_what_it_finds(tmp_path: Path, test: Documents) -> None:
    labels = {"ada": "B-NAME", "byron": "I-NAME", "far": "B-NAME", "peru": "B-LAND"}
    model = ModelFolder(write_classifier(tmp_path / "model", labels), "model")
    out = tmp_path / "out"
    result = evaluate_extraction(CONFIG, model, test, out, make_context(out))
    found = values(result)
    assert (found["span_precision"], found["span_recall"], found["span_f1"]) == (0.6667, 0.6667, 0.6667)
    assert (found["F1 of NAME"], found["F1 of LAND"]) == (0.5, 1)
    assert result.counts["NAME: said"] == result.counts["NAME: there"] == 2 > result.counts["NAME: right"] == 1
    assert [item["answer"] for item in items_of(out)] == ["NAME: Ada Byron", "nothing", "LAND: Peru; NAME: far"]
    for item in items_of(out):
        told = [f"{label}: {item['prompt'][start:end]}" for label, start, end in item["found"]]
        assert "; ".join(told) == (item["answer"] if item["found"] else "")
        assert len(item["wanted"]) == item["spans"][2], "both lists, with their places"


def test_the_dictionary_holds_what_was_always_labelled_alike(tmp_path: Path, train: Documents, test: Documents) -> None:
    found = evaluate_extraction_dictionary(CONFIG, test, train, tmp_path / "o", make_context(tmp_path / "o"))
    assert [item["answer"] for item in items_of(tmp_path / "o")] == ["NAME: Ada Byron", "nothing", "LAND: Peru"]
    assert values(found)["span_precision"] == 1, "Jordan was both, and is neither"


def test_numbers_are_found_by_their_form_where_it_mostly_is_labelled(tmp_path: Path) -> None:
    train = documents(
        tmp_path / "train", [*["order [AB-1042](ORDER) of 12 pens"] * 3, "[17](ORDER) came, 25 and 31 did not"]
    )
    test = documents(tmp_path / "test", ["order [AB-7731](ORDER) of 48 pens"])
    evaluate_extraction_dictionary(CONFIG, test, train, tmp_path / "o", make_context(tmp_path / "o"))
    assert [item["answer"] for item in items_of(tmp_path / "o")] == ["ORDER: AB-7731"]


def test_who_marks_nothing_is_not_precise(tmp_path: Path, test: Documents) -> None:
    elsewhere = documents(tmp_path / "elsewhere", ["[Zzz](NAME) is far"])
    figures = evaluate_extraction_dictionary(CONFIG, test, elsewhere, tmp_path / "o", make_context(tmp_path / "o"))
    assert not any(item["found"] for item in items_of(tmp_path / "o"))
    (precision,) = (each for each in figures.figures if each.name == "span_precision")
    assert precision.value == 0 and precision.interval == (0, 1)


def test_rules_find_the_kinds_that_a_label_names(tmp_path: Path) -> None:
    marked = ["pay [4111 1111 1111 1111](CREDIT_CARD) for [Ada](PERSON), write to [ada@example.org](EMAIL)"]
    train, test = documents(tmp_path / "train", marked), documents(tmp_path / "test", marked)
    result = evaluate_extraction_rules(CONFIG, test, train, tmp_path / "o", make_context(tmp_path / "o"))
    (item,) = items_of(tmp_path / "o")
    assert item["answer"] == "CREDIT_CARD: 4111 1111 1111 1111; EMAIL: ada@example.org"
    assert "CREDIT_CARD, EMAIL" in result.figures[0].method and values(result)["F1 of PERSON"] == 0


def test_documents_without_spans_are_refused(tmp_path: Path, train: Documents, test: Documents) -> None:
    config = CONFIG.model_copy(update={"label": "names"})
    with pytest.raises(UsageError, match="no document has a span in the field 'names'"):
        evaluate_extraction_dictionary(config, test, train, tmp_path, make_context(tmp_path))
