"""What is compared when test texts are sought in training text: words, without markup, case, signs or line ends.

One definition for `decontaminate` and for the index of training text. Tags of HTML and XML are taken out: those that
mark a piece of a line, such as `<b>`, may stand inside a word and leave nothing behind, every other leaves a space. A
name in such brackets that is no element of HTML, has no attributes and ends nowhere in the text is one of code, such as
`List<Claim>` or `<Control-f>`, and is read.
What markup says itself, a comment or the values of attributes, is read behind a training text, so that no item hides
in it. Character references are read (`&amp;`), signs that nobody sees are taken out, an underscore is a sign like any
other.
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
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffc"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef"
)
"""Signs of direction, joiners, fillers, variation selectors and tags."""
_TAG = (
    r"/?([a-z][\w.:-]*)(?:\s+(?:[a-z_:@](?:(?!&gt;)[^<>]){0,500})?)?/?(?:>|&gt;)"
    r"|(?:!--.{0,2000}?--|[!?][a-z][^<>]{0,500})(?:>|&gt;)|!\[CDATA\["
)
_REFERENCE = "#[0-9]{1,7};|#x[0-9a-f]{1,6};|[a-z][a-z0-9]{1,31};"
# It begins with what it may begin with: such signs are found far sooner than any of several patterns.
_MARKUP = re.compile(
    rf"[<&\]{_UNSEEN}](?i:(?:(?<=<)|(?<=&)lt;)(?:{_TAG})|(?<=\])\](?:>|&gt;)|(?<=&)({_REFERENCE})|(?<=[{_UNSEEN}])())",
    re.DOTALL,
)
_LEAST_SAID = 5
"""Words between white space in markup from where on it may hide an item."""
_BREAK = "\nwordbehindmarkup\n"
"""Parts what stands behind a text from what it does not follow there."""
_END = re.compile(r"(?:<|&lt;)/([a-z][\w.:-]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile("[=/]")
_MAY_HOLD = rf"(?:<|&lt;)[a-zA-Z/!?]|\]\]|&[a-zA-Z#]|[{_UNSEEN}]"
"""What every text with markup has in it; as RE2 reads it."""


@functools.lru_cache(maxsize=1)
def _ended(text: str) -> frozenset[str]:
    """The elements that end somewhere in a text."""
    return frozenset(map(str.lower, _END.findall(text)))


def _instead(found: re.Match[str]) -> tuple[str, str]:
    """What is read in place of markup, and what it says itself, which is read behind the text."""
    tag, reference, unseen = found.groups()
    is_known = not tag or tag.lower() in _ELEMENTS or _ATTRIBUTE.search(found[0])
    if not is_known and tag.lower() not in _ended(found.string):
        return html.unescape(found[0]), ""
    if reference:
        return html.unescape(found[0]).replace("_", " "), ""
    says = not found[0].isascii() or len(found[0].split()) >= _LEAST_SAID
    inside = _BREAK + html.unescape(found[0]) if says and unseen is None else ""
    return "" if (tag and tag.lower() in _IN_A_LINE) or unseen is not None else " ", inside


def plain(text: str, *, behind: bool = False) -> str:
    """A text without markup; its case and signs are as they were, for words are compared without them.

    With `behind`, what its markup says follows it: the text of a comment, the values of attributes.
    """
    inside: list[str] = []

    def instead(found: re.Match[str]) -> str:
        place, said = _instead(found)
        inside.append(said)
        return place

    read = _MARKUP.sub(instead, text.replace("_", " "))
    return "".join((read, *inside)) if behind else read


def word_places(text: str) -> list[tuple[int, int]]:
    """Where each word that is compared begins and ends in a text, in characters of the text with its markup.

    The words that markup says come last.
    """
    pieces: list[str] = []
    behind: list[str] = []
    starts: list[NDArray[np.int64]] = []
    stops: list[NDArray[np.int64]] = []
    text, end = text.replace("_", " "), 0
    last: list[tuple[int, int, int]] = []
    for found in _MARKUP.finditer(text):
        (said, inside), kept = _instead(found), np.arange(end, found.start())
        pieces += [text[end : found.start()], said]
        starts += [kept, np.full(len(said), found.start())]
        stops += [kept + 1, np.full(len(said), found.end())]
        behind.append(inside)
        last.append((len(inside), *found.span()))
        end = found.end()
    kept = np.arange(end, len(text))
    sizes, begins, ends = np.array(last, np.int64).reshape(-1, 3).T
    first = np.concatenate([*starts, kept, np.repeat(begins, sizes)])
    after = np.concatenate([*stops, kept + 1, np.repeat(ends, sizes)])
    spans = word_spans("".join([*pieces, text[end:], *behind]))
    return [(int(first[start]), int(after[stop - 1])) for start, stop in spans]


def compared_words(texts: Any, *, behind: bool = True) -> Iterator[Words]:
    """The words of texts (a pyarrow string array without nulls) that are compared, some texts at a time.

    With `behind`, those that markup says follow, so that nothing is hidden in it: so training text is read.
    """
    texts = pc.replace_substring(texts, "_", " ")
    marked = pc.match_substring_regex(texts, _MAY_HOLD)
    if cleaned := [plain(text, behind=behind) for text in texts.filter(marked).to_pylist()]:
        texts = pc.replace_with_mask(texts, marked, as_array(cleaned))
    yield from hash_words(texts)


def compared_in_turn(texts: Sequence[str], *, behind: bool = False) -> Iterator[NDArray[np.uint64]]:
    """A hash of each word that is compared [W], text by text, as `compared_words` has it: so items are read."""
    for block in compared_words(as_array(texts), behind=behind):
        yield from np.split(block.hashes, np.cumsum(block.counts)[:-1])
