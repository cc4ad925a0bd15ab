"""Numbers that a state, an employer, a hospital or a maker gave to one person or thing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lmworks.data.privacy import checksums
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
    near,
)

BEFORE, AFTER = (
    rf"(?<![{LATIN}-])(?<![{LATIN}]_)(?<![{LATIN}]__)(?<![0-9][.,])",
    rf"(?![{LATIN}-]|_{{1,2}}[{LATIN}]|[.,][0-9])",
)
"""Not inside of a word, a name such as `row_12345678`, or a number; marks around a value, such as `_`, part nothing."""
MANY_DIGITS = Trigger(re.compile(r"[0-9](?:[ \t.()/–-]{0,3}[0-9AB]){9,}"), near_digits=True)
CODES = Trigger(re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])[0-9]"), probe="[A-Za-z]{2}[0-9]{2}", near_digits=True)


def number(pattern: str) -> re.Pattern[str]:
    """A number that is no part of a longer word or number."""
    return re.compile(f"{BEFORE}(?:{pattern}){AFTER}")


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


AND_ANOTHER = re.compile(r"(?:[,;/]|,? (?:and|und|et|y|e|i|or|&))? (?:[A-ZÀ-Þ][^\W\d_]{1,15}:? )?")
"""Between the numbers of a list, where each may have its owner's first name."""

