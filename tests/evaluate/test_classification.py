from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.metrics import f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from corpora import make_tokenizer, texts
from encoders import labelled, pack, tune
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.data.splits.groups import SplitConfig
from lmworks.data.splits.split import split
from lmworks.errors import UsageError
from lmworks.evaluate.contamination import NOT_SEARCHED
from lmworks.evaluate.items import ACCURACY, Evaluation
from lmworks.evaluate.tasks.labels import (
    ClassificationConfig,
    evaluate_classification,
    evaluate_classification_majority,
    evaluate_classification_words,
    macro_f1,
    when_unsure_ones_are_handed_on,
)
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.statistics import non_inferior
from lmworks.pipeline.work.chunks import read_records
from quick import few
from support import make_context

CONFIG = ClassificationConfig(data="x", train="y")


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Documents, Documents]:
    every = texts(80)
    return labelled(tmp_path / "train", every[:60]), labelled(tmp_path / "test", [text * 2 for text in every[60:]])


@pytest.mark.whole
def test_a_tuned_encoder_is_scored_on_the_items_of_its_baselines(
    tmp_path: Path, parts: tuple[Documents, Documents]
) -> None:
    train, test = parts
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    base = tune(
        tmp_path / "base", "masked-lm", None, pack(tmp_path / "rows", "masked-lm", train, tokenizer)[0], tokenizer
    )
    rows, _ = pack(tmp_path / "labelled", "sequence-classification", train, tokenizer)
    model = tune(
        tmp_path / "tuned", "sequence-classification", base, rows, tokenizer, steps=80, learning_rate=3e-3, dropout=0
    )
    told: list[str] = []
    context = make_context(tmp_path / "m")
    object.__setattr__(context, "log", told.append)
    result = evaluate_classification(CONFIG, model, test, tmp_path / "m", context)
    accuracy, f1, *_ = result.figures
    assert accuracy.value > 0.6 > (accuracy.chance or 1)
    assert accuracy.interval and accuracy.interval[0] < accuracy.value <= accuracy.interval[1]
    assert f1.contamination == NOT_SEARCHED
    assert any("are longer than the 48 tokens that the model reads" in line for line in told)
    assert accuracy.conditions and accuracy.conditions.context_length == 48 and _truncated(accuracy)
    _every_part_is_read(tmp_path / "split", model, test)
    short = labelled(tmp_path / "short", [text.split("\n\n")[1] for text in texts(20)])
    whole = evaluate_classification(CONFIG, model, short, tmp_path / "s", make_context(tmp_path / "s"))
    assert _truncated(whole.figures[0]) == 0, "what was read whole may be compared with any model's"
    evaluate_classification_words(CONFIG, test, train, tmp_path / "w", make_context(tmp_path / "w"))
    ours, theirs = (Evaluation(tmp_path / name, "").path / "items.jsonl" for name in "mw")
    for items in map(read_records, (ours, theirs)):
        documents = {each.id: each.text for each in test.iterate()}
        for item in items:
            likely = item["probabilities"]
            assert sum(likely.values()) == pytest.approx(1, abs=1e-4) and len(likely) > 1, "of every label"
            assert item["answer"] == max(likely, key=likely.__getitem__) and item["likely"] == max(likely.values())
            assert item["prompt"] == documents[item["id"]], "whole"
    assert [line.split('"id":')[1][:6] for line in ours.read_text().splitlines()] == [
        line.split('"id":')[1][:6] for line in theirs.read_text().splitlines()
    ]


@pytest.mark.parametrize("cluster", ["id", "source", "subject", "patient.id"])
def test_clusters_are_told_apart_as_a_split_tells_groups_apart(tmp_path: Path, cluster: str) -> None:
    documents = [
        replace(
            each,
            source=f"s{number % 3}",
            subject=f"Ada {number % 3}",
            meta={**each.meta, "patient": {"id": number % 3}},
        )
        for number, each in enumerate(labelled(tmp_path / "plain", texts(12)).iterate())
    ]
    write_shard(tmp_path / "data" / "part-00000.parquet", documents)
    data, context = Documents(tmp_path / "data", ""), make_context(tmp_path / "m")
    evaluate_classification_majority(CONFIG.model_copy(update={"cluster": cluster}), data, tmp_path / "m", context)
    found = [item["cluster"] for item in read_records(tmp_path / "m" / "items.jsonl")]
    assert len(set(found)) == (12 if cluster == "id" else 3) and not [each for each in found if "Ada" in each]
    parts = SplitConfig.model_validate({"from": "x", "by": cluster, "test": 1, "validation": 0, "assign": "hash"})
    split(parts, data, tmp_path / "split", context)
    held_out = json.loads((tmp_path / "split" / "groups.json").read_text())["test"]
    assert set(held_out) < set(found), "groups and clusters have the same names"


def test_a_limit_draws_texts_evenly_from_all_clusters(tmp_path: Path) -> None:
    every = labelled(tmp_path / "plain", texts(30)).iterate()
    some = [replace(each, meta={**each.meta, "team": "few" if n < 3 else "many"}) for n, each in enumerate(every)]
    write_shard(tmp_path / "data" / "part-00000.parquet", some)
    config = CONFIG.model_copy(update={"cluster": "team", "limit": 10})
    data, context = Documents(tmp_path / "data", ""), make_context(tmp_path / "m")
    evaluate_classification_majority(config, data, tmp_path / "m", context)
    found = [item["cluster"] for item in read_records(tmp_path / "m" / "items.jsonl")]
    assert sorted(found) == ["few"] * 3 + ["many"] * 7


