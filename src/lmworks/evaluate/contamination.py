"""What is known of scored items from what was learned: verdicts on items, and what is said of figures.

Of each item a verdict by content says whether its question or its answer stands in the text that a model, or a
baseline, learned from (`data.contamination.search`). An item of which either was found is known; one is clean if
something of it was sought, nothing was found, and all that was learned from was searched. Where only words were found
that other items share, and little else is in it, it is neither.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from lmworks.data.contamination.index import SHARED
from lmworks.data.contamination.search import FOUND, PARTS
from lmworks.pipeline.stage import Handle
from lmworks.pipeline.work.chunks import read_records

Standing = Literal["known", "clean", "unknown"]
CLEAN_AT_LEAST = 20
"""Clean items that a score of their own needs: the interval of fewer says next to nothing."""
_FIELDS = tuple(f"{part}_found" for part in PARTS)
_WORDS = {"whole": "whole", "near": "nearly", "verbatim": "in part"}
NOT_SEARCHED = "unknown: nothing that it learned from was searched for the items"


@dataclass(frozen=True)
class Contamination(Handle):
    """What a search for items in training text found: the output of `contamination_search`."""

    @cached_property
    def verdicts(self) -> dict[str, dict[str, Any]]:
        return {line["id"]: line for line in read_records(self.path / "verdicts.jsonl")}

    @cached_property
    def _searched(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / "searched.json").read_text(encoding="utf-8"))
        return found

    @property
    def texts(self) -> int:
        return int(self._searched["texts"])

    @property
    def unknown(self) -> list[str]:
        """Why not all that was learned from is known, in words."""
        return list(self._searched["unknown"])


def judged(items: Iterable[Mapping[str, Any]], contamination: Contamination | None) -> list[dict[str, Any]]:
    """The items, each with `contamination`, how it stands, and the verdicts `question_found` and `answer_found`."""
    return [{**item, **_verdict(item["id"], contamination)} for item in items]


def _verdict(item: str, contamination: Contamination | None) -> dict[str, str]:
    line = contamination.verdicts.get(item) if contamination else None
    parts = {f"{part}_found": str(line[part]) for part in PARTS if line[part]} if line else {}
    if line and (suspect := line.get("suspected")):
        parts["suspected_in"] = str(suspect["record"])
    standing: Standing = "clean"
    if not set(FOUND).isdisjoint(parts.values()):
        standing = "known"
    elif (
        contamination is None
        or contamination.unknown
        or parts.get(f"{PARTS[0]}_found") != "not found"
        or SHARED in parts.values()
    ):
        standing = "unknown"
    return {"contamination": standing, **parts}


def standing(item: Mapping[str, Any]) -> Standing:
    """How an item stands to what was learned from."""
    found: Standing = item.get("contamination", "unknown")
    return found


def verdict_text(items: Sequence[Mapping[str, Any]], contamination: Contamination | None) -> str:
    """The verdict on figures of these items."""
    if contamination is None:
        return NOT_SEARCHED
    counts = Counter(map(standing, items))
    told = f"{counts['known']} of {len(items)} items stand in the {contamination.texts:,} texts learned from"
    kinds = "; ".join(text for part in PARTS if (text := _kinds(part, items)))
    told += f" ({kinds})" if kinds else ", by question or answer"
    if contamination.unknown:
        why = f"unknown: {', and '.join(contamination.unknown)}"
        return f"{why}; of what is known here, {told}" if contamination.texts else why
    sought = sum(f"{PARTS[0]}_found" in item for item in items)
    shared = sum(each["contamination"] == "unknown" and SHARED in map(each.get, _FIELDS) for each in items)
    short = counts["unknown"] - shared - (len(items) - sought)
    if short == len(items):
        what = f"all {short} items have too few words to be sought"
        return f"unknown: {what} in the {contamination.texts:,} texts learned from"
    told += f"; {counts['clean']} are clean"
    if suspected := sum("suspected_in" in item for item in items):
        told += f"; {suspected} may stand there in other words, which nobody judged (`suspected` in verdicts.jsonl)"
    if shared:
        told += f", {shared} are not known: only words of them stand there that other items share"
    if short:
        told += f", {short} have too few words to be sought"
    if sought < len(items):
        told += f", {len(items) - sought} were not sought, for their ids are of no record"
    if counts["known"] and counts["clean"] < CLEAN_AT_LEAST:
        told += f"; a score over clean items is of {CLEAN_AT_LEAST} or more"
    return told


def _kinds(part: str, items: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(each.get(f"{part}_found") for each in items)
    told = ", ".join(f"{counts[verdict]} {_WORDS[verdict]}" for verdict in FOUND if counts[verdict])
    return told and f"{part}s: {told}"
