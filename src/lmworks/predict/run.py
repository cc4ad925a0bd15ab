"""Predictions for every row of a file, in chunks. Each chunk's answers are on disk before the next chunk begins."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from lmworks.data.parsers.fields import SURROGATE
from lmworks.engines.protocol import (
    MEANS,
    Ability,
    Answer,
    Asked,
    Classified,
    Embedded,
    Engine,
    Reading,
    Tagged,
    Writing,
)
from lmworks.engines.request import Piece, Sampling
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.files import canonical_json, digest_file, digest_text, write_atomically
from lmworks.pipeline.store import locked
from lmworks.pipeline.work.chunks import read_records, write_records
from lmworks.predict.rows import Columns, Fields, Row, TableFile

CHUNK: dict[Ability, int] = {"generate": 64, "classify": 512, "tag": 256, "embed": 512}
"""Number of rows per chunk. A kill loses at most one chunk: some seconds of work of a small model on a CPU."""
CHUNK_CHARACTERS = 2**26
"""Number of characters after which a chunk gets no more rows, since a row can be as long as a record."""
PREFIX = "predicted_"
"""First part of the names of added columns, because a file can have its own columns `label` or `text`."""
OWN_NAME = re.compile(r"\.?(\d{6,}\.jsonl|task\.json)(\..*)?")
"""Pattern of the names of lmworks' files in the folder of unfinished answers."""
COLUMNS: dict[Ability, Columns] = {
    "generate": {"text": "text", "finish_reason": "text"},
    "classify": {"label": "text", "probability": "number", "probabilities": "numbers by name", "truncated": "flag"},
    "tag": {"spans": "spans"},
    "embed": {"vector": "vector", "truncated": "flag"},
}
ERROR = "error"
"""Last column: the reason why a row has no answer."""
TASK, LOCK = "task.json", "lock"
ROLES = ("system", "developer", "user", "assistant")
"""Roles of turns in a file. Function calls and their results are not supported."""
ASKED = ("role", "content", "reasoning_content")
"""Fields of a turn that the model reads."""


@dataclass(frozen=True)
class Asking:
    """Settings of a prediction."""

    ability: Ability
    text: str = "text"
    """Field that holds the text. For a model that generates text: the user's turn, or the list of turns."""
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=256))
    continues: bool = False
    """Whether a model with a chat template continues the text instead of answering it."""

    def columns(self, engine: Engine) -> dict[str, Any]:
        """Return the added columns, with the kind of values of each."""
        more: Columns = {"thoughts": "text"} if engine.thinks else {}
        return {PREFIX + name: kind for name, kind in {**COLUMNS[self.ability], **more, ERROR: "text"}.items()}


@dataclass(frozen=True)
class Told:
    """Result of a prediction: number of rows, and what was lost."""

    rows: int
    faults: Counter[str]
    """Reason → number of rows without an answer."""
    first: str
    """First message about a row without an answer, with the row's place."""
    cut: int
    """Number of texts whose end was not read, or of answers that stopped at the limit of tokens."""


def predict(
    engine: Engine,
    model: str,
    asking: Asking,
    file: TableFile,
    out: Path,
    progress: Callable[[int], None],
    *,
    overwrite: bool = True,
) -> Told:
    """Write a copy of the file with the model's answers in every row. `model` is the digest of the model.

    A row that cannot be answered gets a reason in `predicted_error`. After a kill, finished answers are kept beside
    `out` and not repeated. `progress` gets the number of finished rows.

    Raises UsageError if the file lacks the text field or has columns with the names of the added ones. Raises it also
    for unfinished answers of another model, file or setting, for another process that is writing, and for
    `asking.continues` if the model cannot continue texts.
    """
    if asking.continues and (asking.ability != "generate" or engine.rewrites):
        what = "rewrites a text" if engine.rewrites else MEANS[asking.ability]
        raise UsageError(f"--continue: this model {what} and cannot continue one. Leave out --continue")
    _require_columns(file, asking, asking.columns(engine))
    work = out.with_name(f".{out.name}.part")
    _require_own(work)
    work.mkdir(parents=True, exist_ok=True)

    def refuse(_: str) -> None:
        raise UsageError(f"{out}: another `lmworks predict` is writing this file. Wait until it ends, or change --out")

    with locked(work / LOCK, refuse):
        if out.exists() and not overwrite:  # by another that ended a moment ago
            shutil.rmtree(work)
            raise UsageError(f"{out} exists already: name another file with --out, or replace it with --overwrite")
        task = {"file": digest_file(file.path), "model": model, "asking": asdict(asking)}
        _begin(work, canonical_json(task))
        told = _written(engine, asking, file, out, work, progress)
        shutil.rmtree(work)
    return told


