"""A source, a parser and a form: a ledger is a file of stanzas, and a riddle a record of a question and its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Literal

from lmworks.data.forms.row import Row
from lmworks.data.forms.sample import Sample, SampleForm, conversation
from lmworks.data.parsers.parser import Form, Found, Piece, Reading, Record
from lmworks.data.sources.files import Files


class Ledger(Files):
    """A folder whose files end in .ledger."""

    kind: Literal["ledger"]

    def walk(self) -> list[str]:
        return [path for path in super().walk() if path.endswith(".ledger")]


def parse(piece: Piece, stream: IO[bytes], reading: Reading) -> Iterator[Found]:
    """Texts that an empty line separates."""
    for number, text in enumerate(stream.read().decode().split("\n\n"), 1):
        yield Record(piece.name, str(number), text.strip(), "text", reading.licence)


STANZAS = Form(parse)


def convert(row: Row) -> Iterator[Sample]:
    """A riddle as a conversation."""
    turns = [{"role": "user", "content": row["riddle"]}, {"role": "assistant", "content": row["solved"]}]
    yield conversation(turns, row["solved"])


RIDDLE = SampleForm(lambda row: {"riddle", "solved"} <= row.keys(), convert)
