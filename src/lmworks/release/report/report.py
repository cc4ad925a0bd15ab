"""The report of a build: one self-contained HTML page, rendered from manifests and payloads at any time."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lmworks.data.personal.hidden import hide
from lmworks.model.device import CPU
from lmworks.pipeline.erasure import erased_here
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.store import Artifact, Store
from lmworks.plan.probe import peak_of
from lmworks.release.built import Built, read_json, read_lines
from lmworks.release.cards.card import card_text, parameters
from lmworks.release.cards.croissant import write_data_cards
from lmworks.release.history.history import write_history
from lmworks.release.inspect import dataflow
from lmworks.release.inspect.data_report import write_data_report
from lmworks.release.inspect.hidden import hiding
from lmworks.release.inspect.verdicts import samples_of, trainings_in_doubt, verdicts
from lmworks.release.items.page import write_pages
from lmworks.release.render.charts import Series, line_chart
from lmworks.release.render.outcome import NOT_YET, compare, outcome
from lmworks.release.render.picture import Box, picture
from lmworks.release.render.tables import Comparable, latencies, tasks
from lmworks.release.render.templates import environment
from lmworks.release.render.words import duration, number, size
from lmworks.release.report.checks import checks
from lmworks.release.report.engineer import engineer
from lmworks.release.report.manager import manager
from lmworks.release.report.protection import protection
from lmworks.release.written import Written

CURVE_POINTS = 200
"""Most points of a loss curve. Each is the mean of several steps, because single steps jitter."""
DATA_REPORT_BYTES = 200_000_000
"""Most bytes of texts up to which a build also writes the data report, which reads 17 MB per second."""
_OF_A_PAIR = re.compile(r"(.+)( are not compared: .+)|between (.+)( differs, too: .+)")
_NARROW = re.compile("; (the interval may be too narrow: [^;]+)")
REWRITINGS = 6
"""Stages shown of one sample: enough to see it improve, few enough to read."""


def write_report(store: Store, name: str | None = None) -> Path:
    """Write the report of a recipe's last build, and cards of its models and data. Return the report's path."""
    built = Built.open(store, name)
    now, _ = built.parted()
    folder, written = store.root / "reports", Written(built)
    path, data_path = folder / f"{built.name}.html", folder / f"{built.name}-data.html"
    texts = [
        text for name, each in built.artifacts.items() if "/" not in name for text in dataflow.texts_of(name, each)
    ]
    write_pages(now, written)
    if sum(text.bytes or 0 for text in texts) <= DATA_REPORT_BYTES:
        written.write([data_path], lambda: write_data_report(store, built.name), ())
    else:
        data_path.unlink(missing_ok=True)  # of an earlier build

    cards = {folder / f"{built.name}-{model}-card.md": artifact for model, artifact in built.models.items()}

    def write_cards_and_report() -> None:
        for card, artifact in cards.items():
            write_atomically(card, card_text(built, artifact))
        write_data_cards(built)
        write_history(built)
        write_atomically(path, render(built))

    about = built.record.model_dump(mode="json"), erased_here(store)
    written.write([path, *cards], write_cards_and_report, None, *about)
    return path


def render(built: Built) -> str:
    """Return the page. Every text that comes from data or a model is escaped.

    Measurements of an earlier state of the recipe are in a part of their own, and used for nothing else.
    """
    built, before = built.parted()
    origins = dataflow.origins(built, list(built.models.values()))
    plan, samples, said = plan_against_actual(built), samples_of(built), verdicts(built)
    tables, earlier = tasks(built), tasks(before)
    found = {task: tables[task] for task in dict.fromkeys([*said, *tables])}
    data_report = built.store.root / "reports" / f"{built.name}-data.html"
    return (
        environment(__package__)
        .get_template("report.html.jinja")
        .render(
            built=built,
            written=datetime.now(UTC),
            pages=[
                manager(built, plan["rows"], samples),
                protection(built, origins, data_report if data_report.exists() else None),
                engineer(built, plan["rows"]),
            ],
            verdicts={task: warned_once(lines) for task, lines in said.items()},
            doubts=_doubts(built),
            tasks=found,
            earlier=earlier,
            methods=_methods(found | {f"{task}, earlier": each for task, each in earlier.items()}),
            contamination=_contamination(found),
            latencies=latencies(built),
            curves=curves(built),
            rewritings=rewritings(built),
            checks=checks(built),
            samples=samples,
            plan=plan,
            lineage=lineage(built),
            versions=_versions(built),
        )
    )


def _doubts(built: Built) -> list[tuple[str, str]]:
    """Return models with the doubts about their training. A sentence about several models occurs once."""
    whose: dict[str, list[str]] = {}
    for doubt in trainings_in_doubt(built):
        for sentence in re.split(r"(?<=\.) (?=[A-Z])", doubt.text):
            whose.setdefault(sentence, []).append(doubt.model)
    return [(", ".join(models), sentence) for sentence, models in sorted(whose.items(), key=lambda each: len(each[1]))]


def warned_once(lines: Sequence[str]) -> list[str]:
    """Return the verdicts of a task, with a warning that several share written once, with their number.

    The first line keeps its own warning, because it is also read without the others.
    """
    claims: list[str] = []
    pairs: dict[str, list[str]] = {}
    narrow = Counter(found[1] for line in lines[1:] if (found := _NARROW.search(line)))
    for place, line in enumerate(lines):
        if found := _OF_A_PAIR.fullmatch(line):
            pairs.setdefault(found[2] or found[4], []).append(found[1] or found[3])
        else:
            doubt = _NARROW.search(line)
            claims.append(_NARROW.sub("", line) if place and doubt and narrow[doubt[1]] > 1 else line)
    told = [line for line in lines if (found := _OF_A_PAIR.fullmatch(line)) and len(pairs[found[2] or found[4]]) == 1]
    told += [f"{len(of)} pairs{what} ({', '.join(of)})" for what, of in pairs.items() if len(of) > 1]
    return [*claims, *(f"of {count} of these {doubt}" for doubt, count in narrow.items() if count > 1), *told]


def _methods(found: Mapping[str, Sequence[Comparable]]) -> dict[str, str]:
    """Return part of a method → the figures measured so, and their systems."""
    told: dict[str, dict[str, dict[str, None]]] = {}
    for task, tables in found.items():
        for table in tables:
            for method, systems in table.methods.items():
                for part in method.split("; "):
                    told.setdefault(part, {}).setdefault(f"{task} {table.name}", {}).update(dict.fromkeys(systems))
    return {part: _named(whose) for part, whose in told.items()}


def _contamination(found: Mapping[str, Sequence[Comparable]]) -> dict[str, str]:
    """Return verdict on contamination → its tasks, and their systems."""
    told: dict[str, dict[str, dict[str, None]]] = {}
    for task, tables in found.items():
        for verdict, systems in (each for table in tables for each in table.contamination.items()):
            told.setdefault(verdict, {}).setdefault(task, {}).update(dict.fromkeys(systems))
    return {verdict: _named(whose) for verdict, whose in told.items()}


def _named(whose: Mapping[str, Iterable[str]]) -> str:
    return "; ".join(f"{name} ({', '.join(systems)})" for name, systems in whose.items())


# ---------------------------------------------------------------- training


@dataclass(frozen=True)
class Curve:
    """The loss of one model's training."""

    model: str
    chart: Markup
    rates: Markup
    """Chart of the learning rate, over the same tokens."""
    steps: int
    tokens: int
    last: dict[str, float]
    unit: str
    """Unit of the loss."""
    bits_per_byte: float | None
    """Last validation loss in bits per byte, if each byte of text is trained once."""


