"""Digits that keep near-duplicates apart: a contract from the same template with another amount is not a copy.

Dates, times and counters change with every visit of a page, so they keep nothing apart.
"""

from __future__ import annotations

import re

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
_COUNTER, _COUNT = rf"(?:{'|'.join(f'{name}?' for name in _COUNTED.split())})", r"\d[\d.,]*[km]?"
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
