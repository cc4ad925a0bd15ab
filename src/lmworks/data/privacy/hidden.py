"""Personal data in texts that are shown or kept as examples: hidden whatever was done to it before."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lmworks.data.privacy.findings import DIGITS, Detector, Finding, Pattern, scan, substitute
from lmworks.data.structure import is_long_number, told_apart
from lmworks.extras import absent
from lmworks.pipeline.erasure import is_id

NAMES = ("id", "reason")
"""Of what is kept of a document: how it is found again, and the words that it is counted under."""


def covered(finding: Finding) -> str:
    """What stands in place of personal data: its kind."""
    return f"‹{finding.kind} hidden›"


@functools.cache
def shown_detectors(*, dates: bool = False) -> Sequence[Detector]:
    """What is looked for in what is shown: every kind with a pattern of its own; of dates only those of birth."""
    from lmworks.data.privacy.detectors import DETECTORS  # a fifth of a second of compiling

    detectors = [detector for detector in DETECTORS if detector.kind != "date" or dates]
    if absent(["phonenumbers"]):  # then every number that may be one is hidden
        any_number = Pattern("phone", DIGITS, re.compile(r"[+(]{0,2}[0-9](?:[ .()/-]{0,3}[0-9]){6,}"))
        return [any_number, *(detector for detector in detectors if detector.kind != "phone")]
    return detectors


def hide(text: str, name: str = "") -> str:
    """A text, of a field of that name, without the personal data that patterns find."""
    return substitute(text, scan(text, shown_detectors(), label=name), covered)


def hide_all(examples: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is kept of some documents, without the personal data that patterns find in its texts, numbers and names."""
    return [
        dict(zip(told_apart(each, _hidden_name), (_hidden(value, name) for name, value in each.items()), strict=True))
        for each in examples
    ]


@functools.lru_cache(maxsize=1_000)
def _hidden_name(name: str) -> str:
    return hide(name)


def _hidden(value: Any, name: str) -> Any:
    if name in NAMES:
        return value
    if isinstance(value, str):
        return value if is_id(value) else hide(value, name)
    if is_long_number(value):
        written = json.dumps(value)
        return value if (shown := hide(written, name)) == written else shown
    if isinstance(value, Mapping):
        inner = (_hidden(item, f"{name}.{key}") for key, item in value.items())
        return dict(zip(told_apart(map(str, value), _hidden_name), inner, strict=True))
    if isinstance(value, list | tuple):
        return [_hidden(inner, name) for inner in value]
    return value
