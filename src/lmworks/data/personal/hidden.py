"""Personal data in texts that are shown or kept as examples. It is always hidden, even if a step keeps it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lmworks.data.base.structure import is_long_number, told_apart
from lmworks.data.personal.findings import Detector, Detectors, Finding, scan, substitute
from lmworks.pipeline.erasure import is_id

NAMES = ("id", "reason")
"""Fields of an example that are never hidden: they identify its document and say why it was counted."""


def covered(finding: Finding) -> str:
    """Return the text in place of personal data: its kind."""
    return f"‹{finding.kind} hidden›"


@functools.cache
def shown_detectors(*, dates: bool = False) -> Detectors:
    """Return the detectors for shown texts: every kind of the table, except `date` without `dates`."""
    from lmworks.data.personal.detectors import DETECTORS  # a third of a second of reading the table

    return Detectors(detector for detector in DETECTORS if detector.kind != "date" or dates)


def hide(text: str, name: str = "", more: Sequence[Detector] = ()) -> str:
    """Return a text of the field `name` without personal data that the detectors, and `more` detectors, find."""
    return substitute(text, scan(text, shown_detectors(), label=name, more=more), covered)


def hide_all(examples: Iterable[Mapping[str, Any]], more: Sequence[Detector] = ()) -> list[dict[str, Any]]:
    """Return kept fields of documents without personal data in their texts, numbers and names (see `hide`)."""
    hiding = Hiding(more)
    return [hiding.row(each) for each in examples]


@functools.lru_cache(maxsize=1_000)
def hide_name(name: str) -> str:
    """Return a field's name or a label without personal data: names may be values, as of a table without a header."""
    return hide(name)


class Hiding:
    """Cache for hiding personal data in rows that are shown together, as they share fields and often values."""

    def __init__(self, more: Sequence[Detector] = ()) -> None:
        self._has_more = bool(more)
        self.text = functools.lru_cache(maxsize=10_000)(functools.partial(hide, more=more))
        """Function that hides personal data in a text of a field of that name: see `hide`."""

    def row(self, row: Mapping[Any, Any], name: str = "") -> dict[str, Any]:
        """Return the fields of a document without personal data. `name` is the path of the field that holds them."""
        keys = told_apart(map(str, row), self.text)
        inner = (self._value(value, f"{name}.{key}" if name else key) for key, value in row.items())
        return dict(zip(keys, inner, strict=True))

    def _value(self, value: Any, name: str) -> Any:
        if name in NAMES:
            return value
        if isinstance(value, str):
            return value if is_id(value) else self.text(value, name)
        if is_long_number(value) or (self._has_more and isinstance(value, int | float)):
            written = json.dumps(value)
            return value if (shown := self.text(written, name)) == written else shown
        if isinstance(value, Mapping):
            return self.row(value, name)
        if isinstance(value, list | tuple):
            return [self._value(inner, name) for inner in value]
        return value
