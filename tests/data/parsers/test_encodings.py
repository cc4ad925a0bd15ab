"""Texts in other encodings than UTF-8 are read where they are stated, and told where they are not."""

from __future__ import annotations

import base64
import codecs
import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from data_support import quarantined, texts
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.parsers.test_parsers import good, read, reasons
from lmworks.data.base.encodings import looks_like, looks_like_utf16
from lmworks.data.reading.ingest import IngestConfig
from lmworks.data.sources import parsed
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record
from lmworks.errors import UsageError
from quick import examples

Ingest = Callable[..., Any]
TEXTS = ["Größe – süße „Bären“", "zweite Zeile", "L’été à la plage"]
FORMS = {
    "a.txt": "\n".join(TEXTS),
    "a.md": "# " + TEXTS[0],
    "a.html": f"<p>{TEXTS[0]}</p>",
    "a.jsonl": "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in TEXTS),
    "a.csv": "text,n\n" + "".join(f'"{text}",1\n' for text in TEXTS),
    "b.csv": "n;text\n" + "".join(f"1;{text}\n" for text in TEXTS),
    "a.tsv": "text\tn\n" + "".join(f"{text}\t1\n" for text in TEXTS),
}


@pytest.mark.parametrize("pack", ["", ".gz", ".zst", ".zip"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_every_form_of_text_is_read_in_its_encoding_however_it_is_packed(
    ingest_files: Ingest, tmp_path: Path, encoding: str, pack: str
) -> None:
    stated = {"encoding": encoding} if encoding in ("cp1252", "utf-16-le") else {}

    def packed(name: str, text: str) -> tuple[str, bytes]:
        content = text.encode(encoding)
        if pack == ".zip":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr(name, content)
            return f"{name}.zip", buffer.getvalue()
        return f"{name}{pack}", {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[pack](content)

    _, out = ingest_files(dict(packed(*item) for item in FORMS.items()), **stated)
    assert quarantined(out) == []
    assert texts(out) == sorted([*(FORMS[name] for name in ("a.txt", "a.md", "a.html")), *TEXTS * 4])


@pytest.mark.parametrize("pack", [bytes, zstandard.compress])
@pytest.mark.parametrize("form", ["json", "lines"])
def test_forms_that_an_ending_does_not_say_are_read_in_their_encoding(
    tmp_path: Path, form: str, pack: Callable[[bytes], bytes]
) -> None:
    value = {"json": json.dumps([{"text": text} for text in TEXTS], ensure_ascii=False), "lines": "\n".join(TEXTS)}[
        form
    ]
    name = f"a.{form}" + ".zst" * (pack is not bytes)
    assert [item.text for item in read(tmp_path, {name: pack(value.encode("utf-16"))}, format=form)] == TEXTS
    inner = json.dumps({"data": [{"text": text} for text in TEXTS]}).encode("utf-16-le")
    (tmp_path / name).write_bytes(pack(inner))
    if form == "json":
        found = read(tmp_path, {}, format=form, records="data.*", encoding="utf-16-le")
        assert [item.text for item in found] == TEXTS


def test_an_xml_file_is_read_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    content = '<?xml version="1.0" encoding="ISO-8859-1"?><all><pair><t>Größe</t></pair><pair><t>süß</t></pair></all>'
    found = read(tmp_path, {"a.xml": content.encode("latin-1")}, format="xml", records="pair", text_field="t")
    assert [record.text for record in good(found)] == ["Größe", "süß"]


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("a.txt", "Fünf große Bären äßen gerne süße Früchte.", "cp1252"),
        ("a.txt", "Příliš žluťoučký kůň úpěl ďábelské ódy", "cp1250"),
        ("a.txt", "Привет, мир! Это простой текст.", "cp1251"),
        ("a.txt", "Привет, мир! Это простой текст.", "koi8-r"),
        ("a.txt", "これは日本語の文章です。", "cp932"),
        ("a.txt", "这是一个中文的句子，我们在北京学习。", "gb18030"),
        ("a.txt", "A plain text without a mark", "utf-16-le"),
        ("a.txt", "A plain text without a mark", "utf-16-be"),
        ("a.jsonl", '{"text": "El niño comió piñas"}', "cp1252"),
        ("a.csv", "text,n\nEl niño comió piñas,1", "cp1252"),
        ("a.csv", "Größe,n\nx,1", "cp1252"),
        ("a.csv", "text,n\nx,1", "utf-16-le"),
    ],
)
def test_a_file_that_is_not_utf_8_is_quarantined_with_what_it_looks_like(
    ingest_files: Ingest, name: str, text: str, encoding: str
) -> None:
    result, out = ingest_files({name: text.encode(encoding), "z.txt": "last"})
    assert texts(out) == ["last"]
    (bad,) = quarantined(out)
    assert bad["reason"] == f"not UTF-8: it looks like {encoding}; if it is, set `encoding: {encoding}` of the source"
    assert result.counts["quarantined: not UTF-8"] == 1
    assert text.encode(encoding).startswith(base64.b64decode(bad["raw"]), bad["start"])


TONGUES = {
    "ru": "Вчера прошёл сильный дождь, и дорога оказалась под водой.",
    "ru-capitals": "ОБЪЯВЛЕНИЕ: ДОРОГА ЗАКРЫТА ДО УТРА",
    "uk": "Учора пройшов сильний дощ — «дорога» опинилася під водою.",
    "el": "Χθες έβρεξε δυνατά και ο δρόμος βρέθηκε κάτω από το νερό.",
    "hy": "Երեկ ուժեղ անձրև եկավ, և ճանապարհը ջրի տակ մնաց։",
    "ka": "გუშინ ძლიერი წვიმა მოვიდა და გზა წყლის ქვეშ აღმოჩნდა.",
    "he": "אתמול ירד גשם חזק והכביש היה מתחת למים.",
    "ar": "هطلت أمطار غزيرة أمس، وأصبح الطريق تحت الماء.",
    "fa": "دیروز باران شدیدی بارید و جاده زیر آب رفت.",
    "hi": "कल तेज़ बारिश हुई और सड़क पानी में डूब गई।",
    "bn": "গতকাল প্রবল বৃষ্টি হয়েছিল এবং রাস্তা জলে ডুবে যায়।",
    "gu": "ગઈકાલે ભારે વરસાદ પડ્યો અને રસ્તો પાણીમાં ડૂબી ગયો.",
    "pa": "ਕੱਲ੍ਹ ਤੇਜ਼ ਮੀਂਹ ਪਿਆ ਅਤੇ ਸੜਕ ਪਾਣੀ ਹੇਠ ਆ ਗਈ।",
    "ta": "நேற்று பலத்த மழை பெய்தது, சாலை நீரில் மூழ்கியது.",
    "te": "నిన్న భారీ వర్షం కురిసింది, రోడ్డు నీటిలో మునిగిపోయింది.",
    "ml": "ഇന്നലെ കനത്ത മഴ പെയ്തു, റോഡ് വെള്ളത്തിനടിയിലായി.",
    "th": "เมื่อวานฝนตกหนัก ถนนจมอยู่ใต้น้ำ",
    "am": "ትናንት ከባድ ዝናብ ዘነበ መንገዱም በውሃ ተጥለቀለቀ።",
    "km": "ម្សិលមិញ មានភ្លៀងធ្លាក់ខ្លាំង ហើយផ្លូវលិចទឹក។",
    "vi": "Hôm qua trời mưa to và con đường bị ngập nước.",
    "pl": "Wczoraj padał silny deszcz i droga znalazła się pod wodą.",
    "zh": "昨天下了大雨，这条路上的人都看到了水。我们在那里的时候，它已经来了。",
    "ja": "昨日は大雨が降り、道路は水の下になりました。それから私たちは帰りました。",
    "ko": "어제 비가 많이 와서 도로가 물에 잠겼습니다. 우리는 집으로 돌아갔습니다.",
}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("tongue", TONGUES)
def test_utf_16_without_a_mark_is_kept_apart_by_name_in_any_script(
    ingest_files: Ingest, tmp_path: Path, tongue: str, encoding: str
) -> None:
    text = TONGUES[tongue]
    table = f"id;text\n1;{text}\n2;{text}\n"
    files = {"a.txt": (text * 5).encode(encoding), "b.csv": table.encode(encoding), "z.txt": "last"}
    _, out = ingest_files(files)
    assert texts(out) == ["last"]
    said = {(bad["path"], bad["record"]): bad["reason"] for bad in quarantined(out)}
    named = f"not UTF-8: it looks like {encoding}; if it is, set `encoding: {encoding}` of the source"
    assert said["a.txt", ""] == named
    if tongue not in ("zh", "ja"):  # whose tables are not UTF-8 row by row
        assert said == {("a.txt", ""): named, ("b.csv", ""): named}
    (tmp_path / "stated").mkdir()
    found = good(read(tmp_path / "stated", {name: files[name] for name in ("a.txt", "b.csv")}, encoding=encoding))
    assert [record.text for record in found] == [text * 5, text, text]


@pytest.mark.parametrize("tongue", TONGUES)
def test_no_text_in_utf_8_is_taken_for_utf_16(tongue: str) -> None:
    for text in (TONGUES[tongue], TONGUES[tongue].replace(" ", "\n"), " " + TONGUES[tongue].upper()):
        assert looks_like_utf16(text.encode()) == looks_like_utf16(text.encode()[:9]) == ""


@pytest.mark.parametrize(
    "text",
    [
        "1\t2\t3\t4\n5\t6\t7\t8\n" * 9,
        "\n" * 99,
        "1\x012\x013\x01" * 30,
        "_\bN_\bA_\bM" * 30,
        "\x1b[1mbold\x1b[0m" * 20,
        "a\n\n" * 50,
        "0" * 400 + "\0" * 400,
        "\0" * 400,
        "text,n\na\0b,1\n",
    ],
)
def test_tables_marks_and_damage_are_not_taken_for_utf_16(text: str) -> None:
    assert looks_like_utf16(text.encode()) == ""


def test_bytes_that_are_in_no_encoding_that_is_asked_for_get_no_name() -> None:
    assert looks_like(random.Random(0).randbytes(300)) == ""


def test_a_long_word_of_ascii_is_passed_over_at_once() -> None:
    """A page with a picture as base64. In quadratic time it would take hours."""
    for between in (b" ", b">", b""):
        page = b"M" * 2_000_000 + between + "un café à Paris, près de la gare".encode("cp1252")
        assert looks_like(page) == "cp1252"


def test_a_bad_byte_of_a_stated_encoding_spoils_its_own_record(tmp_path: Path) -> None:
    content = b'{"text": "caf\xe9"}\n{"text": "bad \x81 byte"}\n{"text": "na\xefve"}\n'
    found = read(tmp_path, {"a.jsonl": content}, encoding="cp1252")
    assert [record.text for record in good(found)] == ["café", "naïve"]
    assert reasons(found) == ["not in cp1252"]
    half = '{"text": "one"}\n{"text": "'.encode("utf-16") + b"\x00\xd8" + '"}\n{"text": "three"}\n'.encode("utf-16-le")
    (tmp_path / "a.jsonl").unlink()
    found = read(tmp_path, {"b.jsonl": half})
    assert [record.text for record in good(found)] == ["one", "three"]
    assert reasons(found) == ["not in utf-16"]


def test_a_large_file_is_cut_to_the_same_records_in_any_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsed, "PACKED_PIECE", 2**16)
    rows = [f"Zeile {number} – Größe" for number in range(20_000)]
    (tmp_path / "a.csv").write_bytes(("n;text\n" + "".join(f"1;{row}\n" for row in rows)).encode("utf-16"))
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path)
    pieces = source.pieces("a.csv", 2**10)
    assert 1 < len(pieces) < 12
    found = [item for piece in pieces for item in source.read(piece)]
    assert [item.text for item in found if isinstance(item, Record)] == rows
    assert [int(item.key) for item in found if isinstance(item, Record)] == list(range(1, len(rows) + 1))


