"""The first page for who is responsible for the data: whose data, what was masked, where it is, how to erase."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from lmworks.lazy import pq
from lmworks.pipeline.erasure import erased_here
from lmworks.pipeline.store import Artifact
from lmworks.recipe.schema import PROTECTED
from lmworks.release.built import Built, files_read
from lmworks.release.cards.kinds import IMPORT
from lmworks.release.cards.learned import searched, unsearched
from lmworks.release.gates import served
from lmworks.release.inspect import dataflow
from lmworks.release.inspect.dataflow import Origin
from lmworks.release.inspect.personal import Anonymised, anonymised
from lmworks.release.inspect.verdicts import tasks_with_texts
from lmworks.release.render.words import interval_of, number, value_of
from lmworks.release.report.pages import Answer, FirstPage, code, count, link, listed
from lmworks.release.trace.provenance import WRITTEN

SOURCES, KINDS_SHOWN, MODELS = 6, 6, 6
"""Most rows or lines of each table or list. A sentence says how many more there are, and where."""
SPECIAL = "health, origin, religion, politics, union membership, sexual life, biometrics"
"""The special categories of the General Data Protection Regulation, article 9."""


def protection(built: Built, origins: Sequence[Origin], data_report: Path | None) -> FirstPage:
    """Return the page: whose data, which licence, what was found and masked, where it is, how to erase a person."""
    steps = list(anonymised(built))
    answers = [
        _sources(built, origins),
        _people(built, steps),
        _masked(built, steps),
        *([_weights(built)] if built.models else []),
        _place(built),
        _erasure(built, steps),
    ]
    more = (
        Markup("Every step of the data, with what it dropped: {}.").format(link(data_report.name, "data report"))
        if data_report
        else Markup("Every step of the data, with what it dropped: {} writes it.").format(code("lmworks data report"))
    )
    answers.append(Answer("More", [more]))
    verdict = _called(built) + _verdict(built, origins, steps)
    return FirstPage("protection", "Data protection", verdict, answers)


def _called(built: Built) -> str:
    """Return the recipe's `needs.privacy` in a sentence. Empty if it does not protect the texts."""
    needs = built.fields.get("needs")
    privacy = needs.get("privacy") if isinstance(needs, dict) else None
    return f"According to its recipe, the texts are {privacy}. " if privacy in PROTECTED else ""


def _verdict(built: Built, origins: Sequence[Origin], steps: Sequence[Anonymised]) -> str:
    """Return how much personal data was found in texts that models learned from, and which texts were not searched."""
    if not origins:
        return "All texts read were erased. Build again." if built.erased else "No text has been read yet."
    documents = count(sum(origin.documents for origin in origins), "document")
    sources = count(len({origin.source for origin in origins if origin.documents}), "source")
    if not steps:
        return f"{documents} of {sources}; no step looked for personal data in them."
    learned = {name: model for name, model in built.models.items() if built.lineage.trained_on(model)}
    bare = [name for name, model in learned.items() if unsearched(built, model)]
    above = {built.lineage.name_of(step) for model in learned.values() for step in searched(built, model)}
    found = sum(kind.count for step in steps if step.step in above or not learned for kind in step.kinds)
    where = " in what models learned from" if learned else ""
    if not found and bare:
        return f"{documents} of {sources}; no step looked for personal data in all that {listed(bare)} learned from."
    told = f"{documents} of {sources}; {count(found, 'piece')} of personal data found{where}"
    return f"{told}, but no step looked in all that {listed(bare)} learned from." if bare else f"{told}."


