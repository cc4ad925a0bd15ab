"""What could not be read for its encoding is searched in the encoding that it looks like."""

from __future__ import annotations

import base64

import pytest

from lmworks.data.base.encoded import texts_of
from lmworks.data.base.text import letters
from lmworks.data.erased.values import readings

NOTES = {
    "cp1253": "Η Ευδοκία Παπαγεωργοπούλου τηλεφώνησε χθες το απόγευμα.",
    "cp1254": "Şükrü Yıldırımoğlu dün akşam aradı.",
    "cp1251": "Вчера вечером звонила Евдокия Лаврентьева.",
    "koi8-r": "Вчера вечером звонила Евдокия Лаврентьева.",
    "cp1250": "Včera večer volala Ludmila Příhodová.",
    "cp1252": "Gestern rief Frau Jördis Größinger an.",
    "cp932": "昨日の夕方に東雲葵子さんから電話がありました。",
    "gb18030": "昨天晚上欧阳慕雪打来了电话，说她不会来了。",
    "cp949": "어제 저녁에 남궁설희 씨가 전화를 했습니다.",
}


@pytest.mark.parametrize("encoding", NOTES)
@pytest.mark.parametrize(
    "around", [b"%s", b'{"id": 7, "note": "%s", "state": "open"', b"To: desk\nSubject: call\n\n%s\n"]
)
def test_bytes_in_another_encoding_are_searched(encoding: str, around: bytes) -> None:
    raw = around % NOTES[encoding].encode(encoding)
    assert any(NOTES[encoding] in text for text in texts_of(raw))
    packed = base64.b64encode(raw).decode()  # as quarantine keeps what could not be read
    assert any(letters(NOTES[encoding]) in text for text in readings(f'{{"raw_base64": "{packed}"}}'))


def test_packed_bytes_are_read_as_ascii_alone() -> None:
    raw = bytes((place * place * 2654435761 >> 11) & 255 for place in range(4000)) + b"jane@example.org"
    assert any("jane@example.org" in text for text in texts_of(raw))
