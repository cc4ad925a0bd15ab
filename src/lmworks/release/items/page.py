"""One page per task: every item with the answers of models and baselines, to filter, sort and compare."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lmworks.data.personal.hidden import Hiding
from lmworks.errors import UsageError
from lmworks.evaluate.compare import metric_named
from lmworks.evaluate.items import Item, Metric
from lmworks.pipeline.files import digest_text, write_atomically
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, measures_model, read_lines
from lmworks.release.inspect.hidden import hiding
from lmworks.release.render.templates import environment
from lmworks.release.render.words import sentence_of
from lmworks.release.written import Written

BESIDE_REPORT = 1_000
"""Most items on a page written with a report: to look for personal data in more items takes over a minute."""
ITEMS = 5_000
"""Most items on a page, drawn by a hash of their ids. A browser searches this number without delay."""
SAID = ("answer", "raw", "put", "extracted", "thoughts")
"""Fields of an item whose values are texts of one system."""
TOLD = {
    *("id", "digest", "cluster", "prompt", "reference", "score", "contamination", "question_found", "answer_found"),
    *("suspected_in", "truncated", "unextracted", "finish_reason", "tokens", "choices", "probabilities", "found"),
    *("wanted", "spans", "labels", *SAID),
}
"""Fields of an item with a place of their own on the page, and counts of such fields."""

Intern = Callable[[str], int]


def page_of(built: Built, task: str) -> Path:
    """Return the path of a task's page."""
    return built.store.root / "reports" / f"{built.name}-items-{task}.html"


def write_items(built: Built, task: str, count: int = ITEMS, *, personal: bool = False) -> Path:
    """Write the page of a task. Raises UsageError for a task that the build does not have, or that keeps no items.

    Personal data is hidden, see `hidden`, unless `personal`.
    """
    systems = _systems(built, task)
    if not systems:
        known = ", ".join(tasks_with_items(built)) or "none"
        raise UsageError(f"{task!r} is no task of {built.name} whose items are kept; tasks with items: {known}")
    write_atomically(page_of(built, task), render(built, task, systems, count, personal=personal))
    return page_of(built, task)


def write_pages(built: Built, written: Written) -> None:
    """Write the page of every task that keeps items, if its items have changed. The report links to these pages."""
    for task in tasks_with_items(built):
        written.write([page_of(built, task)], partial(write_items, built, task, BESIDE_REPORT), {task})


def tasks_with_items(built: Built) -> list[str]:
    """Return the tasks for which the items of some system are kept."""
    return [task for task in built.evaluations() if _systems(built, task)]


def _systems(built: Built, task: str) -> dict[str, Artifact]:
    found = built.evaluations().get(task, {})
    kept = {name: each for name, each in found.items() if name and (each.payload / "items.jsonl").exists()}
    return {name: each for name, each in kept.items() if (each.payload / "items.jsonl").stat().st_size}


def render(built: Built, task: str, systems: Mapping[str, Artifact], count: int, *, personal: bool = False) -> str:
    """Return the page with the items of a task and what each system answered."""
    for each in systems.values():
        each.require_sound_file("items.jsonl")
    read = {name: read_lines(each.payload / "items.jsonl") for name, each in systems.items()}
    headlines = [each.manifest.figures[0].name for each in systems.values() if each.manifest.figures]
    found = collect(read, metric_named(headlines[0]) if headlines else None, count)
    if not personal:
        ids = {row["id"] for row in found["items"]}
        hidden = Hiding(hiding(built, *systems.values(), ids=ids))
        found["texts"] = [hidden.text(text) for text in found["texts"]]
        found["items"] = [
            {
                **row,
                "wanted": hidden.row({"wanted": row["wanted"]})["wanted"],
                "by": [said and hidden.row(said) for said in row["by"]],
            }
            for row in found["items"]
        ]
    told = [
        {
            "name": name,
            "is_baseline": not measures_model(each),
            "is_plain": name in built.models,
            "told": sentence_of(each.manifest.figures[0]) if each.manifest.figures else "",
        }
        for name, each in systems.items()
    ]
    return page(built.name, task, {**found, "systems": told})


