"""Time, money, energy, storage and serving capacity that follow from counted operations and dated facts. All ranges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lmworks.plan.count import PublishedShape
from lmworks.plan.facts import ALL_TERMS, NOTHING, Device, Facts, Purchase, Range, Terms
from lmworks.recipe.schema import NeedsConfig

HOURS_PER_MONTH = 730


def device_hours(flops: float, device: Device) -> Range:
    """Return the hours of one device for these operations. With more devices, only a lower MFU changes their sum."""
    if device.mfu is None or device.peak_teraflops is None:
        raise ValueError(f"{device.name} trains nothing, because its facts state no peak or no MFU")
    low, high = device.mfu
    per_hour = device.peak_teraflops * 1e12 * 3600
    return Range(flops / (per_hour * high), flops / (per_hour * low))


def energy_kwh(hours: Range, watts: float, pue: Range) -> Range:
    """Return the energy of a device and, by the power usage effectiveness (`pue`), of the building around it."""
    return hours * (watts / 1000) * pue


def stall(gigabytes: float, devices: int, megabytes_per_second: float, facts: Facts) -> tuple[float, float]:
    """Return the seconds to write a checkpoint, and their share of the time at Young's and Daly's interval."""
    seconds = gigabytes * 1e3 / megabytes_per_second
    between = facts.value("interruption_device_hours").low / devices * 3600
    return seconds, seconds / math.sqrt(2 * seconds * between)


def checkpoint_hours(parameters: float, hours: Range, devices: int, facts: Facts) -> tuple[Range, Range]:
    """Return the hours between checkpoints, and the expected hours lost to writing, repeating and restarting.

    The interval is Young's and Daly's. A checkpoint has 14 bytes per parameter: weights, master weights, two moments.
    """
    rates, restarts = facts.value("write_gigabytes_per_second"), facts.value("restart_hours")
    between = facts.value("interruption_device_hours").low / devices
    writes = [14 * parameters / 1e9 / rate / 3600 for rate in reversed(rates)]
    every = [math.sqrt(2 * write * between) for write in writes]
    lost = [
        run * (write / interval + (interval / 2 + restart) / between)
        for run, write, interval, restart in zip(hours, writes, every, restarts, strict=True)
    ]
    return Range(*every), Range(*lost)


@dataclass(frozen=True)
class Serving:
    """Serving capacity of groups of equal devices. Rates are per group, which reads and writes in turn."""

    device: str
    devices: int  # in a group, which holds 16-bit weights and one context or more
    users: int  # at once, each with the longest context: bound by memory for caches, and by rows; an encoder keeps none
    requests_per_second: float  # at the slow end, of a group
    read_tokens_per_second: Range
    written_tokens_per_second: Range  # all users together
    stream_tokens_per_second: Range  # one user alone
    load: float  # groups' worth in the busiest hour, at the slow end
    groups: int  # that this needs
    usd_per_hour: Range  # of all groups, without spot
    usd_per_million_tokens: Range | None  # written in twelve months, of all that answering costs; None of an encoder


def servings(
    shape: PublishedShape, name: str, needs: NeedsConfig, facts: Facts, price: Range, most: int = 8
) -> Iterator[Serving]:
    """Capacity and price of groups of 1, 2, 4 or 8 of a device, of as many as share a machine, the smallest first.

    A larger group has more memory left for caches: it can be cheaper than several that hold one context each. None
    where weights and a context do not fit or are written too slowly, lmworks does not run or the facts lack a figure.
    """
    most = min(most, facts.devices[name].devices_per_node)
    for count in (1, 2, 4, 8):
        if count <= most and (group := _group(shape, name, needs, facts, price, count)):
            yield group


def serving_alone(shape: PublishedShape, name: str, needs: NeedsConfig, facts: Facts, price: Range) -> Serving | None:
    """Return the capacity of `lmworks serve` by itself. It decodes `LMWORKS_ROWS` requests at once on one device."""
    return _group(shape, name, needs, facts, price, 1, LMWORKS_ROWS)


ROWS, LMWORKS_ROWS = 256, 16
"""Requests that are decoded at once by a server such as vLLM, which the exported model runs in; by `lmworks serve`."""


def _group(
    shape: PublishedShape, name: str, needs: NeedsConfig, facts: Facts, price: Range, count: int, rows: int = ROWS
) -> Serving | None:
    device = facts.devices[name]
    memory, bandwidth, peak = device.memory_gigabytes, device.bandwidth_gigabytes_per_second, device.peak_teraflops
    if memory is None or bandwidth is None or peak is None or device.lmworks == "no":
        return None
    weights, row = 2.0 * shape.parameters, max(1, shape.cache_bytes_per_token * needs.context_tokens)
    users = min(rows, int((0.9 * memory * 1e9 * count - weights - 2**30 * count) // row))
    if users < 1:
        return None
    efficiency = facts.value("serving_efficiency")
    reads = peak * 1e12 * count / (2 * shape.parameters)
    bound = {n: n * bandwidth * 1e9 * count / (weights + n * row / 2) for n in (1, users)}  # half full
    writes, alone = efficiency * min(bound[users], reads), efficiency * min(bound[1], reads)
    answer = 0 if shape.architecture == "encoder" else needs.tokens_written
    if answer and alone.low < facts.value("slowest_stream_tokens_per_second").low:
        return None
    seconds = needs.tokens_read / (efficiency.low * reads) + answer / writes.low
    held = needs.users / users if shape.cache_bytes_per_token else 0.0
    load = max(needs.requests * seconds, held)
    groups = math.ceil(load)
    hourly = price * count * groups
    millions = requests_a_year(needs, facts) * answer / 1e6
    usd = hourly * (_busy_hours(load, needs, 12) / groups / millions) if millions else None
    return Serving(name, count, users, 1 / seconds, efficiency * reads, writes, alone, load, groups, hourly, usd)


def _busy_hours(load: float, needs: NeedsConfig, months: int) -> int:
    """Return the hours, day and night, of the groups that the load of each month needs, summed over the months."""
    return HOURS_PER_MONTH * sum(math.ceil(load * grown(needs, month)) for month in range(1, months + 1))


def requests_a_year(needs: NeedsConfig, facts: Facts) -> float:
    """Return the number of requests in the first twelve months."""
    growth = sum(grown(needs, month) for month in range(1, 13))
    return needs.requests * facts.value(f"busy_{needs.load}").low * HOURS_PER_MONTH * 3600 * growth


def rented(
    training: Range, service: Serving, needs: NeedsConfig, facts: Facts, months: int, is_managed: bool
) -> dict[str, Range]:
    """Return the US dollars for the first `months` on rented machines. `training` is the cost of a year's runs."""
    usd = {"training": training * (months / 12)} if training.high else {}
    usd["serving"] = service.usd_per_hour * (_busy_hours(service.load, needs, months) / service.groups)
    if is_managed:
        usd["managed share"] = sum(usd.values(), NOTHING) * facts.value("managed_share")
    usd["egress, disks"] = sum(usd.values(), NOTHING) * facts.value("cloud_extra_share")
    return usd


