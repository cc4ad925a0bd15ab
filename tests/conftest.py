"""Settings for every test."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import checkout

if TYPE_CHECKING:
    import torch

    from packages import Site

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["XDG_STATE_HOME"] = str(Path(tempfile.gettempdir()) / f"lmworks-tests-of-{os.getuid()}")  # keys of servers
sys.path.insert(0, str(Path(__file__).parent))
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: programs would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
# How long an example takes says nothing of what is tested. `make test-full` tries all examples.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("full", deadline=None)
settings.load_profile(os.environ.get("LMWORKS_TEST_EXAMPLES", "quick"))
CHECKOUT = pytest.StashKey[dict[str, int]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note what lies in the checkout, in the process that starts the others."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        session.config.stash[CHECKOUT] = checkout.beside(checkout.ROOT)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a test changed the checkout."""
    if CHECKOUT not in session.config.stash:
        return
    if left := checkout.changed(session.config.stash[CHECKOUT], checkout.beside(checkout.ROOT)):
        print(f"\ntests changed the checkout: {', '.join(left[:9])}")
        print("Try: give the command a folder of its own, such as `monkeypatch.chdir(tmp_path)`")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test has shown nothing: it counts as failed."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which counts as failed: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Begin with whole recipes, and leave tests of an accelerator to `make test-full`: the device has to be compiled.

    Whole recipes take minutes. If one begins last, the other processes have nothing to do. Torch asks once, before its
    first backward pass, which devices there are.
    """
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    for item in items:
        if "another_device" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    yield
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