def _written(
    engine: Engine, asking: Asking, file: TableFile, out: Path, work: Path, progress: Callable[[int], None]
) -> Told:
    size, asked, chunks = CHUNK[asking.ability], 0, 0
    rows = file.rows()
    while some := list(_chunk(rows, size)):
        path = work / f"{chunks:06}.jsonl"
        if not path.exists():
            write_records(path, _answers(engine, asking, some))
        asked, chunks = asked + len(some), chunks + 1
        progress(asked)
    faults, first, cut = Counter[str](), "", 0

    def answered() -> Iterator[Fields]:
        nonlocal first, cut
        for chunk in range(chunks):
            for record in read_records(work / f"{chunk:06}.jsonl"):
                cut += record["cut"]
                if fault := record["answer"].get(PREFIX + ERROR):
                    faults[record["why"]] += 1
                    first = first or fault
                yield record["answer"]

    file.write(out, answered(), asking.columns(engine))
    return Told(asked, faults, first, cut)


def _chunk(rows: Iterator[Row], most: int) -> Iterator[Row]:
    """Yield the next rows: at most `most`, and fewer if they have many characters."""
    held = 0
    for row in islice(rows, most):
        yield row
        if (held := held + _bulk(row.fields)) >= CHUNK_CHARACTERS:
            return


def _bulk(value: Any) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict | list | tuple):
        return len(value) + sum(map(_bulk, value.values() if isinstance(value, dict) else value))
    return 1


def ability_of(engine: Engine) -> Ability:
    """Return the engine's ability. Raises LmworksError if the model can only score texts."""
    if not engine.can:
        raise engine.refused("classify")
    (ability,) = engine.can
    return ability


def text_field(columns: Collection[str], learned: Collection[str]) -> str:
    """Return the default text column: `text`, or else the only column that the model also `learned` texts from."""
    known = [column for column in columns if column in learned]
    return known[0] if "text" not in columns and len(known) == 1 else "text"


def _require_columns(file: TableFile, asking: Asking, added: Columns) -> None:
    columns = file.columns()
    if asking.text not in columns:
        found = ", ".join(columns) or "no columns"
        raise UsageError(f"{file.path}: no field {asking.text!r}; found {found}. Name the field to read with --text")
    if taken := [name for name in added if name in columns]:
        raise UsageError(
            f"{file.path}: already has the columns to add: {', '.join(taken)}. Drop them, or use the original file"
        )


def _require_own(work: Path) -> None:
    """Raise UsageError if the folder for unfinished answers holds other files, or is a link or a file."""
    is_folder = work.is_dir() and not work.is_symlink()
    here = {path.name for path in work.iterdir()} if is_folder else set[str]()
    others = sorted(name for name in here if name != LOCK and not OWN_NAME.fullmatch(name))
    if work.is_symlink() or work.exists() > is_folder:
        found = "a link" if work.is_symlink() else "a file"
    elif others:
        found = ", ".join(others[:3])
    elif TASK not in here and any(name.endswith(".jsonl") for name in here):
        found = "answers without task.json"
    else:
        return
    raise UsageError(
        f"{work}: found {found}. lmworks needs this folder for unfinished answers: move it away, or change --out"
    )


def _begin(work: Path, task: str) -> None:
    path = work / TASK
    if path.exists() and path.read_text("utf-8") != task:
        raise UsageError(
            f"{work}: holds unfinished answers of another model, file or setting. Delete this folder, or name another "
            "file with --out"
        )
    write_atomically(path, task)


