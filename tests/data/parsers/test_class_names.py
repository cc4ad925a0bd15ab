"""Columns of numbers whose classes have names: what is learned, shown and predicted from are the names."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.parsers.test_parsers import good, read
from lmworks.data.base.structure import put_together
from lmworks.data.forms.forms import choice_of
from lmworks.data.shards.records import Documents
from lmworks.data.tuning.conversations import Conversations
from lmworks.data.tuning.samples import ConversationsConfig, conversations
from lmworks.predict.rows import TableFile
from lmworks.start.look import look
from support import make_context

Ingest = Callable[..., Any]
CLASS = {"names": ["World", "Sports", "Sci/Tech"], "_type": "ClassLabel"}
FEATURES = {
    "text": {"dtype": "string", "_type": "Value"},
    "label": CLASS,
    "tags": {"feature": CLASS, "_type": "Sequence"},
    "parts": [{"kind": CLASS, "line": {"dtype": "int64", "_type": "Value"}}],
}
ROWS = [
    {"text": "The match ended late.", "label": 1, "tags": [1, 0], "parts": [{"kind": 2, "line": 2}]},
    {"text": "A chip was made.", "label": 2, "tags": [], "parts": None},
    {"text": "Nobody has read this.", "label": -1, "tags": [-1], "parts": []},
]
NAMED = [
    {**ROWS[0], "label": "Sports", "tags": ["Sports", "World"], "parts": [{"kind": "Sci/Tech", "line": 2}]},
    {**ROWS[1], "label": "Sci/Tech"},
    {**ROWS[2], "label": None, "tags": [None]},
]


def stored(rows: list[dict[str, Any]], features: Any, form: str = "parquet") -> bytes:
    """Rows as `datasets` stores them, with its features in the schema."""
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if features is not None else None
    table, stream = pa.Table.from_pylist(rows).replace_schema_metadata(metadata), io.BytesIO()
    if form == "parquet":
        pq.write_table(table, stream)
    else:
        with pa.ipc.new_stream(stream, table.schema) as opened:
            opened.write_table(table)
    return stream.getvalue()


def rows_read(folder: Path, files: dict[str, bytes]) -> list[Any]:
    found = good(read(folder, files, fields="all"))
    return [put_together(str(item.structure), [field.text for field in item.fields]) for item in found]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_names_in_the_schema_stand_for_numbers(tmp_path: Path, form: str) -> None:
    assert rows_read(tmp_path, {f"a.{form}": stored(ROWS, FEATURES, form)}) == NAMED


@pytest.mark.parametrize(
    "features", [None, [], {"label": {"names": 3, "_type": "ClassLabel"}}, {"label": "ClassLabel"}]
)
def test_numbers_without_names_stay(tmp_path: Path, features: Any) -> None:
    assert rows_read(tmp_path, {"a.parquet": stored(ROWS, features)}) == ROWS


CARD = """---
license: mit
dataset_info:
- config_name: default
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': World
          '1': Sports
          '2': Sci/Tech
  - name: tags
    sequence:
      class_label:
        names: {'0': World, '1': Sports, '2': Sci/Tech}
  - name: parts
    list:
    - name: kind
      dtype: {class_label: {names: {'0': World, '1': Sports, '2': Sci/Tech}}}
    - name: line
      dtype: int64
---
# News
"""


@pytest.mark.parametrize("kind", ["files", "huggingface"])
@pytest.mark.parametrize("beside", [{"README.md": CARD}, {"dataset_info.json": json.dumps({"features": FEATURES})}])
def test_names_beside_the_files_stand_for_numbers(ingest_files: Ingest, kind: str, beside: dict[str, str]) -> None:
    files = {"a.parquet": stored(ROWS, None), **beside}
    _, out = ingest_files(files, kind=kind, fields="all", exclude=["README.md"])
    found = [document.row() for document in Documents(out, "").iterate()]
    assert sorted(found, key=lambda row: str(row["text"])) == sorted(NAMED, key=lambda row: str(row["text"]))


def test_samples_are_taught_the_names(ingest_files: Ingest, tmp_path: Path) -> None:
    rows = [{name: row[name] for name in ("text", "label")} for row in ROWS[:2]]
    _, out = ingest_files({"a.parquet": stored(rows, FEATURES)}, fields="all")
    config = ConversationsConfig.model_validate({"from": "raw"})
    conversations(config, Documents(out, ""), out=tmp_path / "chats", context=make_context(tmp_path / "chatting"))
    found = {chat["messages"][0]["content"]: chat for chat in Conversations(tmp_path / "chats", "").iterate()}
    chat = found["The match ended late."]
    assert chat["messages"][-1]["content"] == chat["answer"] == "Sports"


def test_a_class_named_as_its_choice_is_the_right_one(ingest_files: Ingest) -> None:
    row = {"premise": "It rained.", "choice1": "I got wet.", "choice2": "I slept.", "question": "effect", "label": 1}
    features = {"label": {"names": ["choice1", "choice2"], "_type": "ClassLabel"}}
    _, out = ingest_files({"a.parquet": stored([row], features)}, fields="all")
    (document,) = Documents(out, "").iterate()
    found = choice_of(document.row())
    assert found is not None and found.choices[found.gold] == "I slept."


def test_a_label_field_of_texts_is_its_name(ingest_files: Ingest) -> None:
    _, out = ingest_files({"a.parquet": stored(ROWS, FEATURES)}, label_field="label")
    assert {document.meta.get("label") for document in Documents(out, "").iterate()} == {"Sports", "Sci/Tech", None}


def test_labels_that_differ_in_case_alone_are_one(ingest_files: Ingest) -> None:
    rows = "".join(
        json.dumps({"text": f"text {n}", "label": label}) + "\n" for n, label in enumerate(["Bug", " bug", 7])
    )
    _, out = ingest_files({"a.jsonl": rows}, label_field="label", label_case="lower")
    assert Counter(document.meta["label"] for document in Documents(out, "").iterate()) == {"bug": 2, 7: 1}


def test_words_of_a_dictionary_are_read_as_they_are(tmp_path: Path) -> None:
    column = pa.array(["Sports", "World", "Sports"]).dictionary_encode()
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": ["a b", "c d", "e f"], "label": column}), stream)
    assert [row["label"] for row in rows_read(tmp_path, {"a.parquet": stream.getvalue()})] == [
        "Sports",
        "World",
        "Sports",
    ]


def test_init_and_predict_see_the_names(tmp_path: Path) -> None:
    rows = [{"text": f"The text of row {number} says a word.", "label": number % 2} for number in range(40)]
    (tmp_path / "a.parquet").write_bytes(stored(rows, FEATURES))
    (table,) = look(tmp_path).tables
    (label,) = [column for column in table.columns if column.name == "label"]
    assert (label.kind, dict(label.counts)) == ("category", {"World": 20, "Sports": 20})
    assert [row.fields["label"] for row in TableFile(tmp_path / "a.parquet").rows()][:2] == ["World", "Sports"]


@pytest.mark.parametrize(
    "case, labels", [("keep", {"Pos": 2, "neg": 1, None: 1}), ("lower", {"pos": 2, "neg": 1, None: 1})]
)
def test_the_name_of_a_files_folder_may_be_its_label(ingest_files: Ingest, case: str, labels: dict[str, int]) -> None:
    files = {"train/Pos/1.txt": "Good.", "test/Pos/2.txt": "Very good.", "train/neg/1.txt": "Bad.", "README": "On it."}
    _, out = ingest_files(files, label_from_folder=True, label_case=case, format="text")
    assert Counter(document.meta.get("label") for document in Documents(out, "").iterate()) == labels
