"""Garbage: random letters, damaged or badly scanned text, numbers alone, lists of key words or of addresses.

Letters are judged only in Latin script and in texts of enough words. Code is searched only for lost and wrongly
decoded characters and for bad scans. Many texts are measured at a time: axis N is of texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from lmworks.data.quality.clean_text import BLOCK_CHARACTERS, clean_text, lexicon
from lmworks.data.quality.measured_words import Measured
from lmworks.lazy import NDArray, np

_MOST_CHARACTERS = 1_000_000
"""Maximum number of characters of a text that are read."""
_GLANCE, _STRETCH = 400, 1_600
"""Characters read at the beginning, the middle and the end of a long text: at first, and if in doubt."""
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
"""Decimals of scores. The last bits of a float depend on the processor."""
_DIGITS = re.compile(r"\d+")
_FIELDS, _CELLS = re.compile(r"[,;\t|]"), re.compile(r"[\t|]")
_ALIKE_LINES, _LEAST_ROWS = 0.8, 3
"""Minimum share of alike lines in a table, and minimum number of lines of a table."""

_LEAST_WORDS, _LEAST_LISTED_WORDS, _LEAST_READ_WORDS = 20, 30, 40
"""Minimum number of words of a text that rules judge. A name or two make up much of a shorter text."""
_LETTERS_OF_NUMBERS = 0.12
"""Share of letters below which a text counts as numbers."""
_MOST_CODE = 0.12
"""Share of signs of code from which a text counts as code. Its letters are then not judged alone."""
_MOST_CODE_OF_MISREAD = 0.25
"""Share of signs of code from which words are not judged at all."""
_CODE = b'{}()[]=<>/_\\#$&@+%`"'
_SPACE = b" \t\r\n"


SCORES = ("damaged", "numbers", "letters", "misread", "words", "keywords", "addresses")
"""Measures of a text. Shares: `damaged` of its characters that were lost or read in a wrong encoding; `numbers` and
`addresses` of its words that are numbers, addresses or tags; `keywords`, of a list without a sentence, of its words
that repeat others. `letters` is the mean log2 of the probability of its letters, each after two others. `misread` is
the log-odds that it was scanned badly. `words` is the number of words that are looked at. NaN where a text is too
short, code, a table, or in an unknown script or language."""


def score(texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return `SCORES` of each text [N]. Read more of a long text that looks like garbage at first."""
    found = _look(texts, _GLANCE)
    may_be = np.any(list(_broken(found, doubt=1).values()), axis=0)
    some = [place for place in np.flatnonzero(may_be).tolist() if len(texts[place]) > 3 * _GLANCE]
    for name, values in _look([texts[place] for place in some], _STRETCH).items():
        found[name][some] = values
    return found


