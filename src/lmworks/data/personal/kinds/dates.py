"""Dates as people write them: read, and written again in the same form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

_MONTHS = (
    "january february march april may june july august september october november december",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "jan feb mär apr mai jun jul aug sep okt nov dez",
    "janv févr mars avr mai juin juil août sept oct nov déc",
    "ene feb mar abr may jun jul ago sep oct nov dic",
    "gen feb mar apr mag giu lug ago set ott nov dic",
    "jan feb mrt apr mei jun jul aug sep okt nov dec",
    "sty lut mar kwi maj cze lip sie wrz paź lis gru",
    "jan fev mar abr mai jun jul ago set out nov dez",
    "jänner feber maerz avril mai juin juillet aout setiembre octobre novembre decembre",
    "i ii iii iv v vi vii viii ix x xi xii",
)
"""Names of the months by language, their short forms, and forms without accents."""
_NUMBER_OF = {name: number for names in reversed(_MONTHS) for number, name in enumerate(names.split(), 1)}
_NUMBER_OF |= {"sept": 9, "mrz": 3, "sep": 9, "febr": 2, "fevrier": 2, "marco": 3, "wrzesnia": 9, "pazdziernika": 10}
_ROMAN = set(_MONTHS[-1].split())
MONTHS = "|".join(sorted(_NUMBER_OF.keys() - _ROMAN, key=len, reverse=True))
_NUMERALS = "|".join(sorted(_ROMAN, key=len, reverse=True))
_YEAR = r"(?:1[89]|20)[0-9][0-9]"

DATE = (
    rf"(?:{_YEAR}(?P<first>[-/.])[01]?[0-9](?P=first)[0-3]?[0-9]"
    rf"|{_YEAR} ?[年년] ?[01]?[0-9] ?[月월] ?[0-3]?[0-9] ?[日일]"
    rf"|[0-3]?[0-9](?P<last>[-/.] ?)[0-3]?[0-9](?P=last)(?:{_YEAR}|(?<! )[0-9][0-9])"
    rf"|[0-3]?[0-9](?:st|nd|rd|th|ère|er|ro|º|°|\.)?(?: day of| of| de| d')?[ /.-]?(?:{MONTHS})\.?(?: del?|,)?[ /.-]?"
    rf"(?:{_YEAR}|(?<=[/.-])[0-9][0-9])"
    rf"|[0-3]?[0-9]\.? (?-i:{_NUMERALS.upper()})\.? {_YEAR}"
    rf"|(?:{MONTHS})\.?[ -](?:the )?[0-3]?[0-9](?:st|nd|rd|th)?,?[ -]{_YEAR})(?![0-9])"
)
"""Pattern of a whole date, for use with `re.IGNORECASE`. It has the groups `first` and `last`."""

SHORT = (
    rf"[0-3][0-9] [01][0-9] (?:{_YEAR}|[0-9][0-9])(?![0-9 ])|[0-3]?[0-9] [01]?[0-9] {_YEAR}(?![0-9 ])"
    rf"|[0-3]?[0-9]\. [01]?[0-9]\. [0-9][0-9](?![0-9])"
    rf"|[0-3]?[0-9](?P<wide> ?[·/.-] ?|·)[0-3]?[0-9](?P=wide){_YEAR}(?![0-9])|[0-9][0-9]-[01][0-9]-[0-3][0-9](?![0-9-])"
    rf"|[0-3]?[0-9]\.(?-i:{_NUMERALS.upper()})\.{_YEAR}"
    rf"|[0-3]?[0-9](?:st|nd|rd|th|\.)?[ .-]?(?:{MONTHS})\.?,?[ -]?(?:['’]?[0-9][0-9]|{_YEAR})(?![0-9])"
)
"""Pattern of a date in spaced groups, with a short year, or as on tickets. It is a date only if words say so."""
COMPACT = r"(?:(?:1[89]|20)[0-9]{2}[01][0-9][0-3][0-9]|[0-3][0-9][01][0-9](?:19|20)[0-9]{2})(?![0-9])"
"""Pattern of a date as eight digits. It is a date only if words say so."""
DATE_PARTS: Mapping[str, str] = {
    name: f"(?i:{pattern})"
    for name, pattern in {"date": DATE, "short_date": SHORT, "compact_date": COMPACT, "month": MONTHS}.items()
}
"""Parts that rows of the table can name in their patterns."""

_PARTS = re.compile(
    r"^[0-9]{4}(?=[0-9]{4}$)|(?<=^[0-9]{4})[0-9]{2}(?=[0-9]{2}$)|(?<=^[0-9]{6})[0-9]{2}$|[0-9]+|[^\W\d_]+"
)


def _read(text: str) -> tuple[date, dict[str, re.Match[str]]] | None:
    """Return the date, and which part of the text is its year, month and day.

    The day comes first with dots (12.03.2001), or if the month cannot (25/12/2001). 12/03/2001 is 3 December.
    """
    parts = [part for part in _PARTS.finditer(text) if part[0].isdigit() or part[0].lower() in _NUMBER_OF]
    if len(parts) != 3:
        return None
    names = [part for part in parts if not part[0].isdigit()]
    if len(parts[0][0]) == 4 and not names:
        orders = ["ymd"]
    elif names:
        orders = ["mdy" if names[0] is parts[0] else "dmy"]
    else:
        orders = ["dmy", "mdy"] if "." in text else ["mdy", "dmy"]
    for order in orders:
        of = dict(zip(order, parts, strict=True))
        year = int(of["y"][0])
        year += 0 if len(of["y"][0]) == 4 else 1900 if year > 30 else 2000
        month = _NUMBER_OF.get(of["m"][0].lower()) or int(of["m"][0])
        try:
            return date(year, month, int(of["d"][0])), of
        except ValueError:
            continue
    return None


def read_date(text: str) -> date | None:
    """Return the date that a text states, or None if the text is not a date."""
    found = _read(text)
    return found[0] if found else None


def shift_date(text: str, days: int) -> str:
    """Return the date `days` days later, in the form of the text. A text that is not a date stays."""
    found = _read(text)
    if found is None:
        return text
    old, of = found
    new = old + timedelta(days)
    name = of["m"][0]
    written = {"y": f"{new.year}"[-len(of["y"][0]) :], "d": _number(new.day, of["d"][0], name.isdigit())}
    if name.isdigit():
        written["m"] = _number(new.month, name, True)
    else:
        names = next((names for names in _MONTHS if name.lower() in names.split()), _MONTHS[0])
        month = names.split()[new.month - 1]
        written["m"] = month.upper() if name.isupper() else month.title() if name[0].isupper() else month
    for part, match in sorted(of.items(), key=lambda item: -item[1].start()):
        text = text[: match.start()] + written[part] + text[match.end() :]
    return re.sub(r"(?<=[0-9])(st|nd|rd|th)\b", _ordinal(new.day), text, flags=re.IGNORECASE)


def _number(value: int, like: str, in_columns: bool) -> str:
    """Return a number with two digits if the old number has a leading 0, or two digits in a date without words."""
    return f"{value:02d}" if like.startswith("0") or (in_columns and len(like) == 2) else str(value)


def _ordinal(day: int) -> str:
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
