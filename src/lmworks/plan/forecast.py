"""From needs to a verdict, and what it takes: size, memory, time, money, energy, storage, serving, twelve months on."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

from pydantic_core import to_jsonable_python

from lmworks.errors import UsageError
from lmworks.plan import costs, count
from lmworks.plan.costs import HOURS_PER_MONTH, Serving
from lmworks.plan.count import Architecture, PublishedShape
from lmworks.plan.decide import LADDER, Factor, decide
from lmworks.plan.facts import Facts, Range
from lmworks.recipe.schema import NeedsConfig

NONE, ADAPT, _, CONTINUE, SCRATCH = LADDER
NATURAL = {"translate": "encoder-decoder", "classify": "encoder", "extract": "encoder", "search": "encoder"}
"""What a task is usually tuned on; the others on a decoder."""
OWN_DEVICE = "h100"
"""The one whose purchase price has a source."""


@dataclass(frozen=True)
class Run:
    """One training run."""

    shape: PublishedShape
    parameters: int
    tokens: float
    lora_rank: int  # 0 trains all weights
    flops: float  # 6 N D, or its form for adapters
    flops_with_attention: float


@dataclass(frozen=True)
class Option:
    """A training run on one kind of device."""

    device: str
    layout: str
    devices: int
    bytes_per_device: Mapping[str, float]
    device_hours: Range
    days: Range
    usd: Range  # from the cheapest listed terms, spot included, to the dearest
    kwh: Range | None
    kg_co2: Range | None


class Forecast:
    """All that `lmworks plan` says beyond this machine. Ranges are (low, high)."""

    def __init__(self, needs: NeedsConfig, counted_tokens: float, facts: Facts) -> None:
        """Weigh, count and cost. `counted_tokens` are those of the recipe's sources, which `needs.tokens` replaces.

        Raises `UsageError` for a region whose grid is not in the facts.
        """
        if needs.region not in facts.grid:
            known = ", ".join(facts.grid)
            raise UsageError(f"needs.region: no grid {needs.region!r}; known: {known}; --prices FILE adds yours")
        self.facts, self.needs = facts, needs
        self.busy = facts.value(f"busy_{needs.load}").low
        self.runs_per_year = facts.value(f"runs_per_year_{needs.update}").low
        self.tokens = float(counted_tokens if needs.tokens == "auto" else needs.tokens)
        usual = cast(Architecture, NATURAL.get(needs.task, "decoder"))
        self.usd_by_step = {step: self._year(step, usual) for step in LADDER}
        self.verdict = decide(needs, self.tokens, self.usd_by_step)
        self.costed = self.verdict.step if self.verdict.step != NONE else ADAPT
        chosen = cast(Architecture, self.verdict.architecture)
        self.run = self._run(self.costed, chosen if self.verdict.step != NONE else usual)
        self.options = self._options(self.run)
        self.service = self._service(self.run.shape, facts.devices)
        own, price = self._service(self.run.shape, (OWN_DEVICE,)), facts.price(OWN_DEVICE, spot=False)
        trained = costs.device_hours(self.run.flops_with_attention, facts.devices[OWN_DEVICE]).high
        monthly = trained * self.runs_per_year / 12 + (own.devices * own.groups * HOURS_PER_MONTH if own else 0)
        device, growth = facts.devices[OWN_DEVICE], needs.growth_per_month
        self.months = costs.months(monthly, growth, 36, price, device, facts) if price else []
        self.break_even_months = costs.break_even(self.months)
        texts = facts.value("bytes_per_token") + 4.0  # and a token's id
        weights = (14.0 * facts.value("checkpoints_kept").low + 2.0 * self.runs_per_year) * self.run.parameters
        self.storage_gigabytes = (texts * max(self.tokens, self.run.tokens) + weights) * 1e-9
        self.storage_usd_per_month = self.storage_gigabytes * facts.value("storage_usd_per_gigabyte_month")
        self.checkpoint_hours = self.lost_hours = self.read_megabytes_per_second = None
        if cheapest := min(self.options, key=lambda option: option.usd.low, default=None):
            hours, lot = cheapest.days * 24, cheapest.devices
            self.checkpoint_hours, self.lost_hours = costs.checkpoint_hours(self.run.parameters, hours, lot, facts)
            reads = (self.run.tokens * 4 / 3600 / hour / 1e6 for hour in reversed(hours))  # 4 bytes a token's id
            self.read_megabytes_per_second = Range(*reads)

    def _run(self, step: str, architecture: Architecture) -> Run:
        """What a step of the ladder trains. From scratch the size follows from tokens and money by the scaling law.

        Half of the money may train, spread over the year's runs: C = 6 N D operations with D = 20 N tokens.
        """
        needs, value = self.needs, self.facts.value
        wanted, most = value(f"base_parameters_{architecture}").low, math.inf
        if step == SCRATCH:
            priced = [(self.facts.price(name, spot=True), device) for name, device in self.facts.devices.items()]
            found = (p.low * costs.device_hours(1, device).low for p, device in priced if p and device.mfu)
            usd = min(found, default=math.inf)
            flops = needs.budget_usd / 2 / (1 + value("cloud_extra_share").low) / self.runs_per_year / usd
            wanted = max(value("smallest_parameters").low, min(self.tokens / 20, math.sqrt(flops / 120)))
        shape = count.shape_for(architecture, wanted if needs.parameters == "auto" else needs.parameters)
        if step == SCRATCH:
            most = max(1e8, min(20.0 * shape.parameters, flops / 6 / shape.parameters))
        examples = value("tuning_epochs").low * needs.labelled_examples * (needs.prompt_tokens + needs.answer_tokens)
        tokens = examples or value("tuning_epochs").low * min(max(self.tokens, 1e5), 1e7)
        if step in (CONTINUE, SCRATCH):
            tokens = min(max(self.tokens, 1e8), most)
        rank = int(value("lora_rank").low) if step == ADAPT else 0
        with_attention = shape.training_flops(tokens, needs.context_tokens, rank)
        return Run(shape, shape.parameters, tokens, rank, shape.training_flops(tokens, 0, rank), with_attention)

    def _options(self, run: Run) -> list[Option]:
        """Every device that can train it and has a price; as many as finish in a quarter of the deadline."""
        found, context = [], self.needs.context_tokens
        for name, device in self.facts.devices.items():
            price, memory = self.facts.price(name, spot=True), (device.memory_gigabytes or 0) * 1e9
            layout = count.smallest_layout(run.shape, memory, context, run.lora_rank, device.devices_per_node)
            if not price or not layout or device.mfu is None:
                continue
            hours = costs.device_hours(run.flops_with_attention, device)
            copies = math.ceil(hours.high / (self.needs.deadline_weeks * 168 / 4) / layout.devices)
            parts = count.training_bytes(run.shape, layout, 1, context, run.lora_rank)
            kwh = costs.energy_kwh(hours, device.watts, self.facts.value("pue")) if device.watts else None
            co2 = kwh * self.facts.grid[self.needs.region].high if kwh else None
            text, devices = f"{layout}{f'; × {copies}' if copies > 1 else ''}", layout.devices * copies
            found.append(Option(name, text, devices, parts, hours, hours * (1 / 24 / devices), price * hours, kwh, co2))
        return found

    def _service(self, shape: PublishedShape, names: Iterable[str]) -> Serving | None:
        """Of these the devices that serve the busiest hour for least."""
        found = (costs.serving(shape, name, self.needs, self.facts) for name in names)
        return min((each for each in found if each), key=lambda each: each.usd_per_hour.low, default=None)

    def _year(self, step: str, architecture: Architecture) -> Range:
        """Twelve months of a step in dollars: training as often as knowledge changes, and use that grows."""
        needs, facts = self.needs, self.facts
        growth = sum((1 + needs.growth_per_month) ** month for month in range(12))
        if step == NONE and needs.residency != "on-premise" and needs.privacy != "secret":
            requests = needs.requests_per_second * self.busy * HOURS_PER_MONTH * 3600 * growth
            read = facts.value("prompt_usd_per_million_tokens") * (needs.prompt_tokens / 1e6)
            return (read + facts.value("answer_usd_per_million_tokens") * (needs.answer_tokens / 1e6)) * requests
        run = self._run(step, architecture)
        service = self._service(run.shape, facts.devices)
        if service is None:
            return Range(math.inf, math.inf)
        total = service.usd_per_hour * (HOURS_PER_MONTH * growth)
        if step != NONE:
            cheapest = min((option.usd for option in self._options(run)), default=Range(math.inf, math.inf))
            total = total + cheapest * self.runs_per_year
        return total * (facts.value("cloud_extra_share") + 1.0)

    def as_json(self) -> dict[str, Any]:
        """All of it, with every fact and formula, for programs."""
        return dict(to_jsonable_python(vars(self), inf_nan_mode="null"))

    def as_text(self, width: int) -> str:
        """The forecast for a terminal of so many columns."""
        verdict, run = self.verdict, self.run
        lines = [f"VERDICT  {verdict.step}; {verdict.architecture}; {verdict.place}", f"  {verdict.how}"]
        for factor in verdict.factors:
            lines.append(f"  {factor.points['training']:+2d} {factor.name}: {factor.found} ({factor.reason})")
        lines.append(f"  {verdict.points:+2d} in all: {verdict.wanted}, within these limits:")
        lines += [f"   ≤ {factor.name}: {factor.found} ({factor.reason})" for factor in verdict.limits]
        lines += [_weighed(verdict.architecture_factors), _weighed(verdict.place_factors)]
        lines.append("COST of each step, twelve months of use and updates, USD")
        lines += _table([[name, _between(usd)] for name, usd in self.usd_by_step.items()], width)
        compared = "" if self.costed == verdict.step else " (for comparison only)"
        lines.append(
            f"TRAINING  {self.costed}{compared}: {run.shape.name}, {_short(run.parameters)} parameters, "
            f"{_short(run.tokens)} tokens a run; {run.flops:.3g} operations by {4 if run.lora_rank else 6} N D, "
            f"{run.flops_with_attention:.3g} with attention (PaLM). GB a device by the counts of ZeRO and Korthikanti:"
        )
        rows = [["", "n", "weights", "grad.", "optim.", "activ.", "logits", "layout"]]
        for option in self.options:
            sizes = [f"{size / 1e9:.3g}" for size in option.bytes_per_device.values()]
            rows.append([option.device, str(option.devices), *sizes, option.layout])
        lines += _table(rows, width)
        lines.append(f"  The rule of 16 GB a billion parameters, model states only: {run.parameters * 16e-9:.3g} GB")
        rows = [["", "device hours", "days", "USD a run", "kWh", "kg CO2"]]
        for o in self.options:
            rows.append([o.device, *map(_between, (o.device_hours, o.days, o.usd, o.kwh, o.kg_co2))])
        lines += _table(rows, width)
        lines.append("  Low ends: MFU 0.55 (fp8 0.65), cheapest terms, spot too; high ends: MFU 0.30 (0.45), dearest.")
        lines.append(
            f"  Write {run.parameters * 14e-9:.3g} GB of checkpoint every {_between(self.checkpoint_hours)} h (Young, "
            f"Daly); interruptions cost {_between(self.lost_hours)} h. Read {_between(self.read_megabytes_per_second)} "
            f"MB/s, keep {_between(self.storage_gigabytes)} GB for ${_between(self.storage_usd_per_month)} a month."
        )
        if each := self.service:
            rates = each.written_tokens_per_second, each.stream_tokens_per_second, each.usd_per_million_tokens
            writes, alone, usd = map(_between, rates)
            lines.append(
                f"SERVING  {each.groups} × {each.devices} {each.device}, {run.parameters * 2e-9:.3g} GB of weights, "
                f"{run.shape.cache_bytes_per_token / 1e3:.3g} kB of cache a token: each group {each.users} users, "
                f"{writes} tokens/s, {alone} for one alone. ${usd} a million tokens at {self.busy:.0%} load"
            )
        if self.months:
            lines.append(f"OWN OR RENT  {OWN_DEVICE} nodes of 8; USD spent by the end of the month")
            rows = [["month", "device hours", "nodes", "cloud", "own"]]
            for m in (m for m in self.months if m.month in (1, 6, 12, 24, 36)):
                spent = [_between(m.cloud_usd), _between(m.own_usd)]
                rows.append([str(m.month), _short(m.device_hours), str(m.nodes), *spent])
            lines += _table(rows, width)
            best, worst = (f"month {month}" if month else "never in 36 months" for month in self.break_even_months)
            lines.append(f"  Owning is cheaper from: {best} (dear cloud, cheap own); {worst} (the reverse); --picture")
        lines.append(f"Facts of {self.facts.date}; --prices FILE replaces them; --json gives sources and formulas.")
        wrapped = [textwrap.wrap(line, width, subsequent_indent=" " * 5) for line in lines]
        return "\n".join(part for parts in wrapped for part in parts)


def _weighed(factors: Sequence[Factor]) -> str:
    totals: Counter[str] = Counter()
    for factor in factors:
        totals.update(factor.points)
    ranked = ", ".join(f"{name} {points:+d}" for name, points in totals.most_common())
    return f"  {ranked}: {'; '.join(factor.reason for factor in factors)}"


def _table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Numbers to the right; the first column, and a last one named `layout`, to the left.

    Columns beyond the width follow in a table of their own, beside the first column once more.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fitting = max(2, sum(end <= width for end in accumulate(size + 2 for size in widths)))
    if fitting < len(widths):
        first, rest = [row[:fitting] for row in rows], [[row[0], *row[fitting:]] for row in rows]
        return _table(first, width) + _table(rest, width)
    left = {0, len(widths) - 1 if rows[0][-1] == "layout" else 0}
    return [
        "  " + "  ".join(f"{cell:{'<' if at in left else '>'}{widths[at]}}" for at, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def _short(value: float) -> str:
    """Three digits: 6.7G, 12.5M, 430, 0.02."""
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}" if value >= 0.001 else "<0.001"


def _between(pair: Range | None) -> str:
    if pair is None or pair.low == math.inf:
        return "no source"
    low, high = map(_short, pair)
    return low if low == high else f"{low}-{high}"
