"""What personal data looks like. A detector more is a function or a check, and one line in a table.

Every pattern takes linear time: what repeats is bounded, or cannot be matched in two ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from lmworks.data.privacy.findings import DIGITS, Detector, Finding, Function, Pattern, Trigger, sharing
from lmworks.data.privacy.kinds import checksums, credentials
from lmworks.data.privacy.kinds.addresses import ADDRESSES
from lmworks.data.privacy.kinds.birth_numbers import BIRTH_NUMBERS
from lmworks.data.privacy.kinds.births import BIRTH, BIRTHDAY, PARTIAL, SPELLED, birth_dates, worded_birth_dates
from lmworks.data.privacy.kinds.dates import DATE, read_date
from lmworks.data.privacy.kinds.emails import AT, BACKWARDS, EMAIL, OBFUSCATED, obfuscated_emails
from lmworks.data.privacy.kinds.identities import CODES, MANY_DIGITS, NATIONAL_IDS, number
from lmworks.data.privacy.kinds.papers import PAPERS, RECORDS
from lmworks.data.privacy.kinds.phones import ODD, ODD_WORDS, ODDLY_PARTED, phones
from lmworks.data.privacy.kinds.vehicles import THINGS

DOTTED = Trigger(re.compile(r"\.[0-9]{1,3}\.[0-9]"))
COLONS = Trigger(re.compile(r":[0-9A-Fa-f]{0,4}:"))
YEAR = Trigger(re.compile(r"(?:1[89]|20)[0-9][0-9]|[/.-][0-9]{1,2}[/.-][0-9]{2}"), near_digits=True)

CARD = number(
    r"[0-9]{14,19}|[0-9]{4}([ \t.-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}|3[0-9]{3}([ \t-])[0-9]{6}\2[0-9]{4,5}"
    r"|[0-9](?:([ \t.-])[0-9])(?:\3[0-9]){13,14}"
)
LONG_CARD = number(r"[0-9]{4}([ .-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}\1[0-9]{3}")
PARTED_CARD = re.compile(
    r"(?<![\w:.|-])[0-9]{4}(?P<by>:| ?\| ?)[0-9]{4}(?P=by)[0-9]{4}(?P=by)[0-9]{4}(?![\w:-]|\.[0-9])"
)
PARTED = Trigger(re.compile(r"[0-9]{4}(?::| ?\| ?)[0-9]{4}(?::| ?\| ?)[0-9]{4}"), near_digits=True)
SHORT_CARD = number(r"[0-9]{12,13}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}")
CARD_WORDS = re.compile(
    r"(?i)\b(?:cards?\b|credit|debit|visa\b|master ?card|maestro|amex|cc\b|cvv|karten?|carte|tarjeta|carta\b)"
)
IBAN = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Za-z]{2}[0-9]{2})(?:"
    + "|".join(
        rf"(?:{'|'.join(code for code, each in checksums.IBAN_LENGTHS.items() if each == length)})"
        rf"[0-9]{{2}}(?:[ \t-]?[A-Za-z0-9]){{{length - 4}}}"
        for length in sorted(set(checksums.IBAN_LENGTHS.values()))
    )
    + r")(?![A-Za-z0-9])",
    re.IGNORECASE,
)
ODD_IBAN = re.compile(
    rf"[A-Z](?<![A-Za-z0-9].)(?=[A-Z][0-9]{{2}})(?<=(?=(?:{'|'.join(checksums.IBAN_LENGTHS)})).).[0-9]{{2}}"
    r"(?:[A-Z0-9]{11,30}|(?:(?P<by>[ /])[A-Z0-9]{4})(?:(?P=by)[A-Z0-9]{4}){1,6}(?:(?P=by)[A-Z0-9]{1,3})?)"
    r"(?![A-Za-z0-9])"
)
GLUED_IBAN = re.compile(
    r"(?<![A-Za-z0-9])(?i:IBAN)?(?P<value>[A-Z]{2}[0-9]{2}[ A-Z0-9]{11,38}?)"
    r"(?=(?i:BIC|SWIFT|KONTO|BANK|BLZ)(?:[^A-Za-z0-9]|[A-Z]{6})|(?![A-Za-z0-9]))"
)
"""An account number with the label of the next value, or its own, glued to it, as text of tables and PDF has it."""
GLUED = Trigger(
    re.compile("[0-9A-Z](?:BIC|Bic|SWIFT|Swift|KONTO|Konto|BANK|Bank|BLZ|Blz)|(?:IBAN|Iban)[A-Z]{2}[0-9]"),
    near_digits=True,
)
ANY_DATE = re.compile(rf"(?<![\w./-])(?P<value>{DATE})", re.IGNORECASE)
IPV4 = re.compile(
    r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
    r"(?!\w|\.[0-9]|/(?:[0-9]|[12][0-9]|3[01])(?![0-9]))"
)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?!\w|:[\w:])")
NUMBERED = re.compile(r"(?i)(?:version|release|section|chapter|clause|ver\.?|sec\.|§)\s?$")


def ip_addresses(text: str, pattern: re.Pattern[str]) -> Iterator[Finding]:
    """Addresses that may be a person's; 4.2.1.3 after "section" is none."""
    for match in pattern.finditer(text):
        before = text[max(0, match.start() - 10) : match.start()]
        value = match[0] if match[0].endswith("::") else match[0].removesuffix(":")
        if checksums.public_address(value) and not NUMBERED.search(before):
            yield Finding("ip", match.start(), match.start() + len(value), value, checksums.public_address)


