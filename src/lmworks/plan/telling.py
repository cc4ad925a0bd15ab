"""A forecast in words: ten lines, or all of it."""

from __future__ import annotations

import datetime
import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from lmworks.plan import costs
from lmworks.plan.costs import Year
from lmworks.plan.decide import CLOUD, HOSTED, LADDER, MANAGED, OWN, TABLE, Factor, places_for
from lmworks.plan.disk import Disk, full_in_month
from lmworks.plan.facts import ALL_TERMS, UNKNOWN, Fact, Facts, Range
from lmworks.plan.forecast import BASELINE_DEVICE, NONE, SCRATCH, Forecast
from lmworks.recipe.schema import SECONDS_BETWEEN_REQUESTS

RUNS_ON = {"measured": "yes", "expected": "untried", "no": "no"}
"""Whether lmworks trains and answers on a device: it runs where torch finds a processor, CUDA or ROCm."""
TOLERATED = 1.25
"""Ratio of a published shape's size to the requested size up to which the forecast does not mention the difference."""
LEAST_TOKENS_A_PARAMETER = 10.0
"""Half of Hoffmann's 20: sizes are rounded to published shapes, which lie up to twice apart."""
MEASURED_PASSAGES = 240_000.0
"""Largest number of passages in which a search was timed."""
MARK = "*"
"""Mark beside a fact that is more than a year old."""


CONSTANTS = {
    HOSTED: ("prompt_usd_per_million_tokens", "answer_usd_per_million_tokens"),
    MANAGED: ("managed_share", "cloud_extra_share"),
    CLOUD: ("cloud_extra_share",),
    OWN: ("pue", "usd_per_kwh"),
}
"""Constants on which the cost at a place depends, in addition to prices."""


def in_short(told: Forecast, width: int, recipe: str, today: datetime.date) -> str:
    """Verdict, three reasons, place, size, cost, time, the largest doubt, what to do next: a line each."""
    verdict, run = told.verdict, told.run
    lines = [f"VERDICT  {verdict.step}: {verdict.how}"]
    reasons = [longer if len(longer) <= width - 9 else shorter for longer, shorter in _reasons(told)]
    lines += [f"{'because' if not at else '':9}{reason}" for at, reason in enumerate(reasons[:3])]
    lines.append(f"place    {place_in_words(told)}")
    asked = f" of {short(float(told.needs.parameters))} asked for" if _replaced(told) else ""
    if verdict.step == NONE:
        answers = told.service and told.year and told.year.place != HOSTED
        lines.append(
            f"size     nothing is trained{f'; {told.runs[NONE].shape.name}{asked} answers' if answers else ''}"
        )
    else:
        lines.append(
            f"size     {run.shape.name}, {short(run.parameters)}{asked} parameters, {short(run.tokens)} tokens a run, "
            f"{told.runs_per_year:g} runs a year"
        )
    lines.append(f"cost     {cost_in_words(told, today)}")
    lines.append(f"time     {_time(told)}")
    lines.append(f"doubt    {next(doubts(told))}")
    cut = [_cut(line, width) for line in lines]
    return "\n".join([*cut, f"next     lmworks plan {recipe} --all"])  # a command is never cut


def _cut(line: str, width: int) -> str:
    """As many whole words as fit; all of it stands under --all."""
    return line if len(line) <= width else line[: width - 1].rsplit(" ", 1)[0] + " …"


def place_in_words(told: Forecast) -> str:
    """The place, by the name of the service where a cloud has one, and the machines."""
    place = told.verdict.place
    if place == MANAGED:
        named = [s.name for s in told.facts.services if not told.clouds or s.cloud in told.clouds]
        place = f"{' or '.join(named)} ({place})"
    elif place == CLOUD and told.year and told.year.terms.providers:
        place += f" ({' or '.join(told.year.terms.providers)})"
    return f"{place}: {told.year.machines}" if told.year else f"{place}: no price of what it takes is known"


