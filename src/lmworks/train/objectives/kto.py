"""Raise answers that were judged good, and lower those that were judged bad."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lmworks.tokens.rows.pack_preferences import CHOSEN, MISMATCHED
from lmworks.train.objectives.preferences import JudgedBatch, JudgedObjective


class Kto(JudgedObjective):
    """λ · (1 − σ(±β · (log-ratio − z))): Ethayarajh et al. 2024, equation 8.

    z is the divergence from the reference: the mean log-ratio of the mismatched answers of a micro-batch, or zero if
    that is negative. No gradient goes through it.
    """

    weighed = "answer"
    needs_reference = True
    made_up_sides = (CHOSEN, MISMATCHED)

    def loss(self, model: Any, batch: JudgedBatch) -> tuple[Tensor, float, dict[str, float]]:
        """Sum over the answers; metrics are the share on the right side of z, by how much, and the divergence."""
        found, sides, divergence = self.answers(model, batch)
        shift = found.where(sides == MISMATCHED).log_ratio.detach().mean().clamp(min=0)
        judged, good = found.where(sides != MISMATCHED), sides[sides != MISMATCHED] == CHOSEN
        leads = self.config.beta * (judged.log_ratio - shift) * torch.where(good, 1.0, -1.0)
        weights = torch.where(good, self.config.chosen_weight, self.config.rejected_weight)
        count = float(len(leads))
        metrics = {"accuracy": float((leads > 0).sum()), "margin": float(leads.detach().sum())}
        return (weights * (1 - leads.sigmoid())).sum(), count, {**metrics, "divergence": divergence * count}
