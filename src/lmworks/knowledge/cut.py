"""Where a document is cut into passages: at paragraphs, and inside of a long one at sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from lmworks.data.base.sentences import sentences
from lmworks.data.base.words import count_words, letters_a_word, word_spans

Span = tuple[int, int]
"""Where a passage begins and ends in its document, in characters."""
_PARAGRAPH = re.compile(r"\S(?:(?!\n[^\S\n]*\n).)*", re.DOTALL)
"""Text between blank lines."""
CHARACTERS_A_WORD = 12
"""A text has a word for each so many at the least: a drawn line, or an image in hexadecimal, has few words and many
tokens. Ordinary text keeps below: of 49 translations of the Declaration of Human Rights Tamil has most, 11.4."""


def passages_in(text: str, most_words: int, least_words: int) -> list[Span]:
    """Return the passages of a text, in their order: each of its words is in one.

    A paragraph is one. Of a longer one than `most_words` the parts are about alike; a shorter one than `least_words`,
    such as a heading, goes with what follows it, the last with what is before it. Long words count as several.
    """
    found: list[Span] = []
    short = False
    paragraphs = ((each.start(), each.start() + len(each[0].rstrip())) for each in _PARAGRAPH.finditer(text))
    for piece in (piece for each in paragraphs for piece in _cut(text, each, most_words)):
        if short:
            piece = (found.pop()[0], piece[1])
        found.append(piece)
        short = _size(text[slice(*piece)]) < least_words
    if short and len(found) > 1:
        _, end = found.pop()
        found[-1] = (found[-1][0], end)
    return found


def _cut(text: str, span: Span, most_words: int) -> Iterator[Span]:
    """Yield a paragraph, or its parts."""
    words = _size(text[slice(*span)])
    if words <= most_words:
        yield span
        return
    wanted = words / math.ceil(words / most_words)
    start, stop, held = span[0], span[0], 0
    for begin, end in _sentences(text, span, most_words):
        count = _size(text[begin:end])
        if held and held + count / 2 > wanted:  # which leaves it nearer to what is wanted
            yield start, stop
            start, held = begin, 0
        stop, held = end, held + count
    yield start, span[1]


def _sentences(text: str, span: Span, most_words: int) -> Iterator[Span]:
    """Yield the sentences of a paragraph; of one that is too long by itself, as a table is, runs of words."""
    place = span[0]
    for sentence in sentences(text[slice(*span)]):
        begin = text.index(sentence, place)
        place = begin + len(sentence)
        if _size(sentence) <= most_words:
            yield begin, place
        else:
            yield from ((begin + first, begin + last) for first, last in _runs(sentence, most_words))


def _runs(sentence: str, most_words: int) -> Iterator[Span]:
    spans, step = word_spans(sentence), most_words * letters_a_word(sentence)
    starts = [0, *(spans[each][0] for each in range(step, len(spans), step))]
    most = most_words * CHARACTERS_A_WORD
    for start, end in zip(starts, [*starts[1:], len(sentence)], strict=True):
        yield from ((first, min(first + most, end)) for first in range(start, end, most))


def _size(text: str) -> int:
    """Its words; of one of long words more."""
    return max(count_words(text), math.ceil(len(text) / CHARACTERS_A_WORD))
