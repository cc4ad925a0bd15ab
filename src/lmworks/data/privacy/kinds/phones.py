"""Telephone numbers in text: by form, by the numbering plans of countries, and by the words beside them."""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from lmworks.data.privacy.findings import CONTEXT_BEFORE, LATIN, Finding, Trigger, named

EXTENSION = (
    r"(?: ?(?:x|[Ee]xt\.?)|,? (?:int(?:erno|\.)|poste|wew(?:nętrzny|\.)|DW|Durchwahl|App(?:arat|\.)|anexo|ramal"
    r"|extensi[oó]n))"
)
"""What leads to one telephone of a house."""
PHONE = re.compile(  # the first character comes first, since what is looked at before it is slow to look at everywhere
    rf"[+(0-9](?<![{LATIN}.+@#$€£-][+(0-9])(?<![0-9],[0-9])(?<![0-9],\+)(?<![{LATIN}]_[+(0-9])(?<![{LATIN}]__[+(0-9])(?<![0-9:]:[+(0-9])"
    r"(?<!(?<!wa\.me)/[+(0-9])(?:(?<=0)xx[+(]{0,2}[0-9]|(?<=[+(])[+(]?[0-9]|(?<=[0-9]))"
    rf"(?:[ .()/–-]{{0,3}}[0-9]|\t[0-9]){{6,16}}(?:{EXTENSION} ?[0-9]{{1,6}})?"
    rf"(?![{LATIN}@%-]|_{{1,2}}[{LATIN}]| ?[=<>](?!/)|\*{{1,3}}[{LATIN}]| \*)"
)
PHONE_WORDS = frozenset(
    (
        "call", "calls", "called", "calling", "phone", "phones", "telephone", "phoned", "tel", "mob",
        "mobile", "mobiles", "cell", "cellphone", "cellular", "handy", "fax", "dial", "dialled", "ring",
        "rang", "reach", "reached", "reachable", "contact", "contacts", "sms", "whatsapp", "whats", "hotline",
        "helpline", "desk", "answering", "message", "messages", "voicemail", "subscriber", "landline", "rsvp",
        "caller", "ph", "viber", "mobil", "mobilnummer", "mobilnr", "handynummer", "handynr", "diensthandy",
        "angerufen", "anzurufen", "durchwahl", "durchklingeln", "tél", "télé", "portable", "joindre",
        "joignable", "coordonnées", "movil", "celular", "llámame", "llama", "llamame", "contacto",
        "telemóvel", "ligue", "zap", "contato",
        "fone", "cellulare", "recapito", "squillo", "dzwoń", "dzwonić", "zadzwoń", "zadzwonić", "strzałkę",
        "fisso", "reperibile",
        "bellen", "baat",
    )
)  # fmt: skip
PHONE_STEMS = (
    "telefon", "téléphon", "teléfon", "telefón", "telefoon", "telnr", "anruf", "rufnummer", "rückruf", "erreich",
    "kontakt",
    "festnetz", "rückrufnummer", "appel", "rappel", "móvil", "llam", "chiam", "richiam", "contattar", "komórk",
    "mobiel", "oddzwo", "dzwon",
)  # fmt: skip
PHRASES = ("hit me up", "text me", "direct line", "missed call", "coup de fil")
"""Words before or right after a number that say it is one to call."""
WEAK_WORDS = frozenset(
    (
        "number", "num", "numéro", "número", "numero", "núm", "nummer", "nr", "text", "add", "ping",
        "ligne", "line", "linea", "línea", "linha", "linii", "fixe", "fijo", "cel", "toque", "kom", "liga",
        "ligar", "bel", "signal", "telegram",
    )
)  # fmt: skip
WEAK_STEMS = ("numer", "meld", "escribir", "écri", "scriv", "napisz", "schreib")
"""Words that say so of a number that fits a country's plan."""
FAR_EASTERN = re.compile(
    "(?P<strong>电话|手机|联系|拨打|致电|来电|短信|微信|座机|热线|机主|请打|回电|電話|手機|फोन|मोबाइल|नंबर|संपर्क|전화|휴대폰|연락처)|号码|번호"
)
WORD = re.compile(r"[A-ZÀ-Þ]?[^\W\d_A-ZÀ-Þ]+|[A-ZÀ-Þ]+")
"""A word, or a part of a name such as `phoneNumber` or `phone_number`."""
ASCII_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")
"""The same in texts without other letters, in half the time."""
NORTH_AMERICAN = re.compile(
    r"(?:1[-. ])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-.][0-9]{4}(?: ?(?:x|ext).*)?"
    r"|(?:1[-. ])?\([2-9][0-9]{2}\) ?[2-9][0-9]{2} [0-9]{4}"
    r"|[2-9][0-9]{2}(?:/| ?- ?)[2-9][0-9]{2} ?- ?[0-9]{4}"
)
ZERO_LED = re.compile(
    r"\(?0[1-9][0-9]{0,4}\)?(?:(?: ?[/.–-] ?|  ?)[0-9]{2,4}){2,4}|\(?0[1-9][0-9]{1,4}\)?(?: ?[/–-] ?"
    r"| )[0-9]{4,9}|\(?0[1-9]\)?(?: ?[/–-] ?| )[0-9]{7,8}"
)
BARE_MOBILE = re.compile(
    r"(?:49 ?1[567][0-9]?|44 ?7[1-9]|33 ?[67]|34 ?[67]|39 ?3[2-9]|91 ?[6-9][0-9]|55 ?[1-9][0-9] ?9|86 ?1[3-9][0-9])"
    r"(?: ?[0-9]){8}"
)
"""A mobile number behind its country's code without a sign of abroad, as messengers write it."""
_POLISH_AREAS = "1[2-8]|2[2-59]|3[2-4]|4[1-468]|5[24-689]|6[1-3578]|7[14-7]|8[1-79]|9[145]"
_POLISH_MOBILE = "(?:45|5[0137]|6[069]|7[2389]|88)[0-9]"
UNMISTAKABLE = re.compile(
    rf"{BARE_MOBILE.pattern}|"
    r"0[67][0-9]{8}|07[0-9]{9}|01[567][0-9]{8,9}"  # mobiles of France, Great Britain and Germany, written in one
    r"|0?[6-9][0-9]{4}[ -][0-9]{5}|0[6-9][0-9]{9}"  # India
    r"|(?:\(?(?:0|0xx)?[1-9][0-9]\)? ?)?9[0-9]{4}-[0-9]{4}|\(?0?[1-9][0-9]\)? ?9[0-9]{4}[- ]?[0-9]{4}"  # Brazil
    r"|(?:\((?:0|0xx)?[1-9][0-9]\) ?|(?:0|0xx)?[1-9][0-9] )[2-5][0-9]{3}[- ][0-9]{4}"
    r"|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}|0[1-9][0-9]{1,2}-[0-9]{7,8}"  # China
    r"|[67][0-9]{2}(?: [0-9]{2}){3}|[5-8][0-9]{2}-[0-9]{3}-[0-9]{3}|3[0-9]{2}[ ./-][0-9]{3}[ .]?[0-9]{4}"  # Spain
    r"|3[2-9][0-9][ .-](?:[0-9]{3}[ .-][0-9]{2}[ .-][0-9]{2}|[0-9]{2}[ .-][0-9]{2}[ .-][0-9]{3})"  # Italy
    r"|\([1-9][0-9]\) [0-9]{3}[ -][0-9]{2}[ -][0-9]{2}"  # Poland's fixed lines
    rf"|(?:0[ -]?)?\(?(?:{_POLISH_AREAS})\)? [0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}|\(0?(?:{_POLISH_AREAS})\) ?[0-9]{{7}}"
    rf"|0[ -]\(?(?:{_POLISH_AREAS})\)?[ -][0-9]{{3}}[ -][0-9]{{2}}[ -][0-9]{{2}}"
    rf"|{_POLISH_MOBILE}-[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}"
    r"|\(0\) ?[1-9](?:[ .-]?[0-9]{2}){4}|0 8[0-9]{2} (?:[0-9]{3} [0-9]{3}|[0-9]{2} [0-9]{2} [0-9]{2})"  # France
)
"""Forms of countries that hardly any other number has."""
GROUPED = re.compile(
    r"(?!0|[0-9]{1,3}(?: [0-9]{3})+$|[0-9]{3}-[0-9]{2}-)"
    r"[0-9]{2,4}(?P<first>[ -])[0-9]{2,4}(?:(?P=first)[0-9]{2,4}){1,3}"
    r"|\([0-9]{2,4}\) [0-9]{3,4}-[0-9]{3,4}"
)
"""Groups of a telephone number, but not thousands (12 345 678), nor what might be a social security number."""
LOCAL = (
    (re.compile("[\u4e00-\u9fff]"), re.compile("(?:86[ -]?)?1[3-9][0-9]{9}")),
    (
        re.compile(
            r"[ąęłńśźżĄĘŁŃŚŹŻ]|\b(?:jest|nie|pod|czy|mam|jak|przy|lub|oraz|tylko|tel|kom|na|dla|proszę|rano|bez)\b"
            r"|(?i:sprzedam|kontakt|klient|infolini|numer|pacjent|\bpan[aiu]?\b)|"
            r"\b[A-Z][a-z]{1,15}(?:ski|ska|cki|cka|wicz|czyk|czak)\b"
        ),
        re.compile(
            rf"(?:48 ?)?(?:{_POLISH_MOBILE}|80[0-8])(?:(?P<by>[ ./-]?)[0-9]{{3}}(?P=by)[0-9]{{3}}|[ -][0-9]{{6}}"
            rf"|[ .-][0-9]{{2}}[ .-][0-9]{{2}}[ .-][0-9]{{2}})"
            rf"|\(?(?:{_POLISH_AREAS})\)?[ /-]?[0-9]{{7}}|(?:{_POLISH_AREAS})/[0-9]{{3}}[ -][0-9]{{2}}[ -][0-9]{{2}}"
            rf"|{_POLISH_MOBILE}[ -][0-9]{{2}}[ -][0-9]{{4}}"
            r"|\(?[1-9][0-9]\)?[ -][0-9]{3}[ -][0-9]{2}[ -][0-9]{2}|"
            r"\(?[1-9][0-9]\)?[ -][0-9]{2}[ -][0-9]{3}[ -][0-9]{2}"
        ),
    ),
    (
        re.compile(
            r"[ñ¿¡óíúÍÓÚ]|(?i:\b(?:el|los|las|la|del|al|para|con|que|una?|por|mi|su|tu|es|en|lo|te|ll[aá]ma\w*|de|hoy|"
            r"urgente|pedidos?|reservas?|interesados|tel[eé]fono|m[oó]vil|fijo)\b)|\b[A-ZÁÉÍÓÚ][a-záéíóúñ]{2,15}ez\b"
        ),
        re.compile(
            "[6789][0-9]{2}[ .-]?[0-9]{3}[ .-]?[0-9]{3}|[6789][0-9]{2}(?:[ .-]?[0-9]{2}){3}"
            "|[89][0-9][ .-]?[0-9]{3}[ .-]?[0-9]{2}[ .-]?[0-9]{2}"
        ),
    ),
    (
        re.compile(
            r"\b(?:il|della|del|dei|delle|al|dal|alle|per|con|che|un|una|sono|è|mi|di|ha|ho|nel|mio|mia|suo|sua|ci"
            r"|non|oppure|dalle|dopo|ore|allo|sul|sulla|nella|questo|anche)\b"
            r"|(?i:\b(?:paziente|sig\.|sig\.?(?:ra|na)|signora?|dott\w*|studio|ufficio|assistenza|verde|grazie|ciao"
            r"|nonn[ao]|mamma|casa)\b)"
            r"|\b(?:Rossi|Russo|Ferrari|Esposito|Bianchi|Romano|Colombo|Ricci|Marino|Greco|Gallo|Conti|Giordano"
            r"|Rizzo|Moretti|Marco|"
            r"Giulia|Luca|Francesca|Giovanni|Paolo|Chiara|Alessandr[oa]|Matteo|Andrea|Giuseppe|Elena|Federic[oa]"
            r"|Lorenzo|Davide|Stefano|"
            r"Roma|Milano|Torino|Napoli|Firenze|Bologna|Genova|Bari|Palermo|Verona|Padova|Trieste|Venezia)\b"
            r"|\b[A-Z][a-z]{2,12}(?:etti|etto|elli|ucci|acci|ini|ino|oni|ardi|aldi)\b"
        ),
        re.compile(
            "3[2-9][0-9](?:[ ./-]?[0-9]{7}|(?:[ .-][0-9]{2}){3}[ .-]?[0-9]|[ .-][0-9]{2}[ .-][0-9]{2}[ .-][0-9]{3}"
            "|[ .-][0-9]{4}[ .-][0-9]{3})|0[1-9][0-9]{0,3}(?:[./]| [./-] )[0-9]{5,8}"
            "|(?:80[03]|84[0-8]|199|89[0-9])[ .-]?[0-9]{3}[ .-]?[0-9]{3}|800(?:[ .-][0-9]{2}){3}"
        ),
    ),
    (re.compile(r"[ãõç]|\b(?:não|para|com|uma|seu|meu|do|da)\b"), re.compile("[1-9][0-9]9[0-9]{8}")),
)
"""Letters and words of a language, and mobile numbers of its country, which in other texts might be any number."""
UNIT = re.compile(
    r" ?(?:zł|PLN|tys|mln|mio|€|EUR|USD|\$|£|km|kg|m²|m³|szt|osób|euros?|pesos|reais|bytes?|MB|GB|ms|元|人|%)"
)
REGIONS = ("US", "GB", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "PL", "CZ", "SE", "NO", "DK", "PT", "BR", "AU", "IN")
"""Whose plans a grouped number without a word before it must fit; Germany's fits nearly any."""
SENTENCE_END = re.compile(r"(?<!:)\n|[.!?;] +(?=[A-Z])")
OTHER_NUMBER = re.compile(
    r"(?i)(?<![^\W_])(?:isbn|issn|sku|ean|upc|order|ticket|invoice|ref|reference|serial|account|iban|card|"
    r"ssn|zip|part|case|"
    r"pin|code|id|licen[cs]e|passport|policy|batch|lot|tracking|parcel|version|build|model|article|item|bestell\w*|"
    r"rechnung\w*|auftrag\w*|vorgang\w*|aktenzeichen|artikel\w*|kunden\w*|vertrag\w*|commande|facture|"
    r"dossier|colis|pedido|"
    r"factura|expediente|ordine|fattura|pratica|zamówieni\w*|faktur\w*|订单|单号|运单)"
    r"(?:[ -]?(?:no|number|nr|id|nummer|n°|nº|numer))?(?: is)?[ .:#]{0,3}$"
)
DATE_LIKE = re.compile(
    r"(?:1[89]|20)[0-9]{2}[-/.][01]?[0-9][-/.][0-3]?[0-9]|[0-3]?[0-9][/.][0-3]?[0-9][/.][12][0-9]{3}"
)
DASHED_DATE = re.compile(r"[0-3]?[0-9]-[0-3]?[0-9]-(?:1[89]|20)[0-9]{2}\b")
"""A date that might be a number of groups: only where no plan is asked."""
DATE_AFTER = re.compile(f" (?:{DATE_LIKE.pattern})")
FORMS = re.compile(
    rf"\(?(?:\+|00)|{NORTH_AMERICAN.pattern}|{ZERO_LED.pattern}|{UNMISTAKABLE.pattern}|{GROUPED.pattern}"
)
LOCAL_FORMS = re.compile("|".join(form.pattern for _, form in LOCAL))
"""What a number that no word is beside may begin with."""
WORDS_AFTER = 25


