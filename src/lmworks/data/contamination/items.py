"""What is sought of records that are scored: what each asks, the answer wanted, and lines that are their own.

Axes: W words of a text.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from lmworks.data.contamination.index import LONG_RUN_WORDS
from lmworks.data.contamination.plain import compared_in_turn
from lmworks.data.contamination.training import SHORTEST, files_of
from lmworks.data.forms.forms import choice_of
from lmworks.data.forms.row import Fault, LeftOut
from lmworks.data.forms.sample import Choice
from lmworks.data.records import Document, read_shard
from lmworks.data.tuning.conversations import last_answer, question_of
from lmworks.data.words import combining_marks, count_words, letters_a_word
from lmworks.lazy import NDArray, np
from lmworks.pipeline.stage import Handle

_LONGEST_LABEL = 4
"""Characters before a choice, as in "A) "."""


class Item(NamedTuple):
    """A record of what is scored."""

    id: str
    question: str
    """What it asks; of a document to be predicted or labelled, the document."""
    answer: str
    """The answer wanted; empty where there is none."""


def items_of(data: Handle) -> Iterator[Item]:
    """Every record that tasks score, under the id that their items have."""
    for file in files_of(data):
        if file.suffix == ".parquet":
            yield from map(of_document, read_shard(file))
        else:
            with file.open(encoding="utf-8") as lines:
                yield from (_of_record(json.loads(line)) for line in lines)


def _of_record(record: dict[str, Any]) -> Item:
    """Of a conversation its last question and answer; of a pair of answers the last question and the better one."""
    if "messages" not in record:
        better = record["chosen"] or record["rejected"]
        return Item(str(record["id"]), str(record["prompt"][-1]["content"]), str(better[-1]["content"]))
    return Item(str(record["id"]), question_of(record), last_answer(record))


def of_document(document: Document) -> Item:
    """Of a record of a published set what its task asks, and what it explains; of any other document its text."""
    row = document.row() if document.structure else {}
    with suppress(Fault, LeftOut):
        if choice := choice_of(row):
            return Item(document.id, choice.query, "\n".join((choice.choices[choice.gold], *_beside(document, choice))))
    match row:
        case {"context": str(asked), "continuation": str(wanted)}:
            return Item(document.id, asked, wanted)
    return Item(document.id, document.text, "")


def _beside(document: Document, choice: Choice) -> Iterator[str]:
    """Texts that no choice shows, such as AQuA's rationale: perplexity scores them, and they tell the answer."""
    for text in document.texts():
        is_choice = any(text.endswith(each) and len(text) - len(each) <= _LONGEST_LABEL for each in choice.choices)
        if not is_choice and text not in choice.query and count_words(text) >= SHORTEST:
            yield text


def own_lines(
    texts: Sequence[str], whole: Sequence[NDArray[np.uint64]]
) -> Iterator[tuple[int, str, NDArray[np.uint64]]]:
    """Lines of 8 to 12 words of texts that have others besides, with the number of their text and their words [W].

    `whole` are all words of each text.

    A question stands in one where its choices or its passage stand in others, and no 13 words on end tell of it. What
    several texts share is of their layout.
    """
    lines = [
        (number, line)
        for number, text in enumerate(texts)
        if len(whole[number]) >= SHORTEST
        for line in map(_without_label, text.split("\n"))
        if SHORTEST <= count_words(line) <= 2 * LONG_RUN_WORDS
    ]
    found = [
        (number, line, words)
        for (number, line), words in zip(lines, compared_in_turn([line for _, line in lines]), strict=True)
        if SHORTEST * letters_a_word(line)
        <= len(words)
        < min(LONG_RUN_WORDS * letters_a_word(line), len(whole[number]))
    ]
    owners: dict[bytes, set[int]] = {}
    for number, _, words in found:
        owners.setdefault(words.tobytes(), set()).add(number)
    return (each for each in found if len(owners[each[2].tobytes()]) == 1)


def _without_label(line: str) -> str:
    """Without the word before a colon, or the letter of a choice, that opens it."""
    return _label().sub("", line)


@functools.cache
def _label() -> re.Pattern[str]:
    word = rf"[\w{combining_marks()}]+\s*"
    return re.compile(rf"^\s*(?:{word}(?::\s+|：\s*)|\(?[A-Za-z0-9](?:[.)]\s+|[．、）]\s*))")


def is_short_layout(text: str) -> bool:
    """Whether it is laid out in labelled lines, none of which has words enough to be sought."""
    lines = text.split("\n")
    return any(map(_label().match, lines)) and all(count_words(_without_label(line)) < SHORTEST for line in lines)