def test_what_was_quarantined_for_its_encoding_is_read_again_when_that_is_named(
    tmp_path: Path, ingest_files: Ingest
) -> None:
    files = {
        "a.jsonl": '{"text": "café"}\n{"text": "plain"}\n'.encode("cp1252"),
        "b.txt": "à bientôt".encode("cp1252"),
        "c.txt": "no mark, and plain".encode("utf-16-le"),
    }
    _, out = ingest_files(files)
    assert texts(out) == ["plain"] and len(quarantined(out)) == 3
    again = {}
    for encoding in ("cp1252", "utf-16-le"):
        source = {"kind": "quarantine", "path": str(out / "quarantine.jsonl"), "licence": "MIT", "encoding": encoding}
        (opened,) = IngestConfig.model_validate({"sources": [source]}).resolve(tmp_path).sources
        found = [item for piece in opened.pieces("quarantine.jsonl", 10**6) for item in opened.read(piece)]
        again[encoding] = [item.text for item in found if isinstance(item, Record)]
    assert again["cp1252"][:2] == ["café", "à bientôt"]
    assert "no mark, and plain" in again["utf-16-le"]


@pytest.mark.parametrize("name", ["nonsense", "rot13", "unicode_escape", "utf-7", "hex", "a\0b", ""])
def test_what_is_no_encoding_is_refused_with_a_word_on_what_is_one(name: str) -> None:
    with pytest.raises(ValidationError, match=r"no encoding .*expected an encoding of Python, such as cp1252"):
        Files(kind="files", path=".", encoding=name)