PASSPORT = Trigger(
    needs="[0-9]",
    words=(
        "passport", "ausweis", "dokument", "pass,", "pass.", "pass=", "pass\"", "pass<", "pass#", "pass;",
        "reisepa", "ersatzpa",
        "kinderpa", " pp ", "pp:", "pp#", "pp #", "document n", "d'identité", "passnummer", "passnr",
        "pass-nr", "pass ",
        "pass:", "pass-", "paß", "perso ", "cni", "carte nationale", "titre de voyage", "pp n", "travel doc",
        "doc n", "pässe", "passeport", "pasaporte", "passaporto", "passaporte", "paszport", "paspoort", "ppt no",
        "ppt_no", "reisedokument", "护照", "여권", "パスポート",
    )
)  # fmt: skip
PASSPORT_WORDS = named(
    r"passports?\w*|\w*ausweis\w*|dokument\w*nummer|doc(?:ument)?\.? ?(?:no|number|num|nr|#)|pp(?= ?(?:no|"
    r"num|number|nr|#|:)| [A-Z]?[0-9]{8,9}(?![0-9])| [0-9]{3} [0-9]{3} [0-9]{3}(?![0-9]))|"
    r"(?:carte (?:nationale )?|pièce )d'identité|cni(?:e|s)?|titre de voyage|perso|paß|"
    r"(?:reise|ersatz|kinder|dienst|diplomaten)p[aä]ss\w*|p[aä]ss(?:es?|en)?(?:nummern?|nr)?|pass-nr|passeports?\w*|pasaportes?|"
    r"passaport[oei]\w*|paszport\w*|"
    r"paspoort\w*|ppt|travel doc(?:ument)?s?|reisedokument",
    anywhere="护照|여권|パスポート",
)
_GERMAN_FIRST, _GERMAN = "[CFGHJKLTX]", "[CFGHJKLMNPRTVWXYZ0-9]"
"""Germany leaves out vowels, and letters that look like digits."""
PASSPORT_NUMBER = (
    r"[A-Z]{1,3}[ -]?[0-9]{6,8}[A-Z]?|[0-9]{9}[A-Z]?|[0-9]{2}[ ]?[A-Z]{2}[ ]?[0-9]{5}|[0-9]{8}|[0-9]{12}"
    r"|(?=[A-Z]{0,9}[0-9])[CFGHJKLTX][CFGHJKLMNPRTVWXYZ0-9]{8}[0-9]?D?|[0-9]{3} [0-9]{3} [0-9]{3}|"
    r"[A-Z] ?[0-9]{4} ?[0-9]{4}"
    r"|(?=[a-z]{0,4}[0-9])(?=(?:[a-z]{0,4}[0-9]){3})[cfghjklt][cfghjklmnprtvwxyz0-9]{8}[0-9]?|[0-9]{2}[a-z]{2}[0-9]{5}|[a-z][0-9]{8}"
    rf"|(?=[A-Z ]{{0,10}}[0-9]){_GERMAN_FIRST}{_GERMAN}{{2}}(?P<part>[ -]){_GERMAN}{{3}}(?P=part){_GERMAN}{{3}}(?: ?[0-9])?"  # noqa: E501
    rf"|(?=(?:[a-z ]{{0,8}}[0-9]){{2}}){_GERMAN_FIRST.lower()}{_GERMAN.lower()}{{2}} {_GERMAN.lower()}{{3}} {_GERMAN.lower()}{{3}}"  # noqa: E501
)
MACHINE_READ = Trigger(re.compile("[0-9<][A-Z<]{3}[0-9]{7}[MFX<]"), reach=100, near_digits=True)
MACHINE_READ_LINE = re.compile(
    "(?:[PIAC][A-Z0-9<][A-Z<]{3}[A-Z0-9<]{25,39}\n)?"
    "(?P<value>[A-Z0-9<]{9}[0-9<][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[A-Z0-9<]{8,14}[0-9<]{0,2})(?![A-Z0-9<])"
)
"""The lower line of a passport's machine-readable zone (ICAO 9303, part 4): number, nationality, birth, sex, expiry."""
_NATIONS = (
    "USA|GBR|DEU|D|FRA|ESP|ITA|POL|NLD|BEL|AUT|CHE|PRT|IRL|CAN|AUS|NZL|BRA|MEX|IND|CHN|JPN|KOR|TUR|UKR|SWE|NOR|DNK|FIN"
)
ROW = Trigger(re.compile(rf"[,;|\t] ?(?:{_NATIONS}) ?[,;|\t] ?[A-Z0-9]{{8,10}} ?[,;|\t] ?[0-9]{{2}}"), near_digits=True)
ROW_PASSPORT = re.compile(
    rf"[,;|\t] ?(?:{_NATIONS}) ?[,;|\t] ?(?P<value>(?=[A-Z]{{0,9}}[0-9])[A-Z0-9]{{8,10}}) ?[,;|\t] ?"
    "(?:20[0-9]{2}-[01][0-9]-[0-3][0-9]|[0-3]?[0-9][./][0-3]?[0-9][./](?:20)?[0-9]{2})(?![0-9])"
)
"""A row of travellers: nationality, number, expiry."""
LICENCE = Trigger(
    near_digits=True,
    words=(
        "driv", "licen", "dvla", "photocard", "führerschein", "permis", "carnet de conducir",
        "permiso de conducir", "patente",
        "rijbewijs", "prawo jazdy", "prawa jazdy", "carta de condução", "cnh",
    )
)  # fmt: skip
LICENCE_WORDS = named(
    r"driv(?:er'?s?|ers|ing)[ _]?(?:licen[cs]e|permit|no|number)\w*|licen[cs]e (?:no|number|num)|"
    r"dl(?: no)?|dvla|driver (?:no|number|id)|photocard|führerschein\w*|"
    r"permis(?: de conduire)?|(?:carnet|permiso) de conducir|patente(?: di guida)?|rijbewijs\w*|praw[oa] jazdy|"
    r"carta de condução|cnh"
)
LICENCE_NUMBER = (
    r"(?i:[A-Z9]{5}[ -]?[0-9]{6}[ -]?[A-Z9]{2}[ -]?[A-Z0-9]{3}(?:[ -]?[0-9]{2})?)|"
    r"[A-Z]{1,2}[ -]?[0-9]{3,6}(?:[ -][0-9]{2,5}){0,3}[0-9]{2,8}|(?=[A-Z0-9]{0,9}[0-9]{2})[A-Z0-9]{11}|"
    r"[0-9]{7,12}[A-Z]{0,2}"
)
GB_LICENCE = number(
    r"[A-Z9]{5}[ -]?[0-9][01256][0-9][0-3][0-9][0-9][ -]?[A-Z9]{2}[ -]?[A-Z0-9][ -]?[A-Z]{2}(?:[ -]?[0-9]{2})?"
    r"|[a-z9]{5}[ -]?[0-9][0156][0-9][0-3][0-9][0-9][ -]?[a-z9]{2}[ -]?[0-9][ -]?[a-z]{2}(?:[ -]?[0-9]{2})?"
    r"|[A-Z9]{4} [A-Z9][0-9][0156][0-9] [0-3][0-9]{2}[A-Z9] [A-Z9][0-9A-Z][A-Z]{2}"
)
"""Five letters of the name, the day of birth, initials, and digits of a computer (DVLA)."""

