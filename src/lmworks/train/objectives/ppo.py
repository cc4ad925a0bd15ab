"""Proximal policy optimisation with a value head (Schulman et al. 2017; of texts Ziegler et al. 2019, section 2).

Axes: R answers (rows), T time, N tokens of answers, D hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lmworks.model.folder import ModelFolder
from lmworks.tokens.rows.shards import PackedRows
from lmworks.tokens.tokenizer import Tokenizer
from lmworks.train.configs.alignment import PpoConfig
from lmworks.train.contract import Batch
from lmworks.train.families.decoder import TrainableDecoder
from lmworks.train.objectives.policy import (
    PolicyObjective,
    Rollout,
    answer_log_probabilities,
    clipped_objective,
    spread,
)

SMALL = 1e-8
"""Number added to the variance of advantages, as in TRL."""


@dataclass(frozen=True)
class Valued(Rollout):
    """Answers with the value that the value head expected before each token."""

    values: Tensor
    """[R,T] rewards to come that the value head expected."""
    returns: Tensor
    """[R,T] targets of the value head."""
    advantages: Tensor
    """[R,T] advantages with mean 0 and deviation 1 over the rollout's tokens."""
    share: Tensor
    """[R] number of answers per token of the rollout. Losses are means over its tokens, summed per answer."""


class Ppo(PolicyObjective):
    """PPO with one action per token. Rewards are distances to the reference, and at the end the answer's."""

    config: PpoConfig
    learned_from = Valued

    @classmethod
    def begin(
        cls, config: Any, base: ModelFolder | None, rows: PackedRows, tokenizer: Tokenizer, *, compiled: bool
    ) -> Any:
        """Return the base with a value head, which begins at zero, is trained along and is not saved."""
        model = super().begin(config, base, rows, tokenizer, compiled=compiled)
        value = nn.Linear(model.decoder.config.hidden_size, 1)
        for weight in value.parameters():
            nn.init.zeros_(weight)
        model.module = nn.ModuleDict({"policy": model.module, "value": value})
        return model

    def weigh(self, model: Any, rollout: Rollout) -> Valued:
        """Return the rollout with values and advantages of the model as it is now."""
        answered, values = rollout.answered, self.found(answer_values, model, rollout)
        rewards = self.config.kl_weight * (rollout.reference - rollout.before)
        ends = answered.shape[1] - 1 - answered.flip(1).int().argmax(1)
        rewards[torch.arange(len(ends)), ends] += rollout.rewards.sum(1)
        advantages = generalised_advantages(rewards, values, answered, self.config.discount, self.config.gae_lambda)
        of_tokens = advantages[answered]
        even = (of_tokens - of_tokens.mean()) * torch.rsqrt(of_tokens.var() + SMALL)
        return Valued(
            **vars(rollout),
            values=values,
            returns=advantages + values,
            advantages=spread(even, answered),
            share=torch.full((len(ends),), len(ends) / len(of_tokens)),
        )

    def rollout_losses(self, model: Any, rollout: Any) -> tuple[Tensor, dict[str, float]]:
        """Return losses [R] by the clipped objective (equation 7) and the clipped squared error of values."""
        hidden, near = model.hidden(rollout), self.config.value_clip_range
        found, values = (measure(model, rollout, hidden) for measure in (answer_log_probabilities, answer_values))
        ratio = (found - rollout.before).exp()
        gained, clipped = clipped_objective(ratio, rollout.advantages, self.config.clip_range)
        held = values.clamp(rollout.values - near, rollout.values + near)
        errors = torch.maximum((values - rollout.returns).square(), (held - rollout.returns).square()) / 2

        def summed(of_tokens: Tensor) -> Tensor:
            losses: Tensor = (of_tokens * rollout.answered).sum(1) * rollout.share
            return losses

        metrics = {"clipped": clipped.float(), "value_loss": errors.detach()}
        sums = {name: float(summed(metric).sum()) for name, metric in metrics.items()}
        return summed(self.config.value_weight * errors - gained), sums


def answer_values(model: TrainableDecoder, batch: Batch, hidden: Tensor | None = None) -> Tensor:
    """Return the values [R,T] before each token of the answers, in float32, and 0 elsewhere."""
    where = batch.weights[:, 1:] > 0
    states = (model.hidden(batch) if hidden is None else hidden)[where]
    return spread(model.module.get_submodule("value")(states.float())[:, 0], where)


def generalised_advantages(
    rewards: Tensor, values: Tensor, answered: Tensor, discount: float, gae_lambda: float
) -> Tensor:
    """Return Σ (γλ)ˡ δ of later tokens, δ = r + γ·V(next) − V (Schulman et al. 2016, equation 16). All are [R,T].

    The value after the last token is 0, also if the answer was cut.
    """
    found, later, expected = torch.zeros_like(values), torch.zeros(len(values)), torch.zeros(len(values))
    for place in reversed(range(values.shape[1])):
        surprise = rewards[:, place] + discount * expected - values[:, place]
        later = (surprise + discount * gae_lambda * later) * answered[:, place]
        found[:, place], expected = later, values[:, place]
    return found
