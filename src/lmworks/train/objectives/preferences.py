"""Learning from judged answers, by their summed log-probabilities, now and before training.

Axes: B rows, T time, N trained positions, A answers, P pairs.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.model.config import REWARD
from lmworks.model.folder import ARCHITECTURES
from lmworks.tokens.rows.pack_preferences import CHOSEN, MISMATCHED, REJECTED, SIDES
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.arithmetic.losses import token_divergence
from lmworks.train.arithmetic.packed import segments_of
from lmworks.train.contract import Batch, Numbers, packed_batch, synthetic_tokens, write_synthetic_rows
from lmworks.train.families.decoder import DecoderObjective

WATCHED_POSITIONS = 64
"""Number of positions in a micro-batch at which whole distributions are compared with the reference."""


@dataclass(frozen=True)
class JudgedBatch(Batch):
    """Packed rows of judged answers, with the label of each token [B,T+1] and the margin of each group [B,·]."""

    labels: Tensor
    margins: Tensor

    def segments(self, end_of_text: int) -> tuple[Tensor, Tensor]:
        """Return segments. Each is an answer with its prompt, whatever the template begins with."""
        labels = self.labels[:, :-1]
        begins = torch.ones_like(labels, dtype=torch.bool)
        begins[:, 1:] = labels[:, 1:] != labels[:, :-1]
        return segments_of(begins)


@dataclass(frozen=True)
class Answers:
    """Answers: Σ ln p of their trained tokens, the number of these, and Σ ln p by the reference, all [A]."""

    log_p: Tensor
    tokens: Tensor
    reference: Tensor

    @property
    def log_ratio(self) -> Tensor:
        """Log-ratio of the probability to the reference's, [A]."""
        return self.log_p - self.reference

    @property
    def mean(self) -> Tensor:
        """Mean ln p per token, [A]."""
        return self.log_p / self.tokens

    def where(self, chosen: Tensor) -> Answers:
        return Answers(self.log_p[chosen], self.tokens[chosen], self.reference[chosen])


