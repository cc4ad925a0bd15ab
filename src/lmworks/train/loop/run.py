"""One training run: steps, validations, samples and checkpoints, from its current position to the end."""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lmworks.data.personal.hidden import hide
from lmworks.errors import BeyondContext, LmworksError, Stopped
from lmworks.model.config import FLOAT32
from lmworks.model.device import CPU, find_device, forget_peak, free_bytes, peak_bytes, product_rate
from lmworks.model.folder import ModelFolder, shape_of
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Handle, Result
from lmworks.pipeline.work.chunks import losing_none_else
from lmworks.pipeline.work.process import peak_memory_bytes
from lmworks.tokens.rows.mixture import Mixture
from lmworks.tokens.rows.shards import PackedRows, Shards
from lmworks.tokens.tokenizer import Tokenizer, TokenizerFolder
from lmworks.train.configs.train import TrainConfig
from lmworks.train.contract import Objective, Trainable, Watched
from lmworks.train.distributed.processes import Processes, local, whole
from lmworks.train.loop.checkpoints import BEST, WITHIN, Checkpoints, Position
from lmworks.train.loop.fit import NO_VERDICT
from lmworks.train.loop.live import Live
from lmworks.train.loop.measured import MeasuredRun
from lmworks.train.loop.optimizer import Optimizer, rate_share
from lmworks.train.memory import GAPS, require_fit_here
from lmworks.train.objectives import objective_of

WATCHED_PROMPTS = 2
WATCHED_TOKENS = 96
"""Maximum number of tokens in a watched answer, enough for a first paragraph."""
PUBLISHED = "checkpoints"
"""Folder of published checkpoints beside a model."""


@dataclass(frozen=True)
class RunInputs:
    """Inputs of a run."""

    base: ModelFolder | None
    data: Shards
    tokenizer: TokenizerFolder
    validation: Shards | None = None
    watch: Handle | None = None
    judges: Sequence[ModelFolder] = ()
    """Models that reward answers, or a teacher."""


