"""Persons, places and organisations, which no pattern knows, by a token-classification model that the user supplies.

A text is read in windows that overlap, and each token is judged by the window in which it stands farther from an edge.
A word has the label of its first token, as such models are trained (Devlin et al. 2019, section 5.3); labels are those
of CoNLL-2003 or OntoNotes with the prefixes of BIO, IOB1, IOBES or BILOU, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from lmworks.data.pretrained import batches, load, model_digest, most_tokens
from lmworks.data.privacy.findings import Finding
from lmworks.errors import LmworksError
from lmworks.recipe import StepConfig

EntityKind = Literal["person", "place", "organisation"]

LABELS: Mapping[str, EntityKind] = {
    **dict.fromkeys(("PER", "PERSON"), "person"),
    **dict.fromkeys(("LOC", "LOCATION", "GPE", "PLACE"), "place"),
    **dict.fromkeys(("ORG", "ORGANISATION", "ORGANIZATION"), "organisation"),
}
WINDOW, OVERLAP = 512, 64
"""Tokens of a window, for the cost of a token grows with it, and tokens that two share, to judge a name by."""
_TEXTS = 64
"""Texts whose windows are in memory at once."""

Spans = list[tuple[EntityKind, int, int]]
"""Kind and characters of each entity of a text, in order and without overlaps."""


class EntitiesConfig(StepConfig):
    """Which names are looked for, where, and by which model."""

    model: str = Field(
        description="Folder of a Hugging Face token-classification model with labels such as B-PER, relative to the "
        "recipe."
    )
    kinds: list[EntityKind] = Field(
        default=["person", "place", "organisation"], min_length=1, description="All that such models know of persons."
    )
    sources: list[str] | None = Field(
        default=None,
        description="Sources whose documents are searched; null searches all: what holds names is unknown.",
    )
    digest: str = Field(default="", description="Digest of the model's files; set by `resolve`.")

    def resolve(self, folder: Path) -> Self:
        """This config with the digest of the model: other weights find other names."""
        return self.model_copy(update={"digest": model_digest(folder / self.model, "entities.model")})


def find_entities(folder: Path, kinds: Sequence[EntityKind], texts: Sequence[str]) -> list[Spans]:
    """The entities of each text by the model in a folder.

    Raises LmworksError if the model has no label for one of the kinds.
    """
    tokenizer, model = load(folder, "AutoModelForTokenClassification")
    meaning = _meaning(model.config.id2label, kinds, folder)
    size = min(WINDOW, most_tokens(model))
    overlap = min(OVERLAP, size // 4)
    tokenizer.enable_truncation(size, stride=overlap)
    found: list[Spans] = []
    for begin in range(0, len(texts), _TEXTS):
        some = texts[begin : begin + _TEXTS]
        encoded = [(first, *first.overflowing) for first in tokenizer.encode_batch(some)]
        windows = [window for group in encoded for window in group]
        labels: list[list[int]] = [[] for _ in windows]
        for places, output, _ in batches(model, windows):
            for place, row in zip(places, output.logits.argmax(dim=2).tolist(), strict=True):
                labels[place] = row
        of_window = iter(labels)
        for text, group in zip(some, encoded, strict=True):
            words = _words(text, [(window, next(of_window)) for window in group], overlap)
            found.append(_joined([(*meaning[label], start, end) for label, start, end in words]))
    return found


def linked(text: str, spans: Spans) -> list[Finding]:
    """Findings of entities. A name that is part of a longer one in the same text is that person's."""
    names = sorted(
        {text[start:end] for kind, start, end in spans if kind == "person"}, key=lambda name: (-len(name), name)
    )
    found = []
    for kind, start, end in spans:
        value = text[start:end]
        whole = next((name for name in names if value in name.split()), value) if kind == "person" else ""
        found.append(Finding(kind, start, end, value, whole=whole, guessed=True))
    return found


def _meaning(
    labels: Mapping[int, str], kinds: Sequence[EntityKind], folder: Path
) -> dict[int, tuple[EntityKind | None, bool]]:
    """By label: its kind, if it is looked for, and whether it begins a name."""
    meaning: dict[int, tuple[EntityKind | None, bool]] = {}
    for number, label in labels.items():
        prefix, _, name = label.rpartition("-")
        kind = LABELS.get(name.upper())
        meaning[number] = kind if kind in kinds else None, prefix in ("B", "S", "U")
    if absent := set(kinds) - {kind for kind, _ in meaning.values()}:
        raise LmworksError(
            f"entities.model: {folder} has no label for {' and '.join(sorted(absent))}: its labels are "
            f"{', '.join(labels.values())}. Expected names such as B-PER, B-LOC, B-ORG; correct `id2label` in its "
            "config.json or leave the kind out of `entities.kinds`."
        )
    return meaning


def _words(text: str, windows: Sequence[tuple[Any, list[int]]], overlap: int) -> Iterator[tuple[int, int, int]]:
    """Label and characters of each word."""
    word, label, start, end = None, 0, 0, 0
    for number, (window, labels) in enumerate(windows):
        inside = [place for place, special in enumerate(window.special_tokens_mask) if not special]
        first = overlap // 2 if number else 0
        last = len(inside) - (overlap - overlap // 2 if number < len(windows) - 1 else 0)
        for place in inside[first:last]:
            left, right = window.offsets[place]
            left += len(text[left:right]) - len(text[left:right].lstrip())  # some tokenizers count the space before
            if window.word_ids[place] != word:
                if word is not None:
                    yield label, start, end
                word, label, start, end = window.word_ids[place], labels[place], left, right
            elif any(map(str.isalnum, text[left:right])):  # not the full stop of "Paris." where it is no word itself
                end = right
    if word is not None:
        yield label, start, end


def _joined(words: Sequence[tuple[EntityKind | None, bool, int, int]]) -> Spans:
    """Neighbouring words of one kind as one entity, up to a word that begins another."""
    spans: Spans = []
    before = None
    for kind, begins, start, end in words:
        if kind and kind == before and not begins:
            spans[-1] = kind, spans[-1][1], end
        elif kind:
            spans.append((kind, start, end))
        before = kind
    return spans
