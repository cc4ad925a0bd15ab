"""Which licence a file such as LICENSE states: a whole text or an expression of SPDX, and not a word more."""

from __future__ import annotations

import hashlib
import re

LICENCE_FILE = re.compile(r"(?i)(licen[sc]e|copying|unlicense)([.-][\w.-]*)?")
"""Names of files that state the licence of what lies beside them, and in the folders below."""
_IDENTIFIER = re.compile(r"(?m)^[ \t#/*;-]*SPDX-License-Identifier:(.*)$")
_NOTICE = re.compile(r"(?i)[ \t*#/]{0,20}(?:copyright|©|\(c\))[ \t]{0,9}(?:\(c\)|©)?[ \t]{0,9}([\d\[<{(].{0,160})")
"""A line that says whose it is; it is no part of a licence (SPDX matching guidelines, B.9)."""
_ADDRESS = re.compile(r"[<(]?[\w.+-]{0,60}(?:@|https?://|www\.)[\w./~+-]{1,80}[>)]?")
_SENTENCE = re.compile(r"\b(?!(?:\w|Inc|Ltd|Co|Corp)\.)\w+\.(?:\s+\w|[A-Z])")
"""A full stop with words behind it, but for that of an initial or a firm: the line says more than names."""
_MOST_NAMES = 12
"""Words of a line that says whose it is, years not counted."""
_SMALL = re.compile(
    r"affiliates|al|and|author|authors|by|c|com|contributors|copyright|da|de|del|den|der|des|developers|di|du|"
    r"et|file|holder|holders|individual|its|la|le|name|of|or|org|others|owner|owners|present|project|respective|"
    r"s|see|team|the|to|und|van|von|x|y|year|yyyy"
)
"""Words of names, and of what stands for them in a template, that have no capital."""
_RESERVED = re.compile(r"(?i)[ \t*#/.,;]{0,20}all rights reserved\.?[ \t]*\Z")
_LIMITS = re.compile(
    r"(?i)\b(for|granted|internal|not?|to(?! present)|until|non\w*|only|except\w*|without|unless|restrict\w*|"
    r"commerc\w*|prohibit\w*|forbid\w*|licen[sc]\w*|permi\w*|us(e|es|ed|age)|may|must|shall|evaluat\w*|academic|research|"
    r"confidential|secret)\b"
)
"""Words that say more than whose it is."""
_TITLE = re.compile(r"((the )?(mit|isc|bsd [23] clause|new bsd|modified bsd|simplified bsd) licen[sc]e )(mit )?")
_HOLDER = re.compile(r"neither the name of ((?:\S{1,40} ){1,8}?)nor the names of its contributors")
_CREATIVE_COMMONS = re.compile(
    r"(?:this (?:work|dataset|data|project) is licensed under (?:a |the )?)?creative commons attribution"
    r"( non ?commercial)?( share ?alike| no ?deriv(?:atives|s))? 4 0 international(?: licen[sc]e)?"
)
_MAY_BE_EXPRESSION = re.compile(r"[A-Za-z0-9.+:() -]{2,200}")
_TEXTS = {
    "4852776855bb71387e360d4f37fd80ec": "AGPL-3.0-only",
    "e87dea5078ce2faaea46d3475af18d30": "Apache-2.0",
    "f45538b138cf9aea39fa205de037a0be": "Apache-2.0",
    "37599287c15c2f2ec060c3c3b55bdf69": "Apache-2.0",
    "986c3c3199a93b916c8f2e0aeed57819": "BSD-2-Clause",
    "a56fee4b2f66331ed54da4950ef9c939": "BSD-2-Clause",
    "9b83d3dee0616d07b82a272dd9bf5134": "BSD-3-Clause",
    "53075742228962c7ea381b8242c64602": "BSD-3-Clause",
    "5fcf89bde8c0c2deb999f4cc626e1aeb": "BSL-1.0",
    "9f98e154465a42aa67b70735680376d6": "CC-BY-3.0",
    "2db062dd40e7bec05f856fa75834d18d": "CC-BY-4.0",
    "1054c52f1b5524d2a9a07aaa13be99f8": "CC-BY-SA-3.0",
    "4dd2d8faa991a43111f73718974d1a91": "CC-BY-SA-4.0",
    "96bdc7f63190fb4bd1ae584b890300ed": "CC0-1.0",
    "724c8299687866f11de217ce9f08e168": "GPL-2.0-only",
    "eaab5d82fdcca441d83a1913bbf07e4d": "GPL-3.0-only",
    "217da0747cec63a2e734185db11cbaa8": "ISC",
    "5db6a0cf025514ea4a904dd0c2731b3a": "LGPL-2.1-only",
    "aae2b222477171fb64e298e7965e768a": "LGPL-3.0-only",
    "0cf21bdfd1964a97a8615e1285348458": "MIT",
    "f82071285728ca3ec7685ee9bc4acdae": "MPL-2.0",
    "7a4d92cdb11d254973a073803be1148a": "Unlicense",
}
"""Digests of texts as SPDX publishes them (https://spdx.org/licenses), of which words alone count."""


