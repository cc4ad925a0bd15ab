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
from lmworks.data.privacy.dates import COMPACT, DATE, read_date
from lmworks.data.privacy.findings import DIGITS, Detector, Finding, Function, Kind, Pattern, Trigger
from lmworks.data.privacy.phones import phones

AT = Trigger(re.compile(r"@(?<=\w@)[\w-]"))
LETTERS_DIGITS = Trigger(re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9]"))
DOTTED = Trigger(re.compile(r"\.[0-9]{1,3}\.[0-9]"))
COLONS = Trigger(re.compile(r":[0-9A-Fa-f]{0,4}:"))
BIRTH = Trigger(
    words=("birth", "born", "dob", "d.o.b", "geb", "naissance", "né le", "née le", "naci", "nato", "nata", "(b.")
)
YEAR = Trigger(re.compile(r"(?:1[89]|20)[0-9][0-9]|[/.-][0-9]{1,2}[/.-][0-9]{2}"))
NAMES_OF_IDS = Trigger(
    words=(
        "ssn", "social sec", "soc. sec", "soc sec", "national i", "nino", "nhs", "passport", "driver", "driving lic",
        "dni", "nie", "nif", "codice fisc", "bsn", "burgerserv", "pesel", "cpf", "social insu", "personnummer",
        "aadhaar", "insee", "curp", "nric", "steuer", "identi", "id card", "tax", "health service", "sofi",
    )
)  # fmt: skip
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
SECRETS = Trigger(words=("key", "token", "secret", "passw", "passphrase", "pwd", "credential"))

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
CARD = _number(r"[0-9]{14,19}|[0-9]{4}([ .-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}")
LONG_CARD = _number(r"[0-9]{4}([ .-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}\1[0-9]{3}")
SHORT_CARD = _number(r"[0-9]{12,13}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}")
CARD_WORDS = _words(r"cards?\b|credit|debit|visa\b|master ?card|maestro|amex|cc\b|cvv|karten?|carte|tarjeta|carta\b")
IBAN = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-Za-z]{2}[0-9]{2})(?:"
    + "|".join(
        rf"(?:{'|'.join(code for code, each in checksums.IBAN_LENGTHS.items() if each == length)})"
        rf"[0-9]{{2}}(?:[ -]?[A-Za-z0-9]){{{length - 4}}}"
        for length in sorted(set(checksums.IBAN_LENGTHS.values()))
    )
    + r")(?![A-Za-z0-9])",
    re.IGNORECASE,
)
ODD_IBAN = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(checksums.IBAN_LENGTHS)})[0-9]{{2}}"
    r"(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?![A-Za-z0-9])"
)
BIRTH_DATE = re.compile(
    r"(?:birth|\bborn\b|\bdob\b|\bd\.o\.b|\bgeb(?:oren|urts|\.)|\bnaissance|\bnée? le|\bnacid|\bnacimiento|\bnat[oa] il"
    rf"|\(b\. ?(?=[0-9a-z]))[^\n0-9]{{0,30}}(?P<value>{DATE}|{COMPACT})",
    re.IGNORECASE,
)
DATE_OF_BIRTH = re.compile(
    rf"(?<![\w./-])(?P<value>{DATE})[ ,]{{0,2}}\(?(?:\w{{2,8}} ){{0,3}}(?:date of birth|birth ?da(?:y|te)|dob\b)",
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
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?!\w|:[\w:])")
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
    r"(?:key|token|secret|passwor[dt]|passwd|passphrase|pwd|credentials?|passwort)[\"']?"
    r"(?:\s{0,3}(?:[:=]>?|is\b)\s{0,3}[\"']?(?P<value>[A-Za-z0-9+/_.~!@#$%^&*-]{8,200}={0,2})"
    r"|\s[\"']?(?P<beside>[A-Za-z0-9+/_-]{16,200}={0,2})(?![\w(]))",
    re.IGNORECASE,
)


def assigned_secret(text: str) -> Iterator[Finding]:
    """What is given to a name such as `api_key` or `password`, or stands beside it, and looks drawn at random."""
    for match in SECRET_ASSIGNED.finditer(text):
        group = "value" if match["value"] else "beside"
        if looks_random(match[group]):
            yield Finding("secret", *match.span(group), match[group])


CONSONANTS = re.compile("[bcdfghjklmnpqrstvwxz]{6}|[BCDFGHJKLMNPQRSTVWXZ]{6}")


def looks_random(token: str) -> bool:
    """Letters mixed with digits, and at least 3 bits a character, or all that so short a token can have but a little.

    Words have few digits; paths and numbers have few kinds of characters. Letters alone are random where words have
    vowels: the longest runs of English without one are of five letters ("lengths").
    """
    if len(token) >= 16 and token.isalpha() and token.isascii():
        return CONSONANTS.search(token) is not None
    if not (any(map(str.isdigit, token)) and any(map(str.isalpha, token))) or token.count("/") > 2:
        return False
    shares = [times / len(token) for times in Counter(token).values()]
    entropy = -sum(share * math.log2(share) for share in shares)
    return entropy >= min(3.0, math.log2(len(token)) - 0.75)


