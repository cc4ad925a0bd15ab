"""Low-rank adapters (Hu et al. 2021, "LoRA"): a frozen matrix W, and beside it the trained product (alpha/r)·B·A.

Axes: I inputs, O outputs, R rank.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.data.documents import write_file
from lmworks.errors import LmworksError
from lmworks.train.checkpoints import save_tensors

if TYPE_CHECKING:
    from lmworks.train.config import LoraConfig, TrainConfig


class Adapter(nn.Module):
    """A [R,I], which begins random, and B [O,R], which begins as zero: the model begins as its base."""

    def __init__(self, matrix: nn.Linear, config: LoraConfig, generator: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(matrix.in_features)
        self.lora_A = nn.Parameter(
            torch.empty(config.rank, matrix.in_features).uniform_(-bound, bound, generator=generator)
        )
        self.lora_B = nn.Parameter(torch.zeros(matrix.out_features, config.rank))
        self.scale = config.alpha / config.rank
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(self.dropout(x), self.lora_A.to(x.dtype))
        return F.linear(low, self.lora_B.to(x.dtype)) * self.scale


class AdaptedLinear(nn.Module):
    """A frozen matrix and its adapter."""

    def __init__(self, base: nn.Linear, adapter: Adapter) -> None:
        super().__init__()
        self.base, self.adapter = base, adapter

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.base(x) + self.adapter(x)
        return output


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
        generator = torch.Generator().manual_seed(seed)
        self.network, self.config = network, config
        self.by_name: Mapping[str, Adapter] = {name: Adapter(found[name], config, generator) for name in found}
        for name, adapter in self.by_name.items():
            _put(network, name, AdaptedLinear(found[name], adapter))
        self.trained = nn.ModuleDict({name.replace(".", "/"): adapter for name, adapter in self.by_name.items()})
        """What is learned, and all that a checkpoint holds."""

    def save(self, folder: Path) -> None:
        """Write a PEFT folder, which `PeftModel.from_pretrained(base, folder)` loads."""
        tensors = {
            f"base_model.model.{name}.{part}.weight": getattr(adapter, part).detach()
            for name, adapter in self.by_name.items()
            for part in ("lora_A", "lora_B")
        }
        save_tensors(folder / "adapter_model.safetensors", tensors)
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
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
        for name, adapter in self.by_name.items():
            base: nn.Linear = self.network.get_submodule(f"{name}.base")  # type: ignore[assignment]
            base.weight += adapter.scale * (adapter.lora_B @ adapter.lora_A)
            _put(self.network, name, base)


class Adaptable(Protocol):
    """A trainable model that can have adapters."""

    module: nn.Module
    adapters: Adapters | None

    @property
    def blocks(self) -> nn.ModuleList: ...


M = TypeVar("M", bound=Adaptable)


def adapted(model: M, network: nn.Module, config: TrainConfig) -> M:
    """The model with the adapters of the config, if it has any: only those are learned."""
    if config.adapter:
        model.adapters = Adapters(network, model.blocks, config.adapter, config.seed)
        model.module = model.adapters.trained
    return model


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
