"""A row that records which of its fields a form reads, so that each unread text is reported."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lmworks.data.base.structure import CODE

Row = Mapping[str, Any]


NO_LABELS = ("", "nan", "NaN", "NAN", "NULL", "null", "<NA>")
"""Values that tables have for a missing label."""


class Fault(ValueError):
    """Fault of a record. Its text is the kind of fault, a colon, the field and the value found."""


class Missing(Fault, KeyError):
    """Fault of a record without a field that its form needs."""

    def __str__(self) -> str:
        return f"field missing: {self.args[0]!r} is not there"


class LeftOut(ValueError):
    """Reason why a sound record gives no sample, such as a tie between two answers."""


class Read(Mapping[str, Any]):
    """A row that records which of its fields were read. A test whether a field is there does not count as reading."""

    def __init__(self, values: Row, ignored: Sequence[str] = (), place: str = "") -> None:
        self._values = values
        self._place = place
        self._read: dict[str, Any] = dict.fromkeys(ignored)
        self.asked: set[str] = set()
        """Names of fields that were looked up, whether the row has them or not."""

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        if name not in self._values:
            raise Missing(name)
        if self._read.get(name) is None:
            self._read[name] = _wrapped(self._values[name], self.place(name))
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def place(self, name: str) -> str:
        """Return the path to a field from the record, such as `question.stem`."""
        return f"{self._place}.{name}" if self._place else name

    def text(self, name: str) -> str:
        """Return a field's text. This method and the next ones raise Fault for a value of another type."""
        return as_text(self[name], self.place(name))

    def number(self, name: str) -> float:
        return as_number(self[name], self.place(name))

    def listed(self, name: str) -> list[Any]:
        return as_list(self[name], self.place(name))

    def texts(self, name: str) -> list[str]:
        return [as_text(each, f"{self.place(name)}[{number}]") for number, each in enumerate(self.listed(name))]

    def row(self, name: str) -> Read:
        return as_row(self[name], self.place(name))

    def rows(self, name: str) -> list[Read]:
        return [as_row(each, f"{self.place(name)}[{number}]") for number, each in enumerate(self.listed(name))]

    def joined(self, names: Iterable[str]) -> str:
        """Return the texts of the fields that are present and not empty, separated by empty lines."""
        return "\n\n".join(self.text(name) for name in names if name in self and self[name] not in (None, ""))

    def leave(self, *names: str) -> None:
        """Mark fields as read that are left out on purpose."""
        self.asked |= set(names)
        self._read |= {name: self._read.get(name) for name in names}

    def unread(self, place: str = "") -> Iterator[str]:
        """Yield the paths of fields whose text was not read, such as `context` or `messages.*.tool_calls`."""
        for name, value in self._values.items():
            here = f"{place}.{name}" if place else name
            if name not in self._read:
                if says_something(value):
                    yield here
            else:
                yield from _unread(self._read[name], here)

    def whole(self) -> dict[str, Any]:
        """Return all fields, and mark them as read."""
        return {name: whole(self[name]) for name in self}


def _wrapped(value: Any, place: str) -> Any:
    if isinstance(value, Mapping):
        return Read(value, place=place)
    if isinstance(value, list):
        return [_wrapped(item, f"{place}[{number}]") for number, item in enumerate(value)]
    return value


def _unread(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, Read):
        yield from value.unread(place)
    elif isinstance(value, list):
        yield from dict.fromkeys(name for item in value for name in _unread(item, f"{place}.*"))


def says_something(value: Any) -> bool:
    """Return whether a value holds a text that is more than a code."""
    if isinstance(value, str):
        return bool(value.strip()) and not CODE.fullmatch(value)
    if isinstance(value, Mapping):
        return any(map(says_something, value.values()))
    return isinstance(value, list) and any(map(says_something, value))


def whole(value: Any) -> Any:
    """Return a value with all that is in it, marked as read."""
    if isinstance(value, Read):
        return value.whole()
    return [whole(item) for item in value] if isinstance(value, list) else value


def as_text(value: Any, field: str) -> str:
    """Return a text, or a number or Boolean as text. Raises Fault for other values."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise Fault(f"not a text: field {field!r} is {short(value)}")


def as_label(value: Any, field: str) -> str:
    """Return a label. Raises Fault for an empty text, or a value that tables have for a missing label."""
    text = as_text(value, field).strip()
    if text in NO_LABELS:
        raise Fault(f"no label: field {field!r} is {short(value)}")
    return text


def as_number(value: Any, field: str) -> float:
    """Return a finite number. Raises Fault."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Fault(f"not a number: field {field!r} is {short(value)}") from None
    if not math.isfinite(number):
        raise Fault(f"not a number: field {field!r} is {value}")
    return number


def as_list(value: Any, field: str) -> list[Any]:
    """Return a list, which can also be given as JSON. Raises Fault for other values."""
    if isinstance(value, str):
        try:
            value = _wrapped(json.loads(value), field)
        except (ValueError, RecursionError):
            raise Fault(f"not a list: field {field!r} is {short(value)}") from None
    if not isinstance(value, list):
        raise Fault(f"not a list: field {field!r} is {short(value)}")
    return value


def as_row(value: Any, field: str) -> Read:
    """Return an object. Raises Fault for other values."""
    if isinstance(value, Read):
        return value
    raise Fault(f"not an object: field {field!r} is {short(value)}")


def first(row: Row, names: Sequence[str]) -> str:
    """Return the first of several names for which a row has a value. Raises Fault if there is none."""
    found = next((name for name in names if name in row and row[name] is not None), None)
    if found is None:
        raise Fault(f"field missing: none of {', '.join(names)} has a value")
    return found


def has(row: Row, *groups: Sequence[str]) -> bool:
    """Return whether a row has a field of each group of names."""
    return all(any(name in row for name in names) for names in groups)


def short(value: Any) -> str:
    """Return a value as messages show it."""
    value = whole(value)
    return f"{type(value).__name__} {value!r:.60}"
