"""A book that is one file is cut into documents, of which some can be held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data_support import quarantined

from lmworks.data.parsers.documents.parts import LONGEST, PART_BYTES
from lmworks.data.shards.records import Document, Documents

Ingest = Callable[..., Any]


def parts_of(out: Any) -> list[Document]:
    return sorted(Documents(out, "").iterate(), key=lambda document: document.meta["part"])


def test_parts_end_at_empty_lines_and_hold_the_whole_text_in_order(ingest_files: Ingest) -> None:
    paragraphs = [f"Paragraph {number} of the book, {'and so on ' * (number % 40)}end." for number in range(400)]
    _, out = ingest_files({"book.txt": "\ufeff" + "\r\n\r\n".join(paragraphs)}, format="parts")
    found = parts_of(out)
    said = [each for part in found for each in part.text.split("\r\n\r\n")]
    assert said == paragraphs
    assert all(PART_BYTES / 2 < len(part.text) < 2 * PART_BYTES for part in found[:-1])
    assert [part.meta["part"] for part in found] == list(range(1, len(found) + 1))
    assert len({part.id for part in found}) == len(found) > 5


def test_a_text_without_empty_lines_is_cut_between_lines(ingest_files: Ingest) -> None:
    lines = [f"verse {number:05}" for number in range(9_000)]
    _, out = ingest_files({"epic.txt": "\n".join(lines)}, format="parts")
    found = parts_of(out)
    assert "\n".join(part.text for part in found).split("\n") == lines
    assert max(len(part.text) for part in found) < LONGEST + len(lines[0])


def test_bad_bytes_cost_their_part_alone(ingest_files: Ingest) -> None:
    page = b"A page of words.\n" * 600 + b"\n"
    _, out = ingest_files({"a.txt": page + b"Caf\xe9\n" + page + page}, format="parts")
    assert [bad["record"] for bad in quarantined(out)] == ["2"]
    assert [part.meta["part"] for part in parts_of(out)] == [1, 3]
