"""A subject that stands in other fields of its record, and fields inside of what was kept."""

from __future__ import annotations

from typing import Any

import pytest

from lmworks.data.base.structure import reach, value_at
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise_documents
from lmworks.data.privacy.surrogates import value_digest
from lmworks.data.shards.records import Document

FACTS: dict[str, Any] = {"id": "a", "source": "s", "licence": "MIT"}


def anonymised(document: Document, **config: Any) -> Document:
    kept, _, _ = anonymise_documents(AnonymiseConfig(documents="raw", **config), b"key", [document], {})
    return kept[0]


@pytest.mark.parametrize("who", ["M0168", "0168", "Ada Quell", 168, 4711001, 168.0])
def test_a_subject_does_not_stay_in_another_field(who: Any) -> None:
    subject = str(int(who)) if isinstance(who, float) else str(who)
    pseudonym = value_digest(b"key", "subject", subject)
    meta = {"who": who, "by": [{"it": who}], "n": 7, "of": "M01", "path": "M0168"}
    kept = anonymised(Document(**FACTS, text="text", subject=subject, meta=meta))
    assert kept.subject == pseudonym
    assert kept.meta == {"who": pseudonym, "by": [{"it": pseudonym}], "n": 7, "of": "M01", "path": "M0168"}
    row = Document.of_row({"who": who, "said": "text of M01", "n": 7}, **FACTS, subject=subject)
    assert anonymised(row).row() == {"who": pseudonym, "said": "text of M01", "n": 7}


@pytest.mark.parametrize("who", [8151, 47110815, 8151.0, "8151"])
def test_somebody_who_is_a_number_does_not_stay_where_numbers_are_no_texts(who: Any) -> None:
    number = int(who)
    row = Document.of_row({"owner": who, "note": f"Kunde {number} hat bestellt", "payer": number, "n": 81}, **FACTS)
    kept = anonymised(row, people=["owner"])
    assert kept.subject == value_digest(b"key", "subject", str(number))
    assert str(number) not in str(kept.row()) and kept.row()["owner"] == "[PERSON]" and kept.row()["n"] == 81
    inside = Document(**FACTS, text=f"Kunde {number}", meta={"by": {"owner": [who]}, "payer": number})
    assert str(number) not in str(anonymised(inside, people=["by.owner"]).meta)


def test_a_subject_of_a_kind_that_is_found_is_treated_as_it_is_elsewhere() -> None:
    meta = {"mail": "ada@example.com", "patient": "Ada Quell"}
    assert anonymised(Document(**FACTS, text="x", subject="ada@example.com", meta=meta)).meta["mail"] == "[EMAIL]"
    named = anonymised(Document(**FACTS, text="x", subject="Ada Quell", meta=meta), people=["patient"])
    assert named.meta["patient"] == "[PERSON]"


def test_a_short_number_stays_as_it_is_a_number_of_things() -> None:
    assert anonymised(Document(**FACTS, text="x", subject="7", meta={"n": 7})).meta == {"n": 7}


@pytest.mark.parametrize("path", ["akte.person.voll", "akte.person", "akte.person.*"])
def test_people_are_found_inside_of_a_field_that_was_kept_by_its_path(path: str) -> None:
    meta = {"akte.person": {"voll": "Ada Quell"}, "akte.nr": 5}
    kept = anonymised(Document(**FACTS, text="Frau Ada Quell kam.", meta=meta), people=[path])
    assert kept.text == "Frau [PERSON] kam." and kept.meta["akte.person"] == {"voll": "[PERSON]"}
    assert reach(meta, "akte.person.voll") == reach(meta, "akte.person") and not reach(meta, "akte.person.x")[1]


def test_a_name_with_dots_is_found_where_no_object_has_the_first_part() -> None:
    assert value_at({"a.b": {"c.d": {"e": 1}}}, "a.b.c.d.e") == 1
    assert value_at({"a": {"b": {"c": 2}}, "a.b": {"c": 3}}, "a.b.c") == 2
    assert value_at({"a.b": [{"c": 1}, {"c": 2}]}, "a.b.*.c") == [1, 2]
    assert value_at({"a.b": {"c": 1}}, "a.c") is None and value_at({"a.b": 1}, "a.b.c") is None


def test_marks_of_a_text_stay_on_what_they_mark_when_it_is_masked() -> None:
    text = "Write to ada.lovelace@example.org when Ada comes, or call Grace at 192.0.2.17, Sir."
    marked = ["Ada comes", "Grace", "192.0.2.17", "to ada.lovelace", "Sir"]
    spans = [{"start": text.index(each), "end": text.index(each) + len(each), "label": "P"} for each in marked]
    document = Document(id="a", text=text, source="s", licence="MIT", meta={"spans": spans, "path": "a"})
    ((new,), _, _) = anonymise_documents(AnonymiseConfig(documents="raw"), b"key", [document], {})
    assert [new.text[each["start"] : each["end"]] for each in new.meta["spans"]] == [
        *("Ada comes", "Grace", "[IP]", "to [EMAIL]", "Sir")
    ]
    assert [each["label"] for each in new.meta["spans"]] == ["P"] * 5