def cost_in_words(told: Forecast, today: datetime.date) -> str:
    """Twelve months at the place of the verdict, beside the budget, and the largest part."""
    if not told.year:
        return "no price of what it takes is known; --prices FILE adds yours"
    most = max(told.year.usd, key=lambda part: told.year.usd[part].high if told.year else 0)
    beyond = "" if told.verdict.fits else ", MORE THAN THERE IS"
    mark = _mark(told, told.year, today)
    total, budget = between(told.year.total), short(told.needs.budget_usd)
    aged = f" ({mark} old facts)" if mark else ""
    return f"${total}{mark} for twelve months, of ${budget}{beyond}; most of it {most}{aged}"


def _mark(told: Forecast, year: Year, today: datetime.date) -> str:
    """The mark of old facts, where a cost rests on one: of a price of the machines that it names, or a constant."""
    facts = told.facts
    names = year.machines.replace(",", " ").split()
    prices = facts.purchases if year.place == OWN else facts.prices
    used = [each for each in prices if each.device in names] + [facts.constants[name] for name in CONSTANTS[year.place]]
    return MARK * (year is not told.baseline and any(fact.is_old(today) for fact in used))


def _reasons(told: Forecast) -> Iterator[tuple[str, str]]:
    """What decided, at length and shorter: limits that held the step down, then the heaviest points that lead to it."""
    verdict = told.verdict
    for limit in verdict.limits:
        if limit.points["at most"] == LADDER.index(verdict.step) < LADDER.index(verdict.wanted):
            yield f"{limit.name}: {limit.reason}", f"{limit.name}: {limit.found}"
    way = -1 if verdict.step == NONE else 1
    for factor in sorted(verdict.factors, key=lambda factor: -way * factor.points["training"]):
        if way * (points := factor.points["training"]) > 0:
            head = f"{points:+d} {factor.name}: "
            yield f"{head}{factor.found} ({factor.reason})", head + factor.reason


def _time(told: Forecast) -> str:
    if told.verdict.step == NONE:
        return "days to try it, not weeks"
    if not (trained := told.training):
        return "not known: no device with a price trains it"
    late = "TOO LATE for" if trained.days.high > told.needs.deadline_weeks * 7 else "within"
    days = trained.days
    lasts = f"{between(days)} days" if days.high >= 2 else f"{between(days * 24)} hours"
    if days.high * 24 < 1:
        lasts = "less than an hour"
    weeks = f"{told.needs.deadline_weeks:g} weeks{' of delivery' * told.is_delivered_first}"
    return f"{lasts} a run on {trained.devices} × {trained.device}, {late} {weeks}"


def doubts(told: Forecast) -> Iterator[str]:
    """Yield what could make the verdict wrong, the most important first."""
    needs, verdict, year = told.needs, told.verdict, told.year
    if year and not verdict.fits:
        smaller = "ask less of it" if year is told.baseline else "take a smaller model (`parameters`)"
        own = "" if needs.devices else "name devices that you have (`devices`), "
        yield f"nothing fits the budget: spend more, {own}or {smaller}{_cheapest(told)}"
    if replaced := _replaced(told):
        yield replaced
    each = told.run.tokens / told.run.parameters
    if verdict.step == SCRATCH and each < LEAST_TOKENS_A_PARAMETER:
        yield f"{short(each)} tokens a parameter, where 20 train best: a smaller model would learn as much"
    if year and year.note:
        yield year.note
    if told.is_delivered_first:
        weeks = f"{between(told.facts.value('delivery_weeks'))} weeks, of {needs.deadline_weeks:g} until it is used"
        whose = " (servers with H100; desktops come sooner)" * (not told.facts.is_replaced("delivery_weeks"))
        yield f"delivery of the machines takes {weeks}: times count from then{whose}"
    if dearer := _dearer(told):
        yield dearer
    if verdict.place == MANAGED:
        yield "lmworks has no launcher for that service: bring a container"
    if year is told.baseline:
        yield from _baseline_doubts(told)
    if year and (year is not told.baseline or told.computers[1] > 1) and year.total.high > needs.budget_usd:
        yield f"the dear end is above the budget of ${short(needs.budget_usd)}: get offers before you sign"
    if year and (other := year.surer) and other.total.high * TOLERATED < year.total.high:
        yield (
            f"machines are taken by the cheap end of their prices alone: {other.machines} would cost "
            f"${between(other.total)}, less at the dear end"
        )
    if verdict.step != NONE and needs.labelled_examples < 100:
        yield "too few labelled examples to show that the model got better"
    if year is not told.baseline:
        yield from _machine_doubts(told)
    if verdict.place == HOSTED and not told.facts.is_replaced(*CONSTANTS[HOSTED]):
        yield "hosted prices go from the smallest to middle models: the low end holds if a small one is good enough"
    if verdict.step == NONE:
        yield "whether answers are good enough: try fifty of your own questions first"
    yield "whether it beats the plainest baseline on your own examples: build both"


