"""Search for published data sets by use, language and task."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lmworks.data.licences.gate import LicenceGate, Purpose
from lmworks.data.sources.dataset import Adapter, adapters
from lmworks.errors import UsageError

UNKNOWN = "terms that are not stated yet: read them, and state them in `licences.terms`"


@dataclass(frozen=True)
class Selection:
    """Data sets that fit a purpose, and the reasons why others were refused."""

    found: tuple[Adapter, ...]
    refused: Mapping[str, int]
    """Number of data sets that fit except for their licence, by reason."""


def select(use: Purpose | None = None, language: str | None = None, task: str | None = None) -> Selection:
    """Return data sets whose licence allows a use, in a language (ISO 639-1 code or English name), for a task.

    A data set with its own terms, which must be read first, counts as refused. Raises UsageError for an unknown
    language code.
    """
    wanted, words = _language(language) if language else "many", _words(task or "")
    gate = LicenceGate(use=use, share_alike=True) if use else None
    selected: list[Adapter] = []
    refused = Counter[str]()
    for item in adapters().values():
        is_spoken = wanted == "many" or {wanted, "many"} & {name.lower() for name in item.languages}
        if not is_spoken or not any(words <= _words(stated) for stated in (item.domain, *item.tasks, item.stage)):
            continue
        if gate and item.licence and gate.refusal(item.licence):  # else the gate of a build judges each record
            refused[UNKNOWN if "LicenseRef-" in item.licence else f"licence refuses {use} use"] += 1
        else:
            selected.append(item)
    return Selection(tuple(selected), dict(refused))


def _language(name: str) -> str:
    """Return the English name of a language in lower case."""
    if len(name) > 3:
        return name.lower()
    from babel import Locale

    names = Locale("en").languages
    if name.lower() not in names:
        raise UsageError(f"--language {name}: expected a code of ISO 639, such as de, or an English name")
    return str(names[name.lower()]).lower()


def _words(text: str) -> set[str]:
    """Return the words of a task in one spelling: dialogue and dialog, summarisation and summarization are one."""
    spelt = text.lower().replace("dialogue", "dialog").replace("isation", "ization")
    return set(re.findall(r"[a-z]+", spelt))