def stated_licence(text: str) -> str:
    """The SPDX id of a licence's whole text, or a whole expression; "" where anything else stands there, too.

    What adds to a licence may take from it: whoever reads the file decides then, and not this.
    """
    named = {_expression(found[1]) for found in _IDENTIFIER.finditer(text)}
    lines = [line for line in _IDENTIFIER.sub("", text).splitlines() if not _is_notice(line)]
    rest = " ".join(lines).strip()
    if rest:
        named.add(_expression(rest) or _of_text(rest))
    return named.pop() if len(named) == 1 else ""


def _is_notice(line: str) -> bool:
    """Whether a line says whose it is, in years and names, and nothing else."""
    if _RESERVED.match(line):
        return True
    if not (found := _NOTICE.fullmatch(line)) or _LIMITS.search(line):
        return False
    said = _ADDRESS.sub("", _RESERVED.sub("", found[1]))
    names = [word for word in re.findall(r"[^\W_]+", said) if not word.isdigit()]
    are_names = all(word[0].isupper() or _SMALL.fullmatch(word) for word in names)
    return are_names and len(names) <= _MOST_NAMES and not _SENTENCE.search(said)


def _of_text(text: str) -> str:
    words = _words(text)
    if found := _CREATIVE_COMMONS.fullmatch(words):
        parts = ["NC" if found[1] else "", {" s": "SA", " n": "ND"}.get((found[2] or "")[:2], "")]
        return "-".join(["CC-BY", *filter(None, parts), "4.0"])
    return _TEXTS.get(hashlib.sha256(words.encode()).hexdigest()[:32], "")


def _words(text: str) -> str:
    words = " ".join(re.findall(r"[^\W_]+", text.lower().replace("https:", "http:")))
    words = _TITLE.sub("", words, count=1) if _TITLE.match(words) else words
    words = words.replace("shall the copyright owner or contributors", "shall the copyright holder or contributors", 1)
    holder = _HOLDER.search(words)
    return words.replace(holder[1], "the copyright holder ", 1) if holder and not _LIMITS.search(holder[1]) else words


def _expression(text: str) -> str:
    """An expression of ids that SPDX knows; "" for any other words."""
    from license_expression import get_spdx_licensing

    if not _MAY_BE_EXPRESSION.fullmatch(text := text.strip().removesuffix("*/").strip()):
        return ""
    try:
        found = str(get_spdx_licensing().parse(text, validate=True, strict=True))
    except Exception:  # the library raises errors of its own, and others over hostile text
        return ""
    ids = [re.findall(r"[^\s()]+", each.lower()) for each in (text, found)]
    return found if ids[0] == ids[1] else ""  # the library drops what stands at the end
