"""Look at a folder with the sources and parsers that a build reads it with, so that what is seen is what is read."""

from __future__ import annotations

import hashlib
import json
import re
import time
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path, PurePosixPath
from random import Random
from string import punctuation
from typing import IO, Any

from lmworks.data.base.encodings import PUNCTUATION, looks_like
from lmworks.data.base.structure import values_at
from lmworks.data.parsers import CODE, form_of, hints
from lmworks.data.parsers.documents.faq import has_questions
from lmworks.data.parsers.fields import crowded
from lmworks.data.parsers.parser import Piece, Record, Unreadable
from lmworks.data.parsers.tables.delimited import table_form
from lmworks.data.parsers.tables.json_values import is_lines
from lmworks.data.personal.findings import scan, substitute
from lmworks.data.personal.hidden import hide, hide_name, shown_detectors
from lmworks.data.quality.language import languages_of
from lmworks.data.sources.archives import is_archive
from lmworks.data.sources.files import Files
from lmworks.data.sources.parallel import Parallel
from lmworks.data.sources.unpack import ERRORS, plain_name, unpack
from lmworks.errors import LmworksError
from lmworks.start.columns import Values, column_of
from lmworks.start.licences import LICENCE_FILE, stated_licence
from lmworks.start.roles import roles_of
from lmworks.start.seen import PREDICTED, Aside, Column, Rows, Seen, Table, Unread
from lmworks.start.words import LANGUAGES

