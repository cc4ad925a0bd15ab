"""Muon for the matrices inside blocks and AdamW for everything else; or AdamW for all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lmworks.train.configs.train import TrainConfig
from lmworks.train.distributed.processes import Processes, like_parts, local

ADAM_BETAS = (0.9, 0.95)
MOMENTUM = 0.95
"""Momentum of Muon, from its author."""
POLAR_EXPRESS = (
    (8.21929, -23.337482, 16.626588),
    (3.964138, -2.837714, 0.515825),
    (3.436834, -2.475156, 0.476161),
    (2.490116, -1.834275, 0.436835),
)
"""Coefficients (a, b, c) of x -> a·x + b·x³ + c·x⁵ on singular values, step by step (Polar Express, arXiv 2505.16932).

Each step maps the interval that earlier steps make of [0.003, 1] as near to 1 as possible, with a margin of 2 % for
rounding to bfloat16. After four steps it is 0.76 to 1.2. A fifth takes a quarter longer and trains no better."""


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix with orthonormal rows or columns, whichever are fewer, in bfloat16.

    Each step is X -> (a + b·G + c·G²)·X with G = X·Xᵀ on the short side. It consists only of fast products.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() * 1.02 + 1e-7)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Optimizer:
    """Muon or AdamW. Its state is a flat dict of named tensors, so that a checkpoint is one safetensors file."""

    def __init__(self, model: nn.Module, config: TrainConfig, processes: Processes | None = None) -> None:
        self.parameters = dict(model.named_parameters())
        self.config = config
        self.processes = processes or Processes()
        self.update = {
            name: "adamw" if config.optimizer == "muon" and not _is_inner_matrix(name, p) else config.optimizer
            for name, p in self.parameters.items()
        }
        self.state = {
            f"{kind}.{name}": torch.zeros_like(p)
            for name, p in self.parameters.items()
            for kind in (("momentum",) if self.update[name] == "muon" else ("mean", "square"))
        }

    @torch.no_grad()
    def step(self, number: int, share: float) -> None:
        """Update the weights from their gradients. `number` counts from 1, and `share` scales the learning rates."""
        config = self.config
        rest = config.adamw_learning_rate if config.optimizer == "muon" else config.learning_rate
        by_moments: dict[bool, list[str]] = {True: [], False: []}
        for name, parameter in self.parameters.items():
            if self.update[name] == "adamw":
                by_moments[parameter.ndim > 1].append(name)
        for decays, names in by_moments.items():
            if names:
                self._move_by_moments(names, share * rest, config.weight_decay if decays else 0.0, number)
        self._move_orthogonally(share * config.learning_rate)

    def _move_orthogonally(self, rate: float) -> None:
        """Move by Muon: a Nesterov step along an orthogonalised running mean, whose size has no effect."""
        for name, update in self.processes.owned(self._mean_gradients(), orthogonalise):
            spread = self.parameters[name]
            scale = math.sqrt(max(1.0, spread.shape[0] / spread.shape[1]))
            parameter = local(spread)
            parameter.mul_(1 - rate * self.config.weight_decay)
            parameter.add_(local(update).float(), alpha=-rate * scale)

    def _mean_gradients(self) -> Iterator[tuple[str, Tensor]]:
        for name, spread in self.parameters.items():
            if self.update[name] == "muon":
                gradient, momentum = local(spread.grad), local(self.state[f"momentum.{name}"])
                momentum.lerp_(gradient, 1 - MOMENTUM)
                yield name, like_parts(gradient.lerp(momentum, MOMENTUM), spread)

    def _move_by_moments(self, names: list[str], rate: float, decay: float, number: int) -> None:
        """Move by AdamW (Loshchilov and Hutter 2019, algorithm 2) in one pass over memory."""
        parameters = [local(self.parameters[name]) for name in names]
        torch._fused_adamw_(
            parameters,
            [local(self.parameters[name].grad) for name in names],
            [local(self.state[f"mean.{name}"]) for name in names],
            [local(self.state[f"square.{name}"]) for name in names],
            [],
            [parameters[0].new_tensor(number)] * len(parameters),
            lr=rate,
            beta1=ADAM_BETAS[0],
            beta2=ADAM_BETAS[1],
            weight_decay=decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )


def _is_inner_matrix(name: str, parameter: Tensor) -> bool:
    """Return whether it is a matrix in a numbered block, such as layers.0, layer.0 or h.0, and not a bias table."""
    return parameter.ndim == 2 and re.search(r"\.\d+\.", name) is not None and "relative_attention_bias" not in name


def rate_share(step: int, config: TrainConfig, steps: int) -> float:
    """Return the share of the learning rate at a step: linear warm-up, a plateau, and a fall to zero after the last."""
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    left = min(1.0, (steps - step) / (steps * config.decay_share))
    match config.schedule:
        case "linear":
            return warm * left
        case "cosine":
            return warm * (1 - math.cos(math.pi * left)) / 2
        case "constant":
            return warm
