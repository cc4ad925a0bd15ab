"""Numbers as people write them, read exactly: groups, decimal marks by language, fractions, percent and currency."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

_COMMA = (
    "af az be bg br bs ca cs cv da de dsb el eo es et eu ff fi fo fr fy gl hr hsb ht hu hy ia id ie is it jv ka kea kk "
    "kl ku ky lb ln lo lt lu lv mk nb nl nn no pl ps pt rn ro ru rw sah sc se sg shi sk sl smn sq sr ss su sv tg tk "
    "tn tr ts tt uk uz ve vec vi wo zgh ar-DZ ar-LB ar-LY ar-MA ar-MR ar-TN en-AT en-BE en-CZ en-DE en-DK en-ES en-FI "
    "en-FR en-HU en-IT en-NL en-NO en-PL en-PT en-RO en-SE en-SI en-SK en-ZA ms-BN ms-ID qu-BO sw-CD"
)
_POINT = "de-CH de-LI es-419 es-CU es-DO es-GT es-HN es-MX es-NI es-PA es-PE es-PR es-SV es-US it-CH"
DECIMAL_COMMA, DECIMAL_POINT = frozenset(_COMMA.split()), frozenset(_POINT.split())
"""Languages and regions that write 1,5 for one and a half, and regions that write 1.5 although their language writes
1,5, by Unicode's CLDR (Babel 2.18)."""
LONGEST = 100
"""Most characters of a number. A longer text is not read as a number."""
_MINUS = str.maketrans("−–﹣", "---")
_PARTS = {"%": 100, "‰": 1000}


@dataclass(frozen=True)
class Number:
    """A number as it is written, and what it counts: a currency's sign, % or ‰, or nothing."""

    value: Fraction
    unit: str = ""

    def equals(self, other: Number) -> bool:
        """Return whether both mean the same. If only one has a unit, both readings count: 50 % is 50, and 0.5."""
        if self.unit and other.unit:
            is_share = {self.unit, other.unit} <= _PARTS.keys()
            return self.share == other.share if is_share else self == other
        return self.value == other.value or self.share == other.share

    @property
    def share(self) -> Fraction:
        return self.value / _PARTS.get(self.unit, 1)


def has_decimal_comma(language: str) -> bool:
    """Return whether a language, such as `de` or `de-CH`, writes 1,5 for one and a half."""
    return language in DECIMAL_COMMA or (language.split("-")[0] in DECIMAL_COMMA and language not in DECIMAL_POINT)


def number_of(text: str, language: str = "en") -> Number | None:
    """Return the number that a whole text is. Return None for all other texts, also if they only look like numbers:
    with leading zeros (007), dates (2024-05-01), times, and groups of other than three digits."""
    if len(text) > LONGEST:
        return None
    plain, sign, unit = "".join(map(_plain, text.strip())).translate(_MINUS).strip(), "", ""
    while plain and (plain[0] in "+-" or _is_currency(plain[0])):
        sign, unit = (sign + plain[0], unit) if plain[0] in "+-" else (sign, unit + plain[0])
        plain = plain[1:].lstrip()
    while plain and (plain[-1] in _PARTS or _is_currency(plain[-1])):
        plain, unit = plain[:-1].rstrip(), unit + plain[-1]
    value = _value(plain, has_decimal_comma(language))
    if value is None or len(sign) > 1 or len(unit) > 1:
        return None
    return Number(-value if sign == "-" else value, unit)


def last_number(text: str, language: str = "en") -> str:
    """Return the last number in a text, as it is written; empty if there is none.

    A minus is its sign unless it is between two things (5-7, 3–4, 2024-05-01). A currency between sign and digits is
    left out, and so is a unit. Ordinary spaces separate groups of digits only in languages with a decimal comma.
    """
    *_, found = [None, *_in_text(has_decimal_comma(language)).finditer(text)]
    return f"{found['sign'] or ''}{found['figures']}" if found else ""


@cache
def _in_text(decimal_comma: bool) -> re.Pattern[str]:
    currency, mark, space = r"[$¢£¤¥\u20a0-\u20c0]", "٫,." if decimal_comma else "٫.", " " if decimal_comma else ""
    sign = rf"(?<![\w)\]}}%‰])(?<!\d{currency})(?P<sign>[-+−–﹣])(?:\\?{currency} ?)?"
    fraction = r"(?<![\d/.,])(?:[1-9]\d* )?[1-9]\d*/[1-9]\d*(?![\d/])"
    group = rf"(?<!\d{{4}})['’٬\u00a0\u2009\u202f{space}]\d{{3}}(?!\d)"
    decimal = rf"(?:\d|(?<![\w.,])[{mark}]\d)(?:\d|[.,٫]\d|{group})*(?:[eE][-+]?\d{{1,3}}(?!\w))?"
    return re.compile(rf"(?:{sign})?(?P<figures>{fraction}|{decimal})")


def _is_currency(sign: str) -> bool:
    return unicodedata.category(sign) == "Sc"


def _plain(letter: str) -> str:
    """Return a character in plain form: digits of any script in ASCII, ½ as a fraction, and one form of equal marks."""
    if unicodedata.category(letter) == "Nd":
        return str(unicodedata.decimal(letter))
    if unicodedata.decomposition(letter).startswith("<wide>"):
        return unicodedata.normalize("NFKC", letter)
    if unicodedata.decomposition(letter).startswith("<fraction>"):
        return " " + unicodedata.normalize("NFKC", letter).replace("⁄", "/")
    return {"٪": "%", "⁄": "/", "’": "'", "٬": "'"}.get(letter, " " if unicodedata.category(letter) == "Zs" else letter)


def _value(text: str, decimal_comma: bool) -> Fraction | None:
    """Return the value of a number without sign and unit."""
    if found := re.fullmatch(r"(?:([1-9]\d*) )?([1-9]\d*)/([1-9]\d*)", text):
        whole, above, below = (int(part or 0) for part in found.groups())
        return None if whole and above >= below else Fraction(above, below) + whole
    found = _decimal(decimal_comma).fullmatch(text)
    if not found or not (found["whole"] or found["part"]):
        return None
    digits = re.sub(r"\D", "", found["whole"] or "0")
    if digits[0] == "0" and len(digits) > 1:
        return None
    part, power = found["part"] or "", found["power"] or ""
    if power and not part and power[0] not in "+-":  # 12e4 is a name
        return None
    return Fraction(int(digits + part)) * Fraction(10) ** (int(power or 0) - len(part))


@cache
def _decimal(decimal_comma: bool) -> re.Pattern[str]:
    mark, group = (",", ".") if decimal_comma else (".", ",")
    return re.compile(
        rf"(?P<whole>\d+|\d{{1,3}}(?P<group>[ '{group}])\d{{3}}(?:(?P=group)\d{{3}})*)?(?:[{mark}٫](?P<part>\d+))?"
        r"(?:[eE](?P<power>[+-]?\d{1,3}))?"
    )
