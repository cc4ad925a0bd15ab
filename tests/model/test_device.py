"""Kinds of devices are named in one place, and what a machine has is told as it is."""

from __future__ import annotations

import ast
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

import elsewhere
import lmworks
from lmworks.errors import LmworksError
from lmworks.model import device
from lmworks.model.device import accelerator_facts, find_device, free_bytes, is_out_of_memory
from lmworks.plan.machine import this_machine
from lmworks.plan.probe import counted_speed
from lmworks.train.memory import shortage_in_words

SOURCE = Path(lmworks.__file__).parent
KINDS = {"cpu", "cuda", "mps", "xpu", "hip", "rocm", "hpu", "npu", "nccl", "gloo", "xccl"}
ATTRIBUTES = {"cuda", "mps", "xpu", "is_cuda", "is_cpu", "is_mps", "is_xpu", "pin_memory"}
MAY = {"model/device.py"}


def names_of_devices(path: Path) -> list[str]:
    """Constants and attributes of a file that name a kind of device; `.cpu()`, which brings a tensor back, may."""
    found = []
    for each in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            found += [f"{each.value!r} in line {each.lineno}"] if each.value.partition(":")[0] in KINDS else []
        elif isinstance(each, ast.Attribute) and each.attr in ATTRIBUTES:
            found.append(f".{each.attr} in line {each.lineno}")
    return found


def test_no_other_file_names_a_kind_of_device() -> None:
    files = {str(path.relative_to(SOURCE)): names_of_devices(path) for path in SOURCE.rglob("*.py")}
    assert files["model/device.py"], "what this test looks for is there"
    named = {name: found for name, found in files.items() if found and name not in MAY}
    assert not named, "ask lmworks.model.device where to compute"


def test_the_accelerator_is_taken_unless_the_processor_is_asked_for(another_device: torch.device) -> None:
    assert find_device() == another_device and find_device("cpu") == torch.device("cpu")
    assert free_bytes(another_device) <= elsewhere.PLENTY
    with pytest.raises(LmworksError, match="device: cuda:1, but torch finds cpu and elsewhere"):
        find_device("cuda:1")


def test_out_of_memory_is_told_with_advice_on_every_device(another_device: torch.device) -> None:
    told = pytest.raises(
        LmworksError, match=r"micro_batch_rows 8: not enough memory \(elsewhere out of .*\); 4 may fit: lower"
    )
    with elsewhere.present(memory_bytes=2**20) as small, told, shortage_in_words(8):
        torch.empty(2**21, device=small)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert is_out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert not is_out_of_memory(OSError(errno.ENOSPC, "No space left on device"))
    assert is_out_of_memory(MemoryError()) and not is_out_of_memory(RuntimeError("mat1 and mat2 shapes"))


def test_nothing_is_started_where_torch_was_built_for_no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("torch was loaded to be asked"))
    if torch.version.cuda is None and torch.version.hip is None:
        assert accelerator_facts() is None
    assert accelerator_facts("cpu") is None


@pytest.fixture
def machine_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in elsewhere.environment(tmp_path, memory_bytes=2**30).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(device, "PRODUCT", 64)


def test_the_plan_sees_the_accelerator(machine_with_one: None) -> None:
    machine, alone = this_machine(), this_machine("cpu")
    assert (machine.device, machine.processor) == (elsewhere.NAME, "a device that is not here")
    assert 0 < machine.memory_bytes <= 2**30 and machine.cores == alone.cores
    assert machine.as_text().startswith("a device that is not here (elsewhere), ")
    speed = counted_speed(machine)
    faster = max(machine.product_rates, key=machine.product_rates.__getitem__)
    assert speed.data_type == faster and speed.flops_per_second < machine.product_rates[faster] and not speed.compile
    assert alone.device == "cpu" and not alone.product_rates
    with pytest.raises(LmworksError, match="device: cuda, but torch finds cpu and elsewhere"):
        this_machine("cuda")


class Sides(TorchFunctionMode):
    """Notes the sides of the matrices that are multiplied, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[int] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "matmul" in func.__name__ and len(args[0]) not in self.noted:
            self.noted.append(len(args[0]))
        return func(*args, **(kwargs or {}))


def test_a_rate_is_that_of_a_product_long_enough_to_be_timed(
    another_device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "PRODUCT", 8)
    monkeypatch.setattr(device, "LARGEST_PRODUCT", 32)
    for seconds, sides in ((3600.0, [8, 16, 32]), (1e-12, [8])):
        monkeypatch.setattr(device, "QUICK_SECONDS", seconds)
        device._product_rate.cache_clear()
        with Sides() as found:
            assert device.product_rate(another_device, torch.float32) > 0
        assert found.noted == sides
    device._product_rate.cache_clear()


def test_asking_imports_no_torch() -> None:
    asked = "import sys; import lmworks.plan.machine as m; m.this_machine(); print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, env=os.environ)
    assert json.loads(told.stdout.lower()) is False
