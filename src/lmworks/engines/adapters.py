"""Several models that differ from one base by LoRA alone, in memory together and answering in one batch.

The base's matrices are held once. A pass multiplies them for all rows; then each adapter adds its thin product to its
own rows (Chen et al. 2023, "Punica"; Sheng et al. 2023, "S-LoRA").

Axes: N rows, T time, I inputs, O outputs, R rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from lmworks.model.decoder import Decoder, Linear
from lmworks.model.peft_folder import LowRank, read_low_rank, require_matrices

Rows = Tensor | slice


class Adapters:
    """Additions of several models to the matrices of a decoder. Outside `asked` the decoder is the base."""

    def __init__(self, decoder: Decoder, folders: Mapping[str, Path | None]) -> None:
        """Model → PEFT folder; None for the base itself. Raises LmworksError for adapters of another base."""
        self._device = decoder.output_weight.device
        self._groups: list[tuple[str, Rows]] = []
        matrices = {
            f"{name}.weight": part
            for name, part in decoder.named_modules()
            if isinstance(part, Linear) and name.startswith("model.layers.")  # a head is the engine's to multiply
        }
        adapted: dict[str, AdaptedLinear] = {}
        for model, folder in folders.items():
            beside = read_low_rank(folder) if folder else {}
            if folder:
                require_matrices(folder, beside, matrices)
            for name, each in beside.items():
                if name not in adapted:
                    adapted[name] = AdaptedLinear(matrices[name], self._groups)
                    parent, _, last = name.removesuffix(".weight").rpartition(".")
                    setattr(decoder.get_submodule(parent), last, adapted[name])
                adapted[name].add(model, each, decoder.compute_type)

    @contextmanager
    def asked(self, models: Sequence[str]) -> Iterator[None]:
        """Passes inside are of rows of these models, in this order."""
        for model in dict.fromkeys(models):
            rows = [row for row, other in enumerate(models) if other == model]
            whole = len(rows) == len(models)
            self._groups.append((model, slice(None) if whole else torch.tensor(rows, device=self._device)))
        try:
            yield
        finally:
            self._groups.clear()


class AdaptedLinear(nn.Module):
    """A matrix of the base, and beside it the products of those models that changed it."""

    def __init__(self, base: Linear, groups: Sequence[tuple[str, Rows]]) -> None:
        super().__init__()
        self.base = base
        self._groups = groups
        self._beside: dict[str, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def add(self, model: str, beside: LowRank, data_type: torch.dtype) -> None:
        """Take a model's product. Raises LmworksError for one of another shape."""
        beside.require_fit(self.base.weight)
        beside = beside.to(self.base.weight.device)
        self._beside[model] = (beside.scale * beside.a).to(data_type), beside.b.to(data_type).T

    def forward(self, x: Tensor) -> Tensor:
        """[N,T,I] -> [N,T,O]"""
        output: Tensor = self.base(x)
        for model, rows in self._groups:
            if model in self._beside:
                a, b = self._beside[model]
                old = output[rows]
                new = torch.addmm(old.flatten(0, 1), F.linear(x[rows], a).flatten(0, 1), b)  # [n·T,O]
                output[rows] = new.view_as(old)
        return output
