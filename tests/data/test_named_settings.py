"""Settings that name fields of records: by their paths, counted where a record lacks them, refused where all do."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import documents_of, quarantined, texts

from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.data.reading.ingest import IngestConfig
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.errors import UsageError
from support import make_context

Ingest = Callable[..., Any]
ROW = {"text": "one text", "info": {"lizenz": "CC-BY-NC-4.0", "id": "r1"}, "Betrag": 7, "kunde": {"name": "Jane Doe"}}
BARE = {"text": "two", "Betrag": 8}


def rows(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def parquet(*records: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records)), file)
    return file.getvalue()


def arrow(*records: Any) -> bytes:
    file, table = io.BytesIO(), pa.Table.from_pylist(list(records))
    with pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    return file.getvalue()


FORMS = pytest.mark.parametrize(("name", "form"), [("a.jsonl", rows), ("a.parquet", parquet), ("a.arrow", arrow)])


def found(out: Path) -> list[Document]:
    return sorted(Documents(out, "").iterate(), key=lambda document: document.text)


@FORMS
@pytest.mark.parametrize("more", [{}, {"fields": ["text"]}])
def test_a_licence_inside_a_field_is_the_records_own(
    ingest_files: Ingest, name: str, form: Callable[..., Any], more: dict[str, Any]
) -> None:
    result, out = ingest_files({name: form(ROW, BARE)}, licence_field="info.lizenz", **more)
    assert texts(out) == ["two"]
    assert result.counts["no value in `licence_field`"] == 1


@FORMS
@pytest.mark.parametrize(
    ("setting", "nearest"),
    [
        ({"licence_field": "lizenz"}, "info.lizenz"),
        ({"keep": ["text", "Betragg"]}, "Betrag"),
        ({"keep": ["kunde.nam"]}, "kunde.name"),
        ({"fields": ["text", "kunde.nmae"]}, "kunde.name"),
        ({"text_field": ["txt", "text"]}, "text"),
        ({"label_field": "Betragg"}, "Betrag"),
        ({"subject_field": "kunde.nam"}, "kunde.name"),
    ],
)
def test_a_name_that_no_record_has_stops_with_the_nearest_and_all_there_are(
    ingest_files: Ingest, name: str, form: Callable[..., Any], setting: dict[str, Any], nearest: str
) -> None:
    with pytest.raises(UsageError) as error:
        ingest_files({name: form(ROW, BARE)}, gate={"use": "academic"}, **setting)
    (key,) = setting
    wrong = setting[key] if isinstance(setting[key], str) else next(each for each in setting[key] if each != "text")
    assert f"`{key}` names {wrong!r}, which none of its 2 records has: did you mean {nearest!r}?" in str(error.value)
    assert all(each in str(error.value) for each in ("texts", "Betrag", "kunde.name", "info.lizenz"))
    assert "Jane" not in str(error.value)


@FORMS
def test_what_is_kept_and_read_may_stand_inside_of_fields(
    ingest_files: Ingest, name: str, form: Callable[..., Any]
) -> None:
    row = {**ROW, "turns": [{"by": "a"}, {"by": "b"}]}
    setting = {"keep": ["kunde.name", "turns.*.by", "info"], "key_field": "info.id"}
    result, out = ingest_files({name: form(row)}, **setting)
    (document,) = found(out)
    assert document.meta["kunde.name"] == "Jane Doe"
    assert (document.meta["turns.*.by"], document.meta["info"]) == (["a", "b"], ROW["info"])
    assert not any("no value" in reason for reason in result.counts)


def test_chosen_fields_may_stand_inside_of_others(ingest_files: Ingest) -> None:
    row = {**ROW, "messages": [{"content": "hi"}, {"content": "ho"}]}
    _, out = ingest_files({"a.jsonl": rows(row)}, fields=["text", "kunde.name", "messages.*.content"])
    (document,) = found(out)
    assert document.row() == {"text": "one text", "kunde.name": "Jane Doe", "messages.*.content": ["hi", "ho"]}


def test_what_some_records_lack_is_counted_by_its_name(ingest_files: Ingest) -> None:
    result, out = ingest_files(
        {"a.jsonl": rows(ROW, BARE, {**BARE, "kunde": None})}, keep=["kunde.name"], text_field=["text", "info.id"]
    )
    assert len(found(out)) == 3
    assert result.counts["no value in `keep: kunde.name`"] == 2
    assert result.counts["no value in `text_field: info.id`"] == 2
    result, _ = ingest_files({}, fields=["text", "info.id"])
    assert result.counts["no value in `fields: info.id`"] == 2


def test_a_field_that_is_there_and_always_empty_is_counted_and_stops_nothing(ingest_files: Ingest) -> None:
    files = {"a.jsonl": rows({"text": "x", "note": None, "who": None, "turns": []}), "b.csv": "text,note,who\ny,,\n"}
    result, _ = ingest_files(files, keep=["note"], subject_field="who.name", label_field="turns.*.label")
    assert [result.counts[f"no value in `{name}`"] for name in ("keep: note", "subject_field")] == [2, 2]


def test_the_unread_and_other_units_of_a_source_count_as_its_records(ingest_files: Ingest) -> None:
    files = {"a.jsonl": rows(BARE), "b.jsonl": rows(ROW)}
    result, out = ingest_files(files, shard_bytes=1, keep=["kunde"])
    assert (len(found(out)), result.counts["no value in `keep: kunde`"]) == (2, 1)


def test_a_key_inside_a_field_names_the_record(ingest_files: Ingest) -> None:
    def identity() -> str:
        _, out = ingest_files({"a.jsonl": files}, key_field="info.id")
        return next(document.id for document in found(out) if document.text == "one text")

    files = rows(ROW)
    before = identity()
    files = rows({"text": "before it", "info": {"id": "r0"}}, ROW)
    assert identity() == before


def mail(**headers: str) -> bytes:
    made = EmailMessage()
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content("Hallo Welt.\n")
    return made.as_bytes()


def test_headers_of_a_mail_are_its_fields(ingest_files: Ingest) -> None:
    one = mail(From="Jürgen Kunde <kunde2@example.de>", X_Foo="billing", Sent="Wed, 01 May 2024 10:00:00 +0200")
    two = mail(From="plain@example.de", X_Lang="de", X_Licence="CC-BY-NC-4.0")
    result, out = ingest_files(
        {"a.eml": one, "b.eml": two},
        subject_field="from",
        label_field="x-foo",
        created_field="Sent",
        language_field="X-Lang",
        licence_field="X-Licence",
        gate={"use": "academic"},
        keep=["FROM"],
    )
    first, second = sorted(found(out), key=lambda document: document.meta["path"])
    assert (first.subject, second.subject) == ("kunde2@example.de", "plain@example.de")
    assert (first.meta["label"], first.meta["FROM"]) == ("billing", "Jürgen Kunde <kunde2@example.de>")
    assert (first.created, second.created) == ("2024-05-01T10:00:00+02:00", None)
    assert (second.language, second.licence, first.licence) == ("de", "CC-BY-NC-4.0", "MIT")
    assert result.counts["no value in `licence_field`"] == result.counts["no value in `label_field`"] == 1
    with pytest.raises(UsageError, match=r"`subject_field` names 'Form', .*did you mean 'From'"):
        ingest_files({}, subject_field="Form")


def test_a_mail_to_many_has_no_one_subject(ingest_files: Ingest) -> None:
    _, out = ingest_files({"a.eml": mail(To="a@example.de, b@example.de"), "b.txt": "x"}, subject_field="To")
    (bad,) = quarantined(out)
    assert bad["reason"].startswith("field 'To' holds more than one value")


def test_what_can_never_act_is_refused(ingest_files: Ingest) -> None:
    for setting in ({"subject_field": "who"}, {"keep": ["who"]}, {"licence_field": "who"}, {"text_field": "who"}):
        with pytest.raises(UsageError, match="which none of its 1 records has: they have no fields"):
            ingest_files({"a.txt": "one"}, **setting)


def test_a_source_of_texts_and_rows_counts_the_texts(ingest_files: Ingest) -> None:
    result, out = ingest_files({"a.txt": "plain", "b.jsonl": rows(ROW)}, subject_field="kunde.name", keep=["Betrag"])
    assert [document.subject for document in found(out)] == ["Jane Doe", None]
    assert result.counts["no value in `subject_field`"] == result.counts["no value in `keep: Betrag`"] == 1


def test_the_table_of_known_sets_names_alternatives_and_the_recipe_does_not(tmp_path: Path) -> None:
    from lmworks.data.reading.ingest import ingest

    (tmp_path / "glue").mkdir()
    (tmp_path / "glue" / "train.jsonl").write_text(rows({"sentence": "good film", "label": 1}))

    def run(**more: Any) -> Any:
        source = {"kind": "dataset", "dataset": "glue", "path": "glue", "licence": "MIT", "format": "jsonl", **more}
        config = IngestConfig.model_validate({"sources": [source], "licences": {"allow": ["MIT"]}})
        return ingest(config.resolve(tmp_path), out=tmp_path / "raw", context=make_context(tmp_path / str(len(more))))

    assert not any("no value" in reason for reason in run(include=["*"]).counts)
    with pytest.raises(UsageError, match=r"`keep` names 'lable'.*did you mean 'label'"):
        run(include=["*"], keep=["lable"])


def anonymised(folder: Path, documents: Documents, **config: Any) -> tuple[Any, list[Document]]:
    resolved = AnonymiseConfig(documents="raw", **config).resolve(folder)
    result = anonymise(resolved, documents, None, out=folder / "out", context=make_context(folder))
    return result, found(folder / "out")


PERSON = {"person": {"name": "Doe, Jane", "aka": ["Janine"]}, "path": "a"}
NOTE = "Jane Doe, called Janine, came."


@pytest.fixture
def privacy_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", "a privacy key that is long enough")


@pytest.mark.usefixtures("privacy_key")
@pytest.mark.parametrize("people", [["person.name", "person.aka"], ["person"], ["person.*"]])
def test_people_inside_of_fields_are_found(tmp_path: Path, people: list[str]) -> None:
    _, (document,) = anonymised(tmp_path / "a", documents_of(tmp_path / "raw", NOTE, meta=PERSON), people=people)
    assert document.text == "[PERSON], called [PERSON], came."
    (tmp_path / "rows").mkdir()
    row = Document.of_row({"note": NOTE, **PERSON}, id="f" * 32, source="s", licence="MIT", meta={"record": 1})
    write_shard(tmp_path / "rows" / "part-00000.parquet", [row])
    _, (document,) = anonymised(tmp_path / "b", Documents(tmp_path / "rows", ""), people=people)
    assert document.row()["note"] == "[PERSON], called [PERSON], came."
    assert not {"Jane", "Doe", "Janine"} & set(document.text.replace(",", " ").split())


@pytest.mark.usefixtures("privacy_key")
def test_a_field_of_people_that_no_document_has_stops_and_one_that_some_lack_is_counted(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", NOTE, meta=PERSON)
    write_shard(raw.path / "part-00001.parquet", [Document(id="f", text="other", source="s", licence="MIT")])
    with pytest.raises(
        UsageError, match=r"`people` names 'Persn', which none of its 2 documents has: did you mean"
    ) as e:
        anonymised(tmp_path / "a", raw, people=["Persn"])
    assert "'person'" in str(e.value) and "person.name" in str(e.value) and "Jane" not in str(e.value)
    result, _ = anonymised(tmp_path / "b", raw, people=["person.name"])
    assert result.counts["no value in `people: person.name`"] == 1