def phones(text: str, plans: bool = True) -> Iterator[Finding]:
    """Telephone numbers: international ones, national ones in a form of their own, others beside a word such as "call".

    Where a run of digits is none as a whole, a date after it and then its last groups are left off one by one.
    Without `plans` the plans of countries, and so the package phonenumbers, are not needed.
    """
    words, position = _Words(text), 0
    while match := PHONE.search(text, position):
        start, end = match.span()
        position = start + 1
        if date := DATE_AFTER.search(text, start, end):
            end = date.start()
        spoken, hinted = words.beside(start, match.end())
        hinted = hinted or words.headed(start, end)
        local = bool(LOCAL_FORMS.match(text, start, end)) and not UNIT.match(text, match.end())
        if not (spoken or hinted or local or FORMS.match(text, start, end)):
            continue
        before = text[max(0, words.sentence(start), start - CONTEXT_BEFORE) : start]
        if OTHER_NUMBER.search(before):
            spoken = hinted = local = False
        alone = before.rstrip(" ")[-1:] not in tuple("0123456789<=-") and not OTHER_NUMBER.search(before)
        around = text[max(0, start - 70) : end + 70]
        while end > start:
            number = text[start:end]
            if (
                is_phone(number, spoken, alone and end == match.end(), plans)
                or (local and any(form.fullmatch(number) and tongue.search(around) for tongue, form in LOCAL))
                or (plans and hinted and is_phone(number, True, alone) and _fits(number))
            ):
                yield Finding("phone", start, end, number, _check(number))
                position = end
                break
            end = start + max(map(number.rfind, " ./-("))


