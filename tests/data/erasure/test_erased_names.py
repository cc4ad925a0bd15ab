"""Erased names and telephones in the case, order and signs that people write them in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.erased.values import Erased, Line, lines_of, readings, subject_line
from lmworks.data.erasure.loose import Loose

KEY = b"a key for tests only"


def holds(value: str, text: str) -> bool:
    return bool(Erased(KEY, lines_of(KEY, value)).find([text])[0])


def may_hold(value: str, text: str) -> bool:
    return any(Loose(["Nobody Atall", value]).find(form) == {1} for form in readings(text))


CASES = [
    ("Işıl Yıldırımoğlu", "SAYIN IŞIL YILDIRIMOĞLU, KONTROL"),
    ("IŞIL YILDIRIMOĞLU", "Sayın Işıl Yıldırımoğlu'nun"),
    ("İbrahim İncesaz", "hasta ibrahim incesaz görüldü"),
    ("ibrahim incesaz", "HASTA İBRAHİM İNCESAZ"),
    ("İbrahim İncesaz", "hasta i̇brahi̇m i̇ncesaz"),
    ("Θεόδωρος Παπακώστας", "ΑΣΘΕΝΗΣ ΘΕΟΔΩΡΟΣ ΠΑΠΑΚΩΣΤΑΣ"),
    ("ΘΕΟΔΩΡΟΣ ΠΑΠΑΚΩΣΤΑΣ", "ο Θεόδωρος Παπακώστας"),
    ("Jörg Großkreuzer", "JÖRG GROSSKREUZER; JÖRG GROẞKREUZER"),
    ("işil@example.com", "IŞIL@EXAMPLE.COM"),
    ("Íñigo Núñez", "INIGO NUNEZ, inigo nunez"),
    ("Inigo Nunez", "Íñigo Núñez"),
    ("Łukasz Żółw", "Lukasz Zolw"),
    ("Søren Kierkegård", "SOREN KIERKEGARD"),
    ("ışıl@example.com", "IŞIL@EXAMPLE.COM"),
]
ORDERS = [
    ("Philippa M. Quillfeather", "Dr. Philippa M. Quillfeather"),
    ("Dr. Anna Nowak", "pani dr. Anna Nowak"),
    ("Brigid O'Farrelly", "Brigid O’Farrelly"),
    ("Bríd O’Leary-Vågen", "BRID OLEARY-VAGEN"),
    ("Chiara D'Ambrosio", "chiara dambrosio"),
    ("Cruz, Anna de la", "Anna de la Cruz"),
    ("Anna Nowak", "„Nasza Anna-Nowak”, **Anna** _Nowak_, Anna\u00a0Nowak"),
    ("Anna Nowak", "A line of a letter that is wrapped says: Anna\n> Nowak came"),
    ("Anna de la Cruz", "ANNA DE LA CRUZ, anna de la cruz"),
    ("François Petit", "hier François Petit est venu"),
]
PARTED = [
    ("Jürgen Groß-Hübener", "GROSS-HÜBENER, JÜRGEN"),
    ("Anna Nowak", "Nowak Anna"),
    ("Anna de la Cruz", "de la Cruz, Anna"),
    ("कमला सिंह", "सिंह, कमला"),
    ("Anna Nowak", "Obecni: Maria Nowak, Anna Zielińska, Piotr Lis."),
    ("Anna Nowak", "dr Jan Nowak. Anna Lis jest pacjentką"),
    ("Anna Nowak", "Maria Nowak / Anna Nagy"),
    ("Anna Nowak", "Maria Nowak\nAnna Nagy"),
    ("Anna Nowak", "Szabó-Nowak Anna: lelet"),
    ("Anna Nowak", "Lis, Anna, Nowak, Piotr"),
    ("Anna Nowak", "Lis Anna\nNowak Piotr"),
    ("Anna Nowak", "A list of all whom we saw on that day: Lis Anna\n\nNowak Piotr"),
    ("Anna Nowak", "Lis Anna; Nowak Piotr"),
    ("Anna Nowak", "Lis Anna. Nowak Piotr"),
    ("Anna Nowak", "Lis Anna (Nowak Piotr)"),
    ("Anna Nowak", "Lis Anna\tNowak Piotr"),
    ("Anna Nowak", "<ul><li>Lis Anna</li><li>Nowak Piotr</li></ul>"),
    ("Anna Nowak", "<tr><TD class='x'>Anna</TD><TD>Nowak</TD></tr>"),
    ("Anna Nowak", '["Lis Anna", "Nowak Piotr"]'),
    ("Anna Nowak", "Lis Anna - Nowak Piotr"),
    ("François Petit", "le petit François joue"),
]
LONGER = [
    "Maria Nowak-Kowalska zgłasza zalanie",
    "maria nowak-kowalska zgłasza zalanie",
    "Anna-Maria Nowak prosi",
    "zgłasza Maria Nowak Kowalska z trzeciego",
    "to pisze Maria Nowak Kowalska.",
]
WHOLE = [
    "Dzwoniła Maria Nowak spod trójki",
    "Wczoraj pisała Pani Maria Nowak, a potem Dr. Maria Nowak",
    "Gestern schrieb die Kundin Maria Nowak. Herr Lis schwieg",
    "yesterday Mr Maria Nowak and Mrs Maria Nowak came. Dear Maria Nowak",
    "Winda stoi. Sprawdza Maria Nowak. Jutro",
    "MIESZKANKA MARIA NOWAK PROSI",
    "pisze Maria Nowak-nak i Maria Nowak - Warszawa",
    "Maria Nowak\nWarszawa",
    "Maria Nowak, Anna Lis",
    "Maria Nowak Tel. 030",
    "Jan Maria Nowak",
    "Zgłasza to Jan Maria Nowak z trzeciego",
]
PHONES = [
    ("04921 887766", "Tel. 04921 – 887766."),
    ("04921 887766", "0049 (0) 4921 – 887766"),
    ("+49 4921 887766", "04921 \u2014 887766"),
    ("04921 – 887766", "4921/887766 and 04921887766"),
    ("0049 176 12345678", "0176 12345678"),
    ("123-4567", "call +11234567"),
    ("123-4567", "call +3541234567"),
    ("123-4567", "call + 491234567"),
    ("KUNDE123456", "of KUNDE123456,"),
    ("12345", "of 12345."),
    ("123-4567", "order 491234567, call +491234567"),
    ("AB 1234", "plate AB 1234, grey"),
]


@pytest.mark.parametrize(("value", "text"), [*CASES, *ORDERS, *PHONES])
def test_a_value_is_found_in_any_case_order_and_with_any_dash(value: str, text: str) -> None:
    assert holds(value, text)


@pytest.mark.parametrize("text", LONGER)
def test_a_part_of_a_longer_name_is_not_taken_and_told(text: str) -> None:
    assert not holds("Maria Nowak", text)
    assert may_hold("Maria Nowak", text)


@pytest.mark.parametrize("text", WHOLE)
def test_a_title_or_the_first_word_of_a_sentence_makes_no_longer_name(text: str) -> None:
    assert holds("Maria Nowak", text)


@pytest.mark.parametrize(("value", "text"), PARTED)
def test_a_name_in_another_order_or_over_a_boundary_is_not_taken_and_told(value: str, text: str) -> None:
    assert not holds(value, text)
    assert may_hold(value, text)


EARLIER = {
    "Íñigo Núñez": (["db2e12f053a6ed165e43fb1c0184e2c7 name 2 3293", "85dcd1dcc523588375c2da1607d59093 subject"], []),
    "Işıl Yıldırımoğlu": (
        ["fd1d9be5386e8b2b3a43ed999e46e5ba name 2 2574", "897eee8ca3d52be711d79d71ecb4e11f name 2 3176"],
        ["IŞIL YILDIRIMOĞLU"],
    ),
    "Θεόδωρος Παπακώστας": (
        ["c5e6b1e15461785140b409de6ebaa091 name 2 3761", "14cb971d4534e9886e0f38c65437ccec name 2 2079"],
        ["ΘΕΟΔΩΡΟΣ ΠΑΠΑΚΩΣΤΑΣ"],
    ),
    "Jane Roe": (["cc7e95146b9f62c9f9cd9792dabf63d5 name 2 2445"], ["JANE ROE", "<b>Jane</b> Roe"]),
    "jürgen@example.org": (
        ["0d7c5bb277d3adf11b41cddf1dab4615 email"],
        ["J&uuml;rgen@Example.org"],
    ),
    "+49 170 1234567": (
        ["63d1573ed189c6c62c1b416479647ce7 national 10", "0691aa1dd7f659298e24ddf093cee0d2 abroad 12"],
        ["0170/1234567", "0049 (0)170 123 4567"],
    ),
    "0170 1234567": (["db0eff0c933b6e6e522808cd99cb7d31 phone 10"], ["+43 170 1234567"]),
    "GB29 NWBK 6016 1331 9268 19": (["f315ac059b52d6dcf468d4784eb41247 number 22"], ["GB29NWBK60161331926819"]),
    "김민수": (
        ["ba576f3928b228ab8b41d3fc3c6f8c87 name 1 3130", "555270abd09b5c679f4198f7ba69bec6 name 2 3229"],
        ["김 민수"],
    ),
    "order of the 5 hats": (["402ee3e91b41bf7b207e7b5c465e4825 phrase 5 2765"], ["Order of the 5 HATS"]),
}
"""Lines of the last release, by the value that they are of, with other texts that hold it."""


@pytest.mark.parametrize("value", EARLIER)
def test_lines_of_the_last_release_find_what_they_found(value: str) -> None:
    lines, texts = EARLIER[value]
    erased = Erased(KEY, map(Line.read, lines))
    assert all(erased.find([f"by {text}, there" for text in (value, *texts)]))
    assert erased.find(["nothing of it"]) == [set()]


def test_subjects_of_the_last_release_are_known() -> None:
    lines = ["85dcd1dcc523588375c2da1607d59093 subject", "fc04cceba522d72d2e417052c06fa10a subject"]
    erased = Erased(KEY, map(Line.read, lines))
    for subject in ("Íñigo Núñez", "Núñez, Íñigo", "IŞIL YILDIRIMOĞLU", "Işıl Yıldırımoğlu"):
        assert erased.of_subject(subject), subject


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Jürgen Groß-Hübener", "Groß, Jürgen Hübner"),
        ("Anna de la Cruz", "Anna Cruz de la"),
        ("Philippa M. Quillfeather", "P. M. Quillfeather and Philippa Quillfeather"),
        ("2 rooms", "rooms 2"),
        ("Íñigo Núñez", "inigo.nunez.ruiz@example.org"),
        ("Copies of it go to all", "go to all copies of it"),
        ("4911111111111", "011111111111"),
        ("123-4567", "call +491761234567, order 491234567"),
    ],
)
def test_another_name_is_not_taken_for_it(value: str, text: str) -> None:
    assert not holds(value, text)


@pytest.mark.parametrize(("value", "text"), [("Işıl Yıldırımoğlu", "IŞIL YILDIRIMOĞLU"), ("Ώρα Νέα", "ΩΡΑ ΝΕΑ")])
def test_a_subject_is_known_in_any_case(value: str, text: str) -> None:
    for erased, written in ((value, text), (text, value)):
        assert Erased(KEY, [subject_line(KEY, erased)]).of_subject(written)


@given(st.lists(st.text(st.sampled_from("aIıİiΏώσςßẞé"), min_size=2, max_size=6), min_size=2, max_size=3))
def test_upper_lower_and_title_case_are_found(words: list[str]) -> None:
    value = " ".join(words)
    for text in (value, value.upper(), value.lower(), value.title()):
        assert holds(value, text) and holds(text, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            ("김민수", f"어제 {name} 전화")
            for name in ("김민수가", "김민수님", "김민수님께서는", "김민수의", "김민수입니다", "김민수씨에게", "김민수")
        ),
        ("이은이", "이은이가 왔다"),
        ("김민수", "환자 김 민수 내원"),
        ("김민수", "김 민수 씨 보호자"),
        ("박 서준", "박서준 환자 퇴원"),
        ("박 서준", "박서준이 왔다"),
        ("佐藤健", "佐藤健様のご注文、担当の佐藤健が"),
        ("佐藤健", "佐藤健先生"),
        ("さとう けん", "はさとうけんさん"),
        ("欧阳明", "客户欧阳明的订单, 客户欧阳明月"),
        ("王小明", "昨天王小明来了"),
        ("สมชาย ใจดี", "คุณสมชาย ใจดี แจ้งว่า"),
        ("สมชาย ใจดี", "ลูกค้าสมชายใจดีแจ้งว่าเสีย"),
    ],
)
def test_a_name_is_found_though_its_language_glues_words_to_it(value: str, text: str) -> None:
    assert holds(value, text)


INSIDE = [
    ("김민수", "김민수빈이 왔다"),
    ("김민수", "고객김민수가 왔다"),
    ("Ann Lee", "Ann Leeson wrote"),
    ("Anna Kowalska", "list od Anny Kowalskiej"),
    ("Мария Иванова", "письмо Марии Ивановой"),
    ("Kovács János", "Kovács Jánosnak írt"),
    ("كريم المنصوري", "قال لكريم المنصوري"),
    ("שלום כהן", "נכתב לשלום כהן"),
    ("Nowak", "dla Nowaka"),
    *(("Ewa Lis", f"Wypis {said} przekazano") for said in ("Ewy Lis", "Ewie Lis")),
    *(("Kovács Éva", f"{said} felírtuk") for said in ("Kovács Évának", "Kovács Évát", "Kovács Évával")),
    ("김민수", "어제 김 민수가 왔다"),
]


@pytest.mark.parametrize(("value", "text"), INSIDE)
def test_what_may_be_a_longer_name_is_not_taken_and_told(value: str, text: str) -> None:
    assert not holds(value, text)
    assert may_hold(value, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(("Roe", "Roes and heroes"), ("Li Wu", "live wuther"), ("Nowak", "Kownowak")),
        ("Ewa Lis", "jewel list, ewentualnie lista"),
    ],
)
def test_other_words_are_not_told_as_longer_names(value: str, text: str) -> None:
    assert not holds(value, text) and not Loose([value]).find(text)
