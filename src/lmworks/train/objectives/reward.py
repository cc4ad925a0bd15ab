"""Score answers, so that the chosen one of a pair scores higher."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.model.config import REWARD
from lmworks.model.folder import ARCHITECTURES
from lmworks.tokens.rows.pack_preferences import CHOSEN, REJECTED, SIDES
from lmworks.train.objectives.preferences import JudgedBatch, JudgedObjective


class Reward(JudgedObjective):
    """−ln σ(difference of scores − margin): Bradley and Terry 1952; Touvron et al. 2023 (Llama 2), equation 2."""

    labels = REWARD
    ours_alone = f"a reward model begins with one of {', '.join(ARCHITECTURES)}"

    def loss(self, model: Any, batch: JudgedBatch) -> tuple[Tensor, float, dict[str, float]]:
        """Sum over pairs; metrics are the share of pairs in their order and the difference of their scores.

        A score is told of an answer's last token.
        """
        rows, ends = (batch.labels[:, :-1] != batch.labels[:, 1:]).nonzero(as_tuple=True)
        labels = batch.labels[rows, ends]
        sides, groups = labels % len(SIDES), labels // len(SIDES)
        scores = F.linear(model.hidden(batch)[rows, ends], model.output_weight.to(model.decoder.compute_type))
        chosen, rejected = (scores.float().squeeze(-1)[sides == side] for side in (CHOSEN, REJECTED))
        leads = chosen - rejected
        margins = batch.margins[rows, groups][sides == CHOSEN] if self.config.margins else torch.zeros_like(leads)
        metrics = {"accuracy": float((leads > 0).sum()), "margin": float(leads.detach().sum())}
        return -F.logsigmoid(leads - margins).sum(), float(len(leads)), metrics
