"""Group relative policy optimisation (Shao et al. 2024, "DeepSeekMath", section 4.1)."""

from __future__ import annotations

from torch import Tensor

from lmworks.train.configs.policy import GrpoConfig
from lmworks.train.objectives.policy import Compared, ComparingObjective, clipped_objective

SMALL = 1e-4
"""Added to a group's deviation, as TRL does: a group of equal rewards then says nothing."""


class Grpo(ComparingObjective):
    """An answer's advantage is its reward, normalised in its group; the distance to the reference is in the loss."""

    config: GrpoConfig

    def advantages(self, rewards: Tensor, kl: Tensor) -> Tensor:
        """[P,G] (r − mean) / deviation, with G − 1 in the variance's denominator."""
        return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + SMALL)

    def answer_losses(self, found: Tensor, rollout: Compared) -> tuple[Tensor, Tensor]:
        """Mean over an answer's tokens (equations 3 and 4)."""
        tokens, length = rollout.answered, rollout.answered.sum(1)
        ratio = (found - rollout.before).exp()
        gained, clipped = clipped_objective(ratio, rollout.advantages[:, None], self.config.clip_range)
        behind = rollout.reference - found
        kl = behind.exp() - behind - 1  # of each token, never negative (Schulman 2020, k3)
        losses = self.config.kl_weight * kl - gained
        return (losses * tokens).sum(1) / length, (clipped * tokens).sum(1) / length
