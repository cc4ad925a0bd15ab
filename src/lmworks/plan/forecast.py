"""From needs to a verdict, and what it takes: size, memory, time, money, energy, storage, serving, twelve months on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import to_jsonable_python

from lmworks.errors import UsageError
from lmworks.plan import costs, count
from lmworks.plan.costs import HOURS_PER_MONTH, POWER, Year
from lmworks.plan.count import Architecture, PublishedShape
from lmworks.plan.decide import (
    CLOUD,
    HOSTED,
    LADDER,
    LEAST_EXAMPLES,
    MANAGED,
    OWN,
    architecture_for,
    decide,
    has_baseline,
    places_for,
)
from lmworks.plan.facts import ALL_TERMS, NOTHING, UNKNOWN, Facts, Price, Purchase, Range, Terms
from lmworks.recipe.schema import NeedsConfig

NONE, ADAPT, _, CONTINUE, SCRATCH = LADDER
BASELINE_DEVICE, BASELINE_CORES = "cpu-8", 4
"""Device, and its cores (half of its threads), on which a bag of words, a dictionary or a passage index answers."""


def _doing(verb: str, count: int, name: str) -> str:
    return f"{_number(count, name)} {verb}{'s' * (count == 1)}"


def _number(count: int, name: str) -> str:
    return f"{count} × {name}" if count > 1 else name


@dataclass(frozen=True)
class Run:
    """One training run."""

    shape: PublishedShape
    parameters: int
    tokens: float
    lora_rank: int  # 0 trains all weights
    flops: float  # 6 N D, or its form for adapters
    flops_with_attention: float

    @property
    def trained_parameters(self) -> int:
        """Number of trained parameters: of the adapter if there is one, else of the model."""
        return self.shape.config.adapter_parameters(self.lora_rank) if self.lora_rank else self.parameters


@dataclass(frozen=True)
class Option:
    """A training run on one kind of device."""

    device: str
    layout: str
    devices: int
    at_least: int  # devices that hold it
    bytes_per_device: Mapping[str, float]
    device_hours: Range
    days: Range
    usd: Range  # from the cheapest listed terms, spot included, to the dearest
    lost_hours: Range  # of the days, a run: to write checkpoints, and to repeat and restart after interruptions
    kwh: Range | None
    kg_co2: Range | None


class Forecast:
    """Forecast of `lmworks plan` for costs and machines beyond this one. Ranges are (low, high)."""

    def __init__(self, needs: NeedsConfig, counted_tokens: float, facts: Facts) -> None:
        """Weigh, count and cost. `counted_tokens` are those of the recipe's sources, which `needs.tokens` replaces.

        Raises `UsageError` for a region or a device that is not in the facts.
        """
        if needs.region not in facts.grid:
            known = ", ".join(facts.grid)
            raise UsageError(f"needs.region: no grid {needs.region!r}; known: {known}. Add yours with --prices FILE")
        self.asks_by_users = needs.requests_per_second == "auto"
        needs, facts = needs.model_copy(update={"requests_per_second": needs.requests}), facts.with_owned(needs.devices)
        self.facts, self.needs = facts, needs
        self.busy = facts.value(f"busy_{needs.load}").low
        self.runs_per_year = facts.value(f"runs_per_year_{needs.update}").low
        self.hours_a_run = min(needs.deadline_weeks * 168, 8760 / self.runs_per_year) / 4
        """Hours per run: a quarter of the deadline or update interval. The rest is for data, trials and evaluation."""
        self.tokens = float(counted_tokens if needs.tokens == "auto" else needs.tokens)
        self.clouds = facts.clouds_of(needs.contracts)
        self.contracts = facts.providers_of(needs.contracts)
        self.priced = tuple(name for name in self.contracts if any(price.is_of(name) for price in facts.prices))
        self.bound_to = needs.region if needs.residency == "region" else ""
        architectures = {step: cast(Architecture, architecture_for(needs, step)[0]) for step in LADDER}
        self.runs = {step: self._run(step, architecture) for step, architecture in architectures.items()}
        self.years = {step: dict(self._years(step, run)) for step, run in self.runs.items()}
        places = {step: self._place(step) for step in LADDER}
        cheapest = [min((year.total for year in self.years[step].values()), default=UNKNOWN) for step in (NONE, ADAPT)]
        usd = {step: self._usd(step, place) for step, place in places.items()}
        self.passages = Range(*(self.tokens / each for each in reversed(facts.value("tokens_per_passage"))))
        self.computers, self.baseline = self._baseline() if has_baseline(needs) else ((0, 0), cast(Year | None, None))
        least = self.baseline.total.low if self.baseline else 0.0
        self.verdict = decide(needs, self.tokens, usd, places, *cheapest, baseline=least)
        step = self.verdict.step
        plain = self.baseline and step == NONE
        self.year = self.baseline if plain else self.years[step].get(self.verdict.place)
        self.costed = step if step != NONE else ADAPT
        self.run = self.runs[self.costed]
        self.options = list(self._options(self.run, self.year.terms if self.year else ALL_TERMS))
        self.service = self.year.service if self.year else None
        self.answers = self.runs[step].shape
        self.machine, self.months = self._owning()
        buys = self.machine if self.verdict.place == OWN or not self.options else None
        if buys and buys.device not in {option.device for option in self.options}:  # nobody is known to rent it out
            self.options += self._option(self.run, buys.device, UNKNOWN)
        self.break_even_months = costs.break_even(self.months)
        self.training = self._training()
        self.groups_there = self._groups_there()
        each = self.needs.requests / self.service.load if self.service else 0.0
        self.requests_answered = self.groups_there * each
        """A second by what answers in the first month, of users who each hold a context where the model keeps one."""
        self.alone = self._alone()
        self.full_in_month = self._full()
        self._store()

    def _store(self) -> None:
        """Set the bytes that are kept, read and written, and the time between checkpoints."""
        run, facts, needs = self.run, self.facts, self.needs
        self.trained_parameters = run.trained_parameters
        texts = facts.value("bytes_per_token") + 4.0  # and a token's id
        kept = 14.0 * facts.value("checkpoints_kept").low * self.trained_parameters + 4.0 * run.parameters
        self.storage_gigabytes = (texts * max(self.tokens, run.tokens) + kept) * 1e-9
        models = 4.0 * run.parameters * self.runs_per_year / 12
        asked = needs.requests * self.busy * HOURS_PER_MONTH * 3600
        logs = asked * (needs.tokens_read + needs.tokens_written) * facts.value("bytes_per_token").high
        self.storage_gigabytes_a_month = {"models": models * 1e-9, "requests, if kept": logs * 1e-9}
        self.storage_usd_per_month = self.storage_gigabytes * facts.value("storage_usd_per_gigabyte_month")
        self.checkpoint_hours = self.lost_hours = self.read_megabytes_per_second = None
        if trained := self.training:
            hours, lot = trained.days * 24, trained.devices
            self.checkpoint_hours = costs.checkpoint_hours(self.trained_parameters, hours, lot, facts)[0]
            self.lost_hours = trained.lost_hours
            reads = (run.tokens * 4 / 3600 / hour / 1e6 for hour in reversed(hours))  # 4 bytes a token's id
            self.read_megabytes_per_second = Range(*reads)

    def _place(self, step: str) -> str:
        """Return the best place that may see the texts and is within the budget, or else the cheapest place."""
        allowed, factors = places_for(self.needs, step)
        reached = [place for place in allowed if self._usd(step, place).low <= self.needs.budget_usd]
        points = {place: sum(factor.points.get(place, 0) for factor in factors) for place in reached}
        return min(reached or allowed, key=lambda place: (-points.get(place, 0), self._usd(step, place).low))

    def _usd(self, step: str, place: str) -> Range:
        """Return the money that a step needs at a place. It is 0 if your own devices need only power."""
        if not (year := self.years[step].get(place)):
            return UNKNOWN
        return year.total if any(usd.high for part, usd in year.usd.items() if part != POWER) else NOTHING

    def _run(self, step: str, architecture: Architecture) -> Run:
        """Return the run of a step of the ladder. From scratch, the size follows from tokens and money.

        Half of the money is for the year's training runs: C = 6 N D operations with D = 20 N tokens.
        """
        needs, value = self.needs, self.facts.value
        wanted, most = value(f"base_parameters_{architecture}").low, math.inf
        if step == SCRATCH:
            priced = [(self.facts.price(name, ALL_TERMS), device) for name, device in self.facts.devices.items()]
            found = (
                p.low * costs.device_hours(1, device).low
                for p, device in priced
                if p and device.mfu and device.lmworks != "no"
            )
            usd = min(found, default=math.inf)
            flops = needs.budget_usd / 2 / (1 + value("cloud_extra_share").low) / self.runs_per_year / usd
            wanted = max(value("smallest_parameters").low, min(self.tokens / 20, math.sqrt(flops / 120)))
        shape = count.shape_for(architecture, wanted if needs.parameters == "auto" else needs.parameters)
        if step == SCRATCH:
            most = max(1e8, min(20.0 * shape.parameters, flops / 6 / shape.parameters))
        tokens = min(max(self.tokens, 1e5), 1e7)
        if needs.labelled_examples >= LEAST_EXAMPLES:
            tokens = float(needs.labelled_examples * (needs.tokens_read + needs.tokens_written))
        tokens *= value("tuning_epochs").low
        if step in (CONTINUE, SCRATCH):
            tokens = min(max(self.tokens, 1e8), most)
        is_adapter = step == ADAPT and architecture == "decoder"  # the others take none: their weights are few
        rank = int(value("lora_rank").low) if is_adapter else 0
        with_attention = shape.training_flops(tokens, needs.context_tokens, rank)
        return Run(shape, shape.parameters, tokens, rank, shape.training_flops(tokens, 0, rank), with_attention)

    def _terms(self, place: str) -> Iterator[list[Terms]]:
        """Yield groups of terms for a place, the best first: for the region of the data, then for contracts.

        All terms name one provider, because machines that train and answer are rented from the same provider.
        """
        managed = place == MANAGED
        fit = [tuple(self.clouds or self.facts.clouds)] if managed else [self.priced, tuple(self.facts.providers)]
        for region in dict.fromkeys((self.bound_to, "")):
            yield from ([Terms((name,), region, not managed) for name in names] for names in fit)

    def _options(self, run: Run, terms: Terms) -> Iterator[Option]:
        """Yield an option for every device that can train the run, that lmworks supports and that has a price."""
        for name in self.facts.devices:
            if price := self.facts.price(name, terms):
                yield from self._option(run, name, price)

    def _option(self, run: Run, name: str, price: Range) -> Iterator[Option]:
        """Yield the training on a device within the deadline. Yield nothing if it does not fit or cannot run there."""
        device, context = self.facts.devices[name], self.needs.context_tokens
        memory = (device.memory_gigabytes or 0) * 1e9
        if device.mfu is None or device.lmworks == "no":
            return
        if run.lora_rank:
            found = count.adapted(run.shape, memory, context, run.lora_rank)
        else:
            found = count.spread(run.shape, memory, context, device.devices_per_node)
        if not found:
            return
        layout, devices, parts = found
        most = math.inf if device.joins_machines else device.devices_per_node
        if run.lora_rank or device.kind == "processor":  # one process trains an adapter; processors are not joined
            most = 1
        work = costs.device_hours(run.flops_with_attention, device)
        total, hours, lost = devices, work, NOTHING
        while total <= most:
            lost = costs.checkpoint_hours(run.trained_parameters, work * (1 / total), total, self.facts)[1]
            hours = work + lost * total
            if hours.high <= self.hours_a_run * total:
                break
            more = math.ceil(hours.high / self.hours_a_run / devices) * devices
            if more > 2 * total + 64 * devices and lost.high * total > work.high:
                return  # what is added is lost to interruptions
            total = max(total + devices, more)
        if total > most:
            return
        drawn = hours * (self.facts.value("host_watts_share") + 1.0)  # by the device and its host
        kwh = costs.energy_kwh(drawn, device.watts, self.facts.value("pue")) if device.watts else None
        co2 = kwh * self.facts.grid[self.needs.region].high if kwh else None
        text = f"{layout}{f'; × {total // devices}' if total > devices else ''}"
        days = hours * (1 / 24 / total)
        yield Option(name, text, total, devices, parts, hours, days, price * hours, lost, kwh, co2)

    def _years(self, step: str, run: Run) -> Iterator[tuple[str, Year]]:
        """Twelve months of a step, by each place that may see the texts and has what it takes at a known price."""
        for place in places_for(self.needs, step)[0]:
            year = (
                self._hosted()
                if place == HOSTED
                else self._owned(step, run)
                if place == OWN
                else self._rented(step, run, place)
            )
            if year:
                yield place, year

    def _hosted(self) -> Year:
        """A hosted model, by the token."""
        needs, value = self.needs, self.facts.value
        requests = costs.requests_a_year(needs, self.facts)
        read = value("prompt_usd_per_million_tokens") * (needs.tokens_read / 1e6 * requests)
        written = value("answer_usd_per_million_tokens") * (needs.tokens_written / 1e6 * requests)
        is_theirs = self.facts.is_replaced("prompt_usd_per_million_tokens", "answer_usd_per_million_tokens")
        asked = "" if is_theirs else self._asked(self.contracts, self.bound_to)
        source = self.facts.constants["prompt_usd_per_million_tokens"].source
        note = asked and f"hosted prices are listed without provider and region, none{asked}: the sum is of {source}"
        usd = {"tokens read": read, "tokens written": written}
        models = "hosted models at your prices" if is_theirs else "small to middle hosted models"
        return Year(HOSTED, usd, models, note=note)

    def _rented(self, step: str, run: Run, place: str) -> Year | None:
        """Machines by the hour, of the cheapest of the fittest providers with a price for all that it takes."""
        for fit in self._terms(place):
            years = [year for terms in fit if (year := self._rented_of(step, run, place, terms))]
            if years:
                return costs.cheapest([*years, *(year.surer for year in years if year.surer)])
        return None

    def _asked(self, contracts: Sequence[str], region: str) -> str:
        """Words for providers under contract and for where data may lie; none for neither."""
        of = f" of {' or '.join(contracts)}" if contracts else ""
        return of + (f" in region {region}" if region else "")

    def _note(self, used: Sequence[Price]) -> str:
        """Whose prices a sum is of, where some contract or the place where data may lie has none; else nothing."""
        known = self.priced if any(price.is_of(*self.priced) for price in used) else ()
        missing = [name for name in self.contracts if name not in known]
        region = "" if all(price.region == self.bound_to for price in used) else self.bound_to
        asked, taken = self._asked(missing, region), "; ".join(sorted({price.provider for price in used}))
        return asked and f"no price{asked} is known that would do: the sum is of {taken}; --prices FILE adds yours"

    def _rented_of(self, step: str, run: Run, place: str, terms: Terms) -> Year | None:
        services: list[costs.Serving] = []
        for name in self.facts.devices:
            if price := self.facts.price(name, terms._replace(spot=False)):
                services += costs.servings(run.shape, name, self.needs, self.facts, price)
        options = list(self._options(run, terms)) if step != NONE else []
        if not services or (step != NONE and not options):
            return None

        def on(end: int) -> Year:
            service = min(services, key=lambda each: self._rents(NOTHING, each, place)[end])
            return self._rented_on(service, min(options, key=lambda each: each.usd[end], default=None), place, terms)

        return costs.cheapest([on(0), on(1)])

    def _rented_on(self, service: costs.Serving, trained: Option | None, place: str, terms: Terms) -> Year:
        training = trained.usd * self.runs_per_year if trained else NOTHING
        usd = costs.rented(training, service, self.needs, self.facts, 12, place == MANAGED)
        machines = f"{_doing('answer', service.groups * service.devices, service.device)}"
        if trained:
            machines = f"{_doing('train', trained.devices, trained.device)}, {machines}"
        used = self.facts.listed(service.device, terms._replace(spot=False))
        used += self.facts.listed(trained.device, terms) if trained else []
        return Year(place, usd, machines, service, terms, self._note(used))

    def _rents(self, training: Range, service: costs.Serving, place: str, months: int = 12) -> Range:
        usd = costs.rented(training, service, self.needs, self.facts, months, place == MANAGED)
        return sum(usd.values(), NOTHING)

    def _owned(self, step: str, run: Run) -> Year | None:
        """Return the cost of the cheapest machines to buy for training and answering."""
        return costs.cheapest([year for year, _ in self._bought(step, run)])

    def _bought(self, step: str, run: Run) -> Iterator[tuple[Year, tuple[Purchase, float, int]]]:
        """A year of each kind of machine, and what its months follow from: (kind, training hours, machines)."""
        for machine in self.facts.purchases:
            trained = next(self._option(run, machine.device, NOTHING), None) if step != NONE else None
            device = self.facts.devices[machine.device]
            single = machine.devices < device.devices_per_node or not device.joins_machines
            if (step != NONE and not trained) or (trained and single and trained.devices > machine.devices):
                continue
            least = math.ceil((trained.devices if trained else 1) / machine.devices)
            trains = trained.device_hours.high * self.runs_per_year / 12 if trained else 0.0
            for service in costs.servings(run.shape, machine.device, self.needs, self.facts, NOTHING, machine.devices):
                spent = costs.months(service, trains, self.needs, machine, self.facts, least)
                number = spent[-1].machines
                machines = f"{number} machine{'s' * (number > 1)} of {_number(machine.devices, machine.device)}"
                year = Year(OWN, spent[-1].own, machines, service)
                if year.total.low < math.inf:  # of owned devices nobody may know what more of them cost
                    yield year, (machine, trains, least)

    def _owning(self) -> tuple[Purchase | None, list[costs.Month]]:
        """The machine that owning would cost least with, and its 36 months beside what renting costs.

        Of what the verdict says where it takes machines, else of what is trained; beside the rented machines of the
        verdict, else of its step.
        """
        place = self.verdict.place if self.verdict.place == MANAGED else CLOUD
        self.compared = self.verdict.step if self.service else self.costed
        run = self.runs[self.compared]
        self.rented = self.years[self.compared].get(place) or self._rented(self.compared, run, place)
        bought = min(self._bought(self.compared, run), key=lambda each: each[0].total.low, default=None)
        if bought is None:
            return None, []
        year, (machine, trains, least) = bought
        cloud: list[Range | None] = [None] * 36
        if self.rented and self.rented.service:
            spent = self.rented.usd.get("training", NOTHING), self.rented.service, place
            cloud = [self._rents(*spent, months) for months in range(1, 37)]
        service = cast(costs.Serving, year.service)
        return machine, costs.months(service, trains, self.needs, machine, self.facts, least, cloud)

    @property
    def is_delivered_first(self) -> bool:
        """Whether machines must be bought that may come after the deadline."""
        if self.verdict.place != OWN or not self.machine or self.year is self.baseline:
            return False
        return (
            self.months[0].machines > self.machine.owned
            and self.needs.deadline_weeks < self.facts.value("delivery_weeks").high
        )

    def _baseline(self) -> tuple[tuple[int, int], Year]:
        """Return how many computers answer without a language model at the end of the year, and their cost.

        A single computer may exist already or is bought. For more use, all costs of own machines count.
        """
        needs, facts = self.needs, self.facts
        each = facts.value("baseline_seconds_per_million_tokens") * (needs.tokens_read / 1e6)
        if needs.task == "search":
            each = facts.value("search_seconds_per_million_passages") * self.passages * 1e-6
        busy = each * (needs.requests / BASELINE_CORES)
        low, high = ([max(1, math.ceil(load * costs.grown(needs, m))) for m in range(1, 13)] for load in busy)
        machine = next((each for each in facts.purchases if each.device == BASELINE_DEVICE), None)
        least, most = low[-1], high[-1]
        usd = {"a computer": Range(0.0, machine.usd.high if machine else 0.0)}
        if machine and needs.devices:  # one is there, and may be on anyway
            there = [*costs.owned(machine.model_copy(update={"owned": 1}), [1] * 12, facts)][-1]
            usd = {part: Range(0.0, spent.high) for part, spent in there.items() if spent.high}
        if most == 1:
            return (least, most), Year(OWN, usd, f"{BASELINE_DEVICE}, or any computer that is there")
        if machine:
            one = machine.model_copy(update={"owned": max(1, machine.owned)})
            few, many = ([*costs.owned(*each, facts)][-1] for each in ((one, low), (machine, high)))
            usd = {part: Range(few[part].low if least > 1 else 0.0, many[part].high) for part in many}
        number = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        return (least, most), Year(OWN, usd, f"{number} × {BASELINE_DEVICE}, or as many computers that are there")

    def _training(self) -> Option | None:
        """Return the training that is part of the verdict's cost."""
        names = (
            {self.machine.device} if self.machine and self.verdict.place == OWN else {o.device for o in self.options}
        )
        options = (option for option in self.options if option.device in names)
        return min(options, key=lambda option: option.usd.low, default=None)

    def _alone(self) -> costs.Serving | None:
        """Return the capacity of one answering device with `lmworks serve` alone. None if it cannot hold the model."""
        if not self.service:
            return None
        return costs.serving_alone(self.answers, self.service.device, self.needs, self.facts, NOTHING)

    def _groups_there(self) -> int:
        """Return the groups that can answer in the first month: all on bought machines, or else the needed ones."""
        if not (service := self.service):
            return 0
        if self.verdict.place != OWN or not self.machine:
            return service.groups
        return self.months[0].machines * (self.machine.devices // service.devices)

    def _full(self) -> int | None:
        """Return the month in which the first month's machines are full. None if they suffice for the forecast."""
        if not (service := self.service):
            return None
        if self.verdict.place == OWN and self.months:
            first = self.months[0].machines
            return next((month.month for month in self.months if month.machines > first), None)
        loads = (service.load * costs.grown(self.needs, month) for month in range(1, 14))
        return next((month for month, load in enumerate(loads, 1) if load > service.groups), None)

    def as_json(self) -> dict[str, Any]:
        """Return the whole forecast as JSON values, with every fact and formula."""
        return dict(to_jsonable_python(vars(self), inf_nan_mode="null"))
