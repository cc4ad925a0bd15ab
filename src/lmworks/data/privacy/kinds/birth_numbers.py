"""Numbers by which states of Europe register people and taxpayers: birth numbers and their sisters.

Checks take letters and digits only, in upper case. All were compared with those of `python-stdnum` 2.2 by hand, which
also asks whether the day of birth is in the calendar and past.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lmworks.data.privacy.findings import Detector, Finding, Function, named, near, plain
from lmworks.data.privacy.kinds.checksums import iso_11_10, luhn, month_and_day, weighted
from lmworks.data.privacy.kinds.identities import BEHIND, MANY_DIGITS, Labelled, beside, form, national, number


def cz_sk_birth_number(value: str) -> bool:
    """Czech or Slovak birth number (Act 133/2000): nine digits before 1954, then ten that 11 divides.

    Months of women are 50 higher, of either sex 20 more where, since 2004, a day ran out of numbers. Until 1985 a
    remainder of ten was written as 0.
    """
    year, month = int(value[:2]), int(value[2:4]) % 50
    if len(value) == 9:
        return year < 54 and month_and_day(f"{month:02d}{value[4:6]}") and value[6:] != "000"
    month -= 20 if 4 <= year < 54 and month > 20 else 0
    is_divided = int(value) % 11 == 0 or (54 <= year <= 85 and int(value[:9]) % 11 == 10 and value[9] == "0")
    return is_divided and month_and_day(f"{month:02d}{value[4:6]}")


def ro_cnp(value: str) -> bool:
    """Romanian CNP: sex with the century, a day of birth, a county, and a weighted sum modulo 11."""
    check = weighted(value[:12], "279146358279") % 11
    is_person = value[0] != "0" and month_and_day(value[3:7]) and int(value[7:9]) in (*range(1, 53), 70, *range(80, 84))
    return is_person and int(value[12]) == (1 if check == 10 else check)


def bg_egn(value: str) -> bool:
    """Bulgarian EGN: a day of birth, whose month is 40 higher since 2000, and a weighted sum modulo 11."""
    month = int(value[2:4]) - 40 * (value[2] > "3")
    return month_and_day(f"{month:02d}{value[4:6]}") and weighted(value[:9], "2485a9736") % 11 % 10 == int(value[9])


def si_emso(value: str) -> bool:
    """Slovene EMŠO, and JMBG of all that was Yugoslavia: a day of birth, and a weighted sum modulo 11."""
    return _day_first(value) and value[4] in "90" and weighted(value, "7654327654321") % 11 == 0


def fi_identity_code(value: str) -> bool:
    """Finnish henkilötunnus: a day of birth, perhaps a letter for the century, and a sign by number modulo 31."""
    number, century = value[:6] + value[-4:-1], value[6:-4]
    if not _day_first(value) or not number.isdecimal() or century not in ("", *"ABCDEFUVWXY"):
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(number) % 31] == value[-1]


def se_identity_number(value: str) -> bool:
    """Swedish personnummer: a day of birth, 60 higher in coordination numbers; Luhn's check of the last ten digits."""
    short = value[-10:]
    return value[:-10] in ("", "18", "19", "20") and month_and_day(_less(short[2:6], day=60)) and luhn(short)


def no_identity_number(value: str) -> bool:
    """Norwegian fødselsnummer: a day of birth, 40 higher in D numbers, and two weighted sums modulo 11."""
    is_day = month_and_day(_less(value[2:4] + value[:2], day=40))
    return is_day and not weighted(value, "3761894521") % 11 and not weighted(value, "54327654321") % 11


def dk_cpr(value: str) -> bool:
    """Danish CPR: a day of birth. Numbers given since October 2007 need no check digit, so none is asked."""
    return _day_first(value)


def dk_checked_cpr(value: str) -> bool:
    """Danish CPR with the check digit that all had until 2007: a weighted sum modulo 11."""
    return _day_first(value) and weighted(value, "4327654321") % 11 == 0


def pt_nif(value: str) -> bool:
    """Portuguese NIF of a person: a weighted sum modulo 11."""
    check = weighted(value[:8], "98765432") % 11
    return value[0] in "123" + "4" * (value[1] == "5") and int(value[8]) == (11 - check if check > 1 else 0)


def gr_amka(value: str) -> bool:
    """Greek AMKA: a day of birth, and Luhn's check."""
    return _day_first(value) and luhn(value)


