"""LoRA adapters that others have trained, merged into the weights of their base.

Axes: I inputs, O outputs, R rank.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.errors import LmworksError, told
from lmworks.model.files import check_own_files, load_weights, open_weights, read_json
from lmworks.model.folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from lmworks.recipe.patterns import Pattern

if TYPE_CHECKING:
    import torch
    from torch import Tensor

REFUSED = {
    "bias": "none",
    "fan_in_fan_out": False,
    **dict.fromkeys(("lora_bias", "use_dora", "use_qalora"), False),
    **dict.fromkeys(("modules_to_save", "layer_replication", "target_parameters", "trainable_token_indices"), None),
    **dict.fromkeys(("alora_invocation_tokens", "arrow_config", "kasa_config", "velora_config", "use_bdlora"), None),
}
"""Fields of LoRA's config that can request more than products on matrices, with the value that requests nothing."""


@dataclass(frozen=True)
class LowRank:
    """A low-rank product that is added to a matrix W [O,I]: W + scale·B·A."""

    place: str
    """Folder and matrix, for errors."""
    a: Tensor
    """Matrix A [R,I]."""
    b: Tensor
    """Matrix B [O,R]."""
    scale: float

    def to(self, device: torch.device) -> LowRank:
        return replace(self, a=self.a.to(device), b=self.b.to(device))

    def whole(self, matrix: Tensor) -> Tensor:
        """Return the merged matrix [O,I] in float32. Raises LmworksError for a matrix of another shape."""
        self.require_fit(matrix)
        whole: Tensor = matrix.float() + self.scale * (self.b @ self.a)
        return whole

    def require_fit(self, matrix: Tensor) -> None:
        """Raise LmworksError for a matrix of another shape."""
        sizes = [list(self.a.shape), list(self.b.shape)]
        if [sizes[1][0], sizes[0][1]] != list(matrix.shape) or sizes[0][0] != sizes[1][1]:
            raise LmworksError(f"{self.place} of {list(matrix.shape)}: A and B of {sizes} do not fit this shape")


def put_on(base: Path, adapter: Path) -> int:
    """Merge the adapter in a PEFT folder into a model folder, and return how many matrices change.

    Raises LmworksError for unknown kinds of adapters, and for adapters of another base.
    """
    check_own_files(adapter, [ADAPTER_CONFIG, ADAPTER_WEIGHTS])
    if not (adapter / ADAPTER_WEIGHTS).is_file():
        raise LmworksError(f"{adapter}: no {ADAPTER_WEIGHTS}; pickled .bin is never read: save it as safetensors")
    return _merge(base, adapter)


def read_low_rank(adapter: Path) -> dict[str, LowRank]:
    """Return the adapters in a PEFT folder, by the names of the base's matrices.

    Raises LmworksError for kinds other than LoRA.
    """
    config = read_json(adapter / ADAPTER_CONFIG)
    with told(adapter / ADAPTER_CONFIG, "the fields of a LoRA as PEFT writes them"):
        return _read_low_rank(adapter, config)


def _read_low_rank(adapter: Path, config: Mapping[str, Any]) -> dict[str, LowRank]:
    kind = config.get("peft_type")
    more = [name for name, plain in REFUSED.items() if (config.get(name) or plain) != plain]
    if kind != "LORA" or more:
        raise LmworksError(
            f"{adapter / ADAPTER_CONFIG}: peft_type {kind!r}{' with ' + ', '.join(more) if more else ''}; expected "
            "LORA only on matrices. Merge other kinds with PEFT's `merge_and_unload`, and use the merged model"
        )
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in load_weights(adapter / ADAPTER_WEIGHTS).items():
        path, _, part = name.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
        parts[f"{path}.weight"][part] = tensor.float()
    alphas = _alphas(adapter / ADAPTER_CONFIG, config)
    return {name: _low_rank(f"{adapter}: matrix {name}", name, found, config, alphas) for name, found in parts.items()}


def _alphas(path: Path, config: Mapping[str, Any]) -> list[tuple[Pattern, float]]:
    """Return patterns of the matrices that have their own alpha, which match as in PEFT."""
    stated = config.get("alpha_pattern") or {}
    try:
        return [(Pattern(rf"(.*\.)?({name})$"), alpha) for name, alpha in stated.items()]
    except ValueError as error:
        raise LmworksError(f"{path}: alpha_pattern: {error}") from None


def _low_rank(
    place: str,
    name: str,
    parts: Mapping[str, Tensor],
    config: Mapping[str, Any],
    alphas: Iterable[tuple[Pattern, float]],
) -> LowRank:
    expected = {"lora_A", "lora_B"}
    if parts.keys() != expected:
        raise LmworksError(f"{place}: found {', '.join(sorted(parts))}; expected {', '.join(sorted(expected))}")
    if any(parts[each].ndim != 2 for each in ("lora_A", "lora_B")):
        raise LmworksError(f"{place}: found {[list(part.shape) for part in parts.values()]}; expected two matrices")
    rank, path = len(parts["lora_A"]), name.removesuffix(".weight")
    alpha = next((alpha for pattern, alpha in alphas if pattern.begins(path)), config["lora_alpha"])
    scale = float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return LowRank(place, parts["lora_A"], parts["lora_B"], scale)


def require_matrices(adapter: Path, beside: Iterable[str], there: Container[str]) -> None:
    """Raise LmworksError if an adapter is for matrices that the base does not have."""
    if missing := sorted(name for name in beside if name not in there):
        raise LmworksError(f"{adapter}: an adapter of another base: this one has no {', '.join(missing[:3])}")


def _merge(base: Path, adapter: Path) -> int:
    from safetensors.torch import save_file

    beside = read_low_rank(adapter)
    changed = set()
    for file in sorted(base.glob("*.safetensors")):
        with open_weights(file) as stored:
            named = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - it is no dict
            metadata = stored.metadata()
        found = beside.keys() & named.keys()
        for name in found:
            named[name] = beside[name].whole(named[name]).to(named[name].dtype)
        if found:
            save_file({name: tensor.clone() for name, tensor in named.items()}, file, metadata=metadata)
        changed |= found
    require_matrices(adapter, beside, changed)
    return len(changed)