@functools.lru_cache(maxsize=50_000)
def _strength(word: str) -> int:
    """How surely a word tells of a telephone number: 2, 1, or not at all."""
    word = word.lower()
    if word in PHONE_WORDS or word.startswith(PHONE_STEMS):
        return 2
    return int(word in WEAK_WORDS or word.startswith(WEAK_STEMS))


TABBED_OR_DECIMAL = re.compile(r"\t|\b[0-9]{1,4}\.[0-9]+$")


class _Words:
    """Where the words of a text stand that tell of a number, and where its sentences begin."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def _places(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        strong: list[tuple[int, int]] = []
        weak: list[tuple[int, int]] = []
        lower = self.text.lower()
        for phrase in PHRASES:
            if (place := lower.find(phrase)) >= 0:
                strong.append((place, place + len(phrase)))
        word = ASCII_WORD if self.text.isascii() else WORD
        for match in word.finditer(self.text) if any(map(_strength, set(word.findall(self.text)))) else ():
            if strength := _strength(match[0]):
                (strong if strength > 1 else weak).append(match.span())
        for match in () if self.text.isascii() else FAR_EASTERN.finditer(self.text):
            (strong if match["strong"] else weak).append(match.span())
        return sorted(strong), sorted(weak)

    @functools.cached_property
    def _sentences(self) -> list[int]:
        return [match.end() for match in SENTENCE_END.finditer(self.text)]

    def sentence(self, place: int) -> int:
        """Where the sentence begins."""
        number = bisect.bisect_right(self._sentences, place)
        return self._sentences[number - 1] if number else 0

    def beside(self, start: int, end: int) -> tuple[bool, bool]:
        """Whether a word stands in the same sentence shortly before or right after, and whether a weak one does."""
        if not any(self._places):
            return False, False
        first = max(self.sentence(start), start - CONTEXT_BEFORE)
        number = bisect.bisect_left(self._sentences, end)
        last = min(self._sentences[number] if number < len(self._sentences) else len(self.text), end + WORDS_AFTER)
        strong, weak = (
            any(
                right <= start or (end <= left and right <= last)
                for left, right in places[bisect.bisect_left(places, (first,)) : bisect.bisect_left(places, (last,))]
            )
            for places in self._places
        )
        return strong, weak

    def headed(self, start: int, end: int) -> bool:
        """Whether a number has a line, or a cell of a table, to itself below a word that tells of it."""
        if TABBED_OR_DECIMAL.search(self.text, start, end):
            return False
        line = self.text.rfind("\n", 0, start) + 1
        before, after = self.text[line:start].rstrip(" \"'"), self.text[end : end + 3].lstrip(" \"'")
        if not line or (before and before[-1] not in ",;|\t") or (after and after[0] not in ",;|\t\n\r"):
            return False
        first = self.text.rfind("\n", 0, line - 1) + 1 if not before else 0
        return any(first <= left < line for places in self._places for left, _ in places)


def is_phone(number: str, spoken: bool, alone: bool, plans: bool = True) -> bool:
    """Whether a number is one to call; `spoken` if words beside it say so, `alone` if no other number is beside it."""
    main = re.split(EXTENSION, number.removeprefix("0xx"))[0].replace("(0)", "")
    digits = "".join(filter(str.isdigit, main))
    if not number[-1].isdigit() or DATE_LIKE.match(main) or (not plans and DASHED_DATE.match(main)):
        return False
    abroad = main.lstrip("(").startswith("00") and (spoken or " " in main or BARE_MOBILE.fullmatch(main, 2))
    if main.lstrip("(").startswith("+") or abroad:
        digits = digits.removeprefix("00")
        return valid_phone(f"+{digits}") if plans else 8 <= len(digits) <= 15
    if NORTH_AMERICAN.fullmatch(number) or UNMISTAKABLE.fullmatch(main) or UNMISTAKABLE.fullmatch(number):
        return True
    if ZERO_LED.fullmatch(main) and 9 <= len(digits) <= 12:
        return True
    if GROUPED.fullmatch(main) and 8 <= len(digits) <= 11 and not re.search(r"\b(?:1[89]|20)[0-9]{2}\b", main):
        return spoken or (plans and alone and fits_a_plan(digits))
    groups = re.findall("[0-9]+", main)
    short = sum(len(group) == 1 for group in groups)
    return (
        spoken
        and (short < 2 or short == len(groups) > 8)
        and 7 <= len(digits) <= 13
        and ("/" not in main or digits[0] == "0")
    )


def _check(number: str) -> Callable[[str], bool]:
    """What the digits of another number must pass to be one of the same sort."""
    digits = "".join(filter(str.isdigit, number))
    if number.lstrip("(").startswith("+"):
        return international
    return north_american if north_american(digits) else bool if digits.startswith("00") else national


ODD = Trigger(
    re.compile(
        r"[0-9]{2,4}[_·•:,*|~][0-9]{2,4}[_·•:,*|~][0-9]{2,4}[_·•:,*|~][0-9]{2}|\+[0-9]{1,3}_[0-9]{2,4}_[0-9]{5}"
    ),
    near_digits=True,
)
ODDLY_PARTED = re.compile(
    rf"(?<![{LATIN}.,:_])(?=\+|0[1-9])\+?(?=(?:[0-9][_·•:,*|~]?){{9,13}}(?![0-9]))[0-9]{{2,4}}(?P<by>[_·•:,*"
    rf"|~])[0-9]{{2,4}}(?:(?P=by)[0-9]{{2,4}}){{2,4}}"
    rf"(?![{LATIN}]|[.,:_·•*|~][{LATIN}])"
    rf"|(?<![{LATIN}_])\+[0-9]{{1,3}}_[0-9]{{2,4}}_[0-9]{{5,9}}(?![{LATIN}_])"
)
"""Groups parted by signs that part other numbers, too: a telephone's only where a word says so."""
ODD_WORDS = named(
    r"call|phone|tel|mobile|cell|t[ée]l[ée]?\w*|telefon\w*|portable|mobil|handy|cellulare|móvil|kom|appel\w*"
    r"|rappel\w*|joindre|anruf\w*|sms|whatsapp"
)


