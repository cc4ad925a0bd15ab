"""Anonymise: find personal data in every document, and drop, redact or replace it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.base.identity import PRIVACY_KEY
from lmworks.data.base.structure import as_one, is_long_number, keys_of, number_of, renamed, take_apart, told_apart
from lmworks.data.personal.findings import KINDS, Detectors, Finding, Kind, join_overlaps, scan, substitute
from lmworks.data.privacy.entities import EntitiesConfig, Spans, find_entities, linked
from lmworks.data.privacy.index import INDEX, merge_indexes, write_index
from lmworks.data.privacy.own import OwnDetector
from lmworks.data.privacy.people import is_named_by, people_detector, people_of, subject_of, whole_name
from lmworks.data.privacy.recall import measure
from lmworks.data.privacy.surrogates import day_shift, finding_digest, surrogate, value_digest
from lmworks.data.shards.named import Seen, refuse_unmet
from lmworks.data.shards.records import OWN_FIELDS, Document, Documents, read_shard
from lmworks.data.shards.steps import Parts, Tally, keep_beside, map_units, origins_of, unit_records
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.recipe.schema import PROTECTED, Effect, Expected, Reference, StepConfig

LEAST_DIGITS = 3
"""Minimum digits of a subject that is also searched among numbers. Shorter numbers can be counts of things."""
MARK = {"start", "end", "label"}
"""Fields of an annotation that marks a span of a text."""
SHOWN_AROUND = 40
"""Characters shown before and after a finding in an example."""

Action = Literal["redact", "surrogate", "drop", "keep"]
DONE: Mapping[Action, str] = {"redact": "redacted", "surrogate": "replaced", "drop": "with the document dropped"}
"""Words after the kind in the name of a count, by action."""


class AnonymiseConfig(StepConfig):
    """Find and treat e-mail addresses, personal numbers, IP addresses, secrets and dates."""

    packages: ClassVar[tuple[str, ...]] = ("faker",)
    makes: ClassVar[str] = "documents"
    seconds_per_megabyte: ClassVar[float] = 2.0
    kind: Literal["anonymise"] = "anonymise"
    documents: Reference = Field(alias="from", description="Documents to anonymise.")
    action: Action = Field(
        default="redact",
        description="Treatment of personal data. `redact` puts the kind in its place, such as [EMAIL]. `surrogate` "
        "puts a made-up value there, always the same for the same value, so that texts stay natural. Secrets are "
        "then still redacted. `drop` leaves the document out. `keep` does not search.",
    )
    actions: dict[str, Action] = Field(
        default={},
        description=f"Action for single kinds: {', '.join(KINDS)}, and those of `own`. Dates other than birth dates "
        "are treated only if you name `date`, because few texts can do without them.",
    )
    own: list[OwnDetector] = Field(default=[], description="Your own detectors, for example for customer numbers.")
    people: list[str] = Field(
        default=[],
        description="Fields that name persons, such as `patient` or `case.doctor`. All texts of an object count. Their "
        "names are treated as kind `person` in the whole document. The first name becomes the document's `subject` "
        "if it has none. A field that no document has is an error.",
    )
    expects: ClassVar[Expected] = {"model": ("token classifier",)}
    model: Reference | None = Field(
        default=None,
        description="Token-classification model of this recipe that also finds persons, places, organisations, or the "
        "kinds in `entities.kinds`. No model by default, because models are slow and make more errors than patterns.",
    )
    entities: EntitiesConfig | None = Field(
        default=None,
        description="Kinds that a model searches for and sources that it searches, and the model itself if it is not "
        "of this recipe. By default only patterns are used.",
    )
    privacy_key_digest: str = Field(default="", description="Digest of the key of surrogates, set by `resolve`.")
    folder: Annotated[Path, Effect.NOTHING] = Field(
        default=Path(), exclude=True, description="The recipe's folder, set by `resolve`."
    )

    @model_validator(mode="after")
    def _knows_its_kinds(self) -> Self:
        own = [detector.name for detector in self.own]
        if twice := {name for name in own if own.count(name) > 1}:
            raise ValueError(f"`own` has two detectors named {min(twice)}; join their patterns with `|`")
        if unknown := self.actions.keys() - {*KINDS, *own}:
            raise ValueError(
                f"`actions` names {', '.join(sorted(unknown))}, which is not a kind. "
                f"Kinds are {', '.join([*KINDS, *own])}; a detector of your own goes into `own`"
            )
        return self

    @model_validator(mode="after")
    def _has_one_model(self) -> Self:
        if self.entities and bool(self.model) == bool(self.entities.model):
            raise ValueError(
                "`entities` needs one model: a step of the recipe as `model`, or a folder as `entities.model`"
            )
        return self

    def resolve(self, folder: Path) -> Self:
        """Return this config with digests of the privacy key and of the model, on both of which the texts depend."""
        entities = self.entities and self.entities.resolve(folder)
        fields = {"folder": folder, "privacy_key_digest": PRIVACY_KEY.digest(folder), "entities": entities}
        return self.model_copy(update=fields)

    def prepare(self, folder: Path) -> bool:
        PRIVACY_KEY.load(folder)
        return not self.privacy_key_digest

    def reasons_for(self, document: Document) -> Iterable[str]:
        """Return the findings of patterns in a document with their treatment."""
        return anonymise_documents(self, b"", [document], {})[2].counts

    def action_of(self, kind: str) -> Action:
        """Return the action for one kind."""
        return self.actions.get(kind, "keep" if kind == "date" else self.action)

    def detectors(self) -> Detectors:
        """Return the detectors of every kind whose action is not `keep`."""
        from lmworks.data.personal.detectors import DETECTORS  # a third of a second of reading the table

        detectors = [*(own.detector() for own in self.own), *DETECTORS]
        return Detectors(detector for detector in detectors if self.action_of(detector.kind) != "keep")

    def names_left(self, privacy: str) -> str:
        """Return a warning that names in prose are not searched for; "" if `privacy` or a model makes it needless."""
        if privacy not in PROTECTED or "person" in self.guessed_kinds():
            return ""
        return (
            f"`needs.privacy` is {privacy}, but names of persons, places and organisations in prose are not looked "
            "for, because no pattern finds them. Name a model that finds them as `model` (recipes/extract.yaml trains "
            "one, see docs/privacy.md), and the fields that name persons as `people`"
        )

    def guessed_kinds(self) -> list[Kind]:
        """Return the kinds that a model searches for."""
        entities = self.entities or (EntitiesConfig() if self.model else None)
        return [kind for kind in entities.kinds if self.action_of(kind) != "keep"] if entities else []

    def entities_of(self, trained: Path | None, texts: Sequence[str]) -> list[Spans]:
        """Return a model's findings in texts. Empty without a model or kinds to search for.

        `trained` is the folder of a model of this recipe, if the step names one.
        """
        place = trained or (self.entities and self.entities.model and self.folder / self.entities.model)
        if not (place and self.guessed_kinds()):
            return [[] for _ in texts]
        return find_entities(place, self.guessed_kinds(), texts)


@stage(version=21, reads="documents", judges="model")
def anonymise(
    config: AnonymiseConfig, documents: Documents, model: Handle | None, out: Path, context: Context
) -> Result:
    """Treat personal data in every text, and in the texts of its `meta` except the path of its origin.

    A document's `subject` becomes a pseudonym. All dates of a subject, or of a document without one, move by the same
    number of days. `index.tsv` holds (digest of a value or subject, kind, document id), so that the holder of the key
    can find a person's data. The figures are measured on templates that another author wrote.
    """
    key = PRIVACY_KEY.load(config.folder)
    parts, spans, shards = context.beside / "index", context.beside / "spans", documents.shards()
    settings = key_config(config), model and model.digest
    entities_of = partial(config.entities_of, model.path if model else None)
    in_turn = replace(context, workers=1)  # a model computes in threads of its own
    if config.guessed_kinds():
        finding = partial(_find_on_shard, entities_of, config.entities.sources if config.entities else None)
        keep_beside(shards, finding, in_turn, "spans", *settings)
    work, origins = partial(_on_shard, config, key, parts, spans), origins_of(shards, *settings)
    tally = map_units(list(enumerate(shards)), work, out, context, origins=origins)
    read_names = [record["facts"]["named"] for record in unit_records(len(shards), context)]
    refuse_unmet({f"people: {name}": name for name in config.people}, read_names, "", "documents")
    merge_indexes(out / INDEX, sorted(parts.glob("*.tsv")))
    detectors, guessed = config.detectors(), config.guessed_kinds()
    kinds = {*(detector.kind for detector in detectors), *guessed}
    figures = measure(detectors, kinds, entities_of if guessed else None)
    return Result(figures=figures, counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _find_on_shard(
    entities_of: Callable[[Sequence[str]], list[Spans]], sources: Sequence[str] | None, shard: Path
) -> Iterator[tuple[str, bytes]]:
    """Yield the places of the entities of one shard, without their text."""
    some = [document for document in read_shard(shard) if sources is None or document.source in sources]
    found = iter(entities_of([text for document in some for text in _strings(document)]))
    spans = {document.id: [next(found) for _ in _strings(document)] for document in some}
    yield "json", json.dumps(spans).encode()


def _on_shard(
    config: AnonymiseConfig, key: bytes, index: Path, spans: Path, numbered: tuple[int, Path]
) -> tuple[Parts, Tally]:
    number, shard = numbered
    stored = json.loads((spans / f"{number:05d}.json").read_text()) if config.guessed_kinds() else {}
    documents = read_shard(shard)
    kept, entries, tally = anonymise_documents(config, key, documents, stored)
    seen = Seen({f"people: {name}": name for name in config.people})
    for document in documents if config.people else ():
        lacking = [name for name, path in seen.wanted.items() if document.value(path) in (None, "")]
        row = {**document.meta, **document.row()}
        tally.counts.update(f"no value in `{name}`" for name in seen.see(row, lacking, {}))
    tally.facts["named"] = seen.facts()
    tally.files.append(index / f"{number:05d}.tsv")
    write_index(tally.files[0], entries)
    return {"": kept}, tally


def anonymise_documents(
    config: AnonymiseConfig, key: bytes, documents: Sequence[Document], entities: Mapping[str, Sequence[Any]]
) -> tuple[list[Document], list[tuple[str, str, str]], Tally]:
    """Return the documents that stay, anonymised, the entries of the index, and the tally.

    `entities` holds for each document id the spans that a model found in each text.
    """
    kept: list[Document] = []
    entries: list[tuple[str, str, str]] = []
    detectors, tally = config.detectors(), Tally()
    for document in documents:
        strings = _strings(document)
        spans = dict(zip(strings, entities.get(document.id, ()), strict=False))
        guessed = {text: linked(text, some) for text, some in spans.items()}
        document = _with_ids_as_texts(document, config.people)
        found: list[Finding] = []
        people = people_of(document, config.people)
        named = [people_detector(people)] if people and config.action_of("person") != "keep" else []
        document = replace(document, subject=subject_of(document, config.people))
        search = partial(scan, detectors=detectors, more=named)
        new = _anonymise(config, key, document, search, guessed, found, tally)
        entries += [(finding_digest(key, each), each.kind, document.id) for each in found]
        if document.subject:
            entries.append((value_digest(key, "subject", document.subject), "subject", document.id))
        if drops := {each.kind for each in found if config.action_of(each.kind) == "drop"}:
            reason = f"dropped for {min(drops, key=[*KINDS, *(each.name for each in config.own)].index)}"
            tally.counts[reason] += 1
            tally.losses.add(reason)
        else:
            kept.append(new)
    tally.counts["documents"] += len(kept)
    tally.counts["bytes"] += sum(len(document.text.encode()) for document in kept)
    return kept, entries, tally


def _anonymise(
    config: AnonymiseConfig,
    key: bytes,
    document: Document,
    search: Callable[..., list[Finding]],
    guessed: Mapping[str, Sequence[Finding]],
    found: list[Finding],
    tally: Tally,
) -> Document:
    """Return the document with all findings of `search` treated. Add the findings to `found` and the tally."""
    days, said = day_shift(key, document.subject or document.id), (document.subject or "").strip()
    moves: dict[str, list[tuple[int, int, int]]] = {}
    subject = document.subject and value_digest(key, "subject", document.subject)

    def instead(finding: Finding) -> str:
        made = surrogate(key, finding, days) if config.action_of(finding.kind) == "surrogate" else None
        return made or mask(finding)

    def treat(text: str, name: str) -> str:
        if not text.strip() or config.action_of("person") == "keep" or not is_named_by(name, config.people):
            findings = search(text, guessed=guessed.get(text, ()), label=name)
            is_covered = len(findings) == 1 and findings[0].end - findings[0].start == len(text)
            if subject and not is_covered and text.strip() == said:
                tally.counts["subject replaced in another field"] += 1
                return subject
            return treated(text, findings)
        by_others = search(text, label=name, more=())
        found.extend(each for each in by_others if each.end - each.start < len(text))
        return treated(text, join_overlaps([*((0, each) for each in by_others), (1, whole_name(text))]))

    def treated(text: str, findings: Sequence[Finding]) -> str:
        for finding in findings:
            reason = f"{finding.kind} {DONE[config.action_of(finding.kind)]}"
            if tally.wants(reason):
                tally.note(reason, id=document.id, text=surroundings(text, findings, finding))
            else:
                tally.counts[reason] += 1
        found.extend(findings)
        new = [instead(finding) for finding in findings]
        moves[text] = [(each.start, each.end, len(other)) for each, other in zip(findings, new, strict=True)]
        others = iter(new)
        return substitute(text, findings, lambda _: next(others))

    in_key = functools.cache(search)

    def rename(name: str) -> str:
        return treated(name, in_key(name))

    meta = _in_meta(document, treat, rename)
    names = iter([name for name, _ in _named_texts(document)])
    new = document.changed(lambda text: treat(text, next(names)), codes=True)
    if new.structure and any(map(in_key, keys_of(new.structure))):
        fields, structure = renamed(new.fields, new.structure, rename)
        new = replace(new, fields=fields, structure=structure)
    meta = {name: _moved_marks(value, moves.get(document.text, ())) for name, value in meta.items()}
    return replace(new, meta=meta, subject=subject, created=_moved(config.action_of("date"), document.created, days))


def _moved_marks(value: Any, moves: Sequence[tuple[int, int, int]]) -> Any:
    """Return annotations (`start`, `end`, `label`) with the places of their spans after replacements in the text.

    `moves` holds the start, the end and the new length of each replacement. A span that overlaps one covers all of it.
    """
    is_mark = isinstance(value, list) and all(isinstance(each, Mapping) and each.keys() >= MARK for each in value)
    if not moves or not is_mark or any(type(each[name]) is not int for each in value for name in ("start", "end")):
        return value

    def moved(place: int, *, is_end: bool) -> int:
        shift = 0
        for start, end, length in moves:
            if start < place < end:
                return start + shift + (length if is_end else 0)
            shift += length - (end - start) if end <= place and end > start else 0
        return place + shift

    return [
        {**each, "start": moved(each["start"], is_end=False), "end": moved(each["end"], is_end=True)} for each in value
    ]


def _named_texts(document: Document) -> Sequence[tuple[str, str]]:
    """Return the texts of a document, each with the name of its field, which is "" for a text alone."""
    return [("", document.text)] if document.structure is None else document.fields


def _with_ids_as_texts(document: Document, people: Sequence[str]) -> Document:
    """Return the document with each number that names a person, or is its subject, as a text."""
    if people:
        document = _with_texts_for(document, lambda name, _: is_named_by(name, people))
    subject = subject_of(document, people) or ""
    if len(subject) < LEAST_DIGITS or not (subject.isascii() and subject.isdigit()):
        return document
    return _with_texts_for(document, lambda _, number: number == int(subject))


def _with_texts_for(document: Document, chosen: Callable[[str, int | float], bool]) -> Document:
    """Return the document with the numbers that `chosen` selects, by place and value, as texts."""

    def as_text(value: Any, name: str) -> Any:
        if isinstance(value, Mapping):
            return {key: as_text(inner, f"{name}.{key}" if name else key) for key, inner in value.items()}
        if isinstance(value, list):
            return [as_text(inner, name) for inner in value]
        if not isinstance(value, int | float) or isinstance(value, bool) or not chosen(name, value):
            return value
        return str(int(value)) if value == value // 1 else str(value)

    document = replace(document, meta=as_text(document.meta, ""))
    if document.structure is None:
        return document
    fields, structure = take_apart(as_text(document.row(), ""))
    return replace(document, fields=fields, structure=structure, text=as_one(fields))


def _moved(action: Action, created: str | None, days: int) -> str | None:
    """Return when a text was written, treated as its dates are: moved (`surrogate`), or only the year (`redact`).

    An incomplete date to be moved becomes None: it would show by how much the other dates were moved.
    """
    if created is None or action == "keep":
        return created
    with suppress(ValueError, OverflowError):
        if action == "surrogate":
            return (date.fromisoformat(created[:10]) + timedelta(days)).isoformat() + created[10:]
    return created[:4] if action == "redact" else None


def _in_meta(
    document: Document, treat: Callable[[str, str], str], rename: Callable[[str], str] = str
) -> dict[str, Any]:
    """Return the meta with every text and name in it treated, except the path of the document's origin."""
    meta = document.meta
    keys = told_apart(meta, lambda name: name if name in OWN_FIELDS else rename(name))
    return {
        key: value if name == "path" else _in_strings(value, name, treat, rename)
        for key, (name, value) in zip(keys, meta.items(), strict=True)
    }


