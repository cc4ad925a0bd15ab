"""Numbers that a state, an employer, a hospital or a maker gave to one person or thing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lmworks.data.privacy.alternatives import alternatives
from lmworks.data.privacy.findings import (
    DIGITS,
    LATIN,
    Detector,
    Finding,
    Function,
    Kind,
    Pattern,
    Trigger,
    named,
)
from lmworks.data.privacy.kinds import checksums

BEFORE, AFTER = (
    rf"(?<![{LATIN}-])(?<![{LATIN}]_)(?<![{LATIN}]__)(?<![0-9][.,])",
    rf"(?![{LATIN}-]|_{{1,2}}[{LATIN}]|[.,][0-9])",
)
BEHIND = rf"(?<![{LATIN}-].)(?<![{LATIN}]_.)(?<![{LATIN}]__.)(?<![0-9][.,].)"
"""Not inside of a word, a name such as `row_12345678`, or a number; marks around a value, such as `_`, part nothing."""
MANY_DIGITS = Trigger(re.compile(r"[0-9](?:[ \t.()/–-]{0,3}[0-9AB]){9,}"), near_digits=True)
CODES = Trigger(re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9]"), probe="[A-Za-z]{2}[0-9]{2}", near_digits=True)


_DIGIT = re.compile(r"\[[0-9-]+\](?![?*{])|\[[0-9-]+\](?=\{[1-9])|[0-9](?![?*{])|\(\?:[0-9|]+\)(?![?*{])")
_GROUP = re.compile(r"(?<!\\)\((?!\?)|\(\?P")
"""What would be counted otherwise, or may not stand in a lookbehind."""


def number(pattern: str) -> re.Pattern[str]:
    """A number that is no part of a longer word or number; where it begins with a digit its group `value`.

    That digit comes first, since nothing else is looked for as fast, and then is looked at once more.
    """
    if _GROUP.search(pattern) or not all(map(_DIGIT.match, alternatives(pattern))):
        return re.compile(f"{BEFORE}(?:{pattern}){AFTER}")
    return re.compile(f"[0-9]{BEHIND}(?<=(?=(?P<value>{pattern}){AFTER}).)")


def beside(words: tuple[str, ...]) -> Trigger:
    """Runs of digits in a text that has one of the words."""
    return Trigger(DIGITS.pattern, words, near_digits=True)


def form(pattern: str, words: tuple[str, ...] = (), probe: str = "") -> Trigger:
    """A form that few other things have."""
    return Trigger(re.compile(pattern), words, probe=probe, near_digits=True)


def national(
    trigger: Trigger, pattern: str, check: Callable[[str], bool], context: re.Pattern[str] | None = None
) -> Pattern:
    """A national number; one whose check is weak needs a word that names it."""
    return Pattern("national_id", trigger, number(pattern), check, context)


POLISH = "[ąęłńśźżĄĘŁŃŚŹŻ]"
PORTUGUESE = (
    r"(?<![^\W_])(?i:não|para|com|uma?|seu|meu|minha|cliente|titular|nota|pix|aluno|contribuinte|"
    r"cadastro)(?![^\W_])|[ãõç]"
)
HANGUL, HAN = "[가-힣]", "[\u4e00-\u9fff]"
US_WORDS = named(
    r"ssn|ss|ss[# ]?(?:no|number|n)?|w-?[249]|1099|soc(?:ial)?\.? ?[_-]?sec(?:urity)?|socials?|tin|itin"
    r"|taxpayer|tax id\w*"
)
NATIONAL: tuple[Pattern, ...] = (
    national(form("-[0-9]{2}-[0-9]{4}"), "[0-9]{3}-[0-9]{2}-[0-9]{4}", checksums.us_ssn),
    national(
        form(r"\| ?[0-9]{2} ?\| ?[0-9]{4}"),
        r"[0-9]{3} ?\| ?[0-9]{2} ?\| ?[0-9]{4}",
        checksums.us_ssn,
        US_WORDS,
    ),
    national(
        beside(("ssn", "soc", "ss no", "ss#", "ss ", "tin", "tax", "w-2", "1099")),
        "[0-9]{3}[ .–]?[0-9]{2}[ .–]?[0-9]{4}",
        checksums.us_ssn,
        US_WORDS,
    ),
    national(
        beside(("nhs", "health service", "gp ", "patient", "clinic", "surgery")),
        "[0-9]{3}[ .-]?[0-9]{3}[ .-]?[0-9]{4}",
        checksums.uk_nhs,
        named(r"nhs\w*|health service|patients?|gp|clinic|surgery|summary care"),
    ),
    national(
        form("[A-Za-z][ -]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?[A-Da-d]"),
        "[A-Za-z]{2}[ -]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?[A-Da-d]",
        checksums.uk_nino,
    ),
    national(MANY_DIGITS, "[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}", checksums.de_tax_id),
    national(
        beside(
            (
                "steuer",
                "idnr",
                "id-nr",
                "identifikation",
                "tax id",
                "stid",
                "st-id",
                "tin",
                "finanzamt",
                "stkl",
                "st.kl",
                "lohn",
            )
        ),
        "[0-9](?:[ ./-]{0,2}[0-9]){10}",
        checksums.de_tax_id,
        named(r"\w*steuer\w*|st-?id|st\.?-?kl|lohn\w*|id-?nr|identifikation\w*|tax\w*|tin|finanzamt"),
    ),
    national(
        form(r"[0-9]{2}[ ./-]?[A-Za-z][ ./-]?[0-9]{2} ?[0-9]"),
        "[0-9]{2}[ ./-]?(?:[0-9]{6}|[0-9]{2} [0-9]{2} [0-9]{2})[ ./-]?[A-Za-z][ ./-]?(?:[0-9]{3}|[0-9]{2} [0-9])",
        checksums.de_pension,
    ),
    national(
        MANY_DIGITS,
        "[0-9][ .-]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?[0-9][0-9ABab][ .-]?[0-9]{3}[ .-]?[0-9]{3}[ ./-]{0,3}(?:clé "
        "?)?[0-9]{2}",
        checksums.fr_insee,
    ),
    national(
        beside(("sécu", "secu", "nir", "insee", "vitale", "assur", "n° ss", "immatriculation", "caf", "cpam", "ameli")),
        "[12][ .-]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?[0-9][0-9ABab][ .-]?[0-9]{3}[ .-]?[0-9]{3}",
        checksums.fr_insee_short,
        named(r"sécu\w*|secu\w*|nir|insee|vitale|assur\w*|n° ss|immatriculation|caf|cpam|ameli"),
    ),
    national(
        form("[0-9]{3}[ .]?[0-9]{3}[ .-]{0,2}[A-Za-z]"),
        r"[0-9]{2}(?P<dot>[. ]?)[0-9]{3}(?P=dot)[0-9]{3}[ .-]{0,2}[A-Za-z]|"
        r"[XYZxyz][ .-]?[0-9](?P<stop>[. ]?)[0-9]{3}(?P=stop)[0-9]{3}[ .-]{0,2}[A-Za-z]",
        checksums.es_dni,
    ),
    national(
        form("[A-Za-z] ?[0-9L-V]{2} ?[A-EHLMPR-Ta-ehlmpr-t] ?[0-9L-V]{2} ?[A-Za-z] ?[0-9L-V]{3} ?[A-Za-z]"),
        "(?=[0-9A-Za-z ]{0,20}[0-9] ?[0-9])"
        "[A-Za-z]{3} ?[A-Za-z]{3} ?[0-9A-Za-z]{2} ?[A-Za-z] ?[0-9A-Za-z]{2} ?[A-Za-z] ?[0-9A-Za-z]{3} ?[A-Za-z]",
        checksums.it_codice_fiscale,
    ),
    national(
        beside(("bsn", "burgerservice", "sofi", "persoonsnummer", "cliëntnummer")),
        "[0-9]{3}[. -]?[0-9]{3}[. -]?[0-9]{3}|[0-9]{4}[. -][0-9]{2}[. -][0-9]{3}",
        checksums.nl_bsn,
        named(r"bsn\w*|burgerservice\w*|sofi\w*|persoonsnummer"),
    ),
    national(
        MANY_DIGITS,
        "[0-9]{6}[ -]?[0-9]{5}",
        checksums.pl_pesel,
        re.compile(
            rf"(?i:pesel|ewu|dziec\w+|pacjent|klient|nazwisk|imi[eę]\b|urodz|zamieszk|ucze[nń]|pracownik"
            rf"|kl\. ?[0-9])|{POLISH}"
        ),
    ),
    national(form("756[ .-]?[0-9]{4}"), r"756[ .-]?[0-9]{4}[ .-]?[0-9]{4}[ .-]?[0-9]{2}", checksums.ch_ahv),
    national(
        form("[0-9]{3}[.][0-9]{3}[.][0-9]{3}[-/. ]?[0-9]{2}|[0-9]{9}-[0-9]{2}"),
        "[0-9]{3}[.][0-9]{3}[.][0-9]{3}[-/. ][0-9]{2}|[0-9]{9}-[0-9]{2}",
        checksums.br_cpf,
    ),
    national(
        MANY_DIGITS,
        "[0-9]{3}[. -]?[0-9]{3}[. -]?[0-9]{3}[. /-]?[0-9]{2}",
        checksums.br_cpf,
        re.compile(f"(?i:cpf|pessoa física)|{PORTUGUESE}"),
    ),
    national(MANY_DIGITS, "[0-9]{6}[ -]?[0-9]{8}[ -]?[0-9]{3}[0-9Xx]", checksums.cn_resident_id),
    national(
        MANY_DIGITS,
        "[0-9]{2}[0-9]{4}-[0-9]{7}",
        checksums.kr_rrn,
    ),
    national(
        MANY_DIGITS,
        "[0-9]{6}[ -]?[0-9]{7}",
        checksums.kr_rrn,
        re.compile(rf"(?i:resident registration|rrn\b)|{HANGUL}"),
    ),
    national(
        beside(("aadhaar", "aadhar", "adhaar", "adhar", "uid", "kyc", "आधार")),
        "[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}",
        checksums.in_aadhaar,
        named(r"aadhaar\w*|aadhar\w*|adhaar\w*|adhar\w*|uid(?:ai)?|e-?kyc|kyc", anywhere="आधार"),
    ),
    national(
        form("[A-Z]{5}[0-9]{4}[A-Z]|[a-z]{5}[0-9]{4}[a-z]"),
        "[A-Z]{5}[0-9]{4}[A-Z]|[a-z]{5}[0-9]{4}[a-z]",
        checksums.in_pan,
    ),
    national(form("[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}"), "[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[A-Z0-9][0-9]", checksums.mx_curp),
    national(
        Trigger(DIGITS.pattern, words=("SIN", "ocial insurance", "ocial Insurance"), exact=True, near_digits=True),
        "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}",
        checksums.ca_sin,
        re.compile(r"\bSIN\b|(?i:social insurance)"),
    ),
)

ID_TRIGGER = Trigger(
    near_digits=True,
    words=(
        "ssn", "social sec", "soc. sec", "soc sec", "national i", "nat. ins", "nat_ins", "nino", "nhs", "dni",
        "nie", "nif", "codice fisc", "bsn", "burgerserv", "pesel", "cpf", "social insu", "personnummer", "aadhaar",
        "adhaar", "insee", "curp", "nric", "steuer", "sozialvers", "rentenvers", "versicherungsn", "vsnr", "sécu",
        "identi", "id card", "tax", "health service", "sofi", "ahv", "avs", "身份证", "证件号", "주민",
    )
)  # fmt: skip
LABELLED = re.compile(
    r"(?<![^\W_])(?:(?:ssn|social[ _]security|soc\.?[ _]sec\.?|national[ _]insurance|nat\.?[ _]ins\.?|"
    r"nino|nhs|dni|nie|nif"
    r"|codice[ _]fiscale|bsn|burgerservicenummer|pesel|cpf|social insurance|personnummer|aadhaar|adhaar|"
    r"insee|curp|nric"
    r"|steuer-?id(?:nr)?|steuernummer|sozialversicherungsnummer|sv-nummer|rentenversicherungsnummer|vsnr"
    r"|(?:numéro de |n° de )?sécurité sociale|ahv|avs)(?: card)?"
    r"|(?:national[ _]id|identity|id card|identification|tax(?:payer)?(?: file| id)?)"
    r"(?=(?: card)?(?: (?:no|nr|num|number)\b|[ \"]{0,2}[:=]| id\b| [0-9])))"
    r"(?:[ _-]?(?:no|nr|num|number|id|nº|n°|#)(?![^\W_]))?\.?(?: (?:is|was|ist|lautet|est|es|é|"
    r"è))?[\"']?[ \t]{0,2}[:=#]?[ \t\"']{0,3}"
    r"(?P<value>(?-i:[A-Z]{0,2}) ?[0-9](?:[ .-]?[0-9]){5,13}(?: ?(?-i:[A-Z]))?)(?!\w|-[0-9])"
    r"|(?:身份证号?码?|证件号码?|公民身份号码|주민등록번호|주민번호)[^0-9\n]{0,8}(?P<other>[0-9]{6}-?[0-9]{7,11}[0-9Xx]?)",
    re.IGNORECASE,
)
YEARS = re.compile(r"(?:1[89]|20)[0-9]{2}[ -](?:1[89]|20)[0-9]{2}$")


def labelled_ids(text: str) -> Iterator[Finding]:
    """Numbers right behind the name of a personal number, whether or not their check fits: a slip is no disguise."""
    for match in LABELLED.finditer(text):
        group = "value" if match["value"] else "other"
        if not YEARS.match(match[group]):
            yield Finding("national_id", *match.span(group), match[group])


class Labelled:
    """Numbers without a check of their own, right behind or before words that say what they are.

    Between them may stand so many characters that are no digits; `value` must have digits.
    """

    def __init__(self, kind: Kind, words: re.Pattern[str], value: str, between: int = 40, after: int = 22) -> None:
        self.kind, self.words, self.between, self.after = kind, words, between, after
        self.value = number(f"(?! )(?=[^0-9\n]{{0,14}}[0-9])(?:{value})")

    def __call__(self, text: str) -> Iterator[Finding]:
        for word in self.words.finditer(text):
            place = word.end()
            behind = self.value.search(text, place, min(len(text), place + self.between + 40))
            if (
                behind
                and behind.start() - place <= self.between
                and not re.search("[0-9]{5}", text[place : behind.start()])
            ):
                yield Finding(self.kind, *behind.span(), behind[0])
                end = behind.end()
                while (more := AND_ANOTHER.match(text, end)) and (other := self.value.match(text, more.end())):
                    yield Finding(self.kind, *other.span(), other[0])
                    end = other.end()
                continue
            start = max(0, word.start() - self.after - 30)
            for before in self.value.finditer(text, start, word.start()):
                gap = text[before.end() : word.start()]
                if len(gap) <= self.after and not re.search("[0-9\n;]", gap):
                    yield Finding(self.kind, *before.span(), before[0])


AND_ANOTHER = re.compile(
    r"(?:[,;/]|,? (?:and|und|et|y|e|i|or|&))? (?:(?:the |my |der |die )?(?:new|old|other|neuer?|alter?)(?: one)?:? "
    r"|[A-ZÀ-Þ][^\W\d_]{1,15}:? )?"
)
"""Between the numbers of a list, where each may have its owner's first name."""

NATIONAL_IDS: tuple[Detector, ...] = (
    *NATIONAL,
    Function("national_id", ID_TRIGGER, labelled_ids),
)
"""In the order in which they are asked."""
