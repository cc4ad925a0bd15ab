"""Words of many texts at once, as hashes, for the search for duplicates.

A word is a longest run of letters, digits and underscores in any case, each with its marks, such as the vowel signs of
Hindi. In scripts without spaces between words (Chinese, Japanese, Thai, …) every letter is a word. Nothing here calls
Python once per word: texts follow one another in one buffer, and numpy reads it eight bytes at a time.

Axes: N texts, B bytes, W words.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unicodedata import category

from lmworks.lazy import NDArray, np

_BLOCK_BYTES = 2**18
"""Number of bytes of texts that are hashed together. With the arrays made of them they fit into a core's cache."""
_FEW = 16
"""Number of words from which the rest of long words is hashed word by word."""

_A_WORD = {"\u3400-\u4dbf\u4e00-\u9fff": 2, "\u1000-\u109f\u1780-\u17ff": 3, "\u0e00-\u0eff\u3040-\u30ff": 4}
"""Number of letters, in scripts without spaces, that count as one English word: 2 of Chinese, 3 of Burmese and Khmer,
4 of Thai, Lao and Japanese kana. Translations of GTK's and the GNU tools' messages have 1.7 letters per word in
Chinese, 2.6 in Burmese, 3.1 in Khmer and Japanese (with Chinese letters among the kana), 4.0 in Thai."""
UNSPACED = "".join(_A_WORD)
HANGUL = "\uac00-\ud7a3"
_ASCII_WORD = re.compile("[0-9A-Z_a-z]+")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_LETTER = re.compile(rf"[{UNSPACED}](?<=\w)")
_LETTERS = {size: re.compile(rf"(?=\w)[{letters}]") for letters, size in _A_WORD.items()}
_LOWER = bytes(
    byte if byte > 127 or chr(byte) == "_" else ord(chr(byte).lower()) if chr(byte).isalnum() else 0
    for byte in range(256)
)
"""Table by byte of UTF-8: its lower case if it belongs to a word, else 0. All bytes above 127 belong to words here."""


@dataclass(frozen=True)
class Words:
    """The words of consecutive texts."""

    hashes: NDArray[np.uint64]
    """Hash of each word [W], of all texts one after another."""
    counts: NDArray[np.int64]
    """Number of words of each text [N]."""


@functools.cache
def combining_marks() -> str:
    """Return the characters that belong to the letter before them, for a class of a pattern: `\\w` has none of them.

    Invisible characters, such as variation selectors, and enclosing marks are left out.
    """
    unseen = {0x34F, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)}
    codes = [code for code in range(0x300, 0x20000) if category(chr(code)) in ("Mn", "Mc") and code not in unseen]
    starts = [code for code, before in zip(codes, [0, *codes], strict=False) if code != before + 1]
    ends = [code for code, after in zip(codes, [*codes[1:], 0], strict=True) if code + 1 != after]
    return "".join(f"{chr(start)}-{chr(end)}" for start, end in zip(starts, ends, strict=True))


