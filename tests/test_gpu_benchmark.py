"""The benchmark of accelerators runs before anybody has one to run it on."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import elsewhere

SCRIPT = Path(__file__).parents[1] / "benchmarks/gpu.py"
ONLY = ("causal-lm", "masked-lm", "perplexity, decoder", "log_likelihoods")


def run(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, str(SCRIPT), *arguments]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | (environment or {}))
    assert told.stdout, told.stderr[-2000:]
    return told.returncode, json.loads(told.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("asked", "reason"),
    [("auto", "torch finds no accelerator here"), ("cuda", "device: cuda, but torch finds cpu here")],
)
def test_without_an_accelerator_it_says_so(
    asked: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--device", asked, "--out", str(tmp_path / "figures.json")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    found = json.loads(capsys.readouterr().out)
    assert not ended.value.code and found["status"] == "not run" and found["reason"].startswith(reason)
    assert json.loads((tmp_path / "figures.json").read_text()) == found


@pytest.mark.slow
def test_it_measures_every_part_on_an_accelerator(tmp_path: Path) -> None:
    environment = elsewhere.environment(tmp_path, devices=2)
    code, found = run("--reduced", "--only", *ONLY, environment=environment)
    assert (code, found["status"], found["failed"], found["left"]) == (0, "run", [], []), found
    assert (found["device"], found["devices"]) == (f"{elsewhere.NAME}:0", 2)
    assert found["objectives"].keys() == {"causal-lm", "masked-lm"} and found["tasks"].keys() == {"perplexity, decoder"}
    assert {call.partition(", ")[0] for call in found["calls"]} == {"log_likelihoods"} and len(found["calls"]) == 3
    compared = [each for part in ("objectives", "tasks", "calls", "processes") for each in found[part].values()]
    assert len(compared) == 8 and all(each["difference"] < 1e-3 for each in compared)
    for each in found["pretraining"].values():
        assert (
            each["tokens_per_second"] > 0
            and 0 < each["mfu"] < 1
            and 0 < each["peak_bytes"] < each["peak_bytes_counted"]
        )
    assert found["pretraining"].keys() == {"float32", "bfloat16"} and len(found["generation"]) == 4
    assert all(each["tokens_per_second"] > 0 and each["tokens"] for each in found["generation"].values())


@pytest.mark.slow
def test_what_is_wrong_there_is_named_and_what_time_is_left_for(tmp_path: Path) -> None:
    little = elsewhere.environment(tmp_path, memory_bytes=2**18)
    code, found = run("--reduced", "--only", "causal-lm", environment=little)
    assert code == 1 and {"objectives: causal-lm", "pretraining"} <= {*found["failed"]}
    assert "not enough memory" in found["objectives"]["causal-lm"]["error"]
    code, found = run("--reduced", "--only", "causal-lm", "scores", "--minutes", "0", "--device", "cpu")
    assert code == 0 and "objectives: causal-lm" in found["left"] and "pretraining: bfloat16" in found["left"]


def test_differences_are_the_largest_in_the_same_places() -> None:
    apart = runpy.run_path(str(SCRIPT))["apart"]
    assert apart([{"loss": 2.0, "n": 3}], [{"loss": 2.1, "n": 3}]) == pytest.approx(0.05)
    assert apart({"share": 0.5}, {"share": 0.4}) == pytest.approx(0.1)
    for other in ([1, 2, 4], [1, 2], {"text": "no"}):
        assert apart([1, 2, 3], other) == "other answers"
