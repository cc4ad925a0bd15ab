"""Prefer the chosen answer of a pair, by its log-probability."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from lmworks.train.objectives.preferences import Answers, PairObjective


class Dpo(PairObjective):
    """−ln σ(β · (difference of log-ratios)): Rafailov et al. 2023, equation 7."""

    needs_reference = True

    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """The lead is that of the implicit rewards."""
        leads = self.config.beta * (chosen.log_ratio - rejected.log_ratio)
        return -F.logsigmoid(leads), leads


class Ipo(PairObjective):
    """(difference of log-ratios a token − 1/(2β))²: Azar et al. 2023, equation 17.

    Log-ratios are means over tokens, as its authors computed them; the paper leaves length out.
    """

    needs_reference = True

    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """The lead is that of the mean log-ratios."""
        leads = chosen.log_ratio / chosen.tokens - rejected.log_ratio / rejected.tokens
        return (leads - 1 / (2 * self.config.beta)).square(), leads


class Orpo(PairObjective):
    """−ln p a token of the chosen answer, and −λ · ln σ(difference of log-odds): Hong et al. 2024, equations 6, 7."""

    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """The lead is that of the log-odds; p is the geometric mean over tokens."""
        leads = _log_odds(chosen.mean) - _log_odds(rejected.mean)
        return -chosen.mean - self.config.odds_weight * F.logsigmoid(leads), leads


class Simpo(PairObjective):
    """−ln σ(β · (difference of ln p a token) − γ): Meng et al. 2024, equation 6."""

    def pair_losses(self, chosen: Answers, rejected: Answers) -> tuple[Tensor, Tensor]:
        """The lead is that of the implicit rewards, before the target margin."""
        leads = self.config.beta * (chosen.mean - rejected.mean)
        return -F.logsigmoid(leads - self.config.target_margin), leads


def _log_odds(log_p: Tensor) -> Tensor:
    """ln(p / (1 − p)), exact where p is small and where it is nearly 1."""
    return log_p - torch.log(-torch.expm1(log_p))
