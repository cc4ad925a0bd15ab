"""A build that is stopped while it trains: saved, told as stopped, and gone on with by the same command."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks, start

pytestmark = pytest.mark.slow
LONG = ["--set", "pretrain.steps=5000", "--set", "pretrain.checkpoint_steps=5000"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_is_told_as_stopped_and_goes_on(built: Path, number: signal.Signals) -> None:
    seed = ["--set", f"pretrain.seed={number}"]
    process = start(built, "build", "recipe.yaml", "--until", "pretrain", *LONG, *seed)
    live = built / ".lmworks" / "work"
    while process.poll() is None and not any(
        '"step": 3' in path.read_text() for path in live.glob("*/scratch/*.jsonl")
    ):
        time.sleep(0.05)
    running = json.loads(lmworks(built, "status", "recipe.yaml", *LONG, *seed, "--json").stdout)
    process.send_signal(number)
    assert process.stderr
    said = process.stderr.read()
    assert process.wait() == 130 and " of 5000 steps" in said and "stopped as asked" in said
    steps = int(said.split("saved after ")[1].split()[0])
    assert "unfinished work of pretrain" in lmworks(built, "gc", "--apply").stdout
    stopped = json.loads(lmworks(built, "status", "recipe.yaml", *LONG, *seed, "--json").stdout)
    states = [{row["step"]: row for row in rows}["pretrain"] for rows in (running, stopped)]
    assert [row["state"] for row in states] == ["running", "stopped"]
    assert " left" in states[0]["reason"] and " left" not in states[1]["reason"]
    assert f"step {steps} of 5,000, stopped" in states[1]["reason"]
    again = start(built, "build", "recipe.yaml", "--until", "pretrain", *LONG, *seed)
    assert again.stderr
    for line in again.stderr:
        if "goes on after" in line:
            assert f"goes on after {steps} of 5000 steps" in line
            break
    again.kill()
    again.wait()
