"""Losses and verdict of a run, measured on rows from which it learns, and on validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.figure import Figure
from lmworks.tokens.kinds.frame import frame_of
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.configs.train import LEAST_PARTS, TrainConfig
from lmworks.train.contract import Objective, Splittable, Trainable
from lmworks.train.loop.checkpoints import Position
from lmworks.train.loop.fit import Course, Verdict, each_mean, judge, judge_rewards, means
from lmworks.train.loop.leak import share_seen


class MeasuredRun:
    """The part of a training run that measures its model."""

    config: TrainConfig
    tokenizer: Tokenizer
    objective: Objective
    unseen: Objective | None
    """Objective on rows of the validation data. None if there are no such data."""
    model: Trainable
    device: torch.device
    position: Position
    compiled: bool

    def validate(self) -> dict[str, float]:
        """Return the loss and the share of correct predictions on rows of the validation data."""
        assert self.unseen  # noqa: S101 - asked for only when there is some
        parts = self._measured(self._validated)
        self.position.validations.append(each_mean(parts))
        return {f"validation_{name}": value for name, value in means(parts).items()}

    @cached_property
    def _validated(self) -> list[Any]:
        """Rows of the validation data, in parts."""
        assert self.unseen  # noqa: S101 - asked for only when there is some
        return self._parts(self.unseen.measured(self.config.measured_rows), self.unseen.rows_in_all)

    def _parts(self, data: Splittable, most: int) -> list[Any]:
        """Return micro-batches. They are smaller, if possible, where there would be too few for an interval."""
        if not self.objective.rows_apart:
            return list(data.split(self.config.micro_batch_rows))
        rows, small = self.config.rows_at_once, max(1, min(self.config.measured_rows, most) // LEAST_PARTS)
        return list(data.split(rows if self.compiled else min(rows, small)))

    def _measured(self, parts: Sequence[Any]) -> list[dict[str, float]]:
        """Return the sums of loss, weight and metrics of each part, or of smaller parts.

        Gradients stay on, although none is used, because a pass without them would be compiled again.
        """
        self.model.learn(False, label_smoothing=0.0)
        found = []
        for batch in parts:
            found += self.objective.sums(self.model, batch.to(self.device))
        return found

    def _validation_figures(self) -> list[Figure]:
        """Return the last validation loss, or the best one if its weights are used. Empty without validation data."""
        losses = [line["validation_loss"] for line in self.position.history if "validation_loss" in line]
        if not (losses and self.unseen):
            return []
        mean_over = self.unseen.mean_over
        alike = f"mean loss per {mean_over} of packed validation rows from all the data, attention inside documents"
        method, unit = self.unseen.validation_measure or (alike, f"nats per {mean_over}")
        conditions = Conditions(
            context_length=self.config.sequence_length, data_type=self.config.data_type, device=self.device.type
        )
        return [
            Figure(
                name="validation loss",
                value=losses[-1] if self.position.best_loss is None else self.position.best_loss,
                n=min(self.config.measured_rows, self.unseen.rows_in_all),
                method=method,
                unit=unit,
                conditions=conditions,
            )
        ]

    def _verdict(self, drawn: Sequence[Figure]) -> Verdict:
        """Return the verdict on the run. `drawn` are the objective's figures of the answers that it drew, if any."""
        if self.unseen and self.objective.tells_its_loss:
            return judge(self._course())
        unseen = self._measured(self._validated) if self.unseen else []
        weights = [part["weight"] for part in unseen]
        return judge_rewards(drawn, self.position.validations[0] if unseen else [], each_mean(unseen), weights)

    def _course(self) -> Course:
        """Return the record of the run, with measurements of the final weights."""
        assert self.unseen  # noqa: S101 - asked for only when there is some
        position, rows = self.position, self.config.rows_per_step
        count = min(self.config.measured_rows, self.unseen.rows_in_all)
        back = min(position.step - position.began, max(-(-count // rows), self.objective.mixed_steps))
        last = position.step
        batches = [self.objective.batch(step, self.model) for step in range(last - back, last)]
        parts = [part for batch in batches for part in self._parts(batch, back * rows)]
        trained = self._measured(parts[:: max(1, len(parts) // max(LEAST_PARTS, len(self._validated)))])
        words, trivial = self.objective.trivial(self._validated)
        ends = frame_of(self.tokenizer)
        breaks = {self.tokenizer.end_of_text_id, ends.begin, ends.end, ends.pad}
        if self.tokenizer.unknown_id is not None:
            breaks.add(self.tokenizer.unknown_id)  # which hides whether words are the same
        seen, tokens = min((last - position.began) * rows, self.objective.rows_in_all), self.objective.rows.tokens
        read = self.objective.rows.numbers(self.config.seed, position.began * rows, seen)
        newest = min(back * rows, seen // 2)
        held = self.unseen.measured_rows(count)
        steps = [0, *(line["step"] for line in position.history if "validation_loss" in line)]
        steps = steps[-len(position.validations) :]
        first = max(k for k, step in enumerate(steps) if step <= position.began or not k)
        until = len(steps) if position.best_loss is None else sum(step <= position.best_step for step in steps)
        return Course(
            losses=[line["loss"] for line in position.history if line["step"] > position.began],
            validations=position.validations[first:until],
            validated=[max(0, step - position.began) for step in steps[first:until]],
            trained=trained,
            unseen=self._measured(self._validated),
            trivial=trivial,
            trivial_words=words,
            passes=(position.step - position.began) * rows / self.objective.rows_in_all,
            mean_over=self.unseen.mean_over,
            past_best=until < len(steps),
            leaked=share_seen(tokens, read, self.unseen.rows.tokens[held], sorted(breaks)),
            repeated=share_seen(tokens, read[:-newest], tokens[np.sort(read[-newest:])], sorted(breaks))
            if newest
            else 0.0,
        )
