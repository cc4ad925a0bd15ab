"""Conversations and preferences from records of any published form, converted and checked one by one."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.forms.forms import FORMS, form_of
from lmworks.data.forms.general import LABEL
from lmworks.data.forms.row import Fault, LeftOut, Read, Row, short
from lmworks.data.forms.sample import TRIMMED, Mend, Sample, check, conversation, samples_of
from lmworks.data.forms.turns import ask, say
from lmworks.data.parsers.parser import RAW_BYTES_KEPT
from lmworks.data.parsers.tables.columns import KEPT_AS
from lmworks.data.personal.hidden import hide_all, hide_name
from lmworks.data.shards.named import require_fields
from lmworks.data.shards.records import OWN_FIELDS, Document, Documents, write_json_lines, write_shard_ids
from lmworks.data.shards.steps import Tally
from lmworks.data.tuning.conversations import KEEP, kept_of, write_conversations
from lmworks.data.tuning.naming import Naming, parted, require_usual
from lmworks.data.tuning.preferences import Preference, write_preferences
from lmworks.data.tuning.wording import Template, filled
from lmworks.errors import GateRefused, UsageError
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.kinds import Named
from lmworks.recipe.schema import Reference, StepConfig

WEIGHTS = ("weight", "loss_weight", "sample_weight")
"""Fields of a record that state its weight in training."""


class SamplesConfig(StepConfig):
    """Fields of steps that make samples."""

    documents: Reference = Field(alias="from", description="Records whose fields were kept with `fields: all`.")
    form: Annotated[str, Named(FORMS, also=("auto",))] = Field(
        default="auto",
        description="Form of the records. `auto` takes the form that most records have, because two forms in a file "
        "are usually a mistake.",
    )
    fields: dict[str, str] = Field(
        default={},
        description="Usual names of fields that have other names here, as {usual name: name here}. Paths are allowed: "
        "`{messages: ticket.thread, messages.*.role: ticket.thread.*.by}`.",
    )
    roles: dict[str, Literal["system", "user", "assistant", "tool"]] = Field(
        default={}, description="Usual names of speakers that have other names here, as {name here: usual name}."
    )
    ignore: list[str] = Field(
        default=[],
        description="Fields with texts to leave out. A field inside a list that `fields` renames begins with the usual "
        "name, as `messages.*.note`. None by default: a text that the form does not use stops the step, so that no "
        "text is lost unnoticed.",
    )
    label_names: list[str] = Field(
        default=[], description="Names of the labels 0, 1, 2 and so on, for files that do not state them."
    )
    mend: list[Mend] = Field(
        default=[],
        description="Repairs of turns that do not alternate. `join` joins consecutive turns of one speaker. `trim` "
        "removes an assistant's turns at the start and a user's at the end. By default such records are quarantined.",
    )
    keep: list[str] = Field(default=[], description=KEEP)
    largest_bad_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Maximum share of unusable records. A larger share stops the step, because one bad record in five "
        "is not an accident.",
    )

    @model_validator(mode="after")
    def _names_usual_fields(self) -> Self:
        wordings = [text for each in getattr(self, "templates", ()) for text in (each.prompt, each.completion)]
        require_usual(self.fields, self.form, wordings)
        parted(self.fields)
        return self


class ConversationsConfig(SamplesConfig):
    """Make conversations of records."""

    makes: ClassVar[str] = "conversations"
    kind: Literal["conversations"] = "conversations"
    templates: list[Template] = Field(
        default=[], description="Wordings, one drawn per record by its id. By default the form of the record decides."
    )
    learn: Literal["all", "last"] = Field(
        default="all",
        description="Assistant's turns that a model learns. Use `last` if earlier turns are only history, for example "
        "bad answers.",
    )


class PreferencesConfig(SamplesConfig):
    """Make preferences of records."""

    makes: ClassVar[str] = "preferences"
    kind: Literal["preferences"] = "preferences"


@dataclass(frozen=True)
class _Made:
    """A sample with its record."""

    id: str
    document: str
    form: str
    sample: Sample
    meta: Mapping[str, Any]
    """Kept fields of the record."""

    def as_json(self) -> dict[str, Any]:
        """Return the line of `conversations.jsonl`."""
        sample = self.sample
        answer: dict[str, Any] = {"answer": sample.answer} if sample.answer is not None else {}
        if sample.references:
            answer["references"] = [sample.answer or (sample.chosen or [])[-1]["content"], *sample.references]
        turns = sample.prompt + (sample.chosen or [])
        if self.meta:
            answer["meta"] = self.meta
        return {"id": self.id, "form": self.form, "messages": turns, "document": self.document, **answer}

    def as_preference(self) -> Preference:
        """Return the line of `preferences.jsonl`."""
        sample = self.sample
        sides = {"chosen": sample.chosen, "rejected": sample.rejected, "margin": sample.margin}
        return Preference(
            id=self.id,
            prompt=sample.prompt,
            document=self.document,
            meta=self.meta or None,
            **sides,  # type: ignore[arg-type]
        )


@stage(version=12, reads="documents")
def conversations(config: ConversationsConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write conversations. A judgement gives its chosen answer. Unusable records are quarantined with the fault.

    Raises GateRefused if too many records are unusable, and UsageError if no record has a known form.
    """
    work = _Reading(config, documents, config.templates, judgements=False)

    def line(made: _Made) -> dict[str, Any]:
        record = made.as_json()
        if config.learn == "last":
            record["messages"] = [*map(_unlearned, record["messages"][:-1]), record["messages"][-1]]
        return record

    return work.finish(
        out, lambda kept: write_conversations(out, [line(each) for each in kept if each.sample.chosen is not None])
    )


