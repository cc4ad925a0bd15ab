"""Section of a card on figures: each with the file that holds it, and the items that it was computed from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from markupsafe import Markup

from lmworks.data.personal.hidden import hide
from lmworks.evaluate.compare import metric_named
from lmworks.evaluate.gates import FILE, NODE
from lmworks.evaluate.primary import FILE as ANSWER
from lmworks.evaluate.primary import NODE as PRIMARY
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.cards.evidence import Evidence, Statement, Witness, row, say
from lmworks.release.cards.layout import Block, Bullets, Folded, Heading, Table
from lmworks.release.gates import outcomes, served, stands_in
from lmworks.release.inspect.hidden import hiding
from lmworks.release.inspect.verdicts import against_first, primary_answer, verdicts
from lmworks.release.render.tables import Comparable, tasks
from lmworks.release.render.words import clean_of, interval_of, number, shorten, value_of
from lmworks.serve.content import Failure

COMPARISON, ITEMS = "comparison.json", "items.jsonl"
FAILURES = 3
"""Most wrong answers shown beside a chat, because nobody reads more."""
FAILURE_WIDTH = 300
"""Most characters of each text of a wrong answer."""


def answers_of(witness: Witness, name: str) -> list[Statement]:
    """Return the answer to the primary question, if the question is about this model."""
    answer = primary_answer(witness.built)
    if answer is None or answer.model != name:
        return []
    return [say("{said}.", *witness.files(witness.built.artifacts[PRIMARY], ANSWER), said=answer.sentence.rstrip("."))]


def verdicts_of(witness: Witness, name: str) -> list[Statement]:
    """Return each comparison's verdicts against a model; if it has none, the first that names it, or the first."""
    named = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    evidence = {
        task: witness.files(systems[""], COMPARISON, "verdicts")
        for task, systems in witness.built.evaluations().items()
        if "" in systems
    }
    return [
        say("{task}: {verdict}.", *evidence[task], task=task, verdict=verdict.rstrip("."))
        for task, lines in verdicts(witness.built).items()
        if name in witness.built.evaluations()[task]
        for verdict in against_first(lines, name) or [next(filter(named.search, lines), lines[0])]
    ]


def _searched(witness: Witness, evaluation: Artifact) -> tuple[Evidence, ...]:
    """Return the files in which a search recorded which items are in the training text."""
    links = [link for link in witness.built.lineage.links(evaluation, Role.READS) if link.name == "contamination"]
    return tuple(each for link in links if link.parent for each in witness.files(link.parent, "verdicts.jsonl"))


def gates_of(witness: Witness, name: str) -> list[Statement]:
    """Return the outcome of each gate for a model, failed ones first, or that no gate was tried."""
    built = witness.built
    if NODE not in built.artifacts or NODE in built.outdated:
        asked = NODE in (*built.record.nodes, *built.record.steps)
        untried = "The gates of its recipe are not tried: whether it may be released is not known."
        return [say(untried, witness.record("nodes, steps"))] if asked else []
    evidence = witness.files(witness.built.artifacts[NODE], FILE) if NODE in witness.built.artifacts else ()
    found = [each for each in outcomes(witness.built) if evidence and each.model == name]
    told = [each.sentence for each in sorted(found, key=lambda each: each.passed)]
    if (instead := stands_in(built)) and name in served(built):
        told.insert(0, instead)
    return [say("{said}.", *evidence, said=each.rstrip(".")) for each in told]


def evaluation(witness: Witness, name: str) -> list[Block]:
    """Return for each task of a model the leading table and, folded, further tables and how it was measured."""
    blocks: list[Block] = []
    for task, every in tasks(witness.built).items():
        if name in witness.built.evaluations()[task]:
            tables = [table for table in every if any(system == name for system, *_ in table.rows)]
            notes = [note for table in tables for note in _notes(witness, task, table)]
            leading, *further = (_table(witness, task, name, each) for each in tables)
            blocks += [Heading(task, 3), leading, Folded("How it was measured", [*further, Bullets(_once(notes))])]
    return blocks


def _once(statements: Sequence[Statement]) -> list[Statement]:
    """Return each sentence once, with all its evidence."""
    found: dict[Markup, tuple[Evidence, ...]] = {}
    for each in statements:
        found[each.text] = (*found.get(each.text, ()), *each.evidence)
    return [Statement(text, evidence) for text, evidence in found.items()]


