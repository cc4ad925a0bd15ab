"""What may be an erased address or number in a text: found by its form, each as it is digested."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from lmworks.data.privacy.findings import Searched
from lmworks.lazy import pa, pc

LEAST_DIGITS = 5
"""Of a value that is taken for a number."""
LONGEST_LOCAL, LONGEST_DOMAIN = 64, 253
"""Characters of what stands before and behind an `@` (RFC 5321, RFC 1035)."""
LONGEST_ADDRESS = LONGEST_LOCAL + 1 + LONGEST_DOMAIN
MOST_PARTS = 8
"""Places at which an address may begin, or end, that are tried: those next to the `@`."""

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}")
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_MARKS = ".!#$%&'*+/=?^`{|}~-"
_PARTING = frozenset("!#$%&'*/=?^`{|}~")
"""That may part an address from what stands before it, or be in one (RFC 5322: atext)."""
_SURELY_PARTING = frozenset("#/=?|")
"""Those of them that do so more often: in tables and URLs."""
_IN_LOCAL = re.compile("(?:[^\\W\\d_][’ʼ]|[!$%&'*^`{}~]|[A-Za-z\u00c0-\u024f\u1e00-\u1eff])\\Z")
"""What another mailbox's name has in front: an apostrophe, as in o'dalaigh, or a letter."""
_AROUND = " \t\r\n\\()[]{}<>"
"""What may stand around an `@` that is kept from machines, or at which a line ends."""
_BROKEN = re.compile(r"(?<=[.-])[ \t]*\r?\n[ \t]{0,8}(?=\w)|(?<=\w)[ \t]*\r?\n[ \t]{0,8}(?=\.\w)")
"""A line end beside a dot or hyphen of a domain."""
_SUFFIX = re.compile(r"(?<=\.)(?!xn--)([^\W\d_]{2,})-[^.]*\Z", re.IGNORECASE)
"""An ending behind a hyphen at the last part of a domain, which has none itself: posta.hu-ra, example.org-Adresse."""
_CAPITAL, _DIGIT = re.compile("(?<=[a-z])(?=[A-Z])"), re.compile("(?<=[a-z]{2})[0-9]", re.IGNORECASE)
_ASCII_LOCAL, _ASCII_DOMAIN = re.compile(r"[0-9A-Za-z_.+-]+"), re.compile("[0-9A-Za-z.-]+")
_PIECE = "[0-9A-Za-z]{0,34}"
_LINE_END = r"\r?\n[ (+]{0,2}"
_WORD = r" {0,2}[(\[](?:[A-Za-z]{1,11}[a-z]|[A-Z]{5,12})\.?[)\]] {0,2}"
"""In brackets between the groups of a number: "0170 (mobile) 1234567"; capitals may be a group of their own."""
_SIGNS = r" .()/+\u00a0\t\u00b7\u2022:;'\u2019*|\[\]\u2010-\u2015\u2212\u30fc-"
_BETWEEN = rf"(?:[{_SIGNS}]{{1,6}}(?:{_LINE_END})?| {{7,60}}|[,_][(+]?|{_LINE_END}|{_WORD})"
_REST = rf"{_PIECE}(?:{_BETWEEN}(?:{_PIECE}[0-9]{_PIECE}|[A-Z]{{1,4}}(?![0-9A-Za-z])))*"
_BRACKETED = re.compile(_WORD)
_NUMBER = re.compile(f"[0-9]{_REST}")
LONGEST_NUMBER = 80
"""Characters of a value that is asked whether it is a number: the pattern tries every way to part it."""
WHOLE_NUMBER = re.compile(f"(?:[A-Za-z]{{1,10}} ?)?[0-9]{_REST}")
_BEFORE = re.compile(
    rf"(?:(?<![0-9A-Za-z])(?:[A-Z][{_SIGNS}]{{1,3}})?[A-Z]{{1,4}}[{_SIGNS}]{{1,3}}|[A-Za-z]{{1,34}}|\+[(\[ ]*|)\Z"
)
"""What belongs to a number that begins with its first digit: letters, a word of capitals, the sign of abroad."""
_PREFIX = re.compile(r"(?:00[0-9]{1,3}0?|0)?\Z")
"""What may stand before a telephone number of a country: its code, a zero, or both."""
_PARTS, _PARTED = re.compile("([^0-9A-Za-z]*)([0-9A-Za-z]+)"), re.compile(r"[,_\n\t\u00b7\u2022:;'\u2019*|\[\]]| {3}")
"""Pieces of a number, each with what stands before it; and what parts numbers of a table, too."""
_LABELLED = re.compile("(?<=[0-9]{5})(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9]{5})|(?<=IBAN)(?=[A-Z]{2}[0-9]{2})")
"""Where a word is glued to a number."""
LONGEST_PREFIX = 6
"""Digits of `_PREFIX`."""
_CODE = re.compile(
    "1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(?:2[1-689]|3[578]|42|5[09]|6[789]|8[058]|9[679])[0-9]"
)
COUNTRY = re.compile(f"(?:{_CODE.pattern})0?")
"""A country's code (ITU-T E.164) without a sign before it, as it stands in tables and messengers' exports."""
LEAST_ALONE = 9
"""Digits of a number of a country that is known behind a code without a sign: fewer may be another number's end."""


