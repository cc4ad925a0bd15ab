"""A model asked of every row of a file: the file comes back whole, in order, with the answers beside its rows."""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_families import write_family
from e2e.small_recipe import lmworks
from lmworks.cli.predicting import predict as ask
from lmworks.engines.open import open_engine
from lmworks.engines.protocol import Asked, Engine
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.predict import run
from lmworks.predict.rows import TableFile
from lmworks.predict.run import Asking, Told, ability_of, predict
from published import take, write_published
from readers import write_reader, write_rewriter
from scripted import Script
from tiny import make_tiny_model

TEXTS = [f"Where is parcel {number}?" for number in range(7)]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    folder = tmp_path_factory.mktemp("models")
    take(write_published(folder / "theirs", "GPT-2"), folder / "gpt2")
    return {
        "classify": open_engine(write_reader(folder / "a", "sequence classifier")),
        "tag": open_engine(write_reader(folder / "b", "token classifier")),
        "embed": open_engine(write_reader(folder / "c", "encoder")),
        "generate": open_engine(folder / "gpt2"),
        "rewrite": open_engine(write_rewriter(folder / "d")),
    }


def asked(engine: Engine, file: Path, text: str = "text", **how: Any) -> tuple[Path, Told]:
    out = file.with_suffix(f".out{file.suffix}")
    asking = Asking(ability_of(engine), text, Sampling(max_tokens=5))
    return out, predict(engine, "digest", asking, TableFile(file, **how), out, lambda rows: None)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("kind", ["classify", "tag", "embed", "generate", "rewrite"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "parquet"])
def test_every_kind_of_model_answers_in_every_form(
    kind: str, form: str, engines: dict[str, Engine], tmp_path: Path
) -> None:
    file, engine = tmp_path / f"rows.{form}", engines[kind]
    rows = [{"number": number, "text": text, "label": "theirs"} for number, text in enumerate(TEXTS)]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif form == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0], delimiter="\t" if form == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    out, told = asked(engine, file)
    assert told.rows == 7 and not told.faults
    if form == "parquet":
        found = pq.read_table(out).to_pylist()
        assert pq.read_schema(out).field("number").type == pa.int64()
    elif form == "jsonl":
        found = lines(out)
    else:
        with out.open(newline="") as stream:
            found = list(csv.DictReader(stream, delimiter="\t" if form == "tsv" else ","))
    assert [(str(row["number"]), row["text"], row["label"]) for row in found] == [
        (str(number), text, "theirs") for number, text in enumerate(TEXTS)
    ]

    def plain(value: Any) -> Any:
        return json.loads(value) if form in ("csv", "tsv") else value

    if kind == "classify":
        for row, expected in zip(found, engine.classify(TEXTS), strict=True):
            assert row["predicted_label"] == expected.label
            assert float(row["predicted_probability"]) == pytest.approx(expected.probability)
            assert dict(plain(row["predicted_probabilities"])) == pytest.approx(dict(expected.probabilities))
    elif kind == "tag":
        for row, tagged, text in zip(found, engine.tag(TEXTS), TEXTS, strict=True):
            spans = plain(row["predicted_spans"])
            assert [(span["label"], span["start"], span["end"]) for span in spans] == list(tagged.spans)
            assert all(span["text"] == text[span["start"] : span["end"]] for span in spans)
    elif kind == "embed":
        for row, vector in zip(found, engine.embed(TEXTS), strict=True):
            assert plain(row["predicted_vector"]) == pytest.approx(vector.vector, abs=1e-6)
    else:
        prompts = [engine.encode([{"role": "user", "content": text}]) for text in TEXTS]
        texts = [each.text for each in engine.generate(prompts, Sampling(max_tokens=5))]
        assert [row["predicted_text"] for row in found] == texts
        assert told.cut == sum(row["predicted_finish_reason"] == "length" for row in found)
    assert not list(tmp_path.glob(".*.part")), "nothing is left behind"


def test_rows_that_are_long_are_asked_in_smaller_chunks(
    engines: dict[str, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHUNK_CHARACTERS", 100)
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"text": text, "more": ["x" * 60]}) + "\n" for text in TEXTS))
    held: list[int] = []
    asking = Asking("classify")
    told = predict(engines["classify"], "digest", asking, TableFile(file), tmp_path / "out.jsonl", held.append)
    assert (told.rows, held, len(lines(tmp_path / "out.jsonl"))) == (7, [2, 4, 6, 7], 7)


