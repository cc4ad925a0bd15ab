"""The trainer: one stage for every objective."""

from __future__ import annotations

import json
import math
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.data.documents import write_file, write_json_lines
from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.tokens.shards import PackedRows, Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.config import TrainConfig

if TYPE_CHECKING:
    from lmworks.tokens.tokenizer import Tokenizer
    from lmworks.train.checkpoints import Position
    from lmworks.train.objective import Objective, Splittable, Trainable, Watched

WATCHED_PROMPTS = 2
WATCHED_TOKENS = 96
"""Long enough for a first paragraph."""
SAMPLE_POINTS = 8
"""Times that the watched prompts are answered: after all steps, half of them, a quarter, …"""
SPIKE_WINDOW = 20
"""Steps whose median gradient norm a spike is held against."""
MOST_SPIKES = 20
"""More in one run are no accidents."""
BEST = "best.safetensors"


@stage(version=2)
def train(
    config: TrainConfig,
    base: ModelFolder | None,
    data: Shards,
    tokenizer: TokenizerFolder,
    validation: Shards | None,
    watch: Handle | None,
    out: Path,
    context: Context,
) -> Result:
    """Train a model and write its folder, with `history.jsonl`, `samples.jsonl` and `training.json`.

    A run that was killed goes on from its last checkpoint and ends with the same bytes as one that was not.
    """
    config.require_resolved()
    settings = _kept_settings(config, context)
    with _threads(settings["threads"]):
        run = Run(config, base, data, tokenizer, validation, watch, context, settings["compile"])
        run.go()
        run.model.save(out, tokenizer.path)
    write_json_lines(out / "history.jsonl", run.position.history)
    write_json_lines(out / "samples.jsonl", run.position.samples)
    resolved = config.model_dump(mode="json", exclude=set(config.not_in_key))
    write_file(out / "training.json", (json.dumps(resolved, indent=1, sort_keys=True) + "\n").encode())
    return run.result()


