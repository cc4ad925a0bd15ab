"""A certificate tells what an erasure left, where a subject or a text alone would tell, and what nobody could read."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e2e.small_recipe import lmworks

pytestmark = pytest.mark.slow

RECIPE = """\
name: letters
use_case: answering letters
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: letters, licence: CC0-1.0, subject_field: customer, text_field: text}]
    licences: {allow: [CC0-1.0]}
  clean: {kind: normalise, from: raw}
"""
GERMAN = "Sehr geehrte Damen und Herren, der Garten ist seit gestern wieder grün und die Leiter steht im Schuppen."
FORM = "Dear customer, we thank you for your order and will send it before the end of the week."
ROWS = [
    {"text": "Please write to jane@example.org about the ladder in the garden of ours.", "customer": "C17"},
    {"text": GERMAN, "customer": "C17"},
    {"text": FORM, "customer": "C17"},
    {"text": "Yes.", "customer": "C17"},
    {"text": FORM + " Yours.", "customer": "C18"},
    {"text": "Somebody else has written a letter about chairs and tables.", "customer": "C19"},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mail.jsonl").write_text("\n".join(map(json.dumps, ROWS)) + "\nnot JSON at all\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    lmworks(tmp_path, "build", "recipe.yaml")
    return tmp_path


def erased(project: Path, *, code: int) -> tuple[dict[str, object], str]:
    wanted = ("jane@example.org", "C17", "--apply", "--certificate", str(project / "told.json"))
    done = lmworks(project, "erase", *wanted, code=code)
    return json.loads((project / "told.json").read_text()), done.stdout + done.stderr


def test_what_only_a_subject_or_a_text_tells_of_is_sought(project: Path) -> None:
    store = project / ".lmworks"
    (store / "log.txt").write_text(f"2026-01-01 read: {GERMAN.upper()}")
    pq.write_table(pa.table({"subject": ["C17"], "text": ["nothing"]}), store / "left.parquet")
    (store / "form.txt").write_text(FORM)  # stands in a record that is kept, too
    told, said = erased(project, code=1)
    assert {each["place"] for each in told["held_by"]} == {"log.txt", "left.parquet"}
    assert told["said"] == "something that was erased still stands in this store"
    assert "still hold erased values: 2" in said and "STILL HOLDS IT: .lmworks/log.txt" in said
    assert "Garten" not in (project / "told.json").read_text()


def test_what_cannot_be_sought_is_told(project: Path) -> None:
    told, said = erased(project, code=0)
    assert told["holding"] == 0 and str(told["said"]).endswith("like a record that was taken: 1"), "a form like C18's"
    assert told["sought_by_text"]["records"] == 2 and len(told["sought_by_text"]["not_sought"]) == 2
    assert "2  records not searched for by text" in said


def test_what_to_do_is_said_where_a_file_is_named_after_a_person(project: Path) -> None:
    recipe, letters = project / "recipe.yaml", project / "letters" / "Quilla Farnsworth"
    recipe.write_text(RECIPE.replace(", subject_field: customer, text_field: text", ""))
    (project / "letters" / "mail.jsonl").unlink()
    letters.mkdir()
    (letters / "letter.txt").write_text("Quilla Farnsworth asks for a new bridge over the river.")
    (project / "letters" / "other.txt").write_text("The archive has a report about trees in the north.")
    lmworks(project, "build", "recipe.yaml")
    wanted = ("erase", "Quilla Farnsworth", "--certificate", str(project / "told.json"))
    first = lmworks(project, *wanted, "--apply", code=1)
    said = " ".join((first.stdout + first.stderr).split())
    assert "STILL HOLDS IT" in said and "of Quilla Farnsworth/letter.txt" in said
    assert "Rename or delete them, then type `lmworks build` and `lmworks gc --apply`." in said
    (letters / "letter.txt").unlink()
    letters.rmdir()
    lmworks(project, "build", "recipe.yaml")
    lmworks(project, "gc", "--apply")
    assert "nothing was found" in lmworks(project, *wanted).stdout


def test_why_a_record_was_not_read_is_nothing_of_a_person(project: Path) -> None:
    recipe = project / "recipe.yaml"
    recipe.write_text(RECIPE.replace("text_field: text", "text_field: text, created_field: written"))
    bad = {"text": "jane@example.org wrote it down on a day of her own", "customer": "C17", "written": "05/01/2024"}
    dated = [row | {"written": "2024-01-05"} for row in ROWS]
    (project / "letters" / "mail.jsonl").write_text("\n".join(map(json.dumps, [*dated, bad])) + "\n")
    lmworks(project, "build", "recipe.yaml")
    told, _ = erased(project, code=0)
    assert told["holding"] == 0 and str(told["said"]).endswith("like a record that was taken: 1"), told


def test_a_licence_field_that_holds_a_person_is_in_no_log_and_a_stated_one_is_searched(project: Path) -> None:
    recipe = project / "recipe.yaml"
    recipe.write_text(RECIPE.replace("text_field: text", "text_field: text, licence_field: l"))
    person = "Copyright Quilla Farnsworth, quilla.farn@lodge.example"
    accepted = {"text": "one of a few", "l": "CC0-1.0 OR LicenseRef-Orla-Pike"}
    rows = [{"text": "a text of another one", "l": person}, ROWS[-1], accepted]
    (project / "letters" / "mail.jsonl").unlink()
    (project / "letters" / "more.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    done = lmworks(project, "build", "recipe.yaml")
    assert "not an SPDX expression 1" in done.stderr and "Quilla" not in done.stdout + done.stderr
    assert "no document holds value 1 of 1; " in lmworks(project, "erase", "Quilla Farnsworth", code=1).stderr
    files = [file for file in (project / ".lmworks").rglob("*") if file.is_file()]
    assert not [file for file in files if b"Quilla" in file.read_bytes()]
    (project / ".lmworks" / "log.txt").write_text(person)
    told = lmworks(project, "erase", "Quilla Farnsworth", code=1).stderr
    assert "no document holds value 1 of 1, but these files do: log.txt" in told
    given = ("Orla Pike", "quilla.farn@lodge.example", "--apply", "--certificate", str(project / "told.json"))
    lmworks(project, "erase", *given, code=1)
    certificate = json.loads((project / "told.json").read_text())
    assert [each["place"] for each in certificate["held_by"]] == ["log.txt"], "also what no document held is sought"
    lmworks(project, "build", "recipe.yaml")
    assert "no document holds" in lmworks(project, "erase", "Orla Pike", code=1).stderr


@pytest.mark.parametrize("what", ["shard", "quarantine", "left behind"])
def test_what_cannot_be_read_is_named_and_nothing_is_called_clean(project: Path, what: str) -> None:
    (raw,) = (project / ".lmworks").glob("artifacts/ingest/*/payload")
    path = {
        "shard": raw / "part-00000.parquet",
        "quarantine": raw / "quarantine.jsonl",
        "left behind": project / ".lmworks" / "old.parquet",
    }[what]
    if what == "shard":
        other = project / "letters" / "more.jsonl"
        other.write_text(json.dumps({"text": "jane@example.org once more", "customer": "C20"}) + "\n")
        lmworks(project, "build", "--set", "raw.shard_bytes=100")
        path = max((project / ".lmworks").glob("artifacts/ingest/*/payload/part-*.parquet"))
    name = str(path.relative_to(project))
    path.write_bytes(path.read_bytes()[:-5] if path.exists() else b"PAR1")
    if what != "left behind":
        listed = lmworks(project, "erase", "jane@example.org", code=1)
        assert f"NOT SEARCHED: {name}: " in listed.stdout and "could not be read: 1." in listed.stderr
        as_json = lmworks(project, "erase", "jane@example.org", "--json", code=1).stdout
        assert [*json.loads(as_json)["not_searched"]] == [name]
    told, said = erased(project, code=1)
    if what == "shard":
        lmworks(project, "build")
        left = [pq.read_table(each).to_pylist() for each in (project / ".lmworks").rglob("*.parquet")]
        assert left and "jane@example.org" not in str(left), "what was made of a damaged shard counts as reached"
    assert f"NOT SEARCHED: {name}: " in said and told["said"].startswith("not complete")


def test_counts_come_first_and_fit_a_terminal(project: Path) -> None:
    said = lmworks(project, "erase", "jane@example.org", "C17", "--store", ".lmworks").stdout
    lines = said.splitlines()
    assert lines[1:6] == [
        "4 of 7 records are found:",
        "       4  with a value",
        "       1  with value 1, or of it",
        "       4  with value 2, or of it",
        "       1  NOT taken: near copies that hold no value (below)",
    ]
    assert any(line == "raw  4 of 6 records" for line in lines), said
    assert max(map(len, lines)) <= 80, said
    counts = json.loads(lmworks(project, "erase", "jane@example.org", "C17", "--json").stdout)["counts"]
    assert counts == {
        "taken": 4,
        "searched": 7,
        "by_reason": {"value": 4},
        "erased_before": 0,
        "by_source": [{"reason": "value", "source": "letters", "records": 4}],
        "by_value": {"1": 1, "2": 4},
        "not_taken": {"near": 1},
        "not_taken_by_source": [{"reason": "near", "source": "letters", "records": 1}],
    }


def test_another_customer_who_quotes_an_address_keeps_other_letters(project: Path) -> None:
    rows = [
        {"text": "Did you hear of jane@example.com at the fair of chairs?", "customer": "C30"},
        {"text": "A letter of mine about the chairs that you have sent.", "customer": "C30"},
        {"text": "My own letter, in which no address stands at all.", "customer": "C31"},
    ]
    (project / "letters" / "more.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    lmworks(project, "build")
    told = json.loads(lmworks(project, "erase", "jane@example.com", "C31", "--json").stdout)
    assert told["counts"]["taken"] == 2 and told["counts"]["not_taken"] == {"subject": 1}


def test_a_recipe_elsewhere_that_may_bring_them_back_is_stopped(project: Path, tmp_path: Path) -> None:
    erased(project, code=0)
    again = lmworks(project, "build", "recipe.yaml").stderr
    assert "of what was erased" not in again
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "recipe.yaml").write_text(RECIPE.replace("path: letters", f"path: {project / 'letters'}"))
    said = lmworks(other, "build", "recipe.yaml", "--store", str(project / ".lmworks"), code=3).stderr
    assert "erased-documents.txt lacks 4 entries" in " ".join(said.split())


@pytest.mark.parametrize(
    "name", ["Notulen rapat bulanan bagian operasi.txt", "Personalia/Operasional/arsipmasuk2025.txt"]
)
def test_the_name_of_a_file_that_stays_is_no_text_that_was_erased(tmp_path: Path, name: str) -> None:
    path = tmp_path / "letters" / name
    path.parent.mkdir(parents=True)
    path.write_text("Rapat di kantor pusat dihadiri Siti Lestari dan membahas jadwal sandar kapal bulan depan.\n")
    (tmp_path / "letters" / "other.txt").write_text("Kapal sandar di dermaga timur pada hari Senin pukul delapan.\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace(", subject_field: customer, text_field: text", ""))
    lmworks(tmp_path, "build", "recipe.yaml")
    wanted = ("Siti Lestari", "--apply", "--certificate", "told.json")
    assert "nothing was found in what was searched" in lmworks(tmp_path, "erase", *wanted).stdout
