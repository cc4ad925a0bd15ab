"""Rows and texts that say the same and are labelled otherwise: none goes for the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of

from lmworks.data.duplicates.deduplicate import drop_duplicates
from lmworks.data.duplicates.digits import digits_of
from lmworks.data.shards.records import Document, Documents, write_shard
from support import make_context

QUESTION = (
    "Is it so that the seller keeps the goods until the buyer has paid the whole of the price that was agreed on?"
)
FACTS = {"source": "s", "licence": "MIT"}


def kept(folder: Path, *rows: dict[str, Any], threshold: float | None = 0.8, compare: bool = True) -> list[Any]:
    """The rows that stay."""
    made = [Document.of_row(row, id=f"{number:032x}", **FACTS) for number, row in enumerate(rows)]
    write_shard(folder / "in" / "part-00000.parquet", made)
    drop_duplicates(
        Documents(folder / "in", ""), [], threshold, folder / "out", make_context(folder), compare_digits=compare
    )
    return [each.row() for each in Documents(folder / "out", "").iterate()]


@pytest.mark.parametrize("answers", [("Yes", "No"), (0, 1), (True, False), ("entailment", "neutral")])
def test_rows_that_differ_in_their_label_stay(tmp_path: Path, answers: tuple[Any, Any]) -> None:
    rows = [{"question": QUESTION, "answer": answer} for answer in answers]
    assert kept(tmp_path, *rows) == rows


def test_answers_of_one_word_in_a_chat_are_told_by_their_turn(tmp_path: Path) -> None:
    def chat(*answers: str) -> dict[str, Any]:
        turns = [(QUESTION, answers[0]), (QUESTION.replace("goods", "house"), answers[1])]
        return {
            "messages": [
                {"role": role, "content": content}
                for question, answer in turns
                for role, content in (("user", question), ("assistant", answer))
            ]
        }

    some = [chat("Yes", "No"), chat("No", "Yes"), chat("Yes", "No") | {"id": "again"}]
    assert kept(tmp_path, *some) == some[:2]


@pytest.mark.parametrize(
    "name", ["id", "question_id", "questionId", "url", "meta.created_at", "createdAt", "created", "dateModified"]
)
def test_keys_keep_no_copy(tmp_path: Path, name: str) -> None:
    rows = [{"question": QUESTION, "answer": "Yes", name: f"q{number}"} for number in range(2)]
    assert kept(tmp_path, *rows) == rows[:1]


def test_a_row_without_a_label_goes_for_one_with_it(tmp_path: Path) -> None:
    rows = [{"question": QUESTION, "answer": None}, {"question": QUESTION, "answer": "Yes"}]
    assert kept(tmp_path, *rows) == rows[1:]


@pytest.mark.parametrize("threshold", [0.8, None])
def test_equal_texts_with_other_labels_stay_and_others_go(tmp_path: Path, threshold: float | None) -> None:
    made = [
        Document(id=f"{number:032x}", text=QUESTION, meta={"label": label, "path": str(number)}, **FACTS)
        for number, label in enumerate(["praise", "blame", "praise"])
    ]
    write_shard(tmp_path / "in" / "part-00000.parquet", made)
    tally = drop_duplicates(
        Documents(tmp_path / "in", ""), [], threshold, tmp_path / "out", make_context(tmp_path), compare_digits=True
    )
    found = [(each.meta["label"], each.cluster) for each in Documents(tmp_path / "out", "").iterate()]
    assert found == [("praise", f"{0:032x}"), ("blame", f"{0:032x}")]
    assert tally.counts["exact duplicate"] == 1 and tally.counts["kept: alike but for their digits"] == 1


def test_rows_go_whatever_their_label_where_digits_are_ignored(tmp_path: Path) -> None:
    rows = [{"question": QUESTION, "answer": answer} for answer in ("Yes", "No")]
    assert kept(tmp_path, *rows, compare=False) == rows[:1]


def test_what_repeats_a_held_out_row_goes_whatever_its_label(tmp_path: Path) -> None:
    held_out = documents_of(tmp_path / "held", QUESTION)
    row = Document.of_row({"question": QUESTION, "answer": "No"}, id="1" * 32, **FACTS)
    write_shard(tmp_path / "in" / "part-00000.parquet", [row])
    drop_duplicates(
        Documents(tmp_path / "in", ""), [held_out], 0.8, tmp_path / "out", make_context(tmp_path), compare_digits=True
    )
    assert not Documents(tmp_path / "out", "").count()


def test_a_long_run_of_numbers_is_read_in_linear_time() -> None:
    many = 100_000  # in quadratic time this takes minutes
    assert digits_of("1,032 views. " + "1," * many + " end") == ("1," * (many - 1) + "1",)