DATELESS = r"(?!(?:1[89]|20)[0-9]{2}[-/.][01]?[0-9][-/.][0-3]?[0-9]|[0-3]?[0-9][/.][0-3]?[0-9][/.][12][0-9]{3})"
RECORD = Trigger(
    near_digits=True,
    words=(
        "mrn", "medical record", "patient", "chart", "hospital", "record number", "record no", "pat.-nr", "pat-nr",
        "patnr", "fallnummer", "fall-nr", "aufnahmenummer", "krankenakte", "dossier", "ipp", "nip ", "historia",
        "nhc", "cartella", "prontuário", "prontuario", "patiënt", "kartoteki", "pacjent", "unit number", "unit no",
        "accession", "ur n", "case notes", "admission", "encounter", "emr", "ehr", "pat.-id", "pat-id",
        "pat.id", "fallnr",
        "krankenbl", "behandlungs", "hospitalisation", "nosologic", "processo", "utente", "historii",
        "chorob", "dossiernummer", "pid|", "hosp. no", "hosp no", "hosp.no", "mr#", "mr #", "mr no", "pt id",
        "pt #", "pt. ", "med rec",
        "health record", "clinic n", "patienten", "fall nr", "fall-id", "akte", "karty",
        "expediente", "n. cartella", "nda ", "iep ", "crn", "uhid", "m.r.n", "medical rec", "kis-", "病历", "病案",
        "住院号",
    )
)  # fmt: skip
RECORD_WORDS = named(
    r"mrn|m\.r\.n\.?|uhid|emr|ehr|crn|mr ?(?:#|no|number)|med(?:ical)?\.? rec(?:ord)?s?\.? ?(?:#|no|num"
    r"|number)?|pt\.?(?: ?(?:id|#|no))|(?:hosp|clinic|health record)\.? ?(?:id|no|number|nr|num|#)|"
    r"expediente (?:clínico|médico)|n\.? ?(?:di )?cartella|numer karty|nr karty|nda|iep|"
    r"(?:patienten|kranken)-?akten?(?:[ -]?(?:nummer|nr))?|patients?(?= ?[:#(]? ?[A-Z]{0,3}-?[0-9]{5})"
    r"|pat\.(?= ?[0-9]{5})|"
    r"medical[ _]record\w*(?:[ _](?:no|number|nr|num|id))?|(?:patient|chart|hospital|unit|"
    r"record)\w{0,2}[ _.-]{0,2}(?:id|no|number|nr|num|#|n°|nº|identifier)"
    r"|(?:ur|case notes|admission|encounter|emr|ehr)[ _.-]{0,2}(?:id|no|number|nr|num|#)|medical rec\.?(?: ?#)?"
    r"|(?:patienten|patient|fall|aufnahme|kranken(?:akten?|blatt)?|behandlungs(?:fall)?|kis"
    r"|akten)[ -]?(?:nummer|nr|id)|pat\.?-?(?:nr|id|no)|"
    r"(?:numéro|n°|no|id)\.? ?(?:de |du |d')?(?:patient|dossier|hospitalisation|séjour)\w*|"
    r"dossier (?:médical|patient)|ipp|nip|"
    r"(?:n[º°.]{0,2} ?(?:de )?)?historia(?: clínica)?|nhc|cartella clinica|(?:numero )?nosologico|"
    r"processo clínico|n[º°.]{1,2} ?(?:de )?utente|"
    r"(?:nr |numer )?historii choroby|dossiernummer|prontuário|prontuario|"
    r"patiëntnummer|nr pacjenta|"
    r"numer pacjenta|accession(?: no| number)?",
    anywhere="病历号|病案号|住院号",
)
RECORD_NUMBER = (
    DATELESS
    + r"(?:[A-Z]{0,4}[-/ ]?[0-9][0-9/.-]{3,14}[0-9A-Z]|[A-Z]{1,3}[0-9]{4,10}|[a-z]{1,3}[0-9]{5,10}|[0-9]{2,4}(?: [0-9]{2,4}){1,3})"  # noqa: E501
)
SEGMENT = form(r"PID\|[^|\n]{0,10}\|[^|\n]{0,40}\|", probe=r"PID\|")
SEGMENT_RECORD = re.compile(
    r"PID\|[^|\n]{0,10}\|[^|\n]{0,40}\|(?P<value>(?=[A-Z-]{0,8}[0-9])[A-Z0-9-]{4,20})(?=[\^|~])"
)
"""The list of a patient's identifiers in a message of HL7, version 2 (PID-3)."""

