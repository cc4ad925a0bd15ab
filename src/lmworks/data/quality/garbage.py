"""Garbage: random letters, text that was damaged or misread, words in no order, numbers alone, lists of key words.

Each rule abstains where it does not know: letters are judged in Latin script, order in the languages of which an order
is known, all of them in texts long enough to tell. Code and tables have an order of their own, which no shuffled text
has. Texts are measured many at a time; N texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from lmworks.data.quality.clean_text import BLOCK_CHARACTERS, clean_text, lexicon
from lmworks.data.quality.measured_words import LEAST_FUNCTION_WORDS, LEAST_ORDERED_WORDS, Measured
from lmworks.lazy import NDArray, np

_MOST_CHARACTERS = 1_000_000
"""What lies beyond is not looked at."""
_STRETCH_WORDS = 200
_DAMAGED_SHARE = 0.004
_LEAST_DAMAGED = 3
_MOJIBAKE = re.compile(
    "[ÂÃÄÅâÐÑ][\x80-\xbf\u20ac\u0192\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u02c6\u02dc\u2013-\u203a\u2122]"
    "|[├┬Γ][ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓]"
)
"""UTF-8 read as Windows-1252 or as code page 437."""
_DECIMALS = 3
"""Of scores: the last bits of a float depend on the processor."""
_DIGITS = re.compile(r"\d+")
_FIELDS = re.compile(r"[,;\t|]")
_ALIKE_LINES, _LEAST_ROWS = 0.8, 3

_LEAST_WORDS, _LEAST_READ_WORDS = 20, 40
"""A name or two make up much of a shorter text."""
_LETTERS_OF_NUMBERS = 0.12
"""Share of letters below which a text is of numbers."""
_MANY_WORDS = 150
_FEW_FUNCTION_WORDS = 0.25
_MOST_CODE = 0.12
"""Share of signs of code above which a text is not looked at: code is not told from garbage here."""
_CODE = b'{}()[]=<>/_\\#$&@+%`"'
_SPACE = b" \t\r\n"


SCORES = (
    "damaged",
    "numbers",
    "letters",
    "code",
    "misread",
    "functions",
    "words",
    "order",
    "own_order",
    "phrases",
    "keywords",
    "addresses",
)
"""What is measured of a text. Shares: `damaged` of its characters that were lost or read in a wrong encoding;
`numbers`, `functions` and `addresses` of its words that are numbers, function words of one language, addresses or
tags; `code` of its characters that are signs of code; `keywords` of its words that repeat others in a list without a
sentence. `letters` is the mean log2 of the probability of its letters, each after two others; `misread` the log-odds
that it was scanned badly; `words` how many words are looked at. `order` is by how many standard deviations the order
of words is better than by chance, `own_order` by how many it differs from chance in any way, `phrases` how often as by
chance two words stand together again. NaN where a text is too short, code, a table, in no script or language known."""


def score(texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """`SCORES` of each text [N]."""
    found: dict[str, NDArray[np.float32]] = {name: np.full(len(texts), np.nan, np.float32) for name in SCORES}
    ends = np.cumsum([min(len(text), _MOST_CHARACTERS) for text in texts])
    for some in np.split(np.arange(len(texts)), np.flatnonzero(np.diff(ends // BLOCK_CHARACTERS)) + 1):
        block = [texts[place][:_MOST_CHARACTERS] for place in some.tolist()]
        words = [stretches(text.split()) if signs_of_code(text) < _MOST_CODE else [] for text in block]
        found["damaged"][some] = [damage(text) for text in block]
        judged = np.array([place for place, each in enumerate(words) if len(each) >= _LEAST_WORDS], np.int64)
        if len(judged):
            for name, values in _score_block(
                [block[each] for each in judged], [words[each] for each in judged]
            ).items():
                found[name][some[judged]] = values.round(_DECIMALS)
    return found


def stretches(words: list[str]) -> list[str]:
    """The words that a text is judged by: all, or of a long text those at its beginning, its middle and its end."""
    if len(words) <= 3 * _STRETCH_WORDS:
        return words
    middle = (len(words) - _STRETCH_WORDS) // 2
    return words[:_STRETCH_WORDS] + words[middle : middle + _STRETCH_WORDS] + words[-_STRETCH_WORDS:]


def _score_block(texts: Sequence[str], words: Sequence[Sequence[str]]) -> dict[str, NDArray[np.float64]]:
    measured = Measured(words, lexicon())
    numbers = np.full(len(texts), np.nan)
    for place in np.flatnonzero(measured.letters < _LETTERS_OF_NUMBERS).tolist():
        if not is_table(texts[place]):
            numbers[place] = measured.share("number")[place]
    is_text, is_long = measured.letters >= _LETTERS_OF_NUMBERS, measured.sizes >= LEAST_ORDERED_WORDS

    def where(known: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(known & is_text, values, np.nan)

    features, is_latin = measured.features(), measured.is_latin()
    return {
        "numbers": numbers,
        "letters": where(is_latin, features[:, 0]),
        "code": measured.code,
        "misread": where(is_latin & (measured.sizes >= _LEAST_READ_WORDS), log_odds(features)),
        "functions": measured.functions,
        "words": measured.sizes.astype(np.float64),
        "order": where(is_long, measured.order()),
        "own_order": where(is_long, measured.own_order()),
        "phrases": where(is_long, measured.phrases()),
        "keywords": where(is_long, measured.keywords()),
        "addresses": where(measured.sizes >= LEAST_ORDERED_WORDS // 2, measured.share("address")),
    }


def signs_of_code(text: str) -> float:
    """Their share of the bytes that are no white space."""
    content = text.encode().translate(None, _SPACE)
    return 1 - len(content.translate(None, _CODE)) / max(1, len(content))


def damage(text: str) -> float:
    """Share of characters that no longer say what they said."""
    if text.isascii():
        return 0.0
    lost = text.count("\ufffd") + len(_MOJIBAKE.findall(text))
    return lost / len(text) if lost >= _LEAST_DAMAGED else 0.0


def is_table(text: str) -> bool:
    """Whether most lines have as many fields: between signs, under a head of words, or decimals below decimals."""
    lines = [line for line in text.split("\n") if line.strip()]
    number, times = Counter(len(_FIELDS.findall(line)) for line in lines).most_common(1)[0]
    if number and times >= _ALIKE_LINES * len(lines):
        return True
    rows = [line.split() for line in lines]
    number, times = Counter(map(len, rows)).most_common(1)[0]
    if number < 2 or times < _LEAST_ROWS or times < _ALIKE_LINES * len(lines):
        return False
    whole = [row for row in rows if len(row) == number]
    columns = [Counter(_DIGITS.sub("0", row[place]).lstrip("-") for row in whole) for place in range(number)]
    forms = [column.most_common(1)[0] for column in columns]
    has_head = sum(map(str.isalpha, lines[0])) > len(lines[0]) / 2
    alike = all(often >= _ALIKE_LINES * times for _, often in forms)
    return has_head or (alike and any("." in form for form, _ in forms))


def log_odds(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The misread score [N]: a logistic model of the features [N, F] and their products."""
    known = clean_text().misread
    scaled = (features - np.array(known["mean"])) / np.array(known["scale"])
    rows, columns = np.triu_indices(scaled.shape[1])
    weights = np.array(known["weights"])
    first, second = weights[1 : 1 + scaled.shape[1]], weights[1 + scaled.shape[1] :]
    found: NDArray[np.float64] = weights[0] + scaled @ first + (scaled[:, rows] * scaled[:, columns]) @ second
    return found


