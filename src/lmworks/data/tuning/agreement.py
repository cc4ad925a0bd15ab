"""Agreement of annotators beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from lmworks.pipeline.figure import Figure, wilson

Verdicts = Mapping[str, Mapping[str, str]]
"""Document → annotator → label."""


def agreement(verdicts: Verdicts) -> Figure | None:
    """Return kappa over documents with several annotators: Cohen's for two annotators (1960), Fleiss' for more (1971).

    Documents can have different numbers of verdicts. Each counts once, with the share of its pairs that agree. The
    interval is Cohen's, with Wilson's in place of the normal one. For more than two annotators it is too wide. Return
    None if no document has two verdicts, or if all verdicts are the same label: kappa is then not defined.
    """
    several = [judged for judged in verdicts.values() if len(judged) > 1]
    annotators = sorted({name for judged in several for name in judged})
    if len(annotators) == 2:
        name = "Cohen's kappa"
        sides = [Counter(judged[annotator] for judged in several) for annotator in annotators]
        expected = sum(sides[0][label] * sides[1][label] for label in sides[0]) / len(several) ** 2
    else:
        name = "Fleiss' kappa"
        labels = Counter(label for judged in several for label in judged.values())
        expected = sum((count / labels.total()) ** 2 for count in labels.values())
    if not several or expected == 1:
        return None
    alike = sum(_pairs_alike(judged.values()) for judged in several)
    low, high = ((end - expected) / (1 - expected) for end in wilson(alike, len(several)))
    return Figure(
        name=name,
        value=(alike / len(several) - expected) / (1 - expected),
        n=len(several),
        interval=(low, high),
        method=f"documents with verdicts of two or more of {len(annotators)} annotators; 95 % Wilson interval of the "
        "observed agreement, with the agreement expected by chance as it is",
        chance=0.0,
    )


def _pairs_alike(labels: Iterable[str]) -> float:
    """Return the share of pairs of verdicts on one document that agree."""
    counts = Counter(labels)
    total = counts.total()
    return sum(count * (count - 1) for count in counts.values()) / (total * (total - 1))
