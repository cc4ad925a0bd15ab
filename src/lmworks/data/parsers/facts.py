"""Facts of a record in fields that the user names: date, subject, language, label."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from lmworks.data.base.structure import values_at
from lmworks.data.parsers.parser import Reading

FACTS = ("created", "subject", "language", "label")
"""Facts with a setting that names their field: `created_field` and so on."""
FORMS = (
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S"),
    *("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%d-%b-%Y"),
)
"""Formats of dates in addition to ISO 8601, RFC 2822 and seconds since 1970. Each can be read in only one way."""
LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_PART = re.compile(r"\d{4}(-\d\d)?")
_SLASHES = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?:$|[ T].*)")
TWO_WAYS = "holds a date that can be read in two ways"
WRITTEN = "dates written "
"""Beginning of the words that count records whose date, because of a number above 12, can be read in only one way."""
FIRST_SECOND, LAST_SECOND = 10**8, 10**11
"""Range of numbers read as seconds since 1970: years 1973 to 5138. Numbers 1,000 times larger are milliseconds."""


def facts_of(row: Mapping[str, Any], reading: Reading) -> tuple[dict[str, Any], tuple[str, ...], str]:
    """Return the facts found, the settings whose fields are empty, and the fault of a field if there is one."""
    found: dict[str, Any] = {}
    empty = []
    for fact, path in reading.facts.items():
        values = [value for value in values_at(row, path) if value != ""]
        if not values:
            empty.append(f"{fact}_field")
            continue
        if len(values) > 1 or isinstance(values[0], list | Mapping):
            return {}, (), f"field {path!r} holds more than one value, and `{fact}_field` takes one"
        try:
            found[fact] = _created(values[0], reading.dates) if fact == "created" else _READ[fact](values[0])
        except ValueError as error:
            return {}, (), f"field {path!r} {error}"
    return found, tuple(empty), ""


def order_of(value: Any) -> str:
    """Return `day-first` or `month-first` if a number above 12 in a date shows the order, else an empty string."""
    slashes = _SLASHES.fullmatch(value.strip()) if isinstance(value, str) else None
    first, second = map(int, slashes.group(1, 3)) if slashes else (0, 0)
    return "day-first" if first > 12 >= second else "month-first" if second > 12 >= first else ""


def is_date(value: Any) -> bool:
    """Return whether `created_field` can read a value as a date, even in two ways. Numbers do not count as dates."""
    if not isinstance(value, str) or not re.search(r"\d.*\D.*\d", value):
        return isinstance(value, datetime | date)
    try:
        _created(value, None)
    except ValueError as error:
        return TWO_WAYS in str(error)
    return True


def _created(value: Any, order: str | None) -> str:
    """Return a date in ISO 8601, whole or in part. Raises ValueError, which does not quote the value, for no date."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_seconds(value)
    text = str(value).strip()
    if _PART.fullmatch(text):
        text += "-01-01"[len(text) - 4 :]
        datetime.fromisoformat(text)  # which raises
        return str(value).strip()
    with suppress(ValueError):
        return datetime.fromisoformat(text).isoformat() if len(text) > 10 else date.fromisoformat(text).isoformat()
    if re.fullmatch(r"\d{9,14}(\.\d+)?", text):
        return _of_seconds(float(text))
    if slashes := _SLASHES.fullmatch(text):
        first, second, year = map(int, slashes.group(1, 3, 4))
        return _of_slashes(first, second, year, order)
    for form in FORMS:
        with suppress(ValueError):
            read = datetime.strptime(text, form)
            return read.isoformat() if "%H" in form else read.date().isoformat()
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(text).isoformat()
    raise ValueError("holds no date: expected one such as 2024-05-01, 2024-05-01T10:00:00Z, 31.12.2024 or 31 Dec 2024")


def _of_seconds(value: float) -> str:
    seconds = value / 1000 if LAST_SECOND <= value < 1000 * LAST_SECOND else value  # a number may have any length
    if not FIRST_SECOND <= seconds < LAST_SECOND:
        raise ValueError("holds no date: a number that is neither seconds nor milliseconds since 1970")
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _of_slashes(first: int, second: int, year: int, order: str | None) -> str:
    if order is None and first <= 12 and second <= 12 and first != second:
        raise ValueError(
            f"{TWO_WAYS}: no date of this source has a day above 12 to show it; set `dates: day-first` or `dates: "
            "month-first` of the source"
        )
    if (first if order == "month-first" else second if order else 0) > 12:
        raise ValueError(f"holds a date that is not {order}, which `dates` states")
    is_day_first = order == "day-first" or (order is None and second <= 12)
    return (date(year, second, first) if is_day_first else date(year, first, second)).isoformat()


def _language(value: Any) -> str:
    if not isinstance(value, str) or not LANGUAGE.fullmatch(value.strip()):
        raise ValueError("holds no code of a language: expected one such as `en` or `pt-BR`")
    first, *more = re.split("[-_]", value.strip())
    return "-".join([first.lower(), *more])


_READ: Mapping[str, Callable[[Any], Any]] = {
    "subject": lambda value: str(value).strip(),
    "language": _language,
    "label": lambda value: value.strip() if isinstance(value, str) else value,
}
