"""What a training takes on this machine: the trainer itself, for some steps on made-up data.

`python -m lmworks.train.probe ASKED` takes JSON: `chain`, the configs of a model and of those that it begins with, first
to last; `vocab_size`; `seconds`; `most_threads`, among which it may choose; `started`, the monotonic time of the call.
It prints one JSON line, and ends when its standard input closes. In a process of its own, the memory is that of training
alone.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, TypeAdapter

from lmworks.model.folder import ModelFolder
from lmworks.pipeline.lifetime import end_with_parent
from lmworks.pipeline.process import peak_memory_bytes
from lmworks.pipeline.stage import Context
from lmworks.tokens.learn import write_tokenizer
from lmworks.tokens.shards import Shards
from lmworks.tokens.tokenizer import SPECIAL_TOKENS, UNKNOWN, TokenizerFolder
from lmworks.train.config import ModelConfig, TrainConfig
from lmworks.train.objectives import OBJECTIVES
from lmworks.train.train import WATCHED_PROMPTS, WATCHED_TOKENS, train

TURNS, PRODUCTS = 9, 20
"""About a second on two cores."""
MOST_STEPS, VALIDATIONS = 200, 3


class _Nowhere:
    """Neither journal nor progress: a rehearsal is not continued and not watched."""

    def records(self) -> list[dict[str, Any]]:
        return []

    def append(self, record: Mapping[str, Any]) -> None: ...

    def start(self, total: float, unit: str) -> None: ...

    def update(self, done: float, **values: float | str) -> None: ...

    def sample(self, title: str, text: str) -> None: ...


def rehearse(
    chain: Sequence[TrainConfig], vocab_size: int, seconds: float, folder: Path, most_threads: int | None = None
) -> dict[str, float]:
    """Train the last of a chain of models for about `seconds`, after a short run in which everything is compiled.

    The first step is then what it will be when the compiler finds its work done. With `most_threads`, threads are
    chosen. Gives what `train` measures, besides `begin_seconds` (making and saving the model), `sample_seconds`,
    `threads`, and the peak memory of the process.
    """
    *before, config = chain
    threads = useful_threads(most_threads, getattr(torch, config.data_type)) if most_threads else int(config.threads)
    config = config.model_copy(update={"threads": threads, "validation": "probe", "watch": None, "patience": None})
    tokenizer = _made_up_tokenizer(folder / "tokenizer", vocab_size)
    objective = OBJECTIVES[config.objective]
    rows = max(64, config.validation_rows, 8 * config.rows_per_step)
    data = folder / "data"
    objective.write_made_up(data, config.sequence_length, rows, tokenizer.open())
    base: ModelFolder | None = None
    for number, each in enumerate(before):
        OBJECTIVES[each.objective].write_made_up(folder / f"data-{number}", each.sequence_length, 1, tokenizer.open())
        some = Shards(folder / f"data-{number}", "").open()
        made = OBJECTIVES[each.objective].begin(each, base, some, tokenizer.open(), compiled=False)
        made.save(folder / f"base-{number}", tokenizer.path)
        base = ModelFolder(folder / f"base-{number}", "")

    def run(name: str, steps: int) -> dict[str, float]:
        every = max(1, steps // VALIDATIONS)
        settings = {"steps": steps, "validation_steps": every, "checkpoint_steps": every}
        scratch = folder / name
        scratch.mkdir()
        context = Context(scratch, _Nowhere(), _Nowhere(), check_stop=lambda: None, log=lambda line: None)
        began = time.perf_counter()
        rows = Shards(data, "")
        trained = config.model_copy(update=settings)
        result = train(trained, base, rows, tokenizer, rows, None, out=scratch / "model", context=context)
        measured = dict(result.measured)
        measured["begin_seconds"] = time.perf_counter() - began - measured["running_seconds"]
        return measured

    first = run("compiling", 3)
    torch._dynamo.reset()
    step = config.rows_per_step * config.sequence_length / first["tokens_per_second"]
    measured = run("running", max(VALIDATIONS + 1, min(MOST_STEPS, int(seconds / step))))
    model = objective.begin(
        config, ModelFolder(folder / "running" / "model", ""), Shards(data, "").open(), tokenizer.open(), compiled=False
    )
    began = time.perf_counter()
    with contextlib.suppress(NotImplementedError):
        model.answer(tokenizer.open(), [list(range(3, 20))] * WATCHED_PROMPTS, WATCHED_TOKENS)
    measured["sample_seconds"] = time.perf_counter() - began
    return {**measured, "threads": threads, "peak_memory_bytes": peak_memory_bytes()}


def _made_up_tokenizer(folder: Path, vocab_size: int) -> TokenizerFolder:
    """Words that mean nothing, as many as the real one will have."""
    from tokenizers import Tokenizer, models

    words = [*SPECIAL_TOKENS, UNKNOWN, *(f"w{number}" for number in range(vocab_size))][:vocab_size]
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=UNKNOWN))
    backend.add_special_tokens(list(SPECIAL_TOKENS))
    write_tokenizer(backend, folder)
    return TokenizerFolder(folder, "")


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


def main(argument: str) -> None:
    """Print the measurement of a JSON chain."""
    end_with_parent()
    asked = json.loads(argument)
    loading = time.monotonic() - asked.pop("started")
    one = TypeAdapter[TrainConfig](Annotated[ModelConfig, Field(discriminator="objective")])
    chain = [one.validate_python(each) for each in asked.pop("chain")]
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({**rehearse(chain, folder=Path(folder), **asked), "loading_seconds": loading}))


if __name__ == "__main__":
    main(sys.argv[1])
