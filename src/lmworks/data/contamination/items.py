"""What is sought of records that are scored: what each asks, the answer wanted, and lines that are their own.

Axes: W words of a text.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

from lmworks.data.contamination.index import LONG_RUN_WORDS
from lmworks.data.contamination.plain import compared_in_turn, plain
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
_LONGEST_LINE = 2_000
"""Characters of a line in which instructions are looked for that others have, too."""
_LINE_END = re.compile(r"<(?:br|/?(?:p|div|li|tr|h[1-6]))\b[^<>]{0,200}>", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.:?!](?:[*_~`\"')\]]*\s+)|[。：？！]\s*")
_NUMBER = re.compile(r"\b[0-9]+\b")


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
    several texts share is of their layout, as are labels.
    """
    lines = [
        (number, line)
        for number, some in enumerate(_without_layout([_lines(text) for text in texts]))
        if len(whole[number]) >= SHORTEST
        for line in some
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


def _lines(text: str) -> list[str]:
    """The lines of a text, without markup."""
    return plain(_LINE_END.sub("\n", text)).splitlines()


def _without_layout(texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """The lines of texts without their labels; those, too, that are left where sentences are taken off that lines of
    other texts begin or end with: an instruction that stands with each question. Numbers in them may differ."""
    owners: list[dict[str, set[int]]] = [{}, {}]
    ends = [[_ends(line) if len(line) <= _LONGEST_LINE else [] for line in lines] for lines in texts]
    for number, (lines, places) in enumerate(zip(texts, ends, strict=True)):
        for line, cuts in zip(lines, places, strict=True):
            for side, place in product((0, 1), cuts):
                owners[side].setdefault(_pattern(line, side, place), set()).add(number)

    def own(line: str, cuts: Sequence[int]) -> str:
        heads, tails = (
            [place for place in cuts if len(owners[side][_pattern(line, side, place)]) > 1] for side in (0, 1)
        )
        first = max(heads, default=0)
        return line[first : min((place for place in tails if place > first), default=None)]

    return [
        [
            _without_label(part)
            for line, cuts in zip(lines, places, strict=True)
            for part in dict.fromkeys((line, own(line, cuts)))
        ]
        for lines, places in zip(texts, ends, strict=True)
    ]


def _ends(line: str) -> list[int]:
    """Where sentences of a line end, the last left out."""
    return [found.end() for found in _SENTENCE_END.finditer(line) if found.end() < len(line)]


def _pattern(line: str, side: int, place: int) -> str:
    """What stands before a place of a line (side 0) or behind it, numbers all alike."""
    return _NUMBER.sub("0", line[place:] if side else line[:place]).strip().casefold()


def _without_label(line: str) -> str:
    """Without what opens it: a word and a number before a colon, the letter of a choice, the number of a question."""
    return _label().sub("", line)


@functools.cache
def _label() -> re.Pattern[str]:
    signs, number = r"[\s*_~`#>]*", r"[0-9]{1,4}[a-z]?"
    word = rf"[^\W\d_][\w{combining_marks()}]*"
    named = rf"(?:(?:{word}\s+)?{word}\.?\s*[#№]?\s*{number}|[\w{combining_marks()}]+)"
    counted = rf"[\[(]?(?:{word}\s+)?(?:[^\W\d_]{{0,3}}{number}|[A-Za-z]|[ivxIVX]{{1,5}})"
    return re.compile(
        rf"^{signs}(?:{named}{signs}(?::(?=[\s*_~`])|：)|{counted}{signs}(?:[.)\]](?=[\s*_~`])|[．、）])){signs}"
    )


def is_short_layout(text: str) -> bool:
    """Whether it is laid out in labelled lines, none of which has words enough to be sought."""
    lines = _lines(text)
    return any(map(_label().match, lines)) and all(count_words(_without_label(line)) < SHORTEST for line in lines)
