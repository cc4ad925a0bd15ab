"""Records of several texts: each text by itself, put back in its place, whatever a step does to it."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.data_support import quarantined
from lmworks.data.base.structure import put_together, take_apart
from lmworks.data.base.words import word_spans
from lmworks.data.clean.normalise import NormaliseConfig, normalise_shard
from lmworks.data.contamination.decontaminate import DecontaminateConfig, decontaminate
from lmworks.data.duplicates.passages import PassagesConfig, repeated_passages
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise_documents
from lmworks.data.reading.ingest import IngestConfig, ingest
from lmworks.data.shards.records import Document, Documents, read_shard, write_shard
from lmworks.data.splits.groups import SplitConfig
from lmworks.data.splits.split import split
from lmworks.data.tuning.samples import ConversationsConfig, conversations
from support import make_context

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["user", "assistant", "", "42", 'Soon.\nReanna said: "no\\b"', "{not: json", "What is rain?"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
ROWS = st.dictionaries(TEXTS, VALUES, max_size=5)
JANE = "jane.doe@example.org"


def document(row: dict[str, Any], name: str = "0") -> Document:
    return Document.of_row(row, id=name * 32, source="s", licence="MIT")


def ingested(folder: Path, **fields: Any) -> Documents:
    """What stands in the folder `rows`."""
    source = {"kind": "files", "path": "rows", "licence": "MIT", **fields}
    config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["permissive"]}})
    ingest(config.resolve(folder), out=folder / "raw", context=make_context(folder / "ingest"))
    return Documents(folder / "raw", "raw")


@given(ROWS)
def test_a_row_is_taken_apart_and_put_together(row: dict[str, Any]) -> None:
    fields, structure = take_apart(row)
    assert put_together(structure, [field.text for field in fields]) == row
    assert json.dumps(put_together(structure, [field.text for field in fields])) == json.dumps(row)  # 1 is not 1.0


@given(ROWS)
def test_a_row_is_stored_and_read_again(tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any]) -> None:
    shard = tmp_path_factory.mktemp("rows") / "part-00000.parquet"
    plain = Document(id="f" * 32, text="a plain text", source="s", licence="MIT")
    write_shard(shard, [plain, document(row)])
    assert read_shard(shard) == [document(row), plain]
    assert read_shard(shard)[0].row() == row


@given(st.lists(TEXTS, min_size=1, max_size=4), st.integers(0, 3))
def test_anonymising_keeps_the_structure_and_every_character_that_was_not_found(texts: list[str], place: int) -> None:
    """With an address and a number of a telephone, as a number, in the midst of whatever else there is."""
    turns = [{"role": "user", "content": text, "seen": 3, "tags": [True, None]} for text in texts]
    hidden = {"role": "assistant", "content": f'Ask {JANE}, or "call"\nus.', "card": 4111111111111111}
    turns.insert(min(place, len(turns)), hidden)
    (made,), _, _ = anonymise_documents(
        AnonymiseConfig.model_validate({"from": "x", "actions": {"phone": "keep", "ip": "keep"}}),
        b"key",
        [document({"messages": turns, "id": "a-1"})],
        {},
    )
    wanted = [dict(turn) for turn in turns]
    wanted[turns.index(hidden)] |= {"content": 'Ask [EMAIL], or "call"\nus.', "card": "[CARD]"}
    assert made.row() == {"messages": wanted, "id": "a-1"}


def test_what_a_row_says_leaves_out_roles_keys_and_pictures() -> None:
    row = {"id": "a-17", "turns": [{"role": "user", "says": "Why rain?"}, {"role": "bot", "says": "Wolken, Jürgen."}]}
    assert document({**row, "picture": "iVBORw0KGgo" * 50}).text == "Why rain?\n\nWolken, Jürgen."
    assert document({"label": "good"}).text == "good"


def test_the_text_of_a_row_is_not_changed_past_its_fields() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match="changed"):
        replace(document({"a": "one text", "b": "and another"}), text="something else")


def test_two_rows_are_equal_only_if_all_in_them_is() -> None:
    good, bad = (document({"text": "So it was.", "label": label}) for label in ("good", "bad"))
    assert good.text == bad.text
    assert good.text_digest != bad.text_digest


def test_normalising_works_text_by_text() -> None:
    row = {"messages": [{"role": "user", "content": "a  \r\nb\u00a0c "}, {"role": "assistant", "content": "naÃ¯ve  "}]}
    (made,) = normalise_shard(NormaliseConfig.model_validate({"from": "x"}), [document(row)])[0][""]
    assert [turn["content"] for turn in made.row()["messages"]] == ["a\nb c", "naïve"]


def test_a_repeated_passage_is_cut_from_the_turn_that_holds_it(tmp_path: Path) -> None:
    legal = " ".join(f"clause{n} of the terms" for n in range(20))
    rows = [
        {"messages": [{"role": "user", "content": f"Question {n}?"}, {"role": "assistant", "content": body}]}
        for n, body in enumerate((f"Yes indeed. {legal}", f"No. {legal} So be it."))
    ]
    write_shard(tmp_path / "in" / "part-00000.parquet", [document(row, str(n)) for n, row in enumerate(rows)])
    config = PassagesConfig.model_validate({"from": "x", "words": 10})
    out = tmp_path / "out"
    repeated_passages(config, Documents(tmp_path / "in", ""), out=out, context=make_context(tmp_path / "work"))
    kept, cut = (found.row()["messages"] for found in Documents(out, "").iterate())
    assert kept == rows[0]["messages"]
    assert [turn["content"] for turn in cut] == ["Question 1?", "No.\n\nSo be it."]


@given(ROWS)
def test_the_words_of_a_row_are_those_of_its_texts(row: dict[str, Any]) -> None:
    found = document(row)
    words: list[int] = []
    found.changed(lambda text: (words.append(len(word_spans(text))), text)[1])
    assert sum(words) == len(word_spans(found.text))


def test_parquet_rows_become_conversations(tmp_path: Path) -> None:
    """Of nested columns, with a date and a picture beside them."""
    rows = [
        {
            "messages": [{"role": "user", "content": f"What is {n}?"}, {"role": "assistant", "content": f"It is {n}."}],
            "day": datetime.date(2026, 1, n + 1),
            "raw": b"text as bytes",
            "number": 49 * 10**9 + n,
        }
        for n in range(3)
    ]
    (tmp_path / "rows").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows" / "chats.parquet")
    documents = ingested(tmp_path, fields="all")
    assert sorted(found.row()["day"] for found in documents.iterate()) == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert {found.row()["raw"] for found in documents.iterate()} == {"text as bytes"}
    config = ConversationsConfig.model_validate({"from": "raw", "ignore": ["raw"]})
    result = conversations(config, documents, out=tmp_path / "out", context=make_context(tmp_path / "work"))
    assert result.counts["samples of form messages"] == 3


def test_named_fields_leave_the_others_out(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.csv").write_text("source,target,note\nHallo Welt,Hello world,secret\n")
    (found,) = ingested(tmp_path, fields=["source", "target"]).iterate()
    assert found.row() == {"source": "Hallo Welt", "target": "Hello world"}


def test_a_row_without_a_word_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    lines = [{"a": "", "b": " "}, {"n": 3}, {"a": "words"}, {"a": "\ud800"}]
    (tmp_path / "rows" / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = ingested(tmp_path, fields="all").iterate()
    assert found.row() == {"a": "words"}
    reasons = [bad["reason"] for bad in quarantined(tmp_path / "raw")]
    assert reasons == [
        "no text in any of its fields",
        "no text in any of its fields",
        "half of a surrogate pair in the text",
    ]


def test_one_way_to_read_a_record_is_asked_for() -> None:
    source = {"kind": "files", "path": "rows", "licence": "MIT", "text_field": "a", "fields": "all"}
    with pytest.raises(ValueError, match="leave one out"):
        IngestConfig.model_validate({"sources": [source]})


def test_rows_are_split_by_a_field_of_theirs(tmp_path: Path) -> None:
    rows = [{"customer": f"Customer {n % 10}", "says": f"It rains for the {n}th time."} for n in range(40)]
    write_shard(tmp_path / "in" / "part-00000.parquet", [document(row, f"{n:02}") for n, row in enumerate(rows)])
    config = SplitConfig.model_validate({"from": "x", "by": "customer", "test": 0.2, "validation": 0.2})
    split(config, Documents(tmp_path / "in", ""), out=tmp_path / "out", context=make_context(tmp_path / "work"))
    parts = [
        {found.row()["customer"] for found in Documents(tmp_path / "out" / part, "").iterate()}
        for part in ("train", "validation", "test")
    ]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == 10


@pytest.mark.parametrize("action", ["redact", "surrogate"])
def test_anonymised_chats_are_all_there(tmp_path: Path, action: str) -> None:
    """With quotes, line ends and backslashes around what is found, of which a file's form makes escapes."""
    (tmp_path / "rows").mkdir()
    said = ['Soon.\nreanna{n}@example.org "wrote"', "C:\\new\\{n}: call +49 30 901820{n:02}", "born 3 May 19{n:02}\n"]
    rows = [
        {"messages": [{"role": "user", "content": f"Case {n}?"}, {"role": "assistant", "content": text.format(n=n)}]}
        for n in range(41)
        for text in [said[n % 3]]
    ]
    (tmp_path / "rows" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw = list(ingested(tmp_path, fields="all").iterate())
    config = AnonymiseConfig.model_validate({"from": "raw", "action": action})
    made, _, _ = anonymise_documents(config, b"key", raw, {})
    write_shard(tmp_path / "clean" / "part-00000.parquet", made)
    work = ConversationsConfig.model_validate({"from": "clean"})
    result = conversations(
        work, Documents(tmp_path / "clean", ""), out=tmp_path / "out", context=make_context(tmp_path / "w")
    )
    assert result.counts["samples of form messages"] == 41
    text = " ".join(found.text for found in made)
    assert "reanna" not in text and "901820" not in text
    assert text.count('"wrote"') == 14 and text.count("C:\\new\\") == 14


def test_an_item_with_line_ends_is_found_in_a_row(tmp_path: Path) -> None:
    item = "Which of the following\nis made of\nwater and falls from the clouds above us all?"
    row = {"messages": [{"role": "user", "content": f"Tell me.\n{item}"}, {"role": "assistant", "content": "Rain."}]}
    other = {"messages": [{"role": "user", "content": "Why is it dry?"}, {"role": "assistant", "content": "No rain."}]}
    write_shard(tmp_path / "in" / "part-00000.parquet", [document(row, "0"), document(other, "1")])
    (tmp_path / "items.jsonl").write_text(json.dumps({"question": item}) + "\n")
    asked = {"from": "x", "files": ["items.jsonl"], "action": "cut"}
    config = DecontaminateConfig.model_validate(asked).resolve(tmp_path)
    out = tmp_path / "out"
    result = decontaminate(config, Documents(tmp_path / "in", ""), [], out=out, context=make_context(tmp_path / "work"))
    assert [found.row() for found in Documents(out, "").iterate()] == [other]
    assert result.losses == {"dropped: exact of an evaluation item"}


@pytest.mark.parametrize(
    ("action", "created", "expected"),
    [
        ("keep", "2024-02-10", ["2024-02-10"]),
        ("redact", "2024-02-10T10:00:00", ["2024"]),
        ("surrogate", "2024-02", [None]),
        ("drop", "2024-02-10", [None]),
    ],
)
def test_when_a_text_was_written_is_treated_as_its_dates(action: str, created: str, expected: list[str | None]) -> None:
    config = AnonymiseConfig.model_validate({"from": "raw", "actions": {"date": action}})
    plain = Document(id="1" * 32, text="No date is in here.", source="s", licence="MIT", created=created)
    made, _, _ = anonymise_documents(config, b"key", [plain], {})
    assert [found.created for found in made] == expected


def test_when_a_text_was_written_moves_with_its_dates() -> None:
    config = AnonymiseConfig.model_validate({"from": "raw", "actions": {"date": "surrogate"}})
    plain = Document(
        id="1" * 32, text="On 2024-02-10 it rained.", source="s", licence="MIT", created="2024-02-10T08:00:00+01:00"
    )
    ((made,), _, _) = anonymise_documents(config, b"key", [plain], {})
    assert made.created is not None and made.created != plain.created
    assert made.created[:10] in made.text and made.created[10:] == "T08:00:00+01:00"


def test_a_passage_ends_where_white_space_does(tmp_path: Path) -> None:
    """Half of an address would be nobody's, and found by nothing."""
    shared = " ".join(f"clause{n} of the terms" for n in range(20))
    texts = [f"{who}.{shared} {who}@mail.example.org" for who in ("anna.smith", "bob.jones")]
    rows = [Document(id=str(n) * 32, text=text, source="s", licence="MIT") for n, text in enumerate(texts)]
    write_shard(tmp_path / "in" / "part-00000.parquet", rows)
    config = PassagesConfig.model_validate({"from": "x", "words": 10})
    repeated_passages(
        config, Documents(tmp_path / "in", ""), out=tmp_path / "out", context=make_context(tmp_path / "w")
    )
    kept, cut = (found.text for found in Documents(tmp_path / "out", "").iterate())
    assert kept == texts[0]
    assert cut.split() == ["bob.jones.clause0", "bob.jones@mail.example.org"]


def test_what_a_manifest_tells_of_a_source_is_read_again() -> None:
    source = {"kind": "files", "path": "rows", "licence": "MIT", "fields": "all"}
    config = IngestConfig.model_validate({"sources": [source]})
    assert IngestConfig.model_validate(config.model_dump(mode="json", by_alias=True)).sources == config.sources


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f'{{"a": "words", "n": {10**400}}}', ""),
        ('{"a": "words", "b": ' + "[" * 300 + "]" * 300 + "}", "100 nested lists and objects|nested too deeply"),
        ('{"a": "words", "licence": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_a_strange_record_costs_itself_alone(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text(line + '\n{"a": "good words", "b": null, "n": null, "licence": "MIT"}\n')
    for number, fields in enumerate(({"fields": "all"}, {"text_field": "a", "keep": ["b", "n"]})):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "rows").symlink_to(tmp_path / "rows")
        found = list(ingested(tmp_path / str(number), licence_field="licence", **fields).iterate())
        assert "good words" in [each.text for each in found]
        bad = [each["reason"] for each in quarantined(tmp_path / str(number) / "raw")]
        assert len(bad) == bool(reason) and all(re.search(reason, each) for each in bad), bad


def test_a_row_of_which_nothing_is_left_goes() -> None:
    row = {"messages": [{"role": "user", "content": "\u200b \u200b"}, {"role": "assistant", "content": "  \n\u00a0"}]}
    parts, tally = normalise_shard(NormaliseConfig.model_validate({"from": "x"}), [document(row)])
    assert (parts[""], tally.losses) == ([], {"empty"})