def curves(built: Built) -> list[Curve]:
    """Return the loss curves of every model that was trained here."""
    found = []
    for name, artifact in built.models.items():
        history = read_lines(artifact.payload / "history.jsonl")
        if not history:
            continue
        lines = [
            Series("training", _means([(row["tokens"], row["loss"]) for row in history if "loss" in row])),
            Series(
                "validation", [(row["tokens"], row["validation_loss"]) for row in history if "validation_loss" in row]
            ),
        ]
        bits = _nats_per_bit_a_byte(built, name)
        right = ("bits per byte (validation)", bits) if bits else None
        unit = next((each.unit for each in artifact.manifest.figures if each.name == "validation loss"), None) or "nats"
        chart = line_chart(f"Loss of {name}", "tokens", f"loss, {unit}", lines, right)
        rate = [(row["tokens"], row["learning_rate"]) for row in history if "learning_rate" in row]
        rates = line_chart(f"Learning rate of {name}", "tokens", "learning rate", [Series("learning rate", rate)])
        last = {line.name: line.points[-1][1] for line in lines if line.points}
        said = last["validation"] / bits if bits and "validation" in last else None
        found.append(Curve(name, chart, rates, history[-1]["step"], history[-1]["tokens"], last, unit, said))
    return found


def _means(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the means of groups of neighbouring points, each at the place of its last point."""
    count = -(-len(points) // CURVE_POINTS)
    groups = [points[start : start + count] for start in range(0, len(points), count)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _nats_per_bit_a_byte(built: Built, model: str) -> float | None:
    """Return the loss in nats per token that equals one bit per byte of validation text. None if not all train."""
    if built.models[model].manifest.config.get("objective") != "causal-lm":
        return None
    artifact = built.artifacts.get(f"{model}/validation")
    facts = read_json(artifact.payload / "shards.json") if artifact else {}
    trained, size = facts.get("trained_tokens"), facts.get("bytes_of_text")
    if not trained or not size:
        return None
    return float(math.log(2) * size / trained)


@dataclass(frozen=True)
class Rewriting:
    """One prompt, answered several times while a model was trained."""

    model: str
    prompt: str
    reference: str
    answers: list[tuple[int, float | None, str]]
    """Training step, latest validation loss at that step, and text of each answer."""


def rewritings(built: Built) -> list[Rewriting]:
    """Return the answers of each model to its first sample, without personal data."""
    found, more = [], hiding(built)
    for name, artifact in built.models.items():
        samples = read_lines(artifact.payload / "samples.jsonl")
        mine = [sample for sample in samples if sample["prompt"] == samples[0]["prompt"]]
        if not mine:
            continue
        losses = {
            row["step"]: row["validation_loss"]
            for row in read_lines(artifact.payload / "history.jsonl")
            if "validation_loss" in row
        }
        answers = [
            (sample["step"], _at(losses, sample["step"]), hide(sample["text"], more=more))
            for sample in _spread(mine, REWRITINGS)
        ]
        prompt, original = (hide(mine[0][field], more=more) for field in ("prompt", "reference"))
        found.append(Rewriting(name, prompt, original, answers))
    return found


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """Return at most `count` items at even distances, the first and the last included."""
    last = len(items) - 1
    return [items[index] for index in sorted({round(place * last / (count - 1)) for place in range(count)})]


def _at(values: Mapping[int, float], step: int) -> float | None:
    earlier = [place for place in values if place <= step]
    return values[max(earlier)] if earlier else None


# ---------------------------------------------------------------- plan, lineage, machine


def plan_against_actual(built: Built) -> dict[str, Any]:
    """Return predicted and actual time of each part, memory and speed of each training, and bits per byte."""
    rows = []
    for entry in built.plan.get("predicted", ()):
        manifests = [artifact.manifest for artifact in _part(built, entry["step"])]
        seconds = sum(manifest.run.seconds for manifest in manifests) if manifests else None
        told = [row for manifest in manifests for row in outcome(manifest)]
        rows += told or [compare(f"time of {entry['step']}", entry["seconds"], seconds, duration)]
    runs = [artifact.manifest.run for artifact in built.artifacts.values()]
    if built.plan.get("device", CPU) != CPU:
        runs = [run for run in runs if "device_memory_bytes" in run.measured]
    peaks = [peak_of(run) for run in runs]
    if memory := built.plan.get("memory_bytes"):
        rows.append(compare("memory", (0, memory), max(peaks, default=None), size))
    if bits := built.plan.get("bits_per_byte"):
        rows.append(compare("bits per byte of held-out text", bits, _first_bits_per_byte(built), number))
    trained = {name: told for name, told in built.plan.get("models", {}).items() if name in built.models}
    return {"rows": [row for row in rows if row[-1] != NOT_YET], "models": trained}


def _part(built: Built, name: str) -> list[Artifact]:
    """Return the steps of a line of the plan: one model, all evaluations, or all steps that prepare data."""
    if name in built.artifacts:
        return [built.artifacts[name]]
    evaluation = {step: artifact for step, artifact in built.artifacts.items() if step.startswith("evaluate/")}
    if name == "evaluation":
        return list(evaluation.values())
    if name != "data":
        return []  # it is not built yet
    return [
        artifact for step, artifact in built.artifacts.items() if step not in evaluation and step not in built.models
    ]


def _first_bits_per_byte(built: Built) -> float | None:
    figures = [
        figure
        for systems in built.evaluations().values()
        for system in built.models
        if system in systems
        for figure in systems[system].manifest.figures
    ]
    return next((figure.value for figure in figures if figure.name == "bits_per_byte"), None)


def lineage(built: Built) -> dict[str, Any]:
    """Return the picture, where helper steps are part of their step's box, and the list of all steps."""
    members: dict[str, list[Artifact]] = {}
    arrows: list[tuple[str, str]] = []
    for name, artifact in built.artifacts.items():
        members.setdefault(_group(name), []).append(artifact)
        arrows += [(_group(record.step), _group(name)) for _, record in artifact.manifest.records()]
    boxes = [Box(name, *_about(built, name, artifacts)) for name, artifacts in members.items()]
    steps = [
        {
            "name": name,
            "stage": artifact.stage,
            "digest": artifact.digest()[:16],
            "made_from": ", ".join(dict.fromkeys(record.step for _, record in artifact.manifest.records()))
            or "sources",
            "seconds": artifact.manifest.run.seconds,
        }
        for name, artifact in built.artifacts.items()
    ]
    return {"picture": picture(_in_order(boxes, arrows), arrows), "steps": steps}


def _group(step: str) -> str:
    group = step.partition("/")[0]
    return "evaluate" if group == "rehearsal" else group


def _in_order(boxes: Sequence[Box], arrows: Sequence[tuple[str, str]]) -> list[Box]:
    """Return boxes with inputs first: helper steps of a model are sometimes built before the model's own inputs."""
    waiting, done = list(boxes), list[Box]()
    while waiting:
        names = {box.name for box in waiting}
        ready = [box for box in waiting if not any(a in names and a != b for a, b in arrows if b == box.name)]
        done += ready or waiting
        waiting = [box for box in waiting if box not in done]
    return done


def _about(built: Built, name: str, artifacts: Sequence[Artifact]) -> tuple[str, str]:
    """Return the second line of a box, and its kind."""
    if name == "evaluate":
        return f"{len(built.evaluations())} tasks", "measure"
    artifact = built.artifacts.get(name, artifacts[-1])
    if name in built.models:
        return f"{parameters(artifact) / 1e6:.1f}M parameters", "model"
    texts = dataflow.texts_of(name, artifact)
    if texts:
        return f"{sum(each.count for each in texts):,} {texts[0].unit}", "data"
    return artifact.stage, ""


def _versions(built: Built) -> dict[str, str]:
    """Return the versions of the libraries that made the steps; several for a library if they differ."""
    seen: dict[str, dict[str, None]] = {}
    for artifact in built.artifacts.values():
        for name, version in artifact.manifest.libraries.items():
            seen.setdefault(name, {})[version] = None
    return {name: ", ".join(found) for name, found in seen.items()}
