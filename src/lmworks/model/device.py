"""Devices of tensors. Only this module names kinds of devices, and asks torch which of them exist here.

Importing it does not import torch, so that plans are fast without an accelerator. As a program, it prints the device
that torch finds as one JSON line: `python -m lmworks.model.device ASKED`.
"""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
import time
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lmworks.errors import LmworksError
from lmworks.lazy import torch
from lmworks.pipeline.work.process import forget_peak_memory, peak_memory_bytes

AUTO, CPU = "auto", "cpu"
NOT_BY_ITSELF = ("mps",)
"""Kinds that `auto` does not choose. They have no float64, which drawing answers needs."""
DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/dri")
"""Files that Linux has with a driver for NVIDIA (also in Windows' subsystem), AMD or Intel."""
NO_MEMORY = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
"""Parts of torch's messages when memory has run out."""
PRODUCT, LARGEST_PRODUCT = 2048, 8192
"""Sides of the square matrices whose product gives the rate with which a training step is compared."""
QUICK_SECONDS = 0.005
"""Time below which a product is too small to fill the device or to outlast its start, so a larger one is timed."""
ASKING_SECONDS = 120
"""Timeout in seconds of the process that asks torch. Loading torch and a driver takes some seconds."""


def find_device(asked: str = AUTO) -> torch.device:
    """Return the device with this name. `auto` is the accelerator if torch finds one, else the CPU.

    Raises LmworksError if there is no such device here.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    if asked == AUTO:
        return torch.device(CPU) if found is None or found.type in NOT_BY_ITSELF else _with_number(found)
    try:
        device = torch.device(asked)
    except RuntimeError:
        device = None
    there = [CPU, *([found.type] if found else [])]
    if device is None or device.type not in there or (device.index or 0) >= device_count(device.type):
        devices = f" ({device_count(found.type)} of it)" if found else ""
        raise LmworksError(
            f"device: {asked}, but torch finds {' and '.join(there)}{devices} here; take one of those, or auto"
        )
    return torch.device(CPU) if device.type == CPU else _with_number(device)


def _with_number(device: torch.device) -> torch.device:
    number = torch.accelerator.current_device_index() if device.index is None else device.index
    return torch.device(device.type, number)


def device_count(kind: str) -> int:
    """Return how many devices of a kind this process can use. All CPUs count as one."""
    return 1 if kind == CPU else torch.accelerator.device_count()


def device_of_process(asked: str, number: int, processes: int) -> torch.device:
    """Return the device of one of several processes on a machine, and make it current. Each has its own accelerator.

    Raises LmworksError if there are fewer accelerators than processes.
    """
    kind = find_device(asked).type
    if kind == CPU:
        return torch.device(CPU)
    if processes > (count := device_count(kind)):
        raise LmworksError(
            f"processes: {processes}, but torch finds only {count} {kind} here; set fewer processes, or device cpu"
        )
    device = torch.device(kind, number)
    torch.accelerator.set_device_index(device)
    return device


def free_bytes(device: torch.device) -> float:
    """Return the bytes of an accelerator's memory that are still available."""
    free, _ = torch.get_device_module(device).mem_get_info(device)
    cached = torch.accelerator.memory_reserved(device) - torch.accelerator.memory_allocated(device)
    return float(free + cached)


def peak_bytes(device: torch.device) -> int:
    """Return this process's peak memory on a device. On an accelerator, it is what the allocator has reserved."""
    return peak_memory_bytes() if device.type == CPU else int(torch.accelerator.max_memory_reserved(device))


def forget_peak(device: torch.device) -> None:
    """Reset the peak memory to the current memory. On an accelerator, first free the allocator's cache."""
    if device.type == CPU:
        forget_peak_memory()
    else:
        torch.accelerator.empty_cache()
        torch.accelerator.reset_peak_memory_stats(device)


def narrow_products(device: torch.device, data_type: torch.dtype) -> torch.autocast:
    """Return a context in which modules of `transformers` multiply in this type, with weights kept in float32."""
    return torch.autocast(device.type, data_type, enabled=data_type != torch.float32)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory has run out, on any device."""
    told = isinstance(error, RuntimeError) and any(part in str(error) for part in NO_MEMORY)
    return told or isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def device_name(device: torch.device) -> str:
    """Return the maker's name of an accelerator, or the kind of device if it has no name."""
    name = getattr(torch.get_device_module(device), "get_device_name", None)
    return str(name(device)) if name else device.type


def product_rate(device: torch.device, data_type: torch.dtype) -> float:
    """Return the floating-point operations per second of a large matrix product, on the current threads: best of three.

    It is measured once per process.
    """
    return _product_rate(device, data_type, torch.get_num_threads())


@cache
def _product_rate(device: torch.device, data_type: torch.dtype, threads: int) -> float:
    side, seconds = PRODUCT // 2, 0.0
    while seconds < QUICK_SECONDS and side < LARGEST_PRODUCT:
        side *= 2
        matrix, times = torch.ones(side, side, dtype=data_type, device=device), []
        for _ in range(3):
            began = time.perf_counter()
            (matrix @ matrix)[0, 0].item()  # waits for the device
            times.append(time.perf_counter() - began)
        seconds = min(times)
    return float(2 * side**3 / seconds)


def accelerator_facts(asked: str = AUTO) -> dict[str, Any] | None:
    """Return facts about the accelerator that would be used, or None. Torch runs in another process.

    The facts are `kind`, `name`, free `memory_bytes`, and `product_rates` by data type, measured now. If torch was
    built for no accelerator, or there is no driver, no process starts. Raises LmworksError if `asked` is not there.
    """
    if asked == CPU or (asked == AUTO and not _may_have_one()):
        return None
    command = [sys.executable, "-m", "lmworks.model.device", asked]
    found = subprocess.run(command, capture_output=True, text=True, timeout=ASKING_SECONDS, check=False)  # noqa: S603
    if found.returncode:
        last = (found.stderr.strip().splitlines() or ["no message"])[-1]
        raise LmworksError(f"torch failed while looking for a device: {last}; use the CPU: --device cpu")
    told: dict[str, Any] | None = json.loads(found.stdout.splitlines()[-1])
    if told and "error" in told:
        raise LmworksError(told["error"])
    return told


def _may_have_one() -> bool:
    """Return whether there can be an accelerator: torch is built for one and a driver exists, or torch has a plugin."""
    if entry_points(group="torch.backends"):
        return True
    spec = find_spec("torch")
    path = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    text = path.read_text() if path and path.is_file() else ""
    built = re.search(r"^(cuda|hip|xpu)\b[^=\n]*= *['\"]", text, re.MULTILINE)
    return bool(built) and (not sys.platform.startswith("linux") or any(Path(path).exists() for path in DRIVERS))


def _facts(asked: str) -> dict[str, Any] | None:
    device = find_device(asked)
    if device.type == CPU:
        return None
    rates = {name: product_rate(device, getattr(torch, name)) for name in ("float32", "bfloat16")}
    name = device_name(device)
    return {"kind": device.type, "name": name, "memory_bytes": int(free_bytes(device)), "product_rates": rates}


def main(asked: str) -> None:
    try:
        print(json.dumps(_facts(asked)))
    except LmworksError as error:
        print(json.dumps({"error": str(error)}))


if __name__ == "__main__":
    main(sys.argv[1])
