"""Units of work as Ray tasks: the same bytes, faults in words, refusals before anything runs."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmworks.data.shards.records import Document
from lmworks.data.shards.steps import Parts, Tally, map_units
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.build import versions
from lmworks.pipeline.work.ray_workers import RayWorkers, call, parse_place
from support import make_context

WORDS = ["one", "two", "three", "four", "five", "six", "seven"]


@pytest.fixture(scope="module")
def workers() -> Iterator[RayWorkers]:
    with pytest.MonkeyPatch.context() as patch, RayWorkers("") as workers:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # so that workers find the functions of this file
        yield workers


def shout(word: str) -> tuple[Parts, Tally]:
    tally = Tally()
    tally.note("shouted", word=word, process=0)
    return {"": [Document(id=word, text=word.upper(), source="s", licence="MIT")]}, tally


def refuse_four(word: str) -> tuple[Parts, Tally]:
    if word == "four":
        raise UsageError("four is no word")
    return shout(word)


def fail(word: str) -> tuple[Parts, Tally]:
    raise ModuleNotFoundError("No module named 'ftfy'")


def die(word: str) -> tuple[Parts, Tally]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}, Tally()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_tasks_give_the_same_bytes_as_one_process(workers: RayWorkers, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    on_ray = replace(make_context(tmp_path / "a"), workers=2, execute=workers)
    found = map_units(WORDS, shout, tmp_path / "ray", on_ray)
    assert found == map_units(WORDS, shout, tmp_path / "local", make_context(tmp_path / "b"))
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    assert {record["unit"] for record in on_ray.journal.records() if "unit" in record} == set(range(7))
    assert signal.getsignal(signal.SIGTERM) is before


class Counted(Sequence[int]):
    """Units that count how many of them were asked for."""

    asked = 0

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: Any) -> int:
        self.asked += 1
        if index == 1000:
            raise IndexError
        return int(index)


@pytest.mark.slow
def test_few_tasks_are_handed_out_at_a_time(workers: RayWorkers) -> None:
    units = Counted()
    results = workers(abs, units, 2)
    assert next(results) in range(5)
    assert units.asked == 5, "two a processor, and one for the one that ended"
    results.close()


@pytest.mark.slow
def test_a_fault_in_a_task_arrives_as_it_was_raised(workers: RayWorkers, tmp_path: Path) -> None:
    context = replace(make_context(tmp_path), workers=2, execute=workers)
    with pytest.raises(UsageError, match=r"^four is no word$"):
        map_units(WORDS, refuse_four, tmp_path / "out", context)
    with pytest.raises(LmworksError, match=r"No module named 'ftfy'.*pip install 'lmworks\[data,ray\]'"):
        map_units(WORDS, fail, tmp_path / "other", replace(make_context(tmp_path / "b"), workers=2, execute=workers))


@pytest.mark.slow
def test_a_worker_that_dies_is_reported_in_words(workers: RayWorkers, tmp_path: Path) -> None:
    context = replace(make_context(tmp_path), workers=2, execute=workers)
    with pytest.raises(LmworksError, match="worker process died"):
        map_units(WORDS[:1], die, tmp_path / "out", context)


@pytest.mark.parametrize(
    ("on", "place"), [("local", None), ("ray", ""), ("ray://head", "head:6379"), ("ray://head:7000", "head:7000")]
)
def test_places_that_are_known(on: str, place: str | None) -> None:
    assert parse_place(on) == place


@pytest.mark.parametrize(
    "on", ["", "spark", "ray:", "ray://", "ray://:6379", "ray://head:", "ray://head:port", "ray://head:123456"]
)
def test_another_place_is_refused(on: str) -> None:
    with pytest.raises(UsageError, match="expected local, ray or ray://HOST:PORT"):
        parse_place(on)


def test_a_missing_ray_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmworks.pipeline.work.ray_workers.find_spec", lambda name: None)
    assert parse_place("local") is None
    with pytest.raises(UsageError, match=r"pip install 'lmworks\[ray\]'"):
        parse_place("ray")


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    began = time.monotonic()
    with (
        RayWorkers(f"127.0.0.1:{port}") as absent,
        pytest.raises(UsageError, match=f"nothing answers there .* `ray start --head --port={port}`"),
    ):
        assert list(absent(len, [], 1)) == [], "without work there is no need of it"
        list(absent(len, ["unit"], 1))
    assert time.monotonic() - began < 30


def test_a_machine_with_other_libraries_is_refused() -> None:
    ours = versions()
    assert call(ours, abs, -1) == 1
    assert call({name: ours[name] for name in ours if name != "pyarrow"}, abs, -1) == 1
    with pytest.raises(LmworksError, match=r"has pyarrow .*, not 1\.0: .* Install the same versions"):
        call({**ours, "pyarrow": "1.0"}, abs, -1)
