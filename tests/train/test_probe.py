from __future__ import annotations

import json
import os
import subprocess
import sys


def test_a_probe_prints_speed_and_memory() -> None:
    config = {"vocab_size": 300, "seconds": 0.1, "hidden_size": 64, "num_layers": 1, "sequence_length": 32}
    config |= {"global_batch_tokens": 64, "data_type": "float32", "threads": 1, "compile": False}
    command = [sys.executable, "-m", "lmworks.train.probe", json.dumps(config)]
    stdin, held_open = os.pipe()  # a probe ends when its parent does, which closes this
    try:
        found = json.loads(subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.PIPE).stdout)
    finally:
        os.close(stdin)
        os.close(held_open)
    assert found["threads"] == 1
    assert found["tokens_per_second"] > 0
    assert found["peak_memory_bytes"] > 50e6
    assert found["flops_per_token"] > 6 * 300 * 64
