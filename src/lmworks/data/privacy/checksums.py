"""Checks of numbers that carry a check digit. Each takes letters and digits only, in upper case."""

from __future__ import annotations

import ipaddress
import re


def luhn(digits: str) -> bool:
    """Luhn's check (ISO/IEC 7812-1, annex B)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"  # American Express, Diners Club
    r"|(?:2131|1800)\d{11}|35\d{14}"  # JCB
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12,15}|(?:50|5[6-9]|6\d)\d{10,17}|0604\d{8,15}"  # Discover; Maestro and UnionPay
)


def card(value: str) -> bool:
    """A payment card: an issuer's prefix with its length, Luhn's check, not one digit over and over."""
    return bool(_CARD.fullmatch(value)) and luhn(value) and len(set(value)) > 1


IBAN_LENGTHS = {
    code: int(length)
    for code, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18"
        "FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27"
        "MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27"
        "SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30",
    )
}
"""Characters of an account number by country (SWIFT IBAN Registry, release 97)."""


def iban(value: str) -> bool:
    """An account number: its country's length, and 1 modulo 97 (ISO 13616)."""
    return len(value) == IBAN_LENGTHS.get(value[:2]) and any_iban(value)


def any_iban(value: str) -> bool:
    """1 modulo 97 behind a known country's code, with a length that another's account number may have.

    Whoever mistyped or cut an account number gave it away all the same.
    """
    if value[:2] not in IBAN_LENGTHS or not value.isascii() or not 15 <= len(value) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in value[4:] + value[:4])) % 97 == 1


def us_ssn(value: str) -> bool:
    """United States social security number: no check digit; area, group and serial that are never given are refused."""
    return value[:3] not in ("000", "666") and value[0] != "9" and value[3:5] != "00" and value[5:] != "0000"


def _weighted(value: str, weights: str) -> int:
    """Sum of digits times weights, each weight one base-36 digit."""
    return sum(int(digit) * int(weight, 36) for digit, weight in zip(value, weights, strict=False))


def uk_nhs(value: str) -> bool:
    """United Kingdom health service number: modulo 11."""
    return _weighted(value, "a987654321") % 11 == 0 and len(set(value)) > 1


_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")


def uk_nino(value: str) -> bool:
    """United Kingdom national insurance number: no check digit; prefixes that are never given are refused."""
    return bool(_NINO.fullmatch(value))


def de_tax_id(value: str) -> bool:
    """German tax identification number: one digit of the first ten stands twice or thrice; ISO 7064 MOD 11,10."""
    repeats = sorted(value[:10].count(digit) for digit in set(value[:10]))
    if value[0] == "0" or repeats[-1] not in (2, 3) or (len(repeats) > 1 and repeats[-2] > 1):
        return False
    product = 10
    for digit in value[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(value[10])


def fr_insee(value: str) -> bool:
    """French social security number (NIR): sex, month and key of 97; Corsica counts as 19 and 18."""
    month = int(value[3:5])
    if value[0] not in "123478" or not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50):
        return False
    number = value[:13].replace("2A", "19").replace("2B", "18")
    return number.isdecimal() and 97 - int(number) % 97 == int(value[13:])


def es_dni(value: str) -> bool:
    """Spanish DNI and NIE: letter by number modulo 23; X, Y and Z count as 0, 1 and 2."""
    number = value[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return number.isdecimal() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == value[-1]


_ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
_CODICE_FISCALE = re.compile(
    r"[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]", re.IGNORECASE
)


def it_codice_fiscale(value: str) -> bool:
    """Italian tax code (decree of 23 December 1976): form, and the letter by sum modulo 26."""
    if not _CODICE_FISCALE.fullmatch(value):
        return False
    places = [int(each) if each.isdigit() else ord(each) - ord("A") for each in value[:15]]
    total = sum(_ODD[place] for place in places[::2]) + sum(places[1::2])
    return total % 26 == ord(value[15]) - ord("A")


def nl_bsn(value: str) -> bool:
    """Dutch citizen number: the eleven test."""
    return (_weighted(value[:8], "98765432") - int(value[8])) % 11 == 0 and len(set(value)) > 1


def pl_pesel(value: str) -> bool:
    """Polish PESEL: a month with its century, and a weighted sum modulo 10."""
    return 1 <= int(value[2:4]) % 20 <= 12 and _weighted(value, "13791379131") % 10 == 0


def br_cpf(value: str) -> bool:
    """Brazilian CPF: two digits modulo 11."""
    first = _weighted(value[:9], "a98765432") * 10 % 11 % 10
    second = _weighted(value[:10], "ba98765432") * 10 % 11 % 10
    return value[9:] == f"{first}{second}" and len(set(value)) > 1


def ca_sin(value: str) -> bool:
    """Canadian social insurance number: Luhn's check; none begins with 0 or 8."""
    return value[0] not in "08" and luhn(value)


_EXAMPLES = [
    ipaddress.ip_network(block) for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
"""Blocks for documentation (RFC 5737, RFC 3849)."""


def public_address(value: str) -> bool:
    """An IP address that may be a person's: not private, local, or for many receivers.

    One reserved for documentation stands where a person's would, and nobody can tell from the text: it counts. An IPv6
    address is in the block given out so far (2000::/3), or written in full: `a::b` is more often C++.
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
