"""Mailboxes as programs write them: a record for each message, whatever is in it."""

from __future__ import annotations

import gzip
import mailbox
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.parsers.test_mail import message
from data.parsers.test_parsers import good, read, reasons
from lmworks.data.sources.files import Files
from lmworks.data.sources.source import Record, Skipped, Unreadable
from lmworks.start.look import look


def written(path: Path, *messages: EmailMessage) -> bytes:
    """Messages as the standard library writes a mailbox."""
    box = mailbox.mbox(path)
    for each in messages:
        box.add(each)
    box.close()
    content = path.read_bytes()
    path.unlink()
    return content


def encoded() -> list[EmailMessage]:
    """Messages in quoted-printable Latin-1, in base64 with an attachment, and one that quotes the line of a mailbox."""
    accents, attached, quoting = EmailMessage(), message(), message(plain="First.\n\nFrom the start it rained.\n")
    accents["Subject"], accents["From"] = "Süß", "Jörg <joerg@example.org>"
    accents.set_content("Grüße, ein längerer Text.\n", charset="iso-8859-1", cte="quoted-printable")
    attached.set_content("Text für alle.\n", cte="base64")
    attached.add_attachment(b"%PDF" * 100, maintype="application", subtype="pdf", filename="a.pdf")
    return [accents, attached, quoting]


@pytest.mark.parametrize("ending", ["mbox", "mbox.gz"])
def test_each_message_of_a_mailbox_is_a_record(tmp_path: Path, ending: str) -> None:
    content = written(tmp_path / "box", *encoded())
    packed = gzip.compress(content) if ending.endswith("gz") else content
    found = read(tmp_path, {f"a.{ending}": packed}, keep=["From"])
    records, subject = good(found), str(message()["Subject"])
    assert [record.text.rstrip() for record in records] == [
        "Süß\n\nGrüße, ein längerer Text.",
        f"{subject}\n\nText für alle.",
        f"{subject}\n\nFirst.\n\nFrom the start it rained.",
    ]
    assert [record.key for record in records] == ["1", "2", "3"]
    assert records[0].meta == {"From": "Jörg <joerg@example.org>"}
    assert [record.created for record in records] == [None, *["2024-05-01T10:00:00+02:00"] * 2]
    assert [(item.key, item.reason) for item in found if isinstance(item, Skipped)] == [
        ("2, attachment 1", "an attachment of a message")
    ]


BEGINS = [
    b"From joe@example.org Thu Jan  1 00:00:00 1970\n",
    b"From - Fri, 01 Jan 2021 10:20:30 +0100\r\n",
    b"From 1740@xxx Mon Mar 01 12:00:00 +0000 2021\n",
    b"From joe at example.org  Tue Mar 23 03:13:07 1999\n",
]


@pytest.mark.parametrize("begin", BEGINS)
def test_lines_that_begin_messages_are_known_however_programs_write_them(tmp_path: Path, begin: bytes) -> None:
    end = begin[-2:] if begin.endswith(b"\r\n") else b"\n"
    body = end.join([b"Subject: A", b"", b"One.", b"", b"From Monday on, 10:30 holds, in 2024.", b"", b""])
    found = good(read(tmp_path, {"a.mbox": 2 * (begin + body)}))
    assert [item.text.strip() for item in found] == ["A\n\nOne.\n\nFrom Monday on, 10:30 holds, in 2024."] * 2


def test_what_cannot_be_read_costs_one_message(tmp_path: Path) -> None:
    bad = b"Subject: B\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ncaf\xe9\n\n"
    long = b"Subject: L\n\n" + b"word " * 1000 + b"\n\n"
    good_one = b"Subject: A\n\nOne.\n\n"
    parts = [good_one, bad, good_one, long, good_one]
    found = read(tmp_path, {"a.mbox": b"".join(BEGINS[0] + part for part in parts)}, record_bytes=1024)
    assert [item.key for item in good(found)] == ["1", "3", "5"]
    unread = [item for item in found if isinstance(item, Unreadable)]
    assert [(item.key, item.reason.split(":")[0]) for item in unread] == [
        ("2", "not UTF-8"),
        ("4", "longer than record_bytes"),
    ]
    whole = b"".join(BEGINS[0] + part for part in parts)
    assert unread[0].raw == bad == whole[unread[0].start :][: len(bad)]
    assert reasons(read(tmp_path, {"a.mbox": b"no mailbox\n" * 5}))[0].startswith("not a mailbox")


@given(content=st.lists(st.sampled_from([*BEGINS, b"\n", b"\r\n", b">From x\n", b"Subject: a\n", b"\xff\0", b"text"])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_bytes_are_read_or_kept_apart(tmp_path: Path, content: list[bytes]) -> None:
    found = read(tmp_path, {"a.mbox": b"".join(content)})
    assert all(isinstance(item, Record | Skipped | Unreadable) for item in found)


def test_many_lines_that_nearly_begin_a_message_take_linear_time(tmp_path: Path) -> None:
    line = b"\nFrom " + b"Mon Jan  1 00:00 " * 28 + b"!\n"
    (tmp_path / "a.mbox").write_bytes(BEGINS[0] + line * 4000)
    source = Files(kind="files", path=".", licence="MIT", folder=tmp_path)
    begun = time.process_time()
    assert len([item for piece in source.pieces("a.mbox", 10**9) for item in source.read(piece)]) == 1
    assert time.process_time() - begun < 5


def test_init_finds_the_messages_of_a_mailbox(tmp_path: Path) -> None:
    (tmp_path / "a.mbox").write_bytes(written(tmp_path / "box", *encoded()))
    seen = look(tmp_path)
    assert [(table.form, table.records, table.shape) for table in seen.tables] == [("mbox", 3, "texts")]
    assert not seen.unread