EUROPEAN_VIN = number(
    "(?:S[A-MU-Z]|T[A-HJ-VX]|U[5-7]|V[A-W]|W[A-Z0-9]|X[A-Z4-9]|Y[A-KS-W]|Z[A-R])[A-HJ-NPR-Z0-9](?=[A-HJ-NPR-Z0-9]{0,9}[A-HJ-NPR-Z])"
    "[A-HJ-NPR-Z0-9]{10}[0-9]{4}"
)
"""Without a check digit: Europe's codes of makers (ISO 3780), and four digits at the end (ISO 3779)."""
VIN = form("[A-HJ-NPR-Z0-9]{17}")
ANY_VIN = form("[A-HJ-NPR-Za-hj-npr-z0-9]{17}", (
        "vin", "chassis", "fin:", "fin ", "fin,", "fin;", "fin_", "fin\"", "fahrgestell", "fahrzeug", "identifi",
        "vehicle", "immatricul", "série", "case e", "bastidor", "telaio", "nadwozi", "voertuig", "véhicule",
        "vehículo", "veicolo",
    ))  # fmt: skip
VIN_NUMBER = number(r"(?=[A-HJ-NPR-Z0-9]{0,15}[0-9]{2})(?=[0-9]{0,16}[A-HJ-NPR-Z])[A-HJ-NPR-Z0-9]{17}")
ANY_CASE_VIN = re.compile(VIN_NUMBER.pattern, re.IGNORECASE)
VIN_WORDS = named(
    r"vin\w*|chassis\w*|frame|fin|fahrgestell\w*|fahrzeug-?ident\w*|identifikation\w*|vehicle\w*|car|"
    r"truck|immatricul\w*|"
    r"(?:n° de )?série(?:_vin)?|case e|bastidor\w*|telaio|nadwozi\w*|voertuig\w*|véhicule|vehículo|"
    r"veicolo|service history"
)
PLATE_WORDS = named(
    r"plates?|number[ _-]?plate|licen[cs]e[ _-]?plate|regist\w*|reg|vrm|vrn|vehicle\w*|car|van|"
    r"kennzeichen\w*|kfz\w*|kz|"
    r"(?:eu-)?kennz|nummernschild\w*|fahrzeug\w*|pkw|lkw|auto|wagen|halter\w*|parke\w*|immat\w*|"
    r"plaques?\w*|véhicule\w*|voiture|"
    r"mot|dashcam|anpr|parking|garage|fahrerflucht|stellplatz|motorrad|bmw|vw|golf|polo|audi|renault|"
    r"twingo|clio|peugeot|citroën|fiat|ford|opel|astra|toyota|tesla|skoda|seat|"
    r"garée?s?|caisse|mercedes|porsche|passat|dacia|hyundai|kia|nissan|mazda|honda|volvo|mini|vauxhall|"
    r"corsa|focus|fiesta|yaris|mégane|kangoo|carte grise|contravention|amende|péage|stationn\w*|moto|"
    r"scooter|camion|fourgon|conducteur|radar|towed|toll|speeding|parked|taxi|lorry|truck|driver|"
    r"strafzettel|bußgeld\w*|blitzer|unfall\w*|tüv|mietwagen|zugelassen|angemeldet|fahrer\w*|fahren|fährt|"
    r"\w*parken|parkt|drove|driving|dvla|v5c?|pcn|index|ulez|clamp\w*|driveway|drive|blocking|hatchback|saloon|estate|lorr\w+|trailer|courier|transit|tow(?:ed|ing)?|"
    r"hit and run|penalty charge|log ?book|hire|fleet|abgeschlepp\w*|geparkt|\w*parker\w*|einfahrt|"
    r"zulassung\w*|wunschkenn\w*|"
    r"werkstatt\w*|inspektion|km(?=[ -]?(?:stand|[0-9]))|kilometerstand|suv|am steuer|gefahren|reifen\w*"
    r"|ölwechsel|leasing|tour|"
    r"tankkarte|parkplatz|parkhaus|tiefgarage|schaden\w*|dienstwagen|firmenwagen|blechschaden|carsharing|maut|"
    r"transporter|anhänger|kombi|lieferwagen|abschlepp\w*|fuhrpark\w*|amtl|fourrière|accident|constat|utilitaire|remorque|flash\w*|"
    r"crit'?air|contrôle technique|camionnette|bagnole|loueur|location|assurance auto|pv|jeep|jaguar|lexus|"
    r"smart|mitsubishi|subaru|"
    r"suzuki|cupra|sprinter|tiguan|touran|caddy|insignia|qashqai|juke|kuga|puma|zoe|duster|sandero|scenic|espace|berlingo|partner"
)
GB_PLATE = r"[A-HJ-PR-Y][A-HJ-PR-Y](?:0[1-9]|[1-2][0-9]|5[1-9]|[67][0-9])[ -]?[A-HJ-PR-Z]{3}"
DE_PLATE = (
    r"[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} [1-9][0-9]{0,3}[EH]?"
    r"|(?:AÖ|BÖ|BÜD|BÜR|BÜS|BÜZ|DÜW|FLÖ|FÜ|FÜS|GÖ|HÖS|JÜL|KÖN|KÖT|KÖZ|KÜN|LÖ|LÖB|LÜN|MÜ|MÜB|MÜL|MÜN|MÜR|NÖ|PLÖ|RÜD|RÜG|"
    r"SÄK|SLÜ|SÖM|SÜW|TÖL|TÜ|ÜB|WÜ|WÜM|ZÜ)(?: ?[:·–-] ?| )[A-Z]{1,2}[ -]?[1-9][0-9]{1,3}[EH]?"
)
"""With a hyphen, or of a district whose letters stand in no other word."""
FR_PLATE = r"(?!SS|WW)[A-HJ-NP-TV-Z]{2}(?P<fr>[ -])[0-9]{3}(?P=fr)(?!SS)[A-HJ-NP-TV-Z]{2}"
ANY_PLATE = (
    r"[A-Z]{2}[ -]?[0-9]{2}[ -]?[A-Z]{3}|[A-Z]{2}[ -]?[0-9]{3}[ -]?[A-Z]{2}|"
    r"(?!(?:a[nst]|b[ey]|d[eou]|go|i[fnst]|l[ae]|m[ey]|no|o[fnr]|s[eio]|t[ou]|up|us|"
    r"we) )[a-z]{2}(?:[ -]?(?:[0-2][0-9]|[5-7][0-9])[ -]?[a-z]{3}"
    r"|[ -]?[0-9]{3}[ -]?[a-z]{2})|(?i:"
    r"[A-Z][0-9]{2,3}[ -]?[A-Z]{3}|[A-Z]{3}[ -]?[0-9]{2,3}[ -]?[A-Z])"
    r"|[0-9]{1,4} ?[A-Z]{2,3} ?[0-9]{2}|[A-ZÄÖÜ]{1,3}(?: [:·–-] |[ :·–-]{1,2})[A-Z]{1,2}[ ·-]?[1-9][0-9]{1,3}[EH]?"
    r"|[a-zäöü]{1,3} ?- ?[a-z]{1,2}[ -]?[1-9][0-9]{1,3}[eh]?"
)
PLATES = form(
    r"[0-9](?:(?<=[A-ZÄÖÜ][0-9])[0-9]|(?<=[A-ZÄÖÜ][ -][0-9])[0-9]|(?<=[a-z][0-9])[0-9]{1,2}[ -]?[a-z]{2}|"
    r"(?<=[a-z][ -][0-9])[0-9]{1,2}[ -]?[a-z]{2,3}(?![a-z])|(?<=-[a-z][ -][0-9])[0-9]|(?<=-[a-z]{2}[ -][0-9])[0-9])",
    (
        "plate", "caisse", "regist", "reg ", "reg:", "vrm", "vrn", "vehicle", "kennz", "kfz", "kz", "nummernschild",
        "fahrzeug", "pkw", "lkw", "auto ", "auto,", "wagen", "halter", "parke", "parking", "garé", "immat",
        "plaque", "véhicule", "voiture", "dashcam", "anpr", "fahrerflucht", "stellplatz", "motorrad", "van ",
        "car ", "golf", "polo", "audi", "bmw", "renault", "twingo", "clio", "peugeot", "citroën", "fahren", "fährt",
        "parkt", "drove", "fiat", "ford", "opel", "astra", "toyota", "tesla", "skoda", "seat ", "mercedes",
        "porsche", "passat", "dacia", "hyundai", "nissan", "mazda", "honda", "volvo", "mini ", "vauxhall", "corsa",
        "focus", "fiesta", "yaris", "mégane", "kangoo", "carte grise", "contravention", "amende", "péage",
        "stationn", "moto", "scooter", "camion", "fourgon", "conducteur", "radar", "towed", "toll", "speeding",
        "parked", "taxi", "lorry", "truck", "driver", "strafzettel", "bußgeld", "blitzer", "unfall", "tüv",
        "mietwagen", "zugelassen", "angemeldet", "dvla", "v5", "pcn", "index", "ulez", "clamp", "driveway",
        "your drive", "my drive", "blocking",
        "hatchback", "saloon", "estate", "lorr", "trailer", "courier", "transit", "tow", "hit and run",
        "penalty charge",
        "logbook", "log book", "hire ", "fleet", "abgeschlepp", "geparkt", "parker", "einfahrt", "zulassung",
        "wunschkenn",
        "transporter", "anhänger", "kombi", "lieferwagen", "abschlepp", "fuhrpark", "amtl", "fourri",
        "accident", "constat",
        "utilitaire", "remorque", "flash", "crit", "contrôle", "bagnole", "loueur", "location", "assurance auto", "pv ",
        "jeep", "jaguar", "lexus", "smart", "mitsubishi", "subaru", "suzuki", "cupra", "sprinter", "tiguan", "touran",
        "caddy", "insignia", "qashqai", "juke", "kuga", "puma", "zoe", "duster", "sandero", "scenic",
        "espace", "berlingo",
        "partner", "fahrer", "werkstatt", "inspektion", "km ", "kilometerst", "suv", "am steuer", "gefahren",
        "reifen", "ölwechsel",
        "leasing", "tour ", "tankkarte", "parkplatz", "parkhaus", "tiefgarage", "schaden", "carsharing", "maut",
    ),
    "[A-Za-zÄÖÜäöü][ -]?[0-9]{2}",
)  # fmt: skip
STANDING_PLATES = Trigger(
    re.compile(
        "[A-Z]{2}[0-9]{2} ?[A-Z]{3}|[A-Z]{2} [0-9]{3} [A-Z]{2}|[A-ZÄÖÜ]-[A-Z]{1,2} [0-9]{1,4}|"
        "[ÄÖÜ][A-Z]{0,2} ?[ :·–-] ?[A-Z]{1,2}[ -]?[0-9]{2}|"
        "[A-Z]{2}-[0-9]{3}-[A-Z]{2}"
    ),
    needs="[0-9]",
)
IMEI = Trigger(MANY_DIGITS.pattern, near_digits=True, words=(
        "imei", "handset", "device", "phone", "handy", "mobil", "telefon", "téléphone", "teléfono", "terminal",
        "carrier", "cellular", "serial", "locked", "stolen",
    ))  # fmt: skip
