"""Where a name ends in scripts that glue other words to it: Korean particles, and texts without spaces.

The lists are closed, of what is no part of a name: anything else beside a name may make it another person's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from lmworks.data.erasure.readings import in_one_case, spellings
from lmworks.data.privacy.people import TITLES, frequent_words, given_name_first
from lmworks.data.text import fold
from lmworks.data.words import UNSPACED, combining_marks, word_spans, words_in

MOST_WORDS = 5
"""Of what may be a name."""

_HAN, _THAI, _HANGUL = "\u3400-\u4dbf\u4e00-\u9fff", "\u0e00-\u0e7f", "\uac00-\ud7a3"
_HIRAGANA, _KATAKANA = "\u3041-\u309f", "\u30a0-\u30ff"
_NO_NAME = (
    "[的了是在说說问問打写寫没沒不很就还還把被給给從从到吗嗎呢吧啊着著过過您你他她我們们這这住买買卖賣收寄报報告称稱已並则則"
    "又再要想请請叫让讓因但且如於于对對做提反申欠死様樣氏殿]|先生|女士|小姐|老师|老師|教授|主任|主管|经理|經理|医生|醫生|医師|"
    "博士|警官|同学|同志|同事|选手|選手|議員|议员|監督|容疑者|会長|会员|社長|部長|課長|係長|店長|联系|聯繫|致电|来电|来了|来信|"
    "能否|会不|和我|也是|也有|也在|也没|都是|都在|都有|那天"
)
"""Chinese letters and words that follow a name and are no part of one."""
_OF_FAMILY = "小大中若平上下松高竹石杉栗梅今新長古青赤白黒金吉福藤柏秋欧歐诸諸司皇尉慕令独獨宇端"
"""Chinese letters that make another family's name of one that stands behind them: 林, and 小林."""
_HIRAGANA_BEHIND = "さん|さま|ちゃん|くん|どの|から|まで|より|です|だ|なら|って|[がはをにのへともで]"
_THAI_BEHIND = (
    "แจ้ง|ได้|ที่|และ|กับ|ว่า|มี|เป็น|ไป|โทร|ซื้อ|สั่ง|ขอ|จะ|ไม่|อยู่|เคย|ส่ง|บอก|พูด|ถาม|ตอบ|ครับ|ค่ะ|คะ|แล้ว|ของ|จาก|ให้|"
    "ต้อง|เมื่อ|ใน|ซึ่ง|เพื่อ|ถูก|คือ|หรือ|โดย|เขียน|ติดต่อ|ร้องเรียน"
)
_THAI_BEFORE = (
    "คุณ|นาย|นาง|สาว|ด.ช.|ด.ญ.|เด็กชาย|เด็กหญิง|ลูกค้า|คนไข้|ผู้ป่วย|หมอ|ครู|อาจารย์|พี่|น้อง|ของ|กับ|และ|ให้|โดย|จาก|ที่|ว่า|"
    "ถึง|ชื่อ|ดร.|เรียน|ติดต่อ|หา"
)
_BEHIND = re.compile(
    rf"(?<=[{_HAN}])(?=[{_HAN}])(?!{_NO_NAME})|(?<=[{_KATAKANA}])(?=[{_KATAKANA}])"
    rf"|(?<=[{_HIRAGANA}])(?=[{_HIRAGANA}])(?!{_HIRAGANA_BEHIND})|(?<=[{_THAI}])(?=[{_THAI}])(?!{_THAI_BEHIND})"
)
"""Where what stands behind a name may be a part of it."""
_BEFORE = re.compile(
    rf"[{_OF_FAMILY}](?=[{_HAN}])|[{_KATAKANA}](?=[{_KATAKANA}])|(?![がはをにのへともでや])[{_HIRAGANA}](?=[{_HIRAGANA}])"
)
_OF_THAI, _TITLE = re.compile(f"[{_THAI}]"), re.compile(rf"(?:{_THAI_BEFORE})\Z")
_IS_UNSPACED = re.compile(f"[{UNSPACED}]")