def _look(texts: Sequence[str], size: int) -> dict[str, NDArray[np.float32]]:
    """Return `SCORES` [N], measured on stretches of `size` characters."""
    found: dict[str, NDArray[np.float32]] = {name: np.full(len(texts), np.nan, np.float32) for name in SCORES}
    ends = np.cumsum([min(len(text), _MOST_CHARACTERS) for text in texts])
    for some in np.split(np.arange(len(texts)), np.flatnonzero(np.diff(ends // BLOCK_CHARACTERS)) + 1):
        block = [texts[place][:_MOST_CHARACTERS] for place in some.tolist()]
        signs = np.array([1.0 if is_of_other_script(text) else signs_of_code(text) for text in block])
        found["damaged"][some] = [damage(text) for text in block]
        words = {
            place: measured
            for place in np.flatnonzero(signs < _MOST_CODE_OF_MISREAD).tolist()
            if len(measured := words_of(block[place], size)) >= _LEAST_WORDS
        }
        if words:
            judged = np.array(list(words))
            is_code = signs[judged] >= _MOST_CODE
            scores = _score_block([block[place] for place in words], list(words.values()), is_code)
            for name, values in scores.items():
                found[name][some[judged]] = values.round(_DECIMALS)
    return found


def words_of(text: str, size: int = _STRETCH) -> list[str]:
    """Return the words that a text is judged by: of a long text those at its beginning, middle and end."""
    if len(text) > 3 * size:
        middle = (len(text) - size) // 2
        first, last = text[:size], text[-size:]
        within = text[middle : middle + size].rpartition(" ")[0]
        # Words at a cut may have been halved.
        text = "\n".join((first.rpartition(" ")[0] or first, within.partition(" ")[2], last.partition(" ")[2] or last))
    return text.split()


def _score_block(
    texts: Sequence[str], words: Sequence[Sequence[str]], is_code: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """Return the scores of texts by their words: all except `damaged`."""
    measured = Measured(words, lexicon())
    numbers = np.full(len(texts), np.nan)
    for place in np.flatnonzero(~is_code & (measured.letters < _LETTERS_OF_NUMBERS)).tolist():
        if not is_table(texts[place]):
            numbers[place] = measured.share("number")[place]

    def where(known: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(known, values, np.nan)

    features, is_latin = measured.features(), measured.is_latin()
    is_long = ~is_code & (measured.sizes >= _LEAST_LISTED_WORDS)
    is_read = is_latin & (measured.sizes >= _LEAST_READ_WORDS) & ~measured.is_foreign
    is_read &= ~np.array([has_cells(text) for text in texts])
    return {
        "numbers": numbers,
        "letters": where(is_latin & ~is_code, features[:, 0]),
        "misread": where(is_read, log_odds(features)),
        "words": measured.sizes.astype(np.float64),
        "keywords": where(is_long & measured.is_list(), measured.keywords()),
        "addresses": where(is_long, measured.share("address")),
    }


def is_of_other_script(text: str) -> bool:
    """Return whether a good part of a text is in a script without capitals or spaces, or of unknown letters."""
    return not text.isascii() and len(_OTHER_SCRIPTS.findall(text)) > _MOST_OF_OTHERS * len(text)


def signs_of_code(text: str) -> float:
    """Return the share of signs of code among the bytes that are not white space."""
    content = text.encode().translate(None, _SPACE)
    return 1 - len(content.translate(None, _CODE)) / max(1, len(content))


def damage(text: str) -> float:
    """Return the share of characters that were lost or read in a wrong encoding."""
    if text.isascii():
        return 0.0
    lost = text.count("\ufffd") + len(_MOJIBAKE.findall(text))
    return lost / len(text) if lost >= _LEAST_DAMAGED else 0.0


def is_table(text: str) -> bool:
    """Return whether most lines have the same number of fields: between signs, under a head, or in alike columns."""
    lines = [line for line in text.split("\n") if line.strip()]
    if _has_fields(lines, _FIELDS):
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


def has_cells(text: str) -> bool:
    """Return whether most lines have the same number of cells, between bars or tabs."""
    if text.count("|") + text.count("\t") < _LEAST_ROWS:  # as most texts
        return False
    lines = [line for line in text.split("\n") if line.strip()]
    return len(lines) >= _LEAST_ROWS and _has_fields(lines, _CELLS)


def _has_fields(lines: Sequence[str], signs: re.Pattern[str]) -> bool:
    """Return whether most lines have the same number of fields between signs."""
    number, times = Counter(len(signs.findall(line)) for line in lines).most_common(1)[0]
    return number > 0 and times >= _ALIKE_LINES * len(lines)


def log_odds(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the misread score [N]: a logistic model of the features [N, F] and their products."""
    known = clean_text().misread
    scaled = (features - np.array(known["mean"])) / np.array(known["scale"])
    rows, columns = np.triu_indices(scaled.shape[1])
    weights = np.array(known["weights"])
    first, second = weights[1 : 1 + scaled.shape[1]], weights[1 + scaled.shape[1] :]
    found: NDArray[np.float64] = weights[0] + scaled @ first + (scaled[:, rows] * scaled[:, columns]) @ second
    return found


_MOST_NUMBERS, _MOST_MISREAD, _MOST_KEYWORDS, _MOST_ADDRESSES, _MOST_ADDRESSES_OF_LISTS = 0.8, 2.5, 0.65, 0.3, 0.15
_LEAST_LETTERS = -5.1
_DOUBT, _DOUBT_OF_LETTERS, _DOUBT_OF_MISREAD = 1.5, 0.2, 2.0
"""Factor and summands that widen the limits at the first look, which reads less of a text."""


def garbage(scores: Mapping[str, NDArray[np.float32]]) -> list[str | None]:
    """Return the reason why each text with such scores is garbage, or None."""
    found: list[str | None] = [None] * len(scores["damaged"])
    for rule, texts in reversed(_broken(scores).items()):
        for text in np.flatnonzero(texts).tolist():
            found[text] = f"garbage: {rule}"
    return found


def _broken(scores: Mapping[str, NDArray[np.float32]], doubt: float = 0) -> dict[str, NDArray[np.bool_]]:
    """Return which texts break each rule. With a doubt of 1, return which texts could break it if more is read."""
    # A comparison with NaN is false: what is not known takes no text.
    wider = _DOUBT**doubt
    keywords, addresses = scores["keywords"] * wider, scores["addresses"] * wider
    return {
        "damaged characters": scores["damaged"] >= _DAMAGED_SHARE,
        "numbers": scores["numbers"] * wider >= _MOST_NUMBERS,
        "addresses": addresses >= _MOST_ADDRESSES,
        "letters of no word": scores["letters"] < _LEAST_LETTERS + doubt * _DOUBT_OF_LETTERS,
        "misread": scores["misread"] >= _MOST_MISREAD - doubt * _DOUBT_OF_MISREAD,
        "key words": (keywords >= _MOST_KEYWORDS) | (~np.isnan(keywords) & (addresses >= _MOST_ADDRESSES_OF_LISTS)),
    }
