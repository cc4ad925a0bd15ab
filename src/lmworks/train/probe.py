"""How fast a model trains on this machine: a few seconds on random tokens.

`python -m lmworks.train.probe CONFIG` takes the fields of a causal-lm step as JSON, besides `vocab_size` and `seconds`,
and prints one JSON line; it ends when its standard input closes. In a process of its own, the memory is that of
training alone.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time

import torch

from lmworks.model.decoder import Decoder
from lmworks.pipeline.lifetime import end_with_parent
from lmworks.train.config import CausalLMConfig
from lmworks.train.decoder import TrainableDecoder
from lmworks.train.freed_memory import freed_memory_kept
from lmworks.train.objective import Batch
from lmworks.train.optimizer import Optimizer

MEAN_SEGMENT = 256
"""Tokens between two <|endoftext|> among the random ones."""
TURNS, PRODUCTS = 9, 20
"""About a second on two cores."""


def measure_speed(config: CausalLMConfig, vocab_size: int, seconds: float) -> dict[str, float]:
    """Train for `seconds` after the first step, on `config.threads` or on one, whichever is faster.

    Gives threads, tokens_per_second (median of steps), flops_per_token, and peak_memory_bytes of the process.
    """
    threads = useful_threads(int(config.threads), getattr(torch, config.data_type))
    torch.set_num_threads(threads)
    torch.manual_seed(config.seed)
    decoder = Decoder(config.shape(vocab_size))
    decoder.initialise(torch.Generator().manual_seed(config.seed))
    decoder.compute_type = getattr(torch, config.data_type)
    model = TrainableDecoder(decoder, end_of_text=0, compiled=bool(config.compile))
    optimizer = Optimizer(decoder, config)
    times: list[float] = []
    while len(times) < 3 or sum(times[1:]) < seconds:
        began = time.perf_counter()
        _step(model, optimizer, config, vocab_size, len(times) + 1)
        times.append(time.perf_counter() - began)
    step = statistics.median(times[1:])
    return {
        "threads": threads,
        "tokens_per_second": config.rows_per_step * config.sequence_length / step,
        "flops_per_token": decoder.config.training_flops_per_token(config.sequence_length),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def useful_threads(most: int, data_type: torch.dtype) -> int:
    """`most` or 1: on a shared machine the other cores may be somebody else's, and threads that wait are slow.

    Products of a small model's size are timed in turns, so that a disturbance meets both.
    """
    left, right = torch.ones(2048, 256, dtype=data_type), torch.ones(256, 768, dtype=data_type)
    times: dict[int, list[float]] = {1: [], most: []}
    for _ in range(TURNS):
        for threads, taken in times.items():
            torch.set_num_threads(threads)
            left @ right  # the threads are started outside of the time
            began = time.perf_counter()
            for _ in range(PRODUCTS):
                left @ right
            taken.append(time.perf_counter() - began)
    return min(times, key=lambda threads: statistics.median(times[threads]))


def _step(model: TrainableDecoder, optimizer: Optimizer, config: CausalLMConfig, vocab_size: int, number: int) -> None:
    tokens = torch.randint(1, vocab_size, (config.rows_per_step, config.sequence_length + 1))
    tokens[torch.rand(tokens.shape) < 1 / MEAN_SEGMENT] = 0
    for batch in Batch(tokens, torch.ones(tokens.shape)).split(config.micro_batch_rows):
        targets, weights = batch.tokens[:, 1:].flatten(), batch.weights[:, 1:].flatten()
        loss, _ = model.cross_entropy(model.hidden(batch).flatten(0, 1), targets, weights)
        (loss / tokens.numel()).backward()  # type: ignore[no-untyped-call]
    optimizer.step(number, 0.01)
    for parameter in model.decoder.parameters():
        parameter.grad = None


def main(argument: str) -> None:
    """Print the measurement of a JSON config."""
    end_with_parent()
    fields = json.loads(argument)
    vocab_size, seconds = fields.pop("vocab_size"), fields.pop("seconds", 5.0)
    config = CausalLMConfig.model_validate({"from": "scratch", "data": "probe", "steps": 1, **fields})
    with freed_memory_kept():
        print(json.dumps(measure_speed(config, vocab_size, seconds)))


if __name__ == "__main__":
    main(sys.argv[1])