def grown(needs: NeedsConfig, month: int) -> float:
    """Return the use in a month as a multiple of the first month's. It grows for twelve months."""
    return float((1 + needs.growth_per_month) ** min(month - 1, 12))


@dataclass(frozen=True)
class Year:
    """Cost of twelve months of a step at a place, by part."""

    place: str
    usd: Mapping[str, Range]
    machines: str = ""
    """Machines for training and for answering, in words."""
    service: Serving | None = None
    terms: Terms = ALL_TERMS
    """Terms that say whose prices were used."""
    note: str = ""
    """Note on contracts or a region without known prices."""
    surer: Year | None = None
    """Cost on the machines with the lowest upper end, if other machines have the lowest lower end and were chosen."""

    @property
    def total(self) -> Range:
        return sum(self.usd.values(), NOTHING)


def cheapest(years: Sequence[Year]) -> Year | None:
    """Return the cost with the lowest lower end, and in `surer` the cost with the lowest upper end if it differs."""
    if not years:
        return None
    least, surer = (min(years, key=lambda year: year.total[end]) for end in (0, 1))
    return replace(least, surer=surer) if surer.total.high < least.total.high else least


@dataclass(frozen=True)
class Month:
    """Month of use, with the money spent by its end in the cloud or on own machines."""

    month: int
    machines: int
    cloud_usd: Range | None  # None where no price of what it takes is known
    own: Mapping[str, Range]
    """Cost of own machines by part: purchase, spares, space, power. No sum includes staff."""

    @property
    def own_usd(self) -> Range:
        return sum(self.own.values(), NOTHING)


def months(
    service: Serving,
    training_hours: float,
    needs: NeedsConfig,
    machine: Purchase,
    facts: Facts,
    least: int = 1,
    cloud: Sequence[Range | None] = (None,) * 12,
) -> list[Month]:
    """Costs month by month, growing for twelve of them, then level. Machines are bought when the load needs another.

    `training_hours` are device hours a month; `least` are the machines that a training needs at once; `cloud` is what
    renting has cost by the end of each month.
    """
    numbers, size = list[int](), machine.devices
    for month in range(1, len(cloud) + 1):
        load = service.load * grown(needs, month)
        busy = load * service.devices * HOURS_PER_MONTH + training_hours
        housed = math.ceil(math.ceil(load) / (size // service.devices))  # a group shares a machine
        numbers.append(max(least, housed, math.ceil(busy / size / HOURS_PER_MONTH)))
    spent = zip(numbers, cloud, owned(machine, numbers, facts), strict=True)
    return [Month(month, *each) for month, each in enumerate(spent, 1)]


def owned(machine: Purchase, numbers: Sequence[int], facts: Facts) -> Iterator[dict[str, Range]]:
    """Dollars by part, spent by the end of each month in which so many machines are there; none is sold.

    Those that are owned already cost their power alone: somebody pays for their place without this use as well.
    """
    watts = (facts.value("host_watts_share") + 1.0) * ((facts.devices[machine.device].watts or 0) * machine.devices)
    space = watts * facts.value("space_usd_per_kw_month") * 1e-3
    power = watts * facts.value("pue") * facts.value("usd_per_kwh") * (HOURS_PER_MONTH * 1e-3)
    spares = facts.value("spares_share_per_year") * (1 / 12)
    there, own = 0, dict.fromkeys(OWNING, NOTHING)
    for number in numbers:
        new, bought = number - min(number, machine.owned), number - max(there, min(number, machine.owned))
        paid, kept = (machine.usd * bought if bought else NOTHING), (spares * machine.usd * new if new else NOTHING)
        spent = (paid, kept, space * new, power * number)
        own = {part: own[part] + more for part, more in zip(OWNING, spent, strict=True)}
        there = number
        yield own


POWER = "power and cooling"
OWNING = ("purchase", "spares", "space", POWER)


def break_even(costs: Sequence[Month]) -> tuple[int | None, int | None]:
    """Return the months from which owning stays cheaper: low own with high cloud cost, and the reverse. None: never."""
    known = [(each.month, each.own_usd, each.cloud_usd) for each in costs if each.cloud_usd]
    best = max((month for month, own, cloud in known if own.low >= cloud.high), default=0) + 1
    worst = max((month for month, own, cloud in known if own.high >= cloud.low), default=0) + 1
    return best if best <= len(known) else None, worst if worst <= len(known) else None
