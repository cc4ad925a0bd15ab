"""How often is the primary answer wrong, and how small a true difference does it find, at the quickstart's groups?

    python benchmarks/evaluate/primary.py [--draws 2000] [--seed 7] [--items OURS THEIRS]

The quickstart asks 400 questions of 26 services, of each the same number as far as it has them. Two systems are drawn
whose scores differ by a known amount: in each service by another, and in each question by more. `--items` takes two
`items.jsonl` of a build and estimates both spreads from them; without it, those of one build of the quickstart are
used. Then an accuracy with as many groups is held to a gate. One line of JSON comes out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean, variance
from typing import Any

import numpy as np
from coverage import Scores

from lmworks.evaluate.gates import TriedGate, outcome_of
from lmworks.evaluate.items import ACCURACY, ROUGE_L, Item, Metric, draw_evenly
from lmworks.evaluate.primary import AskedConfig, answered
from lmworks.pipeline.conditions import Conditions
from lmworks.recipe.schema import GateConfig

HELD = [146, 101, 93, 79, 57, 50, 34, 30, 29, 28, 27, 26, 25, 23, 22, 16, 14, 9, 9, 9, 6, 6, 6, 5, 4, 1]
"""Test questions that each service has for the task `documentation` of the quickstart, one build."""
ASKED = 400
SERVICES = [service for service, count in enumerate(HELD) for _ in range(count)]
SIZES = list(Counter(draw_evenly(SERVICES, str, ASKED)).values())
"""Questions of each service that the task asks."""
BETWEEN, WITHIN = 0.035, 0.137
"""Spreads of the difference in ROUGE-L between services, and between questions of one: finetune and pretrain there."""
QUESTION = AskedConfig(evaluations=["a", "b"], task="task", model="model", opponents=["opponent"])


def evaluated(metric: Metric, scores: np.ndarray) -> Scores:
    """An evaluation of items in the quickstart's groups."""
    groups = np.repeat(np.arange(len(SIZES)), SIZES).tolist()
    items: list[Item] = [
        {"id": f"q{n}", "digest": f"d{n}", "cluster": f"service {group}", metric.value: score}
        for n, (group, score) in enumerate(zip(groups, scores.tolist(), strict=True))
    ]
    return Scores(metric.figure(items, "simulated", conditions=Conditions()), items)


def spreads(ours: Path, theirs: Path) -> tuple[float, float]:
    """Spreads of the difference between services, and within one, of two files of items."""
    sides = [{item["id"]: item for item in map(json.loads, path.open(encoding="utf-8"))} for path in (ours, theirs)]
    leads: dict[str, list[float]] = defaultdict(list)
    for name in sides[0].keys() & sides[1].keys():
        leads[sides[0][name]["cluster"]].append(sides[0][name]["rouge_l"] - sides[1][name]["rouge_l"])
    several = [values for values in leads.values() if len(values) > 1]
    within = fmean(variance(values) for values in several)
    noise = fmean(within / len(values) for values in several)
    return max(0.0, variance(fmean(values) for values in several) - noise) ** 0.5, within**0.5


def answers(draws: int, difference: float, spread: tuple[float, float], seed: int) -> dict[str, float]:
    """How often the primary question is answered so, where the true difference is this."""
    random, said = np.random.default_rng((seed, round(1e4 * abs(difference)))), defaultdict(int)
    for _ in range(draws):
        theirs = np.clip(random.normal(0.25, 0.15, sum(SIZES)), 0, 1)
        of_groups = np.repeat(random.normal(difference, spread[0], len(SIZES)), SIZES)
        ours = theirs + of_groups + random.normal(0, spread[1], sum(SIZES))
        sides = [evaluated(ROUGE_L, ours), evaluated(ROUGE_L, theirs)]
        said[answered(QUESTION, sides).said] += 1  # type: ignore[arg-type] # as they are asked
    return {name: said[name] / draws for name in ("yes", "no", "open")}


def passed(draws: int, above: float, seed: int) -> float:
    """How often a model passes a gate whose bound lies so far below its true accuracy, which is 0.8 in all."""
    gate = GateConfig(task="task", at_least=0.8 - above)
    tried = TriedGate(gate=gate, model="model", evaluation=0)
    random, count = np.random.default_rng((seed, round(1e4 * (1 + above)))), 0
    for _ in range(draws):
        # Beta(8, 2) a tenth as wide: services differ by some five points.
        of_groups = np.repeat(random.beta(51.2, 12.8, len(SIZES)), SIZES)
        scores = (random.random(sum(SIZES)) < of_groups).astype(float)
        count += outcome_of(tried, [evaluated(ACCURACY, scores)]).passed  # type: ignore[list-item] # as it is asked
    return count / draws


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--items", type=Path, nargs=2, metavar=("OURS", "THEIRS"))
    options = parser.parse_args()
    spread = spreads(*options.items) if options.items else (BETWEEN, WITHIN)
    result: dict[str, Any] = {
        "spread_between": round(spread[0], 4),
        "spread_within": round(spread[1], 4),
        "draws": options.draws,
        "answers": {
            f"{difference:+.2f}": answers(options.draws, difference, spread, options.seed)
            for difference in (0.0, 0.03, 0.05)
        },
        "passes_gate": {
            f"{above:+.2f}": passed(options.draws // 4, above, options.seed) for above in (0.10, 0.05, 0.0, -0.05)
        },
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
