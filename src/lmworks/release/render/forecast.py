"""A forecast as a page: the verdict, the cost at each place, owning compared with renting, and sources of prices."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from lmworks.plan import costs
from lmworks.plan.decide import LADDER, TABLE
from lmworks.plan.disk import Disk
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import in_full, in_short, short
from lmworks.release.render.charts import Bar, Series, interval_chart, line_chart, owning_lines
from lmworks.release.render.templates import environment

WIDE = 400
"""Columns wide enough for each of the ten lines."""


def forecast_page(
    told: Forecast, name: str, recipe: str, today: datetime.date, disk: Disk | None, free_bytes: int
) -> str:
    """Return the whole forecast of a recipe as one HTML file that loads no other files."""
    lines = [(line[:9].strip().lower(), line[9:]) for line in in_short(told, WIDE, recipe, today).splitlines()]
    return (
        environment()
        .get_template("forecast.html.jinja")
        .render(
            name=name,
            lines=lines,
            costs=_costs(told),
            owning=[owning_lines(told.months, [end]) for end in ("low", "high") if told.months],
            load=_load(told),
            whole=in_full(told, 110, today, disk, free_bytes),
            prices=list(_prices(told, today)),
            facts_date=told.facts.date,
            today=today.isoformat(),
        )
    )


def _costs(told: Forecast) -> Markup:
    bars = []
    if told.baseline:
        low, high = told.baseline.total
        is_chosen = told.year is told.baseline
        bars.append(Bar("baseline, own", low, (low, high), f"from {short(low)}", is_chosen))
    for step in LADDER:
        size = short(told.runs[step].parameters)
        for place in TABLE["places"]:
            if year := told.years[step].get(place):
                low, high = year.total
                chosen = step == told.verdict.step and year is told.year
                bars.append(Bar(f"{step} {size}, {place.split()[0]}", low, (low, high), f"from {short(low)}", chosen))
    return interval_chart("Twelve months", "USD", bars, told.needs.budget_usd)


def _load(told: Forecast) -> Markup:
    """Draw requests per second in the busiest hour, and how many the machines of the first month answer."""
    if not told.service:
        return Markup("")
    asked = [(float(m), told.needs.requests * costs.grown(told.needs, m)) for m in range(1, 25)]
    most = told.requests_answered
    answered = f"capacity of the machines of month 1: {most:.3g}"
    series = [Series("needed", asked), Series(answered, [(1.0, most), (24.0, most)])]
    return line_chart("Use", "month", "requests per second", series)


def _prices(told: Forecast, today: datetime.date) -> Iterator[dict[str, Any]]:
    for price in told.facts.prices:
        usd = f"{price.usd_per_hour.low:g} to {price.usd_per_hour.high:g} per hour"
        yield {**price.model_dump(), "usd": usd, "old": price.is_old(today)}
    for each in told.facts.purchases:
        usd = f"{each.usd.low:,.0f} to {each.usd.high:,.0f}"
        bought = {"provider": f"a machine of {each.devices}", "terms": "purchase", "usd": usd}
        yield {**each.model_dump(), **bought, "old": each.is_old(today)}
