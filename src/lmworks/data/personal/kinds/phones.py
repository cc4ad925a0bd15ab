"""Telephone numbers in text, found by the numbering plans of `phonenumbers`, by their form and by words near them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import re2

from lmworks.data.personal.findings import Finding, whole_words

REGIONS = ("US", "GB", "DE", "FR", "IT", "ES", "IN", "CN", "BR", "PL")
"""Countries whose numbers are found as dialled at home. Numbers of other countries must begin with `+` or `00`."""
LATIN = "0-9A-Za-zÀ-ɏ"
TRIGGER = r"[0-9](?:[ \t.,()/·_–-]{0,3}[0-9]){6}"
"""Pattern of RE2 that every text with a number matches."""
EXTENSION = (
    r"(?: ?(?:x|[Ee]xt\.?)|,? (?:int(?:erno|\.)|poste|wew(?:nętrzny|\.)|DW|Durchwahl|App(?:arat|\.)|anexo|ramal"
    r"|extensi[oó]n)) ?[0-9]{1,6}"
)
"""Pattern of the extension of one telephone in a company."""
NUMBER = re.compile(  # the first character comes first, since what is looked at before it is slow to look at everywhere
    rf"[+(0-9](?<![{LATIN}.+@#$€£-][+(0-9])(?<![0-9],[0-9])(?<![0-9],\+)(?<![{LATIN}]_[+(0-9])(?<![{LATIN}]__[+(0-9])"
    r"(?<![0-9:]:[+(0-9])(?<!(?<!wa\.me)/[+(0-9])"
    r"(?:(?<=0)xx[+(]{0,2}[0-9]|(?<=[+(])[+(]?[0-9]|(?<=[0-9]))(?:[ .()/–·_-]{0,3}[0-9]|\t[0-9]){6,16}"
    rf"(?:{EXTENSION})?(?![{LATIN}@%-]|_{{1,2}}[{LATIN}]| ?[=<>](?!/)|\*{{1,3}}[{LATIN}]| \*|[.,][0-9])"
)
"""Pattern of digits that may be a telephone number, with signs between them and an extension."""
WORDS = (
    r"call(?:s|ed|ing|er)?|(?:tele)?phone[sd]?|tel|mob(?:ile|iles)?|cell(?:phone|ular)?|fax|dial(?:led)?|ring|rang"
    r"|reach"
    r"(?:ed|able)?|contacts?|sms|whats(?:app)?|hotline|helpline|desk|answering|messages?|voicemail|subscriber|landline"
    r"|rsvp|ph|viber|hit me up|text me|direct line|handy|mobil\w*|handyn\w+|diensthandy|angerufen|anzurufen|durchwahl"
    r"|durchklingeln|telefon\w*|telnr|anruf\w*|r(?:uf|ück)nummer|rückruf\w*|erreich\w*|kontakt\w*|festnetz\w*"
    r"|t[ée]l[ée]?"
    r"|téléphon\w*|portable|joindre|joignable|coordonnées|appel\w*|rappel\w*|coup de fil|tel[eé]fon\w*|m[oó]vil|celular"
    r"|ll[aá]m\w*|contac?to|telemóvel|ligue|zap|f?one|cellulare|recapito|squillo|chiam\w*|richiam\w*|contattar\w*|fisso"
    r"|reperibile|komórk\w*|\w*dzwo[nń]\w*|strzałkę|mobiel|bellen|baat|telefoon\w*"
)
WEAK_WORDS = (
    r"numbers?|num|n[uú]mero|numéro|núm|nummer|nr|text|add|ping|ligne|line|l[ií]nea|linha|linii|fixe|fijo|cel|toque|kom"
    r"|lig[ar]+|bel|telegram|numer\w*|meld\w*|escribir|écri\w*|scriv\w*|napisz\w*|schreib\w*"
)
"""Pattern of words that mark a telephone number only if it fits a country's plan."""
ANYWHERE = (
    "电话|手机|联系|拨打|致电|来电|短信|微信|座机|热线|机主|请打|回电|電話|手機|号码"
    "|फोन|मोबाइल|नंबर|संपर्क|전화|휴대폰|연락처|번호"
)
_WORD, _WEAK = (re2.compile(whole_words([words], ANYWHERE)) for words in (WORDS, WEAK_WORDS))
OTHER_NUMBER = re.compile(
    r"(?i)(?<![^\W_])(?:isbn|issn|doi|arxiv|sku|ean|upc|order|ticket|invoice|ref|reference|serial|account|iban|card"
    r"|ssn|zip|part|case"
    r"|pin|code|id|licen[cs]e|passport|policy|batch|lot|tracking|parcel|version|build|model|article|item|bestell\w*"
    r"|rechnung\w*|auftrag\w*|vorgang\w*|aktenzeichen|artikel\w*|kunden\w*|vertrag\w*|commande|facture|dossier"
    r"|colis|pedido"
    r"|factura|expediente|ordine|fattura|pratica|zamówieni\w*|faktur\w*|订单|单号|运单)"
    r"(?:[ -]?(?:no|number|nr|id|nummer|n°|nº|numer))?(?: is)?[ .:#={\"'(]{0,4}(?:\n *)?$"
)
"""Pattern of words right before a number that is not a telephone number."""
_DATE = re.compile(
    r"(?:1[89]|20)[0-9]{2}[-/.][01]?[0-9][-/.][0-3]?[0-9]|[0-3]?[0-9][-/.][0-3]?[0-9][-/.](?:1[89]|20)[0-9]{2}"
)
_NO_PHONE = re.compile(
    r"^0?[.][0-9]+$|^[1-9][0-9]?[.][0-9]{4,}$|^[0-9]+[.][0-9]{1,3}$|^[0-9]{4}[.][0-9]{4}$"
    r"|^(?![0-9]{3}/)[1-9][0-9]*/|(?:^|[ .-])[0-9][ .-]+[0-9](?![ .-]*[0-9])"
    r"|[0-9]  +[0-9]+  +[0-9]|^[0-9]{4}[- ](?:19|20)[0-9]{2}$|^[0-9]+/[0-9]{5}$"
)
"""Pattern of decimals, fractions, years and columns of numbers."""
_NO_PHONE_ALONE = re.compile(r"[ .-][0-9]$|(?:[0-9][ .-]+){4}")
_UNIT = re.compile(
    r" ?(?:zł|PLN|tys|mln|€|EUR|USD|\$|£|k[mg]|m²|m³|szt|osób|euros?|pesos|reais|bytes?|[MG]B|ms|元|人|%)"
)
_FOUR_PARTS = re.compile(r"[0-9]{1,3}(?:[.][0-9]{1,3}){3}(?![.]?[0-9])")
_DATE_BEHIND = re.compile(f" (?:{_DATE.pattern})")
BARE_MOBILE = re.compile(
    r"(?:49 ?1[567][0-9]?|44 ?7[1-9]|33 ?[67]|34 ?[67]|39 ?3[2-9]|91 ?[6-9][0-9]|55 ?[1-9][0-9] ?9|86 ?1[3-9][0-9])"
    r"(?: ?[0-9]){8}"
)
"""Pattern of a mobile number with its country code but without `+` or `00`, as messengers write it."""
_MOBILE = re.compile("0[67][0-9]{8}|07[0-9]{9}|01[567][0-9]{8,9}|0[6-9][0-9]{9}")
"""Pattern of mobile numbers of France, Great Britain, Germany and India without spaces."""
_ANY_GROUPS = re.compile(r"[0-9]{1,3}(?: [0-9]{3})+|[0-9]{3}-[0-9]{2}-[0-9]{4}")
"""Pattern of groups of thousands, and of a social security number. Such groups can be any number."""
_LOCAL = (
    ("CN", re.compile("[\u4e00-\u9fff]")),
    (
        "PL",
        re.compile(
            r"[ąęłńśźż]|(?i:\b(?:jest|nie|pod|czy|przy|lub|oraz|tylko|cena|dla|mam|jak|rano|kom|proszę|pan[ia]?"
            r"|kontakt|klient"
            r"|sprzedam|infolini\w+)\b)|[a-z](?:sk|ck)[ia]\b|wicz\b"
        ),
    ),
    (
        "ES",
        re.compile(
            r"[ñ¿¡]|(?i:\b(?:el|los|las|la|del|al|para|con|una?|por|mi|tu|es|en|lo|te|de|hoy|reservas?|pedidos?"
            r"|interesados)\b)"
            r"|[a-z]ez\b"
        ),
    ),
    (
        "IT",
        re.compile(
            r"(?i:\b(?:il|della|dei|delle|alle|per|con|sono|mi|di|ha|ho|nel|mio|mia|non|dopo|ore|sul|paziente"
            r"|studio|ufficio|casa"
            r"|ciao|grazie|nonn[ao]|mamma)\b)|[a-z](?:etti|ini|elli|ucci|acci|oni|ardi|aldi)\b"
            r"|\b(?:Rossi|Russo|Ferrari|Bianchi|Roma|Milano|Torino|Napoli|Firenze|Bologna|Genova|Bari|Palermo"
            r"|Verona|Padova)\b"
        ),
    ),
    ("BR", re.compile(r"[ãõç]|(?i:\b(?:não|para|com|uma|seu|meu|do|da)\b)")),
)
"""Letters and words of languages by country. A number without spaces counts as a telephone number only near them."""
BESIDE = 70


