"""The rehearsal of a training: the trainer itself on made-up data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

SETTLED = {"data": "probe", "steps": 9, "sequence_length": 32, "global_batch_tokens": 64, "data_type": "float32"} | {
    "threads": 1,
    "compile": False,
    "validation_rows": 4,
}
FIRST = {"objective": "causal-lm", "from": "scratch", "hidden_size": 64, "num_layers": 1, **SETTLED}


def rehearse(chain: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    asked = {"chain": chain, "vocab_size": 300, "steps": 6, "started": time.monotonic(), **more}
    stdin, held_open = os.pipe()  # a probe ends when its parent does, which closes this
    try:
        command = [sys.executable, "-m", "lmworks.train.probe", json.dumps(asked)]
        done = subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.PIPE)
    finally:
        os.close(stdin)
        os.close(held_open)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("chain", [[FIRST], [FIRST, {"objective": "sft", "from": "first", **SETTLED}]])
def test_a_rehearsal_measures_every_part_of_a_training(chain: list[dict[str, Any]]) -> None:
    found = rehearse(chain)
    parts = ("loading", "begin", "first_step", "first_validation", "validation", "checkpoint")
    assert all(found[f"{part}_seconds"] > 0 for part in parts)
    assert found["tokens_per_second"] > 0 and found["threads"] == 1 and found["steps_of_this_run"] == 6
    assert 50e6 < found["peak_memory_bytes"] < 2e9


def test_a_rehearsal_chooses_among_threads_when_asked() -> None:
    assert rehearse([{**FIRST, "threads": 3}])["threads"] == 3
    assert rehearse([{**FIRST, "threads": 3}], most_threads=2)["threads"] in (1, 2)
