"""A machine with an accelerator, on one without: the device of `device.cpp`, as torch sees others' devices.

In this process it is there within `present`, and hidden otherwise. Other processes that are given `environment` have it
all the time, since torch loads there what its entry points name, as it does with every device that is not its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

NAME = "elsewhere"
SOURCE = Path(__file__).with_name("device.cpp")
BUILT = Path(__file__).with_name("built")
"""What was compiled, by the digest of all that it depends on."""
DEVICES, LIMIT = "ELSEWHERE_DEVICES", "ELSEWHERE_BYTES"
"""Variables of the environment that tell another process how many there are, and how much memory each has."""
PLENTY = 64 << 30


@cache
def library() -> Path:
    """The compiled device, made anew when its source or torch changes; takes a quarter of a minute."""
    depends = SOURCE.read_bytes() + torch.__version__.encode()
    path = BUILT / f"{hashlib.sha256(depends).hexdigest()[:16]}.so"
    BUILT.mkdir(exist_ok=True)
    with (BUILT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            folder = Path(torch.__file__).parent
            made = path.with_suffix(".part")
            flags = ["-std=c++20", "-O0", "-w", "-fPIC", "-shared", f"-D_GLIBCXX_USE_CXX11_ABI={_abi()}"]
            includes = [f"-I{folder / 'include'}", f"-I{folder / 'include/torch/csrc/api/include'}"]
            libraries = [f"-L{folder / 'lib'}", "-ltorch", "-ltorch_cpu", "-lc10"]
            subprocess.run(["g++", *flags, *includes, str(SOURCE), "-o", str(made), *libraries], check=True)
            made.rename(path)
    return path


def _abi() -> int:
    return int(torch._C._GLIBCXX_USE_CXX11_ABI)


@cache
def load() -> None:
    """Make the device known to torch, hidden. Only once: torch has one place for a device that is not its own."""
    torch.ops.load_library(str(library()))
    torch.utils.rename_privateuse1_backend(NAME)
    module = types.ModuleType(f"torch.{NAME}")
    for name, value in {
        "is_available": lambda: bool(_shown),
        "is_initialized": lambda: True,
        "device_count": torch.ops.elsewhere.devices,
        "current_device": torch.accelerator.current_device_index,
        "set_device": torch.accelerator.set_device_index,
        "synchronize": lambda device=None: None,
        "get_amp_supported_dtype": lambda: [torch.bfloat16, torch.float16],
        "get_device_name": lambda device=None: "a device that is not here",
        "mem_get_info": lambda device=None: torch.accelerator.get_memory_info(device),
        "_is_in_bad_fork": lambda: False,
        "manual_seed_all": torch.ops.elsewhere.seed,
        "Stream": _Stream,
        "Event": _Event,
        "stream": _stream,
        "current_stream": lambda device=None: _Stream(),
    }.items():
        setattr(module, name, value)
    torch._register_device_module(NAME, module)
    torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
    from elsewhere.collectives import Collectives

    dist.Backend.register_backend(Collectives.NAME, Collectives.make, devices=[NAME])


_shown: list[bool] = []
_for_good = ExitStack()


@contextmanager
def present(devices: int = 1, memory_bytes: int = PLENTY) -> Iterator[torch.device]:
    """Within, torch finds this accelerator in this process."""
    load()
    torch.ops.elsewhere.set_devices(devices)
    torch.ops.elsewhere.set_limit(memory_bytes)
    # Modules keep their parameters when they move, as they do to CUDA: of other devices torch does that only if asked.
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    torch.ops.elsewhere.set_available(True)
    _shown.append(True)
    try:
        yield torch.device(NAME, 0)
    finally:
        _shown.pop()
        torch.ops.elsewhere.set_available(False)
        torch.ops.elsewhere.set_limit(PLENTY)
        torch.__future__.set_swap_module_params_on_conversion(before)


def autoload() -> None:
    """What torch calls when it is loaded in a process that has `environment`."""
    _for_good.enter_context(present(int(os.environ.get(DEVICES, "1")), int(os.environ.get(LIMIT, PLENTY))))


def environment(folder: Path, devices: int = 1, memory_bytes: int = PLENTY) -> dict[str, str]:
    """Variables with which another process finds the device; what they name is written into `folder`."""
    library()
    described = folder / f"{NAME}-1.dist-info"
    described.mkdir(parents=True, exist_ok=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1\n")
    (described / "entry_points.txt").write_text(f"[torch.backends]\n{NAME} = {NAME}:autoload\n")
    paths = [str(folder), str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), DEVICES: str(devices), LIMIT: str(memory_bytes)}


def close_to(value: Any, close: float) -> Any:
    """What equals a value in whose lists and dicts numbers may differ by so little."""
    import pytest

    if isinstance(value, dict):
        return {key: close_to(each, close) for key, each in value.items()}
    if isinstance(value, list):
        return [close_to(each, close) for each in value]
    return pytest.approx(value, rel=close, abs=close) if isinstance(value, float) else value


class _Stream:
    """There is one, and it has done everything."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def wait_stream(self, other: object) -> None: ...

    def wait_event(self, event: object) -> None: ...

    def synchronize(self) -> None: ...

    def record_event(self, event: object = None) -> _Event:
        return _Event()


class _Event:
    def __init__(self, *_: object, **__: object) -> None: ...

    def record(self, stream: object = None) -> None: ...

    def wait(self, stream: object = None) -> None: ...

    def synchronize(self) -> None: ...

    def query(self) -> bool:
        return True


@contextmanager
def _stream(stream: object) -> Iterator[None]:
    yield
