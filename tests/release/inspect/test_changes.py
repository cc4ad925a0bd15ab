"""Random examples of what a step did: true, the same whenever asked, and without personal data unless asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from data_store import EMAILS, PASSAGE, PATIENT, sentence
from hypothesis import given
from hypothesis import strategies as st
from small_store import build_store

from lmworks.data.shards.records import Documents
from lmworks.errors import UsageError
from lmworks.graph import STEPS, node
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.inspect.changes import EXPLAINED, Change, Changes, changes_of, inspectable
from lmworks.release.render.differences import SHOWN, Piece, differences, excerpt


@pytest.fixture
def built(data_store: Store) -> Built:
    return Built.open(data_store)


def side(change: Change, which: str) -> str:
    """The text before ("out") or after ("in")."""
    return "".join(text for kind, text in change.pieces if kind in ("same", which))


def marked(change: Change, which: str) -> list[str]:
    return [text for kind, text in change.pieces if kind == which]


def everything(found: Changes) -> str:
    return found.as_text() + json.dumps(asdict(found), ensure_ascii=False)


def test_every_step_that_makes_documents_can_be_looked_into(built: Built) -> None:
    assert inspectable(built) == ["raw", "clean", "private", "split", "corpus", "once", "unseen"]
    with pytest.raises(
        UsageError, match="'tokenizer' neither works on documents nor reads sources; steps that do: raw"
    ):
        changes_of(built, "tokenizer", 1)


def test_what_is_dropped_and_changed_is_counted_from_the_documents_themselves(built: Built) -> None:
    found = {name: changes_of(built, name, 1) for name in inspectable(built)}
    assert [(each.before, each.dropped, each.changed) for each in found.values()] == [
        (0, 0, 0), (77, 1, 13), (76, 0, 13), (76, 0, 0), (69, 8, 0), (61, 0, 3), (61, 1, 0),
    ]  # fmt: skip


def test_each_reason_has_examples_with_what_was_taken_out_and_put_in(built: Built) -> None:
    clean = changes_of(built, "clean", 99).examples
    assert len(clean["changed"]) == 13 and [each.outcome for each in clean["empty"]] == ["dropped"]
    mended = next(each for each in clean["changed"] if "Write to" in side(each, "in"))
    assert (marked(mended, "out"), marked(mended, "in")) == (["  \n\n\n\n"], ["\n\n"])
    cut = changes_of(built, "once", 99).examples["cut: passage of another document"]
    assert len(cut) == 3 and all(PASSAGE in " ".join(marked(each, "out")) for each in cut)
    (held,) = changes_of(built, "unseen", 9).examples["dropped: exact of an evaluation item"]
    assert len(marked(held, "out")[0].split()) >= 35 and "set exam.jsonl" in held.about


def test_a_duplicate_stands_beside_the_document_that_it_repeats(built: Built) -> None:
    found = changes_of(built, "corpus", 99)
    near = found.examples["near duplicate"]
    assert len(near) == found.counted["near duplicate"] == 3
    for each in near:
        assert set(marked(each, "out")) | set(marked(each, "in")) == {"queue", "pipe"}
    exact = [change for reason, changes in found.examples.items() if "exact" in reason for change in changes]
    assert exact and not any(marked(each, "out") + marked(each, "in") for each in exact)
    assert "repeats " in exact[0].about


def test_the_reasons_of_the_step_are_found_again_where_it_kept_no_example(built: Built) -> None:
    """The steps kept three examples of each reason; here all are asked for, and agree with the counts."""
    for name in ("private", "corpus"):
        found = changes_of(built, name, 99)
        counted = {reason: count for reason, count in found.counted.items() if reason in found.examples}
        if name == "private":
            assert len(found.examples["email redacted"]) == counted["email redacted"] == 12
        else:
            assert {reason: len(changes) for reason, changes in found.examples.items()} == counted
    assert set(EXPLAINED) == {"curate", "anonymise"}


def test_personal_data_is_hidden_before_it_is_anonymised_and_shown_if_asked(built: Built) -> None:
    secrets = [*EMAILS, PATIENT, PATIENT.split()[1]]
    for name in inspectable(built):
        shown = everything(changes_of(built, name, 99))
        assert not [secret for secret in secrets if secret in shown], name
    assert "‹email hidden›" in everything(changes_of(built, "clean", 99))
    assert "‹person hidden›" in everything(changes_of(built, "private", 99))
    asked = everything(changes_of(built, "private", 99, personal=True))
    assert all(secret in asked for secret in secrets)
    assert EMAILS[0] in everything(changes_of(built, "raw", 9, personal=True)), "the bytes of what could not be read"


def test_what_could_not_be_read_is_named_with_its_place(built: Built) -> None:
    (change,) = changes_of(built, "raw", 3).examples["quarantined: not JSON"]
    assert change.id.startswith("sources: a.jsonl, record 68, byte ")
    assert change.pieces == []


@pytest.mark.slow
def test_examples_are_random_but_equal_for_equal_seeds(built: Built) -> None:
    def ids(seed: int, count: int) -> list[str]:
        return [each.id for each in changes_of(built, "private", count, seed).examples["email redacted"]]

    assert ids(0, 5) == ids(0, 9)[:5]
    assert len({tuple(ids(seed, 5)) for seed in range(6)}) == 6
    drawn = {each for seed in range(20) for each in ids(seed, 3)}
    assert len(drawn) == 12, "not only the first ones"


def test_one_reason_can_be_asked_for(built: Built) -> None:
    found = changes_of(built, "corpus", 1, only="near")
    assert list(found.counted) == list(found.examples) == ["near duplicate"]


def test_in_words_the_marks_stand_around_what_changed(built: Built) -> None:
    words = changes_of(built, "clean", 99).as_text()
    assert words.startswith("clean (normalise): of 77 documents 1 dropped, 13 changed\n\n1 empty\n")
    assert "[-··↵↵↵↵-]{+↵↵+}Write to" in words
    assert "\x1b" not in words and "\u202e" not in words
    assert max(map(len, words.splitlines())) <= 100


def test_the_output_of_the_step_is_what_is_compared(built: Built) -> None:
    texts = [document.text for document in Documents(built.artifacts["private"].payload, "").iterate()]
    for change in changes_of(built, "private", 99).examples["email redacted"]:
        assert any(side(change, "in").lstrip("…").split("…")[-1] in text for text in texts)


TEXT = st.text(st.sampled_from("ab \n"), max_size=60)


@given(TEXT, TEXT)
def test_differences_hold_both_texts(before: str, after: str) -> None:
    pieces = differences(before, after)
    for which, text in (("out", before), ("in", after)):
        assert "".join(piece for kind, piece in pieces if kind in ("same", which)) == text


@given(st.lists(st.tuples(st.sampled_from(["same", "out", "in"]), st.text(max_size=5000)), max_size=9))
def test_an_excerpt_is_short(pieces: Sequence[Piece]) -> None:
    assert sum(len(text) for _, text in excerpt(pieces)) <= 2 * SHOWN


@pytest.mark.parametrize("pair", [("a b " * 50_000, "b a " * 50_000), ("x" * 10**6, ""), ("", "y " * 10**5)])
def test_long_texts_are_compared_at_once(pair: tuple[str, str]) -> None:
    assert list(excerpt(differences(*pair)))


def test_of_rows_each_field_is_shown_without_personal_data(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "question": f"Who is  \n\n\n\n{EMAILS[0]}?", "answer": sentence(1), "owner": EMAILS[1], "label": 3},
        {"id": "b", "question": "Short?", "answer": "Yes.", "owner": EMAILS[2], "label": 4},
    ]
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"kind": "files", "path": "sources", "licence": "MIT", "fields": "all"}
    recipe: dict[str, dict[str, Any]] = {
        "raw": {"kind": "ingest", "sources": [source], "licences": {"allow": ["MIT"]}},
        "clean": {"kind": "normalise", "from": "raw"},
        "corpus": {"kind": "curate", "from": "clean", "filters": ["length"]},
    }
    configs = {name: STEPS[fields["kind"]].config.model_validate(fields) for name, fields in recipe.items()}
    (tmp_path / ".lmworks-id-key").write_text("0" * 64)
    nodes = [node(name, STEPS[config.kind], config.resolve(tmp_path)) for name, config in configs.items()]
    built = Built.open(build_store(tmp_path, nodes))
    (dropped,) = changes_of(built, "corpus", 9).examples["too short"]
    assert side(dropped, "out").split("\n") == [
        "id: b", "question: Short?", "answer: Yes.", "owner: ‹email hidden›", "label: 4",
    ]  # fmt: skip
    (mended,) = changes_of(built, "clean", 9).examples["changed"]
    assert "question: Who is\n\n‹email hidden›?\n" in side(mended, "in")
    assert not [email for email in EMAILS if email in everything(changes_of(built, "clean", 9))]
    assert f"owner: {EMAILS[2]}" in side(changes_of(built, "corpus", 9, personal=True).examples["too short"][0], "out")
