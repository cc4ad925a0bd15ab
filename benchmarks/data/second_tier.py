"""How much personal data stays in the clear with patterns alone, and with a model of the recipe besides: one JSON line.

    python benchmarks/data/second_tier.py STORE

STORE is the `.lmworks` of a build of recipes/extract.yaml. Asked are its test sentences, of templates that the model
never saw. A labelled value is covered if none of its letters and digits lies outside what is found, whatever kind it
was taken for: that is what stays hidden. A finding is right if it touches a labelled span. Intervals, and that of the
difference in recall, are over whole templates.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmworks.data.personal.detectors import DETECTORS
from lmworks.data.personal.findings import Detectors, Finding, Kind, scan
from lmworks.data.privacy.entities import LABELS, find_entities, linked
from lmworks.data.shards.records import Document, Documents
from lmworks.data.tuning.spans import spans_of
from lmworks.pipeline.statistics import by_cluster, compare_groups, of_sums
from lmworks.pipeline.store import Store

Floats = NDArray[np.float64]

TAUGHT: tuple[Kind, ...] = ("person", "place", "organisation", "address")


def values_of(document: Document) -> list[tuple[Kind, int, int]]:
    """The labelled values of kinds that `anonymise` knows, but for dates, which it keeps unless told otherwise."""
    named = [(LABELS.get(label.upper()), start, end) for label, start, end in spans_of(document, "spans") or ()]
    return [(kind, start, end) for kind, start, end in named if kind and kind != "date"]


def covered(text: str, value: tuple[Kind, int, int], findings: Sequence[Finding]) -> bool:
    """Whether no letter or digit of a value stays."""
    inside = {place for each in findings for place in range(each.start, each.end)}
    return all(place in inside for place in range(*value[1:]) if text[place].isalnum())


def counts_of(document: Document, findings: Sequence[Finding]) -> list[int]:
    """Values covered, and values; findings that are right, and findings."""
    values, labelled = values_of(document), spans_of(document, "spans") or ()
    right = [any(each.start < end and each.end > start for _, start, end in labelled) for each in findings]
    return [sum(covered(document.text, value, findings) for value in values), len(values), sum(right), len(right)]


def scores(
    documents: Sequence[Document], found: Sequence[Sequence[Finding]], counts: list[list[int]]
) -> dict[str, Any]:
    """Recall of all and by kind, and precision."""
    clusters = [str(document.meta["template"]) for document in documents]
    kinds: dict[str, Counter[str]] = {}
    for document, findings in zip(documents, found, strict=True):
        for value in values_of(document):
            kinds.setdefault(value[0], Counter())["covered" if covered(document.text, value, findings) else "open"] += 1
    return {
        **{
            name: [float(of(np.sum(counts, axis=0, dtype=float))), *(of_sums(counts, of, clusters).interval or ())]
            for name, of in (("recall", recall), ("precision", precision))
        },
        "by_kind": {kind: dict(each) for kind, each in sorted(kinds.items())},
    }


def recall(sums: Floats) -> Floats:
    """[…,4] sums of `counts_of` -> […]"""
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def precision(sums: Floats) -> Floats:
    """[…,4] sums of `counts_of` -> […]; 1 where nothing was found."""
    return np.where(sums[..., 3] > 0, sums[..., 2] / np.maximum(sums[..., 3], 1), 1.0)


def main() -> None:
    """Score both tiers on the test part of the last build."""
    store = Store(Path(sys.argv[1]))
    steps = list(store.builds)[-1].steps
    split, model = (store.find(steps[name].stage, steps[name].key) for name in ("split", "extractor"))
    if split is None or model is None:
        sys.exit(f"{sys.argv[1]}: split or extractor is not built; lmworks build recipes/extract.yaml")
    documents = list(Documents(split.path("test"), "").iterate())
    texts = [document.text for document in documents]
    detectors = Detectors(detector for detector in DETECTORS if detector.kind != "date")
    guessed = [
        linked(text, spans) for text, spans in zip(texts, find_entities(model.payload, TAUGHT, texts), strict=True)
    ]
    tiers = {
        "patterns": [scan(text, detectors) for text in texts],
        "patterns and model": [scan(text, detectors, more) for text, more in zip(texts, guessed, strict=True)],
    }
    counts = {name: [counts_of(*each) for each in zip(documents, found, strict=True)] for name, found in tiers.items()}
    clusters = [str(document.meta["template"]) for document in documents]
    sums = {name: by_cluster(np.array(each, float), clusters) for name, each in counts.items()}
    gain = compare_groups(recall(sums["patterns and model"]), recall(sums["patterns"]), len(documents), most=1)
    print(
        json.dumps(
            {
                "sentences": len(documents),
                "templates": gain.clusters,
                **{name: scores(documents, found, counts[name]) for name, found in tiers.items()},
                "gain_in_recall": [gain.difference, *(gain.interval or ()), gain.p],
            }
        )
    )


if __name__ == "__main__":
    main()