_MOST_NUMBERS, _MOST_MISREAD, _MOST_KEYWORDS, _MOST_ADDRESSES = 0.8, 3.0, 0.5, 0.3
_LEAST_LETTERS = -5.1
_LEAST_ORDER, _LEAST_ORDER_SHORT, _LEAST_ORDER_OF_FEW, _LEAST_PHRASES = 3.5, 2.0, 2.5, 1.9
_LEAST_OWN_ORDER, _LEAST_OWN_ORDER_OF_FEW, _SURE_ORDER = 6.0, 1.5, 5.0
"""Shuffled texts lie about 0 with a standard deviation of 1, and at 1 time as often as by chance."""


def garbage(scores: Mapping[str, NDArray[np.float32]]) -> list[str | None]:
    """Why each text with such scores is garbage."""
    few = scores["functions"] < _FEW_FUNCTION_WORDS
    least = np.where(scores["words"] >= _MANY_WORDS, _LEAST_ORDER, _LEAST_ORDER_SHORT)
    again, order = scores["phrases"], scores["order"]
    # A comparison with NaN is false: what is not known takes no text. Few function words say little of an order.
    of_few = (scores["functions"] >= LEAST_FUNCTION_WORDS) & (np.abs(order) < _LEAST_ORDER_OF_FEW)
    tells = np.where(few, of_few, order < least)
    tells = np.where(np.isnan(again), tells, (again < _LEAST_PHRASES) & ~(order >= _SURE_ORDER))
    strict = few & np.isnan(again)
    at_random = tells & (scores["own_order"] < np.where(strict, _LEAST_OWN_ORDER_OF_FEW, _LEAST_OWN_ORDER))
    broken = {
        "damaged characters": scores["damaged"] >= _DAMAGED_SHARE,
        "numbers": scores["numbers"] >= _MOST_NUMBERS,
        "addresses": scores["addresses"] >= _MOST_ADDRESSES,
        "letters of no word": scores["letters"] < _LEAST_LETTERS,
        "misread": scores["misread"] >= _MOST_MISREAD,
        "words in no order": at_random,
        "key words": scores["keywords"] >= _MOST_KEYWORDS,
    }
    found: list[str | None] = [None] * len(again)
    for rule, texts in reversed(broken.items()):
        for text in np.flatnonzero(texts).tolist():
            found[text] = f"garbage: {rule}"
    return found
