"""Settings for every test."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    import torch

    from packages import Site

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["XDG_STATE_HOME"] = str(Path(tempfile.gettempdir()) / f"lmworks-tests-of-{os.getuid()}")  # keys of servers
sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing of what is tested
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test has shown nothing: it counts as failed."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which counts as failed: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Torch asks once, before its first backward pass, which devices there are."""
    if any("another_device" in getattr(item, "fixturenames", ()) for item in items):
        import elsewhere

        elsewhere.load()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A folder that tests install packages into."""
    from packages import open_site

    yield from open_site(tmp_path / "site", monkeypatch)


@pytest.fixture
def another_device() -> Iterator[torch.device]:
    """An accelerator that refuses tensors of the processor, which torch finds during the test."""
    import elsewhere

    with elsewhere.present() as device:
        yield device
