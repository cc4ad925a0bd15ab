"""The speed of scoring choices beside LM Evaluation Harness' `hf` model, on the same cores, in one run: one JSON line.

    python benchmarks/evaluate/choice_speed.py MODEL DATA --peer PYTHON [--items 48] [--rounds 3] [--tasks copa]

Arguments are those of `lm_eval_parity.py`. Both sides are given texts, and give the log-likelihood of every choice in
float32; loading and what a task does beside that are not timed. The harness is tried at every of `--batches` on all
items first, and timed at the fastest. Rounds are interleaved; `ratio` is its median time over that of lmworks, by the
clock, and `processor_ratio` by seconds of processors. Its process sleeps while lmworks computes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, NamedTuple

import choice_sets
import torch

from lmworks.engines.open import open_decoder
from lmworks.evaluate.choices import LikelihoodConfig, judge


class Times(NamedTuple):
    """Of one scoring of all items."""

    seconds: float
    processor: float
    """Seconds of all cores, which other work on the machine does not lengthen as it does the clock's."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--peer", type=Path, help="Python of an environment with lm_eval[hf]")
    parser.add_argument("--items", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", nargs="*", default=["1", "2", "4", "8", "16", "32"])
    parser.add_argument("--threads", type=int, default=2)
    choosing = [name for name, each in choice_sets.SETS.items() if each.kind != "perplexity"]
    parser.add_argument("--tasks", nargs="*", default=choosing)
    options = parser.parse_args()
    if not options.peer or not options.peer.is_file():
        print(f"skipped: no Python of LM Evaluation Harness at --peer {options.peer}")
        return
    torch.set_num_threads(options.threads)
    engine = open_decoder(options.model, "float32", "cpu")
    peer = choice_sets.Peer(options.peer, options.model, options.threads)
    found = {}
    for name in options.tasks:
        each = choice_sets.SETS[name]
        asked, delimiter = choice_sets.texts(each, each.read(options.data)[: options.items])
        pairs = [(prompt, f"{delimiter}{text}") for prompt, some in asked for text in some]
        config = LikelihoodConfig(kind="speed", data="set", boundary="lm-eval")

        def ours(asked: Any = asked, config: LikelihoodConfig = config, delimiter: str = delimiter) -> Times:
            start, used = time.perf_counter(), time.process_time()
            judge(engine, config, asked, delimiter)
            return Times(time.perf_counter() - start, time.process_time() - used)

        def theirs(batch: str, pairs: Any = pairs) -> Times:
            found = peer.ask(do="pairs", pairs=pairs, batch=batch if batch == "auto" else int(batch))
            return Times(found["seconds"], found["used"])

        ours()
        tried = {batch: theirs(batch) for batch in options.batches}
        best = min(tried, key=lambda batch: tried[batch].processor)
        rounds = [(ours(), theirs(best)) for _ in range(options.rounds)]
        mine, other = (Times(*map(median, zip(*side, strict=True))) for side in zip(*rounds, strict=True))
        found[name] = {
            "lmworks": mine,
            "lm_eval": other,
            "batch": best,
            "tried": tried,
            "ratio": other.seconds / mine.seconds,
            "processor_ratio": other.processor / mine.processor,
        }
        print(json.dumps({name: found[name]}), flush=True)
    peer.close()
    told: dict[str, Any] = {"lm_eval": peer.version, "items": options.items}
    for ratio in ("ratio", "processor_ratio"):
        every = [each[ratio] for each in found.values()]
        told |= {f"{ratio}_geometric": geometric_mean(every), f"{ratio}_least": min(every)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
