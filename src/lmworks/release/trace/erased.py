"""How an erased text reached each model: through its weights, its tokenizer, or only a measurement.

A model at an address got the text in a prompt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lmworks.engines.rented.stages import rented_answers
from lmworks.pipeline.erasure import holders
from lmworks.pipeline.manifest import InputRecord
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import is_model, is_tokenizer

WORDS = {
    "sent": "the text {was} sent to {where} and cannot be called back: ask the provider there to delete it",
    "weights": "weights that {saw} the text: retire every copy given away",
    "tokenizer": "its tokenizer {was} learned from the text, but no weights saw it: retire every copy given away",
    "measured": "{was} only measured on the text, and no weights saw it: retire the samples beside its weights",
}


def reached_by(store: Store, ids: Collection[str], found: Mapping[Artifact, str]) -> dict[Artifact, tuple[str, str]]:
    """Return for each model in `found` one of `WORDS`, and, if it is uncertain that the text reached it, why."""
    models = [each for each in found if each.is_readable and is_model(each)]
    if not models:
        return {}
    by_weights, by_tokenizer = holders(store, ids, _reaches_weights), holders(store, ids, _learns)
    known = {
        "sent": {each: why for each, why in found.items() if _address(each)},
        "weights": by_weights,
        "tokenizer": by_tokenizer,
        "measured": found,
    }
    return {model: next((how, each[model]) for how, each in known.items() if model in each) for model in models}


def as_text(model: Artifact, how: str, why: str) -> str:
    """Return one of `WORDS` as a text. It says "may" if it is not known that the text reached the model."""
    saw, was = ("may have seen", "may have been") if why else ("saw", "was")
    return WORDS[how].format(saw=saw, was=was, where=_address(model))


def _address(model: Artifact) -> str:
    """Return the address of the rented model whose answers an artifact holds. Empty for other artifacts."""
    manifest = model.manifest
    return str(manifest.config["rented"]["address"]) if manifest.stage == rented_answers.name else ""


def _learns(record: InputRecord, parent: Artifact | None) -> bool:
    return record.role is not Role.MEASURES


def _reaches_weights(record: InputRecord, parent: Artifact | None) -> bool:
    return _learns(record, parent) and not (record.role is Role.READS and parent is not None and is_tokenizer(parent))
