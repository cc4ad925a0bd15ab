"""What a plan says in one place holds in its others, and of the facts that it was given."""

from __future__ import annotations

import html
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lmworks.plan.decide import HOSTED
from lmworks.plan.facts import Facts, load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import doubts, in_full, in_short
from lmworks.recipe.schema import NeedsConfig
from lmworks.release.render.forecast import forecast_page

FACTS = load_facts()
TODAY = date(2026, 11, 29)
INSIDE: dict[str, Any] = {"task": "write", "labelled_examples": 2000, "tokens": 50_000_000, "residency": "on-premise"}
INSIDE |= {"privacy": "confidential", "budget_usd": 900_000, "region": "FR"}


def told(facts: Facts = FACTS, **fields: Any) -> Forecast:
    return Forecast(NeedsConfig(**fields), 0, facts)


def whole(found: Forecast) -> str:
    """All of the text, and that of the page, on one line."""
    page = html.unescape(re.sub(r"<[^>]+>", " ", forecast_page(found, "n", "r", TODAY, None, 1)))
    return " ".join(f"{in_short(found, 400, 'r', TODAY)} {in_full(found, 400, TODAY)} {page}".split())


def priced(folder: Path, **replacement: Any) -> Facts:
    """The packaged facts with a file of one's own."""
    file = folder / "ours.json"
    file.write_text(json.dumps(replacement))
    return load_facts(file)


def constant(low: float, high: float) -> dict[str, Any]:
    return {"low": low, "high": high, "source": "ours", "date": "2026-11"}


def test_electricity_of_ones_own_bill_is_not_said_to_be_of_the_us(tmp_path: Path) -> None:
    needs = INSIDE | {"privacy": "secret", "users": 300}
    assert "electricity is at prices of the US, not of FR" in whole(told(**needs))
    ours = priced(tmp_path, constants={"usd_per_kwh": constant(0.21, 0.24)})
    assert "prices of the US" not in whole(told(ours, **needs))
    silent = needs | {"region": "US"}
    del silent["region"]
    assert "no `region` is stated: CO2 is counted as in the US" in list(doubts(told(ours, **silent)))


def test_hosted_prices_and_delivery_of_ones_own_are_not_said_to_be_the_lists(tmp_path: Path) -> None:
    needs: dict[str, Any] = {"task": "chat", "contracts": ["OVH"], "users": 20}
    assert "none of OVH" in whole(told(**needs)) and "from the smallest to middle models" in whole(told(**needs))
    usd = {f"{kind}_usd_per_million_tokens": constant(0.3, 0.3) for kind in ("prompt", "answer")}
    found = told(priced(tmp_path, constants=usd), **needs)
    assert found.verdict.place == HOSTED and found.year and "your prices" in found.year.machines
    assert not [said for said in ("none of OVH", "smallest to middle", "small to middle") if said in whole(found)]
    late = INSIDE | {"deadline_weeks": 4}
    assert "servers with H100; desktops" in whole(told(**late))
    assert "servers with H100; desktops" not in whole(
        told(priced(tmp_path, constants={"delivery_weeks": constant(5, 9)}), **late)
    )


@pytest.mark.parametrize(("users", "budget"), [(2000, 3000), (20, 60_000)])
def test_the_table_of_costs_marks_the_row_of_the_verdict(users: int, budget: int) -> None:
    found = told(task="classify", labelled_examples=5000, users=users, budget_usd=budget, privacy="internal")
    is_plain = found.year is found.baseline
    assert is_plain == (budget == 3000) and found.year and found.baseline
    rows = [line.strip() for line in in_full(found, 160, TODAY).splitlines() if " < " in line]
    assert len(rows) == 1 and rows[0].startswith("baseline" if is_plain else found.verdict.step)
    page = forecast_page(found, "n", "r", TODAY, None, 1)
    assert html.escape(rows[0]) in page
