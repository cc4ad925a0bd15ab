"""Low-rank adapters, which are trained while their base stays unchanged (Hu et al. 2021, "LoRA").

An adapter adds the trained product (alpha/r)·B·A to a frozen matrix W.

Axes: I inputs, O outputs, R rank.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.errors import LmworksError
from lmworks.model.folder import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS
from lmworks.model.quantised import QuantisedLinear
from lmworks.pipeline.files import write_atomically

if TYPE_CHECKING:
    from lmworks.train.configs.adapter import LoraConfig
    from lmworks.train.configs.train import TrainConfig


PARTS = ("lora_A", "lora_B")
"""Names of the two matrices in PEFT's files."""


class AdaptedLinear(nn.Module):
    """A frozen matrix with the random A [R,I] and B [O,R]. B is zero at first, so training starts at the base."""

    def __init__(self, base: nn.Linear | QuantisedLinear, config: LoraConfig, generator: torch.Generator) -> None:
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
        return torch.addmm(output.flatten(0, -2), low.flatten(0, -2), self.lora_B.to(x.dtype).T).view_as(output)

    @torch.no_grad()
    def merged(self, weight: Tensor) -> Tensor:
        """Return W with the adapter added [O,I], on the device of W. It computes the same without an adapter."""
        left, right = (part.to(weight.device) for part in (self.lora_B, self.lora_A))
        whole: Tensor = weight.float() + self.scale * (left @ right)
        return whole


class Adapters:
    """The adapters of a model, by the names of the matrices that they adapt."""

    def __init__(self, network: nn.Module, blocks: nn.ModuleList, config: LoraConfig, seed: int) -> None:
        """Freeze `network` and put adapters into its blocks. Raises LmworksError if `targets` names no matrix."""
        linear = _linear(network, blocks)
        if config.quantise:
            for name, matrix in linear.items():
                linear[name] = QuantisedLinear(matrix, name, config.quantise)
                _put(network, name, linear[name])
        found = linear
        if config.targets != "all-linear":
            found = {name: matrix for name, matrix in linear.items() if _last(name) in config.targets}
        if not found:
            known = ", ".join(sorted({_last(name) for name in linear}))
            mend = f"the blocks have {known}: name some of these, or leave `targets` out"
            if not known:
                mend = (
                    "the blocks of this architecture have none (GPT-2's are convolutions): leave `adapter` out, which "
                    "trains all weights, or start from a Llama, Mistral, Qwen2 or Qwen3 model"
                )
            raise LmworksError(f"adapter.targets: no linear layer is called {config.targets}; {mend}")
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
        """Trained weights. A checkpoint holds only these."""

    def switch(self, *, on: bool) -> None:
        """Switch the adapters on or off. Without them, the network computes as its base."""
        for matrix in self.by_name.values():
            matrix.on = on

    def save(self, folder: Path) -> None:
        """Write a PEFT folder that `PeftModel.from_pretrained(base, folder)` can load."""
        tensors = {
            f"base_model.model.{name.replace('/', '.')}{'.weight' if weight.ndim > 1 else ''}": weight.detach()
            for name, weight in self.trained.items()
        }
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
        _write(folder, tensors, config)

    @torch.no_grad()
    def merge(self) -> None:
        """Replace each matrix and its adapter by one matrix that computes the same."""
        for name, matrix in self.by_name.items():
            matrix.base.weight.copy_(matrix.merged(matrix.base.weight))
            _put(self.network, name, matrix.base)

    @torch.no_grad()
    def merged(self, stored: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights of the merged model by name, one at a time, on the host.

        They come from the base's `stored` weights or, if it is quantised, from its weights in memory, as bfloat16.
        """
        quantised = self.config.quantise is not None
        for name, weight in self._unpacked() if quantised else stored:
            if "score" in self.trained and name in ("lm_head.weight", "score.weight"):
                continue
            matrix = self.by_name.get(name.removesuffix(".weight"))
            whole = matrix.merged(weight) if matrix else weight.float()
            yield name, whole.bfloat16() if quantised else whole
        if "score" in self.trained:
            score = self.trained["score"].detach().cpu()
            yield "score.weight", score.bfloat16() if quantised else score

    def _unpacked(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights of the base on the host by name, without the adapters."""
        for place, module in self.network.named_modules():
            name = place.removesuffix(".base")
            if isinstance(module, QuantisedLinear):
                yield f"{name}.weight", module.cpu_weight()
            for field, parameter in module.named_parameters(recurse=False):
                if not field.startswith("lora_"):
                    yield f"{name}.{field}", parameter.detach().cpu()


def adapt(model: Any, network: nn.Module, config: TrainConfig) -> None:
    """Add the adapters of the config, if there are any, to a trainable model. Then only the adapters are trained."""
    if config.adapter:
        model.adapters = Adapters(network, model.blocks, config.adapter, config.seed)
        model.module = model.adapters.trained


def save_adapters(adapters: Adapters | None, folder: Path) -> None:
    """Write the adapters, if there are any, to `folder/adapter`, and merge them into the model."""
    if adapters:
        adapters.save(folder / ADAPTER)
        adapters.merge()


def keep_narrow(network: nn.Module, data_type: torch.dtype) -> None:
    """Convert frozen matrices and tables to the type in which they are multiplied, so that products stay the same.

    Norms and biases stay in float32. Weights that were mapped from a file are copied into memory.
    """
    for parameter in network.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(data_type if parameter.ndim > 1 else torch.float32, copy=True)


def _write(folder: Path, tensors: dict[str, Tensor], config: dict[str, Any]) -> None:
    from safetensors.torch import save

    write_atomically(folder / ADAPTER_WEIGHTS, save(tensors))
    write_atomically(folder / ADAPTER_CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def _linear(network: nn.Module, blocks: nn.ModuleList) -> dict[str, Any]:
    """Return the linear layers inside blocks, by name."""
    inside = set(blocks.modules())
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Linear) and m in inside}


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
