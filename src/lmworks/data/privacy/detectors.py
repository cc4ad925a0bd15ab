"""What personal data looks like. A detector more is a function or a check, and one line in `DETECTORS`.

Every pattern takes linear time: what repeats is bounded, or cannot be matched in two ways.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from lmworks.data.privacy import checksums
from lmworks.data.privacy.dates import DATE, read_date
from lmworks.data.privacy.findings import Detector, Finding, Function, Kind, Pattern, Trigger
from lmworks.data.privacy.phones import phones

AT = Trigger(re.compile(r"@(?<=\w@)[\w-]"))
DIGITS = Trigger(re.compile(r"[0-9](?:[ .()/-]{0,3}[0-9]){6,}"))
LETTERS_DIGITS = Trigger(re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9]"))
DOTTED = Trigger(re.compile(r"\.[0-9]{1,3}\.[0-9]"))
COLONS = Trigger(re.compile(r":[0-9A-Fa-f]{0,4}:"))
BIRTH = Trigger(words=("birth", "born", "dob", "d.o.b", "geb", "naissance", "né le", "née le", "naci", "nato", "nata"))
YEAR = Trigger(re.compile(r"(?:1[89]|20)[0-9][0-9]|[/.-][0-9]{1,2}[/.-][0-9]{2}"))
RECORD = Trigger(words=("mrn", "medical record", "patient", "chart"))
PREFIXES = Trigger(
    words=(
        "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxa-", "xoxb-", "xoxp-",
        "xoxr-", "xoxs-", "AIza", "k_live_", "k_test_", "sk-", "SG.", "npm_", "hf_", "eyJ", "earer ", "pypi-",
        "dop_v1_",
    ),
    exact=True,
    reach=400,
)  # fmt: skip
PRIVATE_KEY = Trigger(words=("PRIVATE KEY",), exact=True, reach=8_500)
ASSIGNED = Trigger(re.compile(r"(?:[:=]>?|is)\s{0,3}[\"']?(?=[^\s\"']{0,40}[0-9])[^\s\"']{8}"))

WORD_BEFORE, WORD_AFTER = r"(?<![\w-])(?<![0-9][.,])", r"(?![\w-]|[.,][0-9])"


def _number(pattern: str) -> re.Pattern[str]:
    """A number that is no part of a longer word or number."""
    return re.compile(f"{WORD_BEFORE}(?:{pattern}){WORD_AFTER}")


def _words(pattern: str) -> re.Pattern[str]:
    """Words that begin as the pattern says, in any case."""
    return re.compile(rf"(?i)\b(?:{pattern})")


EMAIL = re.compile(
    r"(?<![\w%+-])[\w%+-]{1,64}(?:[.'][\w%+-]{1,64}){0,8}(?<!\bgit)@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?!\w)"
)
CARD = _number(r"[0-9]{14,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}")
SHORT_CARD = _number(r"[0-9]{12,13}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}")
CARD_WORDS = _words(r"cards?\b|credit|debit|visa\b|master ?card|maestro|amex|cc\b|cvv|karten?|carte|tarjeta|carta\b")
IBAN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    + "|".join(
        rf"(?:{'|'.join(code for code, each in checksums.IBAN_LENGTHS.items() if each == length)})"
        rf"[0-9]{{2}}(?:[ -]?[A-Za-z0-9]){{{length - 4}}}"
        for length in sorted(set(checksums.IBAN_LENGTHS.values()))
    )
    + r")(?![A-Za-z0-9])",
    re.IGNORECASE,
)
BIRTH_DATE = re.compile(
    r"\b(?:birth|born\b|dob\b|d\.o\.b|geb(?:oren|urts|\.)|naissance|née? le|nacid|nacimiento|nat[oa] il)"
    rf"[^\n0-9]{{0,30}}(?P<value>{DATE})",
    re.IGNORECASE,
)
ANY_DATE = re.compile(rf"(?<![\w./-])(?P<value>{DATE})", re.IGNORECASE)
RECORD_NUMBER = re.compile(
    r"(?:\bmrn|\bmedical record|\b(?:patient|chart) (?:id|no|number|nr))"
    r"(?: (?:id|no|number|nr))?\.?(?: is)?[ \t]{0,3}[:#]{0,2}[ \t]{0,3}(?P<value>[A-Z]{0,4}-?[0-9][0-9-]{3,14}[0-9])\b",
    re.IGNORECASE,
)
IPV4 = re.compile(
    r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
    r"(?!\w|\.[0-9]|/(?:[0-9]|[12][0-9]|3[01])(?![0-9]))"
)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
PROVIDER_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?P<value>(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,64}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,250}|AIza[A-Za-z0-9_-]{35}|[srp]k_(?:live|test)_[A-Za-z0-9]{16,250}"
    r"|sk-(?:[a-z]{2,8}-){0,2}[A-Za-z0-9_-]{20,250}|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}"
    r"|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,64}|pypi-[A-Za-z0-9_-]{50,250}|dop_v1_[a-f0-9]{64}"
    r"|eyJ[A-Za-z0-9_-]{8,300}\.eyJ[A-Za-z0-9_-]{8,600}(?:\.[A-Za-z0-9_-]{8,600})?"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/-]{20,600}=*)(?![A-Za-z0-9])"
)
PRIVATE_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,8000}(?:-----END [A-Z0-9 ]{0,60}-----)?"
)
SECRET_ASSIGNED = re.compile(
    r"(?:key|token|secret|passwor[dt]|passwd|passphrase|pwd|credentials?|passwort)[\"']?\s{0,3}(?:[:=]>?|is\b)\s{0,3}"
    r"[\"']?(?P<value>[A-Za-z0-9+/_.~!@#$%^&*-]{8,200}={0,2})",
    re.IGNORECASE,
)


def assigned_secret(text: str) -> Iterator[Finding]:
    """What is given to a name such as `api_key` or `password` and looks drawn at random."""
    for match in SECRET_ASSIGNED.finditer(text):
        if looks_random(match["value"]):
            yield Finding("secret", *match.span("value"), match["value"])


def looks_random(token: str) -> bool:
    """Letters mixed with digits, and at least 3 bits a character, or all that so short a token can have but a little.

    Words have few digits; paths and numbers have few kinds of characters.
    """
    if not (any(map(str.isdigit, token)) and any(map(str.isalpha, token))) or token.count("/") > 2:
        return False
    shares = [times / len(token) for times in Counter(token).values()]
    entropy = -sum(share * math.log2(share) for share in shares)
    return entropy >= min(3.0, math.log2(len(token)) - 0.5)


NUMBERED = re.compile(r"(?i)(?:version|release|section|chapter|clause|ver\.?|sec\.|§)\s?$")


def ip_addresses(text: str, pattern: re.Pattern[str]) -> Iterator[Finding]:
    """Addresses that may be a person's; 4.2.1.3 after "section" is none."""
    for match in pattern.finditer(text):
        before = text[max(0, match.start() - 10) : match.start()]
        if checksums.public_address(match[0]) and not NUMBERED.search(before):
            yield Finding("ip", *match.span(), match[0], checksums.public_address)


