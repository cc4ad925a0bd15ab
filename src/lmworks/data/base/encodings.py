"""Encodings of texts: their names, and guesses at the encoding of bytes, which the user is told are guesses."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)
"""Byte order marks and the encoding that each stands for."""
HEAD_BYTES = 1024
"""Number of bytes that are examined to guess an encoding."""
CANDIDATES = (
    *("cp1252", "cp1250", "cp1251", "koi8-r", "cp1253", "cp932", "euc-jp", "gb18030", "big5", "cp949", "cp850"),
    *("cp1257", "iso8859-4", "koi8-u", "iso8859-5", "iso8859-7", "cp1255"),
)
"""Most frequent encodings other than UTF-8. If several are equally likely, the first is chosen."""
LATIN = ("cp1252", "cp1250", "iso8859-2", "cp1254", "cp1257", "iso8859-4", "cp850")
"""Encodings of Latin letters, which decode nearly all bytes. Letters of the language decide between them."""
OTHER_LETTERS = {
    **dict.fromkeys(("cp1251", "koi8-r", "koi8-u", "iso8859-5"), "оаеинтрсвл бгдёжзйкмпуфхцчшщъыьэюяіїєґўјљњћђџќѓѕ"),
    **dict.fromkeys(("cp1253", "iso8859-7"), "αοιετσνηυρ βγδζθκλμξπφχψωςάέήίόύώϊϋΐΰ"),
    "cp1255": "יוהלארתבשמ גדזחטכנסעפצקםןףץך",
}
"""Encodings of other letters that also decode nearly all bytes, with the commonest letters first, then all others."""
ALPHABETS = {
    "de": "äöüß",
    "fr": "àâæçéèêëîïôœùûüÿ",
    "es": "áéíñóúü",
    "pt": "àáâãçéêíóôõú",
    "it": "àèéìíòóùú",
    "nl": "éèëïóöü",
    "sv": "åäöé",
    "da": "æøåé",
    "ca": "àçèéíïòóúü",
    "pl": "ąćęłńóśźż",
    "cs": "áčďéěíňóřšťúůýž",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "hu": "áéíóöőúüű",
    "hr": "čćđšž",
    "ro": "ăâîşţ",
    "tr": "çğıöşüâîûİ",
    "et": "äöõüšž",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    "sq": "çë",
    "is": "áðéíóúýþæö",
}
"""Letters beyond ASCII by language. If several languages explain a text equally well, the first counts."""
LETTER_BYTES = 2**16
"""Number of bytes that are searched for the letters of a language, because some letters are rare."""
PUNCTUATION = "\u00a0«»„“”‘’–—…•·€£§°©®¿¡、。「」，"
COMMON = "的一是不了在人有我他这個中大来上国和地到以说時要就出会可也你对生能而子那得于着下自之年、。の"
"""Chinese characters and marks that are on every page. Wrongly decoded text has rare characters instead."""
NO_ENCODINGS = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7")
"""Codecs of Python that are escapes rather than encodings of files."""
NO_TEXT = bytes([0, *range(2, 8), *range(14, 27)])
"""Control characters that no text contains. Others separate lines and columns, begin colours, or strike over."""
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_LAST_WORD = re.compile(rb"\S*\Z")
LONGEST_WORD = 64
"""Maximum bytes before the first byte beyond ASCII, in the same word, that are examined with it."""
_SIGN_IN_WORD = re.compile(r"(?<=[^\W\d_])[«»„“”‘•€£§°©®¿¡](?=[^\W\d_])")
_SIGN_AT_WORD = re.compile(r"[¶΅µ¦§¤¬¢£‚•\x80-\x9f\ufffd](?=[^\W\d_])|(?<=[^\W\d_])[¶¦§¤¬¢£•\x80-\x9f\ufffd]")
_WORD = re.compile(r"[^\W\d_]+|[^\x00-\x7f]")


def encoding_name(name: str) -> str:
    """Return Python's name of an encoding. Raises ValueError for a name that is not an encoding."""
    try:
        "".encode(name)
        found = codecs.lookup(name).name
    except (LookupError, ValueError, UnicodeError):
        found = ""
    if not found or found.replace("_", "-") in NO_ENCODINGS:
        raise ValueError(f"no encoding {name!r}; expected an encoding of Python, such as cp1252, latin-1 or utf-16")
    return found


def marked(head: bytes) -> str:
    """Return the encoding that a file's byte order mark states; "" without one."""
    return next((name for mark, name in MARKS if head.startswith(mark)), "")


