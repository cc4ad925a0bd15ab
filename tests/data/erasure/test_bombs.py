"""What is packed into a text is read within limits: of bytes and of beginnings, whatever it unpacks to."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from lmworks.data.base import encoded as module
from lmworks.data.erased import values
from lmworks.data.erased.contacts import numbers_in
from lmworks.data.erased.values import Erased, lines_of, readings
from quick import few

HEAD = b"PK\x03\x04" + bytes(26)
EMPTY_BLOCKS = b"\0\0\0\xff\xff" * 2_000
MAIL = "jane@example.com"


def packed(raw: bytes) -> str:
    return "x " + base64.b64encode(gzip.compress(raw, mtime=0)).decode()


def nested(text: str, times: int) -> str:
    for _ in range(times):
        text = packed(text.encode())
    return text


def members(count: int) -> str:
    return "x " + base64.b64encode(gzip.compress(b"a", mtime=0) * count).decode()


BOMBS: dict[str, Callable[[], str]] = {
    "heads": lambda: packed(b"PK\x03\x04" * 200_000),
    "heads and names": lambda: packed(HEAD * 50_000),
    "heads with a stream each": lambda: packed((HEAD + zlib.compress(b"a", wbits=-15)) * 50_000),
    "heads before empty blocks": lambda: packed(HEAD * 1_000 + EMPTY_BLOCKS),
    "members": lambda: members(20_000),
    "zeros": lambda: packed(bytes(2**22)),
    "zeros inside of zeros": lambda: nested("\0" * 2**22, 2),
    "many runs": lambda: " ".join([packed(bytes(2**18))] * 20),
}


@pytest.mark.parametrize("name", few(BOMBS, 1))
def test_a_bomb_is_read_within_limits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNPACKED", 2**19)
    streams, fed = 0, 0
    make = zlib.decompressobj

    class Stream:
        def __init__(self, wbits: int) -> None:
            nonlocal streams
            streams += 1
            self._inner = make(wbits=wbits)

        def decompress(self, data: Any, most: int = 0) -> bytes:
            nonlocal fed
            fed += len(data)
            return self._inner.decompress(data, most)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    text = BOMBS[name]()
    monkeypatch.setattr(zlib, "decompressobj", Stream)
    said = [*readings(text)]
    room = module.MOST_UNPACKED + module.UNPACKED_PER_CHARACTER * len(text)
    assert streams <= room
    assert fed <= 2 * room
    assert sum(map(len, said)) <= 8 * (room + len(text))


def test_texts_that_are_searched_together_share_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST_UNPACKED", 2**18)
    lengths: list[int] = []
    monkeypatch.setattr(Erased, "_mails_in", lambda _, text: lengths.append(len(text)) or ())
    Erased(b"key", lines_of(b"key", MAIL)).find([packed(b"1 " * 2**19)] * 8)
    assert sum(lengths) < 3 * 2**18


@pytest.mark.slow
def test_what_a_bomb_took_of_the_room_is_not_missing_for_other_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST_UNPACKED", 2**14)
    plain = "x " + base64.b64encode(f"write to {MAIL} now".encode()).decode()
    bombs = [packed(bytes(2**21)), *[packed(HEAD * 400)] * 3]
    texts = [*bombs, plain, packed(f"write to {MAIL}".encode())]
    found = Erased(b"key", lines_of(b"key", MAIL)).find(texts)
    assert list(map(bool, found)) == [False] * len(bombs) + [True, True]


def test_a_row_of_single_digits_gives_few_candidates_and_one_of_a_number_all() -> None:
    number = " ".join("4917031415926")
    assert len([*numbers_in("1 2 " * 5_000, [9, 13])]) < 10
    assert "4917031415926" in [found.digits for found in numbers_in(f"12 34 {number} 55", [9, 13])]


def test_what_stands_before_the_limit_is_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(300):
            archive.writestr(f"{number}.txt", f"{number} {MAIL if number == 299 else 'nobody'} " * 300)
    whole = file.getvalue()
    for raw in (whole, whole[: whole.rindex(b"PK\x01\x02") - 20], b"PK\x03\x04" * 100 + whole):
        assert any(MAIL in said for said in readings(packed(raw))), len(raw)
    runs = " ".join(packed(f"{number} {MAIL}".encode()) for number in range(50))
    assert sum(said.count(MAIL) for said in readings(runs)) >= 50
    several = gzip.compress(b"nobody " * 9_000) + gzip.compress(MAIL.encode())
    assert any(MAIL in said for said in readings("x " + base64.b64encode(several).decode()))
    assert all(one != two for one, two in pairwise(readings(runs)))


def test_many_marks_on_one_letter_are_read_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import unicodedata

    longest = 0
    compose = unicodedata.normalize

    def noting(form: str, text: str) -> str:
        nonlocal longest
        run = 0
        for sign in text:
            run = run + 1 if unicodedata.combining(sign) else 0
            longest = max(longest, run)
        return compose(form, text)

    monkeypatch.setattr(unicodedata, "normalize", noting)
    assert [*readings("a" + "\u0323\u0301" * 5_000)]
    assert longest <= 1_000
