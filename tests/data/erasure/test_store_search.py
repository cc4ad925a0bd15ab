"""What stands in a store is found however it is encoded, and wherever the pieces in which a file is read are cut."""

from __future__ import annotations

import base64
import gzip
import io
import json
import quopri
import urllib.parse
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lmworks.data.erased.values import Erased, lines_of, readings, said_by, subject_line
from lmworks.data.erasure import search
from lmworks.data.erasure.passages import Passages
from lmworks.data.erasure.search import Unsearched, search_file
from quick import few

KEY = b"a key for tests only"
VALUE = "jane.roe@example.org"
SOUGHT = Erased(KEY, lines_of(KEY, VALUE))


def wrapped(raw: bytes) -> bytes:
    return base64.encodebytes(raw)


def in_members(raw: bytes) -> bytes:
    """A record in several members of a gzip file, as base64, on one line of JSON."""
    half = len(raw) // 2
    packed = gzip.compress(raw[:half]) + gzip.compress(raw[half:])
    return json.dumps({"raw": base64.b64encode(packed).decode()}).encode()


def escaped(raw: bytes) -> bytes:
    return "".join(f"\\u{byte:04x}" for byte in raw).encode()


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "base64": base64.b64encode,
    "base64 of URLs": base64.urlsafe_b64encode,
    "base64 in lines": wrapped,
    "base64 in base64": lambda raw: base64.b64encode(base64.b64encode(raw)),
    "gzip members": in_members,
    "quoted-printable": lambda raw: quopri.encodestring(raw.replace(b"@", b"=40"), quotetabs=True).replace(
        b"=3D40", b"=40"
    ),
    "JSON's escapes": escaped,
    "escapes in escapes": lambda raw: json.dumps(escaped(raw).decode()).encode(),
    "percent-encoding": lambda raw: urllib.parse.quote(raw, safe="").replace(".", "%2E").encode(),
    "HTML in JSON": lambda raw: raw.replace(b"@", b"\\u0026#64;"),
}


@pytest.mark.parametrize("encoding", few(ENCODINGS, 3))
def test_a_value_is_found_at_every_offset_around_an_edge(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PIECE", 2048)
    monkeypatch.setattr(search, "OVERLAP", 512)
    noise = b"of garden and chair, " * 9
    path, missed = tmp_path / "file.jsonl", []
    for offset in range(2048 - 500, 2048 + 90, 7):
        encoded = ENCODINGS[encoding](noise[: 40 + offset % 3] + b" " + VALUE.encode() + b" " + noise[:60])
        path.write_bytes((b"lamp table\n" * 300)[:offset] + b"\n" + encoded + b"\n" + b"mirror " * 400)
        if not search_file(path, SOUGHT).values:
            missed.append(offset)
    assert missed == []
    encoded = ENCODINGS[encoding](noise + b"jane@example.net and others " + noise)
    path.write_bytes(noise * 20 + encoded + noise)
    assert not search_file(path, SOUGHT).values


@pytest.mark.parametrize("encoding", few(["base64", "JSON's escapes", "percent-encoding", "plain"], 1))
def test_one_long_line_is_searched_to_its_end(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PIECE", 2048)
    monkeypatch.setattr(search, "OVERLAP", 512)
    monkeypatch.setattr(search, "LONGEST_LINE", 1024)
    path, missed = tmp_path / "file.json", []
    for before in range(1200, 1640, 3):
        raw = (b"of garden and chair, " * 90)[:before] + b" " + VALUE.encode() + b" of chairs and gardens" * 90
        path.write_bytes(b'"' + ENCODINGS[encoding](raw) + b'"')
        if not search_file(path, SOUGHT).values:
            missed.append(before)
    assert missed == []


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "cp1252"])
def test_other_encodings_of_letters_are_read(codec: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_bytes(f"Für {VALUE} usw.".encode(codec))
    assert search_file(tmp_path / "file.txt", SOUGHT).values


def test_a_header_of_mail_is_read(tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_text("From: =?utf-8?Q?J=C3=BCrgen_Roe?= <x@y.org>")
    assert search_file(tmp_path / "mail.eml", Erased(KEY, lines_of(KEY, "Jürgen Roe"))).values


def test_a_subject_is_found_in_its_column_and_nowhere_else(tmp_path: Path) -> None:
    sought = Erased(KEY, [subject_line(KEY, "C17")])
    pq.write_table(pa.table({"subject": ["C17"], "text": ["Sehr geehrte"]}), tmp_path / "one.parquet")
    pq.write_table(pa.table({"subject": ["C18"], "text": ["C17"], "user_room": ["C17"]}), tmp_path / "two.parquet")
    (tmp_path / "one.jsonl").write_text('{"subject": "C17", "text": "x"}')
    (tmp_path / "two.jsonl").write_text('{"subject": "C18", "text": "C17"}')
    found = {path.name for path in tmp_path.iterdir() if search_file(path, sought).values}
    assert found == {"one.parquet", "one.jsonl"}


TEXT = f"to {VALUE}"
NESTED: dict[str, pa.Array] = {
    "dictionary": pa.array(["no", TEXT]).dictionary_encode(),
    "struct": pa.array([{"a": {"b": TEXT}}]),
    "list": pa.array([[], ["no", TEXT]]),
    "large list": pa.array([[TEXT]], pa.large_list(pa.large_string())),
    "fixed list": pa.array([[TEXT, "no"]], pa.list_(pa.string(), 2)),
    "numbers": pa.StructArray.from_arrays(
        [pa.array([[1.5, 2.5]], pa.list_(pa.float32(), 2)), pa.array([TEXT])], ["vector", "text"]
    ),
    "name in a map": pa.array([[(TEXT, "no")]], pa.map_(pa.string(), pa.string())),
    "map": pa.array([[("no", TEXT)], [], None], pa.map_(pa.string(), pa.string())),
    "binary": pa.array([b"\xff\xfe no", TEXT.encode("utf-16-le"), None]),
    "large binary": pa.array([TEXT.encode()], pa.large_binary()),
}


@pytest.mark.parametrize("kind", NESTED)
def test_a_value_is_found_in_columns_of_every_type(kind: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"column": NESTED[kind]}), tmp_path / "a.parquet")
    assert search_file(tmp_path / "a.parquet", SOUGHT).values


