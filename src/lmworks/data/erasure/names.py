"""Names in a text: where one name begins and ends, and loose forms of a value that somebody must review."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise, permutations

from lmworks.data.erasure.contacts import phones_of
from lmworks.data.privacy.people import TITLES, frequent_words, given_name_first
from lmworks.data.text import fold, letters
from lmworks.data.words import UNSPACED, word_spans, words_in

MOST_WORDS = 5
"""Words of a value that may be a name."""
WRAPPED = 40
"""Characters of a line whose end may be inside a sentence. A shorter line is a line of a list."""
MOST_PARTICLE = 3
"""Letters of a word in small letters that may be a part of a name, such as `von` and `la`."""
_JOINED = re.compile(r"[*_~]*['’ʼ‘`´.·・‐‑-]?[*_~]*|(?:[^\S\t-\r]|[*_~])+|['’ʼ‘`´][^\S\t-\r]")
"""Characters between the words of one name: spaces with Markdown's marks, or one mark without a space."""
_SHORTENED = re.compile(r"\.[*_~]*[^\S\t-\r]+")
"""Characters behind an initial or a title."""
_LINE_END = re.compile(r"[^\S\r\n]*\r?\n(?:[>|] ?)*[^\S\r\n]*")
_HYPHEN, _SPACE, _IN_SENTENCE = re.compile("[-‐‑]"), re.compile(r"[^\S\r\n]"), re.compile(r"[\w,)][^\S\r\n]+\Z")
_OF_PEOPLE = """
pan pani panna szanowna szanowny pacjent pacjentka klient klientka najemca sąsiad sąsiadka mgr lek doktor profesor
geehrte geehrter familie fräulein patient patientin kunde kundin mieter mieterin nachbar nachbarin kollege kollegin
tochter sohn mutter vater bruder schwester firma monsieur mme mlle docteur professeur client cliente voisin voisine sr
sra doctor doctora paciente inquilino vecino signor signora dottor dottoressa paziente dom dona tenant customer
neighbour neighbor officer judge meneer mevrouw heer klant sayın bey hasta пан пані господин госпожа don tel telefon
mobil fax mail ul str nr adr licenseref"""
"""Words that are beside a name and not a part of it."""
_NO_PART = frozenset(map(fold, (*TITLES, *_OF_PEOPLE.split())))

_HAN, _THAI = "\u3400-\u4dbf\u4e00-\u9fff", "\u0e00-\u0e7f"
_NO_NAME = (
    "的了是在说說问問打写寫没沒就还還把被給给從从到吗嗎呢吧啊着著過过您你他她我們们這这住买買卖賣收寄报報告称稱已則则又再要想"
    "请請叫让讓因但且如于於对對做提反申様樣氏殿先女老教主经經医醫博同选選議议会社部課係店联聯致来能和也都那"
)
"""Chinese letters that follow a name and do not continue it."""
_OF_FAMILY = "小大中若平上下松高竹石杉栗梅今新長古青赤白黒金吉福藤柏秋欧歐诸諸司皇尉慕令独獨宇端"
"""Chinese letters that make another family name of the one behind them: 林, and 小林."""
_BEFORE_THAI = "คุณ|นาย|นาง|สาว|ลูกค้า|คนไข้|ผู้ป่วย|หมอ|ครู|อาจารย์|พี่|น้อง|ของ|กับ|และ|ให้|โดย|จาก|ที่|ว่า|ถึง|ชื่อ|เรียน|ติดต่อ"
_BEHIND_THAI = "แจ้ง|ได้|ที่|และ|กับ|ว่า|มี|เป็น|ไป|โทร|ซื้อ|สั่ง|ขอ|จะ|ไม่|ส่ง|บอก|ถาม|ตอบ|ครับ|ค่ะ|แล้ว|ของ|จาก|ให้|ต้อง|ใน|เขียน|ติดต่อ"
_GOES_ON = re.compile(
    rf"(?<=[{_HAN}])(?![{_NO_NAME}])[{_HAN}]|(?<=[\u30a0-\u30ff])[\u30a0-\u30ff]"
    rf"|(?<=[\u3041-\u309f])(?![がはをにのへともでやさだくち])[\u3041-\u309f]|(?<=[{_THAI}])(?!{_BEHIND_THAI})[{_THAI}]"
)
"""Letters behind a name that may continue it, in scripts without spaces."""
_BEGAN = re.compile(rf"[{_OF_FAMILY}](?=[{_HAN}])|[\u30a0-\u30ff](?=[\u30a0-\u30ff])")
"""A letter before a name that may begin it, in scripts without spaces."""
_IN_THAI = re.compile(rf"{''.join(f'(?<!{word})' for word in _BEFORE_THAI.split('|'))}(?<=[{_THAI}])(?=[{_THAI}])")
_HANGUL = "\uac00-\ud7a3"
_KOREAN = re.compile("(H{1,2}) (H{1,2})|(H)(H{2})|(H{2})(H{2})".replace("H", f"[{_HANGUL}]"))
_TAIL = re.compile(
    rf"(?<=[{_HANGUL}]{{2}})(?:선생님|사장님|고객님|교수님|환자분|님|씨|에게서|에게|에서|에|께서|께|한테|를|을|의|는|와|랑|까지|부터|으로|"
    rf"로|처럼|보다|이라고|라고|입니다|이에요|이다|이며|이고|(?<=[{_HANGUL}]{{3}})(?:이|가|은|도|만|과|야)){{1,3}}(?![{_HANGUL}])"
)
"""Titles and particles that Korean writes behind a name without a space."""


