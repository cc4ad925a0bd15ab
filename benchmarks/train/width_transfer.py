"""See whether the best learning rates move with the width of a model: one JSON line.

    python benchmarks/train/width_transfer.py FOLDER [--source DIR] [--steps N] [--widths 64,128,256] [--seeds N]

FOLDER keeps the store, so that a stopped run goes on. The corpus is the documentation of cloud services, or the text
files of DIR; losses are of validation documents. Muon's rate (matrices inside blocks) and AdamW's (embeddings, output,
norms) are swept one at a time around the defaults, in factors of two, at three layers and equal tokens. The optimum is
the vertex of a parabola through the least loss and its neighbours, over the logarithm of the rate;
`cost_of_the_narrowest` is how much more a width loses at the optimum of the narrowest than at its own: zero if rates
carry over.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from statistics import fmean

import numpy as np
from scaling import write_recipe

from lmworks.plan.machine import this_machine
from lmworks.search.runs import Runs

RATES = {
    "learning_rate": (0.01, 0.02, 0.04, 0.08, 0.16),
    "adamw_learning_rate": (0.00625, 0.0125, 0.025, 0.05, 0.1),
}


def optimum(rates: tuple[float, ...], losses: list[float]) -> tuple[float, np.ndarray]:
    """The rate of least loss, and the parabola through it; at an end of the sweep, that end."""
    best = min(max(1, int(np.argmin(losses))), len(rates) - 2)
    near = slice(best - 1, best + 2)
    curve = np.polyfit(np.log2(rates[near]), losses[near], 2)
    vertex = -curve[1] / (2 * curve[0]) if curve[0] > 0 else np.log2(rates[int(np.argmin(losses))])
    return float(2 ** np.clip(vertex, np.log2(rates[0]), np.log2(rates[-1]))), curve


def main() -> None:
    """Train, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source")
    parser.add_argument("--widths", default="64,128,256")
    for name, default in (("steps", 150), ("seeds", 1), ("threads", os.cpu_count())):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    recipe = write_recipe(options.folder, options.source)
    fixed = {"num_layers": 3, "steps": options.steps, "validation_steps": options.steps, "threads": options.threads}
    settings = [f"pretrain.{name}={value}" for name, value in fixed.items()]
    settings.append("pretrain.hidden_size=64")
    runs = Runs(recipe, settings, None, "pretrain")
    found = {}
    for field, rates in RATES.items():
        rows = {}
        for width in map(int, options.widths.split(",")):
            losses = [
                fmean(
                    runs.train({"hidden_size": width, field: rate, "seed": seed}).loss for seed in range(options.seeds)
                )
                for rate in rates
            ]
            best, curve = optimum(rates, losses)
            narrowest = next(iter(rows.values()))["optimum"] if rows else best
            cost = np.polyval(curve, np.log2(narrowest)) - np.polyval(curve, np.log2(best))
            rows[width] = {
                "losses": [round(loss, 4) for loss in losses],
                "optimum": round(best, 5),
                "cost_of_the_narrowest": round(float(cost), 4),
            }
        found[field] = {"rates": rates, "widths": rows}
    facts = {"steps": options.steps, "seeds": options.seeds, "machine": this_machine().processor}
    print(json.dumps({**found, **facts, "threads": options.threads}))


if __name__ == "__main__":
    main()
