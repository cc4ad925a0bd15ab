"""What only people know: asked one by one, checked at once, and kept when they are stopped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError, field_validator

from lmworks.data.licences.gate import NO_LICENCE, NOT_KNOWN, NOT_SPDX, LicenceGate
from lmworks.data.personal.hidden import hide_name
from lmworks.errors import UsageError
from lmworks.pipeline.files import state_folder, write_atomically
from lmworks.recipe.faults import expected
from lmworks.recipe.schema import NeedsConfig
from lmworks.recipe.yaml import read_yaml
from lmworks.registry import nearest
from lmworks.start.lines import one_line, quoted
from lmworks.start.seen import SHAPES, Seen, Shape, Table

NAME = "answers.yaml"
TASKS: Mapping[Shape, str] = {
    "labelled": "classify",
    "spans": "extract",
    "pairs": "chat",
    "conversations": "chat",
    "preferences": "chat",
    "texts": "search",
    "code": "search",
    "events": "write",
    "nothing": "write",
}
"""What records of a shape are most often wanted for."""
USES = {
    "search": "finding what our documents say",
    "classify": "sorting our texts by their label",
    "extract": "marking what we labelled in our texts",
    "translate": "translating our texts",
    "summarise": "writing short versions of our texts",
    "chat": "answering as our files answer",
    "write": "writing texts like ours",
}
"""Use that is taken where nobody names one."""
MOST_LABELS = 8
"""That are named where one is asked for."""
COLUMNS = ("label", "text", "target", "subject")
"""Answers that name a column."""
MOST_BYTES = 2**16
"""Of a file of answers."""


class Answers(NeedsConfig):
    """What was answered, and what nobody was asked."""

    use_case: str = Field(min_length=1, description="what the model is for, in a sentence")
    licence: str = Field(description="of the files, as SPDX writes it")
    minutes: float = Field(10, gt=0, description="that a first build may take on this machine; a coffee break")
    label: str | None = Field(None, description="column that says what is right; unset, the likeliest")
    text: str | None = Field(None, description="column of the texts; unset, the likeliest")
    target: str | None = Field(None, description="column of what is to be written; unset, the likeliest")
    subject: str | None = Field(None, description="column that says whom a record is about; unset, the likeliest")

    @field_validator("licence")
    @classmethod
    def _licence_is_one(cls, licence: str) -> str:
        refusal = LicenceGate(allow=["permissive"]).refusal(licence) or ""
        if refusal in (NO_LICENCE, NOT_SPDX) or (refusal == NOT_KNOWN and "LicenseRef-" not in licence):
            raise ValueError(
                f"{refusal}; expected an SPDX expression such as CC-BY-4.0, or LicenseRef-own for your own"
            )
        return licence

    def needs(self) -> NeedsConfig:
        """Those that a plan decides by."""
        return NeedsConfig(**self.model_dump(include=set(NeedsConfig.model_fields)))


@dataclass(frozen=True)
class Question:
    """One thing that a folder does not show."""

    field: str
    words: str
    default: Any
    reason: str = ""
    """Why the default is what it is, where that follows from what was seen."""

    @property
    def options(self) -> tuple[str, ...]:
        """What may be answered; empty, where anything of the kind may."""
        kind = Answers.model_fields[self.field].annotation
        return tuple(map(str, get_args(kind))) if kind and all(isinstance(each, str) for each in get_args(kind)) else ()


def questions(seen: Seen, answers: Mapping[str, Any]) -> Iterator[Question]:
    """What to ask of a folder, the use first; of the answers so far those are looked at that a question hangs on."""
    shape: Shape = next((table.shape for table in seen.tables if table.shape != "nothing"), "nothing")
    table = next((table for table in seen.tables if table.shape == shape), None)
    task = "translate" if table and shape == "pairs" and _is_translation(table) else TASKS[shape]
    task = "write" if table and table.facts else "search" if table and table.form == "faq" else task
    task = "classify" if table and table.is_sorted else task
    yield Question("use_case", "What is the model for?", USES[answers.get("task", task)])
    yield Question("task", "What shall it do with a text", task)
    personal = _personal(seen, answers)
    yield Question("privacy", "The files are", "confidential" if personal else "internal", personal)
    inside = "" if answers["privacy"] == "public" else personal
    yield Question("residency", "They may be read on machines", "on-premise" if inside else "anywhere", inside)
    yield Question("budget_usd", "US dollars for training and a year of use", 10_000)
    yield Question("deadline_weeks", "Weeks until it is used", 12)
    yield Question("users", "People who use it at the busiest moment", 10)
    if seen.licence is None:
        yield Question("licence", "Licence of the files (SPDX; LicenseRef-own where they are yours)", "LicenseRef-own")
    if answers["task"] == "classify" and len(labels := _labels(seen, answers)) > 1:
        told = ", ".join(map(hide_name, labels[:MOST_LABELS]))
        yield Question("label", f"Which column is right: {told}", labels[0], f"the likeliest of {told}")


def without_text(seen: Seen) -> str:
    """Return why nothing is built of a folder that holds readings, pictures or nothing, and what to do."""
    readings = [table for table in seen.tables if table.shape in ("events", "nothing")]
    held = ", ".join(f"{table.records:,} {SHAPES[table.shape]}" for table in readings[:3]) or "nothing that is read"
    return (
        f"no language model is needed for {seen.folder}: it holds {held}. lmworks handles text alone. "
        "For numbers use a library for tables, such as scikit-learn. If texts are elsewhere, name their folder"
    )


def _labels(seen: Seen, answers: Mapping[str, Any]) -> list[str]:
    """Columns that may be what is asked for, those of the largest table of texts with labels first."""
    tables = [table for table in seen.tables if table.labels and table.texts and table.shape != "spans"]
    tables = [table for table in tables if answers.get("text") in (None, *table.texts)]
    tables.sort(key=lambda table: (table.shape != "labelled", -table.bytes))
    about = [answers.get("subject")]
    return list(dict.fromkeys(name for table in tables for name in table.labels if name not in about))


def _personal(seen: Seen, answers: Mapping[str, Any]) -> str:
    """What shows that the files are about people; "" if nothing does."""
    names = list(dict.fromkeys([*filter(None, [answers.get("subject")]), *seen.subjects]))
    told = [f"personal data ({', '.join(seen.personal)})"] if seen.personal else []
    told += [f"columns that name people ({', '.join(map(hide_name, names))})"] if names else []
    return f"{' and '.join(told)} were seen" if told else ""


def _is_translation(table: Table) -> bool:
    first, *_, last = (table.column(name).language for name in table.texts)
    return first is not None and last is not None and first != last


def check(field: str, value: Any) -> Any:
    """A single answer as it is kept. Raises `UsageError` with what was expected."""
    if field not in Answers.model_fields:
        known = list(Answers.model_fields)
        raise UsageError(f"no question is called {field!r}{nearest(field, known)}; there are {', '.join(known)}")
    whole = {"use_case": "-", "licence": "LicenseRef-own", field: value}
    try:
        return getattr(Answers.model_validate(whole), field)
    except ValidationError as error:
        raise UsageError(f"{field}: {expected(error.errors()[0])}; found {value!r}") from None


def check_column(field: str, value: Any, seen: Seen) -> Any:
    """An answer that names a column, if a table has it. Raises `UsageError` with the columns that there are."""
    names = list(dict.fromkeys(column.name for table in seen.tables for column in table.columns))
    if field not in COLUMNS or value is None or value in names:
        return value
    shown = [one_line(hide_name(name)) for name in names]
    there = f"there are {', '.join(shown)}" if shown else "no file has columns"
    raise UsageError(f"{field}: no column is called {value!r}{nearest(value, shown)}; {there}")


def read_answers(path: Path) -> dict[str, Any]:
    """Answers of a file, each checked. Raises `UsageError` naming the file and the field."""
    try:
        if not path.is_file() and path.exists():  # a pipe has no end, nor has a device
            raise UsageError(f"{path}: found no file; expected a file of at most {MOST_BYTES:,} bytes")
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise UsageError(f"{path}: found a longer one; expected a file of at most {MOST_BYTES:,} bytes")
        held = read_yaml(raw.decode("utf-8"), str(path)).value
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    if not isinstance(held, Mapping):
        raise UsageError(f"{path}: expected fields such as `use_case: …`")
    try:
        return {str(field): check(str(field), value) for field, value in held.items()}
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def kept_place(folder: Path) -> Path:
    """Where the answers of this user's stopped run about a folder are kept: not in the folder, which may be whoever's.

    Raises OSError or RuntimeError if this user has no place for it.
    """
    return state_folder() / "init" / f"{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]}.yaml"


def in_words(path: Path) -> str:
    """What a file of answers says, for a screen."""
    try:
        return one_line("; ".join(f"{field}: {quoted(value)}" for field, value in read_answers(path).items()))
    except (UsageError, OSError) as error:
        return one_line(f"no answers: {error}")


def write_answers(path: Path, answers: Mapping[str, Any]) -> None:
    """Keep answers, to be read again by `read_answers`."""
    lines = [f"{field}: {quoted(value)}\n" for field, value in answers.items()]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, "# Answers to `lmworks init`, which takes them with --answers\n" + "".join(lines))


def ask_all(
    seen: Seen,
    given: Mapping[str, Any],
    ask: Callable[[str, str], str] | None,
    keep: Callable[[Mapping[str, Any]], None],
    tell: Callable[[str], None],
) -> Answers:
    """All answers: those given, else asked, and each asked again until it is one; without `ask` defaults are taken.

    `keep` is given all answers so far after each.
    """
    answers = {field: check_column(field, check(field, value), seen) for field, value in given.items()}
    for question in questions(seen, answers):
        if question.reason and question.field not in answers:
            tell(one_line(f"{question.field} is {question.default} unless you answer another: {question.reason}"))
        while question.field not in answers:
            options = f" ({', '.join(question.options)})" if question.options else ""
            shown = one_line(str(question.default))
            answered: Any = ask(one_line(f"{question.words}{options}"), shown) if ask else question.default
            answered = question.default if answered == shown else answered
            try:
                answers[question.field] = check_column(question.field, check(question.field, answered), seen)
                keep(answers)
            except UsageError as error:
                tell(str(error))
    if "licence" not in answers:
        answers["licence"] = check("licence", seen.licence)
    return Answers.model_validate(answers)