class Run:
    """One training run: everything that is made from the config, and where it stands."""

    def __init__(
        self,
        config: TrainConfig,
        base: ModelFolder | None,
        data: Shards,
        tokenizer: TokenizerFolder,
        validation: Shards | None,
        watch: Handle | None,
        context: Context,
        compiled: bool,
    ) -> None:
        from lmworks.train.checkpoints import restore_checkpoint
        from lmworks.train.objectives import OBJECTIVES
        from lmworks.train.optimizer import Optimizer

        self.config, self.context, self.tokenizer = config, context, tokenizer.open()
        self.steps = int(config.steps)
        objective = OBJECTIVES[config.objective]
        rows = self._mixed(_rows(data, config, self.tokenizer))
        self.mixture = rows.mixture
        self.objective: Objective = objective(rows, config.seed, config.rows_per_step)
        self.unseen: Objective | None = None
        if validation:
            self.unseen = objective(_rows(validation, config, self.tokenizer), config.seed, config.rows_per_step)
        self.watched: list[Watched] = objective.watched(watch, self.tokenizer, WATCHED_PROMPTS) if watch else []
        self.model: Trainable = objective.begin(config, base, rows, self.tokenizer, compiled=compiled)
        self.parameters = list(self.model.module.parameters())
        self.optimizer = Optimizer(self.model.module, config)
        self.weights = {name: weight.detach() for name, weight in self.model.module.named_parameters()}
        self.tensors = self.weights | self.optimizer.state
        self.position: Position = restore_checkpoint(context, self.tensors)
        self.began_at = self.position.step
        if self.began_at:
            context.log(f"goes on after {self.began_at} of {self.steps} steps")
        self.seconds: list[float] = []

    def _mixed(self, rows: PackedRows) -> PackedRows:
        """Rows with the order in which the parts of a mixture are read, which is told."""
        from lmworks.tokens.mixture import Mixture

        if self.config.proportions is None:
            return rows
        mixture = Mixture(self.config.proportions, rows.parts, self.steps * self.config.rows_per_step)
        for line in mixture.in_words():
            self.context.log(line)
        return replace(rows, mixture=mixture)

    def go(self) -> None:
        """All steps that are left."""
        from lmworks.train.checkpoints import save_checkpoint

        if self.config.on_spike == "roll-back" and not self.position.step:
            save_checkpoint(self.context, self.position, self.tensors)
        config, tokens = self.config, self.config.rows_per_step * self.config.sequence_length
        self.context.progress.start(self.steps * tokens, "tokens")
        samples_at = {max(1, self.steps >> halvings) for halvings in range(SAMPLE_POINTS)}
        while self.position.step < self.steps:
            self.context.check_stop()
            began = time.perf_counter()
            line = self.step(self.position.step)
            self.seconds.append(time.perf_counter() - began)
            if line is None:
                self._after_spike()
                continue
            self.position.step += 1
            done = self.position.step
            if self.unseen and (done % config.validation_steps == 0 or done == self.steps):
                line |= self.validate()
            self.position.history.append(line)
            self.context.progress.update(
                done * tokens,
                **{name: line[name] for name in ("loss", "learning_rate", "validation_loss") if name in line},
                tokens_per_second=tokens / self.seconds[-1],
            )
            if self.watched and done in samples_at:
                self.sample()
            if "validation_loss" in line and self._is_stale(line["validation_loss"]):
                break
            if done % config.checkpoint_steps == 0 and done < self.steps:
                save_checkpoint(self.context, self.position, self.tensors)
        self._take_best()

    def step(self, step: int) -> dict[str, Any] | None:
        """One optimizer step; its line of the history, or None if it was a spike and moved nothing."""
        import torch

        from lmworks.train.optimizer import rate_share

        torch.manual_seed(self.config.seed * 1_000_003 + step)
        self.model.learn(True, label_smoothing=self.config.label_smoothing)
        total = weight = 0.0
        metrics: dict[str, float] = {}
        data = self.objective.batch(step + self.position.data_shift, self.model)
        for batch in data.split(self.config.micro_batch_rows):
            loss, batch_weight, more = self.objective.loss(self.model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total, weight = total + loss.item(), weight + batch_weight
            metrics = {name: metrics.get(name, 0.0) + value for name, value in more.items()}
        norm = self._divide_and_clip(max(weight, 1.0))
        share, spiked = rate_share(step, self.config, self.steps), self._is_spike(norm)
        if not spiked:
            self.optimizer.step(step + 1, share)
        for parameter in self.parameters:
            parameter.grad = None
        if spiked:
            return None
        return {
            "step": step + 1,
            "tokens": (step + 1) * self.config.rows_per_step * self.config.sequence_length,
            "loss": total / max(weight, 1.0),
            "learning_rate": share * self.config.learning_rate,
            "gradient_norm": norm,
            **{name: value / max(weight, 1.0) for name, value in metrics.items()},
        }

    def _divide_and_clip(self, weight: float) -> float:
        import torch

        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients)) / weight
        torch._foreach_mul_(gradients, min(1.0, self.config.gradient_clip / max(norm, 1e-12)) / weight)
        return norm

    def _is_spike(self, norm: float) -> bool:
        if not math.isfinite(norm):
            return True
        before = [line["gradient_norm"] for line in self.position.history[-SPIKE_WINDOW:]]
        ratio = self.config.spike_ratio
        return ratio is not None and len(before) == SPIKE_WINDOW and norm > ratio * statistics.median(before)

    def _after_spike(self) -> None:
        """Go on as `on_spike` says; a run that does nothing but jump is stopped in any case."""
        from lmworks.train.checkpoints import restore_checkpoint, save_checkpoint

        step = self.position.step
        spikes = [*self.position.spikes, step + 1]
        if self.config.on_spike == "stop" or len(spikes) > MOST_SPIKES:
            raise LmworksError(
                f"step {step + 1}: the loss is not a number, or its gradient leapt ({len(spikes)} times so far); lower "
                "learning_rate, use float32, or let single steps be left out with `on_spike: skip`"
            )
        self.context.log(f"step {step + 1} was a spike: {self.config.on_spike}")
        if self.config.on_spike == "skip":
            self.position.spikes, self.position.step = spikes, step + 1
            return
        before = self.position
        self.position = restore_checkpoint(self.context, self.tensors)
        self.position.spikes = spikes
        self.position.data_shift = step + 1 + before.data_shift - self.position.step
        self.position.best_loss, self.position.best_step = before.best_loss, before.best_step  # as the file holds
        save_checkpoint(self.context, self.position, self.tensors)

    def _is_stale(self, validation_loss: float) -> bool:
        """Whether `patience` is at its end; the best weights so far are kept for it."""
        from lmworks.train.checkpoints import save_tensors

        position, patience = self.position, self.config.patience
        if patience is None:
            return False
        if position.best_loss is None or validation_loss < position.best_loss:
            position.best_loss, position.best_step = validation_loss, position.step
            save_tensors(self.context.scratch / BEST, self.weights)
        return position.step - position.best_step >= patience * self.config.validation_steps

    def _take_best(self) -> None:
        from lmworks.train.checkpoints import load_tensors

        if self.position.best_loss is not None:
            self.context.log(f"takes the weights of step {self.position.best_step}, the best on validation data")
            load_tensors(self.context.scratch / BEST, self.tensors)

    def validate(self) -> dict[str, float]:
        """Loss and share of right guesses over the first rows of the validation data."""
        from lmworks.train.fit import means

        assert self.unseen  # noqa: S101 - asked for only when there is some
        found = means(self._measured(self.unseen.first(self.config.validation_rows)))
        return {f"validation_{name}": value for name, value in found.items()}

    def _measured(self, data: Splittable) -> list[dict[str, float]]:
        """Sums of loss, weight and metrics of each micro-batch.

        Gradients stay on although none is used: a pass without them would be compiled anew.
        """
        self.model.learn(False, label_smoothing=0.0)
        found = []
        for batch in data.split(self.config.micro_batch_rows):
            loss, weight, more = self.objective.loss(self.model, batch)
            found.append({"loss": loss.item(), **more, "weight": weight})
        return found

    def sample(self) -> None:
        """Answer the watched prompts with the weights as they are now."""
        prompts = [watched.prompt for watched in self.watched]
        answers = self.model.answer(self.tokenizer, prompts, WATCHED_TOKENS)
        for watched, answer in zip(self.watched, answers, strict=True):
            record = {"step": self.position.step, "prompt": watched.title, "text": answer}
            self.position.samples.append({**record, "reference": watched.reference})
        first = self.position.samples[-len(self.watched)]
        self.context.progress.sample(first["prompt"], first["text"])

    def result(self) -> Result:
        """Counts, the last validation loss, and how fast it went."""
        from lmworks.train.fit import judge_fit

        tokens = self.config.rows_per_step * self.config.sequence_length
        losses = [line["validation_loss"] for line in self.position.history if "validation_loss" in line]
        figures, examples = [], []
        if losses and self.unseen:
            method = "mean cross-entropy over the first packed validation rows, attention inside documents"
            figures.append(
                Figure(
                    name="validation loss",
                    value=losses[-1] if self.position.best_loss is None else self.position.best_loss,
                    n=min(self.config.validation_rows, self.unseen.rows_in_all),
                    method=method,
                    unit="nats per token",
                    context_length=self.config.sequence_length,
                    data_type=self.config.data_type,
                    device="cpu",
                )
            )
            last = self.objective.batch(self.position.step + self.position.data_shift - 1, self.model)
            trained, unseen = self._measured(last), self._measured(self.unseen.first(self.config.validation_rows))
            passes = self.position.step * self.config.rows_per_step / self.objective.rows_in_all
            gap, verdict = judge_fit(trained, unseen, losses, passes)
            self.context.log(verdict)
            figures.append(gap)
            examples.append({"reason": "fit", "text": verdict})
        steady = sorted(self.seconds[1:] or self.seconds or [1.0])
        return Result(
            figures=figures,
            examples=examples,
            counts={
                "parameters": sum(parameter.numel() for parameter in self.parameters),
                "steps": self.position.step,
                "tokens": self.position.step * tokens,
                **({"spikes": len(self.position.spikes)} if self.position.spikes else {}),
                **{f"{part} rows": rows for part, rows in (self.mixture.rows_read if self.mixture else {}).items()},
            },
            measured={
                "tokens_per_second": tokens / steady[len(steady) // 2],
                "first_step_seconds": self.seconds[0] if self.seconds else 0.0,
                "steps_of_this_run": self.steps - self.began_at,
                "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            },
        )


def _kept_settings(config: TrainConfig, context: Context) -> dict[str, Any]:
    """Threads and compile change bits, so a continued run keeps those that it began with."""
    for record in context.journal.records():
        if "threads" in record:
            return record
    settings = {"threads": config.threads, "compile": config.compile}
    context.journal.append(settings)
    return settings


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rows(shards: Shards, config: TrainConfig, tokenizer: Tokenizer) -> PackedRows:
    rows = shards.open()
    if rows.sequence_length != config.sequence_length or rows.tokenizer_digest != tokenizer.digest:
        raise LmworksError(
            f"{shards.path}: rows of {rows.sequence_length} tokens by tokenizer {rows.tokenizer_digest[:12]}; expected "
            f"{config.sequence_length} by {tokenizer.digest[:12]}: pack the data anew with this model's tokenizer"
        )
    return rows
