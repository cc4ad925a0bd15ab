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
_WORDS = r"at|ät|aet|bei|at-sign|arroba|aroba|arobase|chez|chiocciola|klammeraffe|apenstaartje|małpa|malpa"
_DOTS = r"dot|d0t|punkt|point|punto|ponto|punt|kropka|pkt"
_LETTER_AT = r" ?[\[({]a[\])}] ?"
"""As Germans and Poles write it: jane(a)example.org."""
_OPEN, _CLOSE = r"[\[({<|*~]{1,2}", r"[\])}>|*~]{1,2}"
_BRACKETED_AT = (
    rf"(?: {{0,2}}{_OPEN} ?(?i:{_WORDS}|@) ?{_CLOSE} {{0,2}}| [-_](?i:{_WORDS})[-_] |&#0*64;|&commat;|\\u0040|%40)"
)
_SPOKEN_AT = rf" (?i:{_WORDS}) "
_BRACKETED_DOT = rf"(?: {{0,2}}{_OPEN} ?(?i:{_DOTS}|\.) ?{_CLOSE} {{0,2}}| [-_](?i:{_DOTS})[-_] |&#46;)"
_SPOKEN_DOT = rf" (?:(?i:{_DOTS})|\.) "
_ANY_DOT = rf"(?:{_BRACKETED_DOT}|{_SPOKEN_DOT}|\.)"
_NAME = rf"(?<![\w.+-])[\w+-]{{1,64}}(?:(?:{_ANY_DOT}|%2[BbEe])[\w+-]{{1,64}}){{0,3}}"
"""Percent-encoded, as in addresses of pages, a dot is %2E and a plus sign %2B (RFC 3986)."""
_HOST = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_LAST = r"[A-Za-z]{2,12}(?!\w)"
_COMMON_ENDS = "(?:com|org|net|edu|gov|info|eu|io|co|de|fr|es|it|pl|nl|uk|ch|at|be|pt|br|in|cn|us|ca|au|mx|se|dk)"
_COMMON = rf"{_COMMON_ENDS}(?!\w)"
BRACKETED = re.compile(rf"{_NAME}{_BRACKETED_AT}(?:{_HOST}{_ANY_DOT}){{1,4}}{_LAST}")
"""jane (at) example.org, jane [at] example [dot] org."""
SPOKEN = re.compile(rf"{_NAME}{_SPOKEN_AT}(?:{_HOST}(?:{_BRACKETED_DOT}|{_SPOKEN_DOT})){{1,4}}{_LAST}")
"""jane at example dot org."""
DOT_HIDDEN = re.compile(
    rf"{_NAME}@(?=[\w.-]{{1,100}}(?:{_BRACKETED_DOT}|{_SPOKEN_DOT}))(?:{_HOST}{_ANY_DOT}){{1,4}}{_LAST}"
    rf"|{_NAME}(?: @ ?|@ )(?:{_HOST}(?:{_ANY_DOT}| \. )){{1,4}}{_COMMON}"
)
"""jane@example[dot]org, jane @ example.org."""
HYPHENED = re.compile(
    rf"(?<![\w.+-])[^\W_]+(?:[._][^\W_]+){{0,3}}(?:_(?i:at)_|-(?i:at)-|{_LETTER_AT})"
    rf"(?:[^\W_][a-z0-9-]{{0,62}}(?:\.|_(?i:dot)_|-(?i:dot)-)){{1,4}}"
    rf"(?:{_COMMON}|(?<=[_-](?i:dot)[_-]){_LAST})"
)
"""jane_at_example.org."""
_PROVIDERS = (
    r"g(?:oogle)?mail|hotmail|outlook|yahoo|icloud|"
    r"proton(?:mail)?|gmx|web\.de|t-online|orange\.fr|wanadoo|libero|o2\.pl|wp\.pl"
)
HALF = re.compile(rf"{_NAME} (?i:{_WORDS}) (?:(?:{_HOST}\.){{1,4}}{_COMMON}|(?i:{_PROVIDERS})(?![\w]))")
"""jane.doe at example.org, jane at gmail: an address only where the words before it say so."""
MAIL_WORDS = named(
    r"e-?mail\w*|mail\w*|courriel\w*|correo\w*|write|reach|contact\w*|kontakt\w*|schreib\w*|écri\w*|"
    r"escri\w*|scriv\w*|"
    r"address|adresse|adres\w*|posta|feedback|remarques|poczt\w*|author|maintainer"
)
OBFUSCATED = Trigger(
    re.compile(
        rf"(?i)[\[({{<|*~ ][ _-]?(?:{_WORDS}|@)[ _-]?[\])}}>|*~ ] ?[^ \n]{{1,64}}(?: ?[\[({{<|*~]|"
        rf" [_-]?(?:{_DOTS}|\.)[_-]? |\.{_COMMON_ENDS})"
        rf"|&#0*64;|&commat;|\\u0040|%40|[a-z0-9]@ [a-z0-9-]+\.[a-z]|@[a-z0-9.-]+(?: ?[\[({{<|*~] ?|"
        rf" [_-]?)(?:{_DOTS}|\.)(?: ?[\])}}>|*~]|[_-]? )"
        rf"|[_-]at[_-][a-z0-9-]+(?:\.{_COMMON_ENDS}|[_-]dot[_-])|[\[({{]a[\])}}] ?[a-z0-9-]+\.[a-z]"
        rf"| (?:{_WORDS}) (?:{_PROVIDERS})"
    ),
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
_PLAIN_AT = re.compile(rf"{_BRACKETED_AT}|{_SPOKEN_AT}| ?@ ?|[_-](?i:at)[_-]|{_LETTER_AT}")
_PLAIN_DOT = re.compile(rf"{_BRACKETED_DOT}|{_SPOKEN_DOT}|[_-](?i:dot)[_-]")


def plain_email(value: str) -> str:
    """The address itself: `jane [at] example [dot] org` is jane@example.org."""
    plain = _PLAIN_DOT.sub(".", _PLAIN_AT.sub("@", value, count=1))
    return unquote(plain) if plain != value and "%" in plain else plain


def obfuscated_emails(text: str) -> Iterator[Finding]:
    """Addresses whose @ or dots are written otherwise."""
    for pattern in (BRACKETED, SPOKEN, DOT_HIDDEN, HYPHENED, HALF):
        for match in pattern.finditer(text):
            if pattern is HALF:
                before = text[max(0, match.start() - CONTEXT_BEFORE) : match.start()]
                if not ("." in match[0].split(" ")[0] or MAIL_WORDS.search(before)):
                    continue
            yield Finding("email", *match.span(), match[0])
