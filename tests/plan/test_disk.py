"""A store's disk: measured when asked, remembered, and full some day."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from lmworks.plan.disk import Disk, full_in_month, known_disk, measure_disk
from lmworks.plan.facts import load_facts
from lmworks.plan.forecast import Forecast
from lmworks.plan.telling import in_full
from lmworks.recipe.schema import NeedsConfig

FACTS = load_facts()


def told(disk: Disk | None = None, free: int | None = None, **needs: object) -> str:
    found = Forecast(NeedsConfig(**{"labelled_examples": 2000, "budget_usd": 1e6, **needs}), 2e6, FACTS)  # type: ignore[arg-type]
    return " ".join(in_full(found, 100, date(2026, 11, 29), disk, free).split())


def test_the_disk_of_a_store_is_measured_and_remembered_with_size_and_date(tmp_path: Path) -> None:
    assert known_disk(tmp_path) is None
    disk = measure_disk(tmp_path, 2**23)
    assert disk and disk == known_disk(tmp_path)
    assert disk.megabytes == pytest.approx(8.39, abs=0.01) and disk.date == date.today().isoformat()
    assert disk.read_megabytes_per_second > 0 < disk.write_megabytes_per_second
    assert [path.name for path in (tmp_path / "plans").iterdir()] == ["disk.json"], "what was written is gone"
    assert "(8 MB, " in disk.as_text()
    assert measure_disk(tmp_path, 2**60) is None, "a disk without that room is left alone"


def test_a_disk_is_full_in_the_month_that_its_growth_says() -> None:
    assert full_in_month(100, 40, 20) == 4  # 40, 60, 80, 100 by the end of the third, more in the fourth
    assert full_in_month(30, 40, 20) == 1
    assert full_in_month(1e15, 40, 20) is None and full_in_month(100, 40, 0) is None
    assert "is full in month 1," in told(free=10**9) and "is not full in ten years" in told(free=10**16)


def test_a_measured_disk_stands_beside_the_kinds_with_how_long_a_checkpoint_stalls_there() -> None:
    said = told(Disk(256, 500, 900, "2026-11-29"))
    assert "This disk: 500 MB/s written, 900 MB/s read (256 MB, 2026-11-29)" in said
    assert "this disk 900 500" in said and "lmworks plan --measure does" in told()
    for kind, storage in FACTS.storage.items():
        assert f"{kind}: {storage.who}" in said
    assert "block* " in said and "nvme " in said, "prices of 2020 are old"


def test_an_adapter_writes_no_checkpoint_of_frozen_weights() -> None:
    needs = NeedsConfig(labelled_examples=2000, budget_usd=1e6)
    found = Forecast(needs, 2e6, FACTS)
    assert found.costed == "adapt" and found.trained_parameters < 0.01 * found.run.parameters


def test_what_stands_on_the_premises_has_a_list_of_what_to_have_ready() -> None:
    inside = told(residency="on-premise", privacy="secret")
    for part in ("ON YOUR PREMISES", "power", "cooling", "spares", "N+1"):
        assert part in inside
    assert "ON YOUR PREMISES" not in told()


def test_the_month_is_told_in_which_the_machines_are_full() -> None:
    grows, level = (
        Forecast(
            NeedsConfig(**{"labelled_examples": 2000, "budget_usd": 1e7, "users": 150, "growth_per_month": g}),
            2e6,
            FACTS,
        )
        for g in (0.3, 0.0)
    )
    assert grows.service and grows.full_in_month and level.full_in_month is None
    load, month = grows.service.load, grows.full_in_month
    assert load * 1.3 ** (month - 1) > grows.service.groups >= load * 1.3 ** (month - 2)
    json.dumps(grows.as_json(), allow_nan=False)
