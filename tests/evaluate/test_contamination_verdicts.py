"""What is known of items from what was learned: told in words, beside every score, and in the comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluate.evaluated import items_of
from lmworks.evaluate.compare import CompareConfig, compare
from lmworks.evaluate.contamination import CLEAN_AT_LEAST, NOT_SEARCHED, Contamination
from lmworks.evaluate.items import ACCURACY, Evaluation, Item, Scored, beside_clean
from lmworks.evaluate.tasks.labels import macro_f1
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import canonical_json
from support import make_context


def searched(
    folder: Path, lines: list[dict[str, Any]], unknown: tuple[str, ...] = (), texts: int = 1234
) -> Contamination:
    folder.mkdir(parents=True)
    (folder / "verdicts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "searched.json").write_text(json.dumps({"texts": texts, "unknown": list(unknown)}))
    return Contamination(folder, "")


def verdicts(known: int, clean: int, short: int) -> list[dict[str, Any]]:
    """Of so many items; of the known ones every second has its answer alone in the training text."""
    found = [("whole", "near") if number % 2 else ("not found", "verbatim") for number in range(known)]
    found += [("not found", "too short")] * clean + [("too short", None)] * short  # type: ignore[list-item]
    return [{"id": f"{n:03}", "question": question, "answer": answer} for n, (question, answer) in enumerate(found)]


def scored(lines: list[dict[str, Any]], right: int) -> list[Item]:
    """Items of which the first are right."""
    return [
        {
            **dict.fromkeys(("id", "digest", "cluster"), line["id"]),
            "score": float(n < right),
            "reference": "ab"[n % 2],
            "answer": "a",
        }
        for n, line in enumerate(lines)
    ]


def written(folder: Path, lines: list[dict[str, Any]], right: int, **more: Any) -> Scored:
    (folder / "out").mkdir(parents=True)
    return Scored.written(scored(lines, right), folder / "out", searched(folder / "c", lines, **more))


def test_a_verdict_says_what_was_found_of_how_many_and_the_score_of_the_others(tmp_path: Path) -> None:
    found = written(tmp_path, verdicts(10, 25, 5), right=20)
    figure = found.figure(ACCURACY, "as asked")
    assert figure.contamination == (
        "10 of 40 items stand in the 1,234 texts learned from (questions: 5 whole; answers: 5 nearly, 5 in part); 25 "
        "are clean, 5 have too few words to be sought"
    )
    alone = ACCURACY.figure(scored(verdicts(10, 25, 5), 20)[10:35], "as asked")
    assert (figure.value, figure.n) == (0.5, 40)
    assert (figure.clean_value, figure.clean_n, figure.clean_interval) == (alone.value, 25, alone.interval)
    assert Figure.from_json(json.loads(canonical_json(figure.as_json()))) == figure
    items = items_of(tmp_path / "out")
    assert [item["contamination"] for item in items] == ["known"] * 10 + ["clean"] * 25 + ["unknown"] * 5
    assert (items[1]["question_found"], items[1]["answer_found"]) == ("whole", "near")
    of_labels = beside_clean(found.items, lambda some: macro_f1(some, "as asked"))
    assert of_labels.clean_n == 25 and of_labels.clean_value == macro_f1(found.items[10:35], "x").value


def test_an_item_whose_question_was_not_sought_is_not_clean(tmp_path: Path) -> None:
    """Though its answer was, and found nowhere."""
    lines = [{"id": "000", "question": "too short", "answer": "not found"}]
    found = written(tmp_path, lines, right=1).figure(ACCURACY, "as asked")
    assert str(found.contamination).startswith("unknown: all 1 items have too few words to be sought")
    assert [item["contamination"] for item in items_of(tmp_path / "out")] == ["unknown"]


def test_an_item_of_which_others_share_all_but_a_few_words_is_neither_known_nor_clean(tmp_path: Path) -> None:
    shared: Any = [{"id": "020", "question": "shared", "answer": None}, {**verdicts(0, 1, 0)[0], "answer": "shared"}]
    lines = [*verdicts(0, 20, 0), shared[0], shared[1] | {"id": "021"}, *(verdicts(0, 0, 23)[22:])]
    found = written(tmp_path, lines, right=1).figure(ACCURACY, "as asked")
    assert str(found.contamination).endswith(
        "; 20 are clean, 2 are not known: other items share all but a few of their words, 1 have too few words to be "
        "sought"
    )
    assert [item["contamination"] for item in items_of(tmp_path / "out")] == ["clean"] * 20 + ["unknown"] * 3


@pytest.mark.parametrize("clean", [CLEAN_AT_LEAST - 1, CLEAN_AT_LEAST])
def test_few_clean_items_have_no_score_of_their_own_and_it_says_so(tmp_path: Path, clean: int) -> None:
    figure = written(tmp_path, verdicts(3, clean, 0), right=3).figure(ACCURACY, "as asked")
    few = clean < CLEAN_AT_LEAST
    assert (figure.clean_value is None) == few
    assert str(figure.contamination).endswith("; a score over clean items is of 20 or more") == few


def test_where_nothing_is_known_the_score_is_that_of_clean_items(tmp_path: Path) -> None:
    figure = written(tmp_path, verdicts(0, 30, 0), right=3).figure(ACCURACY, "as asked")
    assert figure.contamination == (
        "0 of 30 items stand in the 1,234 texts learned from, by question or answer; 30 are clean"
    )
    assert figure.clean_value is None


def test_what_was_not_searched_whole_is_unknown(tmp_path: Path) -> None:
    why = ("others trained base, on text that is not known here",)
    tuned = written(tmp_path / "tuned", verdicts(10, 25, 0), right=3, unknown=why).figure(ACCURACY, "as asked")
    assert str(tuned.contamination).startswith(f"unknown: {why[0]}; of what is known here, 10 of 35 items stand in")
    assert "clean" not in str(tuned.contamination) and tuned.clean_value is None
    base = written(tmp_path / "base", verdicts(0, 3, 0), right=3, unknown=why, texts=0).figure(ACCURACY, "as asked")
    assert base.contamination == f"unknown: {why[0]}"
    assert [item["contamination"] for item in items_of(tmp_path / "base" / "out")] == ["unknown"] * 3
    nothing = Scored.written(scored(verdicts(0, 3, 0), 3), tmp_path, None).figure(ACCURACY, "as asked")
    assert nothing.contamination == NOT_SEARCHED


def test_items_that_are_of_no_record_are_not_called_clean(tmp_path: Path) -> None:
    lines = verdicts(0, 20, 1)
    found = Scored.written(
        [*scored(lines, 3), {"id": "own", "digest": "own", "cluster": "own", "score": 1.0}],
        tmp_path,
        searched(tmp_path / "c", lines),
    )
    assert found.items[-1]["contamination"] == "unknown"
    wanted = "20 are clean, 1 have too few words to be sought, 1 were not sought, for their ids are of no record"
    assert str(found.contamination).endswith(wanted)


def test_where_only_the_whole_has_a_score_the_verdict_is_on_all_records(tmp_path: Path) -> None:
    found = Scored.written([], tmp_path, searched(tmp_path / "c", verdicts(2, 5, 0)))
    assert str(found.contamination).startswith("2 of 7 items stand in the 1,234 texts")


def test_a_comparison_tells_who_knew_items_and_compares_on_those_clean_for_both(tmp_path: Path) -> None:
    lines = [verdicts(20, 40, 0), verdicts(0, 60, 0)]
    evaluated = []
    for name, found, right in zip("ab", lines, (35, 20), strict=True):
        figure = written(tmp_path / name, found, right=right).figure(ACCURACY, "as asked")
        (tmp_path / name / "out" / "figures.json").write_text(json.dumps([figure.as_json()]))
        evaluated.append(Evaluation(tmp_path / name / "out", ""))
    config = CompareConfig(evaluations=["a", "b"], labels=["learned", "other"])
    (tmp_path / "out").mkdir()
    compare(config, evaluated, out=tmp_path / "out", context=make_context(tmp_path / "work"))
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    said = "known to learned: 20 of 60 items stand in the text that it learned from; 0.583 accuracy over all, 0.375"
    assert record["known"] == [f"{said} over the 40 clean"]
    assert record["verdicts"][0] == record["known"][0]
    assert any(
        line.startswith("on the 40 items clean for both, learned less other: +0.375") for line in record["verdicts"]
    )


def test_of_items_that_are_all_too_short_nothing_is_said_to_be_found_or_not(tmp_path: Path) -> None:
    """Each may stand in the training text, word for word."""
    figure = written(tmp_path, verdicts(0, 0, 7), right=3).figure(ACCURACY, "as asked")
    assert (
        figure.contamination == "unknown: all 7 items have too few words to be sought in the 1,234 texts learned from"
    )
