"""Mail messages as programs write them, and as nobody should."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.parsers.test_parsers import good, read, reasons
from lmworks.data.sources.source import Record, Skipped, Unreadable


def message(**parts: str) -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "Grüße aus Köln, mit einer langen Zeile, die gefaltet wird, weil sie nicht auf eine Zeile passt"
    made["From"], made["To"] = "Jane Roe <jane@example.org>", "john@example.org"
    made["Date"] = "Wed, 01 May 2024 10:00:00 +0200"
    made.set_content(parts.get("plain", "Hallo Welt,\nschöne Grüße.\n"))
    return made


def test_a_message_gives_subject_and_text_and_its_date(tmp_path: Path) -> None:
    made = message()
    made.add_alternative("<p>Hallo <b>Welt</b></p>", subtype="html")
    made.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    made.add_attachment("attached text", filename="b.txt")
    found = read(tmp_path, {"a.eml": made.as_bytes()})
    (record,) = good(found)
    subject = str(message()["Subject"])
    assert record.text == f"{subject}\n\nHallo Welt,\nschöne Grüße.\n"
    assert (record.created, record.format, record.meta) == ("2024-05-01T10:00:00+02:00", "text", {})
    assert [(item.key, item.reason) for item in found if isinstance(item, Skipped)] == [
        ("attachment 1", "an attachment of a message"),
        ("attachment 2", "an attachment of a message"),
    ]
    (record,) = good(read(tmp_path, {}, keep=["From", "Reply-To"]))
    assert record.meta == {"From": "Jane Roe <jane@example.org>"}


def test_html_is_taken_where_there_is_no_plain_text(tmp_path: Path) -> None:
    made = EmailMessage()
    made["Subject"] = "A < B"
    made.set_content("<p>Only a page</p>", subtype="html")
    (record,) = good(read(tmp_path, {"a.eml": made.as_bytes()}))
    assert (record.text, record.format) == ("<h1>A &lt; B</h1>\n<p>Only a page</p>\n", "html")


def test_a_page_with_a_plain_footer_keeps_both_and_alternatives_give_one(tmp_path: Path) -> None:
    made = message()
    made.add_alternative("<p>Hallo <b>Welt</b></p>", subtype="html")
    made.make_mixed()
    footer = EmailMessage()
    footer.set_content("To leave the list, write to list@example.org\n")
    made.attach(footer)
    (record,) = good(read(tmp_path, {"a.eml": made.as_bytes()}))
    assert record.format == "text"
    assert record.text.endswith("schöne Grüße.\n\n\nTo leave the list, write to list@example.org\n")

    page = EmailMessage()
    page.set_content("<p>The whole news</p>", subtype="html")
    page.make_mixed()
    page.attach(footer)
    (record,) = good(read(tmp_path, {"a.eml": page.as_bytes()}))
    assert record.format == "html"
    assert record.text.index("<p>The whole news</p>") < record.text.index("To leave the list")

    blank = EmailMessage()
    blank.set_content(" \n")
    blank.add_alternative("<p>Only here</p>", subtype="html")
    (record,) = good(read(tmp_path, {"a.eml": blank.as_bytes()}))
    assert (record.text, record.format) == ("<p>Only here</p>\n", "html")


@pytest.mark.parametrize(
    ("charset", "body", "wanted"),
    [
        ("iso-8859-1", "caf\xe9".encode("latin-1"), "café"),
        ("iso-2022-jp", "日本語".encode("iso-2022-jp"), "日本語"),
        ("nonsense", "ä".encode(), "ä"),
        ("us-ascii", "ä".encode(), "ä"),
        ("unicode_escape", b"\\ud800", "\\ud800"),
    ],
)
def test_a_part_is_read_in_the_encoding_that_it_states(tmp_path: Path, charset: str, body: bytes, wanted: str) -> None:
    raw = f'Subject: x\r\nContent-Type: text/plain; charset="{charset}"\r\n\r\n'.encode() + body
    assert [record.text for record in good(read(tmp_path, {"a.eml": raw}))] == [f"x\n\n{wanted}"]


def test_a_message_that_states_no_encoding_is_read_in_the_one_of_the_source(tmp_path: Path) -> None:
    raw = "Subject: x\r\n\r\ndégât\r\n".encode("latin-1")
    stated = "Subject: y\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\nда\r\n".encode("koi8-r")
    utf8 = "Subject: z\r\n\r\nété\r\n".encode()
    assert "set `encoding: cp1252`" in reasons(read(tmp_path, {"a.eml": raw}))[0]
    found = read(tmp_path, {"a.eml": raw, "b.eml": stated, "c.eml": utf8}, encoding="cp1252")
    assert [record.text for record in good(found)] == ["x\n\ndégât\n", "y\n\nда\n", "z\n\nété\n"]


def test_a_message_in_no_encoding_is_quarantined(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.eml": b"Subject: x\r\n\r\ncaf\xe9"})
    assert [reason.split(":")[0] for reason in reasons(found)] == ["not UTF-8"]


def test_a_message_without_a_subject_or_a_sound_date_is_read(tmp_path: Path) -> None:
    (record,) = good(read(tmp_path, {"a.eml": b"Date: yesterday\n\nthe text"}))
    assert (record.text, record.created) == ("the text", None)


PARTS = [b"Subject: =?utf-8?q?=C3=A4?=\n", b"Content-Type: multipart/mixed; boundary=b\n", b"\n", b"--b\n", b"--b--\n"]
PARTS += [
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Type: message/rfc822\n",
    b"\xe9\n",
    b"text\n",
    b"=?x?b?\xff?=\n",
]
PARTS += [
    b"Content-Type: text/html; charset=utf-7\n",
    b"Date: Wed, 99 May 2024 10:00:00 +9999\n",
    b"Content-Type: /;=\n",
]


@given(st.lists(st.sampled_from(PARTS), max_size=12) | st.binary(max_size=80).map(lambda raw: [raw]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_any_bytes_are_a_message_or_quarantined(tmp_path: Path, parts: list[bytes]) -> None:
    for item in read(tmp_path, {"a.eml": b"".join(parts)}):
        assert isinstance(item, Record | Unreadable | Skipped)
        assert not isinstance(item, Record) or item.text.encode() is not None


def test_a_message_that_was_forwarded_whole_is_told_by_what_it_is(tmp_path: Path) -> None:
    inner = EmailMessage()
    inner["Subject"] = "The first letter"
    inner.set_content("what was written first")
    outer = EmailMessage()
    outer["Subject"] = "Fwd: the first letter"
    outer.set_content("see below")
    outer.add_attachment(inner)
    told = [found for found in read(tmp_path, {"a.eml": outer.as_bytes()}) if isinstance(found, Skipped)]
    assert [each.reason for each in told] == ["a message inside of a message: export it as EML of its own"]