def gr_afm(value: str) -> bool:
    """Greek tax number (AFM): powers of two as weights, modulo 11."""
    total = sum(int(digit) << place for digit, place in zip(value[:8], range(8, 0, -1), strict=True))
    return total % 11 % 10 == int(value[8]) and value != "000000000"


def baltic_code(value: str) -> bool:
    """Estonian isikukood, Lithuanian asmens kodas: sex with the century, a day, one or two weighted sums modulo 11."""
    check = weighted(value[:10], "1234567891") % 11
    check = check if check < 10 else weighted(value[:10], "3456789123") % 11 % 10
    return value[0] in "12345678" and month_and_day(value[3:7]) and check == int(value[10])


def lv_identity_code(value: str) -> bool:
    """Latvian personas kods, as given until 2017: a day of birth, and a weighted sum modulo 11."""
    check = (1 + weighted(value[:10], "a584216379")) % 11 % 10
    return _day_first(value) and value[6] in "012" and check == int(value[10])


def hr_oib(value: str) -> bool:
    """Croatian OIB: ISO 7064 MOD 11,10."""
    return iso_11_10(value)


def hu_identity_number(value: str) -> bool:
    """Hungarian személyi szám: a day of birth; places as weights modulo 11, backwards for who was born since 1997."""
    checks = (weighted(value[:10], weights) % 11 for weights in ("123456789a", "a987654321"))
    return value[0] not in "09" and month_and_day(value[3:7]) and int(value[10]) in checks


def hu_taj(value: str) -> bool:
    """Hungarian social insurance number (TAJ): a weighted sum modulo 10."""
    return weighted(value[:8], "37373737") % 10 == int(value[8]) and len(set(value)) > 1


def hu_tax_id(value: str) -> bool:
    """Hungarian tax identification of a person (adóazonosító jel): begins with 8; places as weights modulo 11."""
    return value[0] == "8" and weighted(value[:9], "123456789") % 11 == int(value[9])


def _day_first(value: str) -> bool:
    """Whether a number begins with a day and a month."""
    return month_and_day(value[2:4] + value[:2])


def _less(value: str, day: int) -> str:
    """A month and a day, which is lowered by so many where it is higher."""
    lowered = int(value[2:]) - (day if int(value[2:]) > day else 0)
    return f"{value[:2]}{lowered:02d}"


CZECH, ROMANIAN, BALKAN = "[ěřůťďňľĺŕĚŘŮŤĎŇĽĹŔ]", "[ășțţşĂȘȚŢŞ]", "[čšžćđČŠŽĆĐ]"
GREEK, BALTIC, NORDIC = "[α-ωά-ώΑ-Ω]", "[āēīļņģķėįųūõĀĒĪĻŅĢĶĖĮŲŪÕ]", "[åøæÅØÆ]"
"""Letters that few other languages have: where they stand near, a check digit and a day of birth are enough."""

BIRTH_NUMBER = r"rodn\w+ (?:č[ií]s|cis)\w+|rod\.? ?[čc](?:[ií]s)?\.?|r\.? ?č\.?|birth num\w+"
LABELS = named(
    rf"{BIRTH_NUMBER}|cnp|cod\w* numeric(?: personal)?|egn|oib|osobn\w+ identifikacijsk\w+ broj\w*|em[šs]o|jmbg"
    r"|henkil[öo]tunnu\w+|hetu|personn(?:umme)?r|samordningsn(?:umme)?r|f(?:ø|o|oe)dselsn(?:umme)?r"
    r"|cpr(?:-? ?n(?:umme)?r)?|taj-? ?szám\w*|adóazonosító\w*|személyi (?:szám|azonosító)\w*|contribuinte|amka|αμκα"
    r"|α\.?φ\.?μ\.?|isikukoo\w+|asmens kod\w+|personas kod\w+",
    anywhere="[Ее][Гг][Нн]",
)
LABELLED_NUMBER = "[0-9]{6} ?[-+/–]? ?[0-9]{3,5}|[0-9](?:[ .-]?[0-9]){8,12}"
LABELLED = beside(
    (
        "rodn", "rod.", "rod ", "r.č", "r. č", "rč", "r č", "birth num", "cnp", "numeric", "egn", "егн", "oib",
        "identifika",
        "emšo", "emso", "jmbg", "henkil", "hetu", "personn", "samordn", "dselsn", "cpr", "taj", "adóaz", "személyi",
        "contribuinte", "amka", "αμκα", "αφμ", "α.φ", "isikuk", "asmens", "personas",
    )
)  # fmt: skip