def collect(read: Mapping[str, Sequence[Item]], metric: Metric | None, count: int = ITEMS) -> dict[str, Any]:
    """Return what the page shows of the items of each system. Each text is stored once, and items hold its number."""
    ids = list(dict.fromkeys(item["id"] for items in read.values() for item in items))
    drawn = {*sorted(ids, key=digest_text)[:count]}
    texts: dict[str, int] = {}

    def intern(text: str) -> int:
        return texts.setdefault(text, len(texts))

    first = {item["id"]: item for items in reversed([*read.values()]) for item in items}
    by: dict[str, list[dict[str, Any] | None]] = {key: [None] * len(read) for key in ids if key in drawn}
    rows = [
        {
            "id": key,
            "cluster": intern(str(first[key]["cluster"])),
            "prompt": intern(str(first[key].get("prompt", ""))),
            "reference": intern(str(first[key].get("reference", ""))),
            "wanted": _spans(first[key], "wanted"),
            "by": said,
        }
        for key, said in by.items()
    ]
    for place, items in enumerate(read.values()):
        for item, score in zip(items, _scores(items, metric), strict=True):
            if item["id"] in by:
                by[item["id"]][place] = _said(item, score, intern)
    is_share = bool(metric and metric.is_share)
    judged = {"label": metric.label if metric else "score", "share": is_share}
    judged["higher"] = not metric or metric.higher_is_better
    return {"metric": judged, "texts": list(texts), "items": rows, "all": len(ids)}


def page(recipe: str, task: str, data: Mapping[str, Any]) -> str:
    """Return the page of what was collected. Its policy lets only its own script run: texts are never markup."""
    made = environment(__package__)
    script = made.get_template("items.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return made.get_template("items.html.jinja").render(
        recipe=recipe, task=task, data=data, script=script, script_digest=digest
    )


def _scores(items: Sequence[Item], metric: Metric | None) -> list[float | None]:
    """Return the metric's value of each item alone. If an item lacks the metric's fields, return `score` of each."""
    if not metric or any(metric.value not in item for item in items):
        return [item.get("score") for item in items]
    return [
        value / weight if weight else None
        for value, weight in zip(metric.values(items), metric.weights(items), strict=True)
    ]


def _spans(item: Item, name: str) -> list[list[Any]]:
    """Return spans with their texts, because positions shift when personal data in the prompt is hidden."""
    return [[label, start, end, item["prompt"][start:end]] for label, start, end in item.get(name) or ()]


def _said(item: Item, score: float | None, intern: Intern) -> dict[str, Any]:
    """Return what one system said of an item, with the numbers of texts instead of texts."""
    said: dict[str, Any] = {"score": score}
    for name in SAID:
        if isinstance(item.get(name), str) and (name != "raw" or item[name] != item.get("answer")):
            said[name] = intern(item[name])
    said |= {name: item[name] for name in ("choices", "probabilities") if item.get(name) is not None}
    if item.get("found") is not None:
        said["found"] = _spans(item, "found")
    said |= {name: item[name] for name in ("tokens", "finish_reason") if name in item}
    said |= {short: True for short, name in (("cut", "truncated"), ("failed", "unextracted")) if item.get(name)}
    stand = {name.removesuffix("_found"): item[name] for name in ("question_found", "answer_found") if item.get(name)}
    said["contamination"] = item.get("contamination", "unknown")
    said["stands"] = ", ".join(f"{name} {verdict}" for name, verdict in stand.items())
    others = {name: value for name, value in item.items() if name not in TOLD}
    said["more"] = {name: value for name, value in others.items() if isinstance(value, int | float | str) and value}
    return said
