"""Persons, places and other entities that no pattern finds, by a token-classification model of user or recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, field_validator

from lmworks.data.base.pretrained import load, model_digest
from lmworks.data.personal.findings import KINDS, Finding, Kind
from lmworks.data.tuning.spans import find_spans, parts_of_label
from lmworks.errors import LmworksError
from lmworks.recipe.schema import StepConfig

LABELS: Mapping[str, Kind] = {
    **{kind.upper(): kind for kind in KINDS},
    **dict.fromkeys(("PER", "PERSON"), "person"),
    **dict.fromkeys(("LOC", "LOCATION", "GPE"), "place"),
    **dict.fromkeys(("ORG", "ORGANIZATION"), "organisation"),
    **{"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "card", "IBAN_CODE": "iban"},
    **dict.fromkeys(("STREET_ADDRESS", "ADDR"), "address"),
    **{"US_SSN": "national_id", "IP_ADDRESS": "ip", "DATE_TIME": "date", "DATE_OF_BIRTH": "birth_date"},
}
"""Kinds for labels of CoNLL-2003, OntoNotes and Presidio, in upper case. A kind's own name means the kind."""

Spans = list[tuple[Kind, int, int]]
"""Kind and characters of each entity of a text, in order and without overlaps."""


class EntitiesConfig(StepConfig):
    """Kinds of names to search for, sources to search, and the model that does it."""

    packages: ClassVar[tuple[str, ...]] = ("transformers",)
    model: str | None = Field(
        default=None,
        description="Folder of a Hugging Face token-classification model with labels such as B-PER, relative to the "
        "recipe. Leave it out if the step's `model` names a model of the recipe.",
    )
    kinds: list[Kind] = Field(
        default=["person", "place", "organisation"],
        min_length=1,
        description="Kinds to search for. Most models find these three. Add kinds that your model has labels for.",
    )
    sources: list[str] | None = Field(
        default=None, description="Sources to search. All by default, because names may be anywhere."
    )

    digest: str = Field(default="", description="Digest of the model's files, set by `resolve`.")

    @field_validator("kinds")
    @classmethod
    def _are_known(cls, kinds: list[Kind]) -> list[Kind]:
        if unknown := sorted(set(kinds) - set(KINDS)):
            raise ValueError(f"`kinds` names {', '.join(unknown)}, which is not a kind. Kinds are {', '.join(KINDS)}")
        return kinds

    def resolve(self, folder: Path) -> Self:
        """Return this config with the digest of the model, because other weights find other names."""
        if self.model is None:
            return self
        return self.model_copy(update={"digest": model_digest(folder / self.model, "entities.model")})


def find_entities(folder: Path, kinds: Sequence[Kind], texts: Sequence[str]) -> list[Spans]:
    """Return the entities of each text by the model in a folder.

    Raises LmworksError if the model has no label for one of the kinds.
    """
    tokenizer, model = load(folder, "AutoModelForTokenClassification")
    return find_spans(tokenizer, model, _meaning(model.config.id2label, kinds, folder), texts)


def linked(text: str, spans: Spans) -> list[Finding]:
    """Return the findings of entities. A name that is part of a longer name in the same text is of the same person."""
    names = sorted(
        {text[start:end] for kind, start, end in spans if kind == "person"}, key=lambda name: (-len(name), name)
    )
    found = []
    for kind, start, end in spans:
        value = text[start:end]
        whole = next((name for name in names if value in name.split()), value) if kind == "person" else ""
        found.append(Finding(kind, start, end, value, whole=whole, guessed=True))
    return found


def _meaning(labels: Mapping[int, str], kinds: Sequence[Kind], folder: Path) -> dict[int, tuple[Kind | None, bool]]:
    """Return for each label its kind, or None if it is not in `kinds`, and whether it begins a name."""
    meaning: dict[int, tuple[Kind | None, bool]] = {}
    for number, label in labels.items():
        name, begins = parts_of_label(label)
        kind = LABELS.get(name.upper())
        meaning[number] = kind if kind in kinds else None, begins
    if absent := set(kinds) - {kind for kind, _ in meaning.values()}:
        raise LmworksError(
            f"entities.model: {folder} has no label for {' and '.join(sorted(absent))}: its labels are "
            f"{', '.join(labels.values())}. Expected names such as B-PER, B-LOC, B-ORG; correct `id2label` in its "
            "config.json or leave the kind out of `entities.kinds`."
        )
    return meaning