_TITLES = "선생님|선생|사장님|고객님|교수님|환자분|환자님|회원님|원장님|부장님|과장님|대리님|팀장님|기사님|어르신|님|씨"
_PARTICLES = (
    "에게서|에게|에서|에|께서|께|한테서|한테|를|을|의|는|와|랑|하고|까지|부터|으로|로|처럼|보다|마저|조차|밖에|뿐|"
    "이라고|라고|이라는|라는|이라며|라며|이라|입니다|입니까|이에요|예요|이다|이었습니다|였습니다|이었다|였다|이며|이고|이나"
)
_SYLLABLES = "이|가|은|인|아|야|나|도|라|고|며|만|과|다|양|군"
"""Particles that end given names, too: behind three letters or more they are none."""
_TAILS = [
    re.compile(
        rf"(?<=[{_HANGUL}]{{2}})(?:(?:{_TITLES})(?:{_PARTICLES}|{_SYLLABLES})*|(?:{_PARTICLES}){{1,2}}"
        rf"|(?<=[{_HANGUL}]{{3}})(?:{_SYLLABLES}|{_TITLES}|{_PARTICLES}){{1,3}})(?![{_HANGUL}])"
    ),
    re.compile(
        rf"(?<=[{_HANGUL}]{{2}})(?:{_TITLES}|{_PARTICLES}|(?<=[{_HANGUL}]{{3}})(?:{_SYLLABLES}))(?![{_HANGUL}])"
    ),
]
"""Particles and titles behind a Korean name: as many as there may be, and the last."""
_A_HANGUL = re.compile(f"[{_HANGUL}]")


_KOREAN = re.compile("(H{1,2}) (H{1,2})|(H)(H{2})|(H{2})(H{2})".replace("H", f"[{_HANGUL}]"))
"""The family's name and the given one."""


def spacings(name: str) -> list[str]:
    """A name, and, of a Korean one, with and without the space between the family's name and the given one."""
    found = _KOREAN.fullmatch(name.strip())
    if found is None:
        return [name]
    family, given = filter(None, found.groups())
    return [f"{family}{given}", f"{family} {given}"]


def without_particles(text: str) -> list[str]:
    """A text without the particles and titles that are glued to Korean words, by two readings."""
    return [tail.sub("", text) for tail in _TAILS] if _A_HANGUL.search(text) else []


def is_whole_name(text: str, first: int, size: int) -> bool:
    """Whether nothing beside some words of a text may be a part of the same name, in a script without spaces."""
    if text.isascii() or not _IS_UNSPACED.search(text):
        return True
    spans = _spans(text)
    start, end = spans[first][0], spans[first + size - 1][1]
    if _BEHIND.match(text, end) or (start and _BEFORE.match(text, start - 1)):
        return False
    before = text[max(0, start - 16) : start]
    is_inside = start and _OF_THAI.match(text[start]) and _OF_THAI.match(before[-1])
    return not is_inside or _TITLE.search(before) is not None


_JOINED = re.compile(r"[*_~]*['’ʼ‘`´.·・‐‑-]?[*_~]*|(?:[^\S\t-\r]|[*_~])+|['’ʼ‘`´][^\S\t-\r]")
"""Between the words of one name: spaces and what stresses one, or one mark without a space, as in O'Neill."""
_SHORTENED = re.compile(r"\.[*_~]*[^\S\t-\r]+")
"""Behind an initial or a title, where a full stop ends no sentence."""
_LINE_END = re.compile(r"[^\S\r\n]*\r?\n(?:[>|] ?)*[^\S\r\n]*")
WRAPPED = 40
"""Characters of a line from which on its end may be inside of a sentence: a shorter one is a line of a list."""
MOST_PARTICLE = 3
"""Letters of a word in small letters that may be a part of a name, as `von` and `la` are."""
_HYPHEN, _SPACE, _IN_SENTENCE = re.compile("[-‐‑]"), re.compile(r"[^\S\r\n]"), re.compile(r"[\w,)][^\S\r\n]+\Z")
"""Between two words of a name, and what is in front of a word that begins no sentence."""
_OF_PEOPLE = (
    "pan pani panna panu panią państwo państwa szanowna szanowny pacjent pacjentka klient klientka lokator "
    "lokatorka najemca sąsiad sąsiadka mgr inż lek doktor profesor geehrte geehrter familie fräulein patient "
    "patientin kunde kundin mieter mieterin nachbar nachbarin kollege kollegin tochter sohn mutter vater "
    "bruder schwester ehefrau ehemann firma professor professorin magister rechtsanwalt rechtsanwältin richter "
    "richterin monsieur mme mlle mademoiselle maître docteur professeur client cliente voisin voisine patiente "
    "locataire señorita doña sr sra srta doctor doctora paciente inquilino inquilina vecino vecina signor "
    "signora signorina dott dottor dottoressa ingegnere avvocato paziente senhor senhora dom dona doutor "
    "doutora mx lord lady dame tenant customer neighbour neighbor officer judge meneer mevrouw dhr mevr heer "
    "klant sayın bey hasta müşteri пан пані господин госпожа don "
    "tel telefon mobil fax mail ul str nr adr pesel licenseref"
)
"""Words that stand directly beside a name and are none: titles, what somebody is, labels of what follows."""
_NO_PART_OF_NAMES = TITLES.union(map(fold, _OF_PEOPLE.split()))


