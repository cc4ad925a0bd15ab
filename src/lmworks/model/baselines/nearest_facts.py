"""Baseline that copies texts: the training text about the most similar facts, with the values replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lmworks.data.tuning.facts import Fact, count, parse_facts, values_of


class NearestFacts:
    """Known facts and a text about each."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Store pairs of (facts, text). Several pairs can have equal facts."""
        self._known = [(parse_facts(source), text) for source, text in pairs]

    def write(self, source: str) -> str:
        """Return the text whose facts share most slots and have fewest others, with the values of `source` put in. If
        several do, choose by fewest opposite yes and no, then by most equal values. Then choose by most stated values,
        by fewest wrong values, and by order.
        """
        facts, values = parse_facts(source), values_of(source)
        wanted = _by_slot(facts)
        ranks = [_alike(wanted, _by_slot(known)) for known, _ in self._known]
        best = max(ranks)
        found, most = "", None
        for rank, (known, text) in zip(ranks, self._known, strict=True):
            if rank == best:
                swapped = exchange(text, _by_slot(known), wanted)
                counts = count(values, values_of_all(known), swapped)
                if most is None or (counts["stated"], -counts["wrong"]) > most:
                    found, most = swapped, (counts["stated"], -counts["wrong"])
        return found


def exchange(text: str, known: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Replace each value of `known` in a text by the value of the same slot in `wanted`, the longest values first.

    Marks take the place of values at first, so that no new value is replaced again.
    """
    marks: dict[str, str] = {}
    for slot, value in sorted(known.items(), key=lambda item: -len(item[1])):
        if slot in wanted and wanted[slot] != value and value.lower() not in ("yes", "no"):
            mark = f"\0{len(marks)}\0"
            marks[mark] = wanted[slot]
            text = text.replace(value, mark)
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text


def values_of_all(facts: Sequence[Fact]) -> list[str]:
    """Return all values of these facts, in the words in which a text can state them."""
    return values_of(", ".join(f"{fact.slot}[{fact.value}]" for fact in facts))


def _by_slot(facts: Sequence[Fact]) -> dict[str, str]:
    return {fact.slot: fact.value for fact in facts}


def _alike(wanted: Mapping[str, str], known: Mapping[str, str]) -> tuple[int, int, int]:
    shared = wanted.keys() & known.keys()
    # What is yes in one and no in the other cannot be exchanged.
    opposed = sum({wanted[slot].lower(), known[slot].lower()} == {"yes", "no"} for slot in shared)
    return len(shared) - len(known.keys() - shared), -opposed, sum(wanted[slot] == known[slot] for slot in shared)