def _unlearned(turn: Mapping[str, Any]) -> dict[str, Any]:
    return {**turn, "weight": 0} if turn["role"] == "assistant" else dict(turn)


@stage(version=12, reads="documents")
def preferences(config: PreferencesConfig, documents: Documents, out: Path, context: Context) -> Result:
    """Write preferences. Unusable records are quarantined. Raises the same errors as `conversations`."""
    work = _Reading(config, documents, [], judgements=True)
    judgements = [name for name, form in FORMS.loadable() if form.is_judgement]
    if work.form not in judgements:
        raise UsageError(
            f"{config.documents}: its records are of form {work.form}, which has no judgements; expected one of "
            f"{', '.join(judgements)}. To read these records, use `kind: conversations`"
        )
    return work.finish(out, lambda kept: write_preferences(out, [each.as_preference() for each in kept]))


class _Reading:
    """Two passes over the records: to find their form, and to convert them. All samples are compared for duplicates."""

    def __init__(
        self, config: SamplesConfig, documents: Documents, templates: Sequence[Template], *, judgements: bool
    ) -> None:
        self.config, self.documents, self.templates, self.judgements = config, documents, templates, judgements
        require_fields({f"keep: {name}": name for name in config.keep}, documents.iterate(), str(config.documents))
        self.tally, self.unused = Tally(), Counter[str]()
        self.naming = Naming(config.fields, config.ignore, config.roles)
        self.records = documents.count()
        self.bad = 0
        self.form = "templates" if templates else config.form
        if self.form == "auto":
            found = Counter(form_of(row) for _, row in self._rows())
            named = [(count, name) for name, count in found.items() if name]
            self.naming.require_columns(str(config.documents))
            if not named:
                raise UsageError(self._nothing())
            self.form = max(named)[1]

    def _read(self) -> Iterator[_Made]:
        """Yield the samples of sound records."""
        for document, row in self._threads():
            try:
                samples = self._convert(document, row)
            except LeftOut as reason:
                self._leave_out(document, reason)
                continue
            except Fault as fault:
                self._refuse(document, str(fault))
                continue
            for number, sample in enumerate(samples):
                name = document.id if len(samples) == 1 else f"{document.id}-{number}"
                yield _Made(name, document.id, self.form, sample, kept_of(document, self.config.keep))

    def finish(self, out: Path, write: Callable[[Sequence[_Made]], None]) -> Result:
        """Convert records, drop duplicate and contradictory samples, write the other samples, and count."""
        kept = list(self._without_contradictions(self._without_duplicates(self._read())))
        where, form = str(self.config.documents), None if self.templates else FORMS[self.form]
        self.naming.require_columns(where)
        if kept and form and form.threads is None:
            self.naming.read |= form.names
            self.naming.require_read(where, self.form)
        self.unused |= self.naming.replaced
        if self.unused:
            raise UsageError(self._unused())
        if self.bad > self.config.largest_bad_share * self.records:
            raise GateRefused(
                f"{self.config.documents}: {self.bad} of {self.records} records cannot be used: "
                f"{self._reasons()}. Fix the records, name their `form` or `fields`, or raise largest_bad_share "
                f"(now {self.config.largest_bad_share:g})"
            )
        if not kept:
            raise UsageError(self._nothing())
        write(kept)
        write_json_lines(out / "quarantine.jsonl", self.tally.quarantined)
        write_shard_ids(self.documents.path, out)  # of those set aside too: their texts are in the quarantine
        counts = {
            **self.tally.counts,
            **self.naming.counts(),
            "records": self.records,
            f"samples of form {self.form}": len(kept),
        }
        examples = hide_all({"reason": f"form {self.form}", **each.as_json()} for each in kept[:3])
        return Result(counts=counts, losses=self.tally.losses, examples=[*self.tally.examples, *examples])

    def _rows(self) -> Iterator[tuple[Document, Row]]:
        self.naming.begin()
        for document in self.documents.iterate():
            row = document.row()
            if document.structure is None:
                row = {name: value for name, value in row.items() if name not in OWN_FIELDS}
            yield document, self.naming.named(row)

    def _threads(self) -> Iterator[tuple[Document, Row]]:
        """Yield the records, or the threads that records are joined to, with the document of the first record."""
        threads = None if self.templates else FORMS[self.form].threads
        if threads is None:
            yield from self._rows()
            return
        known: dict[str, Document] = {}

        def rows() -> Iterator[tuple[str, Row]]:
            for document, row in self._rows():
                known[document.id] = document
                yield document.id, row

        for name, row in threads(rows()):
            yield known[name], row

    def _convert(self, document: Document, row: Row) -> list[Sample]:
        if self.templates:
            template = self.templates[int(digest_text(document.id)[:8], 16) % len(self.templates)]
            turns = ask(filled(template.prompt, row)) + say(filled(template.completion, row))
            check(worded := conversation(turns))
            return [worded]
        label = next((name for name in LABEL if row.get(name) is not None), None)  # the one that the forms read
        if label and self.config.label_names:
            row = {**row, label: _named(row[label], self.config.label_names)}
        form = FORMS[self.form]
        found = form_of(row) if form.threads is None else self.form
        if found != self.form and (self.config.form == "auto" or not form.fits(row)):
            shown = f"has the fields {', '.join(row)[:200]}" if found is None else f"is of form {found}"
            raise Fault(f"mixed schemas: the record {shown}, the step reads {self.form}")
        self._weigh(row)
        read = Read(row, self.config.ignore)
        try:
            made = samples_of(form, read, self.config.mend)
        finally:
            self.naming.read |= read.asked & self.naming.columns_of.keys()
        self.tally.counts.update(made.mended)
        self.tally.losses |= made.mended.keys() & {TRIMMED}
        self.unused.update(name for name in made.unread if name not in {*self.config.ignore, *self.config.keep})
        for reason in made.left_out:
            self._leave_out(document, reason)
        wanted = [sample for sample in made.samples if sample.is_judgement == self.judgements]
        if not wanted and self.judgements:
            raise LeftOut("nothing judged: no answer is better than another")
        return wanted or made.samples

    def _weigh(self, row: Row) -> None:
        """Raise LeftOut for weight 0, and count records of other weights than 1, because all weights count as 1."""
        named = [name for name in WEIGHTS if name in row and name not in self.config.ignore]
        for name in named if self.form != "labels" else ():  # whose other fields are about the text
            try:
                weight = float(row[name])
            except (TypeError, ValueError):
                continue
            if weight == 0:
                raise LeftOut(f"weight 0: the field {name!r} says that nothing is learned from the record")
            if weight != 1:
                self.tally.counts["records whose weight is not used"] += 1

    def _leave_out(self, document: Document, reason: LeftOut) -> None:
        place = {"path": document.meta.get("path", ""), "record": self._number(document)}
        self.tally.lose(f"left out: {str(reason).partition(':')[0]}", **place, detail=str(reason))

    def _unused(self) -> str:
        most = self.unused.most_common(5)
        found = ", ".join(
            f"{hide_name(name)!r} (text, not only a code, in {count} of {self.records} records)" for name, count in most
        )
        return (
            f"{self.config.documents}: some fields hold texts that the form {self.form} does not use: {found}. They "
            "would not be learned: state the usual names of these fields in `fields`, name another `form`, use them in "
            f"`templates`, or leave them out with `ignore: [{', '.join(hide_name(name) for name, _ in most)}]`"
        )

    def _without_duplicates(self, made: Iterator[_Made]) -> Iterator[_Made]:
        seen: dict[str, str] = {}
        for each in made:
            first = seen.setdefault(digest_text(canonical_json(vars(each.sample))), each.id)
            if first == each.id:
                yield each
            else:
                self.tally.lose("duplicate", id=each.id, first=first, text=each.sample.prompt[-1]["content"])

    def _without_contradictions(self, made: Iterator[_Made]) -> Iterator[_Made]:
        """Yield samples without contradictions: if one prompt has two verdicts, neither of them is kept.

        A record with only such samples is quarantined. A record with other samples too, such as a passage with many
        questions, loses only these samples. Several free texts can all be right, so their prompts are only counted.
        """
        kept, claimed, contradicted = list(made), dict[str, set[str]](), dict[str, str]()
        answers: dict[int, set[int]] = {}
        for sample in (each.sample for each in kept):
            if sample.answer is None and sample.chosen and not sample.is_judgement:
                answers.setdefault(hash(_plain(sample.prompt)), set()).add(hash(_plain(sample.chosen)))
        if several := sum(len(found) > 1 for found in answers.values()):
            self.tally.counts["prompts with more than one answer"] += several
        for each in kept:
            for subject, verdict in claims(each.sample):
                claimed.setdefault(subject, set()).add(verdict)
        for each in kept:
            for subject, _ in claims(each.sample):
                if len(claimed[subject]) > 1:
                    contradicted[each.id] = " and ".join(sorted(claimed[subject]))
        sound = {each.document for each in kept if each.id not in contradicted}
        said: dict[str, list[str]] = {}
        for each in kept:
            if verdicts := contradicted.get(each.id):
                said.setdefault(each.document, []).append(f"contradictory labels: the same prompt has {verdicts:.200}")
        for document in self.documents.iterate() if said else ():
            reasons = said.get(document.id, [])
            if reasons and document.id not in sound:
                self._refuse(document, reasons.pop())
            for reason in reasons:
                self._leave_out(document, LeftOut(reason))
        yield from (each for each in kept if each.id not in contradicted)

    def _refuse(self, document: Document, reason: str) -> None:
        """Put a record into the quarantine, in the form that the source `quarantine` reads."""
        self.bad += 1
        raw = json.dumps(document.row(), ensure_ascii=False).encode()
        place = {"source": document.source, "path": document.meta.get("path", ""), "record": self._number(document)}
        self.tally.lose(f"quarantined: {reason.split(':')[0]}", **place, detail=reason)
        kept = base64.b64encode(raw[:RAW_BYTES_KEPT]).decode()
        self.tally.quarantined.append(
            {
                **place,
                "offset": 0,
                "reason": reason,
                "start": 0,
                "raw_bytes": len(raw),
                "raw": kept,
                "settings": KEPT_AS,
            }
        )

    def _number(self, document: Document) -> str:
        return str(document.meta.get("record", document.id))

    def _reasons(self) -> str:
        shown = [
            f"{example['path']}:{example['record']}: {example['detail']}"
            for example in self.tally.examples
            if "detail" in example
        ]
        return "; ".join(shown[:3])

    def _nothing(self) -> str:
        return (
            f"{self.config.documents}: no record has a known form: {self.naming.told()}. Ingest records with "
            f"`fields: all`, and state the usual names of fields in `fields`. Forms are {', '.join(FORMS)}. "
            f"{self._reasons()}"
        )