def looks_like(raw: bytes) -> str:
    """Return the most likely encoding of bytes that are not UTF-8, or "" if no candidate fits."""
    if found := marked(raw) or looks_like_utf16(raw):
        return found
    first = _BEYOND_ASCII.search(raw)
    at = first.start() if first else 0
    begin = _LAST_WORD.search(raw, max(at - LONGEST_WORD, 0), at)
    head = raw[begin.start() if begin else at :][:HEAD_BYTES]
    shares = {name: _plausible(head, name) for name in CANDIDATES}
    shares |= {name: _plausible(raw[: HEAD_BYTES & ~1], name) for name in ("utf-16-le", "utf-16-be")}
    best = max(shares, key=lambda name: shares[name])
    for alike, explained in ((LATIN, _explained), (tuple(OTHER_LETTERS), _common)):
        if best in alike:
            behind = raw[at:][:LETTER_BYTES]
            fitting = {name: _plausible(head, name) for name in alike}
            best = max(alike, key=lambda name: (fitting[name] > 0.5, explained(behind, name), fitting[name]))
            return best if fitting[best] > 0.5 else ""
    return best if shares[best] > 0.5 else ""


def _explained(raw: bytes, encoding: str) -> tuple[float, int]:
    """Return the share of the characters beyond ASCII that the best language has, and its place in `ALPHABETS`."""
    text = raw.decode(encoding, "ignore")
    found = Counter(character for character in text if not character.isascii())
    total = found.total()
    found.subtract(_SIGN_IN_WORD.findall(text))
    shares = [
        sum(count for character, count in found.items() if character in {*letters, *letters.upper(), *PUNCTUATION})
        for letters in ALPHABETS.values()
    ]
    most = max(shares)
    return most / total if total else 0.0, -shares.index(most)


def _common(raw: bytes, encoding: str) -> tuple[float, int]:
    """Return the share of the characters beyond ASCII that are letters of the encoding's languages.

    Rare letters count half. Signs beside a letter lower the share: ¶ννα is a wrongly decoded Άννα.
    """
    text = raw.decode(encoding, "replace")
    common, rarer = OTHER_LETTERS[encoding].split()
    found = Counter(character for character in text.lower() if not character.isascii())
    known = sum(
        n * (1.0 if each in common else 0.5 if each in {*rarer, *PUNCTUATION} else 0) for each, n in found.items()
    )
    return (known - len(_SIGN_AT_WORD.findall(text))) / max(found.total(), 1), 0


def looks_like_utf16(raw: bytes) -> str:
    """Return the UTF-16 form of bytes without a byte order mark, or "" if they are not UTF-16.

    One of a letter's two bytes shows its script: 0 in English, 4 in Russian. Such bytes do not occur in other texts.
    """
    head = raw[: HEAD_BYTES & ~1]
    if len(head) < 8 or len(head.translate(None, NO_TEXT)) == len(head):
        return ""
    for name, scripts, others in (("utf-16-be", head[::2], head[1::2]), ("utf-16-le", head[1::2], head[::2])):
        no_text, also_text = (_share(part, NO_TEXT) for part in (scripts, others))
        # Without a zero there is no space, no end of a line and no digit: all of it is of one script.
        least = min(0.7, 4 / len(scripts)) if 0 in scripts else 0.9
        # The numbers of Indian scripts are those of a tab and of line ends. Their spaces have a zero.
        is_indian = _share(scripts, range(0x21)) > 0.9 and scripts.count(0) > others.count(0) == 0
        if (no_text - also_text > 0.2 and no_text > least) or is_indian:
            return name
    return ""


def _share(part: bytes, signs: Iterable[int]) -> float:
    return 1 - len(part.translate(None, bytes(signs))) / len(part)


def _plausible(head: bytes, encoding: str) -> float:
    """Return the share of the characters beyond ASCII in likely words, or 0 if the bytes cannot be decoded."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)  # which may end inside a character
    except UnicodeDecodeError:
        return 0.0
    good = total = 0.0
    for word in _WORD.findall(text):
        foreign = sum(not letter.isascii() for letter in word)
        total += foreign
        good += foreign and foreign * _likely(word, foreign)
    return good / total if total else 0.0


def _likely(word: str, foreign: int) -> float:
    """Return how likely a word or mark is, from 0 to 1: a word has one script, one case and few accented letters."""
    if not word[0].isalpha():
        return float(word in PUNCTUATION)
    scripts = {unicodedata.name(letter, "NONE").split()[0] for letter in word}
    if scripts <= {"CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC"}:
        kana = sum(unicodedata.name(letter, "").startswith("HIRAGANA") for letter in word)
        return 0.5 + 0.5 * (kana + sum(letter in COMMON for letter in word)) / len(word)
    if len(scripts) > 1 or not (word.islower() or word.isupper() or word.istitle() or word.lower() == word.upper()):
        return 0.0
    if "HANGUL" in scripts:
        return 1.0
    return float(not scripts & {"HALFWIDTH", "NONE"} and ("LATIN" not in scripts or 2 * foreign <= max(len(word), 2)))