@functools.cache
def _word() -> re.Pattern[str]:
    letters, marks = rf"[^\W{UNSPACED}]", f"[{combining_marks()}]"
    return re.compile(rf"(?=\w)[{UNSPACED}]{marks}*|{letters}+(?:{marks}+{letters}*)*")


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return where each word of a text begins and ends, in characters."""
    pattern = _ASCII_WORD if text.isascii() else _word()
    return [match.span() for match in pattern.finditer(text)]


def words_in(text: str) -> list[str]:
    """Return the words of a text, one after the other."""
    return (_ASCII_WORD if text.isascii() else _word()).findall(text)


def borders(term: str) -> str:
    """Return a pattern of a term as a whole word. In scripts without spaces, and at a sign, anything can be beside it.

    120 does not match in 7,120 or 120.5 (Unicode Standard Annex 29, WB11 and WB12). A Korean term also matches if
    Korean attaches a particle to it without a space.
    """
    marks, number = combining_marks(), r"[.,'’٫٬]"
    before = "" if re.match(rf"[{UNSPACED}\W]", term) else rf"(?<![^\W{UNSPACED}])(?<!(?![{UNSPACED}])[{marks}])"
    after = "" if re.search(rf"[{UNSPACED}]\Z|[^\w{marks}]\Z", term) else rf"(?![^\W{UNSPACED}{HANGUL}])"
    before += rf"(?<!\d{number})" if re.match(r"\d", term) else ""
    after += rf"(?!{number}\d)" if re.search(r"\d\Z", term) else ""
    return rf"{before}{re.escape(term)}{after}(?![{marks}])"


def has_words(text: str) -> bool:
    """Return whether there is a word in a text."""
    return _word().search(text) is not None


def count_words(text: str) -> int:
    """Return the number of words between white space. In scripts without spaces, `_A_WORD` letters count as one."""
    if text.isascii() or not _LETTER.search(text):
        return len(text.split())
    return int(_weighed(text)[1])


def judged_words(text: str) -> tuple[list[str], int]:
    """Return the words between white space and 1, or in scripts without spaces the letters and `letters_a_word`."""
    times = letters_a_word(text)
    return (text.split(), 1) if times == 1 else (words_in(text), times)


def letters_a_word(text: str) -> int:
    """Return how many words of `words_in` are one in `count_words`: 1, but 2 in Chinese, 3 in Japanese, 4 in Thai."""
    if text.isascii() or not _LETTER.search(text):
        return 1
    number, words = _weighed(text)
    return round(number / words)


def _weighed(text: str) -> tuple[int, float]:
    """Return the number of words if each letter in scripts without spaces is one, and if `_A_WORD` letters are one."""
    number = len(word_spans(text))
    counts = {size: len(letters.findall(text)) for size, letters in _LETTERS.items()}
    return number, number - sum(counts.values()) + sum(count / size for size, count in counts.items())


def hash_words(texts: Any) -> Iterator[Words]:
    """Yield the words of texts (a pyarrow string array without nulls), some texts at a time."""
    _, offset_buffer, data = texts.buffers()
    if not len(texts):
        return
    offsets = np.frombuffer(offset_buffer, np.int32, len(texts) + 1, 4 * texts.offset).astype(np.int64)
    cuts = np.searchsorted(offsets, np.arange(offsets[0], offsets[-1], _BLOCK_BYTES))
    edges = np.unique(np.concatenate((cuts, [0, len(texts)])))
    content = memoryview(data) if data else memoryview(b"")
    for first, last in pairwise(edges):
        inside = offsets[first : last + 1]
        yield _hash_block(*_as_words(bytes(content[inside[0] : inside[-1]]), inside - inside[0]))


def _as_words(content: bytes, offsets: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
    """Return texts [B] and offsets [N + 1] with characters beyond ASCII casefolded, or a space if not in a word."""
    if content.isascii():
        return content, offsets
    beyond = np.flatnonzero(np.frombuffer(content, np.uint8) > 127)
    pieces, end, lengths = [], 0, np.diff(offsets)
    for text in np.unique(np.searchsorted(offsets, beyond, "right") - 1):
        start, stop = offsets[text], offsets[text + 1]
        folded = _BEYOND_ASCII.sub(_folded, content[start:stop].decode()).encode()
        pieces += [content[end:start], folded]
        end, lengths[text] = stop, len(folded)
    return b"".join([*pieces, content[end:]]), np.concatenate(([0], np.cumsum(lengths)))


def _folded(found: re.Match[str]) -> str:
    """Return a folded run beyond ASCII. Marks at its front belong to the word before it, if there is one."""
    if found[0] < "\u0300" or category(found[0][0]) not in ("Mn", "Mc"):
        return _fold(found[0])
    before = found.string[found.start() - 1 : found.start()]
    return _fold(("a" if before.isalnum() or before == "_" else " ") + found[0])[1:]


@functools.cache
def _not_in_words() -> re.Pattern[str]:
    return re.compile(rf"(?=\w)[{UNSPACED}][{combining_marks()}]*|[^\w{combining_marks()}][{combining_marks()}]*")


@functools.lru_cache(maxsize=100_000)  # quotes, dashes and the words of other scripts come again and again
def _fold(run: str) -> str:
    return _not_in_words().sub(_spaced, run).casefold()


def _spaced(found: re.Match[str]) -> str:
    return f" {found[0]} " if found[0][0].isalnum() else " "


def _hash_block(content: bytes, offsets: NDArray[np.int64]) -> Words:
    lower = np.frombuffer(content.translate(_LOWER) + bytes(16 + -len(content) % 8), np.uint8)
    in_word = lower[: len(content) + 1] != 0  # the last is padding: a word ends before it
    begins, ends = in_word.copy(), in_word.copy()
    begins[1:] &= ~in_word[:-1]
    ends[:-1] &= ~in_word[1:]
    edges = offsets[1:-1]  # a word does not reach into the next text
    begins[edges] = in_word[edges]
    before = edges[edges > 0] - 1
    ends[before] = in_word[before]
    starts = np.flatnonzero(begins)
    lengths = np.flatnonzero(ends) + 1 - starts
    counts = np.diff(np.searchsorted(starts, offsets))
    return Words(_hash_spans(lower, starts, lengths), counts)


def _hash_spans(lower: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash each span of bytes, eight at a time. Words of up to eight bytes never collide."""
    eights = lower.view("<u8")
    hashes = mixed_bits(_first_bytes(eights, starts, lengths))
    longer, done = np.flatnonzero(lengths > 8), 8
    while len(longer) > _FEW:
        rest = _first_bytes(eights, starts[longer] + done, lengths[longer] - done)
        hashes[longer] = mixed_bits(hashes[longer] ^ rest)
        done += 8
        longer = longer[lengths[longer] > done]
    for word in longer.tolist():  # a picture in base64 is one, of megabytes
        begin, size = int(starts[word]) + done, int(lengths[word]) - done
        rest = np.frombuffer(lower[begin : begin + size].tobytes() + bytes(-size % 8), "<u8")
        hashes[word] = functools.reduce(_mixed_with, rest.tolist(), int(hashes[word]))
    return hashes


def _first_bytes(
    eights: NDArray[np.uint64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return the first eight bytes, or fewer, from each start, as one number."""
    place, shift = starts >> 3, ((starts & 7) << 3).astype(np.uint64)
    found: NDArray[np.uint64] = (eights[place] >> shift) | (
        (eights[place + 1] << np.uint64(1)) << (np.uint64(63) - shift)
    )
    found &= _masks()[np.minimum(lengths, 8)]
    return found


@functools.cache
def _masks() -> NDArray[np.uint64]:
    return np.array([256**size - 1 for size in range(9)], np.uint64)


def _mixed_with(value: int, rest: int) -> int:
    """Return `mixed_bits` of two plain numbers combined, which for few numbers is far faster than arrays."""
    value ^= rest
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    value = (value ^ value >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return value ^ value >> 31


def mixed_bits(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit of a number over all bits, one to one: the finaliser of splitmix64 (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
