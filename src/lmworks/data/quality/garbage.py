"""Garbage: random letters, text that was damaged or misread, words in no order, numbers alone, lists of key words.

Each rule abstains where it does not know: letters and order are judged in Latin script alone, and where the words of a
text are enough to tell. Code and tables have an order of their own, which no shuffled text has. Texts are measured many
at a time; N texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from lmworks.data.quality.clean_text import BLOCK_CHARACTERS, clean_text, lexicon
from lmworks.data.quality.measured_words import Measured
from lmworks.lazy import NDArray, np

_MOST_CHARACTERS = 1_000_000
"""What lies beyond is not looked at."""
_GLANCE, _STRETCH = 400, 1_600
"""Characters that are looked at of a long text at its beginning, its middle and its end: first, and if in doubt."""
_DAMAGED_SHARE = 0.004
_LEAST_DAMAGED = 3
_MOJIBAKE = re.compile(
    "[ÂÃÄÅâÐÑ][\x80-\xbf\u20ac\u0192\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u02c6\u02dc\u2013-\u203a\u2122]"
    "|[├┬Γ][ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓]"
)
"""UTF-8 read as Windows-1252 or as code page 437."""
_OTHER_SCRIPTS = re.compile("[\u0370-\u1dff\u1f00-\u1fff\u2e80-\ud7ff\uf900-\ufaff\uff66-\uffdc]")
_MOST_OF_OTHERS = 0.05
_DECIMALS = 3
"""Of scores: the last bits of a float depend on the processor."""
_DIGITS = re.compile(r"\d+")
_FIELDS = re.compile(r"[,;\t|]")
_ALIKE_LINES, _LEAST_ROWS = 0.8, 3

_LEAST_WORDS, _LEAST_LISTED_WORDS, _LEAST_READ_WORDS = 20, 30, 40
"""A name or two make up much of a shorter text."""
_LETTERS_OF_NUMBERS = 0.12
"""Share of letters below which a text is of numbers."""
_MOST_CODE = 0.12
"""Share of signs of code above which letters are not looked at: code is not told from garbage by them."""
_MOST_CODE_IN_ORDER = 0.25
"""Share above which words are not looked at."""
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
    "order_told",
    "own_order",
    "keywords",
    "addresses",
)
"""What is measured of a text. Shares: `damaged` of its characters that were lost or read in a wrong encoding;
`numbers`, `functions` and `addresses` of its words that are numbers, function words of one language, addresses or tags;
`code` of its characters that are signs of code; `keywords`, of a list without a sentence, of its words that repeat
others. `letters` is the mean log2 of the probability of its letters, each after two others; `misread` the log-odds that
it was scanned badly; `words` how many words are looked at. `order` is by how many standard deviations the order of
words is better than that of the same words in any order, `order_told` how well that can be told of these words,
`own_order` by how many it differs from chance in any way. NaN where a text is too short, code, a table, in no script or
language known."""


def score(texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """`SCORES` of each text [N]. Of a long one that may be garbage at a glance more is looked at."""
    found = _look(texts, _GLANCE)
    may_be = np.any(list(_broken(found, doubt=1).values()), axis=0)
    some = [place for place in np.flatnonzero(may_be).tolist() if len(texts[place]) > 3 * _GLANCE]
    for name, values in _look([texts[place] for place in some], _STRETCH).items():
        found[name][some] = values
    return found


def _look(texts: Sequence[str], size: int) -> dict[str, NDArray[np.float32]]:
    """`SCORES` by stretches of such a size."""
    found: dict[str, NDArray[np.float32]] = {name: np.full(len(texts), np.nan, np.float32) for name in SCORES}
    ends = np.cumsum([min(len(text), _MOST_CHARACTERS) for text in texts])
    for some in np.split(np.arange(len(texts)), np.flatnonzero(np.diff(ends // BLOCK_CHARACTERS)) + 1):
        block = [texts[place][:_MOST_CHARACTERS] for place in some.tolist()]
        signs = np.array([1.0 if is_of_other_script(text) else signs_of_code(text) for text in block])
        found["damaged"][some] = [damage(text) for text in block]
        words = {
            place: measured
            for place in np.flatnonzero(signs < _MOST_CODE_IN_ORDER).tolist()
            if len((measured := stretches(block[place], size))[0]) >= _LEAST_WORDS
        }
        if words:
            judged = np.array(list(words))
            is_code = signs[judged] >= _MOST_CODE
            scores = _score_block([block[each] for each in words], list(words.values()), is_code)
            for name, values in scores.items():
                found[name][some[judged]] = values.round(_DECIMALS)
    return found


def stretches(text: str, size: int = _STRETCH) -> tuple[list[str], list[int]]:
    """The words that a text is judged by, of a long one those at its beginning, middle and end; how many a line has."""
    if len(text) > 3 * size:
        middle = (len(text) - size) // 2
        first, middle_one, last = text[:size], text[middle : middle + size], text[-size:]
        text = "\n".join((_before(first), _after(_before(middle_one)), _after(last)))
    words: list[str] = []
    lengths: list[int] = []
    for line in text.split("\n"):
        if some := line.split():
            words += some
            lengths.append(len(some))
    return words, lengths


def _before(cut: str) -> str:
    """Without the word that may have been halved at its end."""
    return cut.rpartition(" ")[0] or cut


def _after(cut: str) -> str:
    return cut.partition(" ")[2] or cut


def _score_block(
    texts: Sequence[str], words: Sequence[tuple[list[str], list[int]]], is_code: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    measured = Measured(words, lexicon())
    numbers = np.full(len(texts), np.nan)
    for place in np.flatnonzero(~is_code & (measured.letters < _LETTERS_OF_NUMBERS)).tolist():
        if not is_table(texts[place]):
            numbers[place] = measured.share("number")[place]

    def where(known: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(known, values, np.nan)

    features, is_latin, is_text = measured.features(), measured.is_latin(), ~is_code
    is_list = is_text & (measured.sizes >= _LEAST_LISTED_WORDS) & measured.is_list()
    is_read = is_latin & (measured.sizes >= _LEAST_READ_WORDS) & ~measured.is_foreign()
    order, told, own_order = (where(is_latin, values) for values in measured.order())
    return {
        "numbers": numbers,
        "letters": where(is_latin & is_text, features[:, 0]),
        "code": measured.code,
        "misread": where(is_read, log_odds(features)),
        "functions": measured.functions,
        "words": measured.sizes.astype(np.float64),
        "order": order,
        "order_told": told,
        "own_order": own_order,
        "keywords": where(is_list, measured.keywords()),
        "addresses": where(is_text & (measured.sizes >= _LEAST_LISTED_WORDS), measured.share("address")),
    }


def is_of_other_script(text: str) -> bool:
    """Whether a good part of it is in a script without capitals or spaces, or in one of which no letters are known."""
    return not text.isascii() and len(_OTHER_SCRIPTS.findall(text)) > _MOST_OF_OTHERS * len(text)


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


_MOST_NUMBERS, _MOST_MISREAD, _MOST_KEYWORDS, _MOST_ADDRESSES, _MOST_ADDRESSES_OF_LISTS = 0.8, 3.0, 0.65, 0.3, 0.15
_LEAST_LETTERS = -5.1
_LEAST_TOLD, _LEAST_ORDER, _LEAST_SHARE, _LEAST_OWN_ORDER = 4.5, 3.0, 0.35, 0.5
"""The order of shuffled texts lies about 0 with a standard deviation of 1."""
_LEAST_TOLD_OF_CODE, _LEAST_ORDERED_WORDS = 6.0, 60
_CHANCE, _OWN_SHARE = -1.8, 0.7
"""About where their own order lies."""


_DOUBT, _DOUBT_OF_LETTERS, _DOUBT_OF_MISREAD = 1.5, 0.2, 2.0
"""By how much limits are wider for a text of which less is looked at."""


def garbage(scores: Mapping[str, NDArray[np.float32]]) -> list[str | None]:
    """Why each text with such scores is garbage."""
    found: list[str | None] = [None] * len(scores["order"])
    for rule, texts in reversed(_broken(scores).items()):
        for text in np.flatnonzero(texts).tolist():
            found[text] = f"garbage: {rule}"
    return found


def _broken(scores: Mapping[str, NDArray[np.float32]], doubt: float = 0) -> dict[str, NDArray[np.bool_]]:
    """Which texts break each rule; with a doubt of 1, which may when more of them is looked at."""
    # A comparison with NaN is false: what is not known takes no text.
    wider = _DOUBT**doubt
    order, told = scores["order"], scores["order_told"] * wider
    own = scores["own_order"] - _CHANCE
    at_random = order + _OWN_SHARE * own < wider * np.minimum(_LEAST_ORDER, _LEAST_SHARE * scores["order_told"])
    at_random &= told >= np.where(scores["code"] < _MOST_CODE, _LEAST_TOLD, _LEAST_TOLD_OF_CODE)
    at_random &= (scores["own_order"] < wider * _LEAST_OWN_ORDER) & (scores["words"] * wider >= _LEAST_ORDERED_WORDS)
    keywords, addresses = scores["keywords"] * wider, scores["addresses"] * wider
    return {
        "damaged characters": scores["damaged"] >= _DAMAGED_SHARE,
        "numbers": scores["numbers"] * wider >= _MOST_NUMBERS,
        "addresses": addresses >= _MOST_ADDRESSES,
        "letters of no word": scores["letters"] < _LEAST_LETTERS + doubt * _DOUBT_OF_LETTERS,
        "misread": scores["misread"] >= _MOST_MISREAD - doubt * _DOUBT_OF_MISREAD,
        "words in no order": at_random,
        "key words": (keywords >= _MOST_KEYWORDS) | (~np.isnan(keywords) & (addresses >= _MOST_ADDRESSES_OF_LISTS)),
    }
