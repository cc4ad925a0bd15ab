"""Published sets of the table by use, language and task."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lmworks.data.licences.gate import LicenceGate, Purpose
from lmworks.data.sources.dataset import Adapter, adapters
from lmworks.errors import UsageError

UNKNOWN = "terms that nobody has stated: read them, and state them in `licences.terms`"


@dataclass(frozen=True)
class Selection:
    """The sets that serve a purpose, and the reasons why others do not."""

    found: tuple[Adapter, ...]
    refused: Mapping[str, int]
    """Number of sets that fit except for their licence, by the reason."""


def select(use: Purpose | None = None, language: str | None = None, task: str | None = None) -> Selection:
    """Return the sets whose licence allows a use, in a language (ISO 639-1 code or English name), for a task.

    A set whose terms must be read first is counted as refused: no licence is not a permission. Raises UsageError for
    an unknown code of a language.
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
    """Return the English name of a language in small letters."""
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
