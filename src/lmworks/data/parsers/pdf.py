"""PDF: a document a file, its pages' text in order. Pages that are pictures hold none."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from threading import Lock
from typing import cast

from lmworks.data.clean.letters import SHAPED, as_letters
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record, Skipped, Span, whole_file
from lmworks.data.parsers.pdf_reader import FILE_SECONDS, PAGE_SECONDS, Pdf


@whole_file
def parse(piece: Piece, span: Span, reading: Reading) -> Iterator[Found]:
    """One record; a page that cannot be read is quarantined and the others are kept."""
    import pypdf  # noqa: F401  # that it is missing is told here

    found = READER.read(span.raw)
    if found["fault"]:
        yield span.unreadable(piece.name, "", found["fault"])
        return
    for number, fault in found["faults"]:
        yield span.unreadable(piece.name, f"page {number}", f"not a readable page: {fault}")
    pages = len(found["texts"])
    text, shaped = as_letters("\n\n".join(text for text in found["texts"] if text.strip()))
    if not text and found["pictures"]:
        reason = (
            f"a scanned PDF: no text layer, {len(found['pictures'])} of {pages} pages are pictures; recognise its text"
        )
        yield span.unreadable(piece.name, "", f"{reason} first, such as by ocrmypdf")
        return
    for number in found["pictures"]:
        yield Skipped(piece.name, f"page {number}", "a page of a PDF that is a picture")
    known = {*found["pictures"], *(number for number, _ in found["faults"])}
    for number, said in enumerate(found["texts"], 1):
        if not said.strip() and number not in known:
            yield Skipped(piece.name, f"page {number}", "a page of a PDF without a word")
    counts = {SHAPED: shaped} if shaped else {}
    yield Record(piece.name, "", text, "text", reading.licence, {"pages": pages}, counts=counts)


class Reader:
    """A process that reads PDF files one by one, begun when the first is there and again when one has ended it."""

    def __init__(self, seconds: int = PAGE_SECONDS) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()

    def read(self, raw: bytes) -> Pdf:
        """What a file holds, or that it could not be read in time."""
        with self._lock:
            process = self._process = self._process or self._begin()
            assert process.stdin and process.stdout  # noqa: S101
            answer = b""
            with suppress(BrokenPipeError):
                process.stdin.write(len(raw).to_bytes(8, "big") + raw)
                process.stdin.flush()
                answer = process.stdout.readline()
            if answer.endswith(b"\n"):
                return cast(Pdf, json.loads(answer))
            self._end()
            limit = f"{self.seconds} seconds of processor time for a page, {FILE_SECONDS} for a file"
            fault = f"a PDF that takes too long, or too much memory: at most {limit}; print it to a new PDF"
            return Pdf(fault=fault, texts=[], faults=[], pictures=[])

    def _begin(self) -> subprocess.Popen[bytes]:
        atexit.register(self._end)
        command = [sys.executable, "-m", "lmworks.data.parsers.pdf_reader", str(self.seconds)]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing)  # noqa: S603 - our own module

    def _end(self) -> None:
        atexit.unregister(self._end)
        if self._process:
            self._process.kill()
            with suppress(BrokenPipeError):
                self._process.communicate()
        self._process = None


READER = Reader()
FORM = Form(parse, endings=(".pdf",), about="A PDF with text in it; pictures are not read.", needs=("pypdf",))
