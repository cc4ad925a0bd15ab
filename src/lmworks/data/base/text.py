"""View of a text as a reader sees it, whatever its characters, markup and case.

The view has three parts, and a caller uses the parts that it needs. `data.base.encoded` decodes encodings in a text.

1. Letters: no invisible characters, plain spaces, one form of each letter (NFKC). See `letters`. 2. Markup: character
references decoded, tags stripped. See `without_markup`. 3. Case and accents: small letters without accents. See `fold`.

`view` combines them, and keeps the place of each character in the original. ASCII texts take a faster path.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

Edit = tuple[int, int, int, int]
"""Start and end of a changed part in the new text, and its start and end in the old text."""
Instead = Callable[[re.Match[str]], str]

INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
"""Characters that no reader sees, for a class of a pattern: control characters and Default_Ignorable_Code_Point."""
DRAWN = "\u0332\u0333\u0335-\u0338\u20d0-\u20f0"
"""Lines and frames drawn through, under or around a letter, for a class of a pattern."""
POINTS = "\u0640\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
"""Vowel signs and points that Arabic and Hebrew are often written without, for a class of a pattern."""
_UNSEEN, _ACCENT = re.compile(f"[{INVISIBLE}{DRAWN}]"), re.compile(f"[\u0300-\u036f{POINTS}]")
_MARKED = re.compile(r"(?s:.)[\u0300-\u036f\u3099\u309a\u0653-\u0655]{1,30}|[\u1100-\u11ff]{1,30}")
"""Characters that Unicode can compose: a letter with accents, or the parts of a Korean syllable."""
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_USUAL = bytes((9, 10, 11, 12, 13, *range(32, 127)))
_SIGNS = "™℠№℡"
"""Signs that stay, though NFKC turns them into letters."""
_STROKES = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe"})
"""Forms without accents of letters that Unicode does not decompose."""


class _Letters(dict[int, str]):
    """Form in which a reader sees each character, by code. Raised, lowered and enclosed numbers stay."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        form = unicodedata.normalize("NFKC", sign)
        if _UNSEEN.match(sign):
            form = ""
        elif sign.isdecimal():
            form = str(unicodedata.decimal(sign))
        elif form.isspace():
            form = sign if code < 128 else "\n" if sign in "\u0085\u2028\u2029" else " "
        elif unicodedata.category(sign) == "No" or sign in _SIGNS:  # 2² is not 22
            form = sign
        self[code] = form if form.isspace() else form.lstrip(" ")  # a vowel sign stands above the letter before it
        return self[code]


class _Folds(dict[int, str]):
    """Form of each character without case and accents, by code."""

    def __missing__(self, code: int) -> str:
        small = unicodedata.normalize("NFKD", chr(code)).casefold().lower()
        self[code] = unicodedata.normalize("NFC", _ACCENT.sub("", small).translate(_STROKES))
        return self[code]


class _Cases(dict[int, str]):
    """Form of each character without case, by code. Format characters become empty."""

    def __missing__(self, code: int) -> str:
        self[code] = "" if unicodedata.category(chr(code)) == "Cf" else _LETTERS[code].casefold()
        return self[code]


_LETTERS, _FOLDS, _CASES = _Letters(), _Folds(), _Cases()


def letters(text: str) -> str:
    """Return a text without invisible characters, with plain spaces and digits, each letter in one form (NFKC)."""
    if _is_plain(text):
        return text
    text = composed(text)
    return composed(text.translate(_LETTERS)) if _changes(text, _LETTERS) else text


def fold(text: str) -> str:
    """Return a text in small letters without accents. İ, I, ı and i become equal, as do ß and ss, ł and l.

    Some letters become several letters, or disappear. `view` keeps their places.
    """
    if text.isascii():
        return text.lower()
    return _BEYOND_ASCII.sub(lambda run: run[0].translate(_FOLDS), text).lower()