def phones(text: str) -> Iterator[Finding]:
    """Find international numbers, national numbers in their country's form, and others near a word such as "call".

    If a run of digits is not a number as a whole, a date after it and then its last groups are left off one by one.
    """
    place = 0
    while match := NUMBER.search(text, place):
        start, end = match.span()
        place = start + 1
        if _FOUR_PARTS.match(text, start):
            continue
        if date := _DATE_BEHIND.search(text, start, end):
            end = date.start()
        before, after = text[max(0, start - 60) : start], text[match.end() : match.end() + 25]
        before = re.split(r"[.!?;] +(?=[A-Z])|(?<!:)\n(?=.*\n)", before)[-1]
        is_other = OTHER_NUMBER.search(before) is not None or _UNIT.match(text, match.end()) is not None
        is_spoken = not is_other and any(_WORD.search(part) for part in (before, after))
        is_hinted = is_spoken or (not is_other and any(_WEAK.search(part) for part in (before, after)))
        is_alone = text[:start].rstrip(" ")[-1:] not in tuple("0123456789<=-") and not is_other
        around = text[max(0, start - BESIDE) : end + BESIDE]
        while end > start:
            start += text[start] == "(" and ")" not in text[start:end]
            number = text[start:end].rstrip("( ")
            if _is_phone(number, is_spoken, is_hinted, is_alone, around):
                yield Finding(
                    "phone",
                    start,
                    start + len(number),
                    number,
                    _is_abroad if number.startswith(("+", "(+")) else _is_at_home,
                )
                place = start + len(number)
                break
            end = start + max(map(number.rfind, " ./-("))


