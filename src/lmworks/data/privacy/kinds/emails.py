"""E-mail addresses, plain and as people write them to hide them from machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from lmworks.data.privacy.findings import CONTEXT_BEFORE, Finding, Trigger, named

AT = Trigger(re.compile(r"@(?<=\w@)[\w-]"), probe="@")
EMAIL = re.compile(
    r"(?<![\w%+-])_{0,3}(?P<value>[\w%+-]{1,64}(?:[.'][\w%+-]{1,64}){0,8}(?<!\bgit)@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})"
    r"(?!_{0,3}[^\W_])"
)
_SURE = (
    r"at[ -](?:the[ -])?(?:sign|symbol|rate)(?: of)?|arroba|aroba|arobase|arobas|chiocciola|chiocciolina|klammeraffe"
    r"|affenschwanz|"
    r"apenstaartje|apestaart(?:je)?|małpa|małpka|malpa|snabel-?a|krøllalfa|zavin[aá][cč]|kukac|собака|собачка|песик"
    r"|равлик"
)
"""What the sign is called, and nothing else that stands between two words."""
_WORDS = rf"at|ät|aet|bei|chez|{_SURE}"
_SHORT = rf"{_WORDS}|a ?t|@t?|æt|et|ad|à"
"""What stands in brackets for the sign."""
_DOTS = r"dot|d0t|period|full stop|punkt|point|punto|ponto|punt|kropka|pkt|punktum|te[cč]ka|nokta|точка|крапка"
_LETTER_AT = r" ?[\[({][aà][\])}] ?"
"""As Germans and Poles write it: jane(a)example.org."""
_OPEN, _CLOSE = r"(?:&lt;|[\[({<|*~【「〈«‹“”„]{1,3})", r"(?:&gt;|[\])}>|*~】」〉»›“”]{1,3})"
_CODED_AT, _CODED_DOT = (
    r"&#0*64;|&#[xX]0*40;|&commat;|\\u0040|%40|\\@|@@| ?[ⓐⒶ📧🐌🐵🙈🌀] ?",
    r"&#0*46;|&#[xX]0*2[eE];|&period;|[·•∙。]",
)
_BRACKETED_AT = rf"(?: {{0,2}}{_OPEN} ?(?i:{_SHORT}) ?{_CLOSE} {{0,2}}| [-_](?i:{_WORDS})[-_] |{_CODED_AT})"
_SPOKEN_AT = rf",? (?i:{_WORDS}),? "
_BRACKETED_DOT = (
    rf"(?: {{0,2}}{_OPEN} ?(?i:{_DOTS}|\.) ?{_CLOSE} {{0,2}}| [-_](?i:{_DOTS})[-_] |[-_](?i:dot|punkt|point"
    rf"|punto)[-_]|{_CODED_DOT})"
)
_SPOKEN_DOT = rf"(?:,? (?i:{_DOTS}),?| \.) "
_ANY_DOT = rf"(?:{_BRACKETED_DOT}|{_SPOKEN_DOT}|\.)"
_LINE = r"underscore|under score|unterstrich|tiret bas|gui[oó]n bajo|trattino basso|podkreślnik|podkreślenie|sublinhado"
_DASH = r"dash|hyphen|minus|bindestrich|tiret|trait d['’]union|gui[oó]n|trattino|myślnik|hífen|streepje|koppelteken"
_SPOKEN_JOINT = rf"(?: (?i:{_LINE}|{_DASH}) | ?{_OPEN} ?(?i:{_LINE}|{_DASH}|[_-]) ?{_CLOSE} ?)"
_NAME = rf"(?<![\w.+-])[\w+-]{{1,64}}(?:(?:{_ANY_DOT}|{_SPOKEN_JOINT}|%2[BbEe])[\w+-]{{1,64}}){{0,3}}"
_HOST = rf"[^\W_](?:[\w-]{{0,61}}[^\W_])?(?: (?i:{_DASH}) [^\W_](?:[\w-]{{0,30}}[^\W_])?)?"
_LAST = (
    r"(?!(?:the|and|is|was|to|of|an?|on|my|his|her|this|that|we|he|she|they|you|for|with|or|as) )[A-Za-z]{2,12}(?!\w)"
)
_SPACED_ENDS = "(?:com|org|net|edu|gov|info|de|fr|pl|co\\.uk)"
_COMMON_ENDS = (
    "(?:com|org|net|edu|gov|info|eu|io|co|de|fr|es|it|pl|nl|uk|ch|at|be|pt|br|in|cn|us|ca|au|mx|se|dk|cz|hu|ru|ua)"
)
_COMMON = rf"(?:{_COMMON_ENDS}|Com|Org|Net|COM|ORG|NET|DE|FR)(?!\w)"
_PROVIDERS = (
    r"g(?:oogle)?mail|hotmail|outlook|yahoo|icloud|"
    r"proton(?:mail)?|gmx|aol|fastmail|tutanota|yandex|freenet|laposte|tiscali|virgilio|ymail|rocketmail|hushmail"
    r"|posteo|g mail|gee mail|hot mail|web\.de|t-online|orange\.fr|wanadoo|libero|o2\.pl|wp\.pl"
)
BRACKETED = re.compile(
    rf"{_NAME}{_BRACKETED_AT}(?:(?:{_HOST}{_ANY_DOT}){{1,4}}{_LAST}|(?i:{_PROVIDERS})(?:(?: ?(?i:dot) ?"
    rf"| )com)?(?![\w.]))"
)
"""jane (at) example.org, jane [at] example [dot] org, jane[at]gmail."""
_FAR = r"(?:com|org|net|edu|gov|info|eu|co)"
_SPOKEN = (
    (rf"at|ät|aet|{_SURE}", r"dot|d0t", _LAST),
    (rf"ät|aet|{_SURE}", _DOTS, _LAST),
    ("at", "period|full stop|point|punkt|pkt", rf"(?:{_FAR}|de|ch|uk)(?!\w)"),
    ("bei", "dot|punkt|pkt", rf"(?:{_FAR}|de|ch|at)(?!\w)"),
    ("chez|à", "dot|point", rf"(?:{_FAR}|fr|ch)(?!\w)"),
)
"""What is said for the sign, for a dot, and how addresses end: "at that point in" and "chez lui point de" are none."""
SPOKEN = re.compile(
    "|".join(
        rf"{_NAME},? (?i:{sign}),? (?:the )?(?:{_HOST}(?:{_BRACKETED_DOT}|(?:,? (?i:{dot}),?| \.) "
        rf"|\.(?=[^@\n]{{1,80}} (?i:{dot}) ))){{1,4}}(?i:{last})"
        for sign, dot, last in _SPOKEN
    )
)
GLUED = re.compile(rf"{_NAME} (?i:at) (?:the )?{_HOST}(?: dot-?|-dot-|dot-?)(?:com|org|net|info|de|fr)(?!\w)")
"""jane at example dotcom."""
SURE = re.compile(
    rf"{_NAME}(?: (?i:{_SURE}) (?:the )?|(?<=[a-z0-9]) AT )(?:(?:{_HOST}\.){{1,4}}{_COMMON}"
    rf"|(?i:{_PROVIDERS})(?:(?: ?(?i:dot|punto|ponto|punkt) ?| )com)?(?![\w.]))"
)
"""jane arroba example.org, jane AT example.org."""
DOT_HIDDEN = re.compile(
    rf"{_NAME}@(?=[\w.-]{{1,100}}(?:{_BRACKETED_DOT}|{_SPOKEN_DOT}))(?:{_HOST}{_ANY_DOT}){{1,4}}{_LAST}"
    rf"|{_NAME}(?: @ ?|@ )(?:(?:{_HOST}(?:{_ANY_DOT}| \. )){{1,4}}{_COMMON}|(?i:{_PROVIDERS})(?![\w.]))"
    rf"|{_NAME} ?@ ?(?:{_HOST}\.){{0,3}}{_HOST}(?: \.|\. | \. |,){_SPACED_ENDS}(?!\w)"
)
"""jane@example[dot]org, jane @ example.org, jane@example .org."""
_MARK = r"(?:(?P<mark>[\"'#=+/\\…_.:~*|%^!$§&;-])(?P=mark){0,2})"
_MARKED_AT = r"(?i)[\"'#=+/\\…_.:~*|%^!$§&;-] ?(?:at|ät|arroba|arobase|chiocciola) ?[\"'#=+/\\…_.:~*|%^!$§&;-]"
MARKED = re.compile(
    rf"{_NAME} ?{_MARK} ?(?i:at|ät|arroba|arobase|chiocciola) ?(?P=mark){{1,3}} ?(?:{_HOST}(?:\."
    rf"| ?(?P=mark){{1,3}} ?(?i:{_DOTS}) ?(?P=mark){{1,3}} ?)){{1,4}}{_COMMON}"
)
"""jane "at" example "dot" org, jane#at#example.org."""
RUN_TOGETHER = re.compile(
    rf"(?<![\w.+-])(?:[a-z0-9._+-]{{1,64}}DOT)?[a-z0-9._+-]{{2,64}}AT(?:[a-z0-9-]{{2,63}}(?:DOT|\.)){{1,4}}{_COMMON}"
)
"""janeATexampleDOTorg."""
LETTERS = re.compile(
    r"(?<![\w.+-])(?:[A-Za-z0-9._+-] ){2,40}@ ?(?:(?:[A-Za-z0-9-] ){2,40}\. ?|[\w-]{2,63} ?\. ?){1,3}(?:c ?o ?m"
    r"|o ?r ?g|n ?e ?t|d ?e|f ?r|i ?t|e ?s|p ?l)(?!\w)"
)
"""j a n e @ e x a m p l e . o r g"""
BACKWARDS = re.compile(r"(?<![\w.@])(?:moc|gro|ten|ude|ofni|ku\.oc|ed|rf)\.[\w.-]{2,60}@[\w.+-]{2,64}(?![\w@.])")
"""As pages write it that turn it round when they are shown."""
_HYPHENED = "at|ät|arobase|arroba|chiocciola|malpa"
HYPHENED = re.compile(
    rf"(?<![\w.+-])[^\W_]+(?:[._-][^\W_]+){{0,3}}(?:_(?i:{_HYPHENED})_|-(?i:{_HYPHENED})-|{_LETTER_AT})"
    rf"(?:[^\W_][a-z0-9-]{{0,62}}(?:\.|_(?i:{_DOTS})_|-(?i:{_DOTS})-)){{1,4}}"
    rf"(?:{_COMMON}|(?<=[_-](?i:dot)[_-]){_LAST})"
)
"""jane_at_example.org."""
HALF = re.compile(
    rf"{_NAME} (?i:{_WORDS}) (?:the )?(?!www\.)(?:(?:{_HOST}\.){{1,4}}{_COMMON}(?!/)"
    rf"|(?i:{_PROVIDERS})(?:(?: ?(?i:dot) ?| )com)?(?![\w]))"
)
"""jane.doe at example.org, jane at gmail: an address only where the words before it say so."""
MAIL_WORDS = named(
    r"e-?mail\w*|mail\w*|courriel\w*|correo\w*|write|reach|contact\w*|kontakt\w*|schreib\w*|écri\w*|"
    r"escri\w*|scriv\w*|"
    r"address|adresse|adres\w*|posta|feedback|remarques|poczt\w*|author|maintainer|drop (?:me )?a line|hit me|ping me|"
    r"send (?:it|me|to|your)|dm|questions?|inquir\w*|enquir\w*|rsvp|cv|resume|résumé|newsletter|forward\w*|rejoindre"
)
MAILBOX = re.compile(
    rf"(?!(?:look|log|sign|signed|logged|hosted|me|us|them|it|here|inbox|account|mail|email|address|is|was|are|not"
    rf"|or|and|users?) )[a-z-]{{4,64}} (?:{_WORDS}) "
    r"(?:gmail|hotmail|icloud|protonmail|gmx)(?:(?: ?dot ?| )com)?"
)
"""What is said to be at one of these is hardly anything else."""
IS_ADDRESS = re.compile(
    r"(?i)[,)]? ?(?:is|are) (?:my|his|her|the|our|their) (?:e-?)?mail|[,)]? ?\((?:e-?)?mail|[,)]? ?\(courriel"
)
_SIGN = rf"(?:[\[({{<|*~ 【「〈«‹“”„]|&lt;|, )[ _-]?(?:{_SHORT})[ _-]?(?:[\])}}>|*~ 】」〉»›“”]{{1,3}}|&gt;|, ) ?"
_MARKS = r"[\"'#=+/\\…_.:~%^!$§&;-]"
OBFUSCATED = Trigger(
    re.compile(  # each alternative begins with a letter of its own, since nothing else is looked for as fast
        r"@|%40|&#|&commat|&lt;|\\u0040|[ⓐⒶ📧🐌🐵🙈🌀]|[aAàäÄæ](?<![^\W_].)(?:[eE]?[tT]|(?<=[\[({<].) ?t?)(?![^\W_])"
        r"|[aA](?<![^\W_].)(?i:rrob|rob|ffenschw|penst|pesta)|b(?<![^\W_].)ei(?![^\W_])"
        r"|[cC](?<![^\W_].)(?i:hez(?![^\W_])|hiocciol)|e(?<=[\[({<].)t|[kK](?i:lammeraff|røll|ukac)"
        r"|[mM](?i:ałp|alpa)|[sS](?i:nabel)|[zZ](?i:avin)|[сС]оба|[пП]есик|[рР]авлик|A(?<=[a-z0-9]A)T(?=[a-z0-9])"
    ),
    probe=rf"(?i)(?:{_SIGN}|{_MARKS} ?(?:at|ät|arroba|arobase|chiocciola) ?{_MARKS}+ ?)[^ \n]+"
    rf"(?: ?{_MARKS}+ ?dot| ?[\[({{<|*~【]| [_-]?(?:{_DOTS}|{_DASH}|\.)[_-]? |\.{_COMMON_ENDS}|[·•∙。]| ?-?dot-?com"
    rf"|, dot,|{_MARKS}(?:{_DOTS}){_MARKS})"
    rf"|{_SIGN}(?:the )?(?:{_PROVIDERS})| @ ?(?:{_PROVIDERS})|(?:{_CODED_AT})[a-z0-9]|@ ?[a-z0-9.-]+(?: \. ?|\. |,"
    rf"|[·•∙。]){_SPACED_ENDS}"
    rf"|@ [a-z0-9-]+\.[a-z]|@[a-z0-9.-]+(?: ?[\[({{<|*~] ?| [_-]?)(?:{_DOTS}|\.)(?: ?[\])}}>|*~]|[_-]? )"
    rf"|@[a-z0-9.-]+[_-](?:dot|punkt|point|punto)[_-]"
    rf"|[_-](?:{_HYPHENED})[_-][a-z0-9-]+(?:\.{_COMMON_ENDS}|[_-](?:{_DOTS})[_-])|[\[({{][aà][\])}}] ?[a-z0-9-]+\.[a-z]"
    rf"|(?-i:AT[a-z0-9-]+(?:DOT|\.)[a-z])|@ ?[a-z0-9] [a-z0-9-] ",
    reach=120,
)
_AT_OR_DOT = (
    rf"(?i)[\[({{<|*~][ _-]?(?:{_WORDS}|a|@)[ _-]?[\])}}>|*~]|&#0*64;|&commat;"
    rf"|@[a-z0-9.-]+(?: ?[\[({{<|*~] ?| [_-]?)(?:{_DOTS}|\.)(?: ?[\])}}>|*~]|[_-]? )"
    rf"|[_-]at[_-][a-z0-9-]+(?:\.{_COMMON_ENDS}\b|[_-]dot[_-])| [_-]?(?:{_WORDS})[_-]? "
)
HIDDEN = Trigger(
    re.compile(_AT_OR_DOT),
    probe=rf"{_AT_OR_DOT}(?:[^ \n]+(?: [_-]?(?:{_DOTS}|\.)[_-]? | ?[\[({{<|*~] ?(?:{_DOTS}|\.) ?[\])}}>|*~]"
    rf"|\.{_COMMON_ENDS}\b)|(?:{_PROVIDERS}))",
    reach=OBFUSCATED.reach,
)
"""Where an address may be written otherwise, whatever it ends in."""
_PLAIN_AT = re.compile(rf"{_BRACKETED_AT}|{_SPOKEN_AT}|(?<=[a-z0-9])AT(?=[a-z0-9])| ?@ ?|[_-](?i:at)[_-]|{_LETTER_AT}")
_PLAIN_DOT = re.compile(rf"{_BRACKETED_DOT}|{_SPOKEN_DOT}|[_-](?i:dot)[_-]")