def _dearer(told: Forecast) -> str:
    """Words for a place that would cost much less for the same step, and why the other is named; else none."""
    verdict, year = told.verdict, told.year
    years = told.years[verdict.step].values()
    if year is None or year is told.baseline or not verdict.fits:
        return ""
    other = min(years, key=lambda each: each.total.low)
    if other.total.low * TOLERATED > year.total.low:
        return ""
    lead = {f.reason: f.points.get(year.place, 0) - f.points.get(other.place, 0) for f in verdict.place_factors}
    why = ", ".join(sorted((reason for reason, points in lead.items() if points > 0), key=lambda why: -lead[why])[:2])
    return f"{other.place} would cost from ${short(other.total.low)}; {year.place} it is for: {why}"


def _cheapest(told: Forecast) -> str:
    """Words for what costs least of all steps that the limits but money allow, where that is not what is named."""
    most = min(limit.points["at most"] for limit in told.verdict.limits if limit.name != "money")
    costs_of = {(step, year.place): year.total.low for step in LADDER[: most + 1] for year in told.years[step].values()}
    step, place = min(costs_of, key=lambda at: costs_of[at])
    if step == told.verdict.step:
        return ""
    usd, size = short(costs_of[step, place]), short(told.runs[step].parameters)
    return f"; least costs {step} ({size} parameters) on {place}, from ${usd}"


def _baseline_doubts(told: Forecast) -> Iterator[str]:
    """Of many requests, and of more passages than a computer was seen to search."""
    facts, asked = told.facts, told.needs.requests * costs.grown(told.needs, 12)
    if told.needs.task == "search" and told.passages.high > MEASURED_PASSAGES:
        seconds = between(facts.value("search_seconds_per_million_passages") * told.passages * 1e-6)
        yield (
            f"a search among {between(told.passages)} passages is reckoned to take {seconds} s of a core, from that of "
            f"one among {short(MEASURED_PASSAGES)}: more were never tried"
        )
        index = facts.value("search_bytes_per_passage") * told.passages * 1e-9
        memory = facts.devices[BASELINE_DEVICE].memory_gigabytes or 0
        if index.high > memory:
            yield f"each computer holds the whole index: {between(index)} GB, where {BASELINE_DEVICE} has {memory:g}"
    if told.computers[1] > 1:
        number = between(Range(*told.computers))
        priced = any(each.device == BASELINE_DEVICE for each in facts.purchases)
        unknown = "" if priced else f"; what they cost is in no sum: no price of {BASELINE_DEVICE} is known"
        yield f"{number} computers answer {short(asked)} requests/s in month 12, by what each takes of a core{unknown}"


