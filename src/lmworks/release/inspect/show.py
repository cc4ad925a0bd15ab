"""Description of one step in plain text, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from lmworks.data.personal.hidden import hide_all
from lmworks.pipeline.manifest import Manifest
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, read_json, read_lines
from lmworks.release.inspect.hidden import hiding
from lmworks.release.render.outcome import as_text, outcome
from lmworks.release.render.words import duration, number, sentence_of, shorten, size, visible

WIDTH = 100
"""Most columns of a line."""
EXAMPLES = 3
"""Most examples of each reason."""


def describe(artifact: Artifact, built: Built | None, width: int = WIDTH) -> str:
    """Return a step's inputs, counts, figures, examples and time, as a text."""
    manifest, run = artifact.manifest, artifact.manifest.run
    parts = [
        _table(
            {
                "step": manifest.step,
                "stage": f"{artifact.stage}, version {manifest.version}",
                "digest": artifact.digest(),
                "from": ", ".join(_inputs(manifest)) or "nothing before it",
                "files": f"{len(manifest.files):,}, {size(sum(file.bytes for file in manifest.files.values()))}",
                **(
                    {"seeds": ", ".join(f"{name} {seed}" for name, seed in manifest.seeds.items())}
                    if manifest.seeds
                    else {}
                ),
                "made": f"{datetime.fromtimestamp(run.started, UTC):%Y-%m-%d %H:%M} UTC",
                "took": duration(run.seconds),
                **{name.replace("_", " "): number(value) for name, value in run.measured.items()},
            }
        )
    ]
    if told := as_text(outcome(manifest)):
        parts.append(told)
    lost = {name: manifest.counts[name] for name in manifest.losses}
    made = {name: count for name, count in manifest.counts.items() if name not in lost}
    for title, counts in (("left out", lost), ("counts", made)):
        if counts:
            parts.append(f"{title}\n" + _table({name: f"{count:>12,}" for name, count in counts.items()}))
    if figures := artifact.manifest.figures:
        lines = [
            line
            for method, alike in groupby(figures, lambda figure: figure.method)
            for line in (*(f"{figure.name}: {sentence_of(figure)}" for figure in alike), method)
        ]
        parts.append("\n".join(["figures", *lines]))
    if said := read_json(artifact.payload / "comparison.json").get("verdicts"):
        parts.append("\n".join(["verdicts", *said]))
    groups = by_reason(artifact, built)
    parts += ["\n".join(["verdict", example["text"]]) for example in groups.pop("fit", [])]
    if examples := "\n".join(_examples(groups, width)):
        parts.append("examples\n" + examples)
    return "\n\n".join("\n".join(_fit(part, width)) for part in parts)


def by_reason(artifact: Artifact, built: Built | None) -> dict[str, list[dict[str, Any]]]:
    """Return some examples of each reason, without personal data. Reasons are in the order of the step's examples."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in read_lines(artifact.payload / "examples.jsonl"):
        group = groups.setdefault(str(record.pop("reason", "example")), [])
        if len(group) < EXAMPLES:
            group.append(record)
    more = built and hiding(
        built, artifact, ids={record["id"] for group in groups.values() for record in group if "id" in record}
    )
    return {reason: hide_all(group, more or ()) for reason, group in groups.items()}


def _inputs(manifest: Manifest) -> Iterator[str]:
    for _, record in manifest.records():
        yield f"{record.reference} ({record.role or 'role unknown'})"


def _table(rows: Mapping[str, str]) -> str:
    width = min(max(map(len, rows)), 48)
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())


def _examples(groups: Mapping[str, list[dict[str, Any]]], width: int) -> Iterator[str]:
    for reason, examples in groups.items():
        yield reason
        for example in examples:
            yield "  " + shorten("; ".join(f"{name}: {value}" for name, value in example.items() if value), width - 2)


def _fit(part: str, width: int) -> Iterator[str]:
    """Yield lines without control characters. Long lines are broken to fit the terminal."""
    for line in part.split("\n"):
        indent = " " * min(len(line) - len(line.lstrip()) + 2, width // 2)
        yield from textwrap.wrap(visible(line), width, subsequent_indent=indent, break_on_hyphens=False) or [""]
