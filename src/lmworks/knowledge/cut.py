"""Cuts documents into passages: at paragraphs, and inside a long paragraph at sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from lmworks.data.base.sentences import sentences
from lmworks.data.base.words import count_words, letters_a_word, word_spans

Span = tuple[int, int]
"""Offsets in characters at which a passage begins and ends in its document."""
_PARAGRAPH = re.compile(r"\S(?:(?!\n[^\S\n]*\n).)*", re.DOTALL)
"""Pattern of a paragraph: text between blank lines."""
CHARACTERS_A_WORD = 12
"""Number of characters that count as at least one word, since a drawn line or an image in hexadecimal has few words and
many tokens. Ordinary text has fewer per word: in 49 translations of the Declaration of Human Rights, at most 11.4."""


def passages_in(text: str, most_words: int, least_words: int) -> list[Span]:
    """Return the passages of a text, in order. Every word is in one passage.

    A paragraph becomes a passage. If it is longer than `most_words`, it is cut into parts of similar length. If it is
    shorter than `least_words`, such as a heading, it joins the next one, or the previous one if it is the last.
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
    """Yield a paragraph, or its parts if it is too long."""
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
    """Yield the sentences of a paragraph. A sentence that is too long, such as a table, yields runs of words."""
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
    """Return the number of words, or more if the words are very long."""
    return max(count_words(text), math.ceil(len(text) / CHARACTERS_A_WORD))
