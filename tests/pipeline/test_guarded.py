"""Functions that take all memory, take for ever or end their process, read beside this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from lmworks.errors import UsageError
from lmworks.pipeline import guarded
from lmworks.pipeline.guarded import GivenUp, Place, note, read_guarded
from support import is_running


def numbers(how: str, left_out: Mapping[Place, str], *, bad: int = 3, process: bool = False) -> Iterator[str]:
    """Yield five records, of which one is bad."""
    for number in range(1, 6):
        note(number)
        if reason := left_out.get((0, number)):
            yield f"{number}: {reason}"
            continue
        if number == bad:
            misbehave(how)
        yield f"{number} of {os.getpid()}" if process else f"{number}"


def misbehave(how: str) -> None:
    match how:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "memory":
            bytes(2**36)
        case "time":
            while True:
                pass
        case "sleep":
            time.sleep(100)
        case "exit":
            os._exit(3)
        case "raise":
            raise UsageError("mend it")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that give a record a second of processor time."""
    monkeypatch.setattr(guarded, "_idle", [])
    monkeypatch.setattr(guarded, "PROCESSOR_SECONDS", 1)
    yield
    for worker in guarded._idle:
        worker.end()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("crash", "ends its reader: signal 11"),
        ("memory", "takes too much memory: reading it needs more than 4.0 GiB"),
        ("time", "takes too long: more than 1 seconds of processor time"),
        ("sleep", "takes too long: more than 3 seconds"),
        ("exit", "ends its reader: exit code 3"),
    ],
)
def test_a_record_that_ends_its_process_is_left_out_and_the_others_are_read(
    monkeypatch: pytest.MonkeyPatch, how: str, reason: str
) -> None:
    if how == "sleep":
        monkeypatch.setattr(guarded, "SECONDS", 3)
    assert [*read_guarded(partial(numbers, how))] == ["1", "2", f"3: {reason}", "4", "5"]


def test_one_process_reads_many_files() -> None:
    first, second = ([*read_guarded(partial(numbers, "", process=True))] for _ in range(2))
    assert first == second
    assert f"1 of {os.getpid()}" not in first


def test_an_error_is_raised_where_the_records_are_wanted() -> None:
    found = []
    with pytest.raises(UsageError, match="mend it"):
        found += [*read_guarded(partial(numbers, "raise"))]
    assert [*read_guarded(partial(numbers, ""))] == [*"12345"]


def stubborn(left_out: Mapping[Place, str]) -> Iterator[str]:
    """End the process whatever is left out."""
    yield "1"
    os._exit(1)


def test_what_ends_each_process_is_given_up() -> None:
    found = []
    with pytest.raises(GivenUp, match="exit code 1"):
        for item in read_guarded(stubborn):
            found.append(item)
    assert found in ([], ["1"])


def test_the_process_ends_with_the_one_that_asks(tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text(
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from lmworks.pipeline.guarded import read_guarded\n"
        "from pipeline.test_guarded import endless\n"
        "list(read_guarded(endless))\n"
    )
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    place = tmp_path / "pid"
    asks = subprocess.Popen([sys.executable, script], env={**environment, "PLACE": str(place)})
    while not (place.exists() and place.read_text()):
        time.sleep(0.1)
        assert asks.poll() is None
    reads = int(place.read_text())
    asks.kill()
    asks.wait()
    for _ in range(200):
        if not is_running(reads):
            return
        time.sleep(0.1)
    pytest.fail("it goes on")


def endless(left_out: Mapping[Place, str]) -> Iterator[str]:
    """Say which process reads, and read for ever."""
    Path(os.environ["PLACE"]).write_text(f"{os.getpid()}")
    while True:
        time.sleep(0.01)
    yield ""