LABELLED = re.compile(
    r"\b(?:(?:ssn|social security|soc\.? sec\.?|national insurance|nino|nhs|passport|driv(?:er'?s?|ing) licen[cs]e|dni"
    r"|nie|nif|codice fiscale|bsn|burgerservicenummer|pesel|cpf|social insurance|personnummer|aadhaar|insee|curp|nric"
    r"|steuer-?id|steuernummer)(?: card)?|(?:national id|identity|id card|identification|tax(?:payer)?(?: file| id)?)"
    r"(?=(?: card)?(?: (?:no|nr|num|number)\b|[ \"]{0,2}[:=]| id\b| [0-9])))"
    r"(?: (?:no|nr|num|number|id)\b)?\.?(?: (?:is|was))?[\"']?[ \t]{0,2}[:=#]?[ \t\"']{0,3}"
    r"(?P<value>(?-i:[A-Z]{0,2}) ?[0-9](?:[ .-]?[0-9]){5,13}(?: ?(?-i:[A-Z]))?)(?!\w|-[0-9])",
    re.IGNORECASE,
)
YEARS = re.compile(r"(?:1[89]|20)[0-9]{2}[ -](?:1[89]|20)[0-9]{2}$")


def labelled_ids(text: str) -> Iterator[Finding]:
    """Numbers right behind the name of a personal number, whether or not their check fits: a slip is no disguise."""
    for match in LABELLED.finditer(text):
        if not YEARS.match(match["value"]):
            yield Finding("national_id", *match.span("value"), match["value"])


NUMBERED = re.compile(r"(?i)(?:version|release|section|chapter|clause|ver\.?|sec\.|§)\s?$")


def ip_addresses(text: str, pattern: re.Pattern[str]) -> Iterator[Finding]:
    """Addresses that may be a person's; 4.2.1.3 after "section" is none."""
    for match in pattern.finditer(text):
        before = text[max(0, match.start() - 10) : match.start()]
        value = match[0] if match[0].endswith("::") else match[0].removesuffix(":")
        if checksums.public_address(value) and not NUMBERED.search(before):
            yield Finding("ip", match.start(), match.start() + len(value), value, checksums.public_address)


def dates(text: str, pattern: re.Pattern[str], kind: Kind) -> Iterator[Finding]:
    """Dates that are in the calendar; of birth, a slip of the pen such as 31 June as well."""
    for match in pattern.finditer(text):
        if kind == "birth_date" or read_date(match["value"]):
            yield Finding(kind, *match.span("value"), match["value"])


def _national(trigger: Trigger, pattern: str, check: Callable[[str], bool], context: str | None = None) -> Pattern:
    """A national number; one whose check is weak needs a word that names it."""
    return Pattern("national_id", trigger, _number(pattern), check, _words(context) if context else None)


DETECTORS: tuple[Detector, ...] = (
    Pattern("secret", PRIVATE_KEY, PRIVATE_KEY_BLOCK),
    Pattern("secret", PREFIXES, PROVIDER_KEY),
    Function("secret", SECRETS, assigned_secret),
    Pattern("email", AT, EMAIL),
    Pattern("iban", LETTERS_DIGITS, IBAN, checksums.iban),
    Pattern("iban", LETTERS_DIGITS, ODD_IBAN, checksums.any_iban),
    Pattern("card", DIGITS, CARD, checksums.card),
    Pattern("card", DIGITS, LONG_CARD, checksums.card),
    Pattern("card", DIGITS, SHORT_CARD, checksums.card, CARD_WORDS),
    _national(Trigger(re.compile(r"-[0-9]{2}-[0-9]{4}")), "[0-9]{3}-[0-9]{2}-[0-9]{4}", checksums.us_ssn),
    _national(
        NAMES_OF_IDS,
        "[0-9]{3} ?[0-9]{2} ?[0-9]{4}",
        checksums.us_ssn,
        r"ssn\b|social security|soc\.? sec",
    ),
    _national(
        NAMES_OF_IDS,
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
        NAMES_OF_IDS,
        "[0-9]{3}[.]?[0-9]{3}[.]?[0-9]{3}|[0-9]{4}[.][0-9]{2}[.][0-9]{3}",
        checksums.nl_bsn,
        r"bsn\b|burgerservice|sofi",
    ),
    _national(NAMES_OF_IDS, "[0-9]{11}", checksums.pl_pesel, r"pesel\b"),
    _national(
        Trigger(re.compile(r"\.[0-9]{3}\.[0-9]{3}-")), "[0-9]{3}[.][0-9]{3}[.][0-9]{3}-[0-9]{2}", checksums.br_cpf
    ),
    _national(
        Trigger(words=("SIN", "ocial insurance", "ocial Insurance"), exact=True),
        "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}",
        checksums.ca_sin,
        r"(?-i:SIN)\b|social insurance",
    ),
    Function("national_id", NAMES_OF_IDS, labelled_ids),
    Function("ip", DOTTED, partial(ip_addresses, pattern=IPV4)),
    Function("ip", COLONS, partial(ip_addresses, pattern=IPV6)),
    Pattern("record_number", RECORD, RECORD_NUMBER),
    Function("birth_date", BIRTH, partial(dates, pattern=BIRTH_DATE, kind="birth_date")),
    Function("birth_date", BIRTH, partial(dates, pattern=DATE_OF_BIRTH, kind="birth_date")),
    Function("phone", DIGITS, phones),
    Function("date", YEAR, partial(dates, pattern=ANY_DATE, kind="date")),
)
"""In the order in which they are asked; of equally long findings that overlap the first wins."""