def dates(text: str, pattern: re.Pattern[str], kind: Kind) -> Iterator[Finding]:
    """Dates that are in the calendar."""
    for match in pattern.finditer(text):
        if read_date(match["value"]):
            yield Finding(kind, *match.span("value"), match["value"])


def _national(trigger: Trigger, pattern: str, check: Callable[[str], bool], context: str | None = None) -> Pattern:
    """A national number; one whose check is weak needs a word that names it."""
    return Pattern("national_id", trigger, _number(pattern), check, _words(context) if context else None)


DETECTORS: tuple[Detector, ...] = (
    Pattern("secret", PRIVATE_KEY, PRIVATE_KEY_BLOCK),
    Pattern("secret", PREFIXES, PROVIDER_KEY),
    Function("secret", ASSIGNED, assigned_secret),
    Pattern("email", AT, EMAIL),
    Pattern("iban", LETTERS_DIGITS, IBAN, checksums.iban),
    Pattern("card", DIGITS, CARD, checksums.card),
    Pattern("card", DIGITS, SHORT_CARD, checksums.card, CARD_WORDS),
    _national(Trigger(re.compile(r"-[0-9]{2}-[0-9]{4}")), "[0-9]{3}-[0-9]{2}-[0-9]{4}", checksums.us_ssn),
    _national(
        Trigger(words=("ssn", "social security", "soc. sec", "soc sec")),
        "[0-9]{3} ?[0-9]{2} ?[0-9]{4}",
        checksums.us_ssn,
        r"ssn\b|social security|soc\.? sec",
    ),
    _national(
        Trigger(words=("nhs", "health service")),
        "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}",
        checksums.uk_nhs,
        r"nhs\b|health service",
    ),
    _national(
        Trigger(re.compile(r"[0-9](?<=[A-Za-z][A-Za-z ][0-9])[0-9] ?[0-9]{2} ?[0-9]{2} ?[A-Da-d]")),
        "[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Da-d]",
        checksums.uk_nino,
    ),
    _national(DIGITS, "[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", checksums.de_tax_id),
    _national(DIGITS, "[0-9] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", checksums.fr_insee),
    _national(DIGITS, "[0-9]{8}[ -]?[A-Z]|[XYZ][ -]?[0-9]{7}[ -]?[A-Z]", checksums.es_dni),
    _national(
        LETTERS_DIGITS,
        "[A-Za-z]{6}[0-9A-Za-z]{2}[A-Za-z][0-9A-Za-z]{2}[A-Za-z][0-9A-Za-z]{3}[A-Za-z]",
        checksums.it_codice_fiscale,
    ),
    _national(
        Trigger(words=("bsn", "burgerservice", "sofi")),
        "[0-9]{3}[.]?[0-9]{3}[.]?[0-9]{3}|[0-9]{4}[.][0-9]{2}[.][0-9]{3}",
        checksums.nl_bsn,
        r"bsn\b|burgerservice|sofi",
    ),
    _national(Trigger(words=("pesel",)), "[0-9]{11}", checksums.pl_pesel, r"pesel\b"),
    _national(
        Trigger(re.compile(r"\.[0-9]{3}\.[0-9]{3}-")), "[0-9]{3}[.][0-9]{3}[.][0-9]{3}-[0-9]{2}", checksums.br_cpf
    ),
    _national(
        Trigger(words=("SIN", "ocial insurance", "ocial Insurance"), exact=True),
        "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}",
        checksums.ca_sin,
        r"(?-i:SIN)\b|social insurance",
    ),
    Function("ip", DOTTED, partial(ip_addresses, pattern=IPV4)),
    Function("ip", COLONS, partial(ip_addresses, pattern=IPV6)),
    Pattern("record_number", RECORD, RECORD_NUMBER),
    Function("birth_date", BIRTH, partial(dates, pattern=BIRTH_DATE, kind="birth_date")),
    Function("phone", DIGITS, phones),
    Function("date", YEAR, partial(dates, pattern=ANY_DATE, kind="date")),
)
"""In the order in which they are asked; of equally long findings that overlap the first wins."""
