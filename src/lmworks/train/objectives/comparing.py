"""Answers that become likelier for what they are worth beside others to the same prompt."""

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
    """[R]"""


class ComparingObjective(PolicyObjective):
    """An answer becomes likelier for what it is worth beside others to the same prompt."""

    learned_from = Compared

    @abstractmethod
    def advantages(self, rewards: Tensor, kl: Tensor) -> Tensor:
        """[P,G] how much better each answer is than others to its prompt: rewards and ln p − ln p(reference) [P,G]."""

    @abstractmethod
    def answer_losses(self, found: Tensor, rollout: Compared) -> tuple[Tensor, Tensor]:
        """[R,T] ln p now -> [R] losses, and [R] shares that are clipped."""

    def weigh(self, model: Any, rollout: Rollout) -> Compared:
        """Groups stand together."""
        worth, kl = rollout.rewards.sum(1), (rollout.before - rollout.reference).sum(1)
        groups = (each.view(-1, self.config.group_size) for each in (worth, kl))
        return Compared(**vars(rollout), advantages=self.advantages(*groups).flatten())

    def rollout_losses(self, model: Any, rollout: Any) -> tuple[Tensor, dict[str, float]]:
        """Return the losses of whole answers."""
        losses, clipped = self.answer_losses(answer_log_probabilities(model, rollout), rollout)
        return losses, {"clipped": float(clipped.sum())}


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
