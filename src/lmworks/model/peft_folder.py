"""Adapters that others have trained, put onto their base: LoRA and DoRA into its weights, prompts and prefixes beside.

Axes: I inputs, O outputs, R rank.
"""

from __future__ import annotations

import math
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.errors import LmworksError
from lmworks.model.folder import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, PREFIXES, is_ours, read_config, read_json

if TYPE_CHECKING:
    from torch import Tensor

REFUSED = {
    "bias": "none",
    "fan_in_fan_out": False,
    **dict.fromkeys(("lora_bias", "use_qalora"), False),
    **dict.fromkeys(("modules_to_save", "layer_replication", "target_parameters", "trainable_token_indices"), None),
    **dict.fromkeys(("alora_invocation_tokens", "arrow_config", "kasa_config", "velora_config", "use_bdlora"), None),
}
"""Fields of LoRA's config that say it is more than products beside matrices, with the value that says it is not."""


def put_on(base: Path, adapter: Path) -> int:
    """Put the adapter in a PEFT folder onto a model folder; how many matrices it changes.

    Raises LmworksError for kinds that are not known, and adapters of another base.
    """
    config = read_json(adapter / ADAPTER_CONFIG)
    kind = config.get("peft_type")
    if not (adapter / ADAPTER_WEIGHTS).is_file():
        raise LmworksError(f"{adapter}: no {ADAPTER_WEIGHTS}; pickled .bin files are never read: save the adapter anew")
    before = kind in PREFIXES.values() and is_ours(base) and not config.get("prefix_projection")
    if before and not read_config(base).sliding_window:
        (base / ADAPTER).mkdir()
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            shutil.copyfile(adapter / name, base / ADAPTER / name)
        return 0
    more = [name for name, plain in REFUSED.items() if (config.get(name) or plain) != plain]
    if kind != "LORA" or more:
        raise LmworksError(
            f"{adapter / ADAPTER_CONFIG}: peft_type {kind!r}{' with ' + ', '.join(more) if more else ''}; expected "
            "LORA, also with use_dora, beside matrices alone; or PROMPT_TUNING or PREFIX_TUNING, without a projection, "
            "for Llama, Mistral, Qwen2 or Qwen3 without a sliding window"
        )
    return _merge(base, adapter, config)


def _merge(base: Path, adapter: Path, config: Mapping[str, Any]) -> int:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in load_file(adapter / ADAPTER_WEIGHTS).items():
        path, _, part = name.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
        parts[f"{path}.weight"][part] = tensor.float()
    changed = set()
    for file in sorted(base.glob("*.safetensors")):
        with safe_open(file, "pt") as stored:
            named = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - it is no dict
            metadata = stored.metadata()
        found = parts.keys() & named.keys()
        for name in found:
            named[name] = _merged(adapter, name, named[name], parts[name], config)
        if found:
            save_file({name: tensor.clone() for name, tensor in named.items()}, file, metadata=metadata)
        changed |= found
    if missing := sorted(parts.keys() - changed):
        raise LmworksError(f"{adapter}: an adapter of another base: this one has no {', '.join(missing[:3])}")
    return len(changed)


def _merged(adapter: Path, name: str, matrix: Tensor, parts: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensor:
    """[O,I] with what is learned beside it."""
    expected = {"lora_A", "lora_B", *(["lora_magnitude_vector"] if config.get("use_dora") else [])}
    sizes = [list(parts[part].shape) for part in ("lora_A", "lora_B") if part in parts]
    if parts.keys() != expected or [sizes[1][0], sizes[0][1]] != list(matrix.shape) or sizes[0][0] != sizes[1][1]:
        raise LmworksError(
            f"{adapter}: beside {name} of {list(matrix.shape)} stand {', '.join(sorted(parts))} of {sizes}; expected "
            f"{', '.join(sorted(expected))} that fit"
        )
    rank, path = sizes[0][0], name.removesuffix(".weight")
    alphas = config.get("alpha_pattern") or {}
    alpha = next((alphas[key] for key in alphas if re.match(rf"(.*\.)?({key})$", path)), config["lora_alpha"])
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    whole: Tensor = matrix.float() + scale * (parts["lora_B"] @ parts["lora_A"])
    if config.get("use_dora"):
        whole *= (parts["lora_magnitude_vector"].flatten() / whole.norm(dim=1))[:, None]
    return whole.to(matrix.dtype)
