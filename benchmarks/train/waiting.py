"""Training steps a second by how OpenMP's threads wait, on this machine as it is and with every core busy.

    python benchmarks/train/waiting.py [--rounds 5] [--seconds 6]

A small decoder in torch alone takes steps with as many threads as there are cores, in a process of its own for each
way of waiting: as libgomp waits unasked (it spins for some milliseconds), not spinning (`OMP_WAIT_POLICY=PASSIVE`),
and spinning briefly (`GOMP_SPINCOUNT`, of which lmworks sets 20,000). All take turns; medians are told, alone and
beside a process a core that computes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess

WAYS: dict[str, dict[str, str]] = {
    "unasked": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin 1,000": {"GOMP_SPINCOUNT": "1000"},
    "spin 20,000": {"GOMP_SPINCOUNT": "20000"},
}
ROWS, LENGTH, WIDTH, LAYERS, VOCABULARY = 4, 512, 256, 3, 4096


def main() -> None:
    """Take turns, print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        print(tokens_per_second(asked.seconds))
        return
    for busy in (0, os.cpu_count() or 1):
        others = [multiprocessing.Process(target=spin, daemon=True) for _ in range(busy)]
        for each in others:
            each.start()
        found: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(asked.rounds):
            for name, setting in WAYS.items():
                found[name].append(measured(setting, asked.seconds))
        end(others)
        for name, rates in found.items():
            ratio = statistics.median(rates) / statistics.median(found["unasked"])
            spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
            print(
                f"{busy} busy  {name:12} {statistics.median(rates):9,.0f} tokens/s  ({spread})  {ratio:.2f} x",
                flush=True,
            )


def measured(setting: dict[str, str], seconds: float) -> float:
    """Tokens a second in a process with a way of waiting."""
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    command = [sys.executable, __file__, "--work", "--seconds", str(seconds)]
    return float(subprocess.run(command, env=kept | setting, check=True, capture_output=True, text=True).stdout)


def tokens_per_second(seconds: float) -> float:
    """Take steps for so long."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, dropout=0, batch_first=True, norm_first=True)
    parts = nn.Embedding(VOCABULARY, WIDTH), nn.TransformerEncoder(layer, LAYERS), nn.Linear(WIDTH, VOCABULARY)
    model = nn.Sequential(*parts)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    tokens = torch.randint(0, VOCABULARY, (ROWS, LENGTH))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1).float(), tokens.flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    taken, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        step()
        taken += 1
    return taken * ROWS * LENGTH / elapsed


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


def end(others: list[BaseProcess]) -> None:
    """Let the cores rest."""
    for each in others:
        each.terminate()
        each.join()


if __name__ == "__main__":
    main()
