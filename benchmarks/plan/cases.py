"""Twelve organisations whose verdicts a practitioner wrote down before any program ran (`cases.yaml` beside this file).

    python benchmarks/plan/cases.py

It prints step, place and cost of each beside what was expected, and exits with 1 where step or place is another. A cost
that lies wholly outside of the expected range is told, and is no fault: the ranges were written from memory.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from lmworks.errors import UsageError
from lmworks.plan.facts import Facts, load_facts
from lmworks.plan.forecast import Forecast
from lmworks.recipe.schema import NeedsConfig

CASES = Path(__file__).with_name("cases.yaml")


def judged(case: dict[str, Any], facts: Facts) -> tuple[bool, bool]:
    """Print one case. Return whether step and place are as expected, and whether the cost is."""
    needs, expected = dict(case["needs"]), case["expected"]
    if needs.get("region") not in (None, *facts.grid):
        print(f"{case['name']}: no grid is known of region {needs.pop('region')}; counted as in the US")
    try:
        told = Forecast(NeedsConfig(**needs), 0, facts)
    except UsageError as error:
        print(f"{case['name']}: {error}")
        return False, False
    step, place, year = told.verdict.step, told.verdict.place, told.year
    is_right = step in expected["step"] and place in expected["place"]
    low, high = expected["cost_usd"] or (0, float("inf"))
    costs = year is not None and year.total.low <= high and year.total.high >= low
    usd = f"${year.total.low:,.0f} to {year.total.high:,.0f}" if year else "no price"
    said = "" if is_right else f"; expected {' or '.join(expected['step'])} on {' or '.join(expected['place'])}"
    dear = "" if costs else f"; ${low:,} to {high:,} was expected"
    print(f"{'right' if is_right else 'WRONG'}  {case['name']}: {step}, {place}, {usd}{said}{dear}")
    return is_right, costs


def main() -> None:
    """Judge all cases."""
    facts = load_facts()
    found = [judged(case, facts) for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))]
    right, costs = (sum(each[at] for each in found) for at in (0, 1))
    print(f"step and place right in {right} of {len(found)}, cost within the expected range in {costs}")
    sys.exit(right < len(found))


if __name__ == "__main__":
    main()