def _machine_doubts(told: Forecast) -> Iterator[str]:
    """Of the devices that train and answer, and of what is counted about them."""
    is_own, trained = told.verdict.place == OWN, told.training if told.verdict.step != NONE else None
    devices = {each.device: told.facts.devices[each.device] for each in (trained, told.service) if each}
    for name, device in devices.items():
        if device.licence:
            where = "rent of a rack is in the sum all the same" if is_own else "ask who rents it out"
            yield f"{name}: {device.licence}; {where}"
    if trained and trained.devices > 1:
        device = devices[trained.device]
        if not device.joins_machines:
            yield "cards without NVLink are counted with the MFU of cards with it: training may take longer"
        elif trained.devices > device.devices_per_node and is_own:
            yield "a switch and cables between the machines are in no sum"
        elif trained.devices > device.devices_per_node:
            yield "the cheapest machines listed may not have the fast network that joining them takes"
    is_listed = not told.facts.is_replaced("usd_per_kwh")
    if told.year and "region" not in told.needs.model_fields_set:
        yield f"no `region` is stated: {'electricity and CO2 are' if is_listed else 'CO2 is'} counted as in the US"
    if is_own and is_listed and told.needs.region != "US":
        yield f"electricity is at prices of the US, not of {told.needs.region}: --prices FILE adds yours"
    if trained and any(device.lmworks == "expected" for device in devices.values()):
        yield "lmworks was never run on such a device: its times are counted"
    if told.service and told.answers.cache_bytes_per_token:
        yield "each user is counted to hold a whole context at once, which short requests do not (`context_tokens`)"


def in_full(
    told: Forecast, width: int, today: datetime.date, disk: Disk | None = None, free_bytes: int | None = None
) -> str:
    """All of it, for a terminal of so many columns; `disk` and `free_bytes` are of the store's disk."""
    lines = [*_weighing(told), *_places(told, width, today), *_training(told, width, today), *_serving(told)]
    lines += ["DOUBTS", *(f"  {doubt}" for doubt in doubts(told))]
    lines += _storage(told, width, today, disk, free_bytes)
    lines += _premises(told)
    lines += [*_owning(told, width), *_devices(told, width, today)]
    wrapped = [textwrap.wrap(line, width, subsequent_indent=" " * 5) for line in lines]
    return "\n".join(part for parts in wrapped for part in parts)


def _replaced(told: Forecast) -> str:
    """Words where a size that is asked for is not that of the shape which is counted; else none."""
    asked, counted = told.needs.parameters, told.run.parameters
    if asked == "auto" or max(asked / counted, counted / asked) < TOLERATED:
        return ""
    return (
        f"{short(asked)} parameters were asked for; {short(counted)} are counted, of {told.run.shape.name}: no "
        "published shape in the table is nearer"
    )


def _weighing(told: Forecast) -> Iterator[str]:
    verdict = told.verdict
    yield "WHY"
    for factor in verdict.factors:
        yield f"  {factor.points['training']:+2d} {factor.name}: {factor.found} ({factor.reason})"
    yield f"  {verdict.points:+2d} in all: {verdict.wanted}, within these limits:"
    yield from (f"   ≤ {factor.name}: {factor.found} ({factor.reason})" for factor in verdict.limits)
    yield _weighed(verdict.architecture_factors)
    yield _weighed(verdict.place_factors)


def _places(told: Forecast, width: int, today: datetime.date) -> Iterator[str]:
    yield "COST of each step at each place, twelve months of use and updates, USD"
    rows = [["", *(place.split()[0] for place in TABLE["places"])]]
    for step in LADDER:
        allowed = places_for(told.needs, step)[0]
        cells = []
        for place in TABLE["places"]:
            year = told.years[step].get(place)
            known = between(year.total) + _mark(told, year, today) if year else between(UNKNOWN)
            cells.append("-" if place not in allowed else known)
        size = short(told.runs[step].parameters)
        is_named = step == told.verdict.step and told.year is not told.baseline
        rows.append([f"{step}, {size}{' <' * is_named}", *cells])
    if told.baseline:
        cells = ["-"] * (len(TABLE["places"]) - 1)
        rows.append([f"baseline{' <' * (told.year is told.baseline)}", *cells, between(told.baseline.total)])
    yield from table(rows, width)
    yield "  -: the place may not see the texts, or does not do it; behind a step the size of its model; <: the verdict"
    if len({run.shape.name for run in told.runs.values()}) > 1:
        models = "; ".join(f"{step} {run.shape.name}" for step, run in told.runs.items())
        yield f"  Rows are not of one model: {models}. A smaller model costs less and answers worse."
    if told.year:
        yield f"  The verdict's {told.year.place}: {told.year.machines}. " + "; ".join(
            f"{part} {between(usd)}" for part, usd in told.year.usd.items()
        )
    rate = f"  Counted for {short(told.needs.requests)} requests a second at the busiest hour"
    assumed = f": each of {told.needs.users:,} users asks every {SECONDS_BETWEEN_REQUESTS} s, which is assumed"
    yield rate + (f"{assumed}; `requests_per_second` replaces it" if told.asks_by_users else "")
    staff = between(told.facts.value("staff_usd_per_month"))
    yield f"  Staff is in no sum: who runs it costs about ${staff} a month (assumed), rented or your own, in each row."


