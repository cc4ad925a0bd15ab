"""Dates of birth: dates beside a word that says so, in the tongues of Europe."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lmworks.data.privacy.dates import COMPACT, DATE
from lmworks.data.privacy.findings import Finding, Trigger, named

_STRONG = (
    # English
    r"birth\w*|born|anniversaire|cumpleaños|compleanno|verjaardag|jarig|aniversário|sternzeichen|"
    r"b-?day|d\.?[ ]?o\.?[ ]?b|came into (?:the|this) world|star sign|horoscope|"
    # German, Dutch
    r"gebor\w*|geboorte\w*|geburt\w*|geb|gebdat\w*|geb[. _-]{0,2}dat\w*|zur welt|ter wereld|horoskop|"
    r"horoscoop|gebdatum|"
    # French
    r"naissance\w*|naiss|née?s?|née?\(e\)|né\.e|né·e|naquit|naître|au monde|ddn|date[ _]de[ _]naiss|thème astral|"
    # Spanish, Portuguese, Italian
    r"nacid\w+|naci[oó]|nacimiento|fec?ha?[. _]{0,2}(?:de[ _])?nac\w*|f[. _]{0,2}nac\w*|al mundo|"
    r"alumbr\w*|carta astral|"
    r"nascid\w+|nasceu|nascimento|nasc|ao mundo|data[. _]{0,2}(?:de[ _])?nasc\w*|mapa astral|natalício|"
    r"nat[oaie]|nascita|nasciture|nacque|alla luce|oroscopo|"
    # Polish
    r"urodz\w*|urodzin\w*|ur|na świat|horoskop\w*|data[. _]{0,2}ur\w*"
)
_WEAK = r"b\.|d[._]?n\.?|f[./_]?n\.?|dt\.? ?nasc\.?|gd|geb"
BIRTH_WORDS = named(_STRONG, anywhere="出生|生日|생년월일|생일")
WEAK_WORDS = re.compile(rf"(?<![^\W_])(?i:{_WEAK})(?![^\W_])|\*(?= ?[0-9])")
"""Shortened names, right before the date."""
BIRTH = Trigger(
    re.compile(r"(?:1[89]|20)[0-9][0-9]|[0-9][./-] ?[0-9]{1,2}[./-] ?[0-9]{2}"),
    words=(
        "birth", "born", "bday", "b-day", "dob", "d.o.b", "geb", "naiss", "né", "naqu", "naci", "f.nac", "fnac",
        "f. nac", "_nac", " nac", "nato", "nata", "nasc", "nacque", "urodz", "ur.", "ur ", "ur:", "(b.",
        "naî", "natal", "alumbr", "nati ", "nate ", "nac.", "nac:", "ddn",
        "zur welt", "wereld", "world on", "the world", "au monde", "al mundo", "ao mundo", "alla luce", "na świat",
        "horos", "astral", "oroscop", "star sign", "dn:", "dn ", "dn\"", "dn;", "dn,", "dn<", "dn)", "d.n", "dn=",
        "f/n", "f.n", "fn:", "d_n", "* ", "*0", "*1", "*2", "*3", "anniv", "cumplea", "compleanno", "verjaardag",
        "jarig", "aniversário", "sternz", "出生", "生日", "생년월일",
    ),
    near_digits=True,
    reach=120,
)  # fmt: skip
_DATE = re.compile(rf"(?<![0-9])(?P<value>{DATE}|{COMPACT})", re.IGNORECASE)
_ANY = re.compile(rf"(?<![\w./-])(?P<value>{DATE})", re.IGNORECASE)
BEFORE, AFTER, WEAK = 70, 70, 14
"""Characters after and before a word in which its date may begin and end."""


def birth_dates(text: str) -> Iterator[Finding]:
    """Dates right behind a word that tells of a birth, else right before it: "geb. 3.5.1970", "am 3.5.1970 geboren"."""
    for match in BIRTH_WORDS.finditer(text):
        if behind := _behind(text, match.end(), AFTER):
            yield behind
        elif before := _before(text, match.start()):
            yield before
    for match in WEAK_WORDS.finditer(text):
        if behind := _behind(text, match.end(), WEAK):
            yield behind
        elif before := _before(text, match.start(), 3):
            yield before


def _behind(text: str, place: int, most: int) -> Finding | None:
    """The first date after a place."""
    date = _DATE.search(text, place, place + most + 30)
    if not date or date.start() > place + most or "\n\n" in text[place : date.start()]:
        return None
    return Finding("birth_date", *date.span("value"), date["value"])


def _before(text: str, place: int, most: int = BEFORE) -> Finding | None:
    """The date that is the last number before a place in the same sentence."""
    last = next(reversed(list(_ANY.finditer(text, max(0, place - most - 30), place))), None)
    if last is None or re.search(r"[0-9\n!?;]", text[last.end() : place]) or len(text[last.end() : place]) > most:
        return None
    return Finding("birth_date", *last.span("value"), last["value"])