def _is_phone(number: str, is_spoken: bool, is_hinted: bool, is_alone: bool, around: str) -> bool:
    main = re.sub(r"[\t_·,]", " ", re.split(EXTENSION, number.removeprefix("0xx"))[0])
    digits = "".join(filter(str.isdigit, main.replace("(0)", "")))
    if _DATE.match(main) or not number[-1].isdigit() or not 7 <= len(digits) <= 15:
        return False
    if main.startswith("00") and not (is_hinted or " " in main):
        return BARE_MOBILE.fullmatch(main, 2) is not None
    if main.lstrip("(").startswith(("+", "00")):
        return _is_possible(f"+{digits.removeprefix('00')}")
    if BARE_MOBILE.fullmatch(main) or (is_spoken and re.fullmatch(r"(?:[0-9][ .-]){8,}[0-9]", main)):
        return True
    if is_spoken and len(digits) <= 13 and not _NO_PHONE.search(main):
        return True
    if len(digits) < 8 or _NO_PHONE.search(main) or _NO_PHONE_ALONE.search(main):
        return False
    if is_hinted or not is_alone:
        return is_hinted and _has_plan(main)
    if digits == main or _ANY_GROUPS.fullmatch(main):
        local = [region for region, language in _LOCAL if language.search(around)]
        return _MOBILE.fullmatch(main) is not None or (bool(local) and _has_plan(main, tuple(local)))
    return _has_plan(main)


@functools.lru_cache(maxsize=50_000)
def _has_plan(number: str, regions: tuple[str, ...] = REGIONS) -> bool:
    """Return whether a number fits the plan of a country."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    matches = (match for region in regions for match in PhoneNumberMatcher(number, region, Leniency.VALID))
    digits = sum(map(str.isdigit, number))
    return any(sum(map(str.isdigit, match.raw_string)) >= 0.8 * digits for match in matches)


def _is_abroad(number: str) -> bool:
    """Return whether a made-up number with a country code is possible in that country."""
    return _is_possible(f"+{''.join(filter(str.isdigit, number.replace('(0)', '')))}")


def _is_at_home(number: str) -> bool:
    """Return whether a made-up national number is possible: ten digits must begin with 0 or look like a US number."""
    digits = "".join(filter(str.isdigit, number))
    return len(digits) != 10 or digits[0] == "0" or (digits[0] != "1" and digits[3] not in "01")


@functools.lru_cache(maxsize=10_000)
def _is_possible(number: str) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(number, None)))
    except phonenumbers.NumberParseException:
        return False