def _training(told: Forecast, width: int, today: datetime.date) -> Iterator[str]:
    verdict, run = told.verdict, told.run
    compared = "" if told.costed == verdict.step else " (for comparison only)"
    yield (
        f"TRAINING  {told.costed}{compared}: {run.shape.name}, {short(run.parameters)} parameters, "
        f"{short(run.tokens)} tokens a run; {run.flops:.3g} operations by {4 if run.lora_rank else 6} N D, "
        f"{run.flops_with_attention:.3g} with attention (PaLM). GB a device by the counts of "
        "`lmworks build`, which refuses what does not fit:"
    )
    rows = [["", "n", "weights", "grad.", "optim.", "activ.", "logits", "layout"]]
    for option in told.options:
        sizes = [f"{size / 1e9:.3g}" for size in option.bytes_per_device.values()]
        rows.append([option.device, str(option.devices), *sizes, option.layout])
    yield from table(rows, width)
    yield f"  The rule of 16 GB a billion parameters, model states only: {run.parameters * 16e-9:.3g} GB"
    old = {name for name, fact in _facts(told.facts) if fact.is_old(today)}
    grid = MARK * told.facts.grid[told.needs.region].is_old(today)
    usd_a_run = "USD a run" if verdict.place != OWN else "USD, rented"
    rows = [["", "device hours", "days", usd_a_run, f"kWh{MARK * ('pue' in old)}", f"kg CO2{grid}"]]
    for o in told.options:
        hours, days, usd, kwh, co2 = map(between, (o.device_hours, o.days, o.usd, o.kwh, o.kg_co2))
        rows.append([o.device, hours, days, usd + MARK * (f"price of {o.device}" in old), kwh, co2])
    yield from table(rows, width)
    yield (
        "  Low ends: MFU 0.55 (fp8 0.65), cheapest terms, spot too; high ends: MFU 0.30 (0.45), dearest. Hours hold "
        "what interruptions cost at the rate of machines on demand; spot machines are taken back more often, which no "
        "source counts. What has no fast network between machines is not joined beyond one."
    )


def _storage(
    told: Forecast, width: int, today: datetime.date, disk: Disk | None, free_bytes: int | None
) -> Iterator[str]:
    size = told.trained_parameters * 14e-9
    yield (
        f"STORAGE  keep {between(told.storage_gigabytes)} GB for ${between(told.storage_usd_per_month)} a month; "
        + ", ".join(f"{name} {short(more)}" for name, more in told.storage_gigabytes_a_month.items())
        + " GB more a month"
    )
    devices = told.training.devices if told.training else 1
    if told.training:
        yield (
            f"  A training reads {between(told.read_megabytes_per_second)} MB/s, and writes {short(size)} GB of "
            f"checkpoint every {between(told.checkpoint_hours)} h (Young, Daly); of the time "
            f"interruptions take {between(told.lost_hours)} h. Stall: seconds to write it, share of the time:"
        )
    rows = [["", "MB/s read", "MB/s written", "USD/GB month", "stall, s", "of time, %"]]
    for kind, each in told.facts.storage.items():
        slow, fast = (costs.stall(size, devices, rate, told.facts) for rate in each.write_megabytes_per_second)
        stalled = between(Range(fast[0], slow[0]))
        share = between(Range(100 * fast[1], 100 * slow[1]))
        mark = MARK if each.is_old(today) else ""
        rates = between(each.read_megabytes_per_second), between(each.write_megabytes_per_second)
        price = between(each.usd_per_gigabyte_month) if each.usd_per_gigabyte_month else "with it"
        rows.append([kind + mark, *rates, price, stalled, share])
    if disk:
        seconds, share_here = costs.stall(size, devices, disk.write_megabytes_per_second, told.facts)
        rates = short(disk.read_megabytes_per_second), short(disk.write_megabytes_per_second)
        rows.append(["this disk", *rates, "-", short(seconds), short(100 * share_here)])
    yield from table(rows, width)
    yield from (f"  {kind}: {each.who}" for kind, each in told.facts.storage.items())
    yield f"  This disk: {disk.as_text()}" if disk else "  This disk was not measured: lmworks plan --measure does"
    if free_bytes is not None:
        monthly = sum(told.storage_gigabytes_a_month.values()) * 1e9
        month = full_in_month(free_bytes, told.storage_gigabytes.high * 1e9, monthly)
        when = f"is full in month {month}" if month else "is not full in ten years"
        yield f"  This disk ({free_bytes / 1e9:,.0f} GB free) {when}, where all of that is kept on it"


