"""Facts that plans rest on: devices, prices, grids. Each has a date and a source, and a file can replace it."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmworks.errors import UsageError
from lmworks.recipe.faults import expected

PACKAGED = Path(__file__).with_name("facts.json")


class Range(NamedTuple):
    """Quantity that is only known within bounds. Products and sums of two ranges multiply or add their ends."""

    low: float
    high: float

    def __mul__(self, other: Range | float) -> Range:  # type: ignore[override]
        low, high = other if isinstance(other, Range) else (other, other)
        return Range(self.low * low, self.high * high)

    def __add__(self, other: Range | float) -> Range:  # type: ignore[override]
        low, high = other if isinstance(other, Range) else (other, other)
        return Range(self.low + low, self.high + high)


NOTHING = Range(0.0, 0.0)
UNKNOWN = Range(math.inf, math.inf)
"""Range for a price that no source states."""


class Fact(BaseModel):
    """Base of all facts, with their source and date."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    date: str = Field(pattern=r"^20\d\d(-\d\d){0,2}$")

    def is_old(self, today: datetime.date) -> bool:
        """Return whether its date is more than a year ago. A date without a day means the end of its month or year."""
        last = datetime.date.fromisoformat(self.date + "-12-28"[3 * self.date.count("-") :])
        return today - last > datetime.timedelta(365)


class Device(Fact):
    """Accelerator or server. A value without a good source is None, and nothing is computed from it."""

    kind: str
    name: str
    memory_gigabytes: float | None
    bandwidth_gigabytes_per_second: float | None
    peak_teraflops: float | None  # dense bfloat16 products
    watts: float | None
    devices_per_node: int = Field(ge=1)
    joins_machines: bool  # trains across machines: they come with a network that is fast enough
    network: str
    licence: str = ""  # what its licence bars, where that can decide
    mfu: Range | None  # model FLOPs utilisation of whole training runs: operations that the model needs, by the peak
    mfu_source: str
    software: str
    lmworks: Literal["measured", "expected", "no"]  # runs there: shown, or only where torch should find such a device
    maturity: str
    who: str  # chooses it, and why


class Price(Fact):
    """Price of one device per hour."""

    device: str
    provider: str
    terms: str
    usd_per_hour: Range
    region: str = ""  # the code of the grid that it runs on, where the source says so
    is_of_several: bool = False  # a range over providers: shown among devices, and no plan is made of it

    def is_of(self, *names: str) -> bool:
        """Return whether the price is of a single provider whose name contains one of these names."""
        return not self.is_of_several and any(name.lower() in self.provider.lower() for name in names)


class Terms(NamedTuple):
    """Terms that select some of the listed prices."""

    providers: Sequence[str] = ()
    """Parts of the providers' names. Empty for all providers."""
    region: str = ""
    """Region of the prices. Empty for any region."""
    spot: bool = True


ALL_TERMS = Terms()


class Purchase(Fact):
    """Purchase price of a machine with a number of equal devices."""

    device: str
    devices: int = Field(ge=1)
    usd: Range
    owned: int = Field(0, ge=0)  # machines that are there already, and cost nothing more


class Storage(Fact):
    """Kind of disk. Without a price, its cost is included in the machine's price."""

    name: str
    read_megabytes_per_second: Range
    write_megabytes_per_second: Range
    usd_per_gigabyte_month: Range | None
    who: str


class Service(Fact):
    """Service of a cloud for users who run no machines themselves."""

    name: str
    cloud: str
    who: str


class Constant(Fact):
    """Quantity with bounds. Its name contains its unit. Values of grids are in kg of CO2 per kWh."""

    low: float
    high: float


class Facts(BaseModel):
    """All facts, with the date of their file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: str
    formulas: dict[str, str]
    devices: dict[str, Device]
    prices: list[Price]
    purchases: list[Purchase]
    storage: dict[str, Storage]
    clouds: dict[str, list[str]]  # words by which a contract or a provider names one
    services: list[Service]
    grid: dict[str, Constant]
    constants: dict[str, Constant]
    replaced: list[str] = []  # constants that the file of `--prices` gives

    @property
    def providers(self) -> list[str]:
        """Providers that have prices of their own, in the file's order."""
        return list(dict.fromkeys(price.provider for price in self.prices if not price.is_of_several))

    def with_owned(self, devices: Mapping[str, int]) -> Facts:
        """Return the facts with devices that are there, as one machine of each kind which is not bought.

        Another one costs what the facts say of single devices, else no known price. Raises `UsageError` for a device
        that the facts lack.
        """
        purchases = [*self.purchases]
        for name, count in devices.items():
            if name not in self.devices:
                raise UsageError(f"needs.devices: no device {name!r}; known: {', '.join(self.devices)}")
            usd = next((each.usd * count for each in purchases if (each.device, each.devices) == (name, 1)), UNKNOWN)
            there = {"device": name, "devices": count, "owned": 1, "source": "needs.devices", "date": self.date}
            purchases.insert(0, Purchase(usd=usd, **there))
        return self.model_copy(update={"purchases": purchases})

    def value(self, name: str) -> Range:
        return Range(self.constants[name].low, self.constants[name].high)

    def is_replaced(self, *names: str) -> bool:
        """Return whether these constants come from the user's own file, so that notes on packaged ones do not apply."""
        return set(names) <= set(self.replaced)

    def listed(self, device: str, terms: Terms) -> list[Price]:
        """Return the prices of a device that match the terms."""
        return [
            price
            for price in self.prices
            if price.device == device.removesuffix("-fp8")
            and (terms.spot or price.terms != "spot")
            and terms.region in ("", price.region)
            and (not terms.providers or price.is_of(*terms.providers))
        ]

    def price(self, device: str, terms: Terms) -> Range | None:
        """Return the price per hour, from the cheapest to the dearest listed price that matches the terms."""
        found = [price.usd_per_hour for price in self.listed(device, terms)]
        return Range(min(price.low for price in found), max(price.high for price in found)) if found else None

    def clouds_of(self, contracts: Sequence[str]) -> list[str]:
        """Return the known clouds that the contracts name."""
        said = " ".join(contracts).lower()
        return [cloud for cloud, words in self.clouds.items() if any(word in said for word in words)]

    def providers_of(self, contracts: Sequence[str]) -> list[str]:
        """Return the providers under contract by their names in prices. An unknown provider keeps its stated name."""
        return [name for each in contracts if each.strip() for name in self.clouds_of([each]) or [each.strip()]]


def load_facts(replacement: Path | None = None) -> Facts:
    """The packaged facts; a file of the same form replaces whole lists, and single devices, grids and constants.

    Raises `UsageError` naming the file and field that is wrong.
    """
    merged: dict[str, Any] = json.loads(PACKAGED.read_text(encoding="utf-8"))
    if replacement:
        try:
            given = dict(json.loads(replacement.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"{replacement}: expected JSON with fields such as `prices` ({error}); see docs/plan.md"
            ) from None
        for field, value in given.items():
            old = merged.get(field)
            merged[field] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    try:
        facts = Facts.model_validate(merged)
    except ValidationError as error:
        faults = (f"{replacement}: {'.'.join(map(str, each['loc']))}: {expected(each)}" for each in error.errors())
        raise UsageError("\n".join(faults)) from None
    if replacement:
        facts = facts.model_copy(update={"replaced": sorted(given.get("constants", {}))})
    for field, named in (("prices", facts.prices), ("purchases", facts.purchases)):
        if unknown := [each.device for each in named if each.device not in facts.devices]:
            raise UsageError(f"{replacement}: {field}: no device {unknown[0]!r}; known: {', '.join(facts.devices)}")
    return facts
