"""Processor time of answers by several adapters on one base, beside one model alone: what serving them together costs.

    python benchmarks/serve_adapters.py BASE MODEL [--models 4] [--rows 8] [--tokens 24] [--rounds 7]

BASE is a model's folder, MODEL that of one tuned from it with a LoRA, which lies in its `adapter/` (measured:
SmolLM2-135M-Instruct, rank 16). The adapter is loaded `--models` times under different names. In each round every way
answers the same `--rows` prompts together, in turns. Prints one JSON line: median processor milliseconds a token by
way, medians of the ratios to `alone` within rounds, and bytes of weights held.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.open import open_adapted, open_decoder
from lmworks.engines.protocol import Writing
from lmworks.engines.request import Sampling


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("model", type=Path)
    for name, default in (("models", 4), ("rows", 8), ("tokens", 24), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    found = parser.parse_args()
    names = [f"model-{number}" for number in range(found.models)]
    alone = open_decoder(found.model)
    together = open_adapted(found.base, {"base": None} | dict.fromkeys(names, found.model / "adapter"))
    ways: dict[str, tuple[DecoderEngine, Sequence[str]]] = {
        "alone": (alone, [""]),
        "base beside adapters": (together, ["base"]),
        "one adapter": (together, names[:1]),
        f"{found.models} adapters": (together, names),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(found.rounds + 1):
        for way, (engine, asked) in ways.items():
            took = answer(engine, asked, found.rows, found.tokens)
            if number:  # the first is warm-up
                seconds[way].append(took)
    print(
        json.dumps(
            {
                "milliseconds a token": {way: 1000 * statistics.median(each) for way, each in seconds.items()},
                "ratio": {
                    way: statistics.median(one / of for one, of in zip(each, seconds["alone"], strict=True))
                    for way, each in seconds.items()
                },
                "bytes of the base": sum(weight.nbytes for weight in together.model.parameters()),
                "bytes of an adapter": (found.model / "adapter" / "adapter_model.safetensors").stat().st_size,
            }
        )
    )


def answer(engine: DecoderEngine, names: Sequence[str], rows: int, tokens: int) -> float:
    """Processor seconds a written token, with prompts of 64, asked of the models in turn."""
    batch = engine.batch(rows)
    size = engine.model.config.vocab_size
    prompts = [[0, *(token % size for token in range(1000 + row, 1063 + row))] for row in range(rows)]
    wanted = [Writing(ids, Sampling(tokens)) for ids in prompts]
    requests = [batch.add(writing, names[row % len(names)]) for row, writing in enumerate(wanted)]
    began = time.process_time()
    while batch.busy:
        batch.step()
    return (time.process_time() - began) / sum(len(request.ids) for request in requests)


if __name__ == "__main__":
    main()