def _every_part_is_read(folder: Path, model: ModelFolder, test: Documents) -> None:
    config = CONFIG.model_copy(update={"long_samples": "split"})
    result = evaluate_classification(config, model, test, folder, make_context(folder))
    assert _truncated(result.figures[0]) == 0 and "read in parts of 48 tokens" in result.figures[0].method
    tokenizer = AutoTokenizer.from_pretrained(model.path)
    classifier = AutoModelForSequenceClassification.from_pretrained(model.path).eval()
    texts = {each.id: each.text for each in test.iterate()}
    for item in list(Evaluation(folder, "").items())[:3]:
        ids = tokenizer(texts[item["id"]], add_special_tokens=False)["input_ids"]
        parts = [ids[start : start + 46] for start in range(0, len(ids), 46)]
        rows = [torch.tensor([[tokenizer.cls_token_id, *part, tokenizer.sep_token_id]]) for part in parts]
        with torch.inference_mode():
            mean = torch.stack([classifier(row).logits.softmax(-1)[0] for row in rows]).mean(0)
        assert len(parts) > 1 and item["likely"] == pytest.approx(mean.max().item(), abs=1e-4)
        assert item["answer"] == classifier.config.id2label[int(mean.argmax())]


def test_baselines_are_the_commonest_label_and_a_bag_of_words(
    tmp_path: Path, parts: tuple[Documents, Documents]
) -> None:
    train, test = parts
    majority = evaluate_classification_majority(CONFIG, test, tmp_path / "a", make_context(tmp_path / "a"))
    labels = [str(each.meta["label"]) for each in test.iterate()]
    assert majority.figures[0].value == max(map(labels.count, labels)) / len(labels)
    words = evaluate_classification_words(CONFIG, test, train, tmp_path / "b", make_context(tmp_path / "b"))
    assert words.figures[0].value > 0.9


def test_macro_f1_is_scikit_learns() -> None:
    draw = random.Random(0)
    items = [
        {"id": n, "cluster": str(n % 17), "reference": draw.choice("aab"), "answer": draw.choice("aabc")}
        for n in range(200)
    ]
    figure = macro_f1(items, "guess")
    asked, said = ([item[field] for item in items] for field in ("reference", "answer"))
    assert figure.value == pytest.approx(f1_score(asked, said, average="macro")), "what is only said is a label, too"
    assert figure.interval and figure.interval[0] < figure.value < figure.interval[1]


def test_documents_without_labels_are_refused(tmp_path: Path, parts: tuple[Documents, Documents]) -> None:
    config = CONFIG.model_copy(update={"label": "genre"})
    with pytest.raises(UsageError, match="no document has a field 'genre'"):
        evaluate_classification_words(config, parts[1], parts[0], tmp_path, make_context(tmp_path))


def test_the_surest_answers_are_counted_alone() -> None:
    items = [
        {
            "id": f"{number:02}",
            "cluster": f"{number}",
            "likely": 1 - number / 100,
            "score": float(number not in (3, 8, 9)),
        }
        for number in range(10)
    ]
    figures = {figure.name: figure for figure in when_unsure_ones_are_handed_on(items, "guess")}
    assert {name: (round(figure.value, 4), figure.n) for name, figure in figures.items()} == {
        "accuracy of the 90% answered": (round(7 / 9, 4), 9),
        "accuracy of the 80% answered": (7 / 8, 8),
        "accuracy of the 70% answered": (round(6 / 7, 4), 7),
    }
    assert "at least 0.92" in figures["accuracy of the 90% answered"].method
    close = [{**item, "likely": 0.43 + number / 10_000} for number, item in enumerate(reversed(items))]
    equal = [{**item, "likely": 0.9 if number == 0 else 0.43} for number, item in enumerate(items)]
    told = [next(when_unsure_ones_are_handed_on(each, "guess")).method for each in (close, equal)]
    assert "answers held at least 0.4301," in told[0], "0.43 would answer all"
    assert "answers held at least 0.43, of the 9 held 0.43 only 8, the others left" in told[1]
    assert not list(when_unsure_ones_are_handed_on([{**item, "likely": 0.3} for item in items], "always the same"))


def _truncated(figure: Figure) -> int:
    assert figure.conditions
    return figure.conditions.truncated


@pytest.mark.whole
@pytest.mark.parametrize("labels", few([2, 6, 20], 1))
def test_what_knows_nothing_is_seldom_better_than_the_commonest_label(labels: int, tmp_path: Path) -> None:
    """Of labels that are equally frequent what is held out is missing in training, whose shares are all it knows."""
    draw, passed = random.Random(labels), 0
    for run in range(60):
        dealt = [f"label {number % labels}" for number in range(600)]
        draw.shuffle(dealt)
        asked, train = dealt[:180], dealt[180:]
        folder = tmp_path / f"{run}"
        folder.mkdir()
        found = [
            Document(id=f"{number:03}", text=f"text {number}", source="s", licence="MIT", meta={"label": label})
            for number, label in enumerate(asked)
        ]
        write_shard(folder / "part-00000.parquet", found)
        evaluate_classification_majority(CONFIG, Documents(folder, ""), folder / "m", make_context(folder))
        theirs = list(Evaluation(folder / "m", "").items())
        assert sum(item["score"] for item in theirs) == max(map(asked.count, asked))
        ours = [{**item, "score": float(draw.choice(train) == item["reference"])} for item in theirs]
        passed += non_inferior(ACCURACY.compare(ours, theirs), 0)
    assert passed <= 1
