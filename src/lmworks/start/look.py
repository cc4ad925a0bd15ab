"""Look at a folder with the sources and parsers that a build reads it with, so that what is seen is what is read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from lmworks.data.parsers import form_of, hints
from lmworks.data.parsers.parser import Piece, Record, Unreadable
from lmworks.data.privacy.findings import scan
from lmworks.data.privacy.hidden import hide_name, shown_detectors
from lmworks.data.quality.language import languages_of
from lmworks.data.sources.archives import is_archive
from lmworks.data.sources.files import Files
from lmworks.data.sources.unpack import plain_name
from lmworks.errors import LmworksError
from lmworks.start.columns import Values, column_of
from lmworks.start.licences import LICENCE_FILE, stated_licence
from lmworks.start.roles import WORDS, roles_of
from lmworks.start.seen import Seen, Table, Unread

MOST_ROWS = 200_000
"""Of one file, that are read; of a longer one it is told that there are at least so many."""
MOST_TEXTS = 200
"""Files of one form that are one text each, such as PDFs, that are opened; all are counted."""
LOOKED_AT = 300
"""Records of a table whose language and personal data are looked at, spread over it."""
CHARACTERS = 2_000
"""Of each of them."""
HEAD_BYTES = 2**16
"""Of a file without a known ending, by which it is told whether it is text."""
MOST_JSON = 2**28
"""Bytes of a JSON file that is opened to find where its records stand."""
OWN = frozenset(("recipe.yaml", "answers.yaml"))
"""Files that `lmworks init` writes."""
OF_ROWS = frozenset(("csv", "tsv", "xlsx", "jsonl", "json", "parquet", "arrow", "lines"))
"""Forms whose records are rows, each of which is looked at."""
CODE = frozenset(WORDS["code"])
"""Endings of source code."""
_GUESS = re.compile(r"looks like ([\w-]+)")


@dataclass
class _Group:
    """Files that belong to one table, while they are read."""

    form: str
    names: tuple[str, ...]
    encoding: str = ""
    states_format: bool = False
    json_records: str = ""
    files: list[str] = field(default_factory=list)
    bytes: int = 0
    records: int = 0
    is_whole: bool = True
    values: dict[str, Values] = field(default_factory=dict)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def look(folder: Path) -> Seen:
    """Everything in a folder and the folders below it, hidden ones left out.

    Raises `UsageError` if there is no such folder.
    """
    return _Look(folder).seen()


class _Look:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plain = Files(kind="files", path=str(folder.resolve()), fields="all", licence="LicenseRef-own")
        self._groups: dict[tuple[Any, ...], _Group] = {}
        self._unread: Counter[tuple[str, str]] = Counter()
        self._licences: dict[str, str] = {}

    def seen(self) -> Seen:
        paths = [path for path in self._plain.walk() if path not in OWN]
        kinds = {path: self._form(path) for path in paths}
        whole = Counter(kinds.values())
        passed: Counter[str | None] = Counter()
        for path, form in kinds.items():
            passed[form] += 1
            if form is None:
                continue
            alone = not is_archive(path) and form not in OF_ROWS
            step = max(1, whole[form] // MOST_TEXTS)
            self._read(path, form, opened=not alone or passed[form] % step == 0 or whole[form] <= MOST_TEXTS)
        read = [path for group in self._groups.values() for path in group.files]
        tables = [_table(group, read) for group in self._groups.values()]
        tables = sorted((each for each in tables if each.records), key=lambda each: (-each.bytes, each.files[0]))
        unread = [Unread(*told) for told in _by_reason(self._unread)]
        return Seen(str(self._folder), tables, unread, self._licences, sum(each.bytes for each in tables))

    def _form(self, path: str) -> str | None:
        """What a file is read as: by its ending, or as text if its bytes are; None, told why, if it is not read."""
        name = PurePosixPath(path).name
        if LICENCE_FILE.fullmatch(name):
            self._licences[path] = stated_licence(self._head(path).decode("utf-8", "replace"))
            return None
        if is_archive(path):
            return "archive"
        ending = PurePosixPath(plain_name(path)).suffix.lower()
        if not self._plain.size(path):
            self._lose(path, "an empty file")
        elif ending == ".json":
            return "json"
        elif found := form_of(plain_name(path)):
            return found
        elif ending in (".xml",):
            self._lose(
                ending, "XML says too little by its ending: name `format`, and `records`, in the recipe's source"
            )
        elif told := hints([ending]):
            self._lose(ending, told)
        elif _is_text(self._head(path)):
            return "code" if ending in CODE else "text"
        else:
            self._lose(ending or "without an ending", "not a form that is read, and not text")
        return None

    def _head(self, path: str) -> bytes:
        try:
            with self._plain.open(path) as stream:
                return stream.read(HEAD_BYTES)
        except OSError:
            return b"\0"

    def _lose(self, what: str, why: str) -> None:
        self._unread[hide_name(what), why] += 1

    def _read(self, path: str, form: str, *, opened: bool) -> None:
        """Read one file into its group. One that is not opened is counted with those of its form."""
        ending = PurePosixPath(plain_name(path)).suffix.lower()
        source, states = self._plain, form != "archive" and form_of(plain_name(path)) is None
        json_records = ""
        if form == "json":
            json_records, fault = _json_records(self._folder / path)
            if fault:
                return self._lose(path, fault)
        if states:
            word = "text" if form == "code" else form
            source = source.model_copy(update={"format": word, "records": json_records or None})
        size = source.size(path)
        key = (form, ending if states else "", json_records)
        if not opened:
            group = next((each for known, each in self._groups.items() if known[:3] == key), None)
            if group:
                group.files.append(path)
                group.bytes += size
                group.records += 1
                return None
        encoding = ""
        try:
            encoding = self._records(source, path, size, key, "")
            if encoding:  # which is another than UTF-8
                self._records(source.model_copy(update={"encoding": encoding}), path, size, key, encoding)
        except (LmworksError, OSError) as error:
            self._lose(path, str(error))

    def _records(self, source: Files, path: str, size: int, key: tuple[Any, ...], encoding: str) -> str:
        """Read the records of a file; stops at the first that is in another encoding, which is returned."""
        form, _, json_records = key
        for number, found in enumerate(source.read(Piece(path, size)), 1):
            if isinstance(found, Unreadable):
                guess = "" if encoding or is_archive(path) else _GUESS.search(found.reason)
                if guess and found.reason.startswith("not UTF-8"):
                    self._forget(path)
                    return guess[1]
                self._lose(f"{found.path}" + (f", record {found.key}" if found.key else ""), found.reason)
                continue
            if not isinstance(found, Record):
                continue
            file, _, sheet = found.path.rpartition("/")
            file = file if sheet and form_of(file) == "xlsx" else found.path  # a sheet is no file
            word = form if form != "archive" else form_of(plain_name(file)) or "text"
            if not found.text.strip() and not found.row:
                self._lose(found.path, "holds no text")
                continue
            names = tuple(found.row) if found.row is not None and word in OF_ROWS else ()
            group = self._groups.setdefault(
                (*(key if form != "archive" else (word, "", "")), names, encoding),
                _Group(word, names, encoding, source.format is not None, json_records),
            )
            if not group.files or group.files[-1] != file:
                group.files.append(file)
                group.bytes += size if not is_archive(path) else 0
            group.bytes += len(found.text.encode()) if is_archive(path) else 0
            _note(group, found)
            if number >= MOST_ROWS:
                group.is_whole = False
                break
        return ""

    def _forget(self, path: str) -> None:
        """Take a file back that turned out to be in another encoding than the one it was read in."""
        for key, group in list(self._groups.items()):
            if path in group.files:
                if len(group.files) == 1:
                    del self._groups[key]
                else:
                    group.files.remove(path)


def _by_reason(lost: Mapping[tuple[str, str], int]) -> Iterator[tuple[str, int, str]]:
    """What is lost, files and records of one reason together, named by the first of them; endings each by itself."""
    found: dict[str, tuple[str, int, str]] = {}
    for (what, why), count in lost.items():
        key = what if what.startswith(".") else why.partition(":")[0]
        first, before, said = found.get(key, (what, 0, why))
        found[key] = first, before + count, said
    yield from sorted(found.values(), key=lambda told: -told[1])


def _note(group: _Group, record: Record) -> None:
    group.records += 1
    if record.row is not None:
        for name, value in record.row.items():
            group.values.setdefault(name, Values()).add(value)
    sample = group.texts
    if len(sample) < 4 * LOOKED_AT:
        sample.append(record.text[:CHARACTERS])
        if record.row is not None:
            group.rows.append(record.row)
    elif group.records % (1 + group.records // LOOKED_AT) == 0:
        place = group.records % len(sample)
        sample[place] = record.text[:CHARACTERS]
        if record.row is not None:
            group.rows[place] = record.row


def _table(group: _Group, paths: Sequence[str]) -> Table:
    step = max(1, len(group.texts) // LOOKED_AT)
    looked = group.texts[::step]
    told = [languages_of(text).language for text in looked] if group.form != "code" else []
    languages = Counter(name for name in told if name)
    personal: Counter[str] = Counter()
    for text in looked:
        personal.update({finding.kind for finding in scan(text, shown_detectors())})
    columns = [column_of(name, group.values[name], group.records) for name in group.names]
    table = Table(
        form=group.form,
        files=group.files,
        include=_patterns(group.files, paths),
        records=group.records,
        is_whole=group.is_whole,
        bytes=group.bytes,
        columns=columns,
        shape="code" if group.form == "code" else "texts",
        languages={name: count / languages.total() for name, count in languages.most_common()},
        personal=dict(personal.most_common()),
        looked_at=len(looked),
        states_format=group.states_format,
        encoding=group.encoding,
        json_records=group.json_records,
    )
    return roles_of(table, group.rows) if columns else table


def _patterns(files: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Patterns of `include` that match these of all files that are read, and no others of them.

    An ending or a folder where that is enough, else names: what cannot be read is tried, and counted, by a build too.
    """
    wanted, others = set(files), [path for path in paths if path not in set(files)]
    endings = sorted({f"*{PurePosixPath(path).suffix}" for path in files})
    if all(PurePosixPath(path).suffix for path in files) and not _any_match(endings, others):
        return endings
    folders = sorted({str(PurePosixPath(path).parent) for path in files})
    inside = [f"{_literal(folder)}/*{ending[1:]}" for folder in folders if folder != "." for ending in endings]
    if "." not in folders and len(inside) < len(wanted) and not _any_match(inside, others):
        return inside
    return [_literal(path) for path in sorted(wanted)]