def spacings(name: str) -> list[str]:
    """Return a name, and a Korean one with and without the space between the family name and the given name."""
    parts = _KOREAN.fullmatch(name)
    if parts is None:
        return [name]
    family, given = filter(None, parts.groups())
    return [f"{family}{given}", f"{family} {given}"]


def without_particles(text: str) -> str:
    """Return a text without the titles and particles that are glued to Korean words."""
    return _TAIL.sub("", text)


def is_whole_name(text: str, first: int, size: int) -> bool:
    """Return whether nothing beside some words may belong to the same name, in a script without spaces."""
    if text.isascii() or not re.search(f"[{UNSPACED}]", text):
        return True
    spans = _spans(text)
    start, end = spans[first][0], spans[first + size - 1][1]
    has_begun = start and _BEGAN.match(text, start - 1)
    return not (_GOES_ON.match(text, end) or has_begun or _IN_THAI.match(text, start))


@lru_cache(maxsize=1)  # a text has a name more than once
def _spans(text: str) -> list[tuple[int, int]]:
    return word_spans(text.replace("_", " "))


def is_one_name(text: str, first: int, size: int) -> bool:
    """Return whether some words are one name, and not the end of one and the beginning of another, or a longer one.

    A longer name has another capitalised word beside it that is not frequent, a title or a word for people.
    """
    spans = _spans(text)
    words = [text[start:end] for start, end in spans[first : first + size]]
    small = [word for word in words if word.islower() and len(word) > MOST_PARTICLE]
    is_mixed = any(fold(word) in frequent_words() for word in small) if 0 < len(small) < len(words) else False
    gaps = pairwise(spans[first : first + size])
    return (
        all(_joins(text, *before, start) for before, (start, _) in gaps)
        and not is_mixed
        and _is_whole(text, first, size)
    )


def _joins(text: str, start: int, end: int, after: int) -> bool:
    between = text[end:after]
    if _JOINED.fullmatch(between):
        return True
    if _SHORTENED.fullmatch(between):
        return end - start == 1 or fold(text[start:end]) in TITLES
    line = max(text.rfind("\n", 0, end), text.rfind("\r", 0, end))
    return end - line > WRAPPED and _LINE_END.fullmatch(between) is not None


def _is_whole(text: str, first: int, size: int) -> bool:
    spans = _spans(text)
    start, end = spans[first][0], spans[first + size - 1][1]
    before = spans[first - 1] if first else (0, 0)
    behind = spans[first + size] if first + size < len(spans) else (len(text), len(text))
    gaps, name = (text[before[1] : start], text[end : behind[0]]), text[start:end]
    words = (text[slice(*before)], text[slice(*behind)])
    for word, gap in zip(words, gaps, strict=True):
        if word and _HYPHEN.fullmatch(gap) and (word[0].isupper() or (name.islower() and len(word) > MOST_ENDING)):
            return fold(word) in _NO_PART
    if "." in name and not re.search(r"\s", name) and re.match(r"[.-]\w", text[end : end + 2]):
        return False  # it is in a longer address
    if name.isupper() or name.islower():
        return True
    if _SPACE.fullmatch(gaps[1]) and not text.startswith(":", behind[1]) and _may_be_of_name(words[1]):
        return False
    if not _SPACE.fullmatch(gaps[0]) or not _may_be_of_name(words[0]):
        return True
    is_list = len(spans) <= MOST_WORDS + 1 and all(_is_capitalised(text[slice(*span)]) for span in spans)
    return not is_list and not _IN_SENTENCE.search(text[max(0, before[0] - 4) : before[0]])


def _may_be_of_name(word: str) -> bool:
    plain = fold(word)
    return _is_capitalised(word) and plain not in _NO_PART and plain not in frequent_words()


def _is_capitalised(word: str) -> bool:
    return len(word) > 1 and word[0].isupper() and word[1:].islower()