def _serving(told: Forecast) -> Iterator[str]:
    if not (each := told.service):
        return
    more = told.groups_there > each.groups
    there = f", of {told.groups_there} that the machines bought hold while none trains" if more else ""
    cached, serves = told.answers.cache_bytes_per_token > 0, told.alone
    yield (
        f"SERVING  {each.groups} × {each.devices} {each.device}{there}: each group "
        f"{f'{each.users} users at once, ' * cached}{each.requests_per_second:.3g} requests/s at the slow end"
    )
    users = f", where {told.needs.users:,} users are held who ask {told.needs.requests:.3g}" * cached
    yield f"  The machines of month 1 answer {told.requests_answered:.3g} requests/s{users}"
    decodes = (
        f"Counted for a server that decodes up to {costs.ROWS} requests at once on a group, such as vLLM, which the "
        "exported model runs in."
    )
    alone = "one device does not hold it, or writes too slowly"
    if serves:
        rate = f"{serves.requests_per_second:.3g} requests/s a device, so {math.ceil(serves.load)} of it"
        alone = f"{f'{serves.users} users at once, ' * cached}{rate}"
    yield f"  {decodes if cached else 'An encoder writes nothing and holds no users.'} `lmworks serve` alone: {alone}"
    full = told.full_in_month
    yield f"  All full in {f'month {full}' if full else 'no month of the first twelve'} at the growth foretold"
    if cached:
        rates = each.written_tokens_per_second, each.stream_tokens_per_second, each.usd_per_million_tokens
        writes, alone, usd = map(between, rates)
        paid = f"; serving is ${usd} for each million written, prompts and idle hours in it ({told.busy:.0%} load)"
        paid *= told.verdict.place != OWN
        yield f"  {writes} tokens/s, {alone} for one alone{paid}"


def _owning(told: Forecast, width: int) -> Iterator[str]:
    if not told.machine:
        return
    machine, rented = f"{told.machine.devices} × {told.machine.device}", told.rented
    beside = f"{rented.place} ({rented.machines})" if rented else "no rented ones, of which no price is known"
    yield f"OWN OR RENT  {told.compared}: machines of {machine} beside {beside}; USD spent by the end of the month"
    rows = [["month", "machines", "cloud", "own"]]
    for m in (m for m in told.months if m.month in (1, 6, 12, 24, 36)):
        rows.append([str(m.month), str(m.machines), between(m.cloud_usd), between(m.own_usd)])
    yield from table(rows, width)
    if not rented:
        return
    if rented.note and rented is not told.year:
        yield f"  Of rented machines {rented.note}"
    best, worst = (f"month {month}" if month else "never in 36 months" for month in told.break_even_months)
    yield f"  Owning is cheaper from: {best} (dear cloud, cheap own); {worst} (the reverse); --picture"


