"""Verdicts on scored items and on their figures, from a search of the training text.

An item is known if its question or its answer is in the text that a model, or a baseline, learned from. It is clean if
it was searched for, nothing was found, and all training text was searched. Otherwise it is unknown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from lmworks.data.contamination.join import SHARED
from lmworks.data.contamination.search import FOUND, PARTS
from lmworks.pipeline.stage import Handle
from lmworks.pipeline.work.chunks import read_records

Standing = Literal["known", "clean", "unknown"]
CLEAN_AT_LEAST = 20
"""Least number of clean items for a separate score. With fewer, its interval is too wide."""
_QUESTION, _ANSWER = _FIELDS = tuple(f"{part}_found" for part in PARTS)
_WORDS = {"whole": "whole", "near": "nearly", "verbatim": "in part"}
NOT_SEARCHED = "unknown: nothing that it learned from was searched for the items"


@dataclass(frozen=True)
class Contamination(Handle):
    """Output of `contamination_search`: verdicts on items, and what was searched."""

    @cached_property
    def verdicts(self) -> dict[str, dict[str, Any]]:
        return {line["id"]: line for line in read_records(self.path / "verdicts.jsonl")}

    @cached_property
    def _searched(self) -> dict[str, Any]:
        searched: dict[str, Any] = json.loads((self.path / "searched.json").read_text(encoding="utf-8"))
        return searched

    @property
    def texts(self) -> int:
        return int(self._searched["texts"])

    @property
    def unknown(self) -> list[str]:
        """Reasons, in words, why some of what was learned from is not known."""
        return list(self._searched["unknown"])


def judged(items: Iterable[Mapping[str, Any]], contamination: Contamination | None) -> list[dict[str, Any]]:
    """Return the items, each with its standing as `contamination`, and the verdicts on its question and answer."""
    return [{**item, **_verdict(item["id"], contamination)} for item in items]


def _verdict(item: str, contamination: Contamination | None) -> dict[str, str]:
    line = contamination.verdicts.get(item, {}) if contamination else {}
    parts = {field: str(line[part]) for field, part in zip(_FIELDS, PARTS, strict=True) if line.get(part)}
    if suspect := line.get("suspected"):
        parts["suspected_in"] = str(suspect["record"])
    if not set(FOUND).isdisjoint(parts.values()):
        return {"contamination": "known", **parts}
    is_clean = parts.get(_QUESTION) == "not found" and SHARED not in parts.values()
    return {
        "contamination": "clean" if is_clean and contamination and not contamination.unknown else "unknown",
        **parts,
    }


def standing(item: Mapping[str, Any]) -> Standing:
    """Return whether an item is known, clean or unknown."""
    found: Standing = item.get("contamination", "unknown")
    return found


def verdict_text(items: Sequence[Mapping[str, Any]], contamination: Contamination | None) -> str:
    """Return the verdict on figures of these items, in words."""
    if contamination is None:
        return NOT_SEARCHED
    counts = Counter(map(standing, items))
    kinds = "; ".join(text for part in PARTS if (text := _kinds(part, items)))
    text = f"{counts['known']} of {len(items)} items stand in the {contamination.texts:,} texts learned from"
    text += f" ({kinds})" if kinds else ", by question or answer"
    if contamination.unknown:
        why = f"unknown: {', and '.join(contamination.unknown)}"
        return f"{why}; of what is known here, {text}" if contamination.texts else why
    sought = sum(_QUESTION in item for item in items)
    shared = sum(standing(item) == "unknown" and SHARED in map(item.get, _FIELDS) for item in items)
    short = counts["unknown"] - shared - (len(items) - sought)
    if short == len(items):
        what = f"all {short} items have too few words to be sought"
        return f"unknown: {what} in the {contamination.texts:,} texts learned from"
    text += f"; {counts['clean']} are clean"
    if suspected := sum("suspected_in" in item for item in items):
        text += f"; {suspected} may stand there in other words, which nobody judged (`suspected` in verdicts.jsonl)"
    if shared:
        text += f", {shared} are not known: other items share all but a few of their words"
    if short:
        text += f", {short} have too few words to be sought"
    if sought < len(items):
        text += f", {len(items) - sought} were not sought, for their ids are of no record"
    if counts["known"] and counts["clean"] < CLEAN_AT_LEAST:
        text += f"; a score over clean items is of {CLEAN_AT_LEAST} or more"
    return text


def _kinds(part: str, items: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(item.get(f"{part}_found") for item in items)
    kinds = ", ".join(f"{counts[verdict]} {_WORDS[verdict]}" for verdict in FOUND if counts[verdict])
    return kinds and f"{part}s: {kinds}"
