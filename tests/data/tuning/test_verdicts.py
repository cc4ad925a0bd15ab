"""Experts' verdicts: what they reject goes, what they label is labelled, and no bad line costs a good one."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of, quarantined, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from lmworks.data.shards.records import Documents
from lmworks.data.tuning.agreement import agreement
from lmworks.data.tuning.verdicts import VerdictsConfig, verdicts
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Result
from support import make_context

TEXTS = ("kept by both", "dropped by both", "they differ", "dropped by one", "judged by nobody")


def verdict(document: int, label: str, annotator: str = "a", **more: Any) -> bytes:
    return json.dumps({"id": f"{document:032x}", "label": label, "annotator": annotator, **more}).encode()


def judge(folder: Path, files: dict[str, Sequence[bytes]], **fields: Any) -> tuple[Result, Path]:
    documents = documents_of(folder / "in", *TEXTS)
    for name, lines in files.items():
        (folder / "verdicts").mkdir(exist_ok=True)
        (folder / "verdicts" / name).write_bytes(b"\n".join(lines))
    config = VerdictsConfig.model_validate({"from": "in", "verdicts": "verdicts", **fields}).resolve(folder)
    return verdicts(config, documents, out=folder / "out", context=make_context(folder)), folder / "out"


TWO = {
    "a.jsonl": [verdict(0, "accept"), verdict(1, "reject"), verdict(2, "reject"), verdict(3, "reject")],
    "b.jsonl": [verdict(0, "accept", "b"), verdict(1, "reject", "b"), verdict(2, "accept", "b")],
}


def test_what_most_experts_reject_is_dropped_and_a_tie_stays(tmp_path: Path) -> None:
    result, out = judge(tmp_path, TWO)
    assert texts(out) == ["judged by nobody", "kept by both", "they differ"]
    assert result.counts["rejected"] == 2 and result.counts["judged"] == 4 and result.counts["documents"] == 3
    (split,) = [json.loads(line) for line in (out / "disagreements.jsonl").read_text().splitlines()]
    assert split == {"id": f"{2:032x}", "verdicts": {"a": "reject", "b": "accept"}}
    assert (out / "ids.txt").read_text().split() == [f"{each:032x}" for each in (0, 2, 4)]


def test_two_of_three_decide(tmp_path: Path) -> None:
    files = {
        f"{name}.jsonl": [verdict(0, label, name)] for name, label in zip("abc", ("bad", "ok", "worse"), strict=True)
    }
    assert len(texts(judge(tmp_path, files, reject=["bad", "worse"])[1])) == 4


def test_labels_are_written_where_most_agree(tmp_path: Path) -> None:
    result, out = judge(tmp_path, TWO, use="label")
    assert len(texts(out)) == 5
    labels = {document.text: document.meta.get("label") for document in Documents(out, "").iterate()}
    assert labels == dict(zip(TEXTS, ("accept", "reject", None, "reject", None), strict=True))
    assert result.counts["labelled: reject"] == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{cut", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"id": "\\ud800", "label": "a", "annotator": "a"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "no verdict: field 'id'"),
        (verdict(1, " "), "no verdict: field 'label'"),
        (b'{"id": "0", "label": "accept"}', "no verdict: field 'annotator'"),
        (verdict(77, "reject"), "unknown id"),
        (verdict(0, "reject"), "double verdict: its annotator judged"),
    ],
)
def test_a_bad_line_is_named_and_costs_no_good_one(tmp_path: Path, line: bytes, reason: str) -> None:
    result, out = judge(tmp_path, {"a.jsonl": [verdict(0, "accept"), b"", line, verdict(1, "reject")]})
    (bad,) = quarantined(out)
    assert (bad["path"], bad["record"], bad["offset"]) == ("a.jsonl", "3", len(verdict(0, "accept")) + 2)
    assert bad["reason"].startswith(reason)
    assert "raw" not in bad
    assert result.counts["judged"] == 2 and "dropped by both" not in texts(out) and "kept by both" in texts(out)
    assert result.counts[f"quarantined: {bad['reason'].split(':')[0]}"] == 1


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=8), st.randoms())
def test_every_line_is_either_a_verdict_or_named(
    tmp_path_factory: pytest.TempPathFactory, bad: list[bytes], draw: random.Random
) -> None:
    lines = [*bad, *(verdict(each, "accept") for each in range(5))]
    draw.shuffle(lines)
    result, out = judge(tmp_path_factory.mktemp("verdicts"), {"a.jsonl": lines})
    named = {int(record["record"]) for record in quarantined(out)}
    assert result.counts["judged"] == 5
    assert named == {number for number, line in enumerate(lines, 1) if line in bad and line.strip()}


def test_lines_without_one_verdict_are_refused_with_their_fault(tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match=r"none of 1 lines judges one of these documents.*a.jsonl:1: unknown id"):
        judge(tmp_path, {"a.jsonl": [verdict(9, "accept")]})


@pytest.mark.parametrize(("path", "words"), [("absent.jsonl", "cannot be read"), ("empty", "holds no .jsonl file")])
def test_missing_files_are_said_before_the_build(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=words):
        VerdictsConfig.model_validate({"from": "in", "verdicts": path}).resolve(tmp_path)


def test_another_verdict_makes_the_step_stale(tmp_path: Path) -> None:
    config = VerdictsConfig.model_validate({"from": "in", "verdicts": "a.jsonl"})
    keys = []
    for label in ("accept", "reject"):
        (tmp_path / "a.jsonl").write_bytes(verdict(0, label))
        keys.append(key_config(config.resolve(tmp_path)))
    assert keys[0] != keys[1]


def test_comments_and_texts_of_a_verdict_go_nowhere(tmp_path: Path) -> None:
    _, out = judge(tmp_path, {"a.jsonl": [verdict(2, "reject", comment="SECRET"), verdict(2, "accept", "b")]})
    assert not [path for path in out.rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()]


def test_agreement_stands_among_the_figures(tmp_path: Path) -> None:
    (figure,) = judge(tmp_path, TWO)[0].figures
    assert figure.name == "Cohen's kappa" and figure.n == 3
    assert figure.value == pytest.approx(cohen_kappa_score(["k", "r", "r"], ["k", "r", "k"]))
    assert figure.interval and figure.interval[0] < figure.value < figure.interval[1] <= 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_kappa_of_two_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    figure = agreement({str(number): {"x": one, "y": other} for number, (one, other) in enumerate(pairs)})
    if len({label for pair in pairs for label in pair}) == 1:
        assert figure is None, "nobody could disagree"
    else:
        assert figure is not None
        assert figure.value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))


def test_kappa_of_many_is_that_of_a_worked_example() -> None:
    """The table of 10 subjects, 14 raters and 5 categories that textbooks use for Fleiss' kappa: 0.210."""
    table = """0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2|6 5 2 1 0|0 2 2 3 7"""
    judged = {}
    for subject, row in enumerate(table.split("|")):
        labels = [str(label) for label, count in enumerate(row.split()) for _ in range(int(count))]
        judged[str(subject)] = {f"rater {number}": label for number, label in enumerate(labels)}
    figure = agreement(judged)
    assert figure and figure.name == "Fleiss' kappa" and figure.n == 10
    assert figure.value == pytest.approx(0.210, abs=0.0005)


def test_one_annotator_has_nobody_to_agree_with() -> None:
    assert agreement({"0": {"a": "x"}, "1": {"a": "y"}}) is None


def test_the_interval_covers_the_true_kappa() -> None:
    """Two annotators who see the truth in 85 of 100 documents: kappa 0.49, in 95 of 100 samples of 60 inside."""
    draw, covered, truth = random.Random(5), 0, (0.85**2 + 0.15**2 - 0.5) / 0.5
    for _ in range(400):
        judged = {}
        for number in range(60):
            right = draw.random() < 0.5
            judged[str(number)] = {name: str(right == (draw.random() < 0.85)) for name in "ab"}
        figure = agreement(judged)
        assert figure and figure.interval
        covered += figure.interval[0] <= truth <= figure.interval[1]
    assert covered >= 370
