"""What the measurements of this folder share: judging results by planted truth, and watching processes."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lmworks.data.base.identity import document_id
from lmworks.data.duplicates.digits import digits_of
from lmworks.data.shards.records import Documents

BINS = (0.8, 0.85, 0.9, 0.95)
TICKS = os.sysconf("SC_CLK_TCK")
MASK = re.compile(r"\[[A-Z_]+\]")

Truth = Mapping[str, list[dict[str, Any]]]
"""What `make_corpus.py` planted: by sort of plant, each with its place."""


def share(some: Collection[bool]) -> float | None:
    """The share that is true; None of nothing."""
    return round(sum(some) / len(some), 4) if some else None


def read_ids(folder: Path, name: str = "ids.txt") -> set[str]:
    """The ids of the documents that a step wrote."""
    return set((folder / name).read_text().split())


def ids_by_place(truth: Truth, key: bytes) -> Iterator[tuple[str, str]]:
    """The id that ingest gave each line that the truth speaks of, in a source called `corpus`."""
    for plants in truth.values():
        for plant in plants:
            for place in (plant["place"], plant.get("of")):
                if place:
                    file, _, line = place.partition(":")
                    yield place, document_id(key, "corpus", file.removeprefix("documents/"), line)


def judge_pairs(truth: Truth, before: set[str], kept: set[str], ids: Mapping[str, str]) -> dict[str, Any]:
    """Of planted pairs with both documents in `before`, those that lost one: by similarity and by kind of change."""

    def gone(what: str) -> list[tuple[dict[str, Any], bool]]:
        pairs = ((plant, {ids[plant["place"]], ids[plant["of"]]}) for plant in truth[what])
        return [(plant, not pair <= kept) for plant, pair in pairs if pair <= before]

    bins: dict[str, list[bool]] = defaultdict(list)
    ways: dict[str, list[bool]] = defaultdict(list)
    near = gone("near")
    for plant, found in near:
        low = max(edge for edge in BINS[:-1] if edge <= plant["jaccard"])
        bins[f"{low:.2f}-{BINS[BINS.index(low) + 1]:.2f}"].append(found)
        ways[plant["how"]].append(found)
    return {
        "recall": share([found for _, found in near]),
        "recall_by_jaccard": {name: share(some) for name, some in sorted(bins.items())},
        "recall_by_change": {name: share(some) for name, some in sorted(ways.items())},
        "exact_recall": share([found for _, found in gone("exact")]),
        "hard_negatives_removed": share([found for _, found in gone("hard")]),
        "kept": len(kept),
    }


def with_agreeing_digits(truth: Truth, documents: Documents, ids: Mapping[str, str]) -> Truth:
    """Return the same without the near duplicates whose digits differ."""
    wanted = {ids[plant[place]] for plant in truth["near"] for place in ("place", "of")}
    digits = {each.id: digits_of(each.text) for each in documents.iterate() if each.id in wanted}

    def agree(plant: dict[str, Any]) -> bool:
        one, other = (digits.get(ids[plant[place]]) for place in ("place", "of"))
        return one is not None and one == other

    return {**truth, "near": [plant for plant in truth["near"] if agree(plant)]}


def judge_personal(plants: Iterable[tuple[dict[str, Any], str, str]]) -> dict[str, Any]:
    """Planted values that were masked, and masks that are theirs, from (plant, text before, text after).

    Only the planted sentence is looked at, a line of its own. A value is found if no character of it is left beside a
    mask, of whatever kind; a mask is right if it stands for the value and nothing more.
    """
    found: dict[str, list[bool]] = defaultdict(list)
    forms: Counter[str] = Counter()
    right = wrong = 0
    for plant, before, after in plants:
        sentence, value = plant["sentence"], plant["value"]
        start = sentence.index(value)
        lines = after.split("\n")
        number = before.split("\n").index(sentence)
        line = lines[number] if number < len(lines) else ""
        masks = len(MASK.findall(line)) - len(MASK.findall(sentence))
        covered = any(
            sentence[:start].startswith(line[: mask.start()])
            and sentence[start + len(value) :].endswith(line[mask.end() :])
            for mask in MASK.finditer(line)
        )
        exact = bool(MASK.fullmatch(line.removeprefix(sentence[:start]).removesuffix(sentence[start + len(value) :])))
        found[plant["kind"]].append(covered)
        forms[plant["format"]] += not covered
        right, wrong = right + exact, wrong + masks - exact
    return {
        "recall_by_kind": {kind: share(some) for kind, some in sorted(found.items())},
        "missed_by_format": {form: times for form, times in forms.most_common() if times},
        "precision": round(right / max(1, right + wrong), 4),
        "planted": sum(map(len, found.values())),
    }


def watch(process: int, cpu: dict[int, float], memory: Callable[[int], int]) -> int:
    """Bytes that a process and all below it hold; notes the processor seconds of each."""
    total = 0
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        cpu[process] = (int(fields[11]) + int(fields[12])) / TICKS
        total = memory(process)
        for task in Path(f"/proc/{process}/task").iterdir():
            total += sum(watch(int(child), cpu, memory) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return total


def resident(process: int) -> int:
    """Bytes of memory of a process; what it shares with others is counted in each."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def proportional(process: int) -> int:
    """Bytes of memory of a process; what several share is divided among them."""
    found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
