"""Recall and precision of finding personal data, on templates that another author wrote, by kind and country.

The authors of the detectors made neither the templates nor the values. But they may read the templates, so these
figures are a little too good. `benchmarks/privacy/measure.py` measures on templates that they may not read.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

from lmworks.data.personal.findings import Detector, Detectors, Finding, scan
from lmworks.data.privacy.entities import Spans, linked
from lmworks.pipeline.figure import Figure, wilson

KIND_OF: Mapping[str, str] = {"medical_record": "record_number"}
"""Kind of each cell whose name is not that of a kind."""
NOT_MEASURED = (
    "no template has names of persons, places and organisations in prose, or numbers of countries not listed here"
)
_RIGHT, _WRONG = "findings right", "findings wrong"


class Sample(NamedTuple):
    """A text with personal values in it."""

    cell: str
    """Kind and country, such as phone/DE."""
    text: str
    spans: tuple[tuple[int, int], ...]


@functools.cache
def samples() -> tuple[Sample, ...]:
    """Return all templates, each filled once."""
    folder = files(__package__)
    cells = json.loads((folder / "printed_templates.json").read_text(encoding="utf-8"))["cells"]
    values = json.loads((folder / "printed_values.json").read_text(encoding="utf-8"))
    return tuple(
        _filled(cell, template, [value[::-1] for value in some])
        for cell, templates in cells.items()
        for template, some in zip(templates, values[cell], strict=True)
    )


def _filled(cell: str, template: str, values: Sequence[str]) -> Sample:
    parts = template.split("{value}")
    text, spans = parts[0], []
    for value, part in zip(values, parts[1:], strict=True):
        spans.append((len(text), len(text) + len(value)))
        text += value + part
    return Sample(cell, text, tuple(spans))


def kind_of(cell: str) -> str:
    """Return the kind of personal data in a cell."""
    kind = cell.partition("/")[0]
    return KIND_OF.get(kind, kind)


def measure(
    detectors: Sequence[Detector],
    kinds: Collection[str],
    entities_of: Callable[[Sequence[str]], Sequence[Spans]] | None = None,
) -> list[Figure]:
    """Return the recall of each cell of these kinds, of each kind and of all, and the precision.

    A value counts as found if findings of any kind cover all its characters, because all covered text is treated.
    """
    chosen = [sample for sample in samples() if kind_of(sample.cell) in kinds]
    if not chosen:
        return []
    texts = [sample.text for sample in chosen]
    entities = entities_of(texts) if entities_of else [[]] * len(texts)
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    detectors = Detectors(detectors)
    for sample, spans in zip(chosen, entities, strict=True):
        findings = scan(sample.text, detectors, linked(sample.text, spans))
        found = sum(covered(sample.text, span, findings) for span in sample.spans)
        for name in (sample.cell, kind_of(sample.cell)):
            counts[name] += found
            sizes[name] += len(sample.spans)
        touching = sum(any(each.start < end and start < each.end for start, end in sample.spans) for each in findings)
        counts[_RIGHT] += touching
        counts[_WRONG] += len(findings) - touching
    return list(_figures(counts, sizes, len(chosen)))


def _figures(counts: Counter[str], sizes: Counter[str], templates: int) -> list[Figure]:
    name = f"on {templates} templates of another author"
    cells = [cell for cell in sizes if "/" in cell]
    kinds = [kind for kind in sizes if "/" not in kind]
    method = (
        f"{templates} templates that another author wrote, each filled once by that author's makers of "
        f"values; a value counts "
        f"as found if findings cover it whole; {NOT_MEASURED}; 95 % Wilson interval"
    )
    total, findings = sum(sizes[cell] for cell in cells), counts[_RIGHT] + counts[_WRONG]
    return [
        _share(f"recall {name}", sum(counts[cell] for cell in cells), total, method),
        _share(f"precision {name}", counts[_RIGHT], max(1, findings), f"findings that touch a value; {method}"),
        *(_share(f"recall of {kind}", counts[kind], sizes[kind], method) for kind in kinds),
        *(
            _share(f"recall of {cell}", counts[cell], sizes[cell], "the templates of one kind and country")
            for cell in cells
        ),
    ]


def covered(text: str, span: tuple[int, int], findings: Sequence[Finding]) -> bool:
    """Return whether every character of a value, except white space, lies in a finding."""
    left = {place for place in range(*span) if not text[place].isspace()}
    for finding in findings:
        left.difference_update(range(finding.start, finding.end))
    return not left


def _share(name: str, right: int, n: int, method: str) -> Figure:
    return Figure(name=name, value=right / n, n=n, method=method, interval=wilson(right, n))