def international(digits: str) -> bool:
    """Digits of a number that begins with a country's code."""
    return valid_phone(f"+{digits}")


def north_american(digits: str) -> bool:
    """Ten digits whose area and exchange begin with 2 to 9, and perhaps an extension."""
    return len(digits) >= 10 and digits[0] not in "01" and digits[3] not in "01"


def national(digits: str) -> bool:
    """Any other number of a country: two zeros at its front would lead abroad."""
    return not digits.startswith("00")


@functools.lru_cache(maxsize=10_000)
def valid_phone(number: str) -> bool:
    """Whether an international number fits its country's plan by its length."""
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(number, None)))
    except phonenumbers.NumberParseException:
        return False


def _fits(number: str) -> bool:
    """Whether a number that a weak word is beside fits a plan; nine digits in one fit nearly always."""
    digits = "".join(filter(str.isdigit, number))
    return fits_a_plan(digits) and (len(digits) > 9 or digits != number)


def fits_a_plan(digits: str) -> bool:
    """Whether digits are a number of one of `REGIONS`, with or without what is dialled before an area code there."""
    return _plans().fullmatch(digits) is not None


@functools.cache
def _plans() -> re.Pattern[str]:
    """The plans of all regions as one pattern: parsing a number eighteen times takes a millisecond."""
    from phonenumbers import PhoneMetadata

    plans = []
    for region in REGIONS:
        plan: Any = PhoneMetadata.metadata_for_region(region)
        names = ("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "uan")
        kinds = [getattr(plan, name) for name in names]
        patterns = {each.national_number_pattern for each in kinds if each and each.national_number_pattern}
        prefix = plan.national_prefix_for_parsing or ""
        plans.append(f"(?:{prefix})?(?:{'|'.join(sorted(patterns))})")
    return re.compile("|".join(plans))