ENCODINGS = {
    "cp1252": "äß – €",
    "utf-16": "ä世😀",
    "utf-16-be": "ä世😀",
    "utf-32": "世😀",
    "cp1251": "Пр ж",
    "cp932": "日本ア",
}


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_any_table_in_any_encoding_and_with_any_delimiter_is_read_whole(tmp_path: Path, data: st.DataObject) -> None:
    encoding = data.draw(st.sampled_from(sorted(ENCODINGS)))
    cell = st.text(st.sampled_from('abc ,;|"\n' + ENCODINGS[encoding]), min_size=1, max_size=8)
    table = data.draw(st.lists(st.tuples(cell, cell, cell), max_size=8))
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=data.draw(st.sampled_from(",;|")), quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "a", "b"), *table])
    content = buffer.getvalue().encode(encoding)
    stated = {} if content.startswith((codecs.BOM_UTF16, codecs.BOM_UTF32)) else {"encoding": encoding}
    found = read(tmp_path, {"a.csv": content}, keep=["a", "b"], **stated)
    assert [(record.text, record.meta["a"], record.meta["b"]) for record in good(found)] == table
    assert len(found) == len(table)


@given(
    st.binary(max_size=200), st.sampled_from(["a.txt", "a.jsonl", "a.csv", "a.tsv", "a.html", "a.tex"]), st.booleans()
)
@example(b"`\x06", "a.csv", False)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(150))
def test_any_bytes_are_records_or_quarantined(tmp_path: Path, content: bytes, name: str, marked: bool) -> None:
    for old in tmp_path.iterdir():
        old.unlink()
    content = codecs.BOM_UTF16_LE * marked + content
    for encoding in (None, "utf-16", "cp1252", "cp932", "gb18030"):
        with suppress(UsageError):  # for a first row of a table that looks like data
            for item in read(tmp_path, {name: content}, encoding=encoding):
                assert not isinstance(item, Record) or item.text.encode() is not None


