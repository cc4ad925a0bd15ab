"""REINFORCE with the other answers as the baseline (Ahmadian et al. 2024, "Back to Basics", section 3.3)."""

from __future__ import annotations

from torch import Tensor

from lmworks.train.configs.policy import RlooConfig
from lmworks.train.objectives.policy import Compared, ComparingObjective, clipped_objective


class Rloo(ComparingObjective):
    """A whole answer is one action; the distance to the reference is taken from its reward."""

    config: RlooConfig

    def advantages(self, rewards: Tensor, kl: Tensor) -> Tensor:
        """[P,G] r − β·kl, less the mean of the other answers'."""
        worth = rewards - self.config.kl_weight * kl
        group = worth.shape[1]
        return group / (group - 1) * (worth - worth.mean(1, keepdim=True))

    def answer_losses(self, found: Tensor, rollout: Compared) -> tuple[Tensor, Tensor]:
        """With the ratio of whole answers' probabilities."""
        ratio = (found - rollout.before).sum(1).exp()
        gained, clipped = clipped_objective(ratio, rollout.advantages, self.config.clip_range)
        return -gained, clipped
