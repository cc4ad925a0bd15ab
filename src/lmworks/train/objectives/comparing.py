"""Objectives that make an answer more likely if it has a higher reward than other answers to the same prompt."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lmworks.train.configs.alignment import GrpoConfig, RlooConfig
from lmworks.train.objectives.policy import PolicyObjective, Rollout, answer_log_probabilities, clipped_objective


@dataclass(frozen=True)
class Compared(Rollout):
    """Answers that are compared with other answers to the same prompt."""

    advantages: Tensor
    """Advantage of each answer [R]."""


class ComparingObjective(PolicyObjective):
    """An objective that makes an answer more likely if it has a higher reward than others to the same prompt."""

    learned_from = Compared

    @abstractmethod
    def advantages(self, rewards: Tensor, kl: Tensor) -> Tensor:
        """Return how much better each answer is than others to its prompt [P,G]. `kl` is ln p − ln p(reference)."""

    @abstractmethod
    def answer_losses(self, found: Tensor, rollout: Compared) -> tuple[Tensor, Tensor]:
        """Return losses [R] and clipped shares [R] for the current ln p of the answers' tokens, `found` [R,T]."""

    def weigh(self, model: Any, rollout: Rollout) -> Compared:
        """Return the rollout with advantages. Answers to the same prompt are next to each other."""
        worth, kl = rollout.rewards.sum(1), (rollout.before - rollout.reference).sum(1)
        groups = (each.view(-1, self.config.group_size) for each in (worth, kl))
        return Compared(**vars(rollout), advantages=self.advantages(*groups).flatten())

    def rollout_losses(self, model: Any, rollout: Any) -> tuple[Tensor, dict[str, float]]:
        """Return the losses of whole answers."""
        losses, clipped = self.answer_losses(answer_log_probabilities(model, rollout), rollout)
        return losses, {"clipped": float(clipped.sum())}


SMALL = 1e-4
"""Number added to a group's standard deviation, as in TRL. A group of equal rewards then has advantages of 0."""


class Grpo(ComparingObjective):
    """GRPO. The advantage is the reward, normalised in its group. The loss has the distance to the reference."""

    config: GrpoConfig

    def advantages(self, rewards: Tensor, kl: Tensor) -> Tensor:
        """Return (r − mean) / standard deviation [P,G], with G − 1 in the variance's denominator."""
        return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + SMALL)

    def answer_losses(self, found: Tensor, rollout: Compared) -> tuple[Tensor, Tensor]:
        """Return means over an answer's tokens (equations 3 and 4)."""
        tokens, length = rollout.answered, rollout.answered.sum(1)
        ratio = (found - rollout.before).exp()
        gained, clipped = clipped_objective(ratio, rollout.advantages[:, None], self.config.clip_range)
        behind = rollout.reference - found
        kl = behind.exp() - behind - 1  # of each token, never negative (Schulman 2020, k3)
        losses = self.config.kl_weight * kl - gained
        return (losses * tokens).sum(1) / length, (clipped * tokens).sum(1) / length


class Rloo(ComparingObjective):
    """RLOO. A whole answer is one action. The distance to the reference is subtracted from its reward."""

    config: RlooConfig

    def advantages(self, rewards: Tensor, kl: Tensor) -> Tensor:
        """Return r − β·kl, minus the mean of this value over the other answers [P,G]."""
        worth = rewards - self.config.kl_weight * kl
        group = worth.shape[1]
        return group / (group - 1) * (worth - worth.mean(1, keepdim=True))

    def answer_losses(self, found: Tensor, rollout: Compared) -> tuple[Tensor, Tensor]:
        """Return losses by the ratio of the probabilities of whole answers."""
        ratio = (found - rollout.before).sum(1).exp()
        gained, clipped = clipped_objective(ratio, rollout.advantages, self.config.clip_range)
        return -gained, clipped


class RejectionSampling(ComparingObjective):
    """Cross-entropy of the best answer to each prompt. Prompts whose answers have equal rewards train nothing."""

    def advantages(self, rewards: Tensor, kl: Tensor) -> Tensor:
        """Return G for the first best answer, and 0 for others, or for all if rewards are equal [P,G]."""
        best = torch.zeros_like(rewards).scatter(1, rewards.argmax(1, keepdim=True), float(rewards.shape[1]))
        return best * (rewards.amax(1, keepdim=True) > rewards.amin(1, keepdim=True))

    def answer_losses(self, found: Tensor, rollout: Compared) -> tuple[Tensor, Tensor]:
        """Return means over an answer's tokens, and no clipped shares."""
        losses = -rollout.advantages * found.sum(1) / rollout.answered.sum(1)
        return losses, torch.zeros_like(losses)
