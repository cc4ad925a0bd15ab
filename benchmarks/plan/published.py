"""Predicted device hours beside those of twelve published runs, and decoding rates beside three published servers.

    python benchmarks/plan/published.py

A table on standard error, one JSON line on standard output.

Hours and tokens: LLaMA (arXiv 2302.13971), BLOOM (arXiv 2211.05100), TinyLlama (its README), nanochat
(dev/LEADERBOARD.md), OLMo 3 (tokens approximate), Llama 3 (arXiv 2407.21783). The bands of utilisation were proposed
with these runs in view: the first part checks bookkeeping and is no forecast. The second was not tuned on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lmworks.plan.costs import device_hours, servings
from lmworks.plan.count import SHAPES
from lmworks.plan.facts import NOTHING, load_facts
from lmworks.recipe.schema import NeedsConfig

RUNS = json.loads(Path(__file__).with_name("published.json").read_text())
SERVERS = (
    ("vLLM, peak, bf16, Llama-3.1-8B, 1 H100", 1024, (12_500, 12_500)),
    ("SGLang 0.3 and vLLM 0.6, ShareGPT, Llama-3.1-8B, 1 A100", 1024, (4_132, 4_282)),
    ("vLLM and SGLang, prompts of 5k to 10k, Llama-3.1-8B, 1 H100", 7_500, (3_037, 3_088)),
)
"""(what, context in tokens assumed, output tokens a second as published)."""


def main() -> None:
    facts, inside = load_facts(), []
    for run in RUNS:
        flops = run.get("logged_flops") or 6 * run["parameters"] * run["tokens"]
        low, high = device_hours(flops, facts.devices[run["device"]])
        within = low <= run["device_hours"] <= high
        inside.append(within == ("outlier" not in run))
        mfu = flops / (facts.devices[run["device"]].peak_teraflops * 1e12 * run["device_hours"] * 3600)
        print(
            f"{run['run']:18} {run['device']:9} {flops:9.3e} {low:12,.0f} to {high:12,.0f} h, published "
            f"{run['device_hours']:12,.1f}, MFU {mfu:.3f} {'inside' if within else 'outside'} {run.get('outlier', '')}",
            file=sys.stderr,
        )
    shape = next(shape for shape in SHAPES if shape.name == "Llama-3.1-8B")
    served = []
    for what, context, published in SERVERS:
        device = "a100-80" if "A100" in what else "h100"
        found = next(servings(shape, device, NeedsConfig(context_tokens=context), facts, NOTHING))
        low, high = found.written_tokens_per_second
        served.append(low <= published[0] and published[1] <= high)
        print(f"{what}: {low:,.0f} to {high:,.0f} tokens/s, published {published}", file=sys.stderr)
    print(
        json.dumps(
            {"runs_as_expected": sum(inside), "runs": len(RUNS), "servers_inside": sum(served), "servers": len(SERVERS)}
        )
    )


if __name__ == "__main__":
    main()
