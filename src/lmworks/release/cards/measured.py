"""What a card says of figures: each with the file that holds it, and the items that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, zip_longest

from lmworks.data.privacy.hidden import hide
from lmworks.evaluate.compare import metric_named
from lmworks.evaluate.gates import FILE, NODE
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.cards.evidence import Evidence, Statement, Witness, row, say
from lmworks.release.cards.layout import Block, Bullets, Heading, Paragraph, Table
from lmworks.release.gates import outcomes
from lmworks.release.inspect.hidden import hiding
from lmworks.release.inspect.verdicts import verdicts
from lmworks.release.render.tables import Comparable, tasks
from lmworks.release.render.words import clean_of, interval_of, number, shorten, value_of
from lmworks.serve.content import Failure

COMPARISON, ITEMS = "comparison.json", "items.jsonl"
FAILURES = 3
"""Shown beside a chat: more are not read."""
FAILURE_WIDTH = 300
"""Characters of a text of one."""


def verdicts_of(witness: Witness, name: str) -> list[Statement]:
    """What is said first of each comparison that a model stands in."""
    evidence = {
        task: witness.files(systems[""], COMPARISON, "verdicts")
        for task, systems in witness.built.evaluations().items()
        if "" in systems
    }
    return [
        say("{task}: {verdict}.", *evidence[task], task=task, verdict=lines[0].rstrip("."))
        for task, lines in verdicts(witness.built).items()
        if name in witness.built.evaluations()[task]
    ]


def _searched(witness: Witness, evaluation: Artifact) -> tuple[Evidence, ...]:
    """What a search of the training text found of the items."""
    links = [link for link in witness.built.lineage.links(evaluation, Role.READS) if link.name == "contamination"]
    return tuple(each for link in links if link.parent for each in witness.files(link.parent, "verdicts.jsonl"))


def gates_of(witness: Witness, name: str) -> list[Statement]:
    """What came of each gate that the recipe holds a model to, a failed one first."""
    evidence = witness.files(witness.built.artifacts[NODE], FILE) if NODE in witness.built.artifacts else ()
    found = [each for each in outcomes(witness.built) if evidence and each.model == name]
    return [
        say("{said}.", *evidence, said=each.sentence.rstrip("."))
        for each in sorted(found, key=lambda each: each.passed)
    ]


def evaluation(witness: Witness, name: str) -> list[Block]:
    """The tables of all tasks that a model was measured by, of what may be compared with it."""
    measured = {task: systems for task, systems in witness.built.evaluations().items() if name in systems}
    return [
        block
        for task, every in tasks(witness.built).items()
        if task in measured
        for tables in [[table for table in every if any(system == name for system, *_ in table.rows)]]
        for block in [Heading(task, 3), *chain.from_iterable(_blocks(witness, task, name, each) for each in tables)]
    ]


def figure_evidence(witness: Witness, artifact: Artifact, figure: Figure) -> tuple[Evidence, ...]:
    """The files that hold a figure, and what it was made of."""
    place = artifact.manifest.figures.index(figure)
    witness.files(artifact, "*")
    return (
        witness.manifest(artifact, f"figures[{place}]"),
        *witness.files(artifact, ITEMS),
    )


def _blocks(witness: Witness, task: str, name: str, table: Comparable) -> Iterator[Block]:
    systems = witness.built.evaluations()[task]
    evidence = {system: figure_evidence(witness, systems[system], figure) for system, figure, _ in table.rows}

    def of(named: list[str]) -> list[Evidence]:
        return [each for system in dict.fromkeys(named) for each in evidence[system][:1]]

    header = [table.name, "value", "95 % interval", "n", "chance", *(["over clean items"] if table.has_clean else [])]
    rows = []
    for system, figure, _ in table.rows:
        chance = number(figure.chance) if figure.chance is not None else "–"
        cells = [value_of(figure), interval_of(figure) or "–", number(figure.n), chance]
        cells += [clean_of(figure) or "–"] if table.has_clean else []
        bold = say("**{system}**" if system == name else "{system}", *evidence[system], system=system).text
        rows.append(row([bold, *cells], *evidence[system]))
    yield Table(header, rows)
    conditions = [f"{condition} {value}" for condition, value in table.conditions.items()]
    conditions += [f"{table.better} is better"] if table.better else []
    conditions += [
        f"{condition} {value} ({', '.join(named)})"
        for condition, values in table.differing.items()
        for value, named in values.items()
    ]
    if conditions:
        yield Paragraph([say("{told}.", *of([*evidence]), told="; ".join(conditions))])
    said = [
        say("{systems}: {note}.", *of(named), systems=", ".join(named), note=note.rstrip("."))
        for note, named in table.methods.items()
    ]
    for verdict, named in table.contamination.items():
        sought = [each for system in named for each in _searched(witness, systems[system])]
        form = "Contamination of {systems}: {verdict}."
        said.append(say(form, *of(named), *sought, systems=", ".join(named), verdict=verdict.rstrip(".")))
    if unsought := [system for system, figure, ours in table.rows if ours and not figure.contamination]:
        said.append(
            say(
                "Whether items stand in what {systems} learned from is not known: `lmworks build --rebuild` of this "
                "version looks.",
                *of(unsought),
                systems=", ".join(unsought),
            )
        )
    yield Bullets(said)


def failures_of(witness: Witness, name: str) -> list[Failure]:
    """Questions of tests that a model got wrong, of as many tasks as there are; of scores, its worst answers."""
    found = [
        list(islice(_failures(witness, task, systems[name]), FAILURES))
        for task, systems in witness.built.evaluations().items()
        if name in systems
    ]
    return [each for some in zip_longest(*found) for each in some if each][:FAILURES]


def _failures(witness: Witness, task: str, evaluation: Artifact) -> Iterator[Failure]:
    figures = evaluation.manifest.figures
    metric = metric_named(figures[0].name) if figures else None
    items = witness.records(evaluation, ITEMS) if metric and metric.higher_is_better else []
    answered = [item for item in items if "answer" in item and "reference" in item]
    more = hiding(witness.built)

    def shown(item: dict[str, object], field: str) -> str:
        return shorten(hide(str(item[field]), more=more), FAILURE_WIDTH)

    for item in sorted(answered, key=lambda item: (metric.values([item])[0], item["id"])) if metric else ():
        if metric and metric.is_share and metric.values([item])[0]:
            return
        yield Failure(
            task=task, asked=shown(item, "prompt"), answered=shown(item, "answer"), wanted=shown(item, "reference")
        )
