"""Dates of birth: dates beside a word that says so, in the tongues of Europe."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lmworks.data.privacy.findings import Finding, Trigger, named
from lmworks.data.privacy.kinds.dates import COMPACT, DATE, MONTHS, SHORT, WORDED

_STRONG = (
    # English
    r"[a-z]{0,12}birth\w*|born|bdate(?=[ :=\"'])|anniversaire|cumpleaños|compleanno|verjaardag|jarig|aniversário"
    r"|sternzeichen|"
    r"b-?days?|b['’]day|d[./]?[ ]?o[./]?[ ]?b|(?:into|entered) (?:the|this) world|saw the light of day|natal|(?:had"
    r"|have|welcomed?|delivered|deliver|proud parents of) (?:our|a|my|her|his|their|the)(?: [a-z]{3,12}){0,2} (?:son"
    r"|daughter|baby|boy|girl|twins)|(?:son|daughter|baby|girl|boy|twins|grandson|granddaughter) (?:arrived"
    r"|was delivered|delivered|came along|joined us)|turn(?:s|ed|ing) (?:[0-9]{1,3}|[a-z-]{3,20})|"
    r"star ?sign|zodiac\w*|horoscope|new-?born|c-section|cesarean|date?[. _]?nais\w*|"
    r"(?:i'?m|s?he'?s|am|is|was) an? (?:gemini|aries|taurus|leo|virgo|libra|scorpio|sagittarius|capricorn"
    r"|aquarius|pisces)|"
    r"baby (?:boy |girl )?[a-z]{2,12} (?:arrived|came|was delivered)|"
    r"(?:tochter|sohn|zwillinge)(?: [a-zäöü]{2,15})? (?:ist|sind) (?:endlich )?(?:da|gelandet)|jahrgang|wiegenfest|"
    r"(?:fils|fille|bébé|bout de chou)(?: [a-zé]{2,15})? (?:est|était) arrivée?|bout de son nez|naiss(?:ait|aient"
    r"|ent)|annif|data(?:di)?nascita|"
    # German, Dutch
    r"(?:bin|ist|war) (?:eine? )?(?:widder|stier|zwilling|krebs|löwe|jungfrau|waage|skorpion|schütze"
    r"|steinbock|wassermann|fische?)|"
    r"gebor\w*|geboorte\w*|geburt\w*|geb|gebdat\w*|geb[. _-]{0,2}dat\w*|zur welt|licht der welt|ter wereld|horoskop|"
    r"(?:wird|wurde) (?:[0-9]{1,3}|volljährig)|volljährig\w*|neugebor\w*|entb[iu]nd\w*|kaiserschnitt|"
    r"tierkreis\w*|aszendent|"
    r"bevall\w*|pasgebor\w*|sterrenbeeld|meerderjarig|word\w* [0-9]{1,3}|levenslicht|verjaart|geb\.? ?tag|"
    r"horoscoop|gebdatum|"
    # French
    r"naissance\w*|naiss|née?s?|née?\(e\)|né\.e|né·e|naquit|naître|au monde|vue? le jour|accouch\w*|"
    r"nouveau-?née?|césarienne|(?:aura|fête(?:ra)? ses|a eu) [0-9]{1,3} ans|zodia\w*|voit le jour|anniv|"
    r"natif|native d[e'’]|ddn|date[ _]de[ _]naiss|thème astral|"
    # Spanish, Portuguese, Italian
    r"nacid\w+|naci[oó]|nacimiento|fec?ha?[. _]{0,2}(?:de[ _])?nac\w*|f[. _]{0,2}nac\w*|al mundo|"
    r"vio la luz|dio a luz|cesárea|recién nacid\w*|cumpl\w+ (?:los )?[0-9]{1,3}|mayor de edad|zodíaco|"
    r"cumple(?: años| el)?|"
    r"alumbr\w*|carta astral|"
    r"nascid\w+|nasceu|nascimento|nasc|ao mundo|data[. _]{0,2}(?:de[ _])?nasc\w*|mapa astral|natalício|"
    r"deu à luz|recém-nascid\w*|(?:faz|completa) [0-9]{1,3}|maior de idade|compi\w+ [0-9]{1,3}|maggiorenne|"
    r"partorì|neonat\w*|"
    r"cesareo|segno zodiacale|faz(?:er)? anos|faço anos|niver|compi\w+ (?:gli )?anni|vide la luce|"
    r"venut[oa] (?:al mondo|alla luce)|"
    r"nat[oaie]|nascita|nasciture|nacque|alla luce|oroscopo|"
    # Polish
    r"urodz\w*|ur|na świat|poród|porodu|noworod\w*|kończy [0-9]{1,3}|skończył\w*|pełnoletni\w*|"
    r"znak zodiaku|chrz\w+|horoskop\w*|data[. _]{0,2}ur\w*"
)
_WEAK = r"(?<!z\.)(?<!z\. )(?<!z\.\n)(?<!z\.  )b\.|n\.? ?(?:il|le|el|a|em)|d[._]?n\.?|f[./_]?n\.?|dt\.? ?nasc\.?|gd|geb"
BIRTH_WORDS = named(_STRONG, anywhere="出生|生日|생년월일|생일")
WEAK_WORDS = re.compile(rf"(?<![^\W_])(?i:{_WEAK})(?![^\W_])|\*(?= ?[0-9])")
"""Shortened names, right before the date."""
BIRTH = Trigger(
    re.compile(  # the first digit comes first, since nothing else is looked for as fast
        r"[0-9](?:(?<=1)[89][0-9][0-9]|(?<=2)0[0-9][0-9]|[./-] ?[0-9]{1,2}[./-] ?[0-9]{2}|[0-9] [0-9]{1,2} [0-9]{2}"
        r"|(?:st|nd|rd|th)?[ .-]?(?:[jJfFmMaAsSoOnNdDeEgG][aeéuûpgcktoiEAUPCTGO]|st|lu|kw|cz|li|si|wr|pa|gr|ST|"
        r"LU)[a-zA-Zéûźś]{1,9}\.?[ .-]?['’]?[0-9]{2})"
    ),
    probe=r"(?:1[89]|20)[0-9][0-9]|[0-9][./-] ?[0-9]{1,2}[./-] ?[0-9]{2}|[0-9] [0-9]{1,2} [0-9]{2}|"
    r"[0-9](?:st|nd|rd|th)?[ .-]?[^\W0-9_]{3,12}\.?[ .-]?['’]?[0-9]{2}",
    words=(
        "birth", "born", "bdate", "b'day", "b’day", "d/o/b", "light of day", "b. 0", "b. 1", "b. 2", "b. 3",
        "our son", "our daughter",
        " son ", "daughter", "grandson", " girl", " boy", "twins", "a baby", "our baby", "tochter", "sohn ",
        "zwilling", "jahrgang", "wiegenfest", "est arrivé",
        "son nez", "bday", "b-day", "dob", "d.o.b", "geb", "naiss", "né", "naqu", "naci", "f.nac", "fnac",
        "f. nac", "_nac", " nac", "nato", "nata", "nasc", "nacque", "urodz", "ur.", "ur ", "ur:", "(b.",
        "naî", "natal", "alumbr", "nati ", "nate ", "nac.", "nac:", "ddn",
        "zur welt", "wereld", "world on", "the world", "au monde", "al mundo", "ao mundo", "alla luce", "na świat",
        "horos", "astral", "oroscop", "star sign", "dn:", "dn ", "dn\"", "dn;", "dn,", "dn<", "dn)", "d.n", "dn=",
        "f/n", "f.n", "fn:", "d_n", "* ", "*0", "*1", "*2", "*3", "anniv", "annif", "cumplea", "compleanno",
        "verjaardag",
        "jarig", "aniversário", " turn", "licht der", "verjaart", "le jour", "natif", "native d", "la luz",
        "cumple", "anos",
        "niver", "compie", "zodia", "newborn", "new-born", "c-section", "cesar", "césar", "cesár", "nais",
        "wird ", "wurde ",
        "volljäh", "neugeb", "entbind", "entbund", "kaisersch", "tierkreis", "aszend", "bevall", "pasgeb", "sterrenb",
        "meerderj", "wordt ", "worden ", "accouch", "nouveau", " ans", "a luz", "à luz", "recién", "mayor de",
        "recém", "faz ", "completa",
        "maior de", "maggior", "partor", "neonat", "segno", "poród", "porodu", "noworod", "kończy", "skończ", "pełnol",
        "zodiaku", "chrz", "n. ", "n le", "starsign", "la luce", "venut", "geb tag", "n. il", "ur.", "sternz",
        "gemini", "aries", "taurus", "a leo", "virgo", "libra", "scorpio", "sagitt", "capric", "aquarius",
        "pisces", "baby ",
        "widder", "stier", "zwilling", "krebs", "löwe", "jungfrau", "waage", "skorpion", "schütze",
        "steinbock", "wasserm", "fisch",
        "出生", "生日", "생년월일",
    ),
    near_digits=True,
    reach=120,
)  # fmt: skip
_DATE = re.compile(rf"(?<![0-9])(?P<value>{DATE}|{COMPACT}|{SHORT})", re.IGNORECASE)
_ANY = re.compile(rf"(?<![\w./-])(?P<value>{DATE})", re.IGNORECASE)
_GAP = re.compile(
    r" ?(?:[,;/&|]|and|und|et|y|e|i|en|-)[ \n]{0,2}(?:and|und|et|y|e|i"
    r"|en)? ?(?:[A-ZÀ-Ý][^\W\d]{1,20} ?){0,2}(?:(?:s?he|his|hers|mine|dad|mum|mom|son|daughter|wife|husband|"
    r"brother|sister)(?:['’]s| is| was)?(?: from| on| is| was)?(?: |(?=:)))?[:(–-]? ?"
)
_CLOCK = re.compile(
    r"(?i)(?:um |at |à |alle |a las )?[0-9]{1,2}(?:[:.h][0-9]{2})? ?(?:uhr|am\b|pm\b|a\.m\.|p\.m\."
    r"|h\b)(?: [0-9]{1,2}\b)?"
    r"|(?:um|at|à|alle) [0-9]{1,2}[:.h][0-9]{2}|[0-9][0-9.,]{0,6} ?(?:g|kg|lbs?|oz|cm)\b"
)
"""The time of a birth, and a weight, which may stand between."""
_WORDED = re.compile(rf"(?<![\w-])(?:{WORDED})(?![\w-])", re.IGNORECASE)


def worded_birth_dates(text: str) -> Iterator[Finding]:
    """Dates told in words in the sentence of a birth: "née le douze mars mil neuf cent quatre-vingt"."""
    for match in _WORDED.finditer(text):
        around = (
            text[max(0, match.start() - AFTER) : match.start()].rpartition("\n")[2],
            text[match.end() : match.end() + BEFORE],
        )
        if BIRTH_WORDS.search(around[0]) or BIRTH_WORDS.search(around[1].partition("\n")[0]):
            yield Finding("birth_date", *match.span(), match[0])


BEFORE, AFTER, WEAK = 80, 90, 14
"""Characters after and before a word in which its date may begin and end."""


def birth_dates(text: str) -> Iterator[Finding]:
    """Dates right behind a word that tells of a birth, else right before it: "geb. 3.5.1970", "am 3.5.1970 geboren"."""
    told = found = False
    for match in BIRTH_WORDS.finditer(text):
        told = True
        if behind := _behind(text, match.end(), AFTER):
            found = True
            yield behind
            yield from _others(text, behind.end)
        elif before := _before(text, match.start()):
            found = True
            yield before
    for match in WEAK_WORDS.finditer(text):
        if behind := _behind(text, match.end(), WEAK):
            yield behind
        elif before := _before(text, match.start(), 3):
            yield before
    if told and not found:
        yield from worded_birth_dates(text)


SPELLED = Trigger(
    words=(
        "mil neuf", "mille neuf", "mil-neuf", "mille-neuf", "dix-neuf cent", "deux mille", "deux-mille",
        "neunzehnhundert",
        "zweitausend", "nineteen ", "two thousand", "twenty ten", "twenty eleven", "twenty twelve", "twenty-ten",
        "mil novecientos",
        "dos mil", "millenovecento", "milnovecento", "duemila",
    ),
    reach=120,
)  # fmt: skip
"""Years in words, of which a text needs no digit."""
_DAY_OF_YEAR = (
    rf"(?:[0-3]?[0-9](?:st|nd|rd|th|er|\.)?(?: of| de)? (?:{MONTHS})|(?:{MONTHS}) (?:the )?[0-3]?[0-9](?:st|nd|rd"
    rf"|th)?)(?![\w,]? ?[0-9]|[\w-])"
)
PARTIAL = re.compile(
    r"(?i)(?<![^\W_])(?:birthdays?|b['’-]?days?|geburtstag|anniversaire|anniv|cumpleaños|compleanno|urodziny"
    r"|verjaardag|aniversário)"
    rf"(?:['’]s)?(?: is| falls| ist| est| es| è| to| przypadają)?(?: on| am| le| el| il| op| on the"
    rf"| the)?[ :]{{1,3}}(?P<value>{_DAY_OF_YEAR})"
)
"""A birthday without its year."""
BIRTHDAY = Trigger(
    words=(
        "birthday", "bday", "b-day", "b'day", "b’day", "geburtstag", "anniversaire", "anniv", "cumpleaños",
        "compleanno", "urodziny",
        "verjaardag", "aniversário",
    ),
    needs=("[0-9]",),
)  # fmt: skip


DAY_FIRST = re.compile(r"[0-3][0-9][01][0-9](?:19|20)[0-9]{2}")
"""Eight digits that may be two years: a date right behind a word alone."""


def _behind(text: str, place: int, most: int) -> Finding | None:
    """The first date after a place."""
    date = _DATE.search(text, place, place + most + 30)
    if not date or date.start() > place + most:
        return None
    if DAY_FIRST.fullmatch(date["value"]) and date.start() > place + 4:
        return None
    if "\n\n" in (gap := text[place : date.start()]) and gap.strip(": \n*_"):
        return None
    return Finding("birth_date", *date.span("value"), date["value"])


def _others(text: str, place: int) -> Iterator[Finding]:
    """Further dates of a list: "born 1.2.2010, Mia 3.4.2012 and 5.6.2014"."""
    while (gap := _GAP.match(text, place)) and (date := _DATE.match(text, gap.end())):
        yield Finding("birth_date", *date.span("value"), date["value"])
        place = date.end()


def _before(text: str, place: int, most: int = BEFORE) -> Finding | None:
    """The date that is the last number before a place in the same sentence."""
    last = next(reversed(list(_ANY.finditer(text, max(0, place - most - 30), place))), None)
    if (
        last is None
        or re.search(r"[0-9\n!?;]", _CLOCK.sub("", text[last.end() : place]))
        or len(text[last.end() : place]) > most
    ):
        return None
    return Finding("birth_date", *last.span("value"), last["value"])
