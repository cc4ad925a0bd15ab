"""Tune on the best answers (Dong et al. 2023, "RAFT")."""

from __future__ import annotations

import torch
from torch import Tensor

from lmworks.train.objectives.policy import Compared, ComparingObjective


class RejectionSampling(ComparingObjective):
    """Cross-entropy of the best answer to each prompt, of which others were worth less; nothing else is learned."""

    def advantages(self, rewards: Tensor, kl: Tensor) -> Tensor:
        """[P,G] G for the best, the first of several; 0 for others, and where all are alike."""
        best = torch.zeros_like(rewards).scatter(1, rewards.argmax(1, keepdim=True), float(rewards.shape[1]))
        return best * (rewards.amax(1, keepdim=True) > rewards.amin(1, keepdim=True))

    def answer_losses(self, found: Tensor, rollout: Compared) -> tuple[Tensor, Tensor]:
        """Mean over an answer's tokens."""
        losses = -rollout.advantages * found.sum(1) / rollout.answered.sum(1)
        return losses, torch.zeros_like(losses)
