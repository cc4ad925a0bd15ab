"""The trainer: one stage for every objective."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lmworks.data.shards.records import write_json_lines
from lmworks.lazy import torch
from lmworks.model.device import CPU
from lmworks.model.folder import ModelFolder, name_engine, stored_parameters
from lmworks.pipeline.files import full_disk_in_words, write_atomically
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.recipe.schema import Effect, unaffecting
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.train import TrainConfig
from lmworks.train.distributed.launch import run_processes
from lmworks.train.loop.freed_memory import freed_memory_kept
from lmworks.train.memory import shortage_in_words


@stage(
    version=15,
    begins_with="base",
    trains_on="data",
    reads="tokenizer",
    judges=("rewards", "teacher"),
    measures=("validation", "watch"),
)
def train(
    config: TrainConfig,
    base: ModelFolder | None,
    data: Shards,
    tokenizer: TokenizerFolder,
    validation: Shards | None,
    watch: Handle | None,
    out: Path,
    context: Context,
    rewards: list[ModelFolder] | None = None,
    teacher: ModelFolder | None = None,
) -> Result:
    """Train a model and write its folder, with `history.jsonl`, `samples.jsonl`, `training.json` and `checkpoints`.

    `rewards` are models that judge its answers, and `teacher` is a model to learn from.

    A killed run continues from its last checkpoint, and ends with the same bytes as a run without a break.
    """
    from lmworks.train.loop.run import Run, RunInputs

    config.require_resolved()
    config.require_checkpoints_on_the_way()
    if config.processes > 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
        inputs = {"base": base, "data": data, "tokenizer": tokenizer, "validation": validation, "watch": watch}
        return run_processes(config, inputs, out, context)
    settings = _kept_settings(config, context)
    with (
        _threads(settings["threads"]),
        freed_memory_kept(),
        shortage_in_words(config.micro_batch_rows, context.journal),
    ):
        judges = [*(rewards or ()), *([teacher] if teacher else ())]
        read = RunInputs(base, data, tokenizer, validation, watch, judges)
        run = Run(config, read, out, context, compiled=settings["compile"])
        with run.timed("running"), run.checkpoints, closing(run.live):
            run.go()
        model, result = run.whole_model(torch.device(CPU)), run.result()
        if not run.processes.is_first:
            return result
        size = sum(weight.numel() * weight.element_size() for weight in model.network.parameters())
        with full_disk_in_words(out, config.step_name or config.objective, size, run.checkpoints.last):
            model.save(out, tokenizer.path)
    if config.engine:
        name_engine(out, config.engine)
    write_json_lines(out / "history.jsonl", run.position.history)
    write_json_lines(out / "samples.jsonl", run.position.samples)
    resolved = config.model_dump(mode="json", exclude=unaffecting(type(config), Effect.KEY))
    write_atomically(out / "training.json", (json.dumps(resolved, indent=1, sort_keys=True) + "\n").encode())
    if config.adapter:  # what was learned is a part of the model
        trained = {"trained parameters": result.counts["parameters"], "parameters": stored_parameters(out)}
        result = replace(result, counts={**result.counts, **trained})
    return result


def first_step(
    config: TrainConfig, base: ModelFolder | None, data: Shards, tokenizer: TokenizerFolder, context: Context
) -> tuple[dict[str, Any], float]:
    """Return the history's line of the first step, and its seconds. Nothing is kept."""
    from lmworks.train.loop.run import Run, RunInputs

    only = config.model_copy(update={"steps": 1, "publish_checkpoints": [], "branch_step": None, "log_to": {}})
    with _threads(int(config.threads)), freed_memory_kept(), shortage_in_words(config.micro_batch_rows):
        run = Run(only, RunInputs(base, data, tokenizer), context.scratch, context, compiled=False)
        with closing(run.live):
            began = time.perf_counter()
            return run.step(0), time.perf_counter() - began


def _kept_settings(config: TrainConfig, context: Context) -> dict[str, Any]:
    """Return the settings `threads` and `compile`. They change bits, so a continued run keeps its first values."""
    for record in context.journal.records():
        if "threads" in record:
            return record
    settings = {"threads": config.threads, "compile": config.compile}
    context.journal.append(settings)
    return settings


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