def test_a_row_that_cannot_be_asked_costs_itself_and_is_counted(engines: dict[str, Engine], tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    odd = [
        '{"text": "a"}',
        "{broken",
        '{"text": 3}',
        "[1]",
        '{"other": 1}',
        '{"text": " "}',
        '{"text": "b", "x": 1.50}',
        '{"text": "half \\ud800", "x": 1}',
    ]
    file.write_text("\n".join(odd) + "\n\n")
    out, told = asked(engines["classify"], file)
    found = lines(out)
    assert ["predicted_label" in row for row in found] == [True, False, False, False, False, False, True, False]
    assert told.rows == 8 and told.faults == {"rows that could not be read": 2, "rows that the model cannot answer": 4}
    assert told.first.startswith("line 2: line 2 is not JSON")
    assert "text holds a int" in found[2]["predicted_error"] and "text holds nothing" in found[4]["predicted_error"]
    assert '{"text": "b", "x": 1.50, ' in out.read_text(), "what stood there is not written otherwise"
    assert [row.get("unread_line") for row in found[1:4]] == ["{broken", None, "[1]"], "a line is not lost"
    assert "half of a surrogate pair" in found[7]["predicted_error"] and '"half \\ud800", "x": 1, ' in out.read_text()
    assert not asked(engines["tag"], file)[1].faults - told.faults, "nor does it end a model of another kind"


def test_turns_that_would_not_be_asked_cost_their_row(engines: dict[str, Engine], tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    hello = {"role": "user", "content": "hello"}
    calls = {"role": "assistant", "content": "x", "tool_calls": [{"function": {"name": "f"}}]}
    told = [[{"role": role, "content": "be brief"}, hello] for role in ("system", "developer", "critic")]
    file.write_text("".join(json.dumps({"text": turns}) + "\n" for turns in [*told, [hello, calls, hello]]))
    out, _ = asked(engines["generate"], file)
    first, second, third, fourth = lines(out)
    assert first["predicted_text"] == second["predicted_text"], "as the server answers them"
    assert "the role one of system, developer" in third["predicted_error"]
    assert "turn 2 has tool_calls, which the model cannot read" in fourth["predicted_error"]


def test_a_model_that_chats_goes_on_from_a_text_where_that_is_asked(
    engines: dict[str, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tiny_model(tmp_path / "chats")
    engine, file, code = open_engine(folder), tmp_path / "rows.jsonl", "def area(width):\n    return"
    turns = [{"role": "user", "content": code}]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in (code, turns)))
    monkeypatch.chdir(tmp_path)
    ask(str(folder), file, max_tokens=5, continues=True)
    goes_on, refused = lines(tmp_path / "rows.predicted.jsonl")
    ask(str(folder), file, max_tokens=5, overwrite=True)
    answered, also = lines(tmp_path / "rows.predicted.jsonl")
    sampling = Sampling(max_tokens=5)
    assert goes_on["predicted_text"] == engine.generate([engine.encode_text(code)], sampling)[0].text
    assert answered["predicted_text"] == engine.generate([engine.encode(turns)], sampling)[0].text
    assert goes_on["predicted_text"] != answered["predicted_text"] == also["predicted_text"]
    assert "text holds turns; --continue needs texts" in refused["predicted_error"]
    for kind, what in {"classify": "tells the label of a text", "rewrite": "rewrites a text"}.items():
        asking = Asking(ability_of(engines[kind]), continues=True)
        with pytest.raises(UsageError, match=f"--continue: this model {what} and cannot continue one"):
            predict(engines[kind], "digest", asking, TableFile(file), tmp_path / "o.jsonl", lambda rows: None)
    assert not (tmp_path / "o.jsonl").exists()


def test_a_folder_of_somebody_else_is_neither_believed_nor_deleted(engines: dict[str, Engine], tmp_path: Path) -> None:
    file, engine = tmp_path / "rows.jsonl", engines["classify"]
    file.write_text('{"text": "a"}\n')
    work = tmp_path / ".rows.out.jsonl.part"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    work.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="found a link"):
        asked(engine, file)
    work.unlink()
    work.mkdir()
    (work / "000000.jsonl").write_text('{"answer": {"predicted_label": "forged"}, "cut": false, "why": ""}\n')
    with pytest.raises(UsageError, match=r"found answers without task\.json"):
        asked(engine, file)
    (work / "000000.jsonl").unlink()
    (work / "thesis.txt").write_text("years")
    with pytest.raises(UsageError, match=r"found thesis\.txt"):
        asked(engine, file)
    assert (work / "thesis.txt").read_text() == "years" and not any(elsewhere.iterdir())
    (work / "thesis.txt").unlink()
    assert asked(engine, file)[1].rows == 1


def test_a_name_that_is_taken_in_any_row_is_refused(engines: dict[str, Engine], tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": "a"}\n' * 120 + '{"text": "b", "predicted_label": "mine"}\n')
    with pytest.raises(UsageError, match="already has the columns to add: predicted_label"):
        asked(engines["classify"], file)


def test_conversations_are_answered_and_one_too_long_costs_itself(engines: dict[str, Engine], tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    turns = [{"role": "user", "content": "Hello"}]
    chats: list[Any] = [turns, [{"role": "user", "content": "why " * 200}], [{"role": "user"}], turns * 2]
    file.write_text("".join(json.dumps({"messages": each}) + "\n" for each in chats))
    out, told = asked(engines["generate"], file, "messages")
    errors = [row.get("predicted_error", "") for row in lines(out)]
    assert ["no room" in errors[1], "turns with `role` and `content`" in errors[2], errors[0]] == [True, True, ""]
    chats[1] = [{"role": "user", "content": "why " * 5000}]
    file.write_text("".join(json.dumps({"messages": each}) + "\n" for each in chats))
    _, told = asked(engines["rewrite"], file, "messages")
    assert told.faults["rows that the model cannot answer"] == 3 and told.first, "an encoder-decoder rewrites one text"


class Dying(Exception):
    """Stands for a kill."""


def test_a_killed_run_goes_on_and_asks_nothing_twice(
    engines: dict[str, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text\n" + "\n".join(f"text {number}" for number in range(1200)) + "\n")
    engine = engines["classify"]
    whole, _ = asked(engine, file)
    expected = whole.read_bytes()
    whole.unlink()
    answer, calls = engine.answer, []

    def dies(some: list[Asked]) -> Any:
        calls.append(len(some))
        if len(calls) == 2:
            raise Dying
        return answer(some)

    monkeypatch.setattr(engine, "answer", dies)
    with pytest.raises(Dying):
        asked(engine, file)
    assert not whole.exists()
    with pytest.raises(UsageError, match="holds unfinished answers of another model, file or setting"):
        predict(engine, "other", Asking("classify"), TableFile(file), whole, lambda rows: None)
    asked(engine, file)
    assert calls == [512, 512, 512, 176], "the first chunk is not asked again"
    assert whole.read_bytes() == expected


def test_a_second_run_on_one_output_is_refused_while_the_first_works(
    engines: dict[str, Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text\none\n")
    engine = engines["classify"]
    answer, inside = engine.answer, 0

    def slow(some: list[Asked]) -> Any:
        nonlocal inside
        inside += 1
        with pytest.raises(UsageError, match=r"rows\.out\.csv.*another `lmworks predict` is writing"):
            asked(engine, file)
        return answer(some)

    monkeypatch.setattr(engine, "answer", slow)
    assert asked(engine, file)[1].rows == 1 and inside == 1, "the second asked nothing"
    assert asked(engine, file)[1].rows == 1, "the lock goes with the first"


def test_what_another_has_just_written_is_not_replaced_unasked(engines: dict[str, Engine], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text\none\n")
    out, _ = asked(engines["classify"], file)
    out.write_text("another's")
    asking = Asking("classify", "text", Sampling(max_tokens=5))
    with pytest.raises(UsageError, match="exists already"):
        predict(engines["classify"], "digest", asking, TableFile(file), out, lambda rows: None, overwrite=False)
    assert out.read_text() == "another's" and not list(tmp_path.glob(".*.part"))


BLOCKED = """
import time
from pathlib import Path
from types import SimpleNamespace
from lmworks.engines.request import Sampling
from lmworks.predict.rows import TableFile
from lmworks.predict.run import Asking, predict

engine = SimpleNamespace(thinks=False, answer=lambda asked: (print("asked", flush=True), time.sleep(600)))
asking = Asking("classify", "text", Sampling(max_tokens=5))
predict(engine, "digest", asking, TableFile(Path("rows.csv")), Path("rows.out.csv"), lambda rows: None)
"""


def test_a_kill_lets_the_next_run_in(engines: dict[str, Engine], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text\none\n")
    with subprocess.Popen([sys.executable, "-c", BLOCKED], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and process.stdout.readline() == b"asked\n"
            with contextlib.chdir(tmp_path), pytest.raises(UsageError, match="another `lmworks predict` is writing"):
                asked(engines["classify"], Path("rows.csv"))
        finally:
            process.kill()
    with contextlib.chdir(tmp_path):
        assert asked(engines["classify"], Path("rows.csv"))[1].rows == 1


@pytest.mark.parametrize(
    ("content", "text", "words"),
    [
        ("a,b\n1,2\n", "text", "no field 'text'; found a, b. Name the field to read with --text"),
        ("text,predicted_label\n1,2\n", "text", "already has the columns to add: predicted_label"),
        ("text,text\n1,2\n", "text", "every column once"),
        ("", "text", "every column once; found nothing"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_asked(
    content: str, text: str, words: str, engines: dict[str, Engine], tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(content)
    with pytest.raises(UsageError, match=words):
        asked(engines["classify"], file, text)
    with pytest.raises(UsageError, match=r"the name ends with '\.bin'; expected one of \.jsonl"):
        TableFile(tmp_path / "rows.bin").columns()


def test_what_a_build_reads_is_answered_too_and_written_as_json_lines(
    engines: dict[str, Engine], tmp_path: Path
) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["text", "nr"], ["where is my parcel", 1], ["the invoice is wrong", 2]):
        book.active.append(row)
    book.save(tmp_path / "rows.xlsx")
    (tmp_path / "rows.json").write_text(json.dumps([{"text": "where is my parcel", "nr": 1}]))
    (tmp_path / "letter.md").write_text("where is my parcel")
    for name, count in (("rows.xlsx", 2), ("rows.json", 1), ("letter.md", 1)):
        table = TableFile(tmp_path / name)
        out = tmp_path / f"{name}{table.written}"
        told = predict(engines["classify"], "digest", Asking("classify"), table, out, lambda rows: None)
        answered = [json.loads(line) for line in out.read_text().splitlines()]
        assert told.rows == len(answered) == count and not told.faults
        assert answered[0]["text"] == "where is my parcel" and answered[0]["predicted_label"]


def test_other_delimiters_and_encodings(engines: dict[str, Engine], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes('text;note\nÄpfel für Jürgen;"zwei; drei"\nNüsse;fünf\n'.encode("cp1252"))
    out, told = asked(engines["classify"], file, encoding="cp1252")
    assert not told.faults
    with out.open(newline="", encoding="utf-8-sig") as stream:
        found = list(csv.DictReader(stream, delimiter=";"))
    assert [(row["text"], row["note"]) for row in found] == [("Äpfel für Jürgen", "zwei; drei"), ("Nüsse", "fünf")]
    _, told = asked(engines["classify"], file)
    assert told.faults == {"rows that could not be read": 2}, "as UTF-8 it is none"


@pytest.mark.parametrize(
    ("written", "named", "is_marked"),
    [("utf-8-sig", None, True), ("utf-16", None, True), ("cp1252", "cp1252", True), ("utf-8", None, False)],
)
def test_a_table_that_excel_opens_comes_back_as_one(
    written: str, named: str | None, is_marked: bool, tmp_path: Path
) -> None:
    """Excel takes UTF-8 for the encoding of its language where a file does not begin with a byte order mark."""
    file, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    file.write_text("text;Größe\nÄpfel;fünf\n", encoding=written)
    table = TableFile(file, encoding=named)
    assert table.columns() == ["text", "Größe"]
    table.write(out, [{"label": "ja"}], {"label": "text"})
    assert out.read_bytes().startswith(b"\xef\xbb\xbf") == is_marked
    assert out.read_text("utf-8-sig").splitlines() == ["text;Größe;label", "Äpfel;fünf;ja"]
    assert TableFile(out).columns() == ["text", "Größe", "label"]


def test_a_header_in_another_encoding_is_told_with_the_encoding_to_say(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes("text;Größe\nÄpfel für Jürgen;fünf\n".encode("cp1252"))
    with pytest.raises(UsageError, match=r"first row.* is not in UTF-8\..*Probably: --encoding cp1252"):
        TableFile(file).columns()
    assert TableFile(file, encoding="cp1252").columns() == ["text", "Größe"]


def test_a_row_that_cannot_be_read_is_not_lost(engines: dict[str, Engine], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes("id;text\n17;Äpfel\n18;Nüsse; Kerne\n19;Plums\n".encode("cp1252"))
    out, told = asked(engines["classify"], file)
    assert told.faults == {"rows that could not be read": 2}
    with out.open(newline="", encoding="utf-8") as stream:
        first, second, third = csv.DictReader(stream, delimiter=";")
    assert first["id"] == "17" and first["text"] == "\ufffdpfel" and "not in UTF-8" in first["predicted_error"]
    assert "18;N\ufffdsse; Kerne" in second["predicted_error"] and third["predicted_label"]


ANY = st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=8) | st.floats(), max_size=3)


@settings(max_examples=30, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=6))
def test_fields_of_any_form_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    file, out = folder / "rows.jsonl", folder / "out.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    TableFile(file).write(out, [{"predicted_label": "x"}] * len(rows), {"predicted_label": "text"})
    for before, after in zip(file.read_text().splitlines(), out.read_text().splitlines(), strict=True):
        assert json.loads(after).pop("predicted_label") == "x"
        assert after.startswith(before[:-1])


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_thoughts_have_a_column_of_their_own(form: str, tmp_path: Path) -> None:
    base = write_family(tmp_path / "qwen-3", "qwen-3")
    thinks = "<think>\nTwo and two.\n</think>\n\n4"
    file = tmp_path / f"rows.{form}"
    rows = [{"text": "2 + 2?"} for _ in range(3)]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    else:
        file.write_text(
            "".join(json.dumps(row) + "\n" for row in rows) if form == "jsonl" else "text\n" + "2 + 2?\n" * 3
        )
    out = tmp_path / f"out.{form}"
    asking = Asking("generate", "text", Sampling(max_tokens=60))
    predict(Script(base, thinks, "4", thinks + "!"), "digest", asking, TableFile(file), out, lambda rows: None)
    if form == "parquet":
        found = pq.read_table(out).to_pylist()
    elif form == "csv":
        with out.open(newline="") as stream:
            found = list(csv.DictReader(stream))
    else:
        found = lines(out)
    assert [row["predicted_text"] for row in found] == ["4", "4", "4!"]
    assert [row.get("predicted_thoughts") or "" for row in found] == ["Two and two.", "", "Two and two."]


READS_QUESTIONS = """\
name: desk
use_case: who answers a question
plan: {measure: false}
data:
  rows:
    kind: ingest
    sources: [{kind: files, path: rows, licence: MIT, text_field: question, label_field: queue}]
    licences: {allow: [permissive]}
models:
  words: {objective: bag-of-words, data: rows}
"""


def test_a_file_with_the_field_that_the_model_learned_from_needs_no_text(tmp_path: Path) -> None:
    rows = [f"where is parcel number {number},post\nwhy is invoice {number} so high,bills\n" for number in range(20)]
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "rows.csv").write_text("question,queue\n" + "".join(rows))
    (tmp_path / "recipe.yaml").write_text(READS_QUESTIONS)
    lmworks(tmp_path, "build", "recipe.yaml")
    (tmp_path / "new.csv").write_text("question,number\nwhere is my parcel,1\nwhy is my invoice so high,2\n")
    lmworks(tmp_path, "predict", "words", "new.csv")
    assert "post" in (tmp_path / "new.predicted.csv").read_text().splitlines()[1]
    (tmp_path / "other.csv").write_text("asked,number\nwhere is my parcel,1\n")
    assert "Name the field to read with --text" in lmworks(tmp_path, "predict", "words", "other.csv", code=2).stderr
