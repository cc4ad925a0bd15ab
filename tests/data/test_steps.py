"""How document steps run: processes, journal, resuming."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from data_support import payload_bytes

from lmworks.data.shards.records import Document
from lmworks.data.shards.steps import EXAMPLES_PER_REASON, Parts, Tally, map_units
from lmworks.errors import LmworksError, Stopped
from support import MemoryJournal, is_running, make_context


def shout(unit: str) -> tuple[Parts, Tally]:
    """A step over units that are words."""
    tally = Tally()
    tally.note("shouted", word=unit)
    document = Document(id=f"{unit:>4}", text=unit.upper(), source="s", licence="MIT")
    return {"loud" if "o" in unit else "quiet": [document]}, tally


def refuse_two(unit: str) -> tuple[Parts, Tally]:
    """A step that must not be asked about finished work."""
    if unit == "two":
        raise RuntimeError("two was done before")
    return shout(unit)


def leave(unit: str) -> tuple[Parts, Tally]:
    """A step whose process ends itself."""
    os._exit(3)


def die(unit: str) -> tuple[Parts, Tally]:
    """A step whose process is killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}, Tally()


WORDS = ["one", "two", "three", "four", "five"]
PARTS = ("loud", "quiet")


def test_processes_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    for workers in (1, 2):
        context = replace(make_context(tmp_path / str(workers)), workers=workers)
        tally = map_units(WORDS, shout, tmp_path / f"out{workers}", context, PARTS)
        assert tally.counts == Counter(shouted=5)
        assert [example["word"] for example in tally.examples] == WORDS[:EXAMPLES_PER_REASON]
    one, two = (payload_bytes(tmp_path / f"out{workers}") for workers in (1, 2))
    assert one == two
    assert one["loud/ids.txt"] == b" one\n two\nfour\n"
    assert set(one) >= {"loud/part-00000.parquet", "quiet/part-00002.parquet", "quiet/ids.txt"}


def test_a_run_that_was_stopped_goes_on_from_its_journal(tmp_path: Path) -> None:
    whole = map_units(WORDS, shout, tmp_path / "whole", make_context(tmp_path / "a"), PARTS)
    journal = MemoryJournal()
    map_units(WORDS[:2], shout, tmp_path / "out", make_context(tmp_path / "b", journal), PARTS)
    assert [record["unit"] for record in journal.records() if "unit" in record] == [0, 1]
    resumed = map_units(WORDS, refuse_two, tmp_path / "out", make_context(tmp_path / "b", journal), PARTS)
    assert resumed == whole
    assert payload_bytes(tmp_path / "out") == payload_bytes(tmp_path / "whole")


def test_what_a_worker_ended_after_its_driver_was_killed_is_not_done_again(tmp_path: Path) -> None:
    journal = MemoryJournal()
    whole = map_units(WORDS, shout, tmp_path / "out", make_context(tmp_path, journal), PARTS)
    del journal.lines[1:]
    assert map_units(WORDS, refuse_two, tmp_path / "out", make_context(tmp_path, journal), PARTS) == whole
    assert {record["unit"] for record in journal.lines if "unit" in record} == set(range(5))


def test_what_was_ended_before_the_journal_was_lost_is_done_again(tmp_path: Path) -> None:
    def stop() -> None:
        raise Stopped("stopped")

    out, context = tmp_path / "out", make_context(tmp_path, MemoryJournal())
    whole = map_units(WORDS, shout, out, make_context(tmp_path), PARTS)
    before = payload_bytes(out)
    shutil.rmtree(out)
    with pytest.raises(Stopped):
        map_units(WORDS, shout, out, replace(context, check_stop=stop), PARTS)
    assert map_units(WORDS, shout, out, context, PARTS) == whole
    assert payload_bytes(out) == before


def test_a_worker_that_does_not_see_the_store_is_refused(tmp_path: Path) -> None:
    context = make_context(tmp_path / "store")

    def elsewhere(work: Callable[[Any], int], units: Sequence[Any], workers: int) -> Generator[int, None, None]:
        (tmp_path / "store").rename(tmp_path / "of another machine")
        yield from map(work, units)

    with pytest.raises(LmworksError, match=r"does not see .*store/scratch\. Every machine needs the store's folder"):
        map_units(WORDS, shout, tmp_path / "out", replace(context, execute=elsewhere), PARTS)
    assert not (tmp_path / "out").exists()


def test_work_outside_the_journal_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "out" / "loud").mkdir(parents=True)
    (tmp_path / "out" / "loud" / "part-00000.parquet").write_bytes(b"half a file")
    map_units(WORDS, shout, tmp_path / "out", make_context(tmp_path / "a"), PARTS)
    map_units(WORDS, shout, tmp_path / "whole", make_context(tmp_path / "b"), PARTS)
    assert payload_bytes(tmp_path / "out") == payload_bytes(tmp_path / "whole")


def test_a_worker_that_dies_is_reported_in_words(tmp_path: Path) -> None:
    context = replace(make_context(tmp_path), workers=2)
    with pytest.raises(LmworksError, match=r"worker process died \(signal 9, Killed\).*if it happens again") as caught:
        map_units(WORDS, die, tmp_path / "out", context)
    assert "likely" not in str(caught.value)
    with pytest.raises(LmworksError, match=r"worker process died \(exit code 3\)"):
        map_units(WORDS, leave, tmp_path / "out", replace(make_context(tmp_path / "b"), workers=2))


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "sleeping.py").write_text(
        f"""
import os, time
from pathlib import Path
from lmworks.data.shards.steps import Tally

def sleep(unit):
    Path({str(tmp_path)!r}, f"worker-{{os.getpid()}}").touch()
    time.sleep(60)
    return {{}}, Tally()
"""
    )
    script = tmp_path / "parent.py"
    script.write_text(
        f"""
import sys
sys.path[:0] = {[str(tmp_path), *sys.path]!r}
from pathlib import Path
from dataclasses import replace
from sleeping import sleep
from support import make_context
from lmworks.data.shards.steps import map_units

if __name__ == "__main__":
    map_units([1, 2], sleep, Path({str(tmp_path)!r}, "out"), replace(make_context(Path({str(tmp_path)!r})), workers=2))
"""
    )
    parent = subprocess.Popen([sys.executable, str(script)])
    wait_for(lambda: len(list(tmp_path.glob("worker-*"))) == 2)
    parent.kill()
    parent.wait()
    workers = [int(path.name.removeprefix("worker-")) for path in tmp_path.glob("worker-*")]
    wait_for(lambda: not any(map(is_running, workers)))


def wait_for(condition: object, seconds: float = 30) -> None:
    """Wait until a condition holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