def claims(sample: Sample) -> Iterator[tuple[str, str]]:
    """Yield the claims of a sample: an answer to a prompt, the better of two answers, or a good or bad one."""
    prompt = _plain(sample.prompt)
    if sample.answer is not None:
        yield prompt, repr(sample.answer)
    elif sample.chosen is None or sample.rejected is None:
        if (answer := sample.chosen or sample.rejected) and sample.rejected is not None:
            yield prompt + _plain(answer), "bad"
        elif answer:
            yield prompt + _plain(answer), "good"
    else:
        sides = [_plain(sample.chosen), _plain(sample.rejected)]
        yield prompt + "".join(sorted(sides)), "one order" if sides == sorted(sides) else "the other"


def _plain(turns: Sequence[Mapping[str, str]]) -> str:
    return canonical_json([[turn["role"], unicodedata.normalize("NFC", turn["content"]).strip()] for turn in turns])


def _named(value: Any, names: Sequence[str]) -> Any:
    """Return the name of a label that is a number, also as text or as in 1.0. Raises Fault for an unknown label."""
    if value in names:
        return value
    try:
        place = float(value)
    except (TypeError, ValueError):
        place = -1
    if place not in range(len(names)):
        raise Fault(f"unknown label: {short(value)}; expected one of {', '.join(names)}, or its number from 0")
    return names[int(place)]
