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
"""Added to the variance of advantages, as TRL does."""


@dataclass(frozen=True)
class Valued(Rollout):
    """Answers whose every token is held against what was expected before it."""

    values: Tensor
    """[R,T] the rewards to come that the value head expected."""
    returns: Tensor
    """[R,T] what it should have expected."""
    advantages: Tensor
    """[R,T] with mean 0 and deviation 1 over the rollout's tokens."""
    share: Tensor
    """[R] answers a token of the rollout: losses are means over its tokens, and are summed an answer."""


class Ppo(PolicyObjective):
    """A token is one action: rewarded by the distance to the reference, and the last by the answer's worth."""

    config: PpoConfig
    learned_from = Valued

    @classmethod
    def begin(
        cls, config: Any, base: ModelFolder | None, rows: PackedRows, tokenizer: Tokenizer, *, compiled: bool
    ) -> Any:
        """The base, and beside it a head that is learned with it and not saved: at first it expects nothing."""
        model = super().begin(config, base, rows, tokenizer, compiled=compiled)
        value = nn.Linear(model.decoder.config.hidden_size, 1)
        for weight in value.parameters():
            nn.init.zeros_(weight)
        model.module = nn.ModuleDict({"policy": model.module, "value": value})
        return model

    def weigh(self, model: Any, rollout: Rollout) -> Valued:
        """Values as expected now, and advantages by them."""
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
        """The clipped objective (equation 7) and the squared error of values, which is clipped, too."""
        hidden, near = model.hidden(rollout), self.config.value_clip_range
        found, values = (each(model, rollout, hidden) for each in (answer_log_probabilities, answer_values))
        ratio = (found - rollout.before).exp()
        gained, clipped = clipped_objective(ratio, rollout.advantages, self.config.clip_range)
        held = values.clamp(rollout.values - near, rollout.values + near)
        errors = torch.maximum((values - rollout.returns).square(), (held - rollout.returns).square()) / 2

        def summed(of_tokens: Tensor) -> Tensor:
            found: Tensor = (of_tokens * rollout.answered).sum(1) * rollout.share
            return found

        told = {"clipped": clipped.float(), "value_loss": errors.detach()}
        sums = {name: float(summed(each).sum()) for name, each in told.items()}
        return summed(self.config.value_weight * errors - gained), sums


def answer_values(model: TrainableDecoder, batch: Batch, hidden: Tensor | None = None) -> Tensor:
    """[R,T] what the value head expects before each token of the answers, in float32; 0 elsewhere."""
    where = batch.weights[:, 1:] > 0
    states = (model.hidden(batch) if hidden is None else hidden)[where]
    return spread(model.module.get_submodule("value")(states.float())[:, 0], where)


def generalised_advantages(
    rewards: Tensor, values: Tensor, answered: Tensor, discount: float, gae_lambda: float
) -> Tensor:
    """Σ (γλ)ˡ δ of the tokens that follow, δ = r + γ·V(next) − V (Schulman et al. 2016, equation 16); all [R,T].

    After the last token nothing is expected, of answers that were cut, too.
    """
    found, later, expected = torch.zeros_like(values), torch.zeros(len(values)), torch.zeros(len(values))
    for place in reversed(range(values.shape[1])):
        surprise = rewards[:, place] + discount * expected - values[:, place]
        later = (surprise + discount * gae_lambda * later) * answered[:, place]
        found[:, place], expected = later, values[:, place]
    return found
