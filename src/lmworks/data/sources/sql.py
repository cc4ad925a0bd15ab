"""The rows of a database query, as they were on one day."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from lmworks.data.sources.parsed import ParsedSource
from lmworks.data.sources.source import FolderSource
from lmworks.errors import LmworksError, UsageError


class Sql(ParsedSource, FolderSource):
    """A query's rows, written once to `snapshots/DATE/` beside the recipe, and read from there ever after.

    A database changes under us and a build must not: another `date` takes another snapshot.
    """

    kind: Literal["sql"]
    url: str = Field(
        description="SQLAlchemy's address of the database, such as sqlite:///tickets.db, or `$NAME` for the "
        "environment variable that holds it: a password has no place in a recipe."
    )
    query: str = Field(min_length=1, description="One SELECT. Its columns are the fields of a record.")
    date: datetime.date = Field(
        description="The day of the snapshot. No default: a build must not depend on the day it runs."
    )
    name: str = Field(default="sql", description="The documents' `source`.")

    @field_validator("url")
    @classmethod
    def _no_password(cls, value: str) -> str:
        if re.match(r"[^/]*://[^/@]*:[^/@]+@", value):
            raise ValueError("it holds a password; put the address into an environment variable and write `$ITS_NAME`")
        return value

    @property
    def label(self) -> str:
        return self.name

    def root(self) -> Path:
        return self.folder / "snapshots" / self.date.isoformat()

    def place(self) -> str:
        return str(self.root())

    def walk(self) -> list[str]:
        # The name is part of every id, so it says nothing of the day: a row keeps its id over snapshots.
        digest = hashlib.blake2b(f"{self.url}\0{self.query}".encode(), digest_size=8).hexdigest()
        path = self.root() / f"{digest}.jsonl"
        if not path.exists():
            self._take(path)
        return [path.name]

    def _take(self, path: Path) -> None:
        import sqlalchemy

        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            engine = sqlalchemy.create_engine(self._address())
            if engine.dialect.name == "sqlite":
                sqlalchemy.event.listen(engine, "connect", _keep_bad_bytes)
            with engine.connect() as connection, unfinished.open("w", encoding="utf-8") as stream:
                rows = connection.execution_options(yield_per=1000).execute(sqlalchemy.text(self.query))
                for row in rows.mappings():
                    stream.write(json.dumps(dict(row), default=_plain) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(path)
        except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
            fault = getattr(error, "orig", None) or error  # without the parameters, which may be personal
            raise LmworksError(f"Source {self.label}: the query failed: {fault}. Mend `url` or `query`.") from None
        finally:
            unfinished.unlink(missing_ok=True)

    def _address(self) -> Any:
        import sqlalchemy

        stated = self.url
        if stated.startswith("$"):
            stated = os.environ.get(stated[1:], "")
            if not stated:
                raise UsageError(f"Source {self.label}: the environment variable {self.url[1:]} is not set.")
        address = sqlalchemy.make_url(stated)
        if address.drivername.startswith("sqlite") and address.database and address.database != ":memory:":
            file = self.folder / address.database
            if not file.is_file():  # SQLite would make an empty one
                raise UsageError(f"Source {self.label}: there is no database {file}. Mend `url`.")
            return address.set(database=str(file))
        return address


def _keep_bad_bytes(connection: Any, _: object) -> None:
    """Let text that is no UTF-8 through as halves of surrogate pairs, which cost their row instead of the query."""
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