def _any_match(patterns: Sequence[str], paths: Sequence[str]) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(path, pattern) for pattern in patterns for path in paths)


def _literal(path: str) -> str:
    """A pattern that matches this path alone."""
    return re.sub(r"([*?[])", r"[\1]", path)


def _is_text(head: bytes) -> bool:
    """Whether the beginning of a file is UTF-8 without control characters."""
    if not head.strip() or b"\0" in head:
        return False
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) < HEAD_BYTES or error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return sum(character < " " and character not in "\t\n\r\f" for character in text) < len(text) / 1000


def _json_records(path: Path) -> tuple[str, str]:
    """Where the records of a JSON file stand, "" for a list of them or one; and why it cannot be read, if so."""
    if path.stat().st_size > MOST_JSON:
        return "", f"more than {MOST_JSON:,} bytes of JSON; write a record a line (*.jsonl)"
    try:
        held = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return "", "not JSON"
    return next(iter(_lists(held, "")), ""), ""


def _lists(value: Any, place: str) -> Iterator[str]:
    """The places of the longest list of objects inside an object, outermost first."""
    if isinstance(value, dict):
        inner = {name: each for name, each in value.items() if isinstance(each, list) and each}
        inner = {name: each for name, each in inner.items() if all(isinstance(item, dict) for item in each)}
        if inner:
            yield f"{place}{max(inner, key=lambda name: len(inner[name]))}.*"
        for name, each in value.items():
            if isinstance(each, dict):
                yield from _lists(each, f"{place}{name}.")
