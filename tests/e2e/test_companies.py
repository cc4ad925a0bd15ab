"""Two companies, from their folder and answers to what is served and answers, or to the reason why nothing is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "benchmarks/start/run.py"


def test_contracts_are_found_and_cited_and_registers_without_a_letter_are_refused() -> None:
    command = [sys.executable, str(SCRIPT), "--only", "law-firm", "parish-scans", "--share", "0.1", "--minutes", "1"]
    key = {"LMWORKS_ID_KEY": "a key for tests only", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env={**os.environ, **key}, capture_output=True, text=True)
    firm, scans = map(json.loads, done.stdout.splitlines())
    faults = [each for each in firm["faults"] + scans["faults"] if not each.startswith("build took")]
    assert not faults, done.stderr
    assert (firm["verdict"], firm["serves"]) == ("no training", "passages")
    assert [json.loads(each)["cites"] != [] for each in firm["answers"]] == [True] * 3
    assert scans["init"] == 3 and any("recognise its text first" in each for each in scans["lost"])