def figure_evidence(witness: Witness, artifact: Artifact, figure: Figure) -> tuple[Evidence, ...]:
    """Return the files that hold a figure and its items."""
    place = artifact.manifest.figures.index(figure)
    witness.files(artifact, "*")
    return (
        witness.manifest(artifact, f"figures[{place}]"),
        *witness.files(artifact, ITEMS),
    )


def _evidence(witness: Witness, task: str, table: Comparable) -> dict[str, tuple[Evidence, ...]]:
    systems = witness.built.evaluations()[task]
    return {system: figure_evidence(witness, systems[system], figure) for system, figure, _ in table.rows}


def _table(witness: Witness, task: str, name: str, table: Comparable) -> Table:
    evidence = _evidence(witness, task, table)
    label = f"{table.name} ({table.better} is better)" if table.better else table.name
    rows = []
    for system, figure, _ in table.rows:
        chance = number(figure.chance) if figure.chance is not None else "–"
        cells = [value_of(figure), interval_of(figure) or "–", number(figure.n), chance]
        cells += [clean_of(figure) or "–"] if table.has_clean else []
        bold = say("**{system}**" if system == name else "{system}", *evidence[system], system=system).text
        rows.append(row([bold, *cells], *evidence[system]))
    more = ["over clean items"] if table.has_clean else []
    return Table([label, "value", "95 % interval", "n", "chance", *more], rows)


def _notes(witness: Witness, task: str, table: Comparable) -> Iterator[Statement]:
    """Yield how a table was measured, and what is known about contamination."""
    systems, evidence = witness.built.evaluations()[task], _evidence(witness, task, table)

    def of(named: Iterable[str]) -> list[Evidence]:
        return [each for system in dict.fromkeys(named) for each in evidence[system][:1]]

    for note, named in table.methods.items():
        yield say("{systems}: {note}.", *of(named), systems=", ".join(named), note=note.rstrip("."))
    conditions = [f"{condition} {value}" for condition, value in table.conditions.items()]
    conditions += [
        f"{condition} {value} ({', '.join(named)})"
        for condition, values in table.differing.items()
        for value, named in values.items()
    ]
    if conditions:
        yield say("Conditions: {told}.", *of(evidence), told="; ".join(conditions))
    for verdict, named in table.contamination.items():
        sought = [each for system in named for each in _searched(witness, systems[system])]
        form = "Contamination of {systems}: {verdict}."
        yield say(form, *of(named), *sought, systems=", ".join(named), verdict=verdict.rstrip("."))
    if unsought := [system for system, figure, ours in table.rows if ours and not figure.contamination]:
        form = (
            "Whether {systems} learned from text with these items is not known: `lmworks build --rebuild` of this "
            "version "
            "checks it."
        )
        yield say(form, *of(unsought), systems=", ".join(unsought))


def failures_of(witness: Witness, name: str) -> list[Failure]:
    """Return test questions with wrong answers, from all tasks in turn. A task with scores gives the worst answers."""
    found = [
        list(_failures(witness, task, systems[name]))
        for task, systems in witness.built.judging().items()
        if name in systems
    ]
    return [each for some in zip_longest(*found) for each in some if each][:FAILURES]


def _failures(witness: Witness, task: str, evaluation: Artifact) -> Iterator[Failure]:
    figures = evaluation.manifest.figures
    metric = metric_named(figures[0].name) if figures else None
    items = witness.records(evaluation, ITEMS) if metric and metric.higher_is_better else []
    answered = [item for item in items if "answer" in item and "reference" in item]
    if not metric:
        return
    if metric.is_share:
        answered = [item for item in answered if not metric.values([item])[0]]
    worst = sorted(answered, key=lambda item: (metric.values([item])[0], item["id"]))[:FAILURES]
    more = hiding(witness.built, evaluation, ids={item["id"] for item in worst})
    for item in worst:
        asked, answer, wanted = (
            shorten(hide(str(item[name]), more=more), FAILURE_WIDTH) for name in ("prompt", "answer", "reference")
        )
        yield Failure(task=task, asked=asked, answered=answer, wanted=wanted)