MOST_ROWS = 200_000
"""Of one file, that are read; of a longer one it is told that there are at least so many."""
MOST_READ = 2**28
"""Characters of one file, or archive, that are read; of a longer one it is told that there is at least so much."""
MOST_TEXTS = 200
"""Files of one form that are one text each, such as PDFs, that are opened first, spread over all."""
SECONDS = 60.0
"""In which the others are opened; those that are left are counted, and it is told that they were not opened."""
LOOKED_AT = 300
"""Records of a table whose language and personal data are looked at, spread over it."""
CHARACTERS = 2_000
"""Of each of them."""
MOST_SEARCHED = LOOKED_AT * CHARACTERS
"""Characters of a table's records that are searched for personal data: of wide ones with long cells fewer are."""
MOST_LINE = 2**26
"""Bytes of a line, as `record_bytes` of a source has it: a longer one is in no file that is read line by line."""
HEAD_BYTES = 2**16
"""Of a file without a known ending, by which it is told whether it is text."""
MOST_JSON = 2**28
"""Bytes of a JSON file that is opened to find where its records stand."""
XML_FORMS = (
    (b"<mediawiki", "mediawiki"),
    (b"<tmx", "tmx"),
    (b"<posts>", "stackexchange"),
    (b"<PubmedArticle", "pubmed"),
)
"""What the beginning of an XML file holds that has a form of its own."""
LIBRARIES = tuple(
    f"*{name}/*"
    for name in ("node_modules", "bower_components", "site-packages", "dist-packages", "__pycache__", "Pods")
)
"""Folders into which programs put libraries of others, whose licences are not the folder's."""
OWN = frozenset(("recipe.yaml", "answers.yaml"))
"""Files that `lmworks init` writes."""
OF_ROWS = frozenset(
    ("csv", "tsv", "xlsx", "jsonl", "json", "parquet", "arrow", "lines", "po", "tmx", "xliff", "faq", "parallel")
)
"""Forms whose records are rows, each of which is looked at."""
MOST_PATTERNS = 1_000
"""Sets of columns that rows fill, which are counted apart."""
MOST_LEFT_OUT = 50
"""Equal copies that a recipe excludes one by one; of more its reader is told."""
FIRST = 5
"""Rows that a preview shows."""
DECODED = 5
"""Words that show how an encoding that is a guess reads."""
FOLDER, TEXT = "folder", "text"
"""Columns of texts whose folders may be their labels."""
TABLE_ENDINGS = ("", ".txt", ".dat", ".log", ".asc")
"""Of files that hold texts, or tables that a program wrote as text."""
PLAIN_ENDINGS = ("", ".txt")
"""Of such texts: manuals in Markdown are in folders too, which keep order and are no labels."""
FEWEST_IN_FOLDER, IN_FOLDERS = 20, 0.95
"""Texts of each folder, and share of all texts that are in folders with so many."""
LONGEST_SORTED = 5_000
"""Bytes of such a text in the mean, two pages: longer ones are documents."""
OWN_LICENCE = "LicenseRef-own"
FEW_LINES = 20
"""Below which files of equal numbers of lines are so by chance."""
NEAR = 0.1
"""Share of lines by which files that are to say the same line by line may differ, and are then told of."""
OF_LANGUAGE = re.compile(
    r"(?P<stem>|.*[./_-])(?P<language>(?!txt$)[a-z]{2,3}([-_][A-Z][A-Za-z]{1,3})?)(?P<rest>(\.txt)?)"
)
"""Names such as `train.en`, `news_pt-BR.txt` and `de/en.txt`."""
KEPT = re.compile(
    r"(?i)_?(old|archived?|archives|archiv|alt|backups?|bak|obsolete|superseded|veraltet|ancien|viejo|antiguo)"
)
"""Names of folders in which people keep what no longer holds."""
KEYS = re.compile(
    r"(?i)id_(rsa|dsa|ecdsa|ed25519)|.*\.(env|pem|key|ppk|asc|kdbx)|env(\..*)?|htpasswd|netrc|"
    r".*(passw(or)?d|passphrase|credential|secret|api[_-]?key|private[_-]?key|kennw(o|ö)rt|passw(o|ö)rt|contraseñ|"
    r"(hes(lo|la|el)|has[łl][oa]|lozinke?|gesl[oa]|jelsz[óo]|senhas?)(?![^\W\d_])|mots?[ _-]?de[ _-]?passe|wachtwoord|"
    r"l[öo]senord|adgangskode|passord|salasana|[şs]ifre|κωδικ|парол).*"
)
"""Names of files in which people keep what opens doors."""
COPY = re.compile(
    r"(?i).*((?<![^\W_])(copy|copies|kopie|kopia|kópia|copie|copia|cópia|kopio|kopi|másolat)(?![^\W_])|\(\d{1,3}\)(\.|$)).*"
)
"""Names that a file manager or a browser gives to copies: `a - kopie.csv`, `Copy of a.csv`, `a (1).csv`."""
_AROUND = "".join(character for character in f"{PUNCTUATION}{punctuation}" if character != "¶")
_SHOWN = re.compile(r"[^\x00-\x40\x5b-\x60\x7b-\x9f\s]{2,30}")
"""A word without digits, addresses and control characters."""
_GUESS = re.compile(r"looks like ([\w-]+)")


