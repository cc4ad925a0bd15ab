"""Twenty use cases, what an expert would advise in each, and what `lmworks plan` says.

    python benchmarks/plan/use_cases.py

A table on standard error, one JSON line on standard output. The advice was written down before the planner was asked.
Exit code 1 where a verdict and the planner's own tables disagree; where expert and planner do, a reader decides.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.recipe.schema import NeedsConfig

NONE, ADAPT, TUNE, CONTINUE, SCRATCH = (
    "no training",
    "adapt",
    "fine-tune",
    "continue pretraining",
    "train from scratch",
)
HOSTED, MANAGED, CLOUD, OWN = "hosted model", "managed service", "cloud machines", "own machines"


@dataclass(frozen=True)
class UseCase:
    """What somebody needs, and what an expert would defend."""

    name: str
    needs: dict[str, Any]
    wanted: str  # in words
    steps: tuple[str, ...]
    places: tuple[str, ...]
    architectures: tuple[str, ...] = ("decoder",)


CASES = (
    UseCase(
        "help desk in five languages",
        {"task": "chat", "tokens": 4_000_000, "labelled_examples": 300, "budget_usd": 30_000, "update": "weekly"}
        | {"residency": "region", "region": "DE", "requests_per_second": 2, "contracts": ["Azure"]},
        "Articles change weekly: prompt a hosted model of the region with passages, tune nothing.",
        (NONE,),
        (HOSTED,),
    ),
    UseCase(
        "50,000 labelled tickets, $10k",
        {"task": "classify", "tokens": 10_000_000, "labelled_examples": 50_000, "budget_usd": 10_000}
        | {"prompt_tokens": 200, "answer_tokens": 5, "context_tokens": 512},
        "Tune a small encoder, serve it on rented processors, beside a bag of words; well below the budget.",
        (ADAPT, TUNE),
        (CLOUD,),
        ("encoder",),
    ),
    UseCase(
        "letters of a clinic, secret, on-premise, $60k",
        {"task": "write", "distance": "far", "tokens": 500_000_000, "labelled_examples": 2000, "budget_usd": 60_000}
        | {"privacy": "secret", "residency": "on-premise", "control": "full", "deadline_weeks": 26, "users": 20}
        | {"requests_per_second": 0.2},
        "One server of their own and an adapter for an open model; a node of eight cards is beyond the money.",
        (ADAPT,),
        (OWN,),
    ),
    UseCase(
        "clauses of contracts, law firm",
        {"task": "extract", "tokens": 20_000_000, "labelled_examples": 800, "budget_usd": 25_000, "residency": "region"}
        | {"privacy": "confidential", "region": "IE", "prompt_tokens": 400, "answer_tokens": 20, "expertise": "none"}
        | {"contracts": ["Azure"]},
        "Adapt an encoder that marks spans; nobody runs machines, so at the service of the cloud under contract.",
        (ADAPT,),
        (MANAGED, CLOUD),
        ("encoder",),
    ),
    UseCase(
        "summaries of long reports",
        {"task": "summarise", "tokens": 5_000_000, "labelled_examples": 150, "budget_usd": 8000}
        | {"prompt_tokens": 6000, "answer_tokens": 300, "context_tokens": 8192, "requests_per_second": 0.02},
        "Few examples and little use: prompt a hosted model.",
        (NONE,),
        (HOSTED,),
    ),
    UseCase(
        "translation of strings of a program",
        {"task": "translate", "tokens": 2_400_000, "labelled_examples": 40_000, "budget_usd": 15_000}
        | {"prompt_tokens": 30, "answer_tokens": 30, "context_tokens": 256, "requests_per_second": 0.1},
        "Tune a small encoder-decoder on the pairs there are; it keeps the terms and costs little to run.",
        (ADAPT, TUNE),
        (CLOUD,),
        ("encoder-decoder",),
    ),
    UseCase(
        "search over API documentation",
        {"task": "search", "tokens": 8_000_000, "budget_usd": 20_000},
        "An index of passages; no model is trained for it.",
        (NONE,),
        (HOSTED, CLOUD, OWN),
        ("decoder", "encoder"),
    ),
    UseCase(
        "a rare language, five billion tokens",
        {"task": "write", "distance": "far", "tokens": 5_000_000_000, "budget_usd": 400_000, "privacy": "public"}
        | {"control": "full", "expertise": "team", "deadline_weeks": 60, "update": "yearly"},
        "Go on pretraining an open model, or from scratch where its tokenizer is unfit; rented machines.",
        (CONTINUE, SCRATCH),
        (CLOUD,),
    ),
    UseCase(
        "nothing usable: one page, one week",
        {"task": "write", "tokens": 2000, "budget_usd": 1000, "expertise": "none", "deadline_weeks": 1}
        | {"requests_per_second": 0.01, "users": 1},
        "A hosted model and a good prompt.",
        (NONE,),
        (HOSTED,),
    ),
    UseCase(
        "fault codes in logs of vehicles, on-premise",
        {"task": "classify", "distance": "far", "tokens": 400_000_000, "labelled_examples": 200_000}
        | {"budget_usd": 80_000, "residency": "on-premise", "expertise": "team", "requests_per_second": 20}
        | {"prompt_tokens": 256, "answer_tokens": 1, "context_tokens": 512, "deadline_weeks": 26},
        "An encoder, tuned and perhaps pretrained further on the logs, on a small server in the plant.",
        (TUNE, CONTINUE),
        (OWN,),
        ("encoder",),
    ),
    UseCase(
        "completion in an in-house programming language",
        {"task": "write", "distance": "far", "tokens": 300_000_000, "budget_usd": 150_000, "users": 400}
        | {"privacy": "confidential", "control": "full", "expertise": "team", "requests_per_second": 10}
        | {"load": "steady", "deadline_weeks": 26},
        "Go on pretraining an open model of code, or tune it, on machines that may see the sources.",
        (ADAPT, TUNE, CONTINUE),
        (CLOUD, OWN),
    ),
    UseCase(
        "topics of public news",
        {"task": "classify", "distance": "near", "tokens": 1_000_000, "labelled_examples": 2000, "budget_usd": 2000}
        | {"privacy": "public", "requests_per_second": 0.05, "prompt_tokens": 500, "answer_tokens": 3},
        "A bag of words first, then an encoder on a processor if it is beaten.",
        (NONE, ADAPT, TUNE),
        (CLOUD, OWN),
        ("decoder", "encoder"),
    ),
    UseCase(
        "marketing copy",
        {"task": "write", "distance": "near", "tokens": 300_000, "labelled_examples": 20, "budget_usd": 5000}
        | {"load": "spiky", "requests_per_second": 0.05, "control": "low"},
        "A hosted model; examples go into the prompt.",
        (NONE,),
        (HOSTED,),
    ),
    UseCase(
        "customers' chat of a bank",
        {"task": "chat", "tokens": 200_000_000, "labelled_examples": 10_000, "budget_usd": 500_000, "users": 500}
        | {"privacy": "confidential", "residency": "region", "region": "FR", "control": "full", "expertise": "team"}
        | {"requests_per_second": 20, "deadline_weeks": 40},
        "Tune an open model, serve it on machines under their control; retrieve what changes.",
        (ADAPT, TUNE),
        (CLOUD, OWN),
    ),
    UseCase(
        "translation in a ministry, secret, on-premise",
        {"task": "translate", "tokens": 60_000_000, "labelled_examples": 1_000_000, "budget_usd": 300_000}
        | {"privacy": "secret", "residency": "on-premise", "expertise": "team", "deadline_weeks": 52}
        | {"prompt_tokens": 60, "answer_tokens": 60, "context_tokens": 512},
        "Tune an encoder-decoder on the pairs, on a server of their own.",
        (TUNE,),
        (OWN,),
        ("encoder-decoder",),
    ),
    UseCase(
        "guidelines of a hospital that change daily",
        {"task": "chat", "tokens": 3_000_000, "budget_usd": 40_000, "update": "daily", "privacy": "confidential"}
        | {"residency": "region", "region": "NL"},
        "Retrieve, do not train; a model hosted in the region under contract, or an open one on rented machines.",
        (NONE,),
        (HOSTED, CLOUD),
    ),
    UseCase(
        "a student with 500 labels and no money",
        {"task": "classify", "tokens": 100_000, "labelled_examples": 500, "budget_usd": 0, "deadline_weeks": 2}
        | {"prompt_tokens": 200, "answer_tokens": 2, "requests_per_second": 0.01, "users": 1, "privacy": "public"},
        "A bag of words on the laptop that is there.",
        (NONE,),
        (OWN,),
        ("decoder", "encoder"),
    ),
    UseCase(
        "millions of labelled products, 200 a second",
        {"task": "classify", "tokens": 500_000_000, "labelled_examples": 5_000_000, "budget_usd": 400_000}
        | {"requests_per_second": 200, "load": "steady", "prompt_tokens": 100, "answer_tokens": 2}
        | {"context_tokens": 128, "contracts": ["AWS"], "expertise": "team", "deadline_weeks": 26},
        "Tune an encoder; rented machines of the cloud under contract.",
        (TUNE,),
        (CLOUD, MANAGED),
        ("encoder",),
    ),
    UseCase(
        "letters of an insurer, nobody to run machines, AWS",
        {"task": "write", "tokens": 30_000_000, "labelled_examples": 5000, "budget_usd": 60_000, "expertise": "none"}
        | {"contracts": ["AWS"], "privacy": "confidential"},
        "An adapter, trained and served by the managed service of that cloud.",
        (ADAPT,),
        (MANAGED,),
    ),
    UseCase(
        "claims of an insurer, on-premise, $20k",
        {"task": "extract", "tokens": 5_000_000, "labelled_examples": 300, "budget_usd": 20_000, "expertise": "none"}
        | {"privacy": "confidential", "residency": "on-premise", "prompt_tokens": 400, "answer_tokens": 20},
        "An encoder with an adapter on one small server, or a dictionary, until somebody is hired.",
        (ADAPT, NONE),
        (OWN,),
        ("encoder", "decoder"),
    ),
)
"""Written as an expert would defend it, before the planner was asked."""


def disagreements(told: Forecast) -> Iterator[str]:
    """Where a verdict says what the planner's own tables deny."""
    verdict, year = told.verdict, told.year
    if year is None:
        if verdict.fits:
            yield "no cost is known, and it is said to fit"
        return
    if year.place != verdict.place:
        yield f"the place is {verdict.place}, the cost that of {year.place}"
    if verdict.fits != (year.total.low <= told.needs.budget_usd):
        yield f"${year.total.low:,.0f} of ${told.needs.budget_usd:,.0f}, fits: {verdict.fits}"
    of_table = told.baseline if year is told.baseline else told.years[verdict.step].get(verdict.place)
    if of_table is None or of_table.total != year.total:
        yield "the table has another sum for that step and place"
    named = year.machines.replace(",", " ").split()
    devices = [told.facts.devices[name] for name in named if name in told.facts.devices]
    if any(device.lmworks == "no" for device in devices):
        yield f"lmworks does not run on {year.machines}"
    if not verdict.fits and any(
        other.total.low <= told.needs.budget_usd for other in told.years[verdict.step].values()
    ):
        yield "another place of the table fits the budget"
    if told.training and verdict.step != NONE and told.training.device not in year.machines:
        yield f"the time is that of {told.training.device}, the cost that of {year.machines}"


