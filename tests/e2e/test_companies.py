"""Two companies, from their folder and answers to a model that answers, or to the reason why there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[2] / "benchmarks/start/run.py"


def test_passengers_messages_are_sorted_and_registers_without_a_letter_are_refused() -> None:
    command = [sys.executable, str(SCRIPT), "--only", "transit-desk", "parish-scans", "--share", "0.03"]
    done = subprocess.run(
        [*command, "--minutes", "1"],
        env={**os.environ, "LMWORKS_ID_KEY": "a key for tests only", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    desk, scans = map(json.loads, done.stdout.splitlines())
    assert (desk["faults"], scans["faults"]) == ([], []), done.stderr
    assert desk["answers"] == ['"delay"', '"accessibility"', '"lost-property"']
    assert desk["figure"]["value"] > 0.6 and desk["figure"]["interval"]
    assert scans["init"] == 3 and any("recognise its text first" in each for each in scans["lost"])
    assert done.returncode == 0
