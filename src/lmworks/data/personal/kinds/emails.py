"""E-mail addresses as people write them to hide them from machines: `jane [at] example (dot) org`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from lmworks.data.personal.findings import Finding

_SURE = (
    r"at[ -](?:the[ -])?(?:sign|symbol|rate)(?: of)?|arr?oba|arobase?|arobas|chiocciol(?:a|ina)|klammeraffe"
    r"|affenschwanz"
    r"|ape(?:n)?sta(?:art(?:je)?|rtje)|ma[łl]p(?:a|ka)|snabel-?a|krøllalfa|zavin[aá][cč]|kukac|собака|собачка|ät|aet"
)
"""Names of the sign @ that have no other meaning between two words."""
_AT = rf"at|bei|chez|{_SURE}"
_DOT = r"dot|d0t|period|full stop|punkt|point|punto|ponto|punt|kropka|pkt|punktum|te[cč]ka|nokta|точка|крапка"
_LINE = r"underscore|under score|unterstrich|tiret bas|gui[oó]n bajo|trattino basso|podkreślnik|podkreślenie|sublinhado"
_DASH = r"dash|hyphen|minus|bindestrich|tiret|trait d['’]union|gui[oó]n|trattino|myślnik|hífen|streepje|koppelteken"
_OPEN, _CLOSE = r"(?:&lt;|[\[({<|*~【「〈«‹“”„]{1,3})", r"(?:&gt;|[\])}>|*~】」〉»›“”]{1,3})"
_MARKS = "\"'#=+/\\…_.:~*|%^!$§&;-"
_MARKS_IN_CLASS = re.escape(_MARKS)
_MARK = f"[{_MARKS_IN_CLASS}]"
_CODED_AT = r"&#0*64;|&#[xX]0*40;|&commat;|\\u0040|%40|\\@|@@| ?[📧🐌🐵🙈🌀] ?"
_CODED_DOT = r"&#0*46;|&#[xX]0*2[eE];|&period;|[·•∙。]"
_HIDDEN_AT = (
    rf"(?: {{0,2}}{_OPEN} ?(?i:{_AT}|a ?t|[aà]|@t?|æt|et|ad) ?{_CLOSE} {{0,2}}"
    rf"| ?(?P<mark>{_MARK})(?P=mark){{0,2}} ?(?i:at|{_SURE}) ?(?P=mark){{1,3}} ?"
    rf"|,? (?i:{_SURE}),? (?:the )?|(?<=[a-z0-9])AT(?=[a-z0-9])|(?<=[a-z0-9]) AT (?=[a-z0-9])|{_CODED_AT})"
)
"""Forms of the sign @ that are not used for anything else."""
_PLAIN_AT = rf",? (?i:{_AT}|à),? (?:the )?"
_HIDDEN_DOT = (
    rf"(?: {{0,2}}{_OPEN} ?(?i:{_DOT}|\.) ?{_CLOSE} {{0,2}}| ?{_MARK}{{1,3}} ?(?i:{_DOT}) ?{_MARK}{{1,3}} ?"
    rf"|DOT(?=[a-z0-9])"
    rf"|,? (?i:{_DOT}),? | ?-?(?i:dot)-?(?=(?:com|org|net|info|de|fr)(?!\w))|{_CODED_DOT})"
)
_ANY_DOT = rf"(?:{_HIDDEN_DOT}| \. |\.|[.,] ?(?=(?:com|org|net|edu|de|fr)(?!\w))| \.(?=[a-z]))"
_JOINT = rf"(?:{_ANY_DOT}| (?i:{_LINE}|{_DASH}) | ?{_OPEN} ?(?i:{_LINE}|{_DASH}|[_-]) ?{_CLOSE} ?|%2[BbEe])"
_PART = r"[^\W_](?:[\w+-]{0,62}?[^\W_])?"
_NAME = rf"(?<![\w.+-])[\w+-]{{0,62}}?[^\W_](?:{_JOINT}{_PART}){{0,3}}?"
_FAR = "com|org|net|edu|gov|info|eu|co"
_NEAR = "de|fr|es|it|pl|nl|uk|ch|at|be|pt|br|in|cn|us|ca|au|mx|se|dk|cz|hu|ru|ua|jp|ie"
_END = rf"(?i:{_FAR}|io|biz|dev|app|me|fm|{_NEAR})(?!\w)"
_LAST = r"(?!(?:the|and|is|was|to|of|an?|on|my|that|this|we|he|she|they|you|for|with|or|as) )[A-Za-z]{2,12}(?!\w)"
_HOST = rf"{_PART}(?: (?i:{_DASH}) {_PART})?"
_PROVIDERS = (
    r"g ?(?:oogle)?mail|gee mail|hot ?mail|outlook|yahoo|icloud|proton(?:mail)?|gmx|aol|fastmail|tutanota|yandex"
    r"|freenet"
    r"|laposte|tiscali|virgilio|ymail|posteo|web\.de|t-online|orange\.fr|wanadoo|libero|o2\.pl|wp\.pl"
)
_PROVIDER = rf"(?i:{_PROVIDERS})(?:(?: ?(?i:dot) ?| )com)?(?![\w.]*\w)"
_DOMAIN = rf"(?:(?:{_HOST}{_ANY_DOT}){{0,3}}{_HOST}{_HIDDEN_DOT}{_LAST}|(?:{_HOST}{_ANY_DOT}){{1,4}}{_END}|{_PROVIDER})"
HIDDEN = re.compile(rf"{_NAME}(?P<sign>(?P<sure>{_HIDDEN_AT}| @ ?| ?@ )|{_PLAIN_AT}|@)(?P<domain>{_DOMAIN})")
_SPACED = re.compile(
    r"(?<![\w.+-])(?:[A-Za-z0-9._+-] ){2,40}@ ?(?:(?:[A-Za-z0-9-] ){2,40}\. ?|[\w-]{2,63} ?\. ?){1,3}"
    r"(?:c ?o ?m|o ?r ?g|n ?e ?t|d ?e|f ?r|i ?t|e ?s|p ?l)(?!\w)"
)
"""Pattern of spaced addresses such as `j a n e @ e x a m p l e . o r g`."""
_SURE_DOT = re.compile(_HIDDEN_DOT)
_MAIL_WORDS = re.compile(
    r"(?i)(?<![^\W_])(?:e-?mail\w*|mail\w*|courriel\w*|correo\w*|write|reach|contact\w*|kontakt\w*|schreib\w*|écri\w*"
    r"|escri\w*|scriv\w*|address|adress?e?\w*|posta|poczt\w*|author|maintainer|hit me|ping|find me|send (?:it|me|to"
    r"|your)"
    r"|dm|questions?|[ie]nquir\w*|rsvp|cv|forward\w*|rejoindre)(?![^\W_])"
)
_IS_ADDRESS = re.compile(
    r"(?i)[,)]? ?(?:is|are) (?:my|his|her|the|our|their) (?:e-?)?mail|[,)]? ?\((?:e-?mail|courriel)"
)
_COMMON_WORDS = re.compile(
    r"(?i)(?:look|looks|log|sign|signed|logged|hosted|me|us|them|it|here|inbox|account|is|was|are|not|or|and|users?"
    r"|up|come)"
)


_ENDS = {"at": "de|ch|uk", "bei": "de|ch|at", "chez": "fr|ch", "à": "fr|ch"}
"""Ends of addresses with a spelled-out dot, by the word for @, because "at this point in" is not an address."""
_MARKED = "|".join(rf"{mark} ?(?i:at|{_SURE}) ?{mark}" for mark in map(re.escape, _MARKS))
_HOST_BEHIND = (
    rf"[ {_MARKS_IN_CLASS}]{{0,3}}(?:[A-Za-z0-9-]+(?: {{0,2}}{_OPEN} ?(?i:{_DOT}|\.)|\.[A-Za-z]|,? (?i:{_DOT})"
    rf"|{_CODED_DOT}"
    rf"|DOT| ?{_MARK}{{1,3}} ?(?i:{_DOT}))|(?i:{_PROVIDERS}))"
)
TRIGGER = (
    rf"(?:{_OPEN} ?(?i:{_AT}|a ?t|[aà]|@t?|æt|et|ad) ?{_CLOSE}|{_MARKED}"
    rf"|(?i:[ \[({{<]{_SURE}[ ,])|{_CODED_AT}|[a-z0-9]AT"
    rf"|[a-z0-9] AT | (?i:{_AT}|à),? (?:the )?){_HOST_BEHIND}|[a-z0-9] @ ?[a-z0-9]|[a-z0-9]@ [a-z0-9]"
    rf"|[A-Za-z0-9]@[A-Za-z0-9.-]+(?: ?[\[({{<|*~,_]| \.|\. |&|[·•∙。]| ?[_-]?(?i:{_DOT})[ _-])"
)
"""Pattern of RE2 that every text with such an address matches."""


def hidden_emails(text: str) -> Iterator[Finding]:
    """Find addresses in which @ or dots are written in another way, or with spaces around them."""
    place = 0
    while match := HIDDEN.search(text, place):
        place = match.end() if _is_address(text, match) else match.start() + 1
        if place == match.end():
            yield Finding("email", *match.span(), match[0])
    for match in _SPACED.finditer(text) if "@" in text else ():
        yield Finding("email", *match.span(), match[0])


def _is_address(text: str, match: re.Match[str]) -> bool:
    """Return whether @ or the dots are hidden in a way with no other meaning, or words say that it is an address."""
    name, domain = text[match.start() : match.start("sign")], match["domain"]
    if match["sign"] == "@":
        return _SURE_DOT.search(domain) is not None or re.search(r"[.,] | \.|,", domain) is not None
    if match["sure"]:
        return True
    if _COMMON_WORDS.fullmatch(name):
        return False
    if dot := _SURE_DOT.search(domain):
        ends = _ENDS[match["sign"].strip(" ,").casefold().removesuffix(" the")]
        return (
            re.search(rf"(?i)dot|d0t|{_OPEN}", dot[0]) is not None
            or re.search(rf"(?i)[^a-z](?:{_FAR}|{ends})$", domain) is not None
        )
    before = text[max(0, match.start() - 60) : match.start()]
    is_mailbox = re.fullmatch(_PROVIDER, domain) is not None and len(name) > 3
    return bool(
        is_mailbox or re.search("[._+0-9]", name) or _MAIL_WORDS.search(before) or _IS_ADDRESS.match(text, match.end())
    )


def plain_email(value: str) -> str:
    """Return the address itself: `jane [at] example [dot] org` is jane@example.org."""
    plain = re.sub(rf"{_HIDDEN_AT}|{_PLAIN_AT}| ?@ ?", "@", value, count=1)
    name, sign, domain = plain.partition("@")
    plain = f"{re.sub(_HIDDEN_DOT, '.', name)}{sign}{re.sub(_ANY_DOT, '.', domain)}"
    return unquote(plain) if plain != value and "%" in plain else plain
