"""Low-rank adapters (Hu et al. 2021, "LoRA"): a frozen matrix W, and beside it the trained product (alpha/r)·B·A.

Axes: I inputs, O outputs, R rank.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.data.documents import write_file
from lmworks.errors import LmworksError

if TYPE_CHECKING:
    from lmworks.train.config import LoraConfig, TrainConfig

PARTS = ("lora_A", "lora_B")
"""As PEFT's files name them."""


class AdaptedLinear(nn.Module):
    """A frozen matrix, with A [R,I], which begins random, and B [O,R], which begins as zero: the base is the start."""

    def __init__(self, base: nn.Linear, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.base, self.scale = base, config.alpha / config.rank
        # A dropout of nothing would still be compiled twice: to learn, and to measure.
        self.dropout: nn.Module = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.on = True
        bound = 1 / math.sqrt(base.in_features)
        self.lora_A = nn.Parameter(
            torch.empty(config.rank, base.in_features).uniform_(-bound, bound, generator=generator)
        )
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, config.rank))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.base(x)
        if not self.on:
            return output
        low = F.linear(self.dropout(x), (self.scale * self.lora_A).to(x.dtype))
        # A product that adds: outputs are long, and a pass for the scale and one for the sum took as long as it does.
        added = torch.addmm(output.flatten(0, -2), low.flatten(0, -2), self.lora_B.to(x.dtype).T)
        return added.view_as(output)


class Adapters:
    """The adapters of a model, by the names of the matrices that they stand beside."""

    def __init__(self, network: nn.Module, blocks: nn.ModuleList, config: LoraConfig, seed: int) -> None:
        """Freeze `network` and put adapters into its blocks. Raises LmworksError if no matrix has a wanted name."""
        inside = set(blocks.modules())
        linear = {name: m for name, m in network.named_modules() if isinstance(m, nn.Linear) and m in inside}
        found = linear
        if config.targets != "all-linear":
            found = {name: matrix for name, matrix in linear.items() if _last(name) in config.targets}
        if not found:
            known = ", ".join(sorted({_last(name) for name in linear})) or "none: this architecture has other layers"
            raise LmworksError(f"adapter.targets: no linear layer is called {config.targets}; the blocks have {known}")
        network.requires_grad_(False)
        score = getattr(network, "score", None)  # a reward model's head is fresh: there is nothing to stand beside
        generator = torch.Generator().manual_seed(seed)
        self.network, self.config = network, config
        self.by_name = {name: AdaptedLinear(matrix, config, generator) for name, matrix in found.items()}
        for name, matrix in self.by_name.items():
            _put(network, name, matrix)
        weights = {f"{name}.{part}": getattr(matrix, part) for name, matrix in self.by_name.items() for part in PARTS}
        if score is not None:
            weights["score"] = score.weight.requires_grad_(True)
        self.trained = nn.ParameterDict({name.replace(".", "/"): weight for name, weight in weights.items()})
        """What is learned, and all that a checkpoint holds."""

    def switch(self, *, on: bool) -> None:
        """Whether the network computes with its adapters, or as it did without."""
        for matrix in self.by_name.values():
            matrix.on = on

    def save(self, folder: Path) -> None:
        """Write a PEFT folder, which `PeftModel.from_pretrained(base, folder)` loads."""
        from safetensors.torch import save

        tensors = {
            f"base_model.model.{name.replace('/', '.')}.weight": weight.detach()
            for name, weight in self.trained.items()
        }
        write_file(folder / "adapter_model.safetensors", save(tensors))
        config = {
            "peft_type": "LORA",
            "task_type": "SEQ_CLS" if "score" in self.trained else "CAUSAL_LM",
            "modules_to_save": ["score"] if "score" in self.trained else None,
            "base_model_name_or_path": None,
            "r": self.config.rank,
            "lora_alpha": self.config.alpha,
            "lora_dropout": self.config.dropout,
            "target_modules": sorted({_last(name) for name in self.by_name}),
            "bias": "none",
            "inference_mode": True,
        }
        write_file(folder / "adapter_config.json", (json.dumps(config, indent=2) + "\n").encode())

    @torch.no_grad()
    def merge(self) -> None:
        """Add each product to its matrix; the network is then as any other."""
        for name, matrix in self.by_name.items():
            matrix.base.weight += matrix.scale * (matrix.lora_B @ matrix.lora_A)
            _put(self.network, name, matrix.base)


def adapt(model: Any, network: nn.Module, config: TrainConfig) -> None:
    """Give a trainable model the adapters of the config, if there are any: only those are learned."""
    if config.adapter:
        model.adapters = Adapters(network, model.blocks, config.adapter, config.seed)
        model.module = model.adapters.trained


def save_adapters(adapters: Adapters | None, folder: Path) -> None:
    """Write adapters, if there are any, into `folder/adapter`, and merge them into the model."""
    if adapters:
        adapters.save(folder / "adapter")
        adapters.merge()


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