def _sources(built: Built, origins: Sequence[Origin]) -> Answer:
    gates = [
        each.manifest.config["licences"] for each in built.artifacts.values() if each.manifest.config.get("licences")
    ]
    allowed = sorted({each for gate in gates for each in gate.get("allow", ())})
    uses = sorted({gate["use"] for gate in gates if gate.get("use")})
    unlicensed = sum(origin.documents for origin in origins if not origin.licence)
    lines = [f"Allowed licences: {' or '.join(allowed)}." if allowed else "The recipe names no allowed licences."]
    if uses:
        lines.append(f"Intended use: {' and '.join(uses)}.")
    if unlicensed:
        lines.append(f"Without a licence: {count(unlicensed, 'document')}.")
    if len(origins) > SOURCES:
        lines.append(f"{len(origins) - SOURCES} more sources are in the data report.")
    rows = [
        (
            each.source,
            each.licence or ("needs none" if each.source == WRITTEN.source else "none stated"),
            number(each.documents),
        )
        for each in origins[:SOURCES]
    ]
    for name, base in _bases(built).items():
        lines.append(f"What {name} learned from is not known, because others published it.")
        rows.append((f"{name} (weights)", str(base.manifest.config["licence"]), "not known"))
    return Answer("Whose data, under which licence", lines, ("source", "licence", "documents read"), rows)


def _bases(built: Built) -> dict[str, Artifact]:
    """Return the models that others published."""
    return {name: model for name, model in built.models.items() if model.stage == IMPORT}


def _people(built: Built, steps: Sequence[Anonymised]) -> Answer:
    read = [artifact for artifact in built.artifacts.values() if files_read(artifact)]
    tagged = sum(_with_subject(artifact.payload) for artifact in read)
    fields = sorted({field for step in steps for field in step.fields})
    if tagged:
        lines: list[str] = [f"{count(tagged, 'document')} of them state whom they are about."]
    else:
        lines = [Markup("Not known: no source says whom a text is about (set {}).").format(code("subject_field"))]
    if fields:
        lines.append(f"Persons are named by {listed(fields)}.")
    return Answer("Whom the texts are about", lines)


def _with_subject(folder: Path) -> int:
    """Return how many documents of a step state a subject, from statistics of its Parquet files, without the texts."""
    found = 0
    for path in folder.rglob("*.parquet"):
        metadata = pq.ParquetFile(path).metadata
        names = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
        if "subject" not in names:
            continue
        groups = [metadata.row_group(each) for each in range(metadata.num_row_groups)]
        columns = [(group.num_rows, group.column(names.index("subject")).statistics) for group in groups]
        found += sum(rows - (each.null_count or 0) for rows, each in columns if each)
    return found


def _masked(built: Built, steps: Sequence[Anonymised]) -> Answer:
    title = "Personal data found and masked"
    if not steps and built.erased:
        return Answer(title, [Markup("Not known, because these steps were erased: {}.").format(listed(built.erased))])
    if not steps:
        how = Markup("Not known: no step anonymises. A step {} looks for addresses, numbers and names, and masks them.")
        return Answer(title, [how.format(code("kind: anonymise"))])
    lines: list[str] = []
    rows: list[Sequence[str]] = []
    for step in steps:
        done = ", ".join(f"{number} {how}" for how, number in step.done.items()) or "nothing was found"
        lines.append(f"{step.step}: {done}.")
        kinds = [kind for kind in step.kinds if kind.count]
        for kind in sorted(kinds, key=lambda each: -each.count)[:KINDS_SHOWN]:
            recall = kind.recall
            told = f"{value_of(recall)} ({interval_of(recall)})" if recall else "not measured"
            rows.append((kind.kind, number(kind.count), told))
        if more := len(kinds[KINDS_SHOWN:]):
            lines.append(f"{count(more, 'more kind')} that {step.step} found: see the data report.")
        shares = [(kind.recall.value, kind.kind, kind.recall) for kind in step.kinds if kind.recall]
        if shares:
            _, kind_name, least = min(shares)
            lines.append(f"Lowest share found in a test with made-up values: {kind_name}, {value_of(least)}.")
        names = "" if step.seeks_names else "names in prose, " if not step.fields else "names that no field states, "
        unsought = "".join(f"{each}, " for each in step.unsought)
        lines.append(f"Not looked for: {names}{unsought}special categories ({SPECIAL}).")
    if elsewhere := dict.fromkeys(kind for step in steps for kind in step.elsewhere):
        lines.append(f"Found only for some countries (docs/privacy.md): {', '.join(elsewhere)}.")
    return Answer(title, lines, ("kind", "found", "share that is found"), rows)