def dates(text: str) -> Iterator[Finding]:
    """Dates that are in the calendar."""
    for match in ANY_DATE.finditer(text):
        if read_date(match["value"]):
            yield Finding("date", *match.span("value"), match["value"])


DETECTORS: tuple[Detector, ...] = (
    Pattern("secret", credentials.PRIVATE_KEY, credentials.PRIVATE_KEY_BLOCK),
    Pattern("secret", credentials.PREFIXES, credentials.PROVIDER_KEY),
    Pattern("secret", credentials.MORE_PREFIXES, credentials.MORE_PROVIDERS_KEY),
    Pattern("secret", credentials.UNLABELLED, credentials.UNLABELLED_KEY),
    Pattern("secret", credentials.URLS, credentials.URL_PASSWORD),
    Pattern("secret", credentials.PHRASES, credentials.SAID_PHRASE),
    Function("secret", credentials.SECRETS, credentials.assigned_secret),
    Function("secret", credentials.AWS, credentials.aws_secret),
    Pattern("email", AT, EMAIL),
    Pattern("email", AT, BACKWARDS),
    Function("email", OBFUSCATED, obfuscated_emails),
    Pattern("iban", CODES, IBAN, checksums.iban),
    Pattern("iban", CODES, ODD_IBAN, checksums.any_iban),
    Pattern("iban", GLUED, GLUED_IBAN, checksums.iban),
    Pattern("card", MANY_DIGITS, CARD, checksums.card),
    Pattern("card", PARTED, PARTED_CARD, checksums.card),
    Pattern("card", MANY_DIGITS, LONG_CARD, checksums.card),
    Pattern("card", MANY_DIGITS, SHORT_CARD, checksums.card, CARD_WORDS),
    *NATIONAL_IDS,
    *BIRTH_NUMBERS,
    *PAPERS,
    *THINGS,
    *RECORDS,
    Function("secret", credentials.PASSWORDS, credentials.passwords),
    Function("ip", DOTTED, partial(ip_addresses, pattern=IPV4)),
    Function("ip", COLONS, partial(ip_addresses, pattern=IPV6)),
    Function("birth_date", BIRTH, birth_dates),
    Function("birth_date", SPELLED, worded_birth_dates),
    Pattern("birth_date", BIRTHDAY, PARTIAL),
    Function("phone", DIGITS, phones),
    Pattern("phone", ODD, ODDLY_PARTED, context=ODD_WORDS),
    *ADDRESSES,
    Function("date", YEAR, dates),
)
"""In the order in which they are asked; of equally long findings that overlap the first wins."""

FREQUENT = (DIGITS, MANY_DIGITS, CODES, YEAR)
RARE = tuple(
    each for each in DETECTORS if each.trigger.near_digits and not each.trigger.words and each.trigger not in FREQUENT
)
"""Whose triggers few texts have, wherever digits are."""
RARE_ANYWHERE = tuple(each for each in DETECTORS if each.trigger.needs and not each.trigger.words)
"""Whose triggers few texts with a digit have."""
_SHARED = dict(zip(RARE + RARE_ANYWHERE, (*sharing(RARE), *sharing(RARE_ANYWHERE, 3)), strict=True))
DETECTORS = tuple(_SHARED.get(each, each) for each in DETECTORS)
