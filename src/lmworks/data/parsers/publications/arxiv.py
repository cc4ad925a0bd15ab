"""arXiv: abstracts as its OAI-PMH service gives them (format `arXiv`), each under its own licence."""

from __future__ import annotations

import re

from lmworks.data.parsers.parser import Reading, Record, Skipped
from lmworks.data.parsers.publications.xml import Element, element_form, text_of

_CREATIVE_COMMONS = re.compile(r"https?://creativecommons\.org/licenses/([a-z-]+)/([0-9.]+)/?")
_LICENCES = {
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
    "arxiv.org/licenses/nonexclusive-distrib/1.0": "LicenseRef-arXiv-nonexclusive-distrib-1.0",
}


def _record(record: Element, path: str, number: str, reading: Reading) -> Record | Skipped:
    header = record.find("{*}header")
    if header is not None and header.get("status") == "deleted":
        return Skipped(path, number, "deleted")
    paper = record.find("{*}metadata/{*}arXiv")
    key = paper.findtext("{*}id") or number
    title, abstract = text_of(paper.find("{*}title")), text_of(paper.find("{*}abstract"))
    meta = {"title": title, "categories": text_of(paper.find("{*}categories"))}
    licence = spdx(paper.findtext("{*}license")) or reading.licence
    return Record(path, key, f"{title}\n\n{abstract}", "text", licence, meta, paper.findtext("{*}created"))


def spdx(address: str | None) -> str | None:
    """Return the SPDX id of a licence named by its web address; None for one that is not known."""
    if not address:
        return None
    if found := _CREATIVE_COMMONS.match(address):
        return f"CC-{found[1].upper()}-{found[2]}"
    return _LICENCES.get(re.sub(r"^https?://|/$", "", address.strip()))


FORM = element_form("record", _record, states_licences=True, about="Abstracts of arXiv, each under its own licence.")
