"""The check digits of the numbers that `audit_values.py` makes up, and examples published by others to hold them to."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence

DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
ODD = dict(zip(string.digits + string.ascii_uppercase, [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21,
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
], strict=True))  # fmt: skip
VERHOEFF_STEPS = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
while len(VERHOEFF_STEPS) < 8:
    VERHOEFF_STEPS.append([VERHOEFF_STEPS[-1][step] for step in VERHOEFF_STEPS[1]])


def weighted(text: str, weights: Sequence[int]) -> int:
    """The sum of the digits, each by its weight."""
    return sum(int(sign) * weight for sign, weight in zip(text, weights, strict=True))


def luhn_digit(body: str) -> str:
    doubled = "0246813579"
    signs = [int(doubled[int(sign)]) if place % 2 == 0 else int(sign) for place, sign in enumerate(reversed(body))]
    return str(-sum(signs) % 10)


def iban_digits(country: str, body: str) -> str:
    number = "".join(str(int(sign, 36)) for sign in f"{body}{country}00")
    return f"{98 - int(number) % 97:02d}"


def french_key(bank: str, office: str, account: str) -> str:
    return f"{97 - (89 * int(bank) + 15 * int(office) + 3 * int(account)) % 97:02d}"


def spanish_digit(ten: str) -> str:
    rest = 11 - weighted(ten, (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11
    return {10: "1", 11: "0"}.get(rest, str(rest))


def iso7064_11_10(body: str) -> str:
    product = 10
    for sign in body:
        product = ((int(sign) + product) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def pension_digit(body: str) -> str:
    number = "".join(sign if sign.isdigit() else f"{ord(sign) - 64:02d}" for sign in body)
    products = [int(sign) * weight for sign, weight in zip(number, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)]
    return str(sum(product // 10 + product % 10 for product in products) % 10)


def nhs_digit(body: str) -> str:
    """Empty where no digit fits."""
    rest = 11 - weighted(body, range(10, 1, -1)) % 11
    return "" if rest == 10 else str(rest % 11)


def nir_key(body: str) -> str:
    return f"{97 - int(body.replace('2A', '19').replace('2B', '18')) % 97:02d}"


def dni_letter(body: str) -> str:
    """Of eight digits, or of X, Y or Z and seven."""
    return DNI_LETTERS[int(body.translate(str.maketrans("XYZ", "012"))) % 23]


def codice_fiscale_letter(body: str) -> str:
    even = dict(zip(string.digits + string.ascii_uppercase, [*range(10), *range(26)], strict=True))
    total = sum(ODD[sign] if place % 2 == 0 else even[sign] for place, sign in enumerate(body))
    return string.ascii_uppercase[total % 26]


def pesel_digit(body: str) -> str:
    return str(-weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def bsn_digit(body: str) -> str:
    """Empty where no digit fits."""
    rest = weighted(body, range(9, 1, -1)) % 11
    return "" if rest == 10 else str(rest)


def ean_digit(body: str) -> str:
    return str(-weighted(body, (1, 3) * (len(body) // 2)) % 10)


def cpf_digits(body: str) -> str:
    digits = body
    for _ in range(2):
        rest = weighted(digits, range(len(digits) + 1, 1, -1)) * 10 % 11
        digits += str(rest % 10)
    return digits[-2:]


def resident_digit(body: str) -> str:
    return "10X98765432"[weighted(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]


def rrn_digit(body: str) -> str:
    return str((11 - weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10)


def aadhaar_digit(body: str) -> str:
    """The digit of Verhoeff's scheme, by the group of the ten moves of a pentagon."""

    def times(one: int, other: int) -> int:
        if one < 5:
            return (one + other) % 5 if other < 5 else (one + other) % 5 + 5
        return (one - other) % 5 + 5 if other < 5 else (one - other) % 5

    state = 0
    for place, sign in enumerate(reversed(body), start=1):
        state = times(state, VERHOEFF_STEPS[place % 8][int(sign)])
    return str(state if state > 4 else -state % 5)


def vin_digit(vin: str) -> str:
    """The ninth sign of a vehicle's number of seventeen, whatever stands there."""
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
    number = "".join(values.get(sign, sign) for sign in vin)
    rest = weighted(number, (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return "X" if rest == 10 else str(rest)


def last(check: Callable[[str], str], size: int = 1) -> Callable[[str], bool]:
    """Whether the last signs of a number are those of the check."""
    return lambda number: check(number[:-size]) == number[-size:]


EXAMPLES: list[tuple[str, Callable[[str], bool]]] = [
    ("4111111111111111", last(luhn_digit)),
    ("490154203237518", last(luhn_digit)),
    ("DE89370400440532013000", lambda iban: iban_digits(iban[:2], iban[4:]) == iban[2:4]),
    ("GB29NWBK60161331926819", lambda iban: iban_digits(iban[:2], iban[4:]) == iban[2:4]),
    ("20041010050500013M02606", lambda rib: french_key(rib[:5], rib[5:10], rib[10:21].replace("M", "4")) == rib[21:]),
    ("21000418450200051332", lambda ccc: spanish_digit("00" + ccc[:8]) + spanish_digit(ccc[10:]) == ccc[8:10]),
    ("86095742719", last(iso7064_11_10)),
    ("15070649C103", last(pension_digit)),
    ("9434765919", last(nhs_digit)),
    ("295109912611193", last(nir_key, 2)),
    ("9710139019902", last(rrn_digit)),
    ("12345678Z", last(dni_letter)),
    ("X1234567L", last(dni_letter)),
    ("RSSMRA85T10A562S", last(codice_fiscale_letter)),
    ("44051401359", last(pesel_digit)),
    ("111222333", last(bsn_digit)),
    ("7569217076985", last(ean_digit)),
    ("11144477735", last(cpf_digits, 2)),
    ("11010519491231002X", last(resident_digit)),
    ("234123412346", last(aadhaar_digit)),
    ("1M8GDM9AXKP042788", lambda vin: vin_digit(vin) == vin[8]),
]
