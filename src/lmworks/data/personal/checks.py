"""Checks of values that patterns match: check digits (most by `python-stdnum`), IP addresses and passwords."""

from __future__ import annotations

import functools
import importlib
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping

from lmworks.data.personal.findings import plain
from lmworks.data.personal.kinds.dates import read_date

Check = Callable[[str], bool]

_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"  # American Express, Diners Club
    r"|(?:2131|1800)\d{11}|35\d{14}"  # JCB
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12,15}|(?:50|5[6-9]|6\d)\d{10,17}|0604\d{8,15}"  # Discover; Maestro and UnionPay
)


@functools.cache
def check_named(name: str) -> Check:
    """Return the check of this name in this file, else that of the `stdnum` module, such as `pl.pesel`."""
    if own := CHECKS.get(name):
        return own
    module = importlib.import_module(f"stdnum.{name}")
    return functools.partial(_is_valid, module.is_valid)


def _is_valid(is_valid: Check, value: str) -> bool:
    number = plain(value)
    try:
        return len(set(number)) > 2 and (is_valid(number) or is_valid(value.upper()))  # some ask for a sign
    except (KeyError, ValueError, IndexError):  # of stdnum's tables of places, for numbers of none
        return False


def luhn(value: str) -> bool:
    """Check the digits of a value by Luhn's algorithm (ISO/IEC 7812-1, annex B)."""
    digits = [int(digit) for digit in value if digit.isdecimal()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return len(digits) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def card(value: str) -> bool:
    """Check a payment card: an issuer's prefix with its length, Luhn's check, more than one different digit."""
    number = plain(value)
    return bool(_CARD.fullmatch(number)) and luhn(number) and len(set(number)) > 1


def mod97(value: str) -> bool:
    """Check that a number divided by 97 leaves 1 (ISO 7064 MOD 97-10), where letters count as 10 to 35."""
    if not (value.isascii() and value.isalnum() and len(value) <= 100):
        return False
    return int("".join(str(int(character, 36)) for character in value)) % 97 == 1


def iban(value: str) -> bool:
    """Check an account number modulo 97. Its country's length does not count, as a cut number is personal data too."""
    number = plain(value)
    return 15 <= len(number) <= 34 and mod97(number[4:] + number[:4])


def imei(value: str) -> bool:
    """Check a device's number: fifteen digits by Luhn's check. Sixteen end with the software's version instead."""
    number = plain(value)
    return (len(number) == 16 or luhn(number)) and len(set(number)) > 2


def vin(value: str) -> bool:
    """Check a vehicle's number by North America's check digit in the ninth place (49 CFR 565.15)."""
    number = plain(value)
    if not number[-4:].isdecimal() or sum(map(str.isalpha, number)) < 3:
        return False
    places = [int(sign) if sign.isdigit() else _VIN_VALUES[ord(sign) - ord("A")] for sign in number]
    total = sum(place * weight for place, weight in zip(places, _VIN_WEIGHTS, strict=True))
    return "0123456789X"[total % 11] == number[8]


_VIN_VALUES = [1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9]
_VIN_WEIGHTS = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]


def german_pension(value: str) -> bool:
    """Check a German pension insurance number by its weighted sum of cross sums (VKVV § 2)."""
    number = plain(value)
    digits = f"{number[:8]}{ord(number[8]) - ord('A') + 1:02d}{number[9:]}"
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    total = sum(sum(divmod(int(digit) * weight, 10)) for digit, weight in zip(digits, weights, strict=False))
    return total % 10 == int(number[11])


