"""Consistent surrogates: with one key, a true value always gets the same made-up value, which nobody can invert.

Each surrogate is drawn from HMAC-SHA256 (RFC 2104) of the kind and the normalised value. Without the key, nobody can
check whether a guessed value belongs to a surrogate or to a digest in the index.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import string
from collections.abc import Callable
from typing import Any

from lmworks.data.base.text import fold
from lmworks.data.personal.findings import KINDS, Finding, plain
from lmworks.data.personal.kinds.dates import read_date, shift_date
from lmworks.data.personal.kinds.phones import BARE_MOBILE
from lmworks.data.privacy.people import given_name_first

MAX_SHIFT_DAYS = 365
"""Maximum days by which dates move: seasons blur, and ages stay about right."""
MOST_DRAWS = 100_000
OWN = "own"
"""Name in the index for all kinds of the user's own, because a search knows only a value."""
INDEXED = ("subject", OWN, *KINDS)


def normalise_value(kind: str, value: str) -> str:
    """Return the same form for all ways in which a value is written."""
    if kind == "person":
        return fold(given_name_first(value))
    if kind == "email":
        from lmworks.data.personal.kinds.emails import plain_email  # slow to compile

        value = plain_email(value)
    if kind in ("email", "subject", "ip", "place", "organisation", "address"):
        return " ".join(value.casefold().split())
    if kind in ("birth_date", "date"):
        day = read_date(value)
        return day.isoformat() if day else value
    if kind == "phone":
        return national_number(value)
    return value if kind == "secret" else plain(value)


def _digits(value: str) -> str:
    return "".join(filter(str.isdigit, value.replace("(0)", "")))


@functools.lru_cache(maxsize=10_000)
def national_number(value: str) -> str:
    """Return the digits of a telephone number without its country code and leading zeros."""
    digits = _digits(value)
    abroad = value.lstrip("( ").startswith("+")
    if not abroad and not digits.startswith("00") and not BARE_MOBILE.fullmatch(digits):
        return (digits[1:] if re.fullmatch("1[2-9][0-9]{2}[2-9][0-9]{6}", digits) else digits).lstrip("0") or digits
    import phonenumbers

    try:
        parsed = phonenumbers.parse("+" + (digits if abroad else digits.removeprefix("00")), None)
    except phonenumbers.NumberParseException:
        return digits
    return str(phonenumbers.national_significant_number(parsed)).lstrip("0") or digits


def value_digest(key: bytes, kind: str, value: str) -> str:
    """Return the digest of a person or a value in an index: 32 hexadecimal digits."""
    return _seed(key, "index", kind, normalise_value(kind, value)).hex()[:32]


def earlier_person_digest(key: bytes, value: str) -> str:
    """Return a person's digest as older indexes have it, which told names with and without accents apart."""
    return _seed(key, "index", "person", " ".join(given_name_first(value).casefold().split())).hex()[:32]


def finding_digest(key: bytes, finding: Finding) -> str:
    """Return the digest of a finding. For a part of a name, it is the digest of the whole name."""
    return value_digest(key, finding.kind if finding.kind in KINDS else OWN, finding.whole or finding.value)


def day_shift(key: bytes, person: str) -> int:
    """Return by how many days all dates of a person move, back or forth: from one to `MAX_SHIFT_DAYS`."""
    number = int.from_bytes(_seed(key, "shift", person))
    return (1 + number // 2 % MAX_SHIFT_DAYS) * (-1 if number % 2 else 1)


def surrogate(key: bytes, finding: Finding, days: int) -> str | None:
    """Return a made-up value in place of a true one, written in the same form.

    None for a secret, which needs no surrogate, for a date that no calendar has, and if no draw passes the check.
    """
    kind, value = finding.kind, finding.value
    if kind == "secret":
        return None
    if kind in ("birth_date", "date"):
        return shift_date(value, days) if read_date(value) else None
    normal = normalise_value(kind, value)
    if kind == "email":
        return _email(key, normal)
    if kind == "person":
        return _name(key, finding)
    if kind in ("place", "organisation", "address"):
        return _made_up(key, kind, normal)
    kept = len(_digits(value)) - len(normal) if kind == "phone" else 2 if kind == "iban" else 0
    return _drawn(key, kind, normal, value, kept, finding.check)


def _seed(key: bytes, *parts: str) -> bytes:
    return hmac.digest(key, "\0".join(parts).encode(), "sha256")


@functools.lru_cache(maxsize=100_000)
def _email(key: bytes, normal: str) -> str:
    """Return a made-up address at a domain reserved for examples. Its four digits make equal addresses rare."""
    number = int.from_bytes(_seed(key, "surrogate", "email", normal))
    faker = _faker()
    faker.seed_instance(number)
    name = f"{faker.first_name()}.{faker.last_name()}".lower()
    return f"{name}{number % 10_000:04d}@{faker.safe_domain_name()}"


def _name(key: bytes, finding: Finding) -> str:
    """Return the part of a made-up name that corresponds to the value's part of the true name."""
    normal = normalise_value("person", finding.whole)
    faker = _faker()
    faker.seed_instance(int.from_bytes(_seed(key, "surrogate", "person", normal)))
    given, family = faker.first_name(), faker.last_name()
    written, of_family = re.split(r"[\s_,]+", fold(finding.value)), normal.split()[-1].split("-")[0]
    is_family = [word.startswith(of_family) for word in written]
    if len(written) == 1 or not any(is_family):
        return str(family if any(is_family) else given)
    return f"{family}, {given}" if "," in finding.value else f"{given} {family}"


@functools.lru_cache(maxsize=100_000)
def _made_up(key: bytes, kind: str, normal: str) -> str:
    faker = _faker()
    faker.seed_instance(int.from_bytes(_seed(key, "surrogate", kind, normal)))
    makers = {"place": faker.city, "organisation": faker.company, "address": faker.street_address}
    return str(makers[kind]())


@functools.cache
def _faker() -> Any:
    from faker import Faker

    return Faker("en_US")


@functools.lru_cache(maxsize=100_000)
def _drawn(key: bytes, kind: str, normal: str, value: str, kept: int, check: Callable[[str], bool]) -> str | None:
    """Return another value with digits and letters in the places where the true one has them, that passes `check`.

    Takes the first draw that passes. The rarest check passes one draw in some thousands. Draws depend only on the
    normal form, so that a number with and without its country code gets one number. The first `kept` characters stay.
    """
    seed = _seed(key, "surrogate", kind, normal)
    letters = "abcdef" if kind == "ip" else string.ascii_uppercase
    written, replaced = (_digits(value), "[0-9]") if kind == "phone" else (normal, r"[^\W_]")
    for attempt in range(MOST_DRAWS):
        stream = hashlib.shake_256(seed + attempt.to_bytes(4)).digest(len(written))
        new = written[:kept] + "".join(
            string.digits[byte % 10] if old.isdigit() else letters[byte % len(letters)] if old.isalpha() else old
            for old, byte in zip(written[kept:], stream, strict=False)
        )
        if new != written and check(made := _in_the_form_of(value, new, replaced)):
            return made
    return None


def _in_the_form_of(value: str, new: str, replaced: str) -> str:
    """Return the new characters where the pattern `replaced` matches, in the case of the true value."""
    characters = filter(str.isalnum, new)

    def next_one(old: re.Match[str]) -> str:
        if len(old[0]) > 1:
            return old[0]
        character = next(characters)
        return character.upper() if old[0].isupper() else character.lower()

    return re.sub(rf"\(0\)|{replaced}", next_one, value)