class Registered(NamedTuple):
    """How a state writes a number that begins with a day of birth, and how it is told."""

    number: re.Pattern[str]
    check: Callable[[str], bool]
    context: re.Pattern[str] | None = None
    """What must stand near, where numbers of other things pass the check too often."""


REGISTERED = (
    Registered(number("[0-9]{6} ?/ ?[0-9]{4}"), cz_sk_birth_number),
    Registered(number("[0-9]{6}[ –-]{0,3}[0-9]{4}"), cz_sk_birth_number, named(BIRTH_NUMBER, anywhere=CZECH)),
    Registered(
        number("[0-9]{7} ?[0-9]{6}"),
        ro_cnp,
        named(r"cnp\w*|cod\w* numeric|buletin\w*|domiciliat\w*|numitul|numita", anywhere=ROMANIAN),
    ),
    Registered(
        number("[0-9]{6} ?[0-9]{4}"),
        bg_egn,
        named("egn", anywhere="[Ее][Гг][Нн]|граждан|[Рр]оден|живущ|лична карта"),
    ),
    Registered(number("[0-9]{7}[ -]?[0-9]{6}"), si_emso, named(r"em[šs]o|jmbg|matičn\w+", anywhere=BALKAN)),
    Registered(
        number("[0-9]{6}(?:[0-9]{2})?[-+ ]?[0-9]{4}"),
        se_identity_number,
        named(r"personn(?:umme)?r|p-?nr|person-?id|samordningsn\w+|född|fodd", anywhere="[åÅ]"),
    ),
    Registered(number("[0-9]{6}[ -]?[0-9]{5}"), no_identity_number),
    Registered(number("[0-9]{6}[ -]?[0-9]{4}"), dk_cpr, named(r"cpr\w*(?:-?n(?:umme)?r)?|personn(?:umme)?r")),
    Registered(number("[0-9]{6}[ -]?[0-9]{4}"), dk_checked_cpr, named("født|foedt", anywhere=NORDIC)),
    Registered(number("[0-9]{6}[ -]?[0-9]{5}"), gr_amka, named("amka", anywhere=GREEK)),
    Registered(number("[0-9]{11}"), baltic_code, named(r"isikukoo\w+|ik|asmens|a\.? ?k\.?", anywhere=BALTIC)),
    Registered(number("[0-9]{6}[ -]?[0-9]{5}"), lv_identity_code, named(r"personas|p\.? ?k\.?", anywhere=BALTIC)),
)
"""A state more is a check and a line."""
START = re.compile(rf"[0-9]{BEHIND}(?=[0-9]{{5,7}}[ /–+-]{{0,3}}[0-9]{{4}})")
"""Where one of them may begin: looked for once for all."""


def registered(text: str) -> Iterator[Finding]:
    """Numbers that a state gave to a person."""
    for start in START.finditer(text):
        for each in REGISTERED:
            match = each.number.match(text, start.start())
            if not match or not each.check(plain(match["value"])):
                continue
            if each.context is None or near(each.context, text, *match.span("value")):
                yield Finding("national_id", *match.span("value"), match["value"], each.check)
                break


BIRTH_NUMBERS: tuple[Detector, ...] = (
    Function("national_id", MANY_DIGITS, registered),
    national(
        form("[0-9][+A-FU-Ya-fu-y-][0-9]{3}[0-9A-Ya-y]"),
        "[0-9]{6}[+A-FU-Ya-fu-y-][0-9]{3}[0-9A-Ya-y]",
        fi_identity_code,
    ),
    national(
        beside(("nif", "contribuinte", "fiscal")),
        "[0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{3}",
        pt_nif,
        named(r"nif|contribuinte\w*|(?:número|n\.?º|num) fiscal|identificação fiscal"),
    ),
    national(beside(("afm", "αφμ", "α.φ.μ")), "[0-9]{9}", gr_afm, named(r"afm|α\.?φ\.?μ\.?")),
    national(beside(("oib", "identifikacijsk")), "[0-9]{11}", hr_oib, named(r"oib\w*|osobn\w+ identifikacijsk\w+")),
    national(beside(("személyi",)), "[0-9][ -]?[0-9]{6}[ -]?[0-9]{4}", hu_identity_number, named(r"személyi\w*")),
    national(beside(("taj",)), "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", hu_taj, named(r"taj\w*")),
    national(beside(("adó",)), "[0-9]{10}", hu_tax_id, named(r"adó\w*")),
    Function("national_id", LABELLED, Labelled("national_id", LABELS, LABELLED_NUMBER, between=14, after=4)),
)
"""In the order in which they are asked."""