@lru_cache(maxsize=1)  # a text has a name more than once
def _spans(text: str) -> list[tuple[int, int]]:
    return word_spans(text.replace("_", " "))


def is_one_name(text: str, first: int, size: int) -> bool:
    """Whether some words of a text are one name, and not the end of one and the beginning of another, nor just words.

    Words are parted by spaces, a mark that names have, or the end of a line that is inside of a sentence. Frequent
    words in small letters are no part of a name that has capitals elsewhere.
    """
    spans = _spans(text)[first : first + size]
    words = [text[start:end] for start, end in spans]
    return all(_joins(text, *before, start) for before, (start, _) in pairwise(spans)) and not _are_words(words)


def is_whole_of_one(text: str, first: int, size: int) -> bool:
    """Whether a name of several words is not a part of a longer one: "Maria Nowak-Kowalska", "Jan Maria Nowak".

    So it is where a hyphen joins another word to it, or a word with a capital stands directly beside it that is no
    frequent word, no title and no word for what people are. In front, one that begins a sentence may be any word, and
    counts only where the whole text is capitalised words. Where the name itself has no small letters, or no capitals,
    capitals beside it say nothing.
    """
    spans = _spans(text)
    start, end = spans[first][0], spans[first + size - 1][1]
    before = spans[first - 1] if first else None
    behind = spans[first + size] if first + size < len(spans) else None
    name = text[start:end]
    if before and _HYPHEN.fullmatch(text[before[1] : start]) and _is_added(text[slice(*before)], name):
        return False
    if behind and _HYPHEN.fullmatch(text[end : behind[0]]) and _is_added(text[slice(*behind)], name):
        return False
    if name.isupper() or name.islower():
        return True
    is_beside = behind and _SPACE.fullmatch(text[end : behind[0]]) and not text.startswith(":", behind[1])
    if behind and is_beside and _may_be_of_name(text[slice(*behind)]):
        return False
    if not before or not _SPACE.fullmatch(text[before[1] : start]) or not _may_be_of_name(text[slice(*before)]):
        return True
    is_list = len(spans) <= MOST_WORDS + 1 and all(_is_capitalised(text[slice(*span)]) for span in spans)
    return not is_list and not _IN_SENTENCE.search(text[max(0, before[0] - 4) : before[0]])


def _is_added(word: str, name: str) -> bool:
    """Whether a word that a hyphen joins to a name is another name, and not an ending."""
    is_name = word[0].isupper() or (name.islower() and len(word) > MOST_ENDING)
    return is_name and fold(word) not in _NO_PART_OF_NAMES


def _may_be_of_name(word: str) -> bool:
    plain = fold(word)
    return _is_capitalised(word) and plain not in _NO_PART_OF_NAMES and plain not in frequent_words()


def _is_capitalised(word: str) -> bool:
    return len(word) > 1 and word[0].isupper() and word[1:].islower()