def _weights(built: Built) -> Answer:
    """Return what each model learned from. Served models come first."""
    lines: list[str] = []
    names = sorted(built.models, key=lambda name: name not in served(built))
    cards = {name: f"{built.name}-{name}-card.md" for name in names}
    for name in names[:MODELS]:
        artifact = built.models[name]
        texts = [f"{text.name} ({text.count:,} {text.unit})" for text in dataflow.trained_on(built, artifact)]
        unknown = [link_.reference for link_ in built.lineage.trained_on(artifact) if not link_.parent]
        told = listed([*texts, *(f"{each} (no longer in the store)" for each in unknown)] or ["unknown texts"])
        lines.append(Markup("{} learned from {} ({}).").format(name, told, link(cards[name], "card")))
    if more := [link(cards[name], name) for name in names[MODELS:]]:
        form = Markup("The cards of {} say what they learned from: {}.")
        lines.append(form.format(count(len(more), "more model"), listed(more, len(more))))
    if bare := list(dict.fromkeys(each for name in names for each in unsearched(built, built.models[name]))):
        lines.append(Markup("No step looked for personal data in {}.").format(listed(bare, len(bare))))
    lines.append(
        Markup("Whether they repeat texts was not measured; {} shows what an answer may come from.").format(
            code(f"lmworks trace {next(iter(built.models))} --answer TEXT")
        )
    )
    return Answer("Which models learned from them", lines)


def _place(built: Built) -> Answer:
    steps = [each.name for each in dataflow.data_steps(built)]
    asked = tasks_with_texts(built)
    lines: list[str] = [
        Markup("In {}, which {} may open: {}{}.").format(
            code(str(built.store.root.absolute())),
            _readers(built.store.root),
            f"the texts of {listed(steps, 3)}" if steps else "no texts yet",
            f", with questions and answers of {count(len(asked), 'task')}" if asked else "",
        ),
    ]
    quarantine = dataflow.quarantine(built)
    if quarantine.count:
        lines.append(f"Could not be read: {count(quarantine.count, 'record')}, set aside with their bytes.")
    else:
        lines.append("All records could be read.")
    lines.append(
        Markup("Kept until {} deletes what no build needs; no date is set.").format(code("lmworks gc --apply"))
    )
    return Answer("Where they lie, and for how long", lines)


def _readers(folder: Path) -> str:
    """Return who may open a folder, by its permissions on this machine."""
    if os.name != "posix":
        return "those whom the system permits"
    mode = folder.stat().st_mode
    if mode & stat.S_IROTH and mode & stat.S_IXOTH:
        return "every user of that machine"
    return "its owner and group" if mode & stat.S_IRGRP else "only its owner"


def _erasure(built: Built, steps: Sequence[Anonymised]) -> Answer:
    find = Markup("{}, which deletes nothing yet").format(code('lmworks erase "NAME"'))
    if steps:
        indexed = code('lmworks data find "NAME"')
        masked = listed([step.step for step in steps])
        find = Markup("{}; {} finds only what {} masked").format(find, indexed, masked)
    lines: list[str] = [
        Markup("Find a person: {}.").format(find),
        Markup("Erase a person: {}, then {}. You must retire copies of models that you gave away.").format(
            code('lmworks erase "NAME" --apply --certificate FILE'), code(built.command)
        ),
    ]
    gone = erased_here(built.store)
    lines.append(f"Erased so far: {count(len(gone), 'document')}." if gone else "Nobody was erased so far.")
    return Answer("How to find and erase a person", lines)
