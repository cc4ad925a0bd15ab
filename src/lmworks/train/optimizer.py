"""Muon for the matrices inside blocks, AdamW for everything else."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lmworks.train.config import TrainConfig

ADAMW_BETAS = (0.9, 0.95)
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
        parameters = dict(model.named_parameters())
        self.rates = (config.learning_rate, config.adamw_learning_rate)
        self.momentum, self.weight_decay = config.momentum, config.weight_decay
        self.matrices = {name: p for name, p in parameters.items() if p.ndim == 2 and ".layers." in name}
        self.others = {name: p for name, p in parameters.items() if name not in self.matrices}
        self.state = {f"momentum.{name}": torch.zeros_like(p) for name, p in self.matrices.items()}
        for kind in ("mean", "square"):
            self.state |= {f"{kind}.{name}": torch.zeros_like(p) for name, p in self.others.items()}

    @torch.no_grad()
    def step(self, number: int, share: float) -> None:
        """Update from the gradients; `number` counts from 1, `share` scales the learning rates."""
        muon, adamw = (share * rate for rate in self.rates)
        for name, parameter in self.matrices.items():
            gradient, momentum = _gradient(parameter), self.state[f"momentum.{name}"]
            momentum.lerp_(gradient, 1 - self.momentum)
            update = orthogonalise(gradient.lerp(momentum, self.momentum))  # Nesterov
            scale = math.sqrt(max(1.0, parameter.shape[0] / parameter.shape[1]))
            parameter.mul_(1 - muon * self.weight_decay).add_(update.float(), alpha=-muon * scale)
        first, second = ADAMW_BETAS
        for name, parameter in self.others.items():
            gradient, mean, square = _gradient(parameter), self.state[f"mean.{name}"], self.state[f"square.{name}"]
            mean.lerp_(gradient, 1 - first)
            square.lerp_(gradient.square(), 1 - second)
            size = (square / (1 - second**number)).sqrt_().add_(1e-8)
            parameter.mul_(1 - adamw * self.weight_decay).addcdiv_(mean, size, value=-adamw / (1 - first**number))


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None  # noqa: S101 - for the type checker; every weight takes part in every step
    return parameter.grad


def rate_share(step: int, config: TrainConfig, steps: int) -> float:
    """Share of the learning rate at a step: linear warm-up, a plateau, linear decay to zero after the last."""
    warm = min(1.0, (step + 1) / (config.warmup_steps + 1))
    return warm * min(1.0, (steps - step) / (steps * config.decay_share))