class JudgedObjective(DecoderObjective):
    """An objective of learning from batches of judged answers."""

    mean_over = "pair"
    synthetic_sides: ClassVar[tuple[int, int]] = (CHOSEN, REJECTED)

    @classmethod
    def write_synthetic(cls, out: Path, sequence_length: int, rows: int, tokenizer: Tokenizer) -> None:
        """Write rows with one group of two answers. Each answer takes half a row, a quarter of it for the prompt."""
        tokens = synthetic_tokens(sequence_length, rows, tokenizer)
        weights, labels = np.zeros_like(tokens), np.zeros_like(tokens)
        half = sequence_length // 2
        for number, side in enumerate(cls.synthetic_sides):
            labels[:, number * half : (number + 1) * half] = side
            weights[:, number * half + half // 4 : (number + 1) * half] = 1
        margins = np.zeros((rows, 1), np.float32)
        write_synthetic_rows(out, tokens, weights, tokenizer, (SIDES, labels), margins)

    def untold(self, batch: JudgedBatch) -> tuple[float, float]:
        """Return the sums of losses and weights if all answers get equal scores. NaN if there is no such loss."""
        return math.nan, 0.0

    def trivial(self, unseen: Sequence[Any]) -> tuple[str, list[dict[str, float]]]:
        """Return a coin as the baseline. It is right for half of the pairs."""
        found = [self.untold(part) for part in unseen]
        if not all(math.isfinite(loss) and pairs for loss, pairs in found):
            return "", []
        return "a coin", [{"loss": loss, "accuracy": pairs / 2, "weight": pairs} for loss, pairs in found]

    def batch_of(self, numbers: Numbers, step: int) -> JudgedBatch:
        batch, rows = packed_batch(self.rows, numbers), self.rows
        assert rows.labels is not None and rows.margins is not None  # noqa: S101 - the packing of judgements writes both
        labels, margins = (np.stack([array[number] for number in numbers]) for array in (rows.labels, rows.margins))
        return JudgedBatch(
            batch.tokens, batch.weights, torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(margins)
        )

    def answers(self, model: Any, batch: JudgedBatch) -> tuple[Answers, Tensor, float]:
        """Return all answers of a batch in order, their sides [A], and the divergence from the reference in nats."""
        (trained,) = batch.weights[:, 1:].flatten().nonzero(as_tuple=True)
        targets = batch.tokens[:, 1:].flatten()[trained]
        rows = torch.arange(len(batch.labels), device=trained.device)[:, None] * (int(batch.labels.max()) + 1)
        owners = (rows * len(SIDES) + batch.labels)[:, 1:].flatten()[trained]  # alike for the tokens of one answer
        owners, sizes = torch.unique_consecutive(owners, return_counts=True)
        hidden = model.hidden(batch).flatten(0, 1)[trained]
        log_p = _sums(model.log_probabilities(hidden, targets), sizes)
        found = Answers(log_p, sizes.float(), torch.zeros_like(log_p))
        divergence = 0.0
        if self.needs_reference:
            watched = torch.linspace(0, len(trained) - 1, WATCHED_POSITIONS, device=trained.device).long()
            matrix, now = model.output_weight, hidden[watched].detach()
            with model.reference():
                before = model.hidden(batch).flatten(0, 1)[trained]
                known = _sums(model.log_probabilities(before, targets), sizes)
                divergence = float(token_divergence(now, matrix, before[watched], model.output_weight).mean())
            found = replace(found, reference=known)
        return found, owners % len(SIDES), divergence


class PairObjective(JudgedObjective):
    """An objective on pairs of answers. The loss of a pair is a function of both answers' log-probabilities."""

    @abstractmethod
    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """Return losses [P], and the lead of the chosen answer [P]. Above zero, the model prefers it."""

    def untold(self, batch: JudgedBatch) -> tuple[float, float]:
        alike = Answers(*(torch.zeros(1), torch.ones(1), torch.zeros(1)))
        pairs = float(len(_ends(batch)[0])) / 2
        return pairs * float(self.pair_losses(alike, alike)[0]), pairs

    def loss(self, model: Any, batch: JudgedBatch) -> tuple[Tensor, float, dict[str, float]]:
        """Return the sum over pairs, with metrics: correctly ordered pairs, the lead, and the divergence per token."""
        found, sides, divergence = self.answers(model, batch)
        chosen, rejected = found.where(sides == CHOSEN), found.where(sides == REJECTED)
        losses, leads = self.pair_losses(chosen, rejected)
        pairs = float(len(losses))
        metrics = {"accuracy": float((leads > 0).sum()), "margin": float(leads.detach().sum())}
        if self.needs_reference:
            metrics["divergence"] = divergence * pairs
        return losses.sum(), pairs, metrics


def _sums(values: Tensor, sizes: Tensor) -> Tensor:
    """Return the sums [A] of runs of values [N] with the given sizes [A]."""
    return torch.segment_reduce(values, "sum", lengths=sizes)


def _ends(batch: JudgedBatch) -> tuple[Tensor, Tensor]:
    """Return the row and the place of each answer's last token."""
    rows, ends = (batch.labels[:, :-1] != batch.labels[:, 1:]).nonzero(as_tuple=True)
    return rows, ends


class Dpo(PairObjective):
    """−ln σ(β · (difference of log-ratios)): Rafailov et al. 2023, equation 7."""

    needs_reference = True

    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """Return losses, and the lead of the implicit rewards."""
        leads = self.config.beta * (chosen.log_ratio - rejected.log_ratio)
        return -F.logsigmoid(leads), leads


class Ipo(PairObjective):
    """(difference of log-ratios per token − 1/(2β))²: Azar et al. 2023, equation 17.

    Log-ratios are means over tokens, as in the authors' code. The paper does not mention length.
    """

    needs_reference = True

    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """Return losses, and the lead of the mean log-ratios."""
        leads = chosen.log_ratio / chosen.tokens - rejected.log_ratio / rejected.tokens
        return (leads - 1 / (2 * self.config.beta)).square(), leads


class Orpo(PairObjective):
    """−ln p per token of the chosen answer, and −λ · ln σ(difference of log-odds): Hong et al. 2024, equations 6, 7."""

    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """Return losses, and the lead of the log-odds. p is the geometric mean over tokens."""
        leads = _log_odds(chosen.mean) - _log_odds(rejected.mean)
        return -chosen.mean - self.config.odds_weight * F.logsigmoid(leads), leads


class Simpo(PairObjective):
    """−ln σ(β · (difference of ln p per token) − γ): Meng et al. 2024, equation 6."""

    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """Return losses, and the lead of the implicit rewards, before the target margin is subtracted."""
        leads = self.config.beta * (chosen.mean - rejected.mean)
        return -F.logsigmoid(leads - self.config.target_margin), leads


def _log_odds(log_p: Tensor) -> Tensor:
    """Return ln(p / (1 − p)), exact for p near 0 and near 1."""
    return log_p - torch.log(-torch.expm1(log_p))


class Kto(JudgedObjective):
    """λ · (1 − σ(±β · (log-ratio − z))): Ethayarajh et al. 2024, equation 8.

    z is the divergence from the reference: the mean log-ratio of the mismatched answers of a micro-batch, or zero if
    this mean is negative. No gradient goes through z.
    """

    mean_over = "answer"
    rows_apart = False
    needs_reference = True
    synthetic_sides = (CHOSEN, MISMATCHED)

    def untold(self, batch: JudgedBatch) -> tuple[float, float]:
        sides = batch.labels[_ends(batch)] % len(SIDES)
        chosen, rejected = (float((sides == side).sum()) for side in (CHOSEN, REJECTED))
        return (self.config.chosen_weight * chosen + self.config.rejected_weight * rejected) / 2, chosen + rejected

    def loss(self, model: Any, batch: JudgedBatch) -> tuple[Tensor, float, dict[str, float]]:
        """Return the sum over answers, with metrics: answers on the right side of z, their lead, and the divergence."""
        found, sides, divergence = self.answers(model, batch)
        shift = found.where(sides == MISMATCHED).log_ratio.detach().mean().clamp(min=0)
        judged, good = found.where(sides != MISMATCHED), sides[sides != MISMATCHED] == CHOSEN
        leads = self.config.beta * (judged.log_ratio - shift) * torch.where(good, 1.0, -1.0)
        weights = torch.where(good, self.config.chosen_weight, self.config.rejected_weight)
        count = float(len(leads))
        metrics = {"accuracy": float((leads > 0).sum()), "margin": float(leads.detach().sum())}
        return (weights * (1 - leads.sigmoid())).sum(), count, {**metrics, "divergence": divergence * count}


class Reward(JudgedObjective):
    """−ln σ(difference of scores − margin): Bradley and Terry 1952; Touvron et al. 2023 (Llama 2), equation 2."""

    labels = REWARD
    ours_alone = f"a reward model must start from one of {', '.join(ARCHITECTURES)}"

    def untold(self, batch: JudgedBatch) -> tuple[float, float]:
        rows, ends = _ends(batch)
        margins = self._margins(batch, rows, batch.labels[rows, ends])
        return float(F.softplus(margins).sum()), float(len(margins))

    def _margins(self, batch: JudgedBatch, rows: Tensor, labels: Tensor) -> Tensor:
        """Return the margin of each pair [P], from the rows and labels at the ends of answers."""
        chosen = labels % len(SIDES) == CHOSEN
        return batch.margins[rows, labels // len(SIDES)][chosen]

    def loss(self, model: Any, batch: JudgedBatch) -> tuple[Tensor, float, dict[str, float]]:
        """Return the sum over pairs, with metrics: correctly ordered pairs, and the difference of their scores.

        The score of an answer is computed at its last token.
        """
        rows, ends = _ends(batch)
        labels = batch.labels[rows, ends]
        sides = labels % len(SIDES)
        scores = F.linear(model.hidden(batch)[rows, ends], model.output_weight.to(model.decoder.compute_type))
        chosen, rejected = (scores.float().squeeze(-1)[sides == side] for side in (CHOSEN, REJECTED))
        leads = chosen - rejected
        margins = self._margins(batch, rows, labels)
        metrics = {"accuracy": float((leads > 0).sum()), "margin": float(leads.detach().sum())}
        return -F.logsigmoid(leads - margins).sum(), float(len(leads)), metrics