MOST_ENDING = 4
"""Letters of an ending behind the stem of a word."""
LEAST_STEM = 3
"""Letters of a word that is searched with an ending."""
LONGEST_FIELD = 60
"""Characters of a field that may hold a part of a value."""
_LAST_VOWEL = re.compile(r"(?<=..)[aeiouyаеёиоуыэюяйьеї]\Z")
"""The end of a word that other endings replace: Anna, Anny."""
_GAP, _NEAR = r"[\W_]{1,3}", r"[\W_]{1,8}(?:[^\W_]{1,20}[\W_]{1,8}){0,3}"
_SPELLED = r"[\W_]{1,4}(?:(?:at|dot|punkt)[\W_]{1,4})?"
_GLUES = re.compile(f"[\u0590-\u06ff{_HANGUL}]")
"""Scripts that glue words to the front of a name."""
_TRANSLITERATED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


class Loose:
    """The loose forms of values: declined, in another order, parted, inside something longer."""

    def __init__(self, values: Sequence[str]) -> None:
        self._words: list[tuple[int, list[str], re.Pattern[str]]] = []
        self._digits = [(place, digits) for place, value in enumerate(values) for digits in _digits_of(value)]
        for place, value in enumerate(values):
            name = given_name_first(letters(value))
            for form in dict.fromkeys((fold(name), fold(name.casefold().translate(_TRANSLITERATED)))):
                if pattern := _pattern(form):
                    words = [word for word in words_in(form) if not re.search(f"[{_HANGUL}]", word)]
                    self._words.append((place, words, re.compile(pattern)))

    def find(self, text: str) -> set[int]:
        """Return the places of the values that a text may hold."""
        plain = fold(text)
        found = {
            place
            for place, words, pattern in self._words
            if all(_stem(word) in plain for word in words) and pattern.search(plain)
        }
        runs = [re.sub(r"[\W_]+", "", run) for run in re.split(r"\D{41,}", plain)] if self._digits else ()
        return found | {
            place for place, digits in self._digits if any(digits in re.sub(r"\D", "", run) for run in runs)
        }

    def in_fields(self, texts: Sequence[str]) -> set[int]:
        """Return the places of the values whose parts are in several short fields of a record, beside nothing else."""
        short = [text for text in texts if 0 < len(text) <= LONGEST_FIELD] if self._words or self._digits else []
        plain = [*map(fold, short)]
        numbers = [re.sub(r"\D", "", text) for text in plain if not re.search(r"[^\W\d_]", text)]
        found = {
            place
            for place, digits in self._digits
            for one, other in permutations(numbers, 2)
            if other and digits.endswith(other) and one.endswith(digits.removesuffix(other)) and digits != other
        }
        for place, words, pattern in self._words:
            own = [
                text for text in plain if all(len(word) == 1 or word in {*TITLES, *words} for word in words_in(text))
            ]
            if len(own) > 1 and pattern.search(" ".join(own)):
                found.add(place)
        return found


def _stem(word: str) -> str:
    return _LAST_VOWEL.sub("", word) if len(word) > LEAST_STEM - 1 else word


def _declined(word: str) -> str:
    return rf"{re.escape(_stem(word))}\w{{0,{MOST_ENDING}}}" if len(word) >= LEAST_STEM else re.escape(word)


def _pattern(form: str) -> str:
    """Return a pattern of the loose forms of a folded value; empty for one that has none."""
    words = words_in(form)
    if "@" in form:
        return rf"(?<![\w.+-]){_SPELLED.join(map(re.escape, words))}(?!\w|[.-]\w)"
    if any(map(str.isdigit, form)):
        return ""
    if re.search(f"[{UNSPACED}{_HANGUL}]", form):
        return r"\s?".join(re.escape(sign) for sign in "".join(words))
    if not 0 < len(words) <= MOST_WORDS:
        return ""
    if len(words) == 1 and len(words[0]) <= (2 if _GLUES.search(form) else LEAST_STEM):
        return ""
    orders = list(permutations(words) if len(words) <= 3 else ([*words[at:], *words[:at]] for at in range(len(words))))
    front = rf"(?<!\w)\w{{0,{3 if _GLUES.search(form) else 0}}}"
    declined = (_GAP.join(map(_declined, order)) for order in orders)
    apart = (rf"{_NEAR}".join(rf"(?<!\w){re.escape(word)}(?!\w|\.\w)" for word in order) for order in orders)
    return rf"{front}(?:{'|'.join(declined)})(?!\w|\.\w)" + (f"|{'|'.join(apart)}" if len(words) > 1 else "")


def _digits_of(value: str) -> Iterator[str]:
    """Yield the digits of a number that may be inside others."""
    digits = "".join(filter(str.isalnum, value))
    if "@" not in value and digits.isdigit() and 7 <= len(digits) <= 15:
        yield from {digits for kind, digits in phones_of(value, digits) if kind != "abroad"}
