"""A sample for domain experts, as data and as a page that runs without a server and saves verdicts."""

from __future__ import annotations

import base64
import csv
import hashlib
import heapq
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any

from lmworks.data.shards.records import Documents, read_columns
from lmworks.errors import UsageError
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.record import split_reference
from lmworks.release.built import Built
from lmworks.release.inspect.changes import inspectable, rank, texts_shown
from lmworks.release.inspect.hidden import outputs
from lmworks.release.render.templates import environment

Stratum = tuple[str, str]
"""Source and language of a document."""


def write_sample(
    built: Built,
    name: str,
    count: int,
    guidelines: Path,
    out: Path,
    labels: Sequence[str],
    seed: int = 0,
    *,
    personal: bool = False,
) -> int:
    """Write `sample.jsonl`, `sample.csv` and `annotate.html` with at most `count` documents. Return their number.

    The sample is random. Each pair of source and language has the same share as in all documents. Personal data is
    hidden, see `hidden`. Raises `UsageError` if the step has no documents or the guidelines cannot be read.
    """
    step, part = split_reference(name)
    artifact = built.artifacts.get(step)
    folders = {str(each.path): each for each in outputs(artifact)} if artifact else {}
    if artifact is None or str(artifact.path(part)) not in folders:
        known = ", ".join(inspectable(built)) or "none is built"
        raise UsageError(f"{name!r} holds no documents; name a step, or a part such as split.train: {known}")
    try:
        rules = guidelines.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{guidelines}: cannot be read as UTF-8 text ({error}); name a file of guidelines") from None
    documents = folders[str(artifact.path(part))]
    chosen = _draw(documents, count, seed)
    texts = texts_shown(built, [(artifact, documents)], chosen, personal)
    rows = [
        {"id": key, "source": source, "language": language, "text": texts[key]}
        for key, (source, language) in sorted(chosen.items(), key=lambda item: rank(seed, item[0]))
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(out / "sample.jsonl", lines)
    write_atomically(out / "sample.csv", as_csv(rows))
    write_atomically(out / "annotate.html", annotation_page(built.name, name, rows, rules, labels))
    return len(rows)


def _draw(documents: Documents, count: int, seed: int) -> dict[str, Stratum]:
    """Return the ids of the sample with their strata. Each stratum gets its share, rounded by largest remainders."""
    sizes: Counter[Stratum] = Counter()
    lowest: dict[Stratum, list[str]] = defaultdict(list)
    for shard in documents.shards():
        table = read_columns(shard, ["id", "source", "language"])
        found: dict[Stratum, list[str]] = defaultdict(list)
        for key, source, language in zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True):
            found[source, language or ""].append(key)
        for stratum, keys in found.items():
            sizes[stratum] += len(keys)
            lowest[stratum] = heapq.nsmallest(count, [*lowest[stratum], *keys], key=lambda key: rank(seed, key))
    quotas = shares(sizes, min(count, sizes.total()))
    return {key: stratum for stratum, quota in quotas.items() for key in lowest[stratum][:quota]}


def shares(sizes: Mapping[Stratum, int], count: int) -> dict[Stratum, int]:
    """Divide `count` in proportion to sizes (Hamilton's method). Ties go to the first by name."""
    total = sum(sizes.values()) or 1
    exact = {stratum: count * size / total for stratum, size in sorted(sizes.items())}
    quotas = {stratum: floor(share) for stratum, share in exact.items()}
    for stratum in sorted(exact, key=lambda each: quotas[each] - exact[each])[: count - sum(quotas.values())]:
        quotas[stratum] += 1
    return quotas


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Return a table for spreadsheets, with an apostrophe before texts that look like a formula (OWASP: CSV injection).

    A space replaces each control or direction-changing character. `sample.jsonl` has the unchanged texts.
    """
    stream = io.StringIO()
    table = csv.DictWriter(stream, ["id", "source", "language", "text"])
    table.writeheader()
    for row in rows:
        shown = {
            name: "".join(sign if sign.isprintable() or sign in "\t\r\n" else " " for sign in value)
            for name, value in row.items()
        }
        table.writerow({name: "'" * row[name].startswith(tuple("=+-@\t\r")) + text for name, text in shown.items()})
    return stream.getvalue()


def annotation_page(
    recipe: str, step: str, rows: Sequence[Mapping[str, Any]], guidelines: str, labels: Sequence[str]
) -> str:
    """Return the HTML page for rows with `id`, `source`, `language` and `text`.

    Its policy lets only its own script run: texts are data, never markup.
    """
    made = environment(__package__)
    script = made.get_template("annotate.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    sample = hashlib.sha256(json.dumps([rows, labels]).encode()).hexdigest()[:16]
    data = {"documents": rows, "labels": labels, "sample": sample}
    return made.get_template("annotate.html.jinja").render(
        recipe=recipe, step=step, guidelines=guidelines, data=data, script=script, script_digest=digest
    )
