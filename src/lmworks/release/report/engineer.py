"""The first page for the engineer of the next build: doubts, figures with conditions, and how to build again."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from lmworks.release.built import Built
from lmworks.release.inspect.verdicts import Doubt, Measured, measured, trainings_in_doubt, verdicts
from lmworks.release.items.page import page_of
from lmworks.release.render.outcome import Row, wrong
from lmworks.release.render.words import conditions_of, interval_of, number, value_of
from lmworks.release.report.manager import quoting
from lmworks.release.report.pages import Answer, FirstPage, code, count, link, listed

ROWS = 7
"""Most rows of the table. All figures are further down in the report."""
LIBRARIES = ("lmworks", "torch", "transformers", "tokenizers")
"""Libraries whose versions are named."""


def engineer(built: Built, plan: Sequence[Row]) -> FirstPage:
    """Return the page: what is in doubt, the leading figures, what to try next, and how to build again."""
    results, doubts = measured(built), trainings_in_doubt(built)
    verdict = _verdict(built, doubts, results)
    answers = [_wrong(built, doubts, plan), *_figures(built, results), _next(built, doubts, results), _again(built)]
    return FirstPage("engineer", "Engineer", verdict, answers)


def _verdict(built: Built, doubts: Sequence[Doubt], results: Sequence[Measured]) -> str:
    if waiting := [*built.missing, *built.outdated]:
        return f"Unfinished: {count(len(waiting), 'step')} missing or stale."
    if doubts:
        return f"Complete, with {count(len(doubts), 'training')} in doubt."
    return "Complete." if results or any(quoting(built).values()) else "Complete; nothing was measured."


def _wrong(built: Built, doubts: Sequence[Doubt], plan: Sequence[Row]) -> Answer:
    lines: list[str] = []
    if erased := built.erased:
        lines.append(
            Markup("Deleted because they contained erased text, and to be built again: {}.").format(listed(erased))
        )
    if missing := [name for name in built.missing if name not in erased]:
        lines.append(Markup("Not built yet: {}.").format(listed(missing)))
    if built.outdated:
        lines.append(Markup("Stale, because inputs changed: {}.").format(listed(built.outdated)))
    if not lines:
        lines.append("No step is missing or stale.")
    if unsealed := [name for name, artifact in built.artifacts.items() if not artifact.manifest.is_sealed]:
        lines.append(
            Markup("Manifests without a seal, which somebody could have changed: {}. {} makes a step again.").format(
                listed(unsealed), code("lmworks build --rebuild")
            )
        )
    if doubts:
        told = listed([f"{each.model} ({each.verdict})" for each in doubts])
        lines.append(Markup("Trainings: {}; {}.").format(told, link("#training", "why, and what would help")))
    if built.models and not doubts:
        lines.append("No training is in doubt.")
    if missed := wrong(plan):
        lines.append(Markup("Unlike the {}: {}.").format(link("#plan", "plan"), listed(missed, 2)))
    elif plan:
        lines.append(Markup("Time, memory and figures are as the {} predicted.").format(link("#plan", "plan")))
    else:
        lines.append("No plan is stored: nothing can be compared with a prediction.")
    return Answer("What is in doubt, stale or unlike the plan", lines)


def _figures(built: Built, results: Sequence[Measured]) -> list[Answer]:
    if not results:
        return []
    order = {task: place for place, task in enumerate(verdicts(built))}  # where a baseline wins first
    ordered = sorted(results, key=lambda each: order.get(each.task, len(order)))
    conditions = [conditions_of(each.figure) for each in ordered]
    common = dict(set.intersection(*(set(each.items()) for each in conditions)))
    rows = [
        (
            each.task,
            each.model,
            f"{value_of(each.figure)} {each.label}",
            interval_of(each.figure) or "–",
            number(each.figure.n),
            "–" if each.figure.chance is None else number(each.figure.chance),
            _met(each),
            ", ".join(value for name, value in found.items() if name not in common) or "–",
        )
        for each, found in zip(ordered[:ROWS], conditions, strict=False)
    ]
    lines: list[str] = []
    if common:
        lines.append(f"All: {', '.join(f'{name} {value}' for name, value in sorted(common.items()))}.")
    refused = [line for found in verdicts(built).values() for line in found if " are not compared: " in line]
    if refused:
        pairs = listed([line.partition(" are not")[0] for line in dict.fromkeys(refused)], 2)
        lines.append(Markup("Not comparable: {} ({}).").format(pairs, link("#figures", "why")))
    if unknown := [each.task for each in results if each.has_unknown]:
        lines.append(Markup("Contamination is not known of all items of {}.").format(listed(unknown, 2)))
    if behind := [each for each in ordered if each.baseline_value is not None and not each.is_better]:
        names = listed([f"{each.task} ({each.baseline} has {each.baseline_value:.3f})" for each in behind], 2)
        lines.append(Markup("Worst: {}, not shown to be better than a baseline.").format(names))
    else:
        lines.append("Worst: nothing here is behind a baseline.")
    lines[-1] += Markup(" {}").format(_where(built))
    if len(ordered) > ROWS:
        lines.append(Markup("{} more tasks are {}.").format(len(ordered) - ROWS, link("#figures", "below")))
    heads = ("task", "model", "figure", "95 % interval", "n", "chance", "met in training", "conditions")
    return [Answer("Leading figures", lines, heads, rows)]


def _met(each: Measured) -> str:
    """Return how many items of its task a model met in training, and for how many this is not known."""
    counts, total = each.items, each.items.total()
    if counts["unknown"] == total:
        return "not known"
    return f"{counts['known']:,} of {total:,}" + (f", {counts['unknown']:,} not known" if counts["unknown"] else "")


def _where(built: Built) -> Markup:
    tasks = [task for task in built.evaluations() if page_of(built, task).exists()]
    pages = [link(page_of(built, task).name, task) for task in tasks]
    if pages:
        return Markup("Items: {}.").format(listed(pages))
    return Markup("Items: {} prints a folder with {}.").format(
        code("lmworks show evaluate/TASK/MODEL --path"), code("items.jsonl")
    )


def _next(built: Built, doubts: Sequence[Doubt], results: Sequence[Measured]) -> Answer:
    lines: list[str] = []
    if built.missing or built.outdated:
        lines.append(Markup("First type {}.").format(code("lmworks build")))
    if doubts:
        lines.append(
            Markup("What would help {} is {}.").format(doubts[0].model, link("#training", "written with its doubt"))
        )
    if built.models and not doubts:
        lines.append(Markup("No training is in doubt. {} tries other settings.").format(code("lmworks search")))
    if any(each.baseline_value is not None and not each.is_better for each in results):
        lines.append("In a task where no model beats the baselines, read the items before you train more.")
    return Answer("What to try next", lines or ["Add models and tasks: the recipe has none yet."])


def _again(built: Built) -> Answer:
    runs = [artifact.manifest.run for artifact in built.artifacts.values()]
    machines = sorted({f"{run.processor or 'unknown processor'}, {run.cores or '?'} cores" for run in runs})
    versions: dict[str, set[str]] = {}
    for artifact in built.artifacts.values():
        for name, version in artifact.manifest.libraries.items():
            versions.setdefault(name, set()).add(version)
    named = [f"{name} {' and '.join(sorted(versions[name]))}" for name in LIBRARIES if name in versions]
    seeds = sorted({seed for artifact in built.artifacts.values() for seed in artifact.manifest.seeds.values()})
    return Answer(
        "Build it again",
        [
            code(built.command),
            Markup("Made on {} with {}; seeds {}. {} lists every digest.").format(
                listed(machines or ["no machine: no step is in the store"], 2),
                listed(named or ["unknown versions"]),
                ", ".join(map(str, seeds)) or "by default",
                link("#lineage", "Lineage"),
            ),
        ],
    )
