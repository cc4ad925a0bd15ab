"""Addresses and numbers in a text: digits in any grouping, and the national and international forms of telephones."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from lmworks.data.base.text import fold

LONGEST_DOMAIN = 253
"""Maximum characters after the `@` of an address (RFC 1035)."""
MOST_PARTS = 8
"""Maximum number of signs before an `@` at which an address is tried to begin."""
_MARKS = ".!#$%&'*+/=?^`{|}~-_"
_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~’ʼ-]"
_BREAK = r"(?:[ \t]*\r?\n[ \t]{0,8})"
_MAIL = re.compile(
    rf"(?<!{_LOCAL})({_LOCAL}{{1,64}})\s{{0,4}}@\s{{0,4}}((?:[\w-]{{1,63}}(?:{_BREAK}?\.{_BREAK}?|-{_BREAK})){{0,40}}[\w-]{{1,63}})"
)
"""Pattern of an address, which can be broken over lines at a dot or hyphen of its domain."""
_SEPARATING = re.compile("[#/=?|]|(?<![^\\W\\d_])['’ʼ]")
"""Pattern of signs that can separate an address from the text before it."""
_LATIN = re.compile("[’ʼ!$%&'*^`{}~A-Za-z\u00c0-\u024f\u1e00-\u1eff]\\Z")
_ENDING = re.compile(r"(?<=\.)(?!xn--)([^\W\d_]{2,}?)(?:-[^.]*|(?<=[a-z])[A-Z][^.]*|(?<=[a-z]{2})[0-9][^.]*)\Z")
"""Pattern of the last part of a domain, with an ending, word or digit that is attached to it."""

LEAST_DIGITS = 5
"""Minimum digits of a value that counts as a number."""
LONGEST_NUMBER = 80
"""Maximum characters of a value that can be a number."""
LEAST_ALONE = 9
"""Minimum digits of a number to be found between other numbers, or after a country code without `+` or `00`."""
LONGEST_PREFIX = 6
"""Maximum digits before a national number: 00, the country code, 0."""
PHONES = ("phone", "national", "home", "abroad")
"""Kinds of lines of a telephone number: see `phone_forms`."""

_SIGNS = r" .()/+\t·•:;'’*|\[\]‐-―−ー,_-"
_LINE_END = r"\r?\n[ (+]{0,2}"
_WORD = r" {0,2}[(\[](?:[A-Za-z]{1,11}[a-z]|[A-Z]{5,12})\.?[)\]] {0,2}"
"""Pattern of a word in brackets between the groups of a number: "0170 (mobile) 1234567"."""
_BETWEEN = rf"(?:[{_SIGNS}]{{1,6}}(?:{_LINE_END})?| {{7,60}}|{_LINE_END}|{_WORD})"
_WITH_DIGIT = "[A-Za-z]{0,34}+[0-9][0-9A-Za-z]{0,34}"
_RUN = re.compile(rf"[0-9][0-9A-Za-z]{{0,34}}(?:{_BETWEEN}(?:{_WITH_DIGIT}|[A-Z]{{1,4}}(?![0-9A-Za-z])))*")
WHOLE_NUMBER = re.compile(rf"(?:[A-Za-z]{{1,10}}[ -]?)?{_RUN.pattern}")
_FRONT = re.compile(rf"(?:(?<![0-9A-Za-z])[A-Za-z]{{1,4}}[{_SIGNS}]{{1,3}}){{0,2}}[A-Za-z]{{0,34}}\+?[(\[ ]{{0,2}}\Z")
"""Pattern of letters and signs before the first digit of a number that can belong to the number."""
_PIECE = re.compile("([^0-9A-Za-z]*)(IBAN(?=[A-Z]{2}[0-9]{2})|[0-9]+|[A-Za-z]+)")
_PARTING = re.compile(r"[,_\n\t·•:;'’*|\[\]]| {3}")
"""Pattern of signs that separate numbers of a table."""
_CODE = re.compile(
    "1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(?:2[1-689]|3[578]|42|5[09]|6[789]|8[058]|9[679])[0-9]"
)
"""Pattern of country codes (ITU-T E.164)."""


def addresses(text: str) -> Iterator[str]:
    """Yield each possible address around each `@`, folded, without marks and words that are attached to it."""
    for mail in _MAIL.finditer(text):
        local, domain = mail[1].lstrip(_MARKS), re.sub(r"\s", "", mail[2])[:LONGEST_DOMAIN]
        line = re.split(r"\s", mail[2], maxsplit=1)[0]
        fronts = {mail[1], local, local.strip("_*~")}
        fronts |= {mail[1][sign.end() :].lstrip(_MARKS) for sign in [*_SEPARATING.finditer(mail[1])][-MOST_PARTS:]}
        ascii_local = re.search(r"[0-9A-Za-z_.+-]+\Z", local)
        if ascii_local and not _LATIN.search(local[: ascii_local.start()]):
            fronts.add(ascii_local[0].lstrip(_MARKS))
        fronts |= {front.partition("+")[0] for front in fronts}
        labels = domain.split(".")
        cut = next((number for number in range(2, len(labels)) if labels[number][:1].isupper()), len(labels))
        ascii_domain = re.match("[0-9A-Za-z.-]*", domain)
        ends = {domain, line, ".".join(labels[:cut]), ascii_domain[0] if ascii_domain else ""}
        ends = {
            form.rstrip(".-_") for end in ends for form in (end, _ENDING.sub(r"\1", end)) if "." in end or end == domain
        }
        pairs = {(front, end) for front in fronts if front for end in ends}
        yield from {f"{fold(front)}@{fold(end)}" for front, end in pairs}
        yield from {f"{front}@{end}".casefold() for front, end in pairs if not f"{front}{end}".isascii()}


class Number(NamedTuple):
    """Consecutive groups of digits and letters, read as one number."""

    digits: str
    is_abroad: bool
    """Whether a `+` is before it."""
    is_front: bool
    """Whether the number starts here: digits before it cannot belong to it."""
    is_whole: bool
    """Whether the number starts and ends here: digits before and after it cannot belong to it."""


def numbers_in(text: str, sizes: Collection[int]) -> Iterator[Number]:
    """Yield the numbers in a text that have one of these lengths, each once."""
    seen, most = set[Number](), max(sizes, default=0)
    for run in _RUN.finditer(text) if sizes else ():
        if sum(map(str.isdigit, run[0])) < min(LEAST_DIGITS, most):
            continue
        front = _FRONT.search(text[max(0, run.start() - 44) : run.start()])
        pieces = _PIECE.findall((front[0] if front else "") + re.sub(_WORD, " ", run[0]))
        for first in range(len(pieces)):
            joined = ""
            for last in range(first, len(pieces)):
                joined += pieces[last][1]
                if len(joined) > most:
                    break
                if len(joined) not in sizes or (len(joined) < LEAST_ALONE and not _is_short(pieces, first, last)):
                    continue
                if (number := _number(pieces, first, last, joined)) not in seen:
                    seen.add(number)
                    yield number


def _is_short(pieces: list[tuple[str, str]], first: int, last: int) -> bool:
    """Return whether some groups can be a short number: not table cells or decimals, and not attached to letters."""
    inside = [between for between, _ in pieces[first + 1 : last + 1]]
    beside = [pieces[first][0]] * (first > 0) + [between for between, _ in pieces[last + 1 : last + 2]]
    are_thousands = all(map(str.isspace, inside)) and all(len(piece) == 3 for _, piece in pieces[first + 1 : last + 1])
    is_amount = "." in inside or (bool(inside) and are_thousands)
    return all(beside) and not is_amount and not any(map(_PARTING.search, inside))


def _number(pieces: list[tuple[str, str]], first: int, last: int, joined: str) -> Number:
    is_spaced = any(map(str.isspace, (between for between, _ in pieces[first + 1 : last + 1])))
    is_compact = len(joined) >= LEAST_ALONE and not is_spaced
    front = pieces[first][0]
    is_abroad = front.rstrip(" ([").endswith("+")
    starts_at_zero = joined[0] == "0" and front.isspace()
    is_front = is_abroad or first == 0 or starts_at_zero or _ends(front, pieces[first - 1][1], joined, is_compact)
    behind = pieces[last + 1] if last + 1 < len(pieces) else ("\n", "")
    is_next = "+" in behind[0] or (behind[1][:1] == "0" and behind[0].isspace())
    return Number(joined, is_abroad, is_front, is_front and (is_next or _ends(*behind, joined, is_compact)))


def _ends(between: str, beside: str, joined: str, is_compact: bool) -> bool:
    """Return whether a number ends at the characters `between` it and the group `beside` it."""
    if not between:  # letters that are glued to a long number are a word
        return beside.isalpha() and len(joined) >= LEAST_ALONE
    if not beside or beside.isalpha() or _PARTING.search(between):
        return True
    return is_compact if between.isspace() else len(between) > 1 and not set("([)]") & {*between}


@functools.cache
def trunk_prefixes(country: int) -> tuple[str, ...]:
    """Return the digits dialled before national numbers: 0 in most countries, 06 in Hungary, 8 in Russia."""
    import phonenumbers

    facts = phonenumbers.PhoneMetadata.metadata_for_region(phonenumbers.region_code_for_country_code(country), None)
    if facts is None or not facts.national_prefix_for_parsing:
        return () if facts else ("0",)
    digits = (f"{number:0{size}}" for size in (1, 2) for number in range(10**size))
    return tuple(prefix for prefix in digits if re.fullmatch(facts.national_prefix_for_parsing, prefix))


def phones_of(value: str, digits: str) -> Iterator[tuple[str, str]]:
    """Yield the kinds and digits by which a telephone number is found again.

    `phone` is a number of any country. `national` is found without a country code or with a 0, `home` only as a whole
    with the prefix of its country, `abroad` with its country code.
    """
    import phonenumbers

    is_abroad = value.lstrip("( ").startswith(("+", "00"))
    if not is_abroad:
        yield from ((kind, digits.lstrip("0")) for kind in ("phone", "national"))
    if not is_abroad and (len(digits) < LEAST_ALONE + 2 or digits[0] == "0"):
        return
    digits = digits.removeprefix("00")
    try:
        parsed = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        yield from (("national", digits), ("abroad", digits))
    else:
        if is_abroad or phonenumbers.is_valid_number(parsed):
            national = str(phonenumbers.national_significant_number(parsed))
            prefixes = trunk_prefixes(parsed.country_code)
            yield "national" if "0" in prefixes else "home", national
            yield from (("home", prefix + national) for prefix in prefixes if prefix != "0")
            yield "abroad", f"{parsed.country_code}{national}"


def phone_forms(number: Number, sizes: Mapping[str, Collection[int]]) -> Iterator[tuple[str, str]]:
    """Yield each kind of telephone number that a number in a text can be, with its digits."""
    digits = number.digits
    if not number.is_front or not (digits.isascii() and digits.isdigit()):
        return
    for size in {*sizes["phone"], *sizes["national"], *sizes["home"]}:
        before, rest = digits[: max(0, len(digits) - size)], digits[-size:]
        bare = before.removeprefix("00")
        is_code = bool(bare) and (number.is_abroad or bare != before or size >= LEAST_ALONE)
        if len(digits) < size:
            continue
        if not before and not number.is_abroad and (number.is_whole or digits[0] == "0"):
            yield from (("phone", rest), ("national", rest), ("home", rest))
        elif before == "0":
            yield from (("phone", rest), ("national", rest))
        elif is_code and _CODE.fullmatch(bare.removesuffix("0") or bare):
            yield "phone", rest
    bare = digits.removeprefix("00")
    if (sizes["abroad"] or sizes["phone"]) and (country := _CODE.match(bare)):
        rest = bare[country.end() :]
        if number.is_abroad or bare != digits or len(rest) >= LEAST_ALONE:
            yield from (("abroad", bare), ("abroad", country[0] + rest.removeprefix("0")))
            for prefix in trunk_prefixes(int(country[0])):
                yield "abroad", country[0] + rest.removeprefix(prefix)
                yield "phone", (prefix + rest.removeprefix(prefix)).lstrip("0")