_EXAMPLES = [
    ipaddress.ip_network(block) for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
"""Blocks for documentation (RFC 5737, RFC 3849)."""


def public_address(value: str) -> bool:
    """Check that an IP address can belong to a person: not private, local, or multicast.

    An address reserved for documentation counts, because it can stand for a person's. An IPv6 address must be in the
    block that is assigned so far (2000::/3), or written in full, because `a::b` is more often C++.
    """
    if ":" not in value:  # logs in columns write 203.0.113.007, which the library refuses
        value = re.sub(r"\b0+(?=[0-9])", "", value)
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    if any(address in block for block in _EXAMPLES):
        return True
    if not address.is_global or address.is_multicast or (address.version == 4 and address.is_reserved):
        return False
    return address.version == 4 or value[:1] in ("2", "3") or value.count(":") == 7


def calendar(value: str) -> bool:
    """Check that a date is in the calendar."""
    return read_date(value) is not None


_CONSONANTS = re.compile("[bcdfghjklmnpqrstvwxz]{6}|[BCDFGHJKLMNPQRSTVWXZ]{6}")


def random(token: str) -> bool:
    """Check that a token looks drawn at random: letters with digits, and at least 3 bits per character.

    A short token needs nearly all bits that its length allows. Words have few digits. Paths and numbers have few kinds
    of characters. Letters alone are random if there are six in a row without a vowel.
    """
    if len(token) >= 16 and token.isalpha() and token.isascii():
        return _CONSONANTS.search(token) is not None
    if not (any(map(str.isdigit, token)) and any(map(str.isalpha, token))) or token.count("/") > 2:
        return False
    return _bits(token) >= min(3.0, math.log2(len(token)) - 0.75)


def all_kinds(token: str, least: float = 4.0) -> bool:
    """Check for capitals, small letters and digits, and 4 bits per character."""
    kinds = (str.isupper, str.islower, str.isdigit)
    return all(any(map(kind, token)) for kind in kinds) and _bits(token) >= least


def _bits(token: str) -> float:
    """Return Shannon's entropy per character, in bits."""
    shares = [times / len(token) for times in Counter(token).values()]
    return -sum(share * math.log2(share) for share in shares)


_FEW_DIGITS = re.compile(r"[A-Za-z]+[-_.]?[0-9]{1,2}")
_NAMED_WITH_DIGITS = re.compile(
    r"(?i)(?:(?:[a-z]{0,6}(?:sha|md|utf|base|crypt|pbkdf|oauth|pkcs|rfc|ipv|http|aes|ntlm|iso|tls|ssl|des|argon|python|"
    r"rsa|int|float)|(?:[a-z]{1,12}[-_.])?(?:win|x|v|s|ec|p|h|id|str|arg|param|value|key|user|test|step|line|page|option|"
    r"item|field|col|row|fig|table|level|part|chapter|section|version|type|class|area|port|case|phase|mp|usb|log|web|db|"
    r"host|node|server|room|floor|gate))"
    r"[-_.]?[0-9]{1,4}(?:[-_.][a-z0-9.]{1,10})*|[0-9]+(?:st|nd|rd|th|[a-z]{1,3})|[0-9]+(?:[-.:/][0-9a-z]+)+)"
)
"""Pattern of tokens with digits that are not passwords: names of methods and versions, ordinals, dates, sizes."""
_SIGNS = frozenset("!#$%^&*?+~§€")


def password(token: str, is_beside: bool = True) -> bool:
    """Check for letters with digits or with signs that do not occur in words and names of programs or versions.

    If the word for a password is not directly beside it, a name with one or two digits does not count as a password.
    """
    is_shouted = token.endswith("!") and sum(map(str.isdigit, token)) > 1
    token = token.strip("*_").rstrip(".:?!")
    if is_shouted and re.fullmatch("[A-Za-z]{3,}[0-9]{2,4}", token):
        return not _NAMED_WITH_DIGITS.fullmatch(token)
    letters, digits = sum(map(str.isalpha, token)), sum(map(str.isdigit, token))
    signs = sum(character in _SIGNS for character in token)
    if any(part in token for part in ("://", "::", "->", "==", "\\", "@", "...", "--")):
        return "@" in token and "." not in token and letters > 0 and digits + signs > 0
    if letters == len(token) and token.isascii():
        return is_beside and _has_odd_case(token)
    if len(token) < 5 or not letters or not (digits or signs):
        return False
    if (
        token.count("/") > 1
        or token[0] in "%-/.&#"
        or token[-1] in ":=/"
        or token[:-1].isdigit()
        or set("={") & set(token)
    ):
        return False
    if signs and letters >= 3:
        return bool(digits) or token[0].isalnum()
    return letters >= 3 and not _NAMED_WITH_DIGITS.fullmatch(token) and (is_beside or not _FEW_DIGITS.fullmatch(token))


def _has_odd_case(token: str) -> bool:
    """Return whether letters change case more often than in a word or a name of a program."""
    pieces = re.findall("[A-Z]*[a-z]*", token)[:-1]
    return len(token) >= 8 and len(pieces) >= 4 and sum(len(piece) < 3 for piece in pieces) >= 2


CHECKS: Mapping[str, Check] = {
    "card": card,
    "iban": iban,
    "imei": imei,
    "vin": vin,
    "german_pension": german_pension,
    "public_address": public_address,
    "calendar": calendar,
    "random": random,
    "all_kinds": all_kinds,
    "very_random": functools.partial(all_kinds, least=4.4),
    "password": password,
    "password_further": functools.partial(password, is_beside=False),
}
"""Checks that a row can name in `check`, in addition to modules of `stdnum`."""