def hidden_addresses(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Texts with the addresses in them that are kept from machines: `jane (at) example (dot) org`."""
    from lmworks.data.privacy.kinds.emails import HIDDEN, obfuscated_emails, plain_email  # slow to compile

    array, places = pa.array(texts, pa.string()), pa.array(range(len(texts)), pa.int64())
    for place in places.filter(pc.match_substring_regex(array, HIDDEN.probes()[0][0])).to_pylist():
        text = texts[place]
        for start, end in HIDDEN.windows(Searched(text)):
            for found in obfuscated_emails(text[start:end]):
                yield from ((place, address) for address in addresses(plain_email(found.value)))


def addresses(text: str, *, is_loose: bool = False) -> Iterator[str]:
    """The whole of what stands around each `@`, casefolded, and without marks at its front and end.

    Loosely read, also what is behind an apostrophe or another mark that an address may have.
    """
    place = text.find("@")
    while place >= 0:
        front = text[max(0, place - LONGEST_LOCAL - 4) : place].rstrip(_AROUND)
        before = _end_of(_LOCAL, front[-LONGEST_LOCAL:])
        behind = text[place + 1 : place + 6 + LONGEST_DOMAIN].lstrip(_AROUND)[: LONGEST_DOMAIN + 1]
        after = _DOMAIN.match(behind)
        if before and after and (is_loose or not _IN_LOCAL.search(front[: -len(before)])):
            starts = dict.fromkeys(
                form.casefold()
                for start in _locals(before, is_loose=is_loose)
                for form in (start, start.partition("+")[0])
                if form
            )  # what stands behind a plus sign is a tag of the same mailbox (RFC 5233)
            ends = [*_domains(after[0])]
            if "\n" in behind[after.end() : after.end() + 10]:
                ends += [whole[0] for whole in [_DOMAIN.match(_BROKEN.sub("", behind, count=3))] if whole]
            for end in dict.fromkeys(end.casefold().rstrip("-_") for end in ends):
                yield from (f"{start}@{end}" for start in starts)
        place = text.find("@", place + 1)


def _locals(text: str, *, is_loose: bool) -> Iterator[str]:
    """What stands before an `@`, and each part of it that may be a name by itself: behind a mark, or other letters."""
    yield text
    yield text.lstrip(_MARKS + "_")
    parting = _PARTING if is_loose else _SURELY_PARTING
    parts = [place for place, character in enumerate(text) if character in parting]
    yield from (text[place + 1 :].lstrip("_") for place in parts[-MOST_PARTS:])
    plain = _end_of(_ASCII_LOCAL, text)
    if plain and (is_loose or not _IN_LOCAL.search(text[: -len(plain)])):
        yield plain.lstrip(_MARKS + "_")


def _end_of(pattern: re.Pattern[str], text: str) -> str:
    """The longest end of a text that a pattern, which is one class of characters, matches; "" if there is none."""
    found = pattern.match(text[::-1])
    return found[0][::-1] if found else ""


def _domains(text: str) -> Iterator[str]:
    """What stands behind an `@`, and its beginning before letters of another script, before a sentence's first word
    that follows without a space, before a capital or digit that is glued to its last part, and before its hyphen."""
    yield text[:LONGEST_DOMAIN]
    if _SUFFIX.search(text[:LONGEST_DOMAIN]):
        yield _SUFFIX.sub(r"\1", text[:LONGEST_DOMAIN])
    plain = _ASCII_DOMAIN.match(text)
    if plain and "." in plain[0]:
        yield plain[0].rstrip(".")[:LONGEST_DOMAIN]
    labels = text.split(".")
    ends = [number for number in range(2, len(labels)) if labels[number][:1].isupper()]
    yield from (".".join(labels[:number]) for number in ends[:MOST_PARTS])
    for number in dict.fromkeys((*ends[:1], len(labels))):
        *first, last = labels[:number]
        if first and (cut := _CAPITAL.search(last) or _DIGIT.search(last)):
            yield ".".join([*first, last[: cut.start()]])[:LONGEST_DOMAIN]


def numbers(text: str) -> Iterator[str]:
    """Runs of digits and letters that may be a number, with what belongs to it before its first digit."""
    for match in _NUMBER.finditer(text):
        if len(match[0]) >= LEAST_DIGITS and sum(map(str.isdigit, match[0])) >= LEAST_DIGITS:
            before = _BEFORE.search(text[max(0, match.start() - 35) : match.start()])
            run = (before[0] if before else "") + match[0]
            yield run
            if "(" in run or "[" in run:
                yield _BRACKETED.sub(" ", run)


class Written(NamedTuple):
    """Pieces of a run that follow one another, as one number."""

    digits: str
    """With its letters."""
    is_abroad: bool
    """Whether a sign of abroad is before them."""
    begins: bool
    """Whether no digits stand before them that may belong to it."""
    is_whole: bool
    """Whether none stand behind them, either."""
    is_amount: bool
    """Whether they are parted as decimals, thousands and versions are."""


def joined_pieces(run: str, lengths: Sequence[int]) -> Iterator[Written]:
    """Pieces of a run that follow one another, of these lengths together.

    A row of single characters that is far longer than any number is none. A word that is glued to a long number is a
    piece of its own.
    """
    pieces, glued = list[tuple[str, str]](), [False]
    for between, piece in _PARTS.findall(run):
        some = _LABELLED.split(piece)
        pieces += zip([between, *[""] * (len(some) - 1)], some, strict=True)
        glued += [True] * (len(some) - 1) + [False]
    whole = "".join(piece for _, piece in pieces)
    ends, parted, row, end = dict[int, int](), [0], [0], 0
    for number, (between, piece) in enumerate(pieces):
        end += len(piece)
        ends[end] = number
        parted.append(parted[-1] + bool(number and _PARTED.search(between)))
        row.append(row[-1] + 1 if len(piece) == 1 else 0)
    most = 2 * lengths[-1]
    start = 0
    for first, (before, piece) in enumerate(pieces):
        is_abroad = before.rstrip(" ([").endswith("+")
        is_row = row[first + 1] >= most or (len(piece) == 1 and row[min(first + most, len(pieces))] >= most)
        for length in () if is_row else lengths:
            last = ends.get(start + length)
            if last is None:
                continue
            if length >= LEAST_ALONE or not (parted[last + 1] != parted[first + 1] or glued[first] or glued[last + 1]):
                yield _written(pieces, first, last, whole[start : start + length], is_abroad)
        start += len(piece)


def _written(pieces: Sequence[tuple[str, str]], first: int, last: int, digits: str, is_abroad: bool) -> Written:
    inside = [between for between, _ in pieces[first + 1 : last + 1]]
    stands_out = len(digits) >= LEAST_ALONE and not any(map(str.isspace, inside))
    front = pieces[first][0]
    begins = (
        is_abroad
        or first == 0
        or _ends_a_number(front, pieces[first - 1][1], stands_out)
        or (digits[0] == "0" and front.isspace())
    )
    behind = pieces[last + 1] if last + 1 < len(pieces) else None
    is_whole = begins and (
        behind is None
        or _ends_a_number(*behind, stands_out)
        or "+" in behind[0]
        or (behind[1][0] == "0" and behind[0].isspace())
    )
    thousands = (
        inside and all(map(str.isspace, inside)) and all(len(piece) == 3 for _, piece in pieces[first + 1 : last + 1])
    )
    is_amount = len(digits) < LEAST_ALONE and digits.isdigit() and ("." in inside or bool(thousands))
    return Written(digits, is_abroad, begins, is_whole, is_amount)


def _ends_a_number(between: str, beside: str, stands_out: bool) -> bool:
    """Whether what stands between a number and what is beside it parts the two, and does not group one."""
    if not between or beside.isalpha() or _PARTED.search(between):
        return True
    return stands_out if between.isspace() else len(between) > 1 and not set("([)]") & {*between}


@functools.cache
def trunk_prefixes(country: int) -> tuple[str, ...]:
    """What is dialled in a country before its numbers: by the metadata of phonenumbers, or else a zero.

    Those of one digit or two: a zero in most, 06 in Hungary, 8 in Russia, none in Spain. Carriers' codes are longer.
    """
    try:
        import phonenumbers
    except ImportError:
        return ("0",)
    facts = phonenumbers.PhoneMetadata.metadata_for_region(phonenumbers.region_code_for_country_code(country), None)
    if facts is None or not facts.national_prefix_for_parsing:
        return () if facts else ("0",)
    digits = (f"{number:0{size}}" for size in (1, 2) for number in range(10**size))
    return tuple(each for each in digits if re.fullmatch(facts.national_prefix_for_parsing, each))


def as_phones(
    written: Written, sizes: Mapping[str, Collection[int]], *, is_loose: bool = False
) -> Iterator[tuple[str, str, bool]]:
    """What a number may be as a telephone's, without what stands before it in its country or abroad, by kind, and
    whether it is that.

    `phone` is one of any country; `national` stands without a country's code; `home` is the whole of what stands in a
    country; `abroad` is with its code, and without a prefix behind that. Loosely read it may be a part of another
    number, and one of a country of another country.
    """
    digits, begins = written.digits, written.begins and not written.is_amount
    for size in {*sizes["phone"], *sizes["national"], *sizes["home"]}:
        if len(digits) < size:
            continue
        before = digits[: len(digits) - size]
        is_home = before == "0" or (not before and not written.is_abroad and (written.is_whole or digits[0] == "0"))
        is_phone = begins and (is_home or _is_code(before, size, written.is_abroad))
        may_be = is_loose and _may_stand_before(before, size, written.is_abroad)
        at_home = (("national", begins and is_home), ("home", begins and is_home and not before))
        for kind, is_sure in (("phone", is_phone), *at_home):
            if is_sure or may_be:
                yield kind, digits[len(before) :], is_sure
    bare = digits.removeprefix("00")
    if begins and (sizes["abroad"] or sizes["phone"]) and (country := _CODE.match(bare)):
        rest = bare[country.end() :]
        if written.is_abroad or bare != digits or len(rest) >= LEAST_ALONE:
            yield from (("abroad", bare, True), ("abroad", country[0] + rest.removeprefix("0"), True))
            for prefix in trunk_prefixes(int(country[0])):
                yield "abroad", country[0] + rest.removeprefix(prefix), True
                yield "phone", (prefix + rest.removeprefix(prefix)).lstrip("0"), True


def _is_code(before: str, size: int, is_abroad: bool) -> bool:
    """Whether digits are a country's code before a telephone number of so many, with its sign or known without."""
    bare = before.removeprefix("00")
    return (is_abroad or bare != before or size >= LEAST_ALONE) and COUNTRY.fullmatch(bare) is not None


def _may_stand_before(before: str, size: int, is_abroad: bool) -> bool:
    """Whether digits may be what stands before a telephone number of so many."""
    has_code = (is_abroad and len(before) <= 4) or (size >= LEAST_ALONE and COUNTRY.fullmatch(before))
    return bool(has_code or _PREFIX.match(before))