def test_runs_of_words_are_sought_in_files(tmp_path: Path) -> None:
    text = "the ladder stands in the shed behind the garden"
    passages = Passages()
    passages.take("a", [text])
    (tmp_path / "log.txt").write_text(f"read: {text.title()}.")
    assert search_file(tmp_path / "log.txt", Erased(KEY, []), passages).runs


@pytest.mark.parametrize(
    ("name", "raw"),
    [("part-00000.parquet", b"PAR1 of nothing"), ("log.gz", gzip.compress(b"a log of a day " * 9, mtime=0)[:-12])],
)
def test_what_cannot_be_read_is_named(name: str, raw: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(Unsearched, match=r"\w"):
        search_file(tmp_path / name, SOUGHT)


def test_a_word_file_that_was_cut_is_read_though_word_has_cut_the_address(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "<w:p><w:r>To jane.roe</w:r><w:r>@example.org, </w:r></w:p>" * 3)
        archive.writestr("word/styles.xml", "none " * 900)
    record = {"raw": base64.b64encode(stream.getvalue()[:-30]).decode()}
    (tmp_path / "quarantine.jsonl").write_text(json.dumps(record))
    assert search_file(tmp_path / "quarantine.jsonl", SOUGHT).values


def encoded_word(raw: bytes, form: str = "B", charset: str = "utf-8") -> bytes:
    said = base64.b64encode(raw) if form in "bB" else b"".join(b"=%02X" % byte for byte in raw)
    return b"=?%s?%s?%s?=" % (charset.encode(), form.encode(), said)


MAILED = "Brief an Jürgen Roé"
HEADERS = {
    "split": encoded_word(MAILED[:13].encode()) + b"\n " + encoded_word(MAILED[13:].encode()),
    "within a letter": encoded_word(MAILED.encode()[:11]) + b"\r\n\t" + encoded_word(MAILED.encode()[11:], "b"),
    "quoted within a letter": encoded_word(MAILED.encode()[:11], "Q") + b" " + encoded_word(MAILED.encode()[11:], "q"),
    "Latin": encoded_word(MAILED.encode("latin-1"), charset="iso-8859-1"),
    "with a language": encoded_word(MAILED[:13].encode(), charset="utf-8*de") + b" " + encoded_word(b"en Ro\xc3\xa9"),
    "two forms": encoded_word(MAILED[:13].encode(), "q") + b" " + encoded_word(MAILED[13:].encode()),
    "folded inside": encoded_word(MAILED.encode())[:26] + b"\n " + encoded_word(MAILED.encode())[26:],
    "of an unknown charset": encoded_word(MAILED[:13].encode(), charset="idna")
    + b" "
    + encoded_word(MAILED[13:].encode(), charset="x-unknown"),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_names_in_encoded_words_of_a_mail_that_could_not_be_read(header: bytes) -> None:
    erased = Erased(KEY, lines_of(KEY, "Jürgen Roé"))
    raw = b"From: x@mill.example\nSubject: " + header + b"\nContent-Type: text/plain\n\n"
    for body in (b"in Ulm\n", b"Gr\xfc\xdfe \xff\xfe aus =FClm\n"):
        said = said_by({"raw": base64.b64encode(raw + body), "source": "", "path": "", "record": 0, "reason": ""})
        assert any(erased.find(said)), header


@pytest.mark.parametrize("text", ["=?", "=?utf-8?B?A?=", "=?a?q?=?=", "=?utf-8?B??=", "=?x?b?====?= =?undefined?q?a?="])
def test_what_is_hardly_an_encoded_word_is_read(text: str) -> None:
    assert next(readings(text)) == text