def places(text: str) -> list[int]:
    """Return the place in a text of each character of its folded form, and last the text's length."""
    return [place for place, sign in enumerate(text) for _ in _FOLDS[ord(sign)]] + [len(text)]


def one_form(text: str, *, accents: bool = True) -> str:
    """Return a text in small letters, one form of Unicode and single spaces. Without `accents`, ü becomes u."""
    if text.isascii():
        return " ".join(text.lower().split())
    small = unicodedata.normalize("NFC", composed(text).translate(_CASES))
    return " ".join((small if accents else fold(small)).split())


def composed(text: str) -> str:
    """Return a text in which letters and their accents are one character (NFC), in linear time."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return _MARKED.sub(_compose, text)


def _compose(run: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", run[0])


def _changes(text: str, table: dict[int, str]) -> list[str]:
    """Return the characters of a text that a table changes, each once. In ASCII, only invisible ones count."""
    rest = text.encode("utf-8", "surrogatepass").translate(None, _USUAL).decode("utf-8", "surrogatepass")
    return [sign for sign in set(rest) if table[ord(sign)] != sign]


def _is_plain(text: str) -> bool:
    """Return whether a text is ASCII without invisible characters."""
    return text.isascii() and (text.isprintable() or not text.encode().translate(None, _USUAL))


_NAMES_IN_A_LINE = """
a abbr acronym b bdi bdo big cite code data del dfn em font hi i ins kbd mark math nobr q ruby s samp small span strike
strong sub sup time tt u var w wbr"""
_OTHER_NAMES = """
address applet area article aside audio base basefont blockquote body br button canvas caption center col colgroup
datalist dd details dialog dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6
head header hgroup hr html iframe img input label legend li link main map menu meta meter nav noframes noscript object
ol optgroup option output p param picture pre progress rp rt script search section select slot source style summary svg
table tbody td template textarea tfoot th thead title tr track ul video"""
_IN_A_LINE = frozenset(_NAMES_IN_A_LINE.split())
"""Elements that mark a piece of a line: their tags may be inside a word. `hi` and `w` are elements of TEI."""
_ELEMENTS = _IN_A_LINE.union(_OTHER_NAMES.split())
_REFERENCE = re.compile(
    r"&(?:amp;){0,3}(?:#0{0,40}[0-9]{1,7};?|#x0{0,40}[0-9a-f]{1,6};?|[a-z][a-z0-9]{1,31};)", re.IGNORECASE
)
"""A character reference of HTML, also one that was escaped again."""
_TAG = re.compile(
    r"""<(?:/?([a-z][\w.:-]*+)((?:[\s/](?:[^<>"']++|"[^"<]{0,2000}+"|'[^'<]{0,2000}+'|["'])*+)?)>"""
    r"|!--(?:[^<-]++|<(?!!--)|-(?!->))*+-->|[!?][a-z][^<>]*+>|!\[CDATA\[)|\]\]>",
    re.IGNORECASE,
)
"""A tag, comment, declaration or CDATA mark. A `>` in quotes ends no tag."""
_END = re.compile(r"</([a-z][\w.:-]*)", re.IGNORECASE)


def without_markup(text: str) -> str:
    """Return a text with its character references decoded and without tags of HTML and XML.

    Tags inside a line, such as `<b>`, and comments are removed. Other tags become a space. A name in angle brackets
    stays if it is not an element of HTML, has no attributes and ends nowhere in the text: `List<Claim>` is code.
    """
    for sign, pattern, instead in _MARKUP:
        text = pattern.sub(instead, text) if sign in text else text
    return text


def without_tags(text: str, instead: str) -> str:
    """Return a text with the same string in place of every tag."""
    return _TAG.sub(instead, text) if "<" in text else text


def _character(reference: re.Match[str]) -> str:
    plain = reference[0]
    for _ in range(plain.lower().count("amp;") + 1):
        plain = html.unescape(plain)
    return plain


def _instead_of_tag(tag: re.Match[str]) -> str:
    name = (tag[1] or "").lower()
    if name and name not in _ELEMENTS and "=" not in tag[2] and "/" not in tag[0] and name not in _ended(tag.string):
        return tag[0]
    return "" if name in _IN_A_LINE or tag[0].startswith(("<!--", "<![", "]]")) else " "


@functools.lru_cache(maxsize=1)
def _ended(text: str) -> frozenset[str]:
    """Return the elements that have an end tag in a text."""
    return frozenset(name.lower() for name in _END.findall(text))


_MARKUP: tuple[tuple[str, re.Pattern[str], Instead], ...] = (
    ("&", _REFERENCE, _character),
    ("<", _TAG, _instead_of_tag),
)


@dataclass(frozen=True, slots=True)
class View:
    """Text as a reader sees it, with the place of each part in the original."""

    text: str
    edits: list[tuple[list[int], list[Edit]]] = field(default_factory=list)
    """Changed parts of each step that changed the text, with their starts. The first step comes first."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the start and end in the original of a part of the view. An empty part stays empty."""
        if end <= start:
            place = self._around(start)[0]
            return place, place
        return self._around(start)[0], self._around(end - 1)[1]

    def _around(self, place: int) -> tuple[int, int]:
        """Return the start and end in the original of one character of the view."""
        first, last = place, place + 1
        for starts, edits in reversed(self.edits):
            first, last = _before(starts, edits, first)[0], _before(starts, edits, last - 1)[1]
        return first, last


def _before(starts: list[int], edits: list[Edit], place: int) -> tuple[int, int]:
    """Return the start and end of a character before one step."""
    number = bisect_right(starts, place) - 1
    if number < 0:
        return place, place + 1
    _, end, old_start, old_end = edits[number]
    return (old_start, old_end) if place < end else (old_end + place - end, old_end + place - end + 1)


def view(text: str, *, markup: bool = False, folded: bool = False) -> View:
    """Return the view of a text in one form of letters. `markup`: without tags. `folded`: without case and accents."""
    steps: list[tuple[list[int], list[Edit]]] = []
    if markup:
        for sign, pattern, instead in _MARKUP:
            text = _replaced(text, pattern, instead, steps) if sign in text else text
    if not _is_plain(text):
        text = text if unicodedata.is_normalized("NFC", text) else _replaced(text, _MARKED, _compose, steps)
        text = _translated(text, _LETTERS, steps)
        text = text if unicodedata.is_normalized("NFC", text) else _replaced(text, _MARKED, _compose, steps)
    if folded:
        text = (text if text.isascii() else _translated(text, _FOLDS, steps)).lower()
    return View(text, steps)


def _translated(text: str, table: dict[int, str], steps: list[tuple[list[int], list[Edit]]]) -> str:
    """Return a text in the forms of a table. Only characters that disappear or become several are noted as edits."""
    changed = _changes(text, table)
    gone = [sign for sign in changed if not table[ord(sign)]]
    several = [sign for sign in changed if len(table[ord(sign)]) > 1]
    for signs, times in ((gone, "+"), (several, "")):
        if signs:
            pattern = re.compile(f"[{re.escape(''.join(signs))}]{times}")
            text = _replaced(text, pattern, lambda run: run[0].translate(table), steps)
    return _BEYOND_ASCII.sub(lambda run: run[0].translate(table), text) if changed else text


def _replaced(text: str, pattern: re.Pattern[str], instead: Instead, steps: list[tuple[list[int], list[Edit]]]) -> str:
    """Return a text with each match replaced, and note the edits as one step."""
    pieces: list[str] = []
    edits: list[Edit] = []
    end = shift = 0
    for match in pattern.finditer(text):
        new, (start, stop) = instead(match), match.span()
        if new != match[0]:
            pieces += text[end:start], new
            edits.append((start + shift, start + shift + len(new), start, stop))
            shift += len(new) - (stop - start)
            end = stop
    if not edits:
        return text
    steps.append(([edit[0] for edit in edits], edits))
    return "".join([*pieces, text[end:]])
