"""The first page for who decides whether a model is used."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from lmworks.evaluate.compare import metric_named
from lmworks.evaluate.contamination import Standing
from lmworks.evaluate.gates import NODE, Outcome
from lmworks.pipeline.figure import Figure
from lmworks.release.built import Built
from lmworks.release.gates import outcomes, served, stands_in, untried
from lmworks.release.inspect.verdicts import (
    Measured,
    Samples,
    against,
    measured,
    primary_answer,
    tasks_with_texts,
    trainings_in_doubt,
    verdicts,
)
from lmworks.release.items.page import page_of
from lmworks.release.render.outcome import Row, missed
from lmworks.release.render.words import clean_of, duration, interval_of, value_of
from lmworks.release.report.pages import Answer, FirstPage, code, count, link, listed

UNMEASURED = "fairness between groups of people, harmful answers, and robustness against other wording and attacks"
"""What no task that comes with lmworks measures."""
MOST = 0.1
"""Of the items: a task of which a model has met more in training shows in part what it has by heart."""
DETAILS = re.compile(r" \[[^\]]*\]|, n=[\d,]+|, \d+ groups of \d+ items")
"""Of a verdict, what the figures below it hold."""
SHOWN = 2
"""Reasons on the first page, which is read in a minute."""
TASKS, GATES, SAID = 3, 3, 1
"""Rows of the table, gates, and verdicts against it: how many more there are is said, and where they stand."""
RIGHT_FIRST = 0.5
"""Share of questions for which the right passage must come first: below it a reader meets a wrong one more often."""
UNPROVED = ("No:", "Nothing", "It is not ")
"""Beginnings of verdicts that do not speak for a model."""
SPREAD = re.compile(r"over \d+ seeds, ")
"""How a comparison tells what trainings came to that differ by their seed alone."""


def manager(built: Built, plan: Sequence[Row], samples: Sequence[Samples]) -> FirstPage:
    """May what is served be used, for what, what it cost, and what nobody knows."""
    results = measured(built, served(built))
    verdict, reasons = allowed(built, results)
    quality, in_words = _quality(built, results, samples)
    do, responsible = _next(built, verdict)
    purpose = built.use_case or "Not known: the recipe's file is gone."
    answers = [Answer("Why", reasons[:SHOWN]), Answer("For what", [purpose]), quality, Answer("Next", [do])]
    more = Answer("More about the model", [*reasons[SHOWN:], *in_words])
    folded = [more, _cost(built, plan), _unknown(built, results), Answer("Who answers for it", [responsible])]
    return FirstPage("manager", "Manager", verdict, answers, [each for each in folded if each.lines])


def quoting(built: Built) -> dict[str, dict[str, Figure]]:
    """Return the figures, by name, of each collection of passages that the recipe serves."""
    names = [name for name in served(built) if name in built.artifacts and name not in built.models]
    return {name: {each.name: each for each in built.artifacts[name].manifest.figures} for name in names}


def not_found(built: Built) -> list[str]:
    """Return how often questions to passages are rightly and wrongly told to have no answer."""
    return [
        f"{name}: of questions without an answer there {figures['absent_told'].value:.0%} are told so, "
        f"of those with one {figures['falsely_not_found'].value:.0%}."
        for name, figures in quoting(built).items()
        if figures.keys() >= {"absent_told", "falsely_not_found"}
    ]


def allowed(built: Built, results: Sequence[Measured]) -> tuple[str, list[str]]:
    """Return whether what is served may be used, in one sentence, and the reasons."""
    serves = served(built)
    reasons: list[str] = [*filter(None, [stands_in(built)]), *(_against(built, results) if serves else ())]
    better = [each for each in results if each.is_better]
    beside = [each for each in results if each.baseline_value is not None]
    who = str(listed(serves)) if serves else "The best model of each"
    if beside:
        reasons.append(
            f"{who} is shown to be better than every simple baseline in {len(better)} of {count(len(beside), 'task')}."
        )
    if built.models and not serves:
        reasons.append("The recipe serves no model: judged is the best of each task.")
    if doubts := trainings_in_doubt(built):
        told = listed([each.model for each in doubts])
        reasons.append(Markup("The training of {} is in doubt ({}).").format(told, link("#training", "why")))
    wins = sum(each.baseline_wins for each in results)
    lost = f", and a baseline wins in {wins} of {count(len(results), 'task')}" if wins else ""
    gates, asked = outcomes(built), NODE in (*built.record.nodes, *built.record.steps)
    unasked = [name for name in serves if not any(_is_of(built, each, name) for each in gates)]
    mine = [each for each in gates if not serves or any(_is_of(built, each, name) for name in serves)]
    unmeasured = [name for name in serves if all(each.model != name for each in results)]
    if erased := [name for name in built.erased if "/" not in name]:
        reasons.append(Markup("Erased, since they held what was erased: {}.").format(listed(erased)))
    if quoted := quoting(built):
        verdict = f"{listed(list(quoted))} quotes passages of the documents, and no model writes"
        reasons.append(Markup("{} answers questions with them.").format(code("lmworks serve")))
        if first := next(iter(quoted.values())).get("hit_rate_at_1"):
            answer = "Yes" if first.value >= RIGHT_FIRST else "No"
            verdict = f"{answer}: {verdict}; the right one comes first for {first.value:.0%} of {first.n} questions."
            reasons += not_found(built)
        else:
            verdict = f"Not measured: {verdict}."
            reasons.append("How often the right passage is found is not known: `questions` of the step measure it.")
    elif not built.models:
        verdict = "No: its models were erased and are to be built again." if erased else "No: no model is built yet."
    elif unbuilt := [name for name in serves if name not in built.models]:
        verdict = f"No: {listed(unbuilt)}, which the recipe serves, is not built yet."
    elif (asked and not gates) or untried(built):
        verdict = "Not yet: the gates of its recipe are not tried."
    elif failed := [each for each in mine if not each.passed]:
        verdict = f"No: {len(failed)} of its {count(len(mine), 'gate')} failed, so it is not released."
        reasons = ["A gate is a condition that the recipe sets for a release.", *reasons]
        reasons = [*_told(built, failed), *reasons]
    elif not unmeasured and (primary := primary_answer(built)):
        verdict = primary.sentence
        reasons = [*_told(built, mine), *reasons]
        if unasked:
            reasons.append(f"No gate was asked of {listed(unasked)}.")
    elif gates and not unasked:
        passed = "its gate" if len(mine) == 1 else f"all {len(mine)} gates"
        verdict = f"Yes, for what its recipe asks: {listed(serves) if serves else 'it'} passed {passed}{lost}."
        reasons = [*_told(built, mine), *reasons]
    elif not results or unmeasured:
        verdict = f"No: nothing is known about how good {listed(unmeasured) if unmeasured else 'it'} is."
        named = code("evaluate: models:") if results or unmeasured else code("evaluate")
        reasons.append(Markup("It is not measured: what the recipe names under {} is.").format(named))
    elif gates:
        verdict = f"Not decided: no gate was asked of {listed(unasked)}, which the recipe serves{lost}."
    else:
        verdict = f"{'Not decided: the recipe asks nothing of it' if better else 'Nothing speaks for it yet'}{lost}."
        reasons.append(
            Markup("No gate says what it must reach: {} in the recipe would.").format(code("evaluate: gates:"))
        )
    waiting = [*built.missing, *built.outdated]
    if waiting:
        reasons.append(f"The build is unfinished: {count(len(waiting), 'step')} to go.")
    return verdict, reasons


def _told(built: Built, gates: Sequence[Outcome]) -> list[str]:
    """The first gates, and where the others stand."""
    told: list[str] = [each.sentence for each in gates[:GATES]]
    if more := gates[GATES:]:
        models = [name for name in built.models if any(_is_of(built, each, name) for each in more)]
        cards: list[str] = [link(f"{built.name}-{name}-card.md", f"card of {name}") for name in models] or ["cards"]
        told.append(Markup("{} stand on the {}.").format(count(len(more), "more gate"), listed(cards, len(cards))))
    return told


def _is_of(built: Built, gate: Outcome, model: str) -> bool:
    """Whether a gate was asked of a model, by its name or its content."""
    return gate.model == model or (model in built.models and gate.digest == built.models[model].digest())


def _against(built: Built, results: Sequence[Measured]) -> list[str]:
    """What the tests say against the models, in short."""
    found = verdicts(built)
    lines: list[str] = [
        f"In {each.task}, {said}." for each in results for said in against(found.get(each.task, ()), each.model)
    ]
    lines = [DETAILS.sub("", line) for line in sorted(lines, key=_gravest)]
    if more := len(lines[SAID:]):
        told = Markup("{} against it: {}.").format(
            count(more, "more verdict speaks", "more verdicts speak"), link("#figures", "all of them")
        )
        return [*lines[:SAID], told]
    return lines


def _gravest(line: str) -> tuple[bool, bool]:
    return "than chance: " not in line, " is ahead of " not in line


def _quality(built: Built, results: Sequence[Measured], samples: Sequence[Samples]) -> tuple[Answer, list[str]]:
    """Return the table of tasks, a line each, and what is said of them in words."""
    if not results:
        return Answer("How good it is", []), []
    serves = served(built)
    ordered = sorted(results, key=lambda each: _last(each, serves))
    lines: list[str] = [_in_words(ordered[0])]
    counted = next((each for each in ordered if _is_share(each)), None)
    kept = [task for task in tasks_with_texts(built) if not counted or task == counted.task]
    see = Markup("no task kept answers to look at")
    if any(not counted or (each.task, each.model) == (counted.task, counted.model) for each in samples):
        see = link("#samples", "good and bad answers")
    elif kept:
        see = link(page_of(built, kept[0]).name, "what was asked, item by item")
    elif counted:
        see = Markup("its answers were not kept")
    wrong = "How often it is wrong, no task counts"
    if counted:
        cases = 100 - round(100 * counted.figure.value)
        wrong = f"Wrong in {counted.task} are {cases} of 100 answers of {counted.model}"
    lines.append(Markup("{}: {}.").format(wrong, see))
    met = sorted((each for each in ordered if each.figure.clean_value is not None), key=lambda each: -each.known_share)
    if met:
        most, more = met[0], f" and items of {count(len(met) - 1, 'more task')}" if len(met) > 1 else ""
        clean = f" (the clean ones alone: {most.label} {clean_of(most.figure)})" if not more else ""
        lines.append(f"Met in training: {_of(most, 'known')} of {most.task}{clean}{more}.")
    rows = [
        (
            f"{each.task}, {each.figure.n:,} items",
            f"{each.model} {value_of(each.figure)} {each.label}",
            interval_of(each.figure) or "not known",
            "none measured" if each.baseline_value is None else f"{each.baseline} {each.baseline_value:.3f}",
            _is_better_in_words(each),
        )
        for each in ordered[:TASKS]
    ]
    others: list[str] = []
    if len(results) > TASKS:
        others.append(Markup("{} more tasks stand {}.").format(len(results) - TASKS, link("#figures", "below")))
    heads = ("tried on", "model" if serves else "best model", "likely between", "best baseline", "better?")
    return Answer("How good it is", others, heads, rows), lines


def _is_better_in_words(each: Measured) -> str:
    """Whether a model is better than its baseline, as a table says it."""
    if each.baseline_value is None:
        return ""
    return "yes" if each.is_better else "no" if each.baseline_wins else "not shown"


def _last(each: Measured, serves: Sequence[str]) -> tuple[bool, ...]:
    """First the tasks not met in training, then those of what is served, of right and wrong, with a baseline."""
    by_heart = each.known_share > MOST
    return by_heart, bool(serves) and each.model not in serves, not _is_share(each), each.baseline_value is None


def _is_share(each: Measured) -> bool:
    metric = metric_named(each.figure.name)
    return bool(metric and metric.is_share)


def _in_words(each: Measured) -> str:
    """One figure as somebody would repeat it."""
    figure = each.figure
    if _is_share(each):
        said = f"{each.model} is right in {100 * figure.value:.0f} of 100 cases of {each.task}"
        ends = [f"{100 * end:.0f}" for end in figure.interval or ()]
    else:
        metric = metric_named(figure.name)
        better = "" if metric is None else f" ({'more' if metric.higher_is_better else 'less'} is better)"
        said = f"{each.model} reaches {value_of(figure)} {each.label}{better} in {each.task}"
        ends = interval_of(figure).split(" to ") if figure.interval else []
    sure = f"; we are 95 % sure that it is between {' and '.join(ends)}" if ends else "; how sure that is, is not known"
    if each.baseline_value is None:
        return f"{said}{sure}, from {figure.n:,} items. Nothing simpler was measured beside it."
    theirs = f"{100 * each.baseline_value:.0f}" if _is_share(each) else f"{each.baseline_value:.3f}"
    return f"{said}{sure}, from {figure.n:,} items. Of simple means, {each.baseline} has {theirs}."


def _cost(built: Built, plan: Sequence[Row]) -> Answer:
    runs = [artifact.manifest.run for artifact in built.artifacts.values()]
    if not runs:
        return Answer("What it cost", ["Not known: no step is in the store."])
    machines = sorted({f"{run.processor or 'an unknown processor'}, {run.cores or '?'} cores" for run in runs})
    spent = duration(sum(run.seconds for run in runs))
    lines: list[str] = [
        Markup("{} of computing for {} ({}). Money and energy were not metered: {}.").format(
            spent,
            count(len(runs), "step"),
            listed(machines, 2),
            Markup("{} estimates them if the recipe has {}").format(code("lmworks plan"), code("needs")),
        )
    ]
    if plan:
        wrong = [f"{name} {actual}, not {predicted}" for name, predicted, actual, verdict in plan if missed(verdict)]
        told = f"{len(plan) - len(wrong)} of {count(len(plan), 'prediction')} made beforehand came true"
        lines.append(Markup("{}; {}.").format(told, listed(wrong, 1)) if wrong else f"{told}.")
    else:
        lines.append("Nothing was predicted beforehand.")
    return Answer("What it cost", lines)


def _unknown(built: Built, results: Sequence[Measured]) -> Answer:
    lines: list[str] = []
    if unknown := [each for each in results if each.has_unknown]:
        told = [_unsought(each, is_alone=len(unknown) == 1) for each in unknown]
        lines.append(Markup("Whether the model had seen {}.").format(listed(told, 1)))
    met = [
        f"{each.task} (it had met {_met(each)})"
        for each in results
        if each.known_share > MOST and each.figure.clean_value is None
    ]
    if met:
        lines.append(Markup("What it does with new items in {}.").format(listed(met, 3)))
    if without := [each.task for each in results if each.baseline_value is None]:
        lines.append(Markup("Whether simple means do as well in {}.").format(listed(without, 3)))
    if built.models:
        lines.append(f"Not measured by any task: {UNMEASURED}.")
        if any(SPREAD.match(line) for said in verdicts(built).values() for line in said):
            spread = link("#figures", "the spread over seeds")
            lines.append(Markup("How much trainings would differ by more than their seed: see {}.").format(spread))
        else:
            lines.append("How much another training would differ: no training was repeated.")
    else:
        lines.append("All that only a model can show.")
    return Answer("What is not known", lines)


def _met(each: Measured) -> str:
    """Of a task without a score of the items that were not met."""
    if each.items["known"] == each.items.total():
        return "all in training"
    return f"{_of(each, 'known')} in training, and no score is of the {each.items['clean']} clean"


def _of(each: Measured, standing: Standing) -> str:
    return f"{each.items[standing]:,} of {each.items.total():,} items"


def _unsought(each: Measured, *, is_alone: bool) -> str:
    """The items of which nobody knows whether they were met in training, and what is known of the others."""
    if each.items["unknown"] == each.items.total():
        return f"what it was asked in {each.task}"
    if not is_alone:
        return f"{_of(each, 'unknown')} of {each.task}"
    found = f"{each.items['known']:,} stand in what it learned from, {each.items['clean']:,} are clean"
    return f"{_of(each, 'unknown')} of {each.task} ({found})"


def _next(built: Built, verdict: str) -> tuple[Markup, str]:
    """Return what to do, and who answers for it."""
    responsible = "A recipe names nobody: name somebody before the model is used."
    if built.missing or built.outdated:
        do = Markup("Finish the build: {}").format(code(built.command))
    elif verdict.startswith(UNPROVED):
        do = Markup("Have an engineer read {}.").format(link("#engineer", "what to try next"))
    elif served(built):
        do = Markup("Ask it yourself on the page that {} opens, and decide whether it is good enough for your use.")
        do = do.format(code("lmworks serve"))
    else:
        do = Markup("Look at {} with who knows the subject.").format(link("#figures", "all figures"))
    return do, responsible