def _premises(told: Forecast) -> Iterator[str]:
    """Yield what you need in addition if the machines are your own."""
    if told.verdict.place != OWN or not told.machine or told.year is told.baseline:
        return
    machine, number = told.machine, told.months[11].machines
    if number <= machine.owned:
        return
    device, value = told.facts.devices[machine.device], told.facts.value
    drawn = (value("host_watts_share") + 1.0) * ((device.watts or 0) * machine.devices * number * 1e-3)
    yield f"ON YOUR PREMISES  {number} × {machine.devices} {machine.device}; have ready before you order:"
    yield f"  power     {between(drawn)} kW at full load, on two feeds or a battery that lasts a shutdown"
    heat, spares = drawn * value("pue"), value("spares_share_per_year") * machine.usd * number
    yield f"  cooling   {between(drawn)} kW of heat day and night; {between(heat)} kW with what cooling draws"
    yield f"  spares    ${between(spares)} a year: disk, fan, power supply, memory"
    yield f"  N+1       one machine more, ${between(machine.usd)}, so that answers go on when one fails: in no sum"
    weeks = between(value("delivery_weeks"))
    yield f"  besides   delivery takes {weeks} weeks; a copy of models and texts elsewhere; who is called at night"


def _devices(told: Forecast, width: int, today: datetime.date) -> Iterator[str]:
    yield "DEVICES side by side; lmworks: yes, untried (torch should find it), no"
    rows = [["", "GB", "GB/s", "TFLOP/s", "W", "software", "USD/h", "lmworks"]]
    for name, device in told.facts.devices.items():
        price = told.facts.price(name, ALL_TERMS)
        old = any(p.is_old(today) for p in told.facts.prices if p.device == name)
        sizes = (device.memory_gigabytes, device.bandwidth_gigabytes_per_second, device.peak_teraflops, device.watts)
        figures = [f"{size:g}" if size else "-" for size in sizes]
        cost = f"{price.low:.3g}-{price.high:.3g}{MARK if old else ''}" if price else "no source"
        mark = MARK if device.is_old(today) else ""
        rows.append([name + mark, *figures, device.software, cost, RUNS_ON[device.lmworks]])
    yield from table(rows, width)
    old_facts = [name for name, fact in _facts(told.facts) if fact.is_old(today)]
    if old_facts:
        yield f"  {MARK} More than a year old: {', '.join(sorted(set(old_facts)))}; ask anew before you rely on them."
    yield f"Facts of {told.facts.date}; --prices FILE replaces them; --json gives sources and formulas."


def _facts(facts: Facts) -> Iterator[tuple[str, Fact]]:
    yield from ((f"price of {price.device}", price) for price in facts.prices)
    yield from ((f"purchase of {each.device}", each) for each in facts.purchases)
    yield from facts.devices.items()
    yield from (("the grid", fact) for fact in facts.grid.values())
    yield from facts.constants.items()


def _weighed(factors: Sequence[Factor]) -> str:
    totals: Counter[str] = Counter()
    for factor in factors:
        totals.update(factor.points)
    ranked = ", ".join(f"{name} {points:+d}" for name, points in totals.most_common())
    return f"  {ranked}: {'; '.join(factor.reason for factor in factors)}"


def table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Numbers to the right; the first column, and a last one named `layout`, to the left.

    Columns beyond the width follow in a table of their own, beside the first column once more.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fitting = max(2, sum(end <= width for end in accumulate(size + 2 for size in widths)))
    if fitting < len(widths):
        first, rest = [row[:fitting] for row in rows], [[row[0], *row[fitting:]] for row in rows]
        return table(first, width) + table(rest, width)
    left = {0, len(widths) - 1 if rows[0][-1] == "layout" else 0}
    return [
        "  " + "  ".join(f"{cell:{'<' if at in left else '>'}{widths[at]}}" for at, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def short(value: float) -> str:
    """Return a number with three digits: 6.7G, 12.5M, 430, 0.02."""
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}" if value >= 0.001 else "0" if not value else "<0.001"


def between(pair: Range | None) -> str:
    """From the low to the high end."""
    if pair is None or pair.low == math.inf:
        return "no source"
    low, high = map(short, pair)
    return low if low == high else f"{low}-{high}"