@dataclass
class _Group:
    """Files that belong to one table, while they are read."""

    form: str
    encoding: str = ""
    states_format: bool = False
    json_records: str = ""
    parallel: Mapping[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    sheets: list[str] = field(default_factory=list)
    bytes: int = 0
    records: int = 0
    opened: int = 0
    """Records that were read; others are counted as files of one text each."""
    text_bytes: int = 0
    """Of the texts of those."""
    is_whole: bool = True
    unopened: int = 0
    values: dict[str, Values] = field(default_factory=dict)
    filled: dict[frozenset[str], Rows] = field(default_factory=dict)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    """Of the files of those texts."""
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - no secret

    @property
    def names(self) -> list[str]:
        """Of its columns; none where each file is one text."""
        return list(self.values) if self.form in OF_ROWS else []

    def take(self, other: _Group) -> None:
        """Add a file, or a sheet, with the same columns."""
        self.files += [file for file in other.files if file not in self.files[-1:]]
        self.sheets += [sheet for sheet in other.sheets if sheet not in self.sheets]
        self.bytes += other.bytes
        self.opened += other.opened
        self.text_bytes += other.text_bytes
        self.is_whole &= other.is_whole
        for names, rows in other.filled.items():
            self.filled.setdefault(names, Rows()).take(rows)
        for name, values in other.values.items():
            self.values.setdefault(name, Values()).take(values)
        for place, text in enumerate(other.texts):
            self.records += 1
            _sample(self, text, other.rows[place] if place < len(other.rows) else None, other.folders[place])
        self.records += other.records - len(other.texts)


def look(folder: Path) -> Seen:
    """Everything in a folder and the folders below it, hidden ones left out.

    Raises `UsageError` if there is no such folder.
    """
    return _Look(folder).seen()


class _Look:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_as: dict[str, Any] = {"fields": "all", "exclude": [PREDICTED], "licence": OWN_LICENCE}
        self._plain = Files(kind="files", path=str(folder.resolve()), **self._read_as).located(folder)
        self._groups: dict[tuple[Any, ...], _Group] = {}
        self._unread: Counter[tuple[str, str]] = Counter()
        self._licences: dict[str, str] = {}

    def seen(self) -> Seen:
        paths = [path for path in self._plain.walk() if path not in OWN]
        for path in (path for path in paths if fnmatchcase(path, PREDICTED)):
            self._lose(path, "answers that `lmworks predict` wrote, which are no data")
        paths = [path for path in paths if not fnmatchcase(path, PREDICTED)]
        libraries = [pattern for pattern in LIBRARIES if any(fnmatchcase(path, pattern) for path in paths)]
        for path in (path for path in paths if _any_match(libraries, [path])):
            self._lose(_folder_of(path, libraries), "code of other people's libraries")
        paths = [path for path in paths if not _any_match(libraries, [path])]
        kinds = {path: self._form(path) for path in paths}
        named = [path for path, form in kinds.items() if form]
        aside = [*_kept_folders(named), *_keys(named)]
        copies = [*self._copies(named, [pattern for each in aside for pattern in each.patterns])]
        copied = [pattern for each in copies if each.is_left_out for pattern in each.patterns]
        kinds = {path: form for path, form in kinds.items() if not _any_match(copied, [path])}
        together: list[str] = []
        for names, files in self._parallel([path for path, form in kinds.items() if form in ("text", "code")]):
            source = Parallel(kind="parallel", path=self._plain.path, files=names, **self._read_as)
            for path in source.walk():
                self._records(source, path, source.size(path), ("parallel", str(names), ""), "")
            together += files
        kinds = {path: form for path, form in kinds.items() if path not in together}
        whole = Counter(kinds.values())
        passed: Counter[str | None] = Counter()
        later: list[tuple[str, str]] = []
        for path, form in kinds.items():
            passed[form] += 1
            if form is None:
                continue
            alone = not is_archive(path) and form not in OF_ROWS
            step = max(1, whole[form] // MOST_TEXTS)
            if not alone or passed[form] % step == 0 or whole[form] <= MOST_TEXTS:
                self._read(path, form, opened=True)
            else:
                later.append((path, form))
        until = time.monotonic() + SECONDS
        for path, form in later:
            self._read(path, form, opened=time.monotonic() < until)
        tables = list(_tables(list(self._groups.values()), together))
        tables = sorted((each for each in tables if each.records), key=lambda each: (-each.bytes, each.files[0]))
        unread = [Unread(*told) for told in _by_reason(self._unread)]
        size = sum(each.bytes for each in tables)
        return Seen(str(self._folder), tables, unread, self._licences, size, [*aside, *copies], [*libraries, *copied])

    def _parallel(self, paths: Sequence[str]) -> Iterator[tuple[dict[str, str], list[str]]]:
        """Files with equal numbers of lines and names that differ in their language alone: as a source names them.

        With a star where all of the same languages are equally long.
        """
        sets: dict[tuple[str, str], dict[str, str]] = {}
        for path in paths:
            name = OF_LANGUAGE.fullmatch(path)
            if name and re.split("[-_]", name["language"])[0] in LANGUAGES:
                sets.setdefault((name["stem"], name["rest"]), {})[name["language"]] = path
        alike: dict[tuple[str, ...], list[dict[str, str]]] = {}
        for (stem, rest), files in sets.items():
            lines = {path: self._lines(path) for path in files.values()}
            fewest, most = min(lines.values()), max(lines.values())
            if len(files) < 2 or fewest < FEW_LINES:
                continue
            if fewest == most:
                alike.setdefault((stem[-1:], rest, *sorted(files)), []).append(files)
            elif most - fewest <= NEAR * most:
                told = ", ".join(f"{path} has {count:,}" for path, count in lines.items())
                self._lose(told, "unequal numbers of lines: not read as pairs, but each by itself")
        for (before, rest, *languages), found in alike.items():
            names = {language: f"*{before}{language}{rest}" for language in languages}
            matched = [path for path in paths for pattern in names.values() if fnmatchcase(path, pattern)]
            together = [path for each in found for path in each.values()]
            if len(found) > 1 and before and {*matched} == {*together}:
                yield names, together
            else:
                yield from (({name: each[name] for name in languages}, [*each.values()]) for each in found)

    def _lines(self, path: str) -> int:
        try:
            with self._plain.open(path) as stream:
                count = 0
                for line in iter(lambda: stream.readline(MOST_LINE + 1), b""):
                    if len(line) > MOST_LINE:
                        self._lose(path, f"a line longer than {MOST_LINE:,} bytes: not read line by line")
                        return 0
                    count += 1
                return count
        except OSError:
            return 0

    def _copies(self, paths: Sequence[str], left_out: Sequence[str]) -> Iterator[Aside]:
        """Files that are equal to another, which other patterns leave, so that of all equal ones one is left.

        No copy is, of those that they leave, one without a copy's name, the one nearest to the folder.
        """
        sizes: dict[int, list[str]] = {}
        for path in paths:
            if (self._folder / path).is_file():  # and not in an archive
                sizes.setdefault(self._plain.size(path), []).append(path)
        found: dict[bytes, list[str]] = {}
        for path in (path for alike in sizes.values() if len(alike) > 1 for path in alike):
            with self._plain.open(path) as stream:
                found.setdefault(hashlib.file_digest(stream, "sha256").digest(), []).append(path)  # type: ignore[arg-type]

        def place(path: str) -> tuple[bool, bool, int, int, str]:
            is_named = COPY.fullmatch(PurePosixPath(path).name) is not None
            return _any_match(left_out, [path]), is_named, path.count("/"), len(path), path

        copies = {path for alike in found.values() for path in sorted(alike, key=place)[1:]}
        others = [path for path in paths if path not in copies]
        patterns = [_literal(path) for path in sorted(copies)]  # of which `?` may stand for another's personal data
        told = [each for each in patterns if "?" not in each.replace("[?]", "") or not _any_match([each], others)]
        if told:
            yield Aside(told, len(told), "equal copies of other files", is_left_out=len(told) <= MOST_LEFT_OUT)

    def _form(self, path: str) -> str | None:
        """What a file is read as: by its ending, or as text if its bytes are; None, told why, if it is not read."""
        name = PurePosixPath(path).name
        if LICENCE_FILE.fullmatch(name):
            head = self._head(path)
            self._licences[path] = stated_licence(head.decode("utf-8", "replace")) if len(head) < HEAD_BYTES else ""
            return None
        if is_archive(path):
            return "archive"
        ending = PurePosixPath(plain_name(path)).suffix.lower()
        try:
            size = self._plain.size(path)
        except OSError as error:  # such as a link that leads nowhere
            self._lose(path, f"cannot be opened: {error.strerror}")
            return None
        if not size:
            self._lose(path, "an empty file")
        elif ending == ".json":
            return "json"
        elif found := form_of(plain_name(path)):
            if found == "text" and ending in TABLE_ENDINGS:
                return table_form(self._head(path)) or found
            return "faq" if found == "html" and has_questions(self._head(path)) else found
        elif ending == ".xml" and (known := next((form for mark, form in XML_FORMS if mark in self._head(path)), "")):
            return known
        elif ending == ".xml":
            self._lose(
                ending, "XML says too little by its ending: name `format`, and `records`, in the recipe's source"
            )
        elif told := hints([ending]):
            self._lose(ending, told)
        elif self._head(path).removeprefix(BOM_UTF8).lstrip().startswith(b"<?xml"):
            self._lose(ending or "without an ending", "XML of a form that is not known")
        elif ending in TABLE_ENDINGS and (found := table_form(self._head(path))):
            return found
        elif _is_text(self._head(path)):
            return "code" if ending in CODE else "text"
        else:
            self._lose(ending or "without an ending", "not a form that is read, and not text")
        return None

    def _head(self, path: str) -> bytes:
        try:
            with self._plain.open(path) as stream:
                return unpack(path, stream).read(HEAD_BYTES)
        except (OSError, *ERRORS):
            return b"\0"

    def _lose(self, what: str, why: str) -> None:
        self._unread[hide_name(what), why] += 1

    def _read(self, path: str, form: str, *, opened: bool) -> None:
        """Read one file into its group. One that is not opened is counted with those of its form."""
        ending = PurePosixPath(plain_name(path)).suffix.lower()
        source, states = self._plain, form not in ("archive", form_of(plain_name(path)))
        json_records = ""
        if form == "json":
            try:
                with self._plain.open(path) as stream:
                    json_records, fault = _json_records(stream, self._plain.size(path))
            except OSError as error:
                fault = f"cannot be opened: {error.strerror}"
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
                group.unopened += 1
                return None
        encoding = ""
        try:
            encoding = self._records(source, path, size, key, "")
            if encoding:  # which is another than UTF-8
                self._records(source.model_copy(update={"encoding": encoding}), path, size, key, encoding)
        except (LmworksError, OSError) as error:
            self._lose(path, hide(str(error)))

    def _records(self, source: Files | Parallel, path: str, size: int, key: tuple[Any, ...], encoding: str) -> str:
        """Read the records of a file; stops at the first that is in another encoding, which is returned."""
        form, _, json_records = key
        units: dict[tuple[str, str], _Group] = {}  # a table each, whose rows may lack some of its columns
        read, firsts = 0, dict[str, str]()  # what is lost for a reason is told by its first
        for number, found in enumerate(source.read(Piece(path, size))):
            if number == MOST_ROWS or read > MOST_READ:
                for unit in units.values():
                    unit.is_whole = False
                break
            if isinstance(found, Unreadable):
                guess = "" if encoding or is_archive(path) else _GUESS.search(found.reason)
                if guess and found.reason.startswith("not UTF-8"):
                    is_plain = plain_name(path) == path  # else its bytes are compressed
                    return (looks_like(self._head(path)) if is_plain else "") or guess[1]
                name = f"{found.path}" + (f", record {found.key}" if found.key else "")
                self._lose(firsts.setdefault(found.reason, name), found.reason)
                continue
            if not isinstance(found, Record):
                continue
            file, _, sheet = found.path.rpartition("/")
            is_sheet = bool(sheet) and form_of(file) == "xlsx"  # which is no file
            file, sheet = (file, sheet) if is_sheet else (found.path, "")
            word = form if form != "archive" else form_of(plain_name(file)) or "text"
            if not found.text.strip() and not found.row:
                self._lose(found.path, "holds no text")
                continue
            unit = units.setdefault(
                (file, sheet),
                _Group(
                    word,
                    encoding,
                    source.format is not None,
                    json_records,
                    source.files if isinstance(source, Parallel) else {},
                    [file],
                    [sheet] if is_sheet else [],
                ),
            )
            _note(unit, found)
            unit.bytes += len(found.text.encode()) if is_archive(path) or is_sheet else 0
            read += len(found.text) + sum(len(each) for each in (found.row or {}).values() if isinstance(each, str))
        for (_, sheet), unit in units.items():
            unit.bytes += size if not is_archive(path) and not sheet else 0
            names = frozenset(unit.names)
            if unit.form == "po":  # a table for each language
                names = names.union(unit.values["language"].seen)
            known = (*(key if form != "archive" else (unit.form, "", "")), names, encoding)
            if known in self._groups:
                self._groups[known].take(unit)
            else:
                self._groups[known] = unit
        return ""


def _kept_folders(paths: Sequence[str]) -> Iterator[Aside]:
    """Folders that are named as what holds no longer is."""
    found: Counter[str] = Counter()
    for path in paths:
        parts = PurePosixPath(path).parts[:-1]
        if (place := next((at for at, part in enumerate(parts) if KEPT.fullmatch(part)), None)) is not None:
            found[f"{_literal('/'.join(parts[: place + 1]))}/*"] += 1
    for pattern, count in found.items():
        yield Aside([pattern], count, "by its name a folder of what no longer holds")


def _keys(paths: Sequence[str]) -> Iterator[Aside]:
    """Files that are named as keys and passwords are, which whoever may ask the model could then be told."""
    if found := [path for path in paths if KEYS.fullmatch(PurePosixPath(path).name)]:
        yield Aside(list(map(_literal, found)), len(found), "by the name keys or passwords")


def _folder_of(path: str, patterns: Sequence[str]) -> str:
    """Return the folder of libraries that a file is in."""
    parts = PurePosixPath(path).parts
    at = next(at for at, part in enumerate(parts) if any(pattern == f"*{part}/*" for pattern in patterns))
    return "/".join(parts[: at + 1])


def _by_reason(lost: Mapping[tuple[str, str], int]) -> Iterator[tuple[str, int, str]]:
    """What is lost, of one reason together: files, named by the first of them, and the records of each; or endings."""
    found: dict[str, tuple[str, int, str]] = {}
    for (what, why), count in lost.items():
        file, of_record, _ = what.partition(", record ")
        key = what if what.startswith(".") else why.partition(":")[0] + (file if of_record else "")
        first, before, said = found.get(key, (what, 0, why))
        found[key] = first, before + count, said
    yield from sorted(found.values(), key=lambda told: -told[1])


def _note(group: _Group, record: Record) -> None:
    group.records += 1
    group.opened += 1
    group.text_bytes += len(record.text.encode("utf-8", "replace"))
    if record.row is not None:
        digests = {name: group.values.setdefault(name, Values()).add(value) for name, value in record.row.items()}
        told = {name: digest for name, digest in digests.items() if digest is not None}
        if len(group.filled) < MOST_PATTERNS or told.keys() in group.filled:
            group.filled.setdefault(frozenset(told), Rows()).add(told)
    row = record.row and {
        name: each[:CHARACTERS] if isinstance(each, str) else each for name, each in record.row.items()
    }
    _sample(group, record.text[:CHARACTERS], row, PurePosixPath(record.path).parent.name)


def _sample(group: _Group, text: str, row: Mapping[str, Any] | None, folder: str) -> None:
    """Keep a record, or, of many, some at random: each of all is kept with the same probability."""
    if len(group.texts) < 4 * LOOKED_AT:
        group.texts.append(text)
        group.folders.append(folder)
        group.rows += [row] if row is not None else []
    elif (place := group.random.randrange(group.records)) < len(group.texts):
        group.texts[place], group.folders[place] = text, folder
        if row is not None:
            group.rows[place] = row


def _tables(groups: Sequence[_Group], together: Sequence[str]) -> Iterator[Table]:
    """A table of each group, with its sheets where a workbook has others. `together` are files read line by line."""
    groups = _sheets_together(groups)
    paths = [*dict.fromkeys(path for group in groups for path in group.files), *together]
    holding = Counter(path for group in groups for path in group.files)
    for group in groups:
        table = _table(group, paths)
        several = any(holding[path] > 1 for path in group.files)
        yield replace(table, sheets=group.sheets) if several else table


def _sheets_together(groups: Sequence[_Group]) -> Sequence[_Group]:
    """The groups, of sheets of a workbook those as one that lack only columns which say neither text nor label."""
    kept: list[_Group] = []
    for group in sorted(groups, key=lambda each: -len(each.names)):
        wider = (each for each in kept if group.form == each.form == "xlsx" and {*group.files} & {*each.files})
        wider = (each for each in wider if {*group.names} < {*each.names} and _meaning(group) == _meaning(each))
        if found := next(wider, None):
            found.take(group)
        else:
            kept.append(group)
    return kept


def _meaning(group: _Group) -> tuple[Any, ...]:
    table = _table(group, [])
    return table.shape, table.texts, table.labels[:1]


def _table(group: _Group, paths: Sequence[str]) -> Table:
    step = max(1, len(group.texts) // LOOKED_AT)
    looked = group.texts[::step]
    told = [languages_of(text).language for text in looked] if group.form != "code" else []
    languages = Counter(name for name in told if name)
    searched, personal = _personal(group.rows[::step] or [{"": text} for text in looked])
    named = [name for name in group.names if hide_name(name) == name]
    columns = [column_of(name, group.values[name], group.records) for name in named]
    remarks = []
    if others := dict.fromkeys(hide_name(name) for name in group.names if name not in named):
        remarks = [f"not used: {len(group.names) - len(named)} columns named {', '.join(others)}: rename them"]
    table = Table(
        form=group.form,
        files=group.files,
        include=_patterns(group.files, paths),
        records=group.records,
        is_whole=group.is_whole,
        bytes=group.bytes,
        text_bytes=group.text_bytes * group.records // max(group.opened, 1),
        columns=columns,
        filled=group.filled,
        shape="code" if group.form == "code" else "nothing" if remarks else "texts",
        languages={name: count / languages.total() for name, count in languages.most_common()},
        personal=dict(personal.most_common()),
        looked_at=searched,
        unopened=group.unopened,
        states_format=group.states_format,
        encoding=group.encoding,
        decoded=_decoded(looked) if group.encoding else (),
        json_records=group.json_records,
        parallel=group.parallel,
        remarks=remarks,
        first=group.rows[:FIRST] or [{"": text} for text in group.texts[:FIRST]],
    )
    return roles_of(table, group.rows) if columns else replace(table, by_folder=_by_folder(table, group))


def _by_folder(table: Table, group: _Group) -> Table | None:
    """Return texts with the names of their folders as labels, if nearly all are in folders with many short texts."""
    paths = list(map(PurePosixPath, table.files))
    counts = Counter(path.parent.name for path in paths if path.parent.name)
    large = [name for name, count in counts.items() if count >= FEWEST_IN_FOLDER]
    is_plain = table.form == "text" and all(path.suffix in PLAIN_ENDINGS for path in paths)
    is_short = table.text_bytes <= LONGEST_SORTED * table.records
    in_folders = sum(counts[name] for name in large)
    if not is_plain or not is_short or len(large) < 2 or in_folders < IN_FOLDERS * len(paths):
        return None
    rows = [{TEXT: text, FOLDER: folder} for text, folder in zip(group.texts, group.folders, strict=True) if folder]
    values = Values()
    for row in rows:
        values.add(row[TEXT])
    total = counts.total()
    text = replace(column_of(TEXT, values, len(rows)), kind="text", filled=total)
    mean = sum(len(name) * count for name, count in counts.items()) / total
    folder = Column(FOLDER, "category", total, len(counts), mean, counts=dict(counts.most_common()))
    return roles_of(replace(table, columns=[text, folder], records=total, is_by_folder=True), rows)


def _personal(records: Sequence[Mapping[str, Any]]) -> tuple[int, Counter[str]]:
    """How many records are searched, and how many hold personal data in any of their columns, by its kind."""
    every = sum(len(_written(value)) for row in records for value in row.values())
    left, cells = MOST_SEARCHED, list[tuple[int, str, str]]()
    for at, row in enumerate(records[:: max(1, -(-every // MOST_SEARCHED))]):
        for name, value in row.items():
            text = _written(value)[:left]
            left -= len(text)
            cells += [(at, name, text)] if left else []
    detectors = shown_detectors()
    found = {(at, finding.kind) for at, name, text in cells for finding in scan(text, detectors, label=name)}
    return len({at for at, _, _ in cells}), Counter(kind for _, kind in sorted(found))


def _decoded(texts: Iterable[str]) -> list[str]:
    """Words by which one sees whether an encoding is right: whole ones in small letters, of a tenth of the records."""
    records = [dict.fromkeys(word.strip(_AROUND) for word in text.split()) for text in texts]
    words = Counter(word for record in records for word in record if _SHOWN.fullmatch(word))
    shown = [word for word, count in words.most_common() if count >= max(2, len(records) / 10)]
    return [word for word in shown if not word.isascii() and word == word.lower()][:DECODED]


def _written(value: Any) -> str:
    text = (
        value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    )
    return text[:CHARACTERS]


def _patterns(files: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Patterns of `include` that match these of all files that are read, and no others of them.

    An ending or a folder where that is enough, else names: what cannot be read is tried, and counted, by a build too.
    """
    wanted = set(files)
    others = [path for path in paths if path not in wanted]
    endings = sorted({f"*{_literal(PurePosixPath(path).suffix)}" for path in files})
    if all(PurePosixPath(path).suffix for path in files) and not _any_match(endings, others):
        return endings
    folders = sorted({str(PurePosixPath(path).parent) for path in files})
    inside = [f"{_literal(folder)}/*{ending[1:]}" for folder in folders if folder != "." for ending in endings]
    if "." not in folders and len(inside) < len(wanted) and not _any_match(inside, others):
        return inside
    return list(dict.fromkeys(map(_literal, sorted(wanted))))


def _any_match(patterns: Sequence[str], paths: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns for path in paths)


def _literal(path: str) -> str:
    """A pattern that matches this path alone, or those as long that differ from it in personal data: it says none."""
    hidden = substitute(path, scan(path, shown_detectors()), lambda finding: "\0" * (finding.end - finding.start))
    return re.sub(r"([*?[])", r"[\1]", hidden).replace("\0", "?")


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


def _json_records(stream: IO[bytes], size: int) -> tuple[str, str]:
    """Where the records of a JSON file stand, "" for a list of them or one; and why it cannot be read, if so."""
    if stream.read(2**12).removeprefix(BOM_UTF8).lstrip().startswith(b"["):
        return "", ""  # which is read item by item
    if is_lines(stream):
        return "", ""
    if size > MOST_JSON:
        return "", f"more than {MOST_JSON:,} bytes of JSON; write a record a line (*.jsonl)"
    stream.seek(0)
    raw = stream.read(MOST_JSON)
    if fault := crowded(raw):
        return "", fault
    try:
        held = json.loads(raw)
    except (ValueError, RecursionError):
        return "", "not JSON"
    places = list(_lists(held, ""))
    place = next((each for each in places if _says_something(held, each)), next(iter(places), ""))
    return (
        ("", f"its records stand in {hide(place)}: rename that, or write a record a line")
        if hide(place) != place
        else (place, "")
    )


def _says_something(held: Mapping[str, Any], place: str) -> bool:
    """Whether records that stand at a place have texts of their own, or are conversations."""
    some = list(islice((each for each in values_at(held, place) if isinstance(each, Mapping)), LOOKED_AT))
    values = dict[str, Values]()
    for record in some:
        for name, value in record.items():
            values.setdefault(name, Values()).add(value)
    columns = [column_of(name, each, len(some)) for name, each in values.items()]
    table = Table("json", [], [], len(some), True, 0, 0, columns, "nothing")
    return bool(columns) and roles_of(table, some).shape not in ("nothing", "events")


def _lists(value: Any, place: str) -> Iterator[str]:
    """The places of the longest list of objects inside an object, outermost first, and of lists in its first object."""
    if isinstance(value, dict):
        inner = {name: each for name, each in value.items() if isinstance(each, list) and each}
        inner = {name: each for name, each in inner.items() if all(isinstance(item, dict) for item in each)}
        if inner:
            name = max(inner, key=lambda name: len(inner[name]))
            yield f"{place}{name}.*"
            yield from _lists(inner[name][0], f"{place}{name}.*.")
        for name, each in value.items():
            if isinstance(each, dict):
                yield from _lists(each, f"{place}{name}.")
