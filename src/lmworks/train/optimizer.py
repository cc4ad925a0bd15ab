"""Muon for the matrices inside blocks and AdamW for everything else; or AdamW, Adam or SGD for all."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lmworks.train.config import TrainConfig

ADAM_BETAS = (0.9, 0.95)
POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""Coefficients (a, b, c) of x -> a·x + b·x³ + c·x⁵ on singular values, step by step (Polar Express, arXiv 2505.16932).

They leave a margin of 2 %, so that rounding to bfloat16 cannot leave the range where they converge."""


def orthogonalise(matrix: Tensor) -> Tensor:
    """[rows, columns] -> about the nearest matrix of orthonormal rows or columns, whichever are fewer, in bfloat16.

    Five steps X -> (a + b·G + c·G²)·X with G = X·Xᵀ on the short side: products only, as fast as those.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() * 1.02 + 1e-7)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Optimizer:
    """Its state is a flat dict of named tensors, so that a checkpoint is one safetensors file."""

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        self.parameters = dict(model.named_parameters())
        self.config = config
        self.update = {
            name: "adamw" if config.optimizer == "muon" and not _is_inner_matrix(name, p) else config.optimizer
            for name, p in self.parameters.items()
        }
        self.state = {
            f"{kind}.{name}": torch.zeros_like(p)
            for name, p in self.parameters.items()
            for kind in (("momentum",) if self.update[name] in ("muon", "sgd") else ("mean", "square"))
        }

    @torch.no_grad()
    def step(self, number: int, share: float) -> None:
        """Update from the gradients; `number` counts from 1, `share` scales the learning rates."""
        config = self.config
        for name, parameter in self.parameters.items():
            gradient, kind = _gradient(parameter), self.update[name]
            rest = config.optimizer == "muon" and kind == "adamw"
            rate = share * (config.adamw_learning_rate if rest else config.learning_rate)
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            if kind in ("adam", "sgd"):
                gradient = gradient.add(parameter, alpha=decay)  # L2, a part of the gradient
            else:
                parameter.mul_(1 - rate * decay)
            if kind in ("muon", "sgd"):
                self._move_with_momentum(name, parameter, gradient, rate)
            else:
                self._move_by_moments(name, parameter, gradient, rate, number)

    def _move_with_momentum(self, name: str, parameter: Tensor, gradient: Tensor, rate: float) -> None:
        """Nesterov's momentum: for Muon a running mean, whose size does not matter, for SGD the usual sum."""
        momentum, keep = self.state[f"momentum.{name}"], self.config.momentum
        if self.update[name] == "sgd":
            momentum.mul_(keep).add_(gradient)
            parameter.add_(gradient.add(momentum, alpha=keep), alpha=-rate)
            return
        momentum.lerp_(gradient, 1 - keep)
        update = orthogonalise(gradient.lerp(momentum, keep)).float()
        scale = math.sqrt(max(1.0, parameter.shape[0] / parameter.shape[1]))
        parameter.add_(update, alpha=-rate * scale)

    def _move_by_moments(self, name: str, parameter: Tensor, gradient: Tensor, rate: float, number: int) -> None:
        """Loshchilov and Hutter 2019, algorithm 2."""
        mean, square = self.state[f"mean.{name}"], self.state[f"square.{name}"]
        first, second = ADAM_BETAS
        mean.lerp_(gradient, 1 - first)
        square.lerp_(gradient.square(), 1 - second)
        size = (square / (1 - second**number)).sqrt_().add_(1e-8)
        parameter.addcdiv_(mean, size, value=-rate / (1 - first**number))


def _is_inner_matrix(name: str, parameter: Tensor) -> bool:
    in_block = ".layers." in name or ".block." in name
    return parameter.ndim == 2 and in_block and "relative_attention_bias" not in name


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None  # noqa: S101 - for the type checker; every weight takes part in every step
    return parameter.grad


def rate_share(step: int, config: TrainConfig, steps: int) -> float:
    """Share of the learning rate at a step: linear warm-up, a plateau, and a fall to zero after the last."""
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    left = min(1.0, (steps - step) / (steps * config.decay_share))
    match config.schedule:
        case "linear":
            return warm * left
        case "cosine":
            return warm * (1 - math.cos(math.pi * left)) / 2
        case "constant":
            return warm
