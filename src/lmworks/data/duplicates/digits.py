"""Digits and labels that make similar texts different, such as two contracts of one template with different amounts.

Dates, times and counters do not count, because they change with every visit of a page. Fields with keys, addresses of
pages and times do not count either, because copies have different ones too. They are recognised by their names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lmworks.data.base.structure import Field, codes_of
from lmworks.data.base.text import fold, letters

_MONTHS = """
january february march april may june july august september october november december jan feb mar apr jun jul aug sep
sept oct nov dec januar februar marz mai juni juli oktober dezember janvier fevrier mars avril juin juillet aout
septembre octobre novembre decembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre
diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre janeiro fevereiro marco maio junho
julho setembro outubro novembro dezembro"""
_COUNTED = """
views visits visitors hits downloads likes comments replies followers aufrufe besuche besucher kommentare vues visites
commentaires visitas comentarios"""
_MONTH, _DAY, _YEAR = rf"(?:{'|'.join(_MONTHS.split())})\.?", r"\d{1,2}(?:st|nd|rd|th|\.)?", r"(?:19|20)\d\d"
_TIME = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?"
_COUNTER, _COUNT = rf"(?:{'|'.join(f'{name}?' for name in _COUNTED.split())})", r"\d[\d.,]{0,15}[km]?"
_CHANGING = re.compile(
    rf"\b{_YEAR}([-/.])\d{{1,2}}\1\d{{1,2}}(?:[t ]{_TIME})?(?:z|[+-]\d\d:?\d\d)?\b"
    rf"|\b\d{{1,2}}([-/.])\d{{1,2}}\2(?:{_YEAR}|\d\d)\b"
    rf"|\b{_DAY}\s+(?:of\s+|de\s+)?{_MONTH}(?:,?\s+(?:de\s+)?{_YEAR})?\b"
    rf"|\b{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?\b|\b{_MONTH}\s+{_YEAR}\b|{_YEAR}年\s*\d{{1,2}}月(?:\s*\d{{1,2}}日)?"
    rf"|(?:\bcopyright|©|\(c\))\s*{_YEAR}(?:\s*[-–]\s*{_YEAR})?\b"
    rf"|\b{_TIME}(?:\s*[ap]\.?m\b)?|\b\d+\s+(?:second|minute|hour|day|week|month|year)s?\s+ago\b"
    rf"|\b{_COUNT}\s+{_COUNTER}\b|\b{_COUNTER}\s*[:=(]\s*{_COUNT}"
    rf"|\b(?:visited|viewed|downloaded)\s+{_COUNT}\s+times\b|\bpage\s+\d+\s+of\s+\d+\b"
)
"""Dates, times and counters of folded texts."""
_NUMBER = re.compile(r"\d(?:[\d.,:/-]*\d)?")


def digits_of(text: str) -> tuple[str, ...]:
    """Return the numbers of a text, sorted, without dates, times and counters."""
    return tuple(sorted(_NUMBER.findall(_CHANGING.sub(" ", fold(letters(text))))))


_KEY = re.compile(
    r"(?:^|[._-])(?:id|ids|uid|uuid|guid|key|ur[il]|link|href|index|idx|row|number|hash|sha\d*|md5|time|timestamp|date"
    r"|(?:created|updated|modified)(?:_?at)?|(?:[a-z]+_)?at)(?:\.\d+)*$",
    re.IGNORECASE,
)
_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")
CODE_COLUMNS = ["meta", "field_names", "field_texts", "structure"]
"""Columns that `codes_beside` reads."""


def codes_beside(record: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return the names and values of a record's facts outside its texts: label, answers of one word, numbers."""
    found: dict[str, str] = {}
    if record.get("structure") is not None:
        fields = tuple(map(Field, record["field_names"], record["field_texts"]))
        codes = codes_of(fields, record["structure"])
        found = {name: value for name, value in codes.items() if not _KEY.search(_CAPITAL.sub("_", name))}
    if '"label"' in record["meta"] and (label := json.loads(record["meta"]).get("label")) is not None:
        found["label of the record"] = json.dumps(label)
    return frozenset(found.items())
