"""The names in a record's own fields, wherever and however they are written in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmworks.data.base.text import fold, places
from lmworks.data.personal.findings import Detectors, scan, substitute
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise_documents
from lmworks.data.privacy.people import is_named_by, people_detector, people_of, subject_of
from lmworks.data.privacy.surrogates import value_digest
from lmworks.data.shards.records import Document

CONFIG = AnonymiseConfig(documents="raw", people=["patient"])


def masked(name: str, text: str) -> str:
    """The text with P in place of what is found of a name."""
    return substitute(text, scan(text, Detectors([people_detector([name])])), lambda finding: "P")


def anonymised(row: dict[str, Any], people: list[str], **config: Any) -> Document:
    document = Document.of_row(row, id="a", source="s", licence="MIT", meta={"path": "a"})
    made = AnonymiseConfig(documents="raw", people=people, **config)
    return anonymise_documents(made, b"key", [document], {})[0][0]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("İbrahim İncesaz", "Hasta İbrahim İncesaz geldi; İncesaz bekliyor.", "Hasta P geldi; P bekliyor."),
        ("İbrahim İncesaz", "HASTA İBRAHİM İNCESAZ YATIRILDI", "HASTA P YATIRILDI"),
        ("İbrahim İncesaz", "hasta ibrahim incesaz görüldü; i̇brahi̇m", "hasta P görüldü; P"),
        ("Işıl Yıldırımoğlu", "SAYIN IŞIL YILDIRIMOĞLU, KONTROL", "SAYIN P, KONTROL"),
        ("Işıl Yıldırımoğlu", "Yıldırımoğluna söylendi, Yıldırımoğlu'nun tahlili", "P söylendi, P'nun tahlili"),
        ("Jörg Großkreuzer", "MIETER JÖRG GROSSKREUZER ZAHLT; GROẞKREUZER; JORG", "MIETER P ZAHLT; P; P"),
        ("Jörg Großkreuzer", "Anlage Jörg_Großkreuzer.pdf, IMG_Großkreuzer2024.jpg", "Anlage P.pdf, IMG_P2024.jpg"),
        ("Jörg Großkreuzer", "Großkreuzers Auto, Jörgs Rad, GROSSKREUZERS HAUS", "P Auto, P Rad, P HAUS"),
        ("Jörg Großkreuzer", "hallo, großkreuzer hier; jörg großkreuzer", "hallo, P hier; P"),
        ("Jörg Großkreuzer", "Jo\u0308rg kam, Jo\u0308rg.", "P kam, P."),
        ("Θεόδωρος Παπακώστας", "ΑΣΘΕΝΗΣ ΘΕΟΔΩΡΟΣ ΠΑΠΑΚΩΣΤΑΣ", "ΑΣΘΕΝΗΣ P"),
        ("Li Wu", "Patient Li Wu came; Wu left. WU LI, Wu's chart. li wu", "Patient P came; P left. P, P's chart. P"),
        ("王小明", "患者王小明今天来院,小明说头痛", "患者P今天来院,P说头痛"),
        ("김민수", "환자 김민수는 왔다. 민수가", "환자 P는 왔다. P가"),
        ("محمد الخوارزمي", "ومحمد الخوارزمي ذهب", "وP ذهب"),
        ("सीता शर्मा", "रोगी सीता शर्मा आई, सीता बैठी", "रोगी P आई, P बैठी"),
        ("Jürgen Groß-Hübener", "Groß-Hübener, Jürgen; Frau Hübener; GROSS-HÜBENER", "P; Frau P; P"),
        ("Brigid O'Farrelly", "O'Farrelly, Brigid; O’Farrelly; Farrelly", "P; P; P"),
        ("Philippa M. Quillfeather", "Quillfeather, Philippa M., left. Ms Quillfeather", "P, left. Ms P"),
        ("Anna de la Cruz", "La casa de Anna. CRUZ, ANNA DE LA", "La casa de P. P"),
        ("M/0/77", "has M/0/77 and", "has P and"),
        ("欧阳娜娜", "娜娜说,欧阳说", "P说,P说"),
        ("Jörg Quell", "Jo\u0308rg\u0301.", "P."),
        ("jorge", "so jorge said", "so P said"),
        ("jane roeders", "roeders came", "P came"),
        ("Ada Quell", "with Quell. Ada left", "with P. P left"),
        ("Ada Quell", "Ada\nQuell", "P\nP"),
        ("Anna de la Cruz", "by de la Cruz.", "by P."),
        ("Philippa M. Quillfeather", "Philippa M left", "P left"),
    ],
)
def test_a_name_is_found_however_it_is_written(name: str, text: str, expected: str) -> None:
    assert masked(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Petra Grau", "Die Jacke ist grau, die Wand graue Farbe."),
        ("Li Wu", "the li is a measure; wuthering; oli wuensche"),
        ("An Do", "do an analysis. An apple. Do it."),
        ("Rose A. Grau", "a rose; A grandee"),
        ("Anna de la Cruz", "de la maison, De la maison"),
        ("Jürgen Groß-Hübener", "Groß ist der Garten. Ein groß geratener."),
        ("Thomas Mann", "Männer und manner, ein Mannschaftsspiel"),
        ("Grace Long", "Graceful, gracefully, longer, long grace period"),
        ("Frau Anna Berger", "Frau Schulz, die Frauen, eine Frau"),
        ("Dr. Ada Quell", "Dr. Schulz sah Dr. Meier"),
        ("Kim 민수가", "수가 있다"),
        ("Petra Summer", "in summer and winter"),
        ("Rose Long", "the long rose"),
    ],
)
def test_words_that_only_look_like_a_part_stay(name: str, text: str) -> None:
    assert masked(name, text) == text


LETTERS = st.characters(categories=["Lu", "Ll", "Lt", "Lo", "Mn", "Mc"])
NAMES = st.text(st.one_of(LETTERS, st.sampled_from("İıßẞςΣᾳ ,-'’.")), min_size=1, max_size=20).filter(
    lambda name: name.count(",") < 2
)


@given(NAMES, st.sampled_from([str, str.upper, str.lower, str.title]))
@example("İbrahim İncesaz", str)
@example("jane@example.com Doe", str)
def test_nothing_of_a_named_field_stays_nor_the_name_beside_it(name: str, write: Any) -> None:
    new = anonymised({"patient": name, "note": f"( {write(name)} )"}, ["patient"]).row()
    if name.strip():
        assert new["patient"] in ("[PERSON]", "[EMAIL]")
    if name == name.lower() or write(name).islower():
        return  # a single word in small letters may be any
    words = "".join(each if each.isalnum() else " " for each in fold(" ".join(name.split()))).split()
    left = fold(new["note"].replace("[PERSON]", " "))
    assert not [word for word in words if len(word) > 2 and word in left]


@pytest.mark.parametrize(
    ("row", "people", "expected"),
    [
        ({"patient": "İbrahim <i@example.com>, 04921 887766"}, ["patient"], {"patient": "[PERSON]"}),
        ({"case": {"by": ["X Y", "of"]}}, ["case.by"], {"case": {"by": ["[PERSON]", "[PERSON]"]}}),
        ({"team": [{"name": "of the", "role": "x"}]}, ["team.*.name"], {"team": [{"name": "[PERSON]", "role": "x"}]}),
        ({"by": {"one": {"name": "of"}}}, ["by.*.name"], {"by": {"one": {"name": "[PERSON]"}}}),
    ],
)
def test_a_named_field_is_replaced_whole(row: dict[str, Any], people: list[str], expected: dict[str, Any]) -> None:
    assert anonymised(row, people).row() == expected
    document = Document(id="a", text="text", source="s", licence="MIT", meta=row)
    config = AnonymiseConfig(documents="raw", people=people)
    assert anonymise_documents(config, b"key", [document], {})[0][0].meta == expected


def test_what_else_stands_in_a_named_field_is_indexed() -> None:
    document = Document(id="a", text="x", source="s", licence="MIT", meta={"patient": "Ada <ada@example.com>"})
    _, entries, _ = anonymise_documents(CONFIG, b"key", [document], {})
    assert (value_digest(b"key", "email", "ada@example.com"), "email", "a") in entries


def test_a_field_that_holds_a_whole_text_is_found_part_by_part() -> None:
    words = [f"{first}{second}nor" for first in "BDFG" for second in "aeiou"]
    assert masked(" ".join(words), " ".join(reversed(words))) == "P P"


def test_a_field_of_the_same_beginning_names_nobody() -> None:
    assert not is_named_by("patients", ["patient"]) and not is_named_by("by.patient", ["patient"])
    assert is_named_by("patient.0.name", ["patient"]) and is_named_by("a.b.c", ["a.b"])
    assert is_named_by("akte.person", ["akte.person.*"]) and is_named_by("team.name", ["team.*.name"])


def test_a_subject_is_as_stated_else_the_first_name_but_no_object() -> None:
    facts: dict[str, Any] = {"id": "a", "text": "x", "source": "s", "licence": "MIT"}
    meta = {"by": {"given": "Ada", "family": "Quell"}, "for": ["Roe, Jane", "John Doe"]}
    assert subject_of(Document(**facts, subject="S", meta=meta), ["for"]) == "S"
    assert subject_of(Document(**facts, meta=meta), ["by", "for"]) == "Jane Roe"
    assert subject_of(Document(**facts, meta=meta), ["by"]) is None
    assert people_of(Document(**facts, meta=meta), ["by", "for"]) == ["Ada", "Quell", "Jane Roe", "John Doe"]


def test_parts_in_another_order_and_case_get_the_same_person_s_surrogate() -> None:
    row = {"patient": "Işıl Yıldırımoğlu", "note": "Işıl Yıldırımoğlu; YILDIRIMOĞLU, IŞIL; IŞIL; Yıldırımoğluna"}
    note = anonymised(row, ["patient"], action="surrogate").row()["note"]
    given, family = note.split(";")[0].split(" ")
    assert note == f"{given} {family}; {family}, {given}; {given}; {family}"


@given(st.text(max_size=40))
@example("\u13a0\u0130\u1e9e\u1fb3\u0149")  # Cherokee's capitals are what casefold makes
def test_all_cases_have_one_form(text: str) -> None:
    whole = fold(text)
    assert whole == "".join(map(fold, text)) and len(places(text)) == len(whole) + 1
    for written in (text.upper(), text.lower(), text.title(), text.casefold()):
        assert [*map(fold, written)] and "".join(map(fold, written)) == whole if text else not written