def _joins(text: str, start: int, end: int, after: int) -> bool:
    between = text[end:after]
    if _JOINED.fullmatch(between):
        return True
    if _SHORTENED.fullmatch(between):
        return end - start == 1 or fold(text[start:end]) in TITLES
    line = max(text.rfind("\n", 0, end), text.rfind("\r", 0, end))
    return end - line > WRAPPED and _LINE_END.fullmatch(between) is not None


def _are_words(words: Sequence[str]) -> bool:
    small = [word for word in words if word.islower()]
    told = (word for word in small if len(word) > MOST_PARTICLE and len(small) < len(words))
    return any(fold(word) in frequent_words() for word in told)


MOST_GLUED = 12
"""Letters behind a word of a name that may be an ending, or another name."""
MOST_ENDING = 4
"""Behind a value of one word: more make another word more often."""
LEAST_STEM = 3
"""Letters of a word that is sought with something glued to it."""
_LAST_VOWEL = re.compile(r"(?<=..)[aeiouyäöüаеёиоуыэюяйьеї]\Z")
"""What other endings take the place of: Anna, Anny."""
MOST_OF_SHORT = 4
"""Letters of an ending behind a stem of two letters: Ewa, Ewie; Éva, Évának."""
_OF_PREFIXES = re.compile(f"[\u0590-\u05ff\u0600-\u06ff{_HANGUL}]")
"""Scripts that glue words to the front of a name, too, or in which names are short."""


class Inside(NamedTuple):
    """How a name stands in longer words."""

    place: int
    """Of the value."""
    stem: str
    """What is in each text that has it."""
    pattern: re.Pattern[str]


class InsideOfWords:
    """Finds names that stand in longer words, as they are declined, or as other words are glued to them."""

    def __init__(self, values: Sequence[str]) -> None:
        plain = ((place, form) for place, value in enumerate(values) for form in spacings(plain_name(value)))
        forms = ((place, words) for place, name in plain for words in _orders(name))
        self._sought = [Inside(place, *_inside(words)) for place, words in forms if words]

    def find(self, text: str) -> set[int]:
        """The places of the values that a text may hold."""
        text = text.casefold() if self._sought else text
        return {each.place for each in self._sought if each.stem in text and each.pattern.search(text)}


def plain_name(value: str) -> str:
    """A name in one case, the given name first."""
    return in_one_case(spellings(given_name_first(value))[-1]).casefold()


def _orders(name: str) -> Iterator[list[str]]:
    """The words of what may be a name, each of them first; none if it is no name, or too short."""
    words = name.split()
    if "@" in name or len(words) > MOST_WORDS or any(map(str.isdigit, name)):
        return
    for place in range(len(words)):
        parts = words_in(" ".join([*words[place:], *words[:place]]))
        least = 2 if _OF_PREFIXES.search(name) else LEAST_STEM
        if len(parts) > 1 or any(len(part) > least for part in parts):
            yield parts


def _inside(words: Sequence[str]) -> tuple[str, re.Pattern[str]]:
    letter = rf"(?:[^\W\d_]|[{combining_marks()}])"
    has_prefix = len(words) > 1 or _OF_PREFIXES.match(words[0])
    most = MOST_GLUED if has_prefix else MOST_ENDING
    shortest = LEAST_STEM - (len(words) > 1)
    stems = [_LAST_VOWEL.sub("", word) if len(word) > shortest else word for word in words]
    is_cut = [len(stem) < min(len(word), LEAST_STEM) for word, stem in zip(words, stems, strict=True)]
    pattern = "" if has_prefix and len(words[0]) >= LEAST_STEM - 1 and not is_cut[0] else f"(?<!{letter})"
    for place, (word, stem) in enumerate(zip(words, stems, strict=True)):
        if _IS_UNSPACED.match(word):
            pattern += re.escape(word) + r"\s?"
        else:
            ending = f"{letter}{{0,{MOST_OF_SHORT if is_cut[place] else most}}}"
            pattern += re.escape(stem) + ending * (len(word) >= LEAST_STEM - bool(_OF_PREFIXES.match(word)))
            pattern += r"[\W_]{1,3}" if place + 1 < len(words) else f"(?!{letter})"
    return max(stems, key=len), re.compile(pattern)