def _strings(document: Document) -> list[str]:
    """Return all texts of a document that are treated."""
    return [*(text for _, text in _named_strings(document)), *document.texts()]


def _named_strings(document: Document) -> list[tuple[str, str]]:
    """Return the texts of a document's meta in the order in which they are treated, each with the name of its field."""
    found: list[tuple[str, str]] = []
    _in_meta(document, lambda text, name: found.append((name, text)) or text)  # type: ignore[func-returns-value]
    return found


def _in_strings(value: Any, name: str, treat: Callable[[str, str], str], rename: Callable[[str], str]) -> Any:
    """Return the value with every text, long number and name in it treated."""
    if isinstance(value, str):
        return treat(value, name)
    if is_long_number(value):
        written = json.dumps(value)
        new = treat(written, name)
        return value if new == written else number_of(new)
    if isinstance(value, list):
        return [_in_strings(item, name, treat, rename) for item in value]
    if isinstance(value, dict):
        keys = told_apart(value, rename)
        inner = (_in_strings(item, f"{name}.{key}", treat, rename) for key, item in value.items())
        return dict(zip(keys, inner, strict=True))
    return value


def mask(finding: Finding) -> str:
    """Return the text in place of personal data: its kind."""
    return f"[{finding.kind.upper()}]"


def surroundings(text: str, findings: Sequence[Finding], shown: Finding) -> str:
    """Return the text around a finding, with this and all other findings masked."""
    left, right = max(0, shown.start - SHOWN_AROUND), shown.end + SHOWN_AROUND
    inside = [finding for finding in findings if finding.end > left and finding.start < right]
    left, right = min(left, inside[0].start), max(right, inside[-1].end)
    moved = [finding._replace(start=finding.start - left, end=finding.end - left) for finding in inside]
    return substitute(text[left:right], moved, mask)
