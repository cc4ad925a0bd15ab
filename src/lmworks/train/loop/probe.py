"""Time and memory of a training on this machine, measured with the trainer itself on made-up data.

`python -m lmworks.train.loop.probe ASKED` takes JSON. `chain` has the configs of a model's bases and, as the last one,
its own. Other fields are `vocab_size`, `steps`, `most_threads` (the largest number to try) and `started` (monotonic
time of the call). It prints one JSON line, and ends when its standard input closes. It runs in its own process, so
that the measured memory is that of training.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lmworks.data.shards.records import Document, write_json_lines, write_shard
from lmworks.model.device import CPU, find_device, forget_peak, peak_bytes
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Handle
from lmworks.pipeline.work.process import end_with_parent
from lmworks.tokens.kinds.learn import write_tokenizer
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.settings import UNKNOWN
from lmworks.tokens.tokenizer import SPECIAL_TOKENS, TokenizerFolder
from lmworks.train.configs.train import TrainConfig, from_record
from lmworks.train.contract import Trainable
from lmworks.train.loop.run import WATCHED_PROMPTS
from lmworks.train.loop.train import train
from lmworks.train.objectives import objective_of

TURNS, PRODUCTS = 9, 20
"""Numbers of timed turns, and of products per turn. They take about a second on two cores."""
VALIDATIONS = 3
MADE_UP_PROMPT = " ".join(f"w{number}" for number in range(3, 20))
"""Prompt as long as a title or a short question."""


class _Nowhere:
    """A journal and progress that store nothing, because nobody continues or watches a rehearsal."""

    def records(self) -> list[dict[str, Any]]:
        return []

    def append(self, record: Mapping[str, Any]) -> None: ...

    def start(self, total: float, unit: str) -> None: ...

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...


def rehearse(
    chain: Sequence[TrainConfig], vocab_size: int, steps: int, folder: Path, most_threads: int | None = None
) -> dict[str, float]:
    """Train the last of a chain of models for `steps` steps, with validations and checkpoints.

    With `most_threads`, the number of threads is chosen. Returns the measurements of `train`, `begin_seconds` (making
    and saving the model), `threads`, and the peak memory of the process.
    """
    *before, config = chain
    device, threads = find_device(config.device), most_threads or int(config.threads)
    if most_threads and device.type == CPU:
        threads = useful_threads(most_threads, getattr(torch, config.data_type))
    tokenizer = synthetic_tokenizer(folder / "tokenizer", vocab_size)
    words = tokenizer.open()

    def rows(name: str, of: TrainConfig, count: int) -> Shards:
        objective_of(of.objective).write_synthetic(folder / name, of.sequence_length, count, words)
        return Shards(folder / name, "")

    def begin(of: TrainConfig, base: ModelFolder | None, data: Shards) -> Trainable:
        model: Trainable = objective_of(of.objective).begin(of, base, data.open(), words, compiled=False)
        return model

    base: ModelFolder | None = None
    for number, each in enumerate(before):
        made = begin(each, base, rows(f"data-{number}", each, 1))
        base = ModelFolder(folder / f"base-{number}", "")
        made.save(base.path, tokenizer.path)
    data = rows("data", config, max(64, config.measured_rows, 8 * config.rows_per_step))
    every = max(1, steps // VALIDATIONS)
    settings = {"threads": threads, "steps": steps, "validation_steps": every, "checkpoint_steps": every}
    context = Context(folder, _Nowhere(), _Nowhere(), check_stop=lambda: None, log=lambda line: None)
    trained = config.model_copy(update=settings)
    watch = synthetic_prompts(folder / "watch") if config.watch else None
    forget_peak(device)  # of making what it begins with
    began = time.perf_counter()
    found = dict(train(trained, base, data, tokenizer, data, watch, out=folder / "model", context=context).measured)
    found["begin_seconds"] = time.perf_counter() - began - found["running_seconds"]
    return {**found, "threads": threads, "peak_memory_bytes": peak_bytes(device)}


def synthetic_prompts(folder: Path) -> Handle:
    """Return prompts to watch in both forms that objectives read: documents and conversations."""
    folder.mkdir()
    text = f"{MADE_UP_PROMPT}\n{MADE_UP_PROMPT}"
    document = Document(id="0", source="", text=text, licence="")
    messages = [{"role": role, "content": MADE_UP_PROMPT} for role in ("user", "assistant")]
    write_shard(folder / "part-00000.parquet", [document] * WATCHED_PROMPTS)
    write_json_lines(folder / "conversations.jsonl", [{"messages": messages}] * WATCHED_PROMPTS)
    return Handle(folder, "")


def synthetic_tokenizer(folder: Path, vocab_size: int) -> TokenizerFolder:
    """Return a tokenizer with `vocab_size` made-up words, as many as the real one will have."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = [*SPECIAL_TOKENS, UNKNOWN, *(f"w{number}" for number in range(vocab_size))][:vocab_size]
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(list(SPECIAL_TOKENS))
    write_tokenizer(backend, folder)
    return TokenizerFolder(folder, "")


def useful_threads(most: int, data_type: torch.dtype) -> int:
    """Return the faster number of threads: `most` or 1. On a shared machine, threads can wait for busy cores.

    Both numbers are timed in turns, on products of a small model's size, so that a disturbance affects both.
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


def main(argument: str) -> None:
    """Print the measurement of a JSON chain."""
    end_with_parent()
    asked = json.loads(argument)
    loading = time.monotonic() - asked.pop("started")
    chain = [from_record(each) for each in asked.pop("chain")]
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({**rehearse(chain, folder=Path(folder), **asked), "loading_seconds": loading}))


if __name__ == "__main__":
    main(sys.argv[1])
