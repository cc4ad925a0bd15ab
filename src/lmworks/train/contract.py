"""The contract between the trainer and an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from lmworks.engines.request import Generation
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Context, Handle
from lmworks.tokens.rows.shards import PackedRows, write_filled
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.arithmetic.losses import (
    OutputGradient,
    chunked_cross_entropy,
    softmax_gradient_in_slices,
    token_log_probabilities,
)
from lmworks.train.arithmetic.packed import segments, segments_of

Ids = np.ndarray[Any, np.dtype[np.int64]]
Numbers = Sequence[int] | np.ndarray[Any, Any]
"""Row numbers."""

TRIVIAL_ROWS = 2048
"""Number of training rows whose targets the trivial baseline counts: a million tokens, or thousands of labels."""
MEAN_SEGMENT = 256
"""Mean number of tokens between two <|endoftext|> in synthetic rows."""


class Splittable(Protocol):
    """The data of a step, or of a part of it."""

    def split(self, rows: int) -> Iterator[Self]:
        """Yield micro-batches of `rows` rows."""

    def to(self, device: torch.device) -> Self:
        """Return the same data on another device."""

    def wanted(self) -> Tensor:
        """Return the ids or label numbers to predict [N]. Empty if they are not known beforehand."""


@dataclass(frozen=True)
class PackedBatch:
    """Packed rows, with one tensor for each kind of data."""

    tokens: Tensor

    @property
    def inputs(self) -> Tensor:
        """[B,T]"""
        return self.tokens

    def segments(self, begin: int) -> tuple[Tensor, Tensor]:
        """Return segment numbers of `inputs`, and positions in segments [B,T]. The token `begin` starts a segment."""
        return segments(self.inputs, begin)

    def wanted(self) -> Tensor:
        """Return labels [N], from 0, of the positions that have one. Empty if labels are not known beforehand."""
        return self.tokens.new_zeros(0)

    def to(self, device: torch.device) -> Self:
        return self._each(lambda tensor: tensor.to(device))

    def split(self, rows: int) -> Iterator[Self]:
        for start in range(0, len(self.tokens), rows):
            yield self._each(itemgetter(slice(start, start + rows)))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, **{name: change(part) for name, part in vars(self).items() if isinstance(part, Tensor)})


@dataclass(frozen=True)
class Batch(PackedBatch):
    """Tokens [B,T+1], their weights as targets, and whether a segment begins there, if tokens do not show it."""

    weights: Tensor
    begins: Tensor | None = field(default=None, kw_only=True)

    @property
    def inputs(self) -> Tensor:
        """[B,T]"""
        return self.tokens[:, :-1].contiguous()

    def segments(self, begin: int) -> tuple[Tensor, Tensor]:
        return super().segments(begin) if self.begins is None else segments_of(self.begins[:, :-1])

    def wanted(self) -> Tensor:
        return self.tokens[:, 1:][self.weights[:, 1:] > 0]


@dataclass(frozen=True)
class TextBatch(PackedBatch):
    """Texts: tokens [B,T], and the number of the label or token to predict at each [B,T], or −1."""

    targets: Tensor
    names: Sequence[str] = ()
    """Names of the labels, which differ between parts of the data. Empty if labels are tokens."""

    def wanted(self) -> Tensor:
        return self.targets[self.targets >= 0]


class Trainable(ABC):
    """Interface of a model for the trainer and for an objective."""

    module: nn.Module
    """Module whose parameters are trained."""
    network: nn.Module
    """Module that computes hidden states: the trained module, or the network that contains its adapters."""

    def __init__(self, output_gradient: OutputGradient = softmax_gradient_in_slices) -> None:
        self.label_smoothing, self.output_gradient = torch.zeros(()), output_gradient

    @property
    @abstractmethod
    def output_weight(self) -> Tensor:
        """Output matrix [V,D], with a row for each token or label."""

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The layers, in order."""

    @abstractmethod
    def hidden(self, batch: Any) -> Tensor:
        """Return hidden states [B,T,D]."""

    @abstractmethod
    def training_flops_per_token(self, sequence_length: int) -> float:
        """Return the floating-point operations per token, forward and backward."""

    @abstractmethod
    def answer(self, tokenizer: Tokenizer, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[Generation]:
        """Return the answers to prompts with the current weights."""

    @abstractmethod
    def save(self, folder: Path, tokenizer_folder: Path) -> None:
        """Write a model folder."""

    def learn(self, learning: bool, *, label_smoothing: float) -> None:
        """Switch to training, with dropout and label smoothing, or to measuring, without both."""
        self.network.train(learning)
        self.label_smoothing.fill_(label_smoothing if learning else 0.0)

    def cross_entropy(self, hidden: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return Σ weight · −ln p(target), in nats, and Σ weight of correct predictions (hidden: [N,D], else [N])."""
        more = self.label_smoothing, self.output_gradient
        return chunked_cross_entropy(hidden, self.output_weight, targets, weights, *more)

    def log_probabilities(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Return ln p(target) as float32 [N] for hidden [N,D] and targets [N]."""
        return token_log_probabilities(hidden, self.output_weight, targets, self.output_gradient)


class Labelling(Trainable):
    """Interface of a model that labels positions of a text."""

    def told(self, batch: TextBatch) -> Tensor:
        """Return the label number to predict at each position [B,T], or −1. Models choose where a text's label is."""
        return batch.targets


@dataclass(frozen=True)
class Watched:
    """A prompt that is answered repeatedly during training, with the data's answer."""

    title: str
    prompt: Sequence[int]
    reference: str


class Objective(ABC):
    """Interface between the trainer and an objective. Only the objective knows its kind of batch.

    Rows are read in the order of seeded permutations. Each part of a mix has its own.
    """

    mean_over = "token"
    """Unit over which the loss is a mean, such as token, pair or answer."""
    rows_apart = True
    """Whether the loss of a row does not depend on the other rows of its micro-batch."""
    mixed_steps = 1
    """Number of consecutive steps that together have rows as mixed as the data."""
    tells_its_loss = True
    """Whether validation measures the loss of training. If not, it measures rewards of answers."""
    validation_measure: tuple[str, str] | None = None
    """Method and unit of the validation measure, if it differs from the loss of training."""

    def __init__(self, rows: PackedRows, config: Any) -> None:
        self.rows, self.config = rows, config
        self.rows_in_all = len(rows.tokens)
        """Rows in one pass over the data."""
        self.seed, self.rows_per_step = config.seed, config.rows_per_step

    @classmethod
    @abstractmethod
    def begin(
        cls, config: Any, base: ModelFolder | None, rows: PackedRows, tokenizer: Tokenizer, *, compiled: bool
    ) -> Any:
        """Return the model to train, a `Trainable`: the base, or a new model."""

    @abstractmethod
    def loss(self, model: Any, batch: Any) -> tuple[Tensor, float, dict[str, float]]:
        """Return the sum of losses, the sum of weights, and sums of further metrics."""

    def sums(self, model: Any, batch: Any) -> list[dict[str, float]]:
        """Return the sums of `loss` for each separable part of a validation batch. Here the batch is one part."""
        loss, weight, more = self.loss(model, batch)
        return [{"loss": loss.item(), **more, "weight": weight}]

    def prepare(  # noqa: B027 - most need nothing
        self, model: Any, tokenizer: Tokenizer, context: Context, judges: Sequence[ModelFolder] = ()
    ) -> None:
        """Prepare with the initial model, before a stopped run's weights are restored, and with the judges."""

    def batch(self, step: int, model: Any) -> Any:
        """Return the data of a step, a `Splittable`. It depends only on the step and on files in the scratch folder.

        The model has its weights before the step. By default, return the rows from `step · rows_per_step` on.
        """
        return self.batch_of(self.rows.numbers(self.seed, step * self.rows_per_step, self.rows_per_step), step)

    def measured_rows(self, count: int) -> Numbers:
        """Return at most `count` rows to measure on: always the same, at even distances, because data can be sorted."""
        count = min(count, self.rows_in_all)
        return np.arange(count) * self.rows_in_all // max(1, count)

    def measured(self, count: int) -> Any:
        """Return the rows of `measured_rows` as a batch."""
        return self.batch_of(self.measured_rows(count), -1)

    def batch_of(self, numbers: Numbers, step: int) -> Any:
        """Return the rows with these numbers as a step reads them. Step −1 is for measuring. By default, a `Batch`."""
        return packed_batch(self.rows, numbers)

    def trivial(self, unseen: Sequence[Any]) -> tuple[str, list[dict[str, float]]]:
        """Return the name of the trivial baseline, and its sums, as `loss` returns them, on parts of validation data.

        By default, the baseline predicts each token or label with its share in the training data, whatever the input.
        """
        numbers = np.unique(np.linspace(0, self.rows_in_all - 1, TRIVIAL_ROWS).astype(int))
        batch = self.batch_of(numbers, -1)
        known, parts = batch.wanted().numpy(), [part.wanted().numpy() for part in unseen]
        if not len(known) or not all(map(len, parts)):
            return "", []
        words, names = "predicting tokens by their share in training data", getattr(batch, "names", ())
        counts = np.bincount(known, minlength=1 + max(map(int, (known.max(), *(part.max() for part in parts))))) + 1.0
        losses, commonest = -np.log(counts / counts.sum()), int(counts.argmax())
        if names:
            words = f"always predicting {names[commonest]!r}"
        return words, [
            {
                "loss": float(losses[part].sum()),
                "accuracy": float((part == commonest).sum()),
                "weight": float(len(part)),
            }
            for part in parts
        ]

    def require_stored(self, step: int) -> None:  # noqa: B027 - most store nothing
        """Raise ValueError if this step needs a file of the scratch folder that is damaged."""

    def finished(self, history: Sequence[Mapping[str, float]]) -> str | None:
        """Return, in words, why the run ends after the last step in the history, or None if it continues."""
        return None

    def is_within(self, step: int, metrics: Mapping[str, float], weight: float) -> bool:
        """Return whether, by a step's sums, the weights before it are within the objective's limit, and are kept."""
        return False

    def figures(self, history: Sequence[Mapping[str, float]]) -> list[Figure]:
        """Return further figures of a finished run."""
        return []

    def selection_loss(self, measured: Mapping[str, float]) -> float:
        """Return the value, from validation measurements, that is lowest for the best weights."""
        return measured["validation_loss"]

    @staticmethod
    def watched(handle: Handle, tokenizer: Tokenizer, count: int) -> list[Watched]:
        """Return prompts to watch, or none if outputs of the model would not help people."""
        return []

    @staticmethod
    def write_synthetic(out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Write random data for a rehearsal, in the form that this objective reads. By default, all tokens train."""
        tokens = synthetic_tokens(sequence_length, rows, tokenizer)
        write_synthetic_rows(out, tokens, np.ones_like(tokens), tokenizer)


def packed_batch(rows: PackedRows, numbers: Numbers) -> Batch:
    """Return the rows with these numbers as a batch."""
    every = (rows.tokens, rows.weights) if rows.begins is None else (rows.tokens, rows.weights, rows.begins)
    tokens, weights, *begins = (np.stack([array[number] for number in numbers]) for array in every)
    return Batch(
        torch.from_numpy(tokens.astype(np.int64)),
        torch.from_numpy(weights.astype(np.float32)),
        begins=torch.from_numpy(begins[0] > 0) if begins else None,
    )


def synthetic_tokens(sequence_length: int, rows: int, tokenizer: Tokenizer) -> Ids:
    """Return random tokens [rows,T+1] in segments of random length."""
    draw = np.random.default_rng(0)
    tokens = draw.integers(3, tokenizer.vocab_size, (rows, sequence_length + 1))
    tokens[draw.random(tokens.shape) < 1 / MEAN_SEGMENT] = tokenizer.end_of_text_id
    tokens[:, 0] = tokenizer.end_of_text_id
    return tokens


def write_synthetic_rows(
    out: Path,
    tokens: Ids,
    weights: Ids,
    tokenizer: Tokenizer,
    labels: tuple[Sequence[str], Ids] | None = None,
    margins: np.ndarray[Any, np.dtype[np.float32]] | None = None,
) -> None:
    """Write tokens, weights and numbers of labels, each [rows,T+1], and margins [rows,groups], as packing does."""
    write_filled(out, tokenizer, tokens, weights, [], labels=labels, margins=margins, bytes_of_text=0)
