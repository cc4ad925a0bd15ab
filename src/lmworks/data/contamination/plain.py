"""What is compared when test texts are sought in training text: words, without markup, case, signs or line ends.

One definition for `decontaminate` and for the index of training text. Tags of HTML and XML are taken out: those that
mark a piece of a line, such as `<b>`, and comments may stand inside a word and leave nothing behind, every other leaves
a space. A name in such brackets that is no element of HTML, has no attributes and ends nowhere in the text is one of
code, such as `List<Claim>` or `<Control-f>`, and is read.
What markup says itself, a comment or the values of attributes, is read behind a training text, so that no item hides
in it: all values of one attribute on end, as all comments. Character references are read (`&amp;`), signs that nobody
sees are taken out, an underscore is a sign like any other. Neither signs of Markdown inside a word (`ex**am**ple`), nor
marks of footnotes (`[1]`), nor numbers and times of subtitles, nor line ends that are written out (`\\n`) count.
What remains is cut into words as in duplicate search (`data.words`). Words that were hyphenated at a line end, other
forms of the same letter (a letter and its accent as two characters) and misspellings are other words.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

from lmworks.data.records import as_array
from lmworks.data.words import Words, hash_words, word_spans
from lmworks.lazy import NDArray, np, pc

_NAMES_IN_A_LINE = """
a abbr acronym b bdi bdo big cite code data del dfn em font hi i ins kbd mark math nobr q ruby s samp small span strike
strong sub sup time tt u var w wbr"""
"""Elements that mark a piece of a line; `hi` and `w` are those of TEI."""
_OTHER_NAMES = """
address applet area article aside audio base basefont blockquote body br button canvas caption center col colgroup
datalist dd details dialog dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6
head header hgroup hr html iframe img input label legend li link main map menu meta meter nav noframes noscript object
ol optgroup option output p param picture pre progress rp rt script search section select slot source style summary svg
table tbody td template textarea tfoot th thead title tr track ul video"""
"""The other elements of HTML, those of its earlier versions, too."""
_IN_A_LINE = frozenset(_NAMES_IN_A_LINE.split())
_ELEMENTS = _IN_A_LINE | frozenset(_OTHER_NAMES.split())
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\u0640\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\ufff0-\ufffc\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point of Unicode (joiners, fillers, signs of direction, selectors, tags), annotations, and
what Arabic and Hebrew are as often written without: the tatweel, vowel signs, points."""
_UNSEEN_SIGN = re.compile(f"[{_UNSEEN}]+")
_QUOTED = r"""=\s{0,9}+(?:"[^"]{0,20000}+"|'[^']{0,20000}+')"""
# A `>` in quotes ends no tag. The bounds keep what has no end from being read to the end of the text again and again.
_TAG = (
    rf"/?([a-z][\w.:-]*+)(?:\s++(?:[a-z_:@](?:[^<>=]++|{_QUOTED}|=){{0,200}}+)?+)?+/?+>"
    r"|!--(?:(?:[^<-]++|<(?!!--)|-(?!->))*+|.{0,500}?)-->|[!?][a-z][^<>]*+>|!\[CDATA\["
)
_ESCAPED_TAG = (
    r"/?([a-z][\w.:-]*+)(?:\s++(?:[a-z_:@](?:[^<>&]++|&(?!gt;)){0,100}+)?+)?+/?+(?:>|&gt;)"
    r"|(?:!--.{0,500}?--|[!?][a-z](?:[^<>&]++|&(?!gt;)){0,100}+)(?:>|&gt;)|!\[CDATA\["
)
_REFERENCE = "#0{0,40}[0-9]{1,7};?|#x0{0,40}[0-9a-f]{1,6};?|[a-z][a-z0-9]{1,31};|shy"
# It begins with what it may begin with: such signs are found far sooner than any of several patterns.
_MARKUP = re.compile(
    rf"[<&\]{_UNSEEN}](?i:(?<=<)(?:{_TAG})|(?<=&)lt;(?:{_ESCAPED_TAG})|(?<=\])\](?:>|&gt;)|(?<=&)({_REFERENCE})"
    rf"|(?<=[{_UNSEEN}])())",
    re.DOTALL,
)
_TEX = """u e q eq eg abla ot otin i ewline ewcommand onumber oindent ode ho ight ightarrow angle m oot ef floor ceil
enewcommand heta au imes o op frac ilde an itle riangle ag able ext extbf extit exttt extrm extsc extwidth extcolor"""
"""What follows `\\n`, `\\r` and `\\t` in commands of TeX."""
_IN_WORD = r"[^\s!-/:-@\[-`{-~]"
# Signs of Markdown inside a word, line ends and tabs that are written out, marks of footnotes.
_WRITTEN = re.compile(
    rf"\*(?=\*)(?<={_IN_WORD}\*)\*{{1,2}}(?={_IN_WORD})|_(?=_)(?<={_IN_WORD}_)_{{1,2}}(?={_IN_WORD})"
    rf"|~(?=~)(?<={_IN_WORD}~)~(?={_IN_WORD})|`(?<={_IN_WORD}`)`{{0,2}}(?={_IN_WORD})"
    rf"|\\[nrt](?!(?:{'|'.join(_TEX.split())})\b)|\[(?:\^?[0-9]{{1,3}}|\^\w{{1,20}})\]"
)
_TIME = r"(?:[0-9]{1,3}:)?[0-9]{2}:[0-9]{2}[.,][0-9]{3}"
_CUE = re.compile(
    rf"(?:^[ \t]*[0-9]{{1,6}}[ \t]*\r?\n)?^[ \t]*{_TIME}[ \t]*--(?:>|&gt;)[ \t]*{_TIME}"
    r"(?:[ \t]+[a-z]+:[^\s<>]+){0,6}",
    re.MULTILINE,
)
"""Number and times of a subtitle."""
_JOINED = "\u2060"
_LEAST_SAID = 5
"""Words between white space in markup, beside its values, from where on it may hide an item."""
_BREAK = "\nwordbehindmarkup\n"
"""Parts what stands behind a text from what it does not follow there."""
_VALUE = re.compile(r"""(?<![\w.:@-])([\w.:@-]++)\s{0,9}+=\s{0,9}+("[^"]*"|'[^']*'|[^\s"'<>]+)""")
_END = re.compile(r"(?:<|&lt;)/([a-z][\w.:-]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile("[=/]")
_LETTER = r"[0-9A-Za-z\x{80}-\x{10ffff}]"
_MAY_HOLD = (
    rf"(?:<|&lt;)[a-zA-Z/!?]|\]\]|&[a-zA-Z#]|[{_UNSEEN}]|{_LETTER}(?:\*\*\*?|___?|~~|`{{1,3}}){_LETTER}|\\[nrt]"
    r"|\[\^?[0-9]{1,3}\]|\[\^|[0-9]{3}[ \t]*--(?:>|&gt;)|[ıİ]|[iI]\x{307}"
)
"""What every text with markup has in it; as RE2 reads it."""


def _levelled(text: str) -> str:
    """A text of the same length, without what is written between words or inside them and is none."""
    text = _WRITTEN.sub(lambda found: (" " if found[0][0] in "\\[" else _JOINED) * len(found[0]), text)
    if "-->" in text or "--&gt;" in text:
        text = _CUE.sub(lambda found: " " * len(found[0]), text)
    if not text.isascii():  # in capitals, the Turkish ı is I, and the case of others is levelled as in other languages
        text = (
            text.replace("ı", "i").replace("İ", "i").replace("i\u0307", f"i{_JOINED}").replace("I\u0307", f"i{_JOINED}")
        )
    return text.replace("_", " ")


@functools.lru_cache(maxsize=1)
def _ended(text: str) -> frozenset[str]:
    """The elements that end somewhere in a text."""
    return frozenset(map(str.lower, _END.findall(text)))


def _instead(found: re.Match[str]) -> str:
    """What is read in place of markup."""
    name, escaped, reference, unseen = found.groups()
    tag = name or escaped
    is_known = not tag or tag.lower() in _ELEMENTS or _ATTRIBUTE.search(found[0])
    if not is_known and tag.lower() not in _ended(found.string):
        return html.unescape(found[0])
    if reference:
        return _UNSEEN_SIGN.sub("", html.unescape(found[0])).replace("_", " ")
    if unseen is not None:
        return ""
    is_part_of_line = tag.lower() in _IN_A_LINE if tag else found[0][0] != "]" and "![CDATA[" not in found[0]
    return "" if is_part_of_line else " "


def _said(found: re.Match[str]) -> Iterator[tuple[str, str]]:
    """What markup says itself: the name of an attribute, or nothing, and its value, a comment, or what else it says."""
    name, escaped, reference, unseen = found.groups()
    if reference or unseen is not None or len(found[0]) < _LEAST_SAID:
        return
    inside = html.unescape(found[0]) if found[0][0] == "&" else found[0]
    rest = inside
    if name or escaped:
        if "=" in inside:
            for attribute, value in _VALUE.findall(inside):
                yield attribute.lower(), _read(value)
            rest = _VALUE.sub(" ", inside)
        if rest.isascii() and len(rest.split()) < _LEAST_SAID:
            return
    yield "", _read(rest)


def _read(said: str) -> str:
    return _UNSEEN_SIGN.sub("", html.unescape(said)).replace("_", " ")


def _behind(marks: Sequence[re.Match[str]]) -> list[tuple[str, re.Match[str]]]:
    """What markup says, read behind a text, and the markup that says it: the values of one attribute on end."""
    said = [(key, value, found) for found in marks for key, value in _said(found)]
    said.sort(key=lambda each: each[0])
    before = [None, *(key for key, _, _ in said)]
    return [
        ((" " if key == last else _BREAK) + value, found)
        for (key, value, found), last in zip(said, before, strict=False)
    ]


def plain(text: str, *, behind: bool = False) -> str:
    """A text without markup; its case and signs are as they were, for words are compared without them.

    With `behind`, what its markup says follows it: the text of a comment, the values of attributes.
    """
    marks: list[re.Match[str]] = []

    def instead(found: re.Match[str]) -> str:
        marks.append(found)
        return _instead(found)

    read = _MARKUP.sub(instead, _levelled(text))
    return "".join((read, *(said for said, _ in _behind(marks)))) if behind else read


def word_places(text: str) -> list[tuple[int, int]]:
    """Where each word that is compared begins and ends in a text, in characters of the text with its markup.

    The words that markup says come last.
    """
    pieces: list[str] = []
    starts: list[NDArray[np.int64]] = []
    stops: list[NDArray[np.int64]] = []
    text, end = _levelled(text), 0
    marks = list(_MARKUP.finditer(text))
    for found in marks:
        said, kept = _instead(found), np.arange(end, found.start())
        pieces += [text[end : found.start()], said]
        starts += [kept, np.full(len(said), found.start())]
        stops += [kept + 1, np.full(len(said), found.end())]
        end = found.end()
    kept, behind = np.arange(end, len(text)), _behind(marks)
    sizes, begins, ends = np.array([(len(said), *found.span()) for said, found in behind], np.int64).reshape(-1, 3).T
    first = np.concatenate([*starts, kept, np.repeat(begins, sizes)])
    after = np.concatenate([*stops, kept + 1, np.repeat(ends, sizes)])
    spans = word_spans("".join([*pieces, text[end:], *(said for said, _ in behind)]))
    return [(int(first[start]), int(after[stop - 1])) for start, stop in spans]


def compared_words(texts: Any, *, behind: bool = True) -> Iterator[Words]:
    """The words of texts (a pyarrow string array without nulls) that are compared, some texts at a time.

    With `behind`, those that markup says follow, so that nothing is hidden in it: so training text is read.
    """
    marked = pc.match_substring_regex(texts, _MAY_HOLD)
    if cleaned := [plain(text, behind=behind) for text in texts.filter(marked).to_pylist()]:
        texts = pc.replace_with_mask(texts, marked, as_array(cleaned))
    texts = pc.replace_substring(texts, "_", " ")
    yield from hash_words(texts)


def compared_in_turn(texts: Sequence[str], *, behind: bool = False) -> Iterator[NDArray[np.uint64]]:
    """A hash of each word that is compared [W], text by text, as `compared_words` has it: so items are read."""
    for block in compared_words(as_array(texts), behind=behind):
        yield from np.split(block.hashes, np.cumsum(block.counts)[:-1])
