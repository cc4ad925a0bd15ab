"""Every objective computes where it is told: on a device that is not the processor its losses are the processor's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from lmworks.model import device
from lmworks.train.loop import run
from lmworks.train.objectives import OBJECTIVES
from objective_bench import DROPS, VARIANTS, Bench, settings_of


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "WATCHED_TOKENS", 4)
        patch.setattr(device, "PRODUCT", 64)
        yield Bench(tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("name", [*OBJECTIVES, *VARIANTS])
def test_losses_are_those_of_the_processor(name: str, bench: Bench, another_device: torch.device) -> None:
    objective, values = settings_of(name)
    bench.run(f"{name}-here", objective, values, "cpu")
    result = bench.run(f"{name}-there", objective, values, "auto")
    assert {
        figure.conditions and figure.conditions.device for figure in result.figures if figure.name == "validation loss"
    } == {another_device.type}
    assert 2**15 < result.measured["device_memory_bytes"] < 2**28
    close = {"rel": 0.02, "abs": 0.02} if name in DROPS else {"rel": 1e-4, "abs": 1e-6}
    if values.get("data_type") == "bfloat16":
        close = {"rel": 0.02, "abs": 0.05}
    here, there = bench.lines(f"{name}-here"), bench.lines(f"{name}-there")
    assert len(here) == len(there) and all(one.keys() == other.keys() for one, other in zip(here, there, strict=True))
    for one, other in zip(here, there, strict=True):
        assert other == pytest.approx(one, **close), one["step"]
    if close["rel"] < 1e-3:
        weights, others = bench.weights(f"{name}-here"), bench.weights(f"{name}-there")
        assert weights.keys() == others.keys()
        assert all(torch.allclose(weights[key].float(), others[key].float(), atol=0.01) for key in weights)


def test_memory_is_that_of_training_and_not_of_measuring_the_device(
    bench: Bench, another_device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for side in (64, 1024):
        monkeypatch.setattr(device, "PRODUCT", side)
        device._product_rate.cache_clear()
        found.append(bench.run(f"product of {side}", "causal-lm", {}, "auto").measured["device_memory_bytes"])
    assert found[0] == found[1]
    device._product_rate.cache_clear()