class Run(MeasuredRun):
    """One training run, with all objects that are made from its config, and its current position."""

    def __init__(self, config: TrainConfig, inputs: RunInputs, out: Path, context: Context, *, compiled: bool) -> None:
        self.config, self.context, self.tokenizer = config, context, inputs.tokenizer.open()
        self.steps = int(config.steps)
        objective = objective_of(config.objective)
        fingerprint = _fingerprint(config, self.tokenizer)
        rows = self._mixed(_rows(inputs.data, config, self.tokenizer, fingerprint))
        self.mixture = rows.mixture
        self.objective: Objective = objective(rows, config)
        self.unseen: Objective | None = None
        if inputs.validation:
            held_out = _rows(inputs.validation, config, self.tokenizer, fingerprint)
            self.unseen = objective(held_out.of_labels(rows.label_names), config)
        watch = inputs.watch
        self.watched: list[Watched] = objective.watched(watch, self.tokenizer, WATCHED_PROMPTS) if watch else []
        self.begin = partial(objective.begin, config, inputs.base, rows, self.tokenizer)
        self.device = find_device(config.device)
        self.is_apart = self.device.type != CPU
        if self.is_apart:
            product_rate(self.device, getattr(torch, config.data_type))  # once in a process: no part of the peak
            forget_peak(self.device)
        self.processes = Processes(self.device, config.tensor_parallel)
        self._require_fit(inputs.base)
        self.model: Trainable = self.begin(compiled=compiled and self.processes.mesh is None)
        if config.adapter and self.model.module is self.model.network:
            raise LmworksError("adapters work only with decoders: leave `adapter` out")
        if config.adapter and self.processes.mesh:
            raise LmworksError("adapters are trained by one process: leave `processes` at 1")
        self.processes.spread(self.model.blocks)
        self._on_device(self.model, self.device)
        self.objective.prepare(self.model, self.tokenizer, context, inputs.judges)
        facts = {
            "steps": self.steps,
            "tokens_per_step": config.rows_per_step * config.sequence_length,
            "flops_per_token": self.model.training_flops_per_token(config.sequence_length),
            "bytes_per_token": rows.bytes_of_text / max(1, rows.trained_tokens),
        }
        self.live = Live(context.scratch, config, facts, self.device, context.log, heard=self.processes.is_first)
        self.parameters = list(self.model.module.parameters())
        self.optimizer = Optimizer(self.model.module, config, self.processes)
        self.weights = {name: weight.detach() for name, weight in self.model.module.named_parameters()}
        tensors = self.weights | self.optimizer.state
        self.checkpoints = Checkpoints(
            context, tensors, fingerprint, self.processes, config.keep_checkpoints, out / PUBLISHED
        )
        self.position = self._begun(inputs.base)
        self.began_at = self.position.step
        if self.began_at:
            context.log(f"goes on after {self.began_at} of {self.steps} steps")
        self.compiled = compiled
        self.patience_ended = False
        self.seconds: list[float] = []
        self.spent: dict[str, list[float]] = defaultdict(list)
        """Seconds outside the steps, by part."""

    def _require_fit(self, base: ModelFolder | None) -> None:
        """Raise GateRefused if the training does not fit in memory. Models of unknown shape are not checked."""
        try:
            shape = (
                self.config.tuned_shape(shape_of(base.path)) if base else self.config.shape(self.tokenizer.vocab_size)
            )
        except (LmworksError, OSError):  # what is wrong is told when the model is read
            return
        require_fit_here(shape, self.config, self.tokenizer.vocab_size)

    @staticmethod
    def _on_device(model: Trainable, device: torch.device) -> Trainable:
        """Move the network and the trained module, which can be separate, to a device."""
        for part in (model.network, model.module):
            part.to(device)
        return model

    def _begun(self, base: ModelFolder | None) -> Position:
        """Return the position where this run was stopped, or where it branches off, or the start."""
        position, branch = self.checkpoints.restore(self._require_stored), self.config.branch_step
        if branch and base and not position.step:
            position = self.checkpoints.branch_from(base.path / PUBLISHED, branch)
        for name, weight in self.weights.items():
            if not torch.isfinite(weight).all():
                raise LmworksError(
                    f"{base.path if base else 'the fresh model'}: {name} holds values that are not finite numbers; "
                    "train that model anew, or take another"
                )
        return position

    def _require_stored(self, position: Position) -> None:
        """Raise ValueError if the objective cannot continue from this position."""
        self.objective.require_stored(position.step)

    def _mixed(self, rows: PackedRows) -> PackedRows:
        """Return rows with the order in which the parts of a mix are read, and log this order."""
        if self.config.proportions is None:
            return rows
        mixture = Mixture(self.config.proportions, rows.parts, self.steps * self.config.rows_per_step)
        for line in mixture.as_text():
            self.context.log(line)
        return replace(rows, mixture=mixture)

    def go(self) -> None:
        """Train for all remaining steps."""
        config, tokens = self.config, self.config.rows_per_step * self.config.sequence_length
        self.context.progress.start(self.steps * tokens, "tokens")
        if self.unseen and not self.position.validations:
            with self.timed("validation"):
                self.validate()  # what the model can before it learns
        while self.position.step < self.steps:
            self._stop_if_asked()
            began = time.perf_counter()
            line = self.step(self.position.step)
            self.seconds.append(time.perf_counter() - began)
            self.position.step += 1
            done = self.position.step
            shown = {name: line[name] for name in ("loss", "learning_rate")}
            measured: dict[str, float] = {}
            record = {"step": done, "tokens": done * tokens, **line}
            self.position.history.append(record)
            finished = self.objective.finished(self.position.history)
            if finished:
                self.context.log(f"ends after {done} steps: {finished}")
                self._return_within()
            if self.unseen and (done % config.validation_steps == 0 or done == self.steps or finished):
                with self.timed("validation"):
                    measured = self.validate()
            record |= measured
            self.live.step(record, self.seconds[-1])
            shown |= {name: value for name, value in measured.items() if name == "validation_loss"}
            self.context.progress.update(done * tokens, **shown, tokens_per_second=tokens / self.seconds[-1])
            if self.watched and (done == self.steps or done.bit_count() == 1):  # 1, 2, 4, 8, …
                with self.timed("sample"):
                    self.sample()
            self.patience_ended = bool(
                measured and not finished and self._is_stale(self.objective.selection_loss(measured))
            )
            if finished or self.patience_ended:
                break
            publish = done in config.publish_checkpoints
            if publish or (done % config.checkpoint_steps == 0 and done < self.steps):
                with self.timed("checkpoint"):
                    self.checkpoints.save(self.position, publish=publish)
        if self.position.best_loss is not None:
            self.context.log(f"takes the weights of step {self.position.best_step}, the best on validation data")
            self.checkpoints.take_weights(BEST, self.weights)

    def _return_within(self) -> None:
        """Take the last weights that were within the objective's limit, if it has one."""
        if self.position.within_step is not None:
            self.context.log(f"takes the weights of step {self.position.within_step}, the last within the limit")
            self.checkpoints.take_weights(WITHIN, self.weights)

    def _stop_if_asked(self) -> None:
        """Save the state and raise Stopped if the user stopped the run."""
        asked = None
        try:
            self.context.check_stop()
        except Stopped as error:
            asked = error
        if self.processes.any(asked is not None):
            self.checkpoints.save(self.position, stopped=True)
            self.context.log(f"saved after {self.position.step} of {self.steps} steps")
            raise asked or Stopped("another process was asked to stop")

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time that is spent inside the context to a part."""
        began = time.perf_counter()
        yield
        self.spent[part].append(time.perf_counter() - began)

    def step(self, step: int) -> dict[str, Any]:
        """Do one optimizer step and return its history line. Raises LmworksError if its gradient is not finite."""
        torch.manual_seed(self.config.seed * 1_000_003 + step)
        self.model.learn(True, label_smoothing=self.config.label_smoothing)
        total = weight = 0.0
        metrics: dict[str, float] = {}
        data = self.objective.batch(step, self.model)
        for batch in self.processes.mine(data.split(self.config.micro_batch_rows), self.model.blocks):
            loss, batch_weight, more = self.objective.loss(self.model, batch.to(self.device))
            loss.backward()  # type: ignore[no-untyped-call]
            total, weight = total + loss.item(), weight + batch_weight
            metrics = {name: metrics.get(name, 0.0) + value for name, value in more.items()}
        names = list(metrics)
        total, weight, *sums = self.processes.add([total, weight, *metrics.values()])
        metrics = dict(zip(names, sums, strict=True))
        self.processes.add_gradients(self.model.module)
        if not step and not math.isfinite(total):
            raise LmworksError(
                "step 1: the loss is not a number before any update: the weights of `from` are too large, or data_type "
                "is too narrow for them; use another model, or data_type float32"
            )
        norm = self._divide_and_clip(max(weight, 1.0))
        if not math.isfinite(norm):  # clipping bounds the others
            raise LmworksError(
                f"step {step + 1}: the gradient is not a finite number; lower learning_rate, use float32, or take "
                "another base"
            )
        if self.objective.is_within(step, metrics, weight):
            self.position.within_step = step
            self.checkpoints.keep_weights(WITHIN, self.weights)
        share = rate_share(step, self.config, self.steps)
        self.optimizer.step(step + 1, share)
        for parameter in self.parameters:
            parameter.grad = None
        return {
            "loss": total / max(weight, 1.0),
            "learning_rate": share * self.config.learning_rate,
            "gradient_norm": norm,
            **{name: value / max(weight, 1.0) for name, value in metrics.items()},
        }

    def _divide_and_clip(self, weight: float) -> float:

        gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        norm = self.processes.norm(gradients) / weight
        torch._foreach_mul_(
            [local(gradient) for gradient in gradients], min(1.0, self.config.gradient_clip / max(norm, 1e-12)) / weight
        )
        return norm

    def _is_stale(self, validation_loss: float) -> bool:
        """Return whether `patience` has run out. With it, or `keep_best`, store the weights if they are the best."""
        position, patience = self.position, self.config.patience
        if patience is None and not self.config.keep_best:
            return False
        if position.best_loss is None or validation_loss < position.best_loss:
            position.best_loss, position.best_step = validation_loss, position.step
            self.checkpoints.keep_weights(BEST, self.weights)
        return patience is not None and position.step - position.best_step >= patience * self.config.validation_steps

    def sample(self) -> None:
        """Answer the watched prompts with the current weights. Personal data in prompts and answers are masked.

        Prompts that leave no room for an answer are counted in the log, and no longer watched.
        """
        step, lost = self.position.step, list[BeyondContext]()
        model = self.whole_model()
        asked, self.watched = self.watched, []

        def answered(some: Sequence[Watched]) -> list[dict[str, Any]]:
            answers = model.answer(self.tokenizer, [each.prompt for each in some], WATCHED_TOKENS)
            self.watched += some
            return [
                {"step": step, "prompt": hide(each.title), "text": hide(answer.text.strip())}
                | {"reference": hide(each.reference)}
                | ({} if answer.thoughts is None else {"thoughts": hide(answer.thoughts)})
                for each, answer in zip(some, answers, strict=True)
            ]

        records = losing_none_else(answered, lost)(asked)
        if lost:
            self.context.log(f"{len(lost)} watched prompts leave no room for an answer: left out")
        self.position.samples += records
        for record in records:
            self.live.sample(step, record["prompt"], record["text"])
        if records:
            self.context.progress.sample(records[0]["prompt"], records[0]["text"])

    def whole_model(self, device: torch.device | None = None) -> Trainable:
        """Return the whole model: the run's own, or, with several processes, a new one made of all their parts.

        The new model is on `device`. By default it is on the run's device if it fits there, and on the host otherwise.
        """
        if self.processes.mesh is None:
            return self.model
        if device is None:
            size = FLOAT32 * sum(weight.numel() for weight in self.weights.values())
            fits = not self.is_apart or GAPS * size < free_bytes(self.device)
            device = self.device if fits else torch.device(CPU)
        model = self._on_device(self.begin(compiled=False), device)
        weights = dict(model.module.named_parameters())
        for name, weight in self.weights.items():
            weights[name].data.copy_(whole(weight))
        return model

    def result(self) -> Result:
        """Return counts, figures such as the last validation loss, the verdict, and the measured speed."""
        tokens = self.config.rows_per_step * self.config.sequence_length
        figures, examples = self._validation_figures(), list[dict[str, str]]()
        drawn = self.objective.figures(self.position.history)
        kind, words = self._verdict(drawn)
        self.context.log(words)
        examples.append({"reason": "fit", "text": words})
        if kind or self.unseen:  # to have no validation data is a choice, and no doubt
            examples[0]["verdict"] = kind or NO_VERDICT
        figures += drawn
        steady = sorted(self.seconds[1:] or self.seconds or [1.0])
        return Result(
            figures=figures,
            examples=examples,
            counts={
                "parameters": sum(parameter.numel() for parameter in self.parameters),
                "steps": self.position.step,
                "tokens": self.position.step * tokens,
                **{f"{part} rows": rows for part, rows in (self.mixture.rows_read if self.mixture else {}).items()},
            },
            measured={
                "tokens_per_second": tokens / steady[len(steady) // 2],
                "first_step_seconds": self.seconds[0] if self.seconds else 0.0,
                "steps_of_this_run": self.steps - self.began_at,
                **{f"first_{part}_seconds": seconds[0] for part, seconds in self.spent.items()},
                **{f"{part}_seconds": statistics.median(times[1:] or times) for part, times in self.spent.items()},
                "peak_memory_bytes": peak_memory_bytes(),
                **({"device_memory_bytes": peak_bytes(self.device)} if self.is_apart else {}),
            },
        )


def _fingerprint(config: TrainConfig, tokenizer: Tokenizer) -> dict[str, str]:
    """Return the values that must match between a continued run and its checkpoints. Rows are added when opened."""
    return {
        "tokenizer": tokenizer.digest,
        **{name: canonical_json(value) for name, value in key_config(config).items()},
    }


def _rows(shards: Shards, config: TrainConfig, tokenizer: Tokenizer, fingerprint: dict[str, str]) -> PackedRows:
    rows = shards.open()
    if rows.sequence_length != config.sequence_length or rows.tokenizer_digest != tokenizer.digest:
        raise LmworksError(
            f"{shards.path}: rows of {rows.sequence_length} tokens by tokenizer {rows.tokenizer_digest[:12]}; expected "
            f"{config.sequence_length} by {tokenizer.digest[:12]}: pack the data anew with this model's tokenizer"
        )
    fingerprint["validation rows" if "rows" in fingerprint else "rows"] = rows.checked_digest(str(shards.path))
    return rows
