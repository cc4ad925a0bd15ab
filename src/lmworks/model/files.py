"""Reading the files of models that others have made. Errors name the file and the fault in one line."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lmworks.errors import LmworksError, told
from lmworks.lazy import torch
from lmworks.pipeline.files import read_regular, refuse_links_out, without_duplicates

INDEX = "*.safetensors.index.json"
"""Pattern of the files that state which file holds which tensor."""
LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers")
WEIGHT_BITS = "lmworks_weight_bits"
"""Field of a config.json with the bits per weight in the original file."""
POSITIONS, MOST_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx"), 2**24
"""Fields with the context length, and its largest value. The longest published context has 10 million tokens."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the contents of a JSON file of a model folder."""
    with told(path, f"a set of fields: a model folder holds {path.name}"):
        found = json.loads(read_regular(path), object_pairs_hook=without_duplicates)
        if not isinstance(found, dict):
            raise TypeError(f"found a {type(found).__name__}")
    return found


def whole_number(
    path: Path, found: Mapping[str, Any], name: str, most: int, default: int | None = None, least: int = 1
) -> int:
    """Return a field of a `config.json`. Raises LmworksError unless it is a whole number from `least` to `most`."""
    value = found.get(name)
    value = default if value is None else value
    if type(value) is not int or not least <= value <= most:
        shown = repr(value) if name in found else "nothing"
        raise LmworksError(f"{path}: {name}: found {shown[:60]}, expected a whole number from {least} to {most:,}")
    return value


@contextmanager
def open_weights(path: Path) -> Iterator[Any]:
    """Open a file of tensors with safetensors."""
    from safetensors import safe_open

    with told(path, "a whole safetensors file; copy it anew"):
        if not path.is_file():  # a pipe would be waited for
            raise FileNotFoundError("no regular file")
        with safe_open(path, "pt") as tensors:
            yield tensors


def load_weights(path: Path) -> dict[str, Any]:
    """Return all tensors of a file, by name. Raises LmworksError if one holds NaN or infinity."""
    with open_weights(path) as tensors:
        found = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 - it is no dict
    require_finite(path, found.items())
    return found


def require_finite(place: Path, weights: Iterable[tuple[str, Any]]) -> None:
    """Raise LmworksError, with the name, for weights that hold NaN or infinity. Such a model cannot answer."""
    for name, tensor in weights:
        # A sum needs no memory. It may overflow where all numbers are finite.
        is_sound = not tensor.is_floating_point() or tensor.detach().sum(dtype=torch.float32).isfinite()
        if not is_sound and not tensor.isfinite().all():
            raise LmworksError(
                f"{place}: the weights {name} hold NaN or infinity: the model cannot answer\n"
                "  Copy the files again, or train again from the last sound checkpoint, with a lower learning rate"
            )


def refuse_special_files(folder: Path) -> None:
    """Raise LmworksError if a folder has a pipe, socket or device. Reading such a file could wait forever."""
    for path in sorted(folder.iterdir()):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise LmworksError(f"{path}: not a regular file\n  Put the file itself there, or delete it")


def count_tensors(folder: Path) -> int:
    """Return the number of tensors in the files of a folder."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with open_weights(path) as tensors:
            total += len(tensors.keys())
    return total


def weight_bits(folder: Path) -> float | None:
    """Return the bits per number of most weights in a model's files. None if there are no such files."""
    if (named := read_json(folder / "config.json").get(WEIGHT_BITS)) is not None:
        return float(named)
    bits: Counter[int] = Counter()
    for path in folder.glob("*.safetensors"):
        with open_weights(path) as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dict
                each = tensors.get_slice(name)
                bits[int("".join(filter(str.isdigit, each.get_dtype().partition("_")[0])) or 8)] += math.prod(
                    each.get_shape()
                )
    return max(bits, key=bits.__getitem__, default=None)


def check_own_files(folder: Path, names: Iterable[str]) -> None:
    """Raise LmworksError if a model folder has a link to a file outside, or an index that names such a file."""
    refuse_links_out(folder, names)
    refuse_special_files(folder)
    for path in sorted(folder.glob(INDEX)):
        named = read_json(path).get("weight_map")
        for file in sorted(set(map(str, named.values())) if isinstance(named, dict) else ()):
            if file != Path(file).name or not (folder / file).is_file():
                raise LmworksError(f"{path}: names {file[:100]}; expected a file in the same folder")


def check_extent(folder: Path) -> None:
    """Raise LmworksError if a `config.json` has more layers or positions than can be. The model is not built."""
    refuse_special_files(folder)
    path = folder / "config.json"
    found = read_json(path)
    tensors = count_tensors(folder)
    for fields, least, most in ((LAYERS, 0, tensors), (POSITIONS, 1, MOST_POSITIONS)):  # embeddings alone are a model
        for name in fields:
            if found.get(name) is not None:
                whole_number(path, found, name, most, least=least)
