"""The data part of a recipe on Ray: a Ray of the build's own, a cluster that runs, kills."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.data_support import payload_bytes
from lmworks.pipeline.display import PlainDisplay
from lmworks.workspace import open_workspace, run

pytestmark = pytest.mark.slow

RECIPE = """\
name: data
use_case: testing
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: texts, licence: MIT}]
    licences: {allow: [permissive]}
    shard_bytes: 8000
  clean: {kind: normalise, from: raw}
  private: {kind: anonymise, from: clean}
  split: {kind: split, from: private, by: id, test: 6, validation: 4}
  curated: {kind: curate, from: split.train, filters: [length, language], avoid: [split.test, split.validation]}
  unique: {kind: repeated-passages, from: curated, words: 20}
  corpus: {kind: decontaminate, from: unique, files: [questions.jsonl]}
"""
WORDS = Path(__file__).parents[2].joinpath("LICENSE").read_text().split()


def make_project(folder: Path, documents: int) -> Path:
    """Texts with near duplicates, addresses, a passage in common and an evaluation item."""
    draw = random.Random(0)
    question = " ".join(draw.choices(WORDS, k=30))
    passage = " ".join(draw.choices(WORDS, k=40))
    (folder / "texts").mkdir(parents=True)
    for number in range(documents):
        text = " ".join(draw.choices(WORDS, k=250))
        more = {1: passage, 2: f"Write to person{number}@example.org.", 3: question if number == 3 else ""}
        (folder / "texts" / f"{number:04d}.txt").write_text(f"{text}\n\n{more.get(number % 8, '')}")
        if number % 8 == 4:
            (folder / "texts" / f"{number:04d}-again.txt").write_text(f"{text} once more")
    (folder / "questions.jsonl").write_text(json.dumps({"question": question}) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Equal ids, and a home in which everything that is written shows."""
    monkeypatch.setenv("LMWORKS_ID_KEY", "a key for tests only")
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", "another key for tests only")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def payloads(store: Path) -> dict[str, dict[str, bytes]]:
    found = store.glob("artifacts/*/*/manifest.json")
    return {json.loads(path.read_text())["step"]: payload_bytes(path.parent / "payload") for path in found}


def counts(store: Path) -> Counter[str]:
    total: Counter[str] = Counter()
    for path in store.glob("artifacts/*/*/manifest.json"):
        total.update(json.loads(path.read_text())["counts"])
    return total


def start_build(folder: Path, store: str, on: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lmworks", "build", "recipe.yaml", "--store", store, "--on", on, "--verbose"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def wait_until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def processes_of(session: int) -> list[str]:
    """What runs in a session; proc(5)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = path.read_text().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if rest.split()[0] != "Z" and int(rest.split()[3]) == session:
            found.append(name)
    return found


def units_ended(store: Path) -> int:
    return sum(
        '"unit":' in line for path in store.glob("work/*/progress.jsonl") for line in path.read_text().split("\n")
    )


def test_two_workers_on_ray_give_the_same_bytes_as_two_here(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = make_project(tmp_path / "project", 60)
    for store, ray in (("here", None), ("ray", "")):
        workspace = open_workspace(folder / "recipe.yaml", store=tmp_path / store)
        run(workspace, PlainDisplay(sys.stderr), workers=2, ray=ray)
    assert payloads(tmp_path / "ray") == payloads(tmp_path / "here")
    assert len(payloads(tmp_path / "here")) == 7
    done = counts(tmp_path / "here")
    expected = ("near duplicate", "email redacted", "cut: passage of another document", "contaminated items")
    assert all(done[reason] for reason in expected), done
    assert list((tmp_path / "home").iterdir()) == []
    said = capfd.readouterr()
    assert "\x1b" not in said.err and "\r" not in said.err
    assert "ray" not in said.out.lower() + said.err.lower().replace(str(tmp_path).lower(), "")


def test_kills_on_ray_change_no_byte_and_leave_no_process(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project", 150)
    for kill in range(3):
        before = units_ended(folder / "killed")
        build = start_build(folder, "killed", "ray")
        wait_until(lambda before=before: units_ended(folder / "killed") > before)
        time.sleep(0.1 * kill)
        assert build.poll() is None
        os.killpg(build.pid, signal.SIGKILL)
        build.communicate()
        wait_until(lambda build=build: processes_of(build.pid) == [])
    last = start_build(folder, "killed", "ray")
    output, errors = last.communicate(timeout=300)
    assert last.returncode == 0 and "goes on after" in errors, output + errors
    calm = start_build(folder, "calm", "local")
    assert calm.wait(timeout=300) == 0
    assert payloads(folder / "killed") == payloads(folder / "calm")


def test_a_build_on_ray_that_is_asked_to_stop_goes_on_here(tmp_path: Path) -> None:
    folder = make_project(tmp_path / "project", 150)
    build = start_build(folder, "stopped", "ray")
    wait_until(lambda: units_ended(folder / "stopped") > 0)
    build.send_signal(signal.SIGTERM)
    _, errors = build.communicate(timeout=60)
    assert build.returncode == 130, errors
    assert errors.splitlines()[-1].startswith("stopped as asked")
    assert processes_of(build.pid) == []
    again = start_build(folder, "stopped", "local")
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0 and "goes on after" in errors, errors


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Ray that is started as on the head of a cluster, in a folder of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32, "RAY_USAGE_STATS_ENABLED": "0"}
    for name, value in {**settings, "PYTHONPATH": os.pathsep.join(sys.path)}.items():
        monkeypatch.setenv(name, value)
    short = Path("/tmp") / f"ray-{os.getpid()}"  # the paths of sockets have at most 107 bytes
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    options = ["--num-cpus=2", "--include-dashboard=false", f"--temp-dir={short}", "--min-worker-port=0"]
    head = subprocess.Popen([*command, *options, "--max-worker-port=0"], cwd="/", stdout=subprocess.DEVNULL)
    wait_until(lambda: head.poll() is not None or list(short.glob("session_latest/sockets/raylet*")))
    assert head.poll() is None
    yield f"ray://127.0.0.1:{port}"
    head.terminate()
    head.wait(60)
    shutil.rmtree(short, ignore_errors=True)


def test_a_cluster_gives_the_same_bytes_and_is_left_running(tmp_path: Path, cluster: str) -> None:
    folder = make_project(tmp_path / "project", 60)
    for store, on in (("here", "local"), ("there", cluster), ("again", cluster)):
        build = start_build(folder, store, on)
        output, errors = build.communicate(timeout=300)
        assert build.returncode == 0, output + errors
    assert payloads(folder / "there") == payloads(folder / "again") == payloads(folder / "here")
    assert list((folder / "there").glob(".*")) == []
