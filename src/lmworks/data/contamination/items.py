"""Items that tasks score, the wordings that are searched for, and the texts that are searched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.data.base.text import without_markup
from lmworks.data.base.words import count_words
from lmworks.data.contamination.join import LONG_RUN_WORDS, RUN_WORDS, Form, without_inner_signs
from lmworks.data.forms.forms import choice_of
from lmworks.data.forms.row import Fault, LeftOut
from lmworks.data.forms.sample import Choice
from lmworks.data.shards.records import Document, Documents, read_columns, read_shard
from lmworks.data.tuning.conversations import last_answer, question_of
from lmworks.lazy import pa
from lmworks.pipeline.stage import Handle

_LONGEST_LABEL = 4
"""Maximum characters of a label before a choice, such as "A) "."""
_LABEL_WORDS = 2
"""Maximum words of a label before a question, such as "Question 3:"."""
_LINE_END = re.compile(r"<(?:br|/?(?:p|div|li|tr|h[1-6]))\b[^<>]{0,200}>", re.IGNORECASE)
_PIECE_END = re.compile(r"[.:?!)\]][*_~`\"')\]]*\s+|[。：？！．、）]")
_RECORDS_AT_ONCE = 2000
_MARKS = " *_~`#>(["
"""Signs before a label."""
_NUMBER = re.compile(r"\b[0-9]+\b")


class Item(NamedTuple):
    """A record that a task scores."""

    id: str
    question: str
    """Question, or the text of a document that is predicted or labelled."""
    answer: str
    """Expected answer. Empty if there is none."""


def files_of(records: Handle) -> list[Path]:
    """Return the files with the records of a step, or no files for records of an unknown kind."""
    lines = [records.path / name for name in ("conversations.jsonl", "preferences.jsonl")]
    return [path for path in lines if path.exists()] or Documents(records.path, records.digest).shards()


def texts_in(file: Path) -> Iterator[tuple[Sequence[str], Any]]:
    """Yield ids of records and their texts (a pyarrow array): each document, conversation, and prompt with an answer.

    The turns of a conversation are one text, so that an item that is spread over them is found.
    """
    if file.suffix == ".parquet":
        table = read_columns(file, ["id", "text"])
        for batch in table.to_batches():
            yield batch.column("id").to_pylist(), batch.column("text")
        return
    with file.open(encoding="utf-8") as lines:
        while some := list(islice(lines, _RECORDS_AT_ONCE)):
            pairs = [(str(record["id"]), text) for record in map(json.loads, some) for text in _turns(record)]
            yield [record for record, _ in pairs], pa.array([text for _, text in pairs], pa.string())


def _turns(record: Mapping[str, Any]) -> Iterator[str]:
    for field in ("messages", "chosen", "rejected"):
        if turns := record.get(field):
            yield "\n".join(str(turn["content"]) for turn in [*record.get("prompt", ()), *turns])


def items_of(data: Handle) -> Iterator[Item]:
    """Yield every record that tasks score, under the id that their items have."""
    for file in files_of(data):
        if file.suffix == ".parquet":
            yield from map(of_document, read_shard(file))
        else:
            with file.open(encoding="utf-8") as lines:
                yield from (_of_record(json.loads(line)) for line in lines)


def _of_record(record: dict[str, Any]) -> Item:
    """Return the last question and answer of a conversation, or the prompt and the better answer of a preference."""
    if "messages" not in record:
        better = record["chosen"] or record["rejected"]
        return Item(str(record["id"]), str(record["prompt"][-1]["content"]), str(better[-1]["content"]))
    return Item(str(record["id"]), question_of(record), last_answer(record))


def of_document(document: Document) -> Item:
    """Return the question, answer and explanation of a record of a published set, else the document's text."""
    row = document.row() if document.structure else {}
    with suppress(Fault, LeftOut):
        if choice := choice_of(row):
            return Item(document.id, choice.query, "\n".join((choice.choices[choice.gold], *_beside(document, choice))))
    match row:
        case {"context": str(asked), "continuation": str(wanted)}:
            return Item(document.id, asked, wanted)
    return Item(document.id, document.text, "")


def _beside(document: Document, choice: Choice) -> Iterator[str]:
    """Yield texts outside question and choices, such as AQuA's rationale, because they give the answer away."""
    for text in document.texts():
        is_choice = any(text.endswith(some) and len(text) - len(some) <= _LONGEST_LABEL for some in choice.choices)
        if not is_choice and text not in choice.query and count_words(text) >= RUN_WORDS:
            yield text


def forms_of(texts: Sequence[Form], questions: Sequence[bool]) -> list[Form]:
    """Return the forms of texts: each text, the text without signs inside words, and a question's own lines."""
    plain = [form._replace(text=without_inner_signs(form.text)) for form in texts]
    asked = [form for form, is_question in zip(texts, questions, strict=True) if is_question]
    lines = _own_lines([form.text for form in asked])
    return [
        *texts,
        *(form for form, before in zip(plain, texts, strict=True) if form.text != before.text),
        *(form._replace(text=line, is_line=True) for form, some in zip(asked, lines, strict=True) for line in some),
    ]


def _own_lines(texts: Sequence[str]) -> list[list[str]]:
    """Return the lines of 8 to 12 words of each text, without labels and without sentences that other texts have.

    They find a question in a training text that has other choices, another passage or another instruction.
    """
    lines = [_lines(text) for text in texts]
    owners: dict[str, set[str]] = {}
    for text, some in zip(texts, lines, strict=True):
        for piece in chain.from_iterable(some):
            owners.setdefault(_masked(piece), set()).add(text)
    found = []
    for text, some in zip(texts, lines, strict=True):
        rests: dict[str, None] = {}
        for pieces in map(_without_label, some):
            own = [piece if len(owners[_masked(piece)]) == 1 else "" for piece in pieces]
            rests |= dict.fromkeys((" ".join(pieces), " ".join(own).strip())) if any(own) else {}
        longest = min(LONG_RUN_WORDS, count_words(text))
        found.append([rest for rest in rests if RUN_WORDS <= count_words(rest) < longest])
    return found


def is_short_layout(text: str) -> bool:
    """Return whether a text consists of labelled lines that are all too short to be searched for."""
    lines = _lines(text)
    rests = list(map(_without_label, lines))
    return rests != lines and all(count_words(" ".join(rest)) < RUN_WORDS for rest in rests)


def _lines(text: str) -> list[list[str]]:
    """Return the lines of a text without markup, each in pieces that end with a label or a sentence."""
    return [_PIECE_END.split(line) for line in without_markup(_LINE_END.sub("\n", text)).splitlines()]


def _without_label(pieces: Sequence[str]) -> list[str]:
    """Return the pieces of a line without the labels at its beginning, such as "Question 3:" and "A."."""
    return [*dropwhile(_is_label, pieces[:-1]), pieces[-1]]


def _is_label(piece: str) -> bool:
    word = piece.lstrip(_MARKS)
    return word[:1].isalnum() and count_words(word) <= _LABEL_WORDS


def _masked(piece: str) -> str:
    """Return a piece in one form: all numbers are 0, and there are no capitals or edge signs."""
    return _NUMBER.sub("0", piece).strip(" .:?!").casefold()
