"""Detectors of the numbers of papers: passports, driving licences, and records of patients."""

from __future__ import annotations

import re

from lmworks.data.privacy.findings import (
    Detector,
    Function,
    Pattern,
    Trigger,
    named,
)
from lmworks.data.privacy.kinds.identities import Labelled, form, number

PASSPORT = Trigger(
    needs=("[0-9]",),
    words=(
        "passport", "pass port", "pass-port", "ausweis", "dokument", "pass,", "pass.", "pass=", "pass\"", "pass<",
        "pass#", "pass;",
        "reisepa", "ersatzpa",
        "kinderpa", " pp ", "pp:", "pp#", "pp #", "document n", "d'identité", "passnummer", "passnr",
        "pass-nr", "pass ",
        "pass:", "pass-", "paß", "perso ", "perso:", "perso-", "em pass", "im pass", "vom pass", "my pass",
        "des passes", "passkopie",
        "passkontr", "aufenthaltst", "dok.", "dok-nr", "identitäts", "id-dok", "legitimation", "seriennummer",
        "passprt", "pasport", "p/p", "cni", "carte nationale", "titre de voyage", "pp n", "travel doc",
        "doc n", "pässe", "passeport", "pasaporte", "passaporto", "passaporte", "paszport", "paspoort", "ppt no",
        "ppt_no", "reisedokument", "护照", "여권", "パスポート",
    )
)  # fmt: skip
PASSPORT_WORDS = named(
    r"passports?\w*|pass[ -]ports?|pas?sprt|p/p|pasport|\w*ausweis\w*|dok(?:ument\w*)?\.?[ -]?(?:nummer|nr\.?)"
    r"|aufenthaltstitel|id-dokument|identitätsnachweis|"
    r"legitimation\w*|seriennummer (?:\w{2,4} ){1,2}(?:pass|ausweis)\w*|doc(?:ument)?\.? ?(?:no|number|num|nr|#)"
    r"|pp(?= ?(?:no|"
    r"num|number|nr|#|:)| [A-Z]?[0-9]{8,9}(?![0-9])| [0-9]{3} [0-9]{3} [0-9]{3}(?![0-9]))|"
    r"(?:carte (?:nationale )?|pièce )d'identité|cni(?:e|s)?|titre de voyage|perso|paß\w*|"
    r"\w*(?:reise|ersatz|kinder|dienst|diplomaten)p[aä]ss\w*|p[aä]ss(?:es?|en)?(?:nummern?|nr|kopien?|kontrollen?)?"
    r"|pass-nr|passeports?\w*|pasaportes?|"
    r"passaport[oei]\w*|paszport\w*|"
    r"paspoort\w*|ppt|travel doc(?:ument)?s?|reisedokument",
    anywhere="护照|여권|パスポート",
)
DATELESS = r"(?!(?:1[89]|20)[0-9]{2}[-/.][01]?[0-9][-/.][0-3]?[0-9]|[0-3]?[0-9][/.][0-3]?[0-9][/.][12][0-9]{3})"
_GERMAN_FIRST, _GERMAN = "[CFGHJKLMNPRTVWXYZ]", "[CFGHJKLMNPRTVWXYZ0-9]"
"""Germany leaves out vowels, and letters that look like digits."""
_GERMAN_NUMBER = rf"(?=[A-Z]{{0,9}}[0-9]){_GERMAN_FIRST}{_GERMAN}{{8}}[0-9]?D?"
_GERMAN_SPACED = rf"(?=(?:(?:[A-Z][ -]?){{0,4}}[0-9][ -]?){{3}}){_GERMAN_FIRST}(?:[ -]?{_GERMAN}){{8}}(?:[ -]?[0-9]D?)?"
_AMERICAN = (
    DATELESS
    + r"(?:(?:[A-Z][ -]?)?(?:[0-9][ -]?){8}[0-9]|[0-9]{3}\.[0-9]{3}\.[0-9]{3}|[A-Z][ -]?[0-9](?:[ -]?[0-9]){7})"
)
PASSPORT_NUMBER = (
    rf"(?:USA?|DE?U?|GBR?|FR?A?)-?(?:[A-Z]?[0-9]{{8,9}}|{_GERMAN_NUMBER})|"
    r"[A-Z]{1,3}[ -]?[0-9]{6,8}[A-Z]?|[0-9]{9}[A-Z]?|[0-9]{2}[ ]?[A-Z]{2}[ ]?[0-9]{5}|[0-9]{8}|[0-9]{12}"
    rf"|{_GERMAN_NUMBER}(?:[ -][0-9](?![0-9]))?|[0-9]{{3}} [0-9]{{3}} [0-9]{{3}}|"
    r"[A-Z] ?[0-9]{4} ?[0-9]{4}"
    r"|(?=[a-z]{0,4}[0-9])(?=(?:[a-z]{0,4}[0-9]){3})[cfghjklt][cfghjklmnprtvwxyz0-9]{8}[0-9]?"
    r"|[0-9]{2}[a-z]{2}[0-9]{5}|[a-z][0-9]{8}"
    rf"|(?=[A-Z ]{{0,10}}[0-9]){_GERMAN_FIRST}{_GERMAN}{{2}}(?P<part>[ -]){_GERMAN}{{3}}(?P=part){_GERMAN}{{3}}(?: ?[0-9])?"  # noqa: E501
    rf"|{_GERMAN_SPACED}|{_AMERICAN}"
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
SHORTENED = Trigger(
    re.compile(
        r"(?i)(?:pp|ppt|pspt|psprt|rp|pa|npa|bpa|eat|dok)\.?(?:[ -]?(?:no|nr|num|nbr|number|nummer"
        r"|#))?[ .:#=-]{1,4}[A-Z]?[0-9][A-Z0-9]{7}"
    ),
    near_digits=True,
)
SHORTENED_PASSPORT = re.compile(
    r"(?<![^\W_])(?:(?:PP|pp|PPT|[Pp]pt|[Pp]spt|[Pp]sprt)\.?(?:[ -]?(?i:no|nr|num|nbr|number"
    r"|#))?[ .:#=-]{1,4}(?=[A-Z]?[0-9]{8,9}(?![0-9A-Za-z-]))"
    rf"|(?:RP|PA|n?PA|BPA|eAT|EAT|Dok)\.?(?:[ -]?(?i:nr|nummer"
    rf"|no))?[ .:#=-]{{1,4}}(?=(?:[A-Z]{{0,6}}[0-9]){{2}})(?={_GERMAN_NUMBER}(?![0-9A-Za-z-])))"
    "(?P<value>[A-Z0-9]{8,11})"
)
"""Behind what officials and airlines shorten the word to: PP, RP (Reisepass), PA (Personalausweis)."""
AIRLINE = Trigger(re.compile(rf"P[/-](?:{_NATIONS})[/-][A-Z0-9]{{7,10}}[/-]?"), near_digits=True)
AIRLINE_PASSPORT = re.compile(
    rf"(?<![A-Za-z0-9])P[/-](?:{_NATIONS})[/-](?P<value>(?=[A-Z]{{0,5}}[0-9])[A-Z0-9]{{7,10}})(?![A-Za-z0-9])"
)
"""What airlines tell of a traveller (SSR DOCS of IATA): P/USA/number/nationality/birth."""
CARD_READ = Trigger(re.compile("(?:ID|I<|AR|IR|AC|A<)[A-Z<]{3}[A-Z0-9<]{9}[0-9<][A-Z0-9<]{8}"), near_digits=True)
CARD_READ_LINE = re.compile(
    "(?<![A-Z0-9])(?:ID|I<|AR|IR|AC|A<)(?:D<<"
    "|[A-Z]{3})(?P<value>(?=[A-Z0-9]{0,8}[0-9]{2})[A-Z0-9<]{9}[0-9<])[A-Z0-9<]{15}(?![A-Z0-9<])"
)
"""The upper line of an identity card's machine-readable zone (ICAO 9303, part 5)."""
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

PAPERS: tuple[Detector, ...] = (
    Function("passport", PASSPORT, Labelled("passport", PASSPORT_WORDS, PASSPORT_NUMBER, 60, 26)),
    Pattern("passport", MACHINE_READ, MACHINE_READ_LINE),
    Pattern("passport", ROW, ROW_PASSPORT),
    Pattern("passport", SHORTENED, SHORTENED_PASSPORT),
    Pattern("passport", AIRLINE, AIRLINE_PASSPORT),
    Pattern("passport", CARD_READ, CARD_READ_LINE),
    Pattern(
        "driving_licence",
        form("[A-Za-z9]{3}[ -]?[0-9]{6}[ -]?[A-Za-z9]{2}|[A-Z9]{3} [A-Z9][0-9]{3} [0-9]{3}[A-Z9] "),
        GB_LICENCE,
    ),
    Function("driving_licence", LICENCE, Labelled("driving_licence", LICENCE_WORDS, LICENCE_NUMBER, 25)),
)
RECORDS: tuple[Detector, ...] = (
    Pattern("record_number", SEGMENT, SEGMENT_RECORD),
    Function("record_number", RECORD, Labelled("record_number", RECORD_WORDS, RECORD_NUMBER, 24)),
)
"""Asked last: a word beside them is all that tells."""