def plain_email(value: str) -> str:
    """The address itself: `jane [at] example [dot] org` is jane@example.org."""
    plain = _PLAIN_DOT.sub(".", _PLAIN_AT.sub("@", value, count=1))
    return unquote(plain) if plain != value and "%" in plain else plain


_HIDDEN_FORMS = (
    (re.compile(_BRACKETED_AT), BRACKETED),
    (re.compile(rf"(?i)[ ,\[({{<|*~_-](?:{_DOTS})[ ,\])}}>|*~_-]"), SPOKEN),
    (re.compile(r"(?i)dot-?(?:com|org|net|info|de|fr)"), GLUED),
    (re.compile(rf" (?:(?i:{_SURE})|AT) "), SURE),
    (re.compile("@"), DOT_HIDDEN),
    (re.compile(_MARKED_AT), MARKED),
    (re.compile("[a-z0-9]AT[a-z0-9]"), RUN_TOGETHER),
    (re.compile("[A-Za-z0-9] @"), LETTERS),
    (re.compile(rf"(?i)_(?:{_HYPHENED})_|-(?:{_HYPHENED})-|{_LETTER_AT}"), HYPHENED),
    (re.compile(rf"(?i)\w (?:{_WORDS}) (?:the )?[^ \n]"), HALF),
)
"""What a text holds that may hold one, which is found sooner, and how it is written."""


def _said_to_be_one(text: str, half: re.Match[str]) -> bool:
    """Whether the name looks like that of an address, or words beside it say that it is one."""
    if re.search("[._+0-9]", half[0].split(" ")[0]) or MAILBOX.fullmatch(half[0]):
        return True
    before = text[max(0, half.start() - CONTEXT_BEFORE) : half.start()]
    return bool(MAIL_WORDS.search(before) or IS_ADDRESS.match(text, half.end()))


def obfuscated_emails(text: str) -> Iterator[Finding]:
    """Addresses whose @ or dots are written otherwise."""
    for sign, pattern in _HIDDEN_FORMS:
        for match in pattern.finditer(text) if sign.search(text) else ():
            if pattern is HALF and not _said_to_be_one(text, match):
                continue
            yield Finding("email", *match.span(), match[0])
