"""Every task computes where it is told: what it finds on a device that is not the processor, it finds on that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from evaluated import items_of

from elsewhere import close_to
from lmworks.evaluate.tasks.task import figures_named
from lmworks.model.folder import ModelFolder
from task_bench import asked, cases, make_models, run_task


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelFolder]:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("name", cases())
def test_items_and_figures_are_those_of_the_processor(
    name: str, models: dict[str, ModelFolder], tmp_path: Path, another_device: torch.device
) -> None:
    here = run_task(name, models, tmp_path / "here", "cpu")
    held = torch.accelerator.memory_allocated(another_device)
    torch.accelerator.reset_peak_memory_stats(another_device)
    there = run_task(name, models, tmp_path / "there", "auto")
    task, config = asked(name, "cpu")
    of_data = {figure.name for figure in here.figures if " " in figure.name}
    assert {figure.name for figure in here.figures} - of_data <= {*figures_named(task, config)}, "gates name them"
    assert torch.accelerator.max_memory_allocated(another_device) > held, "something was computed there"
    for found, device in ((here, "cpu"), (there, another_device.type)):
        assert {figure.conditions and figure.conditions.device for figure in found.figures} == {device}
    close = 0.01 if "bfloat16" in name else 1e-4
    for one, other in zip(here.figures, there.figures, strict=True):
        differ = {"value": 0.0, "interval": None, "method": "any"}
        assert one.conditions and other.conditions
        assert replace(one.conditions, device=None) == replace(other.conditions, device=None)
        assert replace(one, **differ, conditions=None) == replace(other, **differ, conditions=None)
        assert other.value == pytest.approx(one.value, rel=close, abs=1e-6)
    for first, second in zip(items_of(tmp_path / "here" / "out"), items_of(tmp_path / "there" / "out"), strict=True):
        assert second == close_to(first, close)