IMEI_WORDS = named(
    r"\w*imei\w*|handsets?|devices?|\w*phones?|handys?|mobil\w*|telefon\w*|téléphone\w*|teléfono\w*|terminal|carrier|"
    r"geräte?\w*|locked|stolen"
)
STANDING_IMEI = number(
    "(?:35|86|01)[0-9]{13}|(?:35|86|01)[ -]?[0-9]{6}[ -][0-9]{6}[ -][0-9]|(?:35|86|"
    "01)[0-9]{4}[ -][0-9]{2}[ -][0-9]{6}[ -][0-9]"
)
IMEI_NUMBER = number(
    r"[0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{6}[ -/]?[0-9]{1,2}|"
    r"[0-9]{6}[ -]?[0-9]{2}[ -]?[0-9]{6}[ -/]?[0-9]{1,2}|[0-9]{15,16}"
)


def european_vins(text: str) -> Iterator[Finding]:
    """Vehicles' numbers without North America's check digit, near a word that says so."""
    for match in ANY_CASE_VIN.finditer(text):
        if near(VIN_WORDS, text, *match.span()):
            yield Finding("vehicle", *match.span(), match[0])


NUMBERS: tuple[Detector, ...] = (
    *NATIONAL,
    Function("national_id", ID_TRIGGER, labelled_ids),
    Function("passport", PASSPORT, Labelled("passport", PASSPORT_WORDS, PASSPORT_NUMBER, 60)),
    Pattern("passport", MACHINE_READ, MACHINE_READ_LINE),
    Pattern("passport", ROW, ROW_PASSPORT),
    Pattern(
        "driving_licence",
        form("[A-Za-z9]{3}[ -]?[0-9]{6}[ -]?[A-Za-z9]{2}|[A-Z9]{3} [A-Z9][0-9]{3} [0-9]{3}[A-Z9] "),
        GB_LICENCE,
    ),
    Function("driving_licence", LICENCE, Labelled("driving_licence", LICENCE_WORDS, LICENCE_NUMBER, 25)),
    Pattern("vehicle", VIN, VIN_NUMBER, checksums.vin),
    Pattern("vehicle", VIN, EUROPEAN_VIN),
    Function("vehicle", ANY_VIN, european_vins),
    Pattern("vehicle", STANDING_PLATES, number(f"{GB_PLATE}|{DE_PLATE}|{FR_PLATE}")),
    Pattern("vehicle", PLATES, number(ANY_PLATE), context=PLATE_WORDS),
    Pattern("imei", MANY_DIGITS, STANDING_IMEI, checksums.imei),
    Pattern("imei", IMEI, IMEI_NUMBER, checksums.imei, IMEI_WORDS),
    Pattern("record_number", SEGMENT, SEGMENT_RECORD),
    Function("record_number", RECORD, Labelled("record_number", RECORD_WORDS, RECORD_NUMBER, 24)),
)
"""In the order in which they are asked."""
