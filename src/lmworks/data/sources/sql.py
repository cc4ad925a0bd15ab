"""The rows of a database query, as they were on one day."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from lmworks.data.base.identity import document_id, load_id_key
from lmworks.data.base.structure import value_at
from lmworks.data.erased.values import Erased, Line, known_values
from lmworks.data.sources.parsed import ParsedSource
from lmworks.data.sources.source import Address, FolderSource
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.erasure import erased_documents
from lmworks.pipeline.files import write_atomically

LINES_AT_ONCE = 1_000
"""Number of snapshot lines that are searched together for erased values."""
READS = re.compile(r"(?:\s|--[^\n]*+\n|/\*(?s:.*?)\*/|\()*+(?:SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE)


class Sql(ParsedSource, FolderSource):
    """Rows of a database query. They are written once to `snapshots/DATE/` beside the recipe, and read from there.

    A database changes, but a build must be repeatable. For a new snapshot, change `date`.
    """

    packages: ClassVar[tuple[str, ...]] = ("sqlalchemy",)
    kind: Literal["sql"]
    url: Address = Field(
        description="SQLAlchemy's address of the database, such as sqlite:///tickets.db, or `$NAME` for an environment "
        "variable that holds it. Do not put a password into a recipe."
    )
    query: str = Field(min_length=1, description="One SELECT. Its columns become the fields of a record.")
    date: datetime.date = Field(
        description="Day of the snapshot. It has no default, because a build must not depend on when it runs."
    )
    name: str = Field(default="sql", description="Value of the documents' `source`.")

    @field_validator("query")
    @classmethod
    def _selects(cls, query: str) -> str:
        if not READS.match(query):
            raise ValueError("is not a query that only reads; begin it with SELECT, WITH, VALUES or TABLE")
        return query

    @property
    def label(self) -> str:
        return self.name

    def root(self) -> Path:
        return self.folder / "snapshots" / self.date.isoformat()

    def place(self) -> str:
        return str(self.root())

    def walk(self) -> list[str]:
        """Return the file of the day's snapshot. If there is no snapshot, write it first."""
        # The name is part of every id, so it says nothing of the day: a row keeps its id over snapshots.
        digest = hashlib.blake2b(f"{self.url}\0{self.query}".encode(), digest_size=8).hexdigest()
        path = self.root() / f"{digest}.jsonl"
        if not path.exists():
            write_atomically(path, self._without_erased(path.name, self._rows()))
        return [path.name]

    def forget(self) -> None:
        """Empty the rows of erased documents in all snapshots, and delete unfinished files of killed runs."""
        for unfinished in self.root().parent.glob("*/.*.jsonl.*"):
            unfinished.unlink()
        for path in self.root().parent.glob("*/*.jsonl"):
            with path.open("rb") as before, path.open("rb") as after:
                if any(old != new for old, new in zip(before, self._without_erased(path.name, after), strict=True)):
                    before.seek(0)
                    write_atomically(path, self._without_erased(path.name, before))

    def _without_erased(self, name: str, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a snapshot's lines. Erased ones are empty, so that the others keep their numbers."""
        key, erased = load_id_key(self.folder), set(erased_documents(self.folder))
        values, numbered = Erased(key, map(Line.read, known_values(self.folder))), enumerate(lines, 1)
        while some := list(islice(numbered, LINES_AT_ONCE)):
            held = values.find([line.decode() for _, line in some]) if values else [set[str]()] * len(some)
            for (number, line), found in zip(some, held, strict=True):
                named = (erased or found) and self.key_field and line.strip()
                value = value_at(json.loads(line), self.key_field or "") if named else number
                identity = document_id(key, self.label, name, str(value))
                yield b"\n" if identity in erased or values.but_kept(identity, found) else line

    def _rows(self) -> Iterator[bytes]:
        """Yield the rows of the query as lines of JSON. Raises LmworksError if the query fails."""
        import sqlalchemy

        address = self._address()
        try:
            engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.pool.NullPool)
            if engine.dialect.name == "sqlite":
                sqlalchemy.event.listen(engine, "connect", _read_only)
            with engine.connect() as connection:
                if engine.dialect.name == "postgresql":
                    connection = connection.execution_options(postgresql_readonly=True)
                # A cursor on the server's side: so many rows are in memory here.
                rows = connection.execution_options(yield_per=1000).execute(sqlalchemy.text(self.query))
                for row in rows.mappings():
                    yield (json.dumps(dict(row), default=_plain) + "\n").encode()
        except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
            fault = str(getattr(error, "orig", None) or error)  # without the parameters, which may be personal
            fault = fault.replace(address.password, "***") if address.password else fault
            raise LmworksError(
                f"Source {self.label}: the query failed: {fault.strip()}. Fix `url` or `query`; if the server could "
                "not be reached, check its host, port, user and password."
            ) from None

    def _address(self) -> Any:
        import sqlalchemy

        stated = self.url
        if stated.startswith("$"):
            stated = os.environ.get(stated[1:], "")
            if not stated:
                raise UsageError(f"Source {self.label}: the environment variable {self.url[1:]} is not set.")
        try:
            if stated.count("@") > 1:
                raise ValueError("more than one @")
            address = sqlalchemy.make_url(stated)
        except (sqlalchemy.exc.ArgumentError, ValueError):
            raise UsageError(
                f"Source {self.label}: {self.url} is not an address of a database. Expected "
                "postgresql://user:password@host:port/name; write @ : / ? in a password as %40 %3A %2F %3F."
            ) from None
        if address.drivername.startswith("sqlite") and address.database and address.database != ":memory:":
            file = self.folder / address.database
            if not file.is_file():  # SQLite would make an empty one
                raise UsageError(f"Source {self.label}: there is no database {file}. Fix `url`.")
            return address.set(database=str(file))
        return address


def forget_rows(ingests: Iterable[Mapping[str, Any]], folder: Path) -> None:
    """Empty erased rows in the snapshots that these configs of `ingest` read. `folder` is the recipe's folder."""
    for source in (source for config in ingests for source in config["sources"] if source["kind"] == "sql"):
        Sql.model_validate({**source, "folder": folder}).forget()


def _read_only(connection: Any, _: object) -> None:
    """Make the connection read-only. Bytes that are not UTF-8 become lone surrogates: only their row is lost."""
    connection.execute("PRAGMA query_only = ON")
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