def _answers(engine: Engine, asking: Asking, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a record per row: the columns of its `answer`, whether the text was `cut`, and `why` it has no answer."""
    records: list[dict[str, Any]] = []
    asked: list[tuple[int, Asked]] = []
    for number, row in enumerate(rows):
        records.append({"answer": {}, "cut": False, "why": ""})
        try:
            asked.append((number, request_of(engine, asking, row)))
        except LmworksError as error:
            why = "rows that could not be read" if row.fault else "rows that the model cannot answer"
            records[number] |= {"answer": {PREFIX + ERROR: f"{row.place}: {error}"}, "why": why}
    found = engine.answer([each for _, each in asked]) if asked else []
    for (number, each), answer in zip(asked, found, strict=True):
        fields, is_cut = _told(answer, each)
        records[number] |= {"answer": {PREFIX + name: value for name, value in fields.items()}, "cut": is_cut}
    return records


def request_of(engine: Engine, asking: Asking, row: Row) -> Asked:
    """Return the request of a row. Raises LmworksError with the reason if it cannot be sent."""
    if row.fault:
        raise LmworksError(row.fault)
    text = row.fields.get(asking.text)
    if "\\ud" in row.raw.lower() and not _is_whole(text):
        raise LmworksError(f"{asking.text} holds {SURROGATE}")
    if asking.ability != "generate":
        if not isinstance(text, str) or not text.strip():
            raise LmworksError(f"{asking.text} holds {'no text' if isinstance(text, str) else _kind(text)}")
        return Reading(asking.ability, text)
    turns = text if isinstance(text, list) else [{"role": "user", "content": text}]
    if not turns or not all(isinstance(turn, dict) and _is_turn(turn) for turn in turns):
        raise LmworksError(
            f"{asking.text} holds {_kind(text)}; expected a text, or turns with `role` and `content`, the role one of "
            f"{', '.join(ROLES)}"
        )
    for number, turn in enumerate(turns):
        if lost := sorted(name for name, value in turn.items() if value and name not in ASKED):
            raise LmworksError(f"{asking.text}: turn {number + 1} has {', '.join(lost)}, which the model cannot read")
    turns = [{**turn, "role": "system"} if turn["role"] == "developer" else turn for turn in turns]
    if engine.chats and not asking.continues:
        prompt = engine.encode(turns)
    elif isinstance(text, str):
        prompt = engine.encode_text(text)
    else:
        why = "--continue needs texts" if engine.chats else "a model without a chat template needs texts"
        raise LmworksError(f"{asking.text} holds turns; {why}")
    if engine.room(prompt) < 1:
        raise LmworksError(f"{len(prompt)} tokens leave no room for an answer in a context of {engine.context_length}")
    return Writing(prompt, asking.sampling)


def _is_turn(turn: Fields) -> bool:
    content = turn.get("content")
    return turn.get("role") in ROLES and isinstance(content, str) and bool(content.strip())


def _is_whole(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _told(answer: Answer, asked: Asked) -> tuple[Fields, bool]:
    if isinstance(answer, Piece):
        fields: Fields = {"text": answer.text, "finish_reason": answer.finish_reason}
        if answer.thoughts is not None:
            fields = {**fields, "thoughts": answer.thoughts}
        return fields, answer.finish_reason == "length"
    if isinstance(answer, Classified):
        fields = {"label": answer.label, "probability": answer.probability}
        return {**fields, "probabilities": dict(answer.probabilities), "truncated": answer.is_cut}, answer.is_cut
    if isinstance(answer, Embedded):
        return {"vector": list(answer.vector), "truncated": answer.is_cut}, answer.is_cut
    assert isinstance(answer, Tagged) and isinstance(asked, Reading)  # noqa: S101 - the only others
    spans = [
        {"label": label, "start": start, "end": end, "text": asked.text[start:end]}
        for label, start, end in answer.spans
    ]
    return {"spans": spans}, answer.is_cut


def digest_of_folder(folder: Path) -> str:
    """Return a digest of a published model folder: of names, sizes and times, since hashing gigabytes takes long."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return digest_text(canonical_json([[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]))
