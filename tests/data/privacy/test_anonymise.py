"""The step that anonymises documents."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of, payload_bytes, texts
from faker import Faker

from lmworks.data.base.identity import key_digest
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.data.privacy.index import INDEX, find_person
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.errors import UsageError
from lmworks.pipeline.stage import Result
from lmworks.pipeline.store import Artifact, Store
from support import make_context, make_manifest

KEY = "a privacy key that is long enough"
LETTER = "Dear Jane, write to jane@example.com or call +41 62 585 51 90. Card 4111 1111 1111 1111."


@pytest.fixture(autouse=True)
def privacy_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", KEY)


def run(folder: Path, documents: Documents, **config: Any) -> tuple[Result, Path]:
    """Anonymise into `folder`/out."""
    resolved = AnonymiseConfig(documents="raw", **config).resolve(folder)
    out = folder / "out"
    return anonymise(resolved, documents, None, out=out, context=make_context(folder)), out


def test_what_is_found_is_redacted_by_kind_and_counted(tmp_path: Path) -> None:
    result, out = run(tmp_path, documents_of(tmp_path / "raw", LETTER, "Nothing personal."))
    redacted = "Dear Jane, write to [EMAIL] or call [PHONE]. Card [CARD]."
    assert texts(out) == sorted([redacted, "Nothing personal."])
    assert result.counts["email redacted"] == result.counts["phone redacted"] == result.counts["card redacted"] == 1
    assert result.counts["documents"] == 2


def test_a_kind_has_its_own_action(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", LETTER, "mail joe@example.com", "from 41.173.96.26")
    result, out = run(tmp_path, raw, action="surrogate", actions={"card": "drop", "ip": "keep"})
    assert len(texts(out)) == 2
    assert "from 41.173.96.26" in texts(out)
    assert not any("joe@" in text or "[EMAIL]" in text for text in texts(out))
    assert result.counts["dropped for card"] == 1


def test_a_surrogate_is_the_same_in_the_whole_data_set(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", "a jane@example.com", "b Jane@example.com")
    write_shard(
        raw.path / "part-00001.parquet", [Document(id="f", text="c jane@example.com", source="s", licence="MIT")]
    )
    _, out = run(tmp_path, raw, action="surrogate")
    made = {text.split()[1] for text in texts(out)}
    assert len(made) == 1 and "jane@example.com" not in made


def test_dates_move_by_one_amount_a_subject(tmp_path: Path) -> None:
    notes = ["born 1980-01-31, seen 2020-02-01", "seen 2020-02-11"]
    raw = documents_of(tmp_path / "raw", *notes, subject="Jane Doe")
    _, out = run(tmp_path, raw, actions={"date": "surrogate", "birth_date": "surrogate"})
    days = [date.fromisoformat(word.strip(",")) for text in texts(out) for word in text.split() if word[0].isdigit()]
    assert (days[1] - days[0]).days == (date(2020, 2, 1) - date(1980, 1, 31)).days
    assert (days[2] - days[1]).days == 10
    assert days[1] != date(2020, 2, 1)
    assert not any(document.subject == "Jane Doe" for document in Documents(out, "").iterate())


def test_meta_is_treated_too(tmp_path: Path) -> None:
    meta = {"title": "From jane@example.com", "tags": ["x", {"by": "jane@example.com"}], "path": "a.txt", "n": 1}
    raw = documents_of(tmp_path / "raw", "text", meta=meta)
    _, out = run(tmp_path, raw)
    (document,) = Documents(out, "").iterate()
    assert document.meta == {"title": "From [EMAIL]", "tags": ["x", {"by": "[EMAIL]"}], "path": "a.txt", "n": 1}


def test_people_whom_the_record_names_are_found_in_its_text(tmp_path: Path) -> None:
    meta = {"patient": "Doe, Jane", "staff": ["Ann Lee", "Bo Xu"], "path": "a.txt"}
    note = "Jane Doe came. Ms Doe saw Dr. Lee; DOE, JANE left. The does and jane stay."
    raw = documents_of(tmp_path / "raw", note, meta=meta)
    write_shard(raw.path / "part-00001.parquet", [Document(id="f", text="Jane Doe", source="s", licence="MIT")])
    _, out = run(tmp_path, raw, people=["patient", "staff"])
    redacted = "[PERSON] came. Ms [PERSON] saw Dr. [PERSON]; [PERSON] left. The does and jane stay."
    assert texts(out) == ["Jane Doe", redacted]
    (document,) = [each for each in Documents(out, "").iterate() if each.id != "f"]
    assert document.meta == {"patient": "[PERSON]", "staff": ["[PERSON]", "[PERSON]"], "path": "a.txt"}
    assert document.subject and "Doe" not in document.subject
    places = find_person("jane  doe", [published(tmp_path, out)], tmp_path)
    assert {place.kind for place in places} == {"person", "subject"}


def test_a_person_has_one_made_up_name_in_all_documents(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", "Jane Doe; Doe, Jane; Jane; Doe", meta={"patient": "Jane Doe"})
    other = Document(id="f", text="jane doe.", source="s", licence="MIT", meta={"patient": "Doe, Jane"})
    write_shard(raw.path / "part-00001.parquet", [other])
    _, out = run(tmp_path, raw, action="surrogate", people=["patient"])
    long, short = sorted(texts(out), key=len, reverse=True)
    given, family = short.strip(".").split(" ")
    assert long == f"{given} {family}; {family}, {given}; {given}; {family}"
    assert {given, family}.isdisjoint({"Jane", "Doe"})


def test_clinical_notes_keep_their_course_and_lose_their_patient(tmp_path: Path) -> None:
    faker = Faker("en_US")
    faker.seed_instance(3)
    (tmp_path / "raw").mkdir()
    notes, personal = [], {}
    for number in range(20):
        name, record, born = (
            faker.name(),
            f"{faker.random_number(8, fix_len=True)}",
            faker.date_between(date(1930, 1, 1), date(2000, 1, 1)),
        )
        seen = faker.date_between(date(2010, 1, 1), date(2020, 1, 1))
        text = f"Patient: {name}\nMRN: {record}\nDOB: {born:%m/%d/%Y}\nSeen {seen}; again {seen + timedelta(9)}."
        meta = {"patient": name, "path": "notes.jsonl"}
        notes.append(Document(id=f"{number:02}", text=text, source="notes", licence="CC0-1.0", meta=meta))
        personal[f"{number:02}"] = (name, *name.split(), record, f"{born:%m/%d/%Y}", f"{seen}")
    write_shard(tmp_path / "raw" / "part-00000.parquet", notes)
    raw = Documents(tmp_path / "raw", "")
    _, out = run(tmp_path, raw, action="surrogate", actions={"date": "surrogate"}, people=["patient"])
    for note in Documents(out, "").iterate():
        assert not [value for value in personal[note.id] if value in f"{note.text}{note.subject}{note.meta}"]
        first, last = map(date.fromisoformat, re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", note.text))
        assert last - first == timedelta(9)


def test_nothing_that_is_written_holds_the_personal_text(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", LETTER, LETTER + " api_key='q8Zr2Lx0Vb7TnY5k'", subject="Jane Doe")
    result, out = run(tmp_path, raw, actions={"secret": "drop"})
    written = b"".join(payload_bytes(out).values()) + json.dumps(result.examples).encode()
    written += json.dumps([figure.as_json() for figure in result.figures]).encode()
    for personal in (b"jane@", b"585 51 90", b"4111 1111", b"q8Zr2Lx0Vb7TnY5k", b"Jane Doe"):
        assert personal not in written
    assert any("[EMAIL] or call [PHONE]" in example["text"] for example in result.examples)


def test_equal_input_gives_equal_bytes_in_any_number_of_processes(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", *(f"{LETTER} {number}" for number in range(20)))
    write_shard(raw.path / "part-00001.parquet", [Document(id="f", text=LETTER, source="s", licence="MIT")])
    config = AnonymiseConfig(documents="raw", action="surrogate").resolve(tmp_path)
    payloads = []
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        context = replace(make_context(tmp_path / f"work{workers}"), workers=workers)
        anonymise(config, raw, None, out=out, context=context)
        payloads.append(payload_bytes(out))
    assert payloads[0] == payloads[1]


def published(folder: Path, out: Path, key: str = KEY) -> Artifact:
    """The payload as an artifact of a store."""
    config = {"privacy_key_digest": key_digest(key.encode())}
    return Store(folder).publish(out, make_manifest(step="private", stage="anonymise", config=config))


def test_a_persons_documents_are_found_by_value_and_by_subject(tmp_path: Path) -> None:
    raw = documents_of(tmp_path / "raw", LETTER, "nothing")
    write_shard(
        raw.path / "part-00001.parquet",
        [Document(id="f", text="Seen today.", source="s", licence="MIT", subject="Jane Doe")],
    )
    _, out = run(tmp_path, raw, actions={"card": "drop"})
    lines = (out / INDEX).read_text().splitlines()
    assert lines == sorted(lines)
    artifact = published(tmp_path, out)
    for value, kind, document in (
        ("JANE@example.com", "email", f"{0:032x}"),
        ("4111111111111111", "card", f"{0:032x}"),
        ("+41 62 585 5190", "phone", f"{0:032x}"),
        ("jane doe", "subject", "f"),
    ):
        assert [(place.kind, place.document, place.step) for place in find_person(value, [artifact], tmp_path)] == [
            (kind, document, "private")
        ]
    assert find_person("joe@example.com", [artifact], tmp_path) == []


def test_an_index_cannot_be_searched_with_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, out = run(tmp_path, documents_of(tmp_path / "raw", LETTER))
    artifact = published(tmp_path, out)
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", "another key, long enough")
    with pytest.raises(UsageError, match="Restore the key"):
        find_person("jane@example.com", [artifact], tmp_path)
    monkeypatch.delenv("LMWORKS_PRIVACY_KEY")
    with pytest.raises(UsageError, match="no key"):
        find_person("jane@example.com", [artifact], tmp_path)


def test_another_key_makes_the_step_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = AnonymiseConfig(documents="raw")
    before = config.resolve(tmp_path).privacy_key_digest
    monkeypatch.delenv("LMWORKS_PRIVACY_KEY")
    assert config.resolve(tmp_path).privacy_key_digest == "" and not list(tmp_path.glob(".lmworks*"))
    assert config.resolve(tmp_path).prepare(tmp_path)
    made = config.resolve(tmp_path).privacy_key_digest
    assert not config.resolve(tmp_path).prepare(tmp_path)
    assert before != made == config.resolve(tmp_path).privacy_key_digest
    assert stat.S_IMODE((tmp_path / ".lmworks-privacy-key").stat().st_mode) == 0o600