LETTERS = {
    "pl": "Właściciel zgłasza szkodę i prosi o wypłatę; źródło świeciło, a łóżko było mokre.",
    "tr": "Modemin ışığı kırmızı yanıyor, akşamları hız düşüyor; şifremi unuttum, iade gelmedi, çözüm bekliyorum.",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy, ještě včera.",
    "fr": "L’été dernier à la plage, où nous étions, le maître a trouvé ça très drôle.",
    "de": "Die Größe der süßen Bären überrascht Käufer öfter.",
    "lt": "Įmonė siūlo ąžuolinį stalą, kurį žmonės vežė į šį ūkį; čia šaltą žiemą gyvenę kaimynai.",
    "lv": "Uzņēmums piedāvā ķermeņa kopšanas līdzekļus, un ļoti daudzi cilvēki tos pērk ģimenēm šādā tirgū.",
    "ru": "Клиент сообщает об ошибке: заказ не пришёл, а деньги списаны. Просим вернуть их на счёт как можно скорее.",
    "el": "Ο πελάτης ζητά επιστροφή χρημάτων. Άννα και Άρης δεν έλαβαν την παραγγελία, Ίσως αύριο.",
    "he": "הלקוח מבקש החזר כספי על ההזמנה שלא הגיעה אליו, והוא מחכה לתשובה מהחברה",
    "is": "Það er gott að búa í Reykjavík, og veðrið þar er æði, sagði hún með bros á vör.",
}


@pytest.mark.parametrize(
    ("tongue", "encoding"),
    [
        *(("pl", "cp1250"), ("pl", "iso8859-2"), ("tr", "cp1254"), ("cs", "cp1250"), ("cs", "iso8859-2")),
        *(("fr", "cp1252"), ("de", "cp1252"), ("de", "cp850"), ("is", "cp1252")),
        *(("lt", "cp1257"), ("lv", "cp1257"), ("lt", "iso8859-4"), ("ru", "cp1251"), ("ru", "koi8-r")),
        *(("ru", "iso8859-5"), ("el", "cp1253"), ("el", "iso8859-7"), ("he", "cp1255")),
    ],
)
def test_encodings_are_told_apart_by_the_letters_of_a_language(tongue: str, encoding: str) -> None:
    assert looks_like(LETTERS[tongue].encode(encoding)) == encoding
    assert looks_like((LETTERS[tongue].upper() if tongue != "tr" else LETTERS[tongue]).encode(encoding)) == encoding
