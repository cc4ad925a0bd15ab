"""The contract between the trainer and an objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Handle
from lmworks.tokens.rows.shards import PackedRows, write_rows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.arithmetic.packed import segments

Ids = np.ndarray[Any, np.dtype[np.int64]]

MEAN_SEGMENT = 256
"""Tokens between two <|endoftext|> of made-up rows."""


class Splittable(Protocol):
    """The data of a step, or of a part of it."""

    def split(self, rows: int) -> Iterator[Self]:
        """Micro-batches of so many rows."""

    def to(self, device: torch.device) -> Self:
        """The same on another device."""


@dataclass(frozen=True)
class Batch:
    """Packed rows: tokens [B,T+1] and the weight of each as a target [B,T+1]."""

    tokens: Tensor
    weights: Tensor

    @property
    def inputs(self) -> Tensor:
        """[B,T]"""
        return self.tokens[:, :-1].contiguous()

    def segments(self, end_of_text: int) -> tuple[Tensor, Tensor]:
        """Numbers and positions [B,T] of the segments of `inputs`: they begin with <|endoftext|>."""
        return segments(self.inputs, end_of_text)

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return type(self)(*(getattr(self, each.name).to(device) for each in fields(self)))

    def split(self, rows: int) -> Iterator[Self]:
        """Micro-batches of so many rows."""
        for start in range(0, len(self.tokens), rows):
            yield type(self)(*(getattr(self, each.name)[start : start + rows] for each in fields(self)))


@dataclass(frozen=True)
class TextBatch:
    """Packed texts: tokens [B,T] and the number of what is to be said at each [B,T], −1 for nothing."""

    tokens: Tensor
    targets: Tensor
    names: Sequence[str] = ()
    """Of the numbers, which differ from part to part of the data; none where they are tokens."""

    @property
    def inputs(self) -> Tensor:
        """[B,T]"""
        return self.tokens

    def segments(self, begin: int) -> tuple[Tensor, Tensor]:
        """Numbers and positions [B,T] of the texts, which begin with this token."""
        return segments(self.tokens, begin)

    def to(self, device: torch.device) -> TextBatch:
        """The same on another device."""
        return replace(self, tokens=self.tokens.to(device), targets=self.targets.to(device))

    def split(self, rows: int) -> Iterator[TextBatch]:
        """Micro-batches of so many rows."""
        for start in range(0, len(self.tokens), rows):
            yield replace(self, tokens=self.tokens[start : start + rows], targets=self.targets[start : start + rows])


class Trainable(Protocol):
    """What a model offers to the trainer and to an objective."""

    @property
    def module(self) -> nn.Module:
        """Whose parameters are learned."""

    @property
    def network(self) -> nn.Module:
        """All that is computed with: the module itself, or what its adapters stand beside."""

    @property
    def output_weight(self) -> Tensor: ...

    @property
    def blocks(self) -> nn.ModuleList: ...

    def hidden(self, batch: Any) -> Tensor:
        """[B,T,D]"""

    def cross_entropy(self, hidden: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Σ weight · −ln p(target) over [N,D] hidden states, and Σ weight of right guesses."""

    def training_flops_per_token(self, sequence_length: int) -> float:
        """Floating-point operations, forward and backward."""

    def learn(self, learning: bool, *, label_smoothing: float) -> None:
        """Whether what follows is learned from, with dropout and smoothed labels, or only measured."""

    def answer(self, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[str]:
        """What the model says to prompts, as it is now."""

    def save(self, folder: Path, tokenizer_folder: Path) -> None:
        """Write it as a model folder."""


class Labelling(Trainable, Protocol):
    """What a model offers besides that tells something of positions of a text."""

    @property
    def labels(self) -> Sequence[str]:
        """Of what it tells, in the order of their numbers; none where it tells tokens."""

    def told(self, batch: TextBatch) -> Tensor:
        """The number of what is to be said at each position [B,T], −1 for nothing: where it has seen enough."""


@dataclass(frozen=True)
class Watched:
    """A prompt that is answered again and again, and what stands in the data."""

    title: str
    prompt: Sequence[int]
    reference: str


class Objective(Protocol):
    """What the trainer asks for; it never asks an objective's name. Only the objective knows its kind of batch."""

    rows_in_all: int
    """Rows in one pass over the data."""
    weighed: str
    """What the loss is a mean over: tokens, pairs."""
    other_measure: tuple[str, str] | None
    """Method and unit of what stands for a loss on validation data, where it is not that on training data."""

    def __init__(self, rows: PackedRows, config: Any) -> None: ...

    def prepare(self, model: Any, tokenizer: Tokenizer, context: Context, judges: Sequence[ModelFolder] = ()) -> None:
        """See the model as it begins, before a stopped run's weights are restored, and models that judge answers."""

    def batch(self, step: int, model: Any) -> Any:
        """The data of a step, a `Splittable`: a function of the step, and of what it has stored in the scratch folder.

        The model is as it is before the step.
        """

    def require_stored(self, step: int) -> None:
        """Raise ValueError if this step needs something of the scratch folder that was damaged."""

    def finished(self, line: Mapping[str, float]) -> str | None:
        """Why the run ends after a step of which the history tells this, in words; None if it goes on."""

    def to_lower(self, measured: Mapping[str, float]) -> float:
        """What is least of the best weights, of what was measured on validation data."""

    def first(self, count: int) -> Any:
        """At most so many rows, always the same, to measure on."""

    def loss(self, model: Any, batch: Any) -> tuple[Tensor, float, dict[str, float]]:
        """Sum of losses, sum of weights, and sums of further metrics."""

    @staticmethod
    def begin(
        config: Any, base: ModelFolder | None, rows: PackedRows, tokenizer: Tokenizer, *, compiled: bool
    ) -> Trainable:
        """The model to train: from `base`, or a fresh one."""

    @staticmethod
    def watched(handle: Handle, tokenizer: Tokenizer, count: int) -> list[Watched]:
        """Prompts to watch."""

    @staticmethod
    def write_made_up(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Random data in the form that this objective reads, to rehearse a training on."""


def packed_batch(rows: PackedRows, numbers: Sequence[int] | np.ndarray[Any, Any]) -> Batch:
    """Rows by their numbers."""
    tokens, weights = (np.stack([array[number] for number in numbers]) for array in (rows.tokens, rows.weights))
    return Batch(torch.from_numpy(tokens.astype(np.int64)), torch.from_numpy(weights.astype(np.float32)))


def made_up_tokens(sequence_length: int, rows: int, tokenizer: Tokenizer) -> Ids:
    """Random tokens [rows,T+1] in segments of random length."""
    draw = np.random.default_rng(0)
    tokens = draw.integers(3, tokenizer.vocab_size, (rows, sequence_length + 1))
    tokens[draw.random(tokens.shape) < 1 / MEAN_SEGMENT] = tokenizer.end_of_text_id
    tokens[:, 0] = tokenizer.end_of_text_id
    return tokens


def write_made_up_rows(
    out: Path,
    tokens: Ids,
    weights: Ids,
    tokenizer: Tokenizer,
    labels: tuple[Sequence[str], Ids] | None = None,
    margins: np.ndarray[Any, np.dtype[np.float32]] | None = None,
) -> None:
    """Write tokens, weights and numbers of labels, each [rows,T+1], and margins [rows,groups], as packing does."""
    write_rows(
        out,
        [tokens],
        [weights],
        [],
        labels=labels,
        margins=margins,
        rows=len(tokens),
        sequence_length=tokens.shape[1] - 1,
        trained_tokens=int(weights[:, 1:].sum()),
        vocab_size=tokenizer.vocab_size,
        tokenizer_digest=tokenizer.digest,
        bytes_of_text=0,
    )


class PackedObjective:
    """Batches of packed rows in the order of seeded permutations, of each part where there are several."""

    weighed = "token"
    other_measure: tuple[str, str] | None = None

    def __init__(self, rows: PackedRows, config: Any) -> None:
        self.rows, self.config, self.rows_in_all = rows, config, len(rows.tokens)
        self.seed, self.rows_per_step = config.seed, config.rows_per_step

    @staticmethod
    def write_made_up(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Random tokens in segments of random length; all are trained."""
        tokens = made_up_tokens(sequence_length, rows, tokenizer)
        write_made_up_rows(out, tokens, np.ones_like(tokens), tokenizer)

    def prepare(self, model: Any, tokenizer: Tokenizer, context: Context, judges: Sequence[ModelFolder] = ()) -> None:
        """Nothing: the data of a step does not depend on the model."""

    def require_stored(self, step: int) -> None:
        """Nothing is stored."""

    def finished(self, line: Mapping[str, float]) -> str | None:
        """Never before the last step."""

    def to_lower(self, measured: Mapping[str, float]) -> float:
        """The loss."""
        return measured["validation_loss"]

    def batch(self, step: int, model: Any) -> Any:
        """Rows `step · rows_per_step` and on, as a `Batch`."""
        first = step * self.rows_per_step
        return packed_batch(self.rows, self.rows.numbers(self.seed, first, self.rows_per_step))

    def first(self, count: int) -> Any:
        """The rows that stand first, as a `Batch`."""
        return packed_batch(self.rows, range(min(count, self.rows_in_all)))