def main() -> int:
    facts, found, lines = load_facts(), [], []
    for case in CASES:
        told = Forecast(NeedsConfig(**case.needs), 0, facts)
        verdict, faults = told.verdict, list(disagreements(told))
        defended = verdict.step in case.steps and verdict.place in case.places
        defended &= verdict.architecture in case.architectures
        total = told.year.total if told.year else None
        cost = f"${total.low:,.0f} to {total.high:,.0f}" if total else "no price"
        machines = told.year.machines if told.year else ""
        lines += [f"{case.name} (${told.needs.budget_usd:,.0f})", f"  wanted  {case.wanted}"]
        lines.append(f"  got     {verdict.step}; {verdict.architecture}; {verdict.place}; {cost}; {machines}")
        lines.append(f"          {verdict.how}")
        lines.append(f"  defended {'yes' if defended else 'NO'}; agrees with its own table {'NO' if faults else 'yes'}")
        lines += [f"    {fault}" for fault in faults]
        found.append((defended, not faults))
    for line in lines:
        print(*textwrap.wrap(line, 118, subsequent_indent=" " * 10), sep="\n", file=sys.stderr)
    sums = {"cases": len(found), "defended": sum(a for a, _ in found), "agree": sum(b for _, b in found)}
    print(json.dumps(sums))
    return int(not all(agrees for _, agrees in found))


if __name__ == "__main__":
    sys.exit(main())
